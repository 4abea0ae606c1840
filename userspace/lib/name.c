// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names: files of an ipcdevfs that stand for objects. */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/*
 * The name is opened with O_NOFOLLOW, so that a link which somebody put there
 * does not lead to another place; the kernel sees to it that the file is the
 * caller's own.
 */
static int publish_at(int fd, const char *path, unsigned int flags)
{
	struct ipcdev_publish publish = {
		.flags = flags,
	};
	int ret, err;

	publish.name_fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (publish.name_fd < 0)
		return -1;

	ret = ioctl(fd, IPCDEV_IOC_PUBLISH, &publish);
	err = errno;
	close(publish.name_fd);
	errno = err;
	return ret;
}

int ipcdev_publish(int fd, const char *path, mode_t mode, unsigned int flags)
{
	struct ipcdev_stat stat;
	mode_t type;
	bool made;
	int err;

	if (ipcdev_stat(fd, &stat))
		return -1;

	/* A file that reads like a FIFO says so; io_uring heeds it. */
	type = stat.type == IPCDEV_TYPE_QUEUE ? S_IFIFO : S_IFREG;

	/* What somebody who died left there is as good as a new file. */
	made = !mknod(path, type | (mode & ALLPERMS), 0);
	if (!made && errno != EEXIST)
		return -1;

	if (!publish_at(fd, path, flags))
		return 0;

	if (made) {
		err = errno;
		unlink(path);
		errno = err;
	}
	return -1;
}

int ipcdev_open(const char *path, int flags)
{
	struct ipcdev_stat stat;
	int fd, err;

	if (flags & ~(O_ACCMODE | O_NONBLOCK | O_CLOEXEC)) {
		errno = EINVAL;
		return -1;
	}

	/* Opening an object never sleeps; what else lies there shall not either. */
	fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fd;
	if (!ipcdev_stat(fd, &stat) &&
	    ((flags & O_NONBLOCK) || !fcntl(fd, F_SETFL, 0)))
		return fd;

	err = errno;
	close(fd);
	errno = err;
	return -1;
}
