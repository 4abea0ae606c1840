// SPDX-License-Identifier: GPL-2.0
/*
 * Call and reply: what a request and its answer carry, who may answer and how
 * often, and what either side learns when the other gives up or goes away.
 */
#include "stall.h"

#include <stdatomic.h>

/* What a caller's process exits with, beside an errno. */
#define WRONG_REPLY	250

FIXTURE(call)
{
	int dev;
	int server;		/* may receive and answer */
	int client;		/* may call */
};

FIXTURE_SETUP(call)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->client = create_queue(self->dev, .depth = 4, .msg_max = 4096);
	ASSERT_LE(0, self->client);
	self->server = dup_handle(self->client, RIGHT_READ, 0);
	ASSERT_LE(0, self->server);
	ASSERT_LE(0, dup_handle(self->client, RIGHT_WRITE, 0));
	/* The highest number of the three; the first is closed. */
	ASSERT_EQ(self->client, dup2(self->server + 1, self->client));
	close(self->server + 1);
	ASSERT_EQ(1, object(self->server).readers);
}

FIXTURE_TEARDOWN(call)
{
	close(self->server);
	close(self->client);
	close(self->dev);
}

/* One 64-bit word goes, and one comes back. */
struct ask {
	__u64 out;
	__u64 in;
	struct ipcdev_call c;
};

static void prepare(struct ask *a, __u64 value)
{
	memset(a, 0, sizeof(*a));
	a->out = value;
	a->c.request.data = PTR(&a->out);
	a->c.request.len = sizeof(a->out);
	a->c.reply.data = PTR(&a->in);
	a->c.reply.len = sizeof(a->in);
}

static long ask_with(int fd, struct ask *a, __u64 value, __u32 flags,
		     __u64 deadline)
{
	prepare(a, value);
	a->c.flags = flags;
	a->c.deadline_ns = deadline;
	return call(fd, IPCDEV_IOC_CALL, &a->c);
}

static long ask(int fd, struct ask *a, __u64 value)
{
	return ask_with(fd, a, value, 0, 0);
}

/* The answer that these servers give. */
static __u64 answer_to(__u64 value)
{
	return value * 2 + 1;
}

/* Receives a call, and says what it asks. */
static long receive(int fd, __u32 flags, struct ipcdev_msg *m)
{
	__u64 value = 0;
	struct ipcdev_transfer t = {
		.flags = flags,
		.msg = { .data = PTR(&value), .len = sizeof(value) },
	};
	long ret = recv_msg(fd, &t);

	*m = t.msg;
	return ret ?: (long)value;
}

static long reply(int fd, __u64 token, __u64 value)
{
	struct ipcdev_transfer t = {
		.msg = {
			.data = PTR(&value),
			.len = sizeof(value),
			.token = token,
		},
	};

	return call(fd, IPCDEV_IOC_REPLY, &t);
}

static long reply_error(int fd, __u64 token, __u32 error)
{
	struct ipcdev_transfer t = {
		.msg = { .token = token, .error = error },
	};

	return call(fd, IPCDEV_IOC_REPLY, &t);
}

static long waits(int fd, __u64 token)
{
	struct ipcdev_transfer t = {
		.flags = IPCDEV_PEEK,
		.msg = { .token = token },
	};

	return call(fd, IPCDEV_IOC_REPLY, &t);
}

/* The token of a call whose caller has given up. */
static long gone(int fd, __u64 *token)
{
	struct ipcdev_transfer t = { .flags = IPCDEV_PEEK };
	long ret = call(fd, IPCDEV_IOC_REPLY, &t);

	*token = t.msg.token;
	return ret;
}

static bool has_gone(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLPRI);
}

/* A process that calls and exits with the errno, or 0 after a right answer. */
static pid_t caller_with(int fd, int not_ours, __u64 value, __u32 prio,
			 __u32 flags, __u64 deadline)
{
	pid_t pid = child();
	struct ask a;
	long ret;

	if (pid)
		return pid;
	close(not_ours);
	prepare(&a, value);
	a.c.request.prio = prio;
	a.c.flags = flags;
	a.c.deadline_ns = deadline;
	ret = call(fd, IPCDEV_IOC_CALL, &a.c);
	if (ret)
		_exit(-ret);
	_exit(a.in == answer_to(value) && a.c.reply.len == sizeof(a.in) ?
	      0 : WRONG_REPLY);
}

static pid_t caller(int fd, int not_ours, __u64 value)
{
	return caller_with(fd, not_ours, value, 0, 0, 0);
}

static int exit_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   1000 + WTERMSIG(status);
}

TEST_F(call, answered)
{
	pid_t pid = caller(self->client, self->server, 5);
	struct ipcdev_msg m;

	ASSERT_EQ(5, receive(self->server, 0, &m));
	EXPECT_EQ(IPCDEV_MSG_CALL, m.flags & IPCDEV_MSG_CALL);
	EXPECT_NE(0, m.token);
	EXPECT_EQ(SCHED_OTHER, m.sched_policy);
	EXPECT_EQ(0, m.sched_prio);
	EXPECT_EQ(1, object(self->server).calls);
	EXPECT_EQ(0, waits(self->server, m.token));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(5)));
	EXPECT_EQ(0, object(self->server).calls);
	EXPECT_EQ(0, exit_of(pid));
	/* A plain message is no call. */
	ASSERT_EQ(0, put(self->client, 0, 1));
	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(0, m.flags);
	EXPECT_EQ(0, m.token);
}

/* A server's whole life, in a process of its own. */
static pid_t serve(int server, int not_ours)
{
	pid_t pid = child();
	struct ask a;
	long ret;

	if (pid)
		return pid;
	close(not_ours);
	prepare(&a, 0);
	a.c.request.data = PTR(&a.in);
	a.c.reply.data = PTR(&a.out);
	a.c.reply.len = 0;
	for (;;) {
		a.c.request.len = sizeof(a.in);
		a.c.request.flags = 0;
		ret = call(server, IPCDEV_IOC_REPLY_RECV, &a.c);
		if (ret)
			_exit(-ret);
		a.out = answer_to(a.in);
		a.c.reply.token = a.c.request.token;
		a.c.reply.len = sizeof(a.out);
		a.c.reply.error = 0;
	}
}

TEST_F(call, reply_and_receive)
{
	pid_t pid = serve(self->server, self->client);
	struct ask a;
	int i;

	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(0, ask(self->client, &a, i));
		ASSERT_EQ(answer_to(i), a.in);
		ASSERT_EQ(sizeof(a.in), a.c.reply.len);
		ASSERT_EQ(0, a.c.reply.error);
		ASSERT_EQ(0, a.c.reply.token);
	}
	/* Two sleeps and two wake-ups for each, and no more. */
	EXPECT_GE(2 * 1000, object(self->client).wakeups);
	close(self->client);
	EXPECT_EQ(EPIPE, exit_of(pid));
}

TEST_F(call, error_in_place_of_a_reply)
{
	pid_t pid = child();
	struct ipcdev_msg m;
	struct ask a;

	if (!pid) {
		close(self->server);
		_exit(ask(self->client, &a, 1) ? 1 :
		      a.c.reply.error != ENOENT || a.c.reply.len ? 2 : 0);
	}
	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(-EINVAL, reply_error(self->server, m.token,
				       IPCDEV_ERROR_MAX + 1));
	EXPECT_EQ(0, reply_error(self->server, m.token, ENOENT));
	EXPECT_EQ(0, exit_of(pid));
}

/* Every size from none to the largest, and one more, both ways. */
TEST_F(call, sizes)
{
	static const __u32 sizes[] = { 0, 1, 7, 64, 127, 128, 129, 255, 256,
				       257, 1000, 4095, 4096 };
	static char out[4097], in[4097], got[4097];
	pid_t pid = child();
	struct ipcdev_call c;
	unsigned int i;
	int k;

	if (!pid) {
		close(self->client);
		memset(&c, 0, sizeof(c));
		for (;;) {
			c.request.data = PTR(got);
			c.request.len = sizeof(got);
			c.request.flags = 0;
			if (call(self->server, IPCDEV_IOC_REPLY_RECV, &c))
				_exit(0);
			/* As much as did not come. */
			for (k = 0; k < 4096; k++)
				got[k]++;
			c.reply.data = PTR(got);
			c.reply.len = c.request.tag;
			c.reply.token = c.request.token;
			c.reply.error = 0;
		}
	}
	for (i = 0; i < 4096; i++)
		out[i] = i * 7;
	for (i = 0; i < 13 * 13; i++) {
		memset(&c, 0, sizeof(c));
		memset(in, 0x5a, sizeof(in));
		c.request.data = PTR(out);
		c.request.len = sizes[i / 13];
		c.request.tag = sizes[i % 13];
		c.reply.data = PTR(in);
		c.reply.len = sizes[i % 13];
		ASSERT_EQ(0, call(self->client, IPCDEV_IOC_CALL, &c));
		ASSERT_EQ(sizes[i % 13], c.reply.len);
		for (k = 0; k < (int)c.reply.len && k < (int)sizes[i / 13]; k++)
			ASSERT_EQ((char)(out[k] + 1), in[k]);
		ASSERT_EQ(0x5a, in[c.reply.len]);
	}
	c.request.len = 4097;
	EXPECT_EQ(-EMSGSIZE, call(self->client, IPCDEV_IOC_CALL, &c));
	close(self->client);
	EXPECT_EQ(0, exit_of(pid));
}

TEST_F(call, answered_once_and_here_only)
{
	pid_t pid = caller(self->client, self->server, 3);
	int other = dup_handle(self->server, RIGHT_READ, 0);
	struct ipcdev_msg m;

	ASSERT_LE(0, other);
	ASSERT_EQ(3, receive(self->server, 0, &m));
	EXPECT_EQ(-ESRCH, reply(other, m.token, 1));
	EXPECT_EQ(-ESRCH, waits(other, m.token));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token + 1, 1));
	EXPECT_EQ(-EINVAL, reply(self->server, 0, 1));
	EXPECT_EQ(-EBADF, reply(self->client, m.token, 1));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(3)));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, answer_to(3)));
	EXPECT_EQ(-ESRCH, waits(self->server, m.token));
	EXPECT_EQ(0, exit_of(pid));
	close(other);
}

/* A copy of the open file is as good, in another process too. */
TEST_F(call, token_after_fork)
{
	pid_t pid = caller(self->client, self->server, 3), server;
	struct ipcdev_msg m;

	ASSERT_EQ(3, receive(self->server, 0, &m));
	server = child();
	if (!server)
		_exit(-reply(self->server, m.token, answer_to(3)));
	EXPECT_EQ(0, exit_of(server));
	EXPECT_EQ(0, exit_of(pid));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, 1));
}

TEST_F(call, a_failed_reply_can_be_repeated)
{
	pid_t pid = caller(self->client, self->server, 3);
	struct ipcdev_transfer t = { 0 };
	static char large[4097];
	struct ipcdev_msg m;

	ASSERT_EQ(3, receive(self->server, 0, &m));
#define BAD_REPLY(errno_, ...)						\
	do {								\
		t = (struct ipcdev_transfer) {				\
			.msg.token = m.token, __VA_ARGS__ };		\
		EXPECT_EQ(-(errno_), call(self->server,			\
					  IPCDEV_IOC_REPLY, &t));	\
	} while (0)
	BAD_REPLY(EFAULT, .msg.data = PTR(bad_page()), .msg.len = 8);
	BAD_REPLY(EFAULT, .msg.data = PTR(bad_page()), .msg.len = 1000);
	BAD_REPLY(EMSGSIZE, .msg.data = PTR(large), .msg.len = 4097);
	BAD_REPLY(EINVAL, .flags = IPCDEV_NONBLOCK);
	BAD_REPLY(EINVAL, .position = 1);
	BAD_REPLY(EINVAL, .deadline_ns = 1);
	BAD_REPLY(EINVAL, .msg.flags = IPCDEV_MSG_CALL);
	BAD_REPLY(EINVAL, .msg.prio = 1);
	BAD_REPLY(EINVAL, .msg.time_ns = 1);
	BAD_REPLY(EINVAL, .msg.pid = 1);
	BAD_REPLY(EINVAL, .msg.lost = 1);
	BAD_REPLY(EINVAL, .msg.sched_policy = 1);
	BAD_REPLY(EINVAL, .msg.error = 1, .msg.len = 1);
	BAD_REPLY(EINVAL, .msg.error = 1, .msg.fd_count = 1);
	BAD_REPLY(EINVAL, .msg.fd_count = IPCDEV_FDS_MAX + 1);
	BAD_REPLY(EINVAL, .msg.slice_count = IPCDEV_SLICES_MAX + 1);
	BAD_REPLY(EINVAL, .msg.iov_count = IPCDEV_IOV_MAX + 1);
	BAD_REPLY(ELOOP, .msg.fds = PTR(&self->server), .msg.fd_count = 1);
	EXPECT_EQ(0, waits(self->server, m.token));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(3)));
	EXPECT_EQ(0, exit_of(pid));
}

TEST_F(call, bad_calls)
{
	char bytes[sizeof(struct ipcdev_call) + 16] = "";
	struct ask a;

#define BAD_CALL(errno_, field, value)					\
	do {								\
		prepare(&a, 1);						\
		a.c.field = value;					\
		EXPECT_EQ(-(errno_), call(self->client,			\
					  IPCDEV_IOC_CALL, &a.c));	\
	} while (0)
	BAD_CALL(EINVAL, flags, IPCDEV_PEEK);
	BAD_CALL(EINVAL, reserved, 1);
	BAD_CALL(EINVAL, deadline_ns, 1);
	BAD_CALL(EINVAL, request.flags, IPCDEV_MSG_DROP_FDS);
	BAD_CALL(EINVAL, request.token, 1);
	BAD_CALL(EINVAL, request.error, 1);
	BAD_CALL(EINVAL, request.sched_policy, 1);
	BAD_CALL(EINVAL, request.sched_prio, 1);
	BAD_CALL(EINVAL, request.prio, IPCDEV_PRIO_MAX + 1);
	BAD_CALL(EINVAL, reply.flags, 0x80000000);
	BAD_CALL(EFAULT, request.data, PTR(bad_page()));
	BAD_CALL(EMSGSIZE, request.len, 4097);
	prepare(&a, 1);
	EXPECT_EQ(-EBADF, call(self->server, IPCDEV_IOC_CALL, &a.c));
	EXPECT_EQ(-EBADF, call(self->client, IPCDEV_IOC_REPLY_RECV, &a.c));
	EXPECT_EQ(-EFAULT, call(self->client, IPCDEV_IOC_CALL, bad_page()));
	/* The size is that of a head and of two messages. */
#define CALL_OF(size)	_IOC(_IOC_READ | _IOC_WRITE, IPCDEV_IOC_MAGIC, 0x44, \
			     size)
	EXPECT_EQ(-EINVAL, call(self->client,
				CALL_OF(IPCDEV_CALL_SIZE_VER0 - 16), bytes));
	EXPECT_EQ(-EINVAL, call(self->client,
				CALL_OF(IPCDEV_CALL_SIZE_VER0 + 8), bytes));
	bytes[sizeof(bytes) - 1] = 1;
	EXPECT_EQ(-E2BIG, call(self->client,
			       CALL_OF(IPCDEV_CALL_SIZE_VER0 + 16), bytes));
	EXPECT_EQ(0, object(self->server).queued);
	EXPECT_EQ(0, object(self->server).sent);
}

TEST_F(call, longer_structure)
{
	struct {
		struct ipcdev_call head;
		__u64 more[2];
	} c = { 0 };
	pid_t pid = serve(self->server, self->client);
	__u64 out = 9, in = 0;
	struct ipcdev_msg m = { .data = PTR(&in), .len = sizeof(in) };

	c.head.request.data = PTR(&out);
	c.head.request.len = sizeof(out);
	/* The second message begins eight bytes later. */
	memcpy((char *)&c.head.reply + 8, &m, sizeof(m));
	memset(&c.head.reply, 0, 8);
	EXPECT_EQ(0, call(self->client, CALL_OF(sizeof(c)), &c));
	EXPECT_EQ(answer_to(9), in);
	close(self->client);
	EXPECT_EQ(EPIPE, exit_of(pid));
}

TEST_F(call, reply_without_room)
{
	static char large[100];
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(large), .len = sizeof(large) },
	};
	pid_t pid = child();
	struct ipcdev_msg m;
	struct ask a;

	if (!pid) {
		close(self->server);
		_exit(ask(self->client, &a, 1) != -EMSGSIZE ? 1 :
		      a.c.reply.len != sizeof(large) ? 2 : 0);
	}
	ASSERT_EQ(1, receive(self->server, 0, &m));
	t.msg.token = m.token;
	EXPECT_EQ(0, call(self->server, IPCDEV_IOC_REPLY, &t));
	EXPECT_EQ(0, exit_of(pid));
}

TEST_F(call, reply_to_bad_memory)
{
	pid_t pid = child();
	struct ipcdev_msg m;
	struct ask a;

	if (!pid) {
		close(self->server);
		prepare(&a, 1);
		a.c.reply.data = PTR(bad_page());
		_exit(-call(self->client, IPCDEV_IOC_CALL, &a.c));
	}
	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(0, reply(self->server, m.token, 1));
	EXPECT_EQ(EFAULT, exit_of(pid));
}

/* Sleeps in the call until the server goes: before it takes the call, or after. */
TEST_F(call, server_goes)
{
	pid_t pid = caller(self->client, self->server, 1);
	struct ipcdev_msg m;
	struct ask a;

	until(object(self->server).queued == 1);
	close(self->server);
	EXPECT_EQ(EPIPE, exit_of(pid));
	EXPECT_EQ(0, object(self->client).queued);
	/* And where there is none any more. */
	EXPECT_EQ(-EPIPE, ask(self->client, &a, 1));

	self->client = create_queue(self->dev, .depth = 4);
	self->server = dup_handle(self->client, RIGHT_READ, 0);
	pid = caller(self->client, self->server, 1);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	close(self->server);
	/* The creator's handle may read, but this call was not taken there. */
	EXPECT_EQ(EPIPE, exit_of(pid));
	EXPECT_EQ(0, object(self->client).calls);
	self->server = -1;
}

TEST_F(call, server_killed)
{
	int pipefd[2];
	pid_t pid, server;
	struct ipcdev_msg m;

	ASSERT_EQ(0, pipe(pipefd));
	server = child();
	if (!server) {
		close(self->client);
		receive(self->server, 0, &m);
		close(pipefd[1]);
		pause();
	}
	close(pipefd[1]);
	close(self->server);
	pid = caller(self->client, pipefd[0], 1);
	/* The end of this pipe: the call has been taken. */
	EXPECT_EQ(0, read(pipefd[0], &m, 1));
	kill(server, SIGKILL);
	EXPECT_EQ(EPIPE, exit_of(pid));
	EXPECT_EQ(1000 + SIGKILL, exit_of(server));
	EXPECT_EQ(0, object(self->client).calls);
	self->server = -1;
}

FIXTURE(deadline)
{
	int dev, server, client;
};

FIXTURE_VARIANT(deadline)
{
	__u32 flag;
	clockid_t clock;
};

FIXTURE_VARIANT_ADD(deadline, monotonic)
{
	.flag = IPCDEV_DEADLINE_MONOTONIC,
	.clock = CLOCK_MONOTONIC,
};

FIXTURE_VARIANT_ADD(deadline, realtime)
{
	.flag = IPCDEV_DEADLINE_REALTIME,
	.clock = CLOCK_REALTIME,
};

FIXTURE_SETUP(deadline)
{
	self->dev = device();
	self->server = create_queue(self->dev, .depth = 4);
	ASSERT_LE(0, self->server);
	self->client = dup_handle(self->server, RIGHT_WRITE, 0);
	ASSERT_LE(0, self->client);
}

FIXTURE_TEARDOWN(deadline)
{
	close(self->client);
	close(self->server);
	close(self->dev);
}

TEST_F(deadline, not_taken)
{
	__u64 end = now(variant->clock) + SOON;
	struct ask a;

	EXPECT_EQ(-ETIMEDOUT, ask_with(self->client, &a, 1, variant->flag, end));
	EXPECT_LE(end, now(variant->clock));
	EXPECT_EQ(0, object(self->server).queued);
	EXPECT_EQ(-EAGAIN, try_take(self->server));
	EXPECT_EQ(0, object(self->server).calls);
}

TEST_F(deadline, taken)
{
	struct pollfd p = { .fd = self->server, .events = POLLPRI };
	pid_t pid = child();
	struct ipcdev_msg m;
	struct ask a;
	__u64 token;

	if (!pid) {
		/* Handed over at once, however late that is. */
		until(object(self->client).receivers == 1);
		_exit(-ask_with(self->client, &a, 1, variant->flag,
				now(variant->clock) + SOON));
	}
	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(ETIMEDOUT, exit_of(pid));
	/* The server learns of it, in each of the ways there are. */
	EXPECT_EQ(1, poll(&p, 1, -1));
	EXPECT_EQ(POLLPRI, p.revents & POLLPRI);
	EXPECT_EQ(1, object(self->server).calls);
	EXPECT_EQ(-ESRCH, waits(self->server, m.token));
	EXPECT_EQ(0, gone(self->server, &token));
	EXPECT_EQ(m.token, token);
	EXPECT_EQ(-EAGAIN, gone(self->server, &token));
	EXPECT_FALSE(has_gone(self->server));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, 1));
	EXPECT_EQ(0, object(self->server).calls);
}

TEST_F(deadline, far)
{
	pid_t pid = caller_with(self->client, self->dev, 1, 0, variant->flag,
				now(variant->clock) + FOREVER);
	struct ipcdev_msg m;

	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(1)));
	EXPECT_EQ(0, exit_of(pid));
}

TEST_F(call, reply_to_one_who_has_gone)
{
	struct ipcdev_call c = { .flags = IPCDEV_NONBLOCK };
	pid_t pid = caller(self->client, self->server, 1);
	struct ipcdev_msg m;
	__u64 got = 0;

	ASSERT_EQ(1, receive(self->server, 0, &m));
	kill(pid, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, exit_of(pid));
	EXPECT_TRUE(has_gone(self->server));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, 1));
	EXPECT_FALSE(has_gone(self->server));
	/* Where more is to come it is told, and no error. */
	pid = caller(self->client, self->server, 2);
	ASSERT_EQ(2, receive(self->server, 0, &m));
	kill(pid, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, exit_of(pid));
	ASSERT_EQ(0, put(self->client, 0, 7));
	c.reply.token = m.token;
	c.request.data = PTR(&got);
	c.request.len = sizeof(got);
	EXPECT_EQ(0, call(self->server, IPCDEV_IOC_REPLY_RECV, &c));
	EXPECT_EQ(7, got);
	EXPECT_EQ(ESRCH, c.reply.error);
	EXPECT_EQ(0, c.reply.token);
	EXPECT_EQ(0, object(self->server).calls);
}

/* More callers give up than the queue is deep: the first are forgotten. */
TEST_F(call, many_give_up)
{
	__u64 token, first = 0;
	struct ipcdev_msg m;
	int i;

	for (i = 0; i < 6; i++) {
		pid_t pid = caller(self->client, self->server, i);

		ASSERT_EQ(i, receive(self->server, 0, &m));
		first = first ?: m.token;
		kill(pid, SIGKILL);
		ASSERT_EQ(1000 + SIGKILL, exit_of(pid));
	}
	EXPECT_EQ(4, object(self->server).calls);
	EXPECT_EQ(-ESRCH, reply(self->server, first, 1));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, gone(self->server, &token));
	EXPECT_EQ(m.token, token);
	EXPECT_EQ(-EAGAIN, gone(self->server, &token));
	EXPECT_EQ(0, object(self->server).calls);
}

/* Who sleeps for that is woken, whether it may only receive or also send. */
TEST_F(call, told_in_its_sleep)
{
	__u32 rights[] = { RIGHT_READ, RIGHT_READ | RIGHT_WRITE };
	int q = create_queue(self->dev, .depth = 4), i;

	for (i = 0; i < 2; i++) {
		int server = dup_handle(q, rights[i], 0);
		struct pollfd p = { .fd = server, .events = POLLPRI };
		pid_t pid, sleeper;
		struct ipcdev_msg m;

		ASSERT_LE(0, server);
		pid = caller(q, server, 1);
		ASSERT_EQ(1, receive(server, 0, &m));
		sleeper = child();
		if (!sleeper)
			_exit(poll(&p, 1, -1) == 1 && p.revents == POLLPRI ? 0 : 1);
		until(asleep_in(sleeper, SYS_poll));
		kill(pid, SIGKILL);
		EXPECT_EQ(1000 + SIGKILL, exit_of(pid));
		EXPECT_EQ(0, exit_of(sleeper));
		close(server);
	}
	close(q);
}

/* Of whichever server: one that does not ask keeps none of the others from knowing. */
TEST_F(call, give_up_on_one_server_and_another)
{
	int lazy = dup_handle(self->server, RIGHT_READ, 0);
	__u64 token, first = 0;
	struct ipcdev_msg m;
	int i;

	ASSERT_LE(0, lazy);
	for (i = 0; i < 5; i++) {
		int fd = i < 4 ? lazy : self->server;
		pid_t pid = caller(self->client, self->server, i);

		ASSERT_EQ(i, receive(fd, 0, &m));
		first = first ?: m.token;
		kill(pid, SIGKILL);
		ASSERT_EQ(1000 + SIGKILL, exit_of(pid));
	}
	EXPECT_TRUE(has_gone(self->server));
	EXPECT_EQ(0, gone(self->server, &token));
	EXPECT_EQ(m.token, token);
	EXPECT_EQ(-ESRCH, reply(lazy, first, 1));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, gone(lazy, &token));
	EXPECT_EQ(-EAGAIN, gone(lazy, &token));
	EXPECT_EQ(0, object(self->server).calls);
	close(lazy);
}

/*
 * A large request is not kept once it is delivered, and its call is none the worse:
 * it is answered, given up, or ends with its server.
 */
TEST_F(call, with_a_large_request)
{
	enum { LARGE = 256 * 1024, REPLY = 1000 };
	int q = create_queue(self->dev, .depth = 4, .msg_max = LARGE);
	int server = dup_handle(q, RIGHT_READ, 0), client = dup_handle(q, RIGHT_WRITE, 0), i;
	unsigned char *data = calloc(LARGE, 1);
	struct ipcdev_transfer t[3];
	struct ipcdev_msg m;
	__u64 token;
	pid_t pid[3];

	ASSERT_LE(0, server);
	ASSERT_LE(0, client);
	ASSERT_NE(NULL, data);
	close(q);
	for (i = 0; i < 3; i++) {
		pid[i] = child();
		if (!pid[i]) {
			struct ipcdev_call c = {
				.request = { .data = PTR(data), .len = LARGE, .tag = i },
				.reply = { .data = PTR(data), .len = LARGE },
			};
			long ret;

			close(server);
			memset(data, i + 1, LARGE);
			ret = call(client, IPCDEV_IOC_CALL, &c);
			if (ret)
				_exit(-ret);
			_exit(c.reply.len == REPLY && data[0] == 9 && data[REPLY - 1] == 9 &&
			      data[REPLY] == i + 1 ? 0 : WRONG_REPLY);
		}
		t[i] = (struct ipcdev_transfer) {
			.msg = { .data = PTR(data), .len = LARGE },
		};
		ASSERT_EQ(0, recv_msg(server, &t[i]));
		EXPECT_EQ(LARGE, t[i].msg.len);
		EXPECT_EQ((__u64)i, t[i].msg.tag);
		EXPECT_EQ(i + 1, data[LARGE - 1]);
	}
	EXPECT_EQ(3, object(server).calls);
	EXPECT_EQ(0, waits(server, t[0].msg.token));

	memset(data, 9, LARGE);
	m = (struct ipcdev_msg){
		.token = t[0].msg.token, .data = PTR(data), .len = REPLY,
	};
	EXPECT_EQ(0, call(server, IPCDEV_IOC_REPLY, &(struct ipcdev_transfer){ .msg = m }));
	EXPECT_EQ(0, exit_of(pid[0]));

	kill(pid[1], SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, exit_of(pid[1]));
	EXPECT_EQ(0, gone(server, &token));
	EXPECT_EQ(t[1].msg.token, token);

	close(server);
	EXPECT_EQ(EPIPE, exit_of(pid[2]));
	close(client);
	free(data);
}

/* A caller whose request has come back is told as well. */
TEST_F(call, no_server_any_more)
{
	pid_t pid = caller(self->client, self->server, 1);
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(bad_page()), .len = 8 },
	};

	until(object(self->client).queued == 1);
	EXPECT_EQ(-EFAULT, recv_msg(self->server, &t));
	EXPECT_EQ(1, object(self->client).queued);
	close(self->server);
	EXPECT_EQ(EPIPE, exit_of(pid));
	EXPECT_EQ(0, object(self->client).queued);
	self->server = -1;
}

/* Who calls is told who has answered, and the other way round. */
TEST_F(call, signed_by_both)
{
	int q = create_queue(self->dev, .flags = IPCDEV_QUEUE_CREDS | IPCDEV_QUEUE_TIME);
	struct ipcdev_msg m;
	struct ask a;
	pid_t pid;

	ASSERT_LE(0, q);
	prepare(&a, 1);
	pid = child();
	if (!pid) {
		if (receive(q, 0, &m) != 1 || m.pid != (__u32)getppid() ||
		    !(m.flags & IPCDEV_MSG_CREDS) || !(m.flags & IPCDEV_MSG_TIME) ||
		    m.uid != getuid() || !m.time_ns)
			_exit(reply_error(q, m.token, EBADMSG) ? 2 : 1);
		_exit(reply(q, m.token, 2) ? 3 : 0);
	}
	EXPECT_EQ(0, call(q, IPCDEV_IOC_CALL, &a.c));
	EXPECT_EQ(2, a.in);
	EXPECT_EQ(IPCDEV_MSG_CREDS | IPCDEV_MSG_TIME, a.c.reply.flags);
	EXPECT_EQ((__u32)pid, a.c.reply.pid);
	EXPECT_EQ(getuid(), a.c.reply.uid);
	EXPECT_EQ(getgid(), a.c.reply.gid);
	EXPECT_LT(0, a.c.reply.time_ns);
	EXPECT_GE(now(CLOCK_MONOTONIC), a.c.reply.time_ns);
	EXPECT_EQ(0, exit_of(pid));
	close(q);
}

/* To close a descriptor then closes it for both. */
static pid_t sharing_all(int (*run)(void *arg), void *arg)
{
	return sharing(CLONE_VM | CLONE_FILES, run, arg);
}

/* What such a process does, and what comes of it. */
struct stalled {
	int fd;
	struct stall stall;
	__u64 token;
	long ret;
};

static int stalled_peek(void *arg)
{
	struct stalled *s = arg;
	struct ipcdev_transfer t = {
		.flags = IPCDEV_PEEK,
		.msg = { .data = PTR(s->stall.page), .len = 64 },
	};

	s->ret = recv_msg(s->fd, &t);
	return 0;
}

/* Sleeps while it takes the request. */
static int stalled_receive(void *arg)
{
	struct stalled *s = arg;
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(s->stall.page), .len = sizeof(__u64) },
	};

	s->ret = recv_msg(s->fd, &t);
	s->token = t.msg.token;
	return 0;
}

/* Sleeps while it takes the reply. */
static int stalled_call(void *arg)
{
	struct stalled *s = arg;
	__u64 value = 1;
	int fd = -1;
	struct ipcdev_call c = {
		.request = { .data = PTR(&value), .len = sizeof(value) },
		.reply = {
			.data = PTR(s->stall.page),
			.len = sizeof(value),
			.fds = PTR(&fd),
			.fd_count = 1,
		},
	};

	s->ret = call(s->fd, IPCDEV_IOC_CALL, &c);
	return 0;
}

/* Receives, without a stall. */
static int plain_receive(void *arg)
{
	struct stalled *s = arg;
	struct ipcdev_msg m;

	s->ret = receive(s->fd, 0, &m);
	return 0;
}

static int stalled_reply(void *arg)
{
	struct stalled *s = arg;
	struct ipcdev_transfer t = {
		.msg = {
			.token = s->token,
			.data = PTR(s->stall.page),
			.len = sizeof(__u64),
		},
	};

	s->ret = call(s->fd, IPCDEV_IOC_REPLY, &t);
	return 0;
}

/*
 * A peeker keeps the request as it is, with what it carries. The reply must not
 * be written over that, nor bring it back.
 */
TEST_F(call, reply_to_what_was_peeked_at)
{
	struct stalled s = { .fd = self->server };
	int e = eventfd(0, EFD_CLOEXEC), got = -1;
	char answer[64];
	struct ipcdev_transfer t = {
		.msg = {
			.data = PTR(answer),
			.len = sizeof(answer),
			.fds = PTR(&got),
			.fd_count = 1,
		},
	};
	pid_t pid, peeker;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = child();
	if (!pid) {
		char in[sizeof(answer)] = { 0 };
		struct ipcdev_call c = {
			.request = {
				.data = PTR(in),
				.len = 16,
				.fds = PTR(&e),
				.fd_count = 1,
			},
			.reply = {
				.data = PTR(in),
				.len = sizeof(in),
				.fds = PTR(&got),
				.fd_count = 1,
			},
		};
		long ret = call(self->client, IPCDEV_IOC_CALL, &c);

		memset(answer, 'A', sizeof(answer));
		if (ret || memcmp(in, answer, sizeof(in)) || c.reply.fd_count)
			_exit(WRONG_REPLY);
		_exit(0);
	}
	until(object(self->server).queued == 1);
	peeker = sharing_memory(stalled_peek, &s);
	ASSERT_LT(0, peeker);
	stall_await(&s.stall);
	ASSERT_EQ(0, recv_msg(self->server, &t));
	EXPECT_EQ(1, t.msg.fd_count);
	close(got);
	stall_end(&s.stall);
	ASSERT_EQ(0, reap(peeker));
	EXPECT_EQ(0, s.ret);
	memset(answer, 'A', sizeof(answer));
	t.msg = (struct ipcdev_msg) {
		.token = t.msg.token,
		.data = PTR(answer),
		.len = sizeof(answer),
	};
	EXPECT_EQ(0, call(self->server, IPCDEV_IOC_REPLY, &t));
	EXPECT_EQ(0, exit_of(pid));
	EXPECT_EQ(0, info(self->dev).inflight);
	close(e);
}

/* While one makes a reply it is not known yet whether there will be one. */
TEST_F(call, busy_with_its_reply)
{
	struct ipcdev_call c = { .flags = IPCDEV_NONBLOCK };
	struct stalled s = { .fd = self->server };
	struct ipcdev_msg m;
	pid_t pid, replier;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	/* The page that stalls has zeroes: no answer to anything. */
	pid = caller(self->client, self->server, 1);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	s.token = m.token;
	replier = sharing_memory(stalled_reply, &s);
	ASSERT_LT(0, replier);
	stall_await(&s.stall);
	EXPECT_EQ(-EBUSY, reply(self->server, m.token, 1));
	c.reply.token = m.token;
	EXPECT_EQ(-EBUSY, call(self->server, IPCDEV_IOC_REPLY_RECV, &c));
	EXPECT_EQ(m.token, c.reply.token);
	EXPECT_EQ(0, waits(self->server, m.token));
	stall_end(&s.stall);
	ASSERT_EQ(0, reap(replier));
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(WRONG_REPLY, exit_of(pid));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, 1));
}

/* That one of them is being answered keeps no others from being forgotten. */
TEST_F(call, many_give_up_during_a_reply)
{
	struct stalled s = { .fd = self->server };
	struct ipcdev_msg m;
	pid_t pid, replier;
	__u64 token;
	int i;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = caller(self->client, self->server, 1);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	s.token = m.token;
	replier = sharing_memory(stalled_reply, &s);
	ASSERT_LT(0, replier);
	stall_await(&s.stall);
	kill(pid, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, exit_of(pid));
	for (i = 0; i < 10; i++) {
		pid = caller(self->client, self->server, i);
		ASSERT_EQ(i, receive(self->server, 0, &m));
		kill(pid, SIGKILL);
		ASSERT_EQ(1000 + SIGKILL, exit_of(pid));
	}
	EXPECT_EQ(4, object(self->server).calls);
	/* Each is told once. */
	EXPECT_EQ(0, gone(self->server, &token));
	EXPECT_EQ(s.token, token);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, gone(self->server, &token));
		EXPECT_LT(s.token, token);
	}
	EXPECT_EQ(m.token, token);
	EXPECT_EQ(-EAGAIN, gone(self->server, &token));
	EXPECT_FALSE(has_gone(self->server));
	EXPECT_EQ(1, object(self->server).calls);
	stall_end(&s.stall);
	ASSERT_EQ(0, reap(replier));
	EXPECT_EQ(-ESRCH, s.ret);
	EXPECT_EQ(0, object(self->server).calls);
}

/* Told to memory that is not there it is not told. */
TEST_F(call, given_up_and_told_to_nobody)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct ipcdev_transfer *t = mmap(NULL, page, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid = caller(self->client, self->server, 1);
	struct ipcdev_msg m;
	__u64 token;

	ASSERT_NE(MAP_FAILED, t);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	kill(pid, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, exit_of(pid));
	t->flags = IPCDEV_PEEK;
	ASSERT_EQ(0, mprotect(t, page, PROT_READ));
	EXPECT_EQ(-EFAULT, call(self->server, IPCDEV_IOC_REPLY, t));
	EXPECT_TRUE(has_gone(self->server));
	EXPECT_EQ(0, gone(self->server, &token));
	EXPECT_EQ(m.token, token);
	EXPECT_EQ(0, object(self->server).calls);
	munmap(t, page);
}

/* Nor is more kept of them than a queue's worth of payload, by all handles. */
TEST_F(call, many_large_ones_give_up)
{
	int q = create_queue(self->dev, .depth = 64, .msg_max = 4096,
			     .bytes_max = 8192);
	int other = dup_handle(q, RIGHT_READ, 0), i;
	char payload[4096] = { 0 };
	struct ipcdev_transfer t;
	__u64 token;

	ASSERT_LE(0, other);
	for (i = 0; i < 5; i++) {
		pid_t pid = child();

		if (!pid) {
			struct ipcdev_call c = {
				.request = {
					.data = PTR(payload),
					.len = sizeof(payload),
				},
			};

			call(q, IPCDEV_IOC_CALL, &c);
			_exit(0);
		}
		t = (struct ipcdev_transfer) {
			.msg = { .data = PTR(payload), .len = sizeof(payload) },
		};
		ASSERT_EQ(0, recv_msg(i % 2 ? other : q, &t));
		/* A small reply that fails makes nothing smaller. */
		t.msg = (struct ipcdev_msg) {
			.token = t.msg.token,
			.data = PTR(bad_page()),
			.len = 8,
		};
		EXPECT_EQ(-EFAULT, call(i % 2 ? other : q, IPCDEV_IOC_REPLY,
					&t));
		kill(pid, SIGKILL);
		ASSERT_EQ(1000 + SIGKILL, exit_of(pid));
	}
	EXPECT_EQ(2, object(q).calls);
	while (!gone(q, &token) || !gone(other, &token))
		;
	EXPECT_EQ(0, object(q).calls);
	close(other);
	close(q);
}

/* What was lost before the request is the server's business. */
TEST_F(call, reply_loses_nothing)
{
	int q = create_queue(self->dev, .depth = 1,
			     .flags = IPCDEV_QUEUE_DROP_OLDEST);
	struct ipcdev_msg m;
	pid_t pid;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, put(q, 0, i));
	pid = child();
	if (!pid) {
		struct ask a;

		if (ask(q, &a, 1))
			_exit(WRONG_REPLY);
		_exit(a.c.reply.lost);
	}
	until(object(q).dropped == 3);
	ASSERT_EQ(1, receive(q, 0, &m));
	EXPECT_EQ(3, m.lost);
	EXPECT_EQ(0, reply(q, m.token, 1));
	EXPECT_EQ(0, exit_of(pid));
	close(q);
}

/* Who asks says no more than whom it is about. */
TEST_F(call, bad_questions)
{
#define BAD_QUESTION(field, value) do {					\
		struct ipcdev_transfer t = { .flags = IPCDEV_PEEK };	\
									\
		t.msg.field = value;					\
		EXPECT_EQ(-EINVAL, call(self->server, IPCDEV_IOC_REPLY, &t)) \
			TH_LOG(#field);					\
	} while (0)

	BAD_QUESTION(len, 1);
	BAD_QUESTION(iov_count, 1);
	BAD_QUESTION(tag, 1);
	BAD_QUESTION(flags, IPCDEV_MSG_CALL);
	BAD_QUESTION(prio, 1);
	BAD_QUESTION(fd_count, 1);
	BAD_QUESTION(slice_count, 1);
	BAD_QUESTION(time_ns, 1);
	BAD_QUESTION(pid, 1);
	BAD_QUESTION(uid, 1);
	BAD_QUESTION(gid, 1);
	BAD_QUESTION(lost, 1);
	BAD_QUESTION(error, 1);
	BAD_QUESTION(sched_policy, 1);
	BAD_QUESTION(sched_prio, 1);
}

/* Death before the request is taken: it is as if it had never been sent. */
TEST_F(call, caller_killed_before)
{
	pid_t pid = caller(self->client, self->server, 1);

	until(object(self->server).queued == 1);
	kill(pid, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, exit_of(pid));
	EXPECT_EQ(0, object(self->server).queued);
	EXPECT_EQ(-EAGAIN, try_take(self->server));
}

static int hits;

static void hit(int signo)
{
	hits++;
}

static void on_signal(int flags)
{
	struct sigaction sa = { .sa_handler = hit, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

/* Death and signals while a server copies the request: it gets one without a caller. */
TEST_F(call, caller_goes_while_its_request_is_taken)
{
	struct stalled s[2] = { { .fd = self->server }, { .fd = self->server } };
	pid_t pid, server;
	__u64 token;
	int i;

	for (i = 0; i < 2; i++) {
		if (stall_init(&s[i].stall))
			SKIP(return, "no userfaultfd");
		/* To be restarted, were it not too late for that. */
		on_signal(SA_RESTART);
		pid = caller(self->client, self->server, 1);
		server = sharing_memory(stalled_receive, &s[i]);
		ASSERT_LT(0, server);
		stall_await(&s[i].stall);
		until(asleep_in(pid, SYS_ioctl));
		kill(pid, i ? SIGUSR1 : SIGKILL);
		EXPECT_EQ(i ? EINTR : 1000 + SIGKILL, exit_of(pid));
		EXPECT_FALSE(has_gone(self->server));
		stall_end(&s[i].stall);
		ASSERT_EQ(0, reap(server));
		EXPECT_EQ(0, s[i].ret);
		EXPECT_TRUE(has_gone(self->server));
		EXPECT_EQ(0, gone(self->server, &token));
		EXPECT_EQ(s[i].token, token);
		EXPECT_EQ(-ESRCH, reply(self->server, token, 1));
		EXPECT_EQ(0, object(self->server).calls);
	}
	EXPECT_EQ(2, object(self->server).sent);
}

/* Both go: nothing is left that somebody else could receive. */
TEST_F(call, both_killed_while_the_request_is_taken)
{
	struct stalled s = { .fd = self->server };
	pid_t pid, server;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = caller(self->client, self->server, 1);
	server = sharing_memory(stalled_receive, &s);
	ASSERT_LT(0, server);
	stall_await(&s.stall);
	kill(pid, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, exit_of(pid));
	kill(server, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(server));
	EXPECT_EQ(1, object(self->server).returned);
	EXPECT_EQ(0, object(self->server).queued);
	EXPECT_EQ(0, object(self->server).calls);
	EXPECT_EQ(-EAGAIN, try_take(self->server));
	EXPECT_FALSE(has_gone(self->server));
}

/* The call comes back, for the next server. */
TEST_F(call, server_killed_while_it_takes_the_request)
{
	struct stalled s = { .fd = self->server };
	struct ipcdev_msg m;
	pid_t pid, server;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = caller(self->client, self->server, 1);
	server = sharing_memory(stalled_receive, &s);
	ASSERT_LT(0, server);
	stall_await(&s.stall);
	kill(server, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(server));
	EXPECT_EQ(1, object(self->server).returned);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(1)));
	EXPECT_EQ(0, exit_of(pid));
}

/* The last handle goes with it, and so the call. */
TEST_F(call, server_killed_while_it_replies)
{
	struct stalled s = { .fd = self->server };
	struct ipcdev_msg m;
	pid_t pid, server;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = caller(self->client, self->server, 1);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	s.token = m.token;
	server = sharing_memory(stalled_reply, &s);
	ASSERT_LT(0, server);
	stall_await(&s.stall);
	close(self->server);
	self->server = -1;
	EXPECT_EQ(1, object(self->client).calls);
	kill(server, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(server));
	EXPECT_EQ(EPIPE, exit_of(pid));
	EXPECT_EQ(0, object(self->client).calls);
}

/* It has been answered, and what it was sent goes with it. */
TEST_F(call, caller_killed_while_it_takes_the_reply)
{
	struct stalled s = { .fd = self->client };
	struct ipcdev_transfer t = { 0 };
	int e = eventfd(0, EFD_CLOEXEC);
	struct ipcdev_msg m;
	__u64 value = 3;
	pid_t pid;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = sharing_memory(stalled_call, &s);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	t.msg = (struct ipcdev_msg) {
		.token = m.token,
		.data = PTR(&value),
		.len = sizeof(value),
		.fds = PTR(&e),
		.fd_count = 1,
	};
	EXPECT_EQ(0, call(self->server, IPCDEV_IOC_REPLY, &t));
	stall_await(&s.stall);
	EXPECT_EQ(1, info(self->dev).inflight);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(0, info(self->dev).inflight);
	EXPECT_EQ(0, object(self->server).calls);
	EXPECT_FALSE(has_gone(self->server));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, 1));
	close(e);
}

/* Who sleeps in a receive keeps the open file, and with it goes what it took. */
TEST_F(call, closed_during_a_receive)
{
	struct stalled s = { .fd = self->server };
	pid_t pid, server;

	server = sharing_all(plain_receive, &s);
	ASSERT_LT(0, server);
	until(object(self->client).receivers == 1);
	close(self->server);
	self->server = -1;
	pid = caller(self->client, -1, 5);
	EXPECT_EQ(EPIPE, exit_of(pid));
	ASSERT_EQ(0, reap(server));
	EXPECT_EQ(5, s.ret);
	EXPECT_EQ(0, object(self->client).calls);
	EXPECT_EQ(0, object(self->client).readers);
}

/* Who is making a reply keeps it too, and makes it. */
TEST_F(call, closed_during_a_reply)
{
	struct stalled s = { .fd = self->server };
	struct ipcdev_msg m;
	pid_t pid, server;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = caller(self->client, self->server, 1);
	ASSERT_EQ(1, receive(self->server, 0, &m));
	s.token = m.token;
	server = sharing_all(stalled_reply, &s);
	ASSERT_LT(0, server);
	stall_await(&s.stall);
	close(self->server);
	self->server = -1;
	stall_end(&s.stall);
	ASSERT_EQ(0, reap(server));
	EXPECT_EQ(0, s.ret);
	/* The page that stalls has zeroes. */
	EXPECT_EQ(WRONG_REPLY, exit_of(pid));
	EXPECT_EQ(0, object(self->client).calls);
	EXPECT_EQ(0, object(self->client).readers);
}

/* The handlers are inherited by the child that makes the call. */
TEST_F(call, signal)
{
	struct ipcdev_msg m;
	pid_t pid;

	/* Not taken, and not to be restarted. */
	on_signal(0);
	pid = caller(self->client, self->server, 1);
	until(object(self->server).queued == 1 && asleep_in(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	EXPECT_EQ(EINTR, exit_of(pid));
	EXPECT_EQ(0, object(self->server).queued);

	/* To be restarted: it is sent once more. */
	on_signal(SA_RESTART);
	pid = caller(self->client, self->server, 2);
	until(object(self->server).queued == 1 && asleep_in(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	until(object(self->server).sent == 3 && asleep_in(pid, SYS_ioctl));
	ASSERT_EQ(2, receive(self->server, 0, &m));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(2)));
	EXPECT_EQ(0, exit_of(pid));

	/* Taken: whether to repeat it is for the caller to say. */
	pid = caller(self->client, self->server, 3);
	ASSERT_EQ(3, receive(self->server, 0, &m));
	until(asleep_in(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	EXPECT_EQ(EINTR, exit_of(pid));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, 1));
	EXPECT_EQ(0, object(self->server).queued);
}

/* A stop is a signal without a handler: what nobody has taken is sent once more. */
TEST_F(call, stopped)
{
	pid_t pid = caller(self->client, self->server, 1);
	struct ipcdev_msg m;

	until(object(self->server).queued == 1 && asleep_in(pid, SYS_ioctl));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	until(object(self->server).queued == 0);
	ASSERT_EQ(0, kill(pid, SIGCONT));
	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(2, object(self->server).sent);
	until(asleep_in(pid, SYS_ioctl));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	until(has_gone(self->server));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(EINTR, exit_of(pid));
	EXPECT_EQ(-ESRCH, reply(self->server, m.token, 1));
	EXPECT_EQ(2, object(self->server).sent);
}

/* A server that is interrupted while it sleeps for the next has answered once. */
TEST_F(call, restarted_reply_and_receive)
{
	pid_t server, first, second;
	__u64 naps;

	on_signal(SA_RESTART);
	server = serve(self->server, self->client);
	first = caller(self->client, self->server, 1);
	EXPECT_EQ(0, exit_of(first));
	until(object(self->client).receivers == 1 &&
	      asleep_in(server, SYS_ioctl));
	naps = object(self->client).recv_waits;
	kill(server, SIGUSR1);
	until(object(self->client).recv_waits == naps + 1);
	second = caller(self->client, self->server, 2);
	EXPECT_EQ(0, exit_of(second));
	EXPECT_EQ(2, object(self->client).received);
	close(self->client);
	close(self->server);
	EXPECT_EQ(EPIPE, exit_of(server));
	self->client = -1;
	self->server = -1;
}

/* A receiver that faults leaves the call where it was, token and all. */
TEST_F(call, faulting_server)
{
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(bad_page()), .len = 8 },
	};
	pid_t pid = caller(self->client, self->server, 4);
	struct ipcdev_msg m;

	EXPECT_EQ(-EFAULT, recv_msg(self->server, &t));
	EXPECT_EQ(1, object(self->server).queued);
	EXPECT_EQ(0, object(self->server).calls);
	ASSERT_EQ(4, receive(self->server, 0, &m));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(4)));
	EXPECT_EQ(0, exit_of(pid));
}

TEST_F(call, by_priority_and_without_holding_the_depth)
{
	struct ipcdev_msg m[6];
	pid_t pid[6];
	struct ask a;
	int i;

	for (i = 0; i < 4; i++) {
		pid[i] = caller_with(self->client, self->server, i, i % 2, 0, 0);
		until((int)object(self->server).queued == i + 1);
	}
	EXPECT_EQ(-EAGAIN, ask_with(self->client, &a, 9, IPCDEV_NONBLOCK, 0));
	EXPECT_EQ(1, receive(self->server, 0, &m[1]));
	EXPECT_EQ(3, receive(self->server, 0, &m[3]));
	EXPECT_EQ(0, receive(self->server, 0, &m[0]));
	EXPECT_EQ(2, receive(self->server, 0, &m[2]));
	/* Four are in the server's hands, and the queue is empty. */
	EXPECT_EQ(4, object(self->server).calls);
	for (i = 4; i < 6; i++) {
		pid[i] = caller(self->client, self->server, i);
		EXPECT_EQ(i, receive(self->server, 0, &m[i]));
	}
	for (i = 5; i >= 0; i--) {
		EXPECT_EQ(0, reply(self->server, m[i].token, answer_to(i)));
		EXPECT_EQ(0, exit_of(pid[i]));
	}
}

/* A caller that sleeps for room is one that has given nothing away yet. */
TEST_F(call, sleeps_for_room)
{
	struct ipcdev_msg m;
	pid_t pid;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, put(self->client, 0, i));
	pid = caller(self->client, self->server, 8);
	until(object(self->server).senders == 1);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(i, take(self->server));
	ASSERT_EQ(8, receive(self->server, 0, &m));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(8)));
	EXPECT_EQ(0, exit_of(pid));
}

TEST_F(call, carries_descriptors_and_slices)
{
	struct ipcdev_slice slice = { .length = 64 }, got;
	int buffer = create_buffer(self->dev, .size = 4096), e = eventfd(3, 0);
	struct ipcdev_transfer t = { 0 };
	struct ipcdev_call c = { 0 };
	int fd = -1, pid = child();
	__u64 count;

	slice.fd = buffer;
	if (!pid) {
		close(self->server);
		c.request.fds = PTR(&e);
		c.request.fd_count = 1;
		c.reply.slices = PTR(&got);
		c.reply.slice_count = 1;
		if (call(self->client, IPCDEV_IOC_CALL, &c))
			_exit(1);
		if (c.reply.slice_count != 1 || got.length != 64)
			_exit(2);
		_exit(map(got.fd, 4096, PROT_READ) ? 0 : 3);
	}
	t.msg.fds = PTR(&fd);
	t.msg.fd_count = 1;
	ASSERT_EQ(0, recv_msg(self->server, &t));
	ASSERT_EQ(1, t.msg.fd_count);
	EXPECT_EQ(8, read(fd, &count, 8));
	EXPECT_EQ(3, count);
	close(fd);
	t.msg = (struct ipcdev_msg) {
		.token = t.msg.token,
		.slices = PTR(&slice),
		.slice_count = 1,
	};
	ASSERT_EQ(0, call(self->server, IPCDEV_IOC_REPLY, &t));
	EXPECT_EQ(0, exit_of(pid));
	EXPECT_EQ(0, info(self->dev).inflight);
	close(buffer);
	close(e);
}

/* A reply whose descriptors have no room is lost, and they with it. */
TEST_F(call, reply_of_too_many_descriptors)
{
	int e = eventfd(0, 0), pid = child();
	struct ipcdev_transfer t = { 0 };
	struct ipcdev_msg m;
	struct ask a;

	if (!pid) {
		close(self->server);
		_exit(ask(self->client, &a, 1) != -EMSGSIZE ? 1 :
		      a.c.reply.fd_count != 1 ? 2 : 0);
	}
	ASSERT_EQ(1, receive(self->server, 0, &m));
	t.msg.token = m.token;
	t.msg.fds = PTR(&e);
	t.msg.fd_count = 1;
	EXPECT_EQ(0, call(self->server, IPCDEV_IOC_REPLY, &t));
	EXPECT_EQ(0, exit_of(pid));
	until(info(self->dev).inflight == 0);
	close(e);
}

TEST_F(call, peeked_at)
{
	pid_t pid = caller(self->client, self->server, 6);
	struct ipcdev_transfer t = { .flags = IPCDEV_PEEK };
	struct ipcdev_msg m;
	__u64 value = 0;

	until(object(self->server).queued == 1);
	t.msg.data = PTR(&value);
	t.msg.len = sizeof(value);
	EXPECT_EQ(0, recv_msg(self->server, &t));
	EXPECT_EQ(6, value);
	EXPECT_EQ(IPCDEV_MSG_CALL, t.msg.flags);
	EXPECT_EQ(0, t.msg.token);
	ASSERT_EQ(6, receive(self->server, 0, &m));
	EXPECT_EQ(0, reply(self->server, m.token, answer_to(6)));
	EXPECT_EQ(0, exit_of(pid));
}

/* read(2) has no place for a token. */
TEST_F(call, read_cannot_answer)
{
	pid_t pid = caller(self->client, self->server, 6);
	__u64 value = 0;

	EXPECT_EQ(8, read(self->server, &value, sizeof(value)));
	EXPECT_EQ(6, value);
	EXPECT_EQ(EPIPE, exit_of(pid));
	EXPECT_EQ(0, object(self->server).calls);
}

TEST_F(call, received_in_a_batch)
{
	struct ipcdev_msg m[4] = { 0 };
	struct ipcdev_batch b = {
		.count = 4,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	pid_t pid[3];
	__u64 v[4];
	int i;

	for (i = 0; i < 3; i++) {
		pid[i] = caller(self->client, self->server, i);
		until((int)object(self->server).queued == i + 1);
	}
	for (i = 0; i < 4; i++) {
		m[i].data = PTR(&v[i]);
		m[i].len = sizeof(v[i]);
	}
	ASSERT_EQ(3, call(self->server, IPCDEV_IOC_RECV_BATCH, &b));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(i, (int)v[i]);
		EXPECT_EQ(0, reply(self->server, m[i].token, answer_to(v[i])));
		EXPECT_EQ(0, exit_of(pid[i]));
	}
}

TEST_F(call, tells_the_callers_scheduling)
{
	struct ipcdev_msg m;
	struct ask a;
	pid_t pid;

	pid = child();
	if (!pid) {
		close(self->server);
		if (become_scheduled(SCHED_FIFO, 7))
			_exit(1);
		_exit(-ask(self->client, &a, 1));
	}
	ASSERT_EQ(1, receive(self->server, 0, &m));
	EXPECT_EQ(SCHED_FIFO, m.sched_policy);
	EXPECT_EQ(7, m.sched_prio);
	EXPECT_EQ(0, reply(self->server, m.token, 0));
	EXPECT_EQ(0, exit_of(pid));
	pid = child();
	if (!pid) {
		close(self->server);
		setpriority(PRIO_PROCESS, 0, 5);
		_exit(-ask(self->client, &a, 2));
	}
	ASSERT_EQ(2, receive(self->server, 0, &m));
	EXPECT_EQ(SCHED_OTHER, m.sched_policy);
	EXPECT_EQ(5, m.sched_prio);
	EXPECT_EQ(0, reply(self->server, m.token, 0));
	EXPECT_EQ(0, exit_of(pid));
	/* Of deadline tasks the real-time priority says nothing. */
	pid = child();
	if (!pid) {
		close(self->server);
		setpriority(PRIO_PROCESS, 0, 5);
		if (become_scheduled(SCHED_DEADLINE, 0))
			_exit(1);
		_exit(-ask(self->client, &a, 3));
	}
	ASSERT_EQ(3, receive(self->server, 0, &m));
	EXPECT_EQ(SCHED_DEADLINE, m.sched_policy);
	EXPECT_EQ(5, m.sched_prio);
	EXPECT_EQ(0, reply(self->server, m.token, 0));
	EXPECT_EQ(0, exit_of(pid));
}

/* Real-time callers are served before those who were there first. */
TEST_F(call, by_scheduling)
{
	static const int prio[] = { 0, 0, 1, 50 };
	static const int expected[] = { 3, 2, 0, 1 };
	int q = create_queue(self->dev, .depth = 4,
			     .flags = IPCDEV_QUEUE_SCHED), i;
	struct ipcdev_msg m;
	struct ask a;
	pid_t pid[4];

	for (i = 0; i < 4; i++) {
		pid[i] = child();
		if (!pid[i]) {
			if (prio[i] && become_scheduled(SCHED_FIFO, prio[i]))
				_exit(1);
			_exit(ask(q, &a, i) ? 2 : a.in != answer_to(i));
		}
		until((int)object(q).queued == i + 1);
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(expected[i], receive(q, 0, &m));
		EXPECT_EQ(prio[expected[i]], m.sched_prio);
		EXPECT_EQ(0, m.prio);
		ASSERT_EQ(0, reply(q, m.token, answer_to(expected[i])));
		EXPECT_EQ(0, exit_of(pid[expected[i]]));
	}
	close(q);
}

TEST_F(call, dropped_as_the_oldest)
{
	int q = create_queue(self->dev, .depth = 1,
			     .flags = IPCDEV_QUEUE_DROP_OLDEST);
	pid_t pid = caller(q, self->server, 1);

	until(object(q).queued == 1);
	ASSERT_EQ(0, put(q, 0, 2));
	EXPECT_EQ(EPIPE, exit_of(pid));
	EXPECT_EQ(2, take(q));
	close(q);
}

/* Both at once, time and again: one answers, the other is told that it did not. */
struct race {
	atomic_int ready;
	atomic_long ret;
};

TEST_F(call, two_answer_one)
{
	struct race *r = shared_memory(sizeof(*r));
	int i, rounds = slow() ? 50 : 300;
	struct ipcdev_msg m;
	pid_t pid, other;
	long ret;

	ASSERT_NE(NULL, r);
	for (i = 0; i < rounds; i++) {
		r->ready = 0;
		pid = caller(self->client, self->server, 1);
		ASSERT_EQ(1, receive(self->server, 0, &m));
		other = child();
		if (!other) {
			r->ready = 1;
			while (r->ready < 2)
				sched_yield();
			r->ret = reply(self->server, m.token, answer_to(1));
			_exit(0);
		}
		while (!r->ready)
			sched_yield();
		r->ready = 2;
		ret = reply(self->server, m.token, answer_to(1));
		ASSERT_EQ(0, exit_of(other));
		ASSERT_EQ(0, exit_of(pid));
		ASSERT_TRUE(!ret || !r->ret);
		/* It is not known yet, or known, that it has been answered. */
		ASSERT_TRUE(ret + r->ret == -EBUSY || ret + r->ret == -ESRCH);
	}
}

/* A reply against a deadline: both sides tell the same story, whichever it is. */
TEST_F(call, reply_against_deadline)
{
	int i, rounds = slow() ? 30 : 200, answered = 0;
	struct ipcdev_msg m;
	__u64 patience = 0;

	/* Who was answered has less time the next time, and who was not has more. */
	for (i = 0; i < rounds || !answered; i++) {
		pid_t pid = caller_with(self->client, self->server, 1, 0,
					IPCDEV_DEADLINE_MONOTONIC,
					now(CLOCK_MONOTONIC) + patience);
		long value, ret = 0;
		struct pollfd p = { .fd = self->server, .events = POLLIN };

		/* It may give up before it is taken, or be taken and answered. */
		while (!poll(&p, 1, 0) && !has_ended(pid))
			;
		value = receive(self->server, IPCDEV_NONBLOCK, &m);
		if (value == 1)
			ret = reply(self->server, m.token, answer_to(1));
		else
			ret = value;
		ASSERT_EQ(ret ? ETIMEDOUT : 0, exit_of(pid));
		if (ret) {
			ASSERT_EQ(value == 1 ? -ESRCH : -EAGAIN, ret);
			patience += patience / 4 + 20000;
		} else {
			patience -= patience / 4;
			answered++;
		}
	}
	EXPECT_EQ(0, object(self->server).calls);
	EXPECT_EQ(0, object(self->server).queued);
}

/* A reply against a signal: likewise, and whoever has been taken is not repeated. */
TEST_F(call, reply_against_signal)
{
	struct race *r = shared_memory(sizeof(*r));
	int i, rounds = slow() ? 50 : 300;
	struct ipcdev_msg m;
	pid_t pid, other;

	ASSERT_NE(NULL, r);
	on_signal(SA_RESTART);
	for (i = 0; i < rounds; i++) {
		r->ready = 0;
		pid = caller(self->client, self->server, 1);
		ASSERT_EQ(1, receive(self->server, 0, &m));
		other = child();
		if (!other) {
			r->ready = 1;
			while (r->ready < 2)
				sched_yield();
			r->ret = reply(self->server, m.token, answer_to(1));
			_exit(0);
		}
		while (!r->ready)
			sched_yield();
		r->ready = 2;
		kill(pid, SIGUSR1);
		ASSERT_EQ(0, exit_of(other));
		ASSERT_EQ(r->ret ? EINTR : 0, exit_of(pid));
		ASSERT_TRUE(!r->ret || r->ret == -ESRCH);
	}
	EXPECT_EQ(rounds, (int)object(self->server).sent);
	EXPECT_EQ(0, object(self->server).calls);
}

/* A server that asks another server, which asks a third. */
TEST_F(call, call_from_within_a_call)
{
	int q[3], i, depth;
	pid_t pid[3];
	struct ask a;

	for (i = 0; i < 3; i++)
		q[i] = create_queue(self->dev, .depth = 2);
	for (depth = 0; depth < 3; depth++) {
		pid[depth] = child();
		if (pid[depth])
			continue;
		for (;;) {
			struct ipcdev_msg m;
			long value = receive(q[depth], 0, &m);

			if (value < 0)
				_exit(0);
			if (depth < 2) {
				if (ask(q[depth + 1], &a, value + 1))
					_exit(1);
				value = a.in;
			}
			if (reply(q[depth], m.token, value + 10))
				_exit(2);
		}
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, ask(q[0], &a, 100));
		ASSERT_EQ(132, a.in);
	}
	for (i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		exit_of(pid[i]);
		close(q[i]);
	}
}

TEST_F(call, one_caller_wakes_one_server)
{
	pid_t server[4];
	__u64 before;
	struct ask a;
	int i;

	for (i = 0; i < 4; i++)
		server[i] = serve(self->server, self->client);
	until(object(self->server).receivers == 4);
	before = object(self->server).wakeups;
	ASSERT_EQ(0, ask(self->client, &a, 1));
	EXPECT_EQ(answer_to(1), a.in);
	until(object(self->server).receivers == 4);
	/* The one that serves, and the caller. */
	EXPECT_EQ(2, object(self->server).wakeups - before);
	close(self->client);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(EPIPE, exit_of(server[i]));
	self->client = -1;
}

/*
 * Callers and servers are killed at any moment: whoever is left ends with a
 * reply or an errno within its deadline, and nothing is left behind.
 */
#define CALLERS	32
#define SERVERS	4

FIXTURE(storm)
{
	int dev;
	int q;
	struct ipcdev_info before;
};

FIXTURE_VARIANT(storm)
{
	int processes;
	int threads;
};

FIXTURE_VARIANT_ADD(storm, processes)
{
	.processes = SERVERS, .threads = 1,
};

FIXTURE_VARIANT_ADD(storm, threads)
{
	.processes = 1, .threads = SERVERS,
};

FIXTURE_SETUP(storm)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->before = info(self->dev);
	self->q = create_queue(self->dev, .depth = 16);
	ASSERT_LE(0, self->q);
}

FIXTURE_TEARDOWN(storm)
{
	close(self->dev);
}

static pid_t storm_caller(int q, unsigned int calls)
{
	pid_t pid = child();
	unsigned int i;
	struct ask a;
	long ret;

	if (pid)
		return pid;
	for (i = 0; i < calls; i++) {
		ret = ask_with(q, &a, i, IPCDEV_DEADLINE_MONOTONIC,
			       now(CLOCK_MONOTONIC) + 60 * 1000000000ULL);
		if (ret ? ret != -EPIPE : a.in != answer_to(i))
			_exit(ret ? -ret : WRONG_REPLY);
	}
	_exit(0);
}

static int storm_serve(void *arg)
{
	int fd = *(int *)arg;
	struct ipcdev_msg m;
	long value;

	while ((value = receive(fd, 0, &m)) >= 0)
		reply(fd, m.token, answer_to(value));
	return 1;
}

/*
 * Each process has a handle of its own: what it leaves unanswered ends with it.
 * Its threads have one errno between them, which they do not look at.
 */
static pid_t storm_server(int q, int threads)
{
	static char stacks[SERVERS][65536] __attribute__((aligned(16)));
	pid_t pid = child();
	int fd;

	if (pid)
		return pid;
	fd = dup_handle(q, RIGHT_READ, 0);
	close(q);
	while (--threads)
		if (clone(storm_serve, stacks[threads] + sizeof(stacks[0]),
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			  CLONE_THREAD | CLONE_SYSVSEM, &fd) < 0)
			_exit(2);
	_exit(storm_serve(&fd));
}

TEST_F(storm, ten_thousand_calls)
{
	/* In all at least that many, by those who are not killed. */
	unsigned int calls = (slow() ? 1000 : 10000) / CALLERS + 1;
	pid_t caller[CALLERS], server[SERVERS];
	unsigned int seed = 1;
	int q = self->q, i;

	for (i = 0; i < variant->processes; i++)
		server[i] = storm_server(q, variant->threads);
	/* Every fourth calls until it dies, so that calls go on until the last of them has. */
	for (i = 0; i < CALLERS; i++)
		caller[i] = storm_caller(q, i % 4 ? calls : UINT_MAX);
	/* With each of them a server; others come. */
	for (i = 0; i < CALLERS; i += 4) {
		int victim = rand_r(&seed) % variant->processes;
		__u64 goal = object(q).received + rand_r(&seed) % calls;

		until(object(q).received > goal);
		kill(caller[i], SIGKILL);
		kill(server[victim], SIGKILL);
		EXPECT_EQ(1000 + SIGKILL, exit_of(server[victim]));
		EXPECT_EQ(1000 + SIGKILL, exit_of(caller[i]));
		server[victim] = storm_server(q, variant->threads);
		caller[i] = storm_caller(q, calls);
	}
	for (i = 0; i < CALLERS; i++)
		EXPECT_EQ(0, exit_of(caller[i]));
	EXPECT_LE(CALLERS * calls, object(q).received);
	for (i = 0; i < variant->processes; i++) {
		ASSERT_EQ(0, kill(server[i], SIGKILL));
		EXPECT_EQ(1000 + SIGKILL, exit_of(server[i]));
	}
	EXPECT_EQ(0, object(q).calls);
	EXPECT_EQ(0, object(q).queued);
	EXPECT_EQ(0, object(q).senders);
	EXPECT_EQ(0, object(q).receivers);
	EXPECT_EQ(1, object(q).readers);
	close(q);
	EXPECT_EQ(self->before.objects, info(self->dev).objects);
	EXPECT_EQ(self->before.bytes, info(self->dev).bytes);
	EXPECT_EQ(self->before.inflight, info(self->dev).inflight);
}

TEST_HARNESS_MAIN
