// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rings: what the inline functions of ipcdev_ring.h leave to the library. */
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "ipcdev_ring.h"

/* Spinning never gives up altogether, lest it not notice that it would pay again. */
#define SPIN_MIN 16

int ipcdev_ring_create(uint64_t size, unsigned int rights, unsigned int flags)
{
	struct ipcdev_create_ring create = {
		.size = size,
		.flags = flags,
		.rights = rights,
	};

	return device_ioctl(IPCDEV_IOC_CREATE_RING, &create);
}

int ipcdev_ring_take(int fd, unsigned int role, unsigned int flags)
{
	struct ipcdev_ring_take take = {
		.role = role,
		.flags = flags,
	};

	return ioctl(fd, IPCDEV_IOC_RING_TAKE, &take);
}

static bool map_at(void *at, size_t size, int prot, int end, off_t offset)
{
	return mmap(at, size, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE, end,
		    offset) != MAP_FAILED;
}

/* The header, the two indices, and the data twice, in a row. */
static bool map_areas(struct ipcdev_ring *ring, size_t page)
{
	int rw = PROT_READ | PROT_WRITE;
	char *at = ring->map;

	return map_at(at, page, PROT_READ, ring->fd, IPCDEV_RING_HEADER_OFFSET) &&
	       map_at(at + page, page, ring->produces ? PROT_READ : rw, ring->fd,
		      IPCDEV_RING_CONSUMER_OFFSET) &&
	       map_at(at + 2 * page, page, ring->produces ? rw : PROT_READ, ring->fd,
		      IPCDEV_RING_PRODUCER_OFFSET) &&
	       map_at(at + 3 * page, 2 * (size_t)ring->size,
		      ring->produces ? rw : PROT_READ, ring->fd,
		      IPCDEV_RING_DATA_OFFSET);
}

/* A role that is taken over begins where the predecessor left its index. */
static void find_areas(struct ipcdev_ring *ring, size_t page)
{
	const struct ipcdev_ring_header *header = ring->map;
	struct ipcdev_ring_index *consumer = (void *)((char *)ring->map + page);
	struct ipcdev_ring_index *producer = (void *)((char *)ring->map + 2 * page);

	ring->own = ring->produces ? &producer->index : &consumer->index;
	ring->peer = ring->produces ? &consumer->index : &producer->index;
	ring->other = ring->produces ? &header->consumer : &header->producer;
	ring->data = (unsigned char *)ring->map + 3 * page;
	ring->record_max = header->record_max;
	ring->index = __atomic_load_n(ring->own, __ATOMIC_RELAXED);
}

/*
 * A predecessor may have left nonsense. How far its index is from the other side's is
 * checked whenever that is looked at; that it is a place for a record, only here.
 */
static bool is_sound(const struct ipcdev_ring *ring)
{
	if (!(ring->index % IPCDEV_RING_ALIGN))
		return true;
	errno = EBADMSG;
	return false;
}

static uint32_t default_spin(void)
{
	cpu_set_t cpus;

	/* With more CPUs than fit into a cpu_set_t this fails. */
	if (!sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) == 1)
		return sysconf(_SC_NPROCESSORS_ONLN) == 1 ? 0 : IPCDEV_RING_SPIN;
	return IPCDEV_RING_SPIN;
}

static void signal_other(const struct ipcdev_ring *ring)
{
	struct ipcdev_ring_signal signal = { 0 };
	int err = errno;

	/* Cannot fail while the end is open, which is for the caller to see to. */
	ioctl(ring->fd, IPCDEV_IOC_RING_SIGNAL, &signal);
	errno = err;
}

/* Bytes that may be used so that a record of any length still has room. */
static uint32_t room_limit(const struct ipcdev_ring *ring)
{
	return ring->size - _ipcdev_ring_space(ring->record_max);
}

static bool is_due(const struct ipcdev_ring *ring, uint32_t state)
{
	return (state & IPCDEV_RING_SLEEPING) &&
	       (int32_t)(ring->index - __atomic_load_n(&ring->other->wake_at,
						       __ATOMIC_RELAXED)) >= 0;
}

/*
 * Whether the other side waits for what there is: who has used the end before may have
 * died before it told of that.
 */
static bool may_owe(const struct ipcdev_ring *ring)
{
	uint32_t state = _ipcdev_ring_state(ring), peer;

	/* What the state makes valid was stored before it. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (is_due(ring, state))
		return true;
	if (!(state & IPCDEV_RING_WATCHED))
		return false;
	peer = __atomic_load_n(ring->peer, __ATOMIC_RELAXED);
	return ring->produces ? peer != ring->index :
		peer - ring->index <= room_limit(ring);
}

int ipcdev_ring_map(struct ipcdev_ring *ring, int end)
{
	const struct ipcdev_ring_header *header;
	size_t page = sysconf(_SC_PAGESIZE);
	struct ipcdev_stat stat;
	int err;

	if (ipcdev_stat(end, &stat))
		return -1;
	if (stat.type != IPCDEV_TYPE_RING && stat.type != IPCDEV_TYPE_ENGINE) {
		errno = ENOTTY;
		return -1;
	}
	if (stat.size > (SIZE_MAX - 3 * page) / 2) {
		errno = ENOMEM;
		return -1;
	}
	memset(ring, 0, sizeof(*ring));
	ring->fd = end;
	ring->size = stat.size;
	ring->mask = ring->size - 1;
	ring->produces = stat.rights == IPCDEV_RIGHT_WRITE;
	ring->map_size = 3 * page + 2 * (size_t)stat.size;
	ring->map = mmap(NULL, ring->map_size, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ring->map == MAP_FAILED)
		return -1;
	if (!map_areas(ring, page))
		goto err_map;
	header = ring->map;
	if (header->magic != IPCDEV_RING_MAGIC ||
	    header->version != IPCDEV_RING_VERSION) {
		errno = EPROTO;
		goto err_map;
	}
	find_areas(ring, page);
	if (!is_sound(ring))
		goto err_map;
	if (may_owe(ring))
		signal_other(ring);
	ipcdev_ring_set_spin(ring, default_spin());
	return 0;

err_map:
	err = errno;
	munmap(ring->map, ring->map_size);
	errno = err;
	return -1;
}

int ipcdev_ring_open(struct ipcdev_ring *ring, int fd, unsigned int role)
{
	int end = ipcdev_ring_take(fd, role, 0), err;

	if (end < 0)
		return -1;
	if (!ipcdev_ring_map(ring, end))
		return 0;
	err = errno;
	close(end);
	errno = err;
	return -1;
}

void ipcdev_ring_close(struct ipcdev_ring *ring)
{
	int err = errno;

	munmap(ring->map, ring->map_size);
	close(ring->fd);
	errno = err;
}

void ipcdev_ring_set_spin(struct ipcdev_ring *ring, uint32_t looks)
{
	ring->spin_max = looks;
	ring->spin = looks;
}

static int fail(int err)
{
	errno = err;
	return -1;
}

/* What may be used according to the other side's index: of records, or of room. */
static inline uint32_t peer_bytes(const struct ipcdev_ring *ring)
{
	uint32_t bytes = __atomic_load_n(ring->peer, __ATOMIC_ACQUIRE) - ring->index;

	return ring->produces ? bytes + ring->size : bytes;
}

/* The other side can have come there: not back, not too far, nor between two records. */
static inline bool is_possible(const struct ipcdev_ring *ring, uint32_t known)
{
	return known <= ring->size && known >= ring->known && known % IPCDEV_RING_ALIGN == 0;
}

/* Looks at the other side's index. */
static inline int refresh(struct ipcdev_ring *ring)
{
	uint32_t known = peer_bytes(ring);

	if (!is_possible(ring, known))
		return fail(EBADMSG);
	ring->known = known;
	return 0;
}

/**
 * ipcdev_ring_look() - see how far the other side has come by now
 * @ring: the side
 * @need: the bytes that are needed: of records, or of room
 *
 * Return: 0 if there are that many; else -1 with errno.
 */
int ipcdev_ring_look(struct ipcdev_ring *ring, uint32_t need)
{
	bool gone;

	/* The other side may wait for just that before it goes on. */
	if (*ring->own != ring->index)
		ipcdev_ring_flush(ring);
	/* Before the index: what it left behind is to be seen. */
	gone = __atomic_load_n(&ring->other->state, __ATOMIC_ACQUIRE) &
		IPCDEV_RING_GONE;
	if (refresh(ring))
		return -1;
	if (ring->known >= need)
		return 0;
	return fail(gone ? EPIPE : EAGAIN);
}

/**
 * ipcdev_ring_no_room() - ipcdev_ring_reserve() where there may be no room
 * @ring: the producer's side
 * @len: bytes of the record
 */
void *ipcdev_ring_no_room(struct ipcdev_ring *ring, size_t len)
{
	if (len > ring->record_max) {
		errno = EMSGSIZE;
		return NULL;
	}
	if (ipcdev_ring_look(ring, _ipcdev_ring_space(len)))
		return NULL;
	return _ipcdev_ring_next(ring) + 1;
}

/*
 * Whether the other side wants to know of what was flushed. Who sleeps has said how
 * far we must come. Who is watched need not be told of each record, but only of
 * those for which it may have stopped asking: a consumer, of the first one after it
 * had received them all; a producer, when a record of any length has room again.
 */
static bool must_wake(const struct ipcdev_ring *ring, uint32_t before, uint32_t state)
{
	uint32_t peer, limit;

	/* Who came to sleep or to watch since the last flush has seen that one. */
	if (ring->index == before)
		return false;
	/* What the state makes valid was stored before it. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (is_due(ring, state))
		return true;
	if (!(state & IPCDEV_RING_WATCHED))
		return false;
	peer = __atomic_load_n(ring->peer, __ATOMIC_RELAXED);
	if (ring->produces)
		return peer == before;
	limit = room_limit(ring);
	return peer - before > limit && peer - ring->index <= limit;
}

/*
 * Records for a successor are not lost, nor are those that the consumer had before it
 * left; all others are.
 */
static int check_gone(const struct ipcdev_ring *ring, uint32_t state)
{
	const struct ipcdev_ring_header *header = ring->map;

	if (!(state & IPCDEV_RING_GONE) || !ring->produces ||
	    (header->flags & IPCDEV_RING_TAKEOVER))
		return 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(ring->peer, __ATOMIC_RELAXED) == ring->index)
		return 0;
	return fail(EPIPE);
}

/**
 * ipcdev_ring_tell() - what is to be done after a flush, the other side having a state
 * @ring: the side
 * @before: its index before the flush
 *
 * Wakes the other side if it wants to be. Return: 0, or -1 with EPIPE.
 */
int ipcdev_ring_tell(struct ipcdev_ring *ring, uint32_t before)
{
	uint32_t state = _ipcdev_ring_state(ring);

	if (must_wake(ring, before, state))
		signal_other(ring);
	return check_gone(ring, state);
}

/* It was in vain. */
static void spin_less(struct ipcdev_ring *ring)
{
	ring->spin /= 2;
	if (ring->spin < SPIN_MIN)
		ring->spin = ring->spin_max < SPIN_MIN ? ring->spin_max : SPIN_MIN;
}

static bool is_late(const struct ipcdev_deadline *deadline)
{
	return deadline && time_by(deadline->clock) >= deadline->ns;
}

/**
 * ipcdev_ring_spin_on() - whether to look on is of use, now that nothing has been found
 * @ring: the side
 * @deadline: when to give up, or NULL
 *
 * Return: false if the other side has left, an index is nonsense, or it is late: that is
 * for who does not spin to report.
 */
bool ipcdev_ring_spin_on(const struct ipcdev_ring *ring,
			 const struct ipcdev_deadline *deadline)
{
	return !(_ipcdev_ring_state(ring) & IPCDEV_RING_GONE) &&
	       is_possible(ring, peer_bytes(ring)) && !is_late(deadline);
}

/* Looks for a while; the while grows where that helps, and shrinks where not. */
static bool spin_until(struct ipcdev_ring *ring, uint32_t at,
		       const struct ipcdev_deadline *deadline)
{
	uint32_t looks = ring->spin;

	if (!looks || (_ipcdev_ring_state(ring) & IPCDEV_RING_GONE))
		return false;
	for (; looks; looks--) {
		if ((int32_t)(__atomic_load_n(ring->peer, __ATOMIC_RELAXED) - at) >= 0) {
			ring->spin = ring->spin_max;
			return true;
		}
		if (looks % _IPCDEV_RING_LOOKS == 0 && !ipcdev_ring_spin_on(ring, deadline))
			break;
		_ipcdev_ring_relax();
	}
	spin_less(ring);
	return false;
}

/* The other side's index when there are that many bytes. */
static uint32_t index_of(const struct ipcdev_ring *ring, uint32_t need)
{
	return ring->index + need - (ring->produces ? ring->size : 0);
}

/*
 * Sleeps; first signals, if it is to. Who has left may have left something, so that this
 * is no failure. Out of line, and called last where that can be: when we are woken there is
 * little to return from.
 */
static __attribute__((noinline)) int sleep_for(const struct ipcdev_ring *ring, uint32_t index,
					       const struct ipcdev_ring *signal,
					       __u32 flags, __u64 deadline_ns)
{
	struct ipcdev_ring_wait wait = {
		.flags = flags,
		.index = index,
		.deadline_ns = deadline_ns,
	};

	if (signal) {
		wait.flags |= IPCDEV_RING_SIGNAL;
		wait.signal_fd = signal->fd;
	}
	if (!ioctl(ring->fd, IPCDEV_IOC_RING_WAIT, &wait))
		return 0;
	return errno == EPIPE ? 0 : -1;
}

/**
 * ipcdev_ring_sleep() - what is to be done when a look has not found enough
 * @ring: the side
 * @need: the bytes that are needed: of records, or of room
 * @deadline: when to give up, or NULL
 * @again: it has slept for that before
 *
 * The other side may take back what has woken us, as often as it likes, but no longer than
 * until the deadline.
 *
 * Return: 0 if it is worth while to look again; else -1 with errno.
 */
int ipcdev_ring_sleep(struct ipcdev_ring *ring, uint32_t need,
		      const struct ipcdev_deadline *deadline, bool again)
{
	uint32_t index = index_of(ring, need);
	__u64 deadline_ns = 0;
	__u32 flags = 0;

	if (set_deadline(deadline, &flags, &deadline_ns))
		return -1;
	if (again && is_late(deadline))
		return fail(ETIMEDOUT);
	if (ring->produces && !again && spin_until(ring, index, deadline))
		return 0;
	/* A consumer has spun in line, right before it looked for the record. */
	if (!ring->produces && !again)
		spin_less(ring);
	return sleep_for(ring, index, NULL, flags, deadline_ns);
}

/*
 * Spins if it is to, and then sleeps. Who spins is to be gone soon when it is there: what
 * can be done before is, and what is only needed for sleeping is not.
 *
 * The other side may leave while we sleep: what it left behind is to be had first. It
 * may also take back what has woken us, as often as it likes, but not for ever.
 * However this ends, who waits for what was flushed to @signal is told.
 */
static inline int wait_bytes(struct ipcdev_ring *ring, uint32_t need,
			     const struct ipcdev_ring *signal,
			     const struct ipcdev_deadline *deadline, bool spin)
{
	uint32_t index = index_of(ring, need);
	__u64 deadline_ns = 0;
	bool woken = false;
	__u32 flags = 0;
	int ret;

	if (set_deadline(deadline, &flags, &deadline_ns))
		return -1;
	/* The other side may wait for just that before it goes on. */
	if (*ring->own != ring->index)
		ipcdev_ring_flush(ring);
	if (spin && ring->spin) {
		if (signal)
			signal_other(signal);
		signal = NULL;
		if (spin_until(ring, index, deadline) && !refresh(ring) && ring->known >= need)
			return 0;
	}
	while ((ret = ipcdev_ring_look(ring, need)) && errno == EAGAIN) {
		if (woken && is_late(deadline)) {
			errno = ETIMEDOUT;
			break;
		}
		/* To signal twice, if the call had come to it, is harmless. */
		if (sleep_for(ring, index, signal, flags, deadline_ns))
			break;
		/*
		 * Nothing is to be flushed, and whether the other side has left does not
		 * matter to who has got what it wanted.
		 */
		if (!refresh(ring) && ring->known >= need)
			return 0;
		woken = true;
		signal = NULL;
	}
	if (signal)
		signal_other(signal);
	return ret;
}

int ring_wait_bytes(struct ipcdev_ring *ring, uint32_t need,
		    const struct ipcdev_ring *signal,
		    const struct ipcdev_deadline *deadline)
{
	return wait_bytes(ring, need, signal, deadline, true);
}

int ipcdev_ring_wait(struct ipcdev_ring *ring, size_t len,
		     const struct ipcdev_deadline *deadline)
{
	uint32_t need = IPCDEV_RING_ALIGN;

	if (ring->produces) {
		if (len > ring->record_max)
			return fail(EMSGSIZE);
		need = _ipcdev_ring_space(len);
	}
	return ring_wait_bytes(ring, need, NULL, deadline);
}

int ipcdev_ring_exchange(struct ipcdev_ring *out, struct ipcdev_ring *in,
			 const struct ipcdev_deadline *deadline)
{
	uint32_t before, state;
	bool wake;

	if (check_deadline(deadline))
		return -1;
	/* ipcdev_ring_flush(), but for the system call. */
	before = _ipcdev_ring_publish(out->own, out->index);
	state = _ipcdev_ring_state(out);
	wake = must_wake(out, before, state);
	if (check_gone(out, state))
		return -1;
	return ring_wait_bytes(in, IPCDEV_RING_ALIGN, wake ? out : NULL, deadline);
}

/**
 * ipcdev_ring_push_late() - ipcdev_ring_push() where there may be no room
 * @ring: the producer's side
 * @data: the record
 * @len: its bytes
 */
int ipcdev_ring_push_late(struct ipcdev_ring *ring, const void *data, size_t len)
{
	if (!ipcdev_ring_no_room(ring, len))
		return -1;
	return _ipcdev_ring_put(ring, data, len);
}

/**
 * ipcdev_ring_send_wait() - ipcdev_ring_send() where there may be no room
 * @ring: the producer's side
 * @data: the record
 * @len: its bytes
 * @deadline: when to give up, or NULL
 */
int ipcdev_ring_send_wait(struct ipcdev_ring *ring, const void *data, size_t len,
			  const struct ipcdev_deadline *deadline)
{
	if (len > ring->record_max)
		return fail(EMSGSIZE);
	if (ring_wait_bytes(ring, _ipcdev_ring_space(len), NULL, deadline))
		return -1;
	return _ipcdev_ring_put(ring, data, len);
}

/**
 * ipcdev_ring_refuse() - why a record that there is cannot be popped
 * @ring: the consumer's side
 * @len: the bytes that it has, or says that it has
 */
ssize_t ipcdev_ring_refuse(struct ipcdev_ring *ring, uint32_t len)
{
	if (len > ring->record_max || _ipcdev_ring_space(len) > ring->known)
		return fail(EBADMSG);
	return fail(EMSGSIZE);
}

/**
 * ipcdev_ring_pop_late() - ipcdev_ring_pop() where there may be no record
 * @ring: the consumer's side
 * @data: where to put it
 * @size: bytes that fit there
 */
ssize_t ipcdev_ring_pop_late(struct ipcdev_ring *ring, void *data, size_t size)
{
	if (ipcdev_ring_look(ring, IPCDEV_RING_ALIGN))
		return -1;
	return _ipcdev_ring_get(ring, data, size);
}

/**
 * ipcdev_ring_recv_wait() - ipcdev_ring_recv() where it has spun in vain
 * @ring: the consumer's side
 * @data: where to put it
 * @size: bytes that fit there
 * @deadline: when to give up, or NULL
 */
ssize_t ipcdev_ring_recv_wait(struct ipcdev_ring *ring, void *data, size_t size,
			      const struct ipcdev_deadline *deadline)
{
	spin_less(ring);
	if (wait_bytes(ring, IPCDEV_RING_ALIGN, NULL, deadline, false))
		return -1;
	return _ipcdev_ring_get(ring, data, size);
}
