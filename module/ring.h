/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IPCDEV_RING_H
#define IPCDEV_RING_H

#include "ipcdev.h"

/**
 * struct ipcdev_side - one of a ring's two sides
 * @waiter: who sleeps for it, or NULL; protected by the ring's lock
 * @words: what is said of it in the header; the state changes under the ring's lock
 * @index: its own word, in memory that its user writes at will
 * @waits: how often somebody has slept for it; written under the ring's lock
 */
struct ipcdev_side {
	struct ipcdev_waiter *waiter;
	struct ipcdev_ring_side *words;
	u32 *index;
	u64 waits;
};

/**
 * struct ipcdev_ring - records between one producer and one consumer
 * @obj: the object
 * @flags: IPCDEV_RING_*
 * @size: bytes of data
 * @pages: one each for the header, the consumer and the producer; then the data
 * @nr_pages: how many
 * @lock: protects what is said of the two sides and who sleeps for them
 * @consumer: one side
 * @producer: the other
 */
struct ipcdev_ring {
	struct ipcdev_object obj;
	u32 flags;
	u32 size;
	struct page **pages;
	u32 nr_pages;
	raw_spinlock_t lock; /* the sides; innermost */
	struct ipcdev_side consumer;
	struct ipcdev_side producer;
};

#endif
