// SPDX-License-Identifier: GPL-2.0
/*
 * Peers: who counts as one, what the others learn when the last one goes,
 * and that a new one puts all to rights. How this ends a sleep is in wait.c.
 */
#include "ipcdev_test.h"

/*
 * Two ends of a queue, each with the only handle of its kind.
 */
struct ends {
	int dev;
	int rx;
	int tx;
	__u64 id;
};

static bool ends_setup(struct ends *e, bool named, uid_t uid)
{
	int q;

	if ((named && private_fs()) || (uid && become(uid)))
		return false;
	e->dev = device();
	q = create_queue(e->dev, .depth = 2);
	if (q < 0)
		return false;
	e->id = object(q).id;
	if (!named)
		return split(q, &e->rx, &e->tx);
	if (publish_as(q, FS "/queue", 0600, 0))
		return false;
	e->rx = open(FS "/queue", O_RDONLY | O_CLOEXEC);
	e->tx = open(FS "/queue", O_WRONLY | O_CLOEXEC);
	close(q);
	return e->rx >= 0 && e->tx >= 0;
}

static void ends_teardown(struct ends *e)
{
	close(e->rx);
	close(e->tx);
	close(e->dev);
}

FIXTURE(peers)
{
	struct ends ends;
};

FIXTURE_VARIANT(peers)
{
	bool named;
	uid_t uid;
};

FIXTURE_VARIANT_ADD(peers, anonymous_root)
{
	.named = false,
};

FIXTURE_VARIANT_ADD(peers, anonymous_user)
{
	.uid = ALICE,
};

FIXTURE_VARIANT_ADD(peers, named_root)
{
	.named = true,
};

FIXTURE_VARIANT_ADD(peers, named_user)
{
	.named = true, .uid = ALICE,
};

FIXTURE_SETUP(peers)
{
	ASSERT_TRUE(ends_setup(&self->ends, variant->named, variant->uid));
}

FIXTURE_TEARDOWN(peers)
{
	ends_teardown(&self->ends);
}

TEST_F(peers, are_open_files)
{
	struct ends *e = &self->ends;
	int other;

	EXPECT_EQ(1, object(e->rx).readers);
	EXPECT_EQ(1, object(e->rx).writers);
	/* dup(2) makes another descriptor, not another peer. */
	other = dup(e->rx);
	EXPECT_EQ(1, object(e->rx).readers);
	close(other);
	EXPECT_EQ(1, object(e->rx).readers);
	other = dup_handle(e->rx, RIGHT_READ, 0);
	EXPECT_EQ(2, object(e->rx).readers);
	close(other);
	EXPECT_EQ(1, object(e->rx).readers);
	EXPECT_EQ(1, object(e->rx).writers);
}

/* Nor does a child, which has the same open files. */
TEST_F(peers, goes_with_its_last_descriptor)
{
	struct ends *e = &self->ends;
	int hold[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(hold, O_CLOEXEC));
	pid = child();
	if (!pid) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1));
	}
	close(e->rx);
	EXPECT_EQ(1, object(e->tx).readers);
	EXPECT_EQ(0, put(e->tx, 0, 1));
	close(hold[1]);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, object(e->tx).readers);
	EXPECT_EQ(-EPIPE, put(e->tx, 0, 1));
	e->rx = -1;
}

TEST_F(peers, senders_learn_that_no_reader_is_left)
{
	struct ends *e = &self->ends;
	struct ipcdev_msg m = {};
	struct ipcdev_batch b = {
		.count = 1,
		.msgs = PTR(&m),
		.msg_size = sizeof(m),
	};

	EXPECT_EQ(CAN_WRITE, events(e->tx));
	close(e->rx);
	e->rx = -1;
	EXPECT_EQ(CAN_WRITE | POLLERR, events(e->tx));
	EXPECT_EQ(-EPIPE, put(e->tx, 0, 1));
	EXPECT_EQ(-EPIPE, try_put(e->tx, 0, 1));
	EXPECT_EQ(-EPIPE, call(e->tx, IPCDEV_IOC_SEND_BATCH, &b));
	/* Unlike a pipe, no signal: nobody expects one from an ioctl either. */
	EXPECT_EQ(-EPIPE, sys(write(e->tx, "x", 1)));
	EXPECT_EQ(0, object(e->tx).queued);
}

TEST_F(peers, receivers_learn_that_no_writer_is_left)
{
	struct ends *e = &self->ends;
	struct ipcdev_msg m = {};
	struct ipcdev_batch b = {
		.count = 1,
		.msgs = PTR(&m),
		.msg_size = sizeof(m),
	};
	char c;

	EXPECT_EQ(0, events(e->rx));
	ASSERT_EQ(0, put(e->tx, 0, 1));
	ASSERT_EQ(0, put(e->tx, 0, 2));
	close(e->tx);
	e->tx = -1;
	/* What was sent is received first. */
	EXPECT_EQ(CAN_READ | POLLHUP, events(e->rx));
	EXPECT_EQ(1, take(e->rx));
	EXPECT_EQ(2, peek(e->rx, 0));
	EXPECT_EQ(2, take(e->rx));
	EXPECT_EQ(POLLHUP, events(e->rx));
	EXPECT_EQ(-EPIPE, take(e->rx));
	EXPECT_EQ(-EPIPE, try_take(e->rx));
	EXPECT_EQ(-EPIPE, call(e->rx, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(0, sys(read(e->rx, &c, 1)));
	EXPECT_EQ(-EAGAIN, peek(e->rx, 0));
}

TEST_F(peers, read_empties_the_queue_before_its_end)
{
	struct ends *e = &self->ends;
	char text[8];

	EXPECT_EQ(3, sys(write(e->tx, "one", 3)));
	EXPECT_EQ(3, sys(write(e->tx, "two", 3)));
	close(e->tx);
	e->tx = -1;
	EXPECT_EQ(3, sys(read(e->rx, text, sizeof(text))));
	EXPECT_EQ(3, sys(read(e->rx, text, sizeof(text))));
	EXPECT_EQ(0, memcmp(text, "two", 3));
	EXPECT_EQ(0, sys(read(e->rx, text, sizeof(text))));
	EXPECT_EQ(0, sys(read(e->rx, text, sizeof(text))));
}

TEST_F(peers, a_message_that_is_put_back_is_not_the_end)
{
	struct ends *e = &self->ends;
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(bad_page()), .len = 8 },
	};

	ASSERT_EQ(0, put(e->tx, 0, 7));
	close(e->tx);
	e->tx = -1;
	EXPECT_EQ(-EFAULT, recv_msg(e->rx, &t));
	EXPECT_EQ(7, take(e->rx));
	EXPECT_EQ(-EPIPE, take(e->rx));
}

TEST_F(peers, killed_ones_are_gone)
{
	struct ends *e = &self->ends;
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = child();
	if (!pid) {
		if (put(e->tx, 0, 7) || write(ready[1], "x", 1) != 1)
			_exit(1);
		until(false);
	}
	close(e->tx);
	e->tx = -1;
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(CAN_READ, events(e->rx));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(CAN_READ | POLLHUP, events(e->rx));
	EXPECT_EQ(7, take(e->rx));
	EXPECT_EQ(-EPIPE, take(e->rx));
}

/* One who is both is its own peer, and never alone. */
TEST_F(peers, who_reads_and_writes_is_never_alone)
{
	struct ends *e = &self->ends;
	int q = create_queue(e->dev, .depth = 1);

	ASSERT_LE(0, q);
	EXPECT_EQ(0, put(q, 0, 7));
	EXPECT_EQ(7, take(q));
	EXPECT_EQ(-EAGAIN, try_take(q));
	EXPECT_EQ(CAN_WRITE, events(q));
	/* But it does not wait for itself. */
	EXPECT_EQ(-EAGAIN, wait_peer(q, IPCDEV_NONBLOCK, 0));
	close(q);
}

TEST_F(peers, nobody_is_missed_who_never_came)
{
	struct ends *e = &self->ends;
	int q = create_queue(e->dev, .depth = 2, .rights = RIGHT_WRITE);

	ASSERT_LE(0, q);
	EXPECT_EQ(0, put(q, 0, 1));
	EXPECT_EQ(CAN_WRITE, events(q));
	EXPECT_EQ(0, put(q, 0, 2));
	EXPECT_EQ(-EAGAIN, try_put(q, 0, 3));
	close(q);
	q = create_queue(e->dev, .depth = 2, .rights = RIGHT_READ);
	ASSERT_LE(0, q);
	EXPECT_EQ(-EAGAIN, try_take(q));
	EXPECT_EQ(0, events(q));
	close(q);
}

TEST_F(peers, wait_peer)
{
	struct ends *e = &self->ends;
	struct ipcdev_wait w = { .flags = IPCDEV_PEEK };
	int other, b;

	EXPECT_EQ(0, wait_peer(e->rx, 0, 0));
	EXPECT_EQ(0, wait_peer(e->tx, 0, 0));
	EXPECT_EQ(-EINVAL, call(e->rx, IPCDEV_IOC_WAIT_PEER, &w));
	w.flags = 0;
	w.reserved = 1;
	EXPECT_EQ(-EINVAL, call(e->rx, IPCDEV_IOC_WAIT_PEER, &w));
	EXPECT_EQ(-EFAULT, call(e->rx, IPCDEV_IOC_WAIT_PEER, NULL));
	close(e->tx);
	e->tx = -1;
	EXPECT_EQ(-EAGAIN, wait_peer(e->rx, IPCDEV_NONBLOCK, 0));
	/* Another reader is not who is waited for. */
	other = dup_handle(e->rx, RIGHT_READ, 0);
	EXPECT_EQ(-EAGAIN, wait_peer(e->rx, IPCDEV_NONBLOCK, 0));
	close(other);
	/* Buffers have peers as well; who may write reads, too. */
	b = create_buffer(e->dev, .size = 1);
	ASSERT_LE(0, b);
	EXPECT_EQ(-EAGAIN, wait_peer(b, IPCDEV_NONBLOCK, 0));
	other = dup_handle(b, RIGHT_READ, 0);
	EXPECT_EQ(0, wait_peer(b, 0, 0));
	EXPECT_EQ(0, wait_peer(other, 0, 0));
	close(b);
	EXPECT_EQ(-EAGAIN, wait_peer(other, IPCDEV_NONBLOCK, 0));
	close(other);
}

TEST_F(peers, of_a_buffer)
{
	struct ends *e = &self->ends;
	int b = create_buffer(e->dev, .size = 1), ro;
	void *p;

	ASSERT_LE(0, b);
	ro = dup_handle(b, RIGHT_READ, 0);
	ASSERT_LE(0, ro);
	EXPECT_EQ(0, events(ro));
	p = map(b, 1, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, p);
	close(b);
	/* Whoever has it mapped may still write. */
	EXPECT_EQ(1, object(ro).writers);
	EXPECT_EQ(0, events(ro));
	munmap(p, 1);
	EXPECT_EQ(0, object(ro).writers);
	EXPECT_EQ(POLLHUP, events(ro));
	close(ro);
}

TEST_F(peers, the_last_to_go_takes_all_along)
{
	struct ends *e = &self->ends;

	ASSERT_EQ(0, put(e->tx, 0, 7));
	close(e->rx);
	EXPECT_TRUE(listed(e->dev, e->id));
	close(e->tx);
	EXPECT_FALSE(listed(e->dev, e->id));
	EXPECT_FALSE(exists(FS "/queue"));
	e->rx = -1;
	e->tx = -1;
}

/*
 * Those who come by name, perhaps after all others have gone.
 */
FIXTURE(newcomers)
{
	struct ends ends;
};

FIXTURE_VARIANT(newcomers)
{
	bool named;
	uid_t uid;
};

FIXTURE_VARIANT_ADD(newcomers, root)
{
	.named = true,
};

FIXTURE_VARIANT_ADD(newcomers, user)
{
	.named = true, .uid = ALICE,
};

FIXTURE_SETUP(newcomers)
{
	ASSERT_TRUE(ends_setup(&self->ends, variant->named, variant->uid));
}

FIXTURE_TEARDOWN(newcomers)
{
	ends_teardown(&self->ends);
}

TEST_F(newcomers, a_new_writer_is_welcome)
{
	struct ends *e = &self->ends;

	close(e->tx);
	EXPECT_EQ(POLLHUP, events(e->rx));
	EXPECT_EQ(-EPIPE, take(e->rx));
	e->tx = open(FS "/queue", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, e->tx);
	EXPECT_EQ(0, events(e->rx));
	EXPECT_EQ(-EAGAIN, try_take(e->rx));
	EXPECT_EQ(0, put(e->tx, 0, 7));
	EXPECT_EQ(7, take(e->rx));
}

TEST_F(newcomers, a_new_reader_is_welcome)
{
	struct ends *e = &self->ends;

	ASSERT_EQ(0, put(e->tx, 0, 6));
	close(e->rx);
	EXPECT_EQ(-EPIPE, put(e->tx, 0, 7));
	e->rx = open(FS "/queue", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, e->rx);
	EXPECT_EQ(CAN_WRITE, events(e->tx));
	EXPECT_EQ(0, put(e->tx, 0, 7));
	/* What the one before left is for this one. */
	EXPECT_EQ(6, take(e->rx));
	EXPECT_EQ(7, take(e->rx));
}

TEST_F(newcomers, of_a_persistent_queue_are_not_missed)
{
	struct ends *e = &self->ends;
	int q;

	q = create_queue(e->dev, .depth = 2);
	ASSERT_LE(0, q);
	ASSERT_EQ(0, publish_as(q, FS "/kept", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	close(q);
	q = open(FS "/kept", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, q);
	EXPECT_EQ(0, put(q, 0, 7));
	EXPECT_EQ(CAN_WRITE, events(q));
	close(q);
	q = open(FS "/kept", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, q);
	EXPECT_EQ(CAN_READ, events(q));
	EXPECT_EQ(7, take(q));
	EXPECT_EQ(-EAGAIN, try_take(q));
	EXPECT_EQ(0, events(q));
	close(q);
	EXPECT_TRUE(exists(FS "/kept"));
}

TEST_HARNESS_MAIN
