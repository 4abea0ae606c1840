// SPDX-License-Identifier: GPL-2.0
/* What methods have in common. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

int skip(struct link *link, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(link->common->skip, sizeof(link->common->skip), format, args);
	va_end(args);
	return -1;
}

pid_t peer(const struct end *end)
{
	return end->link->common->pid[!end->side];
}

uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

int write_all(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t done = write(fd, data, len);

		if (done < 0)
			return -1;
		data = (const char *)data + done;
		len -= done;
	}
	return 0;
}

int read_all(int fd, void *data, size_t len)
{
	while (len) {
		ssize_t done = read(fd, data, len);

		if (done <= 0) {
			if (!done)
				errno = EPIPE;
			return -1;
		}
		data = (char *)data + done;
		len -= done;
	}
	return 0;
}

void *shared_memory(size_t size)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return data == MAP_FAILED ? NULL : data;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void not_mine(const struct end *end, int *fd)
{
	if (!end->link->together)
		close_fd(fd);
}

const char *unique(const struct link *link, const char *prefix, int direction)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s-%d-%p-%d", prefix,
		 link->common->pid[1], (void *)link, direction);
	return name;
}

int pair_attach(struct end *end)
{
	int *fd = end->link->fd;

	not_mine(end, &fd[2 * end->side]);
	not_mine(end, &fd[2 * !end->side + 1]);
	end->fd = fd[2 * !end->side];
	return 0;
}

int socket_room(struct link *link)
{
	/* A message and what the kernel keeps with it must fit. */
	int size = link->size * 2 + 65536;

	if (link->size <= 32768)
		return 0;
	for (int i = 0; i < 2; i++) {
		/* Beyond the limit is for root; others may find it too low. */
		if (setsockopt(link->fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
			       sizeof(size)))
			setsockopt(link->fd[i], SOL_SOCKET, SO_SNDBUF, &size,
				   sizeof(size));
		if (setsockopt(link->fd[i], SOL_SOCKET, SO_RCVBUFFORCE, &size,
			       sizeof(size)))
			setsockopt(link->fd[i], SOL_SOCKET, SO_RCVBUF, &size,
				   sizeof(size));
	}
	return 0;
}

int socket_attach(struct end *end)
{
	not_mine(end, &end->link->fd[!end->side]);
	end->fd = end->link->fd[end->side];
	return 0;
}

int socket_send(struct end *end, size_t len)
{
	/* A stream may take less than all at once. */
	for (size_t sent = 0;;) {
		ssize_t done = send(end->fd, (char *)end->out + sent,
				    len - sent, MSG_NOSIGNAL);

		if (done < 0)
			return -1;
		sent += done;
		if (sent == len)
			return 0;
	}
}

int socket_recv(struct end *end, size_t len)
{
	ssize_t done = recv(end->fd, end->in, MAX(len, 8), 0);

	if (done < 0)
		return -1;
	if ((size_t)done == len)
		return 0;
	errno = done ? EMSGSIZE : EPIPE;
	return -1;
}

int socket_recv_all(struct end *end, size_t len)
{
	return read_all(end->fd, end->in, len);
}
