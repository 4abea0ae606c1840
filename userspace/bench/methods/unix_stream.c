// SPDX-License-Identifier: GPL-2.0
#include <sys/socket.h>

#include "bench.h"

static int setup(struct link *link)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link->fd))
		return -1;
	return socket_room(link);
}

const struct method unix_stream_method = {
	.name = "unix-stream",
	.about = "a connected pair of AF_UNIX stream sockets",
	.copies = true,
	.polled = true,
	.min = 1,
	.setup = setup,
	.attach = socket_attach,
	.send = socket_send,
	.recv = socket_recv_all,
};
