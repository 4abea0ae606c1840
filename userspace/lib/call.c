// SPDX-License-Identifier: LGPL-2.1-or-later
/* Queues: calls and their replies. */
#include "internal.h"

/* The call's own structure is the kernel's: nothing is copied here. */
static int call_ioctl(int fd, unsigned long cmd, struct ipcdev_call *call,
		      const struct ipcdev_deadline *deadline)
{
	/* Of the last time, if it is used again. */
	call->flags &= IPCDEV_NONBLOCK;
	call->deadline_ns = 0;
	if (set_deadline(deadline, &call->flags, &call->deadline_ns))
		return -1;
	return ioctl(fd, cmd, call);
}

int ipcdev_call_msg(int fd, struct ipcdev_call *call,
		    const struct ipcdev_deadline *deadline)
{
	return call_ioctl(fd, IPCDEV_IOC_CALL, call, deadline);
}

int ipcdev_reply_recv_msg(int fd, struct ipcdev_call *call,
			  const struct ipcdev_deadline *deadline)
{
	return call_ioctl(fd, IPCDEV_IOC_REPLY_RECV, call, deadline);
}

ssize_t ipcdev_call(int fd, const void *request, size_t len, void *reply,
		    size_t size, const struct ipcdev_deadline *deadline)
{
	struct ipcdev_call call = {
		.request.data = ipcdev_ptr(request),
		.request.len = len,
		.reply.data = ipcdev_ptr(reply),
		.reply.len = size < UINT32_MAX ? size : UINT32_MAX,
		.reply.flags = IPCDEV_MSG_DROP_FDS,
	};

	if (len > UINT32_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (call_ioctl(fd, IPCDEV_IOC_CALL, &call, deadline))
		return -1;
	if (call.reply.error) {
		errno = call.reply.error;
		return -1;
	}
	return call.reply.len;
}

int ipcdev_reply_msg(int fd, const struct ipcdev_msg *reply)
{
	struct ipcdev_transfer transfer = {
		.msg = *reply,
	};

	return ioctl(fd, IPCDEV_IOC_REPLY, &transfer);
}

int ipcdev_reply(int fd, uint64_t token, const void *data, size_t len)
{
	struct ipcdev_transfer transfer = {
		.msg.token = token,
		.msg.data = ipcdev_ptr(data),
		.msg.len = len,
	};

	if (len > UINT32_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	return ioctl(fd, IPCDEV_IOC_REPLY, &transfer);
}

int ipcdev_reply_error(int fd, uint64_t token, int error)
{
	struct ipcdev_transfer transfer = {
		.msg.token = token,
		.msg.error = error,
	};

	/* 0 would be an empty reply. */
	if (error < 1) {
		errno = EINVAL;
		return -1;
	}
	return ioctl(fd, IPCDEV_IOC_REPLY, &transfer);
}

int ipcdev_call_waits(int fd, uint64_t token)
{
	struct ipcdev_transfer transfer = {
		.flags = IPCDEV_PEEK,
		.msg.token = token,
	};

	/* 0 would ask another question. */
	if (!token) {
		errno = ESRCH;
		return -1;
	}
	return ioctl(fd, IPCDEV_IOC_REPLY, &transfer);
}

int ipcdev_call_gone(int fd, uint64_t *token)
{
	struct ipcdev_transfer transfer = {
		.flags = IPCDEV_PEEK,
	};

	if (ioctl(fd, IPCDEV_IOC_REPLY, &transfer))
		return -1;
	*token = transfer.msg.token;
	return 0;
}
