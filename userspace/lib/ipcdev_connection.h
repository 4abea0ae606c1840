/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections: two rings between a client and a server, one each way. C or C++.
 *
 * A service is a queue, at best with a name. A client makes the rings, which are
 * charged to it, takes its ends of them, and sends the rings' handles in a call; the
 * server checks what has come, takes the other ends, and answers. From then on the
 * two need neither the queue nor, while both are busy, the kernel.
 *
 * All that ipcdev_ring.h offers can be used on the rings. The rules there hold here
 * too: one thread at a time for each ring, and only in the process that has connected
 * or accepted. The descriptors to poll are in.fd, for POLLIN, and out.fd, for POLLOUT.
 */
#ifndef _IPCDEV_CONNECTION_H
#define _IPCDEV_CONNECTION_H

#include <ipcdev_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * struct ipcdev_connection - one side of a connection
 * @in: what the other side sends
 * @out: what this one does
 * @pid: the client's process when it asked; 0 on the client's side, and if the
 *	server's namespace does not know it. A hint: pids are used again
 * @uid: the client's effective user then; on its side the user who made the queue
 * @gid: the group, likewise
 * @reserved: zero
 */
struct ipcdev_connection {
	struct ipcdev_ring in;
	struct ipcdev_ring out;
	uint32_t pid;
	uint32_t uid;
	uint32_t gid;
	uint32_t reserved;
};

/* Bytes of data in a ring, where none are said. */
#define IPCDEV_CONNECTION_SIZE		0x10000
#define IPCDEV_CONNECTION_SIZE_MAX	0x1000000

/**
 * struct ipcdev_accept - whom a server accepts, and what it gives them
 * @size_max: bytes of data in either ring, at most; 0 for IPCDEV_CONNECTION_SIZE_MAX
 * @admit: asked about a client, of which only pid, uid and gid are known; returns 0,
 *	or minus the errno that the client shall get. NULL admits everybody
 * @data: for @admit
 * @fds: descriptors that the client gets, of a kind that may travel
 * @fd_count: how many, at most IPCDEV_FDS_MAX
 * @flags: IPCDEV_NONBLOCK, or 0
 */
struct ipcdev_accept {
	uint64_t size_max;
	int (*admit)(const struct ipcdev_connection *client, void *data);
	void *data;
	const int *fds;
	unsigned int fd_count;
	unsigned int flags;
};

/**
 * ipcdev_listen() - make a service
 * @path: its name, as for ipcdev_publish(), or NULL for none
 * @mode: permission bits of the name, of which the umask takes its part; who may
 *	write to it may connect
 * @backlog: how many clients may wait to be accepted; 0 for 64
 *
 * Return: the queue, for ipcdev_accept(), and for poll(2): POLLIN says that a client
 * waits.
 */
int ipcdev_listen(const char *path, mode_t mode, unsigned int backlog);

/**
 * ipcdev_accept() - take the next client
 * @connection: filled in; of a client that was turned away: pid, uid and gid
 * @service: the queue
 * @accept: whom to accept, or NULL for all with sensible rings
 * @deadline: when to give up, or NULL
 *
 * ECONNABORTED if a client was turned away, because of what it sent, by @accept, or
 * because it has given up: there may be others.
 */
int ipcdev_accept(struct ipcdev_connection *connection, int service,
		  const struct ipcdev_accept *accept,
		  const struct ipcdev_deadline *deadline);

/**
 * ipcdev_connect() - ask a service for a connection
 * @connection: filled in
 * @service: the queue, with the right to write
 * @size: bytes of data in each of the two rings; 0 for IPCDEV_CONNECTION_SIZE
 * @deadline: when to give up, or NULL
 *
 * EPIPE if there is no server; EPROTO if it has answered, but not as ipcdev_accept()
 * does: it has not taken its ends of the rings; else what the server has refused it
 * with.
 */
int ipcdev_connect(struct ipcdev_connection *connection, int service, uint64_t size,
		   const struct ipcdev_deadline *deadline);

/**
 * ipcdev_connect_fds() - the same, with descriptors that the server gives
 * @connection: as there
 * @service: as there
 * @size: as there
 * @fds: where to put the descriptors
 * @count: how many fit there, and then how many came
 * @deadline: as there
 *
 * EMSGSIZE if they do not fit.
 */
int ipcdev_connect_fds(struct ipcdev_connection *connection, int service,
		       uint64_t size, int *fds, unsigned int *count,
		       const struct ipcdev_deadline *deadline);

/**
 * ipcdev_disconnect() - leave a connection
 * @connection: the side
 *
 * The other side still receives what was sent. Leaves errno alone.
 */
void ipcdev_disconnect(struct ipcdev_connection *connection);

/**
 * ipcdev_exchange() - send a record and receive the next one that comes
 * @connection: the connection
 * @out: what to send
 * @len: its bytes
 * @in: where to put what comes
 * @size: bytes that fit there
 * @deadline: when to give up, or NULL
 *
 * A request and its reply for a client; a reply and the next request for a server;
 * for either, in one system call at most where spinning is off. What fails while it
 * waits has been sent, and its answer may yet come.
 *
 * Return: bytes of what came; -1 on failure.
 */
ssize_t ipcdev_exchange(struct ipcdev_connection *connection, const void *out,
			size_t len, void *in, size_t size,
			const struct ipcdev_deadline *deadline);

#pragma GCC visibility pop

/**
 * ipcdev_send() - send a record, as soon as there is room
 * @connection: the connection
 * @data: the record
 * @len: its bytes
 * @deadline: when to give up, or NULL
 */
static inline int ipcdev_send(struct ipcdev_connection *connection,
			      const void *data, size_t len,
			      const struct ipcdev_deadline *deadline)
{
	return ipcdev_ring_send(&connection->out, data, len, deadline);
}

/**
 * ipcdev_recv() - receive a record, as soon as there is one
 * @connection: the connection
 * @data: where to put it
 * @size: bytes that fit there
 * @deadline: when to give up, or NULL
 *
 * Return: its bytes; -1 on failure.
 */
static inline ssize_t ipcdev_recv(struct ipcdev_connection *connection, void *data,
				  size_t size, const struct ipcdev_deadline *deadline)
{
	return ipcdev_ring_recv(&connection->in, data, size, deadline);
}

#ifdef __cplusplus
}
#endif

#endif /* _IPCDEV_CONNECTION_H */
