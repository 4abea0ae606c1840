// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

#include "bench.h"

#define PATH	"/tmp/ipcdev-bench-zmq"

/**
 * struct own - of a link
 * @address: where side 1 is to be found
 */
struct own {
	char address[96];
};

/*
 * One for each process, as its manual wants. It has threads, and so is only
 * made where nobody forks any more.
 */
static void *context;

static int setup(struct link *link)
{
	struct own *own = link->own;
	static unsigned int number;

	if (!zmq_has("ipc"))
		return skip(link, "libzmq was built without ipc://");
	/* Closing goes on in the background, and removes the name late. */
	snprintf(own->address, sizeof(own->address), "ipc://%s",
		 unique(link, PATH, number++));
	return 0;
}

static void teardown(struct link *link)
{
	unlink(((struct own *)link->own)->address + sizeof("ipc://") - 1);
}

static int attach(struct end *end)
{
	const struct own *own = end->link->own;
	size_t size = sizeof(end->fd);
	void **socket = end->own;
	int none = 0, soon = 1;

	if (!context)
		context = zmq_ctx_new();
	*socket = context ? zmq_socket(context, ZMQ_DEALER) : NULL;
	if (!*socket)
		return -1;
	zmq_setsockopt(*socket, ZMQ_LINGER, &none, sizeof(none));
	zmq_setsockopt(*socket, ZMQ_RECONNECT_IVL, &soon, sizeof(soon));
	zmq_getsockopt(*socket, ZMQ_FD, &end->fd, &size);
	return end->side ? zmq_bind(*socket, own->address) :
			   zmq_connect(*socket, own->address);
}

static void detach(struct end *end)
{
	zmq_close(*(void **)end->own);
}

static int put(struct end *end, size_t len)
{
	return zmq_send(*(void **)end->own, end->out, len, 0) < 0 ? -1 : 0;
}

static int get(struct end *end, size_t len)
{
	int done = zmq_recv(*(void **)end->own, end->in, MAX(len, 8), 0);

	if (done < 0)
		return -1;
	if ((size_t)done == len)
		return 0;
	errno = EMSGSIZE;
	return -1;
}

const struct method zeromq_method = {
	.name = "zeromq",
	.about = "ZeroMQ over ipc://, dealer to dealer; a thread at each side",
	.copies = true,
	.heavy = true,
	.many_senders = true,
	.link_size = sizeof(struct own),
	.end_size = sizeof(void *),
	.setup = setup,
	.teardown = teardown,
	.attach = attach,
	.detach = detach,
	.send = put,
	.recv = get,
};
