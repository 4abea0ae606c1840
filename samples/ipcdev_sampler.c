// SPDX-License-Identifier: GPL-2.0
/* Posts into a ring from a timer's interrupts: the example of Documentation/producer.rst. */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat.h" /* hrtimer_setup() before Linux 6.13 */
#include "ipcdev_producer.h"
#include "ipcdev_sampler.h"

static int result;
module_param(result, int, 0444);
MODULE_PARM_DESC(result, "What became of the last sample: 0, or an errno below zero");
static DEFINE_MUTEX(lock); /* one starts at a time */

struct sampler {
	struct ipcdev_producer *producer;
	struct hrtimer timer;
	struct ipcdev_sampler_start start;
	struct ipcdev_sample sample;
	u8 padding[IPCDEV_SAMPLER_PADDING_MAX];
};

/* In hard interrupt context, on PREEMPT_RT too. A gap in the numbers is -ENOSPC. */
static enum hrtimer_restart sampler_interrupt(struct hrtimer *timer)
{
	struct sampler *s = container_of(timer, struct sampler, timer);
	int ret;

	s->sample.time_ns = ktime_get_ns();
	ret = ipcdev_producer_post(s->producer, &s->sample, sizeof(s->sample) + s->start.padding);
	WRITE_ONCE(result, ret);
	s->sample.number++;
	hrtimer_forward_now(timer, ns_to_ktime(s->start.period_ns));
	return ret && ret != -ENOSPC ? HRTIMER_NORESTART : HRTIMER_RESTART;
}

static long sampler_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ipcdev_sampler_start start;
	struct ipcdev_producer *producer;
	struct sampler *s = file->private_data;

	if (cmd != IPCDEV_SAMPLER_START)
		return -ENOTTY;
	if (copy_from_user(&start, (void __user *)arg, sizeof(start)))
		return -EFAULT;
	if (start.padding > IPCDEV_SAMPLER_PADDING_MAX ||
	    start.period_ns < NSEC_PER_MSEC || start.period_ns > NSEC_PER_SEC)
		return -EINVAL;
	mutex_lock(&lock);
	producer = s->producer ? ERR_PTR(-EBUSY) : ipcdev_producer_open(start.ring_fd);
	if (!IS_ERR(producer)) {
		s->producer = producer;
		s->start = start;
		hrtimer_start(&s->timer, ns_to_ktime(start.period_ns), HRTIMER_MODE_REL_HARD);
	}
	mutex_unlock(&lock);
	return PTR_ERR_OR_ZERO(producer);
}

static int sampler_open(struct inode *inode, struct file *file)
{
	struct sampler *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	hrtimer_setup(&s->timer, sampler_interrupt, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	file->private_data = s;
	return 0;
}

static int sampler_release(struct inode *inode, struct file *file)
{
	struct sampler *s = file->private_data;

	/* First nobody posts any more, then the producer leaves. */
	hrtimer_cancel(&s->timer);
	if (s->producer)
		ipcdev_producer_close(s->producer);
	kfree(s);
	return 0;
}

static const struct file_operations sampler_fops = {
	.owner = THIS_MODULE,
	.open = sampler_open,
	.unlocked_ioctl = sampler_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = sampler_release,
};

static struct miscdevice sampler = { MISC_DYNAMIC_MINOR, "ipcdev-sampler", &sampler_fops };
module_misc_device(sampler);

MODULE_DESCRIPTION("Posts samples into a ring: how a driver uses ipcdev");
MODULE_LICENSE("GPL");
