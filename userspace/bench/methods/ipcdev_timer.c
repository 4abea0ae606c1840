// SPDX-License-Identifier: GPL-2.0
#include "ipcdev_timer.h"

int timer_arm(struct end *end, uint64_t due)
{
	struct ipcdev_engine_request request;
	struct engine_end *own = end->own;

	ipcdev_engine_timer_at(&request, own->sent++, due);
	return ipcdev_engine_submit(end->link->fd[end->side], &request, 1, NULL) == 1 ?
		0 : -1;
}

/* The room is given back when it sleeps again. */
int timer_recv(struct end *end, size_t len)
{
	(void)len;
	return engine_take_one(end);
}

const struct method ipcdev_timer_method = {
	.name = "ipcdev-timer",
	.about = "a TIMER of ipcdev's engine, in a hard interrupt if the caller may; no data",
	.empty = true,
	.end_size = sizeof(struct engine_end),
	.setup = engine_setup,
	.attach = engine_attach,
	.detach = engine_detach,
	.arm = timer_arm,
	.recv = timer_recv,
};
