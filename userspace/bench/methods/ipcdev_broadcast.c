// SPDX-License-Identifier: GPL-2.0
#include <unistd.h>

#include <ipcdev.h>

#include "ipcdev_broadcast.h"

/* The creator's handle sends; each receiver has one of its own. */
int broadcast_setup(struct link *link)
{
	const struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_BROADCAST,
		.msg_max = MAX(link->size, 1),
	};

	link->fd[1] = ipcdev_queue_create(&attr);
	return link->fd[1] < 0 ? -1 : 0;
}

int broadcast_attach(struct end *end)
{
	int *fd = end->link->fd;

	if (!end->side)
		return 0;
	end->fd = ipcdev_dup(fd[1], IPCDEV_RIGHT_READ, 0);
	not_mine(end, &fd[1]);
	return end->fd < 0 ? -1 : 0;
}

void broadcast_detach(struct end *end)
{
	if (end->side)
		close_fd(&end->fd);
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

const struct method ipcdev_broadcast_method = {
	.name = "ipcdev-broadcast",
	.about = "ipcdev's broadcast queue: one message for all receivers",
	.only = ONLY(FANOUT) | ONLY(STREAM) | ONLY(SETUP) | ONLY(MEMORY),
	.one_for_all = true,
	.polled = true,
	.setup = broadcast_setup,
	.attach = broadcast_attach,
	.detach = broadcast_detach,
	.send = put,
	.recv = get,
};
