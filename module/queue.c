// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: queue
 *
 * A message is built outside the lock, in memory that the queue uses again, and
 * is then in one of these states, which change under the object's lock only:
 *
 * - *waiting*: its sender sleeps for room and holds it on its stack;
 * - *ready*: in the queue, in order of priority, of its sender's scheduling if the
 *   queue asks for that, and then of sending;
 * - *taken*: one receiver has it and is copying it out, without the lock;
 * - *held*: a call that has been received and is not answered yet (call.c);
 * - gone: delivered, dropped, or never sent.
 *
 * A taken message is delivered when everything has reached the receiver's memory.
 * If that fails it becomes ready again, and because it keeps its sequence number,
 * in its old place. It counts as queued for those who want to know whether the
 * queue is drained, but not against the depth.
 *
 * Receivers sleep only while nothing is ready; therefore a message that becomes
 * ready while one sleeps is handed to it, and is taken at once. Senders sleep in
 * order of arrival, and none overtakes them: whoever makes room admits them. Only
 * with IPCDEV_QUEUE_SCHED their order is that of the ready messages.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "ipcdev.h"
#include "message.h"
#include "queue.h"
#include "trace.h"

#define DEPTH_DEFAULT		64
#define MSG_MAX_DEFAULT		8192
#define BYTES_MAX_DEFAULT	(16ULL << 20)

/*
 * What a message costs beside its payload, as the user is charged for it: an empty one
 * has a whole slot, and in a broadcast a place in the log.
 */
#define MESSAGE_OVERHEAD	512

#define QUEUE_FLAGS	(IPCDEV_QUEUE_NONBLOCK | IPCDEV_QUEUE_DROP_OLDEST | \
			 IPCDEV_QUEUE_CREDS | IPCDEV_QUEUE_TIME | IPCDEV_QUEUE_BROADCAST | \
			 IPCDEV_QUEUE_SCHED)

/* The first sleeping sender is done, one way or the other. */
static void settle_sender(struct ipcdev_queue *q, struct ipcdev_waiter *w, int result)
{
	q->nr_senders--;
	q->wakeups++;
	ipcdev_waiter_wake(ipcdev_waiter_settle(w, result));
}

static bool room_for(struct ipcdev_queue *q, u32 len)
{
	return is_broadcast(q) ? ipcdev_broadcast_has_room(q, len) : has_room(q, len);
}

/* As accept(), of any queue. */
static struct task_struct *accept_any(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	if (!is_broadcast(q))
		return accept(q, msg);
	ipcdev_broadcast_accept(q, msg);
	return NULL;
}

/* There may be room now: admit sleeping senders. Returns the events to notify. */
__poll_t ipcdev_queue_admit(struct ipcdev_queue *q)
{
	struct ipcdev_message *msg;
	struct ipcdev_waiter *w;
	__poll_t events = 0;

	while ((w = list_first_entry_or_null(&q->senders, struct ipcdev_waiter, node))) {
		struct task_struct *receiver;

		msg = w->msg;
		if (!room_for(q, msg->len))
			return events;
		receiver = accept_any(q, msg);
		if (receiver)
			ipcdev_waiter_wake(receiver);
		else
			events |= EPOLLIN;
		settle_sender(q, w, 0);
	}
	if (q->want_room && room_for(q, q->msg_max)) {
		q->want_room = false;
		events |= EPOLLOUT;
	}
	return events;
}

/*
 * Nobody will send any more, and nothing is left that could come back: the end
 * for all who sleep. Returns whether it is.
 */
bool ipcdev_queue_drained(struct ipcdev_queue *q)
{
	struct ipcdev_waiter *w, *next;

	if (!ipcdev_writers_gone(&q->obj) || q->queued || q->taken)
		return false;
	list_for_each_entry_safe(w, next, &q->receivers, node) {
		q->nr_receivers--;
		q->wakeups++;
		ipcdev_waiter_wake(ipcdev_waiter_settle(w, -EPIPE));
	}
	return true;
}

static void queue_peers_changed(struct ipcdev_object *obj)
{
	struct ipcdev_queue *q = to_queue(obj);
	struct ipcdev_message *msg, *later;
	struct ipcdev_waiter *w, *next;

	ipcdev_queue_drained(q);
	if (!ipcdev_readers_gone(obj))
		return;
	list_for_each_entry_safe(w, next, &q->senders, node) {
		if (w->msg->cargo)
			q->laden--;
		settle_sender(q, w, -EPIPE);
	}
	/* Messages may wait for a reader to come; callers must not. No more of them come. */
	if (!q->call_ready)
		return;
	q->call_ready = false;
	for (msg = first_ready(q); msg; msg = later) {
		later = next_ready(q, msg);
		if (msg->call) {
			unmake_ready(q, msg);
			if (msg->cargo)
				q->laden--;
			ipcdev_waiter_wake(ipcdev_call_end(msg, -EPIPE));
		}
	}
}

/* Messages on their way in. */

struct ipcdev_message *ipcdev_queue_slot(struct ipcdev_queue *q, size_t room)
{
	struct ipcdev_message *msg;

	if (room <= IPCDEV_SLOT_DATA) {
		spin_lock(&q->obj.lock);
		msg = q->slots;
		if (msg) {
			q->slots = msg->next_slot;
			q->nr_slots--;
		}
		spin_unlock(&q->obj.lock);
		if (msg)
			return msg;
	} else {
		msg = xchg(&q->large, NULL);
		/* It would be counted by its length alone: not for a much smaller one. */
		if (msg && msg->room >= room && msg->room / 2 <= room)
			return msg;
		ipcdev_message_free(msg);
	}
	return ipcdev_message_alloc(room);
}

/*
 * What is to be known of a sender, for those queues that were made to: when it sends,
 * who it is, and where its scheduling places it among messages of one priority.
 */
void ipcdev_queue_sign(struct ipcdev_queue *q, struct ipcdev_message *msg, struct pid *pid,
		       const struct cred *cred)
{
	if (q->flags & IPCDEV_QUEUE_TIME)
		msg->time_ns = ktime_get_ns();
	if (q->flags & IPCDEV_QUEUE_CREDS) {
		msg->pid = get_pid(pid);
		msg->uid = cred->euid;
		msg->gid = cred->egid;
	}
	if (q->flags & IPCDEV_QUEUE_SCHED) {
		BUILD_BUG_ON(MAX_RT_PRIO >= 1 << IPCDEV_RANK_BITS);
		if (current->policy == SCHED_DEADLINE)
			msg->order |= MAX_RT_PRIO;
		else if (ipcdev_has_rt_priority(current))
			msg->order |= current->rt_priority;
	}
}

/* A message that nobody is to see: its memory may serve again. */
void ipcdev_queue_discard(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	/* Of one that is pinned the last peeker lets go. */
	if (likely(!ipcdev_message_pinned(msg)))
		ipcdev_message_strip(msg);
	spin_lock(&q->obj.lock);
	msg = retire(q, msg);
	spin_unlock(&q->obj.lock);
	ipcdev_message_free(msg);
}

/* A full queue that drops: make room. The dropped go to @dropped, to be freed. */
static void drop_oldest(struct ipcdev_queue *q, u32 len, struct list_head *dropped)
{
	struct ipcdev_message *msg;

	while (!has_room(q, len)) {
		msg = rb_entry_safe(rb_first_cached(&q->by_age), struct ipcdev_message, age);
		if (!msg)
			return;
		trace_ipcdev_drop(&q->obj, msg);
		unmake_ready(q, msg);
		q->dropped++;
		if (q->lost != U32_MAX)
			q->lost++;
		if (msg->cargo)
			q->laden--;
		if (msg->call)
			ipcdev_waiter_wake(ipcdev_call_end(msg, -EPIPE));
		else if (msg->pins)
			msg->orphan = true;
		else
			list_add(&msg->list, dropped);
	}
}

static void free_list(struct list_head *messages)
{
	struct ipcdev_message *msg, *next;

	list_for_each_entry_safe(msg, next, messages, list)
		ipcdev_message_free(msg);
}

/* Whether a sleeping sender, if there is one, comes before @msg. */
static bool sender_first(struct ipcdev_queue *q, const struct ipcdev_message *msg)
{
	struct ipcdev_waiter *w = list_first_entry_or_null(&q->senders, struct ipcdev_waiter,
							   node);

	return w && !((q->flags & IPCDEV_QUEUE_SCHED) && msg->order > w->msg->order);
}

/* Sleepers are few, and those that a new one goes before fewer. */
static void add_sender(struct ipcdev_queue *q, struct ipcdev_waiter *w)
{
	struct ipcdev_waiter *before;

	ipcdev_waiter_add(w, &q->senders);
	if (q->flags & IPCDEV_QUEUE_SCHED) {
		before = w;
		list_for_each_entry_continue_reverse(before, &q->senders, node) {
			if (before->msg->order >= w->msg->order)
				break;
		}
		list_move(&w->node, &before->node);
	}
	q->nr_senders++;
}

/* Sleep for room. Called with the lock, returns without it. */
static int wait_for_room(struct ipcdev_queue *q, struct ipcdev_message *msg,
			 const struct ipcdev_deadline *deadline)
	__releases(&q->obj.lock)
{
	struct ipcdev_waiter w = { .msg = msg };
	__poll_t events = 0;
	int ret;

	add_sender(q, &w);
	q->send_waits++;
	trace_ipcdev_sleep(&q->obj, true, 0);
	spin_unlock(&q->obj.lock);

	ret = ipcdev_waiter_sleep(&w, deadline);
	if (ret) {
		spin_lock(&q->obj.lock);
		if (w.result == IPCDEV_PENDING) {
			list_del(&w.node);
			q->nr_senders--;
			if (msg->cargo)
				q->laden--;
			w.result = ret;
			/* What is behind may be smaller, and fit. */
			events = ipcdev_queue_admit(q);
		}
		spin_unlock(&q->obj.lock);
		if (events)
			ipcdev_notify(&q->obj, events);
		if (is_broadcast(q))
			ipcdev_broadcast_sent(q);
	}
	trace_ipcdev_wake(&q->obj, true, w.result);
	return w.result;
}

/*
 * queue_send() where it is not plain that the message can go. Called with the lock,
 * returns without it.
 */
int ipcdev_queue_send_checked(struct ipcdev_queue *q, struct ipcdev_message *msg,
			      const struct ipcdev_deadline deadline)
	__releases(&q->obj.lock)
{
	struct task_struct *receiver;
	LIST_HEAD(dropped);
	int ret;

	if (is_broadcast(q)) {
		ret = -EOPNOTSUPP;
		if (msg->call)
			goto err;
		ret = -EINVAL;
		if (ipcdev_message_prio(msg))
			goto err;
	} else {
		ret = -EPIPE;
		if (ipcdev_readers_gone(&q->obj))
			goto err;
	}
	ret = -EOPNOTSUPP;
	if (msg->cargo && q->obj.persistent)
		goto err;
	if (!room_for(q, msg->len) || sender_first(q, msg)) {
		if (q->flags & IPCDEV_QUEUE_DROP_OLDEST) {
			drop_oldest(q, msg->len, &dropped);
		} else if (deadline.nonblock) {
			q->want_room = true;
			ret = -EAGAIN;
			goto err;
		} else {
			if (msg->cargo)
				q->laden++;
			return wait_for_room(q, msg, &deadline);
		}
	}
	if (msg->cargo)
		q->laden++;
	receiver = accept_any(q, msg);
	spin_unlock(&q->obj.lock);

	announce(q, receiver);
	free_list(&dropped);
	if (is_broadcast(q))
		ipcdev_broadcast_sent(q);
	return 0;

err:
	spin_unlock(&q->obj.lock);
	return ret;
}

static __always_inline int send_one(struct ipcdev_handle *h, const struct ipcdev_msg *um,
				    const struct ipcdev_deadline *deadline)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_message *msg;
	int ret;

	ret = send_check(um);
	if (ret)
		return ret;
	msg = message_build(h, um);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	ret = queue_send(q, msg, deadline);
	if (unlikely(ret))
		ipcdev_queue_discard(q, msg);
	return ret;
}

/* A taken message could not be delivered. */
void ipcdev_queue_put_back(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	struct task_struct *receiver;
	bool end;

	spin_lock(&q->obj.lock);
	trace_ipcdev_return(&q->obj, msg);
	q->taken--;
	q->returned++;
	q->lost += min(msg->lost, U32_MAX - q->lost);
	if (unlikely(msg->call && !msg->caller)) {
		/* Nobody waits for this one any more. */
		msg->call = false;
		if (msg->cargo)
			q->laden--;
		end = ipcdev_queue_drained(q);
		spin_unlock(&q->obj.lock);
		if (end)
			ipcdev_notify(&q->obj, EPOLLHUP);
		ipcdev_queue_discard(q, msg);
		return;
	}
	receiver = hand_over(q, msg);
	spin_unlock(&q->obj.lock);
	announce(q, receiver);
}

/* What a receiver without room is told. */
int ipcdev_queue_tell_need(const struct ipcdev_room *room, struct ipcdev_msg __user *out)
{
	if (put_user((u32)room->len, &out->len) || put_user(room->fds, &out->fd_count) ||
	    put_user(room->slices, &out->slice_count))
		return -EFAULT;
	return -EMSGSIZE;
}

/* The rare case of deliver(), out of its way. */
int ipcdev_queue_deliver_laden(const struct ipcdev_message *msg, struct ipcdev_msg *um,
			       u32 lost, void __user *uout, size_t usize)
{
	struct ipcdev_delivery delivery __uninitialized;
	int ret;

	delivery.count = 0;
	ret = ipcdev_cargo_deliver(msg->cargo, um, &delivery);
	if (ret)
		return ret;
	ret = tell_user(msg, um, um->fd_count, um->slice_count, lost, uout, usize);
	if (unlikely(ret))
		ipcdev_cargo_undo(&delivery);
	return ret;
}

/* The ready message at a position, pinned: it stays in memory, if not in the queue. */
static struct ipcdev_message *pin(struct ipcdev_handle *h, u32 position)
{
	struct ipcdev_queue *q = to_queue(h->obj);
	struct ipcdev_message *msg = NULL;

	spin_lock(&q->obj.lock);
	if (is_broadcast(q)) {
		msg = ipcdev_broadcast_pin(h, position);
	} else if (position < q->queued) {
		msg = first_ready(q);
		while (position--)
			msg = next_ready(q, msg);
		msg->pins++;
	}
	spin_unlock(&q->obj.lock);
	return msg;
}

static void unpin(struct ipcdev_queue *q, struct ipcdev_message *msg)
{
	spin_lock(&q->obj.lock);
	/* Pairs with the load-acquire in ipcdev_message_pinned(). */
	smp_store_release(&msg->pins, msg->pins - 1);
	if (msg->pins || !msg->orphan)
		msg = NULL;
	spin_unlock(&q->obj.lock);
	ipcdev_message_free(msg);
}

static int peek(struct ipcdev_handle *h, u32 position, struct ipcdev_msg *um,
		void __user *uout, size_t usize)
{
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_pieces pieces __uninitialized;
	struct ipcdev_message *msg;
	struct ipcdev_room need;
	int ret;

	ret = ipcdev_payload_import(&payload, &pieces, um, ITER_DEST);
	if (ret)
		return ret;
	ret = -EAGAIN;
	msg = pin(h, position);
	if (!msg)
		goto out;
	note_need(msg, &need);
	if (msg->len > payload.len) {
		ret = ipcdev_queue_tell_need(&need, uout);
	} else {
		ret = ipcdev_message_copy_out(msg, &payload);
		tell(msg, um, 0);
		um->token = 0;
		um->fd_count = need.fds;
		um->slice_count = need.slices;
		if (!ret)
			ret = ipcdev_args_put(um, sizeof(*um), uout, usize);
	}
	unpin(to_queue(h->obj), msg);
out:
	ipcdev_payload_release(&payload, &pieces);
	return ret;
}

/* The system calls. */

static long ioctl_send(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_deadline deadline __uninitialized;
	struct ipcdev_transfer args __uninitialized;
	int ret;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if ((args.flags & ~WAIT_FLAGS) || args.position)
		return -EINVAL;
	ret = ipcdev_deadline_parse(&deadline, file, args.flags, args.deadline_ns);
	if (ret)
		return ret;
	return send_one(ipcdev_handle(file), &args.msg, &deadline);
}

static long ioctl_recv(struct file *file, void __user *uarg, size_t usize)
{
	const size_t head = offsetof(struct ipcdev_transfer, msg);
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_deadline deadline __uninitialized;
	struct ipcdev_transfer args __uninitialized;
	int ret;

	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	/* A message without its results is not received. */
	if (usize < IPCDEV_TRANSFER_SIZE_VER0)
		return -EINVAL;
	ret = ipcdev_args_get_but(&args, sizeof(args), uarg, usize,
				  MSG_RESULTS << head / sizeof(u64));
	if (ret)
		return ret;
	if ((args.flags & ~(WAIT_FLAGS | IPCDEV_PEEK)) || !recv_check(&args.msg))
		return -EINVAL;
	ret = ipcdev_deadline_parse(&deadline, file, args.flags, args.deadline_ns);
	if (ret)
		return ret;
	if (args.flags & IPCDEV_PEEK)
		return peek(h, args.position, &args.msg, uarg + head, usize - head);
	if (args.position)
		return -EINVAL;
	return queue_recv(h, &args.msg, &deadline, uarg + head, usize - head);
}

static __always_inline long ioctl_batch(struct file *file, void __user *uarg, size_t usize,
					bool send)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_deadline deadline;
	struct ipcdev_batch args __uninitialized;
	struct ipcdev_msg um __uninitialized;
	void __user *umsg;
	u32 done;
	int ret;

	if (!(file->f_mode & (send ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if ((args.flags & ~WAIT_FLAGS) || args.reserved || !args.count ||
	    args.count > READ_ONCE(ipcdev_max_batch))
		return -EINVAL;
	if (args.msg_size < (send ? 1 : IPCDEV_MSG_SIZE_VER0))
		return -EINVAL;
	if (args.msg_size > PAGE_SIZE)
		return -E2BIG;
	ret = ipcdev_deadline_parse(&deadline, file, args.flags, args.deadline_ns);
	if (ret)
		return ret;

	umsg = u64_to_user_ptr(args.msgs);
	for (done = 0; done < args.count; done++, umsg += args.msg_size) {
		ret = ipcdev_args_get(&um, sizeof(um), umsg, args.msg_size);
		if (ret)
			break;
		if (send)
			ret = send_one(h, &um, &deadline);
		else if (recv_check(&um))
			ret = queue_recv(h, &um, &deadline, umsg, args.msg_size);
		else
			ret = -EINVAL;
		if (ret)
			break;
		/* A receiver sleeps for the first message only. */
		if (!send)
			deadline.nonblock = true;
		if (fatal_signal_pending(current)) {
			done++;
			break;
		}
		if (unlikely(need_resched()))
			cond_resched();
	}
	return done ?: ret;
}

long ipcdev_queue_ioctl(struct file *file, unsigned int nr, void __user *uarg, size_t usize)
{
	switch (nr) {
	case _IOC_NR(IPCDEV_IOC_SEND):
		return ioctl_send(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_RECV):
		return ioctl_recv(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_SEND_BATCH):
		return ioctl_batch(file, uarg, usize, true);
	case _IOC_NR(IPCDEV_IOC_RECV_BATCH):
		return ioctl_batch(file, uarg, usize, false);
	case _IOC_NR(IPCDEV_IOC_CALL):
		return ipcdev_call(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_REPLY):
		return ipcdev_reply(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_REPLY_RECV):
		return ipcdev_reply_recv(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_SUBSCRIBE):
		return ipcdev_broadcast_subscribe(file, uarg, usize);
	default:
		return -ENOTTY;
	}
}

/*
 * The common way, of a caller whose structures are of our size: the rest of the
 * dispatch, and all that depends on sizes, is then known when this is compiled.
 */
static long queue_unlocked_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case IPCDEV_IOC_SEND:
		return ioctl_send(file, uarg, sizeof(struct ipcdev_transfer));
	case IPCDEV_IOC_RECV:
		return ioctl_recv(file, uarg, sizeof(struct ipcdev_transfer));
	case IPCDEV_IOC_CALL:
		return ipcdev_call(file, uarg, sizeof(struct ipcdev_call));
	case IPCDEV_IOC_REPLY_RECV:
		return ipcdev_reply_recv(file, uarg, sizeof(struct ipcdev_call));
	default:
		return ipcdev_handle_ioctl(file, cmd, arg);
	}
}

static void rw_deadline(struct ipcdev_deadline *deadline, const struct kiocb *iocb)
{
	deadline->set = false;
	deadline->nonblock = (iocb->ki_filp->f_flags & O_NONBLOCK) ||
			     (iocb->ki_flags & IOCB_NOWAIT);
}

static ssize_t queue_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct ipcdev_queue *q = file_queue(iocb->ki_filp);
	struct ipcdev_room room = { .len = iov_iter_count(to), .drop = true };
	struct ipcdev_deadline deadline;
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_message *msg;
	ssize_t ret;

	if (!room.len)
		return 0;
	rw_deadline(&deadline, iocb);
	if (is_broadcast(q))
		return ipcdev_broadcast_read(ipcdev_handle(iocb->ki_filp), to, &deadline);
	msg = take(q, &room, &deadline);
	if (IS_ERR(msg))
		return msg == ERR_PTR(-EPIPE) ? 0 : PTR_ERR(msg);

	ipcdev_payload_from_iter(&payload, to);
	ret = ipcdev_message_copy_out(msg, &payload);
	if (!ret && unlikely(fatal_signal_pending(current)))
		ret = -EINTR;
	if (unlikely(ret)) {
		ipcdev_queue_put_back(q, msg);
		return ret;
	}
	ret = msg->len;
	delivered(q, msg, NULL);
	return ret;
}

static ssize_t queue_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct ipcdev_queue *q = file_queue(file);
	struct ipcdev_deadline deadline;
	struct ipcdev_payload payload __uninitialized;
	struct ipcdev_message *msg;
	int ret;

	ipcdev_payload_from_iter(&payload, from);
	/* read(2) could not tell an empty message from the end. */
	if (!payload.len)
		return 0;
	if (payload.len > q->msg_max)
		return -EMSGSIZE;
	msg = message_get(q, payload.len);
	if (!msg)
		return -ENOMEM;
	msg->tag = 0;
	msg->order = 0;
	msg->error = 0;
	msg->time_ns = 0;
	ret = ipcdev_message_fill(msg, &payload);
	if (!ret) {
		rw_deadline(&deadline, iocb);
		if (unlikely(q->flags & SIGN_FLAGS))
			ipcdev_queue_sign(q, msg, ipcdev_handle(file)->opener, file->f_cred);
		ret = queue_send(q, msg, &deadline);
	}
	if (unlikely(ret)) {
		ipcdev_queue_discard(q, msg);
		return ret;
	}
	return payload.len;
}

const struct file_operations ipcdev_queue_fops = {
	.owner = THIS_MODULE,
	.read_iter = queue_read_iter,
	.write_iter = queue_write_iter,
	.poll = ipcdev_poll,
	.unlocked_ioctl = queue_unlocked_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.fasync = ipcdev_fasync,
	.release = ipcdev_handle_release,
	.show_fdinfo = ipcdev_handle_fdinfo,
};

/* What makes a queue an object. */

void ipcdev_queue_opened(struct ipcdev_object *obj, struct file *file)
{
	/* io_uring may try without sleeping, and poll when it must. */
	file->f_mode |= FMODE_NOWAIT;
}

/* Whether a sender would find room, for poll. */
__poll_t ipcdev_queue_poll_room(struct ipcdev_queue *q)
{
	if ((q->flags & IPCDEV_QUEUE_DROP_OLDEST) ||
	    (list_empty(&q->senders) && room_for(q, q->msg_max)))
		return EPOLLOUT | EPOLLWRNORM;
	q->want_room = true;
	return 0;
}

static __poll_t queue_poll(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	struct ipcdev_queue *q = to_queue(obj);
	__poll_t mask = ipcdev_poll_peers(obj);

	if (h && !list_empty(&h->gone))
		mask |= EPOLLPRI;
	if (q->queued)
		mask |= EPOLLIN | EPOLLRDNORM;
	else if (q->taken)
		/* What is taken may come back: not the end yet. */
		mask &= ~EPOLLHUP;
	return mask | ipcdev_queue_poll_room(q);
}

static void queue_released(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	ipcdev_calls_release(to_queue(obj), h);
}

void ipcdev_queue_drain(struct ipcdev_object *obj)
{
	struct ipcdev_queue *q = to_queue(obj);
	struct ipcdev_message *msg;
	LIST_HEAD(messages);

	msg = xchg(&q->spare, NULL);
	if (msg)
		list_add(&msg->list, &messages);
	msg = xchg(&q->large, NULL);
	if (msg)
		list_add(&msg->list, &messages);
	spin_lock(&obj->lock);
	while ((msg = q->slots)) {
		q->slots = msg->next_slot;
		list_add(&msg->list, &messages);
	}
	q->nr_slots = 0;
	while ((msg = first_ready(q))) {
		unmake_ready(q, msg);
		list_add(&msg->list, &messages);
	}
	q->laden = 0;
	spin_unlock(&obj->lock);
	free_list(&messages);
}

void ipcdev_queue_free(struct ipcdev_object *obj)
{
	struct ipcdev_queue *q = to_queue(obj);

	/* A queue whose creation failed half-way has not been drained. */
	ipcdev_queue_drain(obj);
	WARN_ON(q->taken || q->nr_receivers || q->nr_senders);
	ipcdev_object_destroy(obj);
	kfree_rcu(q, obj.rcu);
}

u64 ipcdev_queue_size(struct ipcdev_object *obj)
{
	struct ipcdev_queue *q = to_queue(obj);
	u64 size;

	spin_lock(&obj->lock);
	size = q->queued_bytes;
	spin_unlock(&obj->lock);
	return size;
}

bool ipcdev_queue_may_persist(struct ipcdev_object *obj)
{
	return !to_queue(obj)->laden;
}

void ipcdev_queue_stat(struct ipcdev_object *obj, struct ipcdev_handle *h,
		       struct ipcdev_stat *st)
{
	struct ipcdev_queue *q = to_queue(obj);

	if (q->flags & IPCDEV_QUEUE_DROP_OLDEST)
		st->flags |= IPCDEV_STAT_DROP_OLDEST;
	if (q->flags & IPCDEV_QUEUE_CREDS)
		st->flags |= IPCDEV_STAT_CREDS;
	if (q->flags & IPCDEV_QUEUE_TIME)
		st->flags |= IPCDEV_STAT_TIME;
	if (q->flags & IPCDEV_QUEUE_SCHED)
		st->flags |= IPCDEV_STAT_SCHED;
	st->depth = q->depth;
	st->msg_max = q->msg_max;
	st->size = q->bytes_max;
	st->queued = q->queued;
	st->queued_bytes = q->queued_bytes;
	st->receivers = q->nr_receivers;
	st->senders = q->nr_senders;
	st->calls = q->calls;
	st->sent = q->sent;
	st->sent_bytes = q->sent_bytes;
	st->received = q->received;
	st->received_bytes = q->received_bytes;
	st->dropped = q->dropped;
	st->returned = q->returned;
	st->send_waits = q->send_waits;
	st->recv_waits = q->recv_waits;
	st->wakeups += q->wakeups;
}

void ipcdev_queue_fdinfo(struct ipcdev_object *obj, struct seq_file *m)
{
	struct ipcdev_queue *q = to_queue(obj);
	u64 bytes;
	u32 queued;

	spin_lock(&obj->lock);
	queued = q->queued;
	bytes = q->queued_bytes;
	spin_unlock(&obj->lock);
	seq_printf(m, "ipcdev-queued:\t%u\nipcdev-bytes:\t%llu\n", queued, bytes);
}

static const struct ipcdev_object_ops queue_ops = {
	.type = IPCDEV_TYPE_QUEUE,
	.name = "queue",
	.label = "[ipcdev-queue]",
	.fops = &ipcdev_queue_fops,
	.ioctl = ipcdev_queue_ioctl,
	.opened = ipcdev_queue_opened,
	.poll = queue_poll,
	.peers_changed = queue_peers_changed,
	.released = queue_released,
	.drain = ipcdev_queue_drain,
	.free = ipcdev_queue_free,
	.size = ipcdev_queue_size,
	.may_persist = ipcdev_queue_may_persist,
	.stat = ipcdev_queue_stat,
	.fdinfo = ipcdev_queue_fdinfo,
};

static int create_check(struct ipcdev_create_queue *args)
{
	if ((args->flags & ~QUEUE_FLAGS) || args->reserved)
		return -EINVAL;
	if (args->history && !(args->flags & IPCDEV_QUEUE_BROADCAST))
		return -EINVAL;
	args->depth = args->depth ?: DEPTH_DEFAULT;
	args->msg_max = args->msg_max ?: MSG_MAX_DEFAULT;
	if (args->depth > READ_ONCE(ipcdev_max_depth) ||
	    args->history > READ_ONCE(ipcdev_max_depth) ||
	    args->msg_max > READ_ONCE(ipcdev_max_msg_size))
		return -EINVAL;
	if (!args->bytes_max)
		args->bytes_max = clamp_t(u64, BYTES_MAX_DEFAULT, args->msg_max,
					  (u64)args->depth * args->msg_max);
	if (args->bytes_max < args->msg_max || args->bytes_max > READ_ONCE(ipcdev_max_bytes))
		return -EINVAL;
	return args->rights ? ipcdev_rights_check(IPCDEV_TYPE_QUEUE, args->rights) : 0;
}

/* As many as it may hold; of a topic that drops, as many again may have come back. */
static u64 messages_max(const struct ipcdev_create_queue *args)
{
	const u32 strays = IPCDEV_QUEUE_BROADCAST | IPCDEV_QUEUE_DROP_OLDEST;
	u64 count = max(args->depth, args->history);

	return (args->flags & strays) == strays ? count + args->depth : count;
}

/* IPCDEV_IOC_CREATE_QUEUE */
long ipcdev_queue_create(void __user *uarg, size_t usize)
{
	struct ipcdev_create_queue args;
	const struct ipcdev_object_ops *ops;
	struct ipcdev_queue *q;
	u64 bytes;
	int ret;

	BUILD_BUG_ON(sizeof(struct ipcdev_message) + IPCDEV_SLOT_DATA > MESSAGE_OVERHEAD);
	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	ret = create_check(&args);
	if (ret)
		return ret;
	if (check_add_overflow(args.bytes_max, messages_max(&args) * MESSAGE_OVERHEAD, &bytes))
		return -EINVAL;

	if (args.flags & IPCDEV_QUEUE_BROADCAST) {
		ops = &ipcdev_broadcast_ops;
		q = ipcdev_broadcast_alloc(args.depth, args.history);
	} else {
		ops = &queue_ops;
		q = kzalloc(sizeof(*q), IPCDEV_GFP);
	}
	if (!q)
		return -ENOMEM;
	q->flags = args.flags;
	q->depth = args.depth;
	q->msg_max = args.msg_max;
	q->bytes_max = args.bytes_max;
	q->urgent = RB_ROOT_CACHED;
	q->by_age = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&q->fifo);
	INIT_LIST_HEAD(&q->receivers);
	INIT_LIST_HEAD(&q->senders);
	INIT_LIST_HEAD(&q->gone);
	ret = ipcdev_object_init(&q->obj, ops, bytes);
	if (ret) {
		if (is_broadcast(q))
			ipcdev_broadcast_abandon(q);
		kfree(q);
		return ret;
	}
	return ipcdev_object_create(&q->obj, args.rights, args.flags & IPCDEV_QUEUE_NONBLOCK);
}
