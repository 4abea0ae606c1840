// SPDX-License-Identifier: GPL-2.0
/*
 * How the news of an object reach those who do not sleep in one of its ioctls:
 * poll and epoll, attached eventfds, SIGIO.
 *
 * All are waiters on one of the object's wait queues, or on its lists for SIGIO, so
 * that an object that nobody watches pays for a look at empty lists. What a handle
 * waits on goes by its rights: readers and writers do not wake each other. The state
 * that a poller asks for changes under the object's lock, the wake-up follows
 * after it: a poller that has put itself on the wait queue and then looked at the
 * state under that lock misses nothing. A ring's state changes without that lock, in
 * user space and in interrupts: there a barrier on both sides does it (ring.c).
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "ipcdev.h"
#include "trace.h"

/**
 * struct ipcdev_watch - an eventfd that is attached to a handle
 * @wait: on the handle's wait queue, until a one-shot has fired
 * @node: in the handle's list; protected by the object's watch_mutex
 * @obj: the object
 * @wq: that wait queue, which is the object's
 * @ctx: the eventfd, referenced
 * @account: who is charged for it, referenced
 * @mask: the poll events that it is for
 * @oneshot: it fires once
 */
struct ipcdev_watch {
	struct wait_queue_entry wait;
	struct list_head node;
	struct ipcdev_object *obj;
	wait_queue_head_t *wq;
	struct eventfd_ctx *ctx;
	struct ipcdev_account *account;
	__poll_t mask;
	bool oneshot;
};

/* What holders of either right may be told, and therefore which of them are woken. */
#define FOR_READERS	(EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLPRI)
#define FOR_WRITERS	(EPOLLOUT | EPOLLWRNORM | EPOLLERR)

/**
 * ipcdev_poll_peers - poll events of peers that have gone
 * @obj: the object, locked
 */
__poll_t ipcdev_poll_peers(const struct ipcdev_object *obj)
{
	__poll_t mask = 0;

	lockdep_assert_held(&obj->lock);
	if (ipcdev_writers_gone(obj))
		mask |= EPOLLHUP;
	if (ipcdev_readers_gone(obj))
		mask |= EPOLLERR;
	return mask;
}

/* Where those wait who watch an object through a handle. */
static wait_queue_head_t *wait_queue(struct ipcdev_handle *h)
{
	switch (h->rights & (IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE)) {
	case IPCDEV_RIGHT_READ:
		return &h->obj->wq_in;
	case IPCDEV_RIGHT_WRITE:
		return &h->obj->wq_out;
	default:
		return &h->obj->wq;
	}
}

/* The object's state as the holder of a handle sees it. */
static __poll_t poll_state(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	__poll_t allowed = 0;

	if (h->rights & IPCDEV_RIGHT_READ)
		allowed |= FOR_READERS;
	if (h->rights & IPCDEV_RIGHT_WRITE)
		allowed |= FOR_WRITERS;
	return obj->ops->poll(obj, h) & allowed;
}

__poll_t ipcdev_poll(struct file *file, struct poll_table_struct *pt)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_object *obj = h->obj;
	__poll_t mask;

	poll_wait(file, wait_queue(h), pt);
	spin_lock(&obj->lock);
	mask = poll_state(obj, h);
	spin_unlock(&obj->lock);
	return mask;
}

/**
 * ipcdev_fasync - O_ASYNC was set or cleared
 * @fd: the descriptor that SIGIO shall name
 * @file: the handle
 * @on: set
 *
 * Two lists, so that a handle hears of what its rights are good for only.
 */
int ipcdev_fasync(int fd, struct file *file, int on)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_object *obj = h->obj;
	int ret = 0;

	if (h->rights & IPCDEV_RIGHT_READ) {
		ret = fasync_helper(fd, file, on, &obj->fasync_in);
		if (ret < 0)
			return ret;
	}
	if (h->rights & IPCDEV_RIGHT_WRITE) {
		ret = fasync_helper(fd, file, on, &obj->fasync_out);
		if (ret < 0 && (h->rights & IPCDEV_RIGHT_READ))
			fasync_helper(fd, file, 0, &obj->fasync_in);
	}
	return ret;
}

/* The barrier was in ipcdev_notify(). */
static void wake_watchers(wait_queue_head_t *wq, __poll_t events)
{
	if (ipcdev_is_watched(wq))
		wake_up_poll(wq, events);
}

/**
 * ipcdev_notify_watched - ipcdev_notify() of an object that somebody may watch
 * @obj: as there
 * @events: as there
 */
void ipcdev_notify_watched(struct ipcdev_object *obj, __poll_t events)
{
	bool in = (events & FOR_READERS) && ipcdev_is_watched(&obj->wq_in);
	bool out = (events & FOR_WRITERS) && ipcdev_is_watched(&obj->wq_out);
	__poll_t key = events;

	if (events & EPOLLIN)
		key |= EPOLLRDNORM;
	if (events & EPOLLOUT)
		key |= EPOLLWRNORM;
	if (in || out || ipcdev_is_watched(&obj->wq)) {
		trace_ipcdev_notify(obj, (__force u32)events);
		atomic64_inc(&obj->wakeups);
	}
	wake_watchers(&obj->wq, key);
	if (in)
		wake_watchers(&obj->wq_in, key);
	if (out)
		wake_watchers(&obj->wq_out, key);
	if (READ_ONCE(obj->fasync_in)) {
		if (events & EPOLLIN)
			kill_fasync(&obj->fasync_in, SIGIO, POLL_IN);
		if (events & EPOLLHUP)
			kill_fasync(&obj->fasync_in, SIGIO, POLL_HUP);
	}
	if (READ_ONCE(obj->fasync_out)) {
		if (events & EPOLLOUT)
			kill_fasync(&obj->fasync_out, SIGIO, POLL_OUT);
		if (events & EPOLLERR)
			kill_fasync(&obj->fasync_out, SIGIO, POLL_HUP);
	}
}

/* Under the wait queue's lock: what a one-shot does to itself is safe. */
static int watch_wake(struct wait_queue_entry *wait, unsigned int mode, int sync, void *key)
{
	struct ipcdev_watch *w = container_of(wait, struct ipcdev_watch, wait);

	if (!(key_to_poll(key) & w->mask))
		return 0;
	ipcdev_eventfd_signal(w->ctx);
	if (w->oneshot) {
		list_del_init(&w->wait.entry);
		atomic_dec(&w->obj->watches);
	}
	return 1;
}

static bool watch_fired(struct ipcdev_watch *w)
{
	bool fired;

	spin_lock_irq(&w->wq->lock);
	fired = list_empty(&w->wait.entry);
	spin_unlock_irq(&w->wq->lock);
	return fired;
}

static void watch_free(struct ipcdev_watch *w)
{
	spin_lock_irq(&w->wq->lock);
	if (!list_empty(&w->wait.entry)) {
		list_del_init(&w->wait.entry);
		atomic_dec(&w->obj->watches);
	}
	spin_unlock_irq(&w->wq->lock);
	list_del(&w->node);
	eventfd_ctx_put(w->ctx);
	ipcdev_uncharge(w->account, IPCDEV_EVENTFDS, 1);
	ipcdev_account_put(w->account);
	kfree(w);
}

/* Find an eventfd among a handle's, freeing the one-shots that have fired. */
static struct ipcdev_watch *watch_find(struct ipcdev_handle *h, const struct eventfd_ctx *ctx)
{
	struct ipcdev_watch *w, *next, *found = NULL;

	lockdep_assert_held(&h->obj->watch_mutex);
	list_for_each_entry_safe(w, next, &h->watches, node) {
		if (watch_fired(w))
			watch_free(w);
		else if (w->ctx == ctx)
			found = w;
	}
	return found;
}

/* The watch is ready to be told of events: make it one of the handle's. */
static int watch_add(struct ipcdev_handle *h, struct ipcdev_watch *w)
{
	struct ipcdev_object *obj = h->obj;
	__poll_t state;

	lockdep_assert_held(&obj->watch_mutex);
	if (atomic_read(&obj->watches) >= IPCDEV_WATCHES_MAX)
		return -ENOSPC;

	list_add_tail(&w->node, &h->watches);
	atomic_inc(&obj->watches);

	spin_lock(&obj->lock);
	add_wait_queue(w->wq, &w->wait);
	state = poll_state(obj, h);
	spin_unlock(&obj->lock);

	/* What holds already is an event too, unless one has come by now. */
	spin_lock_irq(&w->wq->lock);
	if (!list_empty(&w->wait.entry))
		watch_wake(&w->wait, TASK_NORMAL, 0, poll_to_key(state));
	spin_unlock_irq(&w->wq->lock);
	return 0;
}

static int attach_check(const struct ipcdev_handle *h, const struct ipcdev_attach *args)
{
	const u32 known = IPCDEV_EVENT_READABLE | IPCDEV_EVENT_WRITABLE | IPCDEV_EVENT_HANGUP;

	if (!args->events || (args->events & ~known) || (args->flags & ~IPCDEV_ATTACH_ONESHOT) ||
	    args->reserved)
		return -EINVAL;
	if ((args->events & IPCDEV_EVENT_READABLE) && !(h->rights & IPCDEV_RIGHT_READ))
		return -EACCES;
	if ((args->events & IPCDEV_EVENT_WRITABLE) && !(h->rights & IPCDEV_RIGHT_WRITE))
		return -EACCES;
	return 0;
}

static __poll_t attach_mask(u32 events, u32 rights)
{
	__poll_t mask = 0;

	if (events & IPCDEV_EVENT_READABLE)
		mask |= EPOLLIN;
	if (events & IPCDEV_EVENT_WRITABLE)
		mask |= EPOLLOUT;
	if ((events & IPCDEV_EVENT_HANGUP) && (rights & IPCDEV_RIGHT_READ))
		mask |= EPOLLHUP;
	if ((events & IPCDEV_EVENT_HANGUP) && (rights & IPCDEV_RIGHT_WRITE))
		mask |= EPOLLERR;
	return mask;
}

/* IPCDEV_IOC_ATTACH */
long ipcdev_attach(struct ipcdev_handle *h, void __user *uarg, size_t usize)
{
	struct ipcdev_object *obj = h->obj;
	struct ipcdev_attach args;
	struct ipcdev_watch *w;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	ret = attach_check(h, &args);
	if (ret)
		return ret;

	w = kzalloc(sizeof(*w), IPCDEV_GFP);
	if (!w)
		return -ENOMEM;
	w->obj = obj;
	w->wq = wait_queue(h);
	w->mask = attach_mask(args.events, h->rights);
	w->oneshot = args.flags & IPCDEV_ATTACH_ONESHOT;
	init_waitqueue_func_entry(&w->wait, watch_wake);
	w->ctx = eventfd_ctx_fdget(args.eventfd);
	if (IS_ERR(w->ctx)) {
		ret = PTR_ERR(w->ctx);
		goto err_free;
	}
	w->account = ipcdev_account_get();
	if (!w->account) {
		ret = -ENOMEM;
		goto err_ctx;
	}

	mutex_lock(&obj->watch_mutex);
	/* Before the charge: it frees what has fired. */
	ret = watch_find(h, w->ctx) ? -EEXIST : 0;
	if (!ret)
		ret = ipcdev_charge(w->account, IPCDEV_EVENTFDS, 1,
				    READ_ONCE(ipcdev_max_eventfds));
	if (!ret) {
		ret = watch_add(h, w);
		if (ret)
			ipcdev_uncharge(w->account, IPCDEV_EVENTFDS, 1);
	}
	mutex_unlock(&obj->watch_mutex);
	if (!ret)
		return 0;

	ipcdev_account_put(w->account);
err_ctx:
	eventfd_ctx_put(w->ctx);
err_free:
	kfree(w);
	return ret;
}

/* IPCDEV_IOC_DETACH */
long ipcdev_detach(struct ipcdev_handle *h, void __user *uarg, size_t usize)
{
	struct ipcdev_detach args;
	struct eventfd_ctx *ctx;
	struct ipcdev_watch *w;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.reserved)
		return -EINVAL;
	ctx = eventfd_ctx_fdget(args.eventfd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);

	mutex_lock(&h->obj->watch_mutex);
	w = watch_find(h, ctx);
	if (w)
		watch_free(w);
	mutex_unlock(&h->obj->watch_mutex);
	eventfd_ctx_put(ctx);
	return w ? 0 : -ENOENT;
}

/* The handle's last reference is gone: so are its eventfds. */
void ipcdev_watches_release(struct ipcdev_handle *h)
{
	struct ipcdev_watch *w, *next;

	mutex_lock(&h->obj->watch_mutex);
	list_for_each_entry_safe(w, next, &h->watches, node)
		watch_free(w);
	mutex_unlock(&h->obj->watch_mutex);
}
