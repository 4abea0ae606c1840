/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of ipcdev share: a thin wrapper for each ioctl, and ways to
 * wait for a peer that do not depend on how fast the machine is.
 *
 * Wrappers return what the call returned, or its errno below zero, so that an
 * expectation is one line: EXPECT_EQ(-EAGAIN, try_take(fd)).
 *
 * Each test runs in a process of its own, which makes what namespaces, mounts
 * and identities it needs and takes all of it along when it ends.
 */
#ifndef IPCDEV_TEST_H
#define IPCDEV_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ipcdev.h>
#include <kselftest_harness.h>

/*
 * The harness ends a test that hangs. An emulated machine with a kernel full
 * of checks takes long without hanging.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 200

/* Users that no real machine has, so that nothing else is charged to them. */
#define ALICE	54321
#define BOB	54322

/* A deadline for what must not happen, and one that is never reached. */
#define SOON	50000000ULL
#define FOREVER	(3600 * 1000000000ULL)

#define RIGHT_READ	IPCDEV_RIGHT_READ
#define RIGHT_WRITE	IPCDEV_RIGHT_WRITE
#define RIGHT_PUBLISH	IPCDEV_RIGHT_PUBLISH
#define RIGHT_RW	(IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE)
#define RIGHT_ALL	(RIGHT_RW | IPCDEV_RIGHT_PUBLISH)

/* A mount of ipcdevfs that only this test sees; see private_fs(). */
#define FS	"/tmp/ipcdevfs"

#define PTR(p)	((uintptr_t)(p))

/* Nothing here can be tested as another user, or without the module. */
static void __attribute__((constructor)) need_device(void)
{
	const char *why = NULL;

	if (geteuid())
		why = "must be root";
	else if (access(IPCDEV_DEVICE, R_OK | W_OK))
		why = IPCDEV_DEVICE " is missing";
	if (!why)
		return;
	printf("TAP version 13\n1..0 # SKIP %s\n", why);
	fflush(stdout);
	_exit(KSFT_SKIP);
}

static inline long sys(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* True where the kernel is so slow that a test should do less. */
static inline bool slow(void)
{
	const char *value = getenv("IPCDEV_TEST_SLOW");

	return value && *value && strcmp(value, "0");
}

/*
 * Time
 */

/* Asks until it is so; the harness ends what never comes. */
#define until(condition)			\
	do {					\
		while (!(condition))		\
			usleep(1000);		\
	} while (0)

static inline __u64 now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * The device
 */

static inline int device(void)
{
	return sys(open(IPCDEV_DEVICE, O_RDWR | O_CLOEXEC));
}

static inline long call(int fd, unsigned long cmd, void *arg)
{
	return sys(ioctl(fd, cmd, arg));
}

#define create_queue(dev, ...)						\
	call(dev, IPCDEV_IOC_CREATE_QUEUE,				\
	     &(struct ipcdev_create_queue){ __VA_ARGS__ })

#define create_buffer(dev, ...)						\
	call(dev, IPCDEV_IOC_CREATE_BUFFER,				\
	     &(struct ipcdev_create_buffer){ __VA_ARGS__ })

#define create_ring(dev, ...)						\
	call(dev, IPCDEV_IOC_CREATE_RING,				\
	     &(struct ipcdev_create_ring){ __VA_ARGS__ })

static inline struct ipcdev_info info(int dev)
{
	struct ipcdev_info i;

	memset(&i, 0, sizeof(i));
	if (call(dev, IPCDEV_IOC_INFO, &i) < 0)
		abort();
	return i;
}

static inline long list(int dev, __u64 after, struct ipcdev_stat *stats,
			unsigned int count)
{
	struct ipcdev_list l = {
		.after = after,
		.stats = PTR(stats),
		.count = count,
		.stat_size = sizeof(*stats),
	};

	return call(dev, IPCDEV_IOC_LIST, &l);
}

/* Whether the caller can see an object; one that has died cannot be seen. */
static inline bool listed(int dev, __u64 id)
{
	struct ipcdev_stat s;

	return list(dev, id - 1, &s, 1) == 1 && s.id == id;
}

/*
 * Any object
 */

static inline struct ipcdev_stat object(int fd)
{
	struct ipcdev_stat s;

	memset(&s, 0, sizeof(s));
	if (call(fd, IPCDEV_IOC_STAT, &s) < 0)
		abort();
	return s;
}

static inline long dup_handle(int fd, __u32 rights, __u32 flags)
{
	struct ipcdev_dup d = { .rights = rights, .flags = flags };

	return call(fd, IPCDEV_IOC_DUP, &d);
}

static inline long publish(int fd, int name_fd, __u32 flags)
{
	struct ipcdev_publish p = { .name_fd = name_fd, .flags = flags };

	return call(fd, IPCDEV_IOC_PUBLISH, &p);
}

/* A descriptor's signals: SIGIO if @sig is 0. They wait, blocked, until they are asked for. */
static inline int ask_for_signals(int fd, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig ?: SIGIO);
	if (sigprocmask(SIG_BLOCK, &set, NULL) ||
	    fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETSIG, sig) ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC))
		return -errno;
	return 0;
}

static inline long attach(int fd, int eventfd, __u32 events, __u32 flags)
{
	struct ipcdev_attach a = {
		.eventfd = eventfd,
		.events = events,
		.flags = flags,
	};

	return call(fd, IPCDEV_IOC_ATTACH, &a);
}

static inline long detach(int fd, int eventfd)
{
	struct ipcdev_detach d = { .eventfd = eventfd };

	return call(fd, IPCDEV_IOC_DETACH, &d);
}

static inline long wait_peer(int fd, __u32 flags, __u64 deadline)
{
	struct ipcdev_wait w = { .flags = flags, .deadline_ns = deadline };

	return call(fd, IPCDEV_IOC_WAIT_PEER, &w);
}

/* Makes of a handle two that are each other's peers, a reader and a writer. */
static inline bool split(int fd, int *rx, int *tx)
{
	*rx = dup_handle(fd, RIGHT_READ, 0);
	*tx = dup_handle(fd, RIGHT_WRITE, 0);
	close(fd);
	return *rx >= 0 && *tx >= 0;
}

static inline long seal(int fd)
{
	struct ipcdev_seal s = { .flags = 0 };

	return call(fd, IPCDEV_IOC_SEAL, &s);
}

/* The events that poll(2) reports at once. */
static inline int events(int fd)
{
	struct pollfd p = {
		.fd = fd,
		.events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
	};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

#define CAN_READ	(POLLIN | POLLRDNORM)
#define CAN_WRITE	(POLLOUT | POLLWRNORM)

/* What an eventfd has gained since it was last asked. */
static inline long gained(int eventfd)
{
	__u64 count = 0;

	fcntl(eventfd, F_SETFL, O_NONBLOCK);
	if (read(eventfd, &count, sizeof(count)) < 0)
		return errno == EAGAIN ? 0 : -errno;
	return count;
}

/* The value behind a key in a handle's fdinfo; false if there is none. */
static inline bool handle_info(int fd, const char *key, char *value, size_t size)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && !found && fgets(line, sizeof(line), f)) {
		size_t len = strlen(key);

		if (strncmp(line, key, len) || line[len] != ':')
			continue;
		line[strcspn(line, "\n")] = '\0';
		for (len++; isspace(line[len]); len++)
			;
		snprintf(value, size, "%s", line + len);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

/*
 * Messages
 */

#define send_msg(fd, ...)						\
	call(fd, IPCDEV_IOC_SEND,					\
	     &(struct ipcdev_transfer){ __VA_ARGS__ })

static inline long recv_msg(int fd, struct ipcdev_transfer *t)
{
	return call(fd, IPCDEV_IOC_RECV, t);
}

static inline long send_text(int fd, const char *text, __u32 prio)
{
	return send_msg(fd, .msg.data = PTR(text), .msg.len = strlen(text),
			.msg.prio = prio);
}

/*
 * Where only order and number matter, a message is its tag, which is its
 * payload as well.
 */
static inline long put_with(int fd, __u32 prio, __u64 tag, __u32 flags)
{
	return send_msg(fd, .flags = flags, .msg.data = PTR(&tag),
			.msg.len = sizeof(tag), .msg.tag = tag,
			.msg.prio = prio);
}

static inline long put(int fd, __u32 prio, __u64 tag)
{
	return put_with(fd, prio, tag, 0);
}

static inline long try_put(int fd, __u32 prio, __u64 tag)
{
	return put_with(fd, prio, tag, IPCDEV_NONBLOCK);
}

/* Returns the tag; EBADMSG if the payload is another. */
static inline long take_with(int fd, __u32 flags, __u32 position)
{
	__u64 payload = 0;
	struct ipcdev_transfer t = {
		.flags = flags,
		.position = position,
		.msg = { .data = PTR(&payload), .len = sizeof(payload) },
	};
	long ret = recv_msg(fd, &t);

	if (ret)
		return ret;
	if (t.msg.len != sizeof(payload) || t.msg.tag != payload)
		return -EBADMSG;
	return payload;
}

static inline long take(int fd)
{
	return take_with(fd, 0, 0);
}

static inline long try_take(int fd)
{
	return take_with(fd, IPCDEV_NONBLOCK, 0);
}

static inline long peek(int fd, __u32 position)
{
	return take_with(fd, IPCDEV_PEEK, position);
}

/*
 * Rings
 */

static inline long take_end(int fd, __u32 role, __u32 flags)
{
	struct ipcdev_ring_take t = { .role = role, .flags = flags };

	return call(fd, IPCDEV_IOC_RING_TAKE, &t);
}

#define ring_wait(fd, ...)						\
	call(fd, IPCDEV_IOC_RING_WAIT,					\
	     &(struct ipcdev_ring_wait){ __VA_ARGS__ })

static inline long ring_signal(int fd)
{
	struct ipcdev_ring_signal s = { .flags = 0 };

	return call(fd, IPCDEV_IOC_RING_SIGNAL, &s);
}

/*
 * Processes
 */

/* A child that does not outlive a test that has failed. It ends by _exit(). */
static inline pid_t child(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* A child's exit status, or the signal that killed it below zero. */
static inline int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Whether a child has ended; it is to be reaped all the same. */
static inline bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static inline long load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long ret = sys(syscall(SYS_finit_module, fd, "", 0));

	close(fd);
	return ret;
}

/* -EWOULDBLOCK while it is in use. */
static inline long unload_module(const char *name)
{
	return sys(syscall(SYS_delete_module, name, O_NONBLOCK));
}

/*
 * Whether a task sleeps in this system call. The objects count those who
 * sleep for messages or room, but not other sleepers.
 */
static inline bool asleep_in(pid_t tid, long nr)
{
	char path[64], text[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return isdigit(text[0]) && atol(text) == nr;
}

/* A task with the policy SCHED_DEADLINE cannot fork. */
static inline int become_scheduled(int policy, int prio)
{
	struct {
		__u32 size, policy;
		__u64 flags;
		__s32 nice;
		__u32 prio;
		__u64 runtime, deadline, period;
	} attr = {
		.size = sizeof(attr),
		.policy = policy,
		.prio = prio,
	};

	if (policy == SCHED_DEADLINE) {
		attr.runtime = 1000000;
		attr.deadline = 100000000;
		attr.period = 100000000;
	}
	return sys(syscall(SYS_sched_setattr, 0, &attr, 0));
}

/* Runs on one processor only, with the children that are made after that. */
static inline int stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sys(sched_setaffinity(0, sizeof(set), &set));
}

/* Becomes a user without privileges, who may still see its own /proc. */
static inline int become(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -errno;
	prctl(PR_SET_DUMPABLE, 1);
	return 0;
}

/* The same for a child, which would lose its parent's death signal. */
static inline int child_becomes(uid_t uid)
{
	int ret = become(uid);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return ret;
}

static inline int set_nofile(rlim_t soft)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = soft;
	return sys(setrlimit(RLIMIT_NOFILE, &r));
}

/* How many descriptors are open, the one that counts left out. */
static inline int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -3;

	while (dir && readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/*
 * Files
 */

static inline int write_file(const char *path, const char *format, ...)
{
	char text[256];
	va_list args;
	int fd, ret;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* A file's text, without the newline at its end. */
static inline int read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return -errno;
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return 0;
}

static inline bool exists(const char *path)
{
	struct stat s;

	return !lstat(path, &s);
}

/* Mounts of our own, with a fresh ipcdevfs at FS. */
static inline int private_fs(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") ||
	    mkdir(FS, 0755) ||
	    mount("ipcdevfs", FS, IPCDEV_FS_NAME, 0, NULL))
		return -errno;
	return 0;
}

/* Gives an object a name, whose file is made for it. */
static inline long publish_as(int fd, const char *path, mode_t mode,
			      __u32 flags)
{
	int name, ret;

	/* mknod(2) would take the umask away. */
	if (mknod(path, S_IFREG | 0600, 0) || chmod(path, mode))
		return -errno;
	name = open(path, O_PATH | O_CLOEXEC);
	if (name < 0)
		return -errno;
	ret = publish(fd, name, flags);
	close(name);
	return ret;
}

/*
 * Mappings
 */

static inline void *map(int fd, size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A page that is held, and not mapped: sealing will wait for it, in vain. */
static inline void hold_page(int fd, int pipefd[2])
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = map(fd, page, PROT_READ | PROT_WRITE);
	struct iovec v = { p, 1 };

	if (!p || pipe2(pipefd, O_CLOEXEC) || vmsplice(pipefd[1], &v, 1, 0) != 1)
		abort();
	munmap(p, page);
}

static inline void release_page(int pipefd[2])
{
	close(pipefd[0]);
	close(pipefd[1]);
}

/* Tries to seal a buffer of which a page is held, over and over. */
static inline pid_t keep_sealing(int fd)
{
	pid_t pid = child();

	if (!pid) {
		while (seal(fd) == -EBUSY)
			;
		_exit(1);
	}
	return pid;
}

/* Only tries: 0 or the errno below zero. */
static inline int try_map(int fd, size_t size, int prot, int flags, off_t off)
{
	void *p = mmap(NULL, size, prot, flags, fd, off);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, size);
	return 0;
}

/* Memory that children share with us. */
static inline void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* An address that can be neither read nor written. */
static inline void *bad_page(void)
{
	void *p = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Parameters
 */

#define PARAMETERS	"/sys/module/ipcdev/parameters/"

static inline unsigned long long parameter(const char *name)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	read_file(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

static inline int set_parameter(const char *name, unsigned long long value)
{
	char path[128];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	return write_file(path, "%llu", value);
}

#endif /* IPCDEV_TEST_H */
