/* SPDX-License-Identifier: GPL-2.0 */
/* Timers of an engine: fd[side] is where that side submits, and reaps. */
#ifndef IPCDEV_TIMER_METHOD_H
#define IPCDEV_TIMER_METHOD_H

#include "ipcdev_engine.h"

int timer_arm(struct end *end, uint64_t due);
int timer_recv(struct end *end, size_t len);

#endif /* IPCDEV_TIMER_METHOD_H */
