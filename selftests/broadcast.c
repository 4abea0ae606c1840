// SPDX-License-Identifier: GPL-2.0
/*
 * Broadcast queues: who receives what and in what order, what happens to those
 * who are too slow and to those who wait for them, and what comes back, is
 * forgotten or is kept for those to come.
 */
#include "stall.h"

#define DEPTH		4
#define MSG_MAX		64
#define BROADCAST	IPCDEV_QUEUE_BROADCAST
#define DROP		IPCDEV_QUEUE_DROP_OLDEST

FIXTURE(topic)
{
	int dev;
	int fd;		/* the creator's, which receives nothing */
};

FIXTURE_VARIANT(topic)
{
	__u32 flags;
};

/* What does not depend on it holds whatever a full receiver means. */
FIXTURE_VARIANT_ADD(topic, blocks)
{
};

FIXTURE_VARIANT_ADD(topic, drops)
{
	.flags = DROP,
};

#define create_deep_topic(dev, ...)					\
	create_queue(dev, .msg_max = MSG_MAX, __VA_ARGS__)
#define create_topic(dev, ...)						\
	create_deep_topic(dev, .depth = DEPTH, __VA_ARGS__)

FIXTURE_SETUP(topic)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->fd = create_topic(self->dev,
				.flags = BROADCAST | variant->flags,
				.history = 3);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(topic)
{
	close(self->fd);
	close(self->dev);
}

static int receiver(int fd)
{
	return dup_handle(fd, RIGHT_READ, 0);
}

static long subscribe_with(int fd, __u32 flags, __u32 history, __u32 backlog)
{
	struct ipcdev_subscribe s = {
		.flags = flags,
		.history = history,
		.backlog = backlog,
	};

	return call(fd, IPCDEV_IOC_SUBSCRIBE, &s);
}

static long subscribe(int fd, __u32 history)
{
	return subscribe_with(fd, 0, history, 0);
}

static long unsubscribe(int fd)
{
	return subscribe_with(fd, IPCDEV_SUBSCRIBE_OFF, 0, 0);
}

/* Takes the next message, and says how many were lost before it. */
static long next(int fd, __u32 *lost)
{
	__u64 payload = 0;
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .data = PTR(&payload), .len = sizeof(payload) },
	};
	long ret = recv_msg(fd, &t);

	*lost = t.msg.lost;
	return ret ?: (long)payload;
}

static long put_range(int fd, __u64 first, __u64 last)
{
	long ret = 0;

	for (; !ret && first <= last; first++)
		ret = try_put(fd, 0, first);
	return ret;
}

/* Whether exactly these are there to be received. */
static bool takes_range(int fd, __u64 first, __u64 last)
{
	for (; first <= last; first++) {
		if (try_take(fd) != (long)first)
			return false;
	}
	return try_take(fd) == -EAGAIN;
}

TEST_F(topic, each_receiver_gets_each_message_in_order)
{
	int r[3];

	for (int i = 0; i < 3; i++) {
		r[i] = receiver(self->fd);
		ASSERT_LE(0, r[i]);
	}
	ASSERT_EQ(0, put_range(self->fd, 1, DEPTH));
	EXPECT_EQ(DEPTH, object(self->fd).queued);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(DEPTH, object(r[i]).unread);
		EXPECT_TRUE(takes_range(r[i], 1, DEPTH));
		EXPECT_EQ(0, object(r[i]).unread);
	}
	EXPECT_EQ(3, object(self->fd).queued);
	EXPECT_EQ(DEPTH, object(self->fd).sent);
	EXPECT_EQ(3 * DEPTH, object(self->fd).received);
	EXPECT_EQ(0, object(self->fd).dropped);
}

TEST_F(topic, begins_with_the_opening)
{
	int early = receiver(self->fd), late;

	ASSERT_EQ(0, put_range(self->fd, 1, 2));
	late = receiver(self->fd);
	ASSERT_EQ(0, put_range(self->fd, 3, 3));
	EXPECT_TRUE(takes_range(early, 1, 3));
	EXPECT_TRUE(takes_range(late, 3, 3));
}

TEST_F(topic, creator_receives_nothing_until_it_asks)
{
	struct ipcdev_stat s = object(self->fd);
	__u32 lost;

	EXPECT_EQ(IPCDEV_STAT_BROADCAST, s.flags &
		  (IPCDEV_STAT_BROADCAST | IPCDEV_STAT_SUBSCRIBED));
	EXPECT_EQ(3, s.history);
	ASSERT_EQ(0, put_range(self->fd, 1, DEPTH + 1));
	EXPECT_EQ(-ENOTCONN, try_take(self->fd));
	EXPECT_EQ(-ENOTCONN, take(self->fd));
	EXPECT_EQ(-1, read(self->fd, &lost, sizeof(lost)));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-EAGAIN, peek(self->fd, 0));
	EXPECT_EQ(CAN_WRITE, events(self->fd));
	EXPECT_EQ(0, subscribe(self->fd, 0));
	EXPECT_EQ(-EAGAIN, try_take(self->fd));
	ASSERT_EQ(0, put(self->fd, 0, 9));
	EXPECT_EQ(CAN_READ | CAN_WRITE, events(self->fd));
	s = object(self->fd);
	EXPECT_TRUE(s.flags & IPCDEV_STAT_SUBSCRIBED);
	EXPECT_EQ(1, s.unread);
	EXPECT_EQ(9, try_take(self->fd));
}

TEST_F(topic, other_handles_are_subscribed_by_their_rights)
{
	int both = dup_handle(self->fd, RIGHT_RW, 0);
	int tx = dup_handle(self->fd, RIGHT_WRITE, 0), named;

	EXPECT_TRUE(object(both).flags & IPCDEV_STAT_SUBSCRIBED);
	EXPECT_FALSE(object(tx).flags & IPCDEV_STAT_SUBSCRIBED);
	ASSERT_EQ(0, put(both, 0, 1));
	EXPECT_EQ(1, try_take(both));
	EXPECT_EQ(-EBADF, try_take(tx));
	EXPECT_EQ(-EBADF, subscribe(tx, 0));

	ASSERT_EQ(0, private_fs());
	ASSERT_EQ(0, publish_as(self->fd, FS "/t", 0600, 0));
	named = open(FS "/t", O_RDONLY);
	ASSERT_LE(0, named);
	ASSERT_EQ(0, put(tx, 0, 2));
	EXPECT_EQ(2, try_take(named));
}

/* Sending to nobody works, and is no reason to look at errors. */
TEST_F(topic, needs_no_receiver)
{
	int tx = dup_handle(self->fd, RIGHT_WRITE, 0), r;

	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, put_range(tx, 1, 3 * DEPTH));
	EXPECT_EQ(CAN_WRITE, events(tx));
	EXPECT_EQ(3, object(tx).queued);
	EXPECT_EQ(3 * DEPTH, object(tx).sent);
	EXPECT_EQ(0, object(tx).dropped);
	EXPECT_EQ(-EACCES, dup_handle(tx, RIGHT_READ, 0));

	/* Nor when there has been one. */
	self->fd = create_topic(self->dev, .flags = BROADCAST | variant->flags,
				.rights = RIGHT_RW);
	r = receiver(self->fd);
	ASSERT_EQ(0, put_range(self->fd, 1, DEPTH));
	close(r);
	EXPECT_EQ(0, object(self->fd).queued);
	EXPECT_EQ(0, put_range(self->fd, 1, DEPTH + 1));
	EXPECT_EQ(CAN_WRITE, events(self->fd));
}

TEST_F(topic, a_fork_shares_the_handle)
{
	int r = receiver(self->fd);
	pid_t pid;

	ASSERT_EQ(0, put_range(self->fd, 1, 2));
	pid = child();
	if (!pid)
		_exit(try_take(r));
	EXPECT_EQ(1, reap(pid));
	EXPECT_TRUE(takes_range(r, 2, 2));
}

TEST_F(topic, peeks_for_each_handle)
{
	int a = receiver(self->fd), b = receiver(self->fd);

	EXPECT_EQ(-EAGAIN, peek(a, 0));
	ASSERT_EQ(0, put_range(self->fd, 1, 3));
	EXPECT_EQ(1, try_take(a));
	EXPECT_EQ(2, peek(a, 0));
	EXPECT_EQ(3, peek(a, 1));
	EXPECT_EQ(-EAGAIN, peek(a, 2));
	EXPECT_EQ(-EAGAIN, peek(a, UINT32_MAX));
	EXPECT_EQ(1, peek(b, 0));
	EXPECT_EQ(3, peek(b, 2));
	EXPECT_TRUE(takes_range(a, 2, 3));
	EXPECT_TRUE(takes_range(b, 1, 3));
}

TEST_F(topic, polls_for_each_handle)
{
	int a = receiver(self->fd), b = receiver(self->fd);
	int ea = eventfd(0, 0), eb = eventfd(0, 0);

	ASSERT_EQ(0, attach(a, ea, IPCDEV_EVENT_READABLE, 0));
	ASSERT_EQ(0, attach(b, eb, IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(0, events(a));
	ASSERT_EQ(0, put(self->fd, 0, 1));
	EXPECT_EQ(1, gained(ea));
	EXPECT_EQ(1, gained(eb));
	EXPECT_EQ(CAN_READ, events(a));
	EXPECT_EQ(1, try_take(a));
	EXPECT_EQ(0, events(a));
	EXPECT_EQ(CAN_READ, events(b));
	EXPECT_EQ(1, try_take(b));
}

TEST_F(topic, reads_writes_and_batches)
{
	int r = receiver(self->fd), s = receiver(self->fd);
	char text[2][8] = { 0 };
	struct ipcdev_msg m[2] = {
		{ .data = PTR(text[0]), .len = sizeof(text[0]) },
		{ .data = PTR(text[1]), .len = sizeof(text[1]) },
	};
	struct ipcdev_batch b = {
		.count = 2, .msgs = PTR(m), .msg_size = sizeof(m[0]),
	};

	ASSERT_EQ(3, write(self->fd, "one", 3));
	ASSERT_EQ(3, write(self->fd, "two", 3));
	EXPECT_EQ(3, read(r, text[0], sizeof(text[0])));
	EXPECT_STREQ("one", text[0]);
	EXPECT_EQ(3, read(r, text[0], sizeof(text[0])));
	EXPECT_STREQ("two", text[0]);
	EXPECT_EQ(2, call(s, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_STREQ("one", text[0]);
	EXPECT_STREQ("two", text[1]);
	m[0].len = 3;
	m[1].len = 3;
	EXPECT_EQ(2, call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(2, object(r).unread);
}

TEST_F(topic, refuses_what_it_is_not)
{
	int r = receiver(self->fd), q = create_queue(self->dev, .depth = 1);
	struct ipcdev_call c = { 0 };
	struct ipcdev_transfer t = { .msg.token = 1 };

	EXPECT_EQ(-EINVAL, try_put(self->fd, 1, 1));
	EXPECT_EQ(-EOPNOTSUPP, call(self->fd, IPCDEV_IOC_CALL, &c));
	EXPECT_EQ(-ESRCH, call(r, IPCDEV_IOC_REPLY, &t));
	EXPECT_EQ(0, object(self->fd).sent);
	EXPECT_EQ(-EOPNOTSUPP, subscribe(q, 0));
	EXPECT_EQ(-EOPNOTSUPP, unsubscribe(q));
	EXPECT_EQ(0, object(q).history);
}

TEST_F(topic, subscribing_refuses_nonsense)
{
	struct ipcdev_subscribe s = { .reserved = 1 };
	int r = receiver(self->fd);

	ASSERT_EQ(0, put_range(self->fd, 1, 2));
	EXPECT_EQ(-EINVAL, call(r, IPCDEV_IOC_SUBSCRIBE, &s));
	EXPECT_EQ(-EINVAL, subscribe_with(r, 2, 0, 0));
	EXPECT_EQ(-EINVAL, subscribe_with(r, IPCDEV_SUBSCRIBE_OFF, 1, 0));
	EXPECT_EQ(-EINVAL, subscribe_with(r, IPCDEV_SUBSCRIBE_OFF, 0, 1));
	EXPECT_EQ(-EINVAL, subscribe_with(r, 0, 0, DEPTH + 1));
	EXPECT_EQ(-EINVAL, subscribe_with(r, 0, 0, UINT32_MAX));
	EXPECT_EQ(-EFAULT, call(r, IPCDEV_IOC_SUBSCRIBE, bad_page()));
	/* None of it had an effect. */
	EXPECT_TRUE(takes_range(r, 1, 2));
	EXPECT_EQ(0, subscribe_with(r, 0, 0, DEPTH));
}

TEST_F(topic, creation_knows_its_limits)
{
	unsigned int most = info(self->dev).max_depth;
	struct ipcdev_stat s;
	int fd;

	EXPECT_EQ(-EINVAL, create_queue(self->dev, .history = 1));
	EXPECT_EQ(-EINVAL, create_queue(self->dev, .flags = BROADCAST,
					.reserved = 1));
	EXPECT_EQ(-EINVAL, create_queue(self->dev, .flags = BROADCAST,
					.history = most + 1));
	EXPECT_EQ(-EINVAL, create_queue(self->dev, .flags = BROADCAST,
					.depth = most + 1));
	fd = create_queue(self->dev, .flags = BROADCAST, .history = most,
			  .depth = 1, .msg_max = 8, .bytes_max = 4096);
	ASSERT_LE(0, fd);
	s = object(fd);
	EXPECT_EQ(most, s.history);
	EXPECT_EQ(1, s.depth);
	close(fd);
	fd = create_queue(self->dev, .flags = BROADCAST, .depth = most,
			  .msg_max = 8, .bytes_max = 4096);
	ASSERT_LE(0, fd);
	close(fd);
}

TEST_F(topic, history_is_charged)
{
	__u64 before = info(self->dev).bytes, with, without;
	int fd;

	fd = create_topic(self->dev, .flags = BROADCAST);
	without = info(self->dev).bytes - before;
	close(fd);
	fd = create_topic(self->dev, .flags = BROADCAST, .history = 64,
			  .bytes_max = DEPTH * MSG_MAX);
	with = info(self->dev).bytes - before;
	close(fd);
	EXPECT_EQ(without / DEPTH * 64, with + (64 - DEPTH) * MSG_MAX);
	EXPECT_EQ(before, info(self->dev).bytes);
}

/*
 * Late joiners
 */

TEST_F(topic, late_joiners_ask_for_the_last)
{
	int r = receiver(self->fd);

	EXPECT_EQ(0, subscribe(r, 3));
	ASSERT_EQ(0, put_range(self->fd, 1, 2));
	EXPECT_EQ(2, subscribe(r, 3));
	ASSERT_EQ(0, put(self->fd, 0, 3));
	EXPECT_TRUE(takes_range(r, 1, 3));

	ASSERT_EQ(0, put_range(self->fd, 4, 5));
	EXPECT_EQ(1, subscribe(r, 1));
	EXPECT_EQ(CAN_READ, events(r));
	EXPECT_TRUE(takes_range(r, 5, 5));
	EXPECT_EQ(3, subscribe(r, 3));
	EXPECT_TRUE(takes_range(r, 3, 5));
	/* As many as there are, and no more than are kept. */
	EXPECT_EQ(3, subscribe(r, UINT32_MAX));
	EXPECT_TRUE(takes_range(r, 3, 5));
	/* And no more than it may be behind. */
	EXPECT_EQ(2, subscribe_with(r, 0, 3, 2));
	EXPECT_TRUE(takes_range(r, 4, 5));
	EXPECT_EQ(0, subscribe(r, 0));
	EXPECT_EQ(-EAGAIN, try_take(r));
	EXPECT_EQ(0, object(self->fd).dropped);
}

/* What others have not received yet is not history. */
TEST_F(topic, without_history_there_is_none)
{
	int fd = create_topic(self->dev, .flags = BROADCAST | variant->flags);
	int slow = receiver(fd), r = receiver(fd);

	ASSERT_EQ(0, put_range(fd, 1, 2));
	EXPECT_EQ(0, subscribe(r, 2));
	EXPECT_EQ(-EAGAIN, try_take(r));
	EXPECT_TRUE(takes_range(slow, 1, 2));
	EXPECT_EQ(0, object(fd).queued);
}

TEST_F(topic, history_outlives_all_handles_of_a_persistent_topic)
{
	int fd;

	ASSERT_EQ(0, private_fs());
	ASSERT_EQ(0, publish_as(self->fd, FS "/state", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	ASSERT_EQ(0, put_range(self->fd, 1, 5));
	close(self->fd);
	self->fd = open(FS "/state", O_RDONLY);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(1, subscribe(self->fd, 1));
	EXPECT_EQ(5, try_take(self->fd));
	/* Nobody sends, but somebody may come. */
	EXPECT_EQ(-EAGAIN, try_take(self->fd));
	fd = open(FS "/state", O_WRONLY);
	ASSERT_EQ(0, put(fd, 0, 6));
	EXPECT_EQ(6, try_take(self->fd));
}

/* History gives way to bytes_max, whoever reads. */
TEST_F(topic, history_takes_no_room)
{
	int fd = create_topic(self->dev, .flags = BROADCAST | variant->flags,
			      .history = 16, .bytes_max = MSG_MAX);
	int r = receiver(fd);

	for (int i = 1; i <= 20; i++) {
		ASSERT_EQ(0, try_put(fd, 0, i));
		EXPECT_EQ(i, try_take(r));
		EXPECT_EQ(CAN_WRITE, events(fd));
	}
	EXPECT_EQ(MSG_MAX / 8, object(fd).queued);
	EXPECT_EQ(MSG_MAX, object(fd).queued_bytes);
	EXPECT_EQ(8, subscribe(r, 16) * DEPTH / 2);
	EXPECT_TRUE(takes_range(r, 17, 20));
	EXPECT_EQ(0, object(fd).dropped);
}

/*
 * A full receiver
 */

TEST(full_receiver_holds_senders_up)
{
	int fd = create_topic(device(), .flags = BROADCAST);
	int slow = receiver(fd), fast = receiver(fd), e = eventfd(0, 0);

	ASSERT_EQ(0, attach(fd, e, IPCDEV_EVENT_WRITABLE, 0));
	EXPECT_EQ(1, gained(e));
	ASSERT_EQ(0, put_range(fd, 1, DEPTH));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 9));
	EXPECT_EQ(-ETIMEDOUT, send_msg(fd, .flags = IPCDEV_DEADLINE_MONOTONIC,
				       .deadline_ns = now(CLOCK_MONOTONIC) + SOON));
	EXPECT_EQ(0, events(fd));
	EXPECT_TRUE(takes_range(fast, 1, DEPTH));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 9));
	EXPECT_EQ(0, gained(e));
	EXPECT_EQ(1, try_take(slow));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(CAN_WRITE, events(fd));
	EXPECT_EQ(0, try_put(fd, 0, DEPTH + 1));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 9));
	EXPECT_TRUE(takes_range(slow, 2, DEPTH + 1));
	EXPECT_TRUE(takes_range(fast, DEPTH + 1, DEPTH + 1));
	EXPECT_EQ(0, object(fd).dropped);
}

/* Also of who has filled it, and has not been refused. */
TEST(room_is_news)
{
	int fd = create_topic(device(), .flags = BROADCAST, .bytes_max = 2 * MSG_MAX);
	int r = receiver(fd), e = eventfd(0, 0);
	char data[MSG_MAX] = { 0 };

	ASSERT_EQ(0, attach(fd, e, IPCDEV_EVENT_WRITABLE, 0));
	EXPECT_EQ(1, gained(e));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, put_range(fd, 1, DEPTH));
		EXPECT_EQ(0, gained(e));
		EXPECT_EQ(1, try_take(r));
		EXPECT_EQ(1, gained(e));
		/* Room that was there before is none. */
		EXPECT_TRUE(takes_range(r, 2, DEPTH));
		EXPECT_EQ(0, gained(e));
	}
	/* There is no room for another as large. */
	ASSERT_EQ(MSG_MAX, write(fd, data, MSG_MAX));
	ASSERT_EQ(1, write(fd, data, 1));
	EXPECT_EQ(0, gained(e));
	EXPECT_EQ(MSG_MAX, read(r, data, MSG_MAX));
	EXPECT_EQ(1, gained(e));
}

/* Each way in which a full receiver stops being one lets the sender go on. */
FIXTURE(held_up)
{
	int fd;
	int slow;
	pid_t pid;
};

FIXTURE_SETUP(held_up)
{
	self->fd = create_topic(device(), .flags = BROADCAST);
	self->slow = receiver(self->fd);
	ASSERT_EQ(0, put_range(self->fd, 1, DEPTH));
	self->pid = child();
	if (!self->pid) {
		close(self->slow);
		_exit(-put(self->fd, 0, DEPTH + 1));
	}
	until(object(self->fd).senders == 1);
}

FIXTURE_TEARDOWN(held_up)
{
	close(self->fd);
}

TEST_F(held_up, until_it_receives)
{
	EXPECT_EQ(1, take(self->slow));
	EXPECT_EQ(0, reap(self->pid));
	EXPECT_TRUE(takes_range(self->slow, 2, DEPTH + 1));
}

TEST_F(held_up, until_it_goes)
{
	close(self->slow);
	EXPECT_EQ(0, reap(self->pid));
	EXPECT_EQ(0, object(self->fd).queued);
}

TEST_F(held_up, until_it_is_killed)
{
	pid_t other = child();

	if (!other) {
		prctl(PR_SET_NAME, "slow");
		pause();
	}
	close(self->slow);
	EXPECT_EQ(1, object(self->fd).senders);
	kill(other, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(other));
	EXPECT_EQ(0, reap(self->pid));
}

TEST_F(held_up, until_it_unsubscribes)
{
	EXPECT_EQ(0, unsubscribe(self->slow));
	EXPECT_EQ(0, reap(self->pid));
	EXPECT_EQ(-ENOTCONN, try_take(self->slow));
	EXPECT_EQ(0, object(self->fd).queued);
}

TEST_F(held_up, until_it_begins_anew)
{
	EXPECT_EQ(0, subscribe(self->slow, 0));
	EXPECT_EQ(0, reap(self->pid));
	EXPECT_TRUE(takes_range(self->slow, DEPTH + 1, DEPTH + 1));
}

static void nothing(int signal)
{
}

TEST_F(held_up, until_a_signal)
{
	struct sigaction action = { .sa_handler = nothing };
	pid_t pid;

	/* Inherited: EINTR instead of a restart. */
	sigaction(SIGUSR1, &action, NULL);
	pid = child();
	if (!pid)
		_exit(-put(self->fd, 0, 99));
	until(object(self->fd).senders == 2);
	kill(pid, SIGUSR1);
	EXPECT_EQ(EINTR, reap(pid));
	EXPECT_EQ(1, object(self->fd).senders);
	EXPECT_EQ(1, take(self->slow));
	EXPECT_EQ(0, reap(self->pid));
	EXPECT_TRUE(takes_range(self->slow, 2, DEPTH + 1));
}

TEST(full_receiver_alone_loses)
{
	int fd = create_topic(device(), .flags = BROADCAST | DROP);
	int slow = receiver(fd), fast = receiver(fd);
	__u32 lost;

	for (int i = 1; i <= 10; i++) {
		ASSERT_EQ(0, try_put(fd, 0, i));
		EXPECT_EQ(i, next(fast, &lost));
		EXPECT_EQ(0, lost);
		EXPECT_EQ(CAN_WRITE, events(fd));
	}
	EXPECT_EQ(DEPTH, object(slow).unread);
	EXPECT_EQ(DEPTH, object(fd).queued);
	EXPECT_EQ(10 - DEPTH, object(fd).dropped);
	EXPECT_EQ(10 - DEPTH + 1, next(slow, &lost));
	EXPECT_EQ(10 - DEPTH, lost);
	EXPECT_EQ(10 - DEPTH + 2, next(slow, &lost));
	EXPECT_EQ(0, lost);
	ASSERT_EQ(0, put_range(fd, 11, 13));
	EXPECT_EQ(10, next(slow, &lost));
	EXPECT_EQ(1, lost);
}

/* What was lost is told with a message that has arrived, and once. */
TEST(losses_are_not_forgotten_by_a_failed_receive)
{
	int fd = create_topic(device(), .flags = BROADCAST | DROP);
	int slow = receiver(fd);
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .data = PTR(bad_page()), .len = 8 },
	};
	__u32 lost;

	ASSERT_EQ(0, put_range(fd, 1, DEPTH + 2));
	EXPECT_EQ(-EFAULT, recv_msg(slow, &t));
	t.msg.len = 4;
	EXPECT_EQ(-EMSGSIZE, recv_msg(slow, &t));
	EXPECT_EQ(8, t.msg.len);
	EXPECT_EQ(1, object(fd).returned);
	EXPECT_EQ(DEPTH, object(slow).unread);
	EXPECT_EQ(3, peek(slow, 0));
	EXPECT_EQ(4, peek(slow, 1));
	EXPECT_EQ(3, next(slow, &lost));
	EXPECT_EQ(2, lost);
	EXPECT_EQ(4, next(slow, &lost));
	EXPECT_EQ(0, lost);
}

TEST(each_may_ask_for_a_smaller_backlog)
{
	int fd = create_topic(device(), .flags = BROADCAST | DROP);
	int latest = receiver(fd), all = receiver(fd);
	__u32 lost;

	ASSERT_EQ(0, subscribe_with(latest, 0, 0, 1));
	ASSERT_EQ(0, put_range(fd, 1, DEPTH));
	EXPECT_EQ(1, object(latest).unread);
	EXPECT_EQ(DEPTH, next(latest, &lost));
	EXPECT_EQ(DEPTH - 1, lost);
	EXPECT_TRUE(takes_range(all, 1, DEPTH));
	/* What nobody is to receive is not kept, and counted also if nobody asks. */
	EXPECT_EQ(DEPTH - 1, object(fd).dropped);
	ASSERT_EQ(0, put_range(fd, 1, DEPTH - 1));
	EXPECT_TRUE(takes_range(all, 1, DEPTH - 1));
	EXPECT_EQ(1, object(fd).queued);
	close(latest);
	EXPECT_EQ(2 * DEPTH - 3, object(fd).dropped);
	EXPECT_EQ(0, object(fd).queued);

	close(fd);
	fd = create_topic(device(), .flags = BROADCAST);
	latest = receiver(fd);
	all = receiver(fd);
	ASSERT_EQ(0, subscribe_with(latest, 0, 0, 2));
	ASSERT_EQ(0, put_range(fd, 1, 2));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 3));
	EXPECT_EQ(1, try_take(latest));
	EXPECT_EQ(0, try_put(fd, 0, 3));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 4));
	EXPECT_TRUE(takes_range(latest, 2, 3));
	EXPECT_EQ(0, try_put(fd, 0, 4));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 5));
	EXPECT_TRUE(takes_range(all, 1, 4));
}

/*
 * Whatever a handle may be behind, it receives the last of what was sent in order,
 * knows how many it has not, and all of these are counted.
 */
TEST(backlogs_of_all_sizes)
{
	enum { HISTORY = 11, KINDS = 9, ROUNDS = 200 };
	int fd = create_deep_topic(device(), .flags = BROADCAST | DROP, .depth = 8,
				   .history = HISTORY);
	int r[KINDS];
	__u64 expect[KINDS], sent = 0, losses = 0;
	unsigned int seed = 7;
	__u32 lost;

	for (int i = 0; i < KINDS; i++) {
		r[i] = receiver(fd);
		ASSERT_EQ(0, subscribe_with(r[i], 0, 0, i));
		expect[i] = 1;
	}
	for (int round = 0; round < ROUNDS; round++) {
		int i = rand_r(&seed) % KINDS, n = rand_r(&seed) % 6;

		ASSERT_EQ(0, put_range(fd, sent + 1, sent + n));
		sent += n;
		if (rand_r(&seed) % 16 == 0) {
			/* Begins anew with what was kept, and forgets what it lost. */
			__u32 backlog = i ?: 8;
			long had = subscribe_with(r[i], 0, backlog, backlog);
			__u64 back = sent < backlog ? sent : backlog;

			if (sent + 1 - expect[i] > backlog)
				losses += sent + 1 - expect[i] - backlog;
			ASSERT_EQ((long)back, had);
			expect[i] = sent + 1 - back;
		}
		for (n = rand_r(&seed) % 6; n && expect[i] <= sent; n--) {
			long got = next(r[i], &lost);

			ASSERT_LT(0, got);
			ASSERT_LE(expect[i], (__u64)got);
			ASSERT_EQ(expect[i] + lost, (__u64)got);
			ASSERT_LE(sent - got + 1, (__u64)(i ?: 8));
			losses += lost;
			expect[i] = got + 1;
		}
		EXPECT_GE((__u32)HISTORY, object(fd).queued);
	}
	for (int i = 0; i < KINDS; i++) {
		while (expect[i] <= sent) {
			long got = next(r[i], &lost);

			ASSERT_EQ(expect[i] + lost, (__u64)got);
			losses += lost;
			expect[i] = got + 1;
		}
		EXPECT_EQ(-EAGAIN, try_take(r[i]));
	}
	EXPECT_LT(0, losses);
	EXPECT_EQ(losses, object(fd).dropped);
	EXPECT_EQ(sent < HISTORY ? sent : HISTORY, object(fd).queued);
}

/* bytes_max is one for all: who is furthest behind holds up, or loses. */
TEST(bytes_are_limited_for_all_together)
{
	int fd = create_deep_topic(device(), .flags = BROADCAST, .depth = 64,
				   .bytes_max = 2 * MSG_MAX);
	int slow = receiver(fd), fast = receiver(fd);
	char data[MSG_MAX] = { 0 };
	__u32 lost;

	ASSERT_EQ(MSG_MAX, write(fd, data, MSG_MAX));
	ASSERT_EQ(MSG_MAX - 8, write(fd, data, MSG_MAX - 8));
	EXPECT_EQ(0, events(fd));
	EXPECT_EQ(0, try_put(fd, 0, 1));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 2));
	EXPECT_EQ(MSG_MAX, read(fast, data, MSG_MAX));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 2));
	EXPECT_EQ(MSG_MAX, read(slow, data, MSG_MAX));
	EXPECT_EQ(0, try_put(fd, 0, 2));
	EXPECT_EQ(0, object(fd).dropped);
	close(fd);

	fd = create_deep_topic(device(), .flags = BROADCAST | DROP, .depth = 64,
			       .bytes_max = 2 * MSG_MAX);
	slow = receiver(fd);
	fast = receiver(fd);
	ASSERT_EQ(0, put_range(fd, 1, 16));
	EXPECT_EQ(0, object(fd).dropped);
	EXPECT_EQ(1, next(fast, &lost));
	/* Takes the room of eight. */
	ASSERT_EQ(MSG_MAX, write(fd, data, MSG_MAX));
	EXPECT_EQ(8 + 7, object(fd).dropped);
	EXPECT_EQ(9, next(slow, &lost));
	EXPECT_EQ(8, lost);
	EXPECT_EQ(9, next(fast, &lost));
	EXPECT_EQ(7, lost);
	EXPECT_EQ(2 * MSG_MAX, object(fd).queued_bytes + 8);
}

/* What takes too long may have been held up by what else the machine does. */
#define TRIES	5

/* It takes the room of all that wait: work like sending them, not its square. */
TEST(a_large_message_costs_many_small_ones)
{
	unsigned int depth = info(device()).max_depth, tries = TRIES;
	char *data = calloc(depth, 8);
	__u64 begin, filled, done;
	__u32 lost;

	ASSERT_NE(NULL, data);
	do {
		int fd = create_queue(device(), .flags = BROADCAST | DROP, .depth = depth,
				      .msg_max = 8 * depth, .bytes_max = 8 * depth);
		int r[2] = { receiver(fd), receiver(fd) };

		begin = now(CLOCK_MONOTONIC);
		ASSERT_EQ(0, put_range(fd, 1, depth));
		filled = now(CLOCK_MONOTONIC);
		EXPECT_EQ(1, next(r[1], &lost));
		ASSERT_EQ((ssize_t)(8 * depth), write(fd, data, 8 * depth));
		done = now(CLOCK_MONOTONIC);
		EXPECT_EQ(2 * depth - 1, object(fd).dropped);
		for (int i = 0; i < 2; i++) {
			struct ipcdev_transfer t = {
				.msg = { .data = PTR(data), .len = 8 * depth },
			};

			EXPECT_EQ(0, recv_msg(r[i], &t));
			EXPECT_EQ(8 * depth, t.msg.len);
			EXPECT_EQ(depth - i, t.msg.lost);
			close(r[i]);
		}
		close(fd);
	} while (4 * (filled - begin) <= done - filled && --tries);
	EXPECT_GT(4 * (filled - begin), done - filled);
	free(data);
}

/*
 * What sending and receiving cost does not depend on how many handles lag behind:
 * the time that @count of them take, in parts of what one takes, may not grow.
 */
#define CROWD	4000

static __u64 send_past(int count, int sends)
{
	int fd = create_topic(device(), .flags = BROADCAST | DROP);
	int *r = calloc(count, sizeof(*r));
	__u64 begin, time = 0;

	for (int i = 0; i < count; i++)
		r[i] = receiver(fd);
	if (!put_range(fd, 1, DEPTH + 1)) {
		begin = now(CLOCK_MONOTONIC);
		if (!put_range(fd, 1, sends))
			time = now(CLOCK_MONOTONIC) - begin;
	}
	for (int i = 0; i < count; i++)
		close(r[i]);
	free(r);
	close(fd);
	return time;
}

static __u64 receive_beside(int count)
{
	int fd = create_topic(device(), .flags = BROADCAST);
	int *r = calloc(count, sizeof(*r)), taken = 0;
	__u64 begin, time;

	for (int i = 0; i < count; i++)
		r[i] = receiver(fd);
	put_range(fd, 1, DEPTH);
	/* From here on somebody wants to know of room. */
	try_put(fd, 0, DEPTH + 1);
	begin = now(CLOCK_MONOTONIC);
	for (int i = 0; i < count; i++)
		taken += try_take(r[i]) == 1;
	time = now(CLOCK_MONOTONIC) - begin;
	for (int i = 0; i < count; i++)
		close(r[i]);
	free(r);
	close(fd);
	return taken == count ? time / count : 0;
}

TEST(a_crowd_that_lags_behind_costs_nobody)
{
	const struct rlimit files = { 2 * CROWD, 2 * CROWD };
	unsigned int tries = TRIES;
	__u64 few, many;

	if (setrlimit(RLIMIT_NOFILE, &files))
		SKIP(return, "no right to have so many files");
	do {
		few = send_past(2, 2000);
		many = send_past(CROWD, 2000);
	} while (6 * few <= many && --tries);
	EXPECT_LT(0, few);
	EXPECT_LT(0, many);
	EXPECT_GT(6 * few, many);
	tries = TRIES;
	do {
		few = receive_beside(40);
		many = receive_beside(CROWD);
	} while (6 * few <= many && --tries);
	EXPECT_LT(0, few);
	EXPECT_LT(0, many);
	EXPECT_GT(6 * few, many);
}

/*
 * Sleeping receivers
 */

/* Exits with what it takes; an errno counts from 100. */
static pid_t taker(int fd)
{
	pid_t pid = child();
	long ret;

	if (pid)
		return pid;
	ret = take(fd);
	_exit(ret < 0 ? 100 - ret : ret);
}

TEST_F(topic, wakes_all_who_sleep)
{
	pid_t pid[3];
	int r[3];

	for (int i = 0; i < 3; i++) {
		r[i] = receiver(self->fd);
		pid[i] = taker(r[i]);
	}
	until(object(self->fd).receivers == 3);
	ASSERT_EQ(0, put(self->fd, 0, 7));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(7, reap(pid[i]));
	EXPECT_EQ(0, object(self->fd).receivers);
	EXPECT_EQ(3, object(self->fd).received);
}

TEST_F(topic, those_who_share_a_handle_share_its_messages)
{
	int r = receiver(self->fd), other = receiver(self->fd), sum;
	pid_t a = taker(r), b = taker(r);

	until(object(self->fd).receivers == 2);
	ASSERT_EQ(0, put(self->fd, 0, 1));
	until(object(self->fd).receivers == 1);
	ASSERT_EQ(0, put(self->fd, 0, 2));
	sum = reap(a) + reap(b);
	EXPECT_EQ(1 + 2, sum);
	EXPECT_EQ(-EAGAIN, try_take(r));
	EXPECT_TRUE(takes_range(other, 1, 2));
}

TEST_F(topic, sleeps_until_the_deadline_or_a_signal)
{
	struct sigaction action = { .sa_handler = nothing };
	int r = receiver(self->fd);
	struct ipcdev_transfer t = {
		.flags = IPCDEV_DEADLINE_MONOTONIC,
		.deadline_ns = now(CLOCK_MONOTONIC) + SOON,
	};
	pid_t pid;

	EXPECT_EQ(-ETIMEDOUT, recv_msg(r, &t));
	EXPECT_EQ(0, object(self->fd).receivers);
	sigaction(SIGUSR1, &action, NULL);
	pid = taker(r);
	until(object(self->fd).receivers == 1);
	kill(pid, SIGUSR1);
	EXPECT_EQ(100 + EINTR, reap(pid));
	pid = taker(r);
	until(object(self->fd).receivers == 1);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(0, object(self->fd).receivers);
	ASSERT_EQ(0, put(self->fd, 0, 1));
	EXPECT_EQ(1, try_take(r));
}

TEST_F(topic, sleepers_hear_of_a_subscription)
{
	int r = receiver(self->fd);
	pid_t pid;

	ASSERT_EQ(0, put_range(self->fd, 1, 3));
	EXPECT_TRUE(takes_range(r, 1, 3));
	pid = taker(r);
	until(object(self->fd).receivers == 1);
	EXPECT_EQ(2, subscribe(r, 2));
	EXPECT_EQ(2, reap(pid));
	EXPECT_TRUE(takes_range(r, 3, 3));
	pid = taker(r);
	until(object(self->fd).receivers == 1);
	EXPECT_EQ(0, unsubscribe(r));
	EXPECT_EQ(100 + ENOTCONN, reap(pid));
	EXPECT_EQ(0, unsubscribe(r));
}

/* The end comes for each when it has received all. */
TEST_F(topic, ends_when_the_senders_have_gone)
{
	int behind = receiver(self->fd), ahead = receiver(self->fd);
	int e = eventfd(0, 0);
	pid_t pid;
	char c;

	ASSERT_EQ(0, put(self->fd, 0, 1));
	EXPECT_EQ(1, try_take(ahead));
	ASSERT_EQ(0, attach(ahead, e, IPCDEV_EVENT_HANGUP, 0));
	pid = child();
	if (!pid) {
		close(self->fd);
		_exit(-take(ahead));
	}
	until(object(self->fd).receivers == 1);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(EPIPE, reap(pid));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(POLLHUP, events(ahead));
	EXPECT_EQ(CAN_READ | POLLHUP, events(behind));
	EXPECT_EQ(0, read(ahead, &c, 1));
	EXPECT_EQ(1, try_take(behind));
	EXPECT_EQ(-EPIPE, try_take(behind));
	EXPECT_EQ(POLLHUP, events(behind));
}

/*
 * Descriptors and slices
 */

static long send_with(int fd, int what, int buffer)
{
	struct ipcdev_slice s = { .fd = buffer, .length = 16 };

	return send_msg(fd, .msg = {
		.fds = PTR(&what), .fd_count = 1,
		.slices = PTR(&s), .slice_count = buffer >= 0,
	});
}

TEST_F(topic, each_receiver_gets_its_own_descriptors)
{
	int r[2] = { receiver(self->fd), receiver(self->fd) };
	int buffer = create_buffer(self->dev, .size = 4096), e = eventfd(0, 0);
	__u64 id = object(buffer).id;

	ASSERT_EQ(0, send_with(self->fd, e, buffer));
	EXPECT_EQ(2, info(self->dev).inflight);
	for (int i = 0; i < 2; i++) {
		struct ipcdev_slice s = { 0 };
		int got = -1;
		struct ipcdev_transfer t = {
			.flags = IPCDEV_NONBLOCK,
			.msg = {
				.fds = PTR(&got), .fd_count = 1,
				.slices = PTR(&s), .slice_count = 0,
			},
		};
		__u64 one = 1;

		EXPECT_EQ(-EMSGSIZE, recv_msg(r[i], &t));
		EXPECT_EQ(1, t.msg.slice_count);
		ASSERT_EQ(0, recv_msg(r[i], &t));
		EXPECT_EQ(id, s.buffer_id);
		EXPECT_EQ(id, object(s.fd).id);
		EXPECT_EQ(8, write(got, &one, 8));
		EXPECT_EQ(1, gained(e));
		close(got);
		close(s.fd);
	}
	/* What is history keeps them. */
	EXPECT_EQ(2, info(self->dev).inflight);
	ASSERT_EQ(0, put_range(self->fd, 1, 3));
	EXPECT_EQ(0, info(self->dev).inflight);
}

/* The last to receive, or to go, closes what nobody has any more. */
TEST_F(topic, nothing_stays_open_behind_the_last_receiver)
{
	int fd = create_topic(self->dev, .flags = BROADCAST | variant->flags);
	int a = receiver(fd), b = receiver(fd), p[2];
	char c;

	ASSERT_EQ(0, pipe2(p, O_NONBLOCK));
	ASSERT_EQ(0, send_with(fd, p[1], -1));
	close(p[1]);
	EXPECT_EQ(0, read(a, &c, 1));
	EXPECT_EQ(-1, read(p[0], &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(b);
	EXPECT_EQ(0, read(p[0], &c, 1));
}

TEST_F(topic, a_persistent_topic_takes_no_descriptors)
{
	int e = eventfd(0, 0);

	ASSERT_EQ(0, private_fs());
	ASSERT_EQ(0, send_with(self->fd, e, -1));
	/* It is history. */
	EXPECT_EQ(-EBUSY, publish_as(self->fd, FS "/t", 0600,
				     IPCDEV_PUBLISH_PERSISTENT));
	ASSERT_EQ(0, put_range(self->fd, 1, 3));
	ASSERT_EQ(0, publish_as(self->fd, FS "/u", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	EXPECT_EQ(-EOPNOTSUPP, send_with(self->fd, e, -1));
}

/*
 * Receives that fail, or take their time
 */

struct stalled {
	int fd;
	int other;	/* a descriptor that it must not keep, or 0 */
	struct stall stall;
	long ret;
};

static int stalled_receive(void *arg)
{
	struct stalled *s = arg;
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(s->stall.page), .len = MSG_MAX },
	};

	if (s->other)
		close(s->other);
	s->ret = recv_msg(s->fd, &t);
	return 0;
}

/* Killed while it copies: what it had comes back, before what comes later. */
TEST_F(topic, what_comes_back_keeps_its_place)
{
	struct stalled s = { .fd = receiver(self->fd) };
	pid_t pid, waiting;
	__u32 lost;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, put_range(self->fd, 1, 3));
	pid = sharing_memory(stalled_receive, &s);
	ASSERT_LT(0, pid);
	stall_await(&s.stall);
	/* Those who share the handle need not wait for it. */
	EXPECT_EQ(2, object(s.fd).unread);
	EXPECT_EQ(2, try_take(s.fd));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(2, object(s.fd).unread);
	EXPECT_EQ(CAN_READ, events(s.fd));
	EXPECT_EQ(1, peek(s.fd, 0));
	EXPECT_EQ(3, peek(s.fd, 1));
	EXPECT_EQ(-EAGAIN, peek(s.fd, 2));
	EXPECT_EQ(1, next(s.fd, &lost));
	EXPECT_EQ(3, next(s.fd, &lost));
	EXPECT_EQ(1, object(self->fd).returned);
	close(s.stall.fd);

	/* It is handed to who sleeps for one. */
	if (stall_init(&s.stall))
		abort();
	ASSERT_EQ(0, put(self->fd, 0, 4));
	pid = sharing_memory(stalled_receive, &s);
	stall_await(&s.stall);
	waiting = taker(s.fd);
	until(object(self->fd).receivers == 1);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(4, reap(waiting));
	EXPECT_EQ(-EAGAIN, try_take(s.fd));
}

/* Who takes its time holds nobody up, and what it has stays as it was. */
TEST_F(topic, a_copy_that_takes_long_harms_nobody)
{
	struct stalled s = { .fd = receiver(self->fd) };
	int other = receiver(self->fd);
	__u64 word;
	pid_t pid;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, put(self->fd, 0, 1));
	pid = sharing_memory(stalled_receive, &s);
	stall_await(&s.stall);
	EXPECT_EQ(1, try_take(other));
	for (int i = 2; i < 40; i++) {
		ASSERT_EQ(0, try_put(self->fd, 0, i));
		EXPECT_EQ(i, try_take(other));
		EXPECT_EQ(i, try_take(s.fd));
	}
	stall_end(&s.stall);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, s.ret);
	memcpy(&word, s.stall.page, sizeof(word));
	EXPECT_EQ(1, word);
	EXPECT_EQ(0, object(self->fd).dropped);
}

/* The last sender goes while one receiver copies and another sleeps. */
static pid_t end_while_stalled(struct stalled *s, int *fd, pid_t *waiting)
{
	pid_t pid;

	s->other = *fd;
	put(*fd, 0, 1);
	pid = sharing_memory(stalled_receive, s);
	stall_await(&s->stall);
	*waiting = child();
	if (!*waiting) {
		close(*fd);
		_exit(-take(s->fd));
	}
	until(object(s->fd).receivers == 1);
	close(*fd);
	*fd = -1;
	return pid;
}

TEST_F(topic, the_end_waits_for_what_may_come_back)
{
	struct stalled s = { .fd = receiver(self->fd) };
	pid_t pid, waiting;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = end_while_stalled(&s, &self->fd, &waiting);
	EXPECT_EQ(0, object(s.fd).writers);
	EXPECT_EQ(1, object(s.fd).receivers);
	EXPECT_EQ(0, events(s.fd));
	EXPECT_EQ(-EAGAIN, try_take(s.fd));
	stall_end(&s.stall);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(EPIPE, reap(waiting));
	EXPECT_EQ(POLLHUP, events(s.fd));
}

/* What does come back is for who waits, and then it is the end. */
TEST_F(topic, the_end_comes_after_what_came_back)
{
	struct stalled s = { .fd = receiver(self->fd) };
	pid_t pid, waiting;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = end_while_stalled(&s, &self->fd, &waiting);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	/* The message is 1: no errno. */
	EXPECT_EQ(255, reap(waiting));
	EXPECT_EQ(-EPIPE, try_take(s.fd));
}

/* Who forgets what is being copied has nothing left to wait for. */
TEST_F(topic, a_new_subscription_can_be_the_end)
{
	struct stalled s = { .fd = receiver(self->fd) };
	pid_t pid, waiting;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	pid = end_while_stalled(&s, &self->fd, &waiting);
	EXPECT_EQ(0, subscribe(s.fd, 0));
	EXPECT_EQ(EPIPE, reap(waiting));
	EXPECT_EQ(POLLHUP, events(s.fd));
	stall_end(&s.stall);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, s.ret);
}

/* What a handle has forgotten does not come back. */
TEST_F(topic, a_new_subscription_forgets_what_is_being_copied)
{
	struct stalled s = { .fd = receiver(self->fd) };
	pid_t pid;

	if (stall_init(&s.stall))
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, put_range(self->fd, 1, 2));
	pid = sharing_memory(stalled_receive, &s);
	stall_await(&s.stall);
	EXPECT_EQ(1, subscribe(s.fd, 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(1, object(self->fd).returned);
	EXPECT_TRUE(takes_range(s.fd, 2, 2));
	EXPECT_EQ(3, subscribe(s.fd, 3) + 1);
	EXPECT_TRUE(takes_range(s.fd, 1, 2));
}

/* What came back is let go with the handle. */
TEST_F(topic, what_came_back_goes_with_the_handle)
{
	int fd = create_topic(self->dev, .flags = BROADCAST | variant->flags);
	int r = receiver(fd), p[2];
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .fds = PTR(bad_page()), .fd_count = 1 },
	};
	char c;

	ASSERT_EQ(0, pipe2(p, O_NONBLOCK));
	ASSERT_EQ(0, send_with(fd, p[1], -1));
	close(p[1]);
	EXPECT_EQ(-EFAULT, recv_msg(r, &t));
	EXPECT_EQ(1, object(r).unread);
	/* It is the handle's now, and counts for no backlog. */
	EXPECT_EQ(0, object(fd).queued);
	EXPECT_EQ(0, put_range(fd, 1, DEPTH));
	EXPECT_EQ(-1, read(p[0], &c, 1));
	close(r);
	EXPECT_EQ(0, read(p[0], &c, 1));
}

/* Sends @len bytes that begin with @seq, and a descriptor unless that is negative. */
static long put_long(int fd, __u64 seq, __u32 len, int what)
{
	__u64 data[MSG_MAX / sizeof(seq)] = { seq };

	return send_msg(fd, .flags = IPCDEV_NONBLOCK, .msg = {
		.data = PTR(data), .len = len,
		.fds = PTR(&what), .fd_count = what >= 0,
	});
}

/* As next(), of these, without the descriptor. */
static long next_long(int fd, __u32 *lost)
{
	__u64 data[MSG_MAX / sizeof(__u64)] = { 0 };
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = {
			.flags = IPCDEV_MSG_DROP_FDS,
			.data = PTR(data), .len = sizeof(data),
		},
	};
	long ret = recv_msg(fd, &t);

	*lost = t.msg.lost;
	return ret ?: (long)data[0];
}

static long fail_to_receive(int fd)
{
	static void *bad;
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .flags = IPCDEV_MSG_DROP_FDS, .len = MSG_MAX },
	};

	bad = bad ?: bad_page();
	t.msg.data = PTR(bad);
	return recv_msg(fd, &t);
}

/*
 * Each of many handles fails to receive another message. What came back is stored
 * within the queue's limits, whose ever it is: @stored messages of @len bytes.
 */
static void fail_in_turn(struct __test_metadata *_metadata, __u32 len, __u64 stored)
{
	enum { HANDLES = 20 };
	int dev = device(), e = eventfd(0, 0), r[HANDLES];
	int fd = create_deep_topic(dev, .flags = BROADCAST | DROP, .depth = 1,
				   .bytes_max = MSG_MAX);
	__u64 got = 0, losses = 0;
	__u32 lost;

	for (int i = 0; i < HANDLES; i++)
		r[i] = receiver(fd);
	for (int i = 0; i < HANDLES; i++) {
		ASSERT_EQ(0, put_long(fd, i + 1, len, e));
		EXPECT_EQ(-EFAULT, fail_to_receive(r[i]));
		EXPECT_EQ(1, object(r[i]).unread);
		EXPECT_GE(stored, info(dev).inflight);
	}
	EXPECT_EQ(stored, info(dev).inflight);
	for (int i = 0; i < HANDLES; i++) {
		__u64 last = 0;
		long seq;

		while ((seq = next_long(r[i], &lost)) > 0) {
			EXPECT_EQ(last + lost + 1, (__u64)seq);
			last = seq;
			losses += lost;
			got++;
		}
		EXPECT_EQ(-EAGAIN, seq);
		EXPECT_EQ(HANDLES, last);
	}
	/* All have the last one, and one the last that it failed to receive. */
	EXPECT_EQ(HANDLES + stored - 1, got);
	EXPECT_EQ(losses, object(fd).dropped);
	EXPECT_EQ(HANDLES * HANDLES, got + losses);
	EXPECT_EQ(0, info(dev).inflight);
	for (int i = 0; i < HANDLES; i++)
		close(r[i]);
	close(fd);
	close(e);
	close(dev);
}

TEST(what_came_back_is_stored_within_limits)
{
	fail_in_turn(_metadata, MSG_MAX, 1);
	/* Where bytes leave room, as many as the depth besides the log. */
	fail_in_turn(_metadata, sizeof(__u64), 2);
}

/* What came back to several is stored once, and is lost to all of them at once. */
TEST(what_came_back_to_several_is_lost_to_all)
{
	int dev = device(), e = eventfd(0, 0);
	int fd = create_topic(dev, .flags = BROADCAST | DROP, .bytes_max = 2 * MSG_MAX);
	int a = receiver(fd), b = receiver(fd);
	__u32 lost;

	ASSERT_EQ(0, put_long(fd, 1, MSG_MAX, e));
	EXPECT_EQ(-EFAULT, fail_to_receive(a));
	EXPECT_EQ(-EFAULT, fail_to_receive(b));
	ASSERT_EQ(0, put_long(fd, 2, MSG_MAX, e));
	EXPECT_EQ(1, object(fd).queued);
	EXPECT_EQ(2, info(dev).inflight);
	EXPECT_EQ(2, object(a).unread);
	EXPECT_EQ(0, object(fd).dropped);
	/* One of them has it after all, and the other still can. */
	EXPECT_EQ(1, next_long(a, &lost));
	EXPECT_EQ(-EFAULT, fail_to_receive(b));
	EXPECT_EQ(2, info(dev).inflight);
	EXPECT_EQ(2, next_long(a, &lost));
	ASSERT_EQ(0, put_long(fd, 3, MSG_MAX, e));
	EXPECT_EQ(2, info(dev).inflight);
	EXPECT_EQ(1, object(fd).dropped);
	EXPECT_EQ(2, object(b).unread);
	EXPECT_EQ(2, next_long(b, &lost));
	EXPECT_EQ(1, lost);
	EXPECT_EQ(3, next_long(a, &lost));
	EXPECT_EQ(0, lost);
	/* What is forgotten is let go, also if others have it. */
	EXPECT_EQ(-EFAULT, fail_to_receive(b));
	EXPECT_EQ(1, info(dev).inflight);
	EXPECT_EQ(0, subscribe(b, 0));
	EXPECT_EQ(0, info(dev).inflight);
	EXPECT_EQ(1, object(fd).dropped);
}

/* Whoever fails, and with what: each knows what it has not received. */
TEST(losses_of_what_came_back_add_up)
{
	enum { HANDLES = 5, ROUNDS = 500 };
	int fd = create_deep_topic(device(), .flags = BROADCAST | DROP, .depth = 6,
				   .history = 3, .bytes_max = 4 * MSG_MAX);
	__u64 expect[HANDLES], sent = 0, losses = 0;
	unsigned int seed = 11;
	int r[HANDLES];
	__u32 lost;

	for (int i = 0; i < HANDLES; i++) {
		r[i] = receiver(fd);
		ASSERT_EQ(0, subscribe_with(r[i], 0, 0, i));
		expect[i] = 1;
	}
	for (int round = 0; round < ROUNDS; round++) {
		int i = rand_r(&seed) % HANDLES;

		for (int n = rand_r(&seed) % 3; n; n--) {
			__u32 len = (1 + rand_r(&seed) % 8) * sizeof(__u64);

			ASSERT_EQ(0, put_long(fd, ++sent, len, -1));
		}
		for (int n = rand_r(&seed) % 4; n; n--) {
			long got;

			if (expect[i] > sent)
				break;
			if (rand_r(&seed) % 2) {
				EXPECT_EQ(-EFAULT, fail_to_receive(r[i]));
				continue;
			}
			got = next_long(r[i], &lost);
			ASSERT_EQ(expect[i] + lost, (__u64)got);
			losses += lost;
			expect[i] = got + 1;
		}
	}
	for (int i = 0; i < HANDLES; i++) {
		while (expect[i] <= sent) {
			long got = next_long(r[i], &lost);

			ASSERT_EQ(expect[i] + lost, (__u64)got);
			losses += lost;
			expect[i] = got + 1;
		}
		EXPECT_EQ(-EAGAIN, try_take(r[i]));
	}
	EXPECT_LT(0, losses);
	EXPECT_EQ(losses, object(fd).dropped);
}

/* In a queue that does not drop, what came back holds senders up. */
TEST(what_came_back_takes_room)
{
	int dev = device(), e = eventfd(0, 0);
	int fd = create_topic(dev, .flags = BROADCAST, .bytes_max = 2 * MSG_MAX);
	int r = receiver(fd);
	__u32 lost;
	pid_t pid;

	ASSERT_EQ(0, put_long(fd, 1, MSG_MAX, -1));
	EXPECT_EQ(-EFAULT, fail_to_receive(r));
	EXPECT_EQ(0, object(fd).queued);
	ASSERT_EQ(0, put_long(fd, 2, MSG_MAX, -1));
	EXPECT_EQ(-EAGAIN, put_long(fd, 3, MSG_MAX, -1));
	EXPECT_EQ(0, events(fd));
	pid = child();
	if (!pid)
		_exit(-put(fd, 0, 3));
	until(object(fd).senders == 1);
	EXPECT_EQ(1, next_long(r, &lost));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(2, next_long(r, &lost));
	EXPECT_EQ(3, next_long(r, &lost));
	EXPECT_EQ(CAN_WRITE, events(fd));

	/* It is news when it has gone, also if nobody was refused meanwhile. */
	ASSERT_EQ(0, attach(fd, e, IPCDEV_EVENT_WRITABLE, 0));
	ASSERT_EQ(0, put_long(fd, 4, MSG_MAX, -1));
	ASSERT_EQ(0, put_long(fd, 5, sizeof(__u64), -1));
	EXPECT_EQ(-EFAULT, fail_to_receive(r));
	gained(e);
	EXPECT_EQ(0, subscribe(r, 0));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(CAN_WRITE, events(fd));
	EXPECT_EQ(-EAGAIN, try_take(r));
}

/* A thread of the handle takes the first message, and stalls. 0 if that cannot be had. */
static pid_t stall_on_first(struct stalled *s, int fd)
{
	pid_t pid;

	if (stall_init(&s->stall))
		return 0;
	put_long(fd, 1, MSG_MAX, -1);
	pid = sharing_memory(stalled_receive, s);
	if (pid > 0)
		stall_await(&s->stall);
	return pid;
}

/* There is no room any more for what somebody took long to fail to receive. */
TEST(what_comes_back_too_late_is_lost)
{
	int fd = create_topic(device(), .flags = BROADCAST | DROP, .bytes_max = MSG_MAX);
	struct stalled s = { .fd = receiver(fd), .other = fd };
	int behind = receiver(fd), e = eventfd(0, 0);
	__u32 lost;
	pid_t pid;

	pid = stall_on_first(&s, fd);
	if (!pid)
		SKIP(return, "no userfaultfd");
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, put_long(fd, 2, MSG_MAX, -1));
	EXPECT_EQ(2, next_long(s.fd, &lost));
	EXPECT_EQ(0, lost);
	/* Of this handle it was the last. */
	close(fd);
	EXPECT_EQ(0, events(s.fd));
	EXPECT_EQ(-EAGAIN, try_take(s.fd));
	ASSERT_EQ(0, attach(s.fd, e, IPCDEV_EVENT_HANGUP, 0));
	gained(e);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(POLLHUP, events(s.fd));
	EXPECT_EQ(-EPIPE, try_take(s.fd));
	EXPECT_EQ(1, object(s.fd).returned);
	EXPECT_EQ(2, object(s.fd).dropped);
	EXPECT_EQ(2, next_long(behind, &lost));
	EXPECT_EQ(1, lost);
}

/* Of one handle it was the last, and what another does drops it: fail, or go. */
TEST(what_is_dropped_for_another_may_have_been_the_last)
{
	for (int goes = 0; goes < 2; goes++) {
		int fd = create_deep_topic(device(), .flags = BROADCAST | DROP, .depth = 1,
					   .bytes_max = 4 * MSG_MAX);
		struct stalled s = { .fd = receiver(fd), .other = fd };
		int other = receiver(fd), e = eventfd(0, 0), third = -1;
		__u32 lost;
		pid_t pid;

		if (goes)
			third = receiver(fd);
		pid = stall_on_first(&s, fd);
		if (!pid)
			SKIP(return, "no userfaultfd");
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, put_long(fd, 2, MSG_MAX, -1));
		EXPECT_EQ(2, next_long(s.fd, &lost));
		close(fd);
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, reap(pid));
		ASSERT_EQ(0, attach(s.fd, e, IPCDEV_EVENT_HANGUP, 0));
		/* While the third has not received the second, that is no stray. */
		if (goes)
			EXPECT_EQ(-EFAULT, fail_to_receive(other));
		EXPECT_EQ(POLLIN | POLLRDNORM, events(s.fd) & ~POLLHUP);
		gained(e);
		if (goes)
			close(third);
		else
			EXPECT_EQ(-EFAULT, fail_to_receive(other));
		EXPECT_EQ(1, gained(e));
		EXPECT_EQ(POLLHUP, events(s.fd));
		EXPECT_EQ(-EPIPE, try_take(s.fd));
		EXPECT_EQ(2, next_long(other, &lost));
		EXPECT_EQ(1, lost);
		close(e);
		close(other);
		close(s.fd);
	}
}

/* Later ones have been dropped already: then there is no place for it, with all its room. */
TEST(what_comes_back_after_later_ones_is_lost)
{
	int fd = create_deep_topic(device(), .flags = BROADCAST | DROP, .depth = 1,
				   .bytes_max = 4 * MSG_MAX);
	struct stalled s = { .fd = receiver(fd) };
	int second = receiver(fd), third = receiver(fd);
	__u32 lost;
	pid_t pid;

	pid = stall_on_first(&s, fd);
	if (!pid)
		SKIP(return, "no userfaultfd");
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, put_long(fd, 2, 8, -1));
	EXPECT_EQ(-EFAULT, fail_to_receive(second));
	ASSERT_EQ(0, put_long(fd, 3, 8, -1));
	EXPECT_EQ(-EFAULT, fail_to_receive(third));
	ASSERT_EQ(0, put_long(fd, 4, 8, -1));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(4, next_long(s.fd, &lost));
	EXPECT_EQ(3, lost);
	EXPECT_EQ(4, next_long(second, &lost));
	EXPECT_EQ(3, lost);
	EXPECT_EQ(3, next_long(third, &lost));
	EXPECT_EQ(2, lost);
	EXPECT_EQ(4, next_long(third, &lost));
	EXPECT_EQ(0, lost);
	EXPECT_EQ(3, object(fd).returned);
	EXPECT_EQ(8, object(fd).dropped);
}

/*
 * Many
 */

#define RECEIVERS	16
#define DONE		UINT64_MAX

struct report {
	__u64 received;
	__u64 lost;
	__u64 first;
	__u64 last;
	bool wrong;
};

static unsigned int dice(unsigned int *seed, unsigned int sides)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % sides;
}

/* Receives at a speed of its own, and gives up after as many as @life. */
static void listen_to(int fd, struct report *r, unsigned int seed, __u64 life)
{
	unsigned int pace = dice(&seed, 4) * 40;
	__u64 expect = 0;

	while (r->received < life) {
		struct ipcdev_transfer t = { 0 };
		__u64 word = 0;

		t.msg.data = PTR(&word);
		t.msg.len = sizeof(word);
		if (recv_msg(fd, &t)) {
			r->wrong = true;
			return;
		}
		if (!expect)
			r->first = word - t.msg.lost;
		else if (word != DONE && word != expect + t.msg.lost)
			r->wrong = true;
		r->lost += t.msg.lost;
		if (word == DONE)
			return;
		r->received++;
		r->last = word;
		expect = word + 1;
		for (unsigned int i = dice(&seed, pace + 1); i; i--)
			sched_yield();
	}
}

/*
 * Receivers of all speeds, some of whom die, some by a signal in the middle of it:
 * the others have each message once, or know how many they have not had.
 */
TEST_F(topic, sixteen_receivers)
{
	struct report *r = shared_memory(RECEIVERS * sizeof(*r));
	__u64 count = slow() ? 240 : 4000;
	__u64 dropped = 0, received = 0;
	unsigned int seed = 1;
	pid_t pid[RECEIVERS];
	int rx;

	for (int i = 0; i < RECEIVERS; i++) {
		rx = receiver(self->fd);
		ASSERT_LE(0, rx);
		pid[i] = child();
		if (!pid[i]) {
			/* Every fourth goes by itself. */
			listen_to(rx, &r[i], i, i % 4 == 3 ?
				  count / 16 : UINT64_MAX);
			_exit(0);
		}
		close(rx);
	}
	for (__u64 n = 1; n <= count; n++) {
		ASSERT_EQ(0, put(self->fd, 0, n));
		/* Every fourth is killed. */
		if (n % (count / 8) == 0 && n / (count / 8) <= 4)
			kill(pid[(n / (count / 8) - 1) * 4 + 2], SIGKILL);
		if (!dice(&seed, 50))
			usleep(1);
	}
	ASSERT_EQ(0, put(self->fd, 0, DONE));
	for (int i = 0; i < RECEIVERS; i++) {
		int status = reap(pid[i]);

		EXPECT_FALSE(r[i].wrong);
		if (i % 4 == 2) {
			EXPECT_TRUE(status == -SIGKILL || status == 0);
			continue;
		}
		EXPECT_EQ(0, status);
		if (i % 4 == 3)
			continue;
		EXPECT_EQ(1, r[i].first);
		/* All but the end mark. */
		EXPECT_EQ(count, r[i].received + r[i].lost);
		dropped += r[i].lost;
		received += r[i].received;
	}
	if (!variant->flags) {
		EXPECT_EQ(0, dropped);
		EXPECT_EQ(0, object(self->fd).dropped);
	}
	EXPECT_LE(dropped, object(self->fd).dropped);
	EXPECT_LE(received, object(self->fd).received);
	EXPECT_EQ(0, object(self->fd).receivers);
	EXPECT_EQ(3, object(self->fd).queued);
}

/* Those who come, go and begin anew all the time disturb nobody. */
TEST_F(topic, comers_and_goers)
{
	struct report *r = shared_memory(sizeof(*r));
	unsigned int rounds = slow() ? 100 : 500;
	int fd = receiver(self->fd);
	pid_t listener, crowd[3];
	__u64 n;

	listener = child();
	if (!listener) {
		listen_to(fd, r, 0, UINT64_MAX);
		_exit(0);
	}
	close(fd);
	for (int i = 0; i < 3; i++) {
		crowd[i] = child();
		if (crowd[i])
			continue;
		for (unsigned int j = 0; j < rounds; j++) {
			fd = receiver(self->fd);
			if (fd < 0 || subscribe(fd, j % 4) < 0)
				_exit(1);
			try_take(fd);
			if (j % 3 == 0 && unsubscribe(fd))
				_exit(2);
			if (j % 5 == 0 && subscribe(fd, 1) < 0)
				_exit(3);
			close(fd);
		}
		_exit(0);
	}
	for (n = 1; object(self->fd).readers > 2 || n < rounds; n++)
		ASSERT_EQ(0, put(self->fd, 0, n));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, reap(crowd[i]));
	ASSERT_EQ(0, put(self->fd, 0, DONE));
	EXPECT_EQ(0, reap(listener));
	EXPECT_FALSE(r->wrong);
	EXPECT_EQ(n - 1, r->received + r->lost);
	if (!variant->flags)
		EXPECT_EQ(0, r->lost);
}

TEST_HARNESS_MAIN
