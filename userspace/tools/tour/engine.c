// SPDX-License-Identifier: GPL-2.0
/* The file copied by an engine, a device's DMA, and a timer; interrupts are counted. */
#include <errno.h>
#include <ipcdev_engine.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

#define DEPTH		16
#define TICKS		20
#define PERIOD		(10 * NSEC_PER_SEC / 1000)
#define DEVICE_BYTES	8192	/* of a device that may be slow: edu does 10 KiB a second */

/**
 * struct workshop - an engine, and what it works on
 * @fd: the engine
 * @ring: where its completions are reaped
 * @from: a buffer with the file
 * @to: one to copy it to
 * @source: the former, mapped
 * @target: the latter, mapped
 */
struct workshop {
	int fd;
	struct ipcdev_ring ring;
	int from;
	int to;
	void *source;
	void *target;
};

static void open_engine(struct workshop *w, const char *backend)
{
	w->fd = ipcdev_engine_create(backend, DEPTH, 0, 0);
	if (w->fd < 0 || ipcdev_ring_open(&w->ring, w->fd, IPCDEV_RIGHT_READ))
		give_up("make an engine");
}

static void close_engine(struct workshop *w)
{
	ipcdev_ring_close(&w->ring);
	close(w->fd);
}

static int make_buffer(size_t size, void **map)
{
	int fd = ipcdev_buffer_create(size, 0, 0);

	*map = fd < 0 ? NULL : ipcdev_buffer_map(fd, 0, 0, PROT_READ | PROT_WRITE);
	if (!*map)
		give_up("make a buffer");
	return fd;
}

/* What /proc/interrupts says, on all processors, of those of that name. */
static uint64_t irq_count(const char *name)
{
	FILE *file = fopen("/proc/interrupts", "re");
	uint64_t count = 0, number;
	char *at, *end;
	char line[4096];

	if (!file)
		give_up("/proc/interrupts");
	while (fgets(line, sizeof(line), file)) {
		at = strchr(line, ':');
		if (!at || !strstr(at, name))
			continue;
		for (at++; number = strtoull(at, &end, 10), end != at; at = end)
			count += number;
	}
	fclose(file);
	return count;
}

static bool submit_all(struct workshop *w, const struct ipcdev_engine_request *requests,
		       unsigned int count)
{
	struct ipcdev_deadline deadline;

	return ipcdev_engine_submit(w->fd, requests, count,
				    ipcdev_deadline_in(&deadline, PATIENCE)) == (int)count ||
	       missed("submit: %s", strerror(errno));
}

static bool next(struct workshop *w, struct ipcdev_completion *completion)
{
	struct ipcdev_deadline deadline;

	if (ipcdev_engine_next(&w->ring, completion,
			       ipcdev_deadline_in(&deadline, PATIENCE)))
		return missed("reap: %s", strerror(errno));
	return completion->result >= 0 ||
	       missed("request %llu: %s", (unsigned long long)completion->user_data,
		      strerror(-completion->result));
}

/* All pieces of the file, DEPTH at a time. */
static bool copy_file(const struct tour *tour, struct workshop *w, double *rate)
{
	struct bar bar = { .tour = tour, .start = now_ns() };
	struct ipcdev_engine_request request;
	struct ipcdev_completion completion;
	size_t at = 0, done = 0, len;

	while (done < tour->size) {
		while (at < tour->size && at - done < (DEPTH - 1) * PIECE) {
			len = tour->size - at < PIECE ? tour->size - at : PIECE;
			ipcdev_engine_copy(&request, at, w->to, at, w->from, at, len);
			if (!submit_all(w, &request, 1))
				return false;
			at += len;
		}
		if (!next(w, &completion))
			return false;
		done += completion.result;
		bar_draw(&bar, done);
	}
	*rate = rate_of(done, now_ns() - bar.start);
	return true;
}

/* Of the two buffers' first bytes, worked out by an engine at the same time. */
static bool sums_equal(struct workshop *w, size_t size)
{
	struct ipcdev_completion completions[2];
	struct ipcdev_engine_request requests[2];

	ipcdev_engine_crc32(requests, 0, w->from, 0, size);
	ipcdev_engine_crc32(requests + 1, 1, w->to, 0, size);
	if (!submit_all(w, requests, 2) || !next(w, completions) || !next(w, completions + 1))
		return false;
	printf("  CRC32 of the source %08llx, of the copy %08llx\n",
	       (unsigned long long)completions[0].result,
	       (unsigned long long)completions[1].result);
	return completions[0].result == completions[1].result ||
	       missed("the copy differs");
}

static bool tick(struct workshop *w)
{
	struct ipcdev_engine_request request;
	struct ipcdev_completion completion;
	uint64_t late, latest = 0, start = now_ns(), missing = 0;

	ipcdev_engine_periodic(&request, 0, PERIOD);
	if (!submit_all(w, &request, 1))
		return false;
	for (unsigned int i = 1; i <= TICKS; i++) {
		if (!next(w, &completion))
			return false;
		missing += completion.missed;
		late = completion.time_ns - start - (i + missing) * PERIOD;
		latest = late > latest ? late : latest;
	}
	printf("  %u ticks, one each %llu ms: none more than %.2f ms late, %llu missed\n",
	       TICKS, PERIOD / 1000000, latest / 1e6, (unsigned long long)missing);
	if (ipcdev_engine_cancel(w->fd, 0, 0) != 1)
		return missed("cancel: %s", strerror(errno));
	do {
		if (ipcdev_engine_next(&w->ring, &completion, NULL))
			return missed("reap: %s", strerror(errno));
	} while (completion.flags & IPCDEV_COMPLETION_MORE);
	return completion.result == -ECANCELED || missed("the timer was not cancelled");
}

/* The first device that copies; false if there is none. */
static bool find_device(char *name)
{
	struct ipcdev_backend_info info;

	for (unsigned int i = 0; ipcdev_engine_backends(i, &info, 1) == 1; i++) {
		if (!strcmp(info.name, "soft") || !(info.operations >> IPCDEV_OP_COPY & 1))
			continue;
		strcpy(name, info.name);
		return true;
	}
	return false;
}

/* A device copies, and the processor works out the sums. */
static bool use_device(struct workshop *w, const char *name)
{
	size_t size = DEVICE_BYTES;
	struct workshop device = *w;
	struct ipcdev_engine_request request;
	struct ipcdev_completion completion;
	uint64_t before = irq_count(name), interrupts, start, ns;
	bool well;

	memset(w->target, 0, size);
	open_engine(&device, name);
	ipcdev_engine_copy(&request, 0, w->to, 0, w->from, 0, size);
	start = now_ns();
	well = submit_all(&device, &request, 1) && next(&device, &completion);
	ns = now_ns() - start;
	close_engine(&device);
	if (!well)
		return false;
	interrupts = irq_count(name) - before;
	printf("  %s: %zu bytes by DMA in %.1f s, %llu interrupts in /proc/interrupts\n",
	       name, size, ns / 1e9, (unsigned long long)interrupts);
	if (!interrupts)
		return missed("the device has not interrupted");
	return sums_equal(w, size);
}

static bool do_work(const struct tour *tour, struct workshop *w, char *result, size_t size)
{
	uint64_t before = irq_count("IRQ work interrupts"), interrupts;
	char name[IPCDEV_BACKEND_NAME_MAX], sum[SHA256_SIZE];
	struct ipcdev_engine_stat stat;
	double rate;

	read_fully(tour->file, w->source, tour->size, 0);
	if (!copy_file(tour, w, &rate) || !sums_equal(w, tour->size) || !tick(w))
		return false;
	if (ipcdev_engine_stat(w->fd, &stat))
		return missed("stat: %s", strerror(errno));
	interrupts = irq_count("IRQ work interrupts") - before;
	printf("  %llu requests; /proc/interrupts counts %llu \"IRQ work interrupts\" meanwhile\n",
	       (unsigned long long)stat.submitted, (unsigned long long)interrupts);
	if (!interrupts)
		return missed("there were no interrupts");
	if (!sha256_memory(w->target, tour->size, sum))
		give_up("sha256sum");
	if (strcmp(sum, tour->sha256))
		return missed("the file differs");
	printf("  SHA-256 %s of the copy\n", sum);
	snprintf(result, size, "%.1f MiB/s, SHA-256 equal", rate);
	if (find_device(name))
		return use_device(w, name);
	puts("  there is no device here that copies");
	return true;
}

static bool show(const struct tour *tour, char *result, size_t size)
{
	size_t bytes = tour->size > DEVICE_BYTES ? tour->size : DEVICE_BYTES;
	struct workshop w;
	bool well;

	open_engine(&w, NULL);
	w.from = make_buffer(bytes, &w.source);
	w.to = make_buffer(bytes, &w.target);
	well = do_work(tour, &w, result, size);
	munmap(w.source, bytes);
	munmap(w.target, bytes);
	close(w.from);
	close(w.to);
	close_engine(&w);
	return well;
}

const struct stop engine = {
	.title = "An engine",
	.about =
"Requests are carried out while the process sleeps, and an interrupt ends each of them:\n"
"copies of all the file, checksums, a timer that ticks; and a device's DMA, if there is one.",
	.show = show,
};
