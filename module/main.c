// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/ipcdev: where objects come from, and the module itself.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "edu.h"
#include "ipcdev.h"
#include "message.h"

/* IPCDEV_IOC_INFO */
static long device_info(void __user *uarg, size_t usize)
{
	struct ipcdev_info info = {
		.version = IPCDEV_VERSION,
		.max_batch = READ_ONCE(ipcdev_max_batch),
		.max_depth = READ_ONCE(ipcdev_max_depth),
		.max_msg_size = READ_ONCE(ipcdev_max_msg_size),
		.max_objects = READ_ONCE(ipcdev_max_objects),
		.max_eventfds = READ_ONCE(ipcdev_max_eventfds),
		.max_bytes = READ_ONCE(ipcdev_max_bytes),
		.max_names = READ_ONCE(ipcdev_max_names),
	};
	u64 used[IPCDEV_RESOURCES];

	ipcdev_account_usage(used);
	info.objects = used[IPCDEV_OBJECTS];
	info.bytes = used[IPCDEV_BYTES];
	info.eventfds = used[IPCDEV_EVENTFDS];
	info.inflight = used[IPCDEV_INFLIGHT];
	info.names = used[IPCDEV_NAMES];
	return ipcdev_args_put(&info, sizeof(info), uarg, usize);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	size_t usize;
	int ret;

	ret = ipcdev_cmd_size(cmd, &usize);
	if (ret)
		return ret;

	switch (_IOC_NR(cmd)) {
	case _IOC_NR(IPCDEV_IOC_INFO):
		return device_info(uarg, usize);
	case _IOC_NR(IPCDEV_IOC_LIST):
		return ipcdev_list(uarg, usize);
	case _IOC_NR(IPCDEV_IOC_CREATE_BUFFER):
		return ipcdev_buffer_create(uarg, usize);
	case _IOC_NR(IPCDEV_IOC_CREATE_QUEUE):
		return ipcdev_queue_create(uarg, usize);
	case _IOC_NR(IPCDEV_IOC_CREATE_RING):
		return ipcdev_ring_create(uarg, usize);
	case _IOC_NR(IPCDEV_IOC_CREATE_ENGINE):
		return ipcdev_engine_create(uarg, usize);
	case _IOC_NR(IPCDEV_IOC_ENGINES):
		return ipcdev_engines(uarg, usize);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* Anybody may open it: rights are those of each object. */
static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ipcdev",
	.fops = &device_fops,
	.mode = 0666,
};

static int __init ipcdev_init(void)
{
	int ret;

	ipcdev_account_init();
	ipcdev_wait_init();
	ipcdev_buffer_init();
	ret = ipcdev_message_init();
	if (ret)
		return ret;
	ret = ipcdev_soft_init();
	if (ret)
		goto err_message;
	ret = ipcdev_edu_init();
	if (ret)
		goto err_soft;
	/* From here on there may be users. */
	ret = ipcdevfs_init();
	if (ret)
		goto err_edu;
	ret = misc_register(&device);
	if (ret)
		goto err_fs;
	return 0;

err_fs:
	ipcdevfs_exit();
err_edu:
	ipcdev_edu_exit();
err_soft:
	ipcdev_soft_exit();
err_message:
	ipcdev_message_exit();
	return ret;
}

/* No file of ours is open and no ipcdevfs is mounted, or we would not be here. */
static void __exit ipcdev_exit(void)
{
	misc_deregister(&device);
	ipcdevfs_exit();
	ipcdev_edu_exit();
	ipcdev_soft_exit();
	ipcdev_message_exit();
	ipcdev_objects_exit();
	ipcdev_buffer_exit();
	ipcdev_wait_exit();
}

module_init(ipcdev_init);
module_exit(ipcdev_exit);

MODULE_DESCRIPTION("Shared buffers, message queues, rings and engines behind one character device");
MODULE_AUTHOR("The ipcdev project");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0");
