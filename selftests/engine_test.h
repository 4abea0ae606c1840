/* SPDX-License-Identifier: GPL-2.0 */
/* An engine and its reaper, for those that test what engines do. */
#ifndef ENGINE_TEST_H
#define ENGINE_TEST_H

#include "reaper.h"

#define NONBLOCK	IPCDEV_NONBLOCK
#define MONOTONIC	IPCDEV_DEADLINE_MONOTONIC

static inline bool has_record(const struct reaper *r)
{
	return __atomic_load_n(r->peer, __ATOMIC_ACQUIRE) != r->index;
}

/* Looks at the next completion, and may leave it there. */
static inline long look(struct reaper *r, struct ipcdev_completion *c)
{
	const struct ipcdev_ring_record *rec;

	if (!has_record(r))
		return -EAGAIN;
	rec = (const void *)(r->data + (r->index & (r->header->size - 1)));
	if (rec->len != sizeof(*c) || rec->reserved)
		return -EBADMSG;
	memcpy(c, rec + 1, sizeof(*c));
	return c->reserved[0] || c->reserved[1] ? -EBADMSG : 0;
}

static inline long reap_one(struct reaper *r, struct ipcdev_completion *c)
{
	long ret = look(r, c);

	if (!ret) {
		r->index += RECORD;
		advance(r);
	}
	return ret;
}

static inline long wait_record(struct reaper *r, __u32 flags, __u64 deadline)
{
	return ring_wait(r->end, .flags = flags, .index = r->index + RECORD,
			 .deadline_ns = deadline);
}

/* The next completion, however long it takes. */
static inline long await(struct reaper *r, struct ipcdev_completion *c)
{
	long ret;

	while ((ret = reap_one(r, c)) == -EAGAIN) {
		ret = wait_record(r, 0, 0);
		if (ret)
			return ret;
	}
	return ret;
}

/* What an engine is asked for. */

#define create_engine(dev, ...)						\
	call(dev, IPCDEV_IOC_CREATE_ENGINE,				\
	     &(struct ipcdev_create_engine){ __VA_ARGS__ })

static inline long submit(int fd, const struct ipcdev_engine_request *reqs, __u32 count,
			  __u32 flags, __u64 deadline)
{
	struct ipcdev_submit s = {
		.flags = flags,
		.count = count,
		.deadline_ns = deadline,
		.requests = PTR(reqs),
		.request_size = sizeof(*reqs),
	};

	return call(fd, IPCDEV_IOC_SUBMIT, &s);
}

#define request(fd, ...)						\
	submit(fd, &(struct ipcdev_engine_request){ __VA_ARGS__ }, 1, 0, 0)

#define try_request(fd, ...)						\
	submit(fd, &(struct ipcdev_engine_request){ __VA_ARGS__ }, 1, NONBLOCK, 0)

static inline long nop(int fd, __u64 data)
{
	return request(fd, .op = IPCDEV_OP_NOP, .user_data = data);
}

static inline long try_nop(int fd, __u64 data)
{
	return try_request(fd, .op = IPCDEV_OP_NOP, .user_data = data);
}

/* One that does not come before the test ends. */
static inline long late_timer(int fd, __u64 data)
{
	return try_request(fd, .op = IPCDEV_OP_TIMER, .user_data = data, .value = FOREVER);
}

static inline long cancel(int fd, __u64 data, __u32 flags)
{
	struct ipcdev_cancel c = { .flags = flags, .user_data = data };

	return call(fd, IPCDEV_IOC_CANCEL, &c);
}

#define ALL	IPCDEV_CANCEL_ALL
#define ANY	IPCDEV_CANCEL_ANY

static inline long drain(int fd, __u32 flags, __u64 deadline)
{
	struct ipcdev_wait w = { .flags = flags, .deadline_ns = deadline };

	return call(fd, IPCDEV_IOC_DRAIN, &w);
}

static inline struct ipcdev_engine_stat engine_stat(int fd)
{
	struct ipcdev_engine_stat s;

	memset(&s, 0, sizeof(s));
	if (call(fd, IPCDEV_IOC_ENGINE_STAT, &s) < 0)
		abort();
	return s;
}

static inline __u64 sum(const __u64 histogram[IPCDEV_HISTOGRAM])
{
	__u64 total = 0;
	int i;

	for (i = 0; i < IPCDEV_HISTOGRAM; i++)
		total += histogram[i];
	return total;
}

/* The class of the shortest time. */
static inline int class_of(const __u64 histogram[IPCDEV_HISTOGRAM])
{
	int i = 0;

	while (i < IPCDEV_HISTOGRAM - 1 && !histogram[i])
		i++;
	return i;
}

#endif /* ENGINE_TEST_H */
