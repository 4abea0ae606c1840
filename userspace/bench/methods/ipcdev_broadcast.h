/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IPCDEV_BROADCAST_H
#define IPCDEV_BROADCAST_H

#include "bench.h"

int broadcast_setup(struct link *link);
int broadcast_attach(struct end *end);
void broadcast_detach(struct end *end);

#endif /* IPCDEV_BROADCAST_H */
