/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipcdev-bench: measures ways for two processes to talk to each other.
 *
 * A way is a struct method, in a file of its own under methods/, and a line in
 * methods.def. What is measured is a workload, which knows methods only
 * through this interface.
 *
 * A link joins side 0, which asks or sends, with side 1, which answers or
 * receives. It is set up in one process, which then forks; each side attaches
 * in the process that plays it. A few workloads play both sides in one process.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/param.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

struct common;

/**
 * struct link - what joins two sides
 * @method: how
 * @common: what all processes of the run share
 * @size: bytes of each message that will be sent
 * @together: both sides are in one process
 * @named: names that setup makes stay until teardown, as they must where a
 *	peer may come later; else they go at once
 * @fd: descriptors, for the method to use as it likes
 * @own: the method's own, @method->link_size bytes, zero at first
 * @next: not for methods
 *
 * Each process has its own copy from the fork on.
 */
struct link {
	const struct method *method;
	struct common *common;
	size_t size;
	bool together;
	bool named;
	int fd[4];
	void *own;
	struct link *next;
};

/**
 * struct end - one side of a link, in the process that plays it
 * @link: the link
 * @side: 0 or 1
 * @out: where the next message to be sent is composed
 * @in: where the last message that was received lies
 * @fd: readable when there is a message, or -1
 * @own: the method's own, @method->end_size bytes, zero at first
 *
 * @out and @in are memory of a batch of messages each, unless the method
 * lets them point elsewhere.
 */
struct end {
	struct link *link;
	int side;
	void *out;
	void *in;
	int fd;
	void *own;
};

enum workload {
	ROUNDTRIP,
	STREAM,
	FANIN,
	FANOUT,
	SETUP,
	WAKEUP,
	TIMER,
	MEMORY,
	WORKLOADS,
};

#define ONLY(workload)	(1u << (workload))

/**
 * struct method - a way for two processes to talk
 * @name: as in the results
 * @about: one line of what it is and does
 * @lacks: the library without which it was built, and cannot be measured
 * @only: ONLY() of the workloads that make sense for it; 0 for all
 * @copies: the kernel copies each message, so that neither side can spoil what
 *	the other has: a peer that ipcdev's queues are compared with
 * @floor: does less than any method must, to compare with
 * @in_place: a message is not copied while it is sent: it must be left alone
 *	for a while, of which SLOTS messages are enough
 * @empty: its messages hold no data
 * @spins: its sides do not sleep, but look again and again
 * @apart: each side needs a processor of its own
 * @heavy: daemons or threads of its own take part, so that each operation is dear
 *	and fewer of them must do
 * @polled: its ends have an fd
 * @to_process: messages are for a process, which cannot tell links apart
 * @many_senders: any number of processes may be side 0 of one link
 * @one_for_all: what side 0 of a link sends goes to each process that is side 1
 * @batch: messages that one send sends and one receive receives; 0 for 1
 * @min: bytes in the smallest message
 * @max: bytes in the largest one; 0 for no limit that it knows
 * @link_size: bytes of struct link's own
 * @end_size: bytes of struct end's own
 * @setup: makes the link. Failing here says that this kernel, or its limits,
 *	do not offer it; skip() tells more than errno can
 * @attach: makes one end ready
 * @send: sends what lies at @out, @len bytes
 * @recv: sleeps for a message of @len bytes and has it at @in
 * @arm: has a message sent to this end at that time of now(), in place of @send; makes
 *	it a method for timers alone; optional
 * @call: sends and receives the reply; optional
 * @serve: replies and receives what comes next; optional
 * @detach: undoes attach; optional
 * @teardown: undoes setup, after whose failure too it is called; optional.
 *	link's fds are closed afterwards in any case
 *
 * All that can fail return 0, or -1 with errno set.
 */
struct method {
	const char *name;
	const char *about;
	const char *lacks;
	unsigned int only;
	bool copies;
	bool floor;
	bool in_place;
	bool empty;
	bool spins;
	bool apart;
	bool heavy;
	bool polled;
	bool to_process;
	bool many_senders;
	bool one_for_all;
	unsigned int batch;
	size_t min;
	size_t max;
	size_t link_size;
	size_t end_size;
	int (*setup)(struct link *link);
	int (*attach)(struct end *end);
	int (*send)(struct end *end, size_t len);
	int (*recv)(struct end *end, size_t len);
	int (*arm)(struct end *end, uint64_t due);
	int (*call)(struct end *end, size_t len);
	int (*serve)(struct end *end, size_t len);
	void (*detach)(struct end *end);
	void (*teardown)(struct link *link);
};

/* What methods that do not copy rotate through. */
#define SLOTS	32

/* What methods have in common: util.c */

/* For "return skip(...)" in setup. */
int skip(struct link *link, const char *format, ...);
/* Who plays that side, once all have attached. */
pid_t peer(const struct end *end);
int write_all(int fd, const void *data, size_t len);
int read_all(int fd, void *data, size_t len);
void *shared_memory(size_t size);
void close_fd(int *fd);
/* The other side's descriptor, which only a fork has given to this process. */
void not_mine(const struct end *end, int *fd);
/* A name that nobody else has: of the link's direction, 0 or 1. */
const char *unique(const struct link *link, const char *prefix, int direction);
uint64_t now(void);

/* Between two looks of who spins. */
static inline void relax(void)
{
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#endif
}

/*
 * Where each direction has its own two descriptors, as a pipe has: fd[0] and
 * fd[1] are what side 1 receives from and what side 0 sends to; fd[2] and
 * fd[3] are the way back.
 */
int pair_attach(struct end *end);

static inline int out_fd(const struct end *end)
{
	return end->link->fd[2 * end->side + 1];
}

/* Where fd[0] and fd[1] are a pair of sockets, one for each side. */
int socket_attach(struct end *end);
int socket_send(struct end *end, size_t len);
int socket_recv(struct end *end, size_t len);
int socket_recv_all(struct end *end, size_t len);
int socket_room(struct link *link);

#endif /* BENCH_H */
