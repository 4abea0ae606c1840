// SPDX-License-Identifier: GPL-2.0
/* A back end of engines, the example of Documentation/producer.rst. Its device is a timer. */
#include <linux/hrtimer.h>
#include <linux/module.h>

#include "engine.h"

static unsigned int period_ms = 1;
module_param(period_ms, uint, 0644);
MODULE_PARM_DESC(period_ms, "Milliseconds between pulses, at least 1");

static DEFINE_RAW_SPINLOCK(lock); /* what follows; requests are completed under it */
static LIST_HEAD(line);
static u8 bytes[4096];
static struct hrtimer pulse;

/* Ends the first request in line. In hard interrupt context, on PREEMPT_RT too. */
static enum hrtimer_restart pulse_interrupt(struct hrtimer *timer)
{
	struct ipcdev_job *job;

	raw_spin_lock(&lock);
	if (!list_empty(&line)) {
		job = ipcdev_private_job(line.next);
		list_del_init(line.next);
		memset(bytes, job->value, job->dst.length);
		ipcdev_slice_write(&job->dst, 0, bytes, job->dst.length);
		ipcdev_job_complete(job, job->dst.length);
	}
	raw_spin_unlock(&lock);
	hrtimer_forward_now(timer, ms_to_ktime(max(READ_ONCE(period_ms), 1U)));
	return HRTIMER_RESTART;
}

static int pulse_submit(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	raw_spin_lock_irq(&lock);
	list_add_tail(ipcdev_job_private(job), &line);
	raw_spin_unlock_irq(&lock);
	return 0;
}

static void pulse_cancel(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	raw_spin_lock_irq(&lock);
	if (!list_empty(ipcdev_job_private(job))) {
		list_del_init(ipcdev_job_private(job));
		ipcdev_job_complete(job, -ECANCELED);
	}
	raw_spin_unlock_irq(&lock);
}

/* Who completes holds the lock. What is taken out of the line, the core will complete. */
static void pulse_quiesce(struct ipcdev_engine *engine)
{
	struct list_head *node, *next;

	raw_spin_lock_irq(&lock);
	list_for_each_safe(node, next, &line)
		if (ipcdev_private_job(node)->engine == engine)
			list_del_init(node);
	raw_spin_unlock_irq(&lock);
}

static struct ipcdev_backend backend = {
	.name = "pulse-0",
	.ops = &(const struct ipcdev_backend_ops){
		.submit = pulse_submit,
		.cancel = pulse_cancel,
		.quiesce = pulse_quiesce,
	},
	.operations = BIT(IPCDEV_OP_NOP) | BIT(IPCDEV_OP_FILL),
	.depth_max = 64,
	.length_max = sizeof(bytes),
	.job_size = sizeof(struct list_head),
	.pin = true,
};

static int __init pulse_init(void)
{
	hrtimer_setup(&pulse, pulse_interrupt, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	hrtimer_start(&pulse, 0, HRTIMER_MODE_REL_HARD);
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
