// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: engine
 *
 * An engine is a ring whose producer is the kernel, with requests: what process asks
 * for is carried out by a back end, and the record that says so is put into the ring in
 * the interrupt that ends it.
 *
 * All memory that a request needs is there when the engine is made. A *job* is what a
 * request becomes; there are as many as the engine is deep. It is
 *
 * - *free*, or
 * - *loading*: a thread has reserved it, and checks and takes what the request names:
 *   this is all that may sleep for long or touch user memory, and no lock is held, or
 * - *active*: with the back end, until that completes it, in whatever context, or
 * - *done*: its record is in the ring, and what it held is released in task context.
 *
 * A request is admitted if those in flight and the completions that the consumer has
 * not reaped are fewer than the depth. The consumer says what it has reaped by its word
 * in the ring, which may be a lie: then it harms itself, since nothing else follows from
 * it. The data have room for twice the depth of records, because a timer with a period
 * may have two there, one of a period and its last one: so there always is room for the
 * records of what is in flight, and to complete can neither fail nor lose.
 *
 * Back ends come and go. An engine refers to its back end under its mutex, and what goes
 * takes that of each of its engines, stops, fails what is in flight, and is forgotten.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "engine.h"
#include "trace.h"

#define RECORD_SIZE	(sizeof(struct ipcdev_ring_record) + sizeof(struct ipcdev_completion))

/* However deep the administrator allows: the ring must hold twice as many records. */
#define DEPTH_LIMIT	(IPCDEV_RING_SIZE_MAX / (2 * RECORD_SIZE))

/* In a job's count of events for its eventfd: there will be no more of them. */
#define LAST_EVENT	0x40000000

/* How many eventfds are signalled in one go, with interrupts disabled. */
#define TELL_BATCH	32

static LIST_HEAD(backends);
static DEFINE_MUTEX(backends_mutex); /* the back ends, and their lists of engines */
static DECLARE_WAIT_QUEUE_HEAD(backends_idle);

static struct ipcdev_engine *to_engine(struct ipcdev_object *obj)
{
	return container_of(to_ring(obj), struct ipcdev_engine, ring);
}

/* The consumer's index as it says; what that leaves unread may be nonsense. */
static u32 unread(const struct ipcdev_engine *engine)
{
	return engine->feed.head - READ_ONCE(*engine->ring.consumer.index);
}

/* What follows happens where jobs end: in any context. */

static void tell_eventfd(struct ipcdev_engine *engine, struct ipcdev_job *job, int event)
{
	/* It is in the list already if it has events that were not signalled. */
	if (!atomic_fetch_add(event, &job->events))
		llist_add(&job->news, &engine->news);
}

/* Whether a job holds what only task context can release. */
static bool holds(const struct ipcdev_job *job)
{
	return job->src.file || job->dst.file || job->eventfd || job->rate;
}

static void set_free(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	lockdep_assert_held(&engine->ring.lock);
	job->state = IPCDEV_JOB_FREE;
	job->next = engine->free;
	engine->free = job;
}

/* All that it has is set one by one: to zero it first would be half of the work. */
static_assert(sizeof(struct ipcdev_completion) == 56);

static __always_inline struct task_struct *put_completion(struct ipcdev_engine *engine,
							  struct ipcdev_job *job, s64 result,
							  u32 flags, u64 now, u64 cycles)
{
	struct ipcdev_completion *completion;
	struct task_struct *task;

	completion = ipcdev_feed_reserve(&engine->feed, sizeof(*completion));
	completion->user_data = job->user_data;
	completion->result = result;
	completion->time_ns = now + engine->time_offset;
	completion->op = job->op;
	completion->flags = flags;
	completion->missed = job->missed;
	completion->reserved[0] = 0;
	completion->reserved[1] = 0;
	task = ipcdev_feed_commit(&engine->feed, sizeof(*completion));
	if (task) {
		WRITE_ONCE(engine->timing.put_at, cycles);
		WRITE_ONCE(engine->timing.put_ns, now);
	}
	job->missed = 0;
	engine->records++;
	/* What was cancelled has not come to where its time would have ended. */
	if (result != -ECANCELED)
		ipcdev_histogram_count(engine->latency, max_t(s64, now - job->start_ns, 0));
	trace_ipcdev_complete(&engine->ring.obj, job, result);
	return task;
}

static void count_result(struct ipcdev_engine *engine, s64 result)
{
	lockdep_assert_held(&engine->ring.lock);
	WRITE_ONCE(engine->completed, engine->completed + 1);
	if (likely(result >= 0))
		return;
	if (result == -ECANCELED)
		engine->cancelled++;
	else
		engine->failed++;
}

/*
 * A job has ended and holds what must be released, which whoever tells of its last event
 * sees to if it has an eventfd. Returns whether that is so.
 */
static noinline bool leave_held(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	/* In a list it may be unloaded at any moment, without our lock. */
	bool tells = job->eventfd;

	lockdep_assert_held(&engine->ring.lock);
	job->state = IPCDEV_JOB_DONE;
	if (tells)
		tell_eventfd(engine, job, LAST_EVENT + 1);
	else
		llist_add(&job->waste, &engine->waste);
	return tells;
}

/**
 * ipcdev_job_complete - a job has ended
 * @job: active; not the caller's any more, and perhaps soon active again
 * @result: for the &struct ipcdev_completion: 0 or more, or an errno below zero
 *
 * The memory of its slices will not be touched any more.
 *
 * Context: any but NMI; also with the back end's own raw locks held, those that submit()
 * takes among them, if interrupts are off wherever its interrupt takes them.
 */
void ipcdev_job_complete(struct ipcdev_job *job, s64 result)
{
	struct ipcdev_engine *engine = job->engine;
	bool tell, release = false;
	struct task_struct *task;
	unsigned long flags;
	u64 now, cycles;

	ipcdev_assert_not_nmi();
	/* Whoever sees the completion may seal what was written. */
	if (job->dst.file)
		ipcdev_buffer_write_end(job->dst.file);
	now = ktime_get_ns();
	cycles = ipcdev_cycles();
	preempt_disable();
	raw_spin_lock_irqsave(&engine->ring.lock, flags);
	WARN_ON_ONCE(job->state != IPCDEV_JOB_ACTIVE);
	task = put_completion(engine, job, result, 0, now, cycles);
	count_result(engine, result);
	WRITE_ONCE(engine->inflight, engine->inflight - 1);
	/* Who drains is in the wait queue before it asks for that under the lock. */
	tell = !engine->inflight && waitqueue_active(&engine->drain_wq);
	if (likely(!job->holds)) {
		set_free(engine, job);
	} else {
		release = !leave_held(engine, job);
		tell |= !release;
	}
	raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
	tell |= ipcdev_feed_wake(&engine->feed, task);
	if (unlikely(tell))
		ipcdev_feed_tell(&engine->feed);
	if (unlikely(release))
		queue_work(system_dfl_wq, &engine->release);
	preempt_enable();
}
EXPORT_SYMBOL_GPL(ipcdev_job_complete);

/*
 * Whether the last record of a period is in the ring yet. That may have been long ago,
 * and the ring's index have gone round since: so what counts is its number.
 */
static bool unreaped(const struct ipcdev_engine *engine, const struct ipcdev_job *job)
{
	return job->record + unread(engine) / RECORD_SIZE > engine->records;
}

/**
 * ipcdev_job_tick - a period of a job has ended, and another one begins
 * @job: active
 * @periods: how many have, if the news came late; at least 1
 *
 * There is a record of it, unless the one before it is still to be reaped: then it is
 * missed, and counted.
 *
 * Context: any but NMI; as ipcdev_job_complete(), but for that the job goes on.
 */
void ipcdev_job_tick(struct ipcdev_job *job, u64 periods)
{
	struct ipcdev_engine *engine = job->engine;
	struct task_struct *task = NULL;
	u64 now = ktime_get_ns(), cycles = ipcdev_cycles();
	unsigned long flags;
	bool tell;

	ipcdev_assert_not_nmi();
	preempt_disable();
	raw_spin_lock_irqsave(&engine->ring.lock, flags);
	WARN_ON_ONCE(job->state != IPCDEV_JOB_ACTIVE);
	tell = !unreaped(engine, job);
	if (!tell) {
		job->missed += periods;
		engine->missed += periods;
	} else {
		job->missed += periods - 1;
		engine->missed += periods - 1;
		task = put_completion(engine, job, 0, IPCDEV_COMPLETION_MORE, now, cycles);
		job->record = engine->records;
		if (job->eventfd)
			tell_eventfd(engine, job, 1);
	}
	raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
	if (tell && (ipcdev_feed_wake(&engine->feed, task) || job->eventfd))
		ipcdev_feed_tell(&engine->feed);
	preempt_enable();
}
EXPORT_SYMBOL_GPL(ipcdev_job_tick);

/*
 * Signal the eventfds of some jobs with news. Several may come here at a time; the lock
 * keeps the last event of an eventfd behind those that are being signalled. Returns
 * whether there is more.
 */
static bool tell_news(struct ipcdev_engine *engine)
{
	unsigned int left = TELL_BATCH;
	struct ipcdev_job *job;
	unsigned long flags;
	bool more;
	int events;

	spin_lock_irqsave(&engine->tell_lock, flags);
	if (!engine->telling)
		engine->telling = llist_del_all(&engine->news);
	for (; engine->telling && left; left--) {
		job = llist_entry(engine->telling, struct ipcdev_job, news);
		engine->telling = engine->telling->next;
		/* From here on it may be in the list again, unless this was the last. */
		events = atomic_xchg(&job->events, 0);
		ipcdev_eventfd_add(job->eventfd, events & ~LAST_EVENT);
		if (events & LAST_EVENT)
			llist_add(&job->waste, &engine->waste);
	}
	more = engine->telling || !llist_empty(&engine->news);
	spin_unlock_irqrestore(&engine->tell_lock, flags);
	return more;
}

/* The news of the interrupts before this: in the same one, or on PREEMPT_RT in a thread. */
static void engine_tell(struct ipcdev_feed *feed)
{
	struct ipcdev_engine *engine = container_of(feed, struct ipcdev_engine, feed);

	if (tell_news(engine))
		ipcdev_feed_tell(feed);
	ipcdev_notify(&engine->ring.obj, EPOLLIN);
	if (wq_has_sleeper(&engine->drain_wq))
		wake_up(&engine->drain_wq);
	if (!llist_empty(&engine->waste))
		queue_work(system_dfl_wq, &engine->release);
}

/* What follows happens in task context. */

static void unpin(struct ipcdev_slice_ref *slice, bool dirty)
{
	while (slice->nr_pages) {
		struct page *page = slice->pages[--slice->nr_pages];

		if (dirty)
			set_page_dirty_lock(page);
		put_page(page);
	}
	kvfree(slice->pages);
	slice->pages = NULL;
}

/* Let go of all that a job holds. Writing has ended. */
static void job_unload(struct ipcdev_job *job)
{
	unpin(&job->src, false);
	unpin(&job->dst, true);
	if (job->src.file)
		fput(job->src.file);
	if (job->dst.file)
		fput(job->dst.file);
	if (job->eventfd)
		eventfd_ctx_put(job->eventfd);
	if (job->rate)
		ipcdev_uncharge(job->engine->ring.obj.account, IPCDEV_TIMER_RATE, job->rate);
	memset(&job->src, 0, sizeof(job->src));
	memset(&job->dst, 0, sizeof(job->dst));
	job->eventfd = NULL;
	job->rate = 0;
}

static void release_waste(struct ipcdev_engine *engine)
{
	struct ipcdev_job *job, *next;
	unsigned long flags;

	mutex_lock(&engine->release_mutex);
	llist_for_each_entry_safe(job, next, llist_del_all(&engine->waste), waste) {
		job_unload(job);
		raw_spin_lock_irqsave(&engine->ring.lock, flags);
		set_free(engine, job);
		raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
	}
	mutex_unlock(&engine->release_mutex);
}

static void release_work(struct work_struct *work)
{
	release_waste(container_of(work, struct ipcdev_engine, release));
}

/*
 * All that was completed by now is free: it was in one of the lists when that was seen.
 * Who waits for the irq_work instead would wait for what it may itself have preempted.
 */
static void release_now(struct ipcdev_engine *engine)
{
	while (tell_news(engine))
		cond_resched();
	release_waste(engine);
}

/* Those who wait for room look again whether there is any. */
static void wake_submitters(struct ipcdev_engine *engine)
{
	if (wq_has_sleeper(&engine->room_wq))
		wake_up(&engine->room_wq);
	ipcdev_notify(&engine->ring.obj, EPOLLOUT);
}

/* Have the consumer tell when there is room for one more. Whether there is by now. */
static bool ask_for_room(struct ipcdev_engine *engine)
{
	u32 over = engine->inflight + 1 - engine->depth;

	return ipcdev_feed_ask(&engine->feed, engine->feed.head + (u32)RECORD_SIZE * over);
}

/*
 * Whether a request is admitted: 0. Else -EAGAIN, and the consumer is asked to tell when
 * it has come far enough, or why it never will be.
 */
static int admit(struct ipcdev_engine *engine)
{
	struct ipcdev_ring *ring = &engine->ring;
	bool gone = READ_ONCE(ring->consumer.words->state) & IPCDEV_RING_GONE;
	u32 used = unread(engine);

	lockdep_assert_held(&ring->lock);
	/* What there is room for, a successor will find. */
	if (gone && !(ring->flags & IPCDEV_RING_TAKEOVER))
		return -EPIPE;
	if (used > ring->size || used % RECORD_SIZE)
		return -EBADMSG;
	if (engine->inflight + used / RECORD_SIZE < engine->depth)
		return 0;
	if (gone)
		return -EPIPE;
	/*
	 * Not only for those who sleep. A poller may have asked long ago, and waits for
	 * an edge: that comes if there was no room since, which is seen here.
	 */
	return ask_for_room(engine) ? 0 : -EAGAIN;
}

/*
 * The last place has been taken, and somebody polls: who counts what it submits never
 * tries in vain, and waits for an edge all the same. Whether that has come meanwhile.
 */
static bool filled_and_emptied(struct ipcdev_engine *engine)
{
	lockdep_assert_held(&engine->ring.lock);
	return (engine->ring.producer.words->state & IPCDEV_RING_WATCHED) &&
	       engine->inflight + unread(engine) / RECORD_SIZE >= engine->depth &&
	       ask_for_room(engine);
}

/* A job for a request, if there is room. */
static int reserve(struct ipcdev_engine *engine, struct ipcdev_job **job)
{
	bool news = false;
	unsigned long flags;
	int ret;

	for (;;) {
		raw_spin_lock_irqsave(&engine->ring.lock, flags);
		ret = admit(engine);
		*job = ret ? NULL : engine->free;
		if (*job) {
			(*job)->state = IPCDEV_JOB_LOADING;
			engine->free = (*job)->next;
			WRITE_ONCE(engine->inflight, engine->inflight + 1);
			news = filled_and_emptied(engine);
		}
		raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
		if (news)
			ipcdev_notify(&engine->ring.obj, EPOLLOUT);
		if (ret || *job)
			return ret;
		/* There is one that has ended and not been released yet. */
		release_now(engine);
	}
}

/* Nothing becomes of a job that was reserved. */
static void unreserve(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	unsigned long flags;

	job_unload(job);
	raw_spin_lock_irqsave(&engine->ring.lock, flags);
	set_free(engine, job);
	WRITE_ONCE(engine->inflight, engine->inflight - 1);
	raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
	wake_submitters(engine);
	if (wq_has_sleeper(&engine->drain_wq))
		wake_up(&engine->drain_wq);
}

static int look_for_room(struct ipcdev_engine *engine)
{
	unsigned long flags;
	int ret;

	if (!READ_ONCE(engine->backend))
		return -ENODEV;
	raw_spin_lock_irqsave(&engine->ring.lock, flags);
	ret = admit(engine);
	if (ret == -EAGAIN)
		WRITE_ONCE(engine->ring.producer.waits, engine->ring.producer.waits + 1);
	raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
	return ret;
}

static int wait_for_room(struct ipcdev_engine *engine, const struct ipcdev_deadline *deadline)
{
	DEFINE_WAIT(wait);
	int ret = 0, room;

	if (deadline->nonblock)
		return -EAGAIN;
	for (;;) {
		prepare_to_wait(&engine->room_wq, &wait, TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		room = look_for_room(engine);
		if (room != -EAGAIN || ret)
			break;
		trace_ipcdev_sleep(&engine->ring.obj, true, 0);
		ret = ipcdev_sleep(deadline);
		trace_ipcdev_wake(&engine->ring.obj, true, ret);
	}
	finish_wait(&engine->room_wq, &wait);
	return room == -EAGAIN && ret ? ret : room;
}

static int check_slices(const struct ipcdev_engine_request *req, bool src, bool dst, u64 length_max)
{
	static const struct ipcdev_slice none;

	if (!src && memcmp(&req->src, &none, sizeof(none)))
		return -EINVAL;
	if (!dst && memcmp(&req->dst, &none, sizeof(none)))
		return -EINVAL;
	if (src && dst && req->src.length != req->dst.length)
		return -EINVAL;
	if (length_max && (req->src.length > length_max || req->dst.length > length_max))
		return -EINVAL;
	return 0;
}

/* What needs no look at what the request names. */
static int check_request(const struct ipcdev_engine *engine,
			 const struct ipcdev_engine_request *req)
{
	bool timer = req->op == IPCDEV_OP_TIMER, src = false, dst = false;
	u64 value_max = 0;

	if (!req->op || req->op > IPCDEV_OP_FACTORIAL || req->reserved)
		return -EINVAL;
	if (req->flags & ~(IPCDEV_REQUEST_EVENTFD | (timer ? IPCDEV_REQUEST_ABSOLUTE : 0)))
		return -EINVAL;
	if (req->eventfd && !(req->flags & IPCDEV_REQUEST_EVENTFD))
		return -EINVAL;
	switch (req->op) {
	case IPCDEV_OP_TIMER:
		value_max = KTIME_MAX;
		break;
	case IPCDEV_OP_COPY:
		src = true;
		dst = true;
		break;
	case IPCDEV_OP_FILL:
		dst = true;
		value_max = U8_MAX;
		break;
	case IPCDEV_OP_CRC32:
		src = true;
		break;
	case IPCDEV_OP_FACTORIAL:
		value_max = U32_MAX;
		break;
	}
	if (req->value > value_max || (req->period_ns && !timer))
		return -EINVAL;
	if (req->period_ns && (req->period_ns < READ_ONCE(ipcdev_timer_period_min) ||
			       req->period_ns > KTIME_MAX))
		return -EINVAL;
	if (!(engine->operations & BIT(req->op)))
		return -EOPNOTSUPP;
	return check_slices(req, src, dst, engine->length_max);
}

static int load_slice(struct ipcdev_slice_ref *ref, const struct ipcdev_slice *slice,
		      fmode_t mode)
{
	struct file *file;

	if (!slice->length)
		return -EINVAL;
	file = ipcdev_slice_get(slice, mode);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ref->file = file;
	ref->offset = slice->offset;
	ref->length = slice->length;
	return 0;
}

static bool overlap(const struct ipcdev_slice_ref *a, const struct ipcdev_slice_ref *b)
{
	return ipcdev_handle(a->file)->obj == ipcdev_handle(b->file)->obj &&
	       a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

static int pin(struct ipcdev_slice_ref *slice)
{
	pgoff_t first = slice->offset >> PAGE_SHIFT;
	pgoff_t last = (slice->offset + slice->length - 1) >> PAGE_SHIFT;
	struct page *page;

	slice->pages = kvmalloc_array(last - first + 1, sizeof(*slice->pages), IPCDEV_GFP);
	if (!slice->pages)
		return -ENOMEM;
	while (first + slice->nr_pages <= last) {
		page = ipcdev_buffer_page(slice->file, first + slice->nr_pages);
		if (IS_ERR(page))
			return PTR_ERR(page);
		slice->pages[slice->nr_pages++] = page;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int load_slices(struct ipcdev_job *job, const struct ipcdev_engine_request *req, bool pinned)
{
	bool src = req->op == IPCDEV_OP_COPY || req->op == IPCDEV_OP_CRC32;
	bool dst = req->op == IPCDEV_OP_COPY || req->op == IPCDEV_OP_FILL;
	int ret = 0;

	if (src)
		ret = load_slice(&job->src, &req->src, FMODE_READ);
	if (!ret && dst)
		ret = load_slice(&job->dst, &req->dst, FMODE_WRITE);
	if (!ret && src && dst && overlap(&job->src, &job->dst))
		ret = -EINVAL;
	if (!ret && src && pinned)
		ret = pin(&job->src);
	if (!ret && dst && pinned)
		ret = pin(&job->dst);
	return ret;
}

/* How many periods of a timer there are in a second, at most. */
static int charge_rate(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	u32 rate = DIV64_U64_ROUND_UP(NSEC_PER_SEC, job->period_ns);
	u32 max = READ_ONCE(ipcdev_timer_rate_max);
	int ret;

	ret = ipcdev_charge(engine->ring.obj.account, IPCDEV_TIMER_RATE, rate, max);
	if (ret) {
		/* Those that have ended are charged until they are released. */
		release_now(engine);
		ret = ipcdev_charge(engine->ring.obj.account, IPCDEV_TIMER_RATE, rate, max);
	}
	if (!ret)
		job->rate = rate;
	return ret;
}

static int load_timer(struct ipcdev_engine *engine, struct ipcdev_job *job,
		      const struct ipcdev_engine_request *req)
{
	job->absolute = req->flags & IPCDEV_REQUEST_ABSOLUTE;
	if (job->absolute)
		job->value = ipcdev_time_from_caller(req->value);
	job->precise = current->policy == SCHED_FIFO || current->policy == SCHED_RR ||
		       current->policy == SCHED_DEADLINE ||
		       ns_capable_noaudit(&init_user_ns, CAP_SYS_NICE);
	return job->period_ns ? charge_rate(engine, job) : 0;
}

/* Take what the request names. What was taken before it failed is the caller's. */
static int load(struct ipcdev_engine *engine, struct ipcdev_job *job,
		const struct ipcdev_engine_request *req)
{
	struct eventfd_ctx *eventfd;
	int ret;

	job->user_data = req->user_data;
	job->op = req->op;
	job->value = req->value;
	job->period_ns = req->period_ns;
	job->missed = 0;
	job->record = 0;
	if (req->flags & IPCDEV_REQUEST_EVENTFD) {
		eventfd = eventfd_ctx_fdget(req->eventfd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
		job->eventfd = eventfd;
	}
	ret = load_slices(job, req, engine->pin);
	if (!ret && req->op == IPCDEV_OP_TIMER)
		ret = load_timer(engine, job, req);
	return ret;
}

/* The back end gets the job, unless that fails. The last of a batch is told as such. */
static int start(struct ipcdev_engine *engine, struct ipcdev_job *job, bool last)
{
	int ret = 0;

	if (job->dst.file)
		ret = ipcdev_buffer_write_begin(job->dst.file);
	if (ret)
		return ret;
	mutex_lock(&engine->mutex);
	if (!engine->backend) {
		ret = -ENODEV;
	} else {
		trace_ipcdev_submit(&engine->ring.obj, job, 0);
		job->holds = holds(job);
		job->start_ns = ktime_get_ns();
		job->number = engine->submitted;
		WRITE_ONCE(job->state, IPCDEV_JOB_ACTIVE);
		ret = engine->backend->ops->submit(engine, job);
		if (ret)
			WRITE_ONCE(job->state, IPCDEV_JOB_LOADING);
		else
			WRITE_ONCE(engine->submitted, engine->submitted + 1);
		if (!ret && last && engine->backend->ops->commit)
			engine->backend->ops->commit(engine);
	}
	mutex_unlock(&engine->mutex);
	if (ret && job->dst.file)
		ipcdev_buffer_write_end(job->dst.file);
	return ret;
}

static void commit(struct ipcdev_engine *engine)
{
	mutex_lock(&engine->mutex);
	if (engine->backend && engine->backend->ops->commit)
		engine->backend->ops->commit(engine);
	mutex_unlock(&engine->mutex);
}

/**
 * struct batch - requests that are being submitted
 * @engine: to which engine
 * @deadline: how long that may take
 * @count: how many there are
 * @done: how many have been
 * @committed: how many of these the back end has been told to start
 */
struct batch {
	struct ipcdev_engine *engine;
	struct ipcdev_deadline deadline;
	u32 count;
	u32 done;
	u32 committed;
};

/* Nobody waits for room, and no batch ends, with work that has not been started. */
static void batch_commit(struct batch *batch)
{
	if (batch->committed != batch->done)
		commit(batch->engine);
	batch->committed = batch->done;
}

static int batch_reserve(struct batch *batch, struct ipcdev_job **job)
{
	int ret;

	for (;;) {
		ret = reserve(batch->engine, job);
		if (ret != -EAGAIN)
			return ret;
		batch_commit(batch);
		ret = wait_for_room(batch->engine, &batch->deadline);
		if (ret)
			return ret;
	}
}

static int batch_submit(struct batch *batch, const struct ipcdev_engine_request *req)
{
	struct ipcdev_engine *engine = batch->engine;
	bool last = batch->done + 1 == batch->count;
	struct ipcdev_job *job;
	int ret;

	ret = check_request(engine, req);
	if (ret)
		return ret;
	if (!READ_ONCE(engine->backend))
		return -ENODEV;
	ret = batch_reserve(batch, &job);
	if (ret)
		return ret;
	ret = load(engine, job, req);
	if (!ret)
		ret = start(engine, job, last);
	if (ret) {
		unreserve(engine, job);
		return ret;
	}
	batch->done++;
	if (last)
		batch->committed = batch->done;
	return 0;
}

static int check_submit(const struct ipcdev_handle *h, const struct ipcdev_submit *args)
{
	if (!(h->rights & IPCDEV_RIGHT_WRITE))
		return -EACCES;
	if ((args->flags & ~(IPCDEV_NONBLOCK | IPCDEV_DEADLINES)) || args->reserved)
		return -EINVAL;
	if (!args->count || args->count > READ_ONCE(ipcdev_max_batch) ||
	    args->request_size < IPCDEV_REQUEST_SIZE_VER0)
		return -EINVAL;
	return args->request_size > PAGE_SIZE ? -E2BIG : 0;
}

/* IPCDEV_IOC_SUBMIT */
static long ioctl_submit(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_engine_request req;
	struct ipcdev_submit args;
	struct batch batch;
	u8 __user *ureq;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (!ret)
		ret = check_submit(h, &args);
	if (!ret)
		ret = ipcdev_deadline_parse(&batch.deadline, file, args.flags,
					    args.deadline_ns);
	if (ret)
		return ret;
	batch.engine = to_engine(h->obj);
	batch.count = args.count;
	batch.done = 0;
	batch.committed = 0;
	ureq = u64_to_user_ptr(args.requests);
	while (batch.done < batch.count) {
		ret = ipcdev_args_get(&req, sizeof(req), ureq, args.request_size);
		if (!ret)
			ret = batch_submit(&batch, &req);
		if (ret)
			break;
		ureq += args.request_size;
	}
	batch_commit(&batch);
	return batch.done ?: ret;
}

/* The earliest job of those in flight that are meant; NULL if there is none. */
static struct ipcdev_job *find_first(struct ipcdev_engine *engine,
				     const struct ipcdev_cancel *args)
{
	struct ipcdev_job *job, *first = NULL;
	u32 i;

	for (i = 0; i < engine->depth; i++) {
		job = ipcdev_engine_job(engine, i);
		if (ipcdev_job_active(job) &&
		    ((args->flags & IPCDEV_CANCEL_ANY) || job->user_data == args->user_data) &&
		    (!first || job->number < first->number))
			first = job;
		cond_resched();
	}
	return first;
}

/* All those that are meant, in no order. Returns how many. */
static int cancel_all(struct ipcdev_engine *engine, const struct ipcdev_cancel *args)
{
	struct ipcdev_job *job;
	int count = 0;
	u32 i;

	for (i = 0; i < engine->depth; i++) {
		job = ipcdev_engine_job(engine, i);
		if (!ipcdev_job_active(job) ||
		    (!(args->flags & IPCDEV_CANCEL_ANY) && job->user_data != args->user_data))
			continue;
		engine->backend->ops->cancel(engine, job);
		count++;
		cond_resched();
	}
	return count;
}

/* IPCDEV_IOC_CANCEL */
static long ioctl_cancel(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_engine *engine = to_engine(h->obj);
	struct ipcdev_cancel args;
	struct ipcdev_job *job;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (!(h->rights & IPCDEV_RIGHT_WRITE))
		return -EACCES;
	if ((args.flags & ~(IPCDEV_CANCEL_ALL | IPCDEV_CANCEL_ANY)) || args.reserved ||
	    ((args.flags & IPCDEV_CANCEL_ANY) && args.user_data))
		return -EINVAL;

	mutex_lock(&engine->mutex);
	if (!engine->backend) {
		ret = 0;
	} else if (args.flags & IPCDEV_CANCEL_ALL) {
		ret = cancel_all(engine, &args);
	} else {
		job = find_first(engine, &args);
		if (job)
			engine->backend->ops->cancel(engine, job);
		ret = !!job;
	}
	mutex_unlock(&engine->mutex);
	/* What they were charged for may be had again at once. */
	if (ret)
		release_now(engine);
	return ret ?: -ENOENT;
}

static bool is_idle(struct ipcdev_handle *h)
{
	struct ipcdev_engine *engine = to_engine(h->obj);
	unsigned long flags;
	bool ret;

	raw_spin_lock_irqsave(&engine->ring.lock, flags);
	ret = !engine->inflight;
	raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
	return ret;
}

/* IPCDEV_IOC_DRAIN */
static long ioctl_drain(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_engine *engine = to_engine(h->obj);
	long ret;

	if (!(h->rights & IPCDEV_RIGHT_WRITE))
		return -EACCES;
	ret = ipcdev_wait_until(file, uarg, usize, &engine->drain_wq, is_idle);
	if (!ret)
		release_now(engine);
	return ret;
}

/* IPCDEV_IOC_ENGINE_STAT */
static long ioctl_stat(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_engine *engine = to_engine(ipcdev_handle(file)->obj);
	struct ipcdev_engine_stat *st;
	unsigned long flags;
	int ret;

	st = kzalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return -ENOMEM;
	memcpy(st->backend, engine->name, sizeof(st->backend));
	st->operations = engine->operations;
	if (!READ_ONCE(engine->backend))
		st->flags |= IPCDEV_ENGINE_GONE;
	st->depth = engine->depth;
	st->submitted = READ_ONCE(engine->submitted);
	memcpy(st->latency[IPCDEV_LATENCY_WAKEUP], engine->timing.wakeup,
	       sizeof(engine->timing.wakeup));
	memcpy(st->latency[IPCDEV_LATENCY_REAPED], engine->timing.reaped,
	       sizeof(engine->timing.reaped));

	raw_spin_lock_irqsave(&engine->ring.lock, flags);
	st->inflight = engine->inflight;
	st->unreaped = min(unread(engine), engine->ring.size) / RECORD_SIZE;
	st->completed = engine->completed;
	st->failed = engine->failed;
	st->cancelled = engine->cancelled;
	st->records = engine->records;
	st->missed = engine->missed;
	memcpy(st->latency[IPCDEV_LATENCY_INTERRUPT], engine->latency,
	       sizeof(engine->latency));
	raw_spin_unlock_irqrestore(&engine->ring.lock, flags);

	ret = ipcdev_args_put(st, sizeof(*st), uarg, usize);
	kfree(st);
	return ret;
}

static long engine_ioctl(struct file *file, unsigned int nr, void __user *uarg, size_t usize)
{
	switch (nr) {
	case _IOC_NR(IPCDEV_IOC_SUBMIT):
		return ioctl_submit(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_CANCEL):
		return ioctl_cancel(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_DRAIN):
		return ioctl_drain(file, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_ENGINE_STAT):
		return ioctl_stat(file, uarg, usize);
	default:
		return ipcdev_ring_ioctl(file, nr, uarg, usize);
	}
}

/* Back ends. */

/* The one of that name, or the only one of that kind. */
static struct ipcdev_backend *find_backend(const char *name)
{
	struct ipcdev_backend *be, *found = NULL;
	size_t len = strlen(name);

	lockdep_assert_held(&backends_mutex);
	list_for_each_entry(be, &backends, node) {
		if (!strcmp(be->name, name))
			return be;
	}
	list_for_each_entry(be, &backends, node) {
		if (strncmp(be->name, name, len) || be->name[len] != '-')
			continue;
		if (found)
			return ERR_PTR(-ENOTUNIQ);
		found = be;
	}
	return found ?: ERR_PTR(-ENODEV);
}

/* It stays until backend_put(). */
static struct ipcdev_backend *backend_get(const char *name)
{
	struct ipcdev_backend *be;

	mutex_lock(&backends_mutex);
	be = find_backend(*name ? name : "soft");
	if (!IS_ERR(be))
		be->opened++;
	mutex_unlock(&backends_mutex);
	return be;
}

static void backend_put(struct ipcdev_backend *be, struct ipcdev_engine *engine)
{
	mutex_lock(&backends_mutex);
	if (engine)
		list_del_init(&engine->peer);
	WRITE_ONCE(be->opened, be->opened - 1);
	mutex_unlock(&backends_mutex);
	/* Not one of its own: it may be gone. */
	wake_up(&backends_idle);
}

static int backend_open(struct ipcdev_backend *be, struct ipcdev_engine *engine)
{
	int ret = 0;

	/* From now on the engine is found by ipcdev_backend_unregister(). */
	mutex_lock(&backends_mutex);
	list_add_tail(&engine->peer, &be->engines);
	mutex_unlock(&backends_mutex);

	mutex_lock(&engine->mutex);
	WRITE_ONCE(engine->backend, be);
	if (READ_ONCE(be->gone))
		ret = -ENODEV;
	else if (be->ops->open)
		ret = be->ops->open(engine);
	if (ret)
		WRITE_ONCE(engine->backend, NULL);
	mutex_unlock(&engine->mutex);
	return ret;
}

/* The engine and its back end part, and what is in flight ends with this result. */
static void detach(struct ipcdev_engine *engine, int result)
{
	struct ipcdev_backend *be;
	struct ipcdev_job *job;
	u32 i;

	mutex_lock(&engine->mutex);
	be = engine->backend;
	if (be) {
		be->ops->quiesce(engine);
		for (i = 0; i < engine->depth; i++) {
			job = ipcdev_engine_job(engine, i);
			if (ipcdev_job_active(job))
				ipcdev_job_complete(job, result);
			cond_resched();
		}
		if (be->ops->close)
			be->ops->close(engine);
		WRITE_ONCE(engine->backend, NULL);
	}
	mutex_unlock(&engine->mutex);
	if (be)
		backend_put(be, engine);
	release_now(engine);
}

/* The kernel is the producer no longer. */
static void leave(struct ipcdev_engine *engine)
{
	struct ipcdev_object *obj = &engine->ring.obj;

	spin_lock(&obj->lock);
	obj->writers = 0;
	ipcdev_ring_peers_changed(obj);
	spin_unlock(&obj->lock);
	ipcdev_notify(obj, EPOLLHUP);
	wake_submitters(engine);
}

/**
 * ipcdev_backend_register - engines can be made for a back end from now on
 * @be: filled in; it stays until ipcdev_backend_unregister() has returned
 *
 * Context: task context; may sleep.
 * Return: 0, -EINVAL, or -EEXIST if there is one of that name.
 */
int ipcdev_backend_register(struct ipcdev_backend *be)
{
	struct ipcdev_backend *other;
	int ret = 0;

	if (!be->name[0] || strnlen(be->name, sizeof(be->name)) == sizeof(be->name) ||
	    !be->operations || !be->ops->submit || !be->ops->cancel || !be->ops->quiesce)
		return -EINVAL;
	INIT_LIST_HEAD(&be->engines);
	be->opened = 0;
	be->gone = false;
	mutex_lock(&backends_mutex);
	list_for_each_entry(other, &backends, node) {
		if (!strcmp(other->name, be->name))
			ret = -EEXIST;
	}
	if (!ret)
		list_add_tail(&be->node, &backends);
	mutex_unlock(&backends_mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(ipcdev_backend_register);

/* An engine of a back end that goes, referenced. One that is just being freed parts itself. */
static struct ipcdev_engine *next_engine(struct ipcdev_backend *be)
{
	struct ipcdev_engine *engine, *found = NULL;

	mutex_lock(&backends_mutex);
	while (!found && !list_empty(&be->engines)) {
		engine = list_first_entry(&be->engines, struct ipcdev_engine, peer);
		list_del_init(&engine->peer);
		if (kref_get_unless_zero(&engine->ring.obj.ref))
			found = engine;
	}
	mutex_unlock(&backends_mutex);
	return found;
}

/**
 * ipcdev_backend_unregister - a back end goes
 * @be: registered
 *
 * What is in flight ends with -ENODEV. When this returns, nobody calls the back end any
 * more, and no engine knows it.
 *
 * Context: task context; sleeps as long as the back end's quiesce() does.
 */
void ipcdev_backend_unregister(struct ipcdev_backend *be)
{
	struct ipcdev_engine *engine;

	mutex_lock(&backends_mutex);
	list_del(&be->node);
	WRITE_ONCE(be->gone, true);
	mutex_unlock(&backends_mutex);
	while ((engine = next_engine(be))) {
		detach(engine, -ENODEV);
		leave(engine);
		ipcdev_object_put(&engine->ring.obj);
	}
	wait_event(backends_idle, !READ_ONCE(be->opened));
	/* Whoever was the last may not have left it yet. */
	mutex_lock(&backends_mutex);
	mutex_unlock(&backends_mutex);
}
EXPORT_SYMBOL_GPL(ipcdev_backend_unregister);

static void copy_slice(const struct ipcdev_slice_ref *slice, u64 at, void *data, size_t len,
		       bool write)
{
	u64 place = offset_in_page(slice->offset) + at;
	size_t piece;
	char *page;

	for (; len; len -= piece, data += piece, place += piece) {
		piece = min_t(size_t, len, PAGE_SIZE - offset_in_page(place));
		page = kmap_local_page(slice->pages[place >> PAGE_SHIFT]);
		if (write) {
			memcpy(page + offset_in_page(place), data, piece);
			flush_dcache_page(slice->pages[place >> PAGE_SHIFT]);
		} else {
			memcpy(data, page + offset_in_page(place), piece);
		}
		kunmap_local(page);
	}
}

/**
 * ipcdev_slice_read - copy from a slice
 * @slice: of an active job; the back end pins
 * @at: where in the slice, in bytes
 * @to: where to
 * @len: bytes; they lie inside the slice
 *
 * Context: any.
 */
void ipcdev_slice_read(const struct ipcdev_slice_ref *slice, u64 at, void *to, size_t len)
{
	copy_slice(slice, at, to, len, false);
}
EXPORT_SYMBOL_GPL(ipcdev_slice_read);

/**
 * ipcdev_slice_write - copy to a slice
 * @slice: as in ipcdev_slice_read()
 * @at: as there
 * @from: where from
 * @len: as there
 *
 * Context: any.
 */
void ipcdev_slice_write(const struct ipcdev_slice_ref *slice, u64 at, const void *from,
			size_t len)
{
	copy_slice(slice, at, (void *)from, len, true);
}
EXPORT_SYMBOL_GPL(ipcdev_slice_write);

static u32 depth_max(const struct ipcdev_backend *be)
{
	u32 max = min_t(u32, READ_ONCE(ipcdev_max_depth), DEPTH_LIMIT);

	return be->depth_max ? min(be->depth_max, max) : max;
}

static void describe(struct ipcdev_backend_info *info, const struct ipcdev_backend *be)
{
	lockdep_assert_held(&backends_mutex);
	memset(info, 0, sizeof(*info));
	memcpy(info->name, be->name, sizeof(info->name));
	info->operations = be->operations;
	info->depth_max = depth_max(be);
	info->length_max = be->length_max;
	if (be->operations & BIT(IPCDEV_OP_TIMER))
		info->period_min = READ_ONCE(ipcdev_timer_period_min);
	info->engines = be->opened;
}

static bool describe_nth(struct ipcdev_backend_info *info, u32 n)
{
	struct ipcdev_backend *be;
	bool found = false;

	mutex_lock(&backends_mutex);
	list_for_each_entry(be, &backends, node) {
		if (n--)
			continue;
		describe(info, be);
		found = true;
		break;
	}
	mutex_unlock(&backends_mutex);
	return found;
}

/* IPCDEV_IOC_ENGINES */
long ipcdev_engines(void __user *uarg, size_t usize)
{
	struct ipcdev_backend_info info;
	struct ipcdev_engines args;
	u8 __user *out;
	int ret;
	u32 i;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.reserved || !args.count || args.count > INT_MAX || !args.info_size)
		return -EINVAL;
	if (args.info_size > PAGE_SIZE)
		return -E2BIG;
	out = u64_to_user_ptr(args.infos);
	for (i = 0; i < args.count && !ret; i++, out += args.info_size) {
		if (args.skip > U32_MAX - i || !describe_nth(&info, args.skip + i))
			break;
		ret = ipcdev_args_put(&info, sizeof(info), out, args.info_size);
	}
	return ret ?: i;
}

/* What makes an engine an object. */

static int engine_joined(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	/* The kernel is the producer. */
	if (h->role == IPCDEV_RIGHT_WRITE)
		return -EBUSY;
	return ipcdev_ring_joined(obj, h);
}

static __poll_t engine_poll(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	struct ipcdev_engine *engine = to_engine(obj);
	__poll_t mask = ipcdev_poll_peers(obj);
	unsigned long flags;

	ipcdev_ring_watch(&engine->ring, h);
	raw_spin_lock_irqsave(&engine->ring.lock, flags);
	if (unread(engine))
		mask |= EPOLLIN | EPOLLRDNORM;
	/* Only for who may submit is the consumer to be asked. To fail needs no room. */
	if (h && (h->rights & IPCDEV_RIGHT_WRITE) &&
	    (!READ_ONCE(engine->backend) || admit(engine) != -EAGAIN))
		mask |= EPOLLOUT | EPOLLWRNORM;
	raw_spin_unlock_irqrestore(&engine->ring.lock, flags);
	return mask;
}

/* A consumer may have been killed between reaping and telling of it. */
static void engine_released(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	if (h->role)
		ipcdev_ring_signal(to_ring(obj), IPCDEV_RIGHT_WRITE);
}

/* No handle is left: nobody wants to know any more. */
static void engine_drain(struct ipcdev_object *obj)
{
	detach(to_engine(obj), -ECANCELED);
}

static void engine_free(struct ipcdev_object *obj)
{
	struct ipcdev_engine *engine = to_engine(obj);

	/* One that nobody has seen has not been drained. */
	detach(engine, -ECANCELED);
	ipcdev_feed_exit(&engine->feed);
	cancel_work_sync(&engine->release);
	kvfree(engine->jobs);
	ipcdev_uncharge(obj->account, IPCDEV_REQUESTS, engine->depth);
	ipcdev_ring_exit(&engine->ring);
	kfree_rcu(engine, ring.obj.rcu);
}

static bool engine_may_persist(struct ipcdev_object *obj)
{
	return false;
}

static void engine_stat(struct ipcdev_object *obj, struct ipcdev_handle *h,
			struct ipcdev_stat *st)
{
	struct ipcdev_engine *engine = to_engine(obj);

	ipcdev_ring_stat(obj, h, st);
	/* For people: it may be otherwise by now. */
	st->senders = waitqueue_active(&engine->room_wq);
	st->depth = engine->depth;
	st->queued = READ_ONCE(engine->inflight);
	st->sent = READ_ONCE(engine->submitted);
	st->received = READ_ONCE(engine->completed);
}

static void engine_fdinfo(struct ipcdev_object *obj, struct seq_file *m)
{
	struct ipcdev_engine *engine = to_engine(obj);

	ipcdev_ring_fdinfo(obj, m);
	seq_printf(m, "ipcdev-backend:\t%s\n", engine->name);
	seq_printf(m, "ipcdev-depth:\t%u\n", engine->depth);
	seq_printf(m, "ipcdev-inflight:\t%u\n", READ_ONCE(engine->inflight));
}

static const struct ipcdev_object_ops engine_ops = {
	.type = IPCDEV_TYPE_ENGINE,
	.name = "engine",
	.label = "[ipcdev-engine]",
	.fops = &ipcdev_ring_fops,
	.end_fops = &ipcdev_ring_end_fops,
	.ioctl = engine_ioctl,
	.joined = engine_joined,
	.poll = engine_poll,
	.peers_changed = ipcdev_ring_peers_changed,
	.released = engine_released,
	.drain = engine_drain,
	.free = engine_free,
	.size = ipcdev_ring_size,
	.may_persist = engine_may_persist,
	.stat = engine_stat,
	.fdinfo = engine_fdinfo,
};

static int alloc_jobs(struct ipcdev_engine *engine)
{
	struct ipcdev_job *job;
	u32 i;

	engine->jobs = kvcalloc(engine->depth, engine->job_size, IPCDEV_GFP);
	if (!engine->jobs)
		return -ENOMEM;
	for (i = engine->depth; i--; ) {
		job = ipcdev_engine_job(engine, i);
		job->engine = engine;
		job->next = engine->free;
		engine->free = job;
	}
	return 0;
}

static void engine_init(struct ipcdev_engine *engine, const struct ipcdev_backend *be,
			u32 depth)
{
	memcpy(engine->name, be->name, sizeof(engine->name));
	engine->operations = be->operations;
	engine->length_max = be->length_max;
	engine->pin = be->pin;
	engine->depth = depth;
	engine->job_size = ALIGN(sizeof(struct ipcdev_job) + be->job_size, SMP_CACHE_BYTES);
	engine->time_offset = ipcdev_time_to_caller(1) - 1;
	mutex_init(&engine->mutex);
	mutex_init(&engine->release_mutex);
	spin_lock_init(&engine->tell_lock);
	INIT_LIST_HEAD(&engine->peer);
	INIT_WORK(&engine->release, release_work);
	init_waitqueue_head(&engine->room_wq);
	init_waitqueue_head(&engine->drain_wq);
	engine->ring.timing = &engine->timing;
	engine->ring.producer.wq = &engine->room_wq;
}

/* All that it needs, charged to the caller. */
static struct ipcdev_engine *engine_alloc(const struct ipcdev_backend *be, u32 flags, u32 depth)
{
	struct ipcdev_engine *engine;
	int ret;

	engine = kzalloc(sizeof(*engine), IPCDEV_GFP);
	if (!engine)
		return ERR_PTR(-ENOMEM);
	engine_init(engine, be, depth);
	engine->ring.flags = flags;
	ret = ipcdev_ring_init(&engine->ring, &engine_ops, 2 * depth * RECORD_SIZE,
			       engine->depth * engine->job_size);
	if (ret)
		goto err_free;
	engine->ring.obj.writers = 1;
	engine->ring.obj.had_writer = true;
	ret = ipcdev_charge(engine->ring.obj.account, IPCDEV_REQUESTS, depth,
			    READ_ONCE(ipcdev_max_requests));
	if (ret)
		goto err_ring;
	ret = ipcdev_feed_init(&engine->feed, &engine->ring, engine_tell);
	if (ret)
		goto err_charge;
	ret = alloc_jobs(engine);
	if (ret)
		goto err_feed;
	return engine;

err_feed:
	ipcdev_feed_exit(&engine->feed);
err_charge:
	ipcdev_uncharge(engine->ring.obj.account, IPCDEV_REQUESTS, depth);
err_ring:
	ipcdev_ring_exit(&engine->ring);
err_free:
	kfree(engine);
	return ERR_PTR(ret);
}

static int check_create(const struct ipcdev_create_engine *args)
{
	if ((args->flags & ~IPCDEV_RING_TAKEOVER) || args->reserved)
		return -EINVAL;
	if (strnlen(args->backend, sizeof(args->backend)) == sizeof(args->backend))
		return -EINVAL;
	return args->rights ? ipcdev_rights_check(IPCDEV_TYPE_ENGINE, args->rights) : 0;
}

/* IPCDEV_IOC_CREATE_ENGINE */
long ipcdev_engine_create(void __user *uarg, size_t usize)
{
	struct ipcdev_create_engine args;
	struct ipcdev_engine *engine;
	struct ipcdev_backend *be;
	u32 depth;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (!ret)
		ret = check_create(&args);
	if (ret)
		return ret;
	be = backend_get(args.backend);
	if (IS_ERR(be))
		return PTR_ERR(be);
	depth = args.depth ?: min_t(u32, 64, depth_max(be));
	engine = depth > depth_max(be) ? ERR_PTR(-EINVAL) :
					 engine_alloc(be, args.flags, depth);
	if (IS_ERR(engine)) {
		backend_put(be, NULL);
		return PTR_ERR(engine);
	}
	ret = backend_open(be, engine);
	if (ret) {
		backend_put(be, engine);
		ipcdev_object_put(&engine->ring.obj);
		return ret;
	}
	return ipcdev_object_create(&engine->ring.obj, args.rights, false);
}
