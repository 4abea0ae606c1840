/* SPDX-License-Identifier: GPL-2.0 */
/* Messages that are slices of a buffer which both sides have mapped. */
#ifndef IPCDEV_SLICE_H
#define IPCDEV_SLICE_H

#include "bench.h"

/**
 * struct slice_buffers - of a link: what each side sends lies in a buffer of its own
 * @fd: the buffers
 * @map: where they are mapped
 */
struct slice_buffers {
	int fd[2];
	char *map[2];
};

struct slice_own {
	unsigned int sent;
};

int slice_setup(struct link *link);
void slice_teardown(struct link *link);
void slice_attach(struct end *end);
int slice_put(struct end *end, size_t len);
int slice_get(struct end *end, size_t len);

#endif /* IPCDEV_SLICE_H */
