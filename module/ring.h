/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IPCDEV_RING_H
#define IPCDEV_RING_H

#include <linux/irq_work.h>
#include <linux/log2.h>
#include <linux/timex.h>

#include "ipcdev.h"

/**
 * struct ipcdev_side - one of a ring's two sides
 * @waiter: who sleeps for it, or NULL; protected by the ring's lock
 * @words: what is said of it in the header; the state changes under the ring's lock
 * @index: its own word, in memory that its user writes at will
 * @waits: how often somebody has slept for it; written under the ring's lock
 * @wq: where those sleep who do so for the kernel's side; or NULL
 */
struct ipcdev_side {
	struct ipcdev_waiter *waiter;
	struct ipcdev_ring_side *words;
	u32 *index;
	u64 waits;
	wait_queue_head_t *wq;
};

/**
 * struct ipcdev_timing - how long those who sleep for records take to run, and to reap
 * @put_ns: CLOCK_MONOTONIC of the record that ended the sleep of the consumer, or 0;
 *	written under the ring's lock
 * @put_at: the same in cycles
 * @ran_at: in cycles, when it last left its wait
 * @index: the consumer's when it last came there
 * @wakeup: of the times from the one to the other, how many were 2^n ns or more
 * @reaped: likewise, from there until it comes back with that index changed
 *
 * The consumer's part is written by whoever sleeps for it, of whom there should be one.
 */
struct ipcdev_timing {
	u64 put_ns;
	cycles_t put_at;
	cycles_t ran_at;
	u32 index;
	u64 wakeup[IPCDEV_HISTOGRAM];
	u64 reaped[IPCDEV_HISTOGRAM];
};

/**
 * struct ipcdev_ring - records between one producer and one consumer
 * @obj: the object
 * @flags: IPCDEV_RING_*
 * @size: bytes of data
 * @pages: one each for the header, the consumer and the producer; then the data
 * @nr_pages: how many
 * @lock: protects what is said of the two sides and who sleeps for them, and what the
 *	kernel produces, in interrupts too
 * @consumer: one side
 * @producer: the other
 * @timing: where to count times, or NULL
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
	struct ipcdev_timing *timing;
};

/**
 * struct ipcdev_feed - the kernel as a ring's producer
 * @ring: the ring
 * @data: its data, mapped twice in a row
 * @head: its index, of which the producer's page has a copy; under the ring's lock
 * @tell: what tells those who watch
 * @work: calls that, where locks that they need may be taken: in the same interrupt, and
 *	on PREEMPT_RT in a thread
 * @runs: how often it is to, or is about it
 */
struct ipcdev_feed {
	struct ipcdev_ring *ring;
	void *data;
	u32 head;
	void (*tell)(struct ipcdev_feed *feed);
	struct irq_work work;
	atomic_t runs;
};

#define IPCDEV_RING_ROLES	(IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE)

static inline struct ipcdev_ring *to_ring(struct ipcdev_object *obj)
{
	return container_of(obj, struct ipcdev_ring, obj);
}

/* Whether @index is @at or up to 2^31 behind it. */
static inline bool ipcdev_ring_reached(u32 index, u32 at)
{
	return (s32)(index - at) >= 0;
}

/* What a record of @len bytes takes of the data. */
static inline u32 ipcdev_ring_record_size(u32 len)
{
	return sizeof(struct ipcdev_ring_record) + ALIGN(len, IPCDEV_RING_ALIGN);
}

/* Where the processor does not count cycles, its clock does. */
static inline cycles_t ipcdev_cycles(void)
{
	return get_cycles() ?: ktime_get_ns();
}

/* A time falls into the class of its highest bit. */
static inline void ipcdev_histogram_count(u64 histogram[IPCDEV_HISTOGRAM], u64 ns)
{
	u32 n = min_t(u32, ilog2(ns | 1), IPCDEV_HISTOGRAM - 1);

	WRITE_ONCE(histogram[n], histogram[n] + 1);
}

/**
 * ipcdev_feed_reserve - begin a record
 * @feed: of a ring, whose lock is held
 * @len: its bytes, at most half of the ring's; there must be room
 *
 * Return: where to write it, before ipcdev_feed_commit(). The consumer may look on.
 */
static inline void *ipcdev_feed_reserve(struct ipcdev_feed *feed, u32 len)
{
	struct ipcdev_ring_record *at = feed->data + (feed->head & (feed->ring->size - 1));

	lockdep_assert_held(&feed->ring->lock);
	at->len = len;
	at->reserved = 0;
	return at + 1;
}

extern const struct file_operations ipcdev_ring_fops;
extern const struct file_operations ipcdev_ring_end_fops;

int ipcdev_ring_init(struct ipcdev_ring *ring, const struct ipcdev_object_ops *ops, u32 size,
		     u64 more);
void ipcdev_ring_exit(struct ipcdev_ring *ring);
int ipcdev_ring_signal(struct ipcdev_ring *ring, u32 role);
void ipcdev_ring_watch(struct ipcdev_ring *ring, const struct ipcdev_handle *h);

int ipcdev_feed_init(struct ipcdev_feed *feed, struct ipcdev_ring *ring,
		     void (*tell)(struct ipcdev_feed *));
int ipcdev_feed_resume(struct ipcdev_feed *feed);
void ipcdev_feed_tell(struct ipcdev_feed *feed);
void ipcdev_feed_exit(struct ipcdev_feed *feed);
bool ipcdev_feed_ask(struct ipcdev_feed *feed, u32 index);
struct task_struct *ipcdev_feed_commit(struct ipcdev_feed *feed, u32 len);
bool ipcdev_feed_wake(struct ipcdev_feed *feed, struct task_struct *task);

/* What a kind that is a ring, too, shares with it. */
long ipcdev_ring_ioctl(struct file *file, unsigned int nr, void __user *uarg, size_t usize);
int ipcdev_ring_joined(struct ipcdev_object *obj, struct ipcdev_handle *h);
void ipcdev_ring_peers_changed(struct ipcdev_object *obj);
u64 ipcdev_ring_size(struct ipcdev_object *obj);
void ipcdev_ring_stat(struct ipcdev_object *obj, struct ipcdev_handle *h, struct ipcdev_stat *st);
void ipcdev_ring_fdinfo(struct ipcdev_object *obj, struct seq_file *m);

#endif
