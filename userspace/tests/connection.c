// SPDX-License-Identifier: GPL-2.0
/* libipcdev: connections. */
#include <fcntl.h>
#include <ipcdev_connection.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

static const char *const name = "/dev/ipc/libipcdev-service";
static int service;

/* A client: a process of its own, which has no handle but the one that it opens. */
static pid_t start(void (*run)(int service))
{
	pid_t pid = child();
	int queue;

	if (pid)
		return pid;
	close(service);
	queue = ipcdev_open(name, O_WRONLY);
	CHECK(queue >= 0);
	run(queue);
	child_ends();
}

static void listen_here(void)
{
	service = ipcdev_listen(name, 0600, 0);
	CHECK(service >= 0);
}

void test_listen(void)
{
	struct ipcdev_connection connection;
	struct ipcdev_accept accept = { .flags = ~0U };
	struct ipcdev_stat stat;
	int lowest = lowest_fd(), other;

	service = ipcdev_listen(name, 0600, 3);
	CHECK(!ipcdev_stat(service, &stat) && stat.depth == 3);
	CHECK(stat.flags & IPCDEV_STAT_CREDS);
	FAILS(ipcdev_listen(name, 0600, 0), EEXIST);
	FAILS(ipcdev_listen("/tmp/libipcdev-service", 0600, 0), EINVAL);
	FAILS(ipcdev_listen(NULL, 0, ~0U), EINVAL);
	other = ipcdev_listen(NULL, 0, 0);
	CHECK(!ipcdev_stat(other, &stat) && !stat.name[0]);
	close(other);

	FAILS(ipcdev_accept(&connection, service, &accept, NULL), EINVAL);
	accept.flags = IPCDEV_NONBLOCK;
	FAILS(ipcdev_accept(&connection, service, &accept, NULL), EAGAIN);
	FAILS(ipcdev_accept(&connection, service, NULL, &past), ETIMEDOUT);
	FAILS(ipcdev_accept(&connection, 0, NULL, NULL), ENOTTY);
	FAILS(ipcdev_connect(&connection, 0, 0, NULL), ENOTTY);
	FAILS(ipcdev_connect(&connection, service,
			     (uint64_t)IPCDEV_RING_SIZE_MAX + 1, NULL), EINVAL);
	/* Nobody accepts. */
	FAILS(ipcdev_connect(&connection, service, 0, &past), ETIMEDOUT);
	FAILS(ipcdev_accept(&connection, service, &accept, NULL), EAGAIN);
	alarm_often(true);
	FAILS(ipcdev_connect(&connection, service, 0, late()), EINTR);
	FAILS(ipcdev_accept(&connection, service, &accept, NULL), EAGAIN);
	FAILS(ipcdev_accept(&connection, service, NULL, NULL), EINTR);
	FAILS(ipcdev_accept(&connection, service, NULL, late()), EINTR);
	alarm_often(false);
	other = ipcdev_open(name, O_WRONLY);
	close(service);
	FAILS(ipcdev_connect(&connection, other, 0, NULL), EPIPE);
	close(other);
	CHECK(lowest_fd() == lowest);
}

#define ROUNDS 200

static uint64_t ring_size;

/* What cannot be waited for is not sent either. */
static void exchange_never(struct ipcdev_connection *connection)
{
	struct ipcdev_deadline bad = { .clock = CLOCK_BOOTTIME };
	uint64_t n = ~0ULL;

	FAILS(ipcdev_exchange(connection, &n, sizeof(n), &n, sizeof(n), &bad), EINVAL);
	bad = (struct ipcdev_deadline) { CLOCK_MONOTONIC, UINT64_MAX };
	FAILS(ipcdev_exchange(connection, &n, sizeof(n), &n, sizeof(n), &bad), EINVAL);
}

static void use(int queue)
{
	struct ipcdev_connection connection;
	unsigned int ins, outs;
	uint64_t n, back;

	CHECK(!ipcdev_connect(&connection, queue, ring_size, late()));
	close(queue);
	CHECK(connection.uid == geteuid() && connection.gid == getegid());
	CHECK(!connection.pid);
	ipcdev_ring_set_spin(&connection.in, 0);
	ipcdev_ring_set_spin(&connection.out, 0);
	ins = ioctls_on(connection.in.fd);
	outs = ioctls_on(connection.out.fd);
	exchange_never(&connection);
	for (n = 0; n < ROUNDS; n++) {
		CHECK(ipcdev_exchange(&connection, &n, sizeof(n), &back,
				      sizeof(back), late()) == sizeof(back));
		CHECK(back == n + 1);
	}
	CHECK(ioctls_on(connection.in.fd) - ins <= ROUNDS + 1);
	CHECK(ioctls_on(connection.out.fd) == outs);
	CHECK(!ipcdev_send(&connection, "bye", 3, NULL));
	errno = ENOANO;
	ipcdev_disconnect(&connection);
	CHECK(errno == ENOANO);
}

static void check_use(void (*run)(int queue), uint64_t size, uint64_t real_size)
{
	struct ipcdev_connection connection;
	struct pollfd poll_fd;
	uint64_t n;
	pid_t pid;

	listen_here();
	ring_size = size;
	pid = start(run);
	poll_fd = (struct pollfd) { .fd = service, .events = POLLIN };
	CHECK(poll(&poll_fd, 1, 60000) == 1 && poll_fd.revents == POLLIN);
	CHECK(!ipcdev_accept(&connection, service, NULL, late()));
	CHECK(connection.pid == (uint32_t)pid);
	CHECK(connection.uid == geteuid() && connection.gid == getegid());
	CHECK(connection.in.size == real_size);
	CHECK(connection.out.size == real_size);
	/* Its clients are not all that a service lives for. */
	CHECK(poll(&poll_fd, 1, 0) == 0);

	CHECK(ipcdev_recv(&connection, &n, sizeof(n), late()) == sizeof(n));
	for (uint64_t i = 0; i < ROUNDS; i++) {
		CHECK(n == i);
		n++;
		CHECK(ipcdev_exchange(&connection, &n, sizeof(n), &n, sizeof(n),
				      late()) == (i + 1 < ROUNDS ? 8 : 3));
	}
	/* It has said goodbye, and left. */
	FAILS(ipcdev_recv(&connection, &n, sizeof(n), late()), EPIPE);
	FAILS(ipcdev_send(&connection, &n, sizeof(n), NULL), EPIPE);
	FAILS(ipcdev_exchange(&connection, &n, sizeof(n), &n, sizeof(n), NULL),
	      EPIPE);
	FAILS(ipcdev_exchange(&connection, &n, real_size, &n, sizeof(n), NULL),
	      EMSGSIZE);
	ipcdev_disconnect(&connection);
	finish(pid);
	close(service);
}

void test_connect(void)
{
	int lowest = lowest_fd();

	check_use(use, 0, IPCDEV_CONNECTION_SIZE);
	check_use(use, 1, PAGE);
	CHECK(lowest_fd() == lowest);
}

/* This program, built for 32 bits if we are not, and for 64 if we are. */
static char twin[256];

static void use_as_twin(int queue)
{
	close(queue);
	execl(twin, twin, "twin", NULL);
	CHECK(!"execl");
}

int be_twin(void)
{
	passed = true;
	use(ipcdev_open(name, O_WRONLY));
	return !passed;
}

/* Two programs of other word sizes share the rings. */
void test_connect_twin(void)
{
	ssize_t len = readlink("/proc/self/exe", twin, sizeof(twin) - 4);

	CHECK(len > 3);
	twin[len] = '\0';
	if (strcmp(twin + len - 3, "_32"))
		strcat(twin, "_32");
	else
		twin[len - 3] = '\0';
	if (access(twin, X_OK))
		skip("there is no program of the other word size");
	else
		check_use(use_as_twin, 0, IPCDEV_CONNECTION_SIZE);
}

/*
 * Answers a client by hand, with two descriptors, having taken the ends that these
 * bits say, and left them again.
 */
static void answer(unsigned int taken)
{
	int rings[2], pipes[2], ends[2] = { -1, -1 };
	struct ipcdev_msg msg = {
		.fds = ipcdev_ptr(rings),
		.fd_count = 2,
	};
	char hello[8];

	msg.data = ipcdev_ptr(hello);
	msg.len = sizeof(hello);
	CHECK(!ipcdev_queue_recv_msg(service, &msg, 0, late()));
	CHECK(msg.fd_count == 2);
	if (taken & 1)
		ends[0] = ipcdev_ring_take(rings[0], IPCDEV_RIGHT_READ, 0);
	if (taken & 2)
		ends[1] = ipcdev_ring_take(rings[1], IPCDEV_RIGHT_WRITE, 0);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(rings[i]);
	}
	CHECK(!pipe(pipes));
	msg = (struct ipcdev_msg) {
		.token = msg.token,
		.fds = ipcdev_ptr(pipes),
		.fd_count = 2,
	};
	CHECK(!ipcdev_reply_msg(service, &msg));
	close(pipes[0]);
	close(pipes[1]);
}

static void believe_nothing(int queue)
{
	struct ipcdev_connection connection;
	int lowest = lowest_fd(), fds[2];
	unsigned int count = 2;
	char byte = 'x';

	for (int i = 0; i < 3; i++) {
		FAILS(ipcdev_connect_fds(&connection, queue, 1, fds, &count,
					 late()), EPROTO);
		CHECK(count == 2 && lowest_fd() == lowest);
	}
	FAILS(ipcdev_connect(&connection, queue, 1, late()), EPROTO);
	CHECK(lowest_fd() == lowest);

	/* One who has gone is missed. */
	CHECK(!ipcdev_connect(&connection, queue, 1, late()));
	FAILS(ipcdev_recv(&connection, &byte, 1, late()), EPIPE);
	FAILS(ipcdev_send(&connection, &byte, 1, late()), EPIPE);
	ipcdev_disconnect(&connection);
}

/* An answer is not enough: who has not taken both ends is no server. */
void test_connect_unmet(void)
{
	pid_t pid;

	listen_here();
	pid = start(believe_nothing);
	for (unsigned int taken = 0; taken < 3; taken++)
		answer(taken);
	answer(0);
	answer(3);
	finish(pid);
	close(service);
}

static int wanted_error;

static void want_error(int queue)
{
	struct ipcdev_connection connection;
	int lowest = lowest_fd();

	FAILS(ipcdev_connect(&connection, queue, ring_size, late()), wanted_error);
	CHECK(lowest_fd() == lowest);
}

static int refuse(const struct ipcdev_connection *client, void *data)
{
	CHECK(client->pid && client->uid == geteuid());
	return *(int *)data;
}

static void check_refusal(const struct ipcdev_accept *accept, int error)
{
	struct ipcdev_connection connection;
	pid_t pid;

	wanted_error = error;
	pid = start(want_error);
	FAILS(ipcdev_accept(&connection, service, accept, late()), ECONNABORTED);
	CHECK(connection.pid == (uint32_t)pid);
	finish(pid);
}

void test_accept_refuses(void)
{
	int error = -EDOM;
	struct ipcdev_accept accept = { .admit = refuse, .data = &error };
	struct ipcdev_connection connection;
	struct ipcdev_create_queue attr = {
		.rights = IPCDEV_RIGHT_READ | IPCDEV_RIGHT_PUBLISH,
	};
	pid_t pid;

	listen_here();
	ring_size = 0;
	check_refusal(&accept, EDOM);
	error = -IPCDEV_ERROR_MAX;
	check_refusal(&accept, IPCDEV_ERROR_MAX);
	error = -IPCDEV_ERROR_MAX - 1;
	check_refusal(&accept, EIO);
	error = 1;
	check_refusal(&accept, EIO);

	/* Sizes, at the edge and past it. */
	error = 0;
	accept.size_max = 2 * PAGE;
	ring_size = 2 * PAGE + 1;
	check_refusal(&accept, E2BIG);
	ring_size = 2 * IPCDEV_CONNECTION_SIZE_MAX;
	check_refusal(NULL, E2BIG);
	ring_size = 2 * PAGE;
	pid = fork();
	if (!pid) {
		close(service);
		_exit(ipcdev_connect(&connection, ipcdev_open(name, O_WRONLY),
				     ring_size, late()));
	}
	CHECK(!ipcdev_accept(&connection, service, &accept, late()));
	ipcdev_disconnect(&connection);
	finish(pid);
	close(service);

	/* Nobody knows who asks at such a queue. */
	service = ipcdev_queue_create(&attr);
	CHECK(!ipcdev_publish(service, name, 0600, 0));
	wanted_error = EINVAL;
	pid = start(want_error);
	FAILS(ipcdev_accept(&connection, service, NULL, late()), EINVAL);
	finish(pid);
	close(service);
}

/* What the server hands out. */
static void get_fds(int queue)
{
	struct ipcdev_connection connection;
	unsigned int count = 3;
	int fds[3] = { -1, -1, -1 };
	char text[3];

	CHECK(!ipcdev_connect_fds(&connection, queue, 1, fds, &count, late()));
	CHECK(count == 2 && fds[2] == -1);
	CHECK(fcntl(fds[0], F_GETFD) == FD_CLOEXEC);
	CHECK(ipcdev_buffer_size(fds[0]) == PAGE);
	CHECK(read(fds[1], text, 3) == 2);
	ipcdev_disconnect(&connection);
	close(fds[0]);
	close(fds[1]);

	/* One that does not want them. */
	CHECK(!ipcdev_connect(&connection, queue, 1, late()));
	ipcdev_disconnect(&connection);
	count = 1;
	FAILS(ipcdev_connect_fds(&connection, queue, 1, fds, &count, late()),
	      EMSGSIZE);
	/* One that the server cannot give. */
	FAILS(ipcdev_connect(&connection, queue, 1, late()), ELOOP);
}

void test_accept_gives(void)
{
	struct ipcdev_connection connection;
	int fds[2], ends[2];
	struct ipcdev_accept accept = { .fds = fds, .fd_count = 2 };
	int lowest = lowest_fd();
	pid_t pid;

	listen_here();
	CHECK(!pipe(ends));
	fds[0] = ipcdev_buffer_create(1, 0, 0);
	fds[1] = ends[0];
	CHECK(write(ends[1], "hi", 2) == 2);
	pid = start(get_fds);
	for (int i = 0; i < 3; i++) {
		CHECK(!ipcdev_accept(&connection, service, &accept, late()));
		ipcdev_disconnect(&connection);
	}
	close(fds[0]);
	fds[0] = service;
	FAILS(ipcdev_accept(&connection, service, &accept, late()), ELOOP);
	finish(pid);
	close(ends[0]);
	close(ends[1]);
	close(service);
	CHECK(lowest_fd() == lowest);
}

/* Asks with these rings, and says how that ended. */
static int ask_with(int queue, const int *fds, unsigned int count, uint32_t version)
{
	uint32_t hello[2] = { version, 0 };
	struct ipcdev_call call = {
		.request.data = ipcdev_ptr(hello),
		.request.len = sizeof(hello),
		.request.fds = ipcdev_ptr(fds),
		.request.fd_count = count,
	};

	CHECK(!ipcdev_call_msg(queue, &call, late()));
	return call.reply.error;
}

static void send_nonsense(int queue)
{
	int first = ipcdev_ring_create(1, 0, 0);
	int second = ipcdev_ring_create(1, 0, 0);
	int heir = ipcdev_ring_create(1, 0, IPCDEV_RING_TAKEOVER);
	int buffer = ipcdev_buffer_create(1, 0, 0), file = memfd_create("x", 0);
	int reader, taken, in, out, heirs;
	int fds[2];

	fds[0] = first;
	fds[1] = second;
	/* Nobody would be there at the other ends, and nobody ever leave. */
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	out = ipcdev_ring_take(first, IPCDEV_RIGHT_WRITE, 0);
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	in = ipcdev_ring_take(second, IPCDEV_RIGHT_READ, 0);
	/* Another version, and too few. */
	CHECK(ask_with(queue, fds, 2, 2) == EPROTO);
	CHECK(ask_with(queue, NULL, 0, 1) == EPROTO);
	CHECK(ask_with(queue, fds, 1, 1) == EPROTO);
	/* The wrong way round, the same twice, and things that are no rings. */
	fds[0] = second;
	fds[1] = first;
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	fds[0] = first;
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	fds[1] = buffer;
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	fds[1] = file;
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	/* A handle that may not, and a ring that others may take over. */
	reader = ipcdev_dup(second, IPCDEV_RIGHT_READ, 0);
	fds[1] = reader;
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	heirs = ipcdev_ring_take(heir, IPCDEV_RIGHT_READ, 0);
	fds[1] = heir;
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	/* No call: nobody is told. */
	CHECK(!ipcdev_queue_send(queue, "12345678", 8, 0, late()));
	CHECK(!ipcdev_queue_send(queue, NULL, 0, 0, late()));
	/* Longer than all that belongs there. */
	FAILS(ipcdev_queue_send(queue, "123456789", 9, 0, late()), EMSGSIZE);
	/* An end that has been taken already. */
	taken = ipcdev_ring_take(second, IPCDEV_RIGHT_WRITE, 0);
	fds[1] = second;
	CHECK(ask_with(queue, fds, 2, 1) == EPROTO);
	close(taken);
	close(heirs);
	close(reader);
	close(in);
	close(out);
	/* And after all this one as it should be. */
	ring_size = 1;
	use(queue);
}

#define NONSENSE 14

void test_accept_nonsense(void)
{
	struct ipcdev_connection connection;
	uint64_t n = 0;
	ssize_t len;
	int lowest;
	pid_t pid;

	listen_here();
	lowest = lowest_fd();
	pid = start(send_nonsense);
	for (int i = 0; i < NONSENSE; i++) {
		FAILS(ipcdev_accept(&connection, service, NULL, late()),
		      ECONNABORTED);
		CHECK(lowest_fd() == lowest);
	}
	CHECK(!ipcdev_accept(&connection, service, NULL, late()));
	len = ipcdev_recv(&connection, &n, sizeof(n), late());
	while (len == sizeof(n)) {
		n++;
		len = ipcdev_exchange(&connection, &n, sizeof(n), &n, sizeof(n),
				      late());
	}
	CHECK(len == 3);
	finish(pid);
	ipcdev_disconnect(&connection);
	close(service);
}

static void connect_and_wait(int queue)
{
	struct ipcdev_connection connection;

	CHECK(!ipcdev_connect(&connection, queue, 1, late()));
	CHECK(!ipcdev_send(&connection, "x", 1, NULL));
	pause();
}

static int kill_client(const struct ipcdev_connection *client, void *data)
{
	(void)data;
	slay(client->pid);
	return 0;
}

static int queued(void)
{
	struct ipcdev_stat stat;

	CHECK(!ipcdev_stat(service, &stat));
	return stat.queued;
}

/* A server that dies with a client in its hands. */
static void serve_and_die(void)
{
	struct ipcdev_msg msg = { .flags = IPCDEV_MSG_DROP_FDS };
	char hello[8];

	msg.data = ipcdev_ptr(hello);
	msg.len = sizeof(hello);
	ipcdev_queue_recv_msg(service, &msg, 0, NULL);
	raise(SIGKILL);
}

void test_connection_death(void)
{
	struct ipcdev_accept accept = { .admit = kill_client };
	struct ipcdev_accept now = { .flags = IPCDEV_NONBLOCK };
	struct ipcdev_connection connection;
	int queue, both;
	char byte;
	pid_t pid;

	/* A client, before it is accepted: as if it had never been. */
	listen_here();
	pid = start(connect_and_wait);
	while (!queued())
		sched_yield();
	slay(pid);
	FAILS(ipcdev_accept(&connection, service, &now, NULL), EAGAIN);

	/* While it is. */
	pid = start(connect_and_wait);
	FAILS(ipcdev_accept(&connection, service, &accept, late()), ECONNABORTED);
	FAILS(ipcdev_accept(&connection, service, &now, NULL), EAGAIN);

	/* And afterwards. */
	pid = start(connect_and_wait);
	CHECK(!ipcdev_accept(&connection, service, NULL, late()));
	CHECK(!ipcdev_ring_wait(&connection.in, 0, late()));
	slay(pid);
	CHECK(ipcdev_recv(&connection, &byte, 1, late()) == 1 && byte == 'x');
	FAILS(ipcdev_recv(&connection, &byte, 1, late()), EPIPE);
	FAILS(ipcdev_send(&connection, &byte, 1, late()), EPIPE);
	ipcdev_disconnect(&connection);
	close(service);

	/* A server, with the call taken. */
	both = ipcdev_listen(NULL, 0, 0);
	service = ipcdev_dup(both, IPCDEV_RIGHT_READ, 0);
	queue = ipcdev_dup(both, IPCDEV_RIGHT_WRITE, 0);
	close(both);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(queue);
		serve_and_die();
	}
	close(service);
	FAILS(ipcdev_connect(&connection, queue, 0, late()), EPIPE);
	killed(pid);
	FAILS(ipcdev_connect(&connection, queue, 0, late()), EPIPE);
	close(queue);
}

/* Without descriptors, the client's attempt fails, and the server is told why. */
void test_accept_limits(void)
{
	struct ipcdev_connection connection;
	struct rlimit old, limit;
	pid_t pid;

	listen_here();
	getrlimit(RLIMIT_NOFILE, &old);
	ring_size = 1;
	wanted_error = EMFILE;
	/* For none of the rings, for one, for both, and for one end more. */
	for (int i = 0; i < 4; i++) {
		pid = start(want_error);
		while (!queued())
			sched_yield();
		limit = old;
		limit.rlim_cur = lowest_fd() + i;
		setrlimit(RLIMIT_NOFILE, &limit);
		FAILS(ipcdev_accept(&connection, service, NULL, late()), EMFILE);
		setrlimit(RLIMIT_NOFILE, &old);
		finish(pid);
	}
	close(service);
}
