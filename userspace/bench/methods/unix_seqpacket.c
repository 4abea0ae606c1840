// SPDX-License-Identifier: GPL-2.0
#include <sys/socket.h>

#include "bench.h"

static int setup(struct link *link)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link->fd))
		return -1;
	return socket_room(link);
}

const struct method unix_seqpacket_method = {
	.name = "unix-seqpacket",
	.about = "the same, keeping message boundaries",
	.copies = true,
	.polled = true,
	.min = 1,
	.setup = setup,
	.attach = socket_attach,
	.send = socket_send,
	.recv = socket_recv,
};
