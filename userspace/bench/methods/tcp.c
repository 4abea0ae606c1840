// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

static int setup(struct link *link)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	int yes = 1;

	link->fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || link->fd[0] < 0 ||
	    bind(listener, (void *)&address, sizeof(address)) ||
	    listen(listener, 1) ||
	    getsockname(listener, (void *)&address, &len) ||
	    connect(link->fd[0], (void *)&address, sizeof(address)))
		return -1;
	link->fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	if (link->fd[1] < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		setsockopt(link->fd[i], IPPROTO_TCP, TCP_NODELAY, &yes,
			   sizeof(yes));
	return socket_room(link);
}

const struct method tcp_method = {
	.name = "tcp",
	.about = "TCP over the loopback interface, TCP_NODELAY",
	.copies = true,
	.polled = true,
	.min = 1,
	.setup = setup,
	.attach = socket_attach,
	.send = socket_send,
	.recv = socket_recv_all,
};
