/* SPDX-License-Identifier: GPL-2.0 */
/* What the methods that are made of ipcdev's queues share. */
#ifndef IPCDEV_QUEUE_H
#define IPCDEV_QUEUE_H

#include "bench.h"

int queue_setup(struct link *link);

#endif /* IPCDEV_QUEUE_H */
