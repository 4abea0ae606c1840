// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: call and reply
 *
 * A call is a message whose sender sleeps for an answer. It waits in the queue
 * like any other, and after it has been received it is *held*: kept with the
 * handle that it was received through, under a token, until
 *
 * - it is answered through that handle;
 * - that handle's last copy is closed, and the caller gets EPIPE;
 * - the caller has given up, and the server has been told.
 *
 * The caller waits on its own stack, and the message points there (@caller) as
 * long as it does; under the queue's lock whoever ends the call first clears or
 * settles that: the one who answers, the one who closes, or the caller itself.
 * The reply is put into the message of the request where it has room, so that the
 * common call needs one slot in all.
 *
 * A call to a queue that only the caller itself serves sleeps until its deadline,
 * as a read(2) of one's own empty pipe does: which other thread will serve a queue
 * is not for the kernel to know.
 */
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "ipcdev.h"
#include "message.h"
#include "queue.h"
#include "trace.h"

/* Calls that are held. All of these need the queue's lock. */

static struct ipcdev_message *held_find(struct ipcdev_handle *h, u64 token)
{
	struct rb_node *node = h->calls.rb_node;

	if (likely(h->call && token == ipcdev_call_token(h->call)))
		return h->call;
	while (node) {
		struct ipcdev_message *msg = rb_entry(node, struct ipcdev_message, node);

		if (token == ipcdev_call_token(msg))
			return msg;
		node = token < ipcdev_call_token(msg) ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/*
 * Memory that a call takes beyond its share of the slots. Its length is that of a
 * reply as soon as somebody begins to make one, without the lock.
 */
static u32 held_bytes(const struct ipcdev_queue *q, const struct ipcdev_message *msg)
{
	return msg->slot ? 0 : min(msg->room, q->msg_max);
}

/* The server knows, or need not know, that the caller has given up. */
static void gone_remove(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	if (list_empty(&msg->gone))
		return;
	list_del_init(&msg->gone);
	list_del(&msg->gone_all);
	q->nr_gone--;
	q->gone_bytes -= held_bytes(q, msg);
}

static void gone_add(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	list_add_tail(&msg->gone, &msg->server->gone);
	list_add_tail(&msg->gone_all, &q->gone);
	q->nr_gone++;
	q->gone_bytes += held_bytes(q, msg);
}

static __always_inline void held_remove(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	struct ipcdev_handle *h = msg->server;

	if (likely(h->call == msg))
		h->call = NULL;
	else
		rb_erase(&msg->node, &h->calls);
	if (!msg->caller)
		gone_remove(q, msg);
	q->calls--;
	msg->call = false;
}

/*
 * The caller of a held call has given up. Its server is to learn of it, but no
 * more such calls are kept than the queue could hold messages, whoever their servers
 * are: a reply to one that is forgotten fails all the same. These go to @forgotten, to
 * be discarded.
 */
static void held_orphan(struct ipcdev_queue *q, struct ipcdev_message *msg,
			struct list_head *forgotten)
{
	struct ipcdev_message *oldest, *next;

	msg->caller = NULL;
	gone_add(q, msg);
	list_for_each_entry_safe(oldest, next, &q->gone, gone_all) {
		if (q->nr_gone <= q->depth && q->gone_bytes <= q->bytes_max)
			return;
		/* Whoever is making its reply will find out. */
		if (oldest->answering)
			continue;
		held_remove(q, oldest);
		list_add(&oldest->list, forgotten);
	}
}

static void discard_list(struct ipcdev_queue *q, struct list_head *messages)
{
	struct ipcdev_message *msg, *next;

	list_for_each_entry_safe(msg, next, messages, list)
		ipcdev_queue_discard(q, msg);
}

/**
 * ipcdev_call_end - end a call that was not received, under the queue's lock
 * @msg: out of the queue; the caller's from now on, who discards it
 * @result: an errno
 *
 * Return: the caller, for ipcdev_waiter_wake().
 */
struct task_struct *ipcdev_call_end(struct ipcdev_message *msg, int result)
{
	struct ipcdev_waiter *w = &msg->caller->w;

	msg->call = false;
	msg->caller = NULL;
	w->msg = msg;
	return ipcdev_waiter_finish(w, result);
}

/**
 * ipcdev_call_lighten - let go of what a call needs no more once it is delivered
 * @q: the queue
 * @msg: delivered, and still taken
 *
 * The server has what came with the request: nothing keeps that open here until the
 * reply, unless a peeker is still looking. Memory is kept if a reply may go there, but
 * not much of it, if there is any other: calls that are held count against no limit.
 *
 * Return: the call's message from now on.
 */
struct ipcdev_message *ipcdev_call_lighten(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	struct ipcdev_message *small;

	/* Nobody pins what is taken, and so there are no more of them to come. */
	if (!ipcdev_message_pinned(msg))
		ipcdev_message_strip(msg);
	if (msg->room <= IPCDEV_LARGE_DATA)
		return msg;
	small = message_get(q, 0);
	if (!small)
		return msg;

	spin_lock(&q->obj.lock);
	small->seq = msg->seq;
	small->tag = msg->tag;
	small->len = msg->len;
	small->state = msg->state;
	small->call = true;
	small->answering = false;
	small->caller = msg->caller;
	if (small->caller)
		small->caller->request = small;
	msg->call = false;
	spin_unlock(&q->obj.lock);

	ipcdev_queue_discard(q, msg);
	return small;
}

/**
 * ipcdev_call_delivered_checked - delivered() of a call where somebody has gone, or
 *	nobody can answer
 * @q: the queue; its lock is held, and released here
 * @msg: delivered
 * @h: through which it was received; NULL if its token was not told, so that
 *	nobody can answer
 */
void ipcdev_call_delivered_checked(struct ipcdev_queue *q, struct ipcdev_message *msg,
				   struct ipcdev_handle *h)
	__releases(&q->obj.lock)
{
	struct task_struct *task = NULL;
	__poll_t events = 0;
	LIST_HEAD(done);

	if (h) {
		call_hold(q, msg, h);
		if (!msg->caller) {
			held_orphan(q, msg, &done);
			events |= EPOLLPRI;
		}
	} else if (msg->caller) {
		task = ipcdev_call_end(msg, -EPIPE);
	} else {
		msg->call = false;
		list_add(&msg->list, &done);
	}
	if (ipcdev_writers_gone(&q->obj) && ipcdev_queue_drained(q))
		events |= EPOLLHUP;
	spin_unlock(&q->obj.lock);

	if (events)
		ipcdev_notify(&q->obj, events);
	discard_list(q, &done);
	if (task)
		ipcdev_waiter_wake(task);
}

/**
 * ipcdev_calls_release - nobody will answer through a handle any more
 * @q: the queue
 * @h: its last reference is gone
 */
void ipcdev_calls_release(struct ipcdev_queue *q, struct ipcdev_handle *h)
{
	struct ipcdev_message *msg;
	LIST_HEAD(orphans);

	/* No call is added to them any more; those that are forgotten go under the lock. */
	if (!READ_ONCE(h->call) && !READ_ONCE(h->calls.rb_node))
		return;
	spin_lock(&q->obj.lock);
	while ((msg = h->call ?: rb_entry_safe(rb_first(&h->calls), struct ipcdev_message, node))) {
		held_remove(q, msg);
		if (msg->caller)
			ipcdev_waiter_wake(ipcdev_call_end(msg, -EPIPE));
		else
			list_add(&msg->list, &orphans);
	}
	spin_unlock(&q->obj.lock);
	discard_list(q, &orphans);
}

/* The caller's side. */

/*
 * The sleep for a reply has ended, for reason @why. Returns the result of the call,
 * which may have come meanwhile; its message, if there is one, is in the @caller.
 */
static noinline int give_up(struct ipcdev_queue *q, struct ipcdev_caller *caller, int why)
{
	struct ipcdev_waiter *w = &caller->w;
	struct ipcdev_message *msg;
	__poll_t events = 0;
	LIST_HEAD(done);
	bool was_full;

	spin_lock(&q->obj.lock);
	msg = caller->request;
	if (w->result != IPCDEV_PENDING) {
		spin_unlock(&q->obj.lock);
		return w->result;
	}
	switch (msg->state) {
	case IPCDEV_READY:
		was_full = !has_room(q, q->msg_max);
		unmake_ready(q, msg);
		if (msg->cargo)
			q->laden--;
		events = made_room(q, was_full);
		msg->call = false;
		w->msg = msg;
		break;
	case IPCDEV_TAKEN:
		msg->caller = NULL;
		break;
	case IPCDEV_HELD:
		held_orphan(q, msg, &done);
		events = EPOLLPRI;
		break;
	}
	/* What a server has seen must not be sent once more. */
	if (!w->msg && why == -ERESTARTSYS)
		why = -EINTR;
	spin_unlock(&q->obj.lock);

	if (events)
		ipcdev_notify(&q->obj, events);
	discard_list(q, &done);
	return why;
}

/* Send a request and sleep for what becomes of it. */
static __always_inline int call_wait(struct ipcdev_handle *h, const struct ipcdev_msg *request,
				     const struct ipcdev_deadline *deadline,
				     struct ipcdev_caller *caller)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_waiter *w = &caller->w;
	struct ipcdev_message *msg;
	int ret;

	msg = message_build(h, request);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	w->task = current;
	w->result = IPCDEV_PENDING;
	caller->request = msg;
	msg->call = true;
	msg->answering = false;
	msg->caller = caller;
	msg->sched_policy = current->policy;
	msg->sched_prio = ipcdev_has_rt_priority(current) ? current->rt_priority :
							    task_nice(current);

	ret = queue_send(q, msg, deadline);
	if (unlikely(ret)) {
		msg->call = false;
		w->msg = msg;
		return ret;
	}
	ret = ipcdev_waiter_sleep(w, deadline);
	if (unlikely(ret))
		return give_up(q, caller, ret);
	return w->result;
}

/* Give the caller its reply, or the room that it needs. */
static __always_inline int reply_deliver(const struct ipcdev_message *msg,
					 struct ipcdev_payload *payload, struct ipcdev_msg *um,
					 void __user *uout, size_t usize)
{
	if (unlikely(msg->len > payload->len || msg->cargo)) {
		struct ipcdev_room room = {
			.len = payload->len,
			.fds = um->fd_count,
			.slices = um->slice_count,
			.drop = um->flags & IPCDEV_MSG_DROP_FDS,
		};

		if (!fits(msg, &room)) {
			note_need(msg, &room);
			return ipcdev_queue_tell_need(&room, uout);
		}
	}
	return deliver(msg, payload, um, msg->lost, uout, usize);
}

/*
 * Both messages have the same size, and the structure's size tells it. Of one of them,
 * at the offset @results in our structure, the results need not be read.
 */
static __always_inline int call_args_get(struct ipcdev_call *args, void __user *uarg,
					 size_t usize, size_t results, size_t *msize)
{
	const size_t head = offsetof(struct ipcdev_call, request);
	int ret;

	*msize = sizeof(args->request);
	if (likely(usize == sizeof(*args)))
		return ipcdev_args_get_but(args, sizeof(*args), uarg, usize,
					   MSG_RESULTS << results / sizeof(u64));
	/* A reply without its results is none. */
	if (usize < IPCDEV_CALL_SIZE_VER0 || (usize - head) % 16)
		return -EINVAL;
	*msize = (usize - head) / 2;
	ret = ipcdev_args_get(args, head, uarg, head);
	if (!ret)
		ret = ipcdev_args_get(&args->request, sizeof(args->request), uarg + head, *msize);
	if (!ret)
		ret = ipcdev_args_get(&args->reply, sizeof(args->reply), uarg + head + *msize,
				      *msize);
	return ret;
}

/* IPCDEV_IOC_CALL */
long ipcdev_call(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_pieces pieces __uninitialized;
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_call args __uninitialized;
	struct ipcdev_caller caller __uninitialized;
	struct ipcdev_deadline deadline __uninitialized;
	size_t msize;
	int ret;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	ret = call_args_get(&args, uarg, usize, offsetof(struct ipcdev_call, reply), &msize);
	if (ret)
		return ret;
	if ((args.flags & ~WAIT_FLAGS) || args.reserved || !recv_check(&args.reply))
		return -EINVAL;
	ret = ipcdev_deadline_parse(&deadline, file, args.flags, args.deadline_ns);
	if (!ret)
		ret = send_check(&args.request);
	if (!ret)
		ret = ipcdev_payload_import(&payload, &pieces, &args.reply, ITER_DEST);
	if (ret)
		return ret;

	caller.w.msg = NULL;
	ret = call_wait(h, &args.request, &deadline, &caller);
	if (likely(!ret)) {
		ret = reply_deliver(caller.w.msg, &payload, &args.reply,
				    uarg + offsetof(struct ipcdev_call, request) + msize, msize);
		message_put(to_queue(h->obj), caller.w.msg);
	} else if (caller.w.msg) {
		ipcdev_queue_discard(to_queue(h->obj), caller.w.msg);
	}
	ipcdev_payload_release(&payload, &pieces);
	return ret;
}

/* The server's side. */

static __always_inline int reply_check(const struct ipcdev_msg *um)
{
	if (um->flags || um->prio || um->time_ns || um->pid || um->uid || um->gid || um->lost ||
	    um->sched_policy || um->sched_prio)
		return -EINVAL;
	if (um->error > IPCDEV_ERROR_MAX || um->fd_count > IPCDEV_FDS_MAX ||
	    um->slice_count > IPCDEV_SLICES_MAX)
		return -EINVAL;
	if (um->error && (um->len || um->iov_count || um->fd_count || um->slice_count))
		return -EINVAL;
	return 0;
}

/*
 * claim() of what cannot be answered. A call whose caller has given up is forgotten
 * now that the server learns of it. Called with the lock, returns without it.
 */
static noinline int claim_refused(struct ipcdev_handle *h, struct ipcdev_message *msg)
	__releases(&to_queue(h->obj)->obj.lock)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	int ret = -ESRCH;

	if (msg && msg->answering) {
		/* Whether it is answered is not known yet. */
		if (msg->caller)
			ret = -EBUSY;
		msg = NULL;
	} else if (msg) {
		held_remove(q, msg);
	}
	spin_unlock(&q->obj.lock);
	if (msg)
		ipcdev_queue_discard(q, msg);
	return ret;
}

/*
 * Find the call that a reply is for, and keep others from answering it. @in_use says
 * that the message must not be written to.
 */
static __always_inline int claim(struct ipcdev_handle *h, u64 token,
				 struct ipcdev_message **claimed, bool *in_use)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_message *msg;

	spin_lock(&q->obj.lock);
	msg = held_find(h, token);
	if (unlikely(!msg || msg->answering || !msg->caller))
		return claim_refused(h, msg);
	msg->answering = true;
	/* A peeker may be looking, or have kept it from being stripped. */
	*in_use = msg->pins || msg->cargo || msg->pid;
	spin_unlock(&q->obj.lock);
	*claimed = msg;
	return 0;
}

/* The caller of @msg gets @reply. Returns the caller, for ipcdev_waiter_wake(). */
static __always_inline struct task_struct *settle_caller(struct ipcdev_queue *q,
							 struct ipcdev_message *msg,
							 struct ipcdev_message *reply)
{
	struct ipcdev_waiter *w = &msg->caller->w;

	held_remove(q, msg);
	reply->seq = msg->seq;
	trace_ipcdev_reply(&q->obj, reply);
	msg->caller = NULL;
	w->msg = reply;
	q->wakeups++;
	return ipcdev_waiter_finish(w, 0);
}

/*
 * answer() where there is no reply or no caller, or where the reply is not in the
 * message of the request. Called with the lock, returns without it.
 */
static noinline int answer_checked(struct ipcdev_queue *q, struct ipcdev_message *msg,
				   struct ipcdev_message *reply, int ret)
	__releases(&q->obj.lock)
{
	struct ipcdev_message *done = NULL;
	struct task_struct *task = NULL;

	msg->answering = false;
	if (!ret && msg->caller) {
		task = settle_caller(q, msg, reply);
		if (reply != msg)
			done = msg;
	} else if (!msg->caller && (!ret || list_empty(&msg->gone))) {
		/* The server is told now, or has been meanwhile, that there is no caller. */
		held_remove(q, msg);
		done = msg;
	}
	if (!ret && !task)
		ret = -ESRCH;
	spin_unlock(&q->obj.lock);

	if (ret && reply && reply != msg)
		ipcdev_queue_discard(q, reply);
	if (done)
		ipcdev_queue_discard(q, done);
	if (task)
		ipcdev_waiter_wake(task);
	return ret;
}

/*
 * The reply to a claimed call, in @reply, is there or has failed. It is the
 * caller's afterwards; else @ret, or that there is no caller any more, is returned.
 */
static __always_inline int answer(struct ipcdev_queue *q, struct ipcdev_message *msg,
				  struct ipcdev_message *reply, int ret)
{
	struct task_struct *task;

	spin_lock(&q->obj.lock);
	if (unlikely(ret || reply != msg || !msg->caller))
		return answer_checked(q, msg, reply, ret);
	msg->answering = false;
	task = settle_caller(q, msg, msg);
	spin_unlock(&q->obj.lock);
	ipcdev_waiter_wake(task);
	return 0;
}

/* Answer a call. Fails without an effect, but for -ESRCH, which ends the token. */
static __always_inline int reply_send(struct ipcdev_handle *h, const struct ipcdev_msg *um)
{
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_pieces pieces __uninitialized;
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_message *msg, *reply;
	bool in_use;
	size_t room;
	int ret;

	ret = reply_check(um);
	if (ret)
		return ret;
	ret = ipcdev_payload_import(&payload, &pieces, um, ITER_SOURCE);
	if (ret)
		return ret;
	ret = -EMSGSIZE;
	if (payload.len > q->msg_max)
		goto out;
	ret = claim(h, um->token, &msg, &in_use);
	if (unlikely(ret))
		goto out;

	reply = msg;
	room = ipcdev_message_room(payload.len, um->fd_count + um->slice_count);
	if (unlikely(in_use || room > msg->room))
		reply = message_get(q, room);
	ret = reply ? message_load(h, reply, um, &payload) : -ENOMEM;
	ret = answer(q, msg, reply, ret);
out:
	ipcdev_payload_release(&payload, &pieces);
	return ret;
}

/* Whether the caller still waits. */
static long reply_ask(struct ipcdev_handle *h, u64 token)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_message *msg;
	bool waits;

	spin_lock(&q->obj.lock);
	msg = held_find(h, token);
	waits = msg && msg->caller;
	spin_unlock(&q->obj.lock);
	return waits ? 0 : -ESRCH;
}

/* Which caller has given up: each is told once, and forgotten once it is told. */
static long reply_ask_gone(struct ipcdev_handle *h, u64 __user *utoken)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_message *msg;
	u64 token = 0;
	int ret;

	spin_lock(&q->obj.lock);
	msg = list_first_entry_or_null(&h->gone, struct ipcdev_message, gone);
	if (msg) {
		token = ipcdev_call_token(msg);
		gone_remove(q, msg);
	}
	spin_unlock(&q->obj.lock);
	if (!token)
		return -EAGAIN;

	ret = put_user(token, utoken);
	spin_lock(&q->obj.lock);
	/* A reply may have ended it meanwhile, or be about to. */
	msg = held_find(h, token);
	if (msg && ret) {
		/* It is the next one as before. */
		gone_add(q, msg);
		list_move(&msg->gone, &h->gone);
		list_move(&msg->gone_all, &q->gone);
		msg = NULL;
	} else if (msg && msg->answering) {
		msg = NULL;
	} else if (msg) {
		held_remove(q, msg);
	}
	spin_unlock(&q->obj.lock);
	if (msg)
		ipcdev_queue_discard(q, msg);
	return ret;
}

/* Only the token counts when one asks. */
static bool reply_asks_only(const struct ipcdev_msg *um)
{
	return !um->len && !um->iov_count && !um->tag && !um->fd_count && !um->slice_count &&
	       !um->flags && !um->prio && !um->time_ns && !um->pid && !um->uid && !um->gid &&
	       !um->lost && !um->error && !um->sched_policy && !um->sched_prio;
}

/* IPCDEV_IOC_REPLY */
long ipcdev_reply(struct file *file, void __user *uarg, size_t usize)
{
	const size_t at = offsetof(struct ipcdev_transfer, msg.token);
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_transfer args __uninitialized;
	int ret;

	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (usize < IPCDEV_TRANSFER_SIZE_VER0)
		return -EINVAL;
	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if ((args.flags & ~IPCDEV_PEEK) || args.position || args.deadline_ns)
		return -EINVAL;
	if (args.flags & IPCDEV_PEEK) {
		if (!reply_asks_only(&args.msg))
			return -EINVAL;
		return args.msg.token ? reply_ask(h, args.msg.token) :
					reply_ask_gone(h, uarg + at);
	}
	if (!args.msg.token)
		return -EINVAL;
	return reply_send(h, &args.msg);
}

/* The reply is out: to repeat this ioctl must not send it again. */
static __always_inline int clear_token(struct ipcdev_msg __user *um, u32 error)
{
	if (!user_write_access_begin(um, sizeof(*um)))
		return -EFAULT;
	unsafe_put_user(0, &um->token, fault);
	unsafe_put_user(error, &um->error, fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

/* IPCDEV_IOC_REPLY_RECV */
long ipcdev_reply_recv(struct file *file, void __user *uarg, size_t usize)
{
	void __user *urequest = uarg + offsetof(struct ipcdev_call, request);
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_call args __uninitialized;
	struct ipcdev_deadline deadline __uninitialized;
	size_t msize;
	int ret;

	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	ret = call_args_get(&args, uarg, usize, offsetof(struct ipcdev_call, request), &msize);
	if (ret)
		return ret;
	if ((args.flags & ~WAIT_FLAGS) || args.reserved || !recv_check(&args.request))
		return -EINVAL;
	ret = ipcdev_deadline_parse(&deadline, file, args.flags, args.deadline_ns);
	if (ret)
		return ret;
	if (args.reply.token) {
		ret = reply_send(h, &args.reply);
		if (ret && ret != -ESRCH)
			return ret;
		if (clear_token(urequest + msize, -ret))
			return -EFAULT;
	}
	return queue_recv(h, &args.request, &deadline, urequest, msize);
}
