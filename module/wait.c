// SPDX-License-Identifier: GPL-2.0
/*
 * Deadlines, and sleeping until somebody settles what one waits for.
 *
 * A sleeper puts a struct ipcdev_waiter from its stack on its object's list,
 * under the object's lock. Whoever has what it waits for takes it off the list
 * under that lock, does its work for it, and settles it with a store-release of
 * the result: that store is the last access to the structure, because the
 * sleeper does not take the lock again to leave. The waker therefore holds a
 * reference to the task. It wakes one sleeper after it has dropped the lock, so
 * that the two do not meet at it; where there are several to wake, in rare cases
 * all, it does so under the lock.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/nsproxy.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/time_namespace.h>

#include "ipcdev.h"

/* The caller's CLOCK_MONOTONIC may be offset by its time namespace. */
static ktime_t monotonic_to_host(ktime_t t)
{
#ifdef CONFIG_TIME_NS
	ktime_t offset = timespec64_to_ktime(current->nsproxy->time_ns->offsets.monotonic);

	if (offset > t)
		return 0;
	if (offset < 0 && t > KTIME_MAX + offset)
		return KTIME_MAX;
	return ktime_sub(t, offset);
#else
	return t;
#endif
}

/**
 * ipcdev_time_to_caller - a CLOCK_MONOTONIC time as the caller's clock shows it
 * @ns: of the initial time namespace; 0 stays 0
 */
u64 ipcdev_time_to_caller(u64 ns)
{
#ifdef CONFIG_TIME_NS
	if (ns)
		ns += timespec64_to_ns(&current->nsproxy->time_ns->offsets.monotonic);
#endif
	return ns;
}

/**
 * ipcdev_time_from_caller - a CLOCK_MONOTONIC time of the caller's in the initial namespace
 * @ns: at most KTIME_MAX
 */
u64 ipcdev_time_from_caller(u64 ns)
{
	return monotonic_to_host(ns);
}

/**
 * ipcdev_deadline_set - ipcdev_deadline_parse() of a call that has a deadline
 * @d: the result
 * @flags: the call's
 * @ns: the call's deadline
 *
 * Return: 0, or -EINVAL.
 */
int ipcdev_deadline_set(struct ipcdev_deadline *d, u32 flags, u64 ns)
{
	if ((flags & IPCDEV_DEADLINES) == IPCDEV_DEADLINES || ns > KTIME_MAX)
		return -EINVAL;

	d->set = true;
	if (flags & IPCDEV_DEADLINE_MONOTONIC) {
		d->clock = CLOCK_MONOTONIC;
		d->expires = monotonic_to_host(ns);
	} else {
		d->clock = CLOCK_REALTIME;
		d->expires = ns;
	}
	return 0;
}

/**
 * struct ipcdev_bell - who is to be woken when, among those who began to sleep on one CPU
 * @lock: protects the rest; taken in interrupts
 * @sleepers: by their deadlines
 * @timer: may be armed for a deadline that is no more
 * @mode: how it is armed
 * @armed: what it is armed for, or KTIME_MAX
 *
 * Most sleeps end long before their deadlines, and a timer that is armed and
 * cancelled for each of them costs more than all else that they do. Therefore a
 * timer that is armed for an earlier moment is left alone: then it is seen who has
 * slept enough, and it is armed for the next of the others, if there are any.
 *
 * When a CPU goes offline its timers move to another, and its bells stay: they ring
 * there until nobody is left who began to sleep here.
 */
struct ipcdev_bell {
	raw_spinlock_t lock; /* sleepers, and what the timer is armed for */
	struct rb_root_cached sleepers;
	struct hrtimer timer;
	enum hrtimer_mode mode;
	ktime_t armed;
};

struct ipcdev_bells {
	struct ipcdev_bell monotonic;
	struct ipcdev_bell realtime;
};

/*
 * On PREEMPT_RT only real-time tasks are woken in the timer's interrupt. How many
 * others have the same deadline is for any user to say, and so a thread wakes them,
 * as it does those who sleep in the kernel's own calls.
 */
static DEFINE_PER_CPU(struct ipcdev_bells, in_interrupt);
static DEFINE_PER_CPU(struct ipcdev_bells, in_thread);

/* How many are woken while the lock is held, for which others wait to sleep or leave. */
#define WAKE_BATCH	8

/**
 * struct sleeper - who sleeps until a deadline
 * @node: in its bell's tree until it is woken from there
 * @expires: the deadline
 * @task: the task
 */
struct sleeper {
	struct rb_node node;
	ktime_t expires;
	struct task_struct *task;
};

static bool sooner(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct sleeper, node)->expires <
	       rb_entry(b, struct sleeper, node)->expires;
}

static void arm(struct ipcdev_bell *bell, ktime_t expires)
{
	bell->armed = expires;
	hrtimer_start(&bell->timer, expires, bell->mode);
}

/*
 * Returns whether there may be more. A sleeper cannot leave while its bell is
 * locked.
 */
static bool wake_sleepers(struct ipcdev_bell *bell, ktime_t now)
{
	struct sleeper *s;
	struct rb_node *node;
	int i;

	for (i = 0; i < WAKE_BATCH; i++) {
		node = rb_first_cached(&bell->sleepers);
		if (!node)
			return false;
		s = rb_entry(node, struct sleeper, node);
		if (s->expires > now) {
			arm(bell, s->expires);
			return false;
		}
		rb_erase_cached(node, &bell->sleepers);
		RB_CLEAR_NODE(node);
		wake_up_process(s->task);
	}
	return true;
}

static enum hrtimer_restart ring(struct ipcdev_bell *bell, ktime_t now)
{
	unsigned long flags;
	bool more;

	do {
		raw_spin_lock_irqsave(&bell->lock, flags);
		bell->armed = KTIME_MAX;
		more = wake_sleepers(bell, now);
		raw_spin_unlock_irqrestore(&bell->lock, flags);
	} while (more);
	/* Armed anew, if at all: whoever comes to sleep meanwhile may do so too. */
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart ring_monotonic(struct hrtimer *timer)
{
	return ring(container_of(timer, struct ipcdev_bell, timer), ktime_get());
}

/* The clock may be set at any time: its timers then expire as it says now. */
static enum hrtimer_restart ring_realtime(struct hrtimer *timer)
{
	return ring(container_of(timer, struct ipcdev_bell, timer), ktime_get_real());
}

static void bell_init(struct ipcdev_bell *bell, clockid_t clock, enum hrtimer_mode mode,
		      enum hrtimer_restart (*function)(struct hrtimer *timer))
{
	raw_spin_lock_init(&bell->lock);
	bell->sleepers = RB_ROOT_CACHED;
	bell->armed = KTIME_MAX;
	bell->mode = mode;
	hrtimer_setup(&bell->timer, function, clock, mode);
}

static void bells_init(struct ipcdev_bells *bells, enum hrtimer_mode mode)
{
	bell_init(&bells->monotonic, CLOCK_MONOTONIC, mode, ring_monotonic);
	bell_init(&bells->realtime, CLOCK_REALTIME, mode, ring_realtime);
}

static void bells_exit(struct ipcdev_bells *bells)
{
	hrtimer_cancel(&bells->monotonic.timer);
	hrtimer_cancel(&bells->realtime.timer);
}

void ipcdev_wait_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		bells_init(per_cpu_ptr(&in_interrupt, cpu), HRTIMER_MODE_ABS_HARD);
		if (IS_ENABLED(CONFIG_PREEMPT_RT))
			bells_init(per_cpu_ptr(&in_thread, cpu), HRTIMER_MODE_ABS_SOFT);
	}
}

/* Nobody sleeps any more. */
void ipcdev_wait_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		bells_exit(per_cpu_ptr(&in_interrupt, cpu));
		if (IS_ENABLED(CONFIG_PREEMPT_RT))
			bells_exit(per_cpu_ptr(&in_thread, cpu));
	}
}

static bool is_real_time(const struct task_struct *task)
{
	return ipcdev_has_rt_priority(task) || task->policy == SCHED_DEADLINE;
}

static struct ipcdev_bell *my_bell(clockid_t clock)
{
	struct ipcdev_bells *bells = raw_cpu_ptr(&in_interrupt);

	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !is_real_time(current))
		bells = raw_cpu_ptr(&in_thread);
	return clock == CLOCK_REALTIME ? &bells->realtime : &bells->monotonic;
}

/**
 * ipcdev_sleep_until - ipcdev_sleep() of a call that has a deadline
 * @d: the deadline
 *
 * Wherever the task is by now, what it began with is what it ends with.
 */
int ipcdev_sleep_until(const struct ipcdev_deadline *d)
{
	struct sleeper s = { .expires = d->expires, .task = current };
	struct ipcdev_bell *bell = my_bell(d->clock);
	unsigned long flags;
	bool expired;

	raw_spin_lock_irqsave(&bell->lock, flags);
	rb_add_cached(&s.node, &bell->sleepers, sooner);
	if (s.expires < bell->armed)
		arm(bell, s.expires);
	raw_spin_unlock_irqrestore(&bell->lock, flags);

	schedule();

	raw_spin_lock_irqsave(&bell->lock, flags);
	expired = RB_EMPTY_NODE(&s.node);
	if (!expired)
		rb_erase_cached(&s.node, &bell->sleepers);
	raw_spin_unlock_irqrestore(&bell->lock, flags);
	return expired ? -ETIMEDOUT : 0;
}
