// SPDX-License-Identifier: GPL-2.0
#include <ipcdev.h>

#include "ipcdev_queue.h"

#define BATCH	16

struct own {
	struct ipcdev_msg out[BATCH];
	struct ipcdev_msg in[BATCH];
};

static int attach(struct end *end)
{
	size_t size = end->link->size;
	struct own *own = end->own;

	for (int i = 0; i < BATCH; i++) {
		own->out[i].data = ipcdev_ptr((char *)end->out + i * size);
		own->out[i].len = size;
		own->in[i].data = ipcdev_ptr((char *)end->in + i * size);
		own->in[i].len = size;
	}
	return pair_attach(end);
}

static int put(struct end *end, size_t len)
{
	struct own *own = end->own;

	(void)len;
	return ipcdev_queue_send_batch(out_fd(end), own->out, BATCH, 0, NULL) ==
	       BATCH ? 0 : -1;
}

static int get(struct end *end, size_t len)
{
	struct own *own = end->own;

	(void)len;
	/* The first may be there before the others. */
	for (int done = 0; done < BATCH;) {
		int more = ipcdev_queue_recv_batch(end->fd, own->in + done,
						   BATCH - done, 0, NULL);

		if (more < 0)
			return -1;
		done += more;
	}
	return 0;
}

const struct method ipcdev_batch16_method = {
	.name = "ipcdev-batch16",
	.about = "ipcdev's queue, sixteen messages at once; each one's part",
	.only = ONLY(STREAM),
	.polled = true,
	.batch = BATCH,
	.end_size = sizeof(struct own),
	.setup = queue_setup,
	.attach = attach,
	.send = put,
	.recv = get,
};
