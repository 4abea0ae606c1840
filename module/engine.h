/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Engines, and what carries out their requests.
 *
 * A back end needs what is here, but for what is said to be the core's: that is for
 * engine.c alone.
 */
#ifndef IPCDEV_ENGINE_H
#define IPCDEV_ENGINE_H

#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/mutex.h>

#include "ring.h"

struct ipcdev_backend;
struct ipcdev_engine;
struct ipcdev_job;

/**
 * struct ipcdev_backend_ops - what a back end can do
 * @open: an engine is made: get ready for it. The caller is who makes it. It may set
 *	@engine's private. Returns 0 or an errno, which is what the creation fails
 *	with. Or NULL
 * @close: the engine is done with this back end: undo @open. Comes after @quiesce.
 *	Or NULL
 * @submit: take a job, which is in flight from now on and may be completed before
 *	this returns; or return an errno, and never touch it again. What can be asked
 *	of any request has been checked: the operation is one of the back end's, the
 *	lengths are within its limits, slices lie inside their buffers
 * @commit: a batch of submissions ends: start the work, if @submit has only put it
 *	in line, so that many requests cost one doorbell. Comes after each batch in
 *	which @submit has succeeded at least once. Or NULL
 * @cancel: make a job that is in flight, or was a moment ago, end soon if that is
 *	possible: complete it with -ECANCELED now or later, or let it run its course.
 *	No job is used anew while this runs
 * @quiesce: stop: when this returns, nothing of the device or the back end touches
 *	the memory of the engine's jobs, none of its jobs will be completed by the back
 *	end any more, and no call that completes one is under way. Those that were not
 *	are ended by the caller, with -ECANCELED or, if the back end goes, -ENODEV. Must
 *	end in bounded time, also when the device does not answer or is not there any
 *	more
 *
 * All are called in task context, one at a time for each engine, under its mutex. They
 * may sleep, for a bounded time, and must not touch user memory.
 */
struct ipcdev_backend_ops {
	int (*open)(struct ipcdev_engine *engine);
	void (*close)(struct ipcdev_engine *engine);
	int (*submit)(struct ipcdev_engine *engine, struct ipcdev_job *job);
	void (*commit)(struct ipcdev_engine *engine);
	void (*cancel)(struct ipcdev_engine *engine, struct ipcdev_job *job);
	void (*quiesce)(struct ipcdev_engine *engine);
};

/**
 * struct ipcdev_backend - one device that carries out requests
 * @name: what IPCDEV_IOC_CREATE_ENGINE calls it, "edu-0000:00:04.0": the kind, and
 *	behind a dash which one. The kind alone names it as long as there is one only
 * @ops: what it can do
 * @operations: the operations that it knows: BIT(IPCDEV_OP_NOP) and so on
 * @depth_max: the greatest depth of an engine, or 0 for what the module allows
 * @length_max: the most bytes of a slice, or 0 for any
 * @job_size: bytes that it needs for each job: ipcdev_job_private()
 * @pin: it wants the pages of slices at hand: see &struct ipcdev_slice_ref
 * @node: in the list of all; this and the rest is the core's
 * @engines: those that are made for it
 * @opened: how many, and those being made or ended
 * @gone: there will be no more
 *
 * The driver fills in the fields up to @pin before ipcdev_backend_register(), and keeps
 * the structure until ipcdev_backend_unregister() has returned.
 */
struct ipcdev_backend {
	char name[IPCDEV_BACKEND_NAME_MAX];
	const struct ipcdev_backend_ops *ops;
	u32 operations;
	u32 depth_max;
	u64 length_max;
	u32 job_size;
	bool pin;

	struct list_head node;
	struct list_head engines;
	u32 opened;
	bool gone;
};

/**
 * struct ipcdev_slice_ref - a part of a buffer that a job reads or writes
 * @file: a handle of the buffer, held as long as the job lives; NULL if the operation
 *	has no such slice
 * @offset: where it begins in the buffer, in bytes
 * @length: its bytes, at least 1
 * @pages: if the back end pins: its pages, the first of which is the one that @offset
 *	lies in. They stay where they are until the job has been completed, and are
 *	marked dirty then if the job writes there
 * @nr_pages: how many
 */
struct ipcdev_slice_ref {
	struct file *file;
	u64 offset;
	u64 length;
	struct page **pages;
	u32 nr_pages;
};

/**
 * enum ipcdev_job_state - where a job is
 * @IPCDEV_JOB_FREE: in the list of free ones
 * @IPCDEV_JOB_LOADING: belongs to the thread that submits it
 * @IPCDEV_JOB_ACTIVE: in flight: belongs to the back end
 * @IPCDEV_JOB_DONE: completed; what it holds is about to be released
 */
enum ipcdev_job_state {
	IPCDEV_JOB_FREE,
	IPCDEV_JOB_LOADING,
	IPCDEV_JOB_ACTIVE,
	IPCDEV_JOB_DONE,
};

/**
 * struct ipcdev_job - a request in flight
 * @engine: whose
 * @user_data: the caller's
 * @op: IPCDEV_OP_*
 * @value: the request's, checked; of an absolute TIMER in the initial time namespace
 * @period_ns: TIMER: the request's, or 0
 * @absolute: TIMER: @value is a time of CLOCK_MONOTONIC, not a distance from now
 * @precise: TIMER: the caller has real-time rights
 * @src: what is read
 * @dst: what is written
 * @start_ns: CLOCK_MONOTONIC from which its latency is counted: of its submission. A
 *	back end whose job is meant to end later than at once sets it to that time
 * @number: that of its submission; this and the rest is the core's
 * @next: in the list of free ones; under the ring's lock, and so is @state
 * @state: enum ipcdev_job_state
 * @eventfd: the request's, referenced, or NULL
 * @holds: it has something that only task context can release
 * @rate: how many of the user's timer interrupts a second it is charged for
 * @record: which of the engine's records was its last one of a period, from 1; or 0
 * @missed: periods since then
 * @events: of its eventfd that are due
 * @news: in the engine's list of those with news for an eventfd
 * @waste: in the engine's list of those to be released
 */
struct ipcdev_job {
	struct ipcdev_engine *engine;
	u64 user_data;
	u32 op;
	u64 value;
	u64 period_ns;
	bool absolute;
	bool precise;
	struct ipcdev_slice_ref src;
	struct ipcdev_slice_ref dst;
	u64 start_ns;

	u64 number;
	struct ipcdev_job *next;
	enum ipcdev_job_state state;
	bool holds;
	struct eventfd_ctx *eventfd;
	u32 rate;
	u64 record;
	u64 missed;
	atomic_t events;
	struct llist_node news;
	struct llist_node waste;
};

/**
 * ipcdev_job_private - the back end's memory of a job
 * @job: the job
 *
 * Return: @job_size bytes, aligned as the job is, zeroed when the engine is made and
 * left alone since.
 */
static inline void *ipcdev_job_private(struct ipcdev_job *job)
{
	return job + 1;
}

/**
 * ipcdev_private_job - whose memory that is
 * @private: what ipcdev_job_private() has returned
 *
 * Return: the job.
 */
static inline struct ipcdev_job *ipcdev_private_job(void *private)
{
	return (struct ipcdev_job *)private - 1;
}

/**
 * struct ipcdev_engine - a ring that the kernel fills with completions, and requests
 * @ring: the ring, first of all an object; its lock protects all below that the mutex
 *	does not. The kernel is the one writer, until the back end is gone
 * @private: the back end's
 * @backend: what carries out the requests; NULL once it is gone. Changes under @mutex,
 *	and is there whenever the back end is called
 * @depth: requests in flight and completions that nobody has reaped, at most
 * @feed: what the kernel produces there; this and the rest is the core's
 * @timing: how long its consumer takes
 * @mutex: one at a time calls on the back end
 * @peer: in the list of the back end's engines
 * @name: the back end's
 * @operations: the back end's
 * @length_max: the back end's
 * @pin: the back end's
 * @job_size: bytes of a job with what is the back end's
 * @jobs: @depth of them
 * @free: those that are free
 * @inflight: how many are submitted or being submitted, and not completed
 * @time_offset: what the creator's time namespace adds to CLOCK_MONOTONIC
 * @tell_lock: one at a time signals eventfds
 * @news: jobs with an eventfd that is to be signalled
 * @telling: those of them that are next; under @tell_lock
 * @waste: jobs with something that must be released in task context
 * @release_mutex: one at a time releases
 * @release: does so
 * @room_wq: those who wait for room
 * @drain_wq: those who wait until nothing is in flight
 * @submitted: requests
 * @completed: of these, completed
 * @failed: of these, with an errno
 * @cancelled: of these, with -ECANCELED
 * @records: completions posted
 * @missed: periods of timers without a record of their own
 * @latency: submission to completion; the rest is the ring's
 */
struct ipcdev_engine {
	struct ipcdev_ring ring;
	void *private;
	struct ipcdev_backend *backend;
	u32 depth;

	struct ipcdev_feed feed;
	struct ipcdev_timing timing;
	struct mutex mutex; /* calls on the back end */
	struct list_head peer;
	char name[IPCDEV_BACKEND_NAME_MAX];
	u32 operations;
	u64 length_max;
	bool pin;
	size_t job_size;
	void *jobs;
	struct ipcdev_job *free;
	u32 inflight;
	u64 time_offset;
	spinlock_t tell_lock; /* the events of eventfds */
	struct llist_head news;
	struct llist_node *telling;
	struct llist_head waste;
	struct mutex release_mutex; /* one releases at a time */
	struct work_struct release;
	wait_queue_head_t room_wq;
	wait_queue_head_t drain_wq;
	u64 submitted;
	u64 completed;
	u64 failed;
	u64 cancelled;
	u64 records;
	u64 missed;
	u64 latency[IPCDEV_HISTOGRAM];
};

/**
 * ipcdev_engine_job - one of an engine's jobs
 * @engine: the engine
 * @i: which, less than its depth
 *
 * Return: the job, in whatever state: quiesce() goes through all of them.
 */
static inline struct ipcdev_job *ipcdev_engine_job(struct ipcdev_engine *engine, u32 i)
{
	return engine->jobs + i * engine->job_size;
}

/*
 * engine.c: exported to modules with a GPL licence. Their kernel-doc is there; in short:
 *
 * register (task context; may sleep): engines can be made for it at once. -EINVAL,
 * -EEXIST for a name in use. unregister (task context; sleeps): fails what is in flight
 * with -ENODEV, and when it returns, no engine calls the back end any more: its module
 * may go, also in mid-work. Engines hold no reference to it.
 *
 * complete (any context but NMI): ends a job that is in flight, exactly once, unless
 * quiesce() has returned; the job is not the back end's from then on, and may be
 * submitted anew on another CPU at once. Never fails, never sleeps. It calls nothing of
 * the back end's, which may hold its own raw locks, those that @submit and @cancel take
 * among them: with interrupts off, as ever, wherever its interrupt takes them.
 *
 * tick (any context but NMI): a period of a job that goes on has ended, or @periods of
 * them.
 *
 * read and write (any context; pinned slices only): copy @len bytes at @at of the slice.
 */
int ipcdev_backend_register(struct ipcdev_backend *be);
void ipcdev_backend_unregister(struct ipcdev_backend *be);

void ipcdev_job_complete(struct ipcdev_job *job, s64 result);
void ipcdev_job_tick(struct ipcdev_job *job, u64 periods);
void ipcdev_slice_read(const struct ipcdev_slice_ref *slice, u64 at, void *to, size_t len);
void ipcdev_slice_write(const struct ipcdev_slice_ref *slice, u64 at, const void *from,
			size_t len);

/**
 * ipcdev_job_active - whether a job is with the back end
 * @job: the job
 *
 * Under the engine's mutex it may stop being that, and no other one begins to be. The
 * core's: a back end knows what it has.
 */
static inline bool ipcdev_job_active(const struct ipcdev_job *job)
{
	return READ_ONCE(job->state) == IPCDEV_JOB_ACTIVE;
}

#endif
