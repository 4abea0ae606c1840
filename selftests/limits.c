// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: each parameter at its edge and past it, who is charged, and that a
 * memory cgroup that is full is an errno and nobody's death.
 */
#include "engine_test.h"

static const char *const names[] = {
	"max_objects", "max_bytes", "max_depth", "max_msg_size", "max_batch",
	"max_eventfds", "max_names", "max_requests",
};

/* Users, who the tests become and cease to be by their effective ids. */
FIXTURE(limits)
{
	int dev;
	unsigned long long before[ARRAY_SIZE(names)];
};

FIXTURE_SETUP(limits)
{
	unsigned int i;

	if (access(PARAMETERS, X_OK))
		SKIP(_exit(255), "no parameters in sysfs");
	ASSERT_EQ(0, private_fs());
	self->dev = device();
	ASSERT_LE(0, self->dev);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		self->before[i] = parameter(names[i]);
}

static int queue(int dev)
{
	return create_queue(dev, .depth = 1);
}

static int buffer(int dev, size_t size)
{
	return create_buffer(dev, .size = size);
}

static int as(uid_t uid)
{
	return seteuid(0) || setegid(uid) || seteuid(uid);
}

FIXTURE_TEARDOWN(limits)
{
	unsigned int i;

	as(0);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		set_parameter(names[i], self->before[i]);
	close(self->dev);
}

/* Sets a parameter, whoever we are at the moment. */
static int limit(const char *name, unsigned long long value)
{
	uid_t uid = geteuid();

	return as(0) ?: set_parameter(name, value) ?: as(uid);
}

/* What came back to a topic's receivers is charged as what it has not dropped. */
TEST_F(limits, strays)
{
	const __u32 drop = IPCDEV_QUEUE_DROP_OLDEST, topic = IPCDEV_QUEUE_BROADCAST;
	const __u32 flags[] = { 0, drop, topic, drop | topic };
	unsigned int i;

	ASSERT_EQ(0, as(ALICE));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd = create_queue(self->dev, .flags = flags[i], .depth = 8,
				      .msg_max = 1, .bytes_max = 4096);

		ASSERT_LE(0, fd);
		EXPECT_EQ(4096 + 512 * (flags[i] == (drop | topic) ? 16 : 8),
			  info(self->dev).bytes);
		close(fd);
	}
}

TEST_F(limits, parameters_are_numbers_of_the_administrator)
{
	char path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_LT(0, parameter(names[i]));
		snprintf(path, sizeof(path), PARAMETERS "%s", names[i]);
		EXPECT_EQ(-EINVAL, write_file(path, "x"));
		EXPECT_EQ(-EINVAL, write_file(path, "-1"));
		EXPECT_EQ(self->before[i], parameter(names[i]));
		EXPECT_EQ(0, limit(names[i], 7));
		EXPECT_EQ(7, parameter(names[i]));
		ASSERT_EQ(0, as(ALICE));
		EXPECT_EQ(7, parameter(names[i]));
		EXPECT_EQ(-EACCES, set_parameter(names[i], 8));
		ASSERT_EQ(0, as(0));
	}
	EXPECT_EQ(7, info(self->dev).max_batch);
	EXPECT_EQ(7, info(self->dev).max_bytes);
	EXPECT_EQ(7, info(self->dev).max_names);
}

TEST_F(limits, objects)
{
	int fds[3], other;

	ASSERT_EQ(0, as(ALICE));
	ASSERT_EQ(0, limit("max_objects", 3));
	fds[0] = queue(self->dev);
	fds[1] = buffer(self->dev, 1);
	fds[2] = queue(self->dev);
	ASSERT_LE(0, fds[2]);
	EXPECT_EQ(-EDQUOT, queue(self->dev));
	EXPECT_EQ(-EDQUOT, buffer(self->dev, 1));
	EXPECT_EQ(3, info(self->dev).objects);
	EXPECT_EQ(3, info(self->dev).max_objects);
	/* A handle more is no object more. */
	other = dup_handle(fds[0], RIGHT_READ, 0);
	EXPECT_LE(0, other);
	EXPECT_EQ(3, info(self->dev).objects);
	/* Other users have limits of their own. */
	ASSERT_EQ(0, as(BOB));
	EXPECT_EQ(0, info(self->dev).objects);
	close(other);
	other = buffer(self->dev, 1);
	EXPECT_LE(0, other);
	ASSERT_EQ(0, as(ALICE));
	/* Whoever closes it: it is the creator's. */
	ASSERT_EQ(0, as(BOB));
	close(fds[1]);
	ASSERT_EQ(0, as(ALICE));
	EXPECT_EQ(2, info(self->dev).objects);
	fds[1] = buffer(self->dev, 1);
	EXPECT_LE(0, fds[1]);
	/* A limit that is lowered takes nothing away. */
	ASSERT_EQ(0, limit("max_objects", 1));
	EXPECT_EQ(0, put(fds[0], 0, 1));
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(-EDQUOT, queue(self->dev));
	close(fds[2]);
	EXPECT_EQ(0, info(self->dev).objects);
	EXPECT_EQ(0, info(self->dev).bytes);
	ASSERT_EQ(0, limit("max_objects", 0));
	EXPECT_EQ(-EDQUOT, queue(self->dev));
	close(other);
}

TEST_F(limits, bytes)
{
	__u64 page = sysconf(_SC_PAGESIZE);
	int q, b;

	ASSERT_EQ(0, as(ALICE));
	ASSERT_EQ(0, limit("max_bytes", 8 * page));
	/* More than anybody may have is not a matter of how much one has. */
	EXPECT_EQ(-EINVAL, create_buffer(self->dev, .size = 8 * page + 1));
	EXPECT_EQ(-EINVAL, create_queue(self->dev, .depth = 1,
					.bytes_max = 8 * page + 1));
	b = create_buffer(self->dev, .size = 8 * page);
	ASSERT_LE(0, b);
	EXPECT_EQ(8 * page, info(self->dev).bytes);
	EXPECT_EQ(-EDQUOT, buffer(self->dev, 1));
	EXPECT_EQ(-EDQUOT, create_queue(self->dev, .depth = 1, .msg_max = 1));
	EXPECT_EQ(1, info(self->dev).objects);
	close(b);
	EXPECT_EQ(0, info(self->dev).bytes);
	/* A buffer is charged whole pages. */
	b = create_buffer(self->dev, .size = page + 1);
	ASSERT_LE(0, b);
	EXPECT_EQ(2 * page, info(self->dev).bytes);
	/* A queue is charged what it may come to hold, and its messages. */
	EXPECT_EQ(-EDQUOT, create_queue(self->dev, .depth = 2, .msg_max = 1,
					.bytes_max = 6 * page - 1024 + 1));
	q = create_queue(self->dev, .depth = 2, .msg_max = 1,
			 .bytes_max = 6 * page - 1024);
	ASSERT_LE(0, q);
	EXPECT_EQ(8 * page, info(self->dev).bytes);
	ASSERT_EQ(0, send_msg(q, .msg.data = PTR("x"), .msg.len = 1));
	EXPECT_EQ(8 * page, info(self->dev).bytes);
	EXPECT_EQ(-EDQUOT, buffer(self->dev, 1));
	close(q);
	EXPECT_EQ(2 * page, info(self->dev).bytes);
	close(b);
	EXPECT_EQ(0, info(self->dev).bytes);
}

/* A ring is charged its data, and a page for each of its words and their header. */
TEST_F(limits, bytes_of_rings)
{
	__u64 page = sysconf(_SC_PAGESIZE);
	int r;

	ASSERT_EQ(0, as(ALICE));
	ASSERT_EQ(0, limit("max_bytes", 8 * page));
	EXPECT_EQ(-EINVAL, create_ring(self->dev, .size = 8 * page + 1));
	EXPECT_EQ(-EDQUOT, create_ring(self->dev, .size = 8 * page));
	EXPECT_EQ(-EDQUOT, create_ring(self->dev, .size = 4 * page + 1));
	EXPECT_EQ(0, info(self->dev).objects);
	r = create_ring(self->dev, .size = 4 * page);
	ASSERT_LE(0, r);
	EXPECT_EQ(7 * page, info(self->dev).bytes);
	EXPECT_EQ(-EDQUOT, create_ring(self->dev, .size = 1));
	EXPECT_EQ(1, info(self->dev).objects);
	close(r);
	EXPECT_EQ(0, info(self->dev).bytes);
	/* A descriptor more for each end is not an object more. */
	ASSERT_EQ(0, limit("max_objects", 1));
	r = create_ring(self->dev, .size = 1);
	ASSERT_LE(0, r);
	EXPECT_LE(0, take_end(r, RIGHT_READ, 0));
	EXPECT_LE(0, take_end(r, RIGHT_WRITE, 0));
	EXPECT_EQ(-EDQUOT, create_ring(self->dev, .size = 1));
}

/* Sizes that no machine has must not wrap around to small ones. */
TEST_F(limits, bytes_without_limit)
{
	__u64 page = sysconf(_SC_PAGESIZE);

	ASSERT_EQ(0, limit("max_bytes", ULONG_MAX));
	EXPECT_GT(0, create_buffer(self->dev, .size = UINT64_MAX));
	EXPECT_GT(0, create_buffer(self->dev, .size = UINT64_MAX - page + 2));
	EXPECT_GT(0, create_buffer(self->dev, .size = UINT64_MAX - page + 1));
	EXPECT_GT(0, create_buffer(self->dev, .size = 1ULL << 63));
	EXPECT_GT(0, create_queue(self->dev, .depth = 8192,
				  .bytes_max = UINT64_MAX));
}

TEST_F(limits, depth)
{
	int q;

	ASSERT_EQ(0, limit("max_depth", 16));
	EXPECT_EQ(-EINVAL, create_queue(self->dev, .depth = 17));
	q = create_queue(self->dev, .depth = 16);
	EXPECT_LE(0, q);
	/* One that is there already keeps what it has. */
	ASSERT_EQ(0, limit("max_depth", 1));
	EXPECT_EQ(0, put(q, 0, 1));
	EXPECT_EQ(0, put(q, 0, 2));
	close(q);
}

/* An engine's ring is never larger than any ring, whatever depth is allowed. */
TEST_F(limits, depth_of_an_engine)
{
	const __u32 most = IPCDEV_RING_SIZE_MAX / (2 * 64);
	struct ipcdev_backend_info soft;
	struct ipcdev_engines e = {
		.count = 1, .infos = PTR(&soft), .info_size = sizeof(soft),
	};

	ASSERT_EQ(0, limit("max_depth", UINT_MAX));
	ASSERT_EQ(1, call(self->dev, IPCDEV_IOC_ENGINES, &e));
	EXPECT_STREQ("soft", soft.name);
	EXPECT_EQ(most, soft.depth_max);
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .depth = most + 1));
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .depth = 1 << 24));
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .depth = (1 << 25) + 1));
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .depth = UINT_MAX));
	/* The edge is refused for the memory that it would need. */
	EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = most));
	EXPECT_EQ(0, info(self->dev).bytes);
}

/* An engine counts with its depth, whatever is in flight. */
TEST_F(limits, requests)
{
	int e[2], other;

	ASSERT_EQ(0, as(ALICE));
	ASSERT_EQ(0, limit("max_requests", 100));
	EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = 101));
	EXPECT_EQ(0, info(self->dev).objects);
	EXPECT_EQ(0, info(self->dev).bytes);
	e[0] = create_engine(self->dev, .depth = 100);
	ASSERT_LE(0, e[0]);
	EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = 1));
	close(e[0]);
	/* All engines of a user count, but not those of others. */
	e[0] = create_engine(self->dev, .depth = 90);
	e[1] = create_engine(self->dev, .depth = 10);
	ASSERT_LE(0, e[0]);
	ASSERT_LE(0, e[1]);
	EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = 1));
	ASSERT_EQ(0, as(BOB));
	other = create_engine(self->dev, .depth = 100);
	EXPECT_LE(0, other);
	/* Whoever closes it: it is the creator's. */
	close(e[1]);
	ASSERT_EQ(0, as(ALICE));
	EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = 11));
	e[1] = create_engine(self->dev, .depth = 10);
	EXPECT_LE(0, e[1]);
	/* A limit that is lowered takes nothing away. */
	ASSERT_EQ(0, limit("max_requests", 1));
	EXPECT_EQ(1, nop(e[0], 1));
	close(e[0]);
	EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = 1));
	close(e[1]);
	EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = 0));
	e[0] = create_engine(self->dev, .depth = 1);
	EXPECT_LE(0, e[0]);
	close(e[0]);
	close(other);
}

TEST_F(limits, message_size)
{
	int q;

	ASSERT_EQ(0, limit("max_msg_size", 4096));
	EXPECT_EQ(-EINVAL, create_queue(self->dev, .msg_max = 4097));
	q = create_queue(self->dev, .msg_max = 4096);
	EXPECT_LE(0, q);
	close(q);
	/* What a queue holds by default is at least one message. */
	ASSERT_EQ(0, limit("max_msg_size", 20 << 20));
	ASSERT_EQ(0, limit("max_bytes", 40 << 20));
	q = create_queue(self->dev, .msg_max = 20 << 20);
	ASSERT_LE(0, q);
	EXPECT_EQ(20 << 20, object(q).size);
	close(q);
}

TEST_F(limits, batch)
{
	struct ipcdev_msg m[5] = {};
	struct ipcdev_batch b = {
		.count = 4,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	int q = create_queue(self->dev, .depth = 8);

	ASSERT_LE(0, q);
	ASSERT_EQ(0, limit("max_batch", 4));
	EXPECT_EQ(4, call(q, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(4, call(q, IPCDEV_IOC_RECV_BATCH, &b));
	b.count = 5;
	EXPECT_EQ(-EINVAL, call(q, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(-EINVAL, call(q, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(0, object(q).queued);
	close(q);
}

TEST_F(limits, eventfds)
{
	int q = create_queue(self->dev, .depth = 8), e[3], i;

	ASSERT_LE(0, q);
	for (i = 0; i < 3; i++)
		e[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_EQ(0, as(ALICE));
	ASSERT_EQ(0, limit("max_eventfds", 2));
	EXPECT_EQ(0, attach(q, e[0], IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(0, attach(q, e[1], IPCDEV_EVENT_READABLE,
			    IPCDEV_ATTACH_ONESHOT));
	EXPECT_EQ(-EDQUOT, attach(q, e[2], IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(2, info(self->dev).eventfds);
	EXPECT_EQ(2, object(q).watches);
	/* It is who attaches them, not whose the object is. */
	ASSERT_EQ(0, as(BOB));
	EXPECT_EQ(0, attach(q, e[2], IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(0, detach(q, e[2]));
	ASSERT_EQ(0, as(ALICE));
	/* One that has fired is no longer charged. */
	EXPECT_EQ(0, put(q, 0, 1));
	EXPECT_EQ(0, attach(q, e[2], IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(-EDQUOT, attach(q, e[1], IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(0, detach(q, e[0]));
	EXPECT_EQ(0, attach(q, e[1], IPCDEV_EVENT_READABLE, 0));
	close(q);
	EXPECT_EQ(0, info(self->dev).eventfds);
}

TEST_F(limits, names)
{
	int q, fd;

	ASSERT_EQ(0, as(ALICE));
	ASSERT_EQ(0, limit("max_names", 3));
	EXPECT_EQ(0, sys(mkdir(FS "/dir", 0700)));
	EXPECT_EQ(0, sys(mknod(FS "/dir/name", S_IFREG | 0600, 0)));
	fd = sys(open(FS "/dir/blank", O_CREAT | O_RDWR, 0600));
	EXPECT_LE(0, fd);
	EXPECT_EQ(3, info(self->dev).names);
	EXPECT_EQ(-EDQUOT, sys(mkdir(FS "/other", 0700)));
	EXPECT_EQ(-EDQUOT, sys(mknod(FS "/other", S_IFREG | 0600, 0)));
	EXPECT_EQ(-EDQUOT, sys(mknod(FS "/other", S_IFIFO | 0600, 0)));
	EXPECT_EQ(-EDQUOT, sys(open(FS "/other", O_CREAT | O_RDWR, 0600)));
	EXPECT_FALSE(exists(FS "/other"));
	EXPECT_EQ(0, sys(rename(FS "/dir/name", FS "/name")));
	ASSERT_EQ(0, as(BOB));
	EXPECT_EQ(0, sys(mknod(FS "/bob", S_IFREG | 0600, 0)));
	EXPECT_EQ(1, info(self->dev).names);
	ASSERT_EQ(0, as(ALICE));
	/* A name that vanishes is given back. */
	q = queue(self->dev);
	ASSERT_LE(0, q);
	ASSERT_EQ(0, publish(q, fd, 0));
	close(fd);
	close(q);
	EXPECT_EQ(2, info(self->dev).names);
	EXPECT_EQ(0, sys(unlink(FS "/name")));
	EXPECT_EQ(0, sys(rmdir(FS "/dir")));
	EXPECT_EQ(0, info(self->dev).names);
	/* So are those that are left when the filesystem goes. */
	EXPECT_EQ(0, sys(mknod(FS "/left", S_IFREG | 0600, 0)));
	EXPECT_EQ(1, info(self->dev).names);
	ASSERT_EQ(0, as(0));
	EXPECT_EQ(0, sys(umount(FS)));
	ASSERT_EQ(0, as(ALICE));
	EXPECT_EQ(0, info(self->dev).names);
}

TEST_F(limits, descriptors)
{
	int q = queue(self->dev), b, count;

	ASSERT_LE(0, q);
	b = buffer(self->dev, 1);
	ASSERT_LE(0, b);
	count = open_fds();
	ASSERT_EQ(0, set_nofile(b + 1));
	EXPECT_EQ(-EMFILE, dup_handle(q, RIGHT_READ, 0));
	EXPECT_EQ(-EMFILE, dup_handle(b, RIGHT_READ, 0));
	EXPECT_EQ(-EMFILE, queue(self->dev));
	EXPECT_EQ(-EMFILE, buffer(self->dev, 1));
	ASSERT_EQ(0, set_nofile(200));
	EXPECT_EQ(count, open_fds());
	EXPECT_EQ(1, object(q).readers);
	EXPECT_EQ(1, object(b).readers);
}

/* The whole machine's, for a moment. */
TEST_F(limits, files_of_the_machine)
{
	const char *path = "/proc/sys/fs/file-max";
	int q = queue(self->dev);
	char before[64];
	long ret[3];

	ASSERT_LE(0, q);
	ASSERT_EQ(0, read_file(path, before, sizeof(before)));
	ASSERT_EQ(0, write_file(path, "0"));
	/* The administrator may go on. */
	as(ALICE);
	ret[0] = queue(self->dev);
	ret[1] = buffer(self->dev, 1);
	ret[2] = dup_handle(q, RIGHT_READ, 0);
	as(0);
	ASSERT_EQ(0, write_file(path, "%s", before));
	ASSERT_EQ(0, as(ALICE));
	EXPECT_EQ(-ENFILE, ret[0]);
	EXPECT_EQ(-ENFILE, ret[1]);
	EXPECT_EQ(-ENFILE, ret[2]);
	EXPECT_EQ(0, info(self->dev).objects);
	EXPECT_EQ(1, object(q).readers);
	close(q);
}

/* Whoever is killed while memory is taken for it keeps none. */
TEST_F(limits, creation_that_is_killed)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < 10; i++) {
		pid = child();
		if (!pid) {
			if (child_becomes(ALICE))
				_exit(1);
			while (true)
				close(buffer(self->dev, 64 << 20));
		}
		ASSERT_EQ(0, as(ALICE));
		until(info(self->dev).bytes);
		ASSERT_EQ(0, as(0));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(-SIGKILL, reap(pid));
		ASSERT_EQ(0, as(ALICE));
		EXPECT_EQ(0, info(self->dev).bytes);
		EXPECT_EQ(0, info(self->dev).objects);
		ASSERT_EQ(0, as(0));
	}
}

/* What the users of a namespace take, its owner has taken as well. */
TEST_F(limits, user_namespaces_make_no_room)
{
	int up[2], down[2], status;
	char path[64], c;
	pid_t pid;

	ASSERT_EQ(0, limit("max_objects", 3));
	ASSERT_EQ(0, pipe2(up, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(down, O_CLOEXEC));
	pid = child();
	if (!pid) {
		if (child_becomes(ALICE) || unshare(CLONE_NEWUSER))
			_exit(100);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(101);
		/* User 1 of the namespace has two, user 2 one. */
		if (setresuid(1, 1, 0) || queue(self->dev) < 0 ||
		    buffer(self->dev, 1) < 0)
			_exit(102);
		if (info(self->dev).objects != 2)
			_exit(103);
		if (setresuid(-1, 0, -1) || setresuid(2, 2, 0) ||
		    queue(self->dev) < 0)
			_exit(104);
		if (info(self->dev).objects != 1)
			_exit(105);
		if (queue(self->dev) != -EDQUOT)
			_exit(106);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(107);
		_exit(0);
	}
	close(up[1]);
	if (read(up[0], &c, 1) != 1) {
		status = reap(pid);
		EXPECT_EQ(100, status);
		SKIP(return, "no user namespaces for users");
	}
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	ASSERT_EQ(0, write_file(path, "0 100000 10"));
	ASSERT_EQ(1, write(down[1], "x", 1));
	if (read(up[0], &c, 1) != 1)
		ASSERT_EQ(0, reap(pid));
	ASSERT_EQ(0, as(ALICE));
	EXPECT_EQ(3, info(self->dev).objects);
	EXPECT_EQ(-EDQUOT, queue(self->dev));
	ASSERT_EQ(0, as(BOB));
	status = queue(self->dev);
	EXPECT_LE(0, status);
	close(status);
	ASSERT_EQ(1, write(down[1], "x", 1));
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, as(ALICE));
	EXPECT_EQ(0, info(self->dev).objects);
}

/*
 * Memory, which is charged to the cgroup of whoever makes us take it.
 */
#define GROUP	"/sys/fs/cgroup/ipcdev_test"
#define MIB	1048576UL

FIXTURE(memory)
{
	int dev;
};

FIXTURE_SETUP(memory)
{
	mkdir(GROUP, 0700);
	if (!exists(GROUP "/memory.max")) {
		rmdir(GROUP);
		SKIP(_exit(255), "no cgroup2 with the memory controller");
	}
	write_file(GROUP "/memory.swap.max", "0");
	self->dev = device();
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(memory)
{
	close(self->dev);
	until(!rmdir(GROUP) || errno != EBUSY);
}

/* A child that may take so much; what it needs for itself it has by then. */
static pid_t child_with(unsigned long bytes)
{
	pid_t pid;

	if (write_file(GROUP "/memory.max", "%lu", bytes))
		abort();
	pid = child();
	if (pid)
		return pid;
	if (write_file(GROUP "/cgroup.procs", "0") || mlockall(MCL_CURRENT))
		_exit(200);
	return 0;
}

static long long group_value(const char *file, const char *key)
{
	char path[128], text[1024], *p = text;

	snprintf(path, sizeof(path), GROUP "/%s", file);
	if (read_file(path, text, sizeof(text)))
		return -1;
	if (key) {
		p = strstr(text, key);
		if (!p)
			return -1;
		p += strlen(key);
	}
	return atoll(p);
}

TEST_F(memory, buffer_too_large_for_the_cgroup)
{
	pid_t pid = child_with(16 * MIB);
	int fd, i;

	if (!pid) {
		for (i = 0; i < 3; i++)
			if (buffer(self->dev, 64 * MIB) != -ENOMEM)
				_exit(1);
		/* Nothing is left of those. */
		fd = buffer(self->dev, 8 * MIB);
		_exit(fd < 0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_LT(0, group_value("memory.events", "max "));
	EXPECT_EQ(0, group_value("memory.events", "oom_kill "));
}

TEST_F(memory, messages_too_many_for_the_cgroup)
{
	static char data[256 * 1024] = "x";
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .data = PTR(data), .len = sizeof(data) },
	};
	int q = create_queue(self->dev, .depth = 256, .msg_max = sizeof(data),
			     .bytes_max = 256 * sizeof(data)), i;
	pid_t pid;

	ASSERT_LE(0, q);
	pid = child_with(16 * MIB);
	if (!pid) {
		long ret = 0;

		for (i = 0; i < 256 && !ret; i++)
			ret = call(q, IPCDEV_IOC_SEND, &t);
		if (ret != -ENOMEM)
			_exit(1);
		while (--i)
			if (recv_msg(q, &t))
				_exit(2);
		_exit(call(q, IPCDEV_IOC_SEND, &t) ? 3 : 0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(1, object(q).queued);
	EXPECT_EQ(0, group_value("memory.events", "oom_kill "));
	close(q);
}

/* What a large message was in serves again, but not for one that counts for little. */
TEST_F(memory, small_messages_are_not_kept_in_large_memory)
{
	enum { COUNT = 512, LARGE = 65536, SMALL = 257 };
	static char data[LARGE] = "x";
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .data = PTR(data) },
	};
	int q = create_queue(self->dev, .depth = COUNT, .msg_max = LARGE,
			     .bytes_max = LARGE + COUNT * SMALL), i;
	pid_t pid;

	ASSERT_LE(0, q);
	pid = child_with(16 * MIB);
	if (!pid) {
		long ret = 0;

		for (i = 0; i < COUNT && !ret; i++) {
			t.msg.prio = 1;
			t.msg.len = LARGE;
			ret = call(q, IPCDEV_IOC_SEND, &t) ?: recv_msg(q, &t);
			t.msg = (struct ipcdev_msg){ .data = PTR(data), .len = SMALL };
			ret = ret ?: call(q, IPCDEV_IOC_SEND, &t);
		}
		_exit(ret ? 1 : 0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(COUNT, object(q).queued);
	close(q);
}

/* Calls that are held count against no limit, and so their requests are not kept. */
TEST_F(memory, held_calls_are_light)
{
	enum { COUNT = 8, LARGE = 8 * MIB };
	/* It is ours, not the group's. */
	char *data = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct ipcdev_transfer t = { .msg.data = PTR(data) };
	struct ipcdev_call c = {
		.request = { .data = PTR(data), .len = LARGE },
	};
	int q = create_queue(self->dev, .depth = 4, .msg_max = LARGE), i;
	pid_t pid[COUNT];

	ASSERT_NE(MAP_FAILED, data);
	ASSERT_LE(0, q);
	for (i = 0; i < COUNT; i++) {
		pid[i] = child_with(32 * MIB);
		if (!pid[i])
			_exit(-call(q, IPCDEV_IOC_CALL, &c));
		t.msg.len = LARGE;
		ASSERT_EQ(0, recv_msg(q, &t));
		ASSERT_EQ(LARGE, t.msg.len);
		ASSERT_NE(0, t.msg.token);
	}
	EXPECT_EQ(COUNT, object(q).calls);
	for (i = 0; i < COUNT; i++)
		kill(pid[i], SIGKILL);
	for (i = 0; i < COUNT; i++)
		reap(pid[i]);
	close(q);
	munmap(data, LARGE);
}

TEST_F(memory, small_messages_too_many_for_the_cgroup)
{
	int q[16], i;
	pid_t pid;

	for (i = 0; i < 16; i++) {
		q[i] = create_queue(self->dev, .depth = 8192, .msg_max = 200,
				    .flags = IPCDEV_QUEUE_NONBLOCK);
		ASSERT_LE(0, q[i]);
	}
	pid = child_with(8 * MIB);
	if (!pid) {
		long ret = -EAGAIN;

		for (i = 0; i < 16 && ret == -EAGAIN; i++)
			do
				ret = put(q[i], 0, 1);
			while (!ret);
		_exit(ret == -ENOMEM ? 0 : 1);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, group_value("memory.events", "oom_kill "));
	for (i = 0; i < 16; i++)
		close(q[i]);
}

/* A buffer was paid for when it was made, whatever happened to it since. */
TEST_F(memory, buffer_is_not_charged_to_those_who_use_it)
{
	size_t size = 32 * MIB, i;
	int fd = create_buffer(self->dev, .size = size);
	char *p;
	pid_t pid;

	ASSERT_LE(0, fd);
	p = map(fd, size, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, p);
	/* It never was touched, and yet is not to be thrown away. */
	madvise(p, size, 21 /* MADV_PAGEOUT */);
	munmap(p, size);
	pid = child_with(8 * MIB);
	if (!pid) {
		p = map(fd, size, PROT_READ | PROT_WRITE);
		if (!p)
			_exit(1);
		for (i = 0; i < size; i += 4096) {
			if (p[i])
				_exit(2);
			p[i] = 1;
		}
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, group_value("memory.events", "oom_kill "));
	close(fd);
}

TEST_F(memory, is_charged_and_given_back)
{
	int up[2], down[2];
	long long before;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(up, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(down, O_CLOEXEC));
	pid = child_with(64 * MIB);
	if (!pid) {
		int fd;

		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(1);
		fd = create_buffer(self->dev, .size = 32 * MIB);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(2);
		close(fd);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(1, read(up[0], &c, 1));
	before = group_value("memory.current", NULL);
	ASSERT_EQ(1, write(down[1], "x", 1));
	ASSERT_EQ(1, read(up[0], &c, 1));
	/* Not counted to the page: each processor has some in stock. */
	EXPECT_LE(before + 31 * (long long)MIB,
		  group_value("memory.current", NULL));
	ASSERT_EQ(1, write(down[1], "x", 1));
	ASSERT_EQ(1, read(up[0], &c, 1));
	/* Pages on their way to be freed come back a little later. */
	until(group_value("memory.current", NULL) <
	      before + 4 * (long long)MIB);
	ASSERT_EQ(1, write(down[1], "x", 1));
	EXPECT_EQ(0, reap(pid));
}

TEST_HARNESS_MAIN
