// SPDX-License-Identifier: GPL-2.0
/*
 * Message queues: what a message carries and in what order, what fits, and
 * that no failed call takes, changes or loses a message. Sleeping is in
 * wait.c, descriptors and slices in fds.c, the peers' coming and going in
 * peers.c.
 */
#include "ipcdev_test.h"

#include <linux/userfaultfd.h>
#include <pthread.h>

#define DEPTH	4
#define MSG_MAX	256

static long get(int fd, void *data, size_t len, struct ipcdev_msg *msg)
{
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .data = PTR(data), .len = len },
	};
	long ret = recv_msg(fd, &t);

	if (msg)
		*msg = t.msg;
	return ret;
}

/*
 * What holds for every queue, however it was opened and by whom.
 */
FIXTURE(queue)
{
	int dev;
	int fd;
};

FIXTURE_VARIANT(queue)
{
	bool named;
	bool nonblock;
	uid_t uid;
};

FIXTURE_VARIANT_ADD(queue, anonymous_blocking_root)
{
	.named = false,
};

FIXTURE_VARIANT_ADD(queue, anonymous_nonblocking_root)
{
	.nonblock = true,
};

FIXTURE_VARIANT_ADD(queue, anonymous_blocking_user)
{
	.uid = ALICE,
};

FIXTURE_VARIANT_ADD(queue, anonymous_nonblocking_user)
{
	.nonblock = true, .uid = ALICE,
};

FIXTURE_VARIANT_ADD(queue, named_blocking_root)
{
	.named = true,
};

FIXTURE_VARIANT_ADD(queue, named_nonblocking_root)
{
	.named = true, .nonblock = true,
};

FIXTURE_VARIANT_ADD(queue, named_blocking_user)
{
	.named = true, .uid = ALICE,
};

FIXTURE_VARIANT_ADD(queue, named_nonblocking_user)
{
	.named = true, .nonblock = true, .uid = ALICE,
};

FIXTURE_SETUP(queue)
{
	__u32 flags = variant->nonblock ? IPCDEV_QUEUE_NONBLOCK : 0;
	int fd;

	if (variant->named)
		ASSERT_EQ(0, private_fs());
	if (variant->uid)
		ASSERT_EQ(0, become(variant->uid));
	self->dev = device();
	ASSERT_LE(0, self->dev);
	fd = create_queue(self->dev, .depth = DEPTH, .msg_max = MSG_MAX,
			  .flags = flags);
	ASSERT_LE(0, fd);
	self->fd = fd;
	if (!variant->named)
		return;
	ASSERT_EQ(0, publish_as(fd, FS "/queue", 0600, 0));
	self->fd = open(FS "/queue", O_RDWR | O_CLOEXEC |
			(variant->nonblock ? O_NONBLOCK : 0));
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, close(fd));
}

FIXTURE_TEARDOWN(queue)
{
	close(self->fd);
	close(self->dev);
}

TEST_F(queue, handle)
{
	struct ipcdev_stat s = object(self->fd);
	int fl = fcntl(self->fd, F_GETFL);
	__u32 rights = variant->named ? RIGHT_RW : RIGHT_ALL;

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fl & O_ACCMODE);
	EXPECT_EQ(variant->nonblock, !!(fl & O_NONBLOCK));
	EXPECT_EQ(IPCDEV_TYPE_QUEUE, s.type);
	EXPECT_EQ(variant->named ? IPCDEV_STAT_PUBLISHED : 0, s.flags);
	EXPECT_EQ(rights, s.rights);
	EXPECT_EQ(variant->uid, s.uid);
	EXPECT_EQ(variant->uid, s.gid);
	EXPECT_EQ(1, s.readers);
	EXPECT_EQ(1, s.writers);
	EXPECT_EQ(DEPTH, s.depth);
	EXPECT_EQ(MSG_MAX, s.msg_max);
	EXPECT_EQ(DEPTH * MSG_MAX, s.size);
	EXPECT_EQ(0, s.calls);
}

TEST_F(queue, carries_payload_tag_and_priority)
{
	char data[MSG_MAX + 1] = "";
	struct ipcdev_msg m;

	ASSERT_EQ(0, send_msg(self->fd, .msg.data = PTR("hello"), .msg.len = 5,
			      .msg.tag = 0x1122334455667788,
			      .msg.prio = IPCDEV_PRIO_MAX));
	ASSERT_EQ(0, get(self->fd, data, MSG_MAX, &m));
	EXPECT_STREQ("hello", data);
	EXPECT_EQ(5, m.len);
	EXPECT_EQ(0x1122334455667788, m.tag);
	EXPECT_EQ(IPCDEV_PRIO_MAX, m.prio);
	/* Nothing that was not asked for, not where the data lies either. */
	EXPECT_EQ(PTR(data), m.data);
	EXPECT_EQ(0, m.flags);
	EXPECT_EQ(0, m.iov_count);
	EXPECT_EQ(0, m.fd_count);
	EXPECT_EQ(0, m.slice_count);
	EXPECT_EQ(0, m.time_ns);
	EXPECT_EQ(0, m.pid);
	EXPECT_EQ(0, m.uid);
	EXPECT_EQ(0, m.gid);
	EXPECT_EQ(0, m.lost);
	EXPECT_EQ(-EAGAIN, get(self->fd, data, MSG_MAX, &m));
}

TEST_F(queue, keeps_boundaries)
{
	char data[MSG_MAX];
	struct ipcdev_msg m;

	ASSERT_EQ(0, send_text(self->fd, "one", 0));
	ASSERT_EQ(0, send_msg(self->fd, .msg.len = 0));
	ASSERT_EQ(0, send_text(self->fd, "three", 0));
	ASSERT_EQ(0, get(self->fd, data, MSG_MAX, &m));
	EXPECT_EQ(3, m.len);
	ASSERT_EQ(0, get(self->fd, NULL, 0, &m));
	EXPECT_EQ(0, m.len);
	ASSERT_EQ(0, get(self->fd, data, MSG_MAX, &m));
	EXPECT_EQ(5, m.len);
	EXPECT_EQ(0, memcmp(data, "three", 5));
}

TEST_F(queue, highest_priority_first_then_order_of_arrival)
{
	ASSERT_EQ(0, put(self->fd, 5, 1));
	ASSERT_EQ(0, put(self->fd, 7, 2));
	ASSERT_EQ(0, put(self->fd, 5, 3));
	ASSERT_EQ(0, put(self->fd, IPCDEV_PRIO_MAX, 4));
	EXPECT_EQ(4, try_take(self->fd));
	EXPECT_EQ(2, try_take(self->fd));
	/* A late one neither overtakes its equals nor stays behind. */
	ASSERT_EQ(0, put(self->fd, 5, 5));
	ASSERT_EQ(0, put(self->fd, 0, 6));
	EXPECT_EQ(1, try_take(self->fd));
	EXPECT_EQ(3, try_take(self->fd));
	EXPECT_EQ(5, try_take(self->fd));
	EXPECT_EQ(6, try_take(self->fd));
	EXPECT_EQ(-EAGAIN, try_take(self->fd));
}

TEST_F(queue, holds_as_many_messages_as_its_depth)
{
	int i;

	for (i = 0; i < DEPTH; i++) {
		EXPECT_EQ(CAN_WRITE | (i ? CAN_READ : 0), events(self->fd));
		ASSERT_EQ(0, put(self->fd, 0, i));
	}
	EXPECT_EQ(CAN_READ, events(self->fd));
	EXPECT_EQ(-EAGAIN, try_put(self->fd, 0, i));
	EXPECT_EQ(-EAGAIN, send_msg(self->fd, .flags = IPCDEV_NONBLOCK));
	if (variant->nonblock) {
		EXPECT_EQ(-EAGAIN, put(self->fd, 0, i));
		EXPECT_EQ(-EAGAIN, sys(write(self->fd, "x", 1)));
	}
	EXPECT_EQ(DEPTH, object(self->fd).queued);
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(i, take(self->fd));
	EXPECT_EQ(-EAGAIN, try_take(self->fd));
	if (variant->nonblock) {
		EXPECT_EQ(-EAGAIN, take(self->fd));
		EXPECT_EQ(-EAGAIN, sys(read(self->fd, &i, sizeof(i))));
	}
}

TEST_F(queue, limits_of_a_message)
{
	char data[MSG_MAX + 1] = "";
	struct ipcdev_msg m;

	EXPECT_EQ(0, send_msg(self->fd, .msg.data = PTR(data),
			      .msg.len = MSG_MAX));
	EXPECT_EQ(-EMSGSIZE, send_msg(self->fd, .msg.data = PTR(data),
				      .msg.len = MSG_MAX + 1));
	EXPECT_EQ(-EMSGSIZE, send_msg(self->fd, .msg.data = PTR(data),
				      .msg.len = UINT32_MAX));
	EXPECT_EQ(-EINVAL, put(self->fd, IPCDEV_PRIO_MAX + 1, 0));
	EXPECT_EQ(-EINVAL, put(self->fd, UINT32_MAX, 0));
	EXPECT_EQ(1, object(self->fd).queued);
	EXPECT_EQ(0, get(self->fd, data, MSG_MAX, &m));
	EXPECT_EQ(MSG_MAX, m.len);
}

TEST_F(queue, message_too_big_to_receive_stays)
{
	char data[8] = "unhurt", room[13];
	struct ipcdev_msg m;

	ASSERT_EQ(0, send_text(self->fd, "much too long", 3));
	ASSERT_EQ(0, send_text(self->fd, "next", 3));
	EXPECT_EQ(-EMSGSIZE, get(self->fd, data, 12, &m));
	EXPECT_EQ(13, m.len);
	EXPECT_EQ(0, m.fd_count);
	EXPECT_EQ(0, m.slice_count);
	EXPECT_EQ(-EMSGSIZE, get(self->fd, NULL, 0, &m));
	EXPECT_EQ(13, m.len);
	EXPECT_EQ(-EMSGSIZE, sys(read(self->fd, data, sizeof(data))));
	EXPECT_STREQ("unhurt", data);
	EXPECT_EQ(2, object(self->fd).queued);
	EXPECT_EQ(0, get(self->fd, room, sizeof(room), &m));
	EXPECT_EQ(0, memcmp(room, "much too long", 13));
	EXPECT_EQ(0, get(self->fd, data, sizeof(data), &m));
	EXPECT_EQ(0, memcmp(data, "next", 4));
}

TEST_F(queue, gathers_and_scatters)
{
	char a[3], b[1], c[8] = "";
	struct ipcdev_iovec out[] = {
		{ PTR("he"), 2 }, { 0, 0 }, { PTR("llo "), 4 },
		{ PTR("world"), 5 },
	};
	struct ipcdev_iovec in[] = {
		{ PTR(a), sizeof(a) }, { 0, 0 }, { PTR(b), sizeof(b) },
		{ PTR(c), sizeof(c) },
	};
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(in), .iov_count = 2 },
	};

	/* The length beside an array is no one's business. */
	ASSERT_EQ(0, send_msg(self->fd, .msg.data = PTR(out),
			      .msg.iov_count = 4, .msg.len = 12345));
	EXPECT_EQ(11, object(self->fd).queued_bytes);
	EXPECT_EQ(-EMSGSIZE, recv_msg(self->fd, &t));
	EXPECT_EQ(11, t.msg.len);
	t.msg.iov_count = 4;
	ASSERT_EQ(0, recv_msg(self->fd, &t));
	EXPECT_EQ(11, t.msg.len);
	EXPECT_EQ(0, memcmp(a, "hel", 3));
	EXPECT_EQ(0, memcmp(b, "l", 1));
	EXPECT_EQ(0, memcmp(c, "o world", 8));
}

TEST_F(queue, gathers_as_many_pieces_as_allowed)
{
	static struct ipcdev_iovec v[IPCDEV_IOV_MAX + 1];
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(v), .iov_count = IPCDEV_IOV_MAX },
	};
	char in[MSG_MAX], out[MSG_MAX];
	int i;

	for (i = 0; i < MSG_MAX; i++) {
		out[i] = i;
		v[i * 4].base = PTR(out + i);
		v[i * 4].len = 1;
	}
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .msg.data = PTR(v),
				    .msg.iov_count = IPCDEV_IOV_MAX + 1));
	ASSERT_EQ(0, send_msg(self->fd, .msg.data = PTR(v),
			      .msg.iov_count = IPCDEV_IOV_MAX));
	for (i = 0; i < MSG_MAX; i++)
		v[i * 4].base = PTR(in + i);
	t.msg.iov_count++;
	EXPECT_EQ(-EINVAL, recv_msg(self->fd, &t));
	t.msg.iov_count--;
	ASSERT_EQ(0, recv_msg(self->fd, &t));
	EXPECT_EQ(0, memcmp(in, out, MSG_MAX));
}

TEST_F(queue, gathers_no_more_than_a_message)
{
	char data[MSG_MAX] = "";
	struct ipcdev_iovec v[] = {
		{ PTR(data), MSG_MAX }, { PTR(data), 1 },
	};
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .data = PTR(v), .iov_count = 2 },
	};

	EXPECT_EQ(-EMSGSIZE, call(self->fd, IPCDEV_IOC_SEND, &t));
	/* What no call of the system's takes, sent or received. */
	v[1].len = UINT64_MAX;
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_SEND, &t));
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_RECV, &t));
	v[1].len = 0x7ffff000;
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_SEND, &t));
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_RECV, &t));
	/* Together they are no longer than nothing. */
	v[0].len = 1ULL << 63;
	v[1].len = 1ULL << 63;
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_SEND, &t));
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_RECV, &t));
	EXPECT_EQ(0, object(self->fd).queued);
}

TEST_F(queue, unreadable_payload_is_not_sent)
{
	void *bad = bad_page();
	struct ipcdev_iovec v[] = { { PTR("x"), 1 }, { PTR(bad), 1 } };

	ASSERT_NE(NULL, bad);
	EXPECT_EQ(-EFAULT, send_msg(self->fd, .msg.data = PTR(bad),
				    .msg.len = 1));
	EXPECT_EQ(-EFAULT, send_msg(self->fd, .msg.len = 1));
	EXPECT_EQ(-EFAULT, send_msg(self->fd, .msg.data = UINT64_MAX - 7,
				    .msg.len = 1));
	EXPECT_EQ(-EFAULT, send_msg(self->fd, .msg.data = PTR(v),
				    .msg.iov_count = 2));
	EXPECT_EQ(-EFAULT, send_msg(self->fd, .msg.data = PTR(bad),
				    .msg.iov_count = 1));
	EXPECT_EQ(-EFAULT, sys(write(self->fd, bad, 1)));
	EXPECT_EQ(0, object(self->fd).queued);
	EXPECT_EQ(0, object(self->fd).queued_bytes);
	EXPECT_EQ(0, object(self->fd).sent);
}

TEST_F(queue, message_that_faults_goes_back_to_its_place)
{
	void *bad = bad_page();
	struct ipcdev_iovec v[] = { { PTR(&bad), 1 }, { PTR(bad), 64 } };
	struct ipcdev_transfer t = {
		.msg = { .data = PTR(v), .iov_count = 2 },
	};

	ASSERT_EQ(0, put(self->fd, 1, 1));
	ASSERT_EQ(0, put(self->fd, 5, 2));
	ASSERT_EQ(0, put(self->fd, 5, 3));
	EXPECT_EQ(-EFAULT, get(self->fd, bad, 64, NULL));
	ASSERT_EQ(0, put(self->fd, 5, 4));
	EXPECT_EQ(-EFAULT, get(self->fd, NULL, 64, NULL));
	EXPECT_EQ(-EFAULT, recv_msg(self->fd, &t));
	EXPECT_EQ(-EFAULT, sys(read(self->fd, bad, 64)));
	t.msg.data = PTR(bad);
	EXPECT_EQ(-EFAULT, recv_msg(self->fd, &t));
	EXPECT_EQ(4, object(self->fd).queued);
	EXPECT_EQ(0, object(self->fd).received);
	EXPECT_EQ(2, try_take(self->fd));
	EXPECT_EQ(3, try_take(self->fd));
	EXPECT_EQ(4, try_take(self->fd));
	EXPECT_EQ(1, try_take(self->fd));
	EXPECT_EQ(4, object(self->fd).received);
}

TEST_F(queue, looks_without_taking)
{
	char data[4];
	struct ipcdev_transfer t = {
		.flags = IPCDEV_PEEK,
		.msg = { .data = PTR(data), .len = sizeof(data) },
	};
	void *bad = bad_page();

	/* Even where a receive would sleep. */
	EXPECT_EQ(-EAGAIN, peek(self->fd, 0));
	ASSERT_EQ(0, put(self->fd, 1, 1));
	ASSERT_EQ(0, put(self->fd, 5, 2));
	ASSERT_EQ(0, put(self->fd, 5, 3));
	EXPECT_EQ(2, peek(self->fd, 0));
	EXPECT_EQ(2, peek(self->fd, 0));
	EXPECT_EQ(3, peek(self->fd, 1));
	EXPECT_EQ(1, peek(self->fd, 2));
	EXPECT_EQ(-EAGAIN, peek(self->fd, 3));
	EXPECT_EQ(-EAGAIN, peek(self->fd, UINT32_MAX));
	EXPECT_EQ(-EMSGSIZE, recv_msg(self->fd, &t));
	EXPECT_EQ(8, t.msg.len);
	t.msg.data = PTR(bad);
	EXPECT_EQ(-EFAULT, recv_msg(self->fd, &t));
	EXPECT_EQ(3, object(self->fd).queued);
	EXPECT_EQ(0, object(self->fd).received);
	/* A position without a look is a mistake. */
	EXPECT_EQ(-EINVAL, take_with(self->fd, IPCDEV_NONBLOCK, 1));
	EXPECT_EQ(2, try_take(self->fd));
	EXPECT_EQ(3, peek(self->fd, 0));
}

TEST_F(queue, counts)
{
	struct ipcdev_stat s = object(self->fd);
	__u64 time = now(CLOCK_REALTIME);

	EXPECT_NE(0, s.id);
	EXPECT_LT(time - 60000000000, s.created_ns);
	EXPECT_GE(time, s.created_ns);
	ASSERT_EQ(0, send_text(self->fd, "one", 0));
	ASSERT_EQ(0, send_text(self->fd, "three", 0));
	ASSERT_EQ(0, send_text(self->fd, "four", 0));
	ASSERT_EQ(0, get(self->fd, &time, 8, NULL));
	s = object(self->fd);
	EXPECT_EQ(2, s.queued);
	EXPECT_EQ(9, s.queued_bytes);
	EXPECT_EQ(3, s.sent);
	EXPECT_EQ(12, s.sent_bytes);
	EXPECT_EQ(1, s.received);
	EXPECT_EQ(3, s.received_bytes);
	EXPECT_EQ(0, s.dropped);
	EXPECT_EQ(0, s.receivers);
	EXPECT_EQ(0, s.senders);
	EXPECT_EQ(0, s.send_waits);
	EXPECT_EQ(0, s.recv_waits);
}

TEST_F(queue, read_and_write_are_one_message_each)
{
	char a[4], b[16];
	struct iovec in[] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct iovec out[] = { { "gath", 4 }, { "ered", 4 } };
	struct ipcdev_msg m;

	EXPECT_EQ(5, sys(write(self->fd, "hello", 5)));
	EXPECT_EQ(8, sys(writev(self->fd, out, 2)));
	EXPECT_EQ(2, object(self->fd).queued);
	EXPECT_EQ(5, sys(read(self->fd, b, sizeof(b))));
	EXPECT_EQ(0, memcmp(b, "hello", 5));
	EXPECT_EQ(8, sys(readv(self->fd, in, 2)));
	EXPECT_EQ(0, memcmp(a, "gath", 4));
	EXPECT_EQ(0, memcmp(b, "ered", 4));
	/* Both meet the ioctls. */
	EXPECT_EQ(2, sys(write(self->fd, "hi", 2)));
	ASSERT_EQ(0, get(self->fd, b, sizeof(b), &m));
	EXPECT_EQ(2, m.len);
	EXPECT_EQ(0, m.prio);
	EXPECT_EQ(0, m.tag);
	ASSERT_EQ(0, send_text(self->fd, "back", 9));
	EXPECT_EQ(4, sys(read(self->fd, b, sizeof(b))));
	ASSERT_EQ(2, sys(write(self->fd, "hi", 2)));
	EXPECT_EQ(0, sys(read(self->fd, b, 0)));
	EXPECT_EQ(1, object(self->fd).queued);
	EXPECT_EQ(2, sys(read(self->fd, b, sizeof(b))));
	/* An empty message is received, an empty write sends none. */
	EXPECT_EQ(0, sys(write(self->fd, "", 0)));
	EXPECT_EQ(0, object(self->fd).queued);
	ASSERT_EQ(0, send_msg(self->fd, .msg.prio = 0));
	EXPECT_EQ(0, sys(read(self->fd, b, sizeof(b))));
	EXPECT_EQ(0, object(self->fd).queued);
}

TEST_F(queue, write_keeps_to_the_limits)
{
	char data[MSG_MAX + 1] = "";

	EXPECT_EQ(-EMSGSIZE, sys(write(self->fd, data, MSG_MAX + 1)));
	EXPECT_EQ(0, object(self->fd).queued);
	EXPECT_EQ(MSG_MAX, sys(write(self->fd, data, MSG_MAX)));
	EXPECT_EQ(-EMSGSIZE, sys(read(self->fd, data, MSG_MAX - 1)));
	EXPECT_EQ(MSG_MAX, sys(read(self->fd, data, MSG_MAX + 1)));
}

TEST_F(queue, nowait_never_sleeps)
{
	char c = 'x';
	struct iovec v = { &c, 1 };
	int i;

	EXPECT_EQ(-EAGAIN, sys(preadv2(self->fd, &v, 1, -1, RWF_NOWAIT)));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, sys(pwritev2(self->fd, &v, 1, -1, RWF_NOWAIT)));
	EXPECT_EQ(-EAGAIN, sys(pwritev2(self->fd, &v, 1, -1, RWF_NOWAIT)));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, sys(preadv2(self->fd, &v, 1, -1, RWF_NOWAIT)));
	EXPECT_EQ(-EAGAIN, sys(preadv2(self->fd, &v, 1, -1, RWF_NOWAIT)));
}

TEST_F(queue, is_neither_seekable_nor_mappable)
{
	EXPECT_EQ(-ESPIPE, sys(lseek(self->fd, 0, SEEK_SET)));
	EXPECT_EQ(-ESPIPE, sys(lseek(self->fd, 0, SEEK_CUR)));
	EXPECT_EQ(-ESPIPE, sys(pwrite(self->fd, "x", 1, 0)));
	EXPECT_EQ(-ENODEV, try_map(self->fd, 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(0, object(self->fd).queued);
}

TEST_F(queue, batches)
{
	struct ipcdev_msg out[DEPTH + 2] = {}, in[DEPTH + 2] = {};
	static const char message[] = "message";
	char text[DEPTH + 2][8];
	struct ipcdev_batch b = {
		.flags = IPCDEV_NONBLOCK,
		.msgs = PTR(out),
		.msg_size = sizeof(*out),
	};
	unsigned int i;

	for (i = 0; i < DEPTH + 2; i++) {
		out[i].data = PTR(message + i);
		out[i].len = 7 - i;
		out[i].tag = i;
		out[i].prio = i & 1;
		in[i].data = PTR(text[i]);
		in[i].len = sizeof(text[i]);
	}
	/* As many as there is room for. */
	b.count = DEPTH + 2;
	EXPECT_EQ(DEPTH, call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(-EAGAIN, call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	/* As many as are asked for, then as many as there are. */
	b.msgs = PTR(in);
	b.count = 1;
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	b.msgs = PTR(in + 1);
	b.count = DEPTH + 1;
	b.flags = 0;
	EXPECT_EQ(DEPTH - 1, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	for (i = 0; i < DEPTH; i++) {
		/* 1 and 3 have priority. */
		unsigned int n = i < 2 ? i * 2 + 1 : (i - 2) * 2;

		EXPECT_EQ(n, in[i].tag);
		EXPECT_EQ(n & 1, in[i].prio);
		EXPECT_EQ(7 - n, in[i].len);
		EXPECT_EQ(0, memcmp(text[i], message + n, 7 - n));
	}
	EXPECT_EQ(0, in[i].tag);
	b.flags = IPCDEV_NONBLOCK;
	EXPECT_EQ(-EAGAIN, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
}

TEST_F(queue, batch_stops_at_what_fails)
{
	struct ipcdev_msg m[3] = {};
	struct ipcdev_batch b = {
		.count = 3,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	char text[3][8] = {};
	int i;

	for (i = 0; i < 3; i++) {
		m[i].data = PTR("text");
		m[i].len = 4;
		m[i].tag = i;
	}
	m[1].prio = IPCDEV_PRIO_MAX + 1;
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	m[0].data = 0;
	EXPECT_EQ(-EFAULT, call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(1, object(self->fd).queued);
	ASSERT_EQ(0, send_text(self->fd, "long text", 0));
	ASSERT_EQ(0, send_text(self->fd, "short", 0));

	memset(m, 0, sizeof(m));
	for (i = 0; i < 3; i++) {
		m[i].data = PTR(text[i]);
		m[i].len = sizeof(text[i]);
	}
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(4, m[0].len);
	m[0].len = 8;
	EXPECT_EQ(-EMSGSIZE, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(9, m[0].len);
	EXPECT_EQ(2, object(self->fd).queued);
	/* A message that does not fit is told of in its own place. */
	m[0].data = PTR(text);
	m[0].len = sizeof(text);
	m[1].data = 0;
	m[1].len = 8;
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(9, m[0].len);
	EXPECT_EQ(1, object(self->fd).queued);
	m[0].len = 8;
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(0, memcmp(text[0], "short", 5));
}

TEST_F(queue, batch_arguments)
{
	struct ipcdev_msg m = { .data = PTR("x"), .len = 1 };
	const struct ipcdev_batch good = {
		.flags = IPCDEV_NONBLOCK,
		.count = 1,
		.msgs = PTR(&m),
		.msg_size = sizeof(m),
	};
	const unsigned long cmds[] = {
		IPCDEV_IOC_SEND_BATCH, IPCDEV_IOC_RECV_BATCH,
	};
	struct ipcdev_batch b;
	int i;

	for (i = 0; i < 2; i++) {
		b = good;
		b.count = 0;
		EXPECT_EQ(-EINVAL, call(self->fd, cmds[i], &b));
		b = good;
		b.count = info(self->dev).max_batch + 1;
		EXPECT_EQ(-EINVAL, call(self->fd, cmds[i], &b));
		b = good;
		b.msg_size = 0;
		EXPECT_EQ(-EINVAL, call(self->fd, cmds[i], &b));
		b = good;
		b.reserved = 1;
		EXPECT_EQ(-EINVAL, call(self->fd, cmds[i], &b));
		b = good;
		b.flags |= IPCDEV_PEEK;
		EXPECT_EQ(-EINVAL, call(self->fd, cmds[i], &b));
		b = good;
		b.deadline_ns = 1;
		EXPECT_EQ(-EINVAL, call(self->fd, cmds[i], &b));
		b = good;
		b.msgs = PTR(bad_page());
		EXPECT_EQ(-EFAULT, call(self->fd, cmds[i], &b));
	}
	EXPECT_EQ(0, object(self->fd).queued);
}

TEST_F(queue, fields_of_the_receiver_are_zero_when_sending)
{
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .msg.flags = IPCDEV_MSG_CREDS));
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .msg.time_ns = 1));
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .msg.pid = 1));
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .msg.uid = 1));
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .msg.gid = 1));
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .msg.lost = 1));
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .position = 1));
	EXPECT_EQ(-EINVAL, send_msg(self->fd, .flags = IPCDEV_PEEK));
	EXPECT_EQ(0, object(self->fd).queued);
}

TEST_F(queue, rights)
{
	int rx = dup_handle(self->fd, RIGHT_READ, 0);
	int tx = dup_handle(self->fd, RIGHT_WRITE, 0);
	char c = 'x';
	struct ipcdev_msg m = { .data = PTR(&c), .len = 1 };
	struct ipcdev_batch b = {
		.count = 1,
		.msgs = PTR(&m),
		.msg_size = sizeof(m),
	};

	ASSERT_LE(0, rx);
	ASSERT_LE(0, tx);
	EXPECT_EQ(O_RDONLY, fcntl(rx, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_WRONLY, fcntl(tx, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(RIGHT_READ, object(rx).rights);
	EXPECT_EQ(RIGHT_WRITE, object(tx).rights);
	EXPECT_EQ(-EBADF, put(rx, 0, 1));
	EXPECT_EQ(-EBADF, sys(write(rx, &c, 1)));
	ASSERT_EQ(0, put(tx, 0, 1));
	EXPECT_EQ(-EBADF, take(tx));
	EXPECT_EQ(-EBADF, peek(tx, 0));
	EXPECT_EQ(-EBADF, sys(read(tx, &c, 1)));
	EXPECT_EQ(-EBADF, call(rx, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(-EBADF, call(tx, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(1, take(rx));
	/* An fcntl does not make more of it. */
	EXPECT_EQ(0, sys(fcntl(rx, F_SETFL, O_RDWR)));
	EXPECT_EQ(-EBADF, put(rx, 0, 1));
	close(rx);
	close(tx);
}

TEST_F(queue, duplicates_with_no_more_rights)
{
	__u32 own = object(self->fd).rights, rights, fewer;
	struct ipcdev_stat s;
	int fd, again;

	EXPECT_EQ(-EINVAL, dup_handle(self->fd, 0, 0));
	EXPECT_EQ(-EINVAL, dup_handle(self->fd, RIGHT_PUBLISH, 0));
	EXPECT_EQ(-EINVAL, dup_handle(self->fd, RIGHT_READ | 8, 0));
	for (rights = 1; rights <= RIGHT_ALL; rights++) {
		if (!(rights & RIGHT_RW))
			continue;
		fd = dup_handle(self->fd, rights, 0);
		if (rights & ~own) {
			EXPECT_EQ(-EACCES, fd);
			continue;
		}
		ASSERT_LE(0, fd);
		s = object(fd);
		EXPECT_EQ(rights, s.rights);
		EXPECT_EQ(1 + !!(rights & RIGHT_READ), s.readers);
		EXPECT_EQ(1 + !!(rights & RIGHT_WRITE), s.writers);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		for (fewer = 1; fewer <= RIGHT_ALL; fewer++) {
			if (!(fewer & RIGHT_RW))
				continue;
			again = dup_handle(fd, fewer, 0);
			if (fewer & ~rights) {
				EXPECT_EQ(-EACCES, again);
				continue;
			}
			EXPECT_EQ(fewer, object(again).rights);
			close(again);
		}
		close(fd);
	}
	EXPECT_EQ(1, object(self->fd).readers);
	EXPECT_EQ(1, object(self->fd).writers);
}

TEST_F(queue, duplicate_does_not_block_if_so_asked)
{
	int fd = dup_handle(self->fd, RIGHT_READ, IPCDEV_NONBLOCK);

	ASSERT_LE(0, fd);
	EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, take(fd));
	close(fd);
	fd = dup_handle(self->fd, RIGHT_READ, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	EXPECT_EQ(-EINVAL, dup_handle(self->fd, RIGHT_READ, IPCDEV_PEEK));
}

TEST_F(queue, opens_anew_only_by_its_name)
{
	/* All anonymous files belong to root. */
	int refusal = variant->uid ? -EACCES : -ENXIO;
	int fd = dup_handle(self->fd, RIGHT_READ, 0), again;
	char path[64];

	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(refusal, sys(open(path, O_RDONLY)));
	EXPECT_EQ(refusal, sys(open(path, O_RDWR)));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	if (!variant->named) {
		EXPECT_EQ(refusal, sys(open(path, O_RDWR)));
		EXPECT_EQ(refusal, sys(open(path, O_RDONLY)));
	} else {
		again = sys(open(path, O_RDWR));
		ASSERT_LE(0, again);
		EXPECT_EQ(RIGHT_RW, object(again).rights);
		close(again);
	}
	close(fd);
}

/*
 * Attributes of a queue.
 */
FIXTURE(create)
{
	int dev;
};

FIXTURE_SETUP(create)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(create)
{
	close(self->dev);
}

TEST_F(create, refuses)
{
	struct ipcdev_info i = info(self->dev);
	int dev = self->dev, fds = open_fds();

	EXPECT_EQ(-EINVAL, create_queue(dev, .flags = 1U << 6));
	EXPECT_EQ(-EINVAL, create_queue(dev, .rights = 8));
	EXPECT_EQ(-EINVAL, create_queue(dev, .rights = RIGHT_PUBLISH));
	EXPECT_EQ(-EINVAL, create_queue(dev, .depth = i.max_depth + 1));
	EXPECT_EQ(-EINVAL, create_queue(dev, .depth = UINT32_MAX));
	EXPECT_EQ(-EINVAL, create_queue(dev, .msg_max = i.max_msg_size + 1));
	EXPECT_EQ(-EINVAL, create_queue(dev, .msg_max = UINT32_MAX));
	EXPECT_EQ(-EINVAL, create_queue(dev, .bytes_max = 8191));
	EXPECT_EQ(-EINVAL, create_queue(dev, .msg_max = 2, .bytes_max = 1));
	EXPECT_EQ(-EINVAL, create_queue(dev, .bytes_max = i.max_bytes + 1));
	EXPECT_EQ(-EINVAL, create_queue(dev, .bytes_max = UINT64_MAX));
	EXPECT_EQ(-EFAULT, call(dev, IPCDEV_IOC_CREATE_QUEUE, NULL));
	EXPECT_EQ(fds, open_fds());
	EXPECT_EQ(i.objects, info(dev).objects);
	EXPECT_EQ(i.bytes, info(dev).bytes);
}

TEST_F(create, defaults)
{
	const struct {
		struct ipcdev_create_queue asked;
		__u64 bytes_max;
	} cases[] = {
		{ {}, 64 * 8192 },
		{ { .depth = 3, .msg_max = 5 }, 15 },
		{ { .depth = 8192 }, 16 << 20 },
		{ { .depth = 1, .msg_max = 1 << 20 }, 1 << 20 },
		{ { .depth = 100, .msg_max = 16 << 20 }, 16 << 20 },
		{ { .msg_max = 100, .bytes_max = 100 }, 100 },
		{ { .depth = 1, .msg_max = 1, .bytes_max = 9 }, 9 },
	};
	struct ipcdev_stat s;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ipcdev_create_queue c = cases[i].asked;

		fd = call(self->dev, IPCDEV_IOC_CREATE_QUEUE, &c);
		ASSERT_LE(0, fd);
		s = object(fd);
		EXPECT_EQ(c.depth ?: 64, s.depth);
		EXPECT_EQ(c.msg_max ?: 8192, s.msg_max);
		EXPECT_EQ(cases[i].bytes_max, s.size);
		EXPECT_EQ(RIGHT_ALL, s.rights);
		close(fd);
	}
}

TEST_F(create, rights)
{
	__u32 rights;
	int fd, mode;

	for (rights = 1; rights <= RIGHT_ALL; rights++) {
		if (!(rights & RIGHT_RW))
			continue;
		fd = create_queue(self->dev, .rights = rights);
		ASSERT_LE(0, fd);
		mode = fcntl(fd, F_GETFL) & O_ACCMODE;
		EXPECT_EQ(rights, object(fd).rights);
		EXPECT_EQ(!!(rights & RIGHT_READ), mode != O_WRONLY);
		EXPECT_EQ(!!(rights & RIGHT_WRITE), mode != O_RDONLY);
		EXPECT_EQ(!!(rights & RIGHT_READ), object(fd).readers);
		EXPECT_EQ(!!(rights & RIGHT_WRITE), object(fd).writers);
		close(fd);
	}
}

TEST_F(create, flags)
{
	int fd = create_queue(self->dev, .flags = IPCDEV_QUEUE_NONBLOCK |
			      IPCDEV_QUEUE_DROP_OLDEST |
			      IPCDEV_QUEUE_CREDS | IPCDEV_QUEUE_TIME |
			      IPCDEV_QUEUE_SCHED);

	ASSERT_LE(0, fd);
	EXPECT_EQ(IPCDEV_STAT_DROP_OLDEST | IPCDEV_STAT_CREDS |
		  IPCDEV_STAT_TIME | IPCDEV_STAT_SCHED, object(fd).flags);
	EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
}

TEST_F(create, without_a_descriptor_left)
{
	__u64 objects = info(self->dev).objects;

	ASSERT_EQ(0, set_nofile(self->dev + 1));
	EXPECT_EQ(-EMFILE, create_queue(self->dev, .depth = 1));
	EXPECT_EQ(-EMFILE, create_buffer(self->dev, .size = 1));
	EXPECT_EQ(objects, info(self->dev).objects);
}

TEST_F(create, ids_are_not_used_again)
{
	__u64 last = 0;
	int i, fd;

	for (i = 0; i < 3; i++) {
		fd = create_queue(self->dev, .depth = 1);
		ASSERT_LE(0, fd);
		EXPECT_LT(last, object(fd).id);
		last = object(fd).id;
		close(fd);
	}
}

TEST_F(create, capacity_is_in_bytes_too)
{
	int fd = create_queue(self->dev, .depth = 8, .msg_max = 16,
			      .bytes_max = 20);
	char text[16];

	ASSERT_LE(0, fd);
	EXPECT_EQ(CAN_WRITE, events(fd));
	ASSERT_EQ(0, put(fd, 0, 1));
	/* Not every message would find room, but some do. */
	EXPECT_EQ(CAN_READ, events(fd));
	ASSERT_EQ(0, try_put(fd, 0, 2));
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 3));
	ASSERT_EQ(0, send_text(fd, "four", 0));
	EXPECT_EQ(CAN_READ, events(fd));
	EXPECT_EQ(-EAGAIN, send_msg(fd, .flags = IPCDEV_NONBLOCK,
				    .msg.data = PTR("x"), .msg.len = 1));
	/* What has no bytes needs no room for them. */
	EXPECT_EQ(0, send_msg(fd, .flags = IPCDEV_NONBLOCK));
	EXPECT_EQ(20, object(fd).queued_bytes);
	EXPECT_EQ(4, object(fd).queued);
	EXPECT_EQ(1, take(fd));
	EXPECT_EQ(12, object(fd).queued_bytes);
	EXPECT_EQ(CAN_READ, events(fd));
	EXPECT_EQ(0, try_put(fd, 0, 5));
	EXPECT_EQ(2, take(fd));
	EXPECT_EQ(12, object(fd).queued_bytes);
	EXPECT_EQ(4, sys(read(fd, &text, sizeof(text))));
	EXPECT_EQ(CAN_READ, events(fd));
	EXPECT_EQ(0, sys(read(fd, &text, sizeof(text))));
	EXPECT_EQ(5, take(fd));
	EXPECT_EQ(CAN_WRITE, events(fd));
	close(fd);
}

/*
 * What the sender may have told of itself.
 */
TEST_F(create, messages_tell_the_sender_and_the_time)
{
	int fd = create_queue(self->dev, .flags = IPCDEV_QUEUE_CREDS |
			      IPCDEV_QUEUE_TIME);
	__u64 before, after;
	struct ipcdev_msg m;
	pid_t pid;

	ASSERT_LE(0, fd);
	before = now(CLOCK_MONOTONIC);
	pid = child();
	if (!pid)
		_exit(child_becomes(ALICE) || put(fd, 0, 1));
	ASSERT_EQ(0, reap(pid));
	ASSERT_EQ(0, get(fd, &after, sizeof(after), &m));
	after = now(CLOCK_MONOTONIC);
	EXPECT_EQ(IPCDEV_MSG_CREDS | IPCDEV_MSG_TIME, m.flags);
	EXPECT_EQ(pid, (pid_t)m.pid);
	EXPECT_EQ(ALICE, m.uid);
	EXPECT_EQ(ALICE, m.gid);
	EXPECT_LE(before, m.time_ns);
	EXPECT_GE(after, m.time_ns);
	close(fd);
}

TEST_F(create, write_speaks_with_the_credentials_of_the_opener)
{
	int fd = create_queue(self->dev, .flags = IPCDEV_QUEUE_CREDS);
	struct ipcdev_msg m;
	pid_t pid;
	char c;

	ASSERT_LE(0, fd);
	pid = child();
	if (!pid)
		_exit(child_becomes(ALICE) || write(fd, "x", 1) != 1);
	ASSERT_EQ(0, reap(pid));
	ASSERT_EQ(0, get(fd, &c, 1, &m));
	EXPECT_EQ(IPCDEV_MSG_CREDS, m.flags);
	EXPECT_EQ(0, m.time_ns);
	EXPECT_EQ(getpid(), (pid_t)m.pid);
	EXPECT_EQ(0, m.uid);
	EXPECT_EQ(0, m.gid);
	close(fd);
}

TEST_F(create, effective_user_is_told)
{
	int fd = create_queue(self->dev, .flags = IPCDEV_QUEUE_CREDS);
	struct ipcdev_msg m;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, setresgid(0, BOB, 0));
	ASSERT_EQ(0, setresuid(0, ALICE, 0));
	ASSERT_EQ(0, put(fd, 0, 1));
	ASSERT_EQ(0, get(fd, &m.tag, 8, &m));
	EXPECT_EQ(ALICE, m.uid);
	EXPECT_EQ(BOB, m.gid);
	close(fd);
}

TEST_F(create, sender_is_told_in_the_words_of_the_receiver)
{
	int fd = create_queue(self->dev, .flags = IPCDEV_QUEUE_CREDS);
	struct ipcdev_msg m;
	pid_t pid;

	ASSERT_LE(0, fd);
	/* Another pid namespace knows us as nobody at all. */
	ASSERT_EQ(0, put(fd, 0, 1));
	pid = child();
	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID))
			_exit(1);
		pid = child();
		if (!pid)
			_exit(get(fd, &m.tag, 8, &m) || m.pid ||
			      m.uid != 65534 || m.gid != 65534 ?
			      2 : put(fd, 0, 2));
		_exit(reap(pid));
	}
	ASSERT_EQ(0, reap(pid));
	/* And we know those in it by the names that we gave them. */
	ASSERT_EQ(0, get(fd, &m.tag, 8, &m));
	EXPECT_NE(0, m.pid);
	EXPECT_NE(pid, (pid_t)m.pid);
	EXPECT_EQ(0, m.uid);
	close(fd);
}

TEST_F(create, time_is_told_by_the_clock_of_the_receiver)
{
	int fd = create_queue(self->dev, .flags = IPCDEV_QUEUE_TIME);
	const __u64 offset = 1000000000000000;
	__u64 before;
	struct ipcdev_msg m;
	pid_t pid;

	ASSERT_LE(0, fd);
	if (!exists("/proc/self/ns/time"))
		SKIP(return, "no time namespaces");
	ASSERT_EQ(0, unshare(CLONE_NEWTIME));
	ASSERT_EQ(0, write_file("/proc/self/timens_offsets",
				"monotonic 1000000 0"));
	before = now(CLOCK_MONOTONIC);
	ASSERT_EQ(0, put(fd, 0, 1));
	pid = child();
	if (!pid) {
		if (get(fd, &m.tag, 8, &m) || m.time_ns < before + offset ||
		    m.time_ns > now(CLOCK_MONOTONIC))
			_exit(1);
		_exit(-put(fd, 0, 2));
	}
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, get(fd, &m.tag, 8, &m));
	EXPECT_LE(before, m.time_ns);
	EXPECT_GE(now(CLOCK_MONOTONIC), m.time_ns);
	close(fd);
}

/*
 * A queue that drops its oldest message rather than refuse a new one.
 */
FIXTURE(drop_oldest)
{
	int dev;
	int fd;
};

FIXTURE_SETUP(drop_oldest)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->fd = create_queue(self->dev, .depth = 3, .msg_max = 16,
				.bytes_max = 32,
				.flags = IPCDEV_QUEUE_DROP_OLDEST);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(drop_oldest)
{
	close(self->fd);
	close(self->dev);
}

TEST_F(drop_oldest, drops_what_was_sent_first)
{
	struct ipcdev_msg m;
	__u64 tag;

	/* The first to be received is also the first to be dropped. */
	ASSERT_EQ(0, put(self->fd, 9, 1));
	ASSERT_EQ(0, put(self->fd, 1, 2));
	ASSERT_EQ(0, put(self->fd, 5, 3));
	EXPECT_EQ(CAN_READ | CAN_WRITE, events(self->fd));
	ASSERT_EQ(0, put(self->fd, 0, 4));
	EXPECT_EQ(3, object(self->fd).queued);
	EXPECT_EQ(24, object(self->fd).queued_bytes);
	EXPECT_EQ(1, object(self->fd).dropped);
	EXPECT_EQ(4, object(self->fd).sent);
	ASSERT_EQ(0, get(self->fd, &tag, 8, &m));
	EXPECT_EQ(3, tag);
	EXPECT_EQ(1, m.lost);
	ASSERT_EQ(0, get(self->fd, &tag, 8, &m));
	EXPECT_EQ(2, tag);
	EXPECT_EQ(0, m.lost);
	ASSERT_EQ(0, get(self->fd, &tag, 8, &m));
	EXPECT_EQ(4, tag);
	EXPECT_EQ(0, m.lost);
}

TEST_F(drop_oldest, drops_until_the_new_message_fits)
{
	char data[16] = "";
	struct ipcdev_msg m;

	ASSERT_EQ(0, put(self->fd, 0, 1));
	ASSERT_EQ(0, put(self->fd, 0, 2));
	ASSERT_EQ(0, put(self->fd, 0, 3));
	ASSERT_EQ(0, send_msg(self->fd, .msg.data = PTR(data), .msg.len = 16));
	EXPECT_EQ(1, object(self->fd).dropped);
	ASSERT_EQ(0, send_msg(self->fd, .msg.data = PTR(data), .msg.len = 16));
	EXPECT_EQ(3, object(self->fd).dropped);
	EXPECT_EQ(32, object(self->fd).queued_bytes);
	/* One that never fits drops nothing. */
	EXPECT_EQ(-EMSGSIZE, send_msg(self->fd, .msg.data = PTR(data),
				      .msg.len = 17));
	EXPECT_EQ(-EFAULT, send_msg(self->fd, .msg.len = 16));
	EXPECT_EQ(3, object(self->fd).dropped);
	ASSERT_EQ(0, get(self->fd, data, 16, &m));
	EXPECT_EQ(3, m.lost);
}

TEST_F(drop_oldest, loss_is_told_once)
{
	struct ipcdev_msg m;
	__u64 tag;
	struct ipcdev_transfer t = {
		.flags = IPCDEV_PEEK,
		.msg = { .data = PTR(&tag), .len = sizeof(tag) },
	};
	int i;

	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, put(self->fd, 0, i));
	/* A receive that fails has told nobody. */
	EXPECT_EQ(-EMSGSIZE, get(self->fd, &tag, 4, &m));
	EXPECT_EQ(-EFAULT, get(self->fd, NULL, 8, &m));
	ASSERT_EQ(0, recv_msg(self->fd, &t));
	EXPECT_EQ(7, tag);
	EXPECT_EQ(0, t.msg.lost);
	ASSERT_EQ(0, get(self->fd, &tag, 8, &m));
	EXPECT_EQ(7, tag);
	EXPECT_EQ(7, m.lost);
	ASSERT_EQ(0, get(self->fd, &tag, 8, &m));
	EXPECT_EQ(0, m.lost);
	EXPECT_EQ(7, object(self->fd).dropped);
}

TEST_F(drop_oldest, never_blocks)
{
	int i;

	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, put(self->fd, 0, i));
		EXPECT_EQ(1, sys(write(self->fd, "x", 1)));
	}
	EXPECT_EQ(0, object(self->fd).send_waits);
	EXPECT_EQ(3, object(self->fd).queued);
}

/*
 * Queues that prefer real-time senders.
 */
FIXTURE(sched)
{
	int dev;
	int fd;
};

FIXTURE_SETUP(sched)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->fd = create_queue(self->dev, .depth = 8, .msg_max = 64,
				.flags = IPCDEV_QUEUE_SCHED);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(sched)
{
	become_scheduled(SCHED_OTHER, 0);
	close(self->fd);
	close(self->dev);
}

static long put_as(int policy, int prio, int fd, __u64 tag)
{
	return become_scheduled(policy, prio) ?: put(fd, 0, tag);
}

TEST_F(sched, order)
{
	static const __u64 expected[] = { 7, 6, 5, 3, 4, 2, 1, 8 };
	struct ipcdev_msg m;
	__u64 tag;
	int i;

	ASSERT_EQ(0, put_as(SCHED_OTHER, 0, self->fd, 1));
	ASSERT_EQ(0, put_as(SCHED_FIFO, 1, self->fd, 2));
	ASSERT_EQ(0, put_as(SCHED_RR, 50, self->fd, 3));
	ASSERT_EQ(0, put_as(SCHED_FIFO, 50, self->fd, 4));
	ASSERT_EQ(0, put_as(SCHED_FIFO, 99, self->fd, 5));
	ASSERT_EQ(0, put_as(SCHED_DEADLINE, 0, self->fd, 6));
	/* A message's own priority comes first. */
	ASSERT_EQ(0, become_scheduled(SCHED_BATCH, 0));
	ASSERT_EQ(0, put(self->fd, 1, 7));
	ASSERT_EQ(8, sys(write(self->fd, &(__u64){ 8 }, 8)));
	for (i = 0; i < 7; i++)
		ASSERT_EQ((long)expected[i], peek(self->fd, i));
	/* What cannot be received comes back to its place. */
	ASSERT_EQ(-EFAULT, get(self->fd, NULL, 8, &m));
	ASSERT_EQ(7, take(self->fd));
	ASSERT_EQ(-EFAULT, get(self->fd, NULL, 8, &m));
	EXPECT_EQ(2, object(self->fd).returned);
	for (i = 1; i < 8; i++) {
		ASSERT_EQ(0, get(self->fd, &tag, 8, &m));
		ASSERT_EQ(expected[i], tag);
		ASSERT_EQ(0, m.prio);
	}
}

TEST_F(sched, not_unless_asked_for)
{
	int fd = create_queue(self->dev, .depth = 2);

	ASSERT_EQ(0, put(fd, 0, 1));
	ASSERT_EQ(0, put_as(SCHED_FIFO, 1, fd, 2));
	EXPECT_EQ(1, take(fd));
	EXPECT_EQ(2, take(fd));
	close(fd);
}

/* What is dropped is the oldest, whoever sent it. */
TEST_F(sched, dropped_by_age)
{
	int fd = create_queue(self->dev, .depth = 2, .flags =
			      IPCDEV_QUEUE_SCHED | IPCDEV_QUEUE_DROP_OLDEST);

	ASSERT_EQ(0, put_as(SCHED_FIFO, 9, fd, 1));
	ASSERT_EQ(0, put_as(SCHED_OTHER, 0, fd, 2));
	ASSERT_EQ(0, put_as(SCHED_FIFO, 1, fd, 3));
	EXPECT_EQ(1, object(fd).dropped);
	EXPECT_EQ(3, take(fd));
	EXPECT_EQ(2, take(fd));
	close(fd);
}

/* Those who sleep for room are admitted in the same order. */
TEST_F(sched, senders)
{
	static const struct {
		int policy, prio;
		__u32 msg_prio;
	} senders[] = {
		{ SCHED_OTHER, 0, 0 },
		{ SCHED_FIFO, 1, 0 },
		{ SCHED_FIFO, 2, 0 },
		{ SCHED_FIFO, 2, 0 },
		{ SCHED_OTHER, 0, 1 },
		{ SCHED_OTHER, 0, 0 },
	};
	static const int expected[] = { 4, 2, 3, 1, 0, 5 };
	int fd = create_queue(self->dev, .depth = 1, .msg_max = 64,
			      .flags = IPCDEV_QUEUE_SCHED), i;
	pid_t pid[6];

	ASSERT_EQ(0, put(fd, 9, 100));
	for (i = 0; i < 6; i++) {
		pid[i] = child();
		if (!pid[i]) {
			if (become_scheduled(senders[i].policy,
					     senders[i].prio))
				_exit(1);
			_exit(put(fd, senders[i].msg_prio, i) ? 2 : 0);
		}
		until((int)object(fd).senders == i + 1);
	}
	ASSERT_EQ(100, take(fd));
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(expected[i], take(fd));
		EXPECT_EQ(0, reap(pid[expected[i]]));
	}
	close(fd);
}

/* One that fits need not wait for one that comes after it. */
TEST_F(sched, small_before_large)
{
	int fd = create_queue(self->dev, .depth = 8, .msg_max = 64,
			      .bytes_max = 64, .flags = IPCDEV_QUEUE_SCHED);
	char large[64] = "";
	pid_t pid;

	ASSERT_EQ(0, put(fd, 9, 1));
	pid = child();
	if (!pid)
		_exit(send_msg(fd, .msg.data = PTR(large),
			       .msg.len = sizeof(large)) ? 1 : 0);
	until(object(fd).senders == 1);
	EXPECT_EQ(-EAGAIN, try_put(fd, 0, 2));
	ASSERT_EQ(0, become_scheduled(SCHED_FIFO, 1));
	EXPECT_EQ(0, try_put(fd, 0, 3));
	EXPECT_EQ(1, object(fd).senders);
	EXPECT_EQ(1, take(fd));
	EXPECT_EQ(3, take(fd));
	EXPECT_EQ(0, reap(pid));
	close(fd);
}

/*
 * Several who sleep on one queue.
 */
FIXTURE(sleepers)
{
	int dev;
	int fd;
};

FIXTURE_SETUP(sleepers)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->fd = create_queue(self->dev, .depth = 1, .msg_max = 64,
				.bytes_max = 64);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(sleepers)
{
	close(self->fd);
	close(self->dev);
}

#define SLEEPERS 8

TEST_F(sleepers, longest_waiting_receiver_first)
{
	pid_t pid[SLEEPERS];
	int i;

	for (i = 0; i < SLEEPERS; i++) {
		pid[i] = child();
		if (!pid[i])
			_exit(take(self->fd));
		until(object(self->fd).receivers == (__u32)i + 1);
	}
	/* Each is handed a message, so that none is ever queued. */
	for (i = 0; i < SLEEPERS; i++)
		EXPECT_EQ(0, try_put(self->fd, SLEEPERS - i, i));
	for (i = 0; i < SLEEPERS; i++)
		EXPECT_EQ(i, reap(pid[i]));
	EXPECT_EQ(0, object(self->fd).receivers);
	EXPECT_EQ(SLEEPERS, object(self->fd).recv_waits);
	EXPECT_LE(SLEEPERS, object(self->fd).wakeups);
	EXPECT_EQ(SLEEPERS, object(self->fd).received);
}

TEST_F(sleepers, longest_waiting_sender_first)
{
	pid_t pid[SLEEPERS];
	int i;

	ASSERT_EQ(0, put(self->fd, 0, SLEEPERS));
	for (i = 0; i < SLEEPERS; i++) {
		pid[i] = child();
		if (!pid[i])
			_exit(-put(self->fd, i, i));
		until(object(self->fd).senders == (__u32)i + 1);
	}
	EXPECT_EQ(SLEEPERS, take(self->fd));
	for (i = 0; i < SLEEPERS; i++) {
		EXPECT_EQ(i, take(self->fd));
		EXPECT_EQ(0, reap(pid[i]));
	}
	EXPECT_EQ(0, object(self->fd).senders);
	EXPECT_EQ(SLEEPERS, object(self->fd).send_waits);
	EXPECT_LE(SLEEPERS, object(self->fd).wakeups);
}

TEST_F(sleepers, nobody_overtakes_a_sleeping_sender)
{
	char data[64] = "";
	pid_t pid;

	close(self->fd);
	self->fd = create_queue(self->dev, .depth = 4, .msg_max = 64,
				.bytes_max = 64);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, put(self->fd, 0, 1));
	pid = child();
	if (!pid)
		_exit(-send_msg(self->fd, .msg.data = PTR(data),
				.msg.len = 64));
	until(object(self->fd).senders == 1);
	/* There would be room for this one. */
	EXPECT_EQ(-EAGAIN, try_put(self->fd, 9, 2));
	EXPECT_EQ(CAN_READ, events(self->fd));
	EXPECT_EQ(1, take(self->fd));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, get(self->fd, data, 64, NULL));
	EXPECT_EQ(0, try_put(self->fd, 9, 2));
}

TEST_F(sleepers, sender_that_gives_up_lets_others_in)
{
	char data[64] = "";
	pid_t big, small;

	close(self->fd);
	self->fd = create_queue(self->dev, .depth = 4, .msg_max = 64,
				.bytes_max = 64);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, put(self->fd, 0, 1));
	big = child();
	if (!big)
		_exit(-send_msg(self->fd, .msg.data = PTR(data),
				.msg.len = 64));
	until(object(self->fd).senders == 1);
	small = child();
	if (!small)
		_exit(-put(self->fd, 0, 2));
	until(object(self->fd).senders == 2);
	kill(big, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(big));
	EXPECT_EQ(0, reap(small));
	EXPECT_EQ(1, take(self->fd));
	EXPECT_EQ(2, take(self->fd));
	EXPECT_EQ(CAN_WRITE, events(self->fd));
}

TEST_F(sleepers, message_handed_to_one_who_faults_goes_to_its_place)
{
	void *bad = bad_page();
	pid_t pid;

	close(self->fd);
	self->fd = create_queue(self->dev, .depth = 4);
	ASSERT_LE(0, self->fd);
	pid = child();
	if (!pid) {
		struct ipcdev_transfer t = {
			.msg = { .data = PTR(bad), .len = 64 },
		};

		_exit(-recv_msg(self->fd, &t));
	}
	until(object(self->fd).receivers == 1);
	/* The second may be queued before the first is back. */
	ASSERT_EQ(0, put(self->fd, 0, 1));
	ASSERT_EQ(0, put(self->fd, 0, 2));
	ASSERT_EQ(0, put(self->fd, 1, 3));
	EXPECT_EQ(EFAULT, reap(pid));
	EXPECT_EQ(3, object(self->fd).queued);
	EXPECT_EQ(24, object(self->fd).queued_bytes);
	EXPECT_EQ(0, object(self->fd).received);
	EXPECT_EQ(1, object(self->fd).returned);
	EXPECT_EQ(3, try_take(self->fd));
	EXPECT_EQ(1, try_take(self->fd));
	EXPECT_EQ(2, try_take(self->fd));
}

TEST_F(sleepers, message_handed_to_one_without_room_goes_to_the_next)
{
	pid_t small, big;

	small = child();
	if (!small) {
		struct ipcdev_transfer t = { .msg.len = 0 };
		long ret = recv_msg(self->fd, &t);

		_exit(ret == -EMSGSIZE && t.msg.len == 8 ? 0 : 1);
	}
	until(object(self->fd).receivers == 1);
	big = child();
	if (!big)
		_exit(take(self->fd));
	until(object(self->fd).receivers == 2);
	ASSERT_EQ(0, put(self->fd, 0, 7));
	EXPECT_EQ(0, reap(small));
	EXPECT_EQ(7, reap(big));
	EXPECT_EQ(0, object(self->fd).queued);
}

/*
 * A receiver that is killed when the message is its own but not yet with it.
 * It cannot run before the sender has killed it: both share a processor, and
 * the sender's scheduling policy keeps it.
 */
TEST_F(sleepers, message_handed_to_one_who_is_killed_is_not_lost)
{
	struct sched_param p = { .sched_priority = 1 };
	struct ipcdev_transfer *t = shared_memory(sizeof(*t));
	__u64 *payload = shared_memory(sizeof(*payload));
	cpu_set_t cpu, all;
	pid_t pid;

	ASSERT_NE(NULL, t);
	ASSERT_NE(NULL, payload);
	t->msg.data = PTR(payload);
	t->msg.len = sizeof(*payload);
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpu), &cpu));
	pid = child();
	if (!pid)
		_exit(recv_msg(self->fd, t));
	until(object(self->fd).receivers == 1);
	if (sched_setscheduler(0, SCHED_FIFO, &p))
		SKIP(return, "no real-time scheduling here");
	ASSERT_EQ(0, put(self->fd, 0, 7));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	p.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &p);
	sched_setaffinity(0, sizeof(all), &all);
	/* Delivered is what its memory tells, and then no other has it. */
	if (t->msg.tag == 7) {
		EXPECT_EQ(7, *payload);
		EXPECT_EQ(-EAGAIN, try_take(self->fd));
		EXPECT_EQ(1, object(self->fd).received);
	} else {
		EXPECT_EQ(7, try_take(self->fd));
		EXPECT_EQ(1, object(self->fd).returned);
	}
}

TEST_F(sleepers, batch_is_sent_whole)
{
	struct ipcdev_msg m[SLEEPERS] = {};
	struct ipcdev_batch b = {
		.count = SLEEPERS,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	__u64 tag[SLEEPERS];
	pid_t pid;
	int i;

	for (i = 0; i < SLEEPERS; i++) {
		tag[i] = i;
		m[i].tag = i;
		m[i].data = PTR(&tag[i]);
		m[i].len = sizeof(tag[i]);
	}
	pid = child();
	if (!pid)
		_exit(call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	for (i = 0; i < SLEEPERS; i++)
		EXPECT_EQ(i, take(self->fd));
	EXPECT_EQ(SLEEPERS, reap(pid));
}

TEST_F(sleepers, batch_sleeps_only_for_the_first)
{
	struct ipcdev_msg m[SLEEPERS] = {};
	struct ipcdev_batch b = {
		.count = SLEEPERS,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	pid_t pid;

	pid = child();
	if (!pid)
		_exit(call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	until(object(self->fd).receivers == 1);
	ASSERT_EQ(0, send_msg(self->fd, .msg.tag = 1));
	EXPECT_EQ(1, reap(pid));
}

static void nothing(int signal)
{
	(void)signal;
}

/* Those sent are told, and not sent again by a restart. */
TEST_F(sleepers, batch_that_is_interrupted_tells_what_was_done)
{
	struct ipcdev_msg m[3] = {};
	struct ipcdev_batch b = {
		.count = 3,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	pid_t pid;

	pid = child();
	if (!pid) {
		signal(SIGUSR1, nothing);
		_exit(call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	}
	until(object(self->fd).senders == 1);
	kill(pid, SIGUSR1);
	EXPECT_EQ(1, reap(pid));
	EXPECT_EQ(1, object(self->fd).queued);
	/* The same with a deadline. */
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_RECV_BATCH, &b));
	memset(m, 0, sizeof(m));
	b.flags = IPCDEV_DEADLINE_MONOTONIC;
	b.deadline_ns = now(CLOCK_MONOTONIC) + SOON;
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(1, object(self->fd).queued);
	EXPECT_EQ(0, object(self->fd).senders);
}

/*
 * A message that a receiver has taken but not got: its copy waits for a page
 * that userfaultfd(2) withholds.
 */
FIXTURE(taken)
{
	int dev;
	int rx;
	int tx;
	int go;		/* to be closed, for the page to be there */
	pid_t receiver;
};

struct page {
	int uffd;
	int go;		/* end of file says that it may be there */
	char *p;
};

static bool withhold(struct page *page, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	page->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	page->p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = PTR(page->p);
	reg.range.len = size;
	return page->uffd >= 0 && page->p != MAP_FAILED &&
	       !ioctl(page->uffd, UFFDIO_API, &api) &&
	       !ioctl(page->uffd, UFFDIO_REGISTER, &reg);
}

static void *give(void *arg)
{
	struct page *page = arg;
	struct uffdio_zeropage zero = {
		.range = { PTR(page->p), sysconf(_SC_PAGESIZE) },
	};
	char c;

	if (!read(page->go, &c, 1))
		ioctl(page->uffd, UFFDIO_ZEROPAGE, &zero);
	return NULL;
}

static void receive_slowly(int q, int go)
{
	struct ipcdev_transfer t = { .msg.len = 8 };
	struct page page = { .go = go };
	pthread_t thread;

	if (!withhold(&page, sysconf(_SC_PAGESIZE)))
		_exit(100);
	t.msg.data = PTR(page.p);
	pthread_create(&thread, NULL, give, &page);
	_exit(-recv_msg(q, &t));
}

FIXTURE_SETUP(taken)
{
	int q, go[2];

	q = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (q < 0)
		SKIP(_exit(255), "no userfaultfd: %s", strerror(errno));
	close(q);
	self->dev = device();
	ASSERT_LE(0, self->dev);
	q = create_queue(self->dev, .depth = 1);
	ASSERT_LE(0, q);
	ASSERT_TRUE(split(q, &self->rx, &self->tx));
	ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
	self->go = go[1];
	ASSERT_EQ(0, put(self->tx, 0, 1));
	self->receiver = child();
	if (!self->receiver) {
		close(go[1]);
		close(self->tx);
		receive_slowly(self->rx, go[0]);
	}
	close(go[0]);
	until(!object(self->rx).queued);
	ASSERT_EQ(0, object(self->rx).received);
}

FIXTURE_TEARDOWN(taken)
{
	close(self->rx);
	close(self->tx);
	close(self->dev);
}

TEST_F(taken, is_received_in_the_end)
{
	EXPECT_EQ(-EAGAIN, try_take(self->rx));
	close(self->go);
	EXPECT_EQ(0, reap(self->receiver));
	EXPECT_EQ(1, object(self->rx).received);
	EXPECT_EQ(0, object(self->rx).returned);
	EXPECT_EQ(-EAGAIN, try_take(self->rx));
}

TEST_F(taken, is_put_back_for_one_who_is_killed)
{
	/* There is room again, though it may come back. */
	EXPECT_EQ(CAN_WRITE, events(self->tx));
	EXPECT_EQ(0, try_put(self->tx, 0, 2));
	EXPECT_EQ(-EAGAIN, try_put(self->tx, 0, 3));
	ASSERT_EQ(0, kill(self->receiver, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(self->receiver));
	EXPECT_EQ(2, object(self->rx).queued);
	EXPECT_EQ(1, object(self->rx).returned);
	EXPECT_EQ(0, object(self->rx).received);
	EXPECT_EQ(1, try_take(self->rx));
	EXPECT_EQ(-EAGAIN, try_put(self->tx, 0, 3));
	EXPECT_EQ(2, try_take(self->rx));
	EXPECT_EQ(-EAGAIN, try_take(self->rx));
}

TEST_F(taken, is_handed_from_one_who_is_killed_to_the_next)
{
	pid_t next = child();

	if (!next)
		_exit(take(self->rx));
	until(object(self->rx).receivers == 1);
	ASSERT_EQ(0, kill(self->receiver, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(self->receiver));
	EXPECT_EQ(1, reap(next));
	EXPECT_EQ(0, object(self->rx).queued);
}

/* While it may come back, the end has not come. */
TEST_F(taken, is_waited_for_before_the_end)
{
	pid_t next = child();

	if (!next) {
		close(self->tx);
		close(self->go);
		_exit(-take(self->rx));
	}
	until(object(self->rx).receivers == 1);
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(0, events(self->rx));
	EXPECT_EQ(-EAGAIN, try_take(self->rx));
	EXPECT_EQ(1, object(self->rx).receivers);
	close(self->go);
	EXPECT_EQ(0, reap(self->receiver));
	EXPECT_EQ(EPIPE, reap(next));
	EXPECT_EQ(POLLHUP, events(self->rx));
	EXPECT_EQ(-EPIPE, try_take(self->rx));
}

/* Nobody is left to have it, nor to put it back to. */
TEST_F(taken, goes_with_its_queue)
{
	__u64 id = object(self->rx).id;

	close(self->rx);
	close(self->tx);
	self->rx = -1;
	self->tx = -1;
	EXPECT_TRUE(listed(self->dev, id));
	ASSERT_EQ(0, kill(self->receiver, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(self->receiver));
	until(!listed(self->dev, id));
}

TEST_HARNESS_MAIN
