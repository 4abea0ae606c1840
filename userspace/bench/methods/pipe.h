/* SPDX-License-Identifier: GPL-2.0 */
/* What methods that are made of pipes share. */
#ifndef PIPE_H
#define PIPE_H

#include "bench.h"

int pipe_setup(struct link *link);
int pipe_room(struct link *link);
int pipe_send(struct end *end, size_t len);
int pipe_recv(struct end *end, size_t len);

#endif /* PIPE_H */
