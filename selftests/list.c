// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen of objects, and by whom: the listing and fdinfo.
 */
#include "ipcdev_test.h"

#include <linux/capability.h>

FIXTURE(list)
{
	int dev;
	int q;
	int b;
	__u64 first;	/* greater ids are this test's */
};

FIXTURE_SETUP(list)
{
	ASSERT_EQ(0, private_fs());
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->q = create_queue(self->dev, .depth = 5, .msg_max = 100);
	ASSERT_LE(0, self->q);
	self->b = create_buffer(self->dev, .size = 1);
	ASSERT_LE(0, self->b);
	self->first = object(self->q).id - 1;
}

FIXTURE_TEARDOWN(list)
{
	close(self->b);
	close(self->q);
	close(self->dev);
}

TEST_F(list, tells_what_stat_tells)
{
	struct ipcdev_stat s[4], q, b;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	ASSERT_EQ(0, put(self->q, 0, 1));
	q = object(self->q);
	b = object(self->b);
	EXPECT_EQ(q.id + 1, b.id);
	/* But for the rights, which are a handle's. */
	q.rights = 0;
	b.rights = 0;
	ASSERT_EQ(2, list(self->dev, self->first, s, 4));
	EXPECT_EQ(0, memcmp(&q, &s[0], sizeof(q)));
	EXPECT_EQ(0, memcmp(&b, &s[1], sizeof(b)));
	EXPECT_STREQ("/queue", s[0].name);
}

TEST_F(list, walks_in_order)
{
	struct ipcdev_stat s[3] = {};
	__u64 last = 0;
	int fds[10], i;
	long n, ours = 0;

	for (i = 0; i < 10; i++) {
		fds[i] = create_queue(self->dev, .depth = 1);
		ASSERT_LE(0, fds[i]);
	}
	/* Whoever else has objects here, the ids rise. */
	while ((n = list(self->dev, last, s, 3)) > 0) {
		ASSERT_GE(3, n);
		for (i = 0; i < n; i++) {
			EXPECT_LT(last, s[i].id);
			last = s[i].id;
			ours += last > self->first;
		}
	}
	EXPECT_EQ(0, n);
	EXPECT_EQ(12, ours);
	/* One at a time is the same. */
	last = object(fds[0]).id;
	close(fds[1]);
	ASSERT_EQ(1, list(self->dev, last, s, 1));
	EXPECT_EQ(object(fds[2]).id, s[0].id);
	EXPECT_EQ(0, list(self->dev, object(fds[9]).id, s, 3));
	EXPECT_EQ(0, list(self->dev, UINT64_MAX, s, 3));
	for (i = 2; i < 10; i++)
		close(fds[i]);
}

TEST_F(list, entries_of_another_size)
{
	struct {
		struct ipcdev_stat stat;
		char more[64];
	} large[2];
	__u64 ids[4] = {};
	struct ipcdev_list l = {
		.after = self->first,
		.stats = PTR(ids),
		.count = 3,
		.stat_size = 8,
	};
	char zero[64] = "";

	EXPECT_EQ(2, call(self->dev, IPCDEV_IOC_LIST, &l));
	EXPECT_EQ(object(self->q).id, ids[0]);
	EXPECT_EQ(object(self->b).id, ids[1]);
	EXPECT_EQ(0, ids[2]);
	memset(large, 0xff, sizeof(large));
	l.stats = PTR(large);
	l.count = 2;
	l.stat_size = sizeof(*large);
	EXPECT_EQ(2, call(self->dev, IPCDEV_IOC_LIST, &l));
	EXPECT_EQ(ids[1], large[1].stat.id);
	EXPECT_EQ(0, memcmp(large[0].more, zero, sizeof(zero)));
	EXPECT_EQ(0, memcmp(large[1].more, zero, sizeof(zero)));
}

TEST_F(list, refuses)
{
	struct ipcdev_stat s;
	const struct ipcdev_list good = {
		.after = self->first,
		.stats = PTR(&s),
		.count = 1,
		.stat_size = sizeof(s),
	};
	struct ipcdev_list l;

	l = good;
	l.count = 0;
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_LIST, &l));
	l.count = 1U << 31;
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_LIST, &l));
	l = good;
	l.stat_size = 0;
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_LIST, &l));
	l = good;
	l.stat_size = sysconf(_SC_PAGESIZE) + 1;
	EXPECT_EQ(-E2BIG, call(self->dev, IPCDEV_IOC_LIST, &l));
	l = good;
	l.stats = 0;
	EXPECT_EQ(-EFAULT, call(self->dev, IPCDEV_IOC_LIST, &l));
	l.stats = PTR(bad_page());
	EXPECT_EQ(-EFAULT, call(self->dev, IPCDEV_IOC_LIST, &l));
	/* No harm where there is nothing to write. */
	l.after = UINT64_MAX;
	EXPECT_EQ(0, call(self->dev, IPCDEV_IOC_LIST, &l));
}

/* What is seen of the objects of this test, as bits. */
enum { SEES_ROOTS = 1, SEES_ALICES = 2, SEES_BOBS = 4 };

static int seen(int dev, const __u64 *ids)
{
	return listed(dev, ids[0]) * SEES_ROOTS |
	       listed(dev, ids[1]) * SEES_ALICES |
	       listed(dev, ids[2]) * SEES_BOBS;
}

/* Objects of the other two users, told by the effective one as files are. */
static int create_theirs(int dev, __u64 *ids)
{
	if (setresuid(-1, ALICE, -1))
		return -errno;
	ids[1] = object(create_queue(dev, .depth = 1)).id;
	if (setresuid(-1, 0, -1) || setresuid(-1, BOB, -1))
		return -errno;
	ids[2] = object(create_buffer(dev, .size = 1)).id;
	return sys(setresuid(-1, 0, -1));
}

TEST_F(list, shows_each_user_its_own)
{
	__u64 ids[3] = { object(self->q).id };
	pid_t pid;

	ASSERT_EQ(0, create_theirs(self->dev, ids));
	EXPECT_EQ(7, seen(self->dev, ids));
	pid = child();
	if (!pid)
		_exit(child_becomes(ALICE) ? 100 : seen(self->dev, ids));
	EXPECT_EQ(SEES_ALICES, reap(pid));
	pid = child();
	if (!pid)
		_exit(child_becomes(BOB) ? 100 : seen(self->dev, ids));
	EXPECT_EQ(SEES_BOBS, reap(pid));

	/* Root of a namespace of its own knows no other users. */
	pid = child();
	if (!pid) {
		if (child_becomes(ALICE) || unshare(CLONE_NEWUSER) ||
		    write_file("/proc/self/setgroups", "deny") ||
		    write_file("/proc/self/uid_map", "0 %d 1", ALICE) ||
		    write_file("/proc/self/gid_map", "0 %d 1", ALICE))
			_exit(100);
		_exit(seen(self->dev, ids));
	}
	EXPECT_EQ(SEES_ALICES, reap(pid));
}

/* Keeps of all capabilities only these. */
static int keep_capabilities(__u64 effective, __u64 permitted)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = effective, .permitted = permitted },
		{ .effective = effective >> 32, .permitted = permitted >> 32 },
	};

	return syscall(SYS_capset, &header, data);
}

TEST_F(list, shows_all_to_cap_ipc_owner)
{
	const __u64 cap = 1ULL << CAP_IPC_OWNER;
	__u64 ids[3] = { object(self->q).id };
	pid_t pid;

	ASSERT_EQ(0, setresuid(-1, ALICE, -1));
	ids[1] = object(create_queue(self->dev, .depth = 1)).id;
	ASSERT_EQ(0, setresuid(-1, 0, -1));
	ids[2] = ids[1];
	/* Root is nobody without it. */
	pid = child();
	if (!pid)
		_exit(keep_capabilities(0, 0) ? 100 : seen(self->dev, ids));
	EXPECT_EQ(SEES_ROOTS, reap(pid));
	/* And anybody is somebody with it, if in effect. */
	pid = child();
	if (!pid) {
		prctl(PR_SET_KEEPCAPS, 1);
		if (child_becomes(BOB) || keep_capabilities(0, cap))
			_exit(100);
		if (seen(self->dev, ids))
			_exit(101);
		if (keep_capabilities(cap, cap))
			_exit(102);
		_exit(seen(self->dev, ids));
	}
	EXPECT_EQ(7, reap(pid));
}

/* CAP_IPC_OWNER in a namespace shows the users that this namespace knows. */
TEST_F(list, shows_a_namespace_its_users)
{
	__u64 ids[3] = { object(self->q).id };
	int go[2], ready[2];
	char path[64], c;
	pid_t pid;

	ASSERT_EQ(0, create_theirs(self->dev, ids));
	ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = child();
	if (!pid) {
		struct ipcdev_stat s;

		if (unshare(CLONE_NEWUSER) || write(ready[1], "x", 1) != 1 ||
		    read(go[0], &c, 1) != 1 || setresuid(0, 0, 0))
			_exit(100);
		/* Users are told by the names that they have here. */
		if (list(self->dev, ids[1] - 1, &s, 1) != 1 || s.uid != 1)
			_exit(101);
		/* With the capability, and as user 2 without it. */
		if (seen(self->dev, ids) != (SEES_ALICES | SEES_BOBS))
			_exit(102);
		if (setresuid(2, 2, 2))
			_exit(103);
		_exit(seen(self->dev, ids));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	ASSERT_EQ(0, write_file(path, "0 100000 1\n1 %d 2", ALICE));
	ASSERT_EQ(1, write(go[1], "x", 1));
	EXPECT_EQ(SEES_BOBS, reap(pid));
}

TEST_F(list, stat_tells_the_users_names)
{
	pid_t pid;

	pid = child();
	if (!pid) {
		if (unshare(CLONE_NEWUSER))
			_exit(100);
		_exit(object(self->q).uid != 65534 ||
		      object(self->q).gid != 65534);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, object(self->q).uid);
}

TEST_F(list, fdinfo_of_a_queue)
{
	int fd = dup_handle(self->q, RIGHT_READ | RIGHT_PUBLISH, 0);
	char value[64];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_text(self->q, "hello", 0));
	ASSERT_TRUE(handle_info(self->q, "ipcdev-type", value, 64));
	EXPECT_STREQ("queue", value);
	ASSERT_TRUE(handle_info(self->q, "ipcdev-id", value, 64));
	EXPECT_EQ(object(self->q).id, strtoull(value, NULL, 10));
	ASSERT_TRUE(handle_info(self->q, "ipcdev-rights", value, 64));
	EXPECT_STREQ("rwp", value);
	ASSERT_TRUE(handle_info(fd, "ipcdev-rights", value, 64));
	EXPECT_STREQ("r-p", value);
	ASSERT_TRUE(handle_info(fd, "ipcdev-readers", value, 64));
	EXPECT_STREQ("2", value);
	ASSERT_TRUE(handle_info(fd, "ipcdev-writers", value, 64));
	EXPECT_STREQ("1", value);
	ASSERT_TRUE(handle_info(fd, "ipcdev-queued", value, 64));
	EXPECT_STREQ("1", value);
	ASSERT_TRUE(handle_info(fd, "ipcdev-bytes", value, 64));
	EXPECT_STREQ("5", value);
	EXPECT_FALSE(handle_info(fd, "ipcdev-size", value, 64));
	close(fd);
}

TEST_F(list, fdinfo_of_a_buffer)
{
	char value[64];

	ASSERT_TRUE(handle_info(self->b, "ipcdev-type", value, 64));
	EXPECT_STREQ("buffer", value);
	ASSERT_TRUE(handle_info(self->b, "ipcdev-size", value, 64));
	EXPECT_EQ(object(self->b).size, strtoull(value, NULL, 10));
	ASSERT_TRUE(handle_info(self->b, "ipcdev-sealed", value, 64));
	EXPECT_STREQ("0", value);
	ASSERT_EQ(0, seal(self->b));
	ASSERT_TRUE(handle_info(self->b, "ipcdev-sealed", value, 64));
	EXPECT_STREQ("1", value);
	EXPECT_FALSE(handle_info(self->b, "ipcdev-queued", value, 64));
}

TEST_F(list, fdinfo_of_a_handle_opened_by_name)
{
	char value[64];
	int fd;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	fd = open(FS "/queue", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(handle_info(fd, "ipcdev-rights", value, 64));
	EXPECT_STREQ("-w-", value);
	close(fd);
}

/* Objects come and go while others look. */
TEST_F(list, races_with_creation)
{
	int rounds = slow() ? 200 : 1000, i, fd, stop[2];
	pid_t pid[2];

	ASSERT_EQ(0, pipe2(stop, O_CLOEXEC | O_NONBLOCK));
	for (i = 0; i < 2; i++) {
		pid[i] = child();
		if (pid[i])
			continue;
		close(stop[1]);
		while (read(stop[0], &i, 1) < 0) {
			struct ipcdev_stat s[8];
			long n = list(self->dev, self->first, s, 8), k;

			if (n < 2)
				_exit(1);
			for (k = 1; k < n; k++)
				if (s[k].id <= s[k - 1].id)
					_exit(2);
		}
		_exit(0);
	}
	for (i = 0; i < rounds; i++) {
		fd = i & 1 ? create_queue(self->dev, .depth = 1) :
			     create_buffer(self->dev, .size = 1);
		ASSERT_LE(0, fd);
		close(fd);
	}
	close(stop[1]);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, reap(pid[i]));
}

TEST_HARNESS_MAIN
