// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer is copied to another one, slice by slice, while the program sleeps in
 * epoll_wait(2) with all that it has to attend to: here also a timer, which shows that
 * it is free for other things. The engine's ring is one more descriptor there, and is
 * readable when there are completions. Each of them makes room for the next copy.
 */
#include <err.h>
#include <errno.h>
#include <ipcdev_engine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SLICE	(256 * 1024)
#define SLICES	64
#define DEPTH	8	/* copies at a time */
#define SIZE	((uint64_t)SLICES * SLICE)

/* What is copied, where to, and how far that has come. */
struct job {
	int engine;
	int from;
	int to;
	unsigned int submitted;
	unsigned int done;
};

static int make_buffer(unsigned char **map)
{
	int buffer = ipcdev_buffer_create(SIZE, 0, 0);

	if (buffer < 0)
		err(1, "create a buffer");
	*map = ipcdev_buffer_map(buffer, 0, 0, PROT_READ | PROT_WRITE);
	if (!*map)
		err(1, "map it");
	return buffer;
}

/* As many copies as the engine has room for; their numbers come back with them. */
static void submit(struct job *job)
{
	struct ipcdev_engine_request requests[DEPTH];
	unsigned int number = job->submitted, count = 0;
	uint64_t offset;

	while (number < SLICES && number - job->done < DEPTH) {
		offset = (uint64_t)number * SLICE;
		ipcdev_engine_copy(requests + count++, number++, job->to, offset,
				   job->from, offset, SLICE);
	}
	if (count && ipcdev_engine_submit(job->engine, requests, count, NULL) != (int)count)
		err(1, "submit");
	job->submitted = number;
}

static void reap(struct job *job, struct ipcdev_ring *ring)
{
	const struct ipcdev_completion *completion;

	while ((completion = ipcdev_engine_peek(ring))) {
		if (completion->result != SLICE)
			errx(1, "slice %llu: %s", (unsigned long long)completion->user_data,
			     strerror(-completion->result));
		job->done++;
		ipcdev_ring_consume(ring);
	}
	/* EPIPE: the device has gone. */
	if (errno != EAGAIN)
		err(1, "reap");
	/* Now all of them make room, at once. */
	ipcdev_ring_flush(ring);
	submit(job);
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

static int start_ticking(void)
{
	struct itimerspec each = { { 0, 1000000 }, { 0, 1000000 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (timer < 0 || timerfd_settime(timer, 0, &each, NULL))
		err(1, "timer");
	return timer;
}

int main(int argc, char **argv)
{
	int timer = start_ticking(), epoll = epoll_create1(EPOLL_CLOEXEC), count;
	const char *backend = argc > 1 ? argv[1] : "soft";
	unsigned char *source, *target;
	struct epoll_event events[2];
	unsigned long wakeups = 0;
	struct ipcdev_ring ring;
	uint64_t ticks = 0, more;
	struct job job = { 0 };

	job.engine = ipcdev_engine_create(backend, DEPTH, 0, 0);
	if (job.engine < 0 || ipcdev_ring_open(&ring, job.engine, IPCDEV_RIGHT_READ))
		err(1, "engine %s", backend);
	job.from = make_buffer(&source);
	job.to = make_buffer(&target);
	for (uint64_t i = 0; i < SIZE; i += sizeof(i))
		memcpy(source + i, &i, sizeof(i));

	watch(epoll, ring.fd);
	watch(epoll, timer);
	submit(&job);
	while (job.done < SLICES) {
		count = epoll_wait(epoll, events, 2, -1);
		if (count < 0)
			err(1, "epoll_wait");
		while (count--) {
			if (events[count].data.fd == ring.fd) {
				wakeups++;
				reap(&job, &ring);
			} else if (read(timer, &more, sizeof(more)) == sizeof(more)) {
				ticks += more;
			}
		}
	}
	printf("%d slices copied by %s, in %lu wake-ups; %llu ticks meanwhile\n", SLICES,
	       backend, wakeups, (unsigned long long)ticks);
	return memcmp(source, target, SIZE) != 0;
}
