// SPDX-License-Identifier: GPL-2.0
/* The library's ioctls come here first, and are counted by their descriptors. */
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "test.h"

#define FDS 4096

static unsigned int counts[FDS];

void (*around_ioctl)(int fd, bool before);

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	long ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd >= 0 && fd < FDS)
		__atomic_fetch_add(&counts[fd], 1, __ATOMIC_SEQ_CST);
	if (!around_ioctl)
		return syscall(SYS_ioctl, fd, request, arg);
	around_ioctl(fd, true);
	ret = syscall(SYS_ioctl, fd, request, arg);
	around_ioctl(fd, false);
	return ret;
}

unsigned int ioctls_on(int fd)
{
	return __atomic_load_n(&counts[fd], __ATOMIC_SEQ_CST);
}
