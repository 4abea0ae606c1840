/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rings: records from one producer to one consumer, without system calls while
 * neither sleeps. C or C++.
 *
 * What is on the way of each record is here, as inline functions; they fall back
 * on the library for all that is rare. A struct ipcdev_ring is one side of a ring.
 * It is used by one thread at a time, and only by the process that has opened it:
 * a child has none of its mappings.
 *
 * Memory order, in the terms of C11. A side's index is written by that side alone,
 * and says that all records before it are complete (the producer's), or are not
 * needed any more (the consumer's):
 *
 *	- the store of an index is a release: what was written to or read from the
 *	  records comes before it;
 *	- the load of the other side's index is an acquire: what is then read from or
 *	  written to the records comes after it;
 *	- between the store of an index and the look at what the kernel says of the
 *	  other side there is a fence that is sequentially consistent. The kernel has
 *	  one between saying that a side sleeps or is watched and looking at the index
 *	  for it. Of the two looks one therefore sees what the other has stored;
 *	- what the kernel says of a side is read relaxed, but for wake_at, which was
 *	  stored before the state that makes it valid.
 *
 * The other side is not to be trusted. Its index is checked each time that it is
 * read, the length of a record is read once and then checked, and nothing else of
 * what it writes is used for an address. EBADMSG says that it was nonsense. But a
 * producer may change a record while the consumer looks at it in place; who must be
 * sure of what it has seen copies it first, by ipcdev_ring_pop().
 */
#ifndef _IPCDEV_RING_H
#define _IPCDEV_RING_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <ipcdev.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * struct ipcdev_ring - one side of a ring
 * @own: its index, which it shares with the other side
 * @peer: the index of the other side
 * @other: what the kernel says of the other side
 * @data: the data, mapped twice in a row
 * @index: its index, ahead of @own by what is to be flushed
 * @known: bytes behind @index that it may use: of records, or of room
 * @record: bytes that the record looked at takes up; 0 if none was
 * @record_max: bytes in the longest record
 * @size: bytes of data, a power of two
 * @mask: one less
 * @fd: the end, to be polled
 * @produces: it is the producer's side
 * @spin_max: how often to look before sleeping, at most
 * @spin: and now
 * @map: all mappings, in a row
 * @map_size: their bytes
 * @reserved: to grow
 *
 * Only @fd, and @record_max and @size, are of interest to others.
 */
struct ipcdev_ring {
	uint32_t *own;
	const uint32_t *peer;
	const struct ipcdev_ring_side *other;
	unsigned char *data;
	uint32_t index;
	uint32_t known;
	uint32_t record;
	uint32_t record_max;
	uint32_t size;
	uint32_t mask;
	int fd;
	uint32_t produces;
	uint32_t spin_max;
	uint32_t spin;
	void *map;
	size_t map_size;
	uint64_t reserved[4];
};

/**
 * ipcdev_ring_create() - make a ring
 * @size: bytes of data, rounded up to a power of two, and to a page
 * @rights: IPCDEV_RIGHT_* of the handle, or 0 for all
 * @flags: IPCDEV_RING_TAKEOVER, or 0
 *
 * Return: its handle.
 */
int ipcdev_ring_create(uint64_t size, unsigned int rights, unsigned int flags);

/**
 * ipcdev_ring_take() - become a ring's consumer or producer
 * @fd: a handle
 * @role: IPCDEV_RIGHT_READ or IPCDEV_RIGHT_WRITE
 * @flags: IPCDEV_NONBLOCK, or 0
 *
 * Return: the end, for ipcdev_ring_map().
 */
int ipcdev_ring_take(int fd, unsigned int role, unsigned int flags);

/**
 * ipcdev_ring_map() - map an end
 * @ring: filled in
 * @end: the end; it is the ring's from now on, if this succeeds
 */
int ipcdev_ring_map(struct ipcdev_ring *ring, int end);

/**
 * ipcdev_ring_open() - become a ring's consumer or producer, and map what that takes
 * @ring: filled in
 * @fd: a handle, which is not needed any more afterwards
 * @role: IPCDEV_RIGHT_READ or IPCDEV_RIGHT_WRITE
 */
int ipcdev_ring_open(struct ipcdev_ring *ring, int fd, unsigned int role);

/**
 * ipcdev_ring_close() - leave a ring
 * @ring: the side
 *
 * What was not flushed is lost: to the other side it never was. Leaves errno alone.
 */
void ipcdev_ring_close(struct ipcdev_ring *ring);

/**
 * ipcdev_ring_set_spin() - how long to look before sleeping
 * @ring: the side
 * @looks: at most; 0 for never. It is less as long as looking was in vain.
 *	Where there is one CPU only, it is 0 to begin with, and else
 *	IPCDEV_RING_SPIN
 *
 * However long that is: that the other side has left, or has corrupted the ring, is seen
 * soon, and so is a deadline.
 */
void ipcdev_ring_set_spin(struct ipcdev_ring *ring, uint32_t looks);

#define IPCDEV_RING_SPIN 1000

/**
 * ipcdev_ring_wait() - sleep until there is a record, or room for one
 * @ring: the side
 * @len: the producer: bytes of the record; the consumer: ignored
 * @deadline: when to give up, or NULL
 *
 * Flushes first. EPIPE if the other side has left, and a consumer has received
 * all that there was; EBADMSG if the other side has corrupted the ring.
 */
int ipcdev_ring_wait(struct ipcdev_ring *ring, size_t len,
		     const struct ipcdev_deadline *deadline);

/**
 * ipcdev_ring_exchange() - flush one ring, and wait for a record in another
 * @out: the producer's side of a ring
 * @in: the consumer's side of another
 * @deadline: when to give up, or NULL
 *
 * As ipcdev_ring_flush() and ipcdev_ring_wait(), in one system call at most where
 * spinning is off.
 */
int ipcdev_ring_exchange(struct ipcdev_ring *out, struct ipcdev_ring *in,
			 const struct ipcdev_deadline *deadline);

/* What the functions below do in rare cases. */
int ipcdev_ring_look(struct ipcdev_ring *ring, uint32_t need);
int ipcdev_ring_tell(struct ipcdev_ring *ring, uint32_t before);
int ipcdev_ring_sleep(struct ipcdev_ring *ring, uint32_t need,
		      const struct ipcdev_deadline *deadline, bool again);
void *ipcdev_ring_no_room(struct ipcdev_ring *ring, size_t len);
int ipcdev_ring_push_late(struct ipcdev_ring *ring, const void *data, size_t len);
int ipcdev_ring_send_wait(struct ipcdev_ring *ring, const void *data, size_t len,
			  const struct ipcdev_deadline *deadline);
ssize_t ipcdev_ring_refuse(struct ipcdev_ring *ring, uint32_t len);
bool ipcdev_ring_spin_on(const struct ipcdev_ring *ring,
			 const struct ipcdev_deadline *deadline);
ssize_t ipcdev_ring_pop_late(struct ipcdev_ring *ring, void *data, size_t size);
ssize_t ipcdev_ring_recv_wait(struct ipcdev_ring *ring, void *data, size_t size,
			      const struct ipcdev_deadline *deadline);

#pragma GCC visibility pop

#define _IPCDEV_UNLIKELY(condition)	__builtin_expect(!!(condition), 0)

/* The bytes that a record takes up, whatever its length. */
static inline uint64_t _ipcdev_ring_space(uint64_t len)
{
	return (sizeof(struct ipcdev_ring_record) + len + IPCDEV_RING_ALIGN - 1) &
		~(IPCDEV_RING_ALIGN - 1ULL);
}

static inline struct ipcdev_ring_record *
_ipcdev_ring_next(const struct ipcdev_ring *ring)
{
	return (struct ipcdev_ring_record *)
		(ring->data + (ring->index & ring->mask));
}

static inline uint32_t _ipcdev_ring_state(const struct ipcdev_ring *ring)
{
	return __atomic_load_n(&ring->other->state, __ATOMIC_RELAXED);
}

/*
 * A side's own index becomes @index, and a fence follows. Returns what it was.
 *
 * On x86, which is what has SSE2, an exchange is all of that in one instruction, and is
 * seen sooner.
 */
static inline uint32_t _ipcdev_ring_publish(uint32_t *own, uint32_t index)
{
	uint32_t before;

#ifdef __SSE2__
	before = __atomic_exchange_n(own, index, __ATOMIC_SEQ_CST);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#else
	before = *own;
	__atomic_store_n(own, index, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
	return before;
}

/**
 * ipcdev_ring_flush() - let the other side see how far this one has come
 * @ring: the side
 *
 * The producer's records are received from now on, and the consumer's room is used
 * again. Wakes the other side if it sleeps for that, or is watched.
 *
 * The producer is told by EPIPE that the consumer has left without having received
 * all, unless another may take over: its records are for that one. The consumer cannot
 * fail here.
 */
static inline int ipcdev_ring_flush(struct ipcdev_ring *ring)
{
	uint32_t before = _ipcdev_ring_publish(ring->own, ring->index);

	if (_IPCDEV_UNLIKELY(_ipcdev_ring_state(ring)))
		return ipcdev_ring_tell(ring, before);
	return 0;
}

/* The producer. */

/* Whether a record has room, by what is known. */
static inline bool _ipcdev_ring_fits(const struct ipcdev_ring *ring, size_t len)
{
	return len <= ring->record_max && _ipcdev_ring_space(len) <= ring->known;
}

/**
 * ipcdev_ring_reserve() - get room for a record
 * @ring: the producer's side
 * @len: bytes at most, up to @ring's record_max
 *
 * Never sleeps: EAGAIN if there is no room, or EPIPE if the consumer has left, too.
 * EMSGSIZE if there will never be room, EBADMSG if the consumer has corrupted the
 * ring.
 *
 * Return: where to write the record, a multiple of IPCDEV_RING_ALIGN; NULL on
 * failure. To reserve again gives the same room.
 */
static inline void *ipcdev_ring_reserve(struct ipcdev_ring *ring, size_t len)
{
	if (_IPCDEV_UNLIKELY(!_ipcdev_ring_fits(ring, len)))
		return ipcdev_ring_no_room(ring, len);
	return _ipcdev_ring_next(ring) + 1;
}

/**
 * ipcdev_ring_await_room() - reserve room for a record, as soon as there is some
 * @ring: the producer's side
 * @len: bytes at most, up to @ring's record_max
 * @deadline: when to give up, or NULL
 *
 * Sleeps as ipcdev_ring_wait() does; the other errors are those of
 * ipcdev_ring_reserve().
 *
 * Return: what ipcdev_ring_reserve() does.
 */
static inline void *ipcdev_ring_await_room(struct ipcdev_ring *ring, size_t len,
					   const struct ipcdev_deadline *deadline)
{
	uint32_t need = (uint32_t)_ipcdev_ring_space(len);
	bool again = false;
	void *room;

	while (_IPCDEV_UNLIKELY(!(room = ipcdev_ring_reserve(ring, len)))) {
		if (errno != EAGAIN || ipcdev_ring_sleep(ring, need, deadline, again))
			return NULL;
		again = true;
	}
	return room;
}

/* The record lies at @room. */
static inline void _ipcdev_ring_append(struct ipcdev_ring *ring, void *room,
				       size_t len)
{
	struct ipcdev_ring_record record = { (uint32_t)len, 0 };
	uint32_t space = (uint32_t)_ipcdev_ring_space(len);

	((struct ipcdev_ring_record *)room)[-1] = record;
	ring->index += space;
	ring->known -= space;
}

/**
 * ipcdev_ring_append() - a record is finished, to be flushed later
 * @ring: the producer's side
 * @len: the record's bytes, at most those that were reserved
 */
static inline void ipcdev_ring_append(struct ipcdev_ring *ring, size_t len)
{
	_ipcdev_ring_append(ring, _ipcdev_ring_next(ring) + 1, len);
}

/**
 * ipcdev_ring_commit() - a record is finished, and may be received
 * @ring: the producer's side
 * @len: the record's bytes, at most those that were reserved
 *
 * The error is that of ipcdev_ring_flush().
 */
static inline int ipcdev_ring_commit(struct ipcdev_ring *ring, size_t len)
{
	ipcdev_ring_append(ring, len);
	return ipcdev_ring_flush(ring);
}

/*
 * There is room. What is counted is so before the copy, lest it be kept over a call:
 * only the flush counts for the other side.
 */
static inline int _ipcdev_ring_put(struct ipcdev_ring *ring, const void *data,
				   size_t len)
{
	void *room = _ipcdev_ring_next(ring) + 1;

	_ipcdev_ring_append(ring, room, len);
	memcpy(room, data, len);
	return ipcdev_ring_flush(ring);
}

/**
 * ipcdev_ring_push() - copy a record into the ring
 * @ring: the producer's side
 * @data: the record
 * @len: its bytes
 *
 * Never sleeps; the errors are those of ipcdev_ring_reserve() and of
 * ipcdev_ring_flush().
 */
static inline int ipcdev_ring_push(struct ipcdev_ring *ring, const void *data,
				   size_t len)
{
	if (_IPCDEV_UNLIKELY(!_ipcdev_ring_fits(ring, len)))
		return ipcdev_ring_push_late(ring, data, len);
	return _ipcdev_ring_put(ring, data, len);
}

/**
 * ipcdev_ring_send() - push a record, as soon as there is room
 * @ring: the producer's side
 * @data: the record
 * @len: its bytes
 * @deadline: when to give up, or NULL
 *
 * Sleeps as ipcdev_ring_wait() does; the other errors are those of
 * ipcdev_ring_push().
 */
static inline int ipcdev_ring_send(struct ipcdev_ring *ring, const void *data,
				   size_t len,
				   const struct ipcdev_deadline *deadline)
{
	if (_IPCDEV_UNLIKELY(!_ipcdev_ring_fits(ring, len)))
		return ipcdev_ring_send_wait(ring, data, len, deadline);
	return _ipcdev_ring_put(ring, data, len);
}

/* The consumer. */

/*
 * Whether there is a record, as far as can be told without a call. Where the producer
 * has come to is looked at when all that was known of is consumed. If that is between
 * two records, the last of them will be found too long.
 */
static inline bool _ipcdev_ring_any(struct ipcdev_ring *ring)
{
	uint32_t known;

	if (ring->known)
		return true;
	known = __atomic_load_n(ring->peer, __ATOMIC_ACQUIRE) - ring->index;
	if (_IPCDEV_UNLIKELY(known - 1 >= ring->size))
		return false;
	ring->known = known;
	return true;
}

/* Also leaves a line of the cache alone for a moment, so that its writer gets it. */
static inline void _ipcdev_ring_relax(void)
{
#ifdef __has_builtin
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#endif
#endif
}

/* Looks after each of which it is seen whether more of them are of use. */
#define _IPCDEV_RING_LOOKS	256

/*
 * Looks for a while whether there is a record. In line, so that between its being seen
 * and its being copied there is next to nothing: two processes that spin for each other
 * wait for just that. The library makes the while shorter where this was in vain.
 */
static inline bool _ipcdev_ring_spin(struct ipcdev_ring *ring,
				     const struct ipcdev_deadline *deadline)
{
	uint32_t left = ring->spin, looks;

	if (left && (_ipcdev_ring_state(ring) & IPCDEV_RING_GONE))
		return false;
	/* The producer may wait for just that before it goes on. */
	if (left && *ring->own != ring->index)
		ipcdev_ring_flush(ring);
	while (left) {
		looks = left < _IPCDEV_RING_LOOKS ? left : _IPCDEV_RING_LOOKS;
		left -= looks;
		for (; looks; looks--) {
			if (_ipcdev_ring_any(ring)) {
				ring->spin = ring->spin_max;
				return true;
			}
			_ipcdev_ring_relax();
		}
		if (left && !ipcdev_ring_spin_on(ring, deadline))
			return false;
	}
	return false;
}

static inline void _ipcdev_ring_consume(struct ipcdev_ring *ring, uint32_t space)
{
	ring->index += space;
	ring->known -= space;
}

/**
 * ipcdev_ring_peek() - look at the next record, in place
 * @ring: the consumer's side
 * @len: its bytes; 0 if there is none
 *
 * Never sleeps: EAGAIN if there is none. EPIPE if there will be none, because the
 * producer has left; EBADMSG if it has corrupted the ring.
 *
 * Return: the record, at a multiple of IPCDEV_RING_ALIGN; NULL on failure. A
 * producer that is not trusted may change it at any moment.
 */
static inline const void *ipcdev_ring_peek(struct ipcdev_ring *ring, size_t *len)
{
	const struct ipcdev_ring_record *record = _ipcdev_ring_next(ring);
	uint64_t space;
	uint32_t bytes;

	ring->record = 0;
	*len = 0;
	if (_IPCDEV_UNLIKELY(!_ipcdev_ring_any(ring)) &&
	    ipcdev_ring_look(ring, IPCDEV_RING_ALIGN))
		return NULL;
	bytes = __atomic_load_n(&record->len, __ATOMIC_RELAXED);
	space = _ipcdev_ring_space(bytes);
	if (_IPCDEV_UNLIKELY(space > ring->known || bytes > ring->record_max)) {
		errno = EBADMSG;
		return NULL;
	}
	ring->record = (uint32_t)space;
	*len = bytes;
	return record + 1;
}

/**
 * ipcdev_ring_await_record() - look at the next record in place, as soon as there is one
 * @ring: the consumer's side
 * @len: its bytes; 0 if there is none
 * @deadline: when to give up, or NULL
 *
 * Sleeps as ipcdev_ring_wait() does; the other errors are those of
 * ipcdev_ring_peek().
 *
 * Return: what ipcdev_ring_peek() does.
 */
static inline const void *
ipcdev_ring_await_record(struct ipcdev_ring *ring, size_t *len,
			 const struct ipcdev_deadline *deadline)
{
	const void *record;
	bool again = false;

	if (_IPCDEV_UNLIKELY(!_ipcdev_ring_any(ring)))
		_ipcdev_ring_spin(ring, deadline);
	while (_IPCDEV_UNLIKELY(!(record = ipcdev_ring_peek(ring, len)))) {
		if (errno != EAGAIN ||
		    ipcdev_ring_sleep(ring, IPCDEV_RING_ALIGN, deadline, again))
			return NULL;
		again = true;
	}
	return record;
}

/**
 * ipcdev_ring_consume() - be done with the record, whose room is given back later
 * @ring: the consumer's side, whose next record has been looked at
 *
 * The room is given back with the next flush. Does nothing if no record has been
 * looked at.
 */
static inline void ipcdev_ring_consume(struct ipcdev_ring *ring)
{
	_ipcdev_ring_consume(ring, ring->record);
	ring->record = 0;
}

/**
 * ipcdev_ring_release() - be done with the record, and give its room back
 * @ring: the consumer's side, whose next record has been looked at
 */
static inline void ipcdev_ring_release(struct ipcdev_ring *ring)
{
	ipcdev_ring_consume(ring);
	ipcdev_ring_flush(ring);
}

/* There is a record. As for _ipcdev_ring_put(), it is counted first. */
static inline ssize_t _ipcdev_ring_get(struct ipcdev_ring *ring, void *data,
				       size_t size)
{
	const struct ipcdev_ring_record *record = _ipcdev_ring_next(ring);
	uint32_t len = __atomic_load_n(&record->len, __ATOMIC_RELAXED);
	uint64_t space = _ipcdev_ring_space(len);

	if (_IPCDEV_UNLIKELY(space > ring->known || len > size ||
			     len > ring->record_max))
		return ipcdev_ring_refuse(ring, len);
	_ipcdev_ring_consume(ring, (uint32_t)space);
	ring->record = 0;
	/* Of a size that the compiler knows, a copy is a few instructions. */
	if (__builtin_constant_p(size) && len == size)
		memcpy(data, record + 1, size);
	else
		memcpy(data, record + 1, len);
	ipcdev_ring_flush(ring);
	return (ssize_t)len;
}

/**
 * ipcdev_ring_pop() - copy the next record out of the ring
 * @ring: the consumer's side
 * @data: where to put it
 * @size: bytes that fit there; of a longer record EMSGSIZE, and it stays
 *
 * Never sleeps; the other errors are those of ipcdev_ring_peek().
 *
 * Return: the record's bytes; -1 on failure.
 */
static inline ssize_t ipcdev_ring_pop(struct ipcdev_ring *ring, void *data,
				      size_t size)
{
	if (_IPCDEV_UNLIKELY(!_ipcdev_ring_any(ring)))
		return ipcdev_ring_pop_late(ring, data, size);
	return _ipcdev_ring_get(ring, data, size);
}

/**
 * ipcdev_ring_recv() - pop a record, as soon as there is one
 * @ring: the consumer's side
 * @data: where to put it
 * @size: bytes that fit there
 * @deadline: when to give up, or NULL
 *
 * Sleeps as ipcdev_ring_wait() does; the other errors are those of
 * ipcdev_ring_pop().
 *
 * Return: the record's bytes; -1 on failure.
 */
static inline ssize_t ipcdev_ring_recv(struct ipcdev_ring *ring, void *data,
				       size_t size,
				       const struct ipcdev_deadline *deadline)
{
	if (_IPCDEV_UNLIKELY(!_ipcdev_ring_any(ring)) && !_ipcdev_ring_spin(ring, deadline))
		return ipcdev_ring_recv_wait(ring, data, size, deadline);
	return _ipcdev_ring_get(ring, data, size);
}

#ifdef __cplusplus
}
#endif

#endif /* _IPCDEV_RING_H */
