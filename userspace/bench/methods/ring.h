/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounded buffers in shared memory, as textbooks have them: one writer, one
 * reader, a few places that each hold a message, which is copied in and out.
 * How a side waits for the other is what methods differ in.
 */
#ifndef RING_H
#define RING_H

#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "bench.h"

#define PLACES		16
#define CACHE_LINE	64

/**
 * struct ring - one direction; what different sides write lies apart
 * @pushed: messages that were ever put in
 * @popped: messages that were ever taken out
 * @reader_sleeps: for methods that ask before they wake
 * @writer_sleeps: likewise
 * @filled: for methods that count with semaphores
 * @empty: likewise
 */
struct ring {
	atomic_uint pushed;
	atomic_uint writer_sleeps;
	char pad1[CACHE_LINE - 2 * sizeof(atomic_uint)];
	atomic_uint popped;
	atomic_uint reader_sleeps;
	char pad2[CACHE_LINE - 2 * sizeof(atomic_uint)];
	sem_t filled;
	char pad3[CACHE_LINE - sizeof(sem_t)];
	sem_t empty;
	char pad4[CACHE_LINE - sizeof(sem_t)];
	char data[];
};

/**
 * struct rings - both directions
 * @to: the ring to each side
 * @place: bytes of a place
 * @map: the memory
 * @size: its size
 */
struct rings {
	struct ring *to[2];
	size_t place;
	void *map;
	size_t size;
};

/* Of the whole memory. */
size_t rings_size(const struct link *link);
/* For link->own, or what begins with it; the memory is zero. */
void rings_use(struct link *link, void *memory);
/* In memory from shm_open(3), whose name does not stay. */
int rings_setup(struct link *link);
void rings_teardown(struct link *link);

static inline struct ring *ring_in(const struct end *end)
{
	return ((struct rings *)end->link->own)->to[end->side];
}

static inline struct ring *ring_out(const struct end *end)
{
	return ((struct rings *)end->link->own)->to[!end->side];
}

static inline bool ring_full(const struct ring *ring)
{
	return ring->pushed - ring->popped == PLACES;
}

static inline bool ring_empty(const struct ring *ring)
{
	return ring->pushed == ring->popped;
}

static inline char *ring_place(const struct end *end, struct ring *ring,
			       unsigned int number)
{
	const struct rings *rings = end->link->own;

	return ring->data + number % PLACES * rings->place;
}

static inline void ring_push(struct end *end, struct ring *ring, size_t len)
{
	memcpy(ring_place(end, ring, ring->pushed), end->out, len);
	ring->pushed++;
}

static inline void ring_pop(struct end *end, struct ring *ring, size_t len)
{
	memcpy(end->in, ring_place(end, ring, ring->popped), len);
	ring->popped++;
}

#endif /* RING_H */
