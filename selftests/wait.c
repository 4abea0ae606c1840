// SPDX-License-Identifier: GPL-2.0
/*
 * Every way to sleep, and everything that ends a sleep: success, a deadline
 * on either clock, a signal, death, a peer's going away; and what leaves it
 * alone: a stop, a freeze, a signal whose handler restarts the call.
 */
#include "ipcdev_test.h"

/* No errno is so high. */
#define END_OF_FILE	255

/* Where a signal handler writes to. */
#define HIT		100

/*
 * A sleep and what it takes.
 */
struct nap {
	int dev;
	unsigned long cmd;	/* 0 for read(2) and write(2) */
	__u32 rights;		/* and these tell which */
	int fd;			/* of the one who sleeps */
	int other;		/* of the one who ends it; its only peer */
	int hit;		/* a pipe that a signal handler writes to */
};

/*
 * The queue holds one message, and does so where a sender is to sleep. Where
 * a peer is awaited, the queue has a name under which one will come.
 */
static bool nap_setup(struct nap *nap, unsigned long cmd, __u32 rights)
{
	int pipefd[2];

	if (private_fs())
		return false;
	nap->cmd = cmd;
	nap->rights = rights;
	nap->dev = device();
	if (cmd == IPCDEV_IOC_WAIT_PEER) {
		nap->other = -1;
		nap->fd = create_queue(nap->dev, .depth = 1,
				       .rights = rights | RIGHT_PUBLISH);
		if (publish_as(nap->fd, FS "/queue", 0600, 0))
			return false;
	} else {
		nap->other = create_queue(nap->dev, .depth = 1);
		nap->fd = dup_handle(nap->other, rights, 0);
	}
	if (rights == RIGHT_WRITE && put(nap->fd, 0, 1))
		return false;
	if (nap->fd < 0 || pipe2(pipefd, O_CLOEXEC))
		return false;
	/* The handler knows its end by its number. */
	nap->hit = pipefd[0];
	return dup2(pipefd[1], HIT) == HIT && !close(pipefd[1]);
}

static void nap_teardown(struct nap *nap)
{
	close(HIT);
	close(nap->hit);
	close(nap->other);
	close(nap->fd);
	close(nap->dev);
}

/* The call that sleeps: 0 or an errno below zero. */
static long do_sleep(struct nap *nap, __u32 flags, __u64 deadline)
{
	__u64 tag = 2;
	struct ipcdev_transfer t = {
		.flags = flags,
		.deadline_ns = deadline,
		.msg = { .data = PTR(&tag), .len = sizeof(tag) },
	};
	struct ipcdev_batch b = {
		.flags = flags,
		.deadline_ns = deadline,
		.count = 1,
		.msgs = PTR(&t.msg),
		.msg_size = sizeof(t.msg),
	};
	long ret;

	switch (nap->cmd) {
	case IPCDEV_IOC_SEND:
	case IPCDEV_IOC_RECV:
		return call(nap->fd, nap->cmd, &t);
	case IPCDEV_IOC_SEND_BATCH:
	case IPCDEV_IOC_RECV_BATCH:
		ret = call(nap->fd, nap->cmd, &b);
		return ret == 1 ? 0 : ret;
	case IPCDEV_IOC_WAIT_PEER:
		return wait_peer(nap->fd, flags, deadline);
	default:
		ret = nap->rights == RIGHT_READ ?
			read(nap->fd, &tag, sizeof(tag)) :
			write(nap->fd, &tag, sizeof(tag));
		return ret == sizeof(tag) ? 0 : ret ? -errno : -END_OF_FILE;
	}
}

/* What the sleeper waits for. */
static long satisfy(struct nap *nap)
{
	if (nap->cmd == IPCDEV_IOC_WAIT_PEER) {
		nap->other = open(FS "/queue", O_CLOEXEC |
				   (nap->rights == RIGHT_READ ?
				    O_WRONLY : O_RDONLY));
		return nap->other < 0;
	}
	if (nap->rights == RIGHT_READ)
		return try_put(nap->other, 0, 1);
	return try_take(nap->other) < 0;
}

static bool sleeps(pid_t pid, struct nap *nap)
{
	struct ipcdev_stat s = object(nap->fd);
	long nr = nap->cmd ? SYS_ioctl :
		  nap->rights == RIGHT_READ ? SYS_read : SYS_write;

	if (nap->cmd != IPCDEV_IOC_WAIT_PEER &&
	    s.receivers + s.senders != 1)
		return false;
	return asleep_in(pid, nr);
}

static pid_t sleeper(struct nap *nap)
{
	pid_t pid = child();

	if (!pid) {
		close(nap->other);
		_exit(-do_sleep(nap, 0, 0));
	}
	until(sleeps(pid, nap));
	return pid;
}

/* All is as if nobody had slept. */
static bool undisturbed(struct nap *nap)
{
	struct ipcdev_stat s = object(nap->fd);

	return !s.receivers && !s.senders && !s.received &&
	       s.queued == (nap->rights == RIGHT_WRITE);
}

/* How a sleeper() ends that has lost its peer. */
static int peer_gone(struct nap *nap)
{
	return nap->cmd || nap->rights == RIGHT_WRITE ? EPIPE : END_OF_FILE;
}

static void on_signal(int signal)
{
	if (write(HIT, &signal, 1) != 1)
		_exit(200);
}

static void handle(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

FIXTURE(wait)
{
	struct nap nap;
};

FIXTURE_VARIANT(wait)
{
	unsigned long cmd;
	__u32 rights;
};

FIXTURE_VARIANT_ADD(wait, recv)
{
	.cmd = IPCDEV_IOC_RECV, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(wait, recv_batch)
{
	.cmd = IPCDEV_IOC_RECV_BATCH, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(wait, read)
{
	.rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(wait, send)
{
	.cmd = IPCDEV_IOC_SEND, .rights = RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(wait, send_batch)
{
	.cmd = IPCDEV_IOC_SEND_BATCH, .rights = RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(wait, write)
{
	.rights = RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(wait, reader_for_peer)
{
	.cmd = IPCDEV_IOC_WAIT_PEER, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(wait, writer_for_peer)
{
	.cmd = IPCDEV_IOC_WAIT_PEER, .rights = RIGHT_WRITE,
};

FIXTURE_SETUP(wait)
{
	ASSERT_TRUE(nap_setup(&self->nap, variant->cmd, variant->rights));
}

FIXTURE_TEARDOWN(wait)
{
	nap_teardown(&self->nap);
}

TEST_F(wait, ends_with_success)
{
	struct nap *nap = &self->nap;
	pid_t pid = sleeper(nap);
	struct ipcdev_stat s = object(nap->fd);

	EXPECT_EQ(nap->cmd != IPCDEV_IOC_WAIT_PEER &&
		  nap->rights == RIGHT_READ, s.receivers);
	EXPECT_EQ(nap->cmd != IPCDEV_IOC_WAIT_PEER &&
		  nap->rights == RIGHT_WRITE, s.senders);
	EXPECT_EQ(s.receivers, s.recv_waits);
	EXPECT_EQ(s.senders, s.send_waits);
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(0, reap(pid));
	s = object(nap->fd);
	EXPECT_EQ(0, s.receivers);
	EXPECT_EQ(0, s.senders);
}

TEST_F(wait, does_not_sleep_if_so_told)
{
	struct nap *nap = &self->nap;

	if (nap->cmd)
		EXPECT_EQ(-EAGAIN, do_sleep(nap, IPCDEV_NONBLOCK, 0));
	ASSERT_EQ(0, fcntl(nap->fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, do_sleep(nap, 0, 0));
	EXPECT_TRUE(undisturbed(nap));
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(0, do_sleep(nap, 0, 0));
}

TEST_F(wait, ends_with_a_signal)
{
	struct nap *nap = &self->nap;
	pid_t pid;
	char c;

	handle(0);
	pid = sleeper(nap);
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(1, read(nap->hit, &c, 1));
	EXPECT_EQ(EINTR, reap(pid));
	EXPECT_TRUE(undisturbed(nap));
}

TEST_F(wait, goes_on_after_a_signal_that_restarts)
{
	struct nap *nap = &self->nap;
	pid_t pid;
	char c;

	handle(SA_RESTART);
	pid = sleeper(nap);
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(1, read(nap->hit, &c, 1));
	until(sleeps(pid, nap));
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(wait, is_killed)
{
	struct nap *nap = &self->nap;
	pid_t pid = sleeper(nap);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_TRUE(undisturbed(nap));
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(0, do_sleep(nap, 0, 0));
}

TEST_F(wait, goes_on_after_a_stop)
{
	struct nap *nap = &self->nap;
	pid_t pid = sleeper(nap);
	int status;

	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	until(sleeps(pid, nap));
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(0, reap(pid));
}

/* While it is stopped it does not hold what comes for it. */
TEST_F(wait, finds_after_a_stop_what_came_meanwhile)
{
	struct nap *nap = &self->nap;
	pid_t pid = sleeper(nap);
	int status;

	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_EQ(0, satisfy(nap));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(0, reap(pid));
}

#define GROUP	"/sys/fs/cgroup/ipcdev_test"

static bool is_frozen(bool really)
{
	char text[256];

	return !read_file(GROUP "/cgroup.events", text, sizeof(text)) &&
	       strstr(text, really ? "frozen 1" : "frozen 0");
}

TEST_F(wait, can_be_frozen)
{
	struct nap *nap = &self->nap;
	bool done = false;
	pid_t pid;

	if (mkdir(GROUP, 0700) || !exists(GROUP "/cgroup.freeze")) {
		rmdir(GROUP);
		SKIP(return, "no cgroup2 with cgroup.freeze");
	}
	pid = sleeper(nap);
	if (!write_file(GROUP "/cgroup.procs", "%d", pid) &&
	    !write_file(GROUP "/cgroup.freeze", "1")) {
		until(is_frozen(true));
		write_file(GROUP "/cgroup.freeze", "0");
		until(is_frozen(false));
		until(sleeps(pid, nap));
		done = !satisfy(nap);
	}
	if (!done)
		kill(pid, SIGKILL);
	EXPECT_EQ(0, reap(pid));
	until(!rmdir(GROUP) || errno != EBUSY);
	EXPECT_TRUE(done);
}

/*
 * The calls that can be given a deadline.
 */
FIXTURE(deadline)
{
	struct nap nap;
};

FIXTURE_VARIANT(deadline)
{
	unsigned long cmd;
	__u32 rights;
};

FIXTURE_VARIANT_ADD(deadline, recv)
{
	.cmd = IPCDEV_IOC_RECV, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(deadline, recv_batch)
{
	.cmd = IPCDEV_IOC_RECV_BATCH, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(deadline, send)
{
	.cmd = IPCDEV_IOC_SEND, .rights = RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(deadline, send_batch)
{
	.cmd = IPCDEV_IOC_SEND_BATCH, .rights = RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(deadline, reader_for_peer)
{
	.cmd = IPCDEV_IOC_WAIT_PEER, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(deadline, writer_for_peer)
{
	.cmd = IPCDEV_IOC_WAIT_PEER, .rights = RIGHT_WRITE,
};

FIXTURE_SETUP(deadline)
{
	ASSERT_TRUE(nap_setup(&self->nap, variant->cmd, variant->rights));
}

FIXTURE_TEARDOWN(deadline)
{
	nap_teardown(&self->nap);
}

TEST_F(deadline, ends_at_its_deadline)
{
	struct nap *nap = &self->nap;
	const struct {
		clockid_t clock;
		__u32 flag;
	} clocks[] = {
		{ CLOCK_MONOTONIC, IPCDEV_DEADLINE_MONOTONIC },
		{ CLOCK_REALTIME, IPCDEV_DEADLINE_REALTIME },
	};
	int i;

	for (i = 0; i < 2; i++) {
		__u64 deadline = now(clocks[i].clock) + SOON;

		EXPECT_EQ(-ETIMEDOUT, do_sleep(nap, clocks[i].flag,
					       deadline));
		EXPECT_LE(deadline, now(clocks[i].clock));
		/* Those that have passed, since the clock's beginning too. */
		EXPECT_EQ(-ETIMEDOUT, do_sleep(nap, clocks[i].flag,
					       deadline));
		EXPECT_EQ(-ETIMEDOUT, do_sleep(nap, clocks[i].flag,
					       1));
		EXPECT_EQ(-ETIMEDOUT, do_sleep(nap, clocks[i].flag,
					       0));
	}
	EXPECT_TRUE(undisturbed(nap));
	/* What needs no sleep has no deadline. */
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(0, do_sleep(nap, IPCDEV_DEADLINE_REALTIME, 1));
}

TEST_F(deadline, refuses_impossible_deadlines)
{
	struct nap *nap = &self->nap;
	const __u32 mono = IPCDEV_DEADLINE_MONOTONIC;
	const __u32 real = IPCDEV_DEADLINE_REALTIME;

	EXPECT_EQ(-EINVAL, do_sleep(nap, mono | real, 1));
	EXPECT_EQ(-EINVAL, do_sleep(nap, mono, 1ULL << 63));
	EXPECT_EQ(-EINVAL, do_sleep(nap, real, UINT64_MAX));
	EXPECT_EQ(-EINVAL, do_sleep(nap, 0, 1));
	EXPECT_EQ(-EINVAL, do_sleep(nap, IPCDEV_NONBLOCK, 1));
	EXPECT_TRUE(undisturbed(nap));
	/* These are no better where no sleep is needed. */
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(-EINVAL, do_sleep(nap, mono | real, 1));
	EXPECT_EQ(-EINVAL, do_sleep(nap, 0, 1));
	EXPECT_EQ(0, do_sleep(nap, mono, INT64_MAX));
}

TEST_F(deadline, deadline_does_not_end_what_comes_in_time)
{
	struct nap *nap = &self->nap;
	pid_t pid;

	pid = child();
	if (!pid) {
		close(nap->other);
		_exit(-do_sleep(nap, IPCDEV_DEADLINE_MONOTONIC,
				now(CLOCK_MONOTONIC) + FOREVER));
	}
	until(sleeps(pid, nap));
	ASSERT_EQ(0, satisfy(nap));
	EXPECT_EQ(0, reap(pid));
}

/*
 * Where the clock shows another time, the deadline is of that time. By our
 * own clock it would be days away.
 */
TEST_F(deadline, deadline_is_of_the_time_namespace)
{
	struct nap *nap = &self->nap;
	__u64 deadline;
	pid_t pid;

	if (!exists("/proc/self/ns/time"))
		SKIP(return, "no time namespaces");
	ASSERT_EQ(0, unshare(CLONE_NEWTIME));
	ASSERT_EQ(0, write_file("/proc/self/timens_offsets",
				"monotonic 1000000 0\n"));
	deadline = now(CLOCK_MONOTONIC);
	pid = child();
	if (!pid) {
		close(nap->other);
		if (now(CLOCK_MONOTONIC) < deadline + 1000000000000000)
			_exit(1);
		deadline = now(CLOCK_MONOTONIC) + SOON;
		if (do_sleep(nap, IPCDEV_DEADLINE_MONOTONIC,
			     deadline) != -ETIMEDOUT)
			_exit(2);
		if (now(CLOCK_MONOTONIC) < deadline)
			_exit(3);
		/* The other clock is the same for all. */
		deadline = now(CLOCK_REALTIME) + SOON;
		if (do_sleep(nap, IPCDEV_DEADLINE_REALTIME,
			     deadline) != -ETIMEDOUT)
			_exit(4);
		_exit(now(CLOCK_REALTIME) < deadline ? 5 : 0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(undisturbed(nap));
}

/* It is absolute, so a restart does not move it. */
TEST_F(deadline, keeps_its_deadline_over_a_signal)
{
	struct nap *nap = &self->nap;
	struct pollfd hit = { .fd = nap->hit, .events = POLLIN };
	pid_t pid;
	char c;

	handle(SA_RESTART);
	/* Once more, if its time was over before the signal came. */
	do {
		pid = child();
		if (!pid) {
			__u64 deadline = now(CLOCK_MONOTONIC) + 20 * SOON;

			close(nap->other);
			if (do_sleep(nap, IPCDEV_DEADLINE_MONOTONIC,
				     deadline) != -ETIMEDOUT)
				_exit(1);
			_exit(now(CLOCK_MONOTONIC) < deadline ? 2 : 0);
		}
		until(sleeps(pid, nap) || has_ended(pid));
		ASSERT_EQ(0, kill(pid, SIGUSR1));
		ASSERT_EQ(0, reap(pid));
	} while (!poll(&hit, 1, 0));
	EXPECT_EQ(1, read(nap->hit, &c, 1));
	EXPECT_TRUE(undisturbed(nap));
}

/*
 * Sleepers on one processor share a timer. It may be armed for one whose sleep has
 * ended long ago, or for one that is later than the next who comes.
 */
#define NAPPERS	8

static pid_t napper(int dev, int i)
{
	clockid_t clock = i % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	__u32 flag = i % 2 ? IPCDEV_DEADLINE_REALTIME :
			     IPCDEV_DEADLINE_MONOTONIC;
	struct nap nap = { .cmd = IPCDEV_IOC_RECV, .rights = RIGHT_READ };
	__u64 deadline;
	pid_t pid = child();

	if (pid)
		return pid;
	nap.fd = create_queue(dev, .depth = 1);
	/* From the latest to the earliest, and back. */
	deadline = now(clock) + abs(NAPPERS / 2 - i) * SOON;
	if (do_sleep(&nap, flag, deadline) != -ETIMEDOUT)
		_exit(1);
	_exit(now(clock) < deadline ? 2 : 0);
}

TEST(sleepers_with_one_timer)
{
	struct nap nap = { .cmd = IPCDEV_IOC_RECV, .rights = RIGHT_READ };
	int dev = device(), round, ret, i;
	pid_t pid[NAPPERS], first;

	ASSERT_EQ(0, stay_on(0));
	nap.fd = create_queue(dev, .depth = 1);
	/* The timer is armed for nobody: for later than all, and for sooner. */
	for (round = 0; round < 2; round++) {
		do {
			first = child();
			if (!first)
				_exit(-do_sleep(&nap, IPCDEV_DEADLINE_MONOTONIC,
						now(CLOCK_MONOTONIC) +
						(round ? 2 * SOON : FOREVER)));
			until(object(nap.fd).receivers == 1 || has_ended(first));
			ASSERT_EQ(0, put(nap.fd, 0, 1));
			ret = reap(first);
			/* Its time may have been over before the message came. */
		} while (round && ret == ETIMEDOUT && try_take(nap.fd) == 1);
		ASSERT_EQ(0, ret);
		for (i = 0; i < NAPPERS; i++)
			pid[i] = napper(dev, i);
		for (i = 0; i < NAPPERS; i++)
			EXPECT_EQ(0, reap(pid[i]));
	}
	close(nap.fd);
	close(dev);
}

/* Sleeps on one processor, and exits with 0 if the deadline has ended that. */
static pid_t sleeper_on(int cpu, int fd, clockid_t clock, __u64 deadline)
{
	__u32 flag = clock == CLOCK_REALTIME ? IPCDEV_DEADLINE_REALTIME :
					       IPCDEV_DEADLINE_MONOTONIC;
	struct nap nap = {
		.cmd = IPCDEV_IOC_RECV, .rights = RIGHT_READ, .fd = fd,
	};
	pid_t pid = child();

	if (pid)
		return pid;
	if (stay_on(cpu))
		_exit(1);
	if (do_sleep(&nap, flag, deadline) != -ETIMEDOUT)
		_exit(2);
	_exit(now(clock) < deadline ? 3 : 0);
}

/* More than are woken at a time, those of real-time priority among them. */
TEST(many_with_one_deadline)
{
	__u64 deadline = now(CLOCK_MONOTONIC) + 20 * SOON;
	int fd = create_queue(device(), .depth = 1), i;
	pid_t pid[40];

	for (i = 0; i < 40; i++) {
		if (i == 20)
			ASSERT_EQ(0, become_scheduled(SCHED_FIFO, 1));
		pid[i] = sleeper_on(0, fd, CLOCK_MONOTONIC, deadline);
	}
	for (i = 0; i < 40; i++)
		EXPECT_EQ(0, reap(pid[i]));
	EXPECT_EQ(0, object(fd).receivers);
}

/* A processor that goes leaves its sleepers and their deadlines to others. */
TEST(deadlines_of_a_processor_that_goes)
{
	const char *online = "/sys/devices/system/cpu/cpu1/online";
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };
	int fd = create_queue(device(), .depth = 1), i;
	pid_t pid[3];

	if (write_file(online, "1"))
		SKIP(return, "no processor that can go");
	for (i = 0; i < 2; i++)
		pid[i] = sleeper_on(1, fd, clocks[i],
				    now(clocks[i]) + 100 * SOON);
	/* And one who does not wait for the end of it. */
	pid[2] = sleeper_on(1, fd, CLOCK_MONOTONIC,
			    now(CLOCK_MONOTONIC) + FOREVER);
	until(object(fd).receivers == 3);
	ASSERT_EQ(0, write_file(online, "0"));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, reap(pid[i]));
	EXPECT_EQ(1, object(fd).receivers);
	kill(pid[2], SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid[2]));
	/* It comes back, and its timers may be armed for those who were there. */
	ASSERT_EQ(0, write_file(online, "1"));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, reap(sleeper_on(1, fd, clocks[i],
					     now(clocks[i]) + SOON)));
	EXPECT_EQ(0, object(fd).receivers);
}

/* Makes CLOCK_REALTIME differ by this from what it would be. */
static int shift_clock(long seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += seconds;
	return clock_settime(CLOCK_REALTIME, &t);
}

#define MINUTE	60
#define NSEC	1000000000ULL

/* A deadline is of what the clock says, also if it is set meanwhile. */
TEST(deadlines_of_a_clock_that_is_set)
{
	int fd = create_queue(device(), .depth = 1), ret;
	__u64 begin = now(CLOCK_MONOTONIC);
	pid_t early, late;

	/* Forward: it is over at once. */
	late = sleeper_on(0, fd, CLOCK_REALTIME,
			  now(CLOCK_REALTIME) + MINUTE * NSEC);
	until(object(fd).receivers == 1);
	ASSERT_EQ(0, shift_clock(MINUTE));
	ret = reap(late);
	ASSERT_EQ(0, shift_clock(-MINUTE));
	EXPECT_EQ(0, ret);

	/* Back: it is not over when it would have been. */
	late = sleeper_on(0, fd, CLOCK_REALTIME,
			  now(CLOCK_REALTIME) + 40 * SOON);
	until(object(fd).receivers == 1);
	ASSERT_EQ(0, shift_clock(-MINUTE));
	early = sleeper_on(0, fd, CLOCK_MONOTONIC,
			   now(CLOCK_MONOTONIC) + 44 * SOON);
	EXPECT_EQ(0, reap(early));
	EXPECT_EQ(1, object(fd).receivers);
	/* Nor does it keep those up who come then. */
	early = sleeper_on(0, fd, CLOCK_REALTIME, now(CLOCK_REALTIME) + SOON);
	EXPECT_EQ(0, reap(early));
	EXPECT_EQ(1, object(fd).receivers);
	ASSERT_EQ(0, shift_clock(MINUTE));
	EXPECT_EQ(0, reap(late));
	EXPECT_GT(MINUTE * NSEC, now(CLOCK_MONOTONIC) - begin);
}

/*
 * The calls that end when a peer goes.
 */
FIXTURE(hang_up)
{
	struct nap nap;
};

FIXTURE_VARIANT(hang_up)
{
	unsigned long cmd;
	__u32 rights;
};

FIXTURE_VARIANT_ADD(hang_up, recv)
{
	.cmd = IPCDEV_IOC_RECV, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(hang_up, recv_batch)
{
	.cmd = IPCDEV_IOC_RECV_BATCH, .rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(hang_up, read)
{
	.rights = RIGHT_READ,
};

FIXTURE_VARIANT_ADD(hang_up, send)
{
	.cmd = IPCDEV_IOC_SEND, .rights = RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(hang_up, send_batch)
{
	.cmd = IPCDEV_IOC_SEND_BATCH, .rights = RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(hang_up, write)
{
	.rights = RIGHT_WRITE,
};

FIXTURE_SETUP(hang_up)
{
	ASSERT_TRUE(nap_setup(&self->nap, variant->cmd, variant->rights));
}

FIXTURE_TEARDOWN(hang_up)
{
	nap_teardown(&self->nap);
}

TEST_F(hang_up, ends_when_the_last_peer_goes)
{
	struct nap *nap = &self->nap;
	pid_t pid;

	/* A write(2) to nobody is an errno here, never a SIGPIPE. */
	signal(SIGPIPE, SIG_DFL);
	pid = sleeper(nap);
	close(nap->other);
	EXPECT_EQ(peer_gone(nap), reap(pid));
}

TEST_F(hang_up, ends_when_the_last_peer_is_killed)
{
	struct nap *nap = &self->nap;
	pid_t pid, peer;

	pid = sleeper(nap);
	peer = child();
	if (!peer)
		until(false);
	close(nap->other);
	EXPECT_TRUE(sleeps(pid, nap));
	ASSERT_EQ(0, kill(peer, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(peer));
	EXPECT_EQ(peer_gone(nap), reap(pid));
}

TEST_HARNESS_MAIN
