// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

#define PATH	"/tmp/ipcdev-bench-nng"

/**
 * struct own - of a link
 * @address: where side 1 is to be found
 */
struct own {
	char address[96];
};

/* The library has threads, and so is not touched before the ends attach. */
static int setup(struct link *link)
{
	struct own *own = link->own;
	static unsigned int number;

	snprintf(own->address, sizeof(own->address), "ipc://%s",
		 unique(link, PATH, number++));
	return 0;
}

static void teardown(struct link *link)
{
	unlink(((struct own *)link->own)->address + sizeof("ipc://") - 1);
}

/* Some of its errors are the system's. */
static int result(int error)
{
	if (!error)
		return 0;
	errno = error & NNG_ESYSERR ? error & ~NNG_ESYSERR :
		error == NNG_ECLOSED ? EPIPE : EIO;
	return -1;
}

static int attach(struct end *end)
{
	const struct own *own = end->link->own;
	nng_socket *socket = end->own;
	int error;

	error = nng_pair0_open(socket) ?:
		nng_socket_set_ms(*socket, NNG_OPT_RECONNMINT, 1) ?:
		nng_socket_get_int(*socket, NNG_OPT_RECVFD, &end->fd);
	if (error)
		return result(error);
	if (end->side)
		return result(nng_listen(*socket, own->address, NULL, 0));
	/* Side 1 may not be there yet. */
	return result(nng_dial(*socket, own->address, NULL, NNG_FLAG_NONBLOCK));
}

static void detach(struct end *end)
{
	nng_close(*(nng_socket *)end->own);
}

static int put(struct end *end, size_t len)
{
	return result(nng_send(*(nng_socket *)end->own, end->out, len, 0));
}

static int get(struct end *end, size_t len)
{
	size_t done = MAX(len, 8);

	if (result(nng_recv(*(nng_socket *)end->own, end->in, &done, 0)))
		return -1;
	if (done == len)
		return 0;
	errno = EMSGSIZE;
	return -1;
}

const struct method nng_method = {
	.name = "nng",
	.about = "nng over ipc://, pair to pair; several threads at each side",
	.copies = true,
	.heavy = true,
	.polled = true,
	.link_size = sizeof(struct own),
	.end_size = sizeof(nng_socket),
	.setup = setup,
	.teardown = teardown,
	.attach = attach,
	.detach = detach,
	.send = put,
	.recv = get,
};
