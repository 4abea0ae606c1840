// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include <ipcdev.h>

#include "ipcdev_engine.h"

/* As many NOPs in one call as a method of these sends. */
#define BATCH_MAX	32

int engine_setup(struct link *link)
{
	for (int side = 0; side < 2; side++) {
		link->fd[side] = ipcdev_engine_create(NULL, 0, 0, 0);
		if (link->fd[side] < 0)
			return -1;
	}
	return 0;
}

int engine_attach(struct end *end)
{
	struct engine_end *own = end->own;

	if (ipcdev_ring_open(&own->in, end->link->fd[end->side], IPCDEV_RIGHT_READ))
		return -1;
	ipcdev_ring_set_spin(&own->in, 0);
	end->fd = own->in.fd;
	return 0;
}

void engine_detach(struct end *end)
{
	ipcdev_ring_close(&((struct engine_end *)end->own)->in);
}

int engine_send(struct end *end, unsigned int count)
{
	struct ipcdev_engine_request requests[BATCH_MAX];
	struct engine_end *own = end->own;
	int sent;

	for (unsigned int i = 0; i < count; i++)
		ipcdev_engine_nop(requests + i, own->sent++);
	sent = ipcdev_engine_submit(end->link->fd[!end->side], requests, count, NULL);
	return sent == (int)count ? 0 : -1;
}

/* Consumes the next completion, if there is one. */
static inline int take(struct engine_end *own, const struct ipcdev_completion *next)
{
	if (!next)
		return -1;
	if (next->user_data != own->received++ || next->result) {
		errno = EBADMSG;
		return -1;
	}
	ipcdev_ring_consume(&own->in);
	return 0;
}

int engine_take_one(struct end *end)
{
	struct engine_end *own = end->own;

	return take(own, ipcdev_engine_await(&own->in, NULL));
}

int engine_recv(struct end *end, unsigned int count)
{
	struct engine_end *own = end->own;

	if (ipcdev_engine_wait(&own->in, count, NULL))
		return -1;
	while (count--) {
		if (take(own, ipcdev_engine_peek(&own->in)))
			return -1;
	}
	return ipcdev_ring_flush(&own->in);
}

static int send_one(struct end *end, size_t len)
{
	(void)len;
	return engine_send(end, 1);
}

static int recv_one(struct end *end, size_t len)
{
	(void)len;
	return engine_recv(end, 1);
}

const struct method ipcdev_engine_method = {
	.name = "ipcdev-engine",
	.about = "a NOP to ipcdev's engine, whose interrupt wakes the other side; no data",
	.only = ONLY(ROUNDTRIP) | ONLY(STREAM) | ONLY(SETUP) | ONLY(WAKEUP) |
		ONLY(MEMORY),
	.empty = true,
	.polled = true,
	.end_size = sizeof(struct engine_end),
	.setup = engine_setup,
	.attach = engine_attach,
	.detach = engine_detach,
	.send = send_one,
	.recv = recv_one,
};
