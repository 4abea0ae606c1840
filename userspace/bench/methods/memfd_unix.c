// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slots.h"

/**
 * struct own - of an end
 * @memfd: what it sends, one for each slot
 * @map: the same, mapped
 * @next: the slot that is being composed
 */
struct own {
	int memfd[SLOTS];
	void *map[SLOTS];
	unsigned int next;
};

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static int setup(struct link *link)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link->fd);
}

static int attach(struct end *end)
{
	size_t size = slot_size(end->link);
	struct own *own = end->own;

	for (int i = 0; i < SLOTS; i++) {
		own->memfd[i] = memfd_create("ipcdev-bench", MFD_CLOEXEC);
		if (own->memfd[i] < 0 || ftruncate(own->memfd[i], size))
			return -1;
		own->map[i] = mmap(NULL, size, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_POPULATE, own->memfd[i], 0);
		if (own->map[i] == MAP_FAILED)
			return -1;
	}
	end->out = own->map[0];
	end->in = NULL;
	return socket_attach(end);
}

static void detach(struct end *end)
{
	size_t size = slot_size(end->link);
	struct own *own = end->own;

	for (int i = 0; i < SLOTS; i++) {
		munmap(own->map[i], size);
		close(own->memfd[i]);
	}
	if (end->in)
		munmap(end->in, size);
}

static int put(struct end *end, size_t len)
{
	struct own *own = end->own;
	union control control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	(void)len;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &own->memfd[own->next], sizeof(int));
	if (sendmsg(end->fd, &msg, MSG_NOSIGNAL) < 0)
		return -1;
	own->next = (own->next + 1) % SLOTS;
	end->out = own->map[own->next];
	return 0;
}

static int get(struct end *end, size_t len)
{
	size_t size = slot_size(end->link);
	union control control = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t done;
	int memfd;

	(void)len;
	if (end->in)
		munmap(end->in, size);
	end->in = NULL;
	done = recvmsg(end->fd, &msg, MSG_CMSG_CLOEXEC);
	if (!done)
		errno = EPIPE;
	if (done <= 0)
		return -1;
	if (control.header.cmsg_type != SCM_RIGHTS) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(&memfd, CMSG_DATA(&control.header), sizeof(int));
	end->in = mmap(NULL, size, PROT_READ, MAP_SHARED, memfd, 0);
	close(memfd);
	if (end->in != MAP_FAILED)
		return 0;
	end->in = NULL;
	return -1;
}

const struct method memfd_unix_method = {
	.name = "memfd-unix",
	.about = "a memfd with the data, sent over AF_UNIX, mapped and unmapped",
	.in_place = true,
	.polled = true,
	.min = 1,
	.end_size = sizeof(struct own),
	.setup = setup,
	.attach = attach,
	.detach = detach,
	.send = put,
	.recv = get,
};
