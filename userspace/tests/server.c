// SPDX-License-Identifier: GPL-2.0
/* libipcdev: servers. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "test.h"

#define MSG_MAX 4096

/* What the server is asked to do, by a request's tag. */
enum {
	ECHO,		/* the payload, with another tag */
	FAIL,		/* return minus the number in the payload */
	TOO_LARGE,	/* reply more than the queue takes */
	BAD_POINTER,	/* reply from nowhere */
	BACK,		/* reply with what came along */
	KEEP,		/* and keep the first descriptor */
	MAKE,		/* reply with a new pipe's end */
	TOO_MANY,	/* reply with more descriptors than there may be */
	LATER,		/* leave the answer to somebody else */
	MEET,		/* wait for three others */
	WAIT,		/* wait until told to go on */
};

static struct ipcdev_server *server;
static int queue, client;
static pthread_t runner;
static int run_result, run_errno;
static sem_t entered, go_on, deferred;
static pthread_barrier_t meeting;
static uint64_t later;
static int kept, plain;

static int make_pipe(struct ipcdev_request *request)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	if (write(ends[1], "hi", 2) != 2)
		return -EIO;
	close(ends[1]);
	request->reply_fds[0] = ends[0];
	request->reply_fd_count = 1;
	request->reply_flags = IPCDEV_REPLY_CLOSE;
	return 0;
}

static int handle(struct ipcdev_request *request, void *data)
{
	int number = 0;

	CHECK(data == &server);
	if (!(request->msg->flags & IPCDEV_MSG_CALL)) {
		plain++;
		return 0;
	}
	switch (request->msg->tag) {
	case ECHO:
		CHECK(request->reply_max >= request->len);
		memcpy(request->reply, request->data, request->len);
		request->reply_len = request->len;
		request->reply_tag = ~0ULL;
		return 0;
	case FAIL:
		memcpy(&number, request->data, sizeof(number));
		return -number;
	case TOO_LARGE:
		request->reply_len = MSG_MAX + 1;
		return 0;
	case BAD_POINTER:
		request->reply = NULL;
		request->reply_len = 1;
		return 0;
	case KEEP:
		kept = request->fds[0];
		request->fds[0] = -1;
		return 0;
	case BACK:
		request->reply = (void *)request->data;
		request->reply_len = request->len;
		for (unsigned int i = 0; i < request->fd_count; i++)
			request->reply_fds[i] = request->fds[i];
		request->reply_fd_count = request->fd_count;
		for (unsigned int i = 0; i < request->slice_count; i++)
			request->reply_slices[i] = request->slices[i];
		request->reply_slice_count = request->slice_count;
		return 0;
	case MAKE:
		return make_pipe(request);
	case TOO_MANY:
		request->reply_fd_count = IPCDEV_FDS_MAX + 1;
		request->reply_flags = IPCDEV_REPLY_CLOSE;
		return 0;
	case LATER:
		later = request->msg->token;
		sem_post(&deferred);
		return IPCDEV_DEFERRED;
	case MEET:
		pthread_barrier_wait(&meeting);
		return 0;
	case WAIT:
		sem_post(&entered);
		sem_wait(&go_on);
		return 0;
	}
	return -EOPNOTSUPP;
}

static void *run(void *unused)
{
	(void)unused;
	run_result = ipcdev_server_run(server);
	run_errno = errno;
	return NULL;
}

static void make_queue(void)
{
	struct ipcdev_create_queue attr = { .msg_max = MSG_MAX };
	int both = ipcdev_queue_create(&attr);

	queue = ipcdev_dup(both, IPCDEV_RIGHT_READ, 0);
	client = ipcdev_dup(both, IPCDEV_RIGHT_WRITE, 0);
	close(both);
	sem_init(&entered, 0, 0);
	sem_init(&go_on, 0, 0);
	sem_init(&deferred, 0, 0);
}

static void make_server(unsigned int workers)
{
	struct ipcdev_server_attr attr = {
		.handler = handle,
		.data = &server,
		.workers = workers,
		.flags = IPCDEV_SERVER_FDS | IPCDEV_SERVER_SLICES,
	};

	make_queue();
	server = ipcdev_server_create(queue, &attr);
	CHECK(server);
}

static void start(unsigned int workers)
{
	make_server(workers);
	CHECK(!pthread_create(&runner, NULL, run, NULL));
}

static void clean_up(void)
{
	ipcdev_server_destroy(server);
	close(queue);
	close(client);
}

static void join(void)
{
	pthread_join(runner, NULL);
	errno = run_errno;
	CHECK(!run_result);
}

static void stop(void)
{
	errno = ENOANO;
	ipcdev_server_stop(server);
	CHECK(errno == ENOANO);
	join();
	clean_up();
}

/* A call with a tag; the reply's length, or -1 with errno. */
static ssize_t ask(uint64_t tag, const void *data, size_t len, void *reply,
		   size_t size)
{
	struct ipcdev_call call = {
		.request.tag = tag,
		.request.data = ipcdev_ptr(data),
		.request.len = len,
		.reply.data = ipcdev_ptr(reply),
		.reply.len = size,
	};
	struct ipcdev_deadline soon;

	if (ipcdev_call_msg(client, &call,
			    ipcdev_deadline_in(&soon, 60 * SECOND)))
		return -1;
	if (!call.reply.error)
		return call.reply.len;
	errno = call.reply.error;
	return -1;
}

static ssize_t ask_to_fail(int number)
{
	return ask(FAIL, &number, sizeof(number), NULL, 0);
}

void test_server_create(void)
{
	struct ipcdev_server_attr attr = { 0 };
	int other;

	make_queue();
	NO_MAP(ipcdev_server_create(queue, &attr), EINVAL);
	attr.handler = handle;
	attr.flags = ~0U;
	NO_MAP(ipcdev_server_create(queue, &attr), EINVAL);
	attr.flags = 0;
	NO_MAP(ipcdev_server_create(client, &attr), EBADF);
	NO_MAP(ipcdev_server_create(0, &attr), ENOTTY);
	other = ipcdev_buffer_create(1, 0, 0);
	NO_MAP(ipcdev_server_create(other, &attr), ENOTTY);
	close(other);
	NO_MAP(ipcdev_server_create(other, &attr), EBADF);
	other = ipcdev_dup(queue, IPCDEV_RIGHT_READ, IPCDEV_NONBLOCK);
	NO_MAP(ipcdev_server_create(other, &attr), EINVAL);
	close(other);

	/* A signal that cannot be caught. */
	attr.signal = SIGKILL;
	server = ipcdev_server_create(queue, &attr);
	FAILS(ipcdev_server_run(server), EINVAL);
	ipcdev_server_destroy(server);
	ipcdev_server_destroy(NULL);
	server = NULL;
	clean_up();
}

static void check_edges(unsigned int workers)
{
	static char big[MSG_MAX], back[MSG_MAX];
	struct ipcdev_call call = {
		.request.data = ipcdev_ptr("text"),
		.request.len = 4,
		.reply.data = ipcdev_ptr(back),
		.reply.len = sizeof(back),
	};

	start(workers);
	CHECK(ask(ECHO, NULL, 0, NULL, 0) == 0);
	CHECK(ask(ECHO, "abc", 3, back, sizeof(back)) == 3);
	CHECK(!memcmp(back, "abc", 3));
	memset(big, 'x', sizeof(big));
	CHECK(ask(ECHO, big, MSG_MAX, back, MSG_MAX) == MSG_MAX);
	CHECK(!memcmp(big, back, MSG_MAX));
	FAILS(ask(ECHO, big, 10, back, 9), EMSGSIZE);
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(call.reply.len == 4 && call.reply.tag == ~0ULL);

	FAILS(ask_to_fail(EDOM), EDOM);
	FAILS(ask_to_fail(IPCDEV_ERROR_MAX), IPCDEV_ERROR_MAX);
	FAILS(ask_to_fail(IPCDEV_ERROR_MAX + 1), EIO);
	FAILS(ask_to_fail(-EINVAL), EIO);
	FAILS(ask(TOO_LARGE, NULL, 0, back, sizeof(back)), EMSGSIZE);
	FAILS(ask(BAD_POINTER, NULL, 0, back, sizeof(back)), EFAULT);
	FAILS(ask(TOO_MANY, NULL, 0, back, sizeof(back)), EINVAL);
	FAILS(ask(99, NULL, 0, back, sizeof(back)), EOPNOTSUPP);

	/* What is no call has no answer. */
	plain = 0;
	CHECK(!ipcdev_queue_send(client, "x", 1, 0, NULL));
	CHECK(ask(ECHO, "abc", 3, back, sizeof(back)) == 3);
	while (workers == 1 && !plain)
		usleep(1000);
	stop();
	CHECK(plain == 1);
}

void test_server_edges(void)
{
	struct ipcdev_server_attr attr = {
		.handler = handle,
		.data = &server,
		.request_max = 8,
		.reply_max = 100,
	};

	check_edges(1);
	check_edges(4);

	make_queue();
	server = ipcdev_server_create(queue, &attr);
	CHECK(!pthread_create(&runner, NULL, run, NULL));
	CHECK(ask(ECHO, "12345678", 8, &attr, sizeof(attr)) == 8);
	FAILS(ask(ECHO, "123456789", 9, &attr, sizeof(attr)), EMSGSIZE);
	CHECK(ask(ECHO, "12345678", 8, &attr, sizeof(attr)) == 8);
	stop();
}

/* Which answers the one before, and fetches the next. */
void test_server_one_ioctl(void)
{
	unsigned int before;
	char back[4];

	start(1);
	CHECK(ask(ECHO, "abc", 3, back, sizeof(back)) == 3);
	before = ioctls_on(queue);
	for (int i = 0; i < 100; i++)
		CHECK(ask(ECHO, "abc", 3, back, sizeof(back)) == 3);
	CHECK(ioctls_on(queue) == before + 100);
	stop();
}

static void check_fds(void)
{
	int fds[2], ends[2];
	char text[4] = "";
	struct ipcdev_call call = {
		.request.tag = BACK,
		.request.fds = ipcdev_ptr(ends),
		.request.fd_count = 2,
		.reply.fds = ipcdev_ptr(fds),
		.reply.fd_count = 2,
	};

	CHECK(!pipe(ends));
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(call.reply.fd_count == 2);
	CHECK(write(fds[1], "abc", 3) == 3 && read(ends[0], text, 4) == 3);
	close(fds[0]);
	close(fds[1]);

	/* The server keeps the writing end, and only that. */
	call.request = (struct ipcdev_msg) {
		.tag = KEEP,
		.fds = ipcdev_ptr(&ends[1]),
		.fd_count = 1,
	};
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	close(ends[1]);
	CHECK(write(kept, "def", 3) == 3);
	close(kept);
	CHECK(read(ends[0], text, 4) == 3 && read(ends[0], text, 4) == 0);
	close(ends[0]);

	call.request = (struct ipcdev_msg) { .tag = MAKE };
	call.reply = (struct ipcdev_msg) {
		.fds = ipcdev_ptr(fds),
		.fd_count = 2,
	};
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(call.reply.fd_count == 1 && read(fds[0], text, 4) == 2);
	close(fds[0]);
}

static void check_slices(void)
{
	struct ipcdev_slice slices[2] = {
		{ .offset = 10, .length = 20 }, { .offset = 30, .length = 40 },
	};
	struct ipcdev_slice back[2];
	struct ipcdev_stat stat;
	struct ipcdev_call call = {
		.request.tag = BACK,
		.request.slices = ipcdev_ptr(slices),
		.request.slice_count = 2,
		.reply.slices = ipcdev_ptr(back),
		.reply.slice_count = 2,
	};

	slices[0].fd = ipcdev_buffer_create(100, 0, 0);
	slices[1].fd = slices[0].fd;
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(!call.reply.error && call.reply.slice_count == 2);
	CHECK(!ipcdev_stat(slices[0].fd, &stat));
	for (int i = 0; i < 2; i++) {
		CHECK(back[i].buffer_id == stat.id);
		CHECK(back[i].offset == slices[i].offset);
		CHECK(back[i].length == slices[i].length);
		close(back[i].fd);
	}
	close(slices[0].fd);
}

/* Without the server's flags nothing comes, or slices by their ids alone. */
static void check_flags(void)
{
	struct ipcdev_server_attr attr = { .handler = handle, .data = &server };
	struct ipcdev_slice slice = { .length = 1 }, back;
	struct ipcdev_call call = {
		.request.tag = BACK,
		.request.slices = ipcdev_ptr(&slice),
		.request.slice_count = 1,
		.reply.slices = ipcdev_ptr(&back),
		.reply.slice_count = 1,
	};

	slice.fd = ipcdev_buffer_create(1, 0, 0);
	make_queue();
	server = ipcdev_server_create(queue, &attr);
	CHECK(!pthread_create(&runner, NULL, run, NULL));
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(!call.reply.error && !call.reply.slice_count);
	stop();

	/* It cannot send on what it has no descriptor of. */
	attr.flags = IPCDEV_SERVER_SLICE_IDS;
	make_queue();
	server = ipcdev_server_create(queue, &attr);
	CHECK(!pthread_create(&runner, NULL, run, NULL));
	call.reply.slice_count = 1;
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(call.reply.error == EBADF);
	stop();
	close(slice.fd);
}

/* The server shares our descriptors: none may be left when it has answered. */
void test_server_cargo(void)
{
	int lowest = lowest_fd(), file;
	int files[IPCDEV_FDS_MAX];
	struct ipcdev_call call = {
		.request.tag = ECHO,
		.request.fds = ipcdev_ptr(files),
		.request.fd_count = IPCDEV_FDS_MAX,
	};

	start(1);
	check_fds();
	check_slices();
	file = memfd_create("test", 0);
	for (int i = 0; i < IPCDEV_FDS_MAX; i++)
		files[i] = file;
	for (int i = 0; i < 100; i++)
		CHECK(!ipcdev_call_msg(client, &call, NULL));
	close(file);
	stop();
	check_flags();
	CHECK(lowest_fd() == lowest);
}

static void *ask_later(void *reply)
{
	return ask(LATER, NULL, 0, reply, 4) == 4 ? reply : NULL;
}

void test_server_deferred(void)
{
	pthread_t asker;
	char text[4];
	void *result;

	start(1);
	pthread_create(&asker, NULL, ask_later, text);
	sem_wait(&deferred);
	/* The server is free meanwhile. */
	CHECK(ask(ECHO, "abc", 3, &result, sizeof(result)) == 3);
	CHECK(!ipcdev_call_waits(queue, later));
	CHECK(!ipcdev_reply(queue, later, "late", 4));
	pthread_join(asker, &result);
	CHECK(result == text && !memcmp(text, "late", 4));

	/* Also when the server has ended. */
	pthread_create(&asker, NULL, ask_later, text);
	sem_wait(&deferred);
	ipcdev_server_stop(server);
	join();
	CHECK(!ipcdev_reply(queue, later, "last", 4));
	pthread_join(asker, &result);
	CHECK(result == text && !memcmp(text, "last", 4));
	clean_up();
}

static void *ask_often(void *arg)
{
	uintptr_t who = (uintptr_t)arg, right = 0;
	uint64_t out, in;

	for (unsigned int i = 0; i < 500; i++) {
		out = (uint64_t)who << 32 | i;
		right += ask(ECHO, &out, sizeof(out), &in, sizeof(in)) ==
			 sizeof(in) && in == out;
	}
	return (void *)right;
}

static void *ask_to_meet(void *unused)
{
	(void)unused;
	return (void *)ask(MEET, NULL, 0, NULL, 0);
}

void test_server_parallel(void)
{
	pthread_t askers[8];
	void *result;

	start(4);
	/* Four handlers can be at work at once. */
	pthread_barrier_init(&meeting, NULL, 4);
	for (int i = 0; i < 4; i++)
		pthread_create(&askers[i], NULL, ask_to_meet, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(askers[i], &result);
		CHECK(!result);
	}
	pthread_barrier_destroy(&meeting);

	for (uintptr_t i = 0; i < 8; i++)
		pthread_create(&askers[i], NULL, ask_often, (void *)i);
	for (int i = 0; i < 8; i++) {
		pthread_join(askers[i], &result);
		CHECK((uintptr_t)result == 500);
	}
	stop();
}

static void *ask_to_wait(void *unused)
{
	(void)unused;
	return ask(WAIT, NULL, 0, NULL, 0) ? &server : NULL;
}

static void check_stop(unsigned int workers)
{
	struct ipcdev_deadline soon;
	pthread_t askers[4];
	void *result;

	/* While it is idle, and before it began. */
	start(workers);
	CHECK(ask(ECHO, NULL, 0, NULL, 0) == 0);
	ipcdev_server_stop(server);
	ipcdev_server_stop(server);
	join();
	CHECK(!ipcdev_server_run(server));
	clean_up();
	make_server(workers);
	ipcdev_server_stop(server);
	CHECK(!ipcdev_server_run(server));
	clean_up();

	/* While all of it is busy: what was taken is answered. */
	start(workers);
	for (unsigned int i = 0; i < workers; i++) {
		pthread_create(&askers[i], NULL, ask_to_wait, NULL);
		sem_wait(&entered);
	}
	ipcdev_server_stop(server);
	for (unsigned int i = 0; i < workers; i++)
		sem_post(&go_on);
	join();
	for (unsigned int i = 0; i < workers; i++) {
		pthread_join(askers[i], &result);
		CHECK(!result);
	}
	/* And what comes afterwards is not taken. */
	FAILS(ipcdev_call(client, "x", 1, NULL, 0,
			  ipcdev_deadline_in(&soon, SECOND / 50)), ETIMEDOUT);
	clean_up();
}

void test_server_stop(void)
{
	check_stop(1);
	check_stop(4);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void on_term(int signal)
{
	(void)signal;
	ipcdev_server_stop(server);
}

/* Signals without SA_RESTART rain on the first worker; then one stops it. */
void test_server_signals(void)
{
	struct sigaction action = { .sa_handler = on_alarm }, old;
	pthread_t asker;
	void *result;

	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = on_term;
	sigaction(SIGTERM, &action, NULL);
	start(2);
	pthread_create(&asker, NULL, ask_often, NULL);
	for (int i = 0; i < 500; i++) {
		pthread_kill(runner, SIGUSR1);
		usleep(100);
	}
	pthread_join(asker, &result);
	CHECK((uintptr_t)result == 500);
	pthread_kill(runner, SIGTERM);
	join();
	clean_up();
	signal(SIGUSR1, SIG_DFL);
	signal(SIGTERM, SIG_DFL);

	/* A handler of the program's own for the waking signal stays. */
	action.sa_handler = on_alarm;
	sigaction(SIGURG, &action, NULL);
	start(3);
	CHECK(ask(ECHO, NULL, 0, NULL, 0) == 0);
	stop();
	sigaction(SIGURG, NULL, &old);
	CHECK(old.sa_handler == on_alarm);
	signal(SIGURG, SIG_IGN);
	start(3);
	CHECK(ask(ECHO, NULL, 0, NULL, 0) == 0);
	stop();
}

/* The last writer's going ends a run, and another may follow. */
void test_server_gone(void)
{
	static const char *const name = "/dev/ipc/libipcdev-server";
	struct ipcdev_create_queue attr = {
		.rights = IPCDEV_RIGHT_READ | IPCDEV_RIGHT_PUBLISH,
	};
	struct ipcdev_server_attr server_attr = {
		.handler = handle,
		.data = &server,
		.workers = 3,
	};
	struct ipcdev_deadline soon;
	int status;
	pid_t pid;

	queue = ipcdev_queue_create(&attr);
	CHECK(!ipcdev_publish(queue, name, 0600, 0));
	server = ipcdev_server_create(queue, &server_attr);
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (!pid) {
			client = ipcdev_open(name, O_WRONLY);
			close(queue);
			_exit(client < 0 || ask(ECHO, "x", 1, &i, 1) != 1);
		}
		CHECK(!ipcdev_wait_peer(queue,
					ipcdev_deadline_in(&soon, 60 * SECOND)));
		CHECK(!ipcdev_server_run(server));
		CHECK(waitpid(pid, &status, 0) == pid && !status);
	}
	ipcdev_server_destroy(server);
	close(queue);
}

/* A caller that dies with its request in work is nobody's loss. */
void test_server_death(void)
{
	char text[4];
	pid_t pid;

	for (unsigned int workers = 1; workers <= 4; workers += 3) {
		start(workers);
		pid = fork();
		if (!pid) {
			close(queue);
			_exit(ask(WAIT, NULL, 0, NULL, 0) != 0);
		}
		sem_wait(&entered);
		kill(pid, SIGKILL);
		CHECK(waitpid(pid, NULL, 0) == pid);
		sem_post(&go_on);
		CHECK(ask(ECHO, "abc", 3, text, sizeof(text)) == 3);
		stop();
	}
}

/* Stopped at any moment, a server ends, and has answered what it took. */
static void *ask_until_gone(void *unused)
{
	struct ipcdev_stat stat;
	uint64_t number = 0, back;

	(void)unused;
	for (;; number++) {
		if (ipcdev_call(client, &number, sizeof(number), &back,
				sizeof(back), NULL) < 0)
			break;
		if (back != number)
			return &server;
	}
	/* The end of the queue, and not of one that was taken. */
	if (errno != EPIPE || ipcdev_stat(client, &stat) || stat.readers)
		return &server;
	return NULL;
}

void test_server_races(void)
{
	struct ipcdev_stat stat;
	pthread_t askers[2];
	void *result;

	for (int i = 0; i < 100; i++) {
		start(1 + i % 3);
		for (int j = 0; j < 2; j++)
			pthread_create(&askers[j], NULL, ask_until_gone, NULL);
		usleep(i * 50);
		ipcdev_server_stop(server);
		join();
		CHECK(!ipcdev_stat(queue, &stat) && !stat.calls);
		close(queue);
		for (int j = 0; j < 2; j++) {
			pthread_join(askers[j], &result);
			CHECK(!result);
		}
		ipcdev_server_destroy(server);
		close(client);
	}
}
