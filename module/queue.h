/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of a queue, for queue.c, broadcast.c and call.c: its state, and the common way of
 * a message through it, in line. What is rare lies behind the functions that are
 * declared here. What the states of a message are is said in queue.c.
 */
#ifndef IPCDEV_QUEUE_H
#define IPCDEV_QUEUE_H

#include <linux/list.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>

#include "ipcdev.h"
#include "message.h"
#include "trace.h"

/* Message memory that an idle queue keeps, for the next messages to come. */
#define SLOTS_KEPT		64

#define WAIT_FLAGS	(IPCDEV_NONBLOCK | IPCDEV_DEADLINE_MONOTONIC | \
			 IPCDEV_DEADLINE_REALTIME)
#define RECV_FLAGS	(IPCDEV_MSG_DROP_FDS | IPCDEV_MSG_SLICE_IDS)
#define SIGN_FLAGS	(IPCDEV_QUEUE_CREDS | IPCDEV_QUEUE_TIME | IPCDEV_QUEUE_SCHED)
/*
 * Words of struct ipcdev_msg that a receiver need not fill, for ipcdev_args_get_but().
 * The last one is read all the same: then the structure is there from end to end.
 */
#define MSG_WORD(field)	(offsetof(struct ipcdev_msg, field) / sizeof(u64))
#define MSG_RESULTS	(BIT_ULL(MSG_WORD(tag)) | BIT_ULL(MSG_WORD(time_ns)) | \
			 BIT_ULL(MSG_WORD(pid)) | BIT_ULL(MSG_WORD(gid)) | \
			 BIT_ULL(MSG_WORD(token)))
#define TOLD_FLAGS	(IPCDEV_MSG_CREDS | IPCDEV_MSG_TIME | IPCDEV_MSG_CALL)

/**
 * struct ipcdev_queue - a message queue
 * @obj: the object; its lock protects all that follows @bytes_max
 * @flags: IPCDEV_QUEUE_*
 * @depth: messages at most
 * @msg_max: bytes in the largest
 * @bytes_max: bytes in all
 * @fifo: ready messages of order 0, the most common one, in order of receiving
 * @urgent: all others, which are received before, likewise
 * @by_age: the same in order of sending, for IPCDEV_QUEUE_DROP_OLDEST only
 * @receivers: sleeping receivers, the longest waiting first
 * @senders: sleeping senders, likewise, but for IPCDEV_QUEUE_SCHED by order first
 * @spare: a free message slot, or NULL; exchanged without the lock
 * @large: a free message that is larger than a slot, or NULL; likewise
 * @slots: more slots, linked by @next_slot
 * @next_seq: of the next message
 * @queued_bytes: payload of the ready messages
 * @queued: ready messages
 * @taken: messages that receivers are copying
 * @laden: messages with descriptors or slices, waiting, ready or taken
 * @nr_receivers: length of @receivers
 * @nr_senders: length of @senders
 * @nr_slots: length of @slots
 * @calls: calls that were received and are not answered
 * @gone: of these, those that callers have given up and no server knows, the first
 *	of them first
 * @nr_gone: length of @gone
 * @gone_bytes: room for payload in these, where that is not in slots
 * @lost: messages dropped since one was taken
 * @want_room: somebody was told that there is no room, or may want to know of some
 * @call_ready: a call may be among the ready messages
 * @sent: statistics
 * @sent_bytes: statistics
 * @received: statistics
 * @received_bytes: statistics
 * @dropped: statistics
 * @returned: statistics
 * @send_waits: statistics
 * @recv_waits: statistics
 * @wakeups: statistics
 */
struct ipcdev_queue {
	struct ipcdev_object obj;
	u32 flags;
	u32 depth;
	u32 msg_max;
	u64 bytes_max;

	struct list_head fifo;
	struct rb_root_cached urgent;
	struct rb_root_cached by_age;
	struct list_head receivers;
	struct list_head senders;
	struct ipcdev_message *spare;
	struct ipcdev_message *large;
	struct ipcdev_message *slots;
	u64 next_seq;
	u64 queued_bytes;
	u32 queued;
	u32 taken;
	u32 laden;
	u32 nr_receivers;
	u32 nr_senders;
	u32 nr_slots;
	u32 calls;
	struct list_head gone;
	u32 nr_gone;
	u64 gone_bytes;
	u32 lost;
	bool want_room;
	bool call_ready;

	u64 sent;
	u64 sent_bytes;
	u64 received;
	u64 received_bytes;
	u64 dropped;
	u64 returned;
	u64 send_waits;
	u64 recv_waits;
	u64 wakeups;
};

/**
 * struct ipcdev_caller - who sleeps for a reply
 * @w: its sleep; its @msg is what is the caller's to free, in the end the reply
 * @request: the message of its call
 */
struct ipcdev_caller {
	struct ipcdev_waiter w;
	struct ipcdev_message *request;
};

/**
 * struct ipcdev_room - what a receiver can take
 * @len: bytes of payload
 * @fds: descriptors
 * @slices: slices
 * @drop: descriptors and slices beyond that may be dropped
 */
struct ipcdev_room {
	size_t len;
	u32 fds;
	u32 slices;
	bool drop;
};

/* queue.c */
extern const struct file_operations ipcdev_queue_fops;
long ipcdev_queue_ioctl(struct file *file, unsigned int nr, void __user *uarg, size_t usize);
__poll_t ipcdev_queue_admit(struct ipcdev_queue *q);
bool ipcdev_queue_drained(struct ipcdev_queue *q);
struct ipcdev_message *ipcdev_queue_slot(struct ipcdev_queue *q, size_t room);
void ipcdev_queue_sign(struct ipcdev_queue *q, struct ipcdev_message *msg, struct pid *pid,
		       const struct cred *cred);
void ipcdev_queue_discard(struct ipcdev_queue *q, struct ipcdev_message *msg);
int ipcdev_queue_send_checked(struct ipcdev_queue *q, struct ipcdev_message *msg,
			      const struct ipcdev_deadline deadline)
	__releases(&q->obj.lock);
void ipcdev_queue_put_back(struct ipcdev_queue *q, struct ipcdev_message *msg);
int ipcdev_queue_tell_need(const struct ipcdev_room *room, struct ipcdev_msg __user *out);
int ipcdev_queue_deliver_laden(const struct ipcdev_message *msg, struct ipcdev_msg *um,
			       u32 lost, void __user *uout, size_t usize);
__poll_t ipcdev_queue_poll_room(struct ipcdev_queue *q);
void ipcdev_queue_opened(struct ipcdev_object *obj, struct file *file);
void ipcdev_queue_drain(struct ipcdev_object *obj);
void ipcdev_queue_free(struct ipcdev_object *obj);
u64 ipcdev_queue_size(struct ipcdev_object *obj);
bool ipcdev_queue_may_persist(struct ipcdev_object *obj);
void ipcdev_queue_stat(struct ipcdev_object *obj, struct ipcdev_handle *h,
		       struct ipcdev_stat *st);
void ipcdev_queue_fdinfo(struct ipcdev_object *obj, struct seq_file *m);

/* broadcast.c */
extern const struct ipcdev_object_ops ipcdev_broadcast_ops;
struct ipcdev_queue *ipcdev_broadcast_alloc(u32 depth, u32 history);
void ipcdev_broadcast_abandon(struct ipcdev_queue *q);
bool ipcdev_broadcast_has_room(struct ipcdev_queue *q, u32 len);
void ipcdev_broadcast_accept(struct ipcdev_queue *q, struct ipcdev_message *msg);
void ipcdev_broadcast_sent(struct ipcdev_queue *q);
int ipcdev_broadcast_recv(struct ipcdev_handle *h, struct ipcdev_msg *um,
			  const struct ipcdev_deadline *deadline, void __user *uout, size_t usize);
ssize_t ipcdev_broadcast_read(struct ipcdev_handle *h, struct iov_iter *to,
			      const struct ipcdev_deadline *deadline);
struct ipcdev_message *ipcdev_broadcast_pin(struct ipcdev_handle *h, u32 position);
long ipcdev_broadcast_subscribe(struct file *file, void __user *uarg, size_t usize);

/* call.c */
long ipcdev_call(struct file *file, void __user *uarg, size_t usize);
long ipcdev_reply(struct file *file, void __user *uarg, size_t usize);
long ipcdev_reply_recv(struct file *file, void __user *uarg, size_t usize);
void ipcdev_call_delivered_checked(struct ipcdev_queue *q, struct ipcdev_message *msg,
				   struct ipcdev_handle *h)
	__releases(&q->obj.lock);
struct ipcdev_message *ipcdev_call_lighten(struct ipcdev_queue *q, struct ipcdev_message *msg);
struct task_struct *ipcdev_call_end(struct ipcdev_message *msg, int result);
void ipcdev_calls_release(struct ipcdev_queue *q, struct ipcdev_handle *h);

/* What a reply names its call by: never 0, and never used again in this queue. */
static inline u64 ipcdev_call_token(const struct ipcdev_message *msg)
{
	return msg->seq + 1;
}

static inline struct ipcdev_queue *to_queue(struct ipcdev_object *obj)
{
	return container_of(obj, struct ipcdev_queue, obj);
}

static inline struct ipcdev_queue *file_queue(struct file *file)
{
	return to_queue(ipcdev_handle(file)->obj);
}

static inline bool is_broadcast(const struct ipcdev_queue *q)
{
	return unlikely(q->flags & IPCDEV_QUEUE_BROADCAST);
}

/* The states of a message. All of these need the lock. */

static inline bool has_room(const struct ipcdev_queue *q, u32 len)
{
	return q->queued < q->depth && q->queued_bytes + len <= q->bytes_max;
}

static inline bool less(struct rb_node *a, const struct rb_node *b)
{
	const struct ipcdev_message *m = rb_entry(a, struct ipcdev_message, node);
	const struct ipcdev_message *n = rb_entry(b, struct ipcdev_message, node);

	if (m->order != n->order)
		return m->order > n->order;
	return m->seq < n->seq;
}

static inline struct ipcdev_message *first_ready(struct ipcdev_queue *q)
{
	struct rb_node *node = rb_first_cached(&q->urgent);

	if (unlikely(node))
		return rb_entry(node, struct ipcdev_message, node);
	return list_first_entry_or_null(&q->fifo, struct ipcdev_message, list);
}

/* The ready message that is received after @msg, or NULL. */
static inline struct ipcdev_message *next_ready(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	if (msg->order) {
		struct rb_node *node = rb_next(&msg->node);

		if (node)
			return rb_entry(node, struct ipcdev_message, node);
		return list_first_entry_or_null(&q->fifo, struct ipcdev_message, list);
	}
	return list_is_last(&msg->list, &q->fifo) ? NULL : list_next_entry(msg, list);
}

static inline bool older(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcdev_message, age)->seq <
	       rb_entry(b, struct ipcdev_message, age)->seq;
}

/*
 * A new message is the last. One that comes back has only others before it that
 * came back as well: there are no more of these than receivers.
 */
static __always_inline void fifo_add(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	struct ipcdev_message *later;

	if (likely(msg->seq + 1 == q->next_seq)) {
		list_add_tail(&msg->list, &q->fifo);
		return;
	}
	list_for_each_entry(later, &q->fifo, list) {
		if (later->seq > msg->seq)
			break;
	}
	list_add_tail(&msg->list, &later->list);
}

static __always_inline void make_ready(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	if (likely(!msg->order))
		fifo_add(q, msg);
	else
		rb_add_cached(&msg->node, &q->urgent, less);
	if (unlikely(q->flags & IPCDEV_QUEUE_DROP_OLDEST))
		rb_add_cached(&msg->age, &q->by_age, older);
	if (unlikely(msg->call))
		q->call_ready = true;
	msg->state = IPCDEV_READY;
	q->queued++;
	q->queued_bytes += msg->len;
}

static __always_inline void unmake_ready(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	if (likely(!msg->order))
		list_del(&msg->list);
	else
		rb_erase_cached(&msg->node, &q->urgent);
	if (unlikely(q->flags & IPCDEV_QUEUE_DROP_OLDEST))
		rb_erase_cached(&msg->age, &q->by_age);
	q->queued--;
	q->queued_bytes -= msg->len;
}

static __always_inline void make_taken(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	msg->state = IPCDEV_TAKEN;
	q->taken++;
	msg->lost = q->lost;
	q->lost = 0;
}

/*
 * A message that is not in the queue becomes ready, or taken by a receiver that
 * sleeps for it. Returns that receiver's task, to be woken without the lock.
 */
static __always_inline struct task_struct *hand_over(struct ipcdev_queue *q,
						     struct ipcdev_message *msg)
{
	struct ipcdev_waiter *w;

	if (list_empty(&q->receivers)) {
		make_ready(q, msg);
		return NULL;
	}
	w = list_first_entry(&q->receivers, struct ipcdev_waiter, node);
	make_taken(q, msg);
	w->msg = msg;
	q->nr_receivers--;
	q->wakeups++;
	return ipcdev_waiter_settle(w, 0);
}

static __always_inline struct task_struct *accept(struct ipcdev_queue *q,
						  struct ipcdev_message *msg)
{
	msg->seq = q->next_seq++;
	q->sent++;
	q->sent_bytes += msg->len;
	trace_ipcdev_send(&q->obj, msg);
	return hand_over(q, msg);
}

/* The room that a message took is free again. */
static inline __poll_t made_room(struct ipcdev_queue *q, bool was_full)
{
	q->want_room |= was_full;
	if (likely(!q->want_room && list_empty(&q->senders)))
		return 0;
	return ipcdev_queue_admit(q);
}

/*
 * The queue is done with a message, and keeps its memory if it can. Returns the
 * message if the caller must strip it first, without the lock, or free it.
 */
static __always_inline struct ipcdev_message *retire(struct ipcdev_queue *q,
						     struct ipcdev_message *msg)
{
	if (unlikely(msg->pins)) {
		msg->orphan = true;
		return NULL;
	}
	if (unlikely(msg->cargo || msg->pid))
		return msg;
	if (likely(msg->slot && !cmpxchg(&q->spare, NULL, msg)))
		return NULL;
	if (!msg->slot && msg->room <= IPCDEV_LARGE_DATA && !cmpxchg(&q->large, NULL, msg))
		return NULL;
	if (msg->slot && q->nr_slots < min_t(u32, q->depth, SLOTS_KEPT)) {
		msg->next_slot = q->slots;
		q->slots = msg;
		q->nr_slots++;
		return NULL;
	}
	return msg;
}

/* The same without the lock, for a message that nobody has pinned or can pin. */
static __always_inline void message_put(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	if (unlikely(msg->cargo || msg->pid || !msg->slot || cmpxchg(&q->spare, NULL, msg)))
		ipcdev_queue_discard(q, msg);
}

static __always_inline struct ipcdev_message *message_get(struct ipcdev_queue *q, size_t room)
{
	struct ipcdev_message *msg = NULL;

	if (likely(room <= IPCDEV_SLOT_DATA))
		msg = xchg(&q->spare, NULL);
	return likely(msg) ? msg : ipcdev_queue_slot(q, room);
}

/* A message has come: wake the receiver that it was handed to, or tell who watches. */
static __always_inline void announce(struct ipcdev_queue *q, struct task_struct *receiver)
{
	if (receiver)
		ipcdev_waiter_wake(receiver);
	else
		ipcdev_notify(&q->obj, EPOLLIN);
}

/*
 * Send a message that is ready to go. On success it is the queue's, else still
 * the caller's.
 */
static __always_inline int queue_send(struct ipcdev_queue *q, struct ipcdev_message *msg,
				      const struct ipcdev_deadline *deadline)
{
	struct task_struct *receiver;

	spin_lock(&q->obj.lock);
	/* A receiver that sleeps is there, and nothing is ready or waits before it. */
	if (unlikely(msg->cargo) ||
	    (list_empty(&q->receivers) &&
	     unlikely(ipcdev_readers_gone(&q->obj) || !has_room(q, msg->len) ||
		      !list_empty(&q->senders) || is_broadcast(q))))
		return ipcdev_queue_send_checked(q, msg, *deadline);
	receiver = accept(q, msg);
	spin_unlock(&q->obj.lock);
	announce(q, receiver);
	return 0;
}

static inline int send_check(const struct ipcdev_msg *um)
{
	if (um->flags || um->time_ns || um->pid || um->uid || um->gid || um->lost ||
	    um->token || um->error || um->sched_policy || um->sched_prio)
		return -EINVAL;
	if (um->prio > IPCDEV_PRIO_MAX || um->fd_count > IPCDEV_FDS_MAX ||
	    um->slice_count > IPCDEV_SLICES_MAX)
		return -EINVAL;
	return 0;
}

/* Messages on their way out. */

/* Put into @msg, which has room for it, what the caller sends. */
static __always_inline int message_load(struct ipcdev_handle *h, struct ipcdev_message *msg,
					const struct ipcdev_msg *um,
					struct ipcdev_payload *payload)
{
	int ret;

	msg->tag = um->tag;
	msg->order = um->prio << IPCDEV_RANK_BITS;
	msg->error = um->error;
	msg->lost = 0;
	ret = ipcdev_message_fill(msg, payload);
	if (!ret && unlikely(um->fd_count + um->slice_count))
		ret = ipcdev_cargo_load(msg, um, &h->account);
	msg->time_ns = 0;
	if (unlikely(to_queue(h->obj)->flags & SIGN_FLAGS) && !ret)
		ipcdev_queue_sign(to_queue(h->obj), msg, task_tgid(current), current_cred());
	return ret;
}

/* A new message of what the caller sends, for ipcdev_queue_discard() or the queue. */
static __always_inline struct ipcdev_message *message_build(struct ipcdev_handle *h,
							    const struct ipcdev_msg *um)
{
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_pieces pieces __uninitialized;
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_message *msg;
	int ret;

	ret = ipcdev_payload_import(&payload, &pieces, um, ITER_SOURCE);
	if (ret)
		return ERR_PTR(ret);
	ret = -EMSGSIZE;
	if (payload.len > q->msg_max)
		goto err;
	ret = -ENOMEM;
	msg = message_get(q, ipcdev_message_room(payload.len, um->fd_count + um->slice_count));
	if (!msg)
		goto err;
	ret = message_load(h, msg, um, &payload);
	ipcdev_payload_release(&payload, &pieces);
	if (likely(!ret))
		return msg;
	ipcdev_queue_discard(q, msg);
	return ERR_PTR(ret);

err:
	ipcdev_payload_release(&payload, &pieces);
	return ERR_PTR(ret);
}

static __always_inline bool fits(const struct ipcdev_message *msg, const struct ipcdev_room *room)
{
	if (msg->len > room->len)
		return false;
	return !msg->cargo || room->drop ||
	       (msg->cargo->fds <= room->fds && msg->cargo->slices <= room->slices);
}

/* What a receiver without room needs. */
static inline void note_need(const struct ipcdev_message *msg, struct ipcdev_room *room)
{
	room->len = msg->len;
	room->fds = ipcdev_cargo_fds(msg);
	room->slices = ipcdev_cargo_slices(msg);
}

static inline bool token_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct ipcdev_message, node)->seq <
	       rb_entry(b, struct ipcdev_message, node)->seq;
}

/* A server mostly has one call at a time, and that needs no tree. */
static __always_inline void call_hold(struct ipcdev_queue *q, struct ipcdev_message *msg,
				      struct ipcdev_handle *h)
{
	msg->state = IPCDEV_HELD;
	msg->server = h;
	if (likely(!h->call))
		h->call = msg;
	else
		rb_add(&msg->node, &h->calls, token_less);
	q->calls++;
}

/* delivered() of a call. */
static __always_inline void call_delivered(struct ipcdev_queue *q, struct ipcdev_message *msg,
					   struct ipcdev_handle *h)
{
	bool laden = msg->cargo;

	if (unlikely(msg->cargo || msg->pid || msg->room > IPCDEV_LARGE_DATA))
		msg = ipcdev_call_lighten(q, msg);

	spin_lock(&q->obj.lock);
	trace_ipcdev_receive(&q->obj, msg);
	q->taken--;
	if (laden)
		q->laden--;
	q->received++;
	q->received_bytes += msg->len;
	if (unlikely(!h || !msg->caller || ipcdev_writers_gone(&q->obj))) {
		ipcdev_call_delivered_checked(q, msg, h);
		return;
	}
	call_hold(q, msg, h);
	spin_unlock(&q->obj.lock);
}

/*
 * A taken message has been delivered. A call is then kept until it is answered
 * through @h; without one nobody can.
 */
static __always_inline void delivered(struct ipcdev_queue *q, struct ipcdev_message *msg,
				      struct ipcdev_handle *h)
{
	bool end;

	if (unlikely(msg->call)) {
		call_delivered(q, msg, h);
		return;
	}
	spin_lock(&q->obj.lock);
	trace_ipcdev_receive(&q->obj, msg);
	q->taken--;
	if (msg->cargo)
		q->laden--;
	q->received++;
	q->received_bytes += msg->len;
	end = unlikely(ipcdev_writers_gone(&q->obj)) && ipcdev_queue_drained(q);
	msg = retire(q, msg);
	spin_unlock(&q->obj.lock);

	if (unlikely(end))
		ipcdev_notify(&q->obj, EPOLLHUP);
	if (unlikely(msg))
		ipcdev_queue_discard(q, msg);
}

/* Nothing is ready: sleep for a message. Called with the lock, returns without it. */
static __always_inline struct ipcdev_message *queue_wait(struct ipcdev_queue *q,
							 const struct ipcdev_deadline *deadline)
	__releases(&q->obj.lock)
{
	struct ipcdev_waiter w __uninitialized;
	int ret;

	if (unlikely(ipcdev_writers_gone(&q->obj)) && !q->taken) {
		spin_unlock(&q->obj.lock);
		return ERR_PTR(-EPIPE);
	}
	if (deadline->nonblock) {
		spin_unlock(&q->obj.lock);
		return ERR_PTR(-EAGAIN);
	}
	ipcdev_waiter_add(&w, &q->receivers);
	q->nr_receivers++;
	q->recv_waits++;
	trace_ipcdev_sleep(&q->obj, false, 0);
	spin_unlock(&q->obj.lock);

	ret = ipcdev_waiter_sleep(&w, deadline);
	if (unlikely(ret)) {
		spin_lock(&q->obj.lock);
		if (w.result == IPCDEV_PENDING) {
			list_del(&w.node);
			q->nr_receivers--;
			w.result = ret;
		}
		spin_unlock(&q->obj.lock);
	}
	trace_ipcdev_wake(&q->obj, false, w.result);
	return unlikely(w.result) ? ERR_PTR(w.result) : w.msg;
}

/*
 * Take the next message. It is then the caller's to end with delivered() or
 * put_back(). On -EMSGSIZE it stays, and @room says what it needs.
 */
static __always_inline struct ipcdev_message *take(struct ipcdev_queue *q,
						   struct ipcdev_room *room,
						   const struct ipcdev_deadline *deadline)
{
	struct ipcdev_message *msg;
	__poll_t events;
	bool was_full;

	spin_lock(&q->obj.lock);
	msg = first_ready(q);
	if (!msg) {
		msg = queue_wait(q, deadline);
		if (!IS_ERR(msg) && unlikely(!fits(msg, room))) {
			note_need(msg, room);
			ipcdev_queue_put_back(q, msg);
			return ERR_PTR(-EMSGSIZE);
		}
		return msg;
	}
	if (unlikely(!fits(msg, room))) {
		note_need(msg, room);
		spin_unlock(&q->obj.lock);
		return ERR_PTR(-EMSGSIZE);
	}
	was_full = !has_room(q, q->msg_max);
	unmake_ready(q, msg);
	make_taken(q, msg);
	events = made_room(q, was_full);
	spin_unlock(&q->obj.lock);
	if (unlikely(events))
		ipcdev_notify(&q->obj, events);
	return msg;
}

/* What the receiver is told of a message, but for what it carries. */
static __always_inline void tell(const struct ipcdev_message *msg, struct ipcdev_msg *um, u32 lost)
{
	um->len = msg->len;
	um->tag = msg->tag;
	um->prio = ipcdev_message_prio(msg);
	um->lost = lost;
	um->flags &= RECV_FLAGS;
	um->pid = 0;
	um->uid = 0;
	um->gid = 0;
	um->token = 0;
	um->error = msg->error;
	um->sched_policy = 0;
	um->sched_prio = 0;
	if (unlikely(msg->call)) {
		um->flags |= IPCDEV_MSG_CALL;
		um->token = ipcdev_call_token(msg);
		um->sched_policy = msg->sched_policy;
		um->sched_prio = msg->sched_prio;
	}
	if (unlikely(msg->pid)) {
		um->flags |= IPCDEV_MSG_CREDS;
		um->pid = pid_vnr(msg->pid);
		um->uid = from_kuid_munged(current_user_ns(), msg->uid);
		um->gid = from_kgid_munged(current_user_ns(), msg->gid);
	}
	um->time_ns = 0;
	if (unlikely(msg->time_ns)) {
		um->flags |= IPCDEV_MSG_TIME;
		um->time_ns = ipcdev_time_to_caller(msg->time_ns);
	}
}

/*
 * A receiver that has been killed meanwhile will not look at what it is told. Once
 * that is written, though, somebody who shares its memory may have.
 */
static __always_inline int tell_user(const struct ipcdev_message *msg, struct ipcdev_msg *um,
				     u32 fds, u32 slices, u32 lost, void __user *uout,
				     size_t usize)
{
	struct ipcdev_msg __user *out = uout;
	u32 flags = um->flags & RECV_FLAGS;
	u64 token = 0;
	u16 policy = 0;
	s16 prio = 0;

	if (unlikely(fatal_signal_pending(current)))
		return -EINTR;
	if (unlikely(msg->pid || msg->time_ns || usize != sizeof(*um))) {
		tell(msg, um, lost);
		um->fd_count = fds;
		um->slice_count = slices;
		return ipcdev_args_put(um, sizeof(*um), uout, usize);
	}
	/* The same without a detour, and without the caller's own fields. */
	if (msg->call) {
		flags |= IPCDEV_MSG_CALL;
		token = ipcdev_call_token(msg);
		policy = msg->sched_policy;
		prio = msg->sched_prio;
	}
	if (!user_write_access_begin(out, sizeof(*out)))
		return -EFAULT;
	unsafe_put_user(msg->len, &out->len, fault);
	unsafe_put_user(msg->tag, &out->tag, fault);
	unsafe_put_user(flags, &out->flags, fault);
	unsafe_put_user(ipcdev_message_prio(msg), &out->prio, fault);
	unsafe_put_user(fds, &out->fd_count, fault);
	unsafe_put_user(slices, &out->slice_count, fault);
	unsafe_put_user(0, &out->time_ns, fault);
	unsafe_put_user(0, &out->pid, fault);
	unsafe_put_user(0, &out->uid, fault);
	unsafe_put_user(0, &out->gid, fault);
	unsafe_put_user(lost, &out->lost, fault);
	unsafe_put_user(token, &out->token, fault);
	unsafe_put_user(msg->error, &out->error, fault);
	unsafe_put_user(policy, &out->sched_policy, fault);
	unsafe_put_user(prio, &out->sched_prio, fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/* Everything that a receiver is to have, up to where it can still be undone. */
static __always_inline int deliver(const struct ipcdev_message *msg,
				   struct ipcdev_payload *payload, struct ipcdev_msg *um,
				   u32 lost, void __user *uout, size_t usize)
{
	int ret;

	ret = ipcdev_message_copy_out(msg, payload);
	if (unlikely(ret))
		return ret;
	if (unlikely(msg->cargo))
		return ipcdev_queue_deliver_laden(msg, um, lost, uout, usize);
	return tell_user(msg, um, 0, 0, lost, uout, usize);
}

/* What a receiver has room for: @payload is for ipcdev_payload_release(). */
static __always_inline int recv_begin(const struct ipcdev_msg *um, struct ipcdev_payload *payload,
				      struct ipcdev_pieces *pieces, struct ipcdev_room *room)
{
	int ret;

	ret = ipcdev_payload_import(payload, pieces, um, ITER_DEST);
	if (ret)
		return ret;
	room->len = payload->len;
	room->fds = um->fd_count;
	room->slices = um->slice_count;
	room->drop = um->flags & IPCDEV_MSG_DROP_FDS;
	return 0;
}

static inline bool recv_check(const struct ipcdev_msg *um)
{
	return !(um->flags & ~(RECV_FLAGS | TOLD_FLAGS));
}

/* Receive a message: @um as the caller gave it and checked, and written to @uout. */
static __always_inline int queue_recv(struct ipcdev_handle *h, struct ipcdev_msg *um,
				      const struct ipcdev_deadline *deadline,
				      void __user *uout, size_t usize)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_pieces pieces __uninitialized;
	struct ipcdev_message *msg;
	struct ipcdev_room room __uninitialized;
	int ret;

	if (is_broadcast(q))
		return ipcdev_broadcast_recv(h, um, deadline, uout, usize);
	ret = recv_begin(um, &payload, &pieces, &room);
	if (ret)
		return ret;
	msg = take(q, &room, deadline);
	if (IS_ERR(msg)) {
		ret = PTR_ERR(msg);
		if (ret == -EMSGSIZE)
			ret = ipcdev_queue_tell_need(&room, uout);
		goto out;
	}
	ret = deliver(msg, &payload, um, msg->lost, uout, usize);
	if (unlikely(ret))
		ipcdev_queue_put_back(q, msg);
	else
		delivered(q, msg, h);
out:
	ipcdev_payload_release(&payload, &pieces);
	return ret;
}

#endif
