/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libipcdev: the objects of /dev/ipcdev, as plain functions: here buffers and queues,
 * and what holds for any object; rings, engines and more in headers of their own.
 *
 * An object is a file descriptor: close(2) releases it, poll(2), fcntl(2) and
 * fstat(2) work on it, and a queue takes read(2) and write(2) too. Every new
 * descriptor is close-on-exec.
 *
 * Unless a function says otherwise, it returns 0 or a new descriptor, and on
 * failure -1 with errno set. The library keeps no state: every function may be
 * called from any thread. Only those of a server start threads or deal with
 * signals, and only these and those of a pool of frames allocate memory.
 */
#ifndef _IPCDEV_H
#define _IPCDEV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/ipcdev.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * struct ipcdev_deadline - when to give up
 * @clock: CLOCK_MONOTONIC or CLOCK_REALTIME
 * @ns: nanoseconds of that clock, at most INT64_MAX
 *
 * A deadline is a point in time, so that a call that was interrupted can be
 * made again with the same one. Where a function takes a pointer to one, NULL
 * means that there is none. A deadline in the past never sleeps: what can be
 * done at once is done, anything else is ETIMEDOUT.
 */
struct ipcdev_deadline {
	clockid_t clock;
	uint64_t ns;
};

/**
 * ipcdev_deadline_in() - a deadline that is some time away
 * @deadline: where to put it
 * @ns: nanoseconds from now, on CLOCK_MONOTONIC
 *
 * A time too far away to be told becomes the last one that can be. Cannot
 * fail, and leaves errno alone.
 *
 * Return: @deadline, so that the call can stand where a deadline is wanted.
 */
struct ipcdev_deadline *ipcdev_deadline_in(struct ipcdev_deadline *deadline,
					   uint64_t ns);

/**
 * ipcdev_ptr() - a pointer as the 64 bits that struct ipcdev_msg holds
 * @ptr: the pointer
 *
 * Return: the same address.
 */
static inline uint64_t ipcdev_ptr(const void *ptr)
{
	return (uintptr_t)ptr;
}

/* The device. */

/**
 * ipcdev_info() - the module's limits, and what the caller has used of them
 * @info: where to put them
 */
int ipcdev_info(struct ipcdev_info *info);

/**
 * ipcdev_list() - look at the live objects
 * @after: only objects with a greater id; 0 to start
 * @stats: where to put what is found, in order of the ids
 * @count: entries that fit there
 *
 * Return: entries written, 0 past the last object.
 */
int ipcdev_list(uint64_t after, struct ipcdev_stat *stats, unsigned int count);

/* Any object. */

/**
 * ipcdev_stat() - what an object is and what has happened to it
 * @fd: a handle
 * @stat: where to put it
 */
int ipcdev_stat(int fd, struct ipcdev_stat *stat);

/**
 * ipcdev_dup() - make another handle, with the same rights or fewer
 * @fd: a handle
 * @rights: IPCDEV_RIGHT_* of the new one
 * @flags: IPCDEV_NONBLOCK to make it O_NONBLOCK, or 0
 *
 * Return: the new handle.
 */
int ipcdev_dup(int fd, unsigned int rights, unsigned int flags);

/**
 * ipcdev_publish() - give an object a name
 * @fd: a handle with IPCDEV_RIGHT_PUBLISH
 * @path: the name, in a mounted ipcdevfs
 * @mode: permission bits for the name, of which the umask takes its part
 * @flags: IPCDEV_PUBLISH_PERSISTENT, or 0
 *
 * A queue's name is a FIFO, that of any other object a regular file. An empty file
 * that is there already and belongs to the caller is used as it is, its mode too.
 * If publishing fails, no file that was not there is left.
 */
int ipcdev_publish(int fd, const char *path, mode_t mode, unsigned int flags);

/**
 * ipcdev_open() - open an object by its name
 * @path: the name
 * @flags: O_RDONLY, O_WRONLY or O_RDWR, with or without O_NONBLOCK
 *
 * ENOTTY if something else than an object has that name.
 *
 * Return: the new handle.
 */
int ipcdev_open(const char *path, int flags);

/**
 * ipcdev_attach() - have an eventfd signalled
 * @fd: a handle
 * @eventfd: the eventfd
 * @events: IPCDEV_EVENT_*
 * @flags: IPCDEV_ATTACH_ONESHOT, or 0
 */
int ipcdev_attach(int fd, int eventfd, unsigned int events, unsigned int flags);

/**
 * ipcdev_detach() - no longer have an eventfd signalled
 * @fd: the handle that it was attached to
 * @eventfd: the eventfd
 */
int ipcdev_detach(int fd, int eventfd);

/**
 * ipcdev_wait_peer() - sleep until there is somebody at the other side
 * @fd: a handle
 * @deadline: when to give up, or NULL
 */
int ipcdev_wait_peer(int fd, const struct ipcdev_deadline *deadline);

/* Buffers. */

/**
 * ipcdev_buffer_create() - make a buffer
 * @size: bytes, rounded up to whole pages
 * @rights: IPCDEV_RIGHT_* of the handle, or 0 for all
 * @flags: 0
 *
 * Return: its handle.
 */
int ipcdev_buffer_create(uint64_t size, unsigned int rights,
			 unsigned int flags);

/**
 * ipcdev_buffer_map() - map a buffer
 * @fd: its handle
 * @offset: where to begin, a multiple of the page size
 * @length: bytes, or 0 for all to the end
 * @prot: PROT_READ, or PROT_READ | PROT_WRITE
 *
 * A sealed buffer may be mapped for reading through a handle that could write
 * before, which mmap(2) alone does not allow. munmap(2) undoes the mapping.
 *
 * Return: its address; NULL on failure.
 */
void *ipcdev_buffer_map(int fd, uint64_t offset, size_t length, int prot);

/**
 * ipcdev_buffer_seal() - forbid writing to a buffer for good
 * @fd: a handle with IPCDEV_RIGHT_WRITE
 */
int ipcdev_buffer_seal(int fd);

/**
 * ipcdev_buffer_sealed() - ask whether a buffer is sealed
 * @fd: a handle
 *
 * Return: 1 if nobody can write to it any more, 0 otherwise; -1 on failure.
 */
int ipcdev_buffer_sealed(int fd);

/**
 * ipcdev_buffer_size() - ask how large a buffer is
 * @fd: a handle
 *
 * Return: bytes, a multiple of the page size; -1 on failure.
 */
int64_t ipcdev_buffer_size(int fd);

/* Queues. */

/**
 * ipcdev_queue_create() - make a queue
 * @attr: what it shall be like; NULL for the defaults
 *
 * Return: its handle.
 */
int ipcdev_queue_create(const struct ipcdev_create_queue *attr);

/**
 * ipcdev_queue_send() - send a message
 * @fd: a queue
 * @data: its payload
 * @len: bytes of it
 * @prio: priority, 0 to IPCDEV_PRIO_MAX
 * @deadline: when to give up, or NULL
 */
int ipcdev_queue_send(int fd, const void *data, size_t len, unsigned int prio,
		      const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_recv() - receive a message
 * @fd: a queue
 * @buf: where to put its payload
 * @size: bytes that fit there; EMSGSIZE if too few, and the message stays
 * @prio: where to put its priority, or NULL
 * @deadline: when to give up, or NULL
 *
 * Descriptors and slices in the message are released, as read(2) does.
 *
 * Return: bytes of payload; -1 on failure.
 */
ssize_t ipcdev_queue_recv(int fd, void *buf, size_t size, unsigned int *prio,
			  const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_send_fds() - send a message with file descriptors
 * @fd: a queue
 * @data: its payload
 * @len: bytes of it
 * @fds: the descriptors, which stay open here
 * @count: how many, at most IPCDEV_FDS_MAX
 * @deadline: when to give up, or NULL
 */
int ipcdev_queue_send_fds(int fd, const void *data, size_t len, const int *fds,
			  unsigned int count,
			  const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_recv_fds() - receive a message with file descriptors
 * @fd: a queue
 * @buf: where to put its payload
 * @size: bytes that fit there
 * @fds: where to put the descriptors
 * @count: how many fit there, and then how many came
 * @deadline: when to give up, or NULL
 *
 * Without room for all of it: EMSGSIZE, and the message stays.
 *
 * Return: bytes of payload; -1 on failure.
 */
ssize_t ipcdev_queue_recv_fds(int fd, void *buf, size_t size, int *fds,
			      unsigned int *count,
			      const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_send_slice() - send a message with a part of a buffer
 * @fd: a queue
 * @data: its payload
 * @len: bytes of it
 * @slice: the part: its fd, offset and length; one that was received will do
 * @deadline: when to give up, or NULL
 *
 * What the buffer holds is not copied: leave that part of it alone until the
 * receiver says that it has done.
 */
int ipcdev_queue_send_slice(int fd, const void *data, size_t len,
			    const struct ipcdev_slice *slice,
			    const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_recv_slice() - receive a message with a part of a buffer
 * @fd: a queue
 * @buf: where to put its payload
 * @size: bytes that fit there
 * @slice: where to put the slice; fd is -1 and length 0 if there was none
 * @deadline: when to give up, or NULL
 *
 * The receiver must close slice->fd.
 *
 * Return: bytes of payload; -1 on failure.
 */
ssize_t ipcdev_queue_recv_slice(int fd, void *buf, size_t size,
				struct ipcdev_slice *slice,
				const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_send_msg() - send a message, with all that it may carry
 * @fd: a queue
 * @msg: the message
 * @flags: IPCDEV_NONBLOCK, or 0
 * @deadline: when to give up, or NULL
 */
int ipcdev_queue_send_msg(int fd, const struct ipcdev_msg *msg,
			  unsigned int flags,
			  const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_recv_msg() - receive a message, with all that it may carry
 * @fd: a queue
 * @msg: says what fits where, and then what came; on EMSGSIZE what is needed
 * @flags: IPCDEV_NONBLOCK, or 0
 * @deadline: when to give up, or NULL
 */
int ipcdev_queue_recv_msg(int fd, struct ipcdev_msg *msg, unsigned int flags,
			  const struct ipcdev_deadline *deadline);

/* Broadcast queues: those that are made with IPCDEV_QUEUE_BROADCAST. */

/**
 * ipcdev_subscribe() - choose what a handle receives of a broadcast
 * @fd: a broadcast queue, with the right to read
 * @history: how many of the last messages to begin with
 * @backlog: how many messages this handle may be behind; 0 for the queue's depth
 *
 * Every handle that may read receives what is sent while it is open, except for the
 * one that ipcdev_queue_create() has returned, which needs this call. For others it
 * is a new beginning: what they have not received is forgotten.
 *
 * Return: how many messages are there at once, at most @history; -1 on failure.
 */
int ipcdev_subscribe(int fd, unsigned int history, unsigned int backlog);

/**
 * ipcdev_unsubscribe() - receive nothing of a broadcast any more
 * @fd: a broadcast queue, with the right to read
 *
 * Receiving fails with ENOTCONN from then on.
 */
int ipcdev_unsubscribe(int fd);

/**
 * ipcdev_call() - send a request and sleep for its reply
 * @fd: a queue
 * @request: the request's payload
 * @len: its bytes
 * @reply: where to put the reply's payload
 * @size: bytes that fit there
 * @deadline: when to give up, or NULL
 *
 * Descriptors and slices in the reply are released.
 *
 * Return: bytes of the reply; -1 on failure, and if the server answered with an
 * error: errno is that one.
 */
ssize_t ipcdev_call(int fd, const void *request, size_t len, void *reply,
		    size_t size, const struct ipcdev_deadline *deadline);

/**
 * ipcdev_call_msg() - the same, with all that the two may carry
 * @fd: a queue
 * @call: request is what to send; reply says what fits where, and then what
 *	came, an error of the server's among it. flags is IPCDEV_NONBLOCK or 0
 * @deadline: when to give up, or NULL
 *
 * flags and deadline_ns of @call are changed.
 */
int ipcdev_call_msg(int fd, struct ipcdev_call *call,
		    const struct ipcdev_deadline *deadline);

/**
 * ipcdev_reply() - answer a call
 * @fd: the queue, by the open file that the call was received through
 * @token: of the call
 * @data: the reply's payload
 * @len: its bytes
 */
int ipcdev_reply(int fd, uint64_t token, const void *data, size_t len);

/**
 * ipcdev_reply_error() - answer a call with an error
 * @fd: as of ipcdev_reply()
 * @token: of the call
 * @error: an errno, 1 to IPCDEV_ERROR_MAX
 */
int ipcdev_reply_error(int fd, uint64_t token, int error);

/**
 * ipcdev_reply_msg() - answer a call, with all that a reply may carry
 * @fd: as of ipcdev_reply()
 * @reply: the reply; its token names the call
 */
int ipcdev_reply_msg(int fd, const struct ipcdev_msg *reply);

/**
 * ipcdev_reply_recv_msg() - answer a call and receive the next message
 * @fd: as of ipcdev_reply()
 * @call: reply is what to answer, unless its token is 0; its token is 0
 *	afterwards, and its error ESRCH if the caller had given up. request says
 *	what fits where, and then what came. flags is IPCDEV_NONBLOCK or 0
 * @deadline: when to give up, or NULL
 *
 * flags and deadline_ns of @call are changed.
 */
int ipcdev_reply_recv_msg(int fd, struct ipcdev_call *call,
			  const struct ipcdev_deadline *deadline);

/**
 * ipcdev_call_waits() - ask whether a caller still waits for its reply
 * @fd: as of ipcdev_reply()
 * @token: of the call
 *
 * Return: 0 if it does; -1 if not, and errno is ESRCH.
 */
int ipcdev_call_waits(int fd, uint64_t token);

/**
 * ipcdev_call_gone() - a call whose caller has given up
 * @fd: as of ipcdev_reply()
 * @token: where to put its token, which is then forgotten
 *
 * poll(2) shows POLLPRI while there is one.
 *
 * Return: 0; -1 if there is none, and errno is EAGAIN.
 */
int ipcdev_call_gone(int fd, uint64_t *token);

/**
 * ipcdev_queue_send_batch() - send several messages
 * @fd: a queue
 * @msgs: the messages
 * @count: how many, at most struct ipcdev_info's max_batch
 * @flags: IPCDEV_NONBLOCK, or 0
 * @deadline: when to give up, or NULL
 *
 * Return: how many were sent: all, unless something stopped the rest; -1 if
 * none was.
 */
int ipcdev_queue_send_batch(int fd, struct ipcdev_msg *msgs, unsigned int count,
			    unsigned int flags,
			    const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_recv_batch() - receive several messages
 * @fd: a queue
 * @msgs: say what fits where, and then what came
 * @count: how many, at most struct ipcdev_info's max_batch
 * @flags: IPCDEV_NONBLOCK, or 0
 * @deadline: when to give up, or NULL
 *
 * Sleeps for the first message only.
 *
 * Return: how many were received; -1 if none was.
 */
int ipcdev_queue_recv_batch(int fd, struct ipcdev_msg *msgs, unsigned int count,
			    unsigned int flags,
			    const struct ipcdev_deadline *deadline);

/**
 * ipcdev_queue_peek() - look at a message and leave it where it is
 * @fd: a queue
 * @position: which, 0 being the one that is received next
 * @msg: says what fits where, and then what is there
 *
 * Does not sleep: EAGAIN if there is no such message. Descriptors and slices
 * are counted only.
 */
int ipcdev_queue_peek(int fd, unsigned int position, struct ipcdev_msg *msg);

/* Servers: a loop that receives calls and has a handler answer them. */

/* What a server's handler may be given with a request; else it is released. */
#define IPCDEV_SERVER_FDS	0x1	/* descriptors */
#define IPCDEV_SERVER_SLICES	0x2	/* slices, each with a descriptor */
#define IPCDEV_SERVER_SLICE_IDS	0x4	/* slices, by their buffers' ids alone */

/* Flags of a reply. */
#define IPCDEV_REPLY_CLOSE	0x1	/* close what was sent, once it is sent */

/* A handler returns this if somebody answers later. */
#define IPCDEV_DEFERRED		1

/**
 * struct ipcdev_request - a request, and the reply that its handler makes
 * @msg: the message that came: its tag, token, sender and more
 * @data: its payload, aligned for any type
 * @len: bytes of it
 * @fds: its descriptors, which are closed after the reply; -1 in the place of one
 *	keeps it open
 * @slices: its slices, whose descriptors are treated likewise
 * @fd_count: how many descriptors came
 * @slice_count: how many slices came
 * @reply: room for the reply's payload, aligned for any type; or where else it is,
 *	in memory that this thread's next request will find as it is
 * @reply_max: bytes of that room
 * @reply_len: bytes of the reply; 0 at first
 * @reply_tag: tag of the reply; 0 at first
 * @reply_fds: room for IPCDEV_FDS_MAX descriptors to send
 * @reply_slices: room for IPCDEV_SLICES_MAX slices to send: their fd, offset and
 *	length; one that was received will do
 * @reply_fd_count: how many descriptors the reply has; 0 at first
 * @reply_slice_count: how many slices it has; 0 at first
 * @reply_flags: IPCDEV_REPLY_CLOSE, or 0
 */
struct ipcdev_request {
	const struct ipcdev_msg *msg;
	const void *data;
	size_t len;
	int *fds;
	struct ipcdev_slice *slices;
	unsigned int fd_count;
	unsigned int slice_count;

	void *reply;
	size_t reply_max;
	size_t reply_len;
	uint64_t reply_tag;
	int *reply_fds;
	struct ipcdev_slice *reply_slices;
	unsigned int reply_fd_count;
	unsigned int reply_slice_count;
	unsigned int reply_flags;
};

/**
 * typedef ipcdev_handler_t - what answers requests
 * @request: the request, and room for the reply
 * @data: struct ipcdev_server_attr's
 *
 * Also called for messages that are no calls, whose reply goes nowhere:
 * IPCDEV_MSG_CALL is not set in them.
 *
 * Return: 0 to send the reply; a negative errno to send that error instead; or
 * IPCDEV_DEFERRED if the call's token will be answered with ipcdev_reply().
 */
typedef int (*ipcdev_handler_t)(struct ipcdev_request *request, void *data);

/**
 * struct ipcdev_server_attr - what a server is like
 * @handler: what answers requests
 * @data: for the handler
 * @workers: threads that call the handler, the caller of ipcdev_server_run()
 *	among them; 0 for 1
 * @flags: IPCDEV_SERVER_*
 * @request_max: longer requests are EMSGSIZE to their callers; 0 for no limit
 * @reply_max: bytes of room for a reply; 0 for as much as the queue allows
 * @signal: what wakes workers when the server stops; 0 for SIGURG
 */
struct ipcdev_server_attr {
	ipcdev_handler_t handler;
	void *data;
	unsigned int workers;
	unsigned int flags;
	size_t request_max;
	size_t reply_max;
	int signal;
};

struct ipcdev_server;

/**
 * ipcdev_server_create() - make a server of a queue
 * @queue: a handle with IPCDEV_RIGHT_READ that is not O_NONBLOCK, and that stays
 *	open as long as the server is there
 * @attr: what it shall be like
 *
 * Return: the server, for ipcdev_server_run(); NULL on failure.
 */
struct ipcdev_server *ipcdev_server_create(int queue,
					   const struct ipcdev_server_attr *attr);

/**
 * ipcdev_server_run() - serve until the server is stopped or its callers have gone
 * @server: the server; in one thread at a time
 *
 * A request costs a worker one ioctl, IPCDEV_IOC_REPLY_RECV. Every call that was
 * received is answered before this returns, but for those that are deferred.
 *
 * Return: 0 if it was stopped or the last writer of the queue has gone; -1 on
 * failure.
 */
int ipcdev_server_run(struct ipcdev_server *server);

/**
 * ipcdev_server_stop() - have a server end
 * @server: the server
 *
 * Does not wait for that: ipcdev_server_run() returns when the handlers at work
 * are done, or at once if it is called later. May be called from any thread,
 * from the handler, and from a signal's handler. Leaves errno alone.
 */
void ipcdev_server_stop(struct ipcdev_server *server);

/**
 * ipcdev_server_destroy() - free a server
 * @server: the server, which nobody runs any more; or NULL
 *
 * The queue stays open.
 */
void ipcdev_server_destroy(struct ipcdev_server *server);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* _IPCDEV_H */
