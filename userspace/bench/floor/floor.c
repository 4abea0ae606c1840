// SPDX-License-Identifier: GPL-2.0
/*
 * The least that a round trip between two processes can cost: an ioctl each
 * way that copies 64 bytes in, wakes the peer, sleeps, and copies 64 bytes out.
 * No queue, no lock, no rights, no accounting. ipcdev-bench measures it, so
 * that all else can be read as a multiple of it; it is of no other use.
 *
 * An open file of /dev/ipcdev-floor is shared by two processes, which say by
 * the number of the ioctl which of them they are.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "floor.h"

/**
 * struct side - what a process waits for
 * @task: the process, once it has called; we hold a reference
 * @full: there is a message for it
 * @data: the message, valid while @full
 */
struct side {
	struct task_struct *task;
	bool full;
	u8 data[FLOOR_SIZE];
};

struct floor {
	struct side side[2];
};

/* Nobody can be both sides, nor can there be two of one. */
static int join(struct side *side)
{
	struct task_struct *task = READ_ONCE(side->task);

	if (likely(task == current))
		return 0;
	if (task || cmpxchg(&side->task, NULL, current))
		return -EBUSY;
	get_task_struct(current);
	return 0;
}

/*
 * The waker has not yet said that it sleeps when it wakes its peer: if the
 * peer preempts it, all has happened when it comes to look, and it need not
 * sleep at all.
 */
static int post(struct side *to, const void __user *message)
{
	struct task_struct *task;

	if (copy_from_user(to->data, message, FLOOR_SIZE))
		return -EFAULT;
	/* Pairs with the acquire in take(). */
	smp_store_release(&to->full, true);
	task = READ_ONCE(to->task);
	if (task)
		wake_up_process(task);
	cond_resched();
	return 0;
}

static int take(struct side *side, void __user *message)
{
	/* Pairs with the release in post(). */
	while (!smp_load_acquire(&side->full)) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!READ_ONCE(side->full))
			schedule();
		__set_current_state(TASK_RUNNING);
		if (signal_pending(current) && !READ_ONCE(side->full))
			return -EINTR;
	}
	WRITE_ONCE(side->full, false);
	return copy_to_user(message, side->data, FLOOR_SIZE) ? -EFAULT : 0;
}

static long floor_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *message = (void __user *)arg;
	struct floor *floor = file->private_data;
	struct side *mine = &floor->side[cmd != FLOOR_CALL];
	struct side *other = &floor->side[cmd == FLOOR_CALL];
	int err;

	if (cmd != FLOOR_CALL && cmd != FLOOR_SERVE && cmd != FLOOR_WAIT)
		return -ENOTTY;
	err = join(mine);
	if (!err && cmd != FLOOR_WAIT)
		err = post(other, message);
	return err ?: take(mine, message);
}

static int floor_open(struct inode *inode, struct file *file)
{
	struct floor *floor = kzalloc(sizeof(*floor), GFP_KERNEL_ACCOUNT);

	file->private_data = floor;
	return floor ? 0 : -ENOMEM;
}

static int floor_release(struct inode *inode, struct file *file)
{
	struct floor *floor = file->private_data;

	for (int i = 0; i < 2; i++) {
		if (floor->side[i].task)
			put_task_struct(floor->side[i].task);
	}
	kfree(floor);
	return 0;
}

static const struct file_operations floor_fops = {
	.owner = THIS_MODULE,
	.open = floor_open,
	.release = floor_release,
	.unlocked_ioctl = floor_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice floor_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcdev-floor",
	.fops = &floor_fops,
};

module_misc_device(floor_device);

MODULE_DESCRIPTION("ipcdev-bench: the least that a round trip can cost");
MODULE_LICENSE("GPL");
