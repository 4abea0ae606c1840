// SPDX-License-Identifier: GPL-2.0
/*
 * Engines: what they take and refuse, that what was asked for is done and said so in
 * the ring, and that nothing is lost when there is no room, when nobody looks, and when
 * one side goes away. The ring as such is in ring.c.
 */
#include "engine_test.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define DEPTH		8
#define MS		1000000ULL

#define NO_FD		(-1)

#define SLICE(f, o, l)	{ .fd = (f), .offset = (o), .length = (l) }

static void on_signal(int sig)
{
}

/* A child that makes one call, and ends with its errno. */
static pid_t in_child(long (*run)(void *arg), void *arg)
{
	pid_t pid = child();

	if (!pid) {
		struct sigaction a = { .sa_handler = on_signal };
		long ret;

		sigaction(SIGUSR1, &a, NULL);
		ret = run(arg);
		_exit(ret < 0 ? -ret : 0);
	}
	return pid;
}

FIXTURE(engine)
{
	int dev;
	int fd;
	struct reaper r;
};

FIXTURE_VARIANT(engine)
{
	uid_t uid;
};

FIXTURE_VARIANT_ADD(engine, root)
{
	.uid = 0,
};

FIXTURE_VARIANT_ADD(engine, user)
{
	.uid = ALICE,
};

FIXTURE_SETUP(engine)
{
	if (variant->uid)
		ASSERT_EQ(0, become(variant->uid));
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->fd = create_engine(self->dev, .depth = DEPTH);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, become_reaper(&self->r, self->fd));
}

FIXTURE_TEARDOWN(engine)
{
	end_reaper(&self->r);
	close(self->fd);
	close(self->dev);
}

TEST_F(engine, handle)
{
	struct ipcdev_stat s = object(self->fd);
	struct ipcdev_engine_stat e = engine_stat(self->fd);
	char text[64];

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(IPCDEV_TYPE_ENGINE, s.type);
	EXPECT_EQ(RIGHT_ALL, s.rights);
	EXPECT_EQ(DEPTH, s.depth);
	EXPECT_EQ(1, s.readers);
	EXPECT_EQ(1, s.writers);
	EXPECT_LE(2 * DEPTH * RECORD, s.size);
	EXPECT_TRUE(listed(self->dev, s.id));
	EXPECT_STREQ("soft", e.backend);
	EXPECT_EQ(DEPTH, e.depth);
	EXPECT_EQ(0, e.flags);
	EXPECT_EQ(0, e.inflight);
	EXPECT_EQ(0, e.unreaped);
	EXPECT_TRUE(e.operations & (1 << IPCDEV_OP_NOP));
	EXPECT_FALSE(e.operations & (1 << IPCDEV_OP_FACTORIAL));
	/* An end tells the same. */
	EXPECT_EQ(DEPTH, engine_stat(self->r.end).depth);
	ASSERT_TRUE(handle_info(self->fd, "ipcdev-type", text, sizeof(text)));
	EXPECT_STREQ("engine", text);
	ASSERT_TRUE(handle_info(self->fd, "ipcdev-backend", text, sizeof(text)));
	EXPECT_STREQ("soft", text);
	ASSERT_TRUE(handle_info(self->fd, "ipcdev-depth", text, sizeof(text)));
	EXPECT_EQ(DEPTH, atoi(text));
	ASSERT_TRUE(handle_info(self->fd, "ipcdev-inflight", text, sizeof(text)));
	EXPECT_STREQ("0", text);
}

TEST_F(engine, creation)
{
	struct ipcdev_create_engine named = { .backend = "soft" };
	unsigned int max = parameter("max_depth");
	int fd;

	EXPECT_EQ(-EINVAL, create_engine(self->dev, .flags = ~IPCDEV_RING_TAKEOVER));
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .reserved = 1));
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .rights = 8));
	EXPECT_EQ(-EINVAL, create_engine(self->dev, .depth = max + 1));
	EXPECT_EQ(-ENODEV, create_engine(self->dev, .backend = "no such"));
	EXPECT_EQ(-ENODEV, create_engine(self->dev, .backend = "sof"));
	fd = call(self->dev, IPCDEV_IOC_CREATE_ENGINE, &named);
	EXPECT_LE(0, fd);
	EXPECT_EQ(64, object(fd).depth);
	close(fd);
	memset(named.backend, 'x', sizeof(named.backend));
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_CREATE_ENGINE, &named));
	fd = create_engine(self->dev, .depth = max);
	EXPECT_LE(0, fd);
	close(fd);
	fd = create_engine(self->dev, .depth = 1);
	EXPECT_LE(0, fd);
	EXPECT_EQ(1, nop(fd, 1));
	EXPECT_EQ(-EAGAIN, try_nop(fd, 2));
	close(fd);
}

TEST_F(engine, back_ends_are_listed)
{
	struct ipcdev_backend_info infos[4];
	struct ipcdev_engines l = {
		.infos = PTR(infos), .count = 4, .info_size = sizeof(infos[0]),
	};
	long n = call(self->dev, IPCDEV_IOC_ENGINES, &l);

	ASSERT_LE(1, n);
	EXPECT_STREQ("soft", infos[0].name);
	EXPECT_LE(1, infos[0].engines);
	EXPECT_EQ(parameter("max_depth"), infos[0].depth_max);
	EXPECT_EQ(0, infos[0].length_max);
	EXPECT_EQ(parameter("timer_period_min"), infos[0].period_min);
	EXPECT_EQ(engine_stat(self->fd).operations, infos[0].operations);
	l.skip = n;
	EXPECT_EQ(0, call(self->dev, IPCDEV_IOC_ENGINES, &l));
	l.skip = ~0U;
	EXPECT_EQ(0, call(self->dev, IPCDEV_IOC_ENGINES, &l));
	l.skip = 0;
	l.count = 0;
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_ENGINES, &l));
	l.count = 1;
	l.reserved = 1;
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_ENGINES, &l));
	l.reserved = 0;
	l.info_size = 0;
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_ENGINES, &l));
	l.info_size = sysconf(_SC_PAGESIZE) + 8;
	EXPECT_EQ(-E2BIG, call(self->dev, IPCDEV_IOC_ENGINES, &l));
	l.info_size = sizeof(infos[0]);
	l.infos = PTR(bad_page());
	EXPECT_EQ(-EFAULT, call(self->dev, IPCDEV_IOC_ENGINES, &l));
}

TEST_F(engine, ends)
{
	int ro = dup_handle(self->fd, RIGHT_READ, 0);
	int wo = dup_handle(self->fd, RIGHT_WRITE, 0);
	struct ipcdev_completion c;
	struct reaper r;
	int fd;

	/* The kernel is the producer. */
	EXPECT_EQ(-EBUSY, take_end(self->fd, RIGHT_WRITE, 0));
	EXPECT_EQ(-EBUSY, take_end(ro, RIGHT_READ, 0));
	EXPECT_EQ(-EACCES, take_end(wo, RIGHT_READ, 0));
	EXPECT_EQ(-EINVAL, take_end(self->fd, RIGHT_RW, 0));
	EXPECT_EQ(-EACCES, nop(ro, 0));
	EXPECT_EQ(-EACCES, nop(self->r.end, 0));
	EXPECT_EQ(-EACCES, cancel(ro, 0, 0));
	EXPECT_EQ(-EACCES, drain(ro, 0, 0));
	EXPECT_EQ(1, nop(wo, 0));
	close(ro);
	close(wo);
	/* The data and the producer's word are the kernel's. */
	EXPECT_EQ(-EACCES, try_map(self->r.end, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				   IPCDEV_RING_DATA_OFFSET));
	EXPECT_EQ(-EACCES, try_map(self->r.end, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				   IPCDEV_RING_PRODUCER_OFFSET));

	fd = create_engine(self->dev, .depth = 2);
	ASSERT_EQ(0, become_reaper(&r, fd));
	end_reaper(&r);
	EXPECT_EQ(-EPIPE, take_end(fd, RIGHT_READ, 0));
	EXPECT_EQ(-EPIPE, nop(fd, 1));
	EXPECT_TRUE(events(fd) & POLLERR);
	close(fd);

	fd = create_engine(self->dev, .depth = 2, .flags = IPCDEV_RING_TAKEOVER);
	ASSERT_EQ(0, become_reaper(&r, fd));
	EXPECT_EQ(1, nop(fd, 7));
	end_reaper(&r);
	/* A successor has what there was room for. */
	EXPECT_EQ(1, nop(fd, 8));
	EXPECT_EQ(-EPIPE, nop(fd, 9));
	EXPECT_EQ(-EBUSY, take_end(fd, RIGHT_WRITE, 0));
	ASSERT_EQ(0, become_reaper(&r, fd));
	EXPECT_EQ(-EAGAIN, try_nop(fd, 9));
	EXPECT_EQ(0, drain(fd, 0, 0));
	EXPECT_EQ(0, reap_one(&r, &c));
	EXPECT_EQ(7, c.user_data);
	EXPECT_EQ(1, nop(fd, 10));
	EXPECT_EQ(0, drain(fd, 0, 0));
	EXPECT_EQ(0, reap_one(&r, &c));
	EXPECT_EQ(8, c.user_data);
	EXPECT_EQ(0, reap_one(&r, &c));
	EXPECT_EQ(10, c.user_data);
	end_reaper(&r);
	close(fd);
}

TEST_F(engine, nop)
{
	__u64 before = now(CLOCK_MONOTONIC);
	struct ipcdev_completion c;

	EXPECT_EQ(-EAGAIN, reap_one(&self->r, &c));
	EXPECT_EQ(-EAGAIN, wait_record(&self->r, NONBLOCK, 0));
	EXPECT_EQ(1, nop(self->fd, 0x123456789abcdefULL));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(0x123456789abcdefULL, c.user_data);
	EXPECT_EQ(0, c.result);
	EXPECT_EQ(IPCDEV_OP_NOP, c.op);
	EXPECT_EQ(0, c.flags);
	EXPECT_EQ(0, c.missed);
	EXPECT_LE(before, c.time_ns);
	EXPECT_GE(now(CLOCK_MONOTONIC), c.time_ns);
	EXPECT_EQ(-EAGAIN, reap_one(&self->r, &c));
}

TEST_F(engine, batches_come_back_in_order)
{
	struct ipcdev_engine_request reqs[DEPTH];
	struct ipcdev_completion c;
	struct ipcdev_engine_stat s;
	int i;

	memset(reqs, 0, sizeof(reqs));
	for (i = 0; i < DEPTH; i++) {
		reqs[i].op = IPCDEV_OP_NOP;
		reqs[i].user_data = i;
	}
	EXPECT_EQ(DEPTH, submit(self->fd, reqs, DEPTH, 0, 0));
	EXPECT_EQ(0, drain(self->fd, 0, 0));
	s = engine_stat(self->fd);
	EXPECT_EQ(DEPTH, s.unreaped);
	EXPECT_EQ(DEPTH, s.submitted);
	EXPECT_EQ(DEPTH, s.completed);
	EXPECT_EQ(DEPTH, s.records);
	EXPECT_EQ(0, s.failed);
	EXPECT_EQ(DEPTH, sum(s.latency[IPCDEV_LATENCY_INTERRUPT]));
	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, reap_one(&self->r, &c));
		EXPECT_EQ((__u64)i, c.user_data);
	}
	EXPECT_EQ(0, engine_stat(self->fd).unreaped);
	/* What is right is done, up to what is wrong. */
	reqs[2].flags = 1U << 31;
	EXPECT_EQ(2, submit(self->fd, reqs, DEPTH, 0, 0));
	ASSERT_EQ(0, await(&self->r, &c));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(1, c.user_data);
	EXPECT_EQ(-EINVAL, submit(self->fd, reqs + 2, 1, 0, 0));
	EXPECT_EQ(0, engine_stat(self->fd).inflight);
}

TEST_F(engine, submission_is_checked)
{
	struct ipcdev_engine_request req = { .op = IPCDEV_OP_NOP };
	const struct ipcdev_submit good = {
		.count = 1, .requests = PTR(&req), .request_size = sizeof(req),
	};
	struct {
		struct ipcdev_engine_request req;
		__u64 more;
	} longer = { .req.op = IPCDEV_OP_NOP };
	struct ipcdev_submit s;

#define REFUSED(error, field, value) do {				\
		s = good;						\
		s.field = value;					\
		EXPECT_EQ(-(error), call(self->fd, IPCDEV_IOC_SUBMIT, &s)); \
	} while (0)
	REFUSED(EINVAL, flags, 8);
	REFUSED(EINVAL, flags, IPCDEV_DEADLINE_MONOTONIC | IPCDEV_DEADLINE_REALTIME);
	REFUSED(EINVAL, deadline_ns, 1);
	REFUSED(EINVAL, reserved, 1);
	REFUSED(EINVAL, count, 0);
	REFUSED(EINVAL, count, parameter("max_batch") + 1);
	REFUSED(EINVAL, request_size, IPCDEV_REQUEST_SIZE_VER0 - 8);
	REFUSED(E2BIG, request_size, sysconf(_SC_PAGESIZE) + 8);
	REFUSED(EFAULT, requests, PTR(bad_page()));
#undef REFUSED
	/* A program that knows more. */
	s = good;
	s.requests = PTR(&longer);
	s.request_size = sizeof(longer);
	EXPECT_EQ(1, call(self->fd, IPCDEV_IOC_SUBMIT, &s));
	longer.more = 1;
	EXPECT_EQ(-E2BIG, call(self->fd, IPCDEV_IOC_SUBMIT, &s));
	EXPECT_EQ(1, engine_stat(self->fd).submitted);
}

TEST_F(engine, requests_are_checked)
{
	int b = create_buffer(self->dev, .size = 8192);
	int other = create_buffer(self->dev, .size = 8192);
	int ro = dup_handle(b, RIGHT_READ, 0);
	int e = eventfd(0, EFD_CLOEXEC);

#define REFUSED(error, ...)	EXPECT_EQ(-(error), request(self->fd, __VA_ARGS__))
	REFUSED(EINVAL, .op = 0);
	REFUSED(EINVAL, .op = IPCDEV_OP_FACTORIAL + 1);
	REFUSED(EOPNOTSUPP, .op = IPCDEV_OP_FACTORIAL, .value = 5);
	REFUSED(EINVAL, .op = IPCDEV_OP_FACTORIAL, .value = 1ULL << 32);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .flags = 4);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .flags = IPCDEV_REQUEST_ABSOLUTE);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .reserved = 1);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .value = 1);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .period_ns = 1000000);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .eventfd = e);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .src = SLICE(b, 0, 1));
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .dst = SLICE(0, 1, 0));
	REFUSED(EBADF, .op = IPCDEV_OP_NOP, .flags = IPCDEV_REQUEST_EVENTFD,
		.eventfd = NO_FD);
	REFUSED(EINVAL, .op = IPCDEV_OP_NOP, .flags = IPCDEV_REQUEST_EVENTFD, .eventfd = b);
	REFUSED(EINVAL, .op = IPCDEV_OP_TIMER, .value = 1ULL << 63);
	REFUSED(EINVAL, .op = IPCDEV_OP_TIMER,
		.period_ns = parameter("timer_period_min") - 1);
	REFUSED(EINVAL, .op = IPCDEV_OP_TIMER, .period_ns = 1ULL << 63);
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .value = 256, .dst = SLICE(b, 0, 1));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .src = SLICE(b, 0, 1));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL);
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .dst = SLICE(b, 0, 0));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .dst = SLICE(b, 8192, 1));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .dst = SLICE(b, 1, 8192));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .dst = SLICE(b, ~0ULL, 2));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .dst = SLICE(b, 1, ~0ULL));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .dst = SLICE(e, 0, 1));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL, .dst = SLICE(self->fd, 0, 1));
	REFUSED(EBADF, .op = IPCDEV_OP_FILL, .dst = SLICE(NO_FD, 0, 1));
	REFUSED(EBADF, .op = IPCDEV_OP_FILL, .dst = SLICE(ro, 0, 1));
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL,
		.dst = { .fd = b, .length = 1, .reserved = 1 });
	REFUSED(EINVAL, .op = IPCDEV_OP_FILL,
		.dst = { .fd = b, .length = 1, .buffer_id = 1 });
	REFUSED(EINVAL, .op = IPCDEV_OP_COPY, .src = SLICE(b, 0, 8),
		.dst = SLICE(other, 0, 9));
	REFUSED(EINVAL, .op = IPCDEV_OP_COPY, .src = SLICE(b, 0, 100),
		.dst = SLICE(b, 99, 100));
	REFUSED(EINVAL, .op = IPCDEV_OP_COPY, .src = SLICE(ro, 99, 100),
		.dst = SLICE(b, 0, 100));
	REFUSED(EBADF, .op = IPCDEV_OP_COPY, .src = SLICE(b, 0, 8), .dst = SLICE(ro, 8, 8));
	REFUSED(EINVAL, .op = IPCDEV_OP_CRC32, .dst = SLICE(b, 0, 1));
	REFUSED(EINVAL, .op = IPCDEV_OP_CRC32, .src = SLICE(b, 0, 1), .value = 1);
#undef REFUSED
	EXPECT_EQ(0, engine_stat(self->fd).submitted);
	EXPECT_EQ(0, engine_stat(self->fd).inflight);
	/* None of these holds on to the buffer. */
	EXPECT_EQ(0, seal(b));
	EXPECT_EQ(-EPERM, request(self->fd, .op = IPCDEV_OP_FILL, .dst = SLICE(b, 0, 1)));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_CRC32, .src = SLICE(b, 0, 1)));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_COPY, .src = SLICE(ro, 0, 9),
			     .dst = SLICE(other, 0, 9)));
	close(e);
	close(ro);
	close(other);
	close(b);
}

static __u32 crc32(const unsigned char *p, size_t len)
{
	__u32 crc = ~0U;
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

TEST_F(engine, copies_fills_and_sums)
{
	const size_t size = 5 * 4096, len = 3 * 4096 + 100;
	int a = create_buffer(self->dev, .size = size);
	int b = create_buffer(self->dev, .size = size);
	unsigned char *pa = map(a, size, PROT_READ | PROT_WRITE);
	unsigned char *pb = map(b, size, PROT_READ | PROT_WRITE);
	struct ipcdev_completion c;
	size_t i;

	ASSERT_NE(NULL, pa);
	ASSERT_NE(NULL, pb);
	for (i = 0; i < size; i++)
		pa[i] = i * 7 + i / 256;
	memset(pb, 0x55, size);
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_COPY, .user_data = 1,
			     .src = SLICE(a, 33, len), .dst = SLICE(b, 4095, len)));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(1, c.user_data);
	EXPECT_EQ(len, c.result);
	EXPECT_EQ(0x55, pb[4094]);
	EXPECT_EQ(0, memcmp(pb + 4095, pa + 33, len));
	EXPECT_EQ(0x55, pb[4095 + len]);

	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_CRC32, .src = SLICE(a, 4000, len)));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(crc32(pa + 4000, len), c.result);

	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_FILL, .value = 0xa5,
			     .dst = SLICE(b, 10, len)));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(len, c.result);
	EXPECT_EQ(0x55, pb[9]);
	for (i = 0; i < len; i++)
		ASSERT_EQ(0xa5, pb[10 + i]);
	EXPECT_NE(0xa5, pb[10 + len]);

	/* Within one buffer, side by side. */
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_COPY, .src = SLICE(a, 0, 100),
			     .dst = SLICE(a, 100, 100)));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(100, c.result);
	EXPECT_EQ(0, memcmp(pa, pa + 100, 100));
	/* One byte, the last. */
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_FILL, .value = 1,
			     .dst = SLICE(a, size - 1, 1)));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(1, pa[size - 1]);
	munmap(pa, size);
	munmap(pb, size);
	close(a);
	close(b);
}

/* Enough that a call fits in between, and so many that some are left whatever comes. */
#define LONG_SIZE	(8UL << 20)
#define LONG_LINE	256

static long long_fill(int fd, int buffer, __u64 data)
{
	return request(fd, .op = IPCDEV_OP_FILL, .user_data = data,
		       .dst = SLICE(buffer, 0, LONG_SIZE));
}

TEST_F(engine, what_it_writes_to_cannot_be_sealed)
{
	int fd = create_engine(self->dev, .depth = LONG_LINE);
	int b = create_buffer(self->dev, .size = LONG_SIZE);
	struct ipcdev_completion c;
	int i, cancelled = 0;
	struct reaper r;

	ASSERT_EQ(0, become_reaper(&r, fd));
	for (i = 0; i < LONG_LINE; i++)
		ASSERT_EQ(1, long_fill(fd, b, i));
	EXPECT_EQ(-EBUSY, seal(b));
	EXPECT_LE(1, cancel(fd, 0, ALL | ANY));
	/* Whoever has seen all completions may. The one under way may have got to its end. */
	for (i = 0; i < LONG_LINE; i++) {
		ASSERT_EQ(0, await(&r, &c));
		cancelled += c.result == -ECANCELED;
	}
	EXPECT_LE(1, cancelled);
	EXPECT_EQ(0, seal(b));
	EXPECT_EQ(-EPERM, long_fill(fd, b, 0));
	/* To read it is no harm. */
	EXPECT_EQ(1, request(fd, .op = IPCDEV_OP_CRC32, .src = SLICE(b, 0, 1)));
	close(b);
	end_reaper(&r);
	close(fd);
}

/* Nobody begins to write while it is being made out whether somebody may. */
TEST_F(engine, what_is_being_sealed_is_not_written_to)
{
	int b = create_buffer(self->dev, .size = 4096), pipefd[2];
	struct ipcdev_completion c;
	pid_t pid;
	long ret;

	hold_page(b, pipefd);
	pid = keep_sealing(b);
	while ((ret = request(self->fd, .op = IPCDEV_OP_FILL,
			      .dst = SLICE(b, 0, 1))) == 1)
		ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(-EBUSY, ret);
	EXPECT_EQ(0, engine_stat(self->fd).inflight);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_FILL, .dst = SLICE(b, 0, 1)));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(1, c.result);
	release_page(pipefd);
	EXPECT_EQ(0, seal(b));
	close(b);
}

TEST_F(engine, buffers_live_as_long_as_requests)
{
	int b = create_buffer(self->dev, .size = LONG_SIZE);
	__u64 id = object(b).id;
	struct ipcdev_completion c;
	bool alive;
	int i;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(1, long_fill(self->fd, b, i));
	close(b);
	alive = listed(self->dev, id);
	EXPECT_TRUE(alive || !engine_stat(self->fd).inflight);
	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(0, await(&self->r, &c));
		EXPECT_EQ(LONG_SIZE, c.result);
	}
	until(!listed(self->dev, id));
}

/*
 * Timers
 */

TEST_F(engine, timer)
{
	struct ipcdev_completion c;
	__u64 start = now(CLOCK_MONOTONIC);

	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .user_data = 2,
			     .value = 1000 * MS));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .user_data = 1,
			     .flags = IPCDEV_REQUEST_ABSOLUTE, .value = start + 10 * MS));
	EXPECT_EQ(-EAGAIN, drain(self->fd, NONBLOCK, 0));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(1, c.user_data);
	EXPECT_EQ(0, c.result);
	EXPECT_EQ(0, c.flags);
	EXPECT_LE(start + 10 * MS, c.time_ns);
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(2, c.user_data);
	EXPECT_LE(start + 1000 * MS, c.time_ns);
	/* What is past is now. */
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 0));
	EXPECT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 1,
			     .flags = IPCDEV_REQUEST_ABSOLUTE));
	EXPECT_EQ(0, await(&self->r, &c));
	/* And so is what never comes. */
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = ~0ULL >> 1));
	EXPECT_EQ(1, cancel(self->fd, 0, 0));
}

TEST_F(engine, periodic_timer)
{
	struct ipcdev_completion c;
	__u64 last = 0, missed;
	int i;

	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .user_data = 5,
			     .value = MS, .period_ns = 2 * MS));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, await(&self->r, &c));
		EXPECT_EQ(5, c.user_data);
		EXPECT_EQ(0, c.result);
		EXPECT_EQ(IPCDEV_COMPLETION_MORE, c.flags);
		EXPECT_LT(last, c.time_ns);
		last = c.time_ns;
	}
	/* Nobody looks: one record, and a count. */
	missed = engine_stat(self->fd).missed;
	until(engine_stat(self->fd).missed >= missed + 5);
	EXPECT_EQ(1, engine_stat(self->fd).unreaped);
	/* What had been missed before the one record is told by that one. */
	ASSERT_EQ(0, reap_one(&self->r, &c));
	missed = c.missed;
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_LE(5, missed + c.missed);
	EXPECT_EQ(IPCDEV_COMPLETION_MORE, c.flags);
	EXPECT_EQ(1, engine_stat(self->fd).inflight);
	EXPECT_EQ(1, cancel(self->fd, 5, 0));
	do {
		ASSERT_EQ(0, await(&self->r, &c));
	} while (c.flags & IPCDEV_COMPLETION_MORE);
	EXPECT_EQ(-ECANCELED, c.result);
	EXPECT_EQ(5, c.user_data);
	EXPECT_EQ(0, drain(self->fd, 0, 0));
	EXPECT_EQ(-EAGAIN, reap_one(&self->r, &c));
	EXPECT_EQ(1, engine_stat(self->fd).cancelled);
}

/*
 * From a time on: one that has passed, so that its first periods are missed, and one that
 * is to come. The later ones are where they would be without that.
 */
TEST_F(engine, periodic_timer_from_a_time_on)
{
	const __u64 period = 10 * MS;
	struct ipcdev_completion c;
	unsigned int i, k;
	__u64 periods, at;

	for (i = 0; i < 2; i++) {
		periods = 0;
		at = now(CLOCK_MONOTONIC) + 20 * period;
		if (!i)
			at -= 47 * period / 2;
		EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .user_data = i,
				     .flags = IPCDEV_REQUEST_ABSOLUTE,
				     .value = at, .period_ns = period));
		for (k = 0; k < 4; k++) {
			ASSERT_EQ(0, await(&self->r, &c));
			EXPECT_EQ(i, c.user_data);
			EXPECT_EQ(0, c.result);
			EXPECT_EQ(IPCDEV_COMPLETION_MORE, c.flags);
			if (!i && !k)
				EXPECT_LE(3, c.missed);
			periods += c.missed + 1;
			EXPECT_LE(at + (periods - 1) * period, c.time_ns);
		}
		EXPECT_EQ(1, cancel(self->fd, i, 0));
		do {
			ASSERT_EQ(0, await(&self->r, &c));
		} while (c.flags & IPCDEV_COMPLETION_MORE);
		EXPECT_EQ(-ECANCELED, c.result);
	}
}

/* Each has its place in the ring, and another one for its end. */
TEST_F(engine, periodic_timers_lose_nothing_when_nobody_reaps)
{
	struct ipcdev_completion c;
	int i, more = 0, ended = 0;

	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(1, try_request(self->fd, .op = IPCDEV_OP_TIMER, .user_data = i,
					 .value = 500 * MS, .period_ns = MS));
	until(engine_stat(self->fd).records == DEPTH);
	until(engine_stat(self->fd).missed >= DEPTH);
	EXPECT_EQ(DEPTH, engine_stat(self->fd).unreaped);
	EXPECT_EQ(-EAGAIN, try_nop(self->fd, 99));
	EXPECT_EQ(DEPTH, cancel(self->fd, 0, ALL | ANY));
	EXPECT_EQ(0, drain(self->fd, 0, 0));
	EXPECT_EQ(2 * DEPTH, engine_stat(self->fd).unreaped);
	/* There is room once fewer than the depth are unreaped. */
	for (i = 0; i < 2 * DEPTH; i++) {
		EXPECT_EQ(i > DEPTH ? 1 : -EAGAIN, try_nop(self->fd, 100));
		ASSERT_EQ(0, reap_one(&self->r, &c));
		if (c.flags & IPCDEV_COMPLETION_MORE)
			more++;
		else if (c.result == -ECANCELED)
			ended++;
	}
	EXPECT_EQ(DEPTH, more);
	EXPECT_EQ(DEPTH, ended);
}

TEST_F(engine, timer_rate)
{
	__u64 period = parameter("timer_period_min");
	unsigned int rate = parameter("timer_rate_max");
	struct ipcdev_completion c;
	int other;

	if (variant->uid)
		SKIP(return, "parameters are root's");
	ASSERT_EQ(0, set_parameter("timer_rate_max", 1000));
	EXPECT_EQ(-EDQUOT, request(self->fd, .op = IPCDEV_OP_TIMER, .value = FOREVER,
				   .period_ns = period));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = FOREVER,
			     .period_ns = 2 * MS));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = FOREVER,
			     .period_ns = 2 * MS));
	EXPECT_EQ(-EDQUOT, request(self->fd, .op = IPCDEV_OP_TIMER, .value = FOREVER,
				   .period_ns = 10 * MS));
	/* All engines of a user count. */
	other = create_engine(self->dev, .depth = 1);
	EXPECT_EQ(-EDQUOT, request(other, .op = IPCDEV_OP_TIMER, .value = FOREVER,
				   .period_ns = 10 * MS));
	close(other);
	/* Once is no rate. */
	EXPECT_EQ(1, late_timer(self->fd, 9));
	EXPECT_EQ(1, cancel(self->fd, 0, 0));
	/* What ends is no longer counted, for other engines neither. */
	other = create_engine(self->dev, .depth = 1);
	EXPECT_EQ(1, request(other, .op = IPCDEV_OP_TIMER, .value = FOREVER,
			     .period_ns = 2 * MS));
	close(other);
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = FOREVER,
			     .period_ns = 2 * MS));
	EXPECT_EQ(0, set_parameter("timer_rate_max", rate));
	EXPECT_EQ(0, set_parameter("timer_period_min", 5 * MS));
	EXPECT_EQ(-EINVAL, request(self->fd, .op = IPCDEV_OP_TIMER, .period_ns = 4 * MS));
	EXPECT_EQ(0, set_parameter("timer_period_min", period));
}

#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/ipcdev_engine"

/* Whether the timer of a request that this user makes is started in that way. */
static bool timer_of(uid_t uid, int fd, const char *mode)
{
	bool found = false;
	char line[512];
	long submitted;
	FILE *f;

	close(open(INSTANCE "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC));
	if (seteuid(uid))
		return false;
	submitted = late_timer(fd, 1);
	if (seteuid(0) || submitted != 1)
		return false;
	f = fopen(INSTANCE "/trace", "r");
	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, "function=soft_timer") && strstr(line, mode);
	if (f)
		fclose(f);
	return found;
}

/* Only who might hold the processor anyway has its work done in hard interrupts. */
TEST_F(engine, timers_expire_as_their_users_may)
{
	if (variant->uid)
		SKIP(return, "tracing is root's");
	mkdir(INSTANCE, 0700);
	if (write_file(INSTANCE "/events/timer/hrtimer_start/enable", "1")) {
		rmdir(INSTANCE);
		SKIP(return, "no tracing here");
	}
	EXPECT_TRUE(timer_of(0, self->fd, "HARD"));
	EXPECT_FALSE(timer_of(0, self->fd, "SOFT"));
	EXPECT_TRUE(timer_of(ALICE, self->fd, "SOFT"));
	EXPECT_FALSE(timer_of(ALICE, self->fd, "HARD"));
	become_scheduled(SCHED_FIFO, 1);
	EXPECT_TRUE(timer_of(ALICE, self->fd, "HARD"));
	become_scheduled(SCHED_OTHER, 0);
	write_file(INSTANCE "/events/enable", "0");
	rmdir(INSTANCE);
}

/* Times are those of the caller, and of the engine's creator. */
TEST_F(engine, timers_in_a_time_namespace)
{
	const __u64 offset = 1000000000000000;
	struct ipcdev_completion c;
	__u64 before, due;
	struct reaper r;
	pid_t pid;
	int fd;

	if (variant->uid)
		SKIP(return, "namespaces are root's");
	if (!exists("/proc/self/ns/time"))
		SKIP(return, "no time namespaces");
	ASSERT_EQ(0, unshare(CLONE_NEWTIME));
	ASSERT_EQ(0, write_file("/proc/self/timens_offsets", "monotonic 1000000 0"));
	before = now(CLOCK_MONOTONIC);
	pid = child();
	if (!pid) {
		due = now(CLOCK_MONOTONIC) + 2 * MS;
		if (due < before + offset)
			_exit(1);
		fd = create_engine(self->dev, .depth = 2);
		if (become_reaper(&r, fd))
			_exit(2);
		request(fd, .op = IPCDEV_OP_TIMER, .value = due,
			.flags = IPCDEV_REQUEST_ABSOLUTE);
		if (await(&r, &c))
			_exit(2);
		if (c.time_ns < due || c.time_ns > now(CLOCK_MONOTONIC))
			_exit(3);
		due = now(CLOCK_MONOTONIC) + 2 * MS;
		_exit(request(self->fd, .op = IPCDEV_OP_TIMER, .value = due,
			      .user_data = due, .flags = IPCDEV_REQUEST_ABSOLUTE) != 1);
	}
	EXPECT_EQ(0, reap(pid));
	/* By the child's clock it was due, by that of the engine it is told. */
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_LE(c.user_data - offset, c.time_ns);
	EXPECT_GE(now(CLOCK_MONOTONIC), c.time_ns);
}

static int compare(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Of both, how late a sleeper runs. */
TEST_F(engine, timers_are_as_good_as_timerfd)
{
	enum { N = 41 };
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), i;
	__u64 ours[N], theirs[N], due, count;
	struct ipcdev_completion c;
	struct itimerspec spec = {};

	for (i = 0; i < N; i++) {
		due = now(CLOCK_MONOTONIC) + 3 * MS;
		spec.it_value.tv_sec = due / 1000000000;
		spec.it_value.tv_nsec = due % 1000000000;
		ASSERT_EQ(0, timerfd_settime(t, TFD_TIMER_ABSTIME, &spec, NULL));
		ASSERT_EQ(8, read(t, &count, sizeof(count)));
		theirs[i] = now(CLOCK_MONOTONIC) - due;
		due = now(CLOCK_MONOTONIC) + 3 * MS;
		ASSERT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = due,
				     .flags = IPCDEV_REQUEST_ABSOLUTE));
		ASSERT_EQ(0, await(&self->r, &c));
		ours[i] = now(CLOCK_MONOTONIC) - due;
		EXPECT_LE(due, c.time_ns);
	}
	qsort(ours, N, sizeof(ours[0]), compare);
	qsort(theirs, N, sizeof(theirs[0]), compare);
	TH_LOG("late by %llu ns, timerfd by %llu ns (median of %d)",
	       (unsigned long long)ours[N / 2], (unsigned long long)theirs[N / 2], N);
	/* Machines that are shared are noisy: this finds what is wrong at all. */
	EXPECT_LE(ours[N / 2], 3 * theirs[N / 2] + MS);
	close(t);
}

/*
 * Cancel and drain
 */

TEST_F(engine, cancel)
{
	struct ipcdev_cancel bad = { .reserved = 1 };
	struct ipcdev_completion c;
	int i;

	EXPECT_EQ(-ENOENT, cancel(self->fd, 1, 0));
	EXPECT_EQ(-ENOENT, cancel(self->fd, 0, ALL | ANY));
	EXPECT_EQ(-EINVAL, cancel(self->fd, 1, 4));
	EXPECT_EQ(-EINVAL, cancel(self->fd, 1, ANY));
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_CANCEL, &bad));
	EXPECT_EQ(1, late_timer(self->fd, 1));
	EXPECT_EQ(1, late_timer(self->fd, 2));
	EXPECT_EQ(1, late_timer(self->fd, 1));
	EXPECT_EQ(1, late_timer(self->fd, 3));
	EXPECT_EQ(1, late_timer(self->fd, 3));
	EXPECT_EQ(1, late_timer(self->fd, 3));
	EXPECT_EQ(-ENOENT, cancel(self->fd, 4, ALL));
	/* One of those, */
	EXPECT_EQ(1, cancel(self->fd, 1, 0));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(1, c.user_data);
	EXPECT_EQ(-ECANCELED, c.result);
	EXPECT_EQ(IPCDEV_OP_TIMER, c.op);
	EXPECT_EQ(5, engine_stat(self->fd).inflight);
	/* the first of any, */
	EXPECT_EQ(1, cancel(self->fd, 0, ANY));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(2, c.user_data);
	/* all of those, */
	EXPECT_EQ(3, cancel(self->fd, 3, ALL));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, reap_one(&self->r, &c));
		EXPECT_EQ(3, c.user_data);
	}
	/* and all. */
	EXPECT_EQ(1, cancel(self->fd, 0, ALL | ANY));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(1, c.user_data);
	EXPECT_EQ(6, engine_stat(self->fd).cancelled);
	EXPECT_EQ(0, engine_stat(self->fd).failed);
	EXPECT_EQ(0, engine_stat(self->fd).inflight);
}

TEST_F(engine, cancel_of_work_in_line)
{
	int fd = create_engine(self->dev, .depth = LONG_LINE);
	int b = create_buffer(self->dev, .size = LONG_SIZE);
	struct ipcdev_completion c;
	int i, cancelled = 0;
	struct reaper r;

	ASSERT_EQ(0, become_reaper(&r, fd));
	for (i = 0; i < LONG_LINE; i++)
		ASSERT_EQ(1, long_fill(fd, b, i));
	EXPECT_EQ(1, cancel(fd, LONG_LINE - 1, 0));
	EXPECT_LE(1, cancel(fd, 0, ALL | ANY));
	EXPECT_EQ(0, drain(fd, 0, 0));
	for (i = 0; i < LONG_LINE; i++) {
		ASSERT_EQ(0, reap_one(&r, &c));
		if (c.result == -ECANCELED)
			cancelled++;
		else
			EXPECT_EQ(LONG_SIZE, c.result);
	}
	EXPECT_LE(2, cancelled);
	EXPECT_EQ((__u64)cancelled, engine_stat(fd).cancelled);
	EXPECT_EQ(1, nop(fd, 1));
	close(b);
	end_reaper(&r);
	close(fd);
}

static long drain_child(void *arg)
{
	return drain(*(int *)arg, 0, 0);
}

TEST_F(engine, drain)
{
	struct ipcdev_wait bad = { .reserved = 1 };
	int nonblock = dup_handle(self->fd, RIGHT_WRITE, NONBLOCK);
	pid_t pid;

	EXPECT_EQ(0, drain(self->fd, 0, 0));
	EXPECT_EQ(0, drain(self->fd, NONBLOCK, 0));
	EXPECT_EQ(1, late_timer(self->fd, 1));
	EXPECT_EQ(-EAGAIN, drain(self->fd, NONBLOCK, 0));
	EXPECT_EQ(-EAGAIN, drain(nonblock, 0, 0));
	EXPECT_EQ(-EINVAL, drain(self->fd, 8, 0));
	EXPECT_EQ(-EINVAL, drain(self->fd, 0, 1));
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_DRAIN, &bad));
	EXPECT_EQ(-ETIMEDOUT, drain(self->fd, MONOTONIC, now(CLOCK_MONOTONIC) + SOON));
	EXPECT_EQ(-ETIMEDOUT, drain(self->fd, IPCDEV_DEADLINE_REALTIME,
				    now(CLOCK_REALTIME) + SOON));
	/* A signal, */
	pid = in_child(drain_child, &self->fd);
	until(asleep_in(pid, SYS_ioctl));
	kill(pid, SIGUSR1);
	EXPECT_EQ(EINTR, reap(pid));
	/* and the end. */
	pid = in_child(drain_child, &self->fd);
	until(asleep_in(pid, SYS_ioctl));
	EXPECT_EQ(1, cancel(self->fd, 1, 0));
	EXPECT_EQ(0, reap(pid));
	/* In an interrupt, too. */
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 20 * MS));
	EXPECT_EQ(0, drain(self->fd, 0, 0));
	EXPECT_EQ(0, engine_stat(self->fd).inflight);
	close(nonblock);
}

/*
 * Backpressure
 */

TEST_F(engine, is_full_at_its_depth)
{
	int nonblock = dup_handle(self->fd, RIGHT_WRITE, NONBLOCK);
	struct ipcdev_engine_request reqs[DEPTH + 2];
	struct ipcdev_completion c;
	int i;

	memset(reqs, 0, sizeof(reqs));
	for (i = 0; i < DEPTH + 2; i++)
		reqs[i].op = IPCDEV_OP_NOP;
	EXPECT_EQ(CAN_WRITE, events(self->fd) & CAN_WRITE);
	EXPECT_EQ(DEPTH, submit(self->fd, reqs, DEPTH + 2, NONBLOCK, 0));
	EXPECT_EQ(0, drain(self->fd, 0, 0));
	/* Completions that were not reaped count, */
	EXPECT_EQ(-EAGAIN, try_nop(self->fd, 0));
	EXPECT_EQ(-EAGAIN, nop(nonblock, 0));
	EXPECT_EQ(-ETIMEDOUT, submit(self->fd, reqs, 1, MONOTONIC,
				     now(CLOCK_MONOTONIC) + SOON));
	EXPECT_EQ(CAN_READ, events(self->fd));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(CAN_READ | CAN_WRITE, events(self->fd));
	EXPECT_EQ(1, try_nop(self->fd, 0));
	EXPECT_EQ(-EAGAIN, try_nop(self->fd, 0));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, await(&self->r, &c));
	/* and so does what is in flight. */
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, late_timer(self->fd, i));
	EXPECT_EQ(-EAGAIN, late_timer(self->fd, i));
	EXPECT_EQ(0, events(self->fd));
	EXPECT_EQ(1, cancel(self->fd, 0, ANY));
	EXPECT_EQ(-EAGAIN, late_timer(self->fd, i));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(1, late_timer(self->fd, i));
	/* What is wrong is wrong, full or not. */
	EXPECT_EQ(-EINVAL, request(self->fd, .op = 0));
	close(nonblock);
}

static long nop_child(void *arg)
{
	long ret = nop(*(int *)arg, 77);

	return ret < 0 ? ret : 0;
}

static bool fill_up(int fd)
{
	int i;

	for (i = 0; i < DEPTH; i++) {
		if (nop(fd, i) != 1)
			return false;
	}
	return !drain(fd, 0, 0);
}

TEST_F(engine, submission_sleeps_until_there_is_room)
{
	struct ipcdev_completion c;
	pid_t pid[3];
	int i;

	ASSERT_TRUE(fill_up(self->fd));
	for (i = 0; i < 3; i++) {
		pid[i] = in_child(nop_child, &self->fd);
		until(asleep_in(pid[i], SYS_ioctl));
	}
	EXPECT_EQ(1, object(self->fd).senders);
	EXPECT_EQ(IPCDEV_RING_SLEEPING,
		  self->r.header->producer.state & IPCDEV_RING_SLEEPING);
	kill(pid[0], SIGUSR1);
	EXPECT_EQ(EINTR, reap(pid[0]));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(0, reap(pid[1]));
	EXPECT_EQ(0, reap(pid[2]));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(77, c.user_data);
	EXPECT_LE(3, object(self->fd).send_waits);
}

TEST_F(engine, submission_learns_that_nobody_reaps_any_more)
{
	pid_t pid;

	ASSERT_TRUE(fill_up(self->fd));
	pid = in_child(nop_child, &self->fd);
	until(asleep_in(pid, SYS_ioctl));
	kill(pid, SIGSTOP);
	kill(pid, SIGCONT);
	until(asleep_in(pid, SYS_ioctl));
	/* The child has a descriptor of the end, too. */
	EXPECT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(EINTR, reap(pid));
	fcntl(self->r.end, F_SETFD, FD_CLOEXEC);
	pid = child();
	if (!pid) {
		close(self->r.end);
		_exit(-nop_child(&self->fd));
	}
	until(asleep_in(pid, SYS_ioctl));
	end_reaper(&self->r);
	EXPECT_EQ(EPIPE, reap(pid));
	EXPECT_EQ(-EPIPE, try_nop(self->fd, 0));
	self->fd = create_engine(self->dev, .depth = 1);
	ASSERT_EQ(0, become_reaper(&self->r, self->fd));
}

TEST_F(engine, a_lying_consumer_harms_itself)
{
	enum { LIES = 9 };
	static const __u32 lies[LIES] = {
		4, 8, 63, 65, 64, 128, 0x80000000, 0xffffffc0, ~0U,
	};
	struct ipcdev_completion c;
	unsigned int i;

	/* With everything under way that looks at the word. */
	ASSERT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .user_data = 1,
			     .period_ns = MS));
	ASSERT_EQ(0, await(&self->r, &c));
	for (i = 0; i < LIES; i++) {
		__u64 missed = engine_stat(self->fd).missed;
		__u64 records = engine_stat(self->fd).records;
		struct ipcdev_engine_stat s;
		long ret;

		__atomic_store_n(self->r.own, self->r.index + lies[i], __ATOMIC_RELEASE);
		ret = try_nop(self->fd, 2);
		EXPECT_TRUE(ret == 1 || ret == -EAGAIN || ret == -EBADMSG);
		if (lies[i] % RECORD)
			EXPECT_EQ(-EBADMSG, ret);
		events(self->fd);
		do
			s = engine_stat(self->fd);
		while (s.missed == missed && s.records == records);
		EXPECT_GE(2 * DEPTH, s.unreaped * RECORD / object(self->fd).size);
	}
	/* What it says is what counts, once it is true again. */
	EXPECT_EQ(1, cancel(self->fd, 1, 0));
	EXPECT_EQ(0, drain(self->fd, 0, 0));
	self->r.index = *self->r.peer;
	advance(&self->r);
	EXPECT_EQ(1, nop(self->fd, 3));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(3, c.user_data);
}

/*
 * How the news comes
 */

TEST_F(engine, consumer_sleeps)
{
	struct ipcdev_completion c;
	struct ipcdev_engine_stat s;
	__u64 ran;

	EXPECT_EQ(-ETIMEDOUT, wait_record(&self->r, MONOTONIC, now(CLOCK_MONOTONIC) + SOON));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 500 * MS));
	EXPECT_EQ(0, wait_record(&self->r, 0, 0));
	ran = now(CLOCK_MONOTONIC);
	ASSERT_EQ(0, reap_one(&self->r, &c));
	/* Busy for so long that the one time cannot be taken for the other. */
	while (now(CLOCK_MONOTONIC) - ran < 8 * (ran - c.time_ns))
		;
	s = engine_stat(self->fd);
	EXPECT_EQ(1, sum(s.latency[IPCDEV_LATENCY_INTERRUPT]));
	/* How long it took is counted when it comes back. */
	EXPECT_EQ(0, sum(s.latency[IPCDEV_LATENCY_WAKEUP]));
	EXPECT_EQ(0, sum(s.latency[IPCDEV_LATENCY_REAPED]));
	EXPECT_EQ(-EAGAIN, wait_record(&self->r, NONBLOCK, 0));
	s = engine_stat(self->fd);
	EXPECT_EQ(1, sum(s.latency[IPCDEV_LATENCY_WAKEUP]));
	EXPECT_EQ(1, sum(s.latency[IPCDEV_LATENCY_REAPED]));
	EXPECT_GE(ran - c.time_ns, 1ULL << class_of(s.latency[IPCDEV_LATENCY_WAKEUP]));
	/* The last class has no end. */
	if (ran - c.time_ns < 1ULL << (IPCDEV_HISTOGRAM - 3))
		EXPECT_LE(4 * (ran - c.time_ns),
			  1ULL << class_of(s.latency[IPCDEV_LATENCY_REAPED]));
	/* A consumer comes back without having reaped: that does not count. */
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 500 * MS));
	EXPECT_EQ(0, wait_record(&self->r, 0, 0));
	EXPECT_EQ(0, wait_record(&self->r, 0, 0));
	EXPECT_EQ(1, sum(engine_stat(self->fd).latency[IPCDEV_LATENCY_REAPED]));
	EXPECT_EQ(2, sum(engine_stat(self->fd).latency[IPCDEV_LATENCY_WAKEUP]));
	EXPECT_EQ(2, object(self->fd).recv_waits - 1);
	/* What was cancelled has no latency, but the consumer, if it is woken by that. */
	EXPECT_EQ(1, late_timer(self->fd, 1));
	EXPECT_EQ(1, cancel(self->fd, 1, 0));
	EXPECT_EQ(2, sum(engine_stat(self->fd).latency[IPCDEV_LATENCY_INTERRUPT]));
}

/* The interrupt is one. */
static long irq_works(void)
{
	char line[1024], *p;
	long total = -1;
	FILE *f = fopen("/proc/interrupts", "r");

	while (f && fgets(line, sizeof(line), f)) {
		p = strstr(line, "IWI:");
		if (!p)
			continue;
		total = 0;
		for (p += 4; ; ) {
			char *end;
			long n = strtol(p, &end, 10);

			if (end == p)
				break;
			total += n;
			p = end;
		}
	}
	if (f)
		fclose(f);
	return total;
}

TEST_F(engine, completes_in_interrupts)
{
	struct ipcdev_completion c;
	long before = irq_works();
	int i;

	if (before < 0)
		SKIP(return, "this kernel does not count them");
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, nop(self->fd, i));
		ASSERT_EQ(0, await(&self->r, &c));
		ASSERT_EQ((__u64)i, c.user_data);
	}
	EXPECT_LE(before + 100, irq_works());
}

TEST_F(engine, eventfd_of_a_request)
{
	int e = eventfd(0, EFD_CLOEXEC), f = eventfd(0, EFD_CLOEXEC);
	struct pollfd p = { .fd = e, .events = POLLIN };
	struct ipcdev_completion c;
	int i;

	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 500 * MS,
			     .flags = IPCDEV_REQUEST_EVENTFD, .eventfd = e));
	EXPECT_EQ(0, gained(e));
	fcntl(e, F_SETFL, 0);
	EXPECT_EQ(1, poll(&p, 1, -1));
	/* What it tells of can be seen. */
	EXPECT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_NOP, .flags = IPCDEV_REQUEST_EVENTFD,
			     .eventfd = f));
	/* It is the request's, open or not. */
	close(f);
	ASSERT_EQ(0, await(&self->r, &c));
	/* Each period's record, and the end. */
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .period_ns = MS,
			     .flags = IPCDEV_REQUEST_EVENTFD, .eventfd = e));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(1, poll(&p, 1, -1));
		EXPECT_EQ(1, gained(e));
		ASSERT_EQ(0, reap_one(&self->r, &c));
	}
	EXPECT_EQ(1, cancel(self->fd, 0, 0));
	until(!engine_stat(self->fd).inflight);
	EXPECT_LE(1, poll(&p, 1, -1));
	/* As many as the engine is deep, again and again: none is held on to. */
	for (i = 0; i < 4 * DEPTH; i++) {
		while (!reap_one(&self->r, &c))
			;
		ASSERT_EQ(1, request(self->fd, .op = IPCDEV_OP_NOP,
				     .flags = IPCDEV_REQUEST_EVENTFD, .eventfd = e));
		EXPECT_EQ(0, drain(self->fd, 0, 0));
	}
	close(e);
}

TEST_F(engine, poll_and_epoll)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.fd = self->r.end };
	struct pollfd p = { .fd = self->fd, .events = POLLIN };
	struct ipcdev_completion c;
	int i;

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->r.end, &ev));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	for (i = 0; i < 3; i++) {
		/* Each is an edge, reaped or not. */
		EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 10 * MS));
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, -1));
		EXPECT_EQ(EPOLLIN, ev.events);
		EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	}
	while (!reap_one(&self->r, &c))
		;
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 10 * MS));
	EXPECT_EQ(1, poll(&p, 1, -1));
	EXPECT_EQ(POLLIN, p.revents);
	close(ep);
}

TEST_F(engine, attached_eventfd)
{
	int e = eventfd(0, EFD_CLOEXEC);
	struct pollfd p = { .fd = e, .events = POLLIN };

	EXPECT_EQ(0, attach(self->r.end, e, IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 10 * MS));
	EXPECT_EQ(1, poll(&p, 1, -1));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(0, detach(self->r.end, e));
	close(e);
}

TEST_F(engine, pollers_for_room)
{
	int e = eventfd(0, EFD_CLOEXEC);
	struct ipcdev_completion c;

	ASSERT_TRUE(fill_up(self->fd));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	/* Who may not submit does not wait for room, and nobody else polls. */
	EXPECT_EQ(1, try_nop(self->fd, 1));
	EXPECT_EQ(POLLIN | POLLRDNORM, events(self->r.end));
	EXPECT_EQ(0, self->r.header->producer.state & IPCDEV_RING_SLEEPING);
	EXPECT_EQ(0, attach(self->fd, e, IPCDEV_EVENT_WRITABLE, 0));
	EXPECT_EQ(0, gained(e));
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(1, gained(e));
	/* Who fills it and counts does not try in vain, and waits for that edge, too. */
	EXPECT_EQ(1, try_nop(self->fd, 1));
	EXPECT_EQ(IPCDEV_RING_SLEEPING,
		  self->r.header->producer.state & IPCDEV_RING_SLEEPING);
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(1, gained(e));
	/* Each time that there was none, the consumer is asked to tell. */
	EXPECT_EQ(1, try_nop(self->fd, 1));
	EXPECT_EQ(-EAGAIN, try_nop(self->fd, 1));
	EXPECT_EQ(IPCDEV_RING_SLEEPING,
		  self->r.header->producer.state & IPCDEV_RING_SLEEPING);
	ASSERT_EQ(0, reap_one(&self->r, &c));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(0, self->r.header->producer.state & IPCDEV_RING_SLEEPING);
	close(e);
}

/* As the textbooks draw it: the device interrupts, the process has a signal. */
TEST_F(engine, signals)
{
	int fds[] = { dup_handle(self->fd, RIGHT_READ, 0), self->r.end };
	const struct timespec none = {};
	struct ipcdev_completion c;
	siginfo_t info;
	sigset_t set;
	int i;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ask_for_signals(fds[i], SIGRTMIN));
		EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 10 * MS));
		ASSERT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
		EXPECT_EQ(fds[i], info.si_fd);
		EXPECT_EQ(POLL_IN, info.si_code);
		EXPECT_EQ(CAN_READ, info.si_band & CAN_READ);
		ASSERT_EQ(0, reap_one(&self->r, &c));
		/* And plain. */
		ASSERT_EQ(0, fcntl(fds[i], F_SETSIG, 0));
		EXPECT_EQ(1, request(self->fd, .op = IPCDEV_OP_TIMER, .value = 10 * MS));
		ASSERT_EQ(SIGIO, sigwaitinfo(&set, &info));
		ASSERT_EQ(0, reap_one(&self->r, &c));
		ASSERT_EQ(0, fcntl(fds[i], F_SETFL, 0));
		/* Of room only those hear who may submit. */
		EXPECT_EQ(-1, sigtimedwait(&set, &info, &none));
	}
	/* Those do. */
	ASSERT_EQ(0, ask_for_signals(self->fd, SIGRTMIN));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(1, nop(self->fd, i));
	EXPECT_EQ(-EAGAIN, try_nop(self->fd, i));
	for (i = 0; i < DEPTH; i++) {
		ASSERT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
		EXPECT_EQ(POLL_IN, info.si_code);
	}
	ASSERT_EQ(0, await(&self->r, &c));
	ASSERT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
	EXPECT_EQ(POLL_OUT, info.si_code);
	EXPECT_EQ(self->fd, info.si_fd);
	EXPECT_EQ(CAN_WRITE, info.si_band & (CAN_WRITE | CAN_READ));
	close(fds[0]);
}

/*
 * Processes that come and go
 */

TEST_F(engine, children_submit)
{
	struct ipcdev_completion c;
	pid_t pid = in_child(nop_child, &self->fd);

	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(77, c.user_data);
}

TEST_F(engine, killed_with_requests_in_flight)
{
	struct ipcdev_info before = info(self->dev);
	struct shared {
		__aligned_u64 engine;
		__aligned_u64 buffer;
	} *shared = shared_memory(sizeof(*shared));
	int i, round;
	pid_t pid;

	for (round = 0; round < 3; round++) {
		shared->engine = 0;
		pid = child();
		if (!pid) {
			int fd = create_engine(self->dev, .depth = 128);
			int b = create_buffer(self->dev, .size = LONG_SIZE);
			int e = eventfd(0, 0);

			shared->buffer = object(b).id;
			for (i = 0; i < 20; i++) {
				long ret = long_fill(fd, b, i);

				ret += late_timer(fd, i);
				ret += request(fd, .op = IPCDEV_OP_TIMER, .period_ns = MS,
					       .flags = IPCDEV_REQUEST_EVENTFD,
					       .eventfd = e);
				if (ret != 3)
					_exit(1);
			}
			__atomic_store_n(&shared->engine, object(fd).id, __ATOMIC_SEQ_CST);
			pause();
		}
		until(__atomic_load_n(&shared->engine, __ATOMIC_SEQ_CST));
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, reap(pid));
		until(!listed(self->dev, shared->engine));
		until(!listed(self->dev, shared->buffer));
	}
	until(info(self->dev).bytes == before.bytes);
	EXPECT_EQ(before.objects, info(self->dev).objects);
	EXPECT_EQ(before.eventfds, info(self->dev).eventfds);
}

TEST_F(engine, closing_ends_all)
{
	int b = create_buffer(self->dev, .size = LONG_SIZE);
	int fd, end, i;

	for (i = 0; i < 20; i++) {
		fd = create_engine(self->dev, .depth = 4);
		ASSERT_EQ(1, long_fill(fd, b, 1));
		ASSERT_EQ(1, request(fd, .op = IPCDEV_OP_TIMER, .period_ns = MS));
		ASSERT_EQ(1, nop(fd, 2));
		end = take_end(fd, RIGHT_READ, 0);
		/* The end alone keeps it going. */
		close(fd);
		if (i % 2)
			EXPECT_LE(2, engine_stat(end).inflight + engine_stat(end).completed);
		close(end);
		/* And when that has gone nobody writes any more. */
		EXPECT_EQ(0, seal(create_buffer(self->dev, .size = 1)));
	}
	EXPECT_EQ(0, seal(b));
	close(b);
}

TEST_F(engine, has_a_name)
{
	struct reaper r;
	int fd, rd, wr;

	if (variant->uid)
		SKIP(return, "mounts are root's");
	ASSERT_EQ(0, private_fs());
	fd = create_engine(self->dev, .depth = 4);
	ASSERT_EQ(0, publish_as(fd, FS "/engine", 0600, 0));
	rd = open(FS "/engine", O_RDONLY | O_CLOEXEC);
	wr = open(FS "/engine", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, rd);
	ASSERT_LE(0, wr);
	close(fd);
	EXPECT_EQ(-EACCES, nop(rd, 1));
	EXPECT_EQ(-EACCES, take_end(wr, RIGHT_READ, 0));
	EXPECT_EQ(1, nop(wr, 1));
	EXPECT_EQ(0, become_reaper(&r, rd));
	end_reaper(&r);
	close(rd);
	close(wr);
	EXPECT_FALSE(exists(FS "/engine"));
	/* Nobody would ever end what is in flight. */
	fd = create_engine(self->dev, .flags = IPCDEV_RING_TAKEOVER);
	EXPECT_EQ(-EBUSY, publish_as(fd, FS "/other", 0600, IPCDEV_PUBLISH_PERSISTENT));
	close(fd);
}

TEST_F(engine, travels_in_a_message)
{
	int q = create_queue(self->dev, .depth = 1), fd = -1;
	struct ipcdev_transfer t = {
		.msg = { .fds = PTR(&fd), .fd_count = 1 },
	};
	struct ipcdev_completion c;

	EXPECT_EQ(0, send_msg(q, .msg.fds = PTR(&self->fd), .msg.fd_count = 1));
	EXPECT_EQ(0, recv_msg(q, &t));
	EXPECT_EQ(1, nop(fd, 4));
	ASSERT_EQ(0, await(&self->r, &c));
	EXPECT_EQ(4, c.user_data);
	close(fd);
	close(q);
}

TEST_F(engine, memory_is_charged)
{
	struct ipcdev_info before = info(self->dev);
	int fd = create_engine(self->dev, .depth = 512);

	ASSERT_LE(0, fd);
	EXPECT_LE(before.bytes + 2 * 512 * RECORD, info(self->dev).bytes);
	EXPECT_EQ(before.objects + 1, info(self->dev).objects);
	close(fd);
	EXPECT_EQ(before.bytes, info(self->dev).bytes);
	if (!variant->uid) {
		__u64 max = parameter("max_bytes");

		ASSERT_EQ(0, set_parameter("max_bytes", before.bytes + 4096));
		EXPECT_EQ(-EDQUOT, create_engine(self->dev, .depth = 64));
		ASSERT_EQ(0, set_parameter("max_bytes", max));
		EXPECT_EQ(before.bytes, info(self->dev).bytes);
	}
}

/* Two threads submit while the consumer reaps: every one, once, and each's in order. */
struct load {
	int fd;
	unsigned int thread;
	unsigned int count;
	long error;
};

static long load_child(void *arg)
{
	struct load *l = arg;
	struct ipcdev_engine_request reqs[5];
	unsigned int i = 0;
	long n;

	memset(reqs, 0, sizeof(reqs));
	while (i < l->count) {
		unsigned int k, want = 1 + i % 5;

		if (want > l->count - i)
			want = l->count - i;
		for (k = 0; k < want; k++) {
			reqs[k].op = IPCDEV_OP_NOP;
			reqs[k].user_data = (__u64)l->thread << 32 | (i + k);
		}
		n = submit(l->fd, reqs, want, 0, 0);
		if (n <= 0)
			return n ?: -EIO;
		i += n;
	}
	return 0;
}

TEST_F(engine, loses_nothing)
{
	unsigned int count = slow() ? 2000 : 20000, next[2] = {}, i;
	struct load load[2];
	struct ipcdev_completion c;
	pid_t pid[2];

	for (i = 0; i < 2; i++) {
		load[i] = (struct load){ self->fd, i, count, 0 };
		pid[i] = in_child(load_child, &load[i]);
	}
	for (i = 0; i < 2 * count; i++) {
		unsigned int thread;

		ASSERT_EQ(0, await(&self->r, &c));
		thread = c.user_data >> 32;
		ASSERT_GE(1, thread);
		ASSERT_EQ(next[thread], (__u32)c.user_data);
		next[thread]++;
	}
	EXPECT_EQ(0, reap(pid[0]));
	EXPECT_EQ(0, reap(pid[1]));
	EXPECT_EQ(-EAGAIN, reap_one(&self->r, &c));
	EXPECT_EQ(2 * count, engine_stat(self->fd).completed);
}

TEST_HARNESS_MAIN
