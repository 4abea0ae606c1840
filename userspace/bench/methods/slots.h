/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For methods that do not copy what is sent: a pool of slots, taken in turns,
 * each a page or more. A message is left alone until SLOTS others were sent.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include "bench.h"

static inline size_t slot_size(const struct link *link)
{
	return (MAX(link->size, 1) + 4095) & ~4095ul;
}

static inline size_t pool_size(const struct link *link)
{
	return SLOTS * slot_size(link);
}

/* Where the slot of the message with that number begins. */
static inline size_t slot_offset(const struct link *link, unsigned int number)
{
	return number % SLOTS * slot_size(link);
}

#endif /* SLOTS_H */
