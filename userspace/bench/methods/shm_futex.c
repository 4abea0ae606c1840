// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

static int nap(atomic_uint *word, unsigned int value)
{
	if (!syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0))
		return 0;
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static void wake(atomic_uint *word, atomic_uint *sleeps)
{
	if (*sleeps)
		syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* The one who sleeps says so before it looks for the last time. */
static int put(struct end *end, size_t len)
{
	struct ring *ring = ring_out(end);

	while (ring_full(ring)) {
		unsigned int popped = ring->popped;

		ring->writer_sleeps = 1;
		if (ring_full(ring) && nap(&ring->popped, popped))
			return -1;
		ring->writer_sleeps = 0;
	}
	ring_push(end, ring, len);
	wake(&ring->pushed, &ring->reader_sleeps);
	return 0;
}

static int get(struct end *end, size_t len)
{
	struct ring *ring = ring_in(end);

	while (ring_empty(ring)) {
		unsigned int pushed = ring->pushed;

		ring->reader_sleeps = 1;
		if (ring_empty(ring) && nap(&ring->pushed, pushed))
			return -1;
		ring->reader_sleeps = 0;
	}
	ring_pop(end, ring, len);
	wake(&ring->popped, &ring->writer_sleeps);
	return 0;
}

const struct method shm_futex_method = {
	.name = "shm-futex",
	.about = "POSIX shared memory; who must wait sleeps on a futex",
	.link_size = sizeof(struct rings),
	.setup = rings_setup,
	.teardown = rings_teardown,
	.send = put,
	.recv = get,
};
