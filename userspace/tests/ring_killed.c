// SPDX-License-Identifier: GPL-2.0
/* libipcdev: rings, of which a side is killed at each instruction in turn. */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "test.h"

#include "ring.h"

#define LEN 40

/* One side passes one record, and is killed meanwhile; the other one is to survive that. */
static const struct kind {
	unsigned int victim;
	unsigned int flags;
	/* Whether the survivor sleeps meanwhile, or looks afterwards. */
	bool sleeps;
} kinds[] = {
	{ WRITE, 0, false },
	{ WRITE, IPCDEV_RING_TAKEOVER, true },
	{ READ, IPCDEV_RING_TAKEOVER, false },
	{ READ, 0, true },
};

enum { BEFORE, WITHIN, AFTER };

/* What the processes tell each other. */
static struct shared {
	/* Where the victim is. */
	atomic_uint at;
	/* How many records have come to the survivor, or had room. */
	atomic_uint count;
	/* How many the ring held before. */
	uint32_t held;
} *shared;

static int push(struct ipcdev_ring *out, uint32_t number)
{
	unsigned char data[LEN];

	fill(data, LEN, number);
	return ipcdev_ring_push(out, data, LEN);
}

/* The next record, which must be this one, and whole. */
static bool pop(struct ipcdev_ring *in, uint32_t number)
{
	unsigned char data[LEN];
	ssize_t got = ipcdev_ring_recv(in, data, LEN, late());

	CHECK(got < 0 || (got == LEN && is_filled(data, LEN, number)));
	return got >= 0;
}

/* Waits in vain, but for what the victim had done. */
static void survive_producer(struct ipcdev_ring *in)
{
	while (pop(in, shared->count))
		shared->count++;
	CHECK(errno == EPIPE && shared->count <= 1);
	FAILS(ipcdev_ring_wait(in, 0, late()), EPIPE);
}

static void survive_consumer(struct ipcdev_ring *out)
{
	unsigned char data[LEN];
	bool sent;

	fill(data, LEN, shared->held);
	sent = !ipcdev_ring_send(out, data, LEN, late());
	CHECK(sent || errno == EPIPE);
	shared->count = sent;
	FAILS(ipcdev_ring_send(out, data, LEN, late()), EPIPE);
	FAILS(ipcdev_ring_push(out, data, LEN), EPIPE);
}

static void survive_consumer_asleep(int fd)
{
	struct ipcdev_ring out;

	take(&out, fd, WRITE);
	while (!push(&out, shared->held))
		shared->held++;
	survive_consumer(&out);
}

static void survive_producer_asleep(int fd)
{
	struct ipcdev_ring in;

	take(&in, fd, READ);
	survive_producer(&in);
}

static void stop(void)
{
	CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	raise(SIGSTOP);
	shared->at = WITHIN;
}

static void be_killed_pushing(int fd)
{
	unsigned char data[LEN];
	struct ipcdev_ring out;

	take(&out, fd, WRITE);
	fill(data, LEN, 0);
	stop();
	ipcdev_ring_push(&out, data, LEN);
	shared->at = AFTER;
	pause();
}

static void be_killed_popping(int fd)
{
	unsigned char data[LEN];
	struct ipcdev_ring in;

	take(&in, fd, READ);
	stop();
	ipcdev_ring_pop(&in, data, LEN);
	shared->at = AFTER;
	pause();
}

/* Lets the victim execute one instruction. */
static void step(pid_t victim)
{
	int status;

	CHECK(!ptrace(PTRACE_SINGLESTEP, victim, NULL, NULL));
	CHECK(waitpid(victim, &status, 0) == victim);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
}

/* Until it has executed @steps instructions of what it does, or all of them. */
static void let_go_on(pid_t victim, uint32_t steps)
{
	/* Elsewhere it may never be left, by an instruction that fails when it is stepped. */
	for (int i = 0; shared->at == BEFORE && passed; i++) {
		CHECK(i < 100000);
		step(victim);
	}
	for (; steps && shared->at == WITHIN && passed; steps--)
		step(victim);
}

static pid_t start_victim(const struct kind *kind, int fd)
{
	pid_t pid;
	int status;

	pid = start_with(kind->victim == WRITE ? be_killed_pushing :
			 be_killed_popping, fd);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	return pid;
}

/* Who takes over finds all that has not been received, and goes on. */
static void take_over(const struct kind *kind, int fd)
{
	uint32_t first = kind->victim == READ ? shared->count : 0;
	uint32_t end = shared->held + shared->count;
	struct ipcdev_ring out, in;
	unsigned char data[LEN];

	take(&out, fd, WRITE);
	take(&in, fd, READ);
	if (kind->victim == WRITE) {
		first = end;
		CHECK(!push(&out, end++));
	}
	for (; first < end; first++)
		CHECK(pop(&in, first));
	FAILS(ipcdev_ring_pop(&in, data, LEN), EAGAIN);
	CHECK(!push(&out, end) && pop(&in, end));
	ipcdev_ring_close(&out);
	ipcdev_ring_close(&in);
}

/* Kills after as many instructions; that nothing hangs is for the deadlines to tell. */
static void kill_after(const struct kind *kind, uint32_t steps)
{
	bool reads = kind->victim == WRITE;
	unsigned int role = reads ? READ : WRITE;
	int fd = make_ring(kind->flags);
	struct ipcdev_ring ring;
	pid_t victim, survivor = 0;

	memset(shared, 0, sizeof(*shared));
	if (kind->sleeps) {
		survivor = start_with(reads ? survive_producer_asleep :
				      survive_consumer_asleep, fd);
		/* It sleeps before the other one is there. */
		until_asleep(fd, role);
	} else {
		take(&ring, fd, role);
		while (!reads && !push(&ring, shared->held))
			shared->held++;
	}
	victim = start_victim(kind, fd);
	let_go_on(victim, steps);
	slay(victim);
	if (kind->sleeps) {
		finish(survivor);
	} else {
		reads ? survive_producer(&ring) : survive_consumer(&ring);
		ipcdev_ring_close(&ring);
	}
	if (kind->flags & IPCDEV_RING_TAKEOVER)
		take_over(kind, fd);
	close(fd);
}

/* From so many instructions on until it has ended. Returns with how many it is done. */
static uint32_t kill_at_each(const struct kind *kind, uint32_t first, uint32_t stride)
{
	/* Else a survivor that has been woken may be quicker than the death, or not. */
	bool certain = kind->victim == WRITE || (kind->flags & IPCDEV_RING_TAKEOVER);
	uint32_t steps, before = 0, from = 0;

	for (steps = first; passed; steps += stride) {
		kill_after(kind, steps);
		if (!passed)
			printf("# after %u instructions\n", steps);
		/* Once it is done, it is done. */
		if (certain)
			CHECK(shared->count >= before);
		if (shared->count > before)
			from = steps;
		before = shared->count;
		if (shared->at == AFTER)
			break;
	}
	CHECK(steps >= first + 10);
	if (certain)
		CHECK(from && before == 1);
	printf("# killed while it %s: %u instructions, done after %u\n",
	       kind->victim == WRITE ? "pushes" : "pops", steps, from);
	return from;
}

/*
 * All on one processor: to step is to switch from one process to another and back, which
 * takes longer between two. A stride other than 1 comes to other instructions in each kind.
 */
void test_ring_killed(void)
{
	uint32_t stride = 1, from = 0;
	cpu_set_t all, one;

	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && passed; i++) {
		if (is_slow())
			stride = 7 + i;
		/* Before it is done, it does the same, whether somebody sleeps or not. */
		from = kill_at_each(&kinds[i], kinds[i].sleeps && from > stride ?
				    from - stride : 0, stride);
	}
	munmap(shared, sizeof(*shared));
	CHECK(!sched_setaffinity(0, sizeof(all), &all));
}
