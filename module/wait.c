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

static noinline int sleep_until(const struct ipcdev_deadline *d)
{
	ktime_t expires = d->expires;

	if (!schedule_hrtimeout_range_clock(&expires, current->timer_slack_ns, HRTIMER_MODE_ABS,
					    d->clock))
		return -ETIMEDOUT;
	return 0;
}

static __always_inline int sleep_once(const struct ipcdev_deadline *d)
{
	if (signal_pending(current))
		return -ERESTARTSYS;
	if (unlikely(d->set))
		return sleep_until(d);
	schedule();
	return 0;
}

/**
 * ipcdev_sleep - one round of sleeping; the caller has set its state
 * @d: the deadline
 *
 * Return: 0 when woken, -ERESTARTSYS for a signal, -ETIMEDOUT. A deadline is
 * absolute, so that a restarted call needs nothing remembered.
 */
int ipcdev_sleep(const struct ipcdev_deadline *d)
{
	return sleep_once(d);
}

static bool is_settled(const struct ipcdev_waiter *w)
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
int ipcdev_waiter_sleep(struct ipcdev_waiter *w, const struct ipcdev_deadline *d)
{
	int ret;

	/*
	 * Whom we have just woken may be done with us by the time that we are back:
	 * let it run before we go through the motions of falling asleep.
	 */
	if (unlikely(need_resched()))
		cond_resched();
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (is_settled(w)) {
			ret = 0;
			break;
		}
		ret = sleep_once(d);
		if (is_settled(w)) {
			ret = 0;
			break;
		}
		if (ret)
			break;
	}
	__set_current_state(TASK_RUNNING);
	return ret;
}
