// SPDX-License-Identifier: GPL-2.0
/*
 * A back end of engines: the example of Documentation/producer.rst. Its device is a timer,
 * and with each pulse the first request in line ends: a NOP, or the FILL of up to a page.
 */
#include <linux/hrtimer.h>
#include <linux/module.h>

#include "compat.h"
#include "engine.h"

struct pulse_job {
	struct ipcdev_job *job;
	struct list_head node;
};

static DEFINE_RAW_SPINLOCK(lock); /* the line; requests are completed under it */
static LIST_HEAD(line);
static struct hrtimer pulse;

static unsigned int period_ms = 1;
module_param(period_ms, uint, 0644);
MODULE_PARM_DESC(period_ms, "Milliseconds between pulses, at least 1");

static ktime_t period(void)
{
	return ms_to_ktime(max(READ_ONCE(period_ms), 1U));
}

static void end(struct pulse_job *pj, s64 result)
{
	list_del_init(&pj->node);
	ipcdev_job_complete(pj->job, result);
}

/* In hard interrupt context, on PREEMPT_RT too. */
static enum hrtimer_restart pulse_interrupt(struct hrtimer *timer)
{
	struct pulse_job *pj;
	u64 i;

	raw_spin_lock(&lock);
	pj = list_first_entry_or_null(&line, struct pulse_job, node);
	for (i = 0; pj && i < pj->job->dst.length; i++)
		ipcdev_slice_write(&pj->job->dst, i, &(u8){ pj->job->value }, 1);
	if (pj)
		end(pj, i);
	raw_spin_unlock(&lock);
	hrtimer_forward_now(timer, period());
	return HRTIMER_RESTART;
}

static int pulse_submit(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	struct pulse_job *pj = ipcdev_job_private(job);

	pj->job = job;
	raw_spin_lock_irq(&lock);
	list_add_tail(&pj->node, &line);
	raw_spin_unlock_irq(&lock);
	return 0;
}

static void pulse_cancel(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	struct pulse_job *pj = ipcdev_job_private(job);

	raw_spin_lock_irq(&lock);
	if (!list_empty(&pj->node))
		end(pj, -ECANCELED);
	raw_spin_unlock_irq(&lock);
}

/* Who completes holds the lock. What is taken out of the line, the core will complete. */
static void pulse_quiesce(struct ipcdev_engine *engine)
{
	struct pulse_job *pj, *next;

	raw_spin_lock_irq(&lock);
	list_for_each_entry_safe(pj, next, &line, node) {
		if (pj->job->engine == engine)
			list_del_init(&pj->node);
	}
	raw_spin_unlock_irq(&lock);
}

static const struct ipcdev_backend_ops pulse_ops = {
	.submit = pulse_submit,
	.cancel = pulse_cancel,
	.quiesce = pulse_quiesce,
};

static struct ipcdev_backend backend = {
	.name = "pulse-0",
	.ops = &pulse_ops,
	.operations = BIT(IPCDEV_OP_NOP) | BIT(IPCDEV_OP_FILL),
	.depth_max = 64,
	.length_max = PAGE_SIZE,
	.job_size = sizeof(struct pulse_job),
	.pin = true,
};

static int __init pulse_init(void)
{
	hrtimer_setup(&pulse, pulse_interrupt, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	hrtimer_start(&pulse, period(), HRTIMER_MODE_REL_HARD);
	if (!ipcdev_backend_register(&backend))
		return 0;
	hrtimer_cancel(&pulse);
	return -EEXIST;
}
module_init(pulse_init);

static void __exit pulse_exit(void)
{
	ipcdev_backend_unregister(&backend);
	hrtimer_cancel(&pulse);
}
module_exit(pulse_exit);

MODULE_DESCRIPTION("Ends a request with each pulse: how a driver is a back end of ipcdev's");
MODULE_LICENSE("GPL");
