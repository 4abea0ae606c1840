// SPDX-License-Identifier: LGPL-2.1-or-later
/* Queues: messages. */
#include "internal.h"

int ipcdev_queue_create(const struct ipcdev_create_queue *attr)
{
	struct ipcdev_create_queue create = { 0 };

	if (attr)
		create = *attr;
	return device_ioctl(IPCDEV_IOC_CREATE_QUEUE, &create);
}

/* All single messages go this way; @transfer is the only copy of one. */
static int transfer_msg(int fd, unsigned long cmd,
			struct ipcdev_transfer *transfer,
			const struct ipcdev_deadline *deadline)
{
	if (set_deadline(deadline, &transfer->flags, &transfer->deadline_ns))
		return -1;
	return ioctl(fd, cmd, transfer);
}

int ipcdev_queue_send_msg(int fd, const struct ipcdev_msg *msg,
			  unsigned int flags,
			  const struct ipcdev_deadline *deadline)
{
	struct ipcdev_transfer transfer = {
		.flags = flags,
		.msg = *msg,
	};

	return transfer_msg(fd, IPCDEV_IOC_SEND, &transfer, deadline);
}

/* A failed receive, too, may have something to tell: what room it needs. */
int ipcdev_queue_recv_msg(int fd, struct ipcdev_msg *msg, unsigned int flags,
			  const struct ipcdev_deadline *deadline)
{
	struct ipcdev_transfer transfer = {
		.flags = flags,
		.msg = *msg,
	};
	int ret = transfer_msg(fd, IPCDEV_IOC_RECV, &transfer, deadline);

	*msg = transfer.msg;
	return ret;
}

int ipcdev_queue_peek(int fd, unsigned int position, struct ipcdev_msg *msg)
{
	struct ipcdev_transfer transfer = {
		.flags = IPCDEV_PEEK,
		.position = position,
		.msg = *msg,
	};
	int ret = transfer_msg(fd, IPCDEV_IOC_RECV, &transfer, NULL);

	*msg = transfer.msg;
	return ret;
}

static int transfer_batch(int fd, unsigned long cmd, struct ipcdev_msg *msgs,
			  unsigned int count, unsigned int flags,
			  const struct ipcdev_deadline *deadline)
{
	struct ipcdev_batch batch = {
		.flags = flags,
		.count = count,
		.msgs = ipcdev_ptr(msgs),
		.msg_size = sizeof(*msgs),
	};

	if (set_deadline(deadline, &batch.flags, &batch.deadline_ns))
		return -1;
	return ioctl(fd, cmd, &batch);
}

int ipcdev_queue_send_batch(int fd, struct ipcdev_msg *msgs, unsigned int count,
			    unsigned int flags,
			    const struct ipcdev_deadline *deadline)
{
	return transfer_batch(fd, IPCDEV_IOC_SEND_BATCH, msgs, count, flags,
			      deadline);
}

int ipcdev_queue_recv_batch(int fd, struct ipcdev_msg *msgs, unsigned int count,
			    unsigned int flags,
			    const struct ipcdev_deadline *deadline)
{
	return transfer_batch(fd, IPCDEV_IOC_RECV_BATCH, msgs, count, flags,
			      deadline);
}

/* Makes a message of a payload; one that its length cannot tell is too long. */
static int set_payload(struct ipcdev_msg *msg, const void *data, size_t len)
{
	if (len > UINT32_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	msg->data = ipcdev_ptr(data);
	msg->len = len;
	return 0;
}

/* More room than any message needs is as good as less. */
static void set_room(struct ipcdev_msg *msg, void *buf, size_t size)
{
	msg->data = ipcdev_ptr(buf);
	msg->len = size < UINT32_MAX ? size : UINT32_MAX;
}

int ipcdev_queue_send(int fd, const void *data, size_t len, unsigned int prio,
		      const struct ipcdev_deadline *deadline)
{
	struct ipcdev_transfer transfer = {
		.msg.prio = prio,
	};

	if (set_payload(&transfer.msg, data, len))
		return -1;
	return transfer_msg(fd, IPCDEV_IOC_SEND, &transfer, deadline);
}

ssize_t ipcdev_queue_recv(int fd, void *buf, size_t size, unsigned int *prio,
			  const struct ipcdev_deadline *deadline)
{
	struct ipcdev_transfer transfer = {
		.msg.flags = IPCDEV_MSG_DROP_FDS,
	};

	set_room(&transfer.msg, buf, size);
	if (transfer_msg(fd, IPCDEV_IOC_RECV, &transfer, deadline))
		return -1;
	if (prio)
		*prio = transfer.msg.prio;
	return transfer.msg.len;
}

int ipcdev_queue_send_fds(int fd, const void *data, size_t len, const int *fds,
			  unsigned int count,
			  const struct ipcdev_deadline *deadline)
{
	struct ipcdev_transfer transfer = {
		.msg.fds = ipcdev_ptr(fds),
		.msg.fd_count = count,
	};

	if (set_payload(&transfer.msg, data, len))
		return -1;
	return transfer_msg(fd, IPCDEV_IOC_SEND, &transfer, deadline);
}

ssize_t ipcdev_queue_recv_fds(int fd, void *buf, size_t size, int *fds,
			      unsigned int *count,
			      const struct ipcdev_deadline *deadline)
{
	struct ipcdev_transfer transfer = {
		.msg.fds = ipcdev_ptr(fds),
		.msg.fd_count = *count,
	};

	set_room(&transfer.msg, buf, size);
	if (transfer_msg(fd, IPCDEV_IOC_RECV, &transfer, deadline))
		return -1;
	*count = transfer.msg.fd_count;
	return transfer.msg.len;
}

int ipcdev_queue_send_slice(int fd, const void *data, size_t len,
			    const struct ipcdev_slice *slice,
			    const struct ipcdev_deadline *deadline)
{
	/* One that was received says more, which must not be sent on. */
	struct ipcdev_slice part = {
		.fd = slice->fd,
		.offset = slice->offset,
		.length = slice->length,
	};
	struct ipcdev_transfer transfer = {
		.msg.slices = ipcdev_ptr(&part),
		.msg.slice_count = 1,
	};

	if (set_payload(&transfer.msg, data, len))
		return -1;
	return transfer_msg(fd, IPCDEV_IOC_SEND, &transfer, deadline);
}

ssize_t ipcdev_queue_recv_slice(int fd, void *buf, size_t size,
				struct ipcdev_slice *slice,
				const struct ipcdev_deadline *deadline)
{
	struct ipcdev_transfer transfer = {
		.msg.slices = ipcdev_ptr(slice),
		.msg.slice_count = 1,
	};

	*slice = (struct ipcdev_slice) { .fd = -1 };
	set_room(&transfer.msg, buf, size);
	if (transfer_msg(fd, IPCDEV_IOC_RECV, &transfer, deadline))
		return -1;
	return transfer.msg.len;
}
