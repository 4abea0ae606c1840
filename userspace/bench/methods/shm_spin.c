// SPDX-License-Identifier: GPL-2.0
#include <sched.h>

#include "ring.h"

/*
 * Spins for long, but not for ever: on a processor that both sides share, who
 * waits for the other must let it run.
 */
#define PATIENCE	200

static void spin(unsigned int *turns)
{
	if (++*turns % PATIENCE == 0)
		sched_yield();
	relax();
}

static int put(struct end *end, size_t len)
{
	struct ring *ring = ring_out(end);
	unsigned int turns = 0;

	while (ring_full(ring))
		spin(&turns);
	ring_push(end, ring, len);
	return 0;
}

static int get(struct end *end, size_t len)
{
	struct ring *ring = ring_in(end);
	unsigned int turns = 0;

	while (ring_empty(ring))
		spin(&turns);
	ring_pop(end, ring, len);
	return 0;
}

const struct method shm_spin_method = {
	.name = "shm-spin",
	.about = "POSIX shared memory; who must wait spins, 200 turns and a yield",
	.spins = true,
	.link_size = sizeof(struct rings),
	.setup = rings_setup,
	.teardown = rings_teardown,
	.send = put,
	.recv = get,
};
