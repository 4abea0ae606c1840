// SPDX-License-Identifier: GPL-2.0
#include <ipcdev.h>

#include "ipcdev_queue.h"

/* One handle that can only receive and one that can only send, as of a pipe. */
static int make(int fd[2], size_t size)
{
	struct ipcdev_create_queue attr = { .msg_max = MAX(size, 1) };
	int queue = ipcdev_queue_create(&attr);

	if (queue < 0)
		return -1;
	fd[0] = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	fd[1] = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	close_fd(&queue);
	return fd[0] < 0 || fd[1] < 0 ? -1 : 0;
}

int queue_setup(struct link *link)
{
	return make(link->fd, link->size) || make(link->fd + 2, link->size) ?
		-1 : 0;
}

static int put(struct end *end, size_t len)
{
	return ipcdev_queue_send(out_fd(end), end->out, len, 0, NULL);
}

static int get(struct end *end, size_t len)
{
	return ipcdev_queue_recv(end->fd, end->in, len, NULL, NULL) ==
	       (ssize_t)len ? 0 : -1;
}

const struct method ipcdev_queue_method = {
	.name = "ipcdev-queue",
	.about = "ipcdev's queue through libipcdev; one for each direction",
	.polled = true,
	.many_senders = true,
	.setup = queue_setup,
	.attach = pair_attach,
	.send = put,
	.recv = get,
};
