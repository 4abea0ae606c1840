// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptors and slices in messages: what may travel, what the receiver
 * gets, and that whatever nobody took is released.
 */
#include "ipcdev_test.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

FIXTURE(fds)
{
	int dev;
	int q;
	int fd;		/* one that may travel */
};

FIXTURE_VARIANT(fds)
{
	uid_t uid;
};

FIXTURE_VARIANT_ADD(fds, root)
{
	.uid = 0,
};

FIXTURE_VARIANT_ADD(fds, user)
{
	.uid = ALICE,
};

FIXTURE_SETUP(fds)
{
	ASSERT_EQ(0, private_fs());
	if (variant->uid)
		ASSERT_EQ(0, become(variant->uid));
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->q = create_queue(self->dev, .flags = IPCDEV_QUEUE_NONBLOCK);
	ASSERT_LE(0, self->q);
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(fds)
{
	close(self->fd);
	close(self->q);
	close(self->dev);
}

static long send_fds(int q, const int *fds, __u32 count)
{
	return send_msg(q, .msg.fds = PTR(fds), .msg.fd_count = count);
}

/* Returns how many there were, for which there was room. */
static long recv_fds(int q, int *fds, __u32 room, __u32 flags)
{
	struct ipcdev_transfer t = {
		.msg = {
			.flags = flags,
			.fds = PTR(fds),
			.fd_count = room,
		},
	};
	long ret = recv_msg(q, &t);

	return ret ?: (long)t.msg.fd_count;
}

static long send_slices(int q, const struct ipcdev_slice *s, __u32 count)
{
	return send_msg(q, .msg.slices = PTR(s), .msg.slice_count = count);
}

static long recv_slices(int q, struct ipcdev_slice *s, __u32 room, __u32 flags)
{
	struct ipcdev_transfer t = {
		.msg = {
			.flags = flags,
			.slices = PTR(s),
			.slice_count = room,
		},
	};
	long ret = recv_msg(q, &t);

	return ret ?: (long)t.msg.slice_count;
}

/* Descriptors of one open file share its flags. */
static bool same_file(int a, int b)
{
	int flags = fcntl(a, F_GETFL);
	bool same;

	if (flags < 0 || fcntl(b, F_GETFL) != flags)
		return false;
	fcntl(a, F_SETFL, flags ^ O_NONBLOCK);
	same = fcntl(b, F_GETFL) == (flags ^ O_NONBLOCK);
	fcntl(a, F_SETFL, flags);
	return same;
}

/*
 * A pipe whose writing end goes into messages: its reading end sees when the
 * last of them is gone.
 */
static int canary(int *writer)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		abort();
	*writer = p[1];
	return p[0];
}

static bool released(int reader)
{
	char c;

	return read(reader, &c, 1) == 0;
}

static int send_canary(int q)
{
	int writer, reader = canary(&writer);

	if (send_fds(q, &writer, 1))
		abort();
	close(writer);
	return reader;
}

enum kind {
	BUFFER, READ_ONLY_BUFFER, NAMED_BUFFER, EVENTFD, REGULAR, MEMFD,
	PIPE, FIFO, INET_STREAM, INET_DGRAM, INET6,
	TRAVELLERS,
	QUEUE = TRAVELLERS, NAMED_QUEUE, FIFO_QUEUE, BLANK, DEVICE,
	NULL_DEVICE, DIRECTORY, UNIX_STREAM, UNIX_DGRAM, NETLINK, EPOLL,
	IO_URING, SIGNALFD, TIMERFD, PIDFD, NAMESPACE, INOTIFY,
	KINDS
};

static int named(int fd, const char *path, mode_t type)
{
	int ret = -1;

	if (!mknod(path, type | 0600, 0) &&
	    !publish(fd, open(path, O_PATH | O_CLOEXEC), 0))
		ret = open(path, O_RDWR | O_CLOEXEC);
	unlink(path);
	close(fd);
	return ret;
}

static int open_kind(int dev, enum kind kind)
{
	/* Room for the parameters of io_uring_setup(2), and a signal set. */
	char params[256] = "";
	int p[2];

	switch (kind) {
	case BUFFER:
		return create_buffer(dev, .size = 1);
	case READ_ONLY_BUFFER:
		return create_buffer(dev, .size = 1, .rights = RIGHT_READ);
	case NAMED_BUFFER:
		return named(create_buffer(dev, .size = 1), FS "/b", S_IFREG);
	case EVENTFD:
		return eventfd(0, EFD_CLOEXEC);
	case REGULAR:
		p[0] = open("/tmp/regular", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		unlink("/tmp/regular");
		return p[0];
	case MEMFD:
		return memfd_create("memfd", MFD_CLOEXEC);
	case PIPE:
		if (pipe2(p, O_CLOEXEC))
			return -1;
		close(p[1]);
		return p[0];
	case FIFO:
		mkfifo("/tmp/fifo", 0600);
		p[0] = open("/tmp/fifo", O_RDWR | O_CLOEXEC);
		unlink("/tmp/fifo");
		return p[0];
	case INET_STREAM:
		return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case INET_DGRAM:
		return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case INET6:
		return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case QUEUE:
		return create_queue(dev, .depth = 1);
	case NAMED_QUEUE:
		return named(create_queue(dev, .depth = 1), FS "/q", S_IFREG);
	case FIFO_QUEUE:
		return named(create_queue(dev, .depth = 1), FS "/p", S_IFIFO);
	case BLANK:
		p[0] = open(FS "/blank", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		unlink(FS "/blank");
		return p[0];
	case DEVICE:
		return device();
	case NULL_DEVICE:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case DIRECTORY:
		return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case UNIX_STREAM:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case UNIX_DGRAM:
		return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case NETLINK:
		return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	case EPOLL:
		return epoll_create1(EPOLL_CLOEXEC);
	case IO_URING:
		return syscall(SYS_io_uring_setup, 1, params);
	case SIGNALFD:
		return signalfd(-1, (sigset_t *)params, SFD_CLOEXEC);
	case TIMERFD:
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	case PIDFD:
		return syscall(SYS_pidfd_open, getpid(), 0);
	case NAMESPACE:
		return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	case INOTIFY:
		return inotify_init1(IN_CLOEXEC);
	default:
		return -1;
	}
}

TEST_F(fds, those_that_hold_no_others_travel)
{
	int kind, sent, got;

	for (kind = 0; kind < TRAVELLERS; kind++) {
		sent = open_kind(self->dev, kind);
		if (sent < 0) {
			TH_LOG("kind %d does not exist here", kind);
			continue;
		}
		EXPECT_EQ(0, send_fds(self->q, &sent, 1))
			TH_LOG("kind %d", kind);
		EXPECT_EQ(1, recv_fds(self->q, &got, 1, 0))
			TH_LOG("kind %d", kind);
		EXPECT_NE(sent, got);
		EXPECT_TRUE(same_file(sent, got))
			TH_LOG("kind %d", kind);
		EXPECT_EQ(FD_CLOEXEC, fcntl(got, F_GETFD));
		close(got);
		close(sent);
	}
}

/* A queue in a queue, or in what is in a queue, might never go away. */
TEST_F(fds, all_others_stay)
{
	int kind, fd, fds[2] = { self->fd }, count;

	for (kind = TRAVELLERS; kind < KINDS; kind++) {
		fd = open_kind(self->dev, kind);
		if (fd < 0) {
			TH_LOG("kind %d does not exist here", kind);
			continue;
		}
		count = open_fds();
		EXPECT_EQ(-ELOOP, send_fds(self->q, &fd, 1))
			TH_LOG("kind %d", kind);
		/* Good company does not help. */
		fds[1] = fd;
		EXPECT_EQ(-ELOOP, send_fds(self->q, fds, 2))
			TH_LOG("kind %d", kind);
		EXPECT_EQ(count, open_fds());
		close(fd);
	}
	EXPECT_EQ(-ELOOP, send_fds(self->q, &self->q, 1));
	EXPECT_EQ(0, object(self->q).queued);
	EXPECT_EQ(0, info(self->dev).inflight);
}

TEST_F(fds, a_message_carries_sixteen_of_each)
{
	struct ipcdev_slice slices[IPCDEV_SLICES_MAX] = {};
	int fds[IPCDEV_FDS_MAX], i, count;
	int b = create_buffer(self->dev, .size = 4096);
	struct ipcdev_transfer t = {
		.msg = {
			.fds = PTR(fds),
			.fd_count = IPCDEV_FDS_MAX,
			.slices = PTR(slices),
			.slice_count = IPCDEV_SLICES_MAX,
		},
	};
	char data[8];

	ASSERT_LE(0, b);
	for (i = 0; i < IPCDEV_FDS_MAX; i++)
		fds[i] = i & 1 ? self->fd : b;
	for (i = 0; i < IPCDEV_SLICES_MAX; i++) {
		slices[i].fd = b;
		slices[i].offset = i;
		slices[i].length = 100 + i;
	}
	ASSERT_EQ(0, send_msg(self->q, .msg.data = PTR("payload"),
			      .msg.len = 7, .msg.fds = PTR(fds),
			      .msg.fd_count = IPCDEV_FDS_MAX,
			      .msg.slices = PTR(slices),
			      .msg.slice_count = IPCDEV_SLICES_MAX));
	EXPECT_EQ(32, info(self->dev).inflight);
	memset(fds, 0, sizeof(fds));
	memset(slices, 0, sizeof(slices));
	t.msg.data = PTR(data);
	t.msg.len = sizeof(data);
	count = open_fds();
	ASSERT_EQ(0, recv_msg(self->q, &t));
	EXPECT_EQ(7, t.msg.len);
	EXPECT_EQ(0, memcmp(data, "payload", 7));
	EXPECT_EQ(IPCDEV_FDS_MAX, t.msg.fd_count);
	EXPECT_EQ(IPCDEV_SLICES_MAX, t.msg.slice_count);
	EXPECT_EQ(count + 32, open_fds());
	for (i = 0; i < IPCDEV_FDS_MAX; i++)
		EXPECT_TRUE(same_file(fds[i], i & 1 ? self->fd : b));
	for (i = 0; i < IPCDEV_SLICES_MAX; i++) {
		EXPECT_TRUE(same_file(slices[i].fd, b));
		EXPECT_EQ((__u64)i, slices[i].offset);
		EXPECT_EQ(100ULL + i, slices[i].length);
		EXPECT_EQ(object(b).id, slices[i].buffer_id);
		EXPECT_EQ(0, slices[i].reserved);
	}
	EXPECT_EQ(0, info(self->dev).inflight);
}

TEST_F(fds, bad_ones_are_not_sent)
{
	int fds[IPCDEV_FDS_MAX + 1], i, count = open_fds();
	int path = open("/tmp", O_PATH | O_CLOEXEC);
	struct ipcdev_slice slices[IPCDEV_SLICES_MAX + 1] = {};

	for (i = 0; i < IPCDEV_FDS_MAX + 1; i++)
		fds[i] = self->fd;
	EXPECT_EQ(-EINVAL, send_fds(self->q, fds, IPCDEV_FDS_MAX + 1));
	EXPECT_EQ(-EINVAL, send_fds(self->q, fds, UINT32_MAX));
	EXPECT_EQ(-EINVAL, send_slices(self->q, slices,
				       IPCDEV_SLICES_MAX + 1));
	EXPECT_EQ(-EFAULT, send_fds(self->q, NULL, 1));
	EXPECT_EQ(-EFAULT, send_fds(self->q, bad_page(), 1));
	EXPECT_EQ(-EFAULT, send_slices(self->q, bad_page(), 1));
	fds[5] = 1000;
	EXPECT_EQ(-EBADF, send_fds(self->q, fds, IPCDEV_FDS_MAX));
	fds[5] = -1;
	EXPECT_EQ(-EBADF, send_fds(self->q, fds, IPCDEV_FDS_MAX));
	/* What has no rights at all cannot be handed on. */
	EXPECT_EQ(-EBADF, send_fds(self->q, &path, 1));
	close(path);
	EXPECT_EQ(0, object(self->q).queued);
	EXPECT_EQ(0, info(self->dev).inflight);
	EXPECT_EQ(count, open_fds());
}

TEST_F(fds, bad_slices_are_not_sent)
{
	int b = create_buffer(self->dev, .size = 1);
	__u64 size = object(b).size;
	const struct {
		struct ipcdev_slice slice;
		long error;
	} cases[] = {
		{ { .fd = b, .offset = 0, .length = 0 }, -EINVAL },
		{ { .fd = b, .offset = 0, .length = size + 1 }, -EINVAL },
		{ { .fd = b, .offset = size, .length = 1 }, -EINVAL },
		{ { .fd = b, .offset = 1, .length = size }, -EINVAL },
		{ { .fd = b, .offset = UINT64_MAX, .length = 2 }, -EINVAL },
		{ { .fd = b, .offset = 2, .length = UINT64_MAX }, -EINVAL },
		{ { .fd = b, .length = 1, .reserved = 1 }, -EINVAL },
		{ { .fd = b, .length = 1, .buffer_id = 1 }, -EINVAL },
		{ { .fd = self->fd, .length = 1 }, -EINVAL },
		{ { .fd = self->q, .length = 1 }, -EINVAL },
		{ { .fd = self->dev, .length = 1 }, -EINVAL },
		{ { .fd = -1, .length = 1 }, -EBADF },
		{ { .fd = 1000, .length = 1 }, -EBADF },
	};
	struct ipcdev_slice two[2] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		two[0].fd = b;
		two[0].length = 1;
		two[1] = cases[i].slice;
		EXPECT_EQ(cases[i].error, send_slices(self->q, two + 1, 1))
			TH_LOG("case %u", i);
		EXPECT_EQ(cases[i].error, send_slices(self->q, two, 2))
			TH_LOG("case %u", i);
	}
	EXPECT_EQ(0, object(self->q).queued);
	EXPECT_EQ(0, info(self->dev).inflight);
	/* All of it, and its last byte. */
	two[0].length = size;
	two[1] = (struct ipcdev_slice){ .fd = b, .offset = size - 1,
					.length = 1 };
	EXPECT_EQ(0, send_slices(self->q, two, 2));
	close(b);
}

TEST_F(fds, without_room_the_message_stays)
{
	int fds[3] = { self->fd, self->fd, self->fd }, got[3];
	int b = create_buffer(self->dev, .size = 1), count;
	struct ipcdev_slice s = { .fd = b, .length = 1 }, out;
	struct ipcdev_transfer t = {
		.msg = { .fds = PTR(got), .slices = PTR(&out) },
	};
	char data[8];

	ASSERT_EQ(0, send_msg(self->q, .msg.data = PTR("hello"), .msg.len = 5,
			      .msg.fds = PTR(fds), .msg.fd_count = 3,
			      .msg.slices = PTR(&s), .msg.slice_count = 1));
	count = open_fds();
	/* All that is needed is told, whichever it was that had no room. */
	EXPECT_EQ(-EMSGSIZE, recv_msg(self->q, &t));
	EXPECT_EQ(5, t.msg.len);
	EXPECT_EQ(3, t.msg.fd_count);
	EXPECT_EQ(1, t.msg.slice_count);
	t.msg.data = PTR(data);
	t.msg.fd_count = 2;
	EXPECT_EQ(-EMSGSIZE, recv_msg(self->q, &t));
	EXPECT_EQ(3, t.msg.fd_count);
	t.msg.slice_count = 0;
	EXPECT_EQ(-EMSGSIZE, recv_msg(self->q, &t));
	EXPECT_EQ(1, t.msg.slice_count);
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(1, object(self->q).queued);
	/* No permission to drop them is one to drop the payload. */
	t.msg.len = 4;
	t.msg.flags = IPCDEV_MSG_DROP_FDS;
	EXPECT_EQ(-EMSGSIZE, recv_msg(self->q, &t));
	t.msg.flags = 0;
	EXPECT_EQ(0, recv_msg(self->q, &t));
	EXPECT_EQ(count + 4, open_fds());
	close(b);
}

/* From now on a security module watches us, under one of apparmor.profile. */
static int confine(const char *request)
{
	int fd = open("/proc/self/attr/current", O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, request, strlen(request));

	close(fd);
	return n == (ssize_t)strlen(request) ? 0 : -1;
}

static int load_policy(void)
{
	static char policy[65536];
	int from = open("apparmor.bin", O_RDONLY | O_CLOEXEC), to;
	ssize_t n = read(from, policy, sizeof(policy));
	int ret;

	mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	to = open("/sys/kernel/security/apparmor/.replace",
		  O_WRONLY | O_CLOEXEC);
	ret = n > 0 && write(to, policy, n) == n ? 0 : -1;
	close(from);
	close(to);
	return ret;
}

/*
 * It is the receiver that must be allowed to have a descriptor. What it is refused
 * stays in the queue, for one who may, or who drops it.
 */
TEST(security_module_refuses)
{
	int dev, q, fd, got = -1;
	pid_t pid;

	ASSERT_EQ(0, private_fs());
	if (load_policy())
		SKIP(return, "no AppArmor, or no policy for it");
	dev = device();
	q = create_queue(dev, .flags = IPCDEV_QUEUE_NONBLOCK);
	ASSERT_LE(0, q);
	pid = child();
	if (!pid) {
		if (confine("changeprofile ipcdev-sender"))
			_exit(1);
		fd = open("/tmp/ipcdev-refused", O_RDWR | O_CREAT | O_CLOEXEC,
			  0600);
		if (send_fds(q, &fd, 1) || send_fds(q, &fd, 1))
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(0, reap(pid));
	pid = child();
	if (!pid) {
		int count = open_fds();

		if (confine("changeprofile ipcdev-receiver"))
			_exit(1);
		if (recv_fds(q, &got, 1, 0) != -EACCES)
			_exit(2);
		if (object(q).queued != 2 || open_fds() != count)
			_exit(3);
		if (recv_fds(q, &got, 1, IPCDEV_MSG_DROP_FDS))
			_exit(4);
		_exit(object(q).queued != 1 || open_fds() != count ? 5 : 0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(1, recv_fds(q, &got, 1, 0));
	unlink("/tmp/ipcdev-refused");
	close(got);
	close(q);
	close(dev);
}

TEST_F(fds, room_for_more_is_no_harm)
{
	int got[IPCDEV_FDS_MAX] = {};

	ASSERT_EQ(0, send_fds(self->q, &self->fd, 1));
	EXPECT_EQ(1, recv_fds(self->q, got, IPCDEV_FDS_MAX, 0));
	EXPECT_EQ(0, got[1]);
	close(got[0]);
	ASSERT_EQ(0, put(self->q, 0, 1));
	EXPECT_EQ(-EMSGSIZE, recv_fds(self->q, got, IPCDEV_FDS_MAX, 0));
	EXPECT_EQ(1, try_take(self->q));
}

TEST_F(fds, those_without_room_are_dropped_on_request)
{
	int writer[2], reader[2], got[2], b, count;
	struct ipcdev_slice s = { .length = 1 };
	struct ipcdev_transfer t = {
		.msg = {
			.flags = IPCDEV_MSG_DROP_FDS,
			.fds = PTR(got),
			.fd_count = 1,
		},
	};
	__u64 id;

	reader[0] = canary(&writer[0]);
	reader[1] = canary(&writer[1]);
	b = create_buffer(self->dev, .size = 1);
	id = object(b).id;
	s.fd = b;
	ASSERT_EQ(0, send_msg(self->q, .msg.fds = PTR(writer),
			      .msg.fd_count = 2, .msg.slices = PTR(&s),
			      .msg.slice_count = 1));
	close(writer[0]);
	close(writer[1]);
	close(b);
	EXPECT_FALSE(released(reader[0]));
	EXPECT_FALSE(released(reader[1]));
	EXPECT_TRUE(listed(self->dev, id));
	count = open_fds();
	EXPECT_EQ(0, recv_msg(self->q, &t));
	EXPECT_EQ(1, t.msg.fd_count);
	EXPECT_EQ(0, t.msg.slice_count);
	EXPECT_EQ(count + 1, open_fds());
	EXPECT_FALSE(released(reader[0]));
	EXPECT_TRUE(released(reader[1]));
	EXPECT_FALSE(listed(self->dev, id));
	close(got[0]);
	EXPECT_TRUE(released(reader[0]));
	EXPECT_EQ(0, info(self->dev).inflight);
}

/* How many more descriptors the process may open. */
static int leave_room_for(int count)
{
	int fd = dup(0);

	close(fd);
	return set_nofile(fd + count);
}

TEST_F(fds, receiver_at_its_limit_leaves_the_message)
{
	int fds[3] = { self->fd, self->fd, self->fd }, got[3], count;

	/* No hole below the limit. */
	while (dup(0) < 50)
		;
	ASSERT_EQ(0, send_fds(self->q, fds, 3));
	ASSERT_EQ(0, put(self->q, 0, 7));
	count = open_fds();
	ASSERT_EQ(0, leave_room_for(2));
	EXPECT_EQ(-EMFILE, recv_fds(self->q, got, 3, 0));
	ASSERT_EQ(0, set_nofile(200));
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(2, object(self->q).queued);
	/* It is still the first. */
	ASSERT_EQ(0, leave_room_for(3));
	EXPECT_EQ(3, recv_fds(self->q, got, 3, 0));
	EXPECT_TRUE(same_file(self->fd, got[2]));
	EXPECT_EQ(7, try_take(self->q));
}

TEST_F(fds, receiver_at_its_limit_may_drop)
{
	int fds[3] = { self->fd, self->fd }, got[3], count, reader;
	int b = create_buffer(self->dev, .size = 1);
	struct ipcdev_slice s = { .fd = b, .length = 1 }, out;
	struct ipcdev_transfer t = {
		.msg = {
			.flags = IPCDEV_MSG_DROP_FDS,
			.fds = PTR(got),
			.fd_count = 3,
			.slices = PTR(&out),
			.slice_count = 1,
		},
	};

	reader = canary(&fds[2]);
	while (dup(0) < 50)
		;
	ASSERT_EQ(0, send_msg(self->q, .msg.fds = PTR(fds), .msg.fd_count = 3,
			      .msg.slices = PTR(&s), .msg.slice_count = 1));
	close(fds[2]);
	/* Fill the hole that it left. */
	dup(0);
	count = open_fds();
	ASSERT_EQ(0, leave_room_for(2));
	EXPECT_EQ(0, recv_msg(self->q, &t));
	EXPECT_EQ(2, t.msg.fd_count);
	EXPECT_EQ(0, t.msg.slice_count);
	ASSERT_EQ(0, set_nofile(200));
	EXPECT_EQ(count + 2, open_fds());
	EXPECT_TRUE(released(reader));
	/* Ids need no descriptor. */
	ASSERT_EQ(0, send_slices(self->q, &s, 1));
	ASSERT_EQ(0, leave_room_for(0));
	EXPECT_EQ(-EMFILE, recv_slices(self->q, &out, 1, 0));
	EXPECT_EQ(1, recv_slices(self->q, &out, 1, IPCDEV_MSG_SLICE_IDS));
	EXPECT_EQ(object(b).id, out.buffer_id);
}

TEST_F(fds, receiver_that_faults_leaves_the_message)
{
	int fds[2] = { self->fd, self->fd }, got[2], count;
	int b = create_buffer(self->dev, .size = 1);
	struct ipcdev_slice s = { .fd = b, .length = 1 };
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p + page, page, PROT_NONE));
	ASSERT_EQ(0, send_fds(self->q, fds, 2));
	ASSERT_EQ(0, send_slices(self->q, &s, 1));
	count = open_fds();
	EXPECT_EQ(-EFAULT, recv_fds(self->q, NULL, 2, 0));
	/* There is room for the number of the first, not of the second. */
	EXPECT_EQ(-EFAULT, recv_fds(self->q, (int *)(p + page) - 1, 2, 0));
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(2, recv_fds(self->q, got, 2, 0));
	count = open_fds();
	EXPECT_EQ(-EFAULT, recv_slices(self->q, NULL, 1, 0));
	EXPECT_EQ(-EFAULT, recv_slices(self->q, (void *)(p + page - 8), 1, 0));
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(1, object(self->q).queued);
	EXPECT_EQ(1, recv_slices(self->q, &s, 1, 0));
	close(b);
}

TEST_F(fds, sender_at_its_limit)
{
	int fds[IPCDEV_FDS_MAX], got[IPCDEV_FDS_MAX], i;

	for (i = 0; i < IPCDEV_FDS_MAX; i++)
		fds[i] = self->fd;
	ASSERT_EQ(0, set_nofile(32));
	EXPECT_EQ(0, send_fds(self->q, fds, IPCDEV_FDS_MAX));
	EXPECT_EQ(0, send_fds(self->q, fds, IPCDEV_FDS_MAX));
	EXPECT_EQ(32, info(self->dev).inflight);
	if (!variant->uid) {
		/* CAP_SYS_RESOURCE knows no limit. */
		EXPECT_EQ(0, send_fds(self->q, fds, IPCDEV_FDS_MAX));
		return;
	}
	EXPECT_EQ(-ETOOMANYREFS, send_fds(self->q, fds, 1));
	EXPECT_EQ(2, object(self->q).queued);
	EXPECT_EQ(32, info(self->dev).inflight);
	/* One without is not concerned. */
	EXPECT_EQ(0, put(self->q, 1, 1));
	EXPECT_EQ(1, take(self->q));
	EXPECT_EQ(16, recv_fds(self->q, got, IPCDEV_FDS_MAX, 0));
	EXPECT_EQ(16, info(self->dev).inflight);
	EXPECT_EQ(0, send_fds(self->q, fds, IPCDEV_FDS_MAX));
	EXPECT_EQ(-ETOOMANYREFS, send_fds(self->q, fds, 1));
	/* It is the user's limit, not the process's. */
	close(self->q);
	self->q = create_queue(self->dev, .depth = 1);
	EXPECT_EQ(0, info(self->dev).inflight);
	EXPECT_EQ(0, send_fds(self->q, fds, 1));
}

TEST_F(fds, released_with_the_queue)
{
	int reader = send_canary(self->q);

	EXPECT_FALSE(released(reader));
	close(self->q);
	self->q = -1;
	EXPECT_TRUE(released(reader));
	EXPECT_EQ(0, info(self->dev).inflight);
}

TEST_F(fds, released_by_a_read)
{
	int reader = send_canary(self->q), count = open_fds();
	char c;

	EXPECT_FALSE(released(reader));
	EXPECT_EQ(0, sys(read(self->q, &c, 1)));
	EXPECT_TRUE(released(reader));
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(0, info(self->dev).inflight);
}

TEST_F(fds, released_by_an_overflow)
{
	int q = create_queue(self->dev, .depth = 1,
			     .flags = IPCDEV_QUEUE_DROP_OLDEST);
	int reader = send_canary(q);

	EXPECT_FALSE(released(reader));
	EXPECT_EQ(0, put(q, 0, 1));
	EXPECT_TRUE(released(reader));
	EXPECT_EQ(0, info(self->dev).inflight);
	close(q);
}

TEST_F(fds, released_with_a_send_that_fails)
{
	int writer, reader = canary(&writer), fds[2] = { writer, self->q };
	int q = create_queue(self->dev, .depth = 1,
			     .flags = IPCDEV_QUEUE_NONBLOCK);

	EXPECT_EQ(-ELOOP, send_fds(self->q, fds, 2));
	ASSERT_EQ(0, put(q, 0, 1));
	EXPECT_EQ(-EAGAIN, send_fds(q, &writer, 1));
	EXPECT_EQ(-EFAULT, send_msg(self->q, .msg.fds = PTR(&writer),
				    .msg.fd_count = 1, .msg.len = 1));
	close(writer);
	EXPECT_TRUE(released(reader));
	EXPECT_EQ(0, info(self->dev).inflight);
	close(q);
}

TEST_F(fds, released_with_a_sender_that_is_killed)
{
	int q = create_queue(self->dev, .depth = 1);
	int writer, reader = canary(&writer);
	pid_t pid;

	ASSERT_EQ(0, put(q, 0, 1));
	pid = child();
	if (!pid)
		_exit(-send_fds(q, &writer, 1));
	close(writer);
	until(object(q).senders == 1);
	EXPECT_FALSE(released(reader));
	EXPECT_EQ(1, info(self->dev).inflight);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_TRUE(released(reader));
	EXPECT_EQ(0, info(self->dev).inflight);
	EXPECT_EQ(1, take(q));
	close(q);
}

TEST_F(fds, released_after_all_processes)
{
	int writer, reader = canary(&writer);
	pid_t pid = child();

	if (!pid) {
		int q = create_queue(self->dev, .depth = 2);

		_exit(send_fds(q, &writer, 1) || send_fds(q, &writer, 1));
	}
	close(writer);
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(released(reader));
}

TEST_F(fds, handed_to_one_who_sleeps)
{
	int q = create_queue(self->dev, .depth = 1), writer, reader;
	char c;
	pid_t pid;

	reader = canary(&writer);
	pid = child();
	if (!pid) {
		int got;

		close(writer);
		if (recv_fds(q, &got, 1, 0) != 1)
			_exit(1);
		_exit(write(got, "x", 1) != 1);
	}
	until(object(q).receivers == 1);
	EXPECT_EQ(0, send_fds(q, &writer, 1));
	close(writer);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(1, read(reader, &c, 1));
	EXPECT_TRUE(released(reader));
	EXPECT_EQ(0, info(self->dev).inflight);
	close(q);
}

TEST_F(fds, a_look_takes_none)
{
	int fds[2] = { self->fd, self->fd }, count;
	int b = create_buffer(self->dev, .size = 1);
	struct ipcdev_slice s = { .fd = b, .length = 1 };
	struct ipcdev_transfer t = { .flags = IPCDEV_PEEK };

	ASSERT_EQ(0, send_msg(self->q, .msg.fds = PTR(fds), .msg.fd_count = 2,
			      .msg.slices = PTR(&s), .msg.slice_count = 1));
	count = open_fds();
	/* No room is asked for where none is needed. */
	EXPECT_EQ(0, recv_msg(self->q, &t));
	EXPECT_EQ(2, t.msg.fd_count);
	EXPECT_EQ(1, t.msg.slice_count);
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(1, object(self->q).queued);
	EXPECT_EQ(3, info(self->dev).inflight);
	close(b);
}

TEST_F(fds, travel_in_batches)
{
	int got[3], i;
	struct ipcdev_msg m[3] = {};
	struct ipcdev_batch batch = {
		.count = 3,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};

	for (i = 0; i < 3; i++) {
		m[i].fds = PTR(&self->fd);
		m[i].fd_count = 1;
	}
	m[2].fds = PTR(&self->q);
	EXPECT_EQ(2, call(self->q, IPCDEV_IOC_SEND_BATCH, &batch));
	EXPECT_EQ(2, info(self->dev).inflight);
	memset(m, 0, sizeof(m));
	for (i = 0; i < 3; i++) {
		m[i].fds = PTR(&got[i]);
		m[i].fd_count = i == 0;
	}
	EXPECT_EQ(1, call(self->q, IPCDEV_IOC_RECV_BATCH, &batch));
	EXPECT_TRUE(same_file(got[0], self->fd));
	EXPECT_EQ(1, object(self->q).queued);
}

TEST_F(fds, slice_is_the_senders_open_file)
{
	int b = create_buffer(self->dev, .size = 1), ro;
	struct ipcdev_stat before;
	struct ipcdev_slice s = { .length = 1 };

	ro = dup_handle(b, RIGHT_READ, 0);
	before = object(b);
	s.fd = ro;
	ASSERT_EQ(0, send_slices(self->q, &s, 1));
	ASSERT_EQ(1, recv_slices(self->q, &s, 1, 0));
	EXPECT_TRUE(same_file(s.fd, ro));
	EXPECT_EQ(FD_CLOEXEC, fcntl(s.fd, F_GETFD));
	EXPECT_EQ(RIGHT_READ, object(s.fd).rights);
	EXPECT_EQ(-EACCES, try_map(s.fd, 1, PROT_READ | PROT_WRITE, MAP_SHARED,
				   0));
	EXPECT_EQ(0, try_map(s.fd, 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(before.readers, object(b).readers);
	close(s.fd);
	close(ro);
	close(b);
}

TEST_F(fds, slices_by_id_need_no_descriptors)
{
	int b = create_buffer(self->dev, .size = 100), count;
	struct ipcdev_slice s[2] = {
		{ .fd = b, .offset = 5, .length = 6 },
		{ .fd = b, .offset = 7, .length = 8 },
	};
	__u64 id = object(b).id;

	ASSERT_EQ(0, send_slices(self->q, s, 2));
	count = open_fds();
	memset(s, 0, sizeof(s));
	EXPECT_EQ(2, recv_slices(self->q, s, 2, IPCDEV_MSG_SLICE_IDS));
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(-1, s[0].fd);
	EXPECT_EQ(-1, s[1].fd);
	EXPECT_EQ(id, s[0].buffer_id);
	EXPECT_EQ(5, s[0].offset);
	EXPECT_EQ(6, s[0].length);
	EXPECT_EQ(id, s[1].buffer_id);
	EXPECT_EQ(7, s[1].offset);
	EXPECT_EQ(8, s[1].length);
	EXPECT_EQ(0, info(self->dev).inflight);
	close(b);
	EXPECT_FALSE(listed(self->dev, id));
}

TEST_F(fds, slice_keeps_its_buffer_alive)
{
	int b = create_buffer(self->dev, .size = 100);
	char *p = map(b, 100, PROT_READ | PROT_WRITE);
	struct ipcdev_slice s = { .fd = b, .offset = 50, .length = 8 };
	__u64 id = object(b).id;

	ASSERT_NE(NULL, p);
	strcpy(p + 50, "alive");
	munmap(p, 100);
	ASSERT_EQ(0, send_slices(self->q, &s, 1));
	close(b);
	EXPECT_TRUE(listed(self->dev, id));
	ASSERT_EQ(1, recv_slices(self->q, &s, 1, 0));
	p = map(s.fd, s.offset + s.length, PROT_READ);
	ASSERT_NE(NULL, p);
	EXPECT_STREQ("alive", p + s.offset);
	munmap(p, 100);
	close(s.fd);
	EXPECT_FALSE(listed(self->dev, id));
}

/*
 * From root to a user, who may only read what it could not open.
 */
FIXTURE(users)
{
	int dev;
	int q;
};

FIXTURE_SETUP(users)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->q = create_queue(self->dev, .depth = 1);
	ASSERT_LE(0, self->q);
}

FIXTURE_TEARDOWN(users)
{
	close(self->q);
	close(self->dev);
}

TEST_F(users, share_what_one_sends_the_other)
{
	int b, ro;
	struct ipcdev_slice s = { .length = 8 };
	char *p;
	pid_t pid;

	b = create_buffer(self->dev, .size = 8);
	p = map(b, 8, PROT_READ | PROT_WRITE);
	strcpy(p, "secret");
	munmap(p, 8);
	ASSERT_EQ(0, seal(b));
	ro = dup_handle(b, RIGHT_READ, 0);
	s.fd = ro;
	ASSERT_EQ(0, send_slices(self->q, &s, 1));
	pid = child();
	if (!pid) {
		close(b);
		close(ro);
		if (child_becomes(ALICE) ||
		    recv_slices(self->q, &s, 1, 0) != 1)
			_exit(1);
		p = map(s.fd, 8, PROT_READ);
		if (!p || strcmp(p, "secret"))
			_exit(2);
		if (!(object(s.fd).flags & IPCDEV_STAT_SEALED))
			_exit(3);
		if (map(s.fd, 8, PROT_READ | PROT_WRITE) ||
		    !mprotect(p, 8, PROT_READ | PROT_WRITE) ||
		    dup_handle(s.fd, RIGHT_RW, 0) != -EACCES ||
		    seal(s.fd) != -EBADF)
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, info(self->dev).inflight);
	close(ro);
	close(b);
	close(self->dev);
}

TEST_HARNESS_MAIN
