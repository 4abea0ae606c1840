// SPDX-License-Identifier: GPL-2.0
/*
 * Much at once: nothing is lost, nothing is seen twice, and order is kept,
 * also when those who send and receive are killed in the midst of it.
 */
#include "ipcdev_test.h"

#include <pthread.h>
#include <semaphore.h>

FIXTURE(stress)
{
	int dev;
};

FIXTURE_SETUP(stress)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(stress)
{
	close(self->dev);
}

/*
 * 64 threads on one queue, half of which send. A message's tag is its sender
 * and its number among the sender's; its priority is one of a few.
 */
#define SENDERS		32
#define RECEIVERS	32
#define PRIORITIES	4

struct crowd {
	int q;
	unsigned int each;		/* messages of one sender */
	unsigned int batch;		/* messages in one call, 0 for singles */
	pthread_t sender[SENDERS];
	pthread_t receiver[RECEIVERS];
	unsigned char *seen;		/* by sender and number */
	sem_t ended;			/* posted by each receiver at its end */
	const char *wrong;		/* what went wrong, if it did */
};

struct member {
	struct crowd *crowd;
	unsigned int nr;
};

static unsigned int prio_of(unsigned int sender, unsigned int nr)
{
	return (sender + nr / 3) % PRIORITIES;
}

static void *send_all(void *arg)
{
	struct member *me = arg;
	struct crowd *c = me->crowd;
	struct ipcdev_msg m[16];
	__u64 payload[16];
	unsigned int nr, i, n;

	for (nr = 0; nr < c->each; nr += n) {
		struct ipcdev_batch b = {
			.msgs = PTR(m),
			.msg_size = sizeof(*m),
		};

		memset(m, 0, sizeof(m));
		n = c->batch ? 1 + nr % c->batch : 1;
		if (n > c->each - nr)
			n = c->each - nr;
		for (i = 0; i < n; i++) {
			payload[i] = (__u64)me->nr << 32 | (nr + i);
			m[i].data = PTR(&payload[i]);
			m[i].len = sizeof(payload[i]);
			m[i].tag = payload[i];
			m[i].prio = prio_of(me->nr, nr + i);
		}
		b.count = n;
		if (c->batch) {
			if (call(c->q, IPCDEV_IOC_SEND_BATCH, &b) != (int)n)
				c->wrong = "a batch was not sent";
		} else if (put(c->q, m[0].prio, payload[0])) {
			c->wrong = "a message was not sent";
		}
	}
	return NULL;
}

#define NO_MORE	UINT64_MAX

/*
 * What one receiver gets of one sender's in one priority is in order: it was
 * sent in order, and each call takes the first.
 */
static void *recv_all(void *arg)
{
	struct member *me = arg;
	struct crowd *c = me->crowd;
	int last[SENDERS][PRIORITIES];
	struct ipcdev_msg m[16];
	__u64 payload[16];
	int i, n;

	memset(last, -1, sizeof(last));
	for (;;) {
		struct ipcdev_batch b = {
			.count = c->batch ?: 1,
			.msgs = PTR(m),
			.msg_size = sizeof(*m),
		};

		memset(m, 0, sizeof(m));
		for (i = 0; i < (int)b.count; i++) {
			m[i].data = PTR(&payload[i]);
			m[i].len = sizeof(payload[i]);
		}
		n = call(c->q, IPCDEV_IOC_RECV_BATCH, &b);
		if (n <= 0) {
			c->wrong = "a message was not received";
			goto out;
		}
		for (i = 0; i < n; i++) {
			unsigned int sender = payload[i] >> 32;
			int nr = (int)payload[i], *before;

			if (payload[i] == NO_MORE) {
				if (i + 1 < n)
					c->wrong = "a message after the last";
				goto out;
			}
			if (m[i].tag != payload[i] ||
			    m[i].prio != prio_of(sender, nr))
				c->wrong = "a message was another";
			before = &last[sender][m[i].prio];
			if (nr <= *before)
				c->wrong = "messages out of order";
			*before = nr;
			/* No two threads ever have the same one. */
			if (c->seen[sender * c->each + nr]++)
				c->wrong = "a message came twice";
		}
	}
out:
	sem_post(&c->ended);
	return NULL;
}

static const char *run_crowd(struct crowd *c)
{
	struct member member[SENDERS + RECEIVERS];
	unsigned int i, total = SENDERS * c->each;
	const char *wrong = NULL;

	c->seen = calloc(1, total);
	sem_init(&c->ended, 0, 0);
	for (i = 0; i < SENDERS + RECEIVERS; i++) {
		member[i].crowd = c;
		member[i].nr = i % SENDERS;
		pthread_create(i < SENDERS ? &c->sender[i] :
			       &c->receiver[i - SENDERS], NULL,
			       i < SENDERS ? send_all : recv_all, &member[i]);
	}
	for (i = 0; i < SENDERS; i++)
		pthread_join(c->sender[i], NULL);
	/*
	 * Whoever gets one of these, after all others, has done its part. One at
	 * a time: a receiver that is filling a batch would take the next as well.
	 */
	until(c->wrong || object(c->q).queued == 0);
	for (i = 0; i < RECEIVERS && !wrong; i++) {
		if (put(c->q, 0, NO_MORE))
			wrong = "the end was not sent";
		else
			sem_wait(&c->ended);
	}
	for (i = 0; i < RECEIVERS; i++)
		pthread_join(c->receiver[i], NULL);
	for (i = 0; i < total && !c->wrong; i++)
		if (!c->seen[i])
			wrong = "a message was lost";
	sem_destroy(&c->ended);
	free(c->seen);
	return c->wrong ?: wrong;
}

/* Enough for 200,000 messages, where that does not take for ever. */
static unsigned int share(void)
{
	return (slow() ? 20000 : 200000) / SENDERS;
}

TEST_F(stress, crowd_on_one_queue)
{
	struct crowd c = { .each = share() };
	const char *wrong;

	c.q = create_queue(self->dev, .depth = 32, .msg_max = 64);
	ASSERT_LE(0, c.q);
	wrong = run_crowd(&c);
	EXPECT_EQ(NULL, wrong)
		TH_LOG("%s", wrong);
	EXPECT_EQ(0, object(c.q).queued);
	EXPECT_EQ(SENDERS * c.each + RECEIVERS, object(c.q).sent);
	EXPECT_EQ(SENDERS * c.each + RECEIVERS, object(c.q).received);
	close(c.q);
}

TEST_F(stress, crowd_with_batches)
{
	struct crowd c = { .each = share(), .batch = 16 };
	const char *wrong;

	c.q = create_queue(self->dev, .depth = 100, .msg_max = 64);
	ASSERT_LE(0, c.q);
	wrong = run_crowd(&c);
	EXPECT_EQ(NULL, wrong)
		TH_LOG("%s", wrong);
	EXPECT_EQ(SENDERS * c.each + RECEIVERS, object(c.q).received);
	close(c.q);
}

/* A depth of one puts everybody to sleep all the time. */
TEST_F(stress, crowd_in_a_narrow_queue)
{
	struct crowd c = { .each = share() / 10 };
	const char *wrong;

	c.q = create_queue(self->dev, .depth = 1, .msg_max = 8);
	ASSERT_LE(0, c.q);
	wrong = run_crowd(&c);
	EXPECT_EQ(NULL, wrong)
		TH_LOG("%s", wrong);
	close(c.q);
}

/*
 * Receivers that are killed at any moment. A message has been received if
 * its result is in memory, which here others see; then it is the receiver's
 * and nobody else's.
 */
#define VICTIMS	4

struct received {
	struct ipcdev_transfer t[20000];
	unsigned int count;	/* calls begun, each with a place of its own */
};

static void receive_until_killed(int q, struct received *r)
{
	static __u64 payload;

	for (;;) {
		struct ipcdev_transfer *t;

		if (r->count == ARRAY_SIZE(r->t))
			_exit(0);
		t = &r->t[r->count++];
		t->msg.data = PTR(&payload);
		t->msg.len = sizeof(payload);
		if (recv_msg(q, t))
			_exit(1);
	}
}

/* What a sender has been told that it sent, and what it may have sent. */
struct sent {
	unsigned int begun;
	unsigned int done;
};

static void send_until_killed(int q, struct sent *s, unsigned int sender)
{
	for (;;) {
		s->begun++;
		if (put(q, s->begun % PRIORITIES,
			(__u64)sender << 32 | s->begun))
			_exit(1);
		s->done = s->begun;
	}
}

static void note(struct ipcdev_transfer *t, unsigned char *seen,
		 unsigned int each, unsigned int *twice)
{
	unsigned int sender = t->msg.tag >> 32, nr = (__u32)t->msg.tag;

	if (nr && nr < each && sender < VICTIMS && seen[sender * each + nr]++)
		++*twice;
}

TEST_F(stress, killed_ones_lose_nothing)
{
	unsigned int rounds = slow() ? 10 : 40, round, i, k, twice = 0;
	unsigned int lost = 0, more = 0;
	const unsigned int each = 20000;
	struct received *r = shared_memory(VICTIMS * sizeof(*r));
	struct sent *s = shared_memory(VICTIMS * sizeof(*s));
	unsigned char *seen = malloc(VICTIMS * each);

	ASSERT_NE(NULL, r);
	ASSERT_NE(NULL, s);
	srand(1);
	for (round = 0; round < rounds; round++) {
		int q = create_queue(self->dev, .depth = 4, .msg_max = 8,
				     .flags = IPCDEV_QUEUE_CREDS);
		struct ipcdev_transfer t;
		pid_t pid[2 * VICTIMS];
		__u64 payload;

		ASSERT_LE(0, q);
		memset(r, 0, VICTIMS * sizeof(*r));
		memset(s, 0, VICTIMS * sizeof(*s));
		memset(seen, 0, VICTIMS * each);
		for (i = 0; i < 2 * VICTIMS; i++) {
			pid[i] = child();
			if (!pid[i] && i & 1)
				receive_until_killed(q, &r[i / 2]);
			if (!pid[i])
				send_until_killed(q, &s[i / 2], i / 2);
		}
		/* Now and then, and in any order. */
		until(object(q).received > 20U * (rand() % 20));
		for (i = 0; i < 2 * VICTIMS; i++) {
			k = i + rand() % (2 * VICTIMS - i);
			kill(pid[k], SIGKILL);
			EXPECT_EQ(-SIGKILL, reap(pid[k]));
			pid[k] = pid[i];
		}
		for (i = 0; i < VICTIMS; i++)
			for (k = 0; k < r[i].count; k++)
				note(&r[i].t[k], seen, each, &twice);
		/* And what nobody received is here. */
		do {
			memset(&t, 0, sizeof(t));
			t.flags = IPCDEV_NONBLOCK;
			t.msg.data = PTR(&payload);
			t.msg.len = sizeof(payload);
			if (recv_msg(q, &t))
				break;
			note(&t, seen, each, &twice);
		} while (true);
		for (i = 0; i < VICTIMS; i++) {
			for (k = 1; k <= s[i].done && k < each; k++)
				lost += !seen[i * each + k];
			for (k = s[i].begun + 1; k < each; k++)
				more += seen[i * each + k];
		}
		EXPECT_EQ(object(q).sent, object(q).received);
		EXPECT_EQ(0, object(q).senders);
		EXPECT_EQ(0, object(q).receivers);
		close(q);
	}
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, twice);
	EXPECT_EQ(0, more);
	free(seen);
}

/*
 * A message of every size, so that each boundary that the copies know, and
 * those that they should not know, is crossed.
 */
static bool comes_through(int q, char *out, char *in, size_t len)
{
	struct ipcdev_transfer t = {
		.flags = IPCDEV_NONBLOCK,
		.msg = { .data = PTR(out), .len = len },
	};

	memset(in, 0x5a, len + 1);
	if (call(q, IPCDEV_IOC_SEND, &t))
		return false;
	t.msg.data = PTR(in);
	if (call(q, IPCDEV_IOC_RECV, &t))
		return false;
	return t.msg.len == len && !memcmp(in, out, len) && in[len] == 0x5a;
}

TEST_F(stress, message_of_every_size)
{
	const size_t page = sysconf(_SC_PAGESIZE), large = 1 << 20;
	int q = create_queue(self->dev, .depth = 2, .msg_max = large);
	size_t size, around, step = slow() ? 7 : 1;
	char *out = malloc(large + 8), *in = malloc(large + 8);
	struct ipcdev_stat s;

	ASSERT_LE(0, q);
	for (size = 0; size < large + 8; size++)
		out[size] = size * 7 + size / 256;
	for (size = 0; size <= 2 * page + 64; size += size < 600 ? 1 : step)
		ASSERT_TRUE(comes_through(q, out + size % 8, in + size % 5,
					  size))
			TH_LOG("%zu bytes", size);
	for (around = 4 * page; around <= large; around *= 2)
		for (size = around - 64; size <= around + 64; size += step) {
			if (size > large)
				break;
			ASSERT_TRUE(comes_through(q, out, in, size))
				TH_LOG("%zu bytes", size);
		}
	ASSERT_TRUE(comes_through(q, out, in, large));
	s = object(q);
	EXPECT_EQ(s.sent_bytes, s.received_bytes);
	EXPECT_EQ(0, s.queued_bytes);
	free(out);
	free(in);
	close(q);
}

/* The same in pieces, and by read(2) and write(2). */
TEST_F(stress, message_of_many_pieces)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	int q = create_queue(self->dev, .depth = 2, .msg_max = 4 * page);
	char *out = malloc(4 * page), *in = malloc(4 * page);
	struct ipcdev_iovec v[64];
	struct iovec iov[64];
	size_t i, k, size, at;

	ASSERT_LE(0, q);
	for (i = 0; i < 4 * page; i++)
		out[i] = i * 11 + i / 256;
	for (i = 0; i < (slow() ? 100 : 1000); i++) {
		struct ipcdev_transfer t = { .flags = IPCDEV_NONBLOCK };

		size = 0;
		for (k = 0; k < 64; k++) {
			at = (i * 37 + k * 101) % 250;
			v[k].base = PTR(out + size);
			v[k].len = at;
			iov[k].iov_base = in + size;
			iov[k].iov_len = at;
			size += at;
		}
		memset(in, 0, size);
		ASSERT_EQ(0, send_msg(q, .msg.data = PTR(v),
				      .msg.iov_count = 64));
		ASSERT_EQ((long)size, sys(readv(q, iov, 64)));
		ASSERT_EQ(0, memcmp(in, out, size));
		/* And the other way round. */
		for (k = 0; k < 64; k++)
			v[k].base += PTR(in) - PTR(out);
		memset(in, 0, size);
		for (k = 0; k < 64; k++)
			iov[k].iov_base = (char *)iov[k].iov_base - in + out;
		ASSERT_EQ((long)size, sys(writev(q, iov, 64)));
		t.msg.data = PTR(v);
		t.msg.iov_count = 64;
		ASSERT_EQ(0, recv_msg(q, &t));
		ASSERT_EQ(size, t.msg.len);
		ASSERT_EQ(0, memcmp(in, out, size));
	}
	free(out);
	free(in);
	close(q);
}

/* Peers come and go; a sender is told of it or sends, and never hangs. */
static void *come_and_go(void *arg)
{
	int q = *(int *)arg, i, fd;

	for (i = 0; i < (slow() ? 200 : 2000); i++) {
		fd = dup_handle(q, i & 1 ? RIGHT_READ : RIGHT_WRITE, 0);
		if (fd < 0)
			return "a handle was not duplicated";
		if (i & 1)
			try_take(fd);
		else
			try_put(fd, 0, i);
		close(fd);
	}
	return NULL;
}

TEST_F(stress, handles_come_and_go)
{
	int q = create_queue(self->dev, .depth = 4), i;
	struct pollfd p = { .fd = q, .events = POLLIN | POLLOUT };
	pthread_t thread[8];
	void *wrong;

	ASSERT_LE(0, q);
	for (i = 0; i < 8; i++)
		pthread_create(&thread[i], NULL, come_and_go, &q);
	for (i = 0; i < 1000; i++)
		poll(&p, 1, 0);
	for (i = 0; i < 8; i++) {
		pthread_join(thread[i], &wrong);
		EXPECT_EQ(NULL, wrong);
	}
	EXPECT_EQ(1, object(q).readers);
	EXPECT_EQ(1, object(q).writers);
	EXPECT_EQ(object(q).sent, object(q).received + object(q).queued);
	close(q);
}

/* Eventfds are attached and fired and taken away, all at once. */
static void *attach_and_detach(void *arg)
{
	int q = *(int *)arg, e = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), i;

	for (i = 0; i < (slow() ? 200 : 2000); i++) {
		if (attach(q, e, IPCDEV_EVENT_READABLE | IPCDEV_EVENT_WRITABLE,
			   i & 1 ? IPCDEV_ATTACH_ONESHOT : 0))
			return "an eventfd was not attached";
		try_put(q, 0, i);
		try_take(q);
		if (!(i & 1) && detach(q, e))
			return "an eventfd was not detached";
		if (i & 1)
			detach(q, e);
	}
	close(e);
	return NULL;
}

TEST_F(stress, eventfds_come_and_go)
{
	int q = create_queue(self->dev, .depth = 2), i;
	pthread_t thread[8];
	void *wrong;

	ASSERT_LE(0, q);
	for (i = 0; i < 8; i++)
		pthread_create(&thread[i], NULL, attach_and_detach, &q);
	for (i = 0; i < 8; i++) {
		pthread_join(thread[i], &wrong);
		EXPECT_EQ(NULL, wrong);
	}
	EXPECT_EQ(0, object(q).watches);
	EXPECT_EQ(0, info(self->dev).eventfds);
	close(q);
}

TEST_HARNESS_MAIN
