// SPDX-License-Identifier: GPL-2.0
/* libipcdev: frames. */
#include <fcntl.h>
#include <ipcdev_frames.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

#define SIZE	1000
#define STRIDE	1024
#define SLOTS	4

static struct ipcdev_frames *frames;
static int service;

static void make_pool(void)
{
	frames = ipcdev_frames_create(SIZE, SLOTS);
	CHECK(frames);
	service = ipcdev_listen(NULL, 0, 0);
}

static void free_pool(void)
{
	ipcdev_frames_destroy(frames);
	close(service);
}

/* A peer in a process of its own, which gets the buffer with its connection. */
static pid_t start(void (*run)(struct ipcdev_connection *owner, int buffer),
		   uint64_t ring_size)
{
	const struct ipcdev_connection *other;
	struct ipcdev_connection owner;
	unsigned int count = 1;
	pid_t pid = child();
	int queue, buffer;

	if (pid)
		return pid;
	/* The owner's ends of others, which it has inherited, would keep them there. */
	for (int i = 0; i < 2; i++) {
		other = ipcdev_frames_connection(frames, i);
		if (other) {
			close(other->in.fd);
			close(other->out.fd);
		}
	}
	queue = ipcdev_dup(service, IPCDEV_RIGHT_WRITE, 0);
	close(service);
	CHECK(!ipcdev_connect_fds(&owner, queue, ring_size, &buffer, &count,
				  late()));
	run(&owner, buffer);
	child_ends();
}

static int add(int prot)
{
	int buffer = ipcdev_frames_buffer(frames, prot);
	struct ipcdev_accept accept = { .fds = &buffer, .fd_count = 1 };
	struct ipcdev_connection peer;
	int number;

	CHECK(!ipcdev_accept(&peer, service, &accept, late()));
	number = ipcdev_frames_add(frames, &peer);
	CHECK(number >= 0);
	CHECK(ipcdev_frames_connection(frames, number)->pid == peer.pid);
	return number;
}

static int lend(int peer, uint32_t slot)
{
	const struct ipcdev_frame frame = { slot, SIZE, 100 + slot };

	return ipcdev_frames_lend(frames, peer, &frame);
}

/* How many slots nobody holds. */
static int count_free(void)
{
	int slots[SLOTS + 1], count = 0;

	while ((slots[count] = ipcdev_frames_get(frames)) >= 0)
		count++;
	CHECK(errno == EAGAIN);
	/* So that the next to be got is the same as before. */
	for (int i = count - 1; i >= 0; i--)
		CHECK(!ipcdev_frames_put(frames, slots[i]));
	return count;
}

void test_frames_create(void)
{
	int lowest = lowest_fd(), slots[SLOTS], fd;
	struct ipcdev_stat stat;

	NO_MAP(ipcdev_frames_create(0, 1), EINVAL);
	NO_MAP(ipcdev_frames_create(1, 0), EINVAL);
	NO_MAP(ipcdev_frames_create(1, ~0U), EINVAL);
	NO_MAP(ipcdev_frames_create(SIZE_MAX, 1), EINVAL);
	NO_MAP(ipcdev_frames_create(UINT32_MAX, 1), EINVAL);
	ipcdev_frames_destroy(NULL);

	make_pool();
	fd = ipcdev_frames_buffer(frames, PROT_READ);
	CHECK(!ipcdev_stat(fd, &stat) && stat.rights == IPCDEV_RIGHT_READ);
	fd = ipcdev_frames_buffer(frames, PROT_READ | PROT_WRITE);
	CHECK(!ipcdev_stat(fd, &stat) && stat.rights & IPCDEV_RIGHT_WRITE);

	for (int i = 0; i < SLOTS; i++) {
		slots[i] = ipcdev_frames_get(frames);
		CHECK(slots[i] == i);
		memset(ipcdev_frames_at(frames, i), i, SIZE);
	}
	CHECK((char *)ipcdev_frames_at(frames, 1) -
	      (char *)ipcdev_frames_at(frames, 0) == STRIDE);
	NO_MAP(ipcdev_frames_at(frames, SLOTS), EINVAL);
	FAILS(ipcdev_frames_get(frames), EAGAIN);
	FAILS(ipcdev_frames_put(frames, SLOTS), EINVAL);
	CHECK(!ipcdev_frames_put(frames, 2));
	FAILS(ipcdev_frames_put(frames, 2), EINVAL);
	CHECK(ipcdev_frames_get(frames) == 2);
	FAILS(lend(0, 0), ENOENT);
	FAILS(ipcdev_frames_collect(frames, -1, NULL), ENOENT);
	FAILS(ipcdev_frames_drop(frames, 0), ENOENT);
	NO_MAP(ipcdev_frames_connection(frames, 0), ENOENT);
	FAILS(ipcdev_frames_wait(frames, NULL), ENOENT);
	free_pool();
	fd = dup(0);
	CHECK(fd == lowest);
	close(fd);
}

/* Looks at each slot, and gives it back with its first byte as the tag. */
static void look(struct ipcdev_connection *owner, int buffer)
{
	struct ipcdev_frame frame, wrong = { .slot = SLOTS };
	struct ipcdev_view view;
	const char *slot;

	NO_MAP(ipcdev_buffer_map(buffer, 0, 0, PROT_READ | PROT_WRITE), EACCES);
	CHECK(!ipcdev_view_open(&view, owner, buffer, PROT_READ, late()));
	close(buffer);
	CHECK(view.slots == SLOTS && view.size == SIZE);
	FAILS(ipcdev_view_give(&view, &wrong), EINVAL);
	wrong = (struct ipcdev_frame) { .len = SIZE + 1 };
	FAILS(ipcdev_view_give(&view, &wrong), EINVAL);
	while ((slot = ipcdev_view_next(&view, &frame, late()))) {
		CHECK(frame.tag == 100 + frame.slot && frame.len == SIZE);
		CHECK(slot[0] == slot[SIZE - 1]);
		frame.tag = slot[0];
		CHECK(!ipcdev_view_give(&view, &frame));
	}
	CHECK(errno == EPIPE);
	FAILS(ipcdev_view_give(&view, &frame), EPIPE);
	ipcdev_view_close(&view);
	ipcdev_disconnect(owner);
}

static uint64_t time_by(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* Until a time by either clock, or a signal. */
static void wait_in_vain(void)
{
	const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC };

	for (int i = 0; i < 2; i++) {
		struct ipcdev_deadline deadline = {
			clocks[i], time_by(clocks[i]) + SECOND / 50,
		};

		FAILS(ipcdev_frames_wait(frames, &deadline), ETIMEDOUT);
		CHECK(time_by(clocks[i]) >= deadline.ns);
	}
	alarm_often(true);
	FAILS(ipcdev_frames_wait(frames, late()), EINTR);
	FAILS(ipcdev_frames_wait(frames, NULL), EINTR);
	alarm_often(false);
}

/* Round and round, to two peers at once. */
void test_frames_lend(void)
{
	const struct ipcdev_frame wrong = { .slot = 0, .len = SIZE + 1 };
	struct ipcdev_frame frame;
	int peers[2], slot, back = 0, lent = 0;
	pid_t pids[2];

	make_pool();
	for (int i = 0; i < 2; i++) {
		pids[i] = start(look, 0);
		peers[i] = add(PROT_READ);
	}
	CHECK(count_free() == SLOTS);
	FAILS(lend(peers[0], 0), EINVAL);
	FAILS(lend(peers[0], SLOTS), EINVAL);
	FAILS(ipcdev_frames_collect(frames, peers[0], &frame), EAGAIN);
	FAILS(ipcdev_frames_wait(frames, &past), ETIMEDOUT);
	FAILS(ipcdev_frames_wait(frames, &(struct ipcdev_deadline)
				 { CLOCK_BOOTTIME, 0 }), EINVAL);
	FAILS(ipcdev_frames_wait(frames, &(struct ipcdev_deadline)
				 { CLOCK_MONOTONIC, UINT64_MAX }), EINVAL);
	wait_in_vain();
	while (back < 2000 && passed) {
		slot = lent < 2000 ? ipcdev_frames_get(frames) : -1;
		if (slot >= 0) {
			memset(ipcdev_frames_at(frames, slot), slot, SIZE);
			CHECK(!lend(peers[0], slot));
			FAILS(lend(peers[0], slot), EBUSY);
			CHECK(!lend(peers[1], slot));
			FAILS(ipcdev_frames_lend(frames, peers[1], &wrong),
			      EINVAL);
			CHECK(!ipcdev_frames_put(frames, slot));
			lent += 2;
			continue;
		}
		slot = ipcdev_frames_wait(frames, late());
		CHECK(slot == peers[0] || slot == peers[1]);
		while (!ipcdev_frames_collect(frames, slot, &frame)) {
			CHECK(frame.tag == frame.slot);
			back++;
		}
		CHECK(errno == EAGAIN);
	}
	CHECK(lent == back && count_free() == SLOTS);
	CHECK(!ipcdev_frames_drop(frames, peers[0]));
	finish(pids[0]);
	free_pool();
	finish(pids[1]);
}

/* Fills what it gets. */
static void write_all(struct ipcdev_connection *owner, int buffer)
{
	struct ipcdev_frame frame;
	struct ipcdev_view view;
	char *slot;

	CHECK(!ipcdev_view_open(&view, owner, buffer, PROT_READ | PROT_WRITE,
				late()));
	while ((slot = ipcdev_view_next(&view, &frame, late()))) {
		memset(slot, 'w', SIZE);
		frame.len = 7;
		/* The last one is lent by an owner that goes. */
		if (ipcdev_view_give(&view, &frame))
			break;
	}
	CHECK(errno == EPIPE);
}

void test_frames_write(void)
{
	struct ipcdev_frame frame;
	int peer, slot;
	char *data;
	pid_t pid;

	make_pool();
	pid = start(write_all, 0);
	peer = add(PROT_READ | PROT_WRITE);
	slot = ipcdev_frames_get(frames);
	data = ipcdev_frames_at(frames, slot);
	CHECK(!lend(peer, slot));
	CHECK(ipcdev_frames_wait(frames, late()) == peer);
	CHECK(!ipcdev_frames_collect(frames, peer, &frame));
	CHECK(frame.slot == (uint32_t)slot && frame.len == 7);
	CHECK(data[0] == 'w' && data[SIZE - 1] == 'w');
	/* It is still ours, to be lent on. */
	CHECK(count_free() == SLOTS - 1 && !lend(peer, slot));
	free_pool();
	finish(pid);
}

static void hold(struct ipcdev_connection *owner, int buffer)
{
	struct ipcdev_frame frame;
	struct ipcdev_view view;

	CHECK(!ipcdev_view_open(&view, owner, buffer, PROT_READ, late()));
	CHECK(ipcdev_view_next(&view, &frame, late()));
	/* Of the first it says so: it has got it. */
	CHECK(!ipcdev_view_give(&view, &frame));
	while (ipcdev_view_next(&view, &frame, NULL))
		;
}

/* What a peer held that is killed is free, but for what others hold. */
void test_frames_death(void)
{
	int peers[2], slots[SLOTS];
	pid_t pids[2];

	make_pool();
	for (int i = 0; i < 2; i++) {
		pids[i] = start(hold, 0);
		peers[i] = add(PROT_READ);
	}
	for (int i = 0; i < SLOTS; i++) {
		slots[i] = ipcdev_frames_get(frames);
		CHECK(!lend(peers[0], slots[i]));
		if (i < 2)
			CHECK(!lend(peers[1], slots[i]));
		CHECK(!ipcdev_frames_put(frames, slots[i]));
	}
	CHECK(count_free() == 0);
	for (int i = 0; i < 2; i++) {
		int peer = ipcdev_frames_wait(frames, late());

		CHECK(!ipcdev_frames_collect(frames, peer, NULL));
	}
	/* Of the first slot, both were given back. */
	CHECK(count_free() == 1);
	slay(pids[0]);
	CHECK(ipcdev_frames_wait(frames, late()) == peers[0]);
	FAILS(ipcdev_frames_collect(frames, peers[0], NULL), EPIPE);
	FAILS(ipcdev_frames_collect(frames, peers[0], NULL), ENOENT);
	CHECK(count_free() == SLOTS - 1);
	/* Lending notices it, too. */
	slay(pids[1]);
	slots[0] = ipcdev_frames_get(frames);
	FAILS(lend(peers[1], slots[0]), EPIPE);
	FAILS(lend(peers[1], slots[0]), ENOENT);
	CHECK(!ipcdev_frames_put(frames, slots[0]));
	CHECK(count_free() == SLOTS);

	/* Its number is used again. */
	pids[0] = start(look, 0);
	CHECK(add(PROT_READ) == peers[0]);
	free_pool();
	finish(pids[0]);
}

static int nonsense;

/* Gives back what it does not hold, or something else altogether. */
static void misbehave(struct ipcdev_connection *owner, int buffer)
{
	struct ipcdev_frame frames[] = {
		{ .slot = 1 }, { .slot = SLOTS }, { .slot = ~0U },
		{ .slot = 0, .len = SIZE + 1 }, { .slot = 0 }, { .slot = 0 },
	};
	struct ipcdev_frame frame;
	struct ipcdev_view view;
	size_t len = sizeof(frame);

	if (nonsense == 4)
		len--;
	if (nonsense == 5)
		len++;
	CHECK(!ipcdev_view_open(&view, owner, buffer, PROT_READ, late()));
	CHECK(ipcdev_view_next(&view, &frame, late()));
	CHECK(frame.slot == 0);
	if (nonsense == 6) {
		CHECK(!ipcdev_view_give(&view, &frame));
		CHECK(!ipcdev_view_give(&view, &frame) || errno == EPIPE);
	} else {
		char record[32] = "";

		memcpy(record, &frames[nonsense], sizeof(frame));
		/* It may be done with us before we are back. */
		CHECK(!ipcdev_send(owner, record, len, NULL) || errno == EPIPE);
	}
	/* The owner is done with us. */
	CHECK(!ipcdev_view_next(&view, &frame, late()) && errno == EPIPE);
}

void test_frames_nonsense(void)
{
	int peer, slot, ret;
	pid_t pid;

	make_pool();
	for (nonsense = 0; nonsense < 7; nonsense++) {
		pid = start(misbehave, 0);
		peer = add(PROT_READ);
		slot = ipcdev_frames_get(frames);
		CHECK(slot == 0 && !lend(peer, slot));
		do {
			CHECK(ipcdev_frames_wait(frames, late()) == peer);
			ret = ipcdev_frames_collect(frames, peer, NULL);
		} while (!ret);
		CHECK(errno == EBADMSG);
		FAILS(lend(peer, slot), ENOENT);
		CHECK(!ipcdev_frames_put(frames, slot));
		CHECK(count_free() == SLOTS);
		finish(pid);
	}
	free_pool();
}

/* What an owner may say that cannot be. */
static void check_hello(uint32_t slots, uint64_t size, uint64_t stride, int error)
{
	const struct {
		uint32_t slots;
		uint32_t reserved;
		uint64_t size;
		uint64_t stride;
	} hello = { slots, 0, size, stride };
	int buffer = ipcdev_buffer_create(1, 0, 0);
	int reader = ipcdev_dup(buffer, IPCDEV_RIGHT_READ, 0);
	struct ipcdev_connection connection;
	int out = ipcdev_ring_create(1, 0, 0), in = ipcdev_ring_create(1, 0, 0);
	struct ipcdev_ring owner_out, owner_in;
	const struct ipcdev_frame frames[] = {
		{ .slot = slots }, { .len = size + 1 }, { .slot = slots - 1 },
	};
	struct ipcdev_frame frame;
	struct ipcdev_view view;

	CHECK(!ipcdev_ring_open(&owner_out, out, IPCDEV_RIGHT_WRITE));
	CHECK(!ipcdev_ring_open(&connection.in, out, IPCDEV_RIGHT_READ));
	CHECK(!ipcdev_ring_open(&owner_in, in, IPCDEV_RIGHT_READ));
	CHECK(!ipcdev_ring_open(&connection.out, in, IPCDEV_RIGHT_WRITE));
	CHECK(!ipcdev_ring_push(&owner_out, &hello, sizeof(hello)));
	if (error) {
		FAILS(ipcdev_view_open(&view, &connection, buffer, PROT_READ,
				       NULL), error);
	} else {
		/* An attempt that fails leaves another. */
		FAILS(ipcdev_view_open(&view, &connection, reader,
				       PROT_READ | PROT_WRITE, &past), EACCES);
		CHECK(!ipcdev_view_open(&view, &connection, reader, PROT_READ,
					&past));
		for (int i = 0; i < 3; i++)
			CHECK(!ipcdev_ring_push(&owner_out, &frames[i],
						sizeof(frame)));
		NO_MAP(ipcdev_view_next(&view, &frame, NULL), EBADMSG);
		NO_MAP(ipcdev_view_next(&view, &frame, NULL), EBADMSG);
		CHECK(ipcdev_view_next(&view, &frame, NULL));
		NO_MAP(ipcdev_view_next(&view, &frame, &past), ETIMEDOUT);
		alarm_often(true);
		NO_MAP(ipcdev_view_next(&view, &frame, late()), EINTR);
		NO_MAP(ipcdev_view_next(&view, &frame, NULL), EINTR);
		alarm_often(false);
		/* The owner does not collect. */
		while (!ipcdev_view_give(&view, &frame))
			;
		CHECK(errno == EBADMSG);
		ipcdev_view_close(&view);
	}
	FAILS(ipcdev_view_open(&view, &connection, out, PROT_READ, NULL), ENOTTY);
	FAILS(ipcdev_view_open(&view, &connection, buffer, PROT_READ, &past),
	      error ? error : ETIMEDOUT);
	ipcdev_disconnect(&connection);
	ipcdev_ring_close(&owner_out);
	ipcdev_ring_close(&owner_in);
	close(reader);
	close(buffer);
	close(out);
	close(in);
}

static void connect_only(struct ipcdev_connection *owner, int buffer)
{
	char byte;

	(void)buffer;
	FAILS(ipcdev_recv(owner, &byte, 1, late()), EPIPE);
}

void test_frames_view(void)
{
	struct ipcdev_connection peer;
	pid_t pid;

	check_hello(PAGE / 64, 64, 64, 0);
	check_hello(1, PAGE - 1, PAGE, 0);
	check_hello(PAGE / 64 + 1, 64, 64, EBADMSG);
	check_hello(0, 64, 64, EBADMSG);
	check_hello(1, 0, 64, EBADMSG);
	check_hello(1, 65, 64, EBADMSG);
	check_hello(1, 8, 8, EBADMSG);
	check_hello(~0U, 64, 1ULL << 63, EBADMSG);

	/* Rings that are too small for as many slots. */
	frames = ipcdev_frames_create(1, PAGE / 24);
	service = ipcdev_listen(NULL, 0, 0);
	pid = start(connect_only, 1);
	CHECK(!ipcdev_accept(&peer, service, &(struct ipcdev_accept) {
			     .fds = (int []) { ipcdev_frames_buffer(frames, 0) },
			     .fd_count = 1 }, late()));
	FAILS(ipcdev_frames_add(frames, &peer), EMSGSIZE);
	ipcdev_disconnect(&peer);
	free_pool();
	finish(pid);
}

/* A connection on which the owner has said something else before. */
void test_frames_used(void)
{
	const int need = SLOTS * 24 + 32;
	int out = ipcdev_ring_create(1, 0, 0), in = ipcdev_ring_create(1, 0, 0);
	struct ipcdev_connection owner = { 0 }, peer = { 0 };
	struct ipcdev_view view;
	struct ipcdev_frame frame;
	int number, sent = 0;
	uint64_t n = 0;

	make_pool();
	CHECK(!ipcdev_ring_open(&owner.out, out, IPCDEV_RIGHT_WRITE));
	CHECK(!ipcdev_ring_open(&peer.in, out, IPCDEV_RIGHT_READ));
	CHECK(!ipcdev_ring_open(&owner.in, in, IPCDEV_RIGHT_READ));
	CHECK(!ipcdev_ring_open(&peer.out, in, IPCDEV_RIGHT_WRITE));
	while (!ipcdev_send(&owner, &n, sizeof(n), &past))
		sent++;
	CHECK(sent == PAGE / 16);
	/* Until the numbers of all slots have room. */
	for (int room = 0; room < need; room += 16, sent--) {
		FAILS(ipcdev_frames_add(frames, &owner), EAGAIN);
		CHECK(ipcdev_recv(&peer, &n, sizeof(n), &past) == sizeof(n));
	}
	number = ipcdev_frames_add(frames, &owner);
	CHECK(number >= 0);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		CHECK(ipcdev_frames_get(frames) == (int)slot);
		CHECK(!lend(number, slot));
	}
	while (sent--)
		CHECK(ipcdev_recv(&peer, &n, sizeof(n), &past) == sizeof(n));
	CHECK(!ipcdev_view_open(&view, &peer, ipcdev_frames_buffer(frames, PROT_READ),
				PROT_READ, &past));
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		CHECK(ipcdev_view_next(&view, &frame, &past) && frame.slot == slot);
	ipcdev_view_close(&view);
	ipcdev_disconnect(&peer);
	FAILS(ipcdev_frames_collect(frames, number, NULL), EPIPE);
	close(out);
	close(in);
	free_pool();
}
