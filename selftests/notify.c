// SPDX-License-Identifier: GPL-2.0
/*
 * Notification of those who do not sleep in a call of ours: eventfds, poll
 * and epoll, SIGIO.
 */
#include "ipcdev_test.h"

#include <sys/epoll.h>
#include <sys/select.h>

/* Newer architectures have only the later of two. */
#ifndef SYS_poll
#define SYS_poll	SYS_ppoll
#endif
#ifndef SYS_epoll_wait
#define SYS_epoll_wait	SYS_epoll_pwait
#endif

#define READABLE	IPCDEV_EVENT_READABLE
#define WRITABLE	IPCDEV_EVENT_WRITABLE
#define HANGUP		IPCDEV_EVENT_HANGUP
#define ONESHOT		IPCDEV_ATTACH_ONESHOT

FIXTURE(notify)
{
	int dev;
	int rx;
	int tx;
	int e;
};

FIXTURE_VARIANT(notify)
{
	uid_t uid;
};

FIXTURE_VARIANT_ADD(notify, root)
{
	.uid = 0,
};

FIXTURE_VARIANT_ADD(notify, user)
{
	.uid = ALICE,
};

FIXTURE_SETUP(notify)
{
	int q;

	if (variant->uid)
		ASSERT_EQ(0, become(variant->uid));
	self->dev = device();
	ASSERT_LE(0, self->dev);
	q = create_queue(self->dev, .depth = 2);
	ASSERT_LE(0, q);
	ASSERT_TRUE(split(q, &self->rx, &self->tx));
	self->e = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->e);
}

FIXTURE_TEARDOWN(notify)
{
	close(self->e);
	close(self->rx);
	close(self->tx);
	close(self->dev);
}

TEST_F(notify, eventfd_counts_messages)
{
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, 0));
	EXPECT_EQ(1, object(self->rx).watches);
	EXPECT_EQ(0, gained(self->e));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(1, gained(self->e));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(2, take(self->rx));
	EXPECT_EQ(0, gained(self->e));
	ASSERT_EQ(1, sys(write(self->tx, "x", 1)));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(0, detach(self->rx, self->e));
	EXPECT_EQ(0, object(self->rx).watches);
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(0, gained(self->e));
}

/* A message that a sleeper gets is never there to be read by others. */
TEST_F(notify, message_for_a_sleeper_is_no_event)
{
	pid_t pid;

	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, 0));
	pid = child();
	if (!pid)
		_exit(take(self->rx));
	until(object(self->rx).receivers == 1);
	ASSERT_EQ(0, put(self->tx, 0, 7));
	EXPECT_EQ(7, reap(pid));
	EXPECT_EQ(0, gained(self->e));
	/* Unless it comes back. */
	pid = child();
	if (!pid) {
		struct ipcdev_transfer t = { .msg.len = 0 };

		_exit(-recv_msg(self->rx, &t));
	}
	until(object(self->rx).receivers == 1);
	ASSERT_EQ(0, put(self->tx, 0, 7));
	EXPECT_EQ(EMSGSIZE, reap(pid));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(7, take(self->rx));
}

TEST_F(notify, what_holds_already_is_an_event)
{
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, 0));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(0, detach(self->rx, self->e));
	EXPECT_EQ(0, attach(self->tx, self->e, WRITABLE, 0));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(0, detach(self->tx, self->e));
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(0, attach(self->rx, self->e, HANGUP, 0));
	EXPECT_EQ(1, gained(self->e));
}

TEST_F(notify, eventfd_tells_of_room)
{
	ASSERT_EQ(0, put(self->tx, 0, 1));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(0, attach(self->tx, self->e, WRITABLE, 0));
	EXPECT_EQ(0, gained(self->e));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(1, gained(self->e));
	/* Room that was there before is no news. */
	EXPECT_EQ(2, take(self->rx));
	EXPECT_EQ(0, gained(self->e));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(0, gained(self->e));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(1, gained(self->e));
}

TEST_F(notify, eventfd_tells_of_a_hang_up)
{
	int other = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, other);
	/* It asks for no right. */
	EXPECT_EQ(0, attach(self->rx, self->e, HANGUP, 0));
	EXPECT_EQ(0, attach(self->tx, other, HANGUP, 0));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(0, gained(self->e));
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(1, gained(self->e));
	/* That went with the handle. */
	EXPECT_EQ(0, gained(other));
	EXPECT_EQ(1, object(self->rx).watches);
	close(other);
}

TEST_F(notify, eventfd_tells_writers_of_a_hang_up)
{
	EXPECT_EQ(0, attach(self->tx, self->e, HANGUP, 0));
	close(self->rx);
	self->rx = -1;
	EXPECT_EQ(1, gained(self->e));
}

TEST_F(notify, oneshot_fires_once)
{
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, ONESHOT));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(0, object(self->rx).watches);
	EXPECT_EQ(-ENOENT, detach(self->rx, self->e));
	/* It may be attached again, and fires at once. */
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, ONESHOT));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(-ENOENT, detach(self->rx, self->e));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(2, take(self->rx));
	/* One that has not fired can be taken back. */
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, ONESHOT));
	EXPECT_EQ(0, detach(self->rx, self->e));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(0, gained(self->e));
}

TEST_F(notify, one_eventfd_for_many)
{
	int q = create_queue(self->dev, .depth = 2);

	ASSERT_LE(0, q);
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, 0));
	EXPECT_EQ(0, attach(q, self->e, READABLE | WRITABLE, 0));
	EXPECT_EQ(1, gained(self->e));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	ASSERT_EQ(0, put(q, 0, 1));
	EXPECT_EQ(2, gained(self->e));
	/* Two handles of one object are two. */
	EXPECT_EQ(0, attach(self->tx, self->e, HANGUP, 0));
	EXPECT_EQ(2, object(self->rx).watches);
	close(q);
}

TEST_F(notify, attach_refuses)
{
	struct ipcdev_attach a = {
		.eventfd = self->e,
		.events = READABLE,
		.reserved = 1,
	};
	struct ipcdev_detach d = { .eventfd = self->e, .reserved = 1 };

	EXPECT_EQ(-EINVAL, attach(self->rx, self->e, 0, 0));
	EXPECT_EQ(-EINVAL, attach(self->rx, self->e, 8, 0));
	EXPECT_EQ(-EINVAL, attach(self->rx, self->e, READABLE, 2));
	EXPECT_EQ(-EINVAL, call(self->rx, IPCDEV_IOC_ATTACH, &a));
	EXPECT_EQ(-EFAULT, call(self->rx, IPCDEV_IOC_ATTACH, NULL));
	EXPECT_EQ(-EBADF, attach(self->rx, -1, READABLE, 0));
	EXPECT_EQ(-EBADF, attach(self->rx, 1000, READABLE, 0));
	EXPECT_EQ(-EINVAL, attach(self->rx, self->dev, READABLE, 0));
	EXPECT_EQ(-EINVAL, attach(self->rx, self->rx, READABLE, 0));
	EXPECT_EQ(-EACCES, attach(self->rx, self->e, WRITABLE, 0));
	EXPECT_EQ(-EACCES, attach(self->rx, self->e, READABLE | WRITABLE, 0));
	EXPECT_EQ(-EACCES, attach(self->tx, self->e, READABLE, 0));
	EXPECT_EQ(0, object(self->rx).watches);
	EXPECT_EQ(0, info(self->dev).eventfds);

	EXPECT_EQ(-ENOENT, detach(self->rx, self->e));
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, 0));
	EXPECT_EQ(-EEXIST, attach(self->rx, self->e, READABLE, 0));
	EXPECT_EQ(-EEXIST, attach(self->rx, self->e, HANGUP, ONESHOT));
	EXPECT_EQ(1, info(self->dev).eventfds);
	/* It is the other handle's. */
	EXPECT_EQ(-ENOENT, detach(self->tx, self->e));
	EXPECT_EQ(-EBADF, detach(self->rx, -1));
	EXPECT_EQ(-EINVAL, detach(self->rx, self->dev));
	EXPECT_EQ(-EINVAL, call(self->rx, IPCDEV_IOC_DETACH, &d));
	EXPECT_EQ(-EFAULT, call(self->rx, IPCDEV_IOC_DETACH, NULL));
	EXPECT_EQ(1, object(self->rx).watches);
	EXPECT_EQ(0, detach(self->rx, self->e));
	EXPECT_EQ(0, info(self->dev).eventfds);
}

TEST_F(notify, an_object_has_room_for_so_many)
{
	int e[IPCDEV_WATCHES_MAX + 1], i;

	for (i = 0; i < IPCDEV_WATCHES_MAX + 1; i++) {
		e[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_LE(0, e[i]);
	}
	for (i = 0; i < IPCDEV_WATCHES_MAX; i++)
		ASSERT_EQ(0, attach(i & 1 ? self->rx : self->tx, e[i], HANGUP,
				    0));
	EXPECT_EQ(-ENOSPC, attach(self->rx, e[i], READABLE, 0));
	EXPECT_EQ(IPCDEV_WATCHES_MAX, info(self->dev).eventfds);
	EXPECT_EQ(0, detach(self->rx, e[1]));
	/* One that has fired takes no room. */
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(0, attach(self->rx, e[1], READABLE, ONESHOT));
	EXPECT_EQ(1, gained(e[1]));
	EXPECT_EQ(0, attach(self->rx, e[i], READABLE, 0));
	EXPECT_EQ(1, gained(e[i]));
	EXPECT_EQ(-ENOSPC, attach(self->rx, e[1], READABLE, 0));
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(IPCDEV_WATCHES_MAX / 2, object(self->rx).watches);
	EXPECT_EQ(1, gained(e[3]));
}

/* The eventfd's last descriptor is no reason to forget it, or to crash. */
TEST_F(notify, eventfd_may_be_closed)
{
	int i;

	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, 0));
	close(self->e);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, put(self->tx, 0, i));
	EXPECT_EQ(1, object(self->rx).watches);
	self->e = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	EXPECT_EQ(-ENOENT, detach(self->rx, self->e));
}

TEST_F(notify, sealing_makes_a_buffer_readable)
{
	int b = create_buffer(self->dev, .size = 1), ro;

	ASSERT_LE(0, b);
	ro = dup_handle(b, RIGHT_READ, 0);
	ASSERT_LE(0, ro);
	EXPECT_EQ(0, attach(ro, self->e, READABLE, 0));
	EXPECT_EQ(0, gained(self->e));
	EXPECT_EQ(0, seal(b));
	EXPECT_EQ(1, gained(self->e));
	EXPECT_EQ(0, seal(b));
	EXPECT_EQ(0, gained(self->e));
	close(b);
	close(ro);
}

TEST_F(notify, poll_tells_the_state)
{
	EXPECT_EQ(0, events(self->rx));
	EXPECT_EQ(CAN_WRITE, events(self->tx));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(CAN_READ, events(self->rx));
	EXPECT_EQ(CAN_WRITE, events(self->tx));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(0, events(self->tx));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(CAN_WRITE, events(self->tx));
}

/* Whoever waits for room must not find too little of it. */
TEST_F(notify, room_is_for_the_largest_message)
{
	int q = create_queue(self->dev, .depth = 4, .msg_max = 16,
			     .bytes_max = 32);

	ASSERT_LE(0, q);
	EXPECT_EQ(0, attach(q, self->e, WRITABLE, 0));
	EXPECT_EQ(1, gained(self->e));
	ASSERT_EQ(0, put(q, 0, 1));
	ASSERT_EQ(0, put(q, 0, 2));
	EXPECT_EQ(CAN_READ | CAN_WRITE, events(q));
	ASSERT_EQ(0, put(q, 0, 3));
	EXPECT_EQ(CAN_READ, events(q));
	ASSERT_EQ(0, put(q, 0, 4));
	EXPECT_EQ(1, take(q));
	EXPECT_EQ(0, gained(self->e));
	EXPECT_EQ(2, take(q));
	EXPECT_EQ(CAN_READ | CAN_WRITE, events(q));
	EXPECT_EQ(1, gained(self->e));
	close(q);
}

static int poll_for(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, -1) < 0 ? -errno : p.revents;
}

TEST_F(notify, poll_wakes_for_each_event)
{
	pid_t pid;

	pid = child();
	if (!pid)
		_exit(poll_for(self->rx, POLLIN));
	until(asleep_in(pid, SYS_poll));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(POLLIN, reap(pid));
	ASSERT_EQ(0, put(self->tx, 0, 2));

	pid = child();
	if (!pid)
		_exit(poll_for(self->tx, POLLOUT));
	until(asleep_in(pid, SYS_poll));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(POLLOUT, reap(pid));

	pid = child();
	if (!pid) {
		close(self->tx);
		_exit(poll_for(self->rx, 0));
	}
	until(asleep_in(pid, SYS_poll));
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(POLLHUP, reap(pid));
}

TEST_F(notify, poll_wakes_writers_for_a_hang_up)
{
	pid_t pid = child();

	if (!pid) {
		close(self->rx);
		_exit(poll_for(self->tx, 0));
	}
	until(asleep_in(pid, SYS_poll));
	close(self->rx);
	self->rx = -1;
	EXPECT_EQ(POLLERR, reap(pid));
}

TEST_F(notify, select_tells_it_too)
{
	struct timeval at_once = { 0, 0 };
	fd_set in, out;

	ASSERT_EQ(0, put(self->tx, 0, 1));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(self->rx, &in);
	FD_SET(self->tx, &out);
	EXPECT_EQ(2, select(FD_SETSIZE, &in, &out, NULL, &at_once));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(1, select(FD_SETSIZE, &in, &out, NULL, &at_once));
	EXPECT_TRUE(FD_ISSET(self->rx, &in));
	EXPECT_FALSE(FD_ISSET(self->tx, &out));
}

static int epoll_for(int fd, int events)
{
	struct epoll_event ev = { .events = events, .data.u32 = 7 };
	int e = epoll_create1(EPOLL_CLOEXEC);

	if (e < 0 || epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev))
		return -1;
	return e;
}

/* The events that are ready now, 0 for none. */
static int ready(int epoll)
{
	struct epoll_event ev;

	return epoll_wait(epoll, &ev, 1, 0) == 1 ? (int)ev.events : 0;
}

TEST_F(notify, epoll_by_level)
{
	int e = epoll_for(self->rx, EPOLLIN);

	ASSERT_LE(0, e);
	EXPECT_EQ(0, ready(e));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(EPOLLIN, ready(e));
	EXPECT_EQ(EPOLLIN, ready(e));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(0, ready(e));
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(EPOLLHUP, ready(e));
	close(e);
}

TEST_F(notify, epoll_by_edge)
{
	int in = epoll_for(self->rx, EPOLLIN | EPOLLET);
	int out = epoll_for(self->tx, EPOLLOUT | EPOLLET);
	int i;

	ASSERT_LE(0, in);
	ASSERT_LE(0, out);
	EXPECT_EQ(EPOLLOUT, ready(out));
	EXPECT_EQ(0, ready(out));
	EXPECT_EQ(0, ready(in));
	for (i = 0; i < 2; i++) {
		/* Each message is an edge, read or not. */
		ASSERT_EQ(0, put(self->tx, 0, i));
		EXPECT_EQ(EPOLLIN, ready(in));
		EXPECT_EQ(0, ready(in));
	}
	/* It never asks again, and yet is told that there is room. */
	EXPECT_EQ(-EAGAIN, try_put(self->tx, 0, 2));
	EXPECT_EQ(0, ready(out));
	EXPECT_EQ(0, take(self->rx));
	EXPECT_EQ(EPOLLOUT, ready(out));
	EXPECT_EQ(0, ready(out));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(0, ready(out));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(EPOLLOUT, ready(out));
	close(self->rx);
	self->rx = -1;
	EXPECT_EQ(EPOLLOUT | EPOLLERR, ready(out));
	EXPECT_EQ(0, ready(out));
	close(in);
	close(out);
}

TEST_F(notify, epoll_oneshot)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };
	int e = epoll_for(self->rx, EPOLLIN | EPOLLONESHOT);

	ASSERT_LE(0, e);
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(EPOLLIN, ready(e));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(0, ready(e));
	ASSERT_EQ(0, epoll_ctl(e, EPOLL_CTL_MOD, self->rx, &ev));
	EXPECT_EQ(EPOLLIN, ready(e));
	close(e);
}

TEST_F(notify, epoll_wakes_a_sleeper)
{
	int e = epoll_for(self->rx, EPOLLIN | EPOLLET);
	pid_t pid = child();

	if (!pid) {
		struct epoll_event ev;

		_exit(epoll_wait(e, &ev, 1, -1) == 1 ? ev.data.u32 : 1);
	}
	until(asleep_in(pid, SYS_epoll_wait));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(7, reap(pid));
	close(e);
}

/* A handle that is closed while it is polled and watched leaves nothing. */
TEST_F(notify, handle_may_be_closed_while_polled)
{
	int e = epoll_for(self->rx, EPOLLIN), i;

	ASSERT_LE(0, e);
	EXPECT_EQ(0, attach(self->rx, self->e, READABLE, 0));
	close(self->rx);
	self->rx = -1;
	EXPECT_EQ(0, object(self->tx).watches);
	EXPECT_EQ(0, info(self->dev).eventfds);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EPIPE, put(self->tx, 0, 1));
	EXPECT_EQ(0, ready(e));
	EXPECT_EQ(0, gained(self->e));
	close(e);
}

/*
 * SIGIO.
 */

/* The descriptor's signal, if it has come. */
static int signalled(int sig, siginfo_t *si)
{
	struct timespec at_once = { 0, 0 };
	sigset_t set;

	memset(si, 0, sizeof(*si));
	sigemptyset(&set);
	sigaddset(&set, sig);
	return sys(sigtimedwait(&set, si, &at_once));
}

TEST_F(notify, signal_for_a_message)
{
	int sig = SIGRTMIN;
	siginfo_t si;

	ASSERT_EQ(0, ask_for_signals(self->rx, sig));
	EXPECT_EQ(-EAGAIN, signalled(sig, &si));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(sig, signalled(sig, &si));
	EXPECT_EQ(self->rx, si.si_fd);
	EXPECT_EQ(POLL_IN, si.si_code);
	EXPECT_EQ(CAN_READ, si.si_band);
	EXPECT_EQ(-EAGAIN, signalled(sig, &si));
	/* Not any more. */
	ASSERT_EQ(0, fcntl(self->rx, F_SETFL, 0));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(-EAGAIN, signalled(sig, &si));
}

TEST_F(notify, signal_for_room)
{
	int sig = SIGRTMIN + 1;
	siginfo_t si;

	ASSERT_EQ(0, ask_for_signals(self->tx, sig));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	ASSERT_EQ(0, put(self->tx, 0, 2));
	EXPECT_EQ(-EAGAIN, try_put(self->tx, 0, 3));
	EXPECT_EQ(-EAGAIN, signalled(sig, &si));
	EXPECT_EQ(1, take(self->rx));
	EXPECT_EQ(sig, signalled(sig, &si));
	EXPECT_EQ(self->tx, si.si_fd);
	EXPECT_EQ(POLL_OUT, si.si_code);
	EXPECT_EQ(0, POLLOUT & ~si.si_band);
	EXPECT_EQ(-EAGAIN, signalled(sig, &si));
}

TEST_F(notify, signal_for_a_hang_up)
{
	int sig = SIGRTMIN;
	siginfo_t si;

	ASSERT_EQ(0, ask_for_signals(self->rx, sig));
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(sig, signalled(sig, &si));
	EXPECT_EQ(self->rx, si.si_fd);
	EXPECT_EQ(POLL_HUP, si.si_code);
	EXPECT_EQ(0, POLLHUP & ~si.si_band);
}

TEST_F(notify, signal_for_a_writers_hang_up)
{
	int sig = SIGRTMIN;
	siginfo_t si;

	ASSERT_EQ(0, ask_for_signals(self->tx, sig));
	close(self->rx);
	self->rx = -1;
	EXPECT_EQ(sig, signalled(sig, &si));
	EXPECT_EQ(self->tx, si.si_fd);
	EXPECT_EQ(POLL_HUP, si.si_code);
}

TEST_F(notify, signal_is_sigio_by_itself)
{
	siginfo_t si;

	ASSERT_EQ(0, ask_for_signals(self->rx, 0));
	ASSERT_EQ(0, put(self->tx, 0, 1));
	EXPECT_EQ(SIGIO, signalled(SIGIO, &si));
}

TEST_F(notify, no_signal_for_a_sleepers_message)
{
	int sig = SIGRTMIN;
	siginfo_t si;
	pid_t pid;

	ASSERT_EQ(0, ask_for_signals(self->rx, sig));
	pid = child();
	if (!pid)
		_exit(take(self->rx));
	until(object(self->rx).receivers == 1);
	ASSERT_EQ(0, put(self->tx, 0, 7));
	EXPECT_EQ(7, reap(pid));
	EXPECT_EQ(-EAGAIN, signalled(sig, &si));
}

TEST_F(notify, signal_for_a_seal)
{
	int b = create_buffer(self->dev, .size = 1), ro, sig = SIGRTMIN;
	siginfo_t si;

	ASSERT_LE(0, b);
	ro = dup_handle(b, RIGHT_READ, 0);
	ASSERT_LE(0, ro);
	ASSERT_EQ(0, ask_for_signals(ro, sig));
	ASSERT_EQ(0, seal(b));
	EXPECT_EQ(sig, signalled(sig, &si));
	EXPECT_EQ(ro, si.si_fd);
	EXPECT_EQ(POLL_IN, si.si_code);
	close(b);
	close(ro);
}

TEST_HARNESS_MAIN
