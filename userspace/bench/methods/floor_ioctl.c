// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "bench.h"

/* So many that reading the clock does not count. */
#define BATCH	64

static int setup(struct link *link)
{
	link->fd[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	return link->fd[0] < 0 ? -1 : 0;
}

/* Nobody knows this number: the kernel looks for it and comes back. */
static int enter(struct end *end, size_t len)
{
	(void)len;
	for (int i = 0; i < BATCH; i++) {
		if (ioctl(end->link->fd[0], 0) != -1 || errno != ENOTTY)
			return -1;
	}
	return 0;
}

static int nothing(struct end *end, size_t len)
{
	(void)end;
	(void)len;
	return 0;
}

const struct method floor_ioctl_method = {
	.name = "floor-ioctl",
	.about = "one ioctl that does nothing: into the kernel and out again",
	.only = ONLY(STREAM),
	.floor = true,
	.empty = true,
	.batch = BATCH,
	.setup = setup,
	.send = enter,
	.recv = nothing,
};
