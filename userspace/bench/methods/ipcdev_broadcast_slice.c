// SPDX-License-Identifier: GPL-2.0
#include "ipcdev_broadcast.h"
#include "ipcdev_slice.h"

static int setup(struct link *link)
{
	return slice_setup(link) ? -1 : broadcast_setup(link);
}

static int attach(struct end *end)
{
	slice_attach(end);
	return broadcast_attach(end);
}

const struct method ipcdev_broadcast_slice_method = {
	.name = "ipcdev-broadcast-slice",
	.about = "a slice of a mapped ipcdev buffer, through a broadcast queue",
	.only = ONLY(FANOUT) | ONLY(STREAM) | ONLY(SETUP) | ONLY(MEMORY),
	.one_for_all = true,
	.in_place = true,
	.polled = true,
	.min = 1,
	.link_size = sizeof(struct slice_buffers),
	.end_size = sizeof(struct slice_own),
	.setup = setup,
	.teardown = slice_teardown,
	.attach = attach,
	.detach = broadcast_detach,
	.send = slice_put,
	.recv = slice_get,
};
