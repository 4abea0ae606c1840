// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/mman.h>

#include <ipcdev.h>

#include "ipcdev_queue.h"
#include "ipcdev_slice.h"
#include "slots.h"

int slice_setup(struct link *link)
{
	struct slice_buffers *buffers = link->own;

	buffers->fd[0] = -1;
	buffers->fd[1] = -1;
	for (int i = 0; i < 2; i++) {
		buffers->fd[i] = ipcdev_buffer_create(pool_size(link), 0, 0);
		if (buffers->fd[i] < 0)
			return -1;
		buffers->map[i] = ipcdev_buffer_map(buffers->fd[i], 0, 0,
						    PROT_READ | PROT_WRITE);
		if (!buffers->map[i])
			return -1;
	}
	return 0;
}

void slice_teardown(struct link *link)
{
	struct slice_buffers *buffers = link->own;

	for (int i = 0; i < 2; i++) {
		if (buffers->map[i])
			munmap(buffers->map[i], pool_size(link));
		close_fd(&buffers->fd[i]);
	}
}

static int setup(struct link *link)
{
	return slice_setup(link) ? -1 : queue_setup(link);
}

void slice_attach(struct end *end)
{
	struct slice_buffers *buffers = end->link->own;

	end->out = buffers->map[end->side];
}

static int attach(struct end *end)
{
	slice_attach(end);
	return pair_attach(end);
}

int slice_put(struct end *end, size_t len)
{
	struct slice_buffers *buffers = end->link->own;
	struct slice_own *own = end->own;
	struct ipcdev_slice slice = {
		.fd = buffers->fd[end->side],
		.offset = slot_offset(end->link, own->sent),
		.length = len,
	};

	end->out = buffers->map[end->side] +
		   slot_offset(end->link, ++own->sent);
	return ipcdev_queue_send_slice(out_fd(end), NULL, 0, &slice, NULL);
}

/* The buffer is mapped already: no new descriptor of it is wanted. */
int slice_get(struct end *end, size_t len)
{
	struct slice_buffers *buffers = end->link->own;
	struct ipcdev_slice slice;
	struct ipcdev_msg msg = {
		.flags = IPCDEV_MSG_SLICE_IDS,
		.slices = ipcdev_ptr(&slice),
		.slice_count = 1,
	};

	if (ipcdev_queue_recv_msg(end->fd, &msg, 0, NULL))
		return -1;
	if (msg.slice_count != 1 || slice.length != len) {
		errno = EBADMSG;
		return -1;
	}
	end->in = buffers->map[!end->side] + slice.offset;
	return 0;
}

const struct method ipcdev_slice_method = {
	.name = "ipcdev-slice",
	.about = "a slice of a mapped ipcdev buffer, sent through a queue",
	.in_place = true,
	.polled = true,
	.min = 1,
	.link_size = sizeof(struct slice_buffers),
	.end_size = sizeof(struct slice_own),
	.setup = setup,
	.teardown = slice_teardown,
	.attach = attach,
	.send = slice_put,
	.recv = slice_get,
};
