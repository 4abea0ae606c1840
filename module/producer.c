// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: producer
 *
 * Another driver as the producer of a ring. It has the producer's end, as a process
 * would have it: a file, which nobody maps and which has no descriptor. With that file
 * the role ends, and so the consumer learns that it has gone.
 *
 * A record is put into the ring in whatever context the driver is in, and a consumer
 * that sleeps is woken at once. What needs locks that cannot be taken there follows in
 * an irq_work: poll, epoll, attached eventfds, SIGIO.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "ipcdev_producer.h"
#include "ring.h"

/**
 * struct ipcdev_producer - a driver that produces
 * @feed: the ring
 * @end: the producer's end of it
 * @rcu: frees it
 */
struct ipcdev_producer {
	struct ipcdev_feed feed;
	struct file *end;
	struct rcu_head rcu;
};

static void producer_tell(struct ipcdev_feed *feed)
{
	ipcdev_notify(&feed->ring->obj, EPOLLIN);
}

/* The ring that the file is a handle of, if that may produce. */
static struct ipcdev_ring *file_ring(const struct file *file)
{
	struct ipcdev_handle *h;

	if (file->f_op != &ipcdev_ring_fops)
		return ERR_PTR(-EINVAL);
	h = ipcdev_handle(file);
	if (h->obj->ops->type != IPCDEV_TYPE_RING)
		return ERR_PTR(-EINVAL);
	if (!(h->rights & IPCDEV_RIGHT_WRITE))
		return ERR_PTR(-EACCES);
	return to_ring(h->obj);
}

/* What may fail for want of memory comes first: who has had the role was the producer. */
static int producer_init(struct ipcdev_producer *producer, const struct file *file)
{
	struct ipcdev_ring *ring = file_ring(file);
	int ret;

	if (IS_ERR(ring))
		return PTR_ERR(ring);
	ret = ipcdev_feed_init(&producer->feed, ring, producer_tell);
	if (ret)
		return ret;
	producer->end = ipcdev_end_file(&ring->obj, IPCDEV_RIGHT_WRITE, true);
	ret = PTR_ERR_OR_ZERO(producer->end);
	if (ret)
		goto err_feed;
	ret = ipcdev_feed_resume(&producer->feed);
	if (ret)
		goto err_end;
	return 0;

err_end:
	fput(producer->end);
err_feed:
	ipcdev_feed_exit(&producer->feed);
	return ret;
}

/**
 * ipcdev_producer_open - become the producer of a ring
 * @fd: a descriptor of the calling process: a handle of a ring with IPCDEV_RIGHT_WRITE
 *
 * The descriptor is not needed any more when this returns. The ring lives as long as it
 * has a producer.
 *
 * Context: task context of the process that the descriptor is of; may sleep.
 * Return: the producer, for ipcdev_producer_close(), or an error pointer: -EBADF;
 * -EINVAL if that is no handle of a ring (an end, an engine, something else); -EACCES
 * without the right; -EBUSY while the ring has a producer, -EPIPE if it had one and may
 * have no other; -EBADMSG if that has left nonsense; -ENOMEM.
 */
struct ipcdev_producer *ipcdev_producer_open(int fd)
{
	struct ipcdev_producer *producer;
	struct file *file;
	int ret;

	producer = kzalloc(sizeof(*producer), GFP_KERNEL);
	if (!producer)
		return ERR_PTR(-ENOMEM);
	file = fget(fd);
	ret = file ? producer_init(producer, file) : -EBADF;
	if (file)
		fput(file);
	if (ret) {
		kfree(producer);
		return ERR_PTR(ret);
	}
	return producer;
}
EXPORT_SYMBOL_GPL(ipcdev_producer_open);

/**
 * ipcdev_producer_post - put a record into the ring, and wake its consumer
 * @producer: the producer; several CPUs may post to it at a time
 * @record: what to put there; it is copied
 * @len: its bytes, 0 to half of the ring's size
 *
 * Never sleeps, never allocates; takes raw locks only, so that it is as good in the
 * hard interrupts of PREEMPT_RT. The time that it takes is that of the copy.
 *
 * Context: any but NMI.
 * Return: 0; -ENOSPC if there is no room now, since the consumer has not come that far
 * or says nonsense, and nothing was put there; -EPIPE while the consumer has left;
 * -EMSGSIZE if there never is room.
 */
int ipcdev_producer_post(struct ipcdev_producer *producer, const void *record, u32 len)
{
	struct ipcdev_feed *feed = &producer->feed;
	struct ipcdev_ring *ring = feed->ring;
	struct task_struct *task = NULL;
	unsigned long flags;
	int ret = 0;
	u32 used;

	ipcdev_assert_not_nmi();
	if (len > ring->size / 2)
		return -EMSGSIZE;
	preempt_disable();
	raw_spin_lock_irqsave(&ring->lock, flags);
	used = feed->head - READ_ONCE(*ring->consumer.index);
	if (READ_ONCE(ring->consumer.words->state) & IPCDEV_RING_GONE)
		ret = -EPIPE;
	else if (used > ring->size || ipcdev_ring_record_size(len) > ring->size - used)
		ret = -ENOSPC;
	if (!ret) {
		memcpy(ipcdev_feed_reserve(feed, len), record, len);
		task = ipcdev_feed_commit(feed, len);
	}
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	if (!ret && ipcdev_feed_wake(feed, task))
		ipcdev_feed_tell(feed);
	preempt_enable();
	return ret;
}
EXPORT_SYMBOL_GPL(ipcdev_producer_post);

/**
 * ipcdev_producer_close - produce no more
 * @producer: which nobody posts to any more
 *
 * The consumer sees what was posted, and then that the producer has left: at the latest
 * when the calling process returns to user mode, and soon if it is a kernel thread.
 *
 * Context: task context; may sleep.
 */
void ipcdev_producer_close(struct ipcdev_producer *producer)
{
	ipcdev_feed_exit(&producer->feed);
	fput(producer->end);
	kfree_rcu(producer, rcu);
}
EXPORT_SYMBOL_GPL(ipcdev_producer_close);
