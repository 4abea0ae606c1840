// SPDX-License-Identifier: GPL-2.0
#include <limits.h>

#include "ipcdev_ring.h"

static int attach(struct end *end)
{
	return ring_pair_attach(end, INT_MAX);
}

const struct method ipcdev_ring_spin_method = {
	.name = "ipcdev-ring-spin",
	.about = "ipcdev's ring, copied in and out; who must wait spins",
	.spins = true,
	.apart = true,
	.polled = true,
	.end_size = sizeof(struct ring_pair),
	.setup = ring_pair_setup,
	.attach = attach,
	.detach = ring_pair_detach,
	.send = ring_pair_send,
	.recv = ring_pair_recv,
};
