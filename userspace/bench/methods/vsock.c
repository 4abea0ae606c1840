// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "bench.h"

static int setup(struct link *link)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	if (listener < 0)
		return -1;
	link->fd[0] = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd[0] < 0 ||
	    bind(listener, (void *)&address, sizeof(address)) ||
	    listen(listener, 1) ||
	    getsockname(listener, (void *)&address, &len) ||
	    connect(link->fd[0], (void *)&address, sizeof(address))) {
		close(listener);
		if (errno == EADDRNOTAVAIL || errno == ENODEV)
			return skip(link, "vsock_loopback is not loaded");
		return -1;
	}
	link->fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return link->fd[1] < 0 ? -1 : 0;
}

const struct method vsock_method = {
	.name = "vsock",
	.about = "AF_VSOCK stream to oneself; a kernel thread carries it over",
	.copies = true,
	.polled = true,
	.min = 1,
	.setup = setup,
	.attach = socket_attach,
	.send = socket_send,
	.recv = socket_recv_all,
};
