// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: ring
 *
 * A ring's records pass from its producer to its consumer in memory that both map;
 * the kernel sees none of them. It gives out the memory, with the rights of each
 * side, puts to sleep who has nothing to do, and tells each side what it must know
 * of the other: whether it sleeps, is watched, or has left.
 *
 * That is said in a page that only the kernel writes. A side says how far it has
 * come by a word in a page of its own. All that the kernel ever does with these two
 * words is to compare them, and what follows from the comparison concerns nobody but
 * the two sides: a ring whose words are nonsense wakes them for nothing, or not.
 *
 * Who wants to sleep says so in the header, and then looks at the other's word; who
 * has moved its own word then looks at the header. With a full barrier between the
 * two steps on both sides, at least one of them sees the other. The same holds for
 * those who poll: they are in the wait queue before WATCHED is set, and WATCHED is
 * taken away only when their wait queue is seen to be empty.
 */
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "ring.h"
#include "trace.h"

/* The pages before the data. */
enum { HEADER_PAGE, CONSUMER_PAGE, PRODUCER_PAGE, CONTROL_PAGES };

static struct ipcdev_ring *file_ring(const struct file *file)
{
	return to_ring(ipcdev_handle(file)->obj);
}

static struct ipcdev_side *side_of(struct ipcdev_ring *ring, u32 role)
{
	return role == IPCDEV_RIGHT_READ ? &ring->consumer : &ring->producer;
}

static struct ipcdev_side *other_side(struct ipcdev_ring *ring, u32 role)
{
	return side_of(ring, role ^ IPCDEV_RING_ROLES);
}

static void say_locked(struct ipcdev_ring *ring, struct ipcdev_side *side, u32 set, u32 clear)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ring->lock, flags);
	ipcdev_ring_say(ring, side, set, clear);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
}

/* Those who sleep for the kernel's side look whether they still need to. */
static bool wake_queue(struct ipcdev_side *side)
{
	if (!side->wq || !wq_has_sleeper(side->wq))
		return false;
	wake_up(side->wq);
	return true;
}

/**
 * ipcdev_feed_ask - have the consumer tell when it has come that far
 * @feed: of a ring, whose lock is held
 * @index: of the consumer
 *
 * Those who sleep are in the wait queue of the producer's side by now.
 *
 * Return: whether it has.
 */
bool ipcdev_feed_ask(struct ipcdev_feed *feed, u32 index)
{
	struct ipcdev_ring *ring = feed->ring;
	struct ipcdev_side *side = &ring->producer;

	lockdep_assert_held(&ring->lock);
	WRITE_ONCE(side->words->wake_at, index);
	ipcdev_ring_say(ring, side, IPCDEV_RING_SLEEPING, 0);
	/* As in sleep_until(). */
	smp_mb();
	return ipcdev_ring_reached(READ_ONCE(*ring->consumer.index), index);
}

/*
 * Those who watch are told of it. A poller enters the wait queue before it has
 * WATCHED set under the object's lock: one whom we do not see there sets it anew.
 */
static void notify_side(struct ipcdev_ring *ring, struct ipcdev_side *side)
{
	struct ipcdev_object *obj = &ring->obj;

	spin_lock(&obj->lock);
	if (ipcdev_ring_unwatched(ring, side))
		say_locked(ring, side, 0, IPCDEV_RING_WATCHED);
	spin_unlock(&obj->lock);
	ipcdev_notify(obj, side == &ring->consumer ? EPOLLIN : EPOLLOUT);
}

/*
 * End the sleep of a side, if the other one's index has reached what it is for: what was
 * meant for a sleep that is over does not end another. Those who wait for the kernel's side
 * are many, and look for themselves. Returns how many slept, and what was said of the side.
 */
static int rouse(struct ipcdev_ring *ring, u32 role, u32 *state)
{
	struct ipcdev_side *side = side_of(ring, role), *other = other_side(ring, role);
	struct task_struct *task = NULL;
	unsigned long flags;
	int woken;

	rcu_read_lock();
	raw_spin_lock_irqsave(&ring->lock, flags);
	*state = side->words->state;
	if (ipcdev_ring_reached(READ_ONCE(*other->index), side->words->wake_at))
		task = ipcdev_ring_end_sleep(ring, side, 0);
	if (side->wq)
		ipcdev_ring_say(ring, side, 0, IPCDEV_RING_SLEEPING);
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	woken = ipcdev_ring_wake(ring, task) || wake_queue(side);
	rcu_read_unlock();
	return woken;
}

/**
 * ipcdev_ring_signal - wake one side of a ring, if it is due, and tell those who watch it
 * @ring: the ring
 * @role: IPCDEV_RIGHT_READ or IPCDEV_RIGHT_WRITE: of the side
 *
 * Context: task context; does not sleep.
 * Return: how many slept.
 */
int ipcdev_ring_signal(struct ipcdev_ring *ring, u32 role)
{
	u32 state;
	int woken = rouse(ring, role, &state);

	if (state & IPCDEV_RING_WATCHED)
		notify_side(ring, side_of(ring, role));
	return woken;
}

/* Wake the side that an end is not of. */
static int signal_other(const struct file *end)
{
	return ipcdev_ring_signal(file_ring(end), ipcdev_handle(end)->role ^ IPCDEV_RING_ROLES);
}

/* IPCDEV_IOC_RING_SIGNAL */
static long ioctl_signal(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_ring_signal args;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.flags || args.reserved)
		return -EINVAL;
	return signal_other(file);
}

static int signal_fd(int fd)
{
	struct fd f = fdget(fd);
	int ret = 0;

	if (!fd_file(f))
		return -EBADF;
	if (fd_file(f)->f_op == &ipcdev_ring_end_fops)
		signal_other(fd_file(f));
	else
		ret = -EINVAL;
	fdput(f);
	return ret;
}

/* One thread at a time sleeps for a side. */
static int begin_sleep(struct ipcdev_ring *ring, struct ipcdev_side *side,
		       struct ipcdev_waiter *w, u32 index)
{
	unsigned long flags;
	int ret = 0;

	w->task = current;
	w->result = IPCDEV_PENDING;
	raw_spin_lock_irqsave(&ring->lock, flags);
	if (side->waiter) {
		ret = -EBUSY;
	} else {
		side->waiter = w;
		WRITE_ONCE(side->waits, side->waits + 1);
		WRITE_ONCE(side->words->wake_at, index);
		ipcdev_ring_say(ring, side, IPCDEV_RING_SLEEPING, 0);
	}
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return ret;
}

/* Leave before anybody has ended the sleep, unless somebody just has: 0 then. */
static int cancel_sleep(struct ipcdev_ring *ring, struct ipcdev_side *side,
			struct ipcdev_waiter *w, int ret)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ring->lock, flags);
	if (side->waiter == w) {
		side->waiter = NULL;
		ipcdev_ring_say(ring, side, 0, IPCDEV_RING_SLEEPING);
	} else {
		ret = w->result;
	}
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	return ret;
}

static bool has_left(const struct ipcdev_side *side)
{
	/* Pairs with ipcdev_ring_say(): then all that it has done before is seen, too. */
	return smp_load_acquire(&side->words->state) & IPCDEV_RING_GONE;
}

static int sleep_until(struct ipcdev_ring *ring, u32 role, u32 index,
		       const struct ipcdev_deadline *deadline)
{
	struct ipcdev_side *side = side_of(ring, role), *other = other_side(ring, role);
	struct ipcdev_waiter w;
	int ret;

	ret = begin_sleep(ring, side, &w, index);
	if (ret)
		return ret;
	/*
	 * We have said that we sleep; now look. Pairs with the barrier between the
	 * other side's store of its index and its look at what we have said. Its
	 * leaving is said under the lock, before it ends our sleep.
	 */
	smp_mb();
	if (ipcdev_ring_reached(READ_ONCE(*other->index), index)) {
		cancel_sleep(ring, side, &w, 0);
		return 0;
	}
	if (has_left(other))
		return cancel_sleep(ring, side, &w, -EPIPE);

	trace_ipcdev_sleep(&ring->obj, role == IPCDEV_RIGHT_WRITE, 0);
	ret = ipcdev_waiter_sleep(&w, deadline);
	ret = ret ? cancel_sleep(ring, side, &w, ret) : w.result;
	trace_ipcdev_wake(&ring->obj, role == IPCDEV_RIGHT_WRITE, ret);
	return ret;
}

static int wait_for(struct ipcdev_ring *ring, u32 role, u32 index,
		    const struct ipcdev_deadline *deadline)
{
	struct ipcdev_side *other = other_side(ring, role);
	int ret;

	if (ipcdev_ring_reached(READ_ONCE(*other->index), index))
		return 0;
	if (deadline->nonblock)
		ret = has_left(other) ? -EPIPE : -EAGAIN;
	else
		ret = sleep_until(ring, role, index, deadline);
	/* The last that it did before it left may have been just that. */
	if (unlikely(ret == -EPIPE) && ipcdev_ring_reached(READ_ONCE(*other->index), index))
		ret = 0;
	return ret;
}

/*
 * The consumer comes back, and only now is it counted how long it took to run: to read the
 * clock when it was woken would have made that later. The cycles, which cost next to
 * nothing to read, say how much of the time since the interrupt had gone by then.
 */
static void note_return(struct ipcdev_timing *timing, u32 index)
{
	u64 put_ns = READ_ONCE(timing->put_ns), put_at = READ_ONCE(timing->put_at);
	u64 waking = READ_ONCE(timing->ran_at) - put_at, cycles, passed;

	if (put_ns) {
		passed = ktime_get_ns() - put_ns;
		cycles = ipcdev_cycles() - put_at;
		/* CPUs need not agree about their cycles. */
		if (waking > cycles)
			waking = 0;
		/* Of large numbers not every kernel's quotient is exact. */
		if (waking)
			waking = min(mul_u64_u64_div_u64(passed, waking, cycles), passed);
		ipcdev_histogram_count(timing->wakeup, waking);
		if (timing->index != index)
			ipcdev_histogram_count(timing->reaped, passed - waking);
		WRITE_ONCE(timing->put_ns, 0);
	}
	timing->index = index;
}

/* A consumer's wait, which a ring with a feed takes the time of. */
static int wait_timed(struct ipcdev_ring *ring, u32 role, u32 index,
		      const struct ipcdev_deadline *deadline)
{
	struct ipcdev_timing *timing = role == IPCDEV_RIGHT_READ ? ring->timing : NULL;
	int ret;

	if (timing)
		note_return(timing, READ_ONCE(*ring->consumer.index));
	ret = wait_for(ring, role, index, deadline);
	if (timing)
		WRITE_ONCE(timing->ran_at, ipcdev_cycles());
	return ret;
}

/* IPCDEV_IOC_RING_WAIT */
static long ioctl_wait(struct file *file, void __user *uarg, size_t usize)
{
	const u32 known = IPCDEV_NONBLOCK | IPCDEV_DEADLINES | IPCDEV_RING_SIGNAL;
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_deadline deadline;
	struct ipcdev_ring_wait args;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if ((args.flags & ~known) || args.reserved ||
	    (args.signal_fd && !(args.flags & IPCDEV_RING_SIGNAL)))
		return -EINVAL;
	ret = ipcdev_deadline_parse(&deadline, file, args.flags, args.deadline_ns);
	if (ret)
		return ret;
	if (args.flags & IPCDEV_RING_SIGNAL) {
		ret = signal_fd(args.signal_fd);
		if (ret)
			return ret;
		/* Who was woken may be done before we have begun to fall asleep. */
		if (unlikely(need_resched()))
			cond_resched();
	}
	return wait_timed(to_ring(h->obj), h->role, args.index, &deadline);
}

/* IPCDEV_IOC_RING_TAKE */
static long ioctl_take(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_ring_take args;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.flags & ~IPCDEV_NONBLOCK)
		return -EINVAL;
	if (args.role != IPCDEV_RIGHT_READ && args.role != IPCDEV_RIGHT_WRITE)
		return -EINVAL;
	if (args.role & ~h->rights)
		return -EACCES;
	return ipcdev_end_create(h->obj, args.role, args.flags & IPCDEV_NONBLOCK);
}

/* The ioctls of all that has a ring's ends. */
long ipcdev_ring_ioctl(struct file *file, unsigned int nr, void __user *uarg, size_t usize)
{
	if (nr == _IOC_NR(IPCDEV_IOC_RING_TAKE))
		return ioctl_take(file, uarg, usize);
	if (file->f_op != &ipcdev_ring_end_fops)
		return -ENOTTY;
	switch (nr) {
	case _IOC_NR(IPCDEV_IOC_RING_WAIT):
		return ioctl_wait(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_RING_SIGNAL):
		return ioctl_signal(file, uarg, usize);
	default:
		return -ENOTTY;
	}
}

/* The common way: what depends on sizes is known when this is compiled. */
static long end_unlocked_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case IPCDEV_IOC_RING_WAIT:
		return ioctl_wait(file, uarg, sizeof(struct ipcdev_ring_wait));
	case IPCDEV_IOC_RING_SIGNAL:
		return ioctl_signal(file, uarg, sizeof(struct ipcdev_ring_signal));
	default:
		return ipcdev_handle_ioctl(file, cmd, arg);
	}
}

/**
 * struct area - a part of the file of an end
 * @offset: where it begins, in bytes
 * @first: its first page
 * @writer: the role that may write there, or 0
 */
struct area {
	u32 offset;
	u32 first;
	u32 writer;
};

/* By their offsets. The data come last, twice in a row; all else is one page each. */
static const struct area areas[] = {
	{ IPCDEV_RING_HEADER_OFFSET, HEADER_PAGE, 0 },
	{ IPCDEV_RING_CONSUMER_OFFSET, CONSUMER_PAGE, IPCDEV_RIGHT_READ },
	{ IPCDEV_RING_PRODUCER_OFFSET, PRODUCER_PAGE, IPCDEV_RIGHT_WRITE },
	{ IPCDEV_RING_DATA_OFFSET, CONTROL_PAGES, IPCDEV_RIGHT_WRITE },
};

/* The area that a page of the file lies in, and the place of that page there. */
static const struct area *area_at(pgoff_t pgoff, pgoff_t *place)
{
	const struct area *area = &areas[ARRAY_SIZE(areas) - 1];

	BUILD_BUG_ON(PAGE_SIZE > IPCDEV_RING_CONSUMER_OFFSET);
	while (pgoff < area->offset >> PAGE_SHIFT)
		area--;
	*place = pgoff - (area->offset >> PAGE_SHIFT);
	return area;
}

static pgoff_t area_pages(const struct ipcdev_ring *ring, const struct area *area)
{
	return area->first == CONTROL_PAGES ? ring->nr_pages - CONTROL_PAGES : 1;
}

static pgoff_t area_length(const struct ipcdev_ring *ring, const struct area *area)
{
	return area_pages(ring, area) * (area->first == CONTROL_PAGES ? 2 : 1);
}

static vm_fault_t end_fault(struct vm_fault *vmf)
{
	struct ipcdev_ring *ring = file_ring(vmf->vma->vm_file);
	const struct area *area;
	pgoff_t place;

	area = area_at(vmf->pgoff, &place);
	if (place >= area_length(ring, area))
		return VM_FAULT_SIGBUS;
	vmf->page = ring->pages[area->first + place % area_pages(ring, area)];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct end_vm_ops = {
	.fault = end_fault,
};

static int end_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcdev_ring *ring = file_ring(file);
	const struct area *area;
	pgoff_t place, length;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	area = area_at(vma->vm_pgoff, &place);
	length = area_length(ring, area);
	if (place >= length || vma_pages(vma) > length - place)
		return -EINVAL;
	if (area->writer != ipcdev_handle(file)->role) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	/* A child would share the role without knowing it. */
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND);
	vma->vm_ops = &end_vm_ops;
	return 0;
}

/* Who wants SIGIO watches, too. */
static int ring_fasync(int fd, struct file *file, int on)
{
	struct ipcdev_object *obj = ipcdev_handle(file)->obj;
	int ret = ipcdev_fasync(fd, file, on);

	if (ret > 0 && on) {
		spin_lock(&obj->lock);
		obj->ops->poll(obj, ipcdev_handle(file));
		spin_unlock(&obj->lock);
	}
	return ret;
}

const struct file_operations ipcdev_ring_fops = {
	.owner = THIS_MODULE,
	.poll = ipcdev_poll,
	.unlocked_ioctl = ipcdev_handle_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.fasync = ring_fasync,
	.release = ipcdev_handle_release,
	.show_fdinfo = ipcdev_handle_fdinfo,
};

const struct file_operations ipcdev_ring_end_fops = {
	.owner = THIS_MODULE,
	.mmap = end_mmap,
	.poll = ipcdev_poll,
	.unlocked_ioctl = end_unlocked_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.fasync = ring_fasync,
	.release = ipcdev_handle_release,
	.show_fdinfo = ipcdev_handle_fdinfo,
};

/**
 * ipcdev_is_ring - whether a file is a handle of a ring or of an engine, or an end
 * @file: any file
 */
bool ipcdev_is_ring(const struct file *file)
{
	return file->f_op == &ipcdev_ring_fops || file->f_op == &ipcdev_ring_end_fops;
}

/* What makes a ring an object. */

/*
 * Bytes between the indices; nonsense may be more than the size. So that both are of
 * one moment, the consumer's is read twice; who moves it all the time is not waited for.
 */
static u32 ring_used(struct ipcdev_ring *ring)
{
	u32 consumed = READ_ONCE(*ring->consumer.index), before, produced;
	int tries = 3;

	do {
		before = consumed;
		smp_rmb(); /* the one, then the other */
		produced = READ_ONCE(*ring->producer.index);
		smp_rmb(); /* and then the first again */
		consumed = READ_ONCE(*ring->consumer.index);
	} while (consumed != before && --tries);
	return produced - consumed;
}

/* What the two sides may wait for, and is there. */
static __poll_t ring_ready(struct ipcdev_ring *ring)
{
	const u32 record_max = sizeof(struct ipcdev_ring_record) + ring->size / 2;
	u32 used = ring_used(ring);
	__poll_t mask = 0;

	if (used)
		mask |= EPOLLIN | EPOLLRDNORM;
	/* More than there is: both move faster than one can look, or one is nonsense. */
	if (used <= ring->size - record_max || used > ring->size)
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

/**
 * ipcdev_ring_watch - somebody asks for a poll state, and may be about to watch
 * @ring: the ring, its object locked
 * @h: through which handle
 *
 * To be called before that state is looked at.
 */
void ipcdev_ring_watch(struct ipcdev_ring *ring, const struct ipcdev_handle *h)
{
	lockdep_assert_held(&ring->obj.lock);
	if (!h)
		return;
	if ((h->rights & IPCDEV_RIGHT_READ) && !ipcdev_ring_unwatched(ring, &ring->consumer))
		say_locked(ring, &ring->consumer, IPCDEV_RING_WATCHED, 0);
	if ((h->rights & IPCDEV_RIGHT_WRITE) && !ipcdev_ring_unwatched(ring, &ring->producer))
		say_locked(ring, &ring->producer, IPCDEV_RING_WATCHED, 0);
	/* As in sleep_until(). */
	smp_mb();
}

static __poll_t ring_poll(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	struct ipcdev_ring *ring = to_ring(obj);
	__poll_t mask = ipcdev_poll_peers(obj);

	ipcdev_ring_watch(ring, h);
	return mask | ring_ready(ring);
}

/* A side can be taken once at a time, and only if it may, again. */
int ipcdev_ring_joined(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	bool consumes = h->role == IPCDEV_RIGHT_READ;
	struct ipcdev_ring *ring = to_ring(obj);

	if (!h->role)
		return 0;
	if (consumes ? obj->readers : obj->writers)
		return -EBUSY;
	if ((consumes ? obj->had_reader : obj->had_writer) && !(ring->flags & IPCDEV_RING_TAKEOVER))
		return -EPIPE;
	say_locked(ring, side_of(ring, h->role), 0, IPCDEV_RING_GONE);
	return 0;
}

/* One side has left, and the other one's sleep ends; or it is not missed any more. */
static void say_gone(struct ipcdev_ring *ring, struct ipcdev_side *side,
		     struct ipcdev_side *other, bool gone)
{
	struct task_struct *task = NULL;
	unsigned long flags;

	rcu_read_lock();
	raw_spin_lock_irqsave(&ring->lock, flags);
	if (gone) {
		ipcdev_ring_say(ring, side, IPCDEV_RING_GONE, 0);
		task = ipcdev_ring_end_sleep(ring, other, -EPIPE);
	} else {
		ipcdev_ring_say(ring, side, 0, IPCDEV_RING_GONE);
	}
	raw_spin_unlock_irqrestore(&ring->lock, flags);
	ipcdev_ring_wake(ring, task);
	rcu_read_unlock();
	if (gone)
		wake_queue(other);
}

void ipcdev_ring_peers_changed(struct ipcdev_object *obj)
{
	struct ipcdev_ring *ring = to_ring(obj);

	say_gone(ring, &ring->consumer, &ring->producer, ipcdev_readers_gone(obj));
	say_gone(ring, &ring->producer, &ring->consumer, ipcdev_writers_gone(obj));
}

/*
 * Who is killed between moving its index and telling of it has not told: that is done
 * here, and once too often if it had told. That it is gone wakes who sleeps as well, but
 * nobody is missed in a ring that persists, and not all who watch want to know of an end.
 */
static void ring_released(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	__poll_t wanted = h->role == IPCDEV_RIGHT_READ ? EPOLLOUT : EPOLLIN;
	struct ipcdev_ring *ring = to_ring(obj);
	u32 state;

	if (!h->role)
		return;
	rouse(ring, h->role ^ IPCDEV_RING_ROLES, &state);
	if ((state & IPCDEV_RING_WATCHED) && (ring_ready(ring) & wanted))
		notify_side(ring, other_side(ring, h->role));
}

/**
 * ipcdev_ring_exit - undo ipcdev_ring_init()
 * @ring: without references
 */
void ipcdev_ring_exit(struct ipcdev_ring *ring)
{
	while (ring->nr_pages) {
		__free_page(ring->pages[--ring->nr_pages]);
		cond_resched();
	}
	kvfree(ring->pages);
	ipcdev_object_destroy(&ring->obj);
}

static void ring_free(struct ipcdev_object *obj)
{
	ipcdev_ring_exit(to_ring(obj));
	kfree_rcu(to_ring(obj), obj.rcu);
}

u64 ipcdev_ring_size(struct ipcdev_object *obj)
{
	struct ipcdev_ring *ring = to_ring(obj);

	return min(ring_used(ring), ring->size);
}

static bool ring_may_persist(struct ipcdev_object *obj)
{
	return to_ring(obj)->flags & IPCDEV_RING_TAKEOVER;
}

void ipcdev_ring_stat(struct ipcdev_object *obj, struct ipcdev_handle *h, struct ipcdev_stat *st)
{
	struct ipcdev_ring *ring = to_ring(obj);

	if (ring->flags & IPCDEV_RING_TAKEOVER)
		st->flags |= IPCDEV_STAT_TAKEOVER;
	st->size = ring->size;
	st->queued_bytes = ipcdev_ring_size(obj);
	st->receivers = !!READ_ONCE(ring->consumer.waiter);
	st->senders = !!READ_ONCE(ring->producer.waiter);
	st->recv_waits = READ_ONCE(ring->consumer.waits);
	st->send_waits = READ_ONCE(ring->producer.waits);
}

void ipcdev_ring_fdinfo(struct ipcdev_object *obj, struct seq_file *m)
{
	struct ipcdev_ring *ring = to_ring(obj);

	seq_printf(m, "ipcdev-size:\t%u\n", ring->size);
	seq_printf(m, "ipcdev-produced:\t%u\n", READ_ONCE(*ring->producer.index));
	seq_printf(m, "ipcdev-consumed:\t%u\n", READ_ONCE(*ring->consumer.index));
}

static const struct ipcdev_object_ops ring_ops = {
	.type = IPCDEV_TYPE_RING,
	.name = "ring",
	.label = "[ipcdev-ring]",
	.fops = &ipcdev_ring_fops,
	.end_fops = &ipcdev_ring_end_fops,
	.ioctl = ipcdev_ring_ioctl,
	.joined = ipcdev_ring_joined,
	.released = ring_released,
	.poll = ring_poll,
	.peers_changed = ipcdev_ring_peers_changed,
	.free = ring_free,
	.size = ipcdev_ring_size,
	.may_persist = ring_may_persist,
	.stat = ipcdev_ring_stat,
	.fdinfo = ipcdev_ring_fdinfo,
};

static int alloc_pages_of(struct ipcdev_ring *ring, u32 count)
{
	struct page *page;

	ring->pages = kvmalloc_array(count, sizeof(*ring->pages), IPCDEV_GFP);
	if (!ring->pages)
		return -ENOMEM;
	while (ring->nr_pages < count) {
		page = alloc_page(IPCDEV_GFP | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		ring->pages[ring->nr_pages++] = page;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void init_header(struct ipcdev_ring *ring)
{
	struct ipcdev_ring_header *header = page_address(ring->pages[HEADER_PAGE]);

	header->magic = IPCDEV_RING_MAGIC;
	header->version = IPCDEV_RING_VERSION;
	header->size = ring->size;
	header->record_max = ring->size / 2;
	header->flags = ring->flags;
	ring->consumer.words = &header->consumer;
	ring->consumer.index = page_address(ring->pages[CONSUMER_PAGE]);
	ring->producer.words = &header->producer;
	ring->producer.index = page_address(ring->pages[PRODUCER_PAGE]);
}

/**
 * ipcdev_ring_init - make a ring of a zeroed structure
 * @ring: with its @flags set
 * @ops: its kind
 * @size: bytes of data, 1 to IPCDEV_RING_SIZE_MAX
 * @more: bytes to charge the caller for, beyond the ring's own memory
 *
 * Return: 0, or an errno and nothing is held.
 */
int ipcdev_ring_init(struct ipcdev_ring *ring, const struct ipcdev_object_ops *ops, u32 size,
		     u64 more)
{
	u32 count;
	int ret;

	raw_spin_lock_init(&ring->lock);
	ring->size = roundup_pow_of_two(max_t(u32, size, PAGE_SIZE));
	count = CONTROL_PAGES + (ring->size >> PAGE_SHIFT);
	ret = ipcdev_object_init(&ring->obj, ops, ((u64)count << PAGE_SHIFT) + more);
	if (ret)
		return ret;
	ret = alloc_pages_of(ring, count);
	if (ret) {
		ipcdev_ring_exit(ring);
		return ret;
	}
	init_header(ring);
	return 0;
}

static void feed_work(struct irq_work *work)
{
	struct ipcdev_feed *feed = container_of(work, struct ipcdev_feed, work);

	feed->tell(feed);
	/* Pairs with the acquire in ipcdev_feed_exit(). */
	atomic_dec_return_release(&feed->runs);
}

/**
 * ipcdev_feed_tell - have those told who watch
 * @feed: the feed
 *
 * Context: any but NMI.
 */
void ipcdev_feed_tell(struct ipcdev_feed *feed)
{
	atomic_inc(&feed->runs);
	if (!irq_work_queue(&feed->work))
		atomic_dec(&feed->runs);
}

/**
 * ipcdev_feed_resume - go on where a predecessor has left the ring
 * @feed: filled in, of a ring that has no other producer
 *
 * Return: 0, or -EBADMSG if that place is none.
 */
int ipcdev_feed_resume(struct ipcdev_feed *feed)
{
	feed->head = READ_ONCE(*feed->ring->producer.index);
	return feed->head % IPCDEV_RING_ALIGN ? -EBADMSG : 0;
}

/**
 * ipcdev_feed_init - the kernel prepares to be a ring's producer
 * @feed: to be filled in
 * @ring: the ring, which lives longer
 * @tell: what tells those who watch; it may run on two CPUs at a time
 *
 * For a ring that is not new ipcdev_feed_resume() follows once it has no other producer.
 *
 * Return: 0 or -ENOMEM.
 */
int ipcdev_feed_init(struct ipcdev_feed *feed, struct ipcdev_ring *ring,
		     void (*tell)(struct ipcdev_feed *))
{
	u32 i, count = ring->nr_pages - CONTROL_PAGES;
	struct page **pages;

	feed->ring = ring;
	feed->head = 0;
	pages = kvmalloc_array(count, 2 * sizeof(*pages), IPCDEV_GFP);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < 2 * count; i++)
		pages[i] = ring->pages[CONTROL_PAGES + i % count];
	feed->data = vmap(pages, 2 * count, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	feed->tell = tell;
	init_irq_work(&feed->work, feed_work);
	atomic_set(&feed->runs, 0);
	return feed->data ? 0 : -ENOMEM;
}

/**
 * ipcdev_feed_exit - nothing is produced any more
 * @feed: filled in; its memory must stay for an RCU grace period
 *
 * An irq_work that runs may be queued and run on another CPU, too, and whichever ends
 * first is all that irq_work_sync() would wait for. So we count. What is left then is
 * what the kernel does with it after our function: RCU waits for that in interrupts, and
 * irq_work_sync() for the better part of it in the thread of PREEMPT_RT, which is under
 * RCU only in newer kernels.
 *
 * Context: may sleep.
 */
void ipcdev_feed_exit(struct ipcdev_feed *feed)
{
	/* Pairs with the release in feed_work(). */
	while (atomic_read_acquire(&feed->runs))
		schedule_timeout_uninterruptible(1);
	irq_work_sync(&feed->work);
	vunmap(feed->data);
}

/* IPCDEV_IOC_CREATE_RING */
long ipcdev_ring_create(void __user *uarg, size_t usize)
{
	struct ipcdev_create_ring args;
	struct ipcdev_ring *ring;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if ((args.flags & ~IPCDEV_RING_TAKEOVER) || !args.size ||
	    args.size > IPCDEV_RING_SIZE_MAX || args.size > READ_ONCE(ipcdev_max_bytes))
		return -EINVAL;
	ret = args.rights ? ipcdev_rights_check(IPCDEV_TYPE_RING, args.rights) : 0;
	if (ret)
		return ret;

	ring = kzalloc(sizeof(*ring), IPCDEV_GFP);
	if (!ring)
		return -ENOMEM;
	ring->flags = args.flags;
	ret = ipcdev_ring_init(ring, &ring_ops, args.size, 0);
	if (ret) {
		kfree(ring);
		return ret;
	}
	return ipcdev_object_create(&ring->obj, args.rights, false);
}
