/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library's files share.
 *
 * The kernel's structures grow at their end. A function that takes one by a
 * pointer gets a new symbol version when that happens (libipcdev.map), so that
 * a program built with the shorter structure keeps the function that knows it
 * so.
 */
#ifndef _IPCDEV_INTERNAL_H
#define _IPCDEV_INTERNAL_H

#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>

#include "ipcdev.h"

#define NSEC_PER_SEC	1000000000

/* An ioctl on a freshly opened /dev/ipcdev. */
int device_ioctl(unsigned long cmd, void *arg);

struct ipcdev_ring;

/*
 * Sleeps until there are that many bytes, of records or of room; first signals the
 * other side of another ring, unless that is NULL.
 */
int ring_wait_bytes(struct ipcdev_ring *ring, uint32_t need,
		    const struct ipcdev_ring *signal,
		    const struct ipcdev_deadline *deadline);

/* Adds a deadline to the flags of a call; NULL adds nothing. */
static inline int set_deadline(const struct ipcdev_deadline *deadline,
			       __u32 *flags, __u64 *ns)
{
	if (!deadline)
		return 0;
	if (deadline->ns > INT64_MAX) {
		errno = EINVAL;
		return -1;
	}

	switch (deadline->clock) {
	case CLOCK_MONOTONIC:
		*flags |= IPCDEV_DEADLINE_MONOTONIC;
		break;
	case CLOCK_REALTIME:
		*flags |= IPCDEV_DEADLINE_REALTIME;
		break;
	default:
		errno = EINVAL;
		return -1;
	}
	*ns = deadline->ns;
	return 0;
}

/* What is no deadline is to be known before anything is done. */
static inline int check_deadline(const struct ipcdev_deadline *deadline)
{
	__u32 flags = 0;
	__u64 ns;

	return set_deadline(deadline, &flags, &ns);
}

/* Fails for a clock that there is not, which is for others to say: it is 0 then. */
static inline uint64_t time_by(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

#endif /* _IPCDEV_INTERNAL_H */
