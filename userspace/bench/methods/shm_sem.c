// SPDX-License-Identifier: GPL-2.0
#include "ring.h"

static int setup(struct link *link)
{
	struct rings *rings = link->own;

	if (rings_setup(link))
		return -1;
	for (int i = 0; i < 2; i++) {
		if (sem_init(&rings->to[i]->filled, 1, 0) ||
		    sem_init(&rings->to[i]->empty, 1, PLACES))
			return -1;
	}
	return 0;
}

static int put(struct end *end, size_t len)
{
	struct ring *ring = ring_out(end);

	if (sem_wait(&ring->empty))
		return -1;
	ring_push(end, ring, len);
	return sem_post(&ring->filled);
}

static int get(struct end *end, size_t len)
{
	struct ring *ring = ring_in(end);

	if (sem_wait(&ring->filled))
		return -1;
	ring_pop(end, ring, len);
	return sem_post(&ring->empty);
}

const struct method shm_sem_method = {
	.name = "shm-sem",
	.about = "POSIX shared memory with two sem_t, free and filled places",
	.link_size = sizeof(struct rings),
	.setup = setup,
	.teardown = rings_teardown,
	.send = put,
	.recv = get,
};
