// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring on queues: that it never needs a thread to wait, because reads and
 * writes can be tried and then polled for. And that a buffer's pages which it
 * has pinned keep the buffer from being sealed.
 */
#include "ipcdev_test.h"

#include <liburing.h>

FIXTURE(uring)
{
	int dev;
	int rx;
	int tx;
	struct io_uring ring;
};

FIXTURE_VARIANT(uring)
{
	bool named;
};

FIXTURE_VARIANT_ADD(uring, anonymous)
{
	.named = false,
};

/* By a name that is a FIFO: of a regular file io_uring would read it all. */
FIXTURE_VARIANT_ADD(uring, named)
{
	.named = true,
};

FIXTURE_SETUP(uring)
{
	int ret = io_uring_queue_init(128, &self->ring, 0), q, name;

	if (ret)
		SKIP(_exit(255), "no io_uring: %s", strerror(-ret));
	self->dev = device();
	ASSERT_LE(0, self->dev);
	q = create_queue(self->dev, .depth = 2, .msg_max = 64);
	ASSERT_LE(0, q);
	if (!variant->named) {
		ASSERT_TRUE(split(q, &self->rx, &self->tx));
		return;
	}
	ASSERT_EQ(0, private_fs());
	ASSERT_EQ(0, mkfifo(FS "/queue", 0600));
	name = open(FS "/queue", O_PATH | O_CLOEXEC);
	ASSERT_EQ(0, publish(q, name, 0));
	close(name);
	self->rx = open(FS "/queue", O_RDONLY | O_CLOEXEC);
	self->tx = open(FS "/queue", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->rx);
	ASSERT_LE(0, self->tx);
	close(q);
}

FIXTURE_TEARDOWN(uring)
{
	io_uring_queue_exit(&self->ring);
	close(self->rx);
	close(self->tx);
	close(self->dev);
}

static struct io_uring_sqe *next(struct io_uring *ring, __u64 data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	sqe->user_data = data;
	return sqe;
}

static int start_read(struct io_uring *ring, int fd, void *buf, size_t len,
		      __u64 data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_read(sqe, fd, buf, len, -1);
	sqe->user_data = data;
	return io_uring_submit(ring);
}

static int start_write(struct io_uring *ring, int fd, const void *buf,
		       size_t len, __u64 data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_write(sqe, fd, buf, len, -1);
	sqe->user_data = data;
	return io_uring_submit(ring);
}

/* The result of the next to end, and which it was. */
static int ended(struct io_uring *ring, __u64 *data)
{
	struct io_uring_cqe *cqe;
	int res = io_uring_wait_cqe(ring, &cqe);

	if (res)
		return res;
	res = cqe->res;
	*data = cqe->user_data;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static bool none_ended(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	return io_uring_peek_cqe(ring, &cqe) == -EAGAIN;
}

/* Threads that io_uring has made to wait in our stead. */
static int workers(void)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], comm[32];
	struct dirent *d;
	int count = 0;

	while (dir) {
		d = readdir(dir);
		if (!d)
			break;
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 d->d_name);
		if (!read_file(path, comm, sizeof(comm)))
			count += !strncmp(comm, "iou-wrk", 7);
	}
	closedir(dir);
	return count;
}

TEST_F(uring, read_waits_for_a_message)
{
	char text[64] = "";
	__u64 which;

	ASSERT_EQ(1, start_read(&self->ring, self->rx, text, sizeof(text), 7));
	EXPECT_TRUE(none_ended(&self->ring));
	EXPECT_EQ(0, workers());
	/* It does not sleep as a receiver does. */
	EXPECT_EQ(0, object(self->rx).receivers);
	ASSERT_EQ(5, sys(write(self->tx, "hello", 5)));
	EXPECT_EQ(5, ended(&self->ring, &which));
	EXPECT_EQ(7, which);
	EXPECT_STREQ("hello", text);
	EXPECT_EQ(0, workers());
}

TEST_F(uring, read_takes_one_message)
{
	char text[64] = "";
	__u64 which;

	ASSERT_EQ(3, sys(write(self->tx, "one", 3)));
	ASSERT_EQ(3, sys(write(self->tx, "two", 3)));
	ASSERT_EQ(1, start_read(&self->ring, self->rx, text, sizeof(text), 1));
	EXPECT_EQ(3, ended(&self->ring, &which));
	EXPECT_STREQ("one", text);
	EXPECT_EQ(1, object(self->rx).queued);
	ASSERT_EQ(1, start_read(&self->ring, self->rx, text, 2, 2));
	EXPECT_EQ(-EMSGSIZE, ended(&self->ring, &which));
	EXPECT_EQ(1, object(self->rx).queued);
	EXPECT_EQ(0, workers());
}

TEST_F(uring, write_waits_for_room)
{
	char text[64];
	__u64 which;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, start_write(&self->ring, self->tx, "message", 7,
					 i));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(7, ended(&self->ring, &which));
		EXPECT_EQ(i, (int)which);
	}
	EXPECT_TRUE(none_ended(&self->ring));
	EXPECT_EQ(0, workers());
	EXPECT_EQ(0, object(self->rx).senders);
	EXPECT_EQ(7, sys(read(self->rx, text, sizeof(text))));
	EXPECT_EQ(7, ended(&self->ring, &which));
	EXPECT_EQ(2, which);
	EXPECT_EQ(2, object(self->rx).queued);
	EXPECT_EQ(0, workers());
}

TEST_F(uring, many_wait_at_once)
{
	static char text[100][8];
	bool seen[100] = {};
	char message[8];
	__u64 which;
	int i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(1, start_read(&self->ring, self->rx, text[i], 8, i));
	EXPECT_TRUE(none_ended(&self->ring));
	EXPECT_EQ(0, workers());
	for (i = 0; i < 100; i++) {
		snprintf(message, sizeof(message), "%d", i);
		ASSERT_EQ(8, sys(write(self->tx, message, 8)));
		ASSERT_EQ(8, ended(&self->ring, &which));
		ASSERT_GT(100, which);
		EXPECT_FALSE(seen[which]);
		seen[which] = true;
		EXPECT_STREQ(message, text[which]);
	}
	EXPECT_EQ(0, workers());
	EXPECT_EQ(0, object(self->rx).queued);
}

TEST_F(uring, what_must_not_wait_does_not)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	char text[64];
	__u64 which;

	io_uring_prep_read(sqe, self->rx, text, sizeof(text), -1);
	sqe->rw_flags = RWF_NOWAIT;
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(-EAGAIN, ended(&self->ring, &which));
	EXPECT_EQ(0, workers());
}

TEST_F(uring, hang_up_ends_what_waits)
{
	char text[64];
	__u64 which;

	ASSERT_EQ(1, start_read(&self->ring, self->rx, text, sizeof(text), 7));
	EXPECT_TRUE(none_ended(&self->ring));
	close(self->tx);
	self->tx = -1;
	EXPECT_EQ(0, ended(&self->ring, &which));
	EXPECT_EQ(0, workers());
}

TEST_F(uring, hang_up_ends_a_write_that_waits)
{
	__u64 which;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, sys(write(self->tx, "x", 1)));
	ASSERT_EQ(1, start_write(&self->ring, self->tx, "x", 1, 7));
	EXPECT_TRUE(none_ended(&self->ring));
	close(self->rx);
	self->rx = -1;
	EXPECT_EQ(-EPIPE, ended(&self->ring, &which));
	EXPECT_EQ(0, workers());
}

TEST_F(uring, what_waits_can_be_cancelled)
{
	char text[64];
	__u64 which;
	int i, res;

	ASSERT_EQ(1, start_read(&self->ring, self->rx, text, sizeof(text), 7));
	io_uring_prep_cancel64(next(&self->ring, 0), 7, 0);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	for (i = 0; i < 2; i++) {
		res = ended(&self->ring, &which);
		EXPECT_EQ(which == 7 ? -ECANCELED : 0, res);
	}
	/* It took nothing along. */
	ASSERT_EQ(1, sys(write(self->tx, "x", 1)));
	EXPECT_EQ(1, object(self->rx).queued);
	EXPECT_EQ(1, sys(read(self->rx, text, sizeof(text))));
}

/* The ring goes while it waits for a message. */
TEST_F(uring, ring_goes_first)
{
	char text[64];

	ASSERT_EQ(1, start_read(&self->ring, self->rx, text, sizeof(text), 7));
	io_uring_queue_exit(&self->ring);
	ASSERT_EQ(1, sys(write(self->tx, "x", 1)));
	EXPECT_EQ(1, sys(read(self->rx, text, sizeof(text))));
	ASSERT_EQ(0, io_uring_queue_init(8, &self->ring, 0));
}

TEST_F(uring, vectors)
{
	struct iovec out[] = { { "gath", 4 }, { "ered", 4 } };
	char a[3], b[16];
	struct iovec in[] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct io_uring_sqe *sqe;
	__u64 which;

	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_readv(sqe, self->rx, in, 2, -1);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_writev(sqe, self->tx, out, 2, -1);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(8, ended(&self->ring, &which));
	EXPECT_EQ(8, ended(&self->ring, &which));
	EXPECT_EQ(0, memcmp(a, "gat", 3));
	EXPECT_EQ(0, memcmp(b, "hered", 5));
	EXPECT_EQ(0, workers());
}

TEST_F(uring, poll)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	__u64 which;

	io_uring_prep_poll_add(sqe, self->rx, POLLIN);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_TRUE(none_ended(&self->ring));
	ASSERT_EQ(1, sys(write(self->tx, "x", 1)));
	EXPECT_EQ(POLLIN, ended(&self->ring, &which));
}

/* A message that meets both a sleeper and a ring is received once. */
TEST_F(uring, sleeper_comes_before_a_ring)
{
	char text[64] = "";
	__u64 which;
	pid_t pid;

	ASSERT_EQ(1, start_read(&self->ring, self->rx, text, sizeof(text), 7));
	pid = child();
	if (!pid)
		_exit(read(self->rx, text, sizeof(text)));
	until(object(self->rx).receivers == 1);
	ASSERT_EQ(3, sys(write(self->tx, "one", 3)));
	EXPECT_EQ(3, reap(pid));
	EXPECT_TRUE(none_ended(&self->ring));
	ASSERT_EQ(5, sys(write(self->tx, "later", 5)));
	EXPECT_EQ(5, ended(&self->ring, &which));
	EXPECT_STREQ("later", text);
}

/* Whoever may write to a page later keeps the buffer from being sealed. */
TEST_F(uring, registered_buffer_cannot_be_sealed)
{
	size_t size = 2 * sysconf(_SC_PAGESIZE);
	int b = create_buffer(self->dev, .size = size);
	struct iovec v = { map(b, size, PROT_READ | PROT_WRITE), size };
	struct io_uring_sqe *sqe;
	__u64 which;
	char *p;
	int ret;

	ASSERT_NE(NULL, v.iov_base);
	ret = io_uring_register_buffers(&self->ring, &v, 1);
	/* Older kernels register no memory of files, and so pin none. */
	if (ret == -EOPNOTSUPP) {
		ASSERT_EQ(0, munmap(v.iov_base, size));
		EXPECT_EQ(0, seal(b));
		close(b);
		return;
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(5, sys(write(self->tx, "early", 5)));
	sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_read_fixed(sqe, self->rx, v.iov_base, size, -1, 0);
	ASSERT_EQ(1, io_uring_submit(&self->ring));
	EXPECT_EQ(5, ended(&self->ring, &which));
	/* It does so without any mapping. */
	ASSERT_EQ(0, munmap(v.iov_base, size));
	EXPECT_EQ(-EBUSY, seal(b));
	EXPECT_EQ(0, object(b).flags & IPCDEV_STAT_SEALED);
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	until(seal(b) == 0);
	close(self->tx);
	self->tx = dup_handle(b, RIGHT_READ, 0);
	p = map(self->tx, size, PROT_READ);
	ASSERT_NE(NULL, p);
	EXPECT_STREQ("early", p);
	munmap(p, size);
	close(b);
}

TEST_HARNESS_MAIN
