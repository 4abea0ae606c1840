/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames: a buffer cut into equal slots, which are handed round by their numbers. For
 * data that are too large to be copied, as video is. C or C++.
 *
 * One process owns the pool. It lends slots to its peers, each of them at the other
 * side of a connection, and they give them back; several may hold one slot. Who holds
 * what is in the owner's own memory: no peer can spoil it for others, neither by
 * dying nor by nonsense. The slots of one that has gone are back at once.
 *
 * A pool, and a view of one, is used by one thread at a time, and only in the process
 * that has made it.
 */
#ifndef _IPCDEV_FRAMES_H
#define _IPCDEV_FRAMES_H

#include <ipcdev_connection.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/**
 * struct ipcdev_frame - what is said of a slot when it changes hands
 * @slot: its number
 * @len: bytes in it that mean something
 * @tag: 64 bits of the sender's choice
 */
struct ipcdev_frame {
	uint32_t slot;
	uint32_t len;
	uint64_t tag;
};

/* The owner. */

struct ipcdev_frames;

/**
 * ipcdev_frames_create() - make a pool
 * @size: bytes in each slot
 * @slots: how many
 *
 * The memory is there, zeroed and charged when this returns. A slot begins at a
 * multiple of 64 bytes.
 *
 * Return: the pool; NULL on failure.
 */
struct ipcdev_frames *ipcdev_frames_create(size_t size, unsigned int slots);

/**
 * ipcdev_frames_destroy() - let go of a pool and of all its peers
 * @frames: the pool, or NULL
 */
void ipcdev_frames_destroy(struct ipcdev_frames *frames);

/**
 * ipcdev_frames_buffer() - the pool's buffer
 * @frames: the pool
 * @prot: PROT_READ for a handle of which nobody can write, PROT_READ | PROT_WRITE else
 *
 * Return: the handle, to be given to peers. It stays the pool's.
 */
int ipcdev_frames_buffer(const struct ipcdev_frames *frames, int prot);

/**
 * ipcdev_frames_add() - take on a peer
 * @frames: the pool
 * @peer: the connection, which is the pool's from now on, if this succeeds
 *
 * EMSGSIZE if its rings are too small for the numbers of all slots; EAGAIN if what
 * was sent to it before and not received yet leaves too little room for them. What it
 * has sent must have been received: from now on it sends what it gives back.
 *
 * Return: the peer's number, 0 or more; -1 on failure.
 */
int ipcdev_frames_add(struct ipcdev_frames *frames,
		      const struct ipcdev_connection *peer);

/**
 * ipcdev_frames_drop() - part with a peer
 * @frames: the pool
 * @peer: its number
 *
 * What it holds is free, or as free as others leave it; its connection is closed.
 */
int ipcdev_frames_drop(struct ipcdev_frames *frames, int peer);

/**
 * ipcdev_frames_connection() - the connection with a peer
 * @frames: the pool
 * @peer: its number
 *
 * To poll in.fd, and to know who it is; the rings are the pool's.
 *
 * Return: the connection; NULL if there is no such peer.
 */
const struct ipcdev_connection *
ipcdev_frames_connection(const struct ipcdev_frames *frames, int peer);

/**
 * ipcdev_frames_get() - hold a slot that nobody holds
 * @frames: the pool
 *
 * Never sleeps: EAGAIN if there is none.
 *
 * Return: the slot's number; -1 on failure.
 */
int ipcdev_frames_get(struct ipcdev_frames *frames);

/**
 * ipcdev_frames_at() - where a slot is
 * @frames: the pool
 * @slot: its number
 *
 * Return: its first byte; NULL if there is no such slot.
 */
void *ipcdev_frames_at(const struct ipcdev_frames *frames, uint32_t slot);

/**
 * ipcdev_frames_put() - the owner holds a slot no longer
 * @frames: the pool
 * @slot: its number
 */
int ipcdev_frames_put(struct ipcdev_frames *frames, uint32_t slot);

/**
 * ipcdev_frames_lend() - let a peer hold a slot, too
 * @frames: the pool
 * @peer: the peer's number
 * @frame: the slot, which the owner holds, and what to say of it
 *
 * Never sleeps. EBUSY if the peer holds that slot. EPIPE if the peer has gone, and
 * EBADMSG if it has sent nonsense: it was dropped.
 */
int ipcdev_frames_lend(struct ipcdev_frames *frames, int peer,
		       const struct ipcdev_frame *frame);

/**
 * ipcdev_frames_collect() - take back a slot that a peer gives back
 * @frames: the pool
 * @peer: the peer's number
 * @frame: where to put which slot, and what the peer says of it; or NULL
 *
 * Never sleeps: EAGAIN if there is none. EPIPE and EBADMSG as of
 * ipcdev_frames_lend().
 */
int ipcdev_frames_collect(struct ipcdev_frames *frames, int peer,
			  struct ipcdev_frame *frame);

/**
 * ipcdev_frames_wait() - sleep until there is something to collect
 * @frames: the pool
 * @deadline: when to give up, or NULL
 *
 * ENOENT if there are no peers. How long that is until a time of CLOCK_REALTIME is
 * worked out when the sleep begins: it does not follow a clock that is set meanwhile.
 *
 * Return: the number of a peer that has given something back, or has gone; -1 on
 * failure.
 */
int ipcdev_frames_wait(struct ipcdev_frames *frames,
		       const struct ipcdev_deadline *deadline);

/* A peer. */

/**
 * struct ipcdev_view - a peer's view of a pool
 * @connection: with the owner
 * @map: the slots
 * @map_size: bytes there
 * @stride: bytes from one slot to the next
 * @size: bytes in each slot
 * @slots: how many
 * @reserved: zero
 */
struct ipcdev_view {
	struct ipcdev_connection *connection;
	unsigned char *map;
	size_t map_size;
	size_t stride;
	size_t size;
	uint32_t slots;
	uint32_t reserved;
};

/**
 * ipcdev_view_open() - see the slots of a pool
 * @view: filled in
 * @connection: with the owner; it must stay until the view is closed
 * @buffer: a handle of the pool's buffer, which is not needed any more afterwards
 * @prot: PROT_READ, or PROT_READ | PROT_WRITE
 * @deadline: until when the owner must have added us, or NULL
 *
 * What fails may be tried again, with another buffer or @prot.
 */
int ipcdev_view_open(struct ipcdev_view *view, struct ipcdev_connection *connection,
		     int buffer, int prot, const struct ipcdev_deadline *deadline);

/**
 * ipcdev_view_next() - get the next slot that the owner lends
 * @view: the view
 * @frame: which one, and what the owner says of it
 * @deadline: when to give up, or NULL
 *
 * Return: the slot's first byte; NULL on failure.
 */
void *ipcdev_view_next(struct ipcdev_view *view, struct ipcdev_frame *frame,
		       const struct ipcdev_deadline *deadline);

/**
 * ipcdev_view_give() - give a slot back
 * @view: the view
 * @frame: which one, and what to say of it
 *
 * Never sleeps.
 */
int ipcdev_view_give(struct ipcdev_view *view, const struct ipcdev_frame *frame);

/**
 * ipcdev_view_close() - see the slots no longer
 * @view: the view
 *
 * What was not given back is so when the connection is closed, which is left to the
 * caller.
 */
void ipcdev_view_close(struct ipcdev_view *view);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* _IPCDEV_FRAMES_H */
