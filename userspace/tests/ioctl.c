// SPDX-License-Identifier: GPL-2.0
/* The library's ioctls come here first, and are counted by their descriptors. */
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "test.h"

#define FDS 4096

static unsigned int counts[FDS];

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd >= 0 && fd < FDS)
		__atomic_fetch_add(&counts[fd], 1, __ATOMIC_SEQ_CST);
	return syscall(SYS_ioctl, fd, request, arg);
}

unsigned int ioctls_on(int fd)
{
	return __atomic_load_n(&counts[fd], __ATOMIC_SEQ_CST);
}
