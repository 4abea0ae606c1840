// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipe.h"

#define NAME		"/tmp/ipcdev-bench"

static int open_both(struct link *link, int direction)
{
	const char *path = unique(link, NAME, direction);
	int *fd = link->fd + 2 * direction;

	if (mkfifo(path, 0600))
		return -1;
	/* A reader that does not wait, so that the writer need not either. */
	fd[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fd[1] = open(path, O_WRONLY | O_CLOEXEC);
	if (!link->named)
		unlink(path);
	if (fd[0] < 0 || fd[1] < 0)
		return -1;
	return fcntl(fd[0], F_SETFL, 0);
}

static int setup(struct link *link)
{
	if (open_both(link, 0) || open_both(link, 1))
		return -1;
	return pipe_room(link);
}

static void teardown(struct link *link)
{
	for (int i = 0; link->named && i < 2; i++)
		unlink(unique(link, NAME, i));
}

const struct method fifo_method = {
	.name = "fifo",
	.about = "mkfifo(3), a pipe with a name; one for each direction",
	.copies = true,
	.polled = true,
	.many_senders = true,
	.min = 1,
	.setup = setup,
	.teardown = teardown,
	.attach = pair_attach,
	.send = pipe_send,
	.recv = pipe_recv,
};
