// SPDX-License-Identifier: GPL-2.0
#include <sys/socket.h>

#include "bench.h"

static int setup(struct link *link)
{
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, link->fd))
		return -1;
	return socket_room(link);
}

const struct method unix_dgram_method = {
	.name = "unix-dgram",
	.about = "a pair of AF_UNIX datagram sockets",
	.copies = true,
	.polled = true,
	.many_senders = true,
	.setup = setup,
	.attach = socket_attach,
	.send = socket_send,
	.recv = socket_recv,
};
