// SPDX-License-Identifier: GPL-2.0
/*
 * Survival: what textbooks say for and against each method, tried out. Each
 * experiment runs in processes of its own, which may hang, or be killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ipcdev.h>

#include "internal.h"

#define SIZE		64	/* bytes of a message */
#define PATIENCE	200	/* milliseconds after which nothing will happen */
#define FLOOD		30000	/* messages that no sane receiver lets pile up */

const char *const question_names[QUESTIONS] = {
	"death", "left", "poll", "boundaries", "rights", "descriptors", "slow",
};

const char *const question_about[QUESTIONS] = {
	"does a waiting receiver learn that the sender was killed",
	"what is left behind when all are killed",
	"can it be polled for messages",
	"are message boundaries kept",
	"is the receiver's descriptor for receiving only",
	"can a descriptor travel with it",
	"what happens if nobody receives",
};

/**
 * struct trial - an experiment, shared by all its processes
 * @method: with what
 * @sent: messages that were sent
 * @returned: when the receiver's call came back
 * @error: what it said then; 0 for success
 * @answer: what has been found out
 * @common: what links want; last, because its size is open
 */
struct trial {
	const struct method *method;
	atomic_uint sent;
	atomic_ullong returned;
	atomic_int error;
	char answer[48];
	struct common common;
};

#define ANSWER(trial, ...) \
	snprintf((trial)->answer, sizeof((trial)->answer), __VA_ARGS__)

/* Each process has its own, and closes in it what belongs to others. */
static struct link the_link;

static void sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static pid_t start(struct trial *trial, void (*play)(struct trial *trial))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	play(trial);
	for (;;)
		pause();
}

static size_t size_of(const struct method *method)
{
	if (method->empty)
		return 0;
	return method->max ? MIN(method->max, SIZE) : SIZE;
}

static void open_it(struct trial *trial, bool together)
{
	trial->common.pid[1] = getpid();
	link_open(&the_link, trial->method, &trial->common,
		  size_of(trial->method), together);
}

/* Does a waiting receiver learn that the sender was killed? */

static void send_and_wait(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 0);
	pthread_barrier_wait(&trial->common.start);
	stamp(end.out, the_link.size, 1);
	trial->method->send(&end, the_link.size);
	trial->sent++;
}

static void receive_twice(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 1);
	pthread_barrier_wait(&trial->common.start);
	trial->method->recv(&end, the_link.size);
	trial->sent++;
	errno = 0;
	trial->error = trial->method->recv(&end, the_link.size) ?
		(errno ? errno : EIO) : 0;
	trial->returned = now();
}

/* Only the two sides may hold what keeps the link alive. */
static void forget(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(the_link.fd); i++)
		close_fd(&the_link.fd[i]);
}

static void try_death(struct trial *trial)
{
	pthread_barrierattr_t attr;
	uint64_t killed;
	pid_t sender;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&trial->common.start, &attr, 2);
	open_it(trial, false);
	sender = start(trial, send_and_wait);
	start(trial, receive_twice);
	forget();
	for (int i = 0; trial->sent != 2 && i < PATIENCE; i++)
		sleep_ms(1);
	sleep_ms(10);
	killed = now();
	kill(sender, SIGKILL);
	for (int i = 0; !trial->returned && i < PATIENCE; i++)
		sleep_ms(1);
	if (trial->sent != 2)
		ANSWER(trial, "no message came");
	else if (!trial->returned)
		ANSWER(trial, "no: it waits for ever");
	else
		ANSWER(trial, "yes: %s, %.0f us",
		       trial->error ? strerrorname_np(trial->error) : "success",
		       (trial->returned - killed) / 1000.0);
}

/* What is left behind when all are killed? */

static unsigned int count_lines(const char *path)
{
	unsigned int lines = 0;
	FILE *file = fopen(path, "r");
	int c;

	while (file && (c = getc(file)) != EOF)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
}

static unsigned int count_files(const char *path, const char *start)
{
	unsigned int files = 0;
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir)))
		files += !strncmp(entry->d_name, start, strlen(start));
	if (dir)
		closedir(dir);
	return files;
}

static unsigned int count_objects(void)
{
	struct ipcdev_info info;

	return ipcdev_info(&info) ? 0 : info.objects;
}

/**
 * struct traces - what there is of what outlives processes
 * @files: files of ours in /dev/shm and /tmp
 * @queues: POSIX message queues
 * @sysv: System V objects
 * @objects: ipcdev's objects
 */
struct traces {
	unsigned int files;
	unsigned int queues;
	unsigned int sysv;
	unsigned int objects;
};

static struct traces look(void)
{
	return (struct traces) {
		.files = count_files("/dev/shm", "ipcdev-bench") +
			 count_files("/tmp", "ipcdev-bench"),
		.queues = count_files("/dev/mqueue", "ipcdev-bench"),
		.sysv = count_lines("/proc/sysvipc/shm") +
			count_lines("/proc/sysvipc/sem") +
			count_lines("/proc/sysvipc/msg"),
		.objects = count_objects(),
	};
}

static void be_killed(struct trial *trial)
{
	trial->common.pid[1] = getpid();
	if (!trial->method->setup(&the_link))
		trial->sent++;
}

static void try_left(struct trial *trial)
{
	struct traces before = look(), after;
	pid_t pid;

	the_link = (struct link) {
		.method = trial->method,
		.common = &trial->common,
		.size = size_of(trial->method),
		.named = true,
		.fd = { -1, -1, -1, -1 },
		/* Shared, so that what it names can be removed afterwards. */
		.own = shared_memory(trial->method->link_size + 1),
	};
	pid = start(trial, be_killed);
	for (int i = 0; !trial->sent && i < PATIENCE; i++)
		sleep_ms(1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	sleep_ms(10);
	after = look();
	if (after.files != before.files)
		ANSWER(trial, "%u file(s)", after.files - before.files);
	else if (after.queues != before.queues)
		ANSWER(trial, "%u queue(s)", after.queues - before.queues);
	else if (after.sysv != before.sysv)
		ANSWER(trial, "%u System V object(s)", after.sysv - before.sysv);
	else if (after.objects != before.objects)
		ANSWER(trial, "%u object(s)", after.objects - before.objects);
	else
		ANSWER(trial, "nothing");
	if (strcmp(trial->answer, "nothing") && trial->method->teardown)
		trial->method->teardown(&the_link);
}

/* Both sides in one process, for what needs no second one. */
static void open_both(struct trial *trial, struct end *from, struct end *to)
{
	open_it(trial, true);
	end_open(to, &the_link, 1);
	end_open(from, &the_link, 0);
}

/* Can it be polled for messages? Not before there is one, and then it must. */
static void try_poll(struct trial *trial)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct end from, to;

	open_both(trial, &from, &to);
	ANSWER(trial, "no");
	if (to.fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, to.fd, &event) ||
	    epoll_wait(epoll, &event, 1, 10))
		return;
	stamp(from.out, the_link.size, 1);
	if (!trial->method->send(&from, the_link.size) &&
	    epoll_wait(epoll, &event, 1, PATIENCE) == 1)
		ANSWER(trial, "yes");
}

/*
 * Are message boundaries kept? Of two messages, is what a receiver gets that
 * has room for both one of them, or a mix?
 */
static void try_boundaries(struct trial *trial)
{
	struct end from, to;
	size_t half;

	open_both(trial, &from, &to);
	half = the_link.size / 2;
	if (trial->method->empty || the_link.size < SIZE)
		return;
	for (int i = 0; i < 2; i++) {
		memset(from.out, 'a' + i, half);
		if (trial->method->send(&from, half))
			return;
	}
	/* It may be that this waits for more: then they are kept. */
	ANSWER(trial, "yes");
	if (!trial->method->recv(&to, 2 * half) &&
	    ((char *)to.in)[half] == 'b')
		ANSWER(trial, "no");
}

/* Is the receiver's descriptor for receiving only? */
static void try_rights(struct trial *trial)
{
	char data[SIZE] = { 0 };
	struct end from, to;

	open_both(trial, &from, &to);
	if (to.fd < 0)
		ANSWER(trial, "no descriptor");
	else if (write(to.fd, data, sizeof(data)) < 0 && errno == EBADF)
		ANSWER(trial, "yes");
	else
		ANSWER(trial, "no");
}

/* Can a descriptor travel? In the two ways that there are. */

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static bool pass_by_socket(int from, int to)
{
	union control control = {
		.header = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		},
	};
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd = STDERR_FILENO;

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(from, &msg, MSG_NOSIGNAL) < 0)
		return false;
	memset(&control, 0, sizeof(control));
	return recvmsg(to, &msg, 0) > 0 &&
	       control.header.cmsg_type == SCM_RIGHTS;
}

static bool pass_by_queue(int from, int to)
{
	unsigned int count = 1;
	int pipe_fd[2], fd;
	char byte;

	return !pipe(pipe_fd) &&
	       !ipcdev_queue_send_fds(from, "", 1, pipe_fd, 1, NULL) &&
	       ipcdev_queue_recv_fds(to, &byte, 1, &fd, &count, NULL) == 1 &&
	       count == 1;
}

static void try_descriptors(struct trial *trial)
{
	struct end from, to;

	open_both(trial, &from, &to);
	ANSWER(trial, "no");
	if (from.fd >= 0 && pass_by_socket(from.fd, to.fd))
		ANSWER(trial, "yes");
	else if (the_link.fd[1] >= 0 && pass_by_queue(the_link.fd[1], the_link.fd[0]))
		ANSWER(trial, "yes");
}

/* What happens if nobody receives? */

static void flood(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 0);
	while (trial->sent < FLOOD) {
		stamp(end.out, the_link.size, trial->sent);
		if (trial->method->send(&end, the_link.size)) {
			trial->error = errno;
			return;
		}
		trial->sent++;
	}
}

static void try_slow(struct trial *trial)
{
	unsigned int before;
	struct end end;

	open_it(trial, false);
	start(trial, flood);
	end_open(&end, &the_link, 1);
	ANSWER(trial, "takes them slowly, but it does");
	/* As long as there is progress, however slow. */
	do {
		before = trial->sent;
		sleep_ms(PATIENCE / 4);
	} while (trial->sent != before && trial->sent < FLOOD);
	if (trial->error)
		ANSWER(trial, "fails after %u: %s", trial->sent,
		       strerrorname_np(trial->error));
	else if (trial->sent < FLOOD)
		ANSWER(trial, "waits after %u", trial->sent);
	else
		ANSWER(trial, "takes %u and more", trial->sent);
}

/* Returns whether the method is to be had at all. */
static bool answer(struct trial *trial, void (*experiment)(struct trial *trial))
{
	pid_t pid;

	memset(trial->answer, 0, sizeof(trial->answer));
	memset(&trial->common, 0, sizeof(trial->common));
	trial->sent = 0;
	trial->returned = 0;
	trial->error = 0;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		experiment(trial);
		close_links();
		_exit(0);
	}
	for (int i = 0; i < 20 * PATIENCE; i++) {
		siginfo_t info = { 0 };

		waitid(P_PID, pid, &info, WEXITED | WNOWAIT | WNOHANG);
		if (info.si_pid == pid)
			break;
		sleep_ms(1);
	}
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return !*trial->common.skip;
}

bool survive(const struct method *method, struct survival *survival)
{
	static void (*const experiments[QUESTIONS])(struct trial *trial) = {
		try_death, try_left, try_poll, try_boundaries, try_rights,
		try_descriptors, try_slow,
	};
	struct trial *trial = shared_memory(sizeof(*trial));
	bool there = true;

	if (!trial)
		return false;
	if (method->lacks)
		there = false;
	*survival = (struct survival) { 0 };
	snprintf(survival->method, sizeof(survival->method), "%s", method->name);
	trial->method = method;
	for (size_t i = 0; there && i < QUESTIONS; i++) {
		there = answer(trial, experiments[i]);
		memcpy(survival->answers[i], trial->answer,
		       sizeof(trial->answer));
	}
	munmap(trial, sizeof(*trial));
	return there;
}
