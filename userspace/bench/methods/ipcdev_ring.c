// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include <ipcdev.h>

#include "ipcdev_ring.h"

/* As many bytes as the places of the benchmark's other rings have. */
#define PLACES	16

int ring_pair_setup(struct link *link)
{
	size_t size = PLACES * MAX(link->size, 1);

	for (int side = 0; side < 2; side++) {
		link->fd[side] = ipcdev_ring_create(size, 0, 0);
		if (link->fd[side] < 0)
			return -1;
	}
	return 0;
}

int ring_pair_attach(struct end *end, uint32_t spin)
{
	struct ring_pair *pair = end->own;
	struct link *link = end->link;

	if (ipcdev_ring_open(&pair->in, link->fd[end->side], IPCDEV_RIGHT_READ))
		return -1;
	if (ipcdev_ring_open(&pair->out, link->fd[!end->side], IPCDEV_RIGHT_WRITE)) {
		ipcdev_ring_close(&pair->in);
		return -1;
	}
	ipcdev_ring_set_spin(&pair->in, spin);
	ipcdev_ring_set_spin(&pair->out, spin);
	end->fd = pair->in.fd;
	return 0;
}

void ring_pair_detach(struct end *end)
{
	struct ring_pair *pair = end->own;

	ipcdev_ring_close(&pair->in);
	ipcdev_ring_close(&pair->out);
}

/*
 * A program whose records are of one type knows their size when it is compiled, and
 * copies them without a call.
 */
#define TYPICAL	64

int ring_pair_send(struct end *end, size_t len)
{
	struct ipcdev_ring *out = &((struct ring_pair *)end->own)->out;

	if (len == TYPICAL)
		return ipcdev_ring_send(out, end->out, TYPICAL, NULL);
	return ipcdev_ring_send(out, end->out, len, NULL);
}

int ring_wrong_length(ssize_t got)
{
	if (got >= 0)
		errno = EBADMSG;
	return -1;
}

int ring_pair_recv(struct end *end, size_t len)
{
	struct ipcdev_ring *in = &((struct ring_pair *)end->own)->in;
	ssize_t got;

	if (len == TYPICAL)
		got = ipcdev_ring_recv(in, end->in, TYPICAL, NULL);
	else
		got = ipcdev_ring_recv(in, end->in, len, NULL);
	return got == (ssize_t)len ? 0 : ring_wrong_length(got);
}

static int attach(struct end *end)
{
	return ring_pair_attach(end, 0);
}

/* Each side has at most one message under way, and so always room for it. */
static int exchange(struct end *end, size_t len)
{
	struct ring_pair *pair = end->own;
	void *room = ipcdev_ring_reserve(&pair->out, len);

	if (!room)
		return -1;
	memcpy(room, end->out, len);
	ipcdev_ring_append(&pair->out, len);
	if (ipcdev_ring_exchange(&pair->out, &pair->in, NULL))
		return -1;
	return ring_pair_recv(end, len);
}

const struct method ipcdev_ring_method = {
	.name = "ipcdev-ring",
	.about = "ipcdev's ring, copied in and out; who must wait sleeps",
	.polled = true,
	.end_size = sizeof(struct ring_pair),
	.setup = ring_pair_setup,
	.attach = attach,
	.detach = ring_pair_detach,
	.send = ring_pair_send,
	.recv = ring_pair_recv,
	.call = exchange,
	.serve = exchange,
};
