// SPDX-License-Identifier: GPL-2.0
/* A file from one process to another, by messages and by slices. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tour.h"

#define BAR_WIDTH	40

/* What is sent instead of a piece of the file: 64 bytes, and a slice. */
struct label {
	uint64_t number;
	uint64_t bytes;		/* of the file up to here */
	char text[48];
};

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* MiB a second. */
double rate_of(uint64_t bytes, uint64_t ns)
{
	return ns ? bytes / 1048576.0 / (ns / 1e9) : 0;
}

/* A bar that grows, some ten times a second; elsewhere a line each quarter. */
void bar_draw(struct bar *bar, uint64_t bytes)
{
	static const char full[] = "########################################";
	size_t size = bar->tour->size;
	uint64_t now = now_ns();
	int width = bytes * BAR_WIDTH / size;
	unsigned int quarters = bytes * 4 / size;

	if (bar->tour->terminal) {
		if (bytes < size && now - bar->drawn < NSEC_PER_SEC / 10)
			return;
		bar->drawn = now;
		printf("\r  [%.*s%*s] %3d%% %8.1f MiB/s%s", width, full,
		       BAR_WIDTH - width, "", (int)(bytes * 100 / size),
		       rate_of(bytes, now - bar->start),
		       bytes == size ? "\n" : "");
		fflush(stdout);
	} else if (quarters > bar->quarters) {
		bar->quarters = quarters;
		printf("  %3u%% %8.1f MiB/s\n", quarters * 25,
		       rate_of(bytes, now - bar->start));
	}
}

static bool same_sum(const struct tour *tour, const void *data)
{
	char sum[SHA256_SIZE];

	if (!sha256_memory(data, tour->size, sum))
		return missed("sha256sum did not work");
	printf("  SHA-256 %s at the far end\n", sum);
	return !strcmp(sum, tour->sha256) ||
	       missed("the far end has another file");
}

static void tell_rate(const struct tour *tour, uint64_t ns, unsigned int count,
		      char *result, size_t size)
{
	printf("  %u messages, %.1f MiB/s\n", count, rate_of(tour->size, ns));
	snprintf(result, size, "%.1f MiB/s, SHA-256 equal",
		 rate_of(tour->size, ns));
}

static size_t piece_at(const struct tour *tour, size_t at)
{
	return tour->size - at < PIECE ? tour->size - at : PIECE;
}

/* The tag of each message is the time when the first one set out. */
static void send_messages(const struct tour *tour, int queue)
{
	struct ipcdev_msg msg = { 0 };
	char *data;

	data = malloc(tour->size);
	if (!data)
		give_up("malloc");
	read_fully(tour->file, data, tour->size, 0);

	msg.tag = now_ns();
	for (size_t at = 0; at < tour->size; at += msg.len) {
		msg.data = ipcdev_ptr(data + at);
		msg.len = piece_at(tour, at);
		if (ipcdev_queue_send_msg(queue, &msg, 0, NULL))
			give_up("send");
	}
}

static bool show_messages(const struct tour *tour, char *result, size_t size)
{
	struct ipcdev_create_queue attr = { .depth = 16, .msg_max = PIECE };
	struct bar bar = { .tour = tour };
	struct ipcdev_deadline deadline;
	unsigned int count = 0;
	int reader, writer;
	uint64_t ns = 0;
	size_t at = 0;
	pid_t sender;
	char *data;

	/* The memory is there beforehand: its making is not to be measured. */
	data = mmap(NULL, tour->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (data == MAP_FAILED)
		give_up("mmap");
	two_handles(&attr, &reader, &writer);
	sender = start_role(send_messages, tour, writer, reader, 0);
	close(writer);

	for (;;) {
		struct ipcdev_msg msg = {
			.data = ipcdev_ptr(data + at),
			.len = piece_at(tour, at),
		};

		if (ipcdev_queue_recv_msg(reader, &msg, 0,
					  ipcdev_deadline_in(&deadline,
							     PATIENCE)))
			break;
		bar.start = msg.tag;
		ns = now_ns() - bar.start;
		at += msg.len;
		count++;
		bar_draw(&bar, at);
	}
	if (errno != EPIPE)
		return missed("receive: %s", strerror(errno));
	close(reader);
	if (!ended_well(sender, "the sender"))
		return false;
	if (at != tour->size)
		return missed("only %zu bytes came", at);

	tell_rate(tour, ns, count, result, size);
	if (!same_sum(tour, data))
		return false;
	munmap(data, tour->size);
	return true;
}

const struct stop by_messages = {
	.title = "A file by messages",
	.about =
"One process sends it in pieces of 64 KiB, another receives them: each byte is\n"
"copied into the kernel and out again.",
	.show = show_messages,
};

static void send_slices(const struct tour *tour, int queue)
{
	struct ipcdev_slice slice = { 0 };
	struct label label = { 0 };
	struct ipcdev_msg msg = {
		.data = ipcdev_ptr(&label),
		.len = sizeof(label),
		.slices = ipcdev_ptr(&slice),
		.slice_count = 1,
	};
	char *data;

	slice.fd = ipcdev_buffer_create(tour->size, 0, 0);
	if (slice.fd < 0)
		give_up("create a buffer");
	data = ipcdev_buffer_map(slice.fd, 0, 0, PROT_READ | PROT_WRITE);
	if (!data)
		give_up("map the buffer");
	read_fully(tour->file, data, tour->size, 0);

	msg.tag = now_ns();
	for (size_t at = 0; at < tour->size; at += slice.length) {
		slice.offset = at;
		slice.length = piece_at(tour, at);
		label.bytes = at + slice.length;
		snprintf(label.text, sizeof(label.text), "piece %llu of %s",
			 (unsigned long long)label.number, tour->path);
		if (ipcdev_queue_send_msg(queue, &msg, 0, NULL))
			give_up("send");
		label.number++;
	}
}

/*
 * The first slice brings a descriptor of the buffer; the others are of the same
 * buffer, and its id says so.
 */
static bool show_slices(const struct tour *tour, char *result, size_t size)
{
	struct ipcdev_create_queue attr = {
		.depth = 16,
		.msg_max = sizeof(struct label),
	};
	struct bar bar = { .tour = tour };
	struct ipcdev_deadline deadline;
	char *data = NULL;
	struct label label;
	uint64_t id = 0, ns = 0, at = 0;
	unsigned int count = 0;
	int reader, writer;
	pid_t sender;

	two_handles(&attr, &reader, &writer);
	sender = start_role(send_slices, tour, writer, reader, 0);
	close(writer);

	for (;;) {
		struct ipcdev_slice slice;
		struct ipcdev_msg msg = {
			.data = ipcdev_ptr(&label),
			.len = sizeof(label),
			.flags = data ? IPCDEV_MSG_SLICE_IDS : 0,
			.slices = ipcdev_ptr(&slice),
			.slice_count = 1,
		};

		if (ipcdev_queue_recv_msg(reader, &msg, 0,
					  ipcdev_deadline_in(&deadline,
							     PATIENCE)))
			break;
		bar.start = msg.tag;
		ns = now_ns() - bar.start;
		if (!data) {
			data = ipcdev_buffer_map(slice.fd, 0, 0, PROT_READ);
			if (!data)
				give_up("map the buffer");
			close(slice.fd);
			id = slice.buffer_id;
		}
		if (msg.len != sizeof(label) || label.number != count ||
		    slice.buffer_id != id || slice.offset != at)
			return missed("message %u is not as it was sent", count);
		at += slice.length;
		count++;
		bar_draw(&bar, at);
	}
	if (errno != EPIPE)
		return missed("receive: %s", strerror(errno));
	close(reader);
	if (!ended_well(sender, "the sender"))
		return false;
	if (at != tour->size)
		return missed("only %llu bytes came", (unsigned long long)at);

	tell_rate(tour, ns, count, result, size);
	if (!same_sum(tour, data))
		return false;
	munmap(data, tour->size);
	return true;
}

const struct stop by_slices = {
	.title = "The same file by slices",
	.about =
"It lies in a buffer that the sender made; messages of 64 bytes say where each\n"
"piece of 64 KiB is, and the receiver looks at it there. Nothing is copied.",
	.show = show_slices,
};
