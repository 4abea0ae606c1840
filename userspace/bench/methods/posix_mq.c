// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>

#include "bench.h"

#define NAME		"/ipcdev-bench"

static int open_both(struct link *link, int direction)
{
	struct mq_attr attr = {
		.mq_maxmsg = 10,
		.mq_msgsize = MAX(link->size, 8),
	};
	const char *name = unique(link, NAME, direction);
	int *fd = link->fd + 2 * direction;

	fd[0] = mq_open(name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600,
			&attr);
	if (fd[0] < 0 && errno == EINVAL)
		return skip(link, "larger than fs.mqueue.msgsize_max");
	if (fd[0] < 0 && errno == EMFILE)
		return skip(link, "more than RLIMIT_MSGQUEUE allows");
	if (fd[0] < 0)
		return -1;
	fd[1] = mq_open(name, O_WRONLY | O_CLOEXEC);
	if (!link->named)
		mq_unlink(name);
	return fd[1] < 0 ? -1 : 0;
}

static int setup(struct link *link)
{
	if (open_both(link, 0) || open_both(link, 1))
		return -1;
	return 0;
}

static void teardown(struct link *link)
{
	for (int i = 0; link->named && i < 2; i++)
		mq_unlink(unique(link, NAME, i));
}

static int put(struct end *end, size_t len)
{
	return mq_send(out_fd(end), end->out, len, 0);
}

static int get(struct end *end, size_t len)
{
	/* It wants room for the largest message, whatever comes. */
	ssize_t done = mq_receive(end->fd, end->in, MAX(len, 8), NULL);

	return done == (ssize_t)len ? 0 : -1;
}

const struct method posix_mq_method = {
	.name = "posix-mq",
	.about = "POSIX message queues, ten messages deep; one for each direction",
	.copies = true,
	.polled = true,
	.many_senders = true,
	.setup = setup,
	.teardown = teardown,
	.attach = pair_attach,
	.send = put,
	.recv = get,
};
