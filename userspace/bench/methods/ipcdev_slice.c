// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/mman.h>

#include <ipcdev.h>

#include "ipcdev_queue.h"
#include "slots.h"

/**
 * struct buffers - of a link: what each side sends lies in a buffer of its own
 * @fd: the buffers
 * @map: where they are mapped
 */
struct buffers {
	int fd[2];
	char *map[2];
};

struct own {
	unsigned int sent;
};

static int setup(struct link *link)
{
	struct buffers *buffers = link->own;

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
	return queue_setup(link);
}

static void teardown(struct link *link)
{
	struct buffers *buffers = link->own;

	for (int i = 0; i < 2; i++) {
		if (buffers->map[i])
			munmap(buffers->map[i], pool_size(link));
		close_fd(&buffers->fd[i]);
	}
}

static int attach(struct end *end)
{
	struct buffers *buffers = end->link->own;

	end->out = buffers->map[end->side];
	return pair_attach(end);
}

static int put(struct end *end, size_t len)
{
	struct buffers *buffers = end->link->own;
	struct own *own = end->own;
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
static int get(struct end *end, size_t len)
{
	struct buffers *buffers = end->link->own;
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
	.link_size = sizeof(struct buffers),
	.end_size = sizeof(struct own),
	.setup = setup,
	.teardown = teardown,
	.attach = attach,
	.send = put,
	.recv = get,
};
