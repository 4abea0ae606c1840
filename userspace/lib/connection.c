// SPDX-License-Identifier: LGPL-2.1-or-later
/* Connections: a ring each way, made by the client and checked by the server. */
#include <stdbool.h>
#include <unistd.h>

#include "internal.h"
#include "ipcdev_connection.h"

#define HELLO_VERSION 1

/**
 * struct hello - what a client sends
 * @version: HELLO_VERSION
 * @reserved: zero
 *
 * With it come the handles of two rings: first the one in which the client produces.
 */
struct hello {
	uint32_t version;
	uint32_t reserved;
};

static int fail(int err)
{
	errno = err;
	return -1;
}

static void close_quietly(int fd)
{
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
}

void ipcdev_disconnect(struct ipcdev_connection *connection)
{
	ipcdev_ring_close(&connection->in);
	ipcdev_ring_close(&connection->out);
}

int ipcdev_listen(const char *path, mode_t mode, unsigned int backlog)
{
	/*
	 * With the right to write, too: that its last client has closed the queue is
	 * nothing to a service. No message is longer than a hello, lest one that is
	 * be in the way of all others.
	 */
	const struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_CREDS,
		.depth = backlog,
		.msg_max = sizeof(struct hello),
	};
	int queue = ipcdev_queue_create(&attr);

	if (queue < 0 || !path || !ipcdev_publish(queue, path, mode, 0))
		return queue;
	close_quietly(queue);
	return -1;
}

/* Both ends of the client, and the rings' handles for the server. */
static int make_rings(struct ipcdev_connection *connection, uint64_t size,
		      int rings[2])
{
	rings[1] = -1;
	rings[0] = ipcdev_ring_create(size, 0, 0);
	if (rings[0] < 0 ||
	    ipcdev_ring_open(&connection->out, rings[0], IPCDEV_RIGHT_WRITE))
		return -1;
	rings[1] = ipcdev_ring_create(size, 0, 0);
	if (rings[1] >= 0 &&
	    !ipcdev_ring_open(&connection->in, rings[1], IPCDEV_RIGHT_READ))
		return 0;
	ipcdev_ring_close(&connection->out);
	return -1;
}

/* Whether somebody has taken the other end, be it that it has been left again. */
static bool is_met(const struct ipcdev_ring *ring, int fd)
{
	struct ipcdev_stat stat;

	if (ipcdev_stat(fd, &stat))
		return false;
	return (ring->produces ? stat.readers : stat.writers) ||
	       (_ipcdev_ring_state(ring) & IPCDEV_RING_GONE);
}

/*
 * An answer alone does not say that the server has understood. Where nobody has come
 * to the other ends, nobody would ever be seen to leave them.
 */
static int ask(const struct ipcdev_connection *connection, int service,
	       const int rings[2], int *fds, unsigned int *count,
	       const struct ipcdev_deadline *deadline)
{
	const struct hello hello = { .version = HELLO_VERSION };
	struct ipcdev_call call = {
		.request.data = ipcdev_ptr(&hello),
		.request.len = sizeof(hello),
		.request.fds = ipcdev_ptr(rings),
		.request.fd_count = 2,
		.reply.fds = ipcdev_ptr(fds),
	};

	if (count)
		call.reply.fd_count = *count;
	else
		call.reply.flags = IPCDEV_MSG_DROP_FDS;
	if (ipcdev_call_msg(service, &call, deadline))
		return -1;
	if (call.reply.error)
		return fail(call.reply.error);
	if (!is_met(&connection->out, rings[0]) || !is_met(&connection->in, rings[1])) {
		for (unsigned int i = 0; count && i < call.reply.fd_count; i++)
			close(fds[i]);
		return fail(EPROTO);
	}
	if (count)
		*count = call.reply.fd_count;
	return 0;
}

int ipcdev_connect_fds(struct ipcdev_connection *connection, int service,
		       uint64_t size, int *fds, unsigned int *count,
		       const struct ipcdev_deadline *deadline)
{
	struct ipcdev_stat stat;
	int rings[2], ret;

	if (ipcdev_stat(service, &stat))
		return -1;
	ret = make_rings(connection, size ? size : IPCDEV_CONNECTION_SIZE, rings);
	if (!ret) {
		ret = ask(connection, service, rings, fds, count, deadline);
		if (ret)
			ipcdev_disconnect(connection);
	}
	close_quietly(rings[0]);
	close_quietly(rings[1]);
	if (ret)
		return -1;
	connection->pid = 0;
	connection->uid = stat.uid;
	connection->gid = stat.gid;
	connection->reserved = 0;
	return 0;
}

int ipcdev_connect(struct ipcdev_connection *connection, int service, uint64_t size,
		   const struct ipcdev_deadline *deadline)
{
	return ipcdev_connect_fds(connection, service, size, NULL, NULL, deadline);
}

/*
 * A ring of the client's, of which it has taken the other end and nobody this one:
 * else its death would never be told. Nor must anybody be able to take its place.
 */
static int check_ring(int fd, unsigned int role, uint64_t size_max)
{
	bool reads = role == IPCDEV_RIGHT_READ;
	struct ipcdev_stat stat;

	if (ipcdev_stat(fd, &stat) || stat.type != IPCDEV_TYPE_RING ||
	    (stat.flags & IPCDEV_STAT_TAKEOVER) || stat.readers != !reads ||
	    stat.writers != reads)
		return fail(EPROTO);
	return stat.size > size_max ? fail(E2BIG) : 0;
}

static int take_ring(struct ipcdev_ring *ring, int fd, unsigned int role,
		     uint64_t size_max)
{
	if (check_ring(fd, role, size_max))
		return -1;
	if (!ipcdev_ring_open(ring, fd, role))
		return 0;
	/* Somebody was quicker, or the handle may not: that was the client's doing. */
	if (errno == EBUSY || errno == EPIPE || errno == EACCES)
		errno = EPROTO;
	return -1;
}

static int take_rings(struct ipcdev_connection *connection, const int rings[2],
		      uint64_t size_max)
{
	if (!size_max)
		size_max = IPCDEV_CONNECTION_SIZE_MAX;
	if (take_ring(&connection->in, rings[0], IPCDEV_RIGHT_READ, size_max))
		return -1;
	if (!take_ring(&connection->out, rings[1], IPCDEV_RIGHT_WRITE, size_max))
		return 0;
	ipcdev_ring_close(&connection->in);
	return -1;
}

/* What the client sent, without two rings if we cannot have more descriptors. */
static int check_hello(const struct ipcdev_msg *msg, const struct hello *hello)
{
	int fd;

	if (msg->len != sizeof(*hello) || hello->version != HELLO_VERSION ||
	    hello->reserved || !(msg->flags & IPCDEV_MSG_CALL))
		return fail(EPROTO);
	if (msg->fd_count == 2)
		return 0;
	fd = dup(STDIN_FILENO);
	if (fd < 0 && errno == EMFILE)
		return -1;
	close_quietly(fd);
	return fail(EPROTO);
}

/* Fills in the rings; else errno is for the client. */
static int admit(struct ipcdev_connection *connection, const struct ipcdev_msg *msg,
		 const struct hello *hello, const int rings[2],
		 const struct ipcdev_accept *accept)
{
	int err;

	if (check_hello(msg, hello))
		return -1;
	err = accept->admit ? accept->admit(connection, accept->data) : 0;
	if (err)
		return fail(err < 0 && err >= -IPCDEV_ERROR_MAX ? -err : EIO);
	return take_rings(connection, rings, accept->size_max);
}

static int welcome(int service, uint64_t token, const struct ipcdev_accept *accept)
{
	const struct ipcdev_msg reply = {
		.token = token,
		.fds = ipcdev_ptr(accept->fds),
		.fd_count = accept->fd_count,
	};

	return ipcdev_reply_msg(service, &reply);
}

/* What is no call has no caller to be told. */
static void turn_away(int service, const struct ipcdev_msg *msg, int err)
{
	if (msg->flags & IPCDEV_MSG_CALL)
		ipcdev_reply_error(service, msg->token, err);
}

static int serve(struct ipcdev_connection *connection, int service,
		 const struct ipcdev_msg *msg, const struct hello *hello,
		 const int rings[2], const struct ipcdev_accept *accept)
{
	int err;

	/* Nobody's numbers would look like those of root. */
	if (!(msg->flags & IPCDEV_MSG_CREDS)) {
		turn_away(service, msg, EINVAL);
		return fail(EINVAL);
	}
	if (admit(connection, msg, hello, rings, accept)) {
		err = errno;
		turn_away(service, msg, err);
		/* What we lack ourselves is to be known here, too. */
		return fail(err == EMFILE || err == ENFILE || err == ENOMEM ?
			    err : ECONNABORTED);
	}
	if (!welcome(service, msg->token, accept))
		return 0;
	err = errno;
	ipcdev_disconnect(connection);
	if (err == ESRCH)
		return fail(ECONNABORTED);
	turn_away(service, msg, err);
	return fail(err);
}

int ipcdev_accept(struct ipcdev_connection *connection, int service,
		  const struct ipcdev_accept *accept,
		  const struct ipcdev_deadline *deadline)
{
	static const struct ipcdev_accept anybody;
	struct hello hello = { 0 };
	int rings[2] = { -1, -1 };
	struct ipcdev_msg msg = {
		.data = ipcdev_ptr(&hello),
		.len = sizeof(hello),
		.flags = IPCDEV_MSG_DROP_FDS,
		.fds = ipcdev_ptr(rings),
		.fd_count = 2,
	};
	int ret;

	if (!accept)
		accept = &anybody;
	if (accept->flags & ~IPCDEV_NONBLOCK)
		return fail(EINVAL);
	if (ipcdev_queue_recv_msg(service, &msg, accept->flags, deadline))
		return -1;
	connection->pid = msg.pid;
	connection->uid = msg.uid;
	connection->gid = msg.gid;
	connection->reserved = 0;
	ret = serve(connection, service, &msg, &hello, rings, accept);
	close_quietly(rings[0]);
	close_quietly(rings[1]);
	return ret;
}

ssize_t ipcdev_exchange(struct ipcdev_connection *connection, const void *out,
			size_t len, void *in, size_t size,
			const struct ipcdev_deadline *deadline)
{
	void *room;

	if (check_deadline(deadline))
		return -1;
	room = ipcdev_ring_await_room(&connection->out, len, deadline);
	if (!room)
		return -1;
	memcpy(room, out, len);
	ipcdev_ring_append(&connection->out, len);
	if (ipcdev_ring_exchange(&connection->out, &connection->in, deadline))
		return -1;
	return ipcdev_ring_recv(&connection->in, in, size, deadline);
}
