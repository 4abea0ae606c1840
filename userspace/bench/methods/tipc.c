// SPDX-License-Identifier: GPL-2.0
#include <sys/socket.h>

#include <linux/tipc.h>

#include "bench.h"

static int setup(struct link *link)
{
	if (socketpair(AF_TIPC, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link->fd))
		return -1;
	return socket_room(link);
}

const struct method tipc_method = {
	.name = "tipc",
	.about = "a pair of TIPC sockets that keep message boundaries",
	.copies = true,
	.polled = true,
	.min = 1,
	.max = TIPC_MAX_USER_MSG_SIZE,
	.setup = setup,
	.attach = socket_attach,
	.send = socket_send,
	.recv = socket_recv,
};
