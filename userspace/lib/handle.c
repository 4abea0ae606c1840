// SPDX-License-Identifier: LGPL-2.1-or-later
/* What every object's handle can do, and deadlines. */
#include "internal.h"

struct ipcdev_deadline *ipcdev_deadline_in(struct ipcdev_deadline *deadline,
					   uint64_t ns)
{
	uint64_t now_ns = time_by(CLOCK_MONOTONIC);

	deadline->clock = CLOCK_MONOTONIC;
	deadline->ns = ns < INT64_MAX - now_ns ? now_ns + ns : INT64_MAX;
	return deadline;
}

int ipcdev_stat(int fd, struct ipcdev_stat *stat)
{
	*stat = (struct ipcdev_stat) { 0 };
	return ioctl(fd, IPCDEV_IOC_STAT, stat);
}

int ipcdev_dup(int fd, unsigned int rights, unsigned int flags)
{
	struct ipcdev_dup dup = {
		.rights = rights,
		.flags = flags,
	};

	return ioctl(fd, IPCDEV_IOC_DUP, &dup);
}

int ipcdev_attach(int fd, int eventfd, unsigned int events, unsigned int flags)
{
	struct ipcdev_attach attach = {
		.eventfd = eventfd,
		.events = events,
		.flags = flags,
	};

	return ioctl(fd, IPCDEV_IOC_ATTACH, &attach);
}

int ipcdev_detach(int fd, int eventfd)
{
	struct ipcdev_detach detach = {
		.eventfd = eventfd,
	};

	return ioctl(fd, IPCDEV_IOC_DETACH, &detach);
}

int ipcdev_wait_peer(int fd, const struct ipcdev_deadline *deadline)
{
	struct ipcdev_wait wait = { 0 };

	if (set_deadline(deadline, &wait.flags, &wait.deadline_ns))
		return -1;
	return ioctl(fd, IPCDEV_IOC_WAIT_PEER, &wait);
}
