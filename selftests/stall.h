/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ways to hold a system call up while it copies, by a page that userfaultfd
 * fills in later, and to have it made by somebody who shares our memory.
 */
#ifndef STALL_H
#define STALL_H

#include "ipcdev_test.h"

#include <linux/userfaultfd.h>

struct stall {
	int fd;
	char *page;
};

static inline int stall_init(struct stall *s)
{
	size_t size = sysconf(_SC_PAGESIZE);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range.len = size, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	s->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	s->page = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area.range.start = PTR(s->page);
	if (s->page == MAP_FAILED || ioctl(s->fd, UFFDIO_API, &api) ||
	    ioctl(s->fd, UFFDIO_REGISTER, &area))
		abort();
	return 0;
}

/* Returns once somebody sleeps there. */
static inline void stall_await(struct stall *s)
{
	struct uffd_msg m;

	if (read(s->fd, &m, sizeof(m)) != sizeof(m))
		abort();
}

static inline void stall_end(struct stall *s)
{
	struct uffdio_zeropage area = {
		.range = { PTR(s->page), sysconf(_SC_PAGESIZE) },
	};

	if (ioctl(s->fd, UFFDIO_ZEROPAGE, &area))
		abort();
	close(s->fd);
}

/* A process, because a 32-bit thread needs a futex that may not be there. */
static inline pid_t sharing(int what, int (*run)(void *arg), void *arg)
{
	static char stack[2][65536] __attribute__((aligned(16)));
	static int used;

	return clone(run, stack[used++] + sizeof(stack[0]), what | SIGCHLD,
		     arg);
}

static inline pid_t sharing_memory(int (*run)(void *arg), void *arg)
{
	return sharing(CLONE_VM, run, arg);
}

#endif /* STALL_H */
