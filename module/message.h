/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IPCDEV_MESSAGE_H
#define IPCDEV_MESSAGE_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/overflow.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/ipcdev.h>

struct ipcdev_account;
struct ipcdev_caller;
struct ipcdev_handle;

/**
 * struct ipcdev_item - a descriptor, or with a length a slice, in flight
 * @file: referenced
 * @offset: of the slice
 * @length: of the slice
 */
struct ipcdev_item {
	struct file *file;
	u64 offset;
	u64 length;
};

/**
 * struct ipcdev_cargo - what a message carries besides its payload
 * @account: who is charged for it, referenced
 * @fds: how many of @items are descriptors; they come first
 * @slices: how many are slices
 * @items: @fds + @slices of them
 */
struct ipcdev_cargo {
	struct ipcdev_account *account;
	u32 fds;
	u32 slices;
	struct ipcdev_item items[];
};

/**
 * enum ipcdev_message_state - where a message is
 * @IPCDEV_READY: in the queue
 * @IPCDEV_TAKEN: a receiver copies it
 * @IPCDEV_HELD: a call that was received, and not answered yet
 */
enum ipcdev_message_state {
	IPCDEV_READY,
	IPCDEV_TAKEN,
	IPCDEV_HELD,
};

/**
 * struct ipcdev_message - a message
 * @node: in its queue's order of receiving, while it is ready and comes before those
 *	that nothing distinguishes
 * @list: likewise, if it is one of these; or of dropped messages
 * @next_slot: in the queue's stack of free slots
 * @age: in its queue's order of sending, while it is ready and may be dropped; of a
 *	broadcast, while it is not in the log and a handle keeps it
 * @gone: in its server's list of calls whose callers have given up, once it is held
 * @gone_all: in its queue's list of these, likewise
 * @seq: its place among those sent to its queue
 * @tag: the sender's
 * @order: its place among those that are ready: the sender's priority and, in the
 *	last IPCDEV_RANK_BITS, the rank of its scheduling, or 0
 * @len: bytes of payload
 * @pins: peekers that are copying it, and receivers of a broadcast; protected by the
 *	queue's lock
 * @lost: messages dropped before it, while it is taken
 * @orphan: the queue has done with it while it was pinned: whoever unpins it last
 *	frees it
 * @slot: it is from the cache
 * @room: bytes behind this header
 * @call: it is a call, until that ends
 * @answering: somebody is making its reply
 * @state: enum ipcdev_message_state
 * @sched_policy: of the caller
 * @sched_prio: of the caller
 * @error: of a reply
 * @tickets: handles' lists of what came back that it is in, for a broadcast
 * @caller: who sleeps for the reply, until that is there or it gives up
 * @server: the handle through which it can be answered, while it is held
 * @pid: of the sender, referenced, or NULL
 * @uid: of the sender, if @pid
 * @gid: of the sender, if @pid
 * @time_ns: when it was sent, or 0
 * @cargo: in the room behind the payload, or NULL
 * @data: the payload
 *
 * Between being built and being freed a message does not change but for its
 * place, so that it can be copied without a lock. The queue's lock protects where
 * it is, and whether and how it is answered.
 */
struct ipcdev_message {
	union {
		struct rb_node node;
		struct list_head list;
		struct ipcdev_message *next_slot;
	};
	union {
		struct rb_node age;
		struct {
			struct list_head gone;
			struct list_head gone_all;
		};
	};
	u64 seq;
	u64 tag;
	u32 order;
	u32 len;
	u32 pins;
	u32 lost;
	u32 room;
	bool orphan;
	bool slot;
	bool call;
	bool answering;
	u8 state;
	u16 sched_policy;
	s16 sched_prio;
	u32 error;
	u32 tickets;
	struct ipcdev_caller *caller;
	struct ipcdev_handle *server;
	struct pid *pid;
	kuid_t uid;
	kgid_t gid;
	u64 time_ns;
	struct ipcdev_cargo *cargo;
	u8 data[] __aligned(8);
};

#define IPCDEV_RANK_BITS	8

static inline u32 ipcdev_message_prio(const struct ipcdev_message *msg)
{
	return msg->order >> IPCDEV_RANK_BITS;
}

/* Whether somebody may be peeking at it. Needs no lock where no more can come to. */
static inline bool ipcdev_message_pinned(const struct ipcdev_message *msg)
{
	/* Pairs with the store-release of who lets go. */
	return smp_load_acquire(&msg->pins);
}

/* Payload and cargo up to this size travel in slots that are used again. */
#define IPCDEV_SLOT_DATA	256

/* A queue keeps one larger message for use again, if it is not larger than this. */
#define IPCDEV_LARGE_DATA	65536

/**
 * struct ipcdev_payload - user memory that a payload is copied from or to
 * @base: where it lies, if it is in one piece
 * @len: how much there is
 * @iter: all pieces, if it is in several; else NULL
 */
struct ipcdev_payload {
	void __user *base;
	size_t len;
	struct iov_iter *iter;
};

/**
 * struct ipcdev_pieces - what the @iter of a payload is made of
 * @iter: that
 * @iov: what it refers to
 *
 * It is apart so that a payload in one piece, the rule, can be in registers.
 */
struct ipcdev_pieces {
	struct iov_iter iter;
	struct iovec *iov;
};

/**
 * struct ipcdev_delivery - descriptors that a receiver has been given so far
 * @count: how many
 * @fds: which
 */
struct ipcdev_delivery {
	u32 count;
	int fds[IPCDEV_FDS_MAX + IPCDEV_SLICES_MAX];
};

static inline u32 ipcdev_cargo_fds(const struct ipcdev_message *msg)
{
	return msg->cargo ? msg->cargo->fds : 0;
}

static inline u32 ipcdev_cargo_slices(const struct ipcdev_message *msg)
{
	return msg->cargo ? msg->cargo->slices : 0;
}

int ipcdev_pieces_import(struct ipcdev_pieces *pieces, const struct ipcdev_msg *um, int direction);

/**
 * ipcdev_payload_import - where the caller's message lies
 * @p: the result, for ipcdev_payload_release()
 * @pieces: of it, if it has several
 * @um: the caller's
 * @direction: ITER_SOURCE to send it, ITER_DEST to receive it
 */
static __always_inline int ipcdev_payload_import(struct ipcdev_payload *p,
						 struct ipcdev_pieces *pieces,
						 const struct ipcdev_msg *um, int direction)
{
	int ret;

	p->iter = NULL;
	p->base = u64_to_user_ptr(um->data);
	p->len = um->len;
	if (unlikely(um->iov_count)) {
		ret = ipcdev_pieces_import(pieces, um, direction);
		if (ret)
			return ret;
		p->iter = &pieces->iter;
		p->len = iov_iter_count(p->iter);
	}
	return 0;
}

static __always_inline void ipcdev_payload_release(const struct ipcdev_payload *p,
						   const struct ipcdev_pieces *pieces)
{
	if (unlikely(p->iter))
		kfree(pieces->iov);
}

/**
 * ipcdev_payload_from_iter - where the message of a read(2) or write(2) lies
 * @p: the result; nothing to release
 * @iter: of the call
 */
static __always_inline void ipcdev_payload_from_iter(struct ipcdev_payload *p,
						     struct iov_iter *iter)
{
	p->len = iov_iter_count(iter);
	p->iter = iter;
	if (likely(iter_is_ubuf(iter))) {
		p->iter = NULL;
		p->base = iter->ubuf + iter->iov_offset;
	}
}

/*
 * Small payloads are the common ones, and for them the check of a slab object's
 * bounds costs several times the copy itself (224 instructions against 30 for 64
 * bytes). The bounds have been checked by then: @n is at most the room that the
 * message was allocated with. Eight words at a time, where words may lie anywhere.
 */
#define IPCDEV_COPY_BY_WORD	(IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS) ? 128 : 0)

static __always_inline int ipcdev_copy_in(void *to, const void __user *from, size_t n)
{
	if (!n)
		return 0;
	if (!user_read_access_begin(from, n))
		return -EFAULT;
	for (; n >= 64; n -= 64, to += 64, from += 64) {
		u64 *word = to;
		const u64 __user *uword = from;

		unsafe_get_user(word[0], uword, fault);
		unsafe_get_user(word[1], uword + 1, fault);
		unsafe_get_user(word[2], uword + 2, fault);
		unsafe_get_user(word[3], uword + 3, fault);
		unsafe_get_user(word[4], uword + 4, fault);
		unsafe_get_user(word[5], uword + 5, fault);
		unsafe_get_user(word[6], uword + 6, fault);
		unsafe_get_user(word[7], uword + 7, fault);
	}
	if (!n)
		goto done;
	for (; n >= 8; n -= 8, to += 8, from += 8)
		unsafe_get_user(*(u64 *)to, (const u64 __user *)from, fault);
	for (; n; n--, to++, from++)
		unsafe_get_user(*(u8 *)to, (const u8 __user *)from, fault);
done:
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

static __always_inline int ipcdev_copy_out(void __user *to, const void *from, size_t n)
{
	if (!n)
		return 0;
	if (!user_write_access_begin(to, n))
		return -EFAULT;
	for (; n >= 64; n -= 64, to += 64, from += 64) {
		const u64 *word = from;
		u64 __user *uword = to;

		unsafe_put_user(word[0], uword, fault);
		unsafe_put_user(word[1], uword + 1, fault);
		unsafe_put_user(word[2], uword + 2, fault);
		unsafe_put_user(word[3], uword + 3, fault);
		unsafe_put_user(word[4], uword + 4, fault);
		unsafe_put_user(word[5], uword + 5, fault);
		unsafe_put_user(word[6], uword + 6, fault);
		unsafe_put_user(word[7], uword + 7, fault);
	}
	if (!n)
		goto done;
	for (; n >= 8; n -= 8, to += 8, from += 8)
		unsafe_put_user(*(const u64 *)from, (u64 __user *)to, fault);
	for (; n; n--, to++, from++)
		unsafe_put_user(*(const u8 *)from, (u8 __user *)to, fault);
done:
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

int ipcdev_message_fill_any(struct ipcdev_message *msg, const void __user *base,
			    struct iov_iter *iter);
int ipcdev_message_copy_any(const struct ipcdev_message *msg, void __user *base,
			    struct iov_iter *iter);

/**
 * ipcdev_message_fill - copy a payload in
 * @msg: with room for it; its @len is set
 * @p: from where
 */
static __always_inline int ipcdev_message_fill(struct ipcdev_message *msg,
					       struct ipcdev_payload *p)
{
	msg->len = p->len;
	if (unlikely(p->iter || p->len > IPCDEV_COPY_BY_WORD))
		return ipcdev_message_fill_any(msg, p->base, p->iter);
	return ipcdev_copy_in(msg->data, p->base, p->len);
}

/**
 * ipcdev_message_copy_out - copy a payload out
 * @msg: the message
 * @p: to where; has room
 */
static __always_inline int ipcdev_message_copy_out(const struct ipcdev_message *msg,
						   struct ipcdev_payload *p)
{
	if (unlikely(p->iter || msg->len > IPCDEV_COPY_BY_WORD))
		return ipcdev_message_copy_any(msg, p->base, p->iter);
	return ipcdev_copy_out(p->base, msg->data, msg->len);
}

/**
 * ipcdev_message_room - bytes behind the header that a message needs
 * @len: bytes of payload
 * @items: descriptors and slices
 */
static inline size_t ipcdev_message_room(size_t len, u32 items)
{
	struct ipcdev_cargo *cargo;

	return items ? ALIGN(len, 8) + struct_size(cargo, items, items) : len;
}

struct ipcdev_message *ipcdev_message_alloc(size_t room);
void ipcdev_message_free(struct ipcdev_message *msg);
void ipcdev_message_strip(struct ipcdev_message *msg);
int ipcdev_cargo_load(struct ipcdev_message *msg, const struct ipcdev_msg *um,
		      struct ipcdev_account **kept);
int ipcdev_cargo_deliver(const struct ipcdev_cargo *cargo, struct ipcdev_msg *um,
			 struct ipcdev_delivery *delivery);
void ipcdev_cargo_undo(struct ipcdev_delivery *delivery);

int ipcdev_message_init(void);
void ipcdev_message_exit(void);

#endif
