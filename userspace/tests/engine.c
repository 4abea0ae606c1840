// SPDX-License-Identifier: GPL-2.0
/* Engines: the functions of ipcdev_engine.h. */
#include <fcntl.h>
#include <ipcdev_engine.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

#define DEPTH	8
#define SIZE	(3 * 4096)
#define PATIENCE (30 * SECOND)
#define ROUNDS	101

static struct ipcdev_deadline soon;

/* An engine for both, and its consumer. */
static int open_engine(struct ipcdev_ring *ring)
{
	int engine = ipcdev_engine_create(NULL, DEPTH, 0, 0);

	CHECK(engine >= 0);
	CHECK(!ipcdev_ring_open(ring, engine, IPCDEV_RIGHT_READ));
	ipcdev_ring_set_spin(ring, 0);
	ipcdev_deadline_in(&soon, PATIENCE);
	return engine;
}

static void close_engine(int engine, struct ipcdev_ring *ring)
{
	ipcdev_ring_close(ring);
	close(engine);
}

void test_engine_create(void)
{
	char longest[IPCDEV_BACKEND_NAME_MAX + 1];
	struct ipcdev_backend_info infos[16];
	struct ipcdev_engine_stat stat;
	struct ipcdev_stat object;
	int engine, count, softs = 0;

	count = ipcdev_engine_backends(0, infos, 16);
	CHECK(count >= 1);
	for (int i = 0; i < count; i++)
		softs += !strcmp(infos[i].name, "soft");
	CHECK(softs == 1);
	CHECK(ipcdev_engine_backends(count, infos, 16) == 0);
	FAILS(ipcdev_engine_backends(0, infos, 0), EINVAL);

	engine = ipcdev_engine_create("soft", 3, IPCDEV_RIGHT_WRITE, 0);
	CHECK(!ipcdev_engine_stat(engine, &stat));
	CHECK(!strcmp(stat.backend, "soft") && stat.depth == 3);
	CHECK(!stat.submitted && !stat.inflight);
	CHECK(!ipcdev_stat(engine, &object));
	CHECK(object.type == IPCDEV_TYPE_ENGINE);
	CHECK(object.rights == IPCDEV_RIGHT_WRITE);
	FAILS(ipcdev_ring_take(engine, IPCDEV_RIGHT_READ, 0), EACCES);
	FAILS(ipcdev_ring_take(engine, IPCDEV_RIGHT_WRITE, 0), EBUSY);
	close(engine);

	engine = ipcdev_engine_create(NULL, 0, 0, 0);
	CHECK(!ipcdev_engine_stat(engine, &stat));
	CHECK(!strcmp(stat.backend, "soft") && stat.depth == 64);
	close(engine);

	memset(longest, 'a', sizeof(longest));
	longest[IPCDEV_BACKEND_NAME_MAX] = '\0';
	FAILS(ipcdev_engine_create(longest, 0, 0, 0), ENAMETOOLONG);
	longest[IPCDEV_BACKEND_NAME_MAX - 1] = '\0';
	FAILS(ipcdev_engine_create(longest, 0, 0, 0), ENODEV);
	FAILS(ipcdev_engine_create("soft", UINT32_MAX, 0, 0), EINVAL);
	FAILS(ipcdev_engine_create("soft", 0, 0, ~0U), EINVAL);
	FAILS(ipcdev_engine_stat(0, &stat), ENOTTY);
}

/* What each of them sets, in memory that was something else before. */
void test_engine_requests(void)
{
	struct ipcdev_engine_request request, zero;

	memset(&zero, 0, sizeof(zero));
	memset(&request, 0xff, sizeof(request));
	ipcdev_engine_nop(&request, 7);
	zero.op = IPCDEV_OP_NOP;
	zero.user_data = 7;
	CHECK(!memcmp(&request, &zero, sizeof(zero)));

	ipcdev_engine_eventfd(&request, 5);
	CHECK(request.flags == IPCDEV_REQUEST_EVENTFD && request.eventfd == 5);
	ipcdev_engine_timer(&request, 8, 9);
	CHECK(request.op == IPCDEV_OP_TIMER && request.user_data == 8);
	CHECK(request.value == 9 && !request.period_ns && !request.flags);
	ipcdev_engine_timer_at(&request, 8, 9);
	CHECK(request.value == 9 && request.flags == IPCDEV_REQUEST_ABSOLUTE);
	ipcdev_engine_eventfd(&request, 5);
	CHECK(request.flags == (IPCDEV_REQUEST_ABSOLUTE | IPCDEV_REQUEST_EVENTFD));
	ipcdev_engine_periodic(&request, 8, 9);
	CHECK(request.value == 9 && request.period_ns == 9 && !request.flags);

	ipcdev_engine_copy(&request, 1, 2, 3, 4, 5, 6);
	CHECK(request.op == IPCDEV_OP_COPY && request.user_data == 1);
	CHECK(request.dst.fd == 2 && request.dst.offset == 3 && request.dst.length == 6);
	CHECK(request.src.fd == 4 && request.src.offset == 5 && request.src.length == 6);
	ipcdev_engine_fill(&request, 1, 2, 3, 4, 255);
	CHECK(request.op == IPCDEV_OP_FILL && request.value == 255);
	CHECK(request.dst.fd == 2 && request.dst.offset == 3 && request.dst.length == 4);
	CHECK(!request.src.length);
	ipcdev_engine_crc32(&request, 1, 2, 3, 4);
	CHECK(request.op == IPCDEV_OP_CRC32 && !request.dst.length);
	CHECK(request.src.fd == 2 && request.src.offset == 3 && request.src.length == 4);
	ipcdev_engine_factorial(&request, 1, 12);
	CHECK(request.op == IPCDEV_OP_FACTORIAL && request.value == 12);
}

void test_engine_reap(void)
{
	struct ipcdev_completion completions[DEPTH];
	struct ipcdev_engine_request requests[DEPTH + 1];
	const struct ipcdev_completion *next;
	struct ipcdev_engine_stat stat;
	struct ipcdev_ring ring;
	int engine = open_engine(&ring);

	NO_MAP(ipcdev_engine_peek(&ring), EAGAIN);
	FAILS(ipcdev_engine_reap(&ring, completions, DEPTH), EAGAIN);
	FAILS(ipcdev_engine_next(&ring, completions, &past), ETIMEDOUT);
	NO_MAP(ipcdev_engine_await(&ring, &past), ETIMEDOUT);
	FAILS(ipcdev_engine_wait(&ring, 1, &past), ETIMEDOUT);
	FAILS(ipcdev_engine_wait(&ring, UINT32_MAX, &past), EINVAL);

	for (int i = 0; i <= DEPTH; i++)
		ipcdev_engine_nop(requests + i, i);
	CHECK(ipcdev_engine_submit(engine, requests, DEPTH + 1, &past) == DEPTH);
	FAILS(ipcdev_engine_submit(engine, requests, 1, &past), ETIMEDOUT);
	CHECK(!ipcdev_engine_wait(&ring, DEPTH, &soon));
	FAILS(ipcdev_engine_wait(&ring, DEPTH + 1, &past), ETIMEDOUT);

	/* In place; the room comes back with a flush. */
	next = ipcdev_engine_peek(&ring);
	CHECK(next && !next->user_data && !next->result && next->op == IPCDEV_OP_NOP);
	CHECK(next && next->time_ns && next->time_ns <= monotonic());
	CHECK(next == ipcdev_engine_peek(&ring));
	CHECK(next == ipcdev_engine_await(&ring, &past));
	ipcdev_ring_consume(&ring);
	FAILS(ipcdev_engine_submit(engine, requests, 1, &past), ETIMEDOUT);
	ipcdev_ring_flush(&ring);
	CHECK(ipcdev_engine_submit(engine, requests + DEPTH, 1, &past) == 1);

	CHECK(ipcdev_engine_reap(&ring, completions, 2) == 2);
	CHECK(completions[0].user_data == 1 && completions[1].user_data == 2);
	CHECK(!ipcdev_engine_next(&ring, completions, NULL));
	CHECK(completions[0].user_data == 3);
	CHECK(!ipcdev_engine_wait(&ring, DEPTH - 3, &soon));
	CHECK(ipcdev_engine_reap(&ring, completions, DEPTH) == DEPTH - 3);
	CHECK(completions[DEPTH - 4].user_data == DEPTH);
	FAILS(ipcdev_engine_reap(&ring, completions, DEPTH), EAGAIN);

	CHECK(!ipcdev_engine_stat(ring.fd, &stat));
	CHECK(stat.submitted == DEPTH + 1 && stat.completed == DEPTH + 1);
	CHECK(!stat.unreaped && !stat.inflight && stat.records == DEPTH + 1);
	FAILS(ipcdev_engine_submit(engine, requests, 0, NULL), EINVAL);
	close_engine(engine, &ring);
}

/* A batch costs one system call, and reaping it none. */
void test_engine_quiet(void)
{
	struct ipcdev_engine_request requests[DEPTH];
	struct ipcdev_completion completions[DEPTH];
	unsigned int submits, reaps;
	struct ipcdev_ring ring;
	int engine = open_engine(&ring);

	for (int i = 0; i < DEPTH; i++)
		ipcdev_engine_nop(requests + i, i);
	submits = ioctls_on(engine);
	CHECK(ipcdev_engine_submit(engine, requests, DEPTH, NULL) == DEPTH);
	CHECK(ioctls_on(engine) == submits + 1);
	CHECK(!ipcdev_engine_wait(&ring, DEPTH, &soon));
	reaps = ioctls_on(ring.fd);
	CHECK(!ipcdev_engine_wait(&ring, DEPTH, &soon));
	CHECK(ipcdev_engine_reap(&ring, completions, DEPTH) == DEPTH);
	CHECK(ioctls_on(ring.fd) == reaps);
	close_engine(engine, &ring);
}

/* To the end of the request; the result is the only completion's. */
static int64_t carry_out(int engine, struct ipcdev_ring *ring,
			 const struct ipcdev_engine_request *request)
{
	struct ipcdev_completion completion = { 0 };

	CHECK(ipcdev_engine_submit(engine, request, 1, NULL) == 1);
	CHECK(!ipcdev_engine_next(ring, &completion, &soon));
	CHECK(completion.user_data == request->user_data);
	CHECK(completion.op == request->op && !completion.flags);
	return completion.result;
}

static uint32_t crc32_of(const unsigned char *data, size_t size)
{
	uint32_t crc = ~0U;

	while (size--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

void test_engine_operations(void)
{
	int from = ipcdev_buffer_create(SIZE, 0, 0), to = ipcdev_buffer_create(SIZE, 0, 0);
	unsigned char *source = ipcdev_buffer_map(from, 0, SIZE, PROT_READ | PROT_WRITE);
	unsigned char *target = ipcdev_buffer_map(to, 0, SIZE, PROT_READ);
	struct ipcdev_engine_request request;
	struct ipcdev_ring ring;
	int engine = open_engine(&ring);

	for (int i = 0; i < SIZE; i++)
		source[i] = i * 31 + i / 256;
	ipcdev_engine_copy(&request, 1, to, 5, from, 9, SIZE - 9);
	CHECK(carry_out(engine, &ring, &request) == SIZE - 9);
	CHECK(!memcmp(target + 5, source + 9, SIZE - 9) && !target[4]);

	ipcdev_engine_crc32(&request, 2, to, 7, 4100);
	CHECK(carry_out(engine, &ring, &request) == crc32_of(target + 7, 4100));

	ipcdev_engine_fill(&request, 3, to, 100, 5000, 0xa5);
	CHECK(carry_out(engine, &ring, &request) == 5000);
	CHECK(target[100] == 0xa5 && target[5099] == 0xa5);
	CHECK(target[99] == source[103] && target[5100] == source[5104]);

	ipcdev_engine_factorial(&request, 4, 5);
	FAILS(ipcdev_engine_submit(engine, &request, 1, NULL), EOPNOTSUPP);
	ipcdev_engine_copy(&request, 5, to, 0, to, 10, 20);
	FAILS(ipcdev_engine_submit(engine, &request, 1, NULL), EINVAL);
	ipcdev_engine_crc32(&request, 6, engine, 0, 1);
	FAILS(ipcdev_engine_submit(engine, &request, 1, NULL), EINVAL);

	munmap(source, SIZE);
	munmap(target, SIZE);
	close(from);
	close(to);
	close_engine(engine, &ring);
}

void test_engine_timers(void)
{
	struct ipcdev_engine_request request;
	struct ipcdev_completion completion = { 0 };
	struct ipcdev_ring ring;
	int engine = open_engine(&ring);
	uint64_t at = monotonic() + SECOND / 50;

	ipcdev_engine_timer_at(&request, 1, at);
	CHECK(!carry_out(engine, &ring, &request));
	CHECK(monotonic() >= at);
	at = monotonic() + SECOND / 100;
	ipcdev_engine_timer(&request, 2, SECOND / 100);
	CHECK(!carry_out(engine, &ring, &request));
	CHECK(monotonic() >= at);

	ipcdev_engine_periodic(&request, 3, SECOND / 100);
	CHECK(ipcdev_engine_submit(engine, &request, 1, NULL) == 1);
	for (int i = 0; i < 3; i++) {
		CHECK(!ipcdev_engine_next(&ring, &completion, &soon));
		CHECK(completion.user_data == 3 && !completion.result);
		CHECK(completion.flags == IPCDEV_COMPLETION_MORE);
	}
	FAILS(ipcdev_engine_drain(engine, &past), ETIMEDOUT);
	FAILS(ipcdev_engine_cancel(engine, 4, 0), ENOENT);
	FAILS(ipcdev_engine_cancel(engine, 3, ~0U), EINVAL);
	CHECK(ipcdev_engine_cancel(engine, 3, 0) == 1);
	CHECK(!ipcdev_engine_drain(engine, &soon));
	do {
		CHECK(!ipcdev_engine_next(&ring, &completion, &soon));
	} while (passed && completion.flags & IPCDEV_COMPLETION_MORE);
	CHECK(completion.user_data == 3 && completion.result == -ECANCELED);
	FAILS(ipcdev_engine_cancel(engine, 3, 0), ENOENT);

	for (int i = 0; i < 3; i++) {
		ipcdev_engine_timer(&request, i / 2, 1000 * SECOND);
		CHECK(ipcdev_engine_submit(engine, &request, 1, NULL) == 1);
	}
	CHECK(ipcdev_engine_cancel(engine, 0, IPCDEV_CANCEL_ALL) == 2);
	CHECK(ipcdev_engine_cancel(engine, 0, IPCDEV_CANCEL_ALL | IPCDEV_CANCEL_ANY) == 1);
	CHECK(!ipcdev_engine_drain(engine, &past));
	close_engine(engine, &ring);
}

static int compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static uint64_t median(uint64_t *times, size_t count)
{
	qsort(times, count, sizeof(*times), compare_times);
	return times[count / 2];
}

static void sleep_by_timerfd(int timer, uint64_t at)
{
	struct itimerspec spec = { { 0, 0 }, { at / SECOND, at % SECOND } };
	uint64_t times;

	CHECK(!timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL));
	if (passed)
		CHECK(read(timer, &times, sizeof(times)) == sizeof(times));
}

/* In turn, so that both see the same. */
static bool as_exact(int engine, struct ipcdev_ring *ring, int timer)
{
	uint64_t late[ROUNDS], late_timerfd[ROUNDS], at, ours, theirs;
	struct ipcdev_engine_request request;

	ipcdev_deadline_in(&soon, PATIENCE);
	for (int i = 0; i < ROUNDS && passed; i++) {
		at = monotonic() + SECOND / 1000;
		ipcdev_engine_timer_at(&request, i, at);
		CHECK(!carry_out(engine, ring, &request));
		late[i] = monotonic() - at;
		at = monotonic() + SECOND / 1000;
		sleep_by_timerfd(timer, at);
		late_timerfd[i] = monotonic() - at;
	}
	ours = median(late, ROUNDS);
	theirs = median(late_timerfd, ROUNDS);
	printf("# a timer is %llu ns late, a timerfd %llu\n", (unsigned long long)ours,
	       (unsigned long long)theirs);
	return ours <= 2 * theirs;
}

/* A timer ends as exactly as a timerfd's does; twice as late, since the machine is busy. */
void test_engine_accuracy(void)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, 0), tries = 5;
	struct ipcdev_ring ring;
	int engine = open_engine(&ring);

	/* It may be busier in our turns than in the others. */
	while (!as_exact(engine, &ring, timer) && passed)
		CHECK(--tries);
	close(timer);
	close_engine(engine, &ring);
}

/* Who sleeps for several completions is not woken for each of them. */
void test_engine_wait(void)
{
	struct ipcdev_engine_request requests[3];
	struct ipcdev_completion completions[DEPTH];
	struct ipcdev_ring ring;
	struct ipcdev_stat stat;
	int engine = open_engine(&ring);

	for (int i = 0; i < 3; i++)
		ipcdev_engine_timer(requests + i, i, (i + 1) * SECOND / 4);
	CHECK(ipcdev_engine_submit(engine, requests, 3, NULL) == 3);
	CHECK(!ipcdev_engine_wait(&ring, 3, &soon));
	CHECK(ipcdev_engine_reap(&ring, completions, DEPTH) == 3);
	CHECK(!ipcdev_stat(engine, &stat) && stat.recv_waits == 1);
	close_engine(engine, &ring);
}

void test_engine_eventfd(void)
{
	int event = eventfd(0, EFD_NONBLOCK), any = eventfd(0, EFD_NONBLOCK);
	struct ipcdev_engine_request requests[2];
	struct ipcdev_ring ring;
	int engine = open_engine(&ring);
	struct pollfd poll_event = { .fd = event, .events = POLLIN };
	struct pollfd poll_ring = { .fd = ring.fd, .events = POLLIN };
	uint64_t count = 0;

	CHECK(!ipcdev_attach(ring.fd, any, IPCDEV_EVENT_READABLE, 0));
	CHECK(poll(&poll_ring, 1, 0) == 0);
	ipcdev_engine_nop(requests, 1);
	ipcdev_engine_nop(requests + 1, 2);
	ipcdev_engine_eventfd(requests + 1, event);
	CHECK(ipcdev_engine_submit(engine, requests, 2, NULL) == 2);
	CHECK(poll(&poll_event, 1, 30000) == 1);
	CHECK(read(event, &count, sizeof(count)) == sizeof(count) && count == 1);
	CHECK(poll(&poll_ring, 1, 30000) == 1 && poll_ring.revents == POLLIN);
	poll_event.fd = any;
	CHECK(poll(&poll_event, 1, 30000) == 1);
	close(event);
	close(any);
	close_engine(engine, &ring);
}

/*
 * Another process submits, and sleeps for room, or polls for it, while this one does
 * not reap.
 */
static void submit_many(int engine, bool polls)
{
	struct ipcdev_engine_request request;
	struct pollfd room = { .fd = engine, .events = POLLOUT };

	ipcdev_deadline_in(&soon, PATIENCE);
	for (int i = 0; i < 4 * DEPTH; i++) {
		ipcdev_engine_nop(&request, i);
		if (polls && poll(&room, 1, 30000) != 1)
			_exit(1);
		if (ipcdev_engine_submit(engine, &request, 1, polls ? &past : &soon) != 1)
			_exit(2);
	}
	_exit(0);
}

static void check_room(bool polls)
{
	struct ipcdev_completion completion = { 0 };
	struct ipcdev_ring ring;
	int engine = open_engine(&ring), status = -1;
	pid_t pid = fork();

	if (!pid)
		submit_many(engine, polls);
	/* Not before it is full. */
	CHECK(!ipcdev_engine_wait(&ring, DEPTH, &soon));
	for (int i = 0; i < 4 * DEPTH && passed; i++) {
		CHECK(!ipcdev_engine_next(&ring, &completion, &soon));
		CHECK(completion.user_data == (unsigned int)i);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close_engine(engine, &ring);
}

void test_engine_room(void)
{
	check_room(false);
	check_room(true);
}

/* The consumer's leaving ends the waiting for room. */
void test_engine_death(void)
{
	struct ipcdev_engine_request request;
	struct ipcdev_ring ring;
	int engine = ipcdev_engine_create(NULL, 1, 0, 0), status = -1;
	pid_t pid = fork();

	ipcdev_deadline_in(&soon, PATIENCE);
	if (!pid) {
		if (ipcdev_ring_open(&ring, engine, IPCDEV_RIGHT_READ) ||
		    ipcdev_engine_wait(&ring, 1, &soon))
			_exit(1);
		raise(SIGKILL);
	}
	ipcdev_engine_nop(&request, 1);
	CHECK(ipcdev_engine_submit(engine, &request, 1, &soon) == 1);
	FAILS(ipcdev_engine_submit(engine, &request, 1, &soon), EPIPE);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(engine);
}
