// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: broadcast
 *
 * A broadcast queue is a log: messages in order of their numbers, each stored
 * once, in an array that a number indexes. A receiving handle has a *cursor*, the
 * number of the message that it receives next; what lies behind it is its backlog.
 * The log knows how many cursors are at each number, so that moving one costs the
 * same however many there are, and it is cut off at its oldest end up to the first
 * message that a cursor is at, or that the history keeps.
 *
 * A receiver takes a message by moving its handle's cursor on, and pins it while it
 * copies. Cut off meanwhile, the message is freed by whom unpins it last. What
 * could not be delivered goes to the handle's own list of what came back, which
 * comes before the cursor. What a receiver needs for that, a *ticket*, it must have
 * before it takes: the handle has one, and further threads of the same handle
 * bring their own.
 *
 * What came back and has left the log is a *stray*. It is stored like what is in the
 * log, and counts against the limits, whichever handles it came back to. A queue that
 * drops lets strays go in the order of their numbers, so that one number tells a
 * ticket whether its message is still there: no handle need be visited for that.
 *
 * Senders, and the sleep for room, are the queue's (queue.c). How far a handle may
 * be behind is its own limit, and the log knows as well how many reach it before the
 * message of each number. A queue that drops lets nobody wait: it cuts its oldest
 * messages off under the cursors, which then count as being at the first that is
 * left. What a handle has lost is reckoned when it is next looked at.
 *
 * All state is under the object's lock.
 */
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/slab.h>

#include "ipcdev.h"
#include "message.h"
#include "queue.h"
#include "trace.h"

/**
 * struct place - what belongs to a number
 * @msg: the message, if that is in the log
 * @cursors: how many are here; of the first message, also those that are behind it
 * @limits: cursors that must move before a message of this number can be sent, and
 *	whose backlog is not the queue's depth
 */
struct place {
	struct ipcdev_message *msg;
	u32 cursors;
	u32 limits;
};

/**
 * struct ipcdev_broadcast - a broadcast queue
 * @q: what it shares with other queues. Its @queued and @queued_bytes are what the
 *	log holds, its @depth the limit of a backlog
 * @history: messages that stay in the log when all have received them
 * @mask: what makes a number an index of @log
 * @first: number of the oldest message in the log; of the next, if there is none
 * @needed: number of the oldest that somebody is to receive, likewise
 * @needed_bytes: payload from there on
 * @idle: cursors of handles for which somebody sleeps
 * @smaller: if it drops, cursors whose backlog is not the queue's depth
 * @strays: messages that came back and are not in the log, by number
 * @nr_strays: how many
 * @stray_bytes: their payload
 * @kept: what came back and has a number below that has been dropped
 * @done: messages that are cut off, to be freed without the lock
 * @log: places of the messages, and of the next
 */
struct ipcdev_broadcast {
	struct ipcdev_queue q;
	u32 history;
	u32 mask;
	u64 first;
	u64 needed;
	u64 needed_bytes;
	struct list_head idle;
	struct list_head smaller;
	struct rb_root_cached strays;
	u32 nr_strays;
	u64 stray_bytes;
	u64 kept;
	struct list_head done;
	struct place *log;
};

static struct ipcdev_broadcast *to_broadcast(struct ipcdev_queue *q)
{
	return container_of(q, struct ipcdev_broadcast, q);
}

static bool drops(const struct ipcdev_broadcast *b)
{
	return b->q.flags & IPCDEV_QUEUE_DROP_OLDEST;
}

static struct place *place(const struct ipcdev_broadcast *b, u64 seq)
{
	return &b->log[seq & b->mask];
}

static u64 unread(const struct ipcdev_broadcast *b, const struct ipcdev_cursor *c)
{
	return b->q.next_seq - c->next;
}

static __always_inline void enter(struct ipcdev_broadcast *b, const struct ipcdev_cursor *c)
{
	place(b, c->next)->cursors++;
	if (unlikely(c->backlog != b->q.depth))
		place(b, c->next + c->backlog)->limits++;
}

static __always_inline void leave_from(struct ipcdev_broadcast *b,
				       const struct ipcdev_cursor *c, u64 seq)
{
	place(b, seq)->cursors--;
	if (unlikely(c->backlog != b->q.depth))
		place(b, c->next + c->backlog)->limits--;
}

static void leave(struct ipcdev_broadcast *b, const struct ipcdev_cursor *c)
{
	leave_from(b, c, max(c->next, b->first));
}

/* Nobody is to receive it any more. */
static void let_go(struct ipcdev_broadcast *b, struct ipcdev_message *msg)
{
	msg = retire(&b->q, msg);
	if (msg)
		list_add(&msg->list, &b->done);
}

static void remove_stray(struct ipcdev_broadcast *b, struct ipcdev_message *msg)
{
	rb_erase_cached(&msg->age, &b->strays);
	b->nr_strays--;
	b->stray_bytes -= msg->len;
	let_go(b, msg);
}

/* The oldest is lost to all to whom it came back, who find that out from @kept. */
static void drop_stray(struct ipcdev_broadcast *b)
{
	struct ipcdev_message *msg;

	msg = rb_entry(rb_first_cached(&b->strays), struct ipcdev_message, age);
	trace_ipcdev_drop(&b->q.obj, msg);
	b->q.dropped += msg->tickets;
	b->kept = msg->seq + 1;
	msg->tickets = 0;
	remove_stray(b, msg);
}

static void add_stray(struct ipcdev_broadcast *b, struct ipcdev_message *msg)
{
	rb_add_cached(&msg->age, &b->strays, older);
	b->nr_strays++;
	b->stray_bytes += msg->len;
	if (drops(b) && b->nr_strays > b->q.depth)
		drop_stray(b);
}

static void cut_first(struct ipcdev_broadcast *b)
{
	struct place *cut = place(b, b->first++);
	struct ipcdev_message *msg = cut->msg;

	if (b->needed < b->first) {
		b->needed = b->first;
		b->needed_bytes -= msg->len;
	}
	if (cut->cursors) {
		trace_ipcdev_drop(&b->q.obj, msg);
		b->q.dropped += cut->cursors;
		place(b, b->first)->cursors += cut->cursors;
		cut->cursors = 0;
	}
	b->q.queued--;
	b->q.queued_bytes -= msg->len;
	if (msg->cargo)
		b->q.laden--;
	if (unlikely(msg->tickets))
		add_stray(b, msg);
	else
		let_go(b, msg);
}

/* Let go of what nobody is to receive any more. */
static __always_inline void cut(struct ipcdev_broadcast *b)
{
	while (b->needed != b->q.next_seq && !place(b, b->needed)->cursors)
		b->needed_bytes -= place(b, b->needed++)->msg->len;
	while (b->q.queued > b->history && b->first != b->needed)
		cut_first(b);
}

static bool overflows(const struct ipcdev_broadcast *b, u32 len)
{
	return b->q.queued_bytes + b->stray_bytes + len > b->q.bytes_max;
}

/*
 * Make room for as many bytes. A queue that drops loses what is oldest; another only
 * history, and may hold more than fits for as long as what came back is there.
 */
static noinline void make_room(struct ipcdev_broadcast *b, u32 len)
{
	while (overflows(b, len)) {
		if (drops(b) && b->nr_strays)
			drop_stray(b);
		else if (drops(b) || b->first != b->needed)
			cut_first(b);
		else
			break;
	}
}

static noinline void free_all_done(struct ipcdev_broadcast *b)
{
	struct ipcdev_message *msg, *next;
	LIST_HEAD(done);

	spin_lock(&b->q.obj.lock);
	list_splice_init(&b->done, &done);
	spin_unlock(&b->q.obj.lock);
	list_for_each_entry_safe(msg, next, &done, list)
		ipcdev_queue_discard(&b->q, msg);
}

static inline void free_done(struct ipcdev_broadcast *b)
{
	if (unlikely(!list_empty_careful(&b->done)))
		free_all_done(b);
}

/* Whether a cursor is as far behind as it may be. */
static bool somebody_full(const struct ipcdev_broadcast *b)
{
	return place(b, b->q.next_seq - b->q.depth)->cursors ||
	       place(b, b->q.next_seq)->limits;
}

static __always_inline bool log_has_room(const struct ipcdev_broadcast *b, u32 len)
{
	/* History makes room. */
	return drops(b) || (!somebody_full(b) &&
			    b->needed_bytes + b->stray_bytes + len <= b->q.bytes_max);
}

/**
 * ipcdev_broadcast_has_room - whether a message can be sent
 * @q: a broadcast queue, locked
 * @len: bytes of the message
 */
bool ipcdev_broadcast_has_room(struct ipcdev_queue *q, u32 len)
{
	return log_has_room(to_broadcast(q), len);
}

static struct ipcdev_ticket *first_returned(struct ipcdev_cursor *c)
{
	return list_first_entry_or_null(&c->returned, struct ipcdev_ticket, w.node);
}

static void ticket_put(struct ipcdev_cursor *c, struct ipcdev_ticket *t)
{
	if (likely(t == &c->own))
		c->own_taken = false;
	else
		kfree(t);
}

static void add_lost(u32 *lost, u64 count)
{
	*lost += min_t(u64, count, U32_MAX - *lost);
}

/* What came back may have been dropped since, and has been counted then. */
static void find_dropped(struct ipcdev_broadcast *b, struct ipcdev_cursor *c)
{
	struct ipcdev_ticket *t, *later;

	while (unlikely((t = first_returned(c)) && t->seq < b->kept)) {
		list_del(&t->w.node);
		later = first_returned(c);
		add_lost(later ? &later->lost : &c->lost, t->lost + 1ULL);
		ticket_put(c, t);
	}
}

/*
 * In a queue that drops a cursor may be further behind than it may be: what it has
 * missed is lost to its handle. What was cut off has been counted then.
 */
static noinline void find_lost(struct ipcdev_broadcast *b, struct ipcdev_cursor *c)
{
	u64 seq, from = max(c->next, b->first);
	u64 to = from;

	if (unread(b, c) > c->backlog)
		to = max(from, b->q.next_seq - c->backlog);
	if (to == c->next)
		return;
	if (trace_ipcdev_drop_enabled()) {
		for (seq = from; seq < to; seq++)
			trace_ipcdev_drop(&b->q.obj, place(b, seq)->msg);
	}
	b->q.dropped += to - from;
	add_lost(&c->lost, to - c->next);
	leave(b, c);
	c->next = to;
	enter(b, c);
}

/* Before one looks where a cursor is. */
static __always_inline void catch_up(struct ipcdev_broadcast *b, struct ipcdev_cursor *c)
{
	if (unlikely(drops(b))) {
		find_dropped(b, c);
		find_lost(b, c);
	}
}

/* Take the message that the cursor is at. */
static __always_inline void take_next(struct ipcdev_broadcast *b, struct ipcdev_cursor *c,
				      struct ipcdev_ticket *t)
{
	struct ipcdev_message *msg = place(b, c->next)->msg;

	leave_from(b, c, c->next);
	c->next++;
	enter(b, c);
	msg->pins++;
	t->w.msg = msg;
	t->lost = c->lost;
	t->epoch = c->epoch;
	c->lost = 0;
	c->taken++;
}

/* The first sleeper of a handle is done. Its ticket is, for a message, to be filled in. */
static void settle(struct ipcdev_broadcast *b, struct ipcdev_cursor *c,
		   struct ipcdev_ticket *t, int result)
{
	b->q.nr_receivers--;
	b->q.wakeups++;
	if (list_is_singular(&c->sleepers))
		list_del_init(&c->idle);
	ipcdev_waiter_wake(ipcdev_waiter_settle(&t->w, result));
}

static struct ipcdev_ticket *first_sleeper(struct ipcdev_cursor *c)
{
	return list_first_entry_or_null(&c->sleepers, struct ipcdev_ticket, w.node);
}

/* Hand to who sleeps for this handle what there is for it. */
static void feed(struct ipcdev_broadcast *b, struct ipcdev_cursor *c)
{
	struct ipcdev_ticket *t;

	while (unread(b, c) && (t = first_sleeper(c))) {
		take_next(b, c, t);
		settle(b, c, t, 0);
	}
}

/**
 * ipcdev_broadcast_accept - send a message for which there is room
 * @q: a broadcast queue, locked
 * @msg: the message, the queue's from now on
 */
void ipcdev_broadcast_accept(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	struct ipcdev_broadcast *b = to_broadcast(q);
	struct ipcdev_cursor *c, *next;

	while (unlikely(q->queued >= max(q->depth, b->history)))
		cut_first(b);
	if (unlikely(overflows(b, msg->len)))
		make_room(b, msg->len);
	msg->seq = q->next_seq;
	place(b, q->next_seq++)->msg = msg;
	q->queued++;
	q->queued_bytes += msg->len;
	b->needed_bytes += msg->len;
	q->sent++;
	q->sent_bytes += msg->len;
	trace_ipcdev_send(&q->obj, msg);
	list_for_each_entry_safe(c, next, &b->idle, idle)
		feed(b, c);
	/* What these have lost need not be kept until somebody looks at them. */
	if (unlikely(!list_empty(&b->smaller))) {
		c = list_first_entry(&b->smaller, struct ipcdev_cursor, smaller);
		list_move_tail(&c->smaller, &b->smaller);
		find_lost(b, c);
	}
	cut(b);
	/* Who watches for room is to hear of it also if nobody is refused meanwhile. */
	if (unlikely(!log_has_room(b, q->msg_max)))
		q->want_room = true;
}

/**
 * ipcdev_broadcast_sent - free what sending has cut off
 * @q: a broadcast queue, not locked
 */
void ipcdev_broadcast_sent(struct ipcdev_queue *q)
{
	free_done(to_broadcast(q));
}

/* Receivers. */

/* Called with the lock, which it may drop and take again. */
static struct ipcdev_ticket *ticket_get(struct ipcdev_broadcast *b, struct ipcdev_cursor *c)
{
	struct ipcdev_ticket *t;

	if (likely(!c->own_taken)) {
		c->own_taken = true;
		return &c->own;
	}
	spin_unlock(&b->q.obj.lock);
	t = kmalloc(sizeof(*t), IPCDEV_GFP);
	spin_lock(&b->q.obj.lock);
	return t;
}

/* A ticket's message is not needed any more. Returns it if it is to be discarded. */
static __always_inline struct ipcdev_message *unpin(struct ipcdev_broadcast *b,
						    struct ipcdev_ticket *t)
{
	struct ipcdev_message *msg = t->w.msg;

	if (--msg->pins || !msg->orphan)
		return NULL;
	msg->orphan = false;
	return retire(&b->q, msg);
}

/* The ticket has got into its handle's list. */
static void keep_returned(struct ipcdev_broadcast *b, struct ipcdev_ticket *t)
{
	struct ipcdev_message *msg = t->w.msg;

	if (msg->seq < b->kept) {
		/* Later ones have been dropped already. */
		trace_ipcdev_drop(&b->q.obj, msg);
		b->q.dropped++;
		msg = unpin(b, t);
		if (msg)
			list_add(&msg->list, &b->done);
		return;
	}
	msg->pins--;
	if (msg->tickets++ || msg->seq >= b->first)
		return;
	msg->orphan = false;
	add_stray(b, msg);
	if (overflows(b, 0))
		make_room(b, 0);
	if (!log_has_room(b, b->q.msg_max))
		b->q.want_room = true;
}

/* The ticket, whose message has not been dropped, has left its handle's list. */
static void forget_returned(struct ipcdev_broadcast *b, struct ipcdev_ticket *t)
{
	struct ipcdev_message *msg = t->w.msg;

	if (!--msg->tickets && msg->seq < b->first)
		remove_stray(b, msg);
}

/* Whether there is anything that came back, also if nobody has looked since. */
static bool has_returned(const struct ipcdev_broadcast *b, const struct ipcdev_cursor *c)
{
	return !list_empty(&c->returned) &&
	       list_last_entry(&c->returned, struct ipcdev_ticket, w.node)->seq >= b->kept;
}

/* Nobody will send any more, and the handle has received all. */
static bool drained(const struct ipcdev_broadcast *b, const struct ipcdev_cursor *c)
{
	return ipcdev_writers_gone(&b->q.obj) && !c->taken && !has_returned(b, c) &&
	       !unread(b, c);
}

static void end_sleeps(struct ipcdev_broadcast *b, struct ipcdev_cursor *c, int result)
{
	struct ipcdev_ticket *t;

	while ((t = first_sleeper(c)))
		settle(b, c, t, result);
}

/* A cursor has left a message, and may have been what others waited for. */
static __always_inline __poll_t made_way(struct ipcdev_broadcast *b,
					 const struct ipcdev_cursor *c)
{
	u64 left = c->next - 1;
	bool last = !place(b, left)->cursors;

	if (last)
		cut(b);
	if (likely(!b->q.want_room && list_empty(&b->q.senders)))
		return 0;
	/* Others there, and a limit that was not reached, leave all as it was. */
	if (!last && left + c->backlog != b->q.next_seq)
		return 0;
	return ipcdev_queue_admit(&b->q);
}

/* Sleep for a message. Called with the lock, returns without it. */
static noinline int wait_for_message(struct ipcdev_broadcast *b, struct ipcdev_cursor *c,
				     struct ipcdev_ticket *t,
				     const struct ipcdev_deadline *deadline)
	__releases(&b->q.obj.lock)
{
	struct ipcdev_queue *q = &b->q;
	int ret;

	if (list_empty(&c->sleepers))
		list_add_tail(&c->idle, &b->idle);
	ipcdev_waiter_add(&t->w, &c->sleepers);
	q->nr_receivers++;
	q->recv_waits++;
	trace_ipcdev_sleep(&q->obj, false, 0);
	spin_unlock(&q->obj.lock);

	ret = ipcdev_waiter_sleep(&t->w, deadline);
	if (ret) {
		spin_lock(&q->obj.lock);
		if (t->w.result == IPCDEV_PENDING) {
			list_del(&t->w.node);
			q->nr_receivers--;
			if (list_empty(&c->sleepers))
				list_del_init(&c->idle);
			t->w.result = ret;
		}
		spin_unlock(&q->obj.lock);
	}
	trace_ipcdev_wake(&q->obj, false, t->w.result);
	return t->w.result;
}

/* The message that a handle receives next, of which it is not known whether it fits. */
static struct ipcdev_message *next_message(struct ipcdev_broadcast *b, struct ipcdev_cursor *c)
{
	struct ipcdev_ticket *back;

	catch_up(b, c);
	back = first_returned(c);
	if (unlikely(back))
		return back->w.msg;
	return unread(b, c) ? place(b, c->next)->msg : NULL;
}

/* A taken message could not be delivered. */
/*
 * Strays may have gone, and one of them have been the last that a handle other than ours
 * had to receive: who polls it then looks again.
 */
static __poll_t others_may_end(const struct ipcdev_broadcast *b)
{
	return drops(b) && ipcdev_writers_gone(&b->q.obj) ? EPOLLHUP : 0;
}

static noinline void put_back(struct ipcdev_broadcast *b, struct ipcdev_cursor *c,
			      struct ipcdev_ticket *t)
{
	struct ipcdev_queue *q = &b->q;
	struct ipcdev_ticket *later, *sleeper;
	struct ipcdev_message *msg;
	__poll_t events = EPOLLIN;

	spin_lock(&q->obj.lock);
	trace_ipcdev_return(&q->obj, t->w.msg);
	q->returned++;
	sleeper = first_sleeper(c);
	if (t->epoch != c->epoch) {
		/* It belongs to what the handle has forgotten since. */
		msg = unpin(b, t);
		if (msg)
			list_add(&msg->list, &b->done);
		ticket_put(c, t);
		events = 0;
	} else if (sleeper) {
		sleeper->w.msg = t->w.msg;
		sleeper->lost = t->lost;
		sleeper->epoch = t->epoch;
		settle(b, c, sleeper, 0);
		ticket_put(c, t);
	} else {
		c->taken--;
		t->seq = t->w.msg->seq;
		list_for_each_entry(later, &c->returned, w.node) {
			if (later->seq > t->seq)
				break;
		}
		list_add_tail(&t->w.node, &later->w.node);
		keep_returned(b, t);
		/* It may be lost, and have been the last. */
		if (!next_message(b, c))
			events = drained(b, c) ? EPOLLHUP : 0;
		events |= others_may_end(b);
	}
	spin_unlock(&q->obj.lock);
	if (events)
		ipcdev_notify(&q->obj, events);
}

static __always_inline void put_received(struct ipcdev_broadcast *b, struct ipcdev_cursor *c,
					 struct ipcdev_ticket *t)
{
	struct ipcdev_queue *q = &b->q;
	struct ipcdev_message *msg;
	bool end = false;

	spin_lock(&q->obj.lock);
	trace_ipcdev_receive(&q->obj, t->w.msg);
	q->received++;
	q->received_bytes += t->w.msg->len;
	msg = unpin(b, t);
	if (likely(t->epoch == c->epoch)) {
		c->taken--;
		end = drained(b, c);
		if (unlikely(end))
			end_sleeps(b, c, -EPIPE);
	}
	ticket_put(c, t);
	spin_unlock(&q->obj.lock);

	if (unlikely(end))
		ipcdev_notify(&q->obj, EPOLLHUP);
	if (unlikely(msg))
		ipcdev_queue_discard(q, msg);
}

/*
 * Take the handle's next message, for put_received() or put_back(). On -EMSGSIZE
 * it stays, and @room says what it needs.
 */
static __always_inline struct ipcdev_ticket *take_ticket(struct ipcdev_broadcast *b,
							 struct ipcdev_cursor *c,
							 struct ipcdev_room *room,
							 const struct ipcdev_deadline *deadline)
{
	struct ipcdev_message *msg;
	struct ipcdev_ticket *t;
	__poll_t events = 0;
	int ret;

	spin_lock(&b->q.obj.lock);
	t = ticket_get(b, c);
	if (unlikely(!t)) {
		spin_unlock(&b->q.obj.lock);
		return ERR_PTR(-ENOMEM);
	}
	ret = -ENOTCONN;
	if (!c->subscribed)
		goto err;
	msg = next_message(b, c);
	if (!msg) {
		ret = -EPIPE;
		if (drained(b, c))
			goto err;
		ret = -EAGAIN;
		if (deadline->nonblock)
			goto err;
		ret = wait_for_message(b, c, t, deadline);
		if (likely(!ret) && unlikely(!fits(t->w.msg, room))) {
			note_need(t->w.msg, room);
			put_back(b, c, t);
			free_done(b);
			return ERR_PTR(-EMSGSIZE);
		}
		if (likely(!ret))
			return t;
		spin_lock(&b->q.obj.lock);
		goto err;
	}
	if (unlikely(!fits(msg, room))) {
		note_need(msg, room);
		ret = -EMSGSIZE;
		goto err;
	}
	if (unlikely(!list_empty(&c->returned))) {
		ticket_put(c, t);
		t = first_returned(c);
		list_del(&t->w.node);
		msg->pins++;
		forget_returned(b, t);
		c->taken++;
		events = ipcdev_queue_admit(&b->q);
	} else {
		take_next(b, c, t);
		events = made_way(b, c);
	}
	spin_unlock(&b->q.obj.lock);
	if (unlikely(events))
		ipcdev_notify(&b->q.obj, events);
	return t;

err:
	ticket_put(c, t);
	spin_unlock(&b->q.obj.lock);
	return ERR_PTR(ret);
}

/* The receiver has what it could be given of a taken message, or has failed. */
static __always_inline int finish(struct ipcdev_broadcast *b, struct ipcdev_cursor *c,
				  struct ipcdev_ticket *t, int ret)
{
	if (unlikely(ret))
		put_back(b, c, t);
	else
		put_received(b, c, t);
	free_done(b);
	return ret;
}

/**
 * ipcdev_broadcast_recv - receive a message through a handle
 * @h: of a broadcast queue
 * @um: the message as the caller gave it
 * @deadline: when to give up
 * @uout: where the message is written to
 * @usize: its size there
 */
int ipcdev_broadcast_recv(struct ipcdev_handle *h, struct ipcdev_msg *um,
			  const struct ipcdev_deadline *deadline, void __user *uout, size_t usize)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(h->obj));
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_pieces pieces __uninitialized;
	struct ipcdev_room room __uninitialized;
	struct ipcdev_ticket *t;
	int ret;

	ret = recv_begin(um, &payload, &pieces, &room);
	if (ret)
		return ret;
	t = take_ticket(b, &h->cursor, &room, deadline);
	if (IS_ERR(t)) {
		ret = PTR_ERR(t);
		if (ret == -EMSGSIZE)
			ret = ipcdev_queue_tell_need(&room, uout);
	} else {
		ret = deliver(t->w.msg, &payload, um, t->lost, uout, usize);
		ret = finish(b, &h->cursor, t, ret);
	}
	ipcdev_payload_release(&payload, &pieces);
	return ret;
}

/**
 * ipcdev_broadcast_read - ipcdev_broadcast_recv() for read(2)
 * @h: of a broadcast queue
 * @to: where the payload goes
 * @deadline: when to give up
 */
ssize_t ipcdev_broadcast_read(struct ipcdev_handle *h, struct iov_iter *to,
			      const struct ipcdev_deadline *deadline)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(h->obj));
	struct ipcdev_room room = { .len = iov_iter_count(to), .drop = true };
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_ticket *t;
	ssize_t len;
	int ret;

	t = take_ticket(b, &h->cursor, &room, deadline);
	if (IS_ERR(t))
		return t == ERR_PTR(-EPIPE) ? 0 : PTR_ERR(t);
	ipcdev_payload_from_iter(&payload, to);
	len = t->w.msg->len;
	ret = ipcdev_message_copy_out(t->w.msg, &payload);
	if (!ret && unlikely(fatal_signal_pending(current)))
		ret = -EINTR;
	return finish(b, &h->cursor, t, ret) ?: len;
}

/**
 * ipcdev_broadcast_pin - find a message to be peeked at
 * @h: of a broadcast queue, which is locked
 * @position: 0 for the one that is received next
 *
 * Return: the message, pinned, or NULL.
 */
struct ipcdev_message *ipcdev_broadcast_pin(struct ipcdev_handle *h, u32 position)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(h->obj));
	struct ipcdev_cursor *c = &h->cursor;
	struct ipcdev_message *msg = NULL;
	struct ipcdev_ticket *t;

	if (!c->subscribed)
		return NULL;
	catch_up(b, c);
	list_for_each_entry(t, &c->returned, w.node) {
		if (!position--) {
			msg = t->w.msg;
			break;
		}
	}
	if (!msg && position < unread(b, c))
		msg = place(b, c->next + position)->msg;
	if (msg)
		msg->pins++;
	return msg;
}

/* Subscriptions. */

/*
 * Forget what the handle has not received, and where it was. Its sleepers stay:
 * there was nothing for them.
 */
static void forget(struct ipcdev_broadcast *b, struct ipcdev_cursor *c)
{
	struct ipcdev_ticket *t;

	c->epoch++;
	c->taken = 0;
	if (!c->subscribed)
		return;
	catch_up(b, c);
	while ((t = first_returned(c))) {
		list_del(&t->w.node);
		forget_returned(b, t);
		ticket_put(c, t);
	}
	c->lost = 0;
	leave(b, c);
	list_del_init(&c->smaller);
	c->subscribed = false;
}

static void subscribe(struct ipcdev_broadcast *b, struct ipcdev_cursor *c, u32 history,
		      u32 backlog)
{
	c->next = b->q.next_seq - history;
	c->backlog = backlog;
	c->subscribed = true;
	enter(b, c);
	if (drops(b) && backlog != b->q.depth)
		list_add_tail(&c->smaller, &b->smaller);
	while (b->needed > c->next)
		b->needed_bytes += place(b, --b->needed)->msg->len;
	feed(b, c);
}

/**
 * ipcdev_broadcast_subscribe - IPCDEV_IOC_SUBSCRIBE
 * @file: a queue's
 * @uarg: the caller's struct ipcdev_subscribe
 * @usize: its size
 */
long ipcdev_broadcast_subscribe(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_cursor *c = &h->cursor;
	struct ipcdev_broadcast *b;
	struct ipcdev_subscribe args;
	__poll_t events;
	int ret;

	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (!(q->flags & IPCDEV_QUEUE_BROADCAST))
		return -EOPNOTSUPP;
	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if ((args.flags & ~IPCDEV_SUBSCRIBE_OFF) || args.reserved || args.backlog > q->depth)
		return -EINVAL;
	if (args.flags && (args.history || args.backlog))
		return -EINVAL;

	b = to_broadcast(q);
	args.backlog = args.backlog ?: q->depth;
	spin_lock(&q->obj.lock);
	forget(b, c);
	args.history = min3(args.history, min(b->history, q->queued), args.backlog);
	if (args.flags & IPCDEV_SUBSCRIBE_OFF)
		end_sleeps(b, c, -ENOTCONN);
	else
		subscribe(b, c, args.history, args.backlog);
	cut(b);
	events = ipcdev_queue_admit(q);
	if (args.history)
		events |= EPOLLIN;
	/* What somebody was copying may have been all that there was to wait for. */
	if (drained(b, c)) {
		end_sleeps(b, c, -EPIPE);
		events |= EPOLLHUP;
	}
	spin_unlock(&q->obj.lock);

	if (events)
		ipcdev_notify(&q->obj, events);
	free_done(b);
	return args.history;
}

/* What makes a broadcast queue an object. */

/* Called before the handle is counted. */
static int broadcast_joined(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(obj));
	struct ipcdev_cursor *c = &h->cursor;

	INIT_LIST_HEAD(&c->idle);
	INIT_LIST_HEAD(&c->smaller);
	INIT_LIST_HEAD(&c->sleepers);
	INIT_LIST_HEAD(&c->returned);
	/* Not the creator's, who is there to send. */
	if ((h->rights & IPCDEV_RIGHT_READ) && (obj->had_reader || obj->had_writer))
		subscribe(b, c, 0, b->q.depth);
	return 0;
}

static void broadcast_released(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(obj));
	__poll_t events;

	spin_lock(&obj->lock);
	forget(b, &h->cursor);
	cut(b);
	events = ipcdev_queue_admit(&b->q) | others_may_end(b);
	spin_unlock(&obj->lock);
	if (events)
		ipcdev_notify(obj, events);
	free_done(b);
}

static __poll_t broadcast_poll(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(obj));
	/* Who sends to nobody need not be told. */
	__poll_t mask = ipcdev_poll_peers(obj) & ~EPOLLERR;

	if (h && h->cursor.subscribed) {
		if (next_message(b, &h->cursor))
			mask |= EPOLLIN | EPOLLRDNORM;
		else if (!drained(b, &h->cursor))
			mask &= ~EPOLLHUP;
	}
	return mask | ipcdev_queue_poll_room(&b->q);
}

static void broadcast_peers_changed(struct ipcdev_object *obj)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(obj));
	struct ipcdev_cursor *c, *next;

	list_for_each_entry_safe(c, next, &b->idle, idle) {
		if (drained(b, c))
			end_sleeps(b, c, -EPIPE);
	}
}

static void broadcast_drain(struct ipcdev_object *obj)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(obj));

	spin_lock(&obj->lock);
	while (b->q.queued)
		cut_first(b);
	spin_unlock(&obj->lock);
	free_done(b);
	ipcdev_queue_drain(obj);
}

static void broadcast_free(struct ipcdev_object *obj)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(obj));

	broadcast_drain(obj);
	kvfree(b->log);
	ipcdev_queue_free(obj);
}

static void broadcast_stat(struct ipcdev_object *obj, struct ipcdev_handle *h,
			   struct ipcdev_stat *st)
{
	struct ipcdev_broadcast *b = to_broadcast(to_queue(obj));
	struct ipcdev_ticket *t;

	ipcdev_queue_stat(obj, h, st);
	st->flags |= IPCDEV_STAT_BROADCAST;
	st->history = b->history;
	if (!h || !h->cursor.subscribed)
		return;
	catch_up(b, &h->cursor);
	st->dropped = b->q.dropped;
	st->flags |= IPCDEV_STAT_SUBSCRIBED;
	st->unread = unread(b, &h->cursor);
	list_for_each_entry(t, &h->cursor.returned, w.node)
		st->unread++;
}

const struct ipcdev_object_ops ipcdev_broadcast_ops = {
	.type = IPCDEV_TYPE_QUEUE,
	.name = "queue",
	.label = "[ipcdev-queue]",
	.fops = &ipcdev_queue_fops,
	.ioctl = ipcdev_queue_ioctl,
	.joined = broadcast_joined,
	.opened = ipcdev_queue_opened,
	.poll = broadcast_poll,
	.peers_changed = broadcast_peers_changed,
	.released = broadcast_released,
	.drain = broadcast_drain,
	.free = broadcast_free,
	.size = ipcdev_queue_size,
	.may_persist = ipcdev_queue_may_persist,
	.stat = broadcast_stat,
	.fdinfo = ipcdev_queue_fdinfo,
};

/**
 * ipcdev_broadcast_alloc - memory for a broadcast queue
 * @depth: messages that a handle may be behind
 * @history: messages that are kept
 *
 * Return: what all queues share, zeroed, or NULL.
 */
struct ipcdev_queue *ipcdev_broadcast_alloc(u32 depth, u32 history)
{
	/* The next message has a place as well, and each cursor a limit of its own. */
	unsigned long size = roundup_pow_of_two(max(depth, history) + 1UL);
	struct ipcdev_broadcast *b;

	b = kzalloc(sizeof(*b), IPCDEV_GFP);
	if (!b)
		return NULL;
	b->log = kvcalloc(size, sizeof(*b->log), IPCDEV_GFP);
	if (!b->log) {
		kfree(b);
		return NULL;
	}
	BUILD_BUG_ON(offsetof(struct ipcdev_broadcast, q));
	b->mask = size - 1;
	b->history = history;
	INIT_LIST_HEAD(&b->idle);
	INIT_LIST_HEAD(&b->smaller);
	b->strays = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&b->done);
	return &b->q;
}

/**
 * ipcdev_broadcast_abandon - undo ipcdev_broadcast_alloc()
 * @q: a broadcast queue that has not become an object
 */
void ipcdev_broadcast_abandon(struct ipcdev_queue *q)
{
	kvfree(to_broadcast(q)->log);
}
