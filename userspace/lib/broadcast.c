// SPDX-License-Identifier: LGPL-2.1-or-later
/* Broadcast queues: what a handle receives. */
#include "internal.h"

int ipcdev_subscribe(int fd, unsigned int history, unsigned int backlog)
{
	struct ipcdev_subscribe subscribe = {
		.history = history,
		.backlog = backlog,
	};

	return ioctl(fd, IPCDEV_IOC_SUBSCRIBE, &subscribe);
}

int ipcdev_unsubscribe(int fd)
{
	struct ipcdev_subscribe subscribe = { .flags = IPCDEV_SUBSCRIBE_OFF };

	return ioctl(fd, IPCDEV_IOC_SUBSCRIBE, &subscribe);
}
