// SPDX-License-Identifier: GPL-2.0
/*
 * Engines with much to do: nothing is lost and nothing is seen twice, also when several
 * processes submit, cancel and close at a time. NOPS in the environment says how many
 * there shall be in a row (10000000 take half a minute in a guest).
 */
#include "engine_test.h"

#include <sched.h>
#include <stdlib.h>

#define MS		1000000ULL
#define BATCH		32
#define CHILDREN	4

/* Eventfds are signalled a moment after the completion can be seen. */
static bool gains(int eventfd, __u64 count)
{
	__u64 sum = 0;

	until((sum += gained(eventfd)) >= count);
	return sum == count && !gained(eventfd);
}

FIXTURE(load)
{
	int dev;
	int fd;
	struct reaper r;
	int event;
};

FIXTURE_VARIANT(load)
{
	__u32 depth;
};

FIXTURE_VARIANT_ADD(load, deep)
{
	.depth = 4 * BATCH,
};

FIXTURE_VARIANT_ADD(load, flat)
{
	.depth = 1,
};

FIXTURE_SETUP(load)
{
	self->dev = device();
	self->fd = create_engine(self->dev, .depth = variant->depth);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, become_reaper(&self->r, self->fd));
	self->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

FIXTURE_TEARDOWN(load)
{
	end_reaper(&self->r);
	close(self->event);
	close(self->fd);
	close(self->dev);
}

/* One process submits as much as there is room for, and reaps what has come. */
TEST_F_TIMEOUT(load, nops_are_lost_nowhere, 3600)
{
	const char *wanted = variant->depth > 1 ? getenv("NOPS") : NULL;
	unsigned long total = slow() ? 10000 : 100000, submitted = 0, reaped = 0;
	struct ipcdev_engine_request reqs[BATCH];
	__u64 begin = now(CLOCK_MONOTONIC);
	struct ipcdev_completion c;
	long n, i;
	char *end;

	if (wanted) {
		total = strtoul(wanted, &end, 0);
		ASSERT_TRUE(total && !*end);
	}
	memset(reqs, 0, sizeof(reqs));
	while (reaped < total) {
		n = total - submitted < BATCH ? total - submitted : BATCH;
		for (i = 0; i < n; i++) {
			reqs[i].op = IPCDEV_OP_NOP;
			reqs[i].user_data = submitted + i;
		}
		if (n) {
			n = submit(self->fd, reqs, n, NONBLOCK, 0);
			if (n != -EAGAIN)
				ASSERT_LT(0, n);
			submitted += n > 0 ? n : 0;
		}
		while (!(n = reap_one(&self->r, &c))) {
			ASSERT_EQ(reaped, c.user_data);
			ASSERT_EQ(0, c.result);
			reaped++;
		}
		ASSERT_EQ(-EAGAIN, n);
		if (reaped < submitted)
			ASSERT_EQ(0, wait_record(&self->r, 0, 0));
	}
	TH_LOG("%lu in %llu ms", total,
	       (unsigned long long)(now(CLOCK_MONOTONIC) - begin) / MS);
	EXPECT_EQ(total, engine_stat(self->fd).completed);
	EXPECT_EQ(total, engine_stat(self->fd).records);
	EXPECT_EQ(0, engine_stat(self->fd).inflight);
	EXPECT_EQ(0, engine_stat(self->fd).unreaped);
}

/* Children that end with the number of a system call's errno, or 0. */
static pid_t each(int fd, int event, unsigned int count, __u64 data)
{
	pid_t pid = child();
	long ret = 1;

	if (pid)
		return pid;
	while (count-- && ret == 1)
		ret = request(fd, .op = IPCDEV_OP_NOP, .user_data = data,
			      .flags = IPCDEV_REQUEST_EVENTFD, .eventfd = event);
	_exit(ret == 1 ? 0 : -ret);
}

/*
 * Several wait for the same few jobs, each of which is free only when its eventfd has
 * been signalled.
 */
TEST_F(load, several_submit_with_an_eventfd)
{
	unsigned int each_count = slow() ? 200 : 4000, total = 0, seen[CHILDREN] = {}, i;
	struct ipcdev_completion c;
	pid_t pid[CHILDREN];

	for (i = 0; i < CHILDREN; i++)
		pid[i] = each(self->fd, self->event, each_count, i);
	while (total < CHILDREN * each_count) {
		ASSERT_EQ(0, await(&self->r, &c));
		ASSERT_GT(CHILDREN, c.user_data);
		seen[c.user_data]++;
		total++;
	}
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(each_count, seen[i]);
		EXPECT_EQ(0, reap(pid[i]));
	}
	EXPECT_TRUE(gains(self->event, total));
	EXPECT_EQ(-EAGAIN, reap_one(&self->r, &c));
}

static int be_real_time(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return sched_setscheduler(0, priority ? SCHED_FIFO : SCHED_OTHER, &param);
}

/*
 * Whoever cancels completes the request, and the one that this wakes preempts it. What
 * that one submits next must not wait for the one that it has preempted.
 */
TEST_F(load, a_real_time_consumer_outruns_who_woke_it)
{
	enum { ROUNDS = 100 };
	struct ipcdev_completion c;
	pid_t pid;
	int i;

	if (variant->depth != 1)
		SKIP(return, "there is room for more");
	ASSERT_EQ(0, stay_on(0));
	pid = child();
	if (!pid) {
		for (;;) {
			cancel(self->fd, 0, IPCDEV_CANCEL_ANY);
			usleep(100);
		}
	}
	ASSERT_EQ(0, be_real_time(1));
	for (i = 0; i < ROUNDS; i++) {
		__u64 begin = now(CLOCK_MONOTONIC);

		ASSERT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = FOREVER,
				     .flags = IPCDEV_REQUEST_EVENTFD,
				     .eventfd = self->event));
		/* Else the kernel's mercy, by which real-time tasks rest at times. */
		EXPECT_GT(500 * MS, now(CLOCK_MONOTONIC) - begin);
		ASSERT_EQ(0, await(&self->r, &c));
		ASSERT_EQ(-ECANCELED, c.result);
	}
	be_real_time(0);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_TRUE(gains(self->event, ROUNDS));
}

/* Timers that come just when they are cancelled: each has its one completion. */
TEST_F(load, cancelled_or_not_each_ends_once)
{
	unsigned int rounds = slow() ? 200 : 3000, cancelled = 0, i;
	struct ipcdev_completion c;

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .user_data = i,
				     .value = i % 100 * 1000,
				     .flags = i & 1 ? IPCDEV_REQUEST_EVENTFD : 0,
				     .eventfd = i & 1 ? self->event : 0));
		if (cancel(self->fd, i, 0) == 1)
			cancelled++;
		ASSERT_EQ(0, await(&self->r, &c));
		ASSERT_EQ(i, c.user_data);
		ASSERT_TRUE(!c.result || c.result == -ECANCELED);
		ASSERT_EQ(-EAGAIN, reap_one(&self->r, &c));
	}
	EXPECT_LT(0, cancelled);
	EXPECT_EQ(rounds, engine_stat(self->fd).completed);
	EXPECT_TRUE(gains(self->event, rounds / 2));
}

/* Engines that are closed, or whose users are killed, just when requests end. */
TEST_F(load, engines_come_and_go)
{
	unsigned int rounds = slow() ? 20 : 300, i, k;
	struct ipcdev_engine_request reqs[BATCH];
	unsigned int objects = info(self->dev).objects;

	memset(reqs, 0, sizeof(reqs));
	for (i = 0; i < rounds; i++) {
		pid_t pid = child();

		if (!pid) {
			int fd = create_engine(self->dev, .depth = BATCH);

			for (k = 0; k < BATCH; k++) {
				reqs[k].op = k % 3 ? IPCDEV_OP_TIMER : IPCDEV_OP_NOP;
				reqs[k].value = k % 3 ? k * 20000 : 0;
				reqs[k].flags = k & 1 ? IPCDEV_REQUEST_EVENTFD : 0;
				reqs[k].eventfd = k & 1 ? self->event : 0;
			}
			if (submit(fd, reqs, BATCH, 0, 0) != BATCH)
				_exit(1);
			usleep(i * 4 % 700);
			if (i % 2)
				_exit(0);
			raise(SIGKILL);
		}
		ASSERT_EQ(i % 2 ? 0 : -SIGKILL, reap(pid));
	}
	until(info(self->dev).objects == objects);
}

TEST_HARNESS_MAIN
