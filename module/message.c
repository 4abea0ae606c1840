// SPDX-License-Identifier: GPL-2.0
/*
 * Messages by themselves: their memory, their payload on its way in and out, and
 * the descriptors and slices that they carry. What order they come in is the
 * queue's business (queue.c).
 *
 * All here runs without locks: a message belongs to whoever builds it, and later
 * to the one receiver that has taken it.
 */
#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/net.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <net/sock.h>

#include "ipcdev.h"
#include "message.h"

static struct kmem_cache *slots;

/**
 * ipcdev_message_alloc - memory for a message
 * @room: from ipcdev_message_room()
 *
 * Return: a message with nothing filled in but what says that it carries
 * nothing, or NULL.
 */
struct ipcdev_message *ipcdev_message_alloc(size_t room)
{
	struct ipcdev_message *msg;
	bool slot = room <= IPCDEV_SLOT_DATA;

	msg = slot ? kmem_cache_alloc(slots, IPCDEV_GFP) :
		     kvmalloc(struct_size(msg, data, room), IPCDEV_GFP);
	if (!msg)
		return NULL;
	msg->slot = slot;
	msg->room = slot ? IPCDEV_SLOT_DATA : room;
	msg->pid = NULL;
	msg->cargo = NULL;
	msg->pins = 0;
	msg->tickets = 0;
	msg->lost = 0;
	msg->orphan = false;
	msg->call = false;
	msg->answering = false;
	return msg;
}

static void cargo_release(struct ipcdev_cargo *cargo)
{
	u32 i, items = cargo->fds + cargo->slices;

	for (i = 0; i < items; i++)
		fput(cargo->items[i].file);
	ipcdev_uncharge(cargo->account, IPCDEV_INFLIGHT, items);
	ipcdev_account_put(cargo->account);
}

/**
 * ipcdev_message_strip - let go of all that a message refers to
 * @msg: as good as new from ipcdev_message_alloc() afterwards
 */
void ipcdev_message_strip(struct ipcdev_message *msg)
{
	if (unlikely(msg->cargo)) {
		cargo_release(msg->cargo);
		msg->cargo = NULL;
	}
	if (unlikely(msg->pid)) {
		put_pid(msg->pid);
		msg->pid = NULL;
	}
	msg->lost = 0;
}

void ipcdev_message_free(struct ipcdev_message *msg)
{
	if (!msg)
		return;
	ipcdev_message_strip(msg);
	if (msg->slot)
		kmem_cache_free(slots, msg);
	else
		kvfree(msg);
}

/**
 * ipcdev_pieces_import - where the caller's message lies that is in pieces
 * @pieces: the result; its @iov is for kfree()
 * @um: the caller's
 * @direction: ITER_SOURCE to send it, ITER_DEST to receive it
 */
int ipcdev_pieces_import(struct ipcdev_pieces *pieces, const struct ipcdev_msg *um, int direction)
{
	const struct ipcdev_iovec __user *uiov = u64_to_user_ptr(um->data);
	struct ipcdev_iovec piece;
	struct iovec *iov;
	size_t len = 0;
	int ret;
	u32 i;

	if (um->iov_count > IPCDEV_IOV_MAX)
		return -EINVAL;
	iov = kmalloc_array(um->iov_count, sizeof(*iov), IPCDEV_GFP);
	if (!iov)
		return -ENOMEM;
	for (i = 0; i < um->iov_count; i++) {
		ret = -EFAULT;
		if (copy_from_user(&piece, uiov + i, sizeof(piece)))
			goto err;
		ret = -EINVAL;
		if (piece.len > MAX_RW_COUNT - len)
			goto err;
		len += piece.len;
		iov[i].iov_base = u64_to_user_ptr(piece.base);
		iov[i].iov_len = piece.len;
	}
	iov_iter_init(&pieces->iter, direction, iov, um->iov_count, len);
	pieces->iov = iov;
	return 0;

err:
	kfree(iov);
	return ret;
}

/**
 * ipcdev_message_fill_any - ipcdev_message_fill() of a payload that is large or in
 *	pieces
 * @msg: as there; its @len is set
 * @base: where the payload lies, unless
 * @iter: says so
 */
int ipcdev_message_fill_any(struct ipcdev_message *msg, const void __user *base,
			    struct iov_iter *iter)
{
	if (iter)
		return copy_from_iter_full(msg->data, msg->len, iter) ? 0 : -EFAULT;
	return copy_from_user(msg->data, base, msg->len) ? -EFAULT : 0;
}

/**
 * ipcdev_message_copy_any - ipcdev_message_copy_out() likewise
 * @msg: as there
 * @base: where to, unless
 * @iter: says so
 */
int ipcdev_message_copy_any(const struct ipcdev_message *msg, void __user *base,
			    struct iov_iter *iter)
{
	if (iter)
		return copy_to_iter(msg->data, msg->len, iter) == msg->len ? 0 : -EFAULT;
	return copy_to_user(base, msg->data, msg->len) ? -EFAULT : 0;
}

static bool is_eventfd(struct file *file)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fileget(file);

	if (IS_ERR(eventfd))
		return false;
	eventfd_ctx_put(eventfd);
	return true;
}

/*
 * A descriptor in a queue is kept open by the queue. Were it one through which
 * the queue itself, or something that can hold descriptors, is kept open, a ring
 * of references could outlive all processes. So only kinds that hold no other
 * files may travel, or like an engine only those of buffers, which hold none.
 */
static bool may_travel(struct file *file)
{
	struct socket *sock;

	if (file->f_op == &ipcdev_buffer_fops || ipcdev_is_ring(file))
		return true;
	/* Not every regular file is one: some kernels call anonymous inodes so. */
	switch (file->f_inode->i_sb->s_magic) {
	case ANON_INODE_FS_MAGIC:
		return is_eventfd(file);
	case IPCDEVFS_MAGIC:
	case NSFS_MAGIC:
	case PID_FS_MAGIC:
		return false;
	}
	if (S_ISREG(file->f_inode->i_mode) || S_ISFIFO(file->f_inode->i_mode))
		return true;

	sock = sock_from_file(file);
	return sock && sock->sk && (sock->sk->sk_family == AF_INET ||
				    sock->sk->sk_family == AF_INET6);
}

static int fd_load(struct ipcdev_item *item, const s32 __user *ufd)
{
	struct file *file;
	s32 fd;

	if (get_user(fd, ufd))
		return -EFAULT;
	file = fget(fd);
	if (!file)
		return -EBADF;
	if (!may_travel(file)) {
		fput(file);
		return -ELOOP;
	}
	item->file = file;
	item->offset = 0;
	item->length = 0;
	return 0;
}

static int slice_load(struct ipcdev_item *item, const struct ipcdev_slice __user *uslice)
{
	struct ipcdev_slice slice;
	struct file *file;

	if (ipcdev_args_get(&slice, sizeof(slice), uslice, sizeof(slice)))
		return -EFAULT;
	file = ipcdev_slice_get(&slice, FMODE_READ);
	if (IS_ERR(file))
		return PTR_ERR(file);
	item->file = file;
	item->offset = slice.offset;
	item->length = slice.length;
	return 0;
}

/**
 * ipcdev_cargo_load - take the descriptors and slices that the caller sends
 * @msg: filled, with room for them
 * @um: the caller's message, its counts checked
 * @kept: for ipcdev_account_get_kept()
 *
 * Return: 0, or an errno and nothing is held.
 */
int ipcdev_cargo_load(struct ipcdev_message *msg, const struct ipcdev_msg *um,
		      struct ipcdev_account **kept)
{
	struct ipcdev_cargo *cargo = (void *)(msg->data + ALIGN(msg->len, 8));
	const struct ipcdev_slice __user *uslices = u64_to_user_ptr(um->slices);
	const s32 __user *ufds = u64_to_user_ptr(um->fds);
	u32 items = um->fd_count + um->slice_count;
	u32 i;
	int ret = 0;

	for (i = 0; i < items; i++) {
		if (i < um->fd_count)
			ret = fd_load(&cargo->items[i], ufds + i);
		else
			ret = slice_load(&cargo->items[i], uslices + (i - um->fd_count));
		if (ret)
			goto err;
	}

	ret = -ENOMEM;
	cargo->account = ipcdev_account_get_kept(kept);
	if (!cargo->account)
		goto err;
	/* Ask for the capability only where it matters: asking may be audited. */
	if (ipcdev_charge(cargo->account, IPCDEV_INFLIGHT, items, rlimit(RLIMIT_NOFILE)) &&
	    (!capable(CAP_SYS_RESOURCE) ||
	     ipcdev_charge(cargo->account, IPCDEV_INFLIGHT, items, U64_MAX))) {
		ipcdev_account_put(cargo->account);
		ret = -ETOOMANYREFS;
		goto err;
	}
	cargo->fds = um->fd_count;
	cargo->slices = um->slice_count;
	msg->cargo = cargo;
	return 0;

err:
	while (i--)
		fput(cargo->items[i].file);
	return ret;
}

/* A new descriptor of the receiver's, which ipcdev_cargo_undo() can close. */
static int deliver_file(struct file *file, struct ipcdev_delivery *delivery)
{
	int fd = ipcdev_receive_fd(file, O_CLOEXEC);

	if (fd >= 0)
		delivery->fds[delivery->count++] = fd;
	return fd;
}

static int deliver_fds(const struct ipcdev_cargo *cargo, struct ipcdev_msg *um,
		       struct ipcdev_delivery *delivery)
{
	s32 __user *ufds = u64_to_user_ptr(um->fds);
	u32 i, count = min(cargo->fds, um->fd_count);
	int fd;

	for (i = 0; i < count; i++) {
		fd = deliver_file(cargo->items[i].file, delivery);
		if (fd < 0 && (um->flags & IPCDEV_MSG_DROP_FDS)) {
			/* All behind it is dropped too. */
			um->slice_count = 0;
			break;
		}
		if (fd < 0)
			return fd;
		if (put_user(fd, ufds + i))
			return -EFAULT;
	}
	um->fd_count = i;
	return 0;
}

static int deliver_slices(const struct ipcdev_cargo *cargo, struct ipcdev_msg *um,
			  struct ipcdev_delivery *delivery)
{
	struct ipcdev_slice __user *uslices = u64_to_user_ptr(um->slices);
	const struct ipcdev_item *item = cargo->items + cargo->fds;
	u32 i, count = min(cargo->slices, um->slice_count);
	struct ipcdev_slice slice;

	for (i = 0; i < count; i++, item++) {
		slice.fd = -1;
		slice.reserved = 0;
		slice.offset = item->offset;
		slice.length = item->length;
		slice.buffer_id = ipcdev_handle(item->file)->obj->id;
		if (!(um->flags & IPCDEV_MSG_SLICE_IDS)) {
			slice.fd = deliver_file(item->file, delivery);
			if (slice.fd < 0 && (um->flags & IPCDEV_MSG_DROP_FDS))
				break;
			if (slice.fd < 0)
				return slice.fd;
		}
		if (ipcdev_words_put(&slice, sizeof(slice), uslices + i))
			return -EFAULT;
	}
	um->slice_count = i;
	return 0;
}

/**
 * ipcdev_cargo_deliver - give the receiver what a message carries
 * @cargo: of a message that is taken
 * @um: the caller's message; its counts are what fits, and then what there was
 * @delivery: empty; what can be undone if a later step fails
 */
int ipcdev_cargo_deliver(const struct ipcdev_cargo *cargo, struct ipcdev_msg *um,
			 struct ipcdev_delivery *delivery)
{
	int ret;

	ret = deliver_fds(cargo, um, delivery);
	if (!ret)
		ret = deliver_slices(cargo, um, delivery);
	if (ret)
		ipcdev_cargo_undo(delivery);
	return ret;
}

void ipcdev_cargo_undo(struct ipcdev_delivery *delivery)
{
	while (delivery->count)
		close_fd(delivery->fds[--delivery->count]);
}

int ipcdev_message_init(void)
{
	/* User copies touch the payload only; that is what the region says. */
	slots = kmem_cache_create_usercopy("ipcdev_message",
					   sizeof(struct ipcdev_message) + IPCDEV_SLOT_DATA, 0,
					   SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT,
					   offsetof(struct ipcdev_message, data),
					   IPCDEV_SLOT_DATA, NULL);
	return slots ? 0 : -ENOMEM;
}

void ipcdev_message_exit(void)
{
	kmem_cache_destroy(slots);
}
