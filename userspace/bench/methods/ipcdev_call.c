// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include <ipcdev.h>

#include "ipcdev_queue.h"

/* The structure of each side, used again for each call. */
struct own {
	struct ipcdev_call call;
};

static int attach(struct end *end)
{
	struct own *own = end->own;

	/* The side that serves sends replies and receives requests. */
	own->call = (struct ipcdev_call) {
		.request.data = ipcdev_ptr(end->side ? end->in : end->out),
		.reply.data = ipcdev_ptr(end->side ? end->out : end->in),
	};
	return pair_attach(end);
}

static int call(struct end *end, size_t len)
{
	struct ipcdev_call *call = &((struct own *)end->own)->call;

	call->request.len = len;
	call->reply.len = len;
	if (ipcdev_call_msg(out_fd(end), call, NULL))
		return -1;
	if (call->reply.len == len)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* Answers what came last, if that was a call, and receives the next. */
static int serve(struct end *end, size_t len)
{
	struct ipcdev_call *call = &((struct own *)end->own)->call;

	call->reply.token = call->request.token;
	call->reply.error = 0;
	call->reply.len = len;
	call->request.len = len;
	return ipcdev_reply_recv_msg(end->fd, call, NULL);
}

const struct method ipcdev_call_method = {
	.name = "ipcdev-call",
	.about = "ipcdev's call, and reply-and-receive",
	.only = ONLY(ROUNDTRIP),
	.polled = true,
	.end_size = sizeof(struct own),
	.setup = queue_setup,
	.attach = attach,
	.recv = serve,
	.call = call,
	.serve = serve,
};
