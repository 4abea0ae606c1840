// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "ipcdev_call.h"
#include "ipcdev_queue.h"

int call_attach(struct end *end)
{
	struct call_own *own = end->own;

	/* The side that serves sends replies and receives requests. */
	own->call = (struct ipcdev_call) {
		.request.data = ipcdev_ptr(end->side ? end->in : end->out),
		.reply.data = ipcdev_ptr(end->side ? end->out : end->in),
	};
	return pair_attach(end);
}

int call_ask(struct end *end, size_t len, const struct ipcdev_deadline *deadline)
{
	struct ipcdev_call *call = &((struct call_own *)end->own)->call;

	call->request.len = len;
	call->reply.len = len;
	if (ipcdev_call_msg(out_fd(end), call, deadline))
		return -1;
	if (call->reply.len == len)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* Answers what came last, if that was a call, and receives the next. */
int call_serve(struct end *end, size_t len)
{
	struct ipcdev_call *call = &((struct call_own *)end->own)->call;

	call->reply.token = call->request.token;
	call->reply.error = 0;
	call->reply.len = len;
	call->request.len = len;
	return ipcdev_reply_recv_msg(end->fd, call, NULL);
}

static int call(struct end *end, size_t len)
{
	return call_ask(end, len, NULL);
}

const struct method ipcdev_call_method = {
	.name = "ipcdev-call",
	.about = "ipcdev's call, and reply-and-receive",
	.only = ONLY(ROUNDTRIP),
	.polled = true,
	.end_size = sizeof(struct call_own),
	.setup = queue_setup,
	.attach = call_attach,
	.recv = call_serve,
	.call = call,
	.serve = call_serve,
};
