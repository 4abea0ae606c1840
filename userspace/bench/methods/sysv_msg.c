// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "bench.h"

/* A message begins with its type, which here tells to which side it goes. */
struct msg {
	long type;
	char data[];
};

struct own {
	struct msg *out;
	struct msg *in;
};

static int setup(struct link *link)
{
	/* Open to all, as the descriptors of other methods are once they travel. */
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0666);
	struct msginfo info;
	struct msqid_ds ds;

	*(int *)link->own = id;
	if (id < 0 || msgctl(id, IPC_STAT, &ds))
		return -1;
	if (link->size > ds.msg_qbytes)
		return skip(link, "larger than kernel.msgmnb");
	if (msgctl(id, IPC_INFO, (struct msqid_ds *)&info) < 0)
		return -1;
	if (link->size > (size_t)info.msgmax)
		return skip(link, "larger than kernel.msgmax");
	return 0;
}

static void teardown(struct link *link)
{
	msgctl(*(int *)link->own, IPC_RMID, NULL);
}

static int attach(struct end *end)
{
	size_t size = sizeof(struct msg) + MAX(end->link->size, 8);
	struct own *own = end->own;

	own->out = calloc(1, size);
	own->in = calloc(1, size);
	if (!own->out || !own->in)
		return -1;
	own->out->type = 1 + !end->side;
	end->out = own->out->data;
	end->in = own->in->data;
	return 0;
}

static void detach(struct end *end)
{
	struct own *own = end->own;

	free(own->out);
	free(own->in);
}

static int put(struct end *end, size_t len)
{
	struct own *own = end->own;

	return msgsnd(*(int *)end->link->own, own->out, len, 0);
}

static int get(struct end *end, size_t len)
{
	struct own *own = end->own;

	return msgrcv(*(int *)end->link->own, own->in, len, 1 + end->side, 0) ==
	       (ssize_t)len ? 0 : -1;
}

const struct method sysv_msg_method = {
	.name = "sysv-msg",
	.about = "one System V message queue, a type for each direction",
	.copies = true,
	.many_senders = true,
	.link_size = sizeof(int),
	.end_size = sizeof(struct own),
	.setup = setup,
	.teardown = teardown,
	.attach = attach,
	.detach = detach,
	.send = put,
	.recv = get,
};
