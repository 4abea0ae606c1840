// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "../floor/floor.h"
#include "bench.h"

static int setup(struct link *link)
{
	link->fd[0] = open("/dev/ipcdev-floor", O_RDWR | O_CLOEXEC);
	if (link->fd[0] >= 0)
		return 0;
	return errno == ENOENT ? skip(link, "module ipcdev_floor is not loaded") : -1;
}

/* What comes replaces what was sent. */
static int attach(struct end *end)
{
	end->in = end->out;
	return 0;
}

static int call(struct end *end, size_t len)
{
	(void)len;
	return ioctl(end->link->fd[0], FLOOR_CALL, end->out);
}

static int serve(struct end *end, size_t len)
{
	(void)len;
	return ioctl(end->link->fd[0], FLOOR_SERVE, end->out);
}

static int wait(struct end *end, size_t len)
{
	(void)len;
	return ioctl(end->link->fd[0], FLOOR_WAIT, end->out);
}

const struct method floor_roundtrip_method = {
	.name = "floor-roundtrip",
	.about = "an ioctl each way that copies 64 bytes, wakes its peer and sleeps",
	.only = ONLY(ROUNDTRIP),
	.floor = true,
	.min = FLOOR_SIZE,
	.max = FLOOR_SIZE,
	.setup = setup,
	.attach = attach,
	.recv = wait,
	.call = call,
	.serve = serve,
};
