// SPDX-License-Identifier: GPL-2.0
/*
 * The workloads: what the processes of a run do. The first one sets up the
 * links, forks the others and takes the times.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

const char *const workload_names[WORKLOADS] = {
	[ROUNDTRIP]	= "roundtrip",
	[STREAM]	= "stream",
	[FANIN]		= "fanin",
	[FANOUT]	= "fanout",
	[SETUP]		= "setup",
	[WAKEUP]	= "wakeup",
	[TIMER]		= "timer",
	[MEMORY]	= "memory",
};

const char *const workload_about[WORKLOADS] = {
	[ROUNDTRIP]	= "a message and its answer, both sides asleep in between",
	[STREAM]	= "messages one way, as fast as they are received",
	[FANIN]		= "the same from many processes to one, for each message",
	[FANOUT]	= "the same message to many processes, until the last has it",
	[SETUP]		= "make it, attach both sides, and undo all that",
	[WAKEUP]	= "from the send until a sleeping receiver has the message",
	[TIMER]		= "from when a timer is due until its sleeper runs",
	[MEMORY]	= "what it holds, in both directions, while it is idle",
};

/* Turns before anything is measured; for set-up, which is dear, fewer do. */
#define WARM		SLOTS
#define WARM_SETUP	8
/* Bytes that are filled and checked wholly meanwhile, but two messages at least. */
#define FILLED		(256u << 10)

/* Numbers of messages tell their sender, and replies from requests. */
#define SENDER(n)	((uint64_t)(n) << 48)
#define REPLY		0x8000000000000000ull

/**
 * struct act - what a process needs to play its part
 * @common: what all processes of the run share
 * @job: what is measured
 * @links: the links; static, because they are closed after all else
 * @index: which of several parties this is
 * @clock: what reading the clock costs
 */
struct act {
	struct common *common;
	const struct job *job;
	struct link *links;
	unsigned int index;
	uint64_t clock;
};

static void pin(struct act *act, int side)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(act->job->cpu[side], &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(act->common, "sched_setaffinity");
}

static void read_clock(struct act *act)
{
	act->clock = UINT64_MAX;
	for (int i = 0; i < 100; i++) {
		uint64_t begin = now();

		act->clock = MIN(act->clock, now() - begin);
	}
}

static void sample(struct act *act, uint64_t begin, uint64_t end,
		   unsigned int operations)
{
	uint64_t time = end - begin;

	time -= MIN(time, act->clock);
	act->common->samples[act->common->count++] = time / operations;
}

/* A child that fails takes all others with it, lest they wait for it. */
static void check_children(int signal)
{
	int status;

	(void)signal;
	while (waitpid(-1, &status, WNOHANG) > 0) {
		if (status)
			_exit(1);
	}
}

static pid_t spawn(struct act *act, int side, void (*play)(struct act *act))
{
	pid_t parent = getpid();
	pid_t pid;

	signal(SIGCHLD, check_children);
	pid = fork();
	if (pid < 0)
		fail(act->common, "fork");
	if (pid)
		return pid;
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	pin(act, side);
	play(act);
	/* Some would take our end for the end of all. */
	for (;;)
		pause();
}

static void barrier(struct act *act)
{
	pthread_barrier_wait(&act->common->start);
}

static void barrier_of(struct act *act, unsigned int processes)
{
	pthread_barrierattr_t attr;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&act->common->start, &attr, processes);
}

/* Of many senders, each sends its part. */
static unsigned int total(const struct act *act)
{
	unsigned int share = act->job->workload == FANIN ? act->job->parties : 1;

	return WARM + act->job->count / share;
}

/*
 * Whether the messages of that turn are filled and checked wholly. Those that are
 * not copied all are: each lies in memory of its own, which is to be there.
 */
static bool filled(const struct end *end, unsigned int i)
{
	const struct method *method = end->link->method;
	size_t bytes = end->link->size * MAX(method->batch, 1);

	if (method->in_place)
		return i < WARM;
	return i < MIN(WARM, MAX(2, FILLED / MAX(bytes, 1)));
}

/* Composes, sends, receives and checks the messages of a batch. */

static void compose(struct end *end, unsigned int i, uint64_t number)
{
	unsigned int batch = MAX(end->link->method->batch, 1);
	size_t size = end->link->size;

	for (unsigned int k = 0; k < batch; k++) {
		void *data = (char *)end->out + k * size;

		if (filled(end, i))
			fill(data, size, number + i * batch + k);
		else
			stamp(data, size, number + i * batch + k);
	}
}

static void check(struct end *end, unsigned int i, uint64_t number)
{
	unsigned int batch = MAX(end->link->method->batch, 1);
	struct common *common = end->link->common;
	size_t size = end->link->size;

	for (unsigned int k = 0; k < batch; k++) {
		const void *data = (char *)end->in + k * size;

		if (filled(end, i))
			check_fill(common, data, size, number + i * batch + k);
		else
			check_stamp(common, data, size, number + i * batch + k);
	}
}

static void send_it(struct end *end)
{
	if (end->link->method->send(end, end->link->size))
		fail(end->link->common, "send");
}

static void recv_it(struct end *end)
{
	if (end->link->method->recv(end, end->link->size))
		fail(end->link->common, "recv");
}

static void call(struct end *end)
{
	const struct method *method = end->link->method;

	if (!method->call) {
		send_it(end);
		recv_it(end);
	} else if (method->call(end, end->link->size)) {
		fail(end->link->common, "call");
	}
}

static void serve(struct end *end)
{
	const struct method *method = end->link->method;

	if (!method->serve) {
		send_it(end);
		recv_it(end);
	} else if (method->serve(end, end->link->size)) {
		fail(end->link->common, "serve");
	}
}

/* Round trip: one asks, one answers, over and over. */

static void answer(struct act *act)
{
	struct end end;

	end_open(&end, act->links, 1);
	barrier(act);
	recv_it(&end);
	for (unsigned int i = 0;; i++) {
		check(&end, i, 0);
		compose(&end, i, REPLY);
		serve(&end);
	}
}

/*
 * On one processor, who is woken runs at once if he has had less of it than who
 * woke him; otherwise both sides go to sleep and wake up in each round trip. With
 * equal sides it depends on what they did earlier which of these it is, and it
 * changes after some thousand round trips. So the side that asks is made to be the
 * one that has had more, as with a server that has waited for long. Who spins would
 * only yield to his equals.
 */
static void let_peer_preempt(struct act *act)
{
	if (!act->job->instructions || act->job->method->spins)
		return;
	errno = 0;
	if (nice(19) == -1 && errno)
		fail(act->common, "nice");
}

static void roundtrip(struct act *act)
{
	static struct link link;
	struct end end;

	act->links = &link;
	link_open(&link, act->job->method, act->common, act->job->size, false);
	barrier_of(act, 2);
	spawn(act, 1, answer);
	end_open(&end, &link, 0);
	let_peer_preempt(act);
	barrier(act);
	for (unsigned int i = 0; i < total(act); i++) {
		uint64_t begin, then;

		compose(&end, i, 0);
		begin = now();
		call(&end);
		then = now();
		check(&end, i, REPLY);
		if (i >= WARM)
			sample(act, begin, then, 1);
	}
}

/* One for each receiver, unless a message is for all of them anyway. */
static unsigned int fan_links(const struct act *act)
{
	return act->job->method->one_for_all ? 1 : act->job->parties;
}

/*
 * Stream. Where instructions are counted, and then for fan-out as well: one process
 * is all the parties and sends before it receives, so that nobody ever sleeps, and
 * only the method is counted and not the scheduler. Elsewhere one process sends as
 * fast as the other receives, and each repeat is one sample: of a burst, single
 * messages tell when they were fetched, not what they took.
 */
static void pass_alone(struct act *act)
{
	unsigned int batch = MAX(act->job->method->batch, 1);
	unsigned int parties = act->job->parties;
	unsigned int links = fan_links(act);
	struct end from[PARTIES_MAX], to[PARTIES_MAX];
	struct link link[PARTIES_MAX];

	for (unsigned int k = 0; k < links; k++)
		link_open(&link[k], act->job->method, act->common,
			  act->job->size, true);
	for (unsigned int k = 0; k < parties; k++)
		end_open(&to[k], &link[links > 1 ? k : 0], 1);
	for (unsigned int k = 0; k < links; k++)
		end_open(&from[k], &link[k], 0);
	for (unsigned int i = 0; i < total(act); i++) {
		uint64_t begin, then;

		for (unsigned int k = 0; k < links; k++)
			compose(&from[k], i, 0);
		begin = now();
		for (unsigned int k = 0; k < links; k++)
			send_it(&from[k]);
		for (unsigned int k = 0; k < parties; k++)
			recv_it(&to[k]);
		then = now();
		for (unsigned int k = 0; k < parties; k++)
			check(&to[k], i, 0);
		if (i >= WARM)
			sample(act, begin, then, batch);
	}
	for (unsigned int k = 0; k < links; k++)
		end_close(&from[k]);
	for (unsigned int k = 0; k < parties; k++)
		end_close(&to[k]);
	for (unsigned int k = 0; k < links; k++)
		link_close(&link[k]);
}

/* What is not copied must not be changed before it has been looked at. */
static void wait_for_room(struct act *act, unsigned int sent)
{
	if (!act->job->method->in_place)
		return;
	while (sent - act->common->done >= SLOTS / 2)
		sched_yield();
}

#define STREAM_BYTES	(16u << 20)

static unsigned int stream_length(const struct act *act)
{
	unsigned int most = STREAM_BYTES / MAX(act->job->size, 1);

	return WARM + MAX(WARM, MIN(64 * act->job->count, most));
}

static void pour(struct act *act)
{
	struct end end;

	end_open(&end, act->links, 0);
	barrier(act);
	for (unsigned int i = 0; i < stream_length(act); i++) {
		if (i == WARM)
			barrier(act);
		wait_for_room(act, i);
		compose(&end, i, 0);
		send_it(&end);
	}
}

static void stream_apart(struct act *act)
{
	unsigned int length = stream_length(act);
	unsigned int batch = MAX(act->job->method->batch, 1);
	uint64_t begin = 0;
	static struct link link;
	struct end end;

	act->links = &link;
	link_open(&link, act->job->method, act->common, act->job->size, false);
	barrier_of(act, 2);
	spawn(act, 0, pour);
	end_open(&end, &link, 1);
	barrier(act);
	for (unsigned int i = 0; i < length; i++) {
		if (i == WARM) {
			barrier(act);
			begin = now();
		}
		recv_it(&end);
		check(&end, i, 0);
		act->common->done++;
	}
	sample(act, begin, now(), (length - WARM) * batch);
}

static void stream(struct act *act)
{
	if (act->job->instructions || act->job->method->floor)
		pass_alone(act);
	else
		stream_apart(act);
}

/*
 * Fan-in: many send to one, through one link or, if it must be, many. A repeat
 * is one sample here, too.
 */

static void send_many(struct act *act)
{
	bool shared = act->job->method->many_senders;
	struct end end;

	end_open(&end, act->links + (shared ? 0 : act->index), 0);
	barrier(act);
	for (unsigned int i = 0; i < total(act); i++) {
		if (i == WARM)
			barrier(act);
		wait_for_room(act, i);
		compose(&end, i, SENDER(act->index));
		send_it(&end);
	}
}

static void open_links(struct act *act, struct link *links, unsigned int count)
{
	act->links = links;
	for (unsigned int i = 0; i < count; i++)
		link_open(&links[i], act->job->method, act->common,
			  act->job->size, false);
}

/* All that there is; each link's next message is the one after its last. */
static void take(struct act *act, struct end *end, unsigned int *next)
{
	unsigned int from = 0;

	recv_it(end);
	if (act->job->method->many_senders)
		from = read_stamp(end->in) >> 48;
	else
		from = end->link - act->links;
	if (from >= act->job->parties)
		fail(act->common, "a message from nobody");
	check(end, next[from]++, SENDER(from));
}

static void fanin(struct act *act)
{
	unsigned int links = act->job->method->many_senders ? 1 : act->job->parties;
	unsigned int next[PARTIES_MAX] = { 0 };
	unsigned int warm = WARM * act->job->parties;
	unsigned int all = total(act) * act->job->parties;
	struct epoll_event event = { .events = EPOLLIN };
	static struct link link[PARTIES_MAX];
	struct end end[PARTIES_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t begin = 0;

	open_links(act, link, links);
	barrier_of(act, act->job->parties + 1);
	for (act->index = 0; act->index < act->job->parties; act->index++)
		spawn(act, 0, send_many);
	for (unsigned int i = 0; i < links; i++) {
		end_open(&end[i], &link[i], 1);
		event.data.u32 = i;
		if (links > 1 &&
		    epoll_ctl(epoll, EPOLL_CTL_ADD, end[i].fd, &event))
			fail(act->common, "epoll_ctl");
	}
	barrier(act);
	for (unsigned int i = 0; i < all; i++) {
		if (i == warm) {
			barrier(act);
			begin = now();
		}
		event.data.u32 = 0;
		while (links > 1 && epoll_wait(epoll, &event, 1, -1) != 1) {
			if (errno != EINTR)
				fail(act->common, "epoll_wait");
		}
		take(act, &end[event.data.u32], next);
		act->common->done++;
	}
	sample(act, begin, now(), all - warm);
}

/*
 * Fan-out: one sends the same to many, through a link to each. What counts is
 * when the last of them has it; he wakes the sender, in the same way for every
 * method.
 */

static void futex(atomic_uint *word, int op, unsigned int value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void recv_many(struct act *act)
{
	unsigned int parties = act->job->parties;
	struct end end;

	end_open(&end, &act->links[fan_links(act) > 1 ? act->index : 0], 1);
	barrier(act);
	for (unsigned int i = 0; i < total(act); i++) {
		recv_it(&end);
		check(&end, i, 0);
		if (++act->common->done % parties == 0)
			futex(&act->common->done, FUTEX_WAKE, 1);
	}
}

static void fanout_apart(struct act *act)
{
	unsigned int parties = act->job->parties;
	unsigned int links = fan_links(act);
	atomic_uint *done = &act->common->done;
	static struct link link[PARTIES_MAX];
	struct end end[PARTIES_MAX];

	open_links(act, link, links);
	barrier_of(act, parties + 1);
	for (act->index = 0; act->index < parties; act->index++)
		spawn(act, 1, recv_many);
	for (unsigned int i = 0; i < links; i++)
		end_open(&end[i], &link[i], 0);
	barrier(act);
	for (unsigned int i = 0; i < total(act); i++) {
		uint64_t begin, then;
		unsigned int seen;

		for (unsigned int k = 0; k < links; k++)
			compose(&end[k], i, 0);
		begin = now();
		for (unsigned int k = 0; k < links; k++)
			send_it(&end[k]);
		while ((seen = *done) != (i + 1) * parties)
			futex(done, FUTEX_WAIT, seen);
		then = now();
		if (i >= WARM)
			sample(act, begin, then, 1);
	}
}

static void fanout(struct act *act)
{
	if (act->job->instructions)
		pass_alone(act);
	else
		fanout_apart(act);
}

/* Set-up: a link is made, both ends attach, and all is undone. */

static void setup(struct act *act)
{
	for (unsigned int i = 0; i < act->job->count + WARM_SETUP; i++) {
		struct end from, to;
		uint64_t begin = now();
		struct link link;

		link_open(&link, act->job->method, act->common,
			  act->job->size, true);
		end_open(&to, &link, 1);
		end_open(&from, &link, 0);
		end_close(&from);
		end_close(&to);
		link_close(&link);
		if (i >= WARM_SETUP)
			sample(act, begin, now(), 1);
	}
}

/* Wake-up: from when the sender begins until the receiver, asleep, has it. */

static void poke(struct act *act)
{
	struct timespec pause = { .tv_nsec = 200000 };
	struct end end;

	end_open(&end, act->links, 0);
	barrier(act);
	for (unsigned int i = 0; i < total(act); i++) {
		/* Time to fall asleep in, after having said so. */
		do {
			nanosleep(&pause, NULL);
		} while (act->common->armed != i + 1);
		compose(&end, i, 0);
		act->common->sent_ns = now();
		send_it(&end);
	}
}

static void wakeup(struct act *act)
{
	static struct link link;
	struct end end;

	act->links = &link;
	link_open(&link, act->job->method, act->common, act->job->size, false);
	barrier_of(act, 2);
	spawn(act, 0, poke);
	end_open(&end, &link, 1);
	barrier(act);
	for (unsigned int i = 0; i < total(act); i++) {
		uint64_t then;

		act->common->armed++;
		recv_it(&end);
		then = now();
		check(&end, i, 0);
		if (i >= WARM)
			sample(act, act->common->sent_ns, then, 1);
	}
}

/* Timers: from when one is due until who sleeps for it runs. There is no other side. */

#define TIMER_AHEAD	200000

static void timer(struct act *act)
{
	struct link link;
	struct end end;

	link_open(&link, act->job->method, act->common, act->job->size, true);
	end_open(&end, &link, 1);
	for (unsigned int i = 0; i < total(act); i++) {
		uint64_t due = now() + TIMER_AHEAD, then;

		if (act->job->method->arm(&end, due))
			fail(act->common, "arm");
		recv_it(&end);
		then = now();
		errno = 0;
		if (then < due)
			fail(act->common, "it is not due yet");
		if (i >= WARM)
			sample(act, due, then, 1);
	}
	end_close(&end);
	link_close(&link);
}

/*
 * Memory: what a link costs its memory cgroup while nothing lies in it. One
 * message has passed, so that what is made at first use is there.
 */

static uint64_t charged(struct act *act)
{
	struct timespec settle = { .tv_nsec = 50000000 };
	unsigned long long bytes;
	FILE *file;

	/* What earlier processes have freed is taken off with some delay. */
	nanosleep(&settle, NULL);
	file = fopen(CGROUP "/memory.current", "r");
	if (!file || fscanf(file, "%llu", &bytes) != 1)
		fail(act->common, "memory.current");
	fclose(file);
	return bytes;
}

static void memory(struct act *act)
{
	unsigned int count = act->job->count;
	struct link *links = calloc(count + 1, sizeof(*links));
	uint64_t before = 0;

	if (!links)
		fail(act->common, "memory");
	/* The first one takes what is only needed once. */
	for (unsigned int i = 0; i < count + 1; i++) {
		struct end from, to;

		if (i == 1)
			before = charged(act);
		link_open(&links[i], act->job->method, act->common,
			  act->job->size, true);
		end_open(&to, &links[i], 1);
		end_open(&from, &links[i], 0);
		compose(&from, 0, 0);
		send_it(&from);
		recv_it(&to);
		check(&to, 0, 0);
	}
	act->common->samples[0] = (charged(act) - before) / count;
	act->common->count = 1;
	for (unsigned int i = 0; i < count + 1; i++)
		link_close(&links[i]);
}

void do_workload(struct common *common, const struct job *job)
{
	static void (*const plays[WORKLOADS])(struct act *act) = {
		[ROUNDTRIP]	= roundtrip,
		[STREAM]	= stream,
		[FANIN]		= fanin,
		[FANOUT]	= fanout,
		[SETUP]		= setup,
		[WAKEUP]	= wakeup,
		[TIMER]		= timer,
		[MEMORY]	= memory,
	};
	struct act act = { .common = common, .job = job };

	pin(&act, job->workload == ROUNDTRIP || job->workload == FANOUT ? 0 : 1);
	read_clock(&act);
	plays[job->workload](&act);
	common->finished = true;
	signal(SIGCHLD, SIG_DFL);
	close_links();
	_exit(0);
}

const char *unfit(const struct job *job)
{
	const struct method *method = job->method;

	if (method->arm && job->workload != TIMER)
		return "it does nothing but wait for a time";
	if (!method->arm && job->workload == TIMER)
		return "it is no timer";
	if (method->only && !(method->only & ONLY(job->workload)))
		return "makes no sense for it";
	if (method->apart && job->cpu[0] == job->cpu[1])
		return "each side needs a processor of its own";
	if (job->size < method->min)
		return "its messages cannot be that small";
	if (method->empty && job->size)
		return "its messages hold nothing";
	if (method->max && job->size > method->max)
		return "its messages cannot be that large";
	if (job->workload == FANIN && !method->many_senders &&
	    !method->polled && job->parties > 1)
		return "one sender each, and no way to wait for several";
	if (job->workload == FANIN && job->size < sizeof(uint64_t))
		return "its messages cannot tell who sent them";
	if (job->workload == FANOUT && method->to_process)
		return "it reaches a process, not one of its links";
	if (job->workload == FANIN && job->parties > 1 && method->in_place)
		return "its sender must know what has been received";
	if (job->workload == MEMORY && method->in_place)
		return "its user decides how much memory it has";
	return NULL;
}
