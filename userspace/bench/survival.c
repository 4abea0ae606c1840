// SPDX-License-Identifier: GPL-2.0
/*
 * Survival: what textbooks say for and against each method, tried out. Each
 * experiment runs in processes of its own, which may hang, or be killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ipcdev.h>

#include "internal.h"

#define SIZE		64	/* bytes of a message */
#define LARGE		12288	/* bytes of one that is cut in its second half */
#define VICTIMS		20	/* more than any of our rings has places */
#define NOBODY		65534	/* a user who is not us */
#define PATIENCE	200	/* milliseconds after which nothing will happen */
#define FLOOD		10000	/* messages that no sane receiver lets pile up */

const char *const question_names[QUESTIONS] = {
	"death", "midway", "next", "left", "poll", "boundaries", "rights",
	"users", "descriptors", "slow",
};

const char *const question_about[QUESTIONS] = {
	"does a waiting receiver learn that the sender was killed",
	"and if it was in the middle of a message",
	"after 20 such deaths, does the next sender's message arrive",
	"what is left behind when all are killed",
	"can it be polled for messages",
	"are message boundaries kept",
	"is the receiver's descriptor for receiving only",
	"may the sender be another user",
	"can a descriptor travel with it",
	"what happens if nobody receives",
};

/**
 * struct trial - an experiment, shared by all its processes
 * @method: with what
 * @sent: messages that were sent
 * @received: messages that have come
 * @stuck: a sender is in the middle of a message
 * @cannot: why no sender can be held up there; 0 if it can
 * @torn: messages that came and were not what was sent
 * @returned: when the receiver's call came back
 * @error: what it said then; 0 for success
 * @answer: what has been found out
 * @common: what links want; last, because its size is open
 */
struct trial {
	const struct method *method;
	atomic_uint sent;
	atomic_uint received;
	atomic_bool stuck;
	atomic_int cannot;
	atomic_uint torn;
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

static void open_sized(struct trial *trial, size_t size, bool together)
{
	trial->common.pid[1] = getpid();
	link_open(&the_link, trial->method, &trial->common, size, together);
}

static void open_it(struct trial *trial, bool together)
{
	open_sized(trial, size_of(trial->method), together);
}

/* What only asks and answers sends by asking, which ends with the answer. */

static int send_one(struct end *end, size_t len)
{
	const struct method *method = end->link->method;

	return method->send ? method->send(end, len) : method->call(end, len);
}

static int recv_next(struct end *end, size_t len)
{
	const struct method *method = end->link->method;

	return method->send ? method->recv(end, len) : method->serve(end, len);
}

/* In a process of its own, if it will not return before somebody receives. */
static int send_alone(struct end *end, size_t len)
{
	pid_t pid;

	if (end->link->method->send)
		return send_one(end, len);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		send_one(end, len);
		_exit(0);
	}
	return pid < 0 ? -1 : 0;
}

/* Does a waiting receiver learn that the sender was killed? */

static void send_and_wait(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 0);
	pthread_barrier_wait(&trial->common.start);
	stamp(end.out, the_link.size, 1);
	send_one(&end, the_link.size);
}

static void receive_twice(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 1);
	pthread_barrier_wait(&trial->common.start);
	trial->method->recv(&end, the_link.size);
	trial->received++;
	errno = 0;
	trial->error = recv_next(&end, the_link.size) ? (errno ? errno : EIO) : 0;
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
	for (int i = 0; !trial->received && i < PATIENCE; i++)
		sleep_ms(1);
	sleep_ms(10);
	killed = now();
	kill(sender, SIGKILL);
	for (int i = 0; !trial->returned && i < PATIENCE; i++)
		sleep_ms(1);
	if (!trial->received)
		ANSWER(trial, "no message came");
	else if (!trial->returned)
		ANSWER(trial, "no: it waits for ever");
	else
		ANSWER(trial, "yes: %s, %.0f us",
		       trial->error ? strerrorname_np(trial->error) : "success",
		       (trial->returned - killed) / 1000.0);
}

/*
 * And if it was in the middle of a message? A page of the message is taken away, so
 * that whoever copies it, the kernel or the sender, is held up there.
 */

struct hold {
	struct trial *trial;
	int fd;
};

static void *await_fault(void *data)
{
	struct hold *hold = data;
	struct uffd_msg msg;

	if (read(hold->fd, &msg, sizeof(msg)) == sizeof(msg))
		hold->trial->stuck = true;
	return NULL;
}

static int take_page_away(struct trial *trial, void *data)
{
	static struct hold hold;
	size_t page = sysconf(_SC_PAGESIZE);
	struct uffdio_api api = { .api = UFFD_API };
	/* The last one that holds nothing but the message. */
	struct uffdio_register area = {
		.range = { (((uintptr_t)data + LARGE) & -page) - page, page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t thread;

	hold.trial = trial;
	hold.fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (hold.fd < 0 || ioctl(hold.fd, UFFDIO_API, &api) ||
	    madvise((void *)(uintptr_t)area.range.start, page, MADV_DONTNEED) ||
	    ioctl(hold.fd, UFFDIO_REGISTER, &area))
		return errno;
	return pthread_create(&thread, NULL, await_fault, &hold);
}

static void send_half(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 0);
	fill(end.out, the_link.size, 1);
	trial->cannot = take_page_away(trial, end.out);
	if (!trial->cannot)
		send_one(&end, the_link.size);
}

static void receive_half(struct trial *trial)
{
	const char *in;
	struct end end;

	end_open(&end, &the_link, 1);
	memset(end.in, 0, the_link.size);
	trial->received++;
	errno = 0;
	trial->error = trial->method->recv(&end, the_link.size) ?
		(errno ? errno : EIO) : 0;
	trial->returned = now();
	for (in = end.in; in < (char *)end.in + the_link.size; in++) {
		if (*in) {
			trial->torn++;
			break;
		}
	}
	trial->received++;
}

/* What never leaves the sender, or is too small for a page, is never half sent. */
static bool divisible(const struct method *method)
{
	return !method->in_place && !method->empty &&
	       (!method->max || method->max >= LARGE);
}

static void await_stuck(struct trial *trial)
{
	for (int i = 0; !trial->stuck && !trial->cannot && i < PATIENCE; i++)
		sleep_ms(1);
}

static void try_midway(struct trial *trial)
{
	uint64_t killed;
	pid_t sender;

	if (!divisible(trial->method)) {
		ANSWER(trial, "none is ever half sent");
		return;
	}
	open_sized(trial, LARGE, false);
	start(trial, receive_half);
	for (int i = 0; !trial->received && i < PATIENCE; i++)
		sleep_ms(1);
	sender = start(trial, send_half);
	forget();
	await_stuck(trial);
	if (!trial->stuck)
		return;
	sleep_ms(10);
	killed = now();
	kill(sender, SIGKILL);
	for (int i = 0; trial->received != 2 && i < PATIENCE; i++)
		sleep_ms(1);
	if (!trial->returned)
		ANSWER(trial, "no: it waits for ever");
	else if (trial->torn && trial->error)
		ANSWER(trial, "half of it, then %s, %.0f us",
		       strerrorname_np(trial->error),
		       (trial->returned - killed) / 1000.0);
	else if (trial->error)
		ANSWER(trial, "yes: %s, %.0f us", strerrorname_np(trial->error),
		       (trial->returned - killed) / 1000.0);
	else
		ANSWER(trial, "half of it, as if it were whole");
}

/* After such deaths, does the next sender's message arrive? */

static void send_last(struct trial *trial)
{
	struct end end;

	(void)trial;
	end_open(&end, &the_link, 0);
	fill(end.out, the_link.size, 2);
	send_one(&end, the_link.size);
}

static bool is_whole(const struct end *end, uint64_t number)
{
	char *wanted = calloc(1, the_link.size);
	bool same;

	fill(wanted, the_link.size, number);
	same = !memcmp(end->in, wanted, the_link.size);
	free(wanted);
	return same;
}

static void receive_last(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 1);
	trial->received++;
	while (!trial->method->recv(&end, the_link.size)) {
		if (is_whole(&end, 2))
			trial->returned = now();
		else
			trial->torn++;
	}
	trial->error = errno ? errno : EIO;
}

static void try_next(struct trial *trial)
{
	if (!divisible(trial->method))
		return;
	open_sized(trial, LARGE, false);
	start(trial, receive_last);
	for (int i = 0; !trial->received && i < PATIENCE; i++)
		sleep_ms(1);
	for (int i = 0; i < VICTIMS && !trial->cannot; i++) {
		pid_t victim;

		trial->stuck = false;
		victim = start(trial, send_half);
		await_stuck(trial);
		kill(victim, SIGKILL);
		waitpid(victim, NULL, 0);
		/* It does not even get so far any more. */
		if (!trial->stuck)
			break;
	}
	start(trial, send_last);
	for (int i = 0; !trial->returned && !trial->error && i < PATIENCE; i++)
		sleep_ms(1);
	if (trial->cannot)
		return;
	if (trial->returned && trial->torn)
		ANSWER(trial, "after %u torn ones", trial->torn);
	else if (trial->returned)
		ANSWER(trial, "yes");
	else if (trial->error)
		ANSWER(trial, "no: %s", strerrorname_np(trial->error));
	else if (trial->torn)
		ANSWER(trial, "no: %u torn ones came", trial->torn);
	else
		ANSWER(trial, "no: nothing comes any more");
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

/* Some of what a process held goes a moment after it: until nothing has for a while. */
static struct traces settle(void)
{
	struct traces before, after = look();

	for (int i = 0, same = 0; i < PATIENCE && same < 5; i++) {
		before = after;
		sleep_ms(10);
		after = look();
		same = memcmp(&before, &after, sizeof(after)) ? 0 : same + 1;
	}
	return after;
}

static void be_killed(struct trial *trial)
{
	trial->common.pid[1] = getpid();
	if (!trial->method->setup(&the_link))
		trial->sent++;
}

static void try_left(struct trial *trial)
{
	struct traces before = settle(), after;
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
	after = settle();
	if (after.files > before.files)
		ANSWER(trial, "%u file(s)", after.files - before.files);
	else if (after.queues > before.queues)
		ANSWER(trial, "%u queue(s)", after.queues - before.queues);
	else if (after.sysv > before.sysv)
		ANSWER(trial, "%u System V object(s)", after.sysv - before.sysv);
	else if (after.objects > before.objects)
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
	if (!send_alone(&from, the_link.size) &&
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
		if (send_alone(&from, half))
			return;
	}
	/* It may be that this waits for more: then they are kept. */
	ANSWER(trial, "yes");
	/* Memory that the method has yet to bring holds nothing old. */
	if (to.in)
		memset(to.in, 0, 2 * half);
	if (!trial->method->recv(&to, 2 * half) &&
	    ((char *)to.in)[half] == 'b')
		ANSWER(trial, "no");
}

/* Bytes of a file in which messages may lie. */
#define AREAS	0x100000

/* Whether the message lies in what the descriptor can be mapped for. */
static bool lies_in(int fd, int prot, const void *message, size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE);
	bool found = false;
	char *map;

	for (off_t offset = 0; offset < AREAS && !found; offset += page) {
		map = mmap(NULL, page, prot, MAP_SHARED, fd, offset);
		if (map == MAP_FAILED)
			continue;
		found = memmem(map, page, message, len);
		munmap(map, page);
	}
	return found;
}

/*
 * Either it was opened for reading; or messages come through memory that it is mapped
 * for, and which it cannot be mapped for otherwise than to be read.
 */
static bool only_receives(struct end *from, struct end *to)
{
	char message[SIZE];

	memset(message, 'r', sizeof(message));
	if (write(to->fd, message, sizeof(message)) >= 0)
		return false;
	if (errno == EBADF)
		return true;
	if (the_link.size < sizeof(message))
		return false;
	memcpy(from->out, message, sizeof(message));
	if (send_alone(from, sizeof(message)))
		return false;
	return lies_in(to->fd, PROT_READ, message, sizeof(message)) &&
	       !lies_in(to->fd, PROT_READ | PROT_WRITE, message, sizeof(message));
}

/* Is the receiver's descriptor for receiving only? */
static void try_rights(struct trial *trial)
{
	struct end from, to;

	open_both(trial, &from, &to);
	if (to.fd < 0)
		ANSWER(trial, "no descriptor");
	else if (only_receives(&from, &to))
		ANSWER(trial, "yes");
	else
		ANSWER(trial, "no");
}

/*
 * May the sender be another user? Where there are names, they are for everybody: it
 * is the method that is asked, and not our umask.
 */

static void send_as_nobody(struct trial *trial)
{
	struct end end;

	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)) {
		trial->cannot = errno;
		return;
	}
	end_open(&end, &the_link, 0);
	stamp(end.out, the_link.size, 1);
	errno = 0;
	if (send_one(&end, the_link.size))
		trial->error = errno ? errno : EIO;
}

static void receive_one(struct trial *trial)
{
	struct end end;

	end_open(&end, &the_link, 1);
	trial->received++;
	errno = 0;
	if (trial->method->recv(&end, the_link.size))
		trial->error = errno ? errno : EIO;
	else
		trial->returned = now();
}

static void try_users(struct trial *trial)
{
	umask(0);
	open_it(trial, false);
	start(trial, receive_one);
	for (int i = 0; !trial->received && i < PATIENCE; i++)
		sleep_ms(1);
	start(trial, send_as_nobody);
	for (int i = 0; !trial->returned && !trial->error && !trial->cannot &&
	     !*trial->common.why && i < PATIENCE; i++)
		sleep_ms(1);
	if (trial->cannot)
		return;
	if (trial->returned)
		ANSWER(trial, "yes");
	else if (trial->error)
		ANSWER(trial, "no: %s", strerrorname_np(trial->error));
	else
		ANSWER(trial, "no: %s", *trial->common.why ? "it cannot attach" :
		       "nothing comes");
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
		if (send_one(&end, the_link.size)) {
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
	else if (trial->method->empty)
		ANSWER(trial, "counts %u and more", trial->sent);
	else if (trial->method->recv(&end, the_link.size) ||
		 read_stamp(end.in))
		ANSWER(trial, "loses some of %u", trial->sent);
	else
		ANSWER(trial, "grows: %u wait, and more may", trial->sent);
}

/* Returns whether the method is to be had at all. */
static bool answer(struct trial *trial, void (*experiment)(struct trial *trial))
{
	pid_t pid;

	memset(trial->answer, 0, sizeof(trial->answer));
	memset(&trial->common, 0, sizeof(trial->common));
	trial->sent = 0;
	trial->received = 0;
	trial->stuck = false;
	trial->cannot = 0;
	trial->torn = 0;
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
	/* Whom it has started is ours now, and may take longer to die. */
	while (waitpid(-pid, NULL, 0) > 0)
		;
	return !*trial->common.skip;
}

bool survive(const struct method *method, struct survival *survival)
{
	static void (*const experiments[QUESTIONS])(struct trial *trial) = {
		try_death, try_midway, try_next, try_left, try_poll,
		try_boundaries, try_rights, try_users, try_descriptors, try_slow,
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
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; there && i < QUESTIONS; i++) {
		/* What does not work at all is told from what is too large. */
		if (!answer(trial, experiments[i])) {
			there = i > 0;
			ANSWER(trial, "not tried: %.36s", trial->common.skip);
		}
		memcpy(survival->answers[i], trial->answer,
		       sizeof(trial->answer));
	}
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	munmap(trial, sizeof(*trial));
	return there;
}
