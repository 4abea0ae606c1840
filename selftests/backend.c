// SPDX-License-Identifier: GPL-2.0
/*
 * A back end of another module's: the sample that Documentation/producer.rst explains is
 * loaded, used, and removed while engines have requests in flight.
 */
#include "engine_test.h"

#define MODULE		"/usr/lib/ipcdev/ipcdev_pulse.ko"
#define MS		1000000ULL
#define DEPTH		16

/* Engines do not hold it. */
#define load()		load_module(MODULE)
#define unload()	unload_module("ipcdev_pulse")

/* After at most one more pulse it gives none, until it is loaded anew. */
static bool hold_pulses(void)
{
	int fd = open("/sys/module/ipcdev_pulse/parameters/period_ms", O_WRONLY | O_CLOEXEC);
	bool held = write(fd, "86400000", 8) == 8;

	close(fd);
	return held;
}

FIXTURE(backend)
{
	int dev;
	int fd;
	struct reaper r;
};

FIXTURE_SETUP(backend)
{
	if (access(MODULE, R_OK))
		SKIP(return, "no " MODULE);
	ASSERT_EQ(0, load());
	self->dev = device();
	self->fd = create_engine(self->dev, .depth = DEPTH, .backend = "pulse");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, become_reaper(&self->r, self->fd));
}

FIXTURE_TEARDOWN(backend)
{
	if (!self->dev)
		return;
	end_reaper(&self->r);
	close(self->fd);
	close(self->dev);
	unload();
}

TEST_F(backend, carries_out_in_order)
{
	int b = create_buffer(self->dev, .size = 8192);
	unsigned int i;
	struct ipcdev_completion c;
	unsigned char *p = map_area(b, 8192, PROT_READ, 0);

	for (i = 0; i < DEPTH; i += 2) {
		EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_FILL, .value = i + 1,
				     .user_data = i,
				     .dst = { .fd = b, .offset = i * 200, .length = 400 }));
		EXPECT_EQ(1, nop(self->fd, i + 1));
	}
	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, await(&self->r, &c));
		EXPECT_EQ(i, c.user_data);
		EXPECT_EQ(i % 2 ? 0 : 400, c.result);
	}
	for (i = 0; i < DEPTH; i += 2) {
		EXPECT_EQ(i + 1, p[i * 200]);
		EXPECT_EQ(i + 1, p[i * 200 + 399]);
	}
	EXPECT_EQ(0, p[DEPTH * 200]);
	/* It knows its limits, and the core keeps them. */
	EXPECT_EQ(-EOPNOTSUPP, late_timer(self->fd, 1));
	EXPECT_EQ(-EINVAL, request(self->fd, .op = IPCDEV_OP_FILL,
				   .dst = { .fd = b, .length = 8192 }));
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .depth = 65, .backend = "pulse-0"));
	munmap(p, 8192);
	close(b);
}

TEST_F(backend, cancels)
{
	struct ipcdev_completion c;
	unsigned int i, cancelled = 0;

	ASSERT_TRUE(hold_pulses());
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, nop(self->fd, i));
	EXPECT_LE(DEPTH - 1, cancel(self->fd, 0, IPCDEV_CANCEL_ALL | IPCDEV_CANCEL_ANY));
	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, await(&self->r, &c));
		cancelled += c.result == -ECANCELED;
	}
	EXPECT_EQ(cancelled, engine_stat(self->fd).cancelled);
	EXPECT_LE(DEPTH - 1, cancelled);
	EXPECT_EQ(0, engine_stat(self->fd).inflight);
}

TEST_F(backend, engines_are_closed_in_mid_work)
{
	int i, k;

	for (i = 0; i < 20; i++) {
		int fd = create_engine(self->dev, .backend = "pulse");

		for (k = 0; k < 8; k++)
			EXPECT_EQ(1, nop(fd, k));
		close(fd);
	}
	EXPECT_EQ(1, nop(self->fd, 1));
}

/* All requests end, and who may only submit and polls is told, although it is full. */
TEST_F(backend, goes_in_mid_work)
{
	int wo = dup_handle(self->fd, RIGHT_WRITE, 0), b;
	struct pollfd p = { .fd = wo, .events = POLLOUT };
	int e = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct ipcdev_completion c;
	unsigned int seen = 0, i;

	b = create_buffer(self->dev, .size = 4096);
	ASSERT_TRUE(hold_pulses());
	for (i = 0; i < DEPTH; i++) {
		EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_FILL, .user_data = i,
				     .dst = { .fd = b, .length = 4096 },
				     .flags = IPCDEV_REQUEST_EVENTFD, .eventfd = e));
	}
	EXPECT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(0, unload());
	EXPECT_EQ(1, poll(&p, 1, -1));
	EXPECT_EQ(-ENODEV, nop(self->fd, 1));
	EXPECT_EQ(-ENODEV, create_engine(self->dev, .backend = "pulse"));
	EXPECT_EQ(IPCDEV_ENGINE_GONE, engine_stat(self->fd).flags);
	/* The back end may have ended the first; all others end in no order. */
	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, await(&self->r, &c));
		ASSERT_GT(DEPTH, c.user_data);
		EXPECT_FALSE(seen & 1 << c.user_data);
		seen |= 1 << c.user_data;
		EXPECT_TRUE(c.result == 4096 ? c.user_data == i : c.result == -ENODEV);
	}
	EXPECT_EQ(-ENODEV, c.result);
	EXPECT_EQ(-EPIPE, await(&self->r, &c));
	EXPECT_EQ(DEPTH, gained(e));
	/* Nothing of it is left in the buffer, or in the engine. */
	EXPECT_EQ(0, call(b, IPCDEV_IOC_SEAL, &(struct ipcdev_seal){}));
	ASSERT_EQ(0, load());
	EXPECT_EQ(-ENODEV, nop(self->fd, 1));
	close(e);
	close(b);
	close(wo);
}

/* Who sleeps for room learns of it, and who sleeps until nothing is left has that. */
TEST_F(backend, goes_while_its_users_sleep)
{
	struct ipcdev_completion c;
	pid_t submitter, drainer;
	unsigned int i;

	ASSERT_TRUE(hold_pulses());
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, nop(self->fd, i));
	submitter = child();
	if (!submitter)
		_exit(-nop(self->fd, DEPTH) & 0xff);
	drainer = child();
	if (!drainer)
		_exit(-drain(self->fd, 0, 0) & 0xff);
	until(asleep_in(submitter, SYS_ioctl));
	until(asleep_in(drainer, SYS_ioctl));
	ASSERT_EQ(0, unload());
	EXPECT_EQ(ENODEV, reap(submitter));
	EXPECT_EQ(0, reap(drainer));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(-EPIPE, await(&self->r, &c));
	EXPECT_EQ(DEPTH, engine_stat(self->fd).submitted);
}

/* By an eventfd, and by a signal behind those of what it has left. */
TEST_F(backend, tells_that_it_goes)
{
	int e = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd p = { .fd = e, .events = POLLIN };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	ASSERT_EQ(0, ask_for_signals(self->r.end, SIGRTMIN));
	ASSERT_EQ(0, attach(self->r.end, e, IPCDEV_EVENT_HANGUP, 0));
	ASSERT_TRUE(hold_pulses());
	EXPECT_EQ(1, nop(self->fd, 1));
	EXPECT_EQ(1, nop(self->fd, 2));
	EXPECT_EQ(0, gained(e));
	ASSERT_EQ(0, unload());
	EXPECT_EQ(1, poll(&p, 1, -1));
	EXPECT_EQ(1, gained(e));
	do {
		ASSERT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
		EXPECT_EQ(self->r.end, info.si_fd);
	} while (info.si_code == POLL_IN);
	EXPECT_EQ(POLL_HUP, info.si_code);
	EXPECT_EQ(POLLHUP, info.si_band & POLLHUP);
	close(e);
}

/* It goes and comes while others submit. */
TEST_F(backend, goes_while_it_is_used)
{
	pid_t pid[3];
	int i;

	for (i = 0; i < 3; i++) {
		pid[i] = child();
		if (pid[i])
			continue;
		for (;;) {
			int fd = create_engine(self->dev, .backend = "pulse");
			struct ipcdev_completion c = { 0 };
			struct reaper r;

			if (fd == -ENODEV)
				continue;
			if (fd < 0 || become_reaper(&r, fd))
				_exit(1);
			while (nop(fd, 1) == 1 && !await(&r, &c) && !c.result)
				;
			if (c.result && c.result != -ENODEV)
				_exit(2);
			end_reaper(&r);
			close(fd);
		}
	}
	for (i = 0; i < 30; i++) {
		usleep(i * 1000);
		ASSERT_EQ(0, unload());
		ASSERT_EQ(0, load());
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, kill(pid[i], SIGKILL));
		EXPECT_EQ(-SIGKILL, reap(pid[i]));
	}
}

TEST_HARNESS_MAIN
