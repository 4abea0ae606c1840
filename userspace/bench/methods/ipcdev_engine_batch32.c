// SPDX-License-Identifier: GPL-2.0
#include "ipcdev_engine.h"

#define BATCH	32

static int send_batch(struct end *end, size_t len)
{
	(void)len;
	return engine_send(end, BATCH);
}

static int recv_batch(struct end *end, size_t len)
{
	(void)len;
	return engine_recv(end, BATCH);
}

const struct method ipcdev_engine_batch32_method = {
	.name = "ipcdev-engine-batch32",
	.about = "32 NOPs to ipcdev's engine in one call, reaped together; no data",
	.only = ONLY(STREAM),
	.empty = true,
	.batch = BATCH,
	.end_size = sizeof(struct engine_end),
	.setup = engine_setup,
	.attach = engine_attach,
	.detach = engine_detach,
	.send = send_batch,
	.recv = recv_batch,
};
