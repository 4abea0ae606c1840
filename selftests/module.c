// SPDX-License-Identifier: GPL-2.0
/*
 * The module itself: that it stays while anybody uses it, and that its
 * tracepoints tell what it does. module.sh unloads it in earnest.
 */
#include "ipcdev_test.h"

FIXTURE(module)
{
	int dev;
	long users;
};

static long users(void)
{
	char text[32];

	if (read_file("/sys/module/ipcdev/refcnt", text, sizeof(text)))
		return -1;
	return atol(text);
}

FIXTURE_SETUP(module)
{
	if (users() < 0)
		SKIP(_exit(255), "it is no module here");
	ASSERT_EQ(0, private_fs());
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->users = users();
	ASSERT_LT(0, self->users);
}

FIXTURE_TEARDOWN(module)
{
	close(self->dev);
}

/* Whether it cannot be unloaded, and why: that somebody new uses it. */
static bool used(long before)
{
	return users() > before && unload_module("ipcdev") == -EWOULDBLOCK;
}

TEST_F(module, stays_for_the_device)
{
	int fd = device();

	EXPECT_TRUE(used(self->users));
	close(fd);
	EXPECT_EQ(self->users, users());
}

TEST_F(module, stays_for_each_handle)
{
	int q = create_queue(self->dev, .depth = 1), b;
	long before;

	ASSERT_LE(0, q);
	EXPECT_TRUE(used(self->users));
	before = users();
	b = create_buffer(self->dev, .size = 1);
	ASSERT_LE(0, b);
	EXPECT_TRUE(used(before));
	close(q);
	EXPECT_TRUE(used(self->users));
	q = dup_handle(b, RIGHT_READ, 0);
	ASSERT_LE(0, q);
	close(b);
	EXPECT_TRUE(used(self->users));
	close(q);
	EXPECT_EQ(self->users, users());
}

TEST_F(module, stays_for_a_mapping)
{
	int b = create_buffer(self->dev, .size = 1);
	void *p = map(b, 1, PROT_READ);

	ASSERT_NE(NULL, p);
	close(b);
	EXPECT_TRUE(used(self->users));
	munmap(p, 1);
	EXPECT_EQ(self->users, users());
}

TEST_F(module, stays_for_names)
{
	int q = create_queue(self->dev, .depth = 1), fd;
	long before;

	ASSERT_LE(0, q);
	before = users();
	fd = open(FS "/blank", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(used(before));
	ASSERT_EQ(0, publish(q, fd, 0));
	close(fd);
	fd = open(FS "/blank", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(used(before));
	close(fd);
	close(q);
	EXPECT_EQ(self->users, users());
}

TEST_F(module, stays_for_a_mount)
{
	ASSERT_EQ(0, mkdir("/tmp/other", 0700));
	ASSERT_EQ(0, mount(NULL, "/tmp/other", IPCDEV_FS_NAME, 0, NULL));
	EXPECT_TRUE(used(self->users));
	ASSERT_EQ(0, umount("/tmp/other"));
	EXPECT_EQ(self->users, users());
}

/* What was left behind by the killed holds it no more. */
TEST_F(module, goes_free_when_its_users_are_killed)
{
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = child();
	if (!pid) {
		int q = create_queue(self->dev, .depth = 1);
		int b = create_buffer(self->dev, .size = 1);
		long ret;

		ret = send_msg(q, .msg.fds = PTR(&b), .msg.fd_count = 1);
		if (ret || publish_as(q, FS "/queue", 0600, 0) ||
		    !map(b, 1, PROT_READ) ||
		    attach(q, eventfd(0, 0), IPCDEV_EVENT_READABLE, 0) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		wait_peer(q, 0, 0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_TRUE(used(self->users));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(self->users, users());
}

/*
 * Tracepoints, by an instance of our own that nobody else sees.
 */
#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/ipcdev_test"

FIXTURE(trace)
{
	int dev;
	int q;
	__u64 id;
};

FIXTURE_SETUP(trace)
{
	mkdir(INSTANCE, 0700);
	if (!exists(INSTANCE "/events/ipcdev/enable")) {
		rmdir(INSTANCE);
		SKIP(_exit(255), "no tracing here");
	}
	ASSERT_EQ(0, private_fs());
	self->dev = device();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, write_file(INSTANCE "/events/ipcdev/enable", "1"));
	self->q = create_queue(self->dev, .depth = 2, .msg_max = 64,
			       .flags = IPCDEV_QUEUE_DROP_OLDEST);
	ASSERT_LE(0, self->q);
	self->id = object(self->q).id;
}

FIXTURE_TEARDOWN(trace)
{
	write_file(INSTANCE "/events/ipcdev/enable", "0");
	rmdir(INSTANCE);
	close(self->q);
	close(self->dev);
}

/* How often an event of an object was traced with these words. */
static int traced(const char *event, __u64 id, const char *words)
{
	FILE *f = fopen(INSTANCE "/trace", "r");
	char line[512], what[64];
	int count = 0;

	if (!f)
		return -1;
	snprintf(what, sizeof(what), "ipcdev_%s: id=%llu ", event,
		 (unsigned long long)id);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = ' ';
		count += strstr(line, what) && strstr(line, words);
	}
	fclose(f);
	return count;
}

TEST_F(trace, life_of_an_object)
{
	int b = create_buffer(self->dev, .size = 1), ro;
	__u64 id = object(b).id;

	EXPECT_EQ(1, traced("create", self->id, "type=queue"));
	EXPECT_EQ(1, traced("create", id, "type=buffer"));
	EXPECT_EQ(1, traced("open", id, "value=0x7 "));
	ro = dup_handle(b, RIGHT_READ, 0);
	EXPECT_EQ(1, traced("open", id, "value=0x1 "));
	ASSERT_EQ(0, publish_as(b, FS "/buffer", 0600, 0));
	EXPECT_EQ(1, traced("publish", id, "type=buffer"));
	/* Nobody is notified where nobody waits. */
	ASSERT_EQ(0, attach(ro, eventfd(0, EFD_CLOEXEC),
			    IPCDEV_EVENT_READABLE, 0));
	ASSERT_EQ(0, seal(b));
	EXPECT_EQ(1, traced("seal", id, ""));
	EXPECT_EQ(1, traced("notify", id, "value=0x1 "));
	close(ro);
	EXPECT_EQ(1, traced("release", id, "value=0x1 "));
	EXPECT_EQ(0, traced("vanish", id, ""));
	close(b);
	EXPECT_EQ(1, traced("release", id, "value=0x7 "));
	EXPECT_EQ(1, traced("vanish", id, ""));
	EXPECT_EQ(1, traced("destroy", id, "readers=0 writers=0"));
}

TEST_F(trace, way_of_a_message)
{
	struct ipcdev_transfer t = { .flags = IPCDEV_NONBLOCK };
	const char *words = "prio=5 len=8 tag=0x7 ";
	pid_t pid;

	ASSERT_EQ(0, put(self->q, 5, 7));
	EXPECT_EQ(1, traced("send", self->id, words));
	t.msg.len = 8;
	EXPECT_EQ(-EFAULT, recv_msg(self->q, &t));
	EXPECT_EQ(1, traced("return", self->id, words));
	EXPECT_EQ(0, traced("receive", self->id, words));
	EXPECT_EQ(7, take(self->q));
	EXPECT_EQ(1, traced("receive", self->id, words));
	ASSERT_EQ(0, put(self->q, 5, 7));
	ASSERT_EQ(0, put(self->q, 5, 8));
	EXPECT_EQ(0, traced("drop", self->id, words));
	ASSERT_EQ(0, put(self->q, 5, 9));
	EXPECT_EQ(1, traced("drop", self->id, words));
	EXPECT_EQ(8, take(self->q));
	EXPECT_EQ(9, take(self->q));
	EXPECT_EQ(0, traced("sleep", self->id, ""));
	pid = child();
	if (!pid)
		_exit(take(self->q));
	until(object(self->q).receivers == 1);
	EXPECT_EQ(1, traced("sleep", self->id, "receiver"));
	EXPECT_EQ(0, traced("wake", self->id, ""));
	ASSERT_EQ(0, put(self->q, 5, 7));
	EXPECT_EQ(7, reap(pid));
	EXPECT_EQ(1, traced("wake", self->id, "receiver result=0 "));
}

TEST_F(trace, sender_that_sleeps)
{
	int q = create_queue(self->dev, .depth = 1);
	__u64 id = object(q).id;

	ASSERT_EQ(0, put(q, 0, 1));
	EXPECT_EQ(-ETIMEDOUT, send_msg(q, .flags = IPCDEV_DEADLINE_MONOTONIC,
				       .deadline_ns = 1));
	EXPECT_EQ(1, traced("sleep", id, "sender"));
	EXPECT_EQ(1, traced("wake", id, "sender result=-110 "));
	close(q);
}

TEST_F(trace, answer_to_a_call)
{
	int q = create_queue(self->dev, .depth = 1);
	__u64 id = object(q).id;
	struct ipcdev_transfer t = { .flags = 0 };
	pid_t pid;

	pid = child();
	if (!pid) {
		struct ipcdev_call c = { .request.tag = 3 };

		_exit(call(q, IPCDEV_IOC_CALL, &c) ? 1 : 0);
	}
	ASSERT_EQ(0, recv_msg(q, &t));
	EXPECT_EQ(0, traced("reply", id, ""));
	t.msg = (struct ipcdev_msg){ .token = t.msg.token };
	ASSERT_EQ(0, call(q, IPCDEV_IOC_REPLY, &t));
	EXPECT_EQ(1, traced("reply", id, ""));
	EXPECT_EQ(0, reap(pid));
	close(q);
}

TEST_F(trace, way_of_a_request)
{
	struct ipcdev_create_engine create = { .depth = 1 };
	struct ipcdev_engine_request nop = {
		.op = IPCDEV_OP_NOP,
		.user_data = 0x11,
	};
	struct ipcdev_submit s = {
		.count = 1,
		.requests = PTR(&nop),
		.request_size = sizeof(nop),
	};
	struct ipcdev_wait drain = { .flags = 0 };
	int fd = call(self->dev, IPCDEV_IOC_CREATE_ENGINE, &create);
	__u64 id;

	ASSERT_LE(0, fd);
	id = object(fd).id;
	EXPECT_EQ(1, traced("create", id, "type=engine"));
	ASSERT_EQ(1, call(fd, IPCDEV_IOC_SUBMIT, &s));
	EXPECT_EQ(1, traced("submit", id, "op=nop user_data=0x11 "));
	ASSERT_EQ(0, call(fd, IPCDEV_IOC_DRAIN, &drain));
	EXPECT_EQ(1, traced("complete", id, "op=nop user_data=0x11 result=0 "));
	close(fd);
}

/* Every tracepoint that there is has been seen above. */
TEST_F(trace, no_others)
{
	static const char *const known[] = {
		"create", "destroy", "publish", "vanish", "seal", "open",
		"release", "notify", "send", "receive", "return", "drop",
		"reply", "sleep", "wake", "submit", "complete",
	};
	DIR *dir = opendir(INSTANCE "/events/ipcdev");
	struct dirent *d;
	unsigned int i, found = 0;

	ASSERT_NE(NULL, dir);
	for (d = readdir(dir); d; d = readdir(dir)) {
		if (strncmp(d->d_name, "ipcdev_", 7))
			continue;
		for (i = 0; i < ARRAY_SIZE(known); i++) {
			if (!strcmp(d->d_name + 7, known[i]))
				break;
		}
		EXPECT_NE(ARRAY_SIZE(known), i)
			TH_LOG("%s is not tested", d->d_name);
		found += i < ARRAY_SIZE(known);
	}
	closedir(dir);
	EXPECT_EQ(ARRAY_SIZE(known), found);
}

TEST_HARNESS_MAIN
