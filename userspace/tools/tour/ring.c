// SPDX-License-Identifier: GPL-2.0
/* The file through a ring; then a producer that lies, and one that is killed. */
#include <errno.h>
#include <ipcdev_ring.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

#define RING_SIZE	1048576
#define RECORD		4096

static struct ipcdev_ring open_side(int handle, unsigned int role)
{
	struct ipcdev_ring ring;

	if (ipcdev_ring_open(&ring, handle, role))
		give_up("open a side of the ring");
	close(handle);
	return ring;
}

/* Reads the file straight into the ring. */
static void produce(const struct tour *tour, int handle)
{
	struct ipcdev_ring ring = open_side(handle, IPCDEV_RIGHT_WRITE);
	struct ipcdev_deadline deadline;
	size_t at, len;
	void *room;

	for (at = 0; at < tour->size; at += len) {
		len = tour->size - at < RECORD ? tour->size - at : RECORD;
		room = ipcdev_ring_await_room(&ring, len,
					      ipcdev_deadline_in(&deadline, PATIENCE));
		if (!room)
			give_up("reserve");
		read_fully(tour->file, room, len, at);
		if (ipcdev_ring_commit(&ring, len))
			give_up("commit");
	}
}

static bool consume(const struct tour *tour, struct ipcdev_ring *ring, char *result,
		    size_t size)
{
	struct bar bar = { .tour = tour, .start = now_ns() };
	struct ipcdev_deadline deadline;
	struct ipcdev_stat stat;
	char sum[SHA256_SIZE];
	uint64_t records = 0;
	size_t at = 0;
	double rate;
	ssize_t got;
	char *data;

	data = mmap(NULL, tour->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		give_up("memory");
	while (at < tour->size) {
		got = ipcdev_ring_recv(ring, data + at, tour->size - at,
				       ipcdev_deadline_in(&deadline, PATIENCE));
		if (got < 0)
			return missed("receive: %s", strerror(errno));
		at += got;
		records++;
		bar_draw(&bar, at);
	}
	rate = rate_of(at, now_ns() - bar.start);
	if (ipcdev_ring_recv(ring, data, 1, NULL) >= 0 || errno != EPIPE)
		return missed("there is something behind the end");
	if (ipcdev_stat(ring->fd, &stat))
		return missed("stat: %s", strerror(errno));
	if (!sha256_memory(data, tour->size, sum))
		give_up("sha256sum");
	munmap(data, tour->size);
	printf("  %llu records, %.1f MiB/s; the producer slept %llu times, the consumer %llu\n"
	       "  SHA-256 %s at the far end\n",
	       (unsigned long long)records, rate, (unsigned long long)stat.send_waits,
	       (unsigned long long)stat.recv_waits, sum);
	snprintf(result, size, "%.1f MiB/s, SHA-256 equal", rate);
	return !strcmp(sum, tour->sha256) || missed("the file differs");
}

/* Says that it has produced more than there is room for. */
static void lie(const struct tour *tour, int handle)
{
	struct ipcdev_ring ring = open_side(handle, IPCDEV_RIGHT_WRITE);

	(void)tour;
	ring.index = 0x7ffffff8;
	ipcdev_ring_flush(&ring);
	for (;;)
		pause();
}

/* Commits two records, and is killed over the third. */
static void die(const struct tour *tour, int handle)
{
	struct ipcdev_ring ring = open_side(handle, IPCDEV_RIGHT_WRITE);
	char *room;

	(void)tour;
	ipcdev_ring_push(&ring, "one", 3);
	ipcdev_ring_push(&ring, "two", 3);
	room = ipcdev_ring_reserve(&ring, 64);
	if (!room)
		give_up("reserve");
	memset(room, '?', 32);
	raise(SIGKILL);
}

/* What a consumer gets from a producer that plays that role. */
static bool suffer(const struct tour *tour, void (*role)(const struct tour *, int),
		   unsigned int good, int end)
{
	int handle = ipcdev_ring_create(RING_SIZE, 0, 0);
	struct ipcdev_deadline deadline;
	struct ipcdev_ring ring;
	unsigned int records = 0;
	char data[64];
	pid_t pid;

	if (handle < 0)
		give_up("create a ring");
	pid = start_role(role, tour, handle, -1, 0);
	ring = open_side(handle, IPCDEV_RIGHT_READ);
	while (ipcdev_ring_recv(&ring, data, sizeof(data),
				ipcdev_deadline_in(&deadline, PATIENCE)) >= 0)
		records++;
	printf("  %-32s %u records, then: %s\n",
	       role == lie ? "a producer with a wrong index:" :
			     "a producer that is killed:",
	       records, strerror(errno));
	end = errno == end;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ipcdev_ring_close(&ring);
	return end && records == good;
}

static bool show(const struct tour *tour, char *result, size_t size)
{
	int handle = ipcdev_ring_create(RING_SIZE, 0, 0);
	struct ipcdev_ring ring;
	bool well;
	pid_t pid;

	if (handle < 0)
		give_up("create a ring");
	pid = start_role(produce, tour, handle, -1, 0);
	ring = open_side(handle, IPCDEV_RIGHT_READ);
	well = consume(tour, &ring, result, size);
	ipcdev_ring_close(&ring);
	well = ended_well(pid, "the producer") && well;
	return well && (suffer(tour, lie, 0, EBADMSG) ||
			missed("a wrong index was not noticed")) &&
	       (suffer(tour, die, 2, EPIPE) ||
		missed("a half-written record was received"));
}

const struct stop ring = {
	.title = "A ring",
	.about =
"The file once more, read straight into memory that the consumer maps as well. There\n"
"is a system call only where one of the two must sleep. Who lies, or dies, harms none.",
	.show = show,
};
