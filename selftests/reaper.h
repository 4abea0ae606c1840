/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A consumer of what the kernel puts into a ring: a ring's end as a program without the
 * library would use it.
 */
#ifndef REAPER_H
#define REAPER_H

#include "ipcdev_test.h"

/* Bytes of a completion in a ring. */
#define RECORD		64

/* A consumer, as a program without the library would be one. */
struct reaper {
	int end;
	const struct ipcdev_ring_header *header;
	__u32 *own;
	const __u32 *peer;
	const char *data;
	__u32 index;
};

static inline void *map_area(int end, size_t size, int prot, off_t offset)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, end, offset);

	return p == MAP_FAILED ? NULL : p;
}

static inline long become_reaper(struct reaper *r, int engine)
{
	size_t page = sysconf(_SC_PAGESIZE);

	r->end = take_end(engine, RIGHT_READ, 0);
	if (r->end < 0)
		return r->end;
	r->header = map_area(r->end, page, PROT_READ, IPCDEV_RING_HEADER_OFFSET);
	r->own = map_area(r->end, page, PROT_READ | PROT_WRITE,
			  IPCDEV_RING_CONSUMER_OFFSET);
	r->peer = map_area(r->end, page, PROT_READ, IPCDEV_RING_PRODUCER_OFFSET);
	if (!r->header || !r->own || !r->peer)
		return -EFAULT;
	r->data = map_area(r->end, 2 * r->header->size, PROT_READ,
			   IPCDEV_RING_DATA_OFFSET);
	r->index = *r->own;
	return r->data ? 0 : -EFAULT;
}

static inline void end_reaper(struct reaper *r)
{
	size_t page = sysconf(_SC_PAGESIZE);

	munmap((void *)r->data, 2 * r->header->size);
	munmap((void *)r->peer, page);
	munmap((void *)r->own, page);
	munmap((void *)r->header, page);
	close(r->end);
}

/* Says what was reaped, and tells the engine if it has asked for that. */
static inline void advance(struct reaper *r)
{
	const struct ipcdev_ring_side *p = &r->header->producer;
	__u32 state;

	__atomic_store_n(r->own, r->index, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	state = __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
	if (state & IPCDEV_RING_SLEEPING && (__s32)(r->index - p->wake_at) >= 0)
		ring_signal(r->end);
}

#endif /* REAPER_H */
