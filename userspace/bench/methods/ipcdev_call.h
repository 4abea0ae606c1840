/* SPDX-License-Identifier: GPL-2.0 */
/* What the calls without and with a deadline share. */
#ifndef IPCDEV_CALL_H
#define IPCDEV_CALL_H

#include <ipcdev.h>

#include "bench.h"

/**
 * struct call_own - a side's
 * @call: its structure, used again for each call
 */
struct call_own {
	struct ipcdev_call call;
};

int call_attach(struct end *end);
int call_ask(struct end *end, size_t len, const struct ipcdev_deadline *deadline);
int call_serve(struct end *end, size_t len);

#endif /* IPCDEV_CALL_H */
