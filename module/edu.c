// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: edu
 *
 * The back end for QEMU's "edu", a PCI device that raises an interrupt when it is told
 * to, computes factorials, and moves data between memory and a buffer of its own. It
 * does one thing at a time, so that its users take turns: each has a line of jobs, for all
 * of its engines and in order of arrival, and the device does one step of the first job in
 * a line before it sees to the next line.
 *
 * The device only ever reaches the bounce page, which is as old as the binding of the
 * driver. What lies in slices is copied to and from there by the processor, a step of at
 * most 2 KiB with its tag in each interrupt. A job that is given up, because it was
 * cancelled, its engine was closed or the device did not answer in time, is therefore over
 * at once: the device may go on with what it does, for nobody. It gets its next job when
 * it says that it is idle.
 *
 * An interrupt counts only if the device says that it raised it, and that it is done:
 * all that it may have had to say before was acknowledged when the job was started. A
 * device that has vanished reads as zeroes or as ones, and says neither.
 *
 * One that could reach neither memory nor the processor for a while believes that it has
 * moved what it has not: then what lies in its buffer, or in the bounce page, is what
 * somebody else had there. So each step has a tag of its own behind its bytes, which must
 * have made the whole way.
 *
 * Before the machine sleeps, the step under way ends and no other one begins; what is left
 * goes on afterwards. As each job begins with all that the device must know for it, there
 * is nothing to restore but what the bus restores.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>

#include "edu.h"
#include "engine.h"

#define EDU_VENDOR_ID		0x1234
#define EDU_DEVICE_ID		0x11e8

/* Registers. Those of DMA are 64 bits wide; 28 of an address count. */
#define EDU_ID			0x00
#define EDU_ID_MASK		0x0000ffff
#define EDU_ID_VALUE		0x000000ed
#define EDU_LIVENESS		0x04	/* reads as the complement of what was written */
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define EDU_STATUS_COMPUTING	0x01
#define EDU_STATUS_INTERRUPT	0x80	/* raise one when a factorial has been computed */
#define EDU_IRQ_STATUS		0x24
#define EDU_IRQ_RAISE		0x60
#define EDU_IRQ_ACK		0x64
#define EDU_DMA_FROM		0x80
#define EDU_DMA_TO		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_RUN		0x01
#define EDU_DMA_TO_MEMORY	0x02
#define EDU_DMA_INTERRUPT	0x04
#define EDU_REGISTERS		0xa0

/* Reasons of an interrupt: the device's own, and one of our choice for EDU_IRQ_RAISE. */
#define EDU_IRQ_FACTORIAL	0x001
#define EDU_IRQ_DMA		0x100
#define EDU_IRQ_NOP		0x010

#define EDU_DMA_BITS		28
#define EDU_BUFFER		0x40000	/* where the device sees its own buffer */

/*
 * What the device moves at once, a step and its tag, is half of its buffer. QEMU 7.2 exits
 * when asked to move all of the 4 KiB.
 */
#define EDU_MOVE		2048U
#define EDU_TAG			8U
#define EDU_STEP		(EDU_MOVE - EDU_TAG)

/* From here on factorials are 0 modulo 2^32; the device would multiply all the same. */
#define EDU_FACTORIAL_MAX	34

/*
 * What a user may have waiting for a device, whose pages stay where they are meanwhile: 34
 * MiB. A copy takes 0.2 s for each step.
 */
#define EDU_LENGTH_MAX		65536
#define EDU_DEPTH_MAX		16
#define EDU_ENGINES_MAX		16

/* Jobs that are failed at once, with interrupts disabled. */
#define EDU_FAIL_MAX		64

/* The bounce page: what goes to the device, and what comes from it. */
#define EDU_BOUNCE_OUT		0
#define EDU_BOUNCE_IN		EDU_MOVE
#define EDU_BOUNCE_SIZE		(2 * EDU_MOVE)

static int set_timeout(const char *text, const struct kernel_param *param)
{
	return param_set_uint_minmax(text, param, 1, 60000);
}

static const struct kernel_param_ops timeout_ops = {
	.set = set_timeout,
	.get = param_get_uint,
};

static unsigned int edu_timeout_ms = 3000;
module_param_cb(edu_timeout_ms, &timeout_ops, &edu_timeout_ms, 0644);
__MODULE_PARM_TYPE(edu_timeout_ms, "uint");
MODULE_PARM_DESC(edu_timeout_ms, "milliseconds that an edu device may take for a step, 1 to 60000 (3000)");

/**
 * enum edu_work - what a device does
 * @EDU_IDLE: nothing, as far as we know
 * @EDU_LOST: it did not end its work in time, or does not say that it is idle
 * @EDU_NOP: it is about to raise an interrupt
 * @EDU_COMPUTE: it computes a factorial
 * @EDU_LOAD: it moves data from memory to its buffer
 * @EDU_STORE: it moves data from its buffer to memory
 */
enum edu_work {
	EDU_IDLE,
	EDU_LOST,
	EDU_NOP,
	EDU_COMPUTE,
	EDU_LOAD,
	EDU_STORE,
};

/**
 * struct edu_line - the jobs of a user that wait for a device
 * @node: in the device's list of all lines; this and @engines under its mutex
 * @engines: how many the user has made for the device
 * @owner: the user
 * @turn: in the device's list of those with jobs; this and @jobs under its lock
 * @jobs: in order of arrival
 */
struct edu_line {
	struct list_head node;
	unsigned int engines;
	kuid_t owner;
	struct list_head turn;
	struct list_head jobs;
};

/**
 * struct edu_job - what we know of a job; all protected by the device's lock
 * @job: the job
 * @line: whose
 * @node: there
 * @waiting: it is there
 * @done: bytes that have reached their destination
 */
struct edu_job {
	struct ipcdev_job *job;
	struct edu_line *line;
	struct list_head node;
	bool waiting;
	u64 done;
};

/**
 * struct edu - a device
 * @backend: what the engines know of it
 * @pdev: what the bus knows of it
 * @mmio: its registers
 * @bounce: EDU_BOUNCE_SIZE bytes that it can reach
 * @bounce_addr: where it sees them
 * @irq: its interrupt
 * @mutex: protects @lines
 * @lines: those of all users that have an engine
 * @lock: protects the rest, and the registers. Raw, since the handler takes it in hard
 *	interrupt context on every kernel; jobs are completed under it
 * @turns: lines with jobs that wait; the first is the next
 * @job: for whom the device works, or NULL: it was given up, or none is left
 * @work: what the device does
 * @loaded: bytes that its buffer holds, for @job
 * @steps: how many times something was loaded
 * @key: makes tags of that, which users cannot know
 * @tag: what lies behind the bytes
 * @watchdog: runs while the device works, or while jobs wait for one that is lost
 * @deadline: when the device will have taken too long
 * @held: the machine is about to sleep: no step begins
 * @gone: the device has left the bus
 */
struct edu {
	struct ipcdev_backend backend;
	struct pci_dev *pdev;
	void __iomem *mmio;
	void *bounce;
	dma_addr_t bounce_addr;
	int irq;

	struct mutex mutex; /* lines */
	struct list_head lines;

	raw_spinlock_t lock; /* all that follows */
	struct list_head turns;
	struct ipcdev_job *job;
	enum edu_work work;
	u32 loaded;
	u64 steps;
	siphash_key_t key;
	u64 tag;
	struct hrtimer watchdog;
	ktime_t deadline;
	bool held;
	bool gone;
};

static u32 edu_read(struct edu *edu, unsigned int reg)
{
	return readl(edu->mmio + reg);
}

static void edu_write(struct edu *edu, unsigned int reg, u32 value)
{
	writel(value, edu->mmio + reg);
}

static bool edu_busy(struct edu *edu)
{
	return edu_read(edu, EDU_STATUS) & EDU_STATUS_COMPUTING ||
	       edu_read(edu, EDU_DMA_COMMAND) & EDU_DMA_RUN;
}

/* Whether it is there and listens. */
static bool edu_answers(struct edu *edu)
{
	return (edu_read(edu, EDU_ID) & EDU_ID_MASK) == EDU_ID_VALUE;
}

static bool edu_ready(struct edu *edu)
{
	return edu_answers(edu) && !edu_busy(edu);
}

static void edu_watch(struct edu *edu, u64 ms)
{
	lockdep_assert_held(&edu->lock);
	edu->deadline = ktime_add_ms(ktime_get(), ms);
	hrtimer_start(&edu->watchdog, edu->deadline, HRTIMER_MODE_ABS_SOFT);
}

/* Tell it what to do next, and when that is to be done. */
static void edu_begin(struct edu *edu, enum edu_work work, unsigned int reg, u32 value)
{
	edu_watch(edu, READ_ONCE(edu_timeout_ms));
	edu->work = work;
	edu_write(edu, reg, value);
}

/* The bytes of the next step. */
static u32 edu_step(struct ipcdev_job *job)
{
	struct edu_job *ej = ipcdev_job_private(job);

	return min_t(u64, job->dst.length - ej->done, EDU_STEP);
}

/*
 * Move what is loaded, with its tag. A device that has not understood from where to where
 * is not told to: it would reach for memory of others. The watchdog comes then.
 */
static void edu_move(struct edu *edu, enum edu_work work, u32 from, u32 to, u32 direction)
{
	u32 len = edu->loaded + EDU_TAG, command = 0;

	edu_write(edu, EDU_DMA_FROM, from);
	edu_write(edu, EDU_DMA_TO, to);
	edu_write(edu, EDU_DMA_COUNT, len);
	if (edu_read(edu, EDU_DMA_FROM) == from && edu_read(edu, EDU_DMA_TO) == to &&
	    edu_read(edu, EDU_DMA_COUNT) == len)
		command = EDU_DMA_RUN | EDU_DMA_INTERRUPT | direction;
	edu_begin(edu, work, EDU_DMA_COMMAND, command);
}

static void edu_load(struct edu *edu)
{
	struct ipcdev_job *job = edu->job;
	struct edu_job *ej = ipcdev_job_private(job);
	void *out = edu->bounce + EDU_BOUNCE_OUT;

	edu->loaded = edu_step(job);
	BUILD_BUG_ON(sizeof(edu->tag) != EDU_TAG);
	edu->tag = siphash_1u64(++edu->steps, &edu->key);
	if (job->op == IPCDEV_OP_FILL)
		memset(out, job->value, edu->loaded);
	else
		ipcdev_slice_read(&job->src, ej->done, out, edu->loaded);
	memcpy(out + edu->loaded, &edu->tag, EDU_TAG);
	edu_move(edu, EDU_LOAD, edu->bounce_addr + EDU_BOUNCE_OUT, EDU_BUFFER, 0);
}

static void edu_store(struct edu *edu)
{
	const u64 other = ~edu->tag;

	memcpy(edu->bounce + EDU_BOUNCE_IN + edu->loaded, &other, EDU_TAG);
	edu_move(edu, EDU_STORE, EDU_BUFFER, edu->bounce_addr + EDU_BOUNCE_IN,
		 EDU_DMA_TO_MEMORY);
}

/* Whether what was loaded last has come back. */
static bool edu_stored(struct edu *edu)
{
	return !memcmp(edu->bounce + EDU_BOUNCE_IN + edu->loaded, &edu->tag, EDU_TAG);
}

/* The device is idle: give it a job, or what is left of one. */
static void edu_start(struct edu *edu, struct ipcdev_job *job)
{
	edu->job = job;
	switch (job->op) {
	case IPCDEV_OP_NOP:
		edu_begin(edu, EDU_NOP, EDU_IRQ_RAISE, EDU_IRQ_NOP);
		break;
	case IPCDEV_OP_FACTORIAL:
		/* It may have lost its power since the last one. */
		edu_write(edu, EDU_STATUS, EDU_STATUS_INTERRUPT);
		edu_begin(edu, EDU_COMPUTE, EDU_FACTORIAL,
			  min_t(u64, job->value, EDU_FACTORIAL_MAX));
		break;
	default:
		edu_load(edu);
	}
}

/* A job waits behind the others of its user. */
static void edu_queue(struct edu *edu, struct edu_job *ej)
{
	lockdep_assert_held(&edu->lock);
	list_add_tail(&ej->node, &ej->line->jobs);
	ej->waiting = true;
	if (list_empty(&ej->line->turn))
		list_add_tail(&ej->line->turn, &edu->turns);
}

/* The job that the device works for waits for its user's next turn. */
static void edu_requeue(struct edu *edu)
{
	struct edu_job *ej = ipcdev_job_private(edu->job);

	edu->job = NULL;
	list_add(&ej->node, &ej->line->jobs);
	ej->waiting = true;
	list_move_tail(&ej->line->turn, &edu->turns);
}

/* Take a job out of its line, or away from the device. */
static void edu_detach(struct edu *edu, struct ipcdev_job *job)
{
	struct edu_job *ej = ipcdev_job_private(job);

	lockdep_assert_held(&edu->lock);
	if (edu->job == job)
		edu->job = NULL;
	if (!ej->waiting)
		return;
	ej->waiting = false;
	list_del(&ej->node);
	if (list_empty(&ej->line->jobs))
		list_del_init(&ej->line->turn);
}

/* The job whose turn it is. */
static struct ipcdev_job *edu_first(struct edu *edu)
{
	struct edu_line *line = list_first_entry_or_null(&edu->turns, struct edu_line, turn);

	return line ? list_first_entry(&line->jobs, struct edu_job, node)->job : NULL;
}

/* Take that job, and those of the user's that are left have another turn. */
static void edu_take(struct edu *edu, struct ipcdev_job *job)
{
	struct edu_job *ej = ipcdev_job_private(job);

	edu_detach(edu, job);
	if (!list_empty(&ej->line->turn))
		list_move_tail(&ej->line->turn, &edu->turns);
}

/* Whether it is the turn of another user than this job's. */
static bool edu_others_wait(struct edu *edu, struct edu_job *ej)
{
	return list_empty(&ej->line->turn) ? !list_empty(&edu->turns) :
					     !list_is_singular(&edu->turns);
}

/* End the job that the device works for, if there still is one. */
static void edu_end(struct edu *edu, s64 result)
{
	struct ipcdev_job *job = edu->job;

	if (!job)
		return;
	edu_detach(edu, job);
	ipcdev_job_complete(job, result);
}

/*
 * The device is of no use now, and nobody need wait for it. Long lines of jobs are seen to
 * bit by bit, each time that the watchdog comes.
 */
static void edu_fail(struct edu *edu)
{
	unsigned int left = EDU_FAIL_MAX;
	struct ipcdev_job *job;
	int error;

	edu->gone = !pci_device_is_present(edu->pdev);
	error = edu->gone ? -ENODEV : -ETIMEDOUT;
	edu->work = EDU_LOST;
	edu_end(edu, error);
	for (job = edu_first(edu); job && left; job = edu_first(edu), left--) {
		edu_detach(edu, job);
		ipcdev_job_complete(job, error);
	}
	if (job)
		edu_watch(edu, 0);
}

/* The device has nothing to do any more, or none that we know of: see to the next job. */
static void edu_next(struct edu *edu)
{
	struct ipcdev_job *job = edu_first(edu);

	lockdep_assert_held(&edu->lock);
	if (!job || edu->held) {
		edu->work = EDU_IDLE;
		hrtimer_try_to_cancel(&edu->watchdog);
	} else if (edu_ready(edu)) {
		edu_take(edu, job);
		edu_write(edu, EDU_IRQ_ACK, ~0);
		edu_start(edu, job);
	} else if (pci_device_is_present(edu->pdev)) {
		edu->work = EDU_LOST;
		edu_watch(edu, READ_ONCE(edu_timeout_ms));
	} else {
		edu_fail(edu);
	}
}

/*
 * The device has done a part of a copy: see to the rest of it. Returns 0 as long as there
 * is one, and then the result.
 */
static s64 edu_advance(struct edu *edu)
{
	struct ipcdev_job *job = edu->job;
	struct edu_job *ej = ipcdev_job_private(job);
	u32 len = edu_step(job);

	if (edu->work == EDU_LOAD) {
		edu_store(edu);
		return 0;
	}
	if (!edu_stored(edu))
		return -EIO;
	ipcdev_slice_write(&job->dst, ej->done, edu->bounce + EDU_BOUNCE_IN, len);
	ej->done += len;
	if (ej->done == job->dst.length)
		return ej->done;
	if (edu->held || edu_others_wait(edu, ej)) {
		edu_requeue(edu);
		edu_next(edu);
	} else if (job->op == IPCDEV_OP_FILL) {
		/* What fills has been in the device since the job's turn began. */
		edu_store(edu);
	} else {
		edu_load(edu);
	}
	return 0;
}

/* The device has done what it was told to do. */
static void edu_done(struct edu *edu)
{
	s64 result;

	if (edu->job) {
		switch (edu->work) {
		case EDU_NOP:
			edu_end(edu, 0);
			break;
		case EDU_COMPUTE:
			result = edu_read(edu, EDU_FACTORIAL);
			/* Or else it has left, and the watchdog finds that out. */
			if (!edu_answers(edu))
				return;
			edu_end(edu, result);
			break;
		default:
			result = edu_advance(edu);
			if (!result)
				return;
			edu_end(edu, result);
		}
	}
	edu_next(edu);
}

/* The interrupt that ends a work. */
static u32 edu_reason(enum edu_work work)
{
	switch (work) {
	case EDU_NOP:
		return EDU_IRQ_NOP;
	case EDU_COMPUTE:
		return EDU_IRQ_FACTORIAL;
	case EDU_LOAD:
	case EDU_STORE:
		return EDU_IRQ_DMA;
	default:
		return 0;
	}
}

static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	unsigned long flags;
	u32 status;

	if (edu->pdev->msi_enabled)
		ipcdev_assert_hardirq();
	raw_spin_lock_irqsave(&edu->lock, flags);
	status = edu_read(edu, EDU_IRQ_STATUS);
	if (status == ~0U)
		status = 0;
	if (status) {
		edu_write(edu, EDU_IRQ_ACK, status);
		if (edu->work == EDU_LOST)
			edu_next(edu);
		else if (status & edu_reason(edu->work) && !edu_busy(edu))
			edu_done(edu);
	}
	raw_spin_unlock_irqrestore(&edu->lock, flags);
	return status ? IRQ_HANDLED : IRQ_NONE;
}

/*
 * The device has not answered in time. What it was working for has failed. If it is idle
 * nevertheless, an interrupt was lost, and it may go on with the next. If not, all who
 * wait for it would only be told the same later, one after the other.
 */
static void edu_give_up(struct edu *edu)
{
	if (edu_ready(edu)) {
		edu_end(edu, -ETIMEDOUT);
		edu_next(edu);
	} else {
		edu_fail(edu);
	}
}

static enum hrtimer_restart edu_watchdog(struct hrtimer *timer)
{
	struct edu *edu = container_of(timer, struct edu, watchdog);
	unsigned long flags;

	raw_spin_lock_irqsave(&edu->lock, flags);
	/* It may have been started anew while we came here. */
	if (edu->work != EDU_IDLE && !ktime_before(ktime_get(), edu->deadline))
		edu_give_up(edu);
	raw_spin_unlock_irqrestore(&edu->lock, flags);
	return HRTIMER_NORESTART;
}

/* What engines call. */

static struct edu *edu_of(struct ipcdev_engine *engine)
{
	return container_of(engine->backend, struct edu, backend);
}

/* The caller's line, which may be new. */
static struct edu_line *edu_line_get(struct edu *edu)
{
	kuid_t owner = ipcdev_account_owner();
	struct edu_line *line;

	lockdep_assert_held(&edu->mutex);
	list_for_each_entry(line, &edu->lines, node) {
		if (!uid_eq(line->owner, owner))
			continue;
		if (line->engines == EDU_ENGINES_MAX)
			return ERR_PTR(-EDQUOT);
		line->engines++;
		return line;
	}
	line = kzalloc(sizeof(*line), IPCDEV_GFP);
	if (!line)
		return ERR_PTR(-ENOMEM);
	line->owner = owner;
	line->engines = 1;
	INIT_LIST_HEAD(&line->turn);
	INIT_LIST_HEAD(&line->jobs);
	list_add(&line->node, &edu->lines);
	return line;
}

static int edu_open(struct ipcdev_engine *engine)
{
	struct edu *edu = edu_of(engine);

	mutex_lock(&edu->mutex);
	engine->private = edu_line_get(edu);
	mutex_unlock(&edu->mutex);
	return PTR_ERR_OR_ZERO(engine->private);
}

/* None of the engine's jobs is in the line any more. */
static void edu_close(struct ipcdev_engine *engine)
{
	struct edu_line *line = engine->private;
	struct edu *edu = edu_of(engine);

	mutex_lock(&edu->mutex);
	if (!--line->engines) {
		list_del(&line->node);
		kfree(line);
	}
	mutex_unlock(&edu->mutex);
}

static int edu_submit(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	struct edu_job *ej = ipcdev_job_private(job);
	struct edu *edu = edu_of(engine);
	unsigned long flags;
	bool first;

	ej->job = job;
	ej->line = engine->private;
	ej->done = 0;
	raw_spin_lock_irqsave(&edu->lock, flags);
	if (edu->gone) {
		raw_spin_unlock_irqrestore(&edu->lock, flags);
		return -ENODEV;
	}
	first = list_empty(&edu->turns);
	edu_queue(edu, ej);
	if (edu->work == EDU_IDLE || (edu->work == EDU_LOST && first))
		edu_next(edu);
	raw_spin_unlock_irqrestore(&edu->lock, flags);
	return 0;
}

static void edu_cancel(struct ipcdev_engine *engine, struct ipcdev_job *job)
{
	struct edu_job *ej = ipcdev_job_private(job);
	struct edu *edu = edu_of(engine);
	unsigned long flags;

	raw_spin_lock_irqsave(&edu->lock, flags);
	if (edu->job == job || ej->waiting) {
		edu_detach(edu, job);
		ipcdev_job_complete(job, -ECANCELED);
	}
	raw_spin_unlock_irqrestore(&edu->lock, flags);
}

static void edu_quiesce(struct ipcdev_engine *engine)
{
	struct edu *edu = edu_of(engine);
	unsigned long flags;
	u32 i;

	for (i = 0; i < engine->depth; i++) {
		raw_spin_lock_irqsave(&edu->lock, flags);
		edu_detach(edu, ipcdev_engine_job(engine, i));
		raw_spin_unlock_irqrestore(&edu->lock, flags);
	}
}

static const struct ipcdev_backend_ops edu_ops = {
	.open = edu_open,
	.close = edu_close,
	.submit = edu_submit,
	.cancel = edu_cancel,
	.quiesce = edu_quiesce,
};

/* The device comes and goes. */

/* Whether there is something to wait for: one that is gone may read as ones. */
static bool edu_works(struct edu *edu)
{
	return edu_busy(edu) && edu_answers(edu);
}

/* Wait until it is idle: it may have been left at work. */
static int edu_settle(struct edu *edu)
{
	u64 us = (u64)READ_ONCE(edu_timeout_ms) * USEC_PER_MSEC;
	bool works;

	return read_poll_timeout(edu_works, works, !works, 5000, us, false, edu);
}

static int edu_check(struct edu *edu)
{
	struct device *dev = &edu->pdev->dev;
	u32 word = 0x5a5aa5a5;

	if (!edu_answers(edu)) {
		dev_err(dev, "identifies itself as %#x\n", edu_read(edu, EDU_ID));
		return -ENODEV;
	}
	edu_write(edu, EDU_LIVENESS, word);
	if (edu_read(edu, EDU_LIVENESS) != ~word) {
		dev_err(dev, "is not alive\n");
		return -EIO;
	}
	return 0;
}

/*
 * With an interrupt of its own the handler completes jobs in hard interrupt context on
 * PREEMPT_RT, too. A line must be shared with drivers whose handlers are threads there.
 */
static int edu_request_irq(struct edu *edu)
{
	struct pci_dev *pdev = edu->pdev;
	int ret;

	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI | PCI_IRQ_INTX);
	if (ret < 0)
		return ret;
	edu->irq = pci_irq_vector(pdev, 0);
	ret = request_irq(edu->irq, edu_interrupt,
			  pdev->msi_enabled ? IRQF_NO_THREAD : IRQF_SHARED,
			  edu->backend.name, edu);
	if (ret)
		pci_free_irq_vectors(pdev);
	return ret;
}

static void edu_free_irq(struct edu *edu)
{
	free_irq(edu->irq, edu);
	pci_free_irq_vectors(edu->pdev);
}

static int edu_map(struct edu *edu)
{
	struct pci_dev *pdev = edu->pdev;
	int ret;

	ret = pci_request_regions(pdev, "ipcdev-edu");
	if (ret)
		return ret;
	edu->mmio = pci_iomap(pdev, 0, EDU_REGISTERS);
	if (!edu->mmio || pci_resource_len(pdev, 0) < EDU_REGISTERS) {
		ret = -ENODEV;
		goto err;
	}
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(EDU_DMA_BITS));
	if (ret) {
		dev_err(&pdev->dev, "no memory within %u bits of address\n", EDU_DMA_BITS);
		goto err;
	}
	edu->bounce = dma_alloc_coherent(&pdev->dev, EDU_BOUNCE_SIZE, &edu->bounce_addr,
					 GFP_KERNEL);
	if (edu->bounce)
		return 0;
	ret = -ENOMEM;
err:
	if (edu->mmio)
		pci_iounmap(pdev, edu->mmio);
	pci_release_regions(pdev);
	return ret;
}

static void edu_unmap(struct edu *edu)
{
	struct pci_dev *pdev = edu->pdev;

	dma_free_coherent(&pdev->dev, EDU_BOUNCE_SIZE, edu->bounce, edu->bounce_addr);
	pci_iounmap(pdev, edu->mmio);
	pci_release_regions(pdev);
}

static struct edu *edu_alloc(struct pci_dev *pdev)
{
	struct edu *edu = kzalloc(sizeof(*edu), GFP_KERNEL);

	if (!edu)
		return NULL;
	edu->pdev = pdev;
	mutex_init(&edu->mutex);
	INIT_LIST_HEAD(&edu->lines);
	raw_spin_lock_init(&edu->lock);
	get_random_bytes(&edu->key, sizeof(edu->key));
	INIT_LIST_HEAD(&edu->turns);
	hrtimer_setup(&edu->watchdog, edu_watchdog, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	snprintf(edu->backend.name, sizeof(edu->backend.name), "edu-%s", pci_name(pdev));
	edu->backend.ops = &edu_ops;
	edu->backend.operations = BIT(IPCDEV_OP_NOP) | BIT(IPCDEV_OP_COPY) |
				  BIT(IPCDEV_OP_FILL) | BIT(IPCDEV_OP_FACTORIAL);
	edu->backend.depth_max = EDU_DEPTH_MAX;
	edu->backend.length_max = EDU_LENGTH_MAX;
	edu->backend.job_size = sizeof(struct edu_job);
	edu->backend.pin = true;
	return edu;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = edu_alloc(pdev);
	int ret;

	if (!edu)
		return -ENOMEM;
	ret = pci_enable_device(pdev);
	if (ret)
		goto err_free;
	ret = edu_map(edu);
	if (ret)
		goto err_disable;
	ret = edu_check(edu);
	if (ret)
		goto err_unmap;
	/* What it was left at may end with an interrupt, which somebody must answer. */
	edu_write(edu, EDU_IRQ_ACK, ~0);
	ret = edu_request_irq(edu);
	if (ret)
		goto err_unmap;
	ret = edu_settle(edu);
	if (ret) {
		dev_err(&pdev->dev, "remains busy\n");
		goto err_irq;
	}
	pci_set_master(pdev);
	ret = ipcdev_backend_register(&edu->backend);
	if (ret)
		goto err_irq;
	pci_set_drvdata(pdev, edu);
	return 0;

err_irq:
	edu_write(edu, EDU_STATUS, 0);
	pci_intx(pdev, 0);
	edu_free_irq(edu);
err_unmap:
	edu_unmap(edu);
err_disable:
	pci_disable_device(pdev);
err_free:
	kfree(edu);
	return ret;
}

/*
 * The jobs have ended when it is unregistered; the device may still work for one of
 * them. If it does not come to an end, it loses the right to memory and interrupts.
 */
static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	ipcdev_backend_unregister(&edu->backend);
	edu_settle(edu);
	edu_write(edu, EDU_STATUS, 0);
	edu_write(edu, EDU_IRQ_ACK, ~0);
	pci_intx(pdev, 0);
	pci_clear_master(pdev);
	edu_free_irq(edu);
	hrtimer_cancel(&edu->watchdog);
	edu_unmap(edu);
	pci_disable_device(pdev);
	kfree(edu);
}

/* Hold what waits, or let it go on. Returns whether the device is at something. */
static bool edu_hold(struct edu *edu, bool held)
{
	unsigned long flags;
	bool works;

	raw_spin_lock_irqsave(&edu->lock, flags);
	edu->held = held;
	if (edu->work == EDU_IDLE || edu->work == EDU_LOST)
		edu_next(edu);
	works = edu->work != EDU_IDLE;
	raw_spin_unlock_irqrestore(&edu->lock, flags);
	return works;
}

/* The step under way ends by itself, or by the watchdog. */
static int edu_suspend(struct device *dev)
{
	struct edu *edu = dev_get_drvdata(dev);

	while (edu_hold(edu, true))
		usleep_range(2000, 5000);
	hrtimer_cancel(&edu->watchdog);
	return 0;
}

static int edu_resume(struct device *dev)
{
	edu_hold(dev_get_drvdata(dev), false);
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(edu_pm, edu_suspend, edu_resume);

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "ipcdev-edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.driver.pm = pm_sleep_ptr(&edu_pm),
};

int __init ipcdev_edu_init(void)
{
	return pci_register_driver(&edu_driver);
}

void ipcdev_edu_exit(void)
{
	pci_unregister_driver(&edu_driver);
}
