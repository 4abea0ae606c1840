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
 * @put_ns: CLOCK_MONOTONIC of the interrupt that ended the sleep of the consumer, or 0;
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
	u64 put_at;
	u64 ran_at;
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

/*
 * A time in a unit that is quick to read: the processor's cycles, unless it does not count
 * them, or not far enough.
 */
static inline u64 ipcdev_cycles(void)
{
	u64 cycles = sizeof(cycles_t) == sizeof(u64) ? get_cycles() : 0;

	return cycles ?: ktime_get_ns();
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

/* A word of the header: the sides read it at any moment. */
static inline void ipcdev_ring_say(struct ipcdev_ring *ring, struct ipcdev_side *side,
				   u32 set, u32 clear)
{
	lockdep_assert_held(&ring->lock);
	/* Orders wake_at before it. */
	smp_store_release(&side->words->state, (side->words->state & ~clear) | set);
}

/*
 * End a side's sleep; returns whom to wake, or NULL. The lock was taken under RCU, or
 * with preemption disabled, which is as good, and the caller wakes before that ends: it
 * keeps the task, and asks for no reference, the last of which could not be dropped in
 * an interrupt.
 */
static inline struct task_struct *ipcdev_ring_end_sleep(struct ipcdev_ring *ring,
							struct ipcdev_side *side, int result)
{
	struct task_struct *task;

	lockdep_assert_held(&ring->lock);
	if (!side->waiter)
		return NULL;
	task = side->waiter->task;
	/* Pairs with the load-acquire in ipcdev_waiter_sleep(). */
	smp_store_release(&side->waiter->result, result);
	side->waiter = NULL;
	ipcdev_ring_say(ring, side, 0, IPCDEV_RING_SLEEPING);
	return task;
}

/* Under RCU since before ipcdev_ring_end_sleep(). */
static inline int ipcdev_ring_wake(struct ipcdev_ring *ring, struct task_struct *task)
{
	if (!task)
		return 0;
	atomic64_inc(&ring->obj.wakeups);
	wake_up_process(task);
	return 1;
}

/*
 * Nobody polls through what may be that side, has attached an eventfd there or wants
 * SIGIO. Who enters a wait queue takes the object's lock afterwards, and looks itself.
 */
static inline bool ipcdev_ring_unwatched(struct ipcdev_ring *ring,
					 const struct ipcdev_side *side)
{
	struct ipcdev_object *obj = &ring->obj;

	if (ipcdev_is_watched(&obj->wq))
		return false;
	if (side == &ring->consumer)
		return !ipcdev_is_watched(&obj->wq_in) && !READ_ONCE(obj->fasync_in);
	return !ipcdev_is_watched(&obj->wq_out) && !READ_ONCE(obj->fasync_out);
}

/**
 * ipcdev_feed_commit - the kernel has produced a record
 * @feed: of a ring, whose lock is held and was taken with preemption disabled
 * @len: its bytes; they lie where ipcdev_feed_reserve() has said
 *
 * Return: whom to wake, for ipcdev_feed_wake(), or NULL.
 */
static inline struct task_struct *ipcdev_feed_commit(struct ipcdev_feed *feed, u32 len)
{
	u32 head = feed->head + ipcdev_ring_record_size(len);
	struct ipcdev_ring *ring = feed->ring;

	lockdep_assert_held(&ring->lock);
	feed->head = head;
	/* The record before the index. Who falls asleep looks at it after the lock. */
	smp_store_release(ring->producer.index, head);
	if (!ring->consumer.waiter ||
	    !ipcdev_ring_reached(head, ring->consumer.words->wake_at))
		return NULL;
	return ipcdev_ring_end_sleep(ring, &ring->consumer, 0);
}

/**
 * ipcdev_feed_wake - wake whom ipcdev_feed_commit() has found
 * @feed: of a ring, whose lock is not held any more; preemption has been disabled since
 *	before it was
 * @task: the task, or NULL
 *
 * Preemption stays disabled until ipcdev_feed_tell() has been called, too: else a task of
 * higher priority would keep those who watch from hearing of what it was woken for.
 *
 * Return: whether somebody watches the ring, and is to be told.
 */
static inline bool ipcdev_feed_wake(struct ipcdev_feed *feed, struct task_struct *task)
{
	ipcdev_ring_wake(feed->ring, task);
	/*
	 * The index is stored: now look who watches. Pairs with the barrier in
	 * ipcdev_ring_watch(), behind which the index is looked at. WATCHED need not
	 * be asked, and only those who hold the object's lock may withdraw it.
	 */
	smp_mb();
	return !ipcdev_ring_unwatched(feed->ring, &feed->ring->consumer);
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

/* What a kind that is a ring, too, shares with it. */
long ipcdev_ring_ioctl(struct file *file, unsigned int nr, void __user *uarg, size_t usize);
int ipcdev_ring_joined(struct ipcdev_object *obj, struct ipcdev_handle *h);
void ipcdev_ring_peers_changed(struct ipcdev_object *obj);
u64 ipcdev_ring_size(struct ipcdev_object *obj);
void ipcdev_ring_stat(struct ipcdev_object *obj, struct ipcdev_handle *h, struct ipcdev_stat *st);
void ipcdev_ring_fdinfo(struct ipcdev_object *obj, struct seq_file *m);

#endif
