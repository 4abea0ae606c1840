/* SPDX-License-Identifier: GPL-2.0 */
/* What methods that are made of signals share. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>

#include "bench.h"

int signals_setup(struct link *link);
void signals_of(struct end *end, sigset_t *set);
int signals_send(struct end *end, size_t len);

#endif /* SIGNALS_H */
