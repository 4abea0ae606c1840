// SPDX-License-Identifier: GPL-2.0
#include "ipcdev_ring.h"

/* Where the next message is composed; there may be no room for it yet. */
static int reserve(struct end *end)
{
	struct ipcdev_ring *out = &((struct ring_pair *)end->own)->out;
	size_t len = end->link->size;

	end->out = ipcdev_ring_await_room(out, len, NULL);
	return end->out ? 0 : -1;
}

static int attach(struct end *end)
{
	if (ring_pair_attach(end, 0))
		return -1;
	if (!reserve(end))
		return 0;
	ring_pair_detach(end);
	return -1;
}

static int put(struct end *end, size_t len)
{
	struct ipcdev_ring *out = &((struct ring_pair *)end->own)->out;

	return ipcdev_ring_commit(out, len) ? -1 : reserve(end);
}

/* What is there stays until the next message is asked for. */
static int look(struct end *end, size_t len)
{
	struct ipcdev_ring *in = &((struct ring_pair *)end->own)->in;
	size_t got;
	const void *record = ipcdev_ring_await_record(in, &got, NULL);

	if (!record)
		return -1;
	end->in = (void *)record;
	return got == len ? 0 : ring_wrong_length(got);
}

static int get(struct end *end, size_t len)
{
	ipcdev_ring_release(&((struct ring_pair *)end->own)->in);
	return look(end, len);
}

static int exchange(struct end *end, size_t len)
{
	struct ring_pair *pair = end->own;

	ipcdev_ring_append(&pair->out, len);
	ipcdev_ring_consume(&pair->in);
	if (ipcdev_ring_exchange(&pair->out, &pair->in, NULL) || look(end, len))
		return -1;
	return reserve(end);
}

const struct method ipcdev_ring_inplace_method = {
	.name = "ipcdev-ring-inplace",
	.about = "the same, composed and looked at in the ring, without a copy",
	.in_place = true,
	.polled = true,
	.end_size = sizeof(struct ring_pair),
	.setup = ring_pair_setup,
	.attach = attach,
	.detach = ring_pair_detach,
	.send = put,
	.recv = get,
	.call = exchange,
	.serve = exchange,
};
