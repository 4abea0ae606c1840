// SPDX-License-Identifier: GPL-2.0
/*
 * Another driver as the producer of a ring, from its interrupts: the sample that
 * Documentation/producer.rst explains is loaded, used and removed.
 */
#include "reaper.h"

#include "../samples/ipcdev_sampler.h"

#define MODULE		"/usr/lib/ipcdev/ipcdev_sampler.ko"
#define SAMPLER		"/dev/ipcdev-sampler"
#define MS		1000000ULL
#define SAMPLE		(8 + sizeof(struct ipcdev_sample))

#define load()		load_module(MODULE)
#define unload()	unload_module("ipcdev_sampler")

static long start(int sampler, int ring, __u64 period)
{
	struct ipcdev_sampler_start s = { .ring_fd = ring, .period_ns = period };

	return call(sampler, IPCDEV_SAMPLER_START, &s);
}

/* What became of the last sample. */
static int outcome(void)
{
	char text[16] = "";

	read_file("/sys/module/ipcdev_sampler/parameters/result", text, sizeof(text));
	return atoi(text);
}

static long look(struct reaper *r, struct ipcdev_sample *s)
{
	const struct ipcdev_ring_record *rec;

	if (__atomic_load_n(r->peer, __ATOMIC_ACQUIRE) == r->index)
		return -EAGAIN;
	rec = (const void *)(r->data + (r->index & (r->header->size - 1)));
	if (rec->len != sizeof(*s))
		return -EBADMSG;
	memcpy(s, rec + 1, sizeof(*s));
	return 0;
}

static long receive(struct reaper *r, struct ipcdev_sample *s)
{
	long ret;

	while ((ret = look(r, s)) == -EAGAIN) {
		ret = ring_wait(r->end, .index = r->index + SAMPLE);
		if (ret)
			return ret;
	}
	if (!ret) {
		r->index += SAMPLE;
		advance(r);
	}
	return ret;
}

FIXTURE(producer)
{
	int dev;
	int sampler;
	int ring;
	struct reaper r;
};

FIXTURE_SETUP(producer)
{
	if (access(MODULE, R_OK))
		SKIP(return, "no " MODULE);
	if (load())
		ASSERT_EQ(-EEXIST, load());
	until(exists(SAMPLER));
	self->dev = device();
	self->sampler = open(SAMPLER, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->sampler);
	self->ring = create_ring(self->dev, .size = 4096);
	ASSERT_LE(0, self->ring);
	ASSERT_EQ(0, become_reaper(&self->r, self->ring));
}

FIXTURE_TEARDOWN(producer)
{
	if (!self->dev)
		return;
	end_reaper(&self->r);
	close(self->ring);
	close(self->sampler);
	close(self->dev);
	until(!unload());
}

TEST_F(producer, wakes_a_sleeping_consumer)
{
	struct ipcdev_sample s;
	__u64 last = 0;
	int other, i;

	EXPECT_EQ(0, start(self->sampler, self->ring, MS));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, receive(&self->r, &s));
		EXPECT_EQ((__u64)i, s.number);
		EXPECT_LT(last, s.time_ns);
		EXPECT_GE(now(CLOCK_MONOTONIC), s.time_ns);
		last = s.time_ns;
	}
	/* To be refused costs the ring nothing. */
	other = create_ring(self->dev, .size = 1);
	EXPECT_EQ(-EBUSY, start(self->sampler, other, MS));
	EXPECT_LE(0, take_end(other, RIGHT_WRITE, 0));
	EXPECT_EQ(1, object(self->ring).writers);
	EXPECT_EQ(-EBUSY, take_end(self->ring, RIGHT_WRITE, 0));
}

TEST_F(producer, tells_pollers_and_eventfds)
{
	int e = eventfd(0, EFD_CLOEXEC);
	struct pollfd p[] = {
		{ .fd = self->r.end, .events = POLLIN },
		{ .fd = e, .events = POLLIN },
	};
	struct ipcdev_sample s;

	ASSERT_EQ(0, attach(self->r.end, e, IPCDEV_EVENT_READABLE, 0));
	EXPECT_EQ(0, start(self->sampler, self->ring, 10 * MS));
	while (!(p[0].revents & POLLIN) || !(p[1].revents & POLLIN))
		ASSERT_LE(1, poll(p, 2, -1));
	EXPECT_EQ(0, receive(&self->r, &s));
	EXPECT_EQ(0, s.number);
	close(e);
}

TEST_F(producer, signals)
{
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	ASSERT_EQ(0, ask_for_signals(self->r.end, SIGRTMIN));
	EXPECT_EQ(0, start(self->sampler, self->ring, 10 * MS));
	ASSERT_EQ(SIGRTMIN, sigwaitinfo(&set, &info));
	EXPECT_EQ(self->r.end, info.si_fd);
	EXPECT_EQ(POLL_IN, info.si_code);
	EXPECT_EQ(CAN_READ, info.si_band & CAN_READ);
}

/* A record may take half of the ring, and not a byte more. */
TEST_F(producer, posts_no_more_than_half_of_the_ring)
{
	struct ipcdev_sampler_start s = {
		.ring_fd = self->ring,
		.padding = self->r.header->record_max - sizeof(struct ipcdev_sample) + 1,
		.period_ns = MS,
	};
	const struct ipcdev_ring_record *rec;

	ASSERT_EQ(self->r.header->size / 2, self->r.header->record_max);
	ASSERT_EQ(0, call(self->sampler, IPCDEV_SAMPLER_START, &s));
	until(outcome() == -EMSGSIZE);
	EXPECT_EQ(0, *self->r.peer);
	close(self->sampler);
	close(self->ring);
	end_reaper(&self->r);
	self->sampler = open(SAMPLER, O_RDWR | O_CLOEXEC);
	self->ring = create_ring(self->dev, .size = 4096);
	ASSERT_EQ(0, become_reaper(&self->r, self->ring));
	rec = (const void *)self->r.data;
	s.ring_fd = self->ring;
	s.padding--;
	ASSERT_EQ(0, call(self->sampler, IPCDEV_SAMPLER_START, &s));
	EXPECT_EQ(0, ring_wait(self->r.end, .index = self->r.header->record_max + 8));
	EXPECT_EQ(self->r.header->record_max, rec->len);
	/* The sampler knows its own limit, too. */
	s.padding = IPCDEV_SAMPLER_PADDING_MAX + 1;
	EXPECT_EQ(-EINVAL, call(self->sampler, IPCDEV_SAMPLER_START, &s));
}

/* What there was no room for is seen by the gap. */
TEST_F(producer, never_waits_for_room)
{
	const unsigned int fit = 4096 / SAMPLE;
	struct ipcdev_sample s;
	unsigned int i;

	EXPECT_EQ(0, start(self->sampler, self->ring, MS));
	EXPECT_EQ(-ETIMEDOUT, ring_wait(self->r.end, .flags = IPCDEV_DEADLINE_MONOTONIC,
					.index = fit * SAMPLE + 8,
					.deadline_ns = now(CLOCK_MONOTONIC) + 10 * SOON));
	until(*self->r.peer == fit * SAMPLE);
	until(outcome() == -ENOSPC);
	/* And once more: for the next ones there is no room. */
	EXPECT_EQ(-ETIMEDOUT, ring_wait(self->r.end, .flags = IPCDEV_DEADLINE_MONOTONIC,
					.index = fit * SAMPLE + 8,
					.deadline_ns = now(CLOCK_MONOTONIC) + 10 * SOON));
	for (i = 0; i < fit; i++) {
		ASSERT_EQ(0, receive(&self->r, &s));
		ASSERT_EQ(i, s.number);
	}
	ASSERT_EQ(0, receive(&self->r, &s));
	EXPECT_LT(fit, s.number);
	/* A consumer that lies has no room either, until it says the truth. */
	__atomic_store_n(self->r.own, self->r.index + 80000, __ATOMIC_RELEASE);
	i = s.number;
	while (!look(&self->r, &s))
		self->r.index += SAMPLE;
	advance(&self->r);
	EXPECT_EQ(0, receive(&self->r, &s));
	EXPECT_LT(i, s.number);
}

TEST_F(producer, learns_that_the_consumer_has_left)
{
	EXPECT_EQ(0, start(self->sampler, self->ring, MS));
	until(*self->r.peer);
	end_reaper(&self->r);
	until(outcome() == -EPIPE);
	EXPECT_EQ(-EPIPE, take_end(self->ring, RIGHT_READ, 0));
	close(self->ring);
	self->ring = create_ring(self->dev, .size = 1);
	ASSERT_EQ(0, become_reaper(&self->r, self->ring));
}

TEST_F(producer, leaves)
{
	struct ipcdev_sample s;
	long ret;

	EXPECT_EQ(0, start(self->sampler, self->ring, MS));
	EXPECT_EQ(0, receive(&self->r, &s));
	/* While it is open it cannot be removed. */
	EXPECT_EQ(-EAGAIN, unload());
	close(self->sampler);
	do
		ret = receive(&self->r, &s);
	while (!ret);
	EXPECT_EQ(-EPIPE, ret);
	EXPECT_EQ(POLLHUP, events(self->r.end) & POLLHUP);
	self->sampler = open(SAMPLER, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-EPIPE, start(self->sampler, self->ring, MS));
}

TEST_F(producer, takes_rings_only)
{
	int ro = dup_handle(self->ring, RIGHT_READ, 0);
	int taken, engine;
	struct ipcdev_create_engine create = { .depth = 1 };

	engine = call(self->dev, IPCDEV_IOC_CREATE_ENGINE, &create);
	EXPECT_EQ(-EBADF, start(self->sampler, -1, MS));
	EXPECT_EQ(-EINVAL, start(self->sampler, self->dev, MS));
	EXPECT_EQ(-EINVAL, start(self->sampler, self->r.end, MS));
	EXPECT_EQ(-EINVAL, start(self->sampler, engine, MS));
	EXPECT_EQ(-EINVAL, start(self->sampler, create_buffer(self->dev, .size = 1), MS));
	EXPECT_EQ(-EACCES, start(self->sampler, ro, MS));
	taken = take_end(self->ring, RIGHT_WRITE, 0);
	EXPECT_EQ(-EBUSY, start(self->sampler, self->ring, MS));
	close(taken);
	EXPECT_EQ(-EPIPE, start(self->sampler, self->ring, MS));
	close(engine);
	close(ro);
}

/* Who takes over a ring may find that its predecessor was no friend. */
TEST_F(producer, does_not_trust_its_predecessor)
{
	static const __u32 places[] = { 3, 8, 4096 - 8, ~7U, 0x80000000 };
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		int ring = create_ring(self->dev, .size = 1, .flags = IPCDEV_RING_TAKEOVER);
		int sampler = open(SAMPLER, O_RDWR | O_CLOEXEC);
		int end = take_end(ring, RIGHT_WRITE, 0);
		__u32 *word = map_area(end, page, PROT_READ | PROT_WRITE,
				       IPCDEV_RING_PRODUCER_OFFSET);

		*word = places[i];
		munmap(word, page);
		close(end);
		EXPECT_EQ(places[i] % 8 ? -EBADMSG : 0, start(sampler, ring, MS));
		/* Some posts, wherever they go. */
		end = take_end(ring, RIGHT_READ, 0);
		ring_wait(end, .flags = IPCDEV_DEADLINE_MONOTONIC,
			  .index = places[i] + SAMPLE,
			  .deadline_ns = now(CLOCK_MONOTONIC) + 5 * MS);
		close(end);
		close(sampler);
		close(ring);
	}
}

TEST_HARNESS_MAIN
