// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Servers: a loop for each worker, which answers a call and receives the next in
 * one ioctl.
 *
 * To stop a worker that sleeps there without missing one that is about to: first
 * its ioctl's flags are made IPCDEV_NONBLOCK where they lie, then it is sent a
 * signal. If the ioctl has not begun it will find the flag, and if it has, the
 * signal ends it, or has it begin anew and find the flag. The worker itself never
 * looks at these flags.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define SERVER_FLAGS (IPCDEV_SERVER_FDS | IPCDEV_SERVER_SLICES | \
		      IPCDEV_SERVER_SLICE_IDS)

/* A thread that serves; @tid is 0 while there is none. */
struct worker {
	struct ipcdev_server *server;
	struct ipcdev_call call;
	pthread_t thread;
	pid_t tid;
	int error;
	void *request;
	void *reply;
	int fds[IPCDEV_FDS_MAX];
	int reply_fds[IPCDEV_FDS_MAX];
	struct ipcdev_slice slices[IPCDEV_SLICES_MAX];
	struct ipcdev_slice reply_slices[IPCDEV_SLICES_MAX];
};

/* @stopped is for good, @ending for one run: a worker has found the end of it. */
struct ipcdev_server {
	struct ipcdev_server_attr attr;
	int queue;
	uint32_t msg_max;
	bool stopped;
	bool ending;
	struct worker workers[];
};

static bool is_ending(const struct ipcdev_server *server)
{
	return __atomic_load_n(&server->stopped, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&server->ending, __ATOMIC_SEQ_CST);
}

static void wake_workers(struct ipcdev_server *server)
{
	int err = errno;
	pid_t tid;

	for (unsigned int i = 0; i < server->attr.workers; i++) {
		struct worker *worker = &server->workers[i];

		__atomic_store_n(&worker->call.flags, IPCDEV_NONBLOCK,
				 __ATOMIC_SEQ_CST);
		tid = __atomic_load_n(&worker->tid, __ATOMIC_SEQ_CST);
		if (tid)
			syscall(SYS_tgkill, getpid(), tid, server->attr.signal);
	}
	errno = err;
}

void ipcdev_server_stop(struct ipcdev_server *server)
{
	__atomic_store_n(&server->stopped, true, __ATOMIC_SEQ_CST);
	wake_workers(server);
}

static void close_all(int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void close_slices(struct ipcdev_slice *slices, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (slices[i].fd >= 0)
			close(slices[i].fd);
}

/* An errno is the whole reply; what is none is not the caller's to see. */
static void set_error(struct ipcdev_msg *reply, int error)
{
	*reply = (struct ipcdev_msg) {
		.token = reply->token,
		.error = error > 0 && error <= IPCDEV_ERROR_MAX ? error : EIO,
	};
}

/* Answers without receiving; 0, or an errno if not even an error can be sent. */
static int answer(struct worker *worker)
{
	struct ipcdev_msg *reply = &worker->call.reply;

	while (ipcdev_reply_msg(worker->server->queue, reply)) {
		if (errno == ESRCH)
			break;
		if (reply->error)
			return errno;
		set_error(reply, errno);
	}
	reply->token = 0;
	return 0;
}

static void set_reply(struct ipcdev_msg *reply,
		      const struct ipcdev_request *request)
{
	if (request->reply_len > UINT32_MAX) {
		set_error(reply, EMSGSIZE);
		return;
	}
	reply->data = ipcdev_ptr(request->reply);
	reply->len = request->reply_len;
	reply->tag = request->reply_tag;
	reply->fds = ipcdev_ptr(request->reply_fds);
	reply->fd_count = request->reply_fd_count;
	reply->slices = ipcdev_ptr(request->reply_slices);
	reply->slice_count = request->reply_slice_count;

	/* One that was received says more, which must not be sent on. */
	for (unsigned int i = 0; i < IPCDEV_SLICES_MAX; i++)
		if (i < request->reply_slice_count)
			request->reply_slices[i].buffer_id = 0;
}

/* Has the handler make a reply to what was received. */
static int handle(struct worker *worker)
{
	const struct ipcdev_server_attr *attr = &worker->server->attr;
	const struct ipcdev_msg *msg = &worker->call.request;
	struct ipcdev_msg *reply = &worker->call.reply;
	struct ipcdev_request request = {
		.msg = msg,
		.data = worker->request,
		.len = msg->len,
		.fds = worker->fds,
		.slices = worker->slices,
		.fd_count = msg->fd_count,
		.slice_count = msg->slice_count,
		.reply = worker->reply,
		.reply_max = attr->reply_max,
		.reply_fds = worker->reply_fds,
		.reply_slices = worker->reply_slices,
	};
	bool descriptors = msg->fd_count || msg->slice_count;
	int result = -EMSGSIZE;

	if (!attr->request_max || msg->len <= attr->request_max)
		result = attr->handler(&request, attr->data);

	*reply = (struct ipcdev_msg) { 0 };
	if ((msg->flags & IPCDEV_MSG_CALL) && result != IPCDEV_DEFERRED) {
		reply->token = msg->token;
		if (result)
			set_error(reply, -result);
		else
			set_reply(reply, &request);
	}
	if (!descriptors && !request.reply_flags)
		return 0;

	/*
	 * They may be in the reply, and others may wait for their end: what is to
	 * be closed is so after the one and before the sleep for the next request.
	 */
	result = reply->token ? answer(worker) : 0;
	close_all(worker->fds, msg->fd_count);
	close_slices(worker->slices, msg->slice_count);
	if ((request.reply_flags & IPCDEV_REPLY_CLOSE) &&
	    request.reply_fd_count <= IPCDEV_FDS_MAX &&
	    request.reply_slice_count <= IPCDEV_SLICES_MAX) {
		close_all(request.reply_fds, request.reply_fd_count);
		close_slices(request.reply_slices, request.reply_slice_count);
	}
	return result;
}

/* More descriptors than this process may have open are no reason to stop. */
static void set_room(struct worker *worker)
{
	const struct ipcdev_server *server = worker->server;
	unsigned int flags = server->attr.flags;

	worker->call.request = (struct ipcdev_msg) {
		.data = ipcdev_ptr(worker->request),
		.len = server->msg_max,
		.flags = IPCDEV_MSG_DROP_FDS,
		.fds = ipcdev_ptr(worker->fds),
		.slices = ipcdev_ptr(worker->slices),
	};
	if (flags & IPCDEV_SERVER_FDS)
		worker->call.request.fd_count = IPCDEV_FDS_MAX;
	if (flags & (IPCDEV_SERVER_SLICES | IPCDEV_SERVER_SLICE_IDS))
		worker->call.request.slice_count = IPCDEV_SLICES_MAX;
	if (flags & IPCDEV_SERVER_SLICE_IDS)
		worker->call.request.flags |= IPCDEV_MSG_SLICE_IDS;
}

/* Returns 0 at the end of the callers or the server, and else an errno. */
static int serve(struct worker *worker)
{
	struct ipcdev_server *server = worker->server;
	struct ipcdev_call *call = &worker->call;
	int err;

	call->reply = (struct ipcdev_msg) { 0 };
	while (!is_ending(server)) {
		set_room(worker);
		if (!ioctl(server->queue, IPCDEV_IOC_REPLY_RECV, call)) {
			err = handle(worker);
			if (err)
				return err;
			continue;
		}
		if (errno == EINTR || (errno == EAGAIN && is_ending(server)))
			continue;
		if (!call->reply.token)
			return errno == EPIPE ? 0 : errno;
		/* It is the reply that has failed. */
		if (call->reply.error)
			return errno;
		set_error(&call->reply, errno);
	}
	return call->reply.token ? answer(worker) : 0;
}

/* The end of one worker is that of all. */
static void work(struct worker *worker)
{
	struct ipcdev_server *server = worker->server;

	__atomic_store_n(&worker->tid, gettid(), __ATOMIC_SEQ_CST);
	worker->error = serve(worker);
	__atomic_store_n(&worker->tid, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&server->ending, true, __ATOMIC_SEQ_CST);
	wake_workers(server);
}

/* The program's signals are for its own threads. */
static void *work_in_thread(void *arg)
{
	struct worker *worker = arg;
	sigset_t wake;

	sigemptyset(&wake);
	sigaddset(&wake, worker->server->attr.signal);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	work(worker);
	return NULL;
}

static void do_nothing(int signal)
{
	(void)signal;
}

/* Any handler will do: one that is there is left alone. */
static int catch_signal(int signal)
{
	struct sigaction action;

	if (sigaction(signal, NULL, &action))
		return -1;
	if ((action.sa_flags & SA_SIGINFO) || (action.sa_handler != SIG_DFL &&
					       action.sa_handler != SIG_IGN))
		return 0;
	action = (struct sigaction) {
		.sa_handler = do_nothing,
		.sa_flags = SA_RESTART,
	};
	return sigaction(signal, &action, NULL);
}

/* Starts the workers but for the first; @count tells how many there are then. */
static int start_threads(struct ipcdev_server *server, unsigned int *count)
{
	sigset_t all, old;
	int err = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (*count = 1; *count < server->attr.workers; ++*count) {
		struct worker *worker = &server->workers[*count];

		err = pthread_create(&worker->thread, NULL, work_in_thread,
				     worker);
		if (err)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

int ipcdev_server_run(struct ipcdev_server *server)
{
	struct worker *first = server->workers;
	sigset_t wake, old;
	unsigned int count;
	int cancel, err;

	if (catch_signal(server->attr.signal))
		return -1;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	sigemptyset(&wake);
	sigaddset(&wake, server->attr.signal);
	pthread_sigmask(SIG_UNBLOCK, &wake, &old);

	__atomic_store_n(&server->ending, false, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < server->attr.workers; i++)
		__atomic_store_n(&server->workers[i].call.flags, 0,
				 __ATOMIC_SEQ_CST);

	err = start_threads(server, &count);
	if (err)
		__atomic_store_n(&server->ending, true, __ATOMIC_SEQ_CST);
	work(first);
	for (unsigned int i = 0; i < count; i++) {
		if (i)
			pthread_join(server->workers[i].thread, NULL);
		if (!err)
			err = server->workers[i].error;
	}

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_setcancelstate(cancel, NULL);
	if (!err)
		return 0;
	errno = err;
	return -1;
}

void ipcdev_server_destroy(struct ipcdev_server *server)
{
	if (!server)
		return;
	for (unsigned int i = 0; i < server->attr.workers; i++) {
		free(server->workers[i].request);
		free(server->workers[i].reply);
	}
	free(server);
}

static int check_queue(int queue, struct ipcdev_stat *stat)
{
	int flags = fcntl(queue, F_GETFL);

	if (flags < 0 || ipcdev_stat(queue, stat))
		return -1;
	errno = 0;
	if (stat->type != IPCDEV_TYPE_QUEUE)
		errno = ENOTTY;
	else if (!(stat->rights & IPCDEV_RIGHT_READ))
		errno = EBADF;
	else if (flags & O_NONBLOCK)
		errno = EINVAL;
	return errno ? -1 : 0;
}

struct ipcdev_server *ipcdev_server_create(int queue,
					   const struct ipcdev_server_attr *attr)
{
	unsigned int workers = attr->workers ? attr->workers : 1;
	struct ipcdev_server *server;
	struct ipcdev_stat stat;

	if (!attr->handler || (attr->flags & ~SERVER_FLAGS) ||
	    workers > INT16_MAX) {
		errno = EINVAL;
		return NULL;
	}
	if (check_queue(queue, &stat))
		return NULL;

	server = calloc(1, sizeof(*server) + workers * sizeof(struct worker));
	if (!server)
		return NULL;
	server->attr = *attr;
	server->attr.workers = workers;
	if (!server->attr.reply_max)
		server->attr.reply_max = stat.msg_max;
	if (!server->attr.signal)
		server->attr.signal = SIGURG;
	server->queue = queue;
	server->msg_max = stat.msg_max;

	for (unsigned int i = 0; i < workers; i++) {
		struct worker *worker = &server->workers[i];

		worker->server = server;
		worker->request = malloc(stat.msg_max);
		worker->reply = malloc(server->attr.reply_max);
		if (!worker->request || !worker->reply) {
			ipcdev_server_destroy(server);
			errno = ENOMEM;
			return NULL;
		}
	}
	return server;
}
