// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Frames: slots of a buffer, lent by their numbers.
 *
 * A ring for numbers has room for all of them, and a peer holds no slot twice: to lend
 * or to give back never has to wait for room. Where there is none all the same, the
 * other side has not kept to that.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "ipcdev_frames.h"

#define SLOT_ALIGN	64

/* The first record that a peer gets: how the buffer is cut. */
struct hello {
	uint32_t slots;
	uint32_t reserved;
	uint64_t size;
	uint64_t stride;
};

/* @held: a byte for each slot. */
struct peer {
	struct ipcdev_connection connection;
	unsigned char held[];
};

/**
 * struct ipcdev_frames - a pool
 * @buffer: the handle that may write
 * @reader: the one that may not
 * @map: all slots
 * @map_size: bytes there
 * @stride: bytes from one slot to the next
 * @size: bytes in each slot
 * @slots: how many
 * @holders: of each slot, how many hold it, the owner included
 * @owned: of each slot, whether the owner holds it
 * @free: numbers of those that nobody holds
 * @free_count: how many these are
 * @peers: by their numbers; NULL where one has gone
 * @peer_count: how many numbers there are
 * @last: the peer that was last waited for with success
 */
struct ipcdev_frames {
	int buffer;
	int reader;
	unsigned char *map;
	size_t map_size;
	size_t stride;
	size_t size;
	uint32_t slots;
	uint32_t *holders;
	unsigned char *owned;
	uint32_t *free;
	uint32_t free_count;
	struct peer **peers;
	int peer_count;
	int last;
};

static int fail(int err)
{
	errno = err;
	return -1;
}

static struct peer *find_peer(const struct ipcdev_frames *frames, int peer)
{
	if (peer >= 0 && peer < frames->peer_count && frames->peers[peer])
		return frames->peers[peer];
	errno = ENOENT;
	return NULL;
}

static void release(struct ipcdev_frames *frames, uint32_t slot)
{
	if (!--frames->holders[slot])
		frames->free[frames->free_count++] = slot;
}

/* Without a look at errno: that is why. */
static void drop(struct ipcdev_frames *frames, int number)
{
	struct peer *peer = frames->peers[number];
	int err = errno;

	frames->peers[number] = NULL;
	for (uint32_t slot = 0; slot < frames->slots; slot++)
		if (peer->held[slot])
			release(frames, slot);
	ipcdev_disconnect(&peer->connection);
	free(peer);
	errno = err;
}

int ipcdev_frames_drop(struct ipcdev_frames *frames, int peer)
{
	if (!find_peer(frames, peer))
		return -1;
	drop(frames, peer);
	return 0;
}

void ipcdev_frames_destroy(struct ipcdev_frames *frames)
{
	if (!frames)
		return;
	for (int i = 0; i < frames->peer_count; i++)
		if (frames->peers[i])
			drop(frames, i);
	if (frames->map)
		munmap(frames->map, frames->map_size);
	if (frames->reader >= 0)
		close(frames->reader);
	if (frames->buffer >= 0)
		close(frames->buffer);
	free(frames->peers);
	free(frames->holders);
	free(frames->owned);
	free(frames->free);
	free(frames);
}

static bool make_tables(struct ipcdev_frames *frames)
{
	frames->holders = calloc(frames->slots, sizeof(*frames->holders));
	frames->owned = calloc(frames->slots, sizeof(*frames->owned));
	frames->free = calloc(frames->slots, sizeof(*frames->free));
	if (!frames->holders || !frames->owned || !frames->free)
		return false;
	/* The first is the next to be got. */
	frames->free_count = frames->slots;
	for (uint32_t i = 0; i < frames->slots; i++)
		frames->free[i] = frames->slots - 1 - i;
	return true;
}

static bool make_buffer(struct ipcdev_frames *frames)
{
	frames->buffer = ipcdev_buffer_create(frames->map_size, 0, 0);
	if (frames->buffer < 0)
		return false;
	frames->reader = ipcdev_dup(frames->buffer, IPCDEV_RIGHT_READ, 0);
	if (frames->reader < 0)
		return false;
	frames->map = ipcdev_buffer_map(frames->buffer, 0, frames->map_size,
					PROT_READ | PROT_WRITE);
	return frames->map;
}

struct ipcdev_frames *ipcdev_frames_create(size_t size, unsigned int slots)
{
	size_t stride = (size + SLOT_ALIGN - 1) & ~(size_t)(SLOT_ALIGN - 1);
	struct ipcdev_frames *frames;
	int err;

	if (!size || size > UINT32_MAX - SLOT_ALIGN || !slots || slots > INT32_MAX ||
	    stride > SIZE_MAX / slots) {
		errno = EINVAL;
		return NULL;
	}
	frames = calloc(1, sizeof(*frames));
	if (!frames)
		return NULL;
	frames->buffer = -1;
	frames->reader = -1;
	frames->size = size;
	frames->stride = stride;
	frames->slots = slots;
	frames->map_size = stride * slots;
	if (make_tables(frames) && make_buffer(frames))
		return frames;
	err = errno;
	ipcdev_frames_destroy(frames);
	errno = err;
	return NULL;
}

int ipcdev_frames_buffer(const struct ipcdev_frames *frames, int prot)
{
	return prot & PROT_WRITE ? frames->buffer : frames->reader;
}

/* Room for a peer among the peers; its number. */
static int find_place(struct ipcdev_frames *frames)
{
	struct peer **larger;
	int i;

	for (i = 0; i < frames->peer_count; i++)
		if (!frames->peers[i])
			return i;
	larger = realloc(frames->peers, (i + 1) * sizeof(*larger));
	if (!larger)
		return -1;
	frames->peers = larger;
	frames->peers[frames->peer_count++] = NULL;
	return i;
}

/* The bytes that a ring needs for the numbers of all slots, and for a hello. */
static uint64_t ring_need(const struct ipcdev_frames *frames)
{
	return (uint64_t)frames->slots *
		_ipcdev_ring_space(sizeof(struct ipcdev_frame)) +
		_ipcdev_ring_space(sizeof(struct hello));
}

int ipcdev_frames_add(struct ipcdev_frames *frames,
		      const struct ipcdev_connection *connection)
{
	const struct hello hello = {
		.slots = frames->slots,
		.size = frames->size,
		.stride = frames->stride,
	};
	const uint64_t need = ring_need(frames);
	struct peer *peer;
	int number;

	if (connection->out.size < need || connection->in.size < need)
		return fail(EMSGSIZE);
	number = find_place(frames);
	if (number < 0)
		return -1;
	peer = calloc(1, sizeof(*peer) + frames->slots);
	if (!peer)
		return -1;
	peer->connection = *connection;
	/* What was sent before may still lie where the numbers are to have room. */
	if (ipcdev_ring_look(&peer->connection.out, need) ||
	    ipcdev_ring_push(&peer->connection.out, &hello, sizeof(hello))) {
		free(peer);
		return -1;
	}
	frames->peers[number] = peer;
	return number;
}

const struct ipcdev_connection *
ipcdev_frames_connection(const struct ipcdev_frames *frames, int peer)
{
	struct peer *found = find_peer(frames, peer);

	return found ? &found->connection : NULL;
}

int ipcdev_frames_get(struct ipcdev_frames *frames)
{
	uint32_t slot;

	if (!frames->free_count)
		return fail(EAGAIN);
	slot = frames->free[--frames->free_count];
	frames->holders[slot] = 1;
	frames->owned[slot] = 1;
	return slot;
}

void *ipcdev_frames_at(const struct ipcdev_frames *frames, uint32_t slot)
{
	if (slot < frames->slots)
		return frames->map + slot * frames->stride;
	errno = EINVAL;
	return NULL;
}

int ipcdev_frames_put(struct ipcdev_frames *frames, uint32_t slot)
{
	if (slot >= frames->slots || !frames->owned[slot])
		return fail(EINVAL);
	frames->owned[slot] = 0;
	release(frames, slot);
	return 0;
}

/* Nothing more is to be expected of a peer that has failed so; returns -1. */
static int drop_failed(struct ipcdev_frames *frames, int number)
{
	/* EAGAIN: there was no room, and EMSGSIZE: that was no frame. */
	if (errno != EPIPE)
		errno = EBADMSG;
	drop(frames, number);
	return -1;
}

int ipcdev_frames_lend(struct ipcdev_frames *frames, int number,
		       const struct ipcdev_frame *frame)
{
	struct peer *peer = find_peer(frames, number);

	if (!peer)
		return -1;
	if (frame->slot >= frames->slots || frame->len > frames->size ||
	    !frames->owned[frame->slot])
		return fail(EINVAL);
	if (peer->held[frame->slot])
		return fail(EBUSY);
	if (ipcdev_ring_push(&peer->connection.out, frame, sizeof(*frame)))
		return drop_failed(frames, number);
	peer->held[frame->slot] = 1;
	frames->holders[frame->slot]++;
	return 0;
}

int ipcdev_frames_collect(struct ipcdev_frames *frames, int number,
			  struct ipcdev_frame *frame)
{
	struct peer *peer = find_peer(frames, number);
	struct ipcdev_frame back;
	ssize_t len;

	if (!peer)
		return -1;
	len = ipcdev_ring_pop(&peer->connection.in, &back, sizeof(back));
	if (len < 0 && errno == EAGAIN)
		return -1;
	if (len < 0)
		return drop_failed(frames, number);
	if (len != sizeof(back) || back.slot >= frames->slots ||
	    back.len > frames->size || !peer->held[back.slot]) {
		errno = EBADMSG;
		return drop_failed(frames, number);
	}
	peer->held[back.slot] = 0;
	release(frames, back.slot);
	if (frame)
		*frame = back;
	return 0;
}

/* What is left until a deadline; none is NULL. */
static const struct timespec *time_left(const struct ipcdev_deadline *deadline,
					struct timespec *left)
{
	uint64_t now_ns, ns;

	if (!deadline)
		return NULL;
	now_ns = time_by(deadline->clock);
	ns = deadline->ns > now_ns ? deadline->ns - now_ns : 0;
	left->tv_sec = ns / NSEC_PER_SEC;
	left->tv_nsec = ns % NSEC_PER_SEC;
	return left;
}

/* The first behind the last one, so that each has its turn. */
static int find_ready(struct ipcdev_frames *frames, const struct pollfd *polled)
{
	int number;

	for (int i = 1; i <= frames->peer_count; i++) {
		number = (frames->last + i) % frames->peer_count;
		if (polled[number].revents) {
			frames->last = number;
			return number;
		}
	}
	return fail(ETIMEDOUT);
}

int ipcdev_frames_wait(struct ipcdev_frames *frames,
		       const struct ipcdev_deadline *deadline)
{
	struct timespec left;
	struct pollfd *polled;
	int ready = 0, ret;

	if (check_deadline(deadline))
		return -1;
	polled = calloc(frames->peer_count + 1, sizeof(*polled));
	if (!polled)
		return -1;
	for (int i = 0; i < frames->peer_count; i++) {
		/* One that is not there is left out. */
		polled[i].fd = -1;
		polled[i].events = POLLIN;
		if (!frames->peers[i])
			continue;
		polled[i].fd = frames->peers[i]->connection.in.fd;
		ready++;
	}
	if (!ready)
		ret = fail(ENOENT);
	else if (ppoll(polled, frames->peer_count, time_left(deadline, &left),
		       NULL) < 0)
		ret = -1;
	else
		ret = find_ready(frames, polled);
	free(polled);
	return ret;
}

/* The owner's word for how the buffer is cut is taken only if it can be true. */
static bool is_sound(const struct hello *hello, int64_t buffer_size)
{
	return hello->slots && hello->size && hello->size <= hello->stride &&
	       hello->stride <= (uint64_t)buffer_size / hello->slots &&
	       hello->stride % SLOT_ALIGN == 0;
}

/* The hello is copied, lest it change behind the checks, and stays for another try. */
static int get_hello(struct ipcdev_ring *in, struct hello *hello, int64_t buffer_size,
		     const struct ipcdev_deadline *deadline)
{
	size_t len;
	const void *record = ipcdev_ring_await_record(in, &len, deadline);

	if (!record)
		return -1;
	if (len != sizeof(*hello))
		return fail(EBADMSG);
	memcpy(hello, record, sizeof(*hello));
	return is_sound(hello, buffer_size) ? 0 : fail(EBADMSG);
}

int ipcdev_view_open(struct ipcdev_view *view, struct ipcdev_connection *connection,
		     int buffer, int prot, const struct ipcdev_deadline *deadline)
{
	int64_t buffer_size = ipcdev_buffer_size(buffer);
	struct hello hello;

	if (buffer_size < 0 ||
	    get_hello(&connection->in, &hello, buffer_size, deadline))
		return -1;
	if (hello.slots * hello.stride > SIZE_MAX)
		return fail(ENOMEM);
	*view = (struct ipcdev_view) {
		.connection = connection,
		.map_size = hello.slots * hello.stride,
		.stride = hello.stride,
		.size = hello.size,
		.slots = hello.slots,
	};
	view->map = ipcdev_buffer_map(buffer, 0, view->map_size, prot);
	if (!view->map)
		return -1;
	ipcdev_ring_release(&connection->in);
	return 0;
}

void *ipcdev_view_next(struct ipcdev_view *view, struct ipcdev_frame *frame,
		       const struct ipcdev_deadline *deadline)
{
	ssize_t len = ipcdev_ring_recv(&view->connection->in, frame, sizeof(*frame),
				       deadline);

	if (len < 0 && errno != EMSGSIZE)
		return NULL;
	if (len != sizeof(*frame) || frame->slot >= view->slots ||
	    frame->len > view->size) {
		errno = EBADMSG;
		return NULL;
	}
	return view->map + frame->slot * view->stride;
}

int ipcdev_view_give(struct ipcdev_view *view, const struct ipcdev_frame *frame)
{
	if (frame->slot >= view->slots || frame->len > view->size)
		return fail(EINVAL);
	if (!ipcdev_ring_push(&view->connection->out, frame, sizeof(*frame)))
		return 0;
	return errno == EAGAIN ? fail(EBADMSG) : -1;
}

void ipcdev_view_close(struct ipcdev_view *view)
{
	munmap(view->map, view->map_size);
}
