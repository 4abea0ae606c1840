/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Engines: requests that are carried out while the caller goes on, and whose
 * completions an interrupt puts into a ring. C or C++.
 *
 * An engine is a handle, through which requests are submitted, and a ring, of
 * which the kernel is the producer: ipcdev_ring_open(ring, handle,
 * IPCDEV_RIGHT_READ) makes its consumer. All of ipcdev_ring.h works there; what
 * follows knows, beyond that, what the records are. To reap is a few loads and
 * one store; there is a system call only to submit and to sleep.
 *
 * An engine of depth N takes N requests, until their completions have been
 * reaped and flushed. A thread that both submits and reaps must not sleep in
 * ipcdev_engine_submit() for room that only itself would make: it gives a
 * deadline that has passed, or reaps first.
 */
#ifndef _IPCDEV_ENGINE_H
#define _IPCDEV_ENGINE_H

#include <ipcdev_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * ipcdev_engine_create() - make an engine
 * @backend: what shall carry out the requests, or its kind; NULL for "soft"
 * @depth: requests that it takes at most; 0 for 64, or what the back end allows if that
 *	is less
 * @rights: IPCDEV_RIGHT_* of the handle, or 0 for all
 * @flags: IPCDEV_RING_TAKEOVER, or 0
 *
 * ENODEV if there is no such back end, ENOTUNIQ if there are several of that kind,
 * ENAMETOOLONG if the name is longer than any.
 *
 * Return: its handle.
 */
int ipcdev_engine_create(const char *backend, unsigned int depth,
			 unsigned int rights, unsigned int flags);

/**
 * ipcdev_engine_backends() - look at what can carry out requests
 * @skip: how many of the first to leave out
 * @infos: where to put what there is
 * @count: entries that fit there
 *
 * Return: entries written, 0 past the last one.
 */
int ipcdev_engine_backends(unsigned int skip, struct ipcdev_backend_info *infos,
			   unsigned int count);

/**
 * ipcdev_engine_submit() - hand over requests
 * @fd: a handle that may write
 * @requests: the requests
 * @count: how many, at most what ipcdev_info() says of a batch
 * @deadline: when to stop waiting for room, or NULL
 *
 * Return: how many were submitted, in their order, at least 1; fewer than @count
 * if the next one failed, which submitting it again tells the reason of.
 */
int ipcdev_engine_submit(int fd, const struct ipcdev_engine_request *requests,
			 unsigned int count, const struct ipcdev_deadline *deadline);

/**
 * ipcdev_engine_wait() - sleep until there are completions
 * @ring: the engine's consumer
 * @count: how many, at most the engine's depth: more may never be there. 0 is as 1
 * @deadline: when to give up, or NULL
 *
 * Gives back the room of what was consumed first. Counts what is there and not
 * consumed. Sleeps in one system call, however many interrupts bring them. EPIPE if
 * the device is gone and fewer than @count were left to be reaped, EINVAL if the ring
 * has no room for @count.
 */
int ipcdev_engine_wait(struct ipcdev_ring *ring, unsigned int count,
		       const struct ipcdev_deadline *deadline);

/**
 * ipcdev_engine_cancel() - no longer want what was requested
 * @fd: a handle that may write
 * @user_data: of the requests
 * @flags: IPCDEV_CANCEL_ALL, IPCDEV_CANCEL_ANY, or 0 for the first such request
 *
 * Each has its completion all the same. ENOENT if there is none in flight.
 *
 * Return: how many were asked to end.
 */
int ipcdev_engine_cancel(int fd, uint64_t user_data, unsigned int flags);

/**
 * ipcdev_engine_drain() - sleep until nothing is in flight
 * @fd: a handle that may write
 * @deadline: when to give up, or NULL
 */
int ipcdev_engine_drain(int fd, const struct ipcdev_deadline *deadline);

/**
 * ipcdev_engine_stat() - what an engine has done
 * @fd: a handle, or the ring's fd
 * @stat: where to put it
 */
int ipcdev_engine_stat(int fd, struct ipcdev_engine_stat *stat);

#pragma GCC visibility pop

/* Requests. Each of these sets all of a struct ipcdev_engine_request. */

static inline struct ipcdev_engine_request *
_ipcdev_engine_prepare(struct ipcdev_engine_request *request, uint32_t op,
		       uint64_t user_data)
{
	memset(request, 0, sizeof(*request));
	request->op = op;
	request->user_data = user_data;
	return request;
}

static inline void _ipcdev_engine_slice(struct ipcdev_slice *slice, int buffer,
					uint64_t offset, uint64_t length)
{
	slice->fd = buffer;
	slice->offset = offset;
	slice->length = length;
}

/**
 * ipcdev_engine_nop() - nothing but the completion
 * @request: filled in
 * @user_data: what the completion shall say
 */
static inline void ipcdev_engine_nop(struct ipcdev_engine_request *request,
				     uint64_t user_data)
{
	_ipcdev_engine_prepare(request, IPCDEV_OP_NOP, user_data);
}

/**
 * ipcdev_engine_timer() - a completion after a time
 * @request: filled in
 * @user_data: what the completion shall say
 * @ns: nanoseconds from the submission
 */
static inline void ipcdev_engine_timer(struct ipcdev_engine_request *request,
				       uint64_t user_data, uint64_t ns)
{
	_ipcdev_engine_prepare(request, IPCDEV_OP_TIMER, user_data)->value = ns;
}

/**
 * ipcdev_engine_timer_at() - a completion at a time
 * @request: filled in
 * @user_data: what the completion shall say
 * @ns: of CLOCK_MONOTONIC
 */
static inline void ipcdev_engine_timer_at(struct ipcdev_engine_request *request,
					  uint64_t user_data, uint64_t ns)
{
	ipcdev_engine_timer(request, user_data, ns);
	request->flags = IPCDEV_REQUEST_ABSOLUTE;
}

/**
 * ipcdev_engine_periodic() - a completion again and again, until it is cancelled
 * @request: filled in
 * @user_data: what the completions shall say
 * @period: nanoseconds from the submission to the first, and from each to the next
 */
static inline void ipcdev_engine_periodic(struct ipcdev_engine_request *request,
					  uint64_t user_data, uint64_t period)
{
	ipcdev_engine_timer(request, user_data, period);
	request->period_ns = period;
}

/**
 * ipcdev_engine_copy() - copy from one buffer to another, or within one
 * @request: filled in
 * @user_data: what the completion shall say
 * @to: a handle that may write
 * @to_offset: where to, in bytes
 * @from: a handle
 * @from_offset: where from, in bytes
 * @length: bytes; the two slices must not overlap
 */
static inline void ipcdev_engine_copy(struct ipcdev_engine_request *request,
				      uint64_t user_data, int to, uint64_t to_offset,
				      int from, uint64_t from_offset, uint64_t length)
{
	_ipcdev_engine_prepare(request, IPCDEV_OP_COPY, user_data);
	_ipcdev_engine_slice(&request->dst, to, to_offset, length);
	_ipcdev_engine_slice(&request->src, from, from_offset, length);
}

/**
 * ipcdev_engine_fill() - set the bytes of a slice
 * @request: filled in
 * @user_data: what the completion shall say
 * @buffer: a handle that may write
 * @offset: where the slice begins, in bytes
 * @length: its bytes
 * @byte: what they become
 */
static inline void ipcdev_engine_fill(struct ipcdev_engine_request *request,
				      uint64_t user_data, int buffer, uint64_t offset,
				      uint64_t length, unsigned char byte)
{
	_ipcdev_engine_prepare(request, IPCDEV_OP_FILL, user_data)->value = byte;
	_ipcdev_engine_slice(&request->dst, buffer, offset, length);
}

/**
 * ipcdev_engine_crc32() - the checksum of a slice
 * @request: filled in
 * @user_data: what the completion shall say
 * @buffer: a handle
 * @offset: where the slice begins, in bytes
 * @length: its bytes
 */
static inline void ipcdev_engine_crc32(struct ipcdev_engine_request *request,
				       uint64_t user_data, int buffer, uint64_t offset,
				       uint64_t length)
{
	_ipcdev_engine_prepare(request, IPCDEV_OP_CRC32, user_data);
	_ipcdev_engine_slice(&request->src, buffer, offset, length);
}

/**
 * ipcdev_engine_factorial() - the factorial of a number, modulo 2^32
 * @request: filled in
 * @user_data: what the completion shall say
 * @number: the number
 */
static inline void ipcdev_engine_factorial(struct ipcdev_engine_request *request,
					   uint64_t user_data, uint32_t number)
{
	_ipcdev_engine_prepare(request, IPCDEV_OP_FACTORIAL, user_data)->value = number;
}

/**
 * ipcdev_engine_eventfd() - have an eventfd signalled with each completion of a request
 * @request: filled in by one of the above
 * @eventfd: the eventfd
 */
static inline void ipcdev_engine_eventfd(struct ipcdev_engine_request *request,
					 int eventfd)
{
	request->flags |= IPCDEV_REQUEST_EVENTFD;
	request->eventfd = eventfd;
}

/* Completions. */

/* What a record of the engine's ring is, unless it is none. */
static inline const struct ipcdev_completion *
_ipcdev_engine_completion(const void *record, size_t len)
{
	if (_IPCDEV_UNLIKELY(record && len < sizeof(struct ipcdev_completion))) {
		errno = EBADMSG;
		return NULL;
	}
	return (const struct ipcdev_completion *)record;
}

/**
 * ipcdev_engine_peek() - look at the next completion, in place
 * @ring: the engine's consumer
 *
 * Never sleeps: EAGAIN if there is none. EPIPE if there will be none, because the
 * device is gone. Only the kernel can write to it.
 *
 * Return: the completion, until ipcdev_ring_consume() or ipcdev_ring_release(); NULL on
 * failure.
 */
static inline const struct ipcdev_completion *
ipcdev_engine_peek(struct ipcdev_ring *ring)
{
	size_t len;
	const void *record = ipcdev_ring_peek(ring, &len);

	return _ipcdev_engine_completion(record, len);
}

/**
 * ipcdev_engine_await() - look at the next completion in place, as soon as there is one
 * @ring: the engine's consumer
 * @deadline: when to give up, or NULL
 *
 * Sleeps as ipcdev_engine_wait() does; the other errors are those of
 * ipcdev_engine_peek().
 *
 * Return: what ipcdev_engine_peek() does.
 */
static inline const struct ipcdev_completion *
ipcdev_engine_await(struct ipcdev_ring *ring, const struct ipcdev_deadline *deadline)
{
	size_t len;
	const void *record = ipcdev_ring_await_record(ring, &len, deadline);

	return _ipcdev_engine_completion(record, len);
}

/**
 * ipcdev_engine_reap() - copy the completions that there are
 * @ring: the engine's consumer
 * @completions: where to put them
 * @max: how many fit there, at least 1
 *
 * Never sleeps; the errors are those of ipcdev_engine_peek(). Gives their room back.
 *
 * Return: how many, at least 1; -1 on failure.
 */
static inline int ipcdev_engine_reap(struct ipcdev_ring *ring,
				     struct ipcdev_completion *completions,
				     unsigned int max)
{
	const struct ipcdev_completion *next;
	unsigned int count = 0;

	while (count < max && (next = ipcdev_engine_peek(ring))) {
		completions[count++] = *next;
		ipcdev_ring_consume(ring);
	}
	if (_IPCDEV_UNLIKELY(!count))
		return -1;
	ipcdev_ring_flush(ring);
	return (int)count;
}

/**
 * ipcdev_engine_next() - reap one completion, as soon as there is one
 * @ring: the engine's consumer
 * @completion: where to put it
 * @deadline: when to give up, or NULL
 *
 * Sleeps as ipcdev_engine_wait() does; the other errors are those of
 * ipcdev_engine_peek().
 */
static inline int ipcdev_engine_next(struct ipcdev_ring *ring,
				     struct ipcdev_completion *completion,
				     const struct ipcdev_deadline *deadline)
{
	const struct ipcdev_completion *next = ipcdev_engine_await(ring, deadline);

	if (_IPCDEV_UNLIKELY(!next))
		return -1;
	*completion = *next;
	ipcdev_ring_release(ring);
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif /* _IPCDEV_ENGINE_H */
