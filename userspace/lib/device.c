// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is asked of the device itself.
 *
 * Nobody keeps /dev/ipcdev open: an open and a close are little beside the
 * making of an object, and a descriptor that the library held in secret would
 * surprise a program that closes all of its own, forks or enters a chroot.
 */
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

int device_ioctl(unsigned long cmd, void *arg)
{
	int fd, ret, err;

	fd = open(IPCDEV_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;

	ret = ioctl(fd, cmd, arg);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

int ipcdev_info(struct ipcdev_info *info)
{
	*info = (struct ipcdev_info) { 0 };
	return device_ioctl(IPCDEV_IOC_INFO, info);
}

int ipcdev_list(uint64_t after, struct ipcdev_stat *stats, unsigned int count)
{
	struct ipcdev_list list = {
		.after = after,
		.stats = ipcdev_ptr(stats),
		.count = count,
		.stat_size = sizeof(*stats),
	};

	return device_ioctl(IPCDEV_IOC_LIST, &list);
}
