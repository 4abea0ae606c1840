// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <unistd.h>

#include "ipcdev_queue.h"

static int put(struct end *end, size_t len)
{
	return write(out_fd(end), end->out, len) == (ssize_t)len ? 0 : -1;
}

static int get(struct end *end, size_t len)
{
	ssize_t done = read(end->fd, end->in, len);

	if (done >= 0 && done != (ssize_t)len)
		errno = done ? EMSGSIZE : EPIPE;
	return done == (ssize_t)len ? 0 : -1;
}

const struct method ipcdev_queue_rw_method = {
	.name = "ipcdev-queue-rw",
	.about = "ipcdev's queue, write(2) and read(2)",
	.polled = true,
	.many_senders = true,
	.min = 1,
	.setup = queue_setup,
	.attach = pair_attach,
	.send = put,
	.recv = get,
};
