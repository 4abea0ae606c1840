/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Engines, one for each direction: fd[side] is the one whose completions that side
 * reaps. What the other side sends is NOPs; they carry no data, but are numbered.
 */
#ifndef IPCDEV_ENGINE_METHOD_H
#define IPCDEV_ENGINE_METHOD_H

#include <ipcdev_engine.h>

#include "bench.h"

/**
 * struct engine_end - a side
 * @in: where it reaps
 * @sent: NOPs that it has submitted
 * @received: completions that it has reaped
 */
struct engine_end {
	struct ipcdev_ring in;
	uint64_t sent;
	uint64_t received;
};

int engine_setup(struct link *link);
int engine_attach(struct end *end);
void engine_detach(struct end *end);
int engine_send(struct end *end, unsigned int count);
/* Sleeps for a completion, and consumes it. */
int engine_take_one(struct end *end);
/* Sleeps for so many, consumes them, and gives their room back. */
int engine_recv(struct end *end, unsigned int count);

#endif /* IPCDEV_ENGINE_METHOD_H */
