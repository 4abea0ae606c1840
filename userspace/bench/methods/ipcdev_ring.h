/* SPDX-License-Identifier: GPL-2.0 */
/* Pairs of ipcdev's rings, one for each direction: fd[side] is what it receives by. */
#ifndef IPCDEV_RING_METHOD_H
#define IPCDEV_RING_METHOD_H

#include <ipcdev_ring.h>

#include "bench.h"

struct ring_pair {
	struct ipcdev_ring in;
	struct ipcdev_ring out;
};

int ring_pair_setup(struct link *link);
int ring_pair_attach(struct end *end, uint32_t spin);
void ring_pair_detach(struct end *end);
int ring_pair_send(struct end *end, size_t len);
int ring_pair_recv(struct end *end, size_t len);
/* Another record than this one was expected: -1, and errno. */
int ring_wrong_length(ssize_t got);

#endif /* IPCDEV_RING_METHOD_H */
