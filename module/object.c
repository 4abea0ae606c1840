// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: what all objects share
 *
 * An object lives as long as something refers to it: handles (open files, among
 * them those that mappings and messages in flight hold), its name (an ipcdevfs
 * inode), or somebody who is just looking at it. It *dies* before that: when its
 * last handle is gone and it is not persistent, nobody can open it any more, its
 * name is unlinked and its contents are dropped, so that no cycle of references
 * can outlive the processes that made it. A persistent object dies when its name
 * and its handles are gone.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>

#include "ipcdev.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* All objects by id, for listings. An object is there until it is freed. */
static DEFINE_XARRAY(objects);
static atomic64_t last_id;

/**
 * ipcdev_object_init - fill in the shared part of a new object and charge it
 * @obj: zeroed
 * @ops: its kind
 * @bytes: what to charge the caller for its contents
 *
 * Return: 0, -EDQUOT or -ENOMEM. Undone by ipcdev_object_destroy().
 */
int ipcdev_object_init(struct ipcdev_object *obj, const struct ipcdev_object_ops *ops, u64 bytes)
{
	int ret;

	obj->ops = ops;
	kref_init(&obj->ref);
	spin_lock_init(&obj->lock);
	init_waitqueue_head(&obj->wq);
	init_waitqueue_head(&obj->wq_in);
	init_waitqueue_head(&obj->wq_out);
	init_waitqueue_head(&obj->peer_wq);
	mutex_init(&obj->watch_mutex);
	current_euid_egid(&obj->uid, &obj->gid);
	obj->created_ns = ktime_get_real_ns();
	obj->charged = bytes;

	obj->account = ipcdev_account_get();
	if (!obj->account)
		return -ENOMEM;
	ret = ipcdev_charge(obj->account, IPCDEV_OBJECTS, 1, READ_ONCE(ipcdev_max_objects));
	if (ret)
		goto err_account;
	ret = ipcdev_charge(obj->account, IPCDEV_BYTES, bytes, READ_ONCE(ipcdev_max_bytes));
	if (ret)
		goto err_object;
	return 0;

err_object:
	ipcdev_uncharge(obj->account, IPCDEV_OBJECTS, 1);
err_account:
	ipcdev_account_put(obj->account);
	return ret;
}

/**
 * ipcdev_object_destroy - give back what ipcdev_object_init() took
 * @obj: without references
 */
void ipcdev_object_destroy(struct ipcdev_object *obj)
{
	/* Nothing, if it was never let be seen. */
	xa_erase(&objects, obj->id);
	ipcdev_uncharge(obj->account, IPCDEV_BYTES, obj->charged);
	ipcdev_uncharge(obj->account, IPCDEV_OBJECTS, 1);
	ipcdev_account_put(obj->account);
}

static void object_free(struct kref *ref)
{
	struct ipcdev_object *obj = container_of(ref, struct ipcdev_object, ref);

	trace_ipcdev_destroy(obj);
	obj->ops->free(obj);
}

void ipcdev_object_put(struct ipcdev_object *obj)
{
	kref_put(&obj->ref, object_free);
}

/* Nobody can open the object any more: let go of what it holds. */
static void object_bury(struct ipcdev_object *obj)
{
	if (obj->ops->drain)
		obj->ops->drain(obj);
}

/* Ends the sleeps that no peer will end any more; says whom to notify. */
static __poll_t peers_gone(struct ipcdev_object *obj)
{
	__poll_t gone = ipcdev_poll_peers(obj);

	if (gone && obj->ops->peers_changed)
		obj->ops->peers_changed(obj);
	return gone;
}

/**
 * ipcdev_object_unname - an object's name ends
 * @obj: the object, locked, and so are the names
 * @gone: what to notify of
 *
 * Return: whether the object has died of it.
 */
bool ipcdev_object_unname(struct ipcdev_object *obj, __poll_t *gone)
{
	bool last;

	if (obj->persistent) {
		/* From now on a peer that is gone is missed. */
		obj->persistent = false;
		*gone = peers_gone(obj);
	}
	last = !obj->handles && !obj->dead;
	obj->dead |= last;
	return last;
}

/**
 * ipcdev_object_unnamed - what is left to do then, without the locks
 * @obj: the object; the reference that its name held passes to this function
 * @gone: from ipcdev_object_unname()
 * @last: from ipcdev_object_unname()
 */
void ipcdev_object_unnamed(struct ipcdev_object *obj, __poll_t gone, bool last)
{
	if (gone)
		ipcdev_notify(obj, gone);
	if (last)
		object_bury(obj);
	ipcdev_object_put(obj);
}

/**
 * ipcdev_rights_check - are these rights that a handle may have
 * @type: of which kind of object
 * @rights: IPCDEV_RIGHT_*
 */
int ipcdev_rights_check(u32 type, u32 rights)
{
	if (rights & ~IPCDEV_RIGHTS)
		return -EINVAL;
	if (!(rights & (IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE)))
		return -EINVAL;
	/* A writable mapping can be read on the machines there are. */
	if (type == IPCDEV_TYPE_BUFFER && !(rights & IPCDEV_RIGHT_READ))
		return -EINVAL;
	return 0;
}

/* A handle becomes one of the object's, and as far as its role goes, a peer. */
static int handle_join(struct ipcdev_handle *h)
{
	struct ipcdev_object *obj = h->obj;
	int ret;

	lockdep_assert_held(&obj->lock);
	if (obj->dead)
		return -ENXIO;
	ret = obj->ops->joined ? obj->ops->joined(obj, h) : 0;
	if (ret)
		return ret;
	kref_get(&obj->ref);
	obj->handles++;
	if (h->role & IPCDEV_RIGHT_READ) {
		obj->readers++;
		obj->had_reader = true;
	}
	if (h->role & IPCDEV_RIGHT_WRITE) {
		obj->writers++;
		obj->had_writer = true;
	}
	return 0;
}

static int handle_init(struct file *file, struct ipcdev_object *obj, u32 rights, u32 role)
{
	struct ipcdev_handle *h;
	int ret;

	h = kzalloc(sizeof(*h), IPCDEV_GFP);
	if (!h)
		return -ENOMEM;
	h->obj = obj;
	h->rights = rights;
	h->role = role;
	h->opener = get_pid(task_tgid(current));
	INIT_LIST_HEAD(&h->watches);
	h->calls = RB_ROOT;
	INIT_LIST_HEAD(&h->gone);

	spin_lock(&obj->lock);
	ret = handle_join(h);
	spin_unlock(&obj->lock);
	if (ret) {
		put_pid(h->opener);
		kfree(h);
		return ret;
	}

	/*
	 * No file position, and so no lock of it that a sleeping reader would
	 * hold against a writer of the same file.
	 */
	stream_open(file_inode(file), file);
	file->private_data = h;
	if (obj->ops->opened)
		obj->ops->opened(obj, file);
	if (wq_has_sleeper(&obj->peer_wq))
		wake_up(&obj->peer_wq);
	trace_ipcdev_open(obj, rights);
	return 0;
}

/**
 * ipcdev_handle_open - make an open file a handle
 * @file: with the object's fops and an access mode that fits @rights; if this
 *	fails, its release has nothing to undo
 * @obj: the object; the handle takes a reference of its own
 * @rights: IPCDEV_RIGHT_*
 *
 * Return: 0, -ENXIO if the object is dead, or -ENOMEM.
 */
int ipcdev_handle_open(struct file *file, struct ipcdev_object *obj, u32 rights)
{
	u32 role = obj->ops->end_fops ? 0 : rights & (IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE);

	return handle_init(file, obj, rights, role);
}

int ipcdev_handle_release(struct inode *inode, struct file *file)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_object *obj;
	__poll_t gone, ours = 0;
	bool last;

	if (!h)
		return 0;
	obj = h->obj;
	trace_ipcdev_release(obj, h->rights);
	ipcdev_watches_release(h);
	if (obj->ops->released)
		obj->ops->released(obj, h);

	spin_lock(&obj->lock);
	obj->handles--;
	if (h->role & IPCDEV_RIGHT_READ) {
		obj->readers--;
		ours |= EPOLLERR;
	}
	if (h->role & IPCDEV_RIGHT_WRITE) {
		obj->writers--;
		ours |= EPOLLHUP;
	}
	/* A queue whose last message may yet come back tells the end later. */
	gone = peers_gone(obj) & ours & obj->ops->poll(obj, NULL);
	last = !obj->handles && !obj->persistent;
	obj->dead |= last;
	spin_unlock(&obj->lock);

	if (gone)
		ipcdev_notify(obj, gone);
	if (last) {
		ipcdevfs_vanish(obj);
		object_bury(obj);
	}
	ipcdev_account_put(h->account);
	put_pid(h->opener);
	kfree(h);
	ipcdev_object_put(obj);
	return 0;
}

/* A new handle in a new anonymous file: it cannot be opened anew through /proc. */
static struct file *handle_file(struct ipcdev_object *obj, u32 rights, bool nonblock)
{
	int flags = nonblock ? O_NONBLOCK : 0;
	struct file *file;
	int ret;

	switch (rights & (IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE)) {
	case IPCDEV_RIGHT_READ:
		flags |= O_RDONLY;
		break;
	case IPCDEV_RIGHT_WRITE:
		flags |= O_WRONLY;
		break;
	default:
		flags |= O_RDWR;
		break;
	}
	file = anon_inode_getfile(obj->ops->label, obj->ops->fops, NULL, flags);
	if (IS_ERR(file))
		return file;
	ret = ipcdev_handle_open(file, obj, rights);
	if (ret) {
		fput(file);
		return ERR_PTR(ret);
	}
	return file;
}

static int handle_fd(struct ipcdev_object *obj, u32 rights, bool nonblock)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = handle_file(obj, rights, nonblock);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

/**
 * ipcdev_end_file - make an end of an object
 * @obj: of a kind that has ends
 * @role: IPCDEV_RIGHT_READ or IPCDEV_RIGHT_WRITE
 * @nonblock: the end is O_NONBLOCK
 *
 * Both sides write to what they map, whatever the role: the file may do both.
 *
 * Return: the file or an error pointer, the errors of the kind's joined() among them.
 */
struct file *ipcdev_end_file(struct ipcdev_object *obj, u32 role, bool nonblock)
{
	struct file *file;
	int ret;

	file = anon_inode_getfile(obj->ops->label, obj->ops->end_fops, NULL,
				  O_RDWR | (nonblock ? O_NONBLOCK : 0));
	if (IS_ERR(file))
		return file;
	ret = handle_init(file, obj, role, role);
	if (ret) {
		fput(file);
		return ERR_PTR(ret);
	}
	return file;
}

/**
 * ipcdev_end_create - ipcdev_end_file() with a descriptor
 * @obj: as there
 * @role: as there
 * @nonblock: as there
 *
 * Return: a descriptor or an errno.
 */
int ipcdev_end_create(struct ipcdev_object *obj, u32 role, bool nonblock)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = ipcdev_end_file(obj, role, nonblock);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

/**
 * ipcdev_object_create - let a finished object be seen, and make its first handle
 * @obj: initialised; the caller's reference is consumed, and on failure with it
 *	the object
 * @rights: of the handle, checked; 0 for all
 * @nonblock: the handle is O_NONBLOCK
 *
 * Return: a descriptor or an errno.
 */
int ipcdev_object_create(struct ipcdev_object *obj, u32 rights, bool nonblock)
{
	int ret;

	obj->id = atomic64_inc_return(&last_id);
	ret = xa_err(xa_store(&objects, obj->id, obj, IPCDEV_GFP));
	if (!ret) {
		trace_ipcdev_create(obj);
		ret = handle_fd(obj, rights ?: IPCDEV_RIGHTS, nonblock);
	}
	ipcdev_object_put(obj);
	return ret;
}

/* As the holder of a handle sees it, or as anybody does. */
static void object_stat(struct ipcdev_object *obj, struct ipcdev_handle *h,
			struct ipcdev_stat *st)
{
	struct user_namespace *ns = current_user_ns();

	memset(st, 0, sizeof(*st));
	st->id = obj->id;
	st->type = obj->ops->type;
	st->uid = from_kuid_munged(ns, obj->uid);
	st->gid = from_kgid_munged(ns, obj->gid);
	st->created_ns = obj->created_ns;
	st->watches = atomic_read(&obj->watches);
	st->wakeups = atomic64_read(&obj->wakeups);

	spin_lock(&obj->lock);
	st->readers = obj->readers;
	st->writers = obj->writers;
	if (obj->persistent)
		st->flags |= IPCDEV_STAT_PERSISTENT;
	obj->ops->stat(obj, h, st);
	spin_unlock(&obj->lock);

	if (ipcdevfs_path(obj, st->name, sizeof(st->name)))
		st->flags |= IPCDEV_STAT_PUBLISHED;
}

static long handle_stat(struct ipcdev_handle *h, void __user *uarg, size_t usize)
{
	struct ipcdev_stat st;

	object_stat(h->obj, h, &st);
	st.rights = h->rights;
	return ipcdev_args_put(&st, sizeof(st), uarg, usize);
}

static long handle_dup(struct ipcdev_handle *h, void __user *uarg, size_t usize)
{
	struct ipcdev_dup args;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.flags & ~IPCDEV_NONBLOCK)
		return -EINVAL;
	ret = ipcdev_rights_check(h->obj->ops->type, args.rights);
	if (ret)
		return ret;
	if (args.rights & ~h->rights)
		return -EACCES;
	return handle_fd(h->obj, args.rights, args.flags & IPCDEV_NONBLOCK);
}

static long handle_publish(struct ipcdev_handle *h, void __user *uarg, size_t usize)
{
	struct ipcdev_publish args;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.flags & ~IPCDEV_PUBLISH_PERSISTENT)
		return -EINVAL;
	if (!(h->rights & IPCDEV_RIGHT_PUBLISH))
		return -EACCES;
	ret = ipcdevfs_publish(h->obj, args.name_fd, args.flags & IPCDEV_PUBLISH_PERSISTENT);
	if (!ret)
		trace_ipcdev_publish(h->obj);
	return ret;
}

/* Whether somebody else is there whom this handle could talk to. */
static bool has_peer(struct ipcdev_handle *h)
{
	struct ipcdev_object *obj = h->obj;
	bool reads = h->role & IPCDEV_RIGHT_READ;
	bool writes = h->role & IPCDEV_RIGHT_WRITE;
	bool ret;

	spin_lock(&obj->lock);
	ret = (h->rights & IPCDEV_RIGHT_READ && obj->writers > writes) ||
	      (h->rights & IPCDEV_RIGHT_WRITE && obj->readers > reads);
	spin_unlock(&obj->lock);
	return ret;
}

/**
 * ipcdev_wait_until - an ioctl that sleeps, with a struct ipcdev_wait
 * @file: the handle
 * @uarg: the caller's structure
 * @usize: its size
 * @wq: where whoever may make it true wakes those who wait
 * @done: whether it is
 *
 * Return: 0, or the errno of IPCDEV_IOC_WAIT_PEER.
 */
long ipcdev_wait_until(struct file *file, void __user *uarg, size_t usize,
		       struct wait_queue_head *wq, bool (*done)(struct ipcdev_handle *h))
{
	struct ipcdev_deadline deadline;
	struct ipcdev_wait args;
	DEFINE_WAIT(wait);
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if ((args.flags & ~(IPCDEV_NONBLOCK | IPCDEV_DEADLINES)) || args.reserved)
		return -EINVAL;
	ret = ipcdev_deadline_parse(&deadline, file, args.flags, args.deadline_ns);
	if (ret)
		return ret;

	for (;;) {
		prepare_to_wait(wq, &wait, TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (done(ipcdev_handle(file))) {
			ret = 0;
			break;
		}
		if (deadline.nonblock)
			ret = -EAGAIN;
		if (ret)
			break;
		ret = ipcdev_sleep(&deadline);
	}
	finish_wait(wq, &wait);
	return ret;
}

long ipcdev_handle_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	void __user *uarg = (void __user *)arg;
	size_t usize;
	int ret;

	ret = ipcdev_cmd_size(cmd, &usize);
	if (ret)
		return ret;

	switch (_IOC_NR(cmd)) {
	case _IOC_NR(IPCDEV_IOC_STAT):
		return handle_stat(h, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_DUP):
		return handle_dup(h, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_PUBLISH):
		return handle_publish(h, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_ATTACH):
		return ipcdev_attach(h, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_DETACH):
		return ipcdev_detach(h, uarg, usize);
	case _IOC_NR(IPCDEV_IOC_WAIT_PEER):
		return ipcdev_wait_until(file, uarg, usize, &h->obj->peer_wq, has_peer);
	default:
		return h->obj->ops->ioctl(file, _IOC_NR(cmd), uarg, usize);
	}
}

void ipcdev_handle_fdinfo(struct seq_file *m, struct file *file)
{
	struct ipcdev_handle *h = ipcdev_handle(file);
	struct ipcdev_object *obj = h->obj;
	u32 readers, writers;

	spin_lock(&obj->lock);
	readers = obj->readers;
	writers = obj->writers;
	spin_unlock(&obj->lock);

	seq_printf(m, "ipcdev-type:\t%s\n", obj->ops->name);
	seq_printf(m, "ipcdev-id:\t%llu\n", obj->id);
	seq_printf(m, "ipcdev-rights:\t%c%c%c\n",
		   h->rights & IPCDEV_RIGHT_READ ? 'r' : '-',
		   h->rights & IPCDEV_RIGHT_WRITE ? 'w' : '-',
		   h->rights & IPCDEV_RIGHT_PUBLISH ? 'p' : '-');
	if (obj->ops->end_fops && h->role)
		seq_printf(m, "ipcdev-role:\t%s\n",
			   h->role & IPCDEV_RIGHT_READ ? "consumer" : "producer");
	seq_printf(m, "ipcdev-readers:\t%u\n", readers);
	seq_printf(m, "ipcdev-writers:\t%u\n", writers);
	obj->ops->fdinfo(obj, m);
}

/* The first object behind @after that is the caller's, or of @all it knows. */
static struct ipcdev_object *list_next(u64 after, bool all)
{
	struct user_namespace *ns = current_user_ns();
	unsigned long index;
	struct ipcdev_object *obj;

	if (after >= ULONG_MAX)
		return NULL;
	rcu_read_lock();
	xa_for_each_start(&objects, index, obj, after + 1) {
		if (!uid_eq(obj->uid, current_euid()) &&
		    !(all && kuid_has_mapping(ns, obj->uid)))
			continue;
		if (kref_get_unless_zero(&obj->ref))
			break;
	}
	rcu_read_unlock();
	return obj;
}

/* IPCDEV_IOC_LIST */
long ipcdev_list(void __user *uarg, size_t usize)
{
	struct ipcdev_object *obj;
	struct ipcdev_list args;
	struct ipcdev_stat *st;
	u8 __user *out;
	bool all;
	int ret;
	u32 i;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (!args.stat_size || !args.count || args.count > INT_MAX)
		return -EINVAL;
	if (args.stat_size > PAGE_SIZE)
		return -E2BIG;
	st = kmalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return -ENOMEM;

	all = ns_capable_noaudit(current_user_ns(), CAP_IPC_OWNER);
	out = u64_to_user_ptr(args.stats);
	for (i = 0; i < args.count && !ret; i++, out += args.stat_size) {
		obj = list_next(args.after, all);
		if (!obj)
			break;
		object_stat(obj, NULL, st);
		ipcdev_object_put(obj);
		args.after = st->id;
		ret = ipcdev_args_put(st, sizeof(*st), out, args.stat_size);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	kfree(st);
	return ret ?: i;
}

void ipcdev_objects_exit(void)
{
	WARN_ON(!xa_empty(&objects));
	xa_destroy(&objects);
}
