// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <unistd.h>

#include "pipe.h"

int pipe_room(struct link *link)
{
	/* What a pipe holds unless asked. */
	if (link->size <= 65536)
		return 0;
	for (int i = 0; i < 4; i += 2) {
		if (fcntl(link->fd[i], F_SETPIPE_SZ, (int)link->size) < 0)
			return -1;
	}
	return 0;
}

int pipe_setup(struct link *link)
{
	if (pipe2(link->fd, O_CLOEXEC) || pipe2(link->fd + 2, O_CLOEXEC))
		return -1;
	return pipe_room(link);
}

int pipe_send(struct end *end, size_t len)
{
	return write_all(out_fd(end), end->out, len);
}

int pipe_recv(struct end *end, size_t len)
{
	return read_all(end->fd, end->in, len);
}

const struct method pipe_method = {
	.name = "pipe",
	.about = "pipe(2), write and read; one for each direction",
	.copies = true,
	.polled = true,
	.many_senders = true,
	.min = 1,
	.setup = pipe_setup,
	.attach = pair_attach,
	.send = pipe_send,
	.recv = pipe_recv,
};
