// SPDX-License-Identifier: GPL-2.0
/* libipcdev: rings. */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

#include "ring.h"

#define HEAD	((uint32_t)sizeof(struct ipcdev_ring_record))

static struct ipcdev_deadline *soon(void)
{
	static struct ipcdev_deadline deadline;

	return ipcdev_deadline_in(&deadline, SECOND / 50);
}

int make_ring(unsigned int flags)
{
	int fd = ipcdev_ring_create(1, 0, flags);

	CHECK(fd >= 0);
	return fd;
}

void take(struct ipcdev_ring *ring, int fd, unsigned int role)
{
	CHECK(!ipcdev_ring_open(ring, fd, role));
}

/* Both sides of a new ring, without its handle. */
static void make_pair(struct ipcdev_ring *out, struct ipcdev_ring *in)
{
	int fd = make_ring(0);

	take(out, fd, WRITE);
	take(in, fd, READ);
	close(fd);
}

static void close_pair(struct ipcdev_ring *out, struct ipcdev_ring *in)
{
	ipcdev_ring_close(out);
	ipcdev_ring_close(in);
}

pid_t start_with(void (*run)(int fd), int fd)
{
	pid_t pid = child();

	if (pid)
		return pid;
	run(fd);
	child_ends();
}

void until_asleep(int fd, unsigned int role)
{
	struct ipcdev_stat stat;

	do {
		sched_yield();
		CHECK(!ipcdev_stat(fd, &stat));
	} while (!(role == READ ? stat.receivers : stat.senders));
}

void fill(unsigned char *data, size_t len, uint32_t number)
{
	for (size_t i = 0; i < len; i++)
		data[i] = number * 31 + i * 7;
}

bool is_filled(const unsigned char *data, size_t len, uint32_t number)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != (unsigned char)(number * 31 + i * 7))
			return false;
	return true;
}

static void fill_up(struct ipcdev_ring *out)
{
	while (!ipcdev_ring_push(out, "12345678", 8))
		;
	CHECK(errno == EAGAIN);
}

/* Marsaglia's xorshift. */
static uint32_t draw(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

void test_ring_create(void)
{
	int fd = ipcdev_ring_create(PAGE + 1, 0, 0), end, other;
	struct ipcdev_ring ring = { .fd = 77 };
	struct ipcdev_stat stat;
	struct rlimit limit;

	CHECK(!ipcdev_stat(fd, &stat) && stat.type == IPCDEV_TYPE_RING);
	CHECK(stat.size == (uint64_t)2 * PAGE);
	FAILS(ipcdev_ring_create(0, 0, 0), EINVAL);
	FAILS(ipcdev_ring_create((uint64_t)IPCDEV_RING_SIZE_MAX + 1, 0, 0),
	      EINVAL);
	FAILS(ipcdev_ring_create(1, ~0U, 0), EINVAL);
	FAILS(ipcdev_ring_create(1, 0, ~0U), EINVAL);

	FAILS(ipcdev_ring_take(fd, BOTH, 0), EINVAL);
	FAILS(ipcdev_ring_take(fd, READ, ~0U), EINVAL);
	FAILS(ipcdev_ring_take(0, READ, 0), ENOTTY);
	FAILS(ipcdev_ring_map(&ring, fd), ENODEV);
	FAILS(ipcdev_ring_map(&ring, 0), ENOTTY);
	other = ipcdev_buffer_create(1, 0, 0);
	FAILS(ipcdev_ring_map(&ring, other), ENOTTY);
	FAILS(ipcdev_ring_open(&ring, other, READ), ENOTTY);
	close(other);
	FAILS(ipcdev_ring_map(&ring, other), EBADF);
	FAILS(ipcdev_ring_open(&ring, other, READ), EBADF);

	other = ipcdev_dup(fd, WRITE, 0);
	FAILS(ipcdev_ring_open(&ring, other, READ), EACCES);
	close(other);
	end = ipcdev_ring_take(fd, READ, IPCDEV_NONBLOCK);
	CHECK(end >= 0 && !ipcdev_ring_map(&ring, end));
	CHECK(ring.fd == end && ring.size == 2 * PAGE);
	CHECK(ring.record_max == PAGE);
	FAILS(ipcdev_ring_wait(&ring, 0, NULL), EAGAIN);
	FAILS(ipcdev_ring_open(&ring, fd, READ), EBUSY);
	errno = ENOANO;
	ipcdev_ring_close(&ring);
	CHECK(errno == ENOANO);
	FAILS(ipcdev_ring_open(&ring, fd, READ), EPIPE);

	/* What cannot be mapped leaves its end to be mapped again. */
	end = ipcdev_ring_take(fd, WRITE, 0);
	getrlimit(RLIMIT_AS, &limit);
	setrlimit(RLIMIT_AS, &(struct rlimit) { 1, limit.rlim_max });
	FAILS(ipcdev_ring_map(&ring, end), ENOMEM);
	setrlimit(RLIMIT_AS, &limit);
	CHECK(!ipcdev_ring_map(&ring, end));
	CHECK(ring.spin_max == (sysconf(_SC_NPROCESSORS_ONLN) > 1 ?
				IPCDEV_RING_SPIN : 0));
	ipcdev_ring_close(&ring);
	close(fd);
}

/* A record of each of these lengths, from the least to the most. */
static void pass_one(struct ipcdev_ring *out, struct ipcdev_ring *in, size_t len)
{
	unsigned char data[2 * PAGE], back[2 * PAGE];
	const void *record;
	size_t got = ~0UL;

	fill(data, len, len);
	CHECK(!ipcdev_ring_push(out, data, len));
	record = ipcdev_ring_peek(in, &got);
	CHECK(record && got == len && is_filled(record, len, len));
	CHECK((uintptr_t)record % IPCDEV_RING_ALIGN == 0);
	CHECK(ipcdev_ring_peek(in, &got) == record);
	if (len)
		FAILS(ipcdev_ring_pop(in, back, len - 1), EMSGSIZE);
	back[len] = 0xa5;
	CHECK(ipcdev_ring_pop(in, back, len) == (ssize_t)len);
	CHECK(is_filled(back, len, len) && back[len] == 0xa5);
	NO_MAP(ipcdev_ring_peek(in, &got), EAGAIN);
	FAILS(ipcdev_ring_pop(in, back, sizeof(back)), EAGAIN);
}

void test_ring_records(void)
{
	struct ipcdev_ring out, in;
	unsigned char data[PAGE];
	uint32_t max, count = 0;
	void *room;

	make_pair(&out, &in);
	max = out.record_max;
	CHECK(max == PAGE / 2 && in.record_max == max);
	for (uint32_t len = 0; len <= max; len += len < 70 ? 1 : 61)
		pass_one(&out, &in, len);
	for (uint32_t len = max - 9; len <= max; len++)
		pass_one(&out, &in, len);
	FAILS(ipcdev_ring_push(&out, data, max + 1), EMSGSIZE);
	NO_MAP(ipcdev_ring_reserve(&out, SIZE_MAX), EMSGSIZE);
	NO_MAP(ipcdev_ring_reserve(&out, UINT32_MAX), EMSGSIZE);
	if (SIZE_MAX > UINT32_MAX)
		NO_MAP(ipcdev_ring_reserve(&out, (size_t)UINT32_MAX + 1),
		       EMSGSIZE);
	FAILS(ipcdev_ring_send(&out, data, max + 1, NULL), EMSGSIZE);
	NO_MAP(ipcdev_ring_reserve(&out, max + 1), EMSGSIZE);

	/* More may be reserved than is used, and again. */
	room = ipcdev_ring_reserve(&out, max);
	CHECK(room && ipcdev_ring_reserve(&out, 1) == room);
	CHECK((uintptr_t)room % IPCDEV_RING_ALIGN == 0);
	memcpy(room, "abc", 3);
	ipcdev_ring_commit(&out, 3);
	CHECK(ipcdev_ring_pop(&in, data, PAGE) == 3 && !memcmp(data, "abc", 3));

	/* Full to the last byte, and with room for exactly one more. */
	while (!ipcdev_ring_push(&out, "12345678", 8))
		count++;
	CHECK(errno == EAGAIN && count == PAGE / (HEAD + 8));
	NO_MAP(ipcdev_ring_reserve(&out, 0), EAGAIN);
	CHECK(ipcdev_ring_pop(&in, data, PAGE) == 8);
	FAILS(ipcdev_ring_push(&out, data, 9), EAGAIN);
	CHECK(!ipcdev_ring_push(&out, data, 8));
	for (; count; count--)
		CHECK(ipcdev_ring_pop(&in, data, PAGE) == 8);
	FAILS(ipcdev_ring_pop(&in, data, PAGE), EAGAIN);
	close_pair(&out, &in);
}

/* What is not flushed is not there; what was not looked at is not consumed. */
void test_ring_batches(void)
{
	struct ipcdev_ring out, in;
	uint64_t n = 0, back;
	size_t len;

	make_pair(&out, &in);
	for (; n < 3; n++) {
		*(uint64_t *)ipcdev_ring_reserve(&out, sizeof(n)) = n;
		ipcdev_ring_append(&out, sizeof(n));
		NO_MAP(ipcdev_ring_peek(&in, &len), EAGAIN);
	}
	errno = ENOANO;
	ipcdev_ring_flush(&out);
	CHECK(errno == ENOANO);
	ipcdev_ring_consume(&in);
	for (n = 0; n < 3; n++) {
		const uint64_t *record = ipcdev_ring_peek(&in, &len);

		CHECK(record && *record == n && len == sizeof(n));
		ipcdev_ring_consume(&in);
		ipcdev_ring_consume(&in);
	}
	NO_MAP(ipcdev_ring_peek(&in, &len), EAGAIN);

	/* The room of what was consumed is used again once that is flushed. */
	for (n = 0; !ipcdev_ring_push(&out, &n, sizeof(n)); n++)
		;
	CHECK(ipcdev_ring_peek(&in, &len));
	ipcdev_ring_consume(&in);
	FAILS(ipcdev_ring_push(&out, &n, sizeof(n)), EAGAIN);
	ipcdev_ring_flush(&in);
	CHECK(!ipcdev_ring_push(&out, &n, sizeof(n)));
	CHECK(ipcdev_ring_pop(&in, &back, sizeof(back)) == sizeof(back));
	CHECK(back == 1);

	/* Who looks for room has let the other side see all that it had. */
	while (ipcdev_ring_reserve(&out, sizeof(n)))
		ipcdev_ring_append(&out, sizeof(n));
	while (ipcdev_ring_peek(&in, &len)) {
		back = *(const uint64_t *)ipcdev_ring_peek(&in, &len);
		ipcdev_ring_consume(&in);
	}
	CHECK(ipcdev_ring_reserve(&out, out.record_max));
	close_pair(&out, &in);
}

/* A side without the library. */
struct raw {
	int end;
	uint32_t role;
	uint32_t size;
	uint32_t *own;
	const uint32_t *peer;
	unsigned char *data;
};

static void *map_raw(int end, size_t size, int prot, off_t offset)
{
	void *map = mmap(NULL, size, prot, MAP_SHARED, end, offset);

	CHECK(map != MAP_FAILED);
	return map;
}

static void take_raw(struct raw *raw, int fd, uint32_t role)
{
	off_t offsets[] = {
		IPCDEV_RING_CONSUMER_OFFSET, IPCDEV_RING_PRODUCER_OFFSET,
	};
	bool produces = role == WRITE;
	struct ipcdev_stat stat;

	CHECK(!ipcdev_stat(fd, &stat));
	raw->role = role;
	raw->size = stat.size;
	raw->end = ipcdev_ring_take(fd, role, 0);
	raw->own = map_raw(raw->end, PAGE, PROT_READ | PROT_WRITE,
			   offsets[produces]);
	raw->peer = map_raw(raw->end, PAGE, PROT_READ, offsets[!produces]);
	raw->data = map_raw(raw->end, 2 * raw->size,
			    produces ? PROT_READ | PROT_WRITE : PROT_READ,
			    IPCDEV_RING_DATA_OFFSET);
}

static void close_raw(struct raw *raw)
{
	munmap(raw->own, PAGE);
	munmap((void *)raw->peer, PAGE);
	munmap(raw->data, 2 * raw->size);
	close(raw->end);
}

/* A ring whose indices are not at their beginning. */
static int make_ring_at(uint32_t consumer, uint32_t producer)
{
	int fd = make_ring(IPCDEV_RING_TAKEOVER);
	struct raw raw;

	take_raw(&raw, fd, READ);
	*raw.own = consumer;
	close_raw(&raw);
	take_raw(&raw, fd, WRITE);
	*raw.own = producer;
	close_raw(&raw);
	return fd;
}

/* Over the end of the data, and over that of the indices. */
static void wrap(uint32_t index, uint32_t seed)
{
	int fd = make_ring_at(index, index);
	uint32_t pushed = 0, popped = 0, lens[2000], len;
	unsigned char data[PAGE];
	struct ipcdev_ring out, in;

	take(&out, fd, WRITE);
	take(&in, fd, READ);
	close(fd);
	while (popped < 2000) {
		len = draw(&seed) % 4 ? draw(&seed) % 64 :
			draw(&seed) % (out.record_max + 1);
		fill(data, len, pushed);
		if (pushed < 2000 && draw(&seed) % 3 &&
		    !ipcdev_ring_push(&out, data, len)) {
			lens[pushed++] = len;
			continue;
		}
		if (popped == pushed) {
			FAILS(ipcdev_ring_pop(&in, data, PAGE), EAGAIN);
			continue;
		}
		CHECK(ipcdev_ring_pop(&in, data, PAGE) == (ssize_t)lens[popped]);
		CHECK(is_filled(data, lens[popped], popped));
		popped++;
	}
	CHECK(out.index == in.index && out.index != index);
	close_pair(&out, &in);
}

void test_ring_wrap(void)
{
	wrap(0, 1);
	wrap((uint32_t)-64 * 1024, 2);
	wrap((uint32_t)-16, 3);
	wrap((uint32_t)-8, 4);
	wrap(0x7ffffff8, 5);
	wrap(8, 6);
}

void test_ring_takeover(void)
{
	int fd = make_ring(IPCDEV_RING_TAKEOVER);
	struct ipcdev_ring out, in;
	size_t len;
	int n = 0;

	take(&out, fd, WRITE);
	take(&in, fd, READ);
	for (; n < 4; n++)
		CHECK(!ipcdev_ring_push(&out, &n, sizeof(n)));
	CHECK(ipcdev_ring_reserve(&out, sizeof(n)));
	ipcdev_ring_append(&out, sizeof(n));
	ipcdev_ring_close(&out);
	FAILS(ipcdev_ring_open(&out, fd, READ), EBUSY);

	/* What was committed is there, then the end, and then a new beginning. */
	CHECK(ipcdev_ring_pop(&in, &n, sizeof(n)) == sizeof(n) && n == 0);
	CHECK(ipcdev_ring_pop(&in, &n, sizeof(n)) == sizeof(n) && n == 1);
	CHECK(ipcdev_ring_peek(&in, &len));
	ipcdev_ring_consume(&in);
	ipcdev_ring_close(&in);
	take(&in, fd, READ);
	CHECK(ipcdev_ring_pop(&in, &n, sizeof(n)) == sizeof(n) && n == 2);
	CHECK(ipcdev_ring_pop(&in, &n, sizeof(n)) == sizeof(n) && n == 3);
	FAILS(ipcdev_ring_pop(&in, &n, sizeof(n)), EPIPE);
	FAILS(ipcdev_ring_wait(&in, 0, NULL), EPIPE);
	take(&out, fd, WRITE);
	FAILS(ipcdev_ring_pop(&in, &n, sizeof(n)), EAGAIN);
	n = 7;
	CHECK(!ipcdev_ring_push(&out, &n, sizeof(n)));
	CHECK(ipcdev_ring_pop(&in, &n, sizeof(n)) == sizeof(n) && n == 7);
	/* Meanwhile records are kept, as far as there is room. */
	ipcdev_ring_close(&in);
	for (n = 0; !ipcdev_ring_push(&out, &n, sizeof(n)); n++)
		;
	CHECK(errno == EPIPE && n == PAGE / 16);
	FAILS(ipcdev_ring_wait(&out, sizeof(n), NULL), EPIPE);
	FAILS(ipcdev_ring_send(&out, &n, sizeof(n), NULL), EPIPE);
	take(&in, fd, READ);
	FAILS(ipcdev_ring_push(&out, &n, sizeof(n)), EAGAIN);
	CHECK(ipcdev_ring_pop(&in, &n, sizeof(n)) == sizeof(n) && n == 0);
	CHECK(!ipcdev_ring_send(&out, &n, sizeof(n), NULL));
	close_pair(&out, &in);
	close(fd);
}

static pid_t alarms_victim;

static void on_killing_alarm(int signal)
{
	(void)signal;
	kill(alarms_victim, SIGKILL);
}

/* In a moment, wherever we are then: it is our signal handler that kills. */
static void alarm_kills(pid_t pid)
{
	const struct itimerval once = { .it_value.tv_usec = 100000 };
	struct sigaction action = { .sa_handler = on_killing_alarm, .sa_flags = SA_RESTART };

	alarms_victim = pid;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
}

static void push_when_asleep(int fd)
{
	struct ipcdev_ring out;

	take(&out, fd, WRITE);
	until_asleep(fd, READ);
	CHECK(!ipcdev_ring_push(&out, "x", 1));
	/* Another is not waited for: nobody is woken. */
	CHECK(!ipcdev_ring_push(&out, "y", 1));
	/* Its going would wake, too. */
	CHECK(!ipcdev_wait_peer(out.fd, late()));
	while (!ipcdev_ring_push(&out, "z", 1))
		;
	CHECK(errno == EAGAIN);
	CHECK(!ipcdev_ring_send(&out, "s", 1, late()));
	CHECK(ipcdev_ring_await_room(&out, out.record_max, late()));
	CHECK(!ipcdev_ring_wait(&out, out.record_max, &past));
	CHECK(ipcdev_ring_reserve(&out, out.record_max));
}

/* Either way. */
static ssize_t receive(struct ipcdev_ring *in, bool in_place, unsigned char data[PAGE])
{
	const void *record;
	size_t len;

	if (!in_place)
		return ipcdev_ring_recv(in, data, PAGE, late());
	record = ipcdev_ring_await_record(in, &len, late());
	if (!record)
		return -1;
	memcpy(data, record, len);
	ipcdev_ring_release(in);
	return len;
}

static void check_wait(uint32_t spin, bool in_place)
{
	int fd = make_ring(0);
	struct ipcdev_ring in;
	unsigned char data[PAGE];
	pid_t pid;

	pid = start_with(push_when_asleep, fd);
	take(&in, fd, READ);
	ipcdev_ring_set_spin(&in, spin);
	CHECK(receive(&in, in_place, data) == 1 && *data == 'x');
	CHECK(receive(&in, in_place, data) == 1 && *data == 'y');
	until_asleep(fd, WRITE);
	while (receive(&in, in_place, data) == 1 && *data == 'z')
		;
	CHECK(*data == 's');
	FAILS(receive(&in, in_place, data), EPIPE);
	ipcdev_ring_close(&in);
	finish(pid);
	close(fd);
}

void test_ring_wait(void)
{
	struct ipcdev_deadline bad = { .clock = CLOCK_BOOTTIME };
	struct ipcdev_ring out, in;
	struct ipcdev_stat stat;
	uint64_t n = 0;

	make_pair(&out, &in);
	FAILS(ipcdev_ring_wait(&in, 0, &past), ETIMEDOUT);
	FAILS(ipcdev_ring_wait(&in, 0, soon()), ETIMEDOUT);
	FAILS(ipcdev_ring_recv(&in, &n, sizeof(n), &past), ETIMEDOUT);
	FAILS(ipcdev_ring_recv(&in, &n, sizeof(n), soon()), ETIMEDOUT);
	FAILS(ipcdev_ring_wait(&in, 0, &bad), EINVAL);
	bad = (struct ipcdev_deadline) { CLOCK_MONOTONIC, UINT64_MAX };
	FAILS(ipcdev_ring_wait(&in, 0, &bad), EINVAL);
	/* With nothing done. */
	CHECK(ipcdev_ring_reserve(&out, 1));
	ipcdev_ring_append(&out, 1);
	FAILS(ipcdev_ring_wait(&out, 0, &bad), EINVAL);
	FAILS(ipcdev_ring_wait(&in, 0, &past), ETIMEDOUT);
	CHECK(!ipcdev_ring_wait(&out, 0, &past) && !ipcdev_ring_wait(&in, 0, &past));
	CHECK(ipcdev_ring_pop(&in, &n, 1) == 1);
	CHECK(!ipcdev_ring_wait(&out, out.record_max, &past));
	FAILS(ipcdev_ring_wait(&out, out.record_max + 1, &past), EMSGSIZE);

	alarm_often(true);
	FAILS(ipcdev_ring_wait(&in, 0, NULL), EINTR);
	FAILS(ipcdev_ring_recv(&in, &n, sizeof(n), late()), EINTR);
	while (!ipcdev_ring_push(&out, &n, sizeof(n)))
		n++;
	FAILS(ipcdev_ring_wait(&out, 0, NULL), EINTR);
	alarm_often(false);

	/* At its edge: room for what fits, and not for more. */
	CHECK(!ipcdev_ring_wait(&in, 12345, &past));
	FAILS(ipcdev_ring_wait(&out, 0, &past), ETIMEDOUT);
	CHECK(ipcdev_ring_recv(&in, &n, sizeof(n), &past) == sizeof(n));
	CHECK(!ipcdev_ring_wait(&out, 8, &past));
	FAILS(ipcdev_ring_wait(&out, 9, &past), ETIMEDOUT);
	FAILS(ipcdev_ring_send(&out, &bad, 9, &past), ETIMEDOUT);
	FAILS(ipcdev_ring_send(&out, &bad, 9, soon()), ETIMEDOUT);
	CHECK(!ipcdev_ring_send(&out, &n, 8, &past));
	FAILS(ipcdev_ring_recv(&in, &n, 7, &past), EMSGSIZE);
	CHECK(!ipcdev_stat(in.fd, &stat) && stat.recv_waits && stat.send_waits);
	close_pair(&out, &in);

	for (int in_place = 0; in_place < 2; in_place++) {
		check_wait(0, in_place);
		check_wait(1, in_place);
		check_wait(100000, in_place);
	}
}

/* What a side that spins waits for, and who is to bring it. */
static struct ipcdev_ring *other_side;

static void on_alarm_push(int signal)
{
	int err = errno;

	(void)signal;
	CHECK(!ipcdev_ring_push(other_side, "12345678", 8));
	errno = err;
}

static void on_alarm_pop(int signal)
{
	unsigned char data[8];
	int err = errno;

	(void)signal;
	while (ipcdev_ring_pop(other_side, data, sizeof(data)) > 0)
		;
	errno = err;
}

static void recv_spinning(struct ipcdev_ring *in)
{
	char data[8];

	CHECK(ipcdev_ring_recv(in, data, 8, late()) == 8);
}

static void wait_spinning(struct ipcdev_ring *in)
{
	char data[8];

	CHECK(!ipcdev_ring_wait(in, 0, late()));
	CHECK(ipcdev_ring_pop(in, data, 8) == 8);
}

static void await_record_spinning(struct ipcdev_ring *in)
{
	size_t len;

	CHECK(ipcdev_ring_await_record(in, &len, late()) && len == 8);
	ipcdev_ring_release(in);
}

static void send_spinning(struct ipcdev_ring *out)
{
	CHECK(!ipcdev_ring_send(out, "12345678", 8, late()));
	fill_up(out);
}

static void await_room_spinning(struct ipcdev_ring *out)
{
	CHECK(ipcdev_ring_await_room(out, out->record_max, late()));
	fill_up(out);
}

#define FOR_EVER 0x80000000

/*
 * The other side comes to it while this one spins, which is then worth while again, and
 * no system call. At times it comes before that, of which there is nothing to be seen.
 */
static void check_spin_pays(struct ipcdev_ring *ring, struct ipcdev_ring *other,
			    void (*wait)(struct ipcdev_ring *ring))
{
	const struct itimerval once = { .it_value.tv_usec = 20000 };
	struct sigaction action = {
		.sa_handler = ring->produces ? on_alarm_pop : on_alarm_push,
	};
	unsigned int before = ioctls_on(ring->fd);

	other_side = other;
	sigaction(SIGALRM, &action, NULL);
	ipcdev_ring_set_spin(ring, FOR_EVER);
	for (int i = 0; i < 100 && passed; i++) {
		/* As if it had been in vain. */
		ring->spin = FOR_EVER / 2;
		setitimer(ITIMER_REAL, &once, NULL);
		wait(ring);
		if (ring->spin != FOR_EVER / 2)
			break;
	}
	CHECK(ring->spin == FOR_EVER && ring->spin_max == FOR_EVER);
	CHECK(ioctls_on(ring->fd) == before);
}

/* Half as often after each wait that was in vain, but not less often than this. */
#define SPIN_LEAST 16

static void check_spin_in_vain(struct ipcdev_ring *in, struct ipcdev_ring *out,
			       bool in_place)
{
	uint32_t spin = 200;
	char byte;
	size_t len;

	ipcdev_ring_set_spin(in, spin);
	ipcdev_ring_set_spin(out, spin);
	CHECK(in->spin == spin && in->spin_max == spin);
	for (int i = 0; i < 6; i++) {
		if (in_place) {
			NO_MAP(ipcdev_ring_await_record(in, &len, &past), ETIMEDOUT);
			NO_MAP(ipcdev_ring_await_room(out, 8, &past), ETIMEDOUT);
		} else {
			FAILS(ipcdev_ring_recv(in, &byte, 1, &past), ETIMEDOUT);
			FAILS(ipcdev_ring_send(out, "12345678", 8, &past), ETIMEDOUT);
		}
		spin = spin / 2 > SPIN_LEAST ? spin / 2 : SPIN_LEAST;
		CHECK(in->spin == spin && in->spin_max == 200);
		CHECK(out->spin == spin && out->spin_max == 200);
	}
	CHECK(spin == SPIN_LEAST);
	/* Less than the least is what it was set to; 0 stays 0. */
	for (int i = 0; i < 3; i++) {
		ipcdev_ring_set_spin(in, i);
		CHECK(in->spin == (uint32_t)i);
		FAILS(ipcdev_ring_wait(in, 0, &past), ETIMEDOUT);
		FAILS(ipcdev_ring_recv(in, &byte, 1, &past), ETIMEDOUT);
		CHECK(in->spin == (uint32_t)i && in->spin_max == (uint32_t)i);
	}
}

/* How long a side spins follows from whether that was worth while. */
void test_ring_spin_adapts(void)
{
	struct ipcdev_ring full, drain, feed, empty;

	make_pair(&full, &drain);
	make_pair(&feed, &empty);
	fill_up(&full);
	check_spin_in_vain(&empty, &full, false);
	check_spin_in_vain(&empty, &full, true);
	check_spin_pays(&empty, &feed, recv_spinning);
	check_spin_pays(&empty, &feed, wait_spinning);
	check_spin_pays(&empty, &feed, await_record_spinning);
	check_spin_pays(&full, &drain, send_spinning);
	check_spin_pays(&full, &drain, await_room_spinning);
	close_pair(&full, &drain);
	close_pair(&feed, &empty);
}

static void await_much_room(int fd)
{
	struct ipcdev_ring out;

	take(&out, fd, WRITE);
	fill_up(&out);
	CHECK(ipcdev_ring_await_room(&out, out.record_max, late()));
	CHECK(!ipcdev_ring_commit(&out, out.record_max));
	pause();
}

/* Who sleeps for more than one record's room is woken when there is as much, and once. */
void test_ring_woken_once(void)
{
	int fd = make_ring(0), pops = 0;
	struct ipcdev_ring in;
	unsigned char data[PAGE];
	unsigned int before;
	uint32_t enough;
	ssize_t got;
	pid_t pid;

	pid = start_with(await_much_room, fd);
	take(&in, fd, READ);
	until_asleep(fd, WRITE);
	before = ioctls_on(in.fd);
	enough = (HEAD + in.record_max + HEAD + 8 - 1) / (HEAD + 8);
	for (uint32_t i = 0; i < enough; i++) {
		CHECK(ioctls_on(in.fd) == before);
		CHECK(ipcdev_ring_pop(&in, data, PAGE) == 8);
	}
	CHECK(ioctls_on(in.fd) == before + 1);
	/* There are more, for whose room it does not sleep any more. */
	while ((got = ipcdev_ring_pop(&in, data, PAGE)) == 8)
		pops++;
	CHECK(pops && ioctls_on(in.fd) == before + 1);
	if (got < 0)
		got = ipcdev_ring_recv(&in, data, PAGE, late());
	CHECK(got == (ssize_t)in.record_max);
	slay(pid);
	ipcdev_ring_close(&in);
	close(fd);
}

#define STREAM 20000

static uint32_t stream_spin;

static void produce_stream(int fd)
{
	unsigned char data[PAGE];
	struct ipcdev_ring out;
	uint32_t seed = 9, len;

	take(&out, fd, WRITE);
	ipcdev_ring_set_spin(&out, stream_spin);
	for (uint32_t i = 0; i < STREAM; i++) {
		len = draw(&seed) % 8 ? draw(&seed) % 64 :
			draw(&seed) % (out.record_max + 1);
		fill(data, len, i);
		CHECK(!ipcdev_ring_send(&out, data, len, late()));
		if (draw(&seed) % 64 == 0)
			sched_yield();
	}
	ipcdev_ring_close(&out);
}

/* All that was sent comes, in order and whole, however the sides wait. */
void test_ring_stream(void)
{
	for (stream_spin = 0; stream_spin <= 1000; stream_spin += 500) {
		int fd = make_ring(0);
		unsigned char data[PAGE];
		struct ipcdev_ring in;
		uint32_t seen = 0;
		ssize_t len;
		pid_t pid;

		pid = start_with(produce_stream, fd);
		take(&in, fd, READ);
		ipcdev_ring_set_spin(&in, stream_spin);
		while ((len = ipcdev_ring_recv(&in, data, PAGE, late())) >= 0) {
			CHECK(is_filled(data, len, seen));
			seen++;
		}
		CHECK(errno == EPIPE && seen == STREAM);
		ipcdev_ring_close(&in);
		finish(pid);
		close(fd);
	}
}

#define EXCHANGES 300

static int reply_fd;

static void echo(int fd)
{
	unsigned int ins, outs;
	struct ipcdev_ring in, out;
	uint64_t *room;
	size_t len;

	take(&in, fd, READ);
	take(&out, reply_fd, WRITE);
	ipcdev_ring_set_spin(&in, 0);
	ins = ioctls_on(in.fd);
	outs = ioctls_on(out.fd);
	while (!ipcdev_ring_exchange(&out, &in, late())) {
		const uint64_t *record = ipcdev_ring_peek(&in, &len);

		room = ipcdev_ring_reserve(&out, sizeof(*room));
		CHECK(record && len == sizeof(*record) && room);
		*room = *record + 1;
		ipcdev_ring_append(&out, sizeof(*room));
		ipcdev_ring_release(&in);
	}
	CHECK(errno == EPIPE);
	CHECK(ioctls_on(in.fd) - ins <= EXCHANGES + 2 && ioctls_on(out.fd) == outs);
	close_pair(&in, &out);
}

static void wait_for_one(int fd)
{
	struct ipcdev_ring in;
	char byte;

	take(&in, fd, READ);
	ipcdev_ring_set_spin(&in, 0);
	CHECK(ipcdev_ring_recv(&in, &byte, 1, late()) == 1);
	ipcdev_ring_close(&in);
}

/* What cannot be waited for is sent all the same, and wakes who sleeps for it. */
static void exchange_fails(struct ipcdev_ring *in, uint32_t spin,
			   const struct ipcdev_deadline *deadline, int error)
{
	struct ipcdev_deadline bad = { .clock = CLOCK_BOOTTIME };
	int fd = make_ring(0);
	struct ipcdev_ring out;
	pid_t pid;

	pid = start_with(wait_for_one, fd);
	take(&out, fd, WRITE);
	ipcdev_ring_set_spin(in, spin);
	until_asleep(fd, READ);
	CHECK(ipcdev_ring_reserve(&out, 1));
	ipcdev_ring_append(&out, 1);
	/* With nothing done, it is not sent. */
	FAILS(ipcdev_ring_exchange(&out, in, &bad), EINVAL);
	until_asleep(fd, READ);
	FAILS(ipcdev_ring_exchange(&out, in, deadline), error);
	finish(pid);
	ipcdev_ring_close(&out);
	close(fd);
}

static void sleep_for_record(int end)
{
	/* Far behind all that there will be. */
	struct ipcdev_ring_wait wait = { .index = 1 << 20 };

	ioctl(end, IPCDEV_IOC_RING_WAIT, &wait);
}

static void check_exchange_fails(uint32_t spin)
{
	struct ipcdev_ring peer, in;
	pid_t pid;
	int end;

	make_pair(&peer, &in);
	exchange_fails(&in, spin, &past, ETIMEDOUT);
	exchange_fails(&in, spin, soon(), ETIMEDOUT);
	alarm_often(true);
	exchange_fails(&in, spin, late(), EINTR);
	alarm_often(false);
	CHECK(!fcntl(in.fd, F_SETFL, O_NONBLOCK));
	exchange_fails(&in, spin, NULL, EAGAIN);
	CHECK(!fcntl(in.fd, F_SETFL, 0));
	pid = start_with(sleep_for_record, in.fd);
	until_asleep(in.fd, READ);
	exchange_fails(&in, spin, NULL, EBUSY);
	slay(pid);
	/* The call that would signal and sleep does neither. */
	end = in.fd;
	in.fd = -1;
	exchange_fails(&in, spin, NULL, EBADF);
	in.fd = end;
	ipcdev_ring_close(&peer);
	exchange_fails(&in, spin, NULL, EPIPE);
	ipcdev_ring_close(&in);
}

void test_ring_exchange(void)
{
	int fd = make_ring(0);
	struct ipcdev_ring in, out;
	uint64_t back = 0, *room;
	unsigned int ins, outs;
	pid_t pid;

	reply_fd = make_ring(0);
	pid = start_with(echo, fd);
	take(&out, fd, WRITE);
	take(&in, reply_fd, READ);
	ipcdev_ring_set_spin(&in, 0);
	ins = ioctls_on(in.fd);
	outs = ioctls_on(out.fd);
	for (uint64_t i = 0; i < EXCHANGES; i++) {
		room = ipcdev_ring_reserve(&out, sizeof(*room));
		*room = i;
		ipcdev_ring_append(&out, sizeof(*room));
		CHECK(!ipcdev_ring_exchange(&out, &in, late()));
		CHECK(ipcdev_ring_pop(&in, &back, sizeof(back)) == sizeof(back));
		CHECK(back == i + 1);
	}
	/* Each is one system call, in which both the waking and the sleep are. */
	CHECK(ioctls_on(in.fd) - ins <= EXCHANGES + 1 && ioctls_on(out.fd) == outs);
	FAILS(ipcdev_ring_exchange(&out, &in, &past), ETIMEDOUT);
	close_pair(&out, &in);
	finish(pid);
	close(reply_fd);
	close(fd);
	check_exchange_fails(0);
	check_exchange_fails(10);
}

static void push_and_die(int fd)
{
	struct ipcdev_ring out;

	take(&out, fd, WRITE);
	CHECK(!ipcdev_ring_push(&out, "ab", 2));
	CHECK(!ipcdev_ring_push(&out, "cd", 2));
	/* Half a record, at which we are killed. */
	strcpy(ipcdev_ring_reserve(&out, 100), "nothing");
	ipcdev_ring_append(&out, 100);
	pause();
}

static void take_and_die(int fd)
{
	struct ipcdev_ring in;
	size_t len;

	take(&in, fd, READ);
	CHECK(!ipcdev_ring_wait(&in, 0, NULL));
	CHECK(ipcdev_ring_peek(&in, &len));
	pause();
}

static void sleep_and_die(int fd)
{
	struct ipcdev_ring in;

	take(&in, fd, READ);
	ipcdev_ring_wait(&in, 0, NULL);
}

/* The killer: once this process sleeps for a side, the other one is to die. */
static int victim;
static unsigned int victims_peer;

static void kill_when_asleep(int fd)
{
	until_asleep(fd, victims_peer);
	kill(victim, SIGKILL);
}

void test_ring_death(void)
{
	struct ipcdev_ring out, in;
	char text[4];
	pid_t pid, killer;
	uint32_t before;
	int fd;

	/* A producer, while we sleep: what it had committed was drained. */
	fd = make_ring(0);
	pid = start_with(push_and_die, fd);
	take(&in, fd, READ);
	CHECK(ipcdev_ring_recv(&in, text, 4, late()) == 2 && text[0] == 'a');
	CHECK(ipcdev_ring_recv(&in, text, 4, late()) == 2 && text[0] == 'c');
	victim = pid;
	victims_peer = READ;
	killer = start_with(kill_when_asleep, fd);
	FAILS(ipcdev_ring_recv(&in, text, 4, late()), EPIPE);
	killed(pid);
	finish(killer);
	FAILS(ipcdev_ring_wait(&in, 0, &past), EPIPE);
	ipcdev_ring_close(&in);
	close(fd);

	/* A producer, before we look: first what is there. */
	fd = make_ring(0);
	pid = start_with(push_and_die, fd);
	take(&in, fd, READ);
	CHECK(!ipcdev_ring_wait(&in, 0, late()));
	while (ipcdev_stat(fd, &(struct ipcdev_stat) { 0 }) || in.known < 20)
		ipcdev_ring_look(&in, 1000);
	slay(pid);
	CHECK(!ipcdev_ring_wait(&in, 0, &past));
	CHECK(ipcdev_ring_pop(&in, text, 4) == 2 && text[0] == 'a');
	CHECK(ipcdev_ring_recv(&in, text, 4, NULL) == 2 && text[0] == 'c');
	FAILS(ipcdev_ring_pop(&in, text, 4), EPIPE);
	ipcdev_ring_close(&in);
	close(fd);

	/* A consumer, while we sleep for room, and then before. */
	fd = make_ring(0);
	pid = start_with(take_and_die, fd);
	take(&out, fd, WRITE);
	while (!ipcdev_ring_push(&out, "x", 1))
		;
	CHECK(errno == EAGAIN);
	CHECK(!ipcdev_wait_peer(out.fd, late()));
	victim = pid;
	victims_peer = WRITE;
	killer = start_with(kill_when_asleep, fd);
	FAILS(ipcdev_ring_send(&out, "x", 1, late()), EPIPE);
	killed(pid);
	finish(killer);
	FAILS(ipcdev_ring_push(&out, "x", 1), EPIPE);
	FAILS(ipcdev_ring_wait(&out, 0, NULL), EPIPE);
	ipcdev_ring_close(&out);
	close(fd);

	/* A consumer that sleeps itself. */
	fd = make_ring(0);
	pid = start_with(sleep_and_die, fd);
	take(&out, fd, WRITE);
	until_asleep(fd, READ);
	slay(pid);
	FAILS(ipcdev_ring_push(&out, "x", 1), EPIPE);
	CHECK(ipcdev_ring_reserve(&out, 0));
	FAILS(ipcdev_ring_commit(&out, 0), EPIPE);
	FAILS(ipcdev_ring_flush(&out), EPIPE);
	ipcdev_ring_close(&out);
	close(fd);

	/* What a consumer had before it left is not lost: all that comes later is. */
	fd = make_ring(0);
	take(&out, fd, WRITE);
	take(&in, fd, READ);
	CHECK(ipcdev_ring_reserve(&out, 1));
	ipcdev_ring_append(&out, 1);
	before = *out.own;
	__atomic_store_n(out.own, out.index, __ATOMIC_RELEASE);
	CHECK(ipcdev_ring_pop(&in, text, 4) == 1);
	ipcdev_ring_close(&in);
	CHECK(!ipcdev_ring_tell(&out, before));
	FAILS(ipcdev_ring_push(&out, "x", 1), EPIPE);
	ipcdev_ring_close(&out);
	close(fd);
}

/* Holds the end that it has inherited until a byte comes, and a while after that. */
static void hold_end(int end, int from, int to)
{
	char byte;

	CHECK(read(from, &byte, 1) == 1);
	close(end);
	CHECK(write(to, &byte, 1) == 1);
	CHECK(read(from, &byte, 1) == 1);
}

/* A role is that of a descriptor: it outlives who took it, in a child. */
void test_ring_inherited(void)
{
	int fd = make_ring(0), down[2], up[2], status;
	struct ipcdev_ring out, in, other;
	char byte = 0;
	pid_t pid;

	CHECK(!pipe(down) && !pipe(up));
	take(&out, fd, WRITE);
	take(&in, fd, READ);
	CHECK(!ipcdev_ring_push(&out, "x", 1));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		passed = true;
		/* Or it would never learn that its parent has gone. */
		close(down[1]);
		hold_end(out.fd, down[0], up[1]);
		fflush(stdout);
		_exit(!passed);
	}
	ipcdev_ring_close(&out);
	CHECK(ipcdev_ring_pop(&in, &byte, 1) == 1 && byte == 'x');
	FAILS(ipcdev_ring_pop(&in, &byte, 1), EAGAIN);
	FAILS(ipcdev_ring_wait(&in, 0, soon()), ETIMEDOUT);
	FAILS(ipcdev_ring_open(&other, fd, WRITE), EBUSY);
	/* It ends when the child closes it, which goes on. */
	CHECK(write(down[1], "x", 1) == 1);
	CHECK(read(up[0], &byte, 1) == 1);
	FAILS(ipcdev_ring_pop(&in, &byte, 1), EPIPE);
	FAILS(ipcdev_ring_open(&other, fd, WRITE), EPIPE);
	CHECK(write(down[1], "x", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	ipcdev_ring_close(&in);
	for (int i = 0; i < 2; i++) {
		close(down[i]);
		close(up[i]);
	}
	close(fd);
}

/* Has a record ready, and tells nobody. */
static void move_and_die(int fd)
{
	struct raw raw;

	take_raw(&raw, fd, WRITE);
	__atomic_store_n(raw.own, *raw.own + HEAD, __ATOMIC_RELEASE);
	raise(SIGKILL);
}

static void move_and_die_when_asleep(int fd)
{
	until_asleep(fd, READ);
	move_and_die(fd);
}

/* The same as for what copies: deadline, signal, bad input, no sleep where none is to be. */
void test_ring_await(void)
{
	struct ipcdev_deadline bad = { .clock = CLOCK_BOOTTIME };
	struct ipcdev_ring out, in;
	const unsigned char *record;
	unsigned int calls;
	size_t len = 77;
	void *room;
	pid_t pid;

	make_pair(&out, &in);
	calls = ioctls_on(in.fd) + ioctls_on(out.fd);
	room = ipcdev_ring_await_room(&out, 3, &past);
	CHECK(room && room == ipcdev_ring_await_room(&out, 3, &bad));
	memcpy(room, "abc", 3);
	ipcdev_ring_commit(&out, 3);
	record = ipcdev_ring_await_record(&in, &len, &bad);
	CHECK(record && len == 3 && !memcmp(record, "abc", 3));
	CHECK(ipcdev_ring_await_record(&in, &len, &past) == record);
	ipcdev_ring_release(&in);
	CHECK(ioctls_on(in.fd) + ioctls_on(out.fd) == calls);

	NO_MAP(ipcdev_ring_await_record(&in, &len, &past), ETIMEDOUT);
	CHECK(len == 0);
	NO_MAP(ipcdev_ring_await_record(&in, &len, soon()), ETIMEDOUT);
	NO_MAP(ipcdev_ring_await_record(&in, &len, &bad), EINVAL);
	NO_MAP(ipcdev_ring_await_room(&out, (size_t)out.record_max + 1, &past), EMSGSIZE);
	NO_MAP(ipcdev_ring_await_room(&out, SIZE_MAX, &past), EMSGSIZE);
	alarm_often(true);
	NO_MAP(ipcdev_ring_await_record(&in, &len, late()), EINTR);
	alarm_often(false);
	CHECK(!fcntl(in.fd, F_SETFL, O_NONBLOCK));
	NO_MAP(ipcdev_ring_await_record(&in, &len, NULL), EAGAIN);
	CHECK(!fcntl(in.fd, F_SETFL, 0));
	pid = start_with(sleep_for_record, in.fd);
	until_asleep(in.fd, READ);
	NO_MAP(ipcdev_ring_await_record(&in, &len, NULL), EBUSY);
	slay(pid);

	fill_up(&out);
	pid = start_with(sleep_for_record, out.fd);
	until_asleep(out.fd, WRITE);
	NO_MAP(ipcdev_ring_await_room(&out, 8, NULL), EBUSY);
	slay(pid);
	NO_MAP(ipcdev_ring_await_room(&out, 8, &past), ETIMEDOUT);
	NO_MAP(ipcdev_ring_await_room(&out, 8, soon()), ETIMEDOUT);
	NO_MAP(ipcdev_ring_await_room(&out, 8, &bad), EINVAL);
	alarm_often(true);
	NO_MAP(ipcdev_ring_await_room(&out, 8, late()), EINTR);
	alarm_often(false);
	CHECK(!fcntl(out.fd, F_SETFL, O_NONBLOCK));
	NO_MAP(ipcdev_ring_await_room(&out, 8, NULL), EAGAIN);
	CHECK(!fcntl(out.fd, F_SETFL, 0));
	/* At its edge: room for what fits, and not for more. */
	CHECK(ipcdev_ring_await_record(&in, &len, &past) && len == 8);
	ipcdev_ring_release(&in);
	CHECK(ipcdev_ring_await_room(&out, 8, &past));
	NO_MAP(ipcdev_ring_await_room(&out, 9, &past), ETIMEDOUT);

	/* What is left is there for who comes too late. */
	ipcdev_ring_close(&out);
	while ((record = ipcdev_ring_await_record(&in, &len, NULL)))
		ipcdev_ring_release(&in);
	CHECK(errno == EPIPE);
	ipcdev_ring_close(&in);
	make_pair(&out, &in);
	fill_up(&out);
	ipcdev_ring_close(&in);
	NO_MAP(ipcdev_ring_await_room(&out, 8, NULL), EPIPE);
	ipcdev_ring_close(&out);
}

static void spin_for_ever(struct ipcdev_ring *out, struct ipcdev_ring *in)
{
	make_pair(out, in);
	ipcdev_ring_set_spin(out, UINT32_MAX);
	ipcdev_ring_set_spin(in, UINT32_MAX);
}

static void close_soon(int fd)
{
	struct ipcdev_ring side;

	take(&side, fd, victims_peer);
	CHECK(!ipcdev_wait_peer(side.fd, late()));
	pause();
}

/* Looking without end, and without having slept: the other side dies meanwhile. */
static pid_t spin_with(struct ipcdev_ring *ring, int fd, unsigned int role)
{
	pid_t pid;

	victims_peer = role ^ (READ | WRITE);
	pid = start_with(close_soon, fd);
	take(ring, fd, role);
	CHECK(!ipcdev_wait_peer(ring->fd, late()));
	if (role == WRITE)
		fill_up(ring);
	ipcdev_ring_set_spin(ring, UINT32_MAX);
	return pid;
}

/* Who looks for long sees all the same, and soon, what who sleeps would be told. */
void test_ring_spin(void)
{
	uint64_t begin = monotonic();
	struct ipcdev_ring out, in;
	struct raw raw;
	size_t len;
	pid_t pid;
	int fd;

	spin_for_ever(&out, &in);
	FAILS(ipcdev_ring_wait(&in, 0, soon()), ETIMEDOUT);
	ipcdev_ring_set_spin(&in, UINT32_MAX);
	FAILS(ipcdev_ring_recv(&in, &len, sizeof(len), soon()), ETIMEDOUT);
	ipcdev_ring_set_spin(&in, UINT32_MAX);
	NO_MAP(ipcdev_ring_await_record(&in, &len, soon()), ETIMEDOUT);
	fill_up(&out);
	FAILS(ipcdev_ring_wait(&out, 0, soon()), ETIMEDOUT);
	ipcdev_ring_set_spin(&out, UINT32_MAX);
	FAILS(ipcdev_ring_send(&out, "12345678", 8, soon()), ETIMEDOUT);
	ipcdev_ring_set_spin(&out, UINT32_MAX);
	NO_MAP(ipcdev_ring_await_room(&out, 8, soon()), ETIMEDOUT);
	close_pair(&out, &in);

	for (int way = 0; way < 3; way++) {
		fd = make_ring(0);
		pid = spin_with(&in, fd, READ);
		alarm_kills(pid);
		if (way == 0)
			FAILS(ipcdev_ring_wait(&in, 0, NULL), EPIPE);
		else if (way == 1)
			FAILS(ipcdev_ring_recv(&in, &len, sizeof(len), NULL), EPIPE);
		else
			NO_MAP(ipcdev_ring_await_record(&in, &len, NULL), EPIPE);
		killed(pid);
		ipcdev_ring_close(&in);
		close(fd);

		fd = make_ring(0);
		pid = spin_with(&out, fd, WRITE);
		alarm_kills(pid);
		if (way == 0)
			FAILS(ipcdev_ring_wait(&out, 0, NULL), EPIPE);
		else if (way == 1)
			FAILS(ipcdev_ring_send(&out, "12345678", 8, NULL), EPIPE);
		else
			NO_MAP(ipcdev_ring_await_room(&out, 8, NULL), EPIPE);
		killed(pid);
		ipcdev_ring_close(&out);
		close(fd);
	}

	fd = make_ring(0);
	take_raw(&raw, fd, WRITE);
	take(&in, fd, READ);
	*raw.own = 2 * PAGE;
	ipcdev_ring_set_spin(&in, UINT32_MAX);
	FAILS(ipcdev_ring_recv(&in, &len, sizeof(len), NULL), EBADMSG);
	ipcdev_ring_close(&in);
	close_raw(&raw);
	close(fd);
	fd = make_ring(0);
	take_raw(&raw, fd, READ);
	take(&out, fd, WRITE);
	fill_up(&out);
	/* Not enough room for what is to be sent, and no place for an index. */
	*raw.own = 4;
	ipcdev_ring_set_spin(&out, UINT32_MAX);
	FAILS(ipcdev_ring_send(&out, "12345678", 8, NULL), EBADMSG);
	ipcdev_ring_close(&out);
	close_raw(&raw);
	close(fd);
	/* To look as often as it may would take longer by far, each time. */
	CHECK(monotonic() - begin < 60 * SECOND);
}

static int watch(const struct ipcdev_ring *ring, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, ring->fd, &event));
	return epoll;
}

static bool fires(int epoll, int timeout)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, timeout) == 1;
}

/* Uses an end that another has, and dies without having told of it. */
static void use_and_die(int end)
{
	struct ipcdev_ring side;
	size_t len;

	CHECK(!ipcdev_ring_map(&side, end));
	raise(SIGSTOP);
	if (side.produces) {
		CHECK(ipcdev_ring_reserve(&side, 1));
		ipcdev_ring_append(&side, 1);
	} else {
		do {
			CHECK(ipcdev_ring_peek(&side, &len));
			ipcdev_ring_consume(&side);
		} while (side.known);
	}
	__atomic_store_n(side.own, side.index, __ATOMIC_RELEASE);
	raise(passed ? SIGKILL : SIGTERM);
}

static pid_t start_user(int end)
{
	pid_t pid = start_with(use_and_die, end);
	int status;

	CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	return pid;
}

static void let_die(pid_t pid)
{
	kill(pid, SIGCONT);
	killed(pid);
}

/* Who goes on with an end tells of what the last one to use it has not told. */
void test_ring_handed_on(void)
{
	struct ipcdev_ring out, in;
	int fd = make_ring(0), end, epoll;
	pid_t pid, sleeper;
	char byte;

	/* The producer's, to who watches, and to who sleeps. */
	take(&in, fd, READ);
	end = ipcdev_ring_take(fd, WRITE, 0);
	epoll = watch(&in, EPOLLIN | EPOLLET);
	pid = start_user(end);
	CHECK(!fires(epoll, 0));
	let_die(pid);
	CHECK(!fires(epoll, 0));
	CHECK(!ipcdev_ring_map(&out, end));
	CHECK(fires(epoll, 0) && ipcdev_ring_pop(&in, &byte, 1) == 1);
	FAILS(ipcdev_ring_pop(&in, &byte, 1), EAGAIN);
	CHECK(!ipcdev_ring_push(&out, "x", 1) && fires(epoll, 0));
	close_pair(&out, &in);
	close(epoll);
	close(fd);

	fd = make_ring(0);
	sleeper = start_with(wait_for_one, fd);
	end = ipcdev_ring_take(fd, WRITE, 0);
	pid = start_user(end);
	until_asleep(fd, READ);
	let_die(pid);
	until_asleep(fd, READ);
	CHECK(!ipcdev_ring_map(&out, end));
	finish(sleeper);
	ipcdev_ring_close(&out);
	close(fd);

	/* The consumer's. */
	fd = make_ring(0);
	take(&out, fd, WRITE);
	end = ipcdev_ring_take(fd, READ, 0);
	fill_up(&out);
	epoll = watch(&out, EPOLLOUT | EPOLLET);
	pid = start_user(end);
	CHECK(!fires(epoll, 0));
	let_die(pid);
	CHECK(!fires(epoll, 0));
	CHECK(!ipcdev_ring_map(&in, end));
	CHECK(fires(epoll, 0) && !ipcdev_ring_push(&out, "x", 1));
	CHECK(ipcdev_ring_pop(&in, &byte, 1) == 1);
	close_pair(&out, &in);
	close(epoll);
	close(fd);
}

/* That a side has gone from a ring that persists is not told, but what it did is. */
void test_ring_persists(void)
{
	static const char *const name = "/dev/ipc/libipcdev-ring";
	struct pollfd poll_fd = { .events = POLLIN };
	int fd = make_ring(IPCDEV_RING_TAKEOVER);
	struct ipcdev_ring in, out;
	eventfd_t times;
	pid_t pid;
	char byte;

	poll_fd.fd = eventfd(0, EFD_NONBLOCK);
	CHECK(!ipcdev_publish(fd, name, 0600, IPCDEV_PUBLISH_PERSISTENT));
	pid = start_with(move_and_die_when_asleep, fd);
	take(&in, fd, READ);
	ipcdev_ring_set_spin(&in, 0);
	CHECK(!ipcdev_ring_wait(&in, 0, late()));
	killed(pid);
	CHECK(ipcdev_ring_pop(&in, &byte, 0) == 0);
	FAILS(ipcdev_ring_pop(&in, &byte, 0), EAGAIN);

	CHECK(!ipcdev_attach(in.fd, poll_fd.fd, IPCDEV_EVENT_READABLE, 0));
	pid = start_with(move_and_die, fd);
	CHECK(poll(&poll_fd, 1, 60000) == 1);
	killed(pid);
	CHECK(eventfd_read(poll_fd.fd, &times) == 0 && times == 1);
	CHECK(ipcdev_ring_pop(&in, &byte, 0) == 0);
	/* Who has done nothing leaves nothing to tell. */
	take(&out, fd, WRITE);
	ipcdev_ring_close(&out);
	FAILS(eventfd_read(poll_fd.fd, &times), EAGAIN);
	ipcdev_ring_close(&in);
	close(fd);
	CHECK(!unlink(name));

	/* Nor is it told to who has asked for records alone. */
	fd = make_ring(0);
	take(&in, fd, READ);
	CHECK(!ipcdev_attach(in.fd, poll_fd.fd, IPCDEV_EVENT_READABLE, 0));
	pid = start_with(move_and_die, fd);
	CHECK(poll(&poll_fd, 1, 60000) == 1);
	killed(pid);
	CHECK(ipcdev_ring_pop(&in, &byte, 0) == 0);
	ipcdev_ring_close(&in);
	close(poll_fd.fd);
	close(fd);
}

static int poll_now(const struct ipcdev_ring *ring, short events)
{
	struct pollfd poll_fd = { .fd = ring->fd, .events = events };

	CHECK(poll(&poll_fd, 1, 0) >= 0);
	return poll_fd.revents;
}

static void push_when_told(int fd)
{
	struct ipcdev_ring out;

	take(&out, fd, WRITE);
	until_asleep(fd, READ);
	for (int i = 0; i < 200; i++) {
		CHECK(!ipcdev_ring_push(&out, "x", 1));
		sched_yield();
	}
	ipcdev_ring_close(&out);
}

void test_ring_poll(void)
{
	struct ipcdev_ring out, in;
	char data[8];
	pid_t pid;
	int fd, seen = 0;

	make_pair(&out, &in);
	CHECK(poll_now(&in, POLLIN) == 0);
	CHECK(poll_now(&out, POLLOUT) == POLLOUT);
	CHECK(!ipcdev_ring_push(&out, "x", 1));
	CHECK(poll_now(&in, POLLIN) == POLLIN);
	fill_up(&out);
	CHECK(poll_now(&out, POLLOUT) == 0);
	/* As long as a record of any length has no room. */
	while (ipcdev_ring_pop(&in, data, 8) > 0 && !poll_now(&out, POLLOUT))
		NO_MAP(ipcdev_ring_reserve(&out, out.record_max), EAGAIN);
	CHECK(ipcdev_ring_reserve(&out, out.record_max));
	ipcdev_ring_close(&out);
	CHECK(poll_now(&in, POLLIN) == (POLLIN | POLLHUP));
	while (ipcdev_ring_pop(&in, data, 8) > 0)
		;
	CHECK(errno == EPIPE && poll_now(&in, POLLIN) == POLLHUP);
	ipcdev_ring_close(&in);
	make_pair(&out, &in);
	ipcdev_ring_close(&in);
	CHECK(poll_now(&out, POLLOUT) == (POLLOUT | POLLERR));
	ipcdev_ring_close(&out);

	/* Each sleep in poll(2) begins anew. */
	fd = make_ring(0);
	pid = start_with(push_when_told, fd);
	take(&in, fd, READ);
	CHECK(!ipcdev_ring_wait(&in, 0, late()));
	for (;;) {
		struct pollfd poll_fd = { .fd = in.fd, .events = POLLIN };

		while (ipcdev_ring_pop(&in, data, 8) == 1)
			seen++;
		if (errno != EAGAIN)
			break;
		CHECK(poll(&poll_fd, 1, 60000) == 1);
	}
	CHECK(errno == EPIPE && seen == 200);
	ipcdev_ring_close(&in);
	finish(pid);
	close(fd);
}

#define EDGES 5000

/* Sleeps for room at an edge-triggered epoll alone. */
static void produce_at_edges(int fd)
{
	struct ipcdev_ring out;
	uint32_t seed = 5;
	int epoll;

	take(&out, fd, WRITE);
	epoll = watch(&out, EPOLLOUT | EPOLLET);
	for (uint32_t i = 0; i < EDGES; i++) {
		while (ipcdev_ring_push(&out, &i, sizeof(i))) {
			CHECK(errno == EAGAIN);
			CHECK(fires(epoll, 60000));
		}
		if (draw(&seed) % 16 == 0)
			sched_yield();
	}
	ipcdev_ring_close(&out);
}

/* And the consumer for records. */
static void hammer_edges(void)
{
	uint32_t seed = 6, n, seen = 0;
	int fd = make_ring(0), epoll;
	struct ipcdev_ring in;
	pid_t pid;

	pid = start_with(produce_at_edges, fd);
	take(&in, fd, READ);
	epoll = watch(&in, EPOLLIN | EPOLLET);
	for (;;) {
		while (ipcdev_ring_pop(&in, &n, sizeof(n)) == sizeof(n)) {
			CHECK(n == seen);
			seen++;
			if (draw(&seed) % 16 == 0)
				sched_yield();
		}
		if (errno != EAGAIN)
			break;
		CHECK(fires(epoll, 60000));
	}
	CHECK(errno == EPIPE && seen == EDGES);
	close(epoll);
	ipcdev_ring_close(&in);
	finish(pid);
	close(fd);
}

void test_ring_edges(void)
{
	struct ipcdev_ring out, in;
	int level, edge, room;
	char data[8];

	make_pair(&out, &in);
	level = watch(&in, EPOLLIN);
	edge = watch(&in, EPOLLIN | EPOLLET);
	room = watch(&out, EPOLLOUT | EPOLLET);
	CHECK(fires(room, 0) && !fires(room, 0));
	for (int i = 0; i < 3; i++) {
		CHECK(!fires(edge, 0) && !fires(level, 0));
		CHECK(!ipcdev_ring_push(&out, "x", 1));
		CHECK(fires(level, 0) && fires(level, 0));
		CHECK(fires(edge, 0) && !fires(edge, 0));
		CHECK(ipcdev_ring_pop(&in, data, 8) == 1);
		FAILS(ipcdev_ring_pop(&in, data, 8), EAGAIN);
	}
	/* A batch is one event; what comes before it is drained needs none. */
	CHECK(ipcdev_ring_reserve(&out, 1));
	ipcdev_ring_append(&out, 1);
	ipcdev_ring_append(&out, 1);
	CHECK(!fires(edge, 0));
	ipcdev_ring_flush(&out);
	CHECK(fires(edge, 0) && !fires(edge, 0));
	CHECK(ipcdev_ring_pop(&in, data, 8) == 1);
	CHECK(ipcdev_ring_pop(&in, data, 8) == 1);

	while (fires(room, 0))
		;
	fill_up(&out);
	CHECK(!fires(room, 0));
	while (!fires(room, 0))
		CHECK(ipcdev_ring_pop(&in, data, 8) == 8);
	CHECK(ipcdev_ring_reserve(&out, out.record_max));
	close_pair(&out, &in);
	close(level);
	close(edge);
	close(room);
	hammer_edges();
}

#define MANY	1000
#define BUSY	25	/* of these, one in so many has something to say */

/* Where the kernel is slow, as one that is full of checks, there are fewer. */
static int many[MANY], rings;

/* Has all rings, and numbers what it sends through each. */
static void produce_many(int unused)
{
	static struct ipcdev_ring outs[MANY];
	uint32_t seed = 11, numbers[MANY] = { 0 };

	(void)unused;
	for (int i = 0; i < rings; i++)
		take(&outs[i], many[i], WRITE);
	for (int i = 0; i < rings * 4; i++) {
		int busy = draw(&seed) % (rings / BUSY) * BUSY;

		CHECK(!ipcdev_ring_send(&outs[busy], &numbers[busy],
					sizeof(*numbers), late()));
		numbers[busy]++;
		if (draw(&seed) % 64 == 0)
			sched_yield();
	}
}

/* What is there, which must be something, and in order; whether more may come. */
static bool drain(struct ipcdev_ring *in, uint32_t *next)
{
	uint32_t number, before = *next;

	while (ipcdev_ring_pop(in, &number, sizeof(number)) == sizeof(number)) {
		CHECK(number == *next);
		++*next;
	}
	CHECK(errno == EPIPE || *next != before);
	return errno == EAGAIN;
}

/*
 * One consumer of a thousand rings, of which most are idle: each record is found, and
 * an idle ring is never looked at before its producer leaves. @flags are epoll's.
 */
static void check_many(uint32_t flags)
{
	static struct ipcdev_ring ins[MANY];
	uint32_t next[MANY] = { 0 }, total = 0, events = 0;
	struct epoll_event event[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC), left = rings;
	pid_t pid;

	for (int i = 0; i < rings; i++) {
		many[i] = make_ring(0);
		event->events = EPOLLIN | flags;
		event->data.u32 = i;
		take(&ins[i], many[i], READ);
		CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, ins[i].fd, event));
	}
	CHECK(epoll_wait(epoll, event, 64, 0) == 0);
	pid = start_with(produce_many, 0);
	for (int i = 0; i < rings; i++)
		close(many[i]);
	while (left && passed) {
		int count = epoll_wait(epoll, event, 64, 600000);

		CHECK(count > 0);
		for (int i = 0; i < count; i++) {
			uint32_t n = event[i].data.u32;

			CHECK(n % BUSY == 0 || (event[i].events & EPOLLHUP));
			events++;
			if (drain(&ins[n], &next[n]))
				continue;
			ipcdev_ring_close(&ins[n]);
			left--;
		}
	}
	for (int i = 0; i < rings; i++)
		total += next[i];
	CHECK(total == (uint32_t)rings * 4);
	printf("# %u records of %d rings in %u events\n", total, rings, events);
	finish(pid);
	close(epoll);
}

/* How many of the rings epoll names, and that it is those that have something. */
static int count_ready(int epoll, int step, struct ipcdev_ring *ins)
{
	static struct epoll_event events[MANY];
	int count = epoll_wait(epoll, events, MANY, 0);
	uint64_t number;

	for (int i = 0; i < count; i++) {
		CHECK(events[i].data.u32 % step == 0);
		CHECK(ipcdev_ring_pop(&ins[events[i].data.u32], &number,
				      sizeof(number)) == sizeof(number));
	}
	CHECK(!epoll_wait(epoll, events, MANY, 0));
	return count;
}

/* What it takes follows from how many have something, and not from how many there are. */
static void check_flat(void)
{
	static struct ipcdev_ring ins[MANY], outs[MANY];
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct ipcdev_stat stat;
	unsigned int calls, steps = 0;

	for (int i = 0; i < rings; i++) {
		make_pair(&outs[i], &ins[i]);
		event.data.u32 = i;
		CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, ins[i].fd, &event));
	}
	for (int step = 1; step <= rings; step *= 10, steps++) {
		for (uint64_t i = 0; i < (uint64_t)rings; i += step) {
			calls = ioctls_on(outs[i].fd);
			CHECK(!ipcdev_ring_push(&outs[i], &i, sizeof(i)));
			CHECK(ioctls_on(outs[i].fd) == calls + 1);
		}
		CHECK(count_ready(epoll, step, ins) == rings / step);
	}
	/* Of one that was used once, nothing was heard since. */
	CHECK(!ipcdev_stat(ins[1].fd, &stat) && stat.wakeups == 1);
	CHECK(!ipcdev_stat(ins[0].fd, &stat) && stat.wakeups == steps);
	for (int i = 0; i < rings; i++)
		close_pair(&outs[i], &ins[i]);
	close(epoll);
}

void test_ring_many(void)
{
	struct rlimit old, limit;
	struct ipcdev_info info;

	rings = is_slow() ? MANY / 10 : MANY;
	CHECK(!ipcdev_info(&info) && info.max_objects >= MANY);
	getrlimit(RLIMIT_NOFILE, &old);
	limit = old;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	CHECK(limit.rlim_cur > 2 * MANY + 100);
	if (passed) {
		check_flat();
		check_many(EPOLLET);
		check_many(0);
	}
	setrlimit(RLIMIT_NOFILE, &old);
}

void test_ring_eventfd(void)
{
	int event = eventfd(0, EFD_NONBLOCK), room = eventfd(0, EFD_NONBLOCK);
	struct ipcdev_ring out, in;
	eventfd_t times;
	char data[8];

	make_pair(&out, &in);
	CHECK(!ipcdev_attach(in.fd, event, IPCDEV_EVENT_READABLE |
			     IPCDEV_EVENT_HANGUP, 0));
	FAILS(eventfd_read(event, &times), EAGAIN);
	FAILS(ipcdev_attach(in.fd, room, IPCDEV_EVENT_WRITABLE, 0), EACCES);
	for (int i = 0; i < 3; i++) {
		CHECK(!ipcdev_ring_push(&out, "x", 1));
		CHECK(!ipcdev_ring_push(&out, "y", 1));
		/* The second needs no event: the first is still there. */
		CHECK(!eventfd_read(event, &times) && times == 1);
		CHECK(ipcdev_ring_pop(&in, data, 8) == 1);
		CHECK(ipcdev_ring_pop(&in, data, 8) == 1);
	}
	fill_up(&out);
	CHECK(!ipcdev_attach(out.fd, room, IPCDEV_EVENT_WRITABLE |
			     IPCDEV_EVENT_HANGUP, 0));
	FAILS(eventfd_read(room, &times), EAGAIN);
	while (eventfd_read(room, &times))
		CHECK(ipcdev_ring_pop(&in, data, 8) == 8);
	CHECK(ipcdev_ring_reserve(&out, out.record_max));
	CHECK(!ipcdev_detach(in.fd, event));
	while (ipcdev_ring_pop(&in, data, 8) == 8)
		;
	eventfd_read(event, &times);
	CHECK(!ipcdev_ring_push(&out, "x", 1));
	FAILS(eventfd_read(event, &times), EAGAIN);
	ipcdev_ring_close(&in);
	CHECK(!eventfd_read(room, &times));
	ipcdev_ring_close(&out);
	close(event);
	close(room);
}

/* With all system calls forbidden but exit(2), read(2) and write(2). */
static void pass_in_silence(int fd)
{
	struct ipcdev_ring out, in;
	bool right = true;
	uint64_t n, back;
	size_t len;

	take(&out, fd, WRITE);
	take(&in, fd, READ);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return;
	for (n = 0; n < 10000; n++) {
		right &= !ipcdev_ring_push(&out, &n, sizeof(n));
		right &= !ipcdev_ring_send(&out, &n, sizeof(n), NULL);
		right &= ipcdev_ring_pop(&in, &back, sizeof(back)) == sizeof(n);
		right &= back == n && !ipcdev_ring_wait(&in, 0, NULL);
		right &= !!ipcdev_ring_peek(&in, &len);
		ipcdev_ring_release(&in);
		right &= !ipcdev_ring_peek(&in, &len) && errno == EAGAIN;
	}
	while (!ipcdev_ring_push(&out, &n, sizeof(n)))
		;
	right &= errno == EAGAIN;
	/* exit(3) uses another, which is forbidden too. */
	syscall(SYS_exit, !right);
}

void test_ring_quiet(void)
{
	int fd = make_ring(0);
	struct ipcdev_ring out, in;
	unsigned int before;
	uint64_t n;

	finish(start_with(pass_in_silence, fd));
	close(fd);
	make_pair(&out, &in);
	before = ioctls_on(out.fd) + ioctls_on(in.fd);
	for (n = 0; n < 1000; n++) {
		CHECK(!ipcdev_ring_send(&out, &n, sizeof(n), NULL));
		CHECK(ipcdev_ring_recv(&in, &n, sizeof(n), NULL) == sizeof(n));
	}
	CHECK(ioctls_on(out.fd) + ioctls_on(in.fd) == before);
	close_pair(&out, &in);
}

/* What the other side may not do to its index and its records, one by one. */
static struct raw fickle;

/* There is a record for the kernel, and none for the library. */
static void flicker(int fd, bool before)
{
	(void)fd;
	*fickle.own = before ? 8 : 0;
}

/* A producer that takes back what it has woken its consumer for keeps it for no longer. */
static void check_fickle(void)
{
	struct ipcdev_deadline deadline;
	struct ipcdev_ring ring;
	int fd = make_ring(0);
	size_t len;

	take_raw(&fickle, fd, WRITE);
	take(&ring, fd, READ);
	around_ioctl = flicker;
	for (int spin = 0; spin < 2; spin++) {
		ipcdev_ring_set_spin(&ring, spin);
		ipcdev_deadline_in(&deadline, SECOND / 50);
		FAILS(ipcdev_ring_wait(&ring, 0, &deadline), ETIMEDOUT);
		ipcdev_deadline_in(&deadline, SECOND / 50);
		NO_MAP(ipcdev_ring_await_record(&ring, &len, &deadline), ETIMEDOUT);
	}
	around_ioctl = NULL;
	ipcdev_ring_close(&ring);
	close_raw(&fickle);
	close(fd);

	/* A consumer that takes back room: its index is 0, for us, when that is looked at. */
	fd = make_ring(0);
	take_raw(&fickle, fd, READ);
	take(&ring, fd, WRITE);
	fill_up(&ring);
	around_ioctl = flicker;
	ipcdev_ring_set_spin(&ring, 0);
	ipcdev_deadline_in(&deadline, SECOND / 50);
	NO_MAP(ipcdev_ring_await_room(&ring, 0, &deadline), ETIMEDOUT);
	around_ioctl = NULL;
	ipcdev_ring_close(&ring);
	close_raw(&fickle);
	close(fd);
}

void test_ring_nonsense(void)
{
	/* Where nothing has been pushed. A consumer may be behind, but not ahead. */
	const uint32_t bad_producers[] = {
		4, 1, (uint32_t)-8, 0x80000000, PAGE + 8, (uint32_t)-PAGE,
	};
	const uint32_t bad_consumers[] = {
		4, 1, 8, 0x80000000, PAGE, (uint32_t)-PAGE - 8,
	};
	uint32_t max = PAGE / 2;
	const uint32_t bad_lens[] = {
		9, 17, max + 1, PAGE, 0x7fffffff, 0x80000000, 0xfffffff8,
		0xffffffff,
	};
	struct ipcdev_ring ring, other;
	struct raw raw;
	unsigned char data[PAGE];
	size_t len;
	int fd;

	for (size_t i = 0; i < sizeof(bad_producers) / 4; i++) {
		fd = make_ring(0);
		take_raw(&raw, fd, WRITE);
		take(&ring, fd, READ);
		*raw.own = bad_producers[i];
		NO_MAP(ipcdev_ring_peek(&ring, &len), EBADMSG);
		FAILS(ipcdev_ring_pop(&ring, data, PAGE), EBADMSG);
		FAILS(ipcdev_ring_wait(&ring, 0, NULL), EBADMSG);
		FAILS(ipcdev_ring_recv(&ring, data, PAGE, NULL), EBADMSG);
		NO_MAP(ipcdev_ring_await_record(&ring, &len, NULL), EBADMSG);
		ipcdev_ring_release(&ring);
		CHECK(*raw.peer == 0);
		ipcdev_ring_close(&ring);
		close_raw(&raw);
		close(fd);

		fd = make_ring(0);
		take_raw(&raw, fd, READ);
		take(&ring, fd, WRITE);
		*raw.own = bad_consumers[i];
		NO_MAP(ipcdev_ring_reserve(&ring, 0), EBADMSG);
		FAILS(ipcdev_ring_push(&ring, data, 8), EBADMSG);
		FAILS(ipcdev_ring_wait(&ring, 0, NULL), EBADMSG);
		FAILS(ipcdev_ring_send(&ring, data, 8, NULL), EBADMSG);
		NO_MAP(ipcdev_ring_await_room(&ring, 8, NULL), EBADMSG);
		ipcdev_ring_close(&ring);
		close_raw(&raw);
		close(fd);
	}

	/* 16 bytes are said to be there. */
	fd = make_ring(0);
	take_raw(&raw, fd, WRITE);
	take(&ring, fd, READ);
	*raw.own = HEAD + 8;
	for (size_t i = 0; i < sizeof(bad_lens) / sizeof(*bad_lens); i++) {
		memcpy(raw.data, &bad_lens[i], 4);
		NO_MAP(ipcdev_ring_peek(&ring, &len), EBADMSG);
		FAILS(ipcdev_ring_pop(&ring, data, max), EBADMSG);
		ipcdev_ring_release(&ring);
		CHECK(*raw.peer == 0);
	}
	memset(raw.data, 0, 4);
	CHECK(ipcdev_ring_pop(&ring, data, PAGE) == 0);
	/* What is left is too short for more than an empty record. */
	raw.data[8] = 1;
	FAILS(ipcdev_ring_pop(&ring, data, PAGE), EBADMSG);
	/* Back, if only to where we are. */
	*raw.own = HEAD;
	FAILS(ipcdev_ring_wait(&ring, 0, NULL), EBADMSG);
	ipcdev_ring_close(&ring);
	close_raw(&raw);
	close(fd);

	/* Longer than a record may be is nonsense also where there is as much. */
	fd = make_ring(0);
	take_raw(&raw, fd, WRITE);
	take(&ring, fd, READ);
	len = max + 1;
	memcpy(raw.data, &len, 4);
	*raw.own = PAGE;
	NO_MAP(ipcdev_ring_peek(&ring, &len), EBADMSG);
	FAILS(ipcdev_ring_pop(&ring, data, max), EBADMSG);
	FAILS(ipcdev_ring_pop(&ring, data, PAGE), EBADMSG);
	FAILS(ipcdev_ring_recv(&ring, data, PAGE, NULL), EBADMSG);
	ipcdev_ring_close(&ring);
	close_raw(&raw);
	close(fd);

	/* What a predecessor has left is not trusted either. */
	fd = make_ring_at(4, 4);
	FAILS(ipcdev_ring_open(&ring, fd, READ), EBADMSG);
	FAILS(ipcdev_ring_open(&ring, fd, WRITE), EBADMSG);
	close(fd);
	fd = make_ring_at(0, PAGE + 8);
	take(&ring, fd, READ);
	FAILS(ipcdev_ring_pop(&ring, data, PAGE), EBADMSG);
	take(&other, fd, WRITE);
	FAILS(ipcdev_ring_push(&other, data, 1), EBADMSG);
	close_pair(&other, &ring);
	close(fd);

	check_fickle();
}

/* Scribbles over all that it may, and now and then says what is plausible. */
static void scribble(int fd, uint32_t role)
{
	static const uint32_t evil[] = {
		0, 1, 4, 7, 8, 16, 0x7fffffff, 0x80000000, 0xfffffff8,
		0xffffffff,
	};
	struct ipcdev_ring_signal signal = { 0 };
	uint32_t seed = 77, value, at;
	struct raw raw;

	take_raw(&raw, fd, role);
	for (uint32_t i = 0;; i++) {
		if (i % 32 == 0)
			sched_yield();
		value = draw(&seed) % 3 ? evil[draw(&seed) % 10] :
			draw(&seed) * 0x10001;
		at = __atomic_load_n(raw.peer, __ATOMIC_RELAXED);
		switch (draw(&seed) % 8) {
		case 0:
			__atomic_store_n(raw.own, value, __ATOMIC_RELAXED);
			break;
		case 1:
			__atomic_store_n(raw.own, at + value, __ATOMIC_RELAXED);
			break;
		case 2:
		case 3:
			value = draw(&seed) % (2 * raw.size) & ~7U;
			__atomic_store_n(raw.own, role == WRITE ? at + value :
					 at - value, __ATOMIC_RELAXED);
			break;
		case 4:
			if (draw(&seed) % 16 == 0)
				ioctl(raw.end, IPCDEV_IOC_RING_SIGNAL, &signal);
			break;
		default:
			if (role != WRITE)
				break;
			if (draw(&seed) % 2)
				value = draw(&seed) % (raw.size / 2 + 16);
			else if (draw(&seed) % 2)
				value = draw(&seed) % (4 * raw.size);
			/* Where the next record is read, or anywhere. */
			at = draw(&seed) % 2 ? at : draw(&seed);
			at = at % raw.size & ~7U;
			memcpy(raw.data + at, &value, 4);
		}
	}
}

static void scribble_producer(int fd)
{
	scribble(fd, WRITE);
}

static void scribble_consumer(int fd)
{
	scribble(fd, READ);
}

static bool is_inside(const struct ipcdev_ring *ring, const void *record,
		      size_t len)
{
	const unsigned char *data = record;

	return data >= ring->data + HEAD && len <= ring->record_max &&
	       data + len <= ring->data + 2 * ring->size &&
	       (uintptr_t)data % IPCDEV_RING_ALIGN == 0;
}

/* How often something was said to be no ring any more. */
static unsigned int refused;

/* Of a call that waits, and of one that does not. */
static bool is_error(void)
{
	refused += errno == EBADMSG;
	return errno == EBADMSG || errno == EAGAIN || errno == ETIMEDOUT ||
	       errno == EMSGSIZE;
}

static void consume_hostile(struct ipcdev_ring *in, uint32_t *seed)
{
	/* More than fits into the ring, and its data twice. */
	unsigned char data[4 * PAGE + 16];
	const unsigned char *record;
	uint32_t sum = 0;
	size_t len, size;
	ssize_t got;

	switch (draw(seed) % 4) {
	case 0:
		record = draw(seed) % 2 ? ipcdev_ring_peek(in, &len) :
			ipcdev_ring_await_record(in, &len, &past);
		CHECK(record ? is_inside(in, record, len) : is_error());
		for (size_t i = 0; record && i < len; i++)
			sum += record[i];
		__asm__ volatile("" : : "r"(sum));
		if (draw(seed) % 2)
			ipcdev_ring_consume(in);
		else
			ipcdev_ring_release(in);
		break;
	case 1:
		CHECK(!ipcdev_ring_wait(in, 0, &past) || is_error());
		break;
	default:
		size = draw(seed) % (draw(seed) % 2 ? PAGE : 4 * PAGE);
		memset(data + size, 0x5a, 16);
		got = draw(seed) % 2 ? ipcdev_ring_pop(in, data, size) :
			ipcdev_ring_recv(in, data, size, &past);
		CHECK(got < 0 ? is_error() : got <= (ssize_t)size);
		for (int i = 0; i < 16; i++)
			CHECK(data[size + i] == 0x5a);
	}
}

static void produce_hostile(struct ipcdev_ring *out, uint32_t *seed)
{
	size_t len = draw(seed) % (out->record_max + 2);
	unsigned char data[PAGE];
	void *room;

	switch (draw(seed) % 4) {
	case 0:
		room = draw(seed) % 2 ? ipcdev_ring_reserve(out, len) :
			ipcdev_ring_await_room(out, len, &past);
		CHECK(room ? is_inside(out, room, len) : is_error());
		if (!room)
			break;
		memset(room, 1, len);
		ipcdev_ring_append(out, len);
		if (draw(seed) % 2)
			ipcdev_ring_flush(out);
		break;
	case 1:
		CHECK(!ipcdev_ring_wait(out, len, &past) || is_error());
		break;
	case 2:
		CHECK(!ipcdev_ring_push(out, data, len) || is_error());
		break;
	default:
		CHECK(!ipcdev_ring_send(out, data, len, &past) || is_error());
	}
}

static bool is_readable(const void *data)
{
	int fds[2];
	bool readable;

	CHECK(!pipe(fds));
	readable = write(fds[1], data, 1) == 1;
	CHECK(readable || errno == EFAULT);
	close(fds[0]);
	close(fds[1]);
	return readable;
}

/* As take(), and what lies behind the mappings cannot be touched. */
static void take_guarded(struct ipcdev_ring *ring, int fd, unsigned int role)
{
	int end = ipcdev_ring_take(fd, role, 0);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *behind;

	CHECK(end >= 0);
	while (passed) {
		CHECK(!ipcdev_ring_map(ring, end));
		behind = (char *)ring->map + ring->map_size;
		mmap(behind, PAGE, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
		if (!is_readable(behind))
			break;
		/* Something is there: elsewhere, then. */
		munmap(ring->map, ring->map_size);
		mmap(NULL, ring->map_size, PROT_NONE, flags, -1, 0);
	}
}

/* The other side may do what it likes, and nothing is touched beyond the ring. */
void test_ring_hostile(void)
{
	struct ipcdev_ring in, out;
	int from, to, moved, good = 0;
	uint32_t seed = 3;
	pid_t pids[2];

	from = make_ring(0);
	to = make_ring(0);
	pids[0] = start_with(scribble_producer, from);
	pids[1] = start_with(scribble_consumer, to);
	take_guarded(&in, from, READ);
	take_guarded(&out, to, WRITE);
	refused = 0;
	CHECK(!ipcdev_wait_peer(in.fd, late()));
	CHECK(!ipcdev_wait_peer(out.fd, late()));
	ipcdev_ring_set_spin(&in, 10);
	ipcdev_ring_set_spin(&out, 10);
	/* Where others want the processors, more is needed for as much of it. */
	for (int i = 0; (i < 30000 || ((good <= 300 || refused <= 300) && i < 3000000)) &&
	     passed; i++) {
		uint32_t before[] = { in.index, out.index };

		consume_hostile(&in, &seed);
		produce_hostile(&out, &seed);
		if (draw(&seed) % 16 == 0)
			CHECK(!ipcdev_ring_exchange(&out, &in, &past) ||
			      is_error());
		moved = (in.index != before[0]) + (out.index != before[1]);
		good += moved;
		/* Until they have thought of something else. */
		if (!moved)
			sched_yield();
	}
	/* Or it was no test of what comes behind the checks. */
	CHECK(good > 300 && refused > 300);
	printf("# %d steps with hostile sides, %u refused\n", good, refused);
	slay(pids[0]);
	slay(pids[1]);
	CHECK(ipcdev_ring_push(&out, "x", 1) &&
	      (errno == EPIPE || errno == EBADMSG));
	close_pair(&out, &in);
	close(from);
	close(to);
}
