// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "bench.h"

/* A message must fit in what the receiver offers, 256 KiB unless it says so. */
static void make_room(int fd, size_t size)
{
	uint64_t room = MAX(2 * size, 256 * 1024);

	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &room,
		   sizeof(room));
	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &room, sizeof(room));
}

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
	make_room(listener, link->size);
	make_room(link->fd[0], link->size);
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
