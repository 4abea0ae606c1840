// SPDX-License-Identifier: GPL-2.0
/* Calls: the commands call and serve. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipcdevctl.h"

static int call_run(const struct command *self, int argc, char **argv)
{
	enum format format = FORMAT_LINES;
	struct patience patience = { 0 };
	struct ipcdev_call call = { 0 };
	struct ipcdev_deadline buf;
	struct inbox inbox;
	const char *path;
	char *data;
	size_t len;
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'p':
			call.request.prio = parse_number(self, optarg,
							 IPCDEV_PRIO_MAX);
			break;
		case 't':
			call.request.tag = parse_number(self, optarg,
							UINT64_MAX);
			break;
		case 'T':
			patience.limited = true;
			patience.ns = parse_duration(self, optarg);
			break;
		case 'r':
			format = FORMAT_RAW;
			break;
		case 'j':
			format = FORMAT_JSON;
			break;
		}
	}
	expect_operands(self, argc, 1, 2);
	path = name_path(argv[optind]);
	data = argv[optind + 1];

	fd = open_object(path, O_WRONLY);
	if (fd < 0 || inbox_init(&inbox, fd, path))
		return STATUS_FAILED;
	if (data && strcmp(data, "-")) {
		len = strlen(data);
	} else {
		data = read_input(&len);
		if (!data)
			return fail("standard input", "cannot read");
	}
	if (len > UINT32_MAX) {
		errno = EMSGSIZE;
		return fail(path, "cannot call");
	}
	call.request.data = ipcdev_ptr(data);
	call.request.len = len;
	call.reply = *inbox_empty(&inbox);
	if (ipcdev_call_msg(fd, &call, deadline(&patience, &buf)))
		return fail(path, "cannot call");
	if (call.reply.error) {
		errno = call.reply.error;
		return fail_reply(path);
	}

	inbox.msg = call.reply;
	for (unsigned int i = 0; i < inbox.msg.fd_count; i++)
		close(inbox.fds[i]);
	print_message(&inbox, format, false);
	return STATUS_OK;
}

static const struct option_info call_options[] = {
	{ 'p', "prio", "N", "priority, 0 to 32767 (0)" },
	{ 't', "tag", "N", "a number that goes with the request (0)" },
	{ 'T', "timeout", "TIME", "wait for the reply no longer than this" },
	{ 'r', "raw", NULL, "the reply as it is, without a newline" },
	{ 'j', "json", NULL, "the reply as JSON, with all it carries" },
	{ 0 }
};

const struct command call_command = {
	.name = "call",
	.args = "NAME [REQUEST]",
	.summary = "send a request to a queue and print the reply",
	.details =
"Without a REQUEST, or if that is -, it is all of standard input. TIME is in\n"
"seconds, or has a unit: 500ms, 2s, 1m.",
	.options = call_options,
	.run = call_run,
};

/* What serves: a command for each request. */
struct service {
	const char *exec;
	int queue;
	sigset_t signals;	/* that are blocked in the command */
};

static struct ipcdev_server *server;

static void on_end(int signal)
{
	(void)signal;
	ipcdev_server_stop(server);
}

/* A second one does what it does to any program. */
static void end_by_signals(void)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = {
		.sa_handler = on_end,
		.sa_flags = SA_RESTART | SA_RESETHAND,
	};
	struct sigaction old;

	/* What nohup or a shell's & has had ignored stays so. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!sigaction(ends[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
}

/* A file that holds the request, so that nobody waits until it has been read. */
static int request_file(const struct ipcdev_request *request)
{
	const char *data = request->data;
	size_t left = request->len;
	ssize_t wrote;
	int fd;

	fd = memfd_create("request", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	for (; left; left -= wrote, data += wrote) {
		wrote = write(fd, data, left);
		if (wrote < 0) {
			close(fd);
			return -1;
		}
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* The command's environment is ours, and what the message says of itself. */
static int spawn(const struct service *service, const struct ipcdev_msg *msg,
		 int in, int out, pid_t *pid)
{
	char *const argv[] = { "sh", "-c", (char *)service->exec, NULL };
	unsigned long long numbers[] = {
		msg->tag, msg->prio, msg->pid, msg->uid, msg->gid,
	};
	static const char *const names[] = { "TAG", "PRIO", "PID", "UID", "GID" };
	size_t count = msg->flags & IPCDEV_MSG_CREDS ? 5 : 2, size = 0;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char text[5][40], **env;
	sigset_t defaults;
	int err;

	while (environ[size])
		size++;
	env = calloc(size + count + 1, sizeof(*env));
	if (!env)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		snprintf(text[i], sizeof(text[i]), "IPCDEV_%s=%llu", names[i],
			 numbers[i]);
		env[i] = text[i];
	}
	memcpy(env + count, environ, size * sizeof(*env));

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setsigmask(&attr, &service->signals);
	/* Its own group: Ctrl-C is for the server, which lets it finish. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
					POSIX_SPAWN_SETSIGDEF |
					POSIX_SPAWN_SETSIGMASK);
	err = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(env);
	return -err;
}

/*
 * Something that is ready when there is output, or when a caller has given up. The
 * latter is told once for each, as another's may stay unanswered for long.
 */
static int watch_output(int output, int queue)
{
	struct epoll_event readable = { .events = EPOLLIN, .data.fd = output };
	struct epoll_event gone = { .events = EPOLLPRI | EPOLLET,
				    .data.fd = queue };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd >= 0 && (epoll_ctl(fd, EPOLL_CTL_ADD, output, &readable) ||
			epoll_ctl(fd, EPOLL_CTL_ADD, queue, &gone))) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * All that the command prints, if there is room for it and somebody who waits for
 * it. A message that is no call has no token, and its command is left to run.
 */
static int read_reply(int output, struct ipcdev_request *request, int queue)
{
	char *reply = request->reply, more;
	uint64_t token = request->msg->token;
	struct epoll_event event;
	int watch, err = 0;
	ssize_t got = 1;

	watch = watch_output(output, queue);
	if (watch < 0)
		return -errno;
	while (!err && got) {
		size_t room = request->reply_max - request->reply_len;

		if (epoll_wait(watch, &event, 1, -1) < 0) {
			err = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (token && ipcdev_call_waits(queue, token)) {
			err = -ESRCH;
			continue;
		}
		if (event.data.fd != output)
			continue;
		got = read(output, room ? reply + request->reply_len : &more,
			   room ? room : 1);
		if (got < 0) {
			err = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (got && !room)
			err = -EMSGSIZE;
		request->reply_len += got;
	}
	close(watch);
	return err;
}

static int answer(struct ipcdev_request *request, void *data)
{
	const struct service *service = data;
	int ends[2], in, err, status = 0;
	pid_t pid;

	in = request_file(request);
	if (in < 0)
		return -errno;
	if (pipe2(ends, O_CLOEXEC)) {
		err = -errno;
		close(in);
		return err;
	}
	err = spawn(service, request->msg, in, ends[1], &pid);
	close(in);
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}

	err = read_reply(ends[0], request, service->queue);
	close(ends[0]);
	/* Nobody wants to know any more. */
	if (err == -ESRCH)
		kill(-pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return err ? err : status ? -EREMOTEIO : 0;
}

static int serve_run(const struct command *self, int argc, char **argv)
{
	/* The server also writes: callers come and go, and it stays. */
	struct ipcdev_create_queue queue_attr = {
		.rights = IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE |
			  IPCDEV_RIGHT_PUBLISH,
	};
	struct service service = { 0 };
	struct ipcdev_server_attr attr = {
		.handler = answer,
		.data = &service,
	};
	mode_t mode = 0600;
	const char *path;
	int key, fd;
	bool made;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'e':
			service.exec = optarg;
			break;
		case 'j':
			attr.workers = parse_number(self, optarg, 1000);
			if (!attr.workers)
				usage(self, "no jobs at all", optarg);
			break;
		case 'm':
			mode = parse_mode(self, optarg);
			break;
		default:
			parse_queue_option(self, key, &queue_attr);
		}
	}
	expect_operands(self, argc, 1, 1);
	if (!service.exec)
		usage(self, "what to --exec?", NULL);
	path = name_path(argv[optind]);

	fd = open_or_make(path, O_RDWR, &queue_attr, mode, 0, &made);
	if (fd < 0)
		return STATUS_FAILED;
	if (!made)
		tell_unlike(path, fd, &queue_attr);
	service.queue = fd;
	server = ipcdev_server_create(fd, &attr);
	if (!server)
		return fail(path, "cannot serve");
	sigprocmask(SIG_BLOCK, NULL, &service.signals);
	end_by_signals();
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s is served until this is interrupted\n",
			path);
	if (ipcdev_server_run(server))
		return fail(path, "cannot serve");
	return STATUS_OK;
}

static const struct option_info serve_options[] = {
	{ 'e', "exec", "COMMAND", "what answers: its output is the reply (needed)" },
	{ 'j', "jobs", "N", "requests that are answered at a time (1)" },
	{ 'm', "mode", "MODE", "permissions of a new name (600)" },
	{ 'd', "depth", "N", "new queue: requests that wait at most (64)" },
	{ 'M', "msg-max", "SIZE", "new queue: largest request and reply (8K)" },
	{ 'b', "bytes", "SIZE", "new queue: bytes of waiting requests at most" },
	{ 'c', "creds", NULL, "new queue: the command is told who asks" },
	{ 'r', "sched", NULL, "new queue: real-time callers come first" },
	{ 0 }
};

const struct command serve_command = {
	.name = "serve",
	.args = "--exec=COMMAND NAME",
	.summary = "answer the requests to a queue with a command",
	.details =
"COMMAND is run by sh for each request, with that on its standard input. If it\n"
"fails the caller gets an error. Without a queue of that name one is made, which\n"
"lives until this is interrupted. SIZE takes K, M or G.",
	.options = serve_options,
	.run = serve_run,
};
