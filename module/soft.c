// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: soft
 *
 * The back end that needs no device. What takes no time ends in an irq_work, which runs
 * in a hard interrupt of its own as soon as it is asked for; a timer's end is the
 * interrupt of an hrtimer, which comes in a softirq for those without real-time rights.
 * What takes time is done by one worker for each engine, page by page, in the order of
 * submission, and ends in that irq_work too. The workers of all engines have half of the
 * processors at most (before Linux 6.9: of as many in each NUMA node), and take turns
 * there, engine by engine and request by request. They are threads of the
 * kernel, which no control group of the caller's limits; who administers the machine
 * can say by the files of the workqueue "ipcdev" in sysfs where, and how nice.
 */
#include <linux/crc32.h>
#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "engine.h"

/* How many requests one interrupt ends. */
#define BATCH	32

/**
 * struct soft - an engine of ours
 * @lock: protects the rest up to @stopped; taken in interrupts
 * @line: jobs for the worker
 * @ended: jobs whose results are known, for the interrupt
 * @ending: an interrupt completes some of them
 * @working: the worker has been asked for, and has not found the line empty since
 * @stopped: no more jobs are completed
 * @interrupt: completes what has ended
 * @worker: does the first of the line
 * @rcu: frees it
 */
struct soft {
	raw_spinlock_t lock; /* lists of jobs */
	struct list_head line;
	struct list_head ended;
	bool ending;
	bool working;
	bool stopped;
	struct irq_work interrupt;
	struct work_struct worker;
	struct rcu_head rcu;
};

/**
 * struct soft_job - a job of ours
 * @node: in one of the lists
 * @op: of the job that was last submitted: that of a job may be another by the time
 *	that it is cancelled, if it has ended and is being loaded anew
 * @waiting: in that of the worker
 * @cancelled: the worker shall do no more of it
 * @result: once it has ended
 * @timer: of a TIMER
 * @timed: it has been set up, for this job or for one before it
 */
struct soft_job {
	struct list_head node;
	u32 op;
	bool waiting;
	bool cancelled;
	s64 result;
	struct hrtimer timer;
	bool timed;
};

static struct workqueue_struct *workers;

/*
 * Up to a batch of what has ended. Of two interrupts, on two CPUs, one does nothing:
 * completions are in order.
 */
static bool begin_ending(struct soft *soft, struct list_head *batch)
{
	unsigned long flags;
	unsigned int i;
	bool ours;

	raw_spin_lock_irqsave(&soft->lock, flags);
	ours = !soft->ending && !soft->stopped;
	for (i = 0; ours && i < BATCH && !list_empty(&soft->ended); i++)
		list_move_tail(soft->ended.next, batch);
	soft->ending |= ours;
	raw_spin_unlock_irqrestore(&soft->lock, flags);
	return ours;
}

/*
 * If there is more by now, it is for another interrupt: others come in between. Once this
 * is seen not to be ending, and to be stopped, it asks for none any more.
 */
static void finish_ending(struct soft *soft)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&soft->lock, flags);
	if (!list_empty(&soft->ended) && !soft->stopped)
		irq_work_queue(&soft->interrupt);
	soft->ending = false;
	raw_spin_unlock_irqrestore(&soft->lock, flags);
}

static void soft_interrupt(struct irq_work *work)
{
	struct soft *soft = container_of(work, struct soft, interrupt);
	struct soft_job *sj, *next;
	LIST_HEAD(batch);

	ipcdev_assert_hardirq();
	if (!begin_ending(soft, &batch))
		return;
	/* A job that is completed may be in another list at once. */
	list_for_each_entry_safe(sj, next, &batch, node)
		ipcdev_job_complete(ipcdev_private_job(sj), sj->result);
	finish_ending(soft);
}

static void end_job(struct soft *soft, struct soft_job *sj, s64 result)
{
	unsigned long flags;

	sj->result = result;
	raw_spin_lock_irqsave(&soft->lock, flags);
	list_add_tail(&sj->node, &soft->ended);
	raw_spin_unlock_irqrestore(&soft->lock, flags);
}

/* Timers. */

static enum hrtimer_restart soft_timer(struct hrtimer *timer)
{
	struct ipcdev_job *job = ipcdev_private_job(container_of(timer, struct soft_job, timer));

	if (job->precise)
		ipcdev_assert_hardirq();
	job->start_ns = ktime_to_ns(hrtimer_get_expires(timer));
	if (!job->period_ns) {
		ipcdev_job_complete(job, 0);
		return HRTIMER_NORESTART;
	}
	ipcdev_job_tick(job, hrtimer_forward_now(timer, ns_to_ktime(job->period_ns)));
	return HRTIMER_RESTART;
}

static void start_timer(struct ipcdev_job *job, struct soft_job *sj)
{
	enum hrtimer_mode mode = job->precise ? HRTIMER_MODE_ABS_HARD : HRTIMER_MODE_ABS_SOFT;
	u64 expires = job->value;

	if (!job->absolute)
		expires = min_t(u64, expires + ktime_get_ns(), KTIME_MAX);
	/* Who completed the job that this one's memory was of may not have left yet. */
	if (sj->timed)
		hrtimer_cancel(&sj->timer);
	sj->timed = true;
	hrtimer_setup(&sj->timer, soft_timer, CLOCK_MONOTONIC, mode);
	hrtimer_start(&sj->timer, ns_to_ktime(expires), mode);
}

/* The worker. */

static int copy_step(const struct ipcdev_job *job, u64 at, size_t len)
{
	u64 from = job->src.offset + at, to = job->dst.offset + at;
	struct page *src, *dst;
	char *s, *d;

	src = ipcdev_buffer_page(job->src.file, from >> PAGE_SHIFT);
	if (IS_ERR(src))
		return PTR_ERR(src);
	dst = ipcdev_buffer_page(job->dst.file, to >> PAGE_SHIFT);
	if (IS_ERR(dst)) {
		put_page(src);
		return PTR_ERR(dst);
	}
	s = kmap_local_page(src);
	d = kmap_local_page(dst);
	memcpy(d + offset_in_page(to), s + offset_in_page(from), len);
	flush_dcache_page(dst);
	kunmap_local(d);
	kunmap_local(s);
	set_page_dirty_lock(dst);
	put_page(dst);
	put_page(src);
	return 0;
}

static int fill_step(const struct ipcdev_job *job, u64 at, size_t len)
{
	u64 to = job->dst.offset + at;
	struct page *page;
	char *p;

	page = ipcdev_buffer_page(job->dst.file, to >> PAGE_SHIFT);
	if (IS_ERR(page))
		return PTR_ERR(page);
	p = kmap_local_page(page);
	memset(p + offset_in_page(to), job->value, len);
	flush_dcache_page(page);
	kunmap_local(p);
	set_page_dirty_lock(page);
	put_page(page);
	return 0;
}

static int crc32_step(const struct ipcdev_job *job, u64 at, size_t len, u32 *crc)
{
	u64 from = job->src.offset + at;
	struct page *page;
	char *p;

	page = ipcdev_buffer_page(job->src.file, from >> PAGE_SHIFT);
	if (IS_ERR(page))
		return PTR_ERR(page);
	p = kmap_local_page(page);
	*crc = crc32_le(*crc, p + offset_in_page(from), len);
	kunmap_local(p);
	put_page(page);
	return 0;
}

/* From a place on, no further than to the end of a page on either side. */
static size_t step_size(const struct ipcdev_job *job, u64 at, u64 length)
{
	size_t len = min_t(u64, length - at, PAGE_SIZE);

	if (job->src.file)
		len = min_t(size_t, len, PAGE_SIZE - offset_in_page(job->src.offset + at));
	if (job->dst.file)
		len = min_t(size_t, len, PAGE_SIZE - offset_in_page(job->dst.offset + at));
	return len;
}

static s64 carry_out(const struct ipcdev_job *job, const struct soft_job *sj)
{
	u64 length = job->src.file ? job->src.length : job->dst.length, at = 0;
	u32 crc = ~0;
	size_t len;
	int ret;

	while (at < length) {
		if (READ_ONCE(sj->cancelled))
			return -ECANCELED;
		len = step_size(job, at, length);
		if (job->op == IPCDEV_OP_COPY)
			ret = copy_step(job, at, len);
		else if (job->op == IPCDEV_OP_FILL)
			ret = fill_step(job, at, len);
		else
			ret = crc32_step(job, at, len, &crc);
		if (ret)
			return ret;
		at += len;
		cond_resched();
	}
	return job->op == IPCDEV_OP_CRC32 ? (u32)~crc : length;
}

static struct soft_job *next_in_line(struct soft *soft)
{
	struct soft_job *sj;
	unsigned long flags;

	raw_spin_lock_irqsave(&soft->lock, flags);
	sj = list_first_entry_or_null(&soft->line, struct soft_job, node);
	if (sj) {
		list_del(&sj->node);
		sj->waiting = false;
	}
	raw_spin_unlock_irqrestore(&soft->lock, flags);
	return sj;
}

/*
 * Whether the worker is to be asked for: there is work, and nobody sees to it. If @done,
 * who asks is the worker, and is about to leave.
 */
static bool must_work(struct soft *soft, bool done)
{
	unsigned long flags;
	bool must;

	raw_spin_lock_irqsave(&soft->lock, flags);
	must = (done || !soft->working) && !list_empty(&soft->line);
	if (done || must)
		soft->working = must;
	raw_spin_unlock_irqrestore(&soft->lock, flags);
	return must;
}

/*
 * One request, and then it is others' turn: their engines' work is in line before ours,
 * which is put there only now. A work that is queued while it runs would take the place
 * of another, and wait there for itself.
 */
static void soft_work(struct work_struct *work)
{
	struct soft *soft = container_of(work, struct soft, worker);
	struct soft_job *sj = next_in_line(soft);

	if (sj) {
		end_job(soft, sj, carry_out(ipcdev_private_job(sj), sj));
		irq_work_queue(&soft->interrupt);
	}
	if (must_work(soft, true))
		queue_work(workers, &soft->worker);
}

/* What the core calls. */

static int soft_open(struct ipcdev_engine *engine)
{
	struct soft *soft = kzalloc(sizeof(*soft), IPCDEV_GFP);

	if (!soft)
		return -ENOMEM;
	raw_spin_lock_init(&soft->lock);
	INIT_LIST_HEAD(&soft->line);
	INIT_LIST_HEAD(&soft->ended);
	soft->interrupt = IRQ_WORK_INIT_HARD(soft_interrupt);
	INIT_WORK(&soft->worker, soft_work);
	engine->private = soft;
	return 0;
}

static void soft_close(struct ipcdev_engine *engine)
{
	struct soft *soft = engine->private;

	/* What the kernel does with an irq_work after its function, RCU waits for. */
	kfree_rcu(soft, rcu);
}

static int soft_submit(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	struct soft_job *sj = ipcdev_job_private(job);
	struct soft *soft = engine->private;
	unsigned long flags;

	sj->op = job->op;
	sj->cancelled = false;
	switch (job->op) {
	case IPCDEV_OP_NOP:
		end_job(soft, sj, 0);
		break;
	case IPCDEV_OP_TIMER:
		start_timer(job, sj);
		break;
	default:
		raw_spin_lock_irqsave(&soft->lock, flags);
		sj->waiting = true;
		list_add_tail(&sj->node, &soft->line);
		raw_spin_unlock_irqrestore(&soft->lock, flags);
		break;
	}
	return 0;
}

static void soft_commit(struct ipcdev_engine *engine)
{
	struct soft *soft = engine->private;

	if (!list_empty(&soft->ended))
		irq_work_queue(&soft->interrupt);
	if (!list_empty(&soft->line) && must_work(soft, false))
		queue_work(workers, &soft->worker);
}

static void soft_cancel(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	struct soft_job *sj = ipcdev_job_private(job);
	struct soft *soft = engine->private;
	unsigned long flags;
	bool removed;

	if (sj->op == IPCDEV_OP_TIMER) {
		removed = hrtimer_cancel(&sj->timer);
	} else {
		raw_spin_lock_irqsave(&soft->lock, flags);
		WRITE_ONCE(sj->cancelled, true);
		removed = sj->waiting;
		if (removed)
			list_del(&sj->node);
		sj->waiting = false;
		raw_spin_unlock_irqrestore(&soft->lock, flags);
	}
	if (removed)
		ipcdev_job_complete(job, -ECANCELED);
}

static void soft_quiesce(struct ipcdev_engine *engine)
{
	struct soft *soft = engine->private;
	unsigned long flags;
	u32 i;

	raw_spin_lock_irqsave(&soft->lock, flags);
	soft->stopped = true;
	INIT_LIST_HEAD(&soft->line);
	raw_spin_unlock_irqrestore(&soft->lock, flags);
	for (i = 0; i < engine->depth; i++) {
		struct ipcdev_job *job = ipcdev_engine_job(engine, i);
		struct soft_job *sj = ipcdev_job_private(job);

		WRITE_ONCE(sj->cancelled, true);
		/* Also of one that has ended: the interrupt may not have left yet. */
		if (sj->timed)
			hrtimer_cancel(&sj->timer);
		cond_resched();
	}
	cancel_work_sync(&soft->worker);
	/* Of two interrupts irq_work_sync() may wait for the one that had nothing to do. */
	raw_spin_lock_irqsave(&soft->lock, flags);
	while (soft->ending) {
		raw_spin_unlock_irqrestore(&soft->lock, flags);
		cpu_relax();
		raw_spin_lock_irqsave(&soft->lock, flags);
	}
	raw_spin_unlock_irqrestore(&soft->lock, flags);
	irq_work_sync(&soft->interrupt);
}

static const struct ipcdev_backend_ops soft_ops = {
	.open = soft_open,
	.close = soft_close,
	.submit = soft_submit,
	.commit = soft_commit,
	.cancel = soft_cancel,
	.quiesce = soft_quiesce,
};

static struct ipcdev_backend soft_backend = {
	.name = "soft",
	.ops = &soft_ops,
	.operations = BIT(IPCDEV_OP_NOP) | BIT(IPCDEV_OP_TIMER) | BIT(IPCDEV_OP_COPY) |
		      BIT(IPCDEV_OP_FILL) | BIT(IPCDEV_OP_CRC32),
	.job_size = sizeof(struct soft_job),
};

int ipcdev_soft_init(void)
{
	int ret;

	workers = alloc_workqueue("ipcdev", WQ_UNBOUND | WQ_SYSFS,
				  max(num_online_cpus() / 2, 1U));
	if (!workers)
		return -ENOMEM;
	ret = ipcdev_backend_register(&soft_backend);
	if (ret)
		destroy_workqueue(workers);
	return ret;
}

void ipcdev_soft_exit(void)
{
	ipcdev_backend_unregister(&soft_backend);
	destroy_workqueue(workers);
}
