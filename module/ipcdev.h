/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IPCDEV_H
#define IPCDEV_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/ipcdev.h>

#include "compat.h"

/* Memory that a user makes us take is charged to it, and fails before it kills. */
#define IPCDEV_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* What completes a request runs in interrupts, but locks: no NMI is allowed to. */
#define ipcdev_assert_not_nmi()	WARN_ON_ONCE(IS_ENABLED(CONFIG_PROVE_LOCKING) && in_nmi())

/* And that it is an interrupt that does, on PREEMPT_RT too. */
#define ipcdev_assert_hardirq()	WARN_ON_ONCE(IS_ENABLED(CONFIG_PROVE_LOCKING) && !in_hardirq())

#define IPCDEV_RIGHTS	(IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE | IPCDEV_RIGHT_PUBLISH)

struct ipcdev_account;
struct ipcdev_handle;
struct ipcdev_message;
struct ipcdev_object;

/**
 * struct ipcdev_object_ops - what sets one kind of object apart
 * @type: enum ipcdev_type
 * @name: what a person calls it, in fdinfo
 * @label: the name of its anonymous files, in /proc/PID/fd
 * @fops: of the files that are its handles
 * @end_fops: of those that are its ends, if only these count as peers; or NULL
 * @ioctl: the ioctls that only this kind knows; -ENOTTY for all others
 * @joined: a handle comes, and is not counted yet: 0, or an errno to turn it away;
 *	under the object's lock. Or NULL
 * @opened: a file has become a handle; may set the file up. Or NULL
 * @poll: the poll events that hold now for a handle, or with NULL for any, those of
 *	ipcdev_poll_peers() among them; under the object's lock
 * @peers_changed: a peer that went is missed, or not any more; under the object's
 *	lock. Or NULL
 * @released: a handle goes, and is still counted. Or NULL
 * @drain: no handle is left and none will be: drop the contents. Or NULL
 * @free: no reference is left: free the object
 * @size: what stat(2) shows
 * @may_persist: whether it can outlive its handles now; under the object's lock
 * @stat: fill in the fields of this kind, and of the handle unless that is NULL;
 *	under the object's lock
 * @fdinfo: print the lines of this kind
 */
struct ipcdev_object_ops {
	u32 type;
	const char *name;
	const char *label;
	const struct file_operations *fops;
	const struct file_operations *end_fops;
	long (*ioctl)(struct file *file, unsigned int nr, void __user *uarg, size_t usize);
	int (*joined)(struct ipcdev_object *obj, struct ipcdev_handle *h);
	void (*opened)(struct ipcdev_object *obj, struct file *file);
	__poll_t (*poll)(struct ipcdev_object *obj, struct ipcdev_handle *h);
	void (*peers_changed)(struct ipcdev_object *obj);
	void (*released)(struct ipcdev_object *obj, struct ipcdev_handle *h);
	void (*drain)(struct ipcdev_object *obj);
	void (*free)(struct ipcdev_object *obj);
	u64 (*size)(struct ipcdev_object *obj);
	bool (*may_persist)(struct ipcdev_object *obj);
	void (*stat)(struct ipcdev_object *obj, struct ipcdev_handle *h,
		     struct ipcdev_stat *stat);
	void (*fdinfo)(struct ipcdev_object *obj, struct seq_file *m);
};

/**
 * struct ipcdev_object - what all objects share
 * @ops: its kind
 * @ref: one for each handle, one for the name, one for each listing under way
 * @lock: protects the fields up to @dead and all state of the object's kind.
 *	Taken in task context only; nothing sleeps or touches user memory under it
 * @handles: open files
 * @readers: of these, those that may read
 * @writers: and those that may write
 * @had_reader: there has been a reader; before the first one nobody is missed
 * @had_writer: likewise
 * @persistent: lives until its name is removed
 * @dead: the last handle is gone and nobody may open it any more
 * @name: the inode that names it; protected by the lock of all names (fs.c)
 * @wq: poll, epoll and attached eventfds, of handles that may both read and write
 * @wq_in: of those that may only read
 * @wq_out: of those that may only write
 * @peer_wq: callers that wait for a peer
 * @fasync_in: handles that want SIGIO and may read
 * @fasync_out: and those that may write
 * @watch_mutex: protects each handle's list of attached eventfds
 * @watches: eventfds attached and not yet fired for good
 * @wakeups: rounds of pollers woken, and sleepers
 * @account: who is charged
 * @charged: bytes charged there
 * @uid: the creator
 * @gid: the creator
 * @id: never used again
 * @created_ns: CLOCK_REALTIME
 * @rcu: listings look at objects that are about to be freed
 */
struct ipcdev_object {
	const struct ipcdev_object_ops *ops;
	struct kref ref;

	spinlock_t lock; /* state, in task context */
	u32 handles;
	u32 readers;
	u32 writers;
	bool had_reader;
	bool had_writer;
	bool persistent;
	bool dead;

	struct inode *name;

	wait_queue_head_t wq;
	wait_queue_head_t wq_in;
	wait_queue_head_t wq_out;
	wait_queue_head_t peer_wq;
	struct fasync_struct *fasync_in;
	struct fasync_struct *fasync_out;
	struct mutex watch_mutex; /* all handles' watches */
	atomic_t watches;
	atomic64_t wakeups;

	struct ipcdev_account *account;
	u64 charged;
	kuid_t uid;
	kgid_t gid;
	u64 id;
	u64 created_ns;
	struct rcu_head rcu;
};

/**
 * struct ipcdev_waiter - a sleeper, on its own stack
 * @task: who sleeps
 * @node: in the object's list of sleepers until somebody settles it; protected
 *	by the object's lock. A caller that waits for its reply is in none. Not first:
 *	GCC would then align the whole, and with it the stack, to 16 bytes
 * @msg: a sender's message until it is settled, a receiver's from then on
 * @result: IPCDEV_PENDING, and the outcome once settled; then the sleeper may
 *	return at any moment and this structure is gone
 */
struct ipcdev_waiter {
	struct task_struct *task;
	struct list_head node;
	struct ipcdev_message *msg;
	int result;
};

/**
 * struct ipcdev_ticket - what a receiver of a broadcast needs
 * @w: while it sleeps; its @msg is what it has taken. Once that has come back, the
 *	ticket is in the cursor's list of what has, and if the queue has dropped the
 *	message meanwhile, that is gone
 * @seq: number of the message, in that list
 * @lost: messages that the handle lost before this one
 * @epoch: of the cursor, when it was taken
 */
struct ipcdev_ticket {
	struct ipcdev_waiter w;
	u64 seq;
	u32 lost;
	u32 epoch;
};

/**
 * struct ipcdev_cursor - what a handle has received of a broadcast
 * @idle: in the queue's list of those for which somebody sleeps
 * @smaller: in its list of those whose backlog is smaller than others', if it drops
 * @sleepers: tickets, the longest waiting first
 * @returned: tickets of messages that could not be delivered, in order of sending
 * @own: the ticket that every handle has
 * @own_taken: it is in use
 * @subscribed: the handle receives
 * @next: number of the next message, behind those that came back
 * @backlog: how many messages the handle may be behind
 * @lost: messages dropped since one was taken
 * @taken: messages that are being copied
 * @epoch: how often the handle has been subscribed anew
 */
struct ipcdev_cursor {
	struct list_head idle;
	struct list_head smaller;
	struct list_head sleepers;
	struct list_head returned;
	struct ipcdev_ticket own;
	bool own_taken;
	bool subscribed;
	u64 next;
	u32 backlog;
	u32 lost;
	u32 taken;
	u32 epoch;
};

/**
 * struct ipcdev_handle - an open file of an object
 * @obj: the object, referenced
 * @rights: IPCDEV_RIGHT_*, fixed at birth
 * @role: IPCDEV_RIGHT_READ and WRITE as far as it counts as a peer; of an end, the one
 *	side that it is of
 * @opener: the process that opened it, for messages of write(2)
 * @account: of the first who sent descriptors or slices through it, or NULL; see
 *	ipcdev_account_get_kept()
 * @watches: attached eventfds; protected by the object's watch_mutex
 * @call: queue: a call received through it and not answered; protected by the
 *	object's lock, and so is the rest
 * @calls: all others of these, by token
 * @gone: those of them whose callers have given up, the first of them first
 * @cursor: broadcast queue: what it has received
 */
struct ipcdev_handle {
	struct ipcdev_object *obj;
	u32 rights;
	u32 role;
	struct pid *opener;
	struct ipcdev_account *account;
	struct list_head watches;
	struct ipcdev_message *call;
	struct rb_root calls;
	struct list_head gone;
	struct ipcdev_cursor cursor;
};

static inline struct ipcdev_handle *ipcdev_handle(const struct file *file)
{
	return file->private_data;
}

/* The last peer went away, for those who read and those who write. Lock held. */
static inline bool ipcdev_writers_gone(const struct ipcdev_object *obj)
{
	return !obj->writers && obj->had_writer && !obj->persistent;
}

static inline bool ipcdev_readers_gone(const struct ipcdev_object *obj)
{
	return !obj->readers && obj->had_reader && !obj->persistent;
}

/* object.c */
int ipcdev_object_init(struct ipcdev_object *obj, const struct ipcdev_object_ops *ops,
		       u64 bytes);
void ipcdev_object_destroy(struct ipcdev_object *obj);
void ipcdev_object_put(struct ipcdev_object *obj);
bool ipcdev_object_unname(struct ipcdev_object *obj, __poll_t *gone);
void ipcdev_object_unnamed(struct ipcdev_object *obj, __poll_t gone, bool last);
int ipcdev_object_create(struct ipcdev_object *obj, u32 rights, bool nonblock);
struct file *ipcdev_end_file(struct ipcdev_object *obj, u32 role, bool nonblock);
int ipcdev_end_create(struct ipcdev_object *obj, u32 role, bool nonblock);
int ipcdev_rights_check(u32 type, u32 rights);
int ipcdev_handle_open(struct file *file, struct ipcdev_object *obj, u32 rights);
int ipcdev_handle_release(struct inode *inode, struct file *file);
long ipcdev_handle_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long ipcdev_wait_until(struct file *file, void __user *uarg, size_t usize,
		       struct wait_queue_head *wq, bool (*done)(struct ipcdev_handle *h));
void ipcdev_handle_fdinfo(struct seq_file *m, struct file *file);
long ipcdev_list(void __user *uarg, size_t usize);
void ipcdev_objects_exit(void);

/* fs.c */
#define IPCDEVFS_MAGIC	0x69706364	/* "ipcd" */

int ipcdevfs_init(void);
void ipcdevfs_exit(void);
int ipcdevfs_publish(struct ipcdev_object *obj, int name_fd, bool persistent);
void ipcdevfs_vanish(struct ipcdev_object *obj);
bool ipcdevfs_path(struct ipcdev_object *obj, char *buf, size_t size);

/* notify.c */
__poll_t ipcdev_poll_peers(const struct ipcdev_object *obj);
__poll_t ipcdev_poll(struct file *file, struct poll_table_struct *pt);
int ipcdev_fasync(int fd, struct file *file, int on);
void ipcdev_notify_watched(struct ipcdev_object *obj, __poll_t events);
long ipcdev_attach(struct ipcdev_handle *h, void __user *uarg, size_t usize);
long ipcdev_detach(struct ipcdev_handle *h, void __user *uarg, size_t usize);
void ipcdev_watches_release(struct ipcdev_handle *h);

/* Whether anybody is in a wait queue; a barrier, or a lock, says since when. */
static inline bool ipcdev_is_watched(struct wait_queue_head *wq)
{
	/* That barrier is the caller's: one does for several wait queues. */
	return waitqueue_active(wq);
}

/**
 * ipcdev_notify - tell those who watch an object that its state has changed
 * @obj: the object, its lock not held
 * @events: EPOLLIN, EPOLLOUT, EPOLLHUP (writers gone), EPOLLERR (readers gone), EPOLLPRI
 *
 * Context: task context, or that of a plain irq_work; does not sleep.
 */
static inline void ipcdev_notify(struct ipcdev_object *obj, __poll_t events)
{
	/* As in wq_has_sleeper(), for all of them. */
	smp_mb();
	if (unlikely(ipcdev_is_watched(&obj->wq) || ipcdev_is_watched(&obj->wq_in) ||
		     ipcdev_is_watched(&obj->wq_out) || READ_ONCE(obj->fasync_in) ||
		     READ_ONCE(obj->fasync_out)))
		ipcdev_notify_watched(obj, events);
}

/* account.c */
enum ipcdev_resource {
	IPCDEV_OBJECTS,
	IPCDEV_BYTES,
	IPCDEV_EVENTFDS,
	IPCDEV_INFLIGHT,
	IPCDEV_NAMES,
	IPCDEV_REQUESTS,
	IPCDEV_TIMER_RATE,
	IPCDEV_RESOURCES,
};

extern unsigned int ipcdev_max_objects;
extern unsigned long ipcdev_max_bytes;
extern unsigned int ipcdev_max_eventfds;
extern unsigned int ipcdev_max_names;
extern unsigned int ipcdev_max_depth;
extern unsigned int ipcdev_max_requests;
extern unsigned int ipcdev_max_msg_size;
extern unsigned int ipcdev_max_batch;
extern unsigned long ipcdev_timer_period_min;
extern unsigned int ipcdev_timer_rate_max;

void ipcdev_account_init(void);
struct ipcdev_account *ipcdev_account_get(void);
struct ipcdev_account *ipcdev_account_get_kept(struct ipcdev_account **kept);
kuid_t ipcdev_account_owner(void);
void ipcdev_account_put(struct ipcdev_account *account);
int ipcdev_charge(struct ipcdev_account *account, enum ipcdev_resource what, u64 amount,
		  u64 limit);
void ipcdev_uncharge(struct ipcdev_account *account, enum ipcdev_resource what, u64 amount);
void ipcdev_account_usage(u64 used[IPCDEV_RESOURCES]);

/* wait.c */
void ipcdev_wait_init(void);
void ipcdev_wait_exit(void);

/**
 * struct ipcdev_deadline - how long a call may sleep
 * @nonblock: not at all
 * @set: until @expires; else the rest is undefined
 * @clock: of @expires: CLOCK_MONOTONIC or CLOCK_REALTIME
 * @expires: absolute, as the initial time namespace shows the clock
 */
struct ipcdev_deadline {
	bool nonblock;
	bool set;
	clockid_t clock;
	ktime_t expires;
};

#define IPCDEV_DEADLINES	(IPCDEV_DEADLINE_MONOTONIC | IPCDEV_DEADLINE_REALTIME)

int ipcdev_deadline_set(struct ipcdev_deadline *d, u32 flags, u64 ns);

/**
 * ipcdev_deadline_parse - work out how long a call may sleep
 * @d: the result
 * @file: the handle, for its O_NONBLOCK
 * @flags: the call's IPCDEV_NONBLOCK and IPCDEV_DEADLINE_*; others are ignored
 * @ns: the call's deadline
 *
 * Return: 0, or -EINVAL.
 */
static inline int ipcdev_deadline_parse(struct ipcdev_deadline *d, const struct file *file,
					u32 flags, u64 ns)
{
	d->nonblock = (flags & IPCDEV_NONBLOCK) || (file->f_flags & O_NONBLOCK);
	d->set = false;
	if (unlikely(flags & IPCDEV_DEADLINES))
		return ipcdev_deadline_set(d, flags, ns);
	return ns ? -EINVAL : 0;
}

u64 ipcdev_time_to_caller(u64 ns);
u64 ipcdev_time_from_caller(u64 ns);

/* By its own policy: rt_task() is also true of one that another's waiting has lifted. */
static inline bool ipcdev_has_rt_priority(const struct task_struct *task)
{
	return task->policy == SCHED_FIFO || task->policy == SCHED_RR;
}

#define IPCDEV_PENDING	1

/**
 * ipcdev_waiter_add - get in line
 * @w: on the caller's stack; its @msg is the caller's
 * @list: under the object's lock
 */
static inline void ipcdev_waiter_add(struct ipcdev_waiter *w, struct list_head *list)
{
	w->task = current;
	w->result = IPCDEV_PENDING;
	list_add_tail(&w->node, list);
}

/**
 * ipcdev_waiter_finish - end the sleep of one that is on no list, under the object's lock
 * @w: out of reach afterwards
 * @result: 0 or an errno
 *
 * Return: the task, for ipcdev_waiter_wake().
 */
static inline struct task_struct *ipcdev_waiter_finish(struct ipcdev_waiter *w, int result)
{
	struct task_struct *task = w->task;

	get_task_struct(task);
	/* Pairs with the load-acquire in ipcdev_waiter_settled(). */
	smp_store_release(&w->result, result);
	return task;
}

/**
 * ipcdev_waiter_settle - the same for one that is on a list
 * @w: off it and out of reach afterwards
 * @result: 0 or an errno
 *
 * Return: the task, for ipcdev_waiter_wake().
 */
static inline struct task_struct *ipcdev_waiter_settle(struct ipcdev_waiter *w, int result)
{
	list_del(&w->node);
	return ipcdev_waiter_finish(w, result);
}

/**
 * ipcdev_waiter_wake - wake who was settled
 * @task: from ipcdev_waiter_settle()
 */
static inline void ipcdev_waiter_wake(struct task_struct *task)
{
	wake_up_process(task);
	put_task_struct(task);
}

int ipcdev_sleep_until(const struct ipcdev_deadline *d);

/**
 * ipcdev_sleep - one round of sleeping; the caller has set its state
 * @d: the deadline
 *
 * Return: 0 when woken, -ERESTARTSYS for a signal, -ETIMEDOUT. A deadline is
 * absolute, so that a restarted call needs nothing remembered.
 */
static __always_inline int ipcdev_sleep(const struct ipcdev_deadline *d)
{
	if (signal_pending(current))
		return -ERESTARTSYS;
	if (unlikely(d->set))
		return ipcdev_sleep_until(d);
	schedule();
	return 0;
}

static inline bool ipcdev_waiter_settled(const struct ipcdev_waiter *w)
{
	/* Pairs with the store-release in ipcdev_waiter_finish(). */
	return smp_load_acquire(&w->result) != IPCDEV_PENDING;
}

/**
 * ipcdev_waiter_sleep - sleep until settled
 * @w: added, the object's lock dropped since
 * @d: the deadline
 *
 * Return: 0 once settled, with the outcome in @w->result, or why the sleep ended
 * before: then the caller must take the lock and look whether it was settled
 * meanwhile, and else take itself off the list.
 */
static __always_inline int ipcdev_waiter_sleep(struct ipcdev_waiter *w,
					       const struct ipcdev_deadline *d)
{
	int ret = 0;

	/*
	 * Whom we have just woken may be done with us by the time that we are back:
	 * let it run before we go through the motions of falling asleep.
	 */
	if (unlikely(need_resched()))
		cond_resched();
	while (!ipcdev_waiter_settled(w)) {
		if (unlikely(ret))
			return ret;
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (!ipcdev_waiter_settled(w))
			ret = ipcdev_sleep(d);
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

/* buffer.c */
extern const struct file_operations ipcdev_buffer_fops;
void ipcdev_buffer_init(void);
void ipcdev_buffer_exit(void);
long ipcdev_buffer_create(void __user *uarg, size_t usize);
int ipcdev_buffer_write_begin(struct file *file);
void ipcdev_buffer_write_end(struct file *file);
struct page *ipcdev_buffer_page(struct file *file, pgoff_t index);
struct file *ipcdev_slice_get(const struct ipcdev_slice *slice, fmode_t mode);

/* queue.c */
long ipcdev_queue_create(void __user *uarg, size_t usize);

/* ring.c */
bool ipcdev_is_ring(const struct file *file);
long ipcdev_ring_create(void __user *uarg, size_t usize);

/* engine.c */
long ipcdev_engine_create(void __user *uarg, size_t usize);
long ipcdev_engines(void __user *uarg, size_t usize);

/* soft.c */
int ipcdev_soft_init(void);
void ipcdev_soft_exit(void);

/* An ioctl's number says how large its caller's structure is. */
static inline int ipcdev_cmd_size(unsigned int cmd, size_t *usize)
{
	if (_IOC_TYPE(cmd) != IPCDEV_IOC_MAGIC)
		return -ENOTTY;
	*usize = _IOC_SIZE(cmd);
	if (!*usize)
		return -EINVAL;
	return *usize > PAGE_SIZE ? -E2BIG : 0;
}

/* Structures up to this size are copied word by word. */
#define IPCDEV_WORDS_MAX	256

/*
 * The caller's structure may be shorter or longer than ours. Equal sizes, the
 * rule, are copied word by word with a count that the compiler knows: all our
 * structures consist of whole words, and for a dozen of them that costs a third
 * of a call of copy_from_user(). The words in the mask @skip, which are those of
 * results, may be left out then.
 */
static __always_inline int ipcdev_args_get_but(void *args, size_t ksize,
					       const void __user *uarg, size_t usize, u64 skip)
{
	const u64 __user *uword = uarg;
	u64 *word = args;
	size_t i;

	BUILD_BUG_ON(ksize % sizeof(*word));
	if (unlikely(usize != ksize))
		return copy_struct_from_user(args, ksize, uarg, usize);
	BUILD_BUG_ON(ksize > IPCDEV_WORDS_MAX);
	if (!user_read_access_begin(uarg, ksize))
		return -EFAULT;
#ifndef __clang__	/* which cannot unroll what may jump to a fault */
#pragma GCC unroll 32
#endif
	for (i = 0; i < ksize / sizeof(*word); i++) {
		if (!(skip & BIT_ULL(i)))
			unsafe_get_user(word[i], uword + i, fault);
	}
	user_read_access_end();
	return 0;

fault:
	user_read_access_end();
	return -EFAULT;
}

static __always_inline int ipcdev_args_get(void *args, size_t ksize, const void __user *uarg,
					   size_t usize)
{
	return ipcdev_args_get_but(args, ksize, uarg, usize, 0);
}

static __always_inline int ipcdev_words_put(const void *args, size_t ksize, void __user *uarg)
{
	u64 __user *uword = uarg;
	const u64 *word = args;
	size_t i;

	BUILD_BUG_ON(ksize % sizeof(*word));
	if (!user_write_access_begin(uarg, ksize))
		return -EFAULT;
#ifndef __clang__	/* which cannot unroll what may jump to a fault */
#pragma GCC unroll 32
#endif
	for (i = 0; i < ksize / sizeof(*word); i++)
		unsafe_put_user(word[i], uword + i, fault);
	user_write_access_end();
	return 0;

fault:
	user_write_access_end();
	return -EFAULT;
}

static __always_inline int ipcdev_args_put(const void *args, size_t ksize, void __user *uarg,
					   size_t usize)
{
	if (likely(usize == ksize && ksize <= IPCDEV_WORDS_MAX))
		return ipcdev_words_put(args, ksize, uarg);
	if (copy_to_user(uarg, args, min(usize, ksize)))
		return -EFAULT;
	if (usize > ksize && clear_user(uarg + ksize, usize - ksize))
		return -EFAULT;
	return 0;
}

#endif
