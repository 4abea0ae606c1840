// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: ipcdevfs, where names are files
 *
 * An inode of this filesystem is empty until an object is published in it, and
 * names that object from then on. The VFS does all else: look-up, rights, rename,
 * inotify, mount namespaces. libfs does most of the rest.
 *
 * An inode points to the object that it names and holds a reference to it;
 * obj->name points back and holds none: names_lock protects both. Both end when
 * the file is unlinked or replaced, or its filesystem unmounted; not only when its
 * inode goes, which anybody may hold. Who must use obj->name beyond that lock takes
 * the inode and, so that an unmount waits, an active reference to its superblock.
 */
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/fsnotify.h>
#include <linux/mount.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "ipcdev.h"
#include "trace.h"

static DEFINE_SPINLOCK(names_lock);

static struct file_system_type ipcdevfs_type;
static const struct inode_operations ipcdevfs_dir_iops;
static const struct inode_operations ipcdevfs_name_iops;
static const struct file_operations ipcdevfs_name_fops;

/**
 * struct ipcdev_name - what is behind an inode, as its i_private
 * @account: who made it and is charged for it, referenced
 * @obj: what it names, referenced, or NULL; protected by names_lock
 */
struct ipcdev_name {
	struct ipcdev_account *account;
	struct ipcdev_object *obj;
};

/* What an inode names, referenced, or NULL. */
static struct ipcdev_object *inode_object(struct inode *inode)
{
	struct ipcdev_name *name = inode->i_private;
	struct ipcdev_object *obj;

	spin_lock(&names_lock);
	obj = name->obj;
	if (obj)
		kref_get(&obj->ref);
	spin_unlock(&names_lock);
	return obj;
}

/* The inode that names an object, held against unmounting, or NULL. */
static struct inode *name_get(struct ipcdev_object *obj)
{
	struct super_block *sb;
	struct inode *inode;

	spin_lock(&names_lock);
	inode = obj->name;
	if (inode) {
		/* Not evicted yet, so its superblock is there. */
		sb = inode->i_sb;
		if (!atomic_inc_not_zero(&sb->s_active)) {
			inode = NULL;
		} else {
			inode = igrab(inode);
			if (!inode) {
				spin_unlock(&names_lock);
				deactivate_super(sb);
				return NULL;
			}
		}
	}
	spin_unlock(&names_lock);
	return inode;
}

/* An inode is a name no more. */
static void name_detach(struct inode *inode)
{
	struct ipcdev_name *name = inode->i_private;
	struct ipcdev_object *obj;
	__poll_t gone = 0;
	bool last = false;

	/* In one step, lest the object be published anew between two. */
	spin_lock(&names_lock);
	obj = name->obj;
	if (obj) {
		spin_lock(&obj->lock);
		name->obj = NULL;
		obj->name = NULL;
		last = ipcdev_object_unname(obj, &gone);
		spin_unlock(&obj->lock);
	}
	spin_unlock(&names_lock);
	if (obj)
		ipcdev_object_unnamed(obj, gone, last);
}

static void name_put(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;

	iput(inode);
	deactivate_super(sb);
}

/**
 * ipcdevfs_path - an object's name
 * @obj: the object
 * @buf: where to put it: its path from the root of the filesystem
 * @size: of @buf; of a longer path the last component is given
 *
 * Return: whether it has one.
 */
bool ipcdevfs_path(struct ipcdev_object *obj, char *buf, size_t size)
{
	struct inode *inode = name_get(obj);
	struct dentry *dentry;
	bool named = false;
	char *path;

	if (!inode)
		return false;
	dentry = d_find_alias(inode);
	if (dentry) {
		named = true;
		path = dentry_path_raw(dentry, buf, size);
		if (IS_ERR(path)) {
			spin_lock(&dentry->d_lock);
			strscpy(buf, dentry->d_name.name, size);
			spin_unlock(&dentry->d_lock);
		} else {
			memmove(buf, path, strlen(path) + 1);
		}
		dput(dentry);
	}
	name_put(inode);
	return named;
}

/* The directory that a dentry is in, locked, whatever renames are under way. */
static struct dentry *lock_parent_of(struct dentry *dentry)
{
	struct dentry *parent;

	for (;;) {
		parent = dget_parent(dentry);
		inode_lock_nested(d_inode(parent), I_MUTEX_PARENT);
		if (dentry->d_parent == parent)
			return parent;
		inode_unlock(d_inode(parent));
		dput(parent);
	}
}

/**
 * ipcdevfs_vanish - unlink the name of an object that has died
 * @obj: the object
 *
 * Context: may sleep; no lock held.
 */
void ipcdevfs_vanish(struct ipcdev_object *obj)
{
	struct inode *inode = name_get(obj);
	struct dentry *dentry, *parent;

	if (!inode)
		return;
	dentry = d_find_alias(inode);
	if (dentry) {
		parent = lock_parent_of(dentry);
		if (!d_unhashed(dentry)) {
			trace_ipcdev_vanish(obj);
			simple_unlink(d_inode(parent), dentry);
			fsnotify_link_count(inode);
			/* Not d_delete(): something may be mounted on the name. */
			d_invalidate(dentry);
			fsnotify_delete(d_inode(parent), inode, dentry);
		}
		inode_unlock(d_inode(parent));
		dput(parent);
		dput(dentry);
	}
	name_detach(inode);
	name_put(inode);
}

/**
 * ipcdevfs_publish - let an empty file name an object
 * @obj: the object; the caller has a handle of it
 * @name_fd: the file
 * @persistent: the object shall outlive its handles
 *
 * Return: 0 or an errno, as struct ipcdev_publish says.
 */
int ipcdevfs_publish(struct ipcdev_object *obj, int name_fd, bool persistent)
{
	struct ipcdev_name *name;
	struct inode *inode;
	struct file *file;
	int ret;

	file = fget_raw(name_fd);
	if (!file)
		return -EBADF;
	inode = file_inode(file);
	ret = -EINVAL;
	if (inode->i_sb->s_type != &ipcdevfs_type || S_ISDIR(inode->i_mode))
		goto out_file;
	ret = mnt_want_write(file->f_path.mnt);
	if (ret)
		goto out_file;

	/* The owner must not change meanwhile. */
	inode_lock(inode);
	if (!inode_owner_or_capable(file_mnt_idmap(file), inode)) {
		ret = -EPERM;
		goto out_unlock;
	}

	name = inode->i_private;
	spin_lock(&names_lock);
	spin_lock(&obj->lock);
	if (!inode->i_nlink) {
		/* Unlinked before it is detached, and that takes names_lock. */
		ret = -ENOENT;
	} else if (name->obj) {
		ret = -EEXIST;
	} else if (obj->name || (persistent && !obj->ops->may_persist(obj))) {
		ret = -EBUSY;
	} else {
		kref_get(&obj->ref);
		name->obj = obj;
		obj->name = inode;
		obj->persistent = persistent;
		/* Who has left is not missed any more. */
		if (persistent && obj->ops->peers_changed)
			obj->ops->peers_changed(obj);
	}
	spin_unlock(&obj->lock);
	spin_unlock(&names_lock);
out_unlock:
	inode_unlock(inode);
	mnt_drop_write(file->f_path.mnt);
out_file:
	fput(file);
	return ret;
}

/*
 * A file that was just made names nothing yet. Whoever made it, touch(1) say,
 * gets a descriptor that can be closed, or named in IPCDEV_IOC_PUBLISH.
 */
static ssize_t blank_rw(struct kiocb *iocb, struct iov_iter *iter)
{
	return -ENXIO;
}

static long blank_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return -ENXIO;
}

static __poll_t blank_poll(struct file *file, struct poll_table_struct *pt)
{
	return EPOLLERR;
}

static int name_open(struct inode *inode, struct file *file)
{
	const struct file_operations *fops;
	struct ipcdev_object *obj;
	u32 rights = 0;
	int ret;

	obj = inode_object(inode);
	if (!obj) {
		if (!(file->f_mode & FMODE_CREATED))
			return -ENXIO;
		return stream_open(inode, file);
	}

	if (file->f_mode & FMODE_READ)
		rights |= IPCDEV_RIGHT_READ;
	if (file->f_mode & FMODE_WRITE)
		rights |= IPCDEV_RIGHT_WRITE;
	ret = ipcdev_rights_check(obj->ops->type, rights) ? -EACCES : 0;
	if (ret)
		goto out;
	ret = -ENXIO;
	fops = fops_get(obj->ops->fops);
	if (!fops)
		goto out;
	replace_fops(file, fops);
	ret = ipcdev_handle_open(file, obj, rights);
out:
	ipcdev_object_put(obj);
	return ret;
}

static const struct file_operations ipcdevfs_name_fops = {
	.owner = THIS_MODULE,
	.open = name_open,
	.read_iter = blank_rw,
	.write_iter = blank_rw,
	.poll = blank_poll,
	.unlocked_ioctl = blank_ioctl,
	.compat_ioctl = blank_ioctl,
};

/* What stat(2) shows as the size is how much there is to be had. */
static int name_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat,
			u32 request_mask, unsigned int query_flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct ipcdev_object *obj;

	ipcdev_fillattr(idmap, request_mask, inode, stat);
	obj = inode_object(inode);
	if (obj) {
		stat->size = obj->ops->size(obj);
		ipcdev_object_put(obj);
	}
	return 0;
}

static int name_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int ret;

	if (attr->ia_valid & ATTR_SIZE) {
		/* A shell's > truncates, and means to write a message. */
		if (!(attr->ia_valid & ATTR_OPEN))
			return -EINVAL;
		attr->ia_valid &= ~ATTR_SIZE;
	}
	ret = setattr_prepare(idmap, dentry, attr);
	if (ret)
		return ret;
	setattr_copy(idmap, inode, attr);
	mark_inode_dirty(inode);
	return 0;
}

static const struct inode_operations ipcdevfs_name_iops = {
	.getattr = name_getattr,
	.setattr = name_setattr,
};

static struct ipcdev_name *name_alloc(void)
{
	struct ipcdev_name *name;
	int ret = -ENOMEM;

	name = kzalloc(sizeof(*name), IPCDEV_GFP);
	if (!name)
		return ERR_PTR(ret);
	name->account = ipcdev_account_get();
	if (!name->account)
		goto err;
	ret = ipcdev_charge(name->account, IPCDEV_NAMES, 1, READ_ONCE(ipcdev_max_names));
	if (!ret)
		return name;
	ipcdev_account_put(name->account);
err:
	kfree(name);
	return ERR_PTR(ret);
}

static void name_free(struct ipcdev_name *name)
{
	ipcdev_uncharge(name->account, IPCDEV_NAMES, 1);
	ipcdev_account_put(name->account);
	kfree(name);
}

static struct inode *new_inode_of(struct mnt_idmap *idmap, struct super_block *sb,
				  const struct inode *dir, umode_t mode)
{
	struct ipcdev_name *name;
	struct inode *inode;

	name = name_alloc();
	if (IS_ERR(name))
		return ERR_CAST(name);
	inode = new_inode(sb);
	if (!inode) {
		name_free(name);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_private = name;
	inode->i_ino = get_next_ino();
	simple_inode_init_ts(inode);
	inode_init_owner(idmap, inode, dir, mode);
	if (S_ISDIR(mode)) {
		inode->i_op = &ipcdevfs_dir_iops;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);
	} else {
		inode->i_op = &ipcdevfs_name_iops;
		inode->i_fop = &ipcdevfs_name_fops;
	}
	return inode;
}

static int dir_add(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		   umode_t mode)
{
	struct inode *inode = new_inode_of(idmap, dir->i_sb, dir, mode);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	ipcdev_d_instantiate(dentry, inode);
	if (S_ISDIR(mode))
		inc_nlink(dir);
	ipcdev_touch_dir(dir);
	return 0;
}

static int dir_create(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		      umode_t mode, bool excl)
{
	return dir_add(idmap, dir, dentry, mode | S_IFREG);
}

static int dir_mknod(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		     umode_t mode, dev_t dev)
{
	/*
	 * A FIFO is a fit name for a queue, and the VFS then knows that it is a
	 * stream: io_uring does not read on past the end of a message.
	 */
	if (!S_ISREG(mode) && !S_ISFIFO(mode))
		return -EPERM;
	return dir_add(idmap, dir, dentry, mode);
}

static IPCDEV_MKDIR_RET dir_mkdir(struct mnt_idmap *idmap, struct inode *dir,
				  struct dentry *dentry, umode_t mode)
{
	return IPCDEV_MKDIR_RESULT(dir_add(idmap, dir, dentry, mode | S_IFDIR));
}

static int dir_unlink(struct inode *dir, struct dentry *dentry)
{
	int ret = simple_unlink(dir, dentry);

	if (!ret)
		name_detach(d_inode(dentry));
	return ret;
}

static int dir_rename(struct mnt_idmap *idmap, struct inode *old_dir, struct dentry *old_dentry,
		      struct inode *new_dir, struct dentry *new_dentry, unsigned int flags)
{
	struct inode *replaced = flags & RENAME_EXCHANGE ? NULL : d_inode(new_dentry);
	int ret = simple_rename(idmap, old_dir, old_dentry, new_dir, new_dentry, flags);

	if (!ret && replaced)
		name_detach(replaced);
	return ret;
}

static const struct inode_operations ipcdevfs_dir_iops = {
	.lookup = simple_lookup,
	.create = dir_create,
	.mknod = dir_mknod,
	.mkdir = dir_mkdir,
	.unlink = dir_unlink,
	.rmdir = simple_rmdir,
	.rename = dir_rename,
	.setattr = simple_setattr,
	.getattr = simple_getattr,
};

static void ipcdevfs_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	name_detach(inode);
	name_free(inode->i_private);
}

struct ipcdevfs_options {
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

static int ipcdevfs_show_options(struct seq_file *m, struct dentry *root)
{
	const struct inode *inode = d_inode(root);
	struct user_namespace *ns = root->d_sb->s_user_ns;

	seq_printf(m, ",mode=%03o", inode->i_mode & S_IALLUGO);
	if (!uid_eq(inode->i_uid, make_kuid(ns, 0)))
		seq_printf(m, ",uid=%u", from_kuid_munged(&init_user_ns, inode->i_uid));
	if (!gid_eq(inode->i_gid, make_kgid(ns, 0)))
		seq_printf(m, ",gid=%u", from_kgid_munged(&init_user_ns, inode->i_gid));
	return 0;
}

static const struct super_operations ipcdevfs_sops = {
	.statfs = simple_statfs,
	.drop_inode = generic_delete_inode,
	.evict_inode = ipcdevfs_evict_inode,
	.show_options = ipcdevfs_show_options,
};

static int ipcdevfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	const struct ipcdevfs_options *opts = fc->fs_private;
	struct inode *inode;

	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = IPCDEVFS_MAGIC;
	sb->s_op = &ipcdevfs_sops;
	sb->s_time_gran = 1;
	sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;

	inode = new_inode_of(&nop_mnt_idmap, sb, NULL, S_IFDIR | opts->mode);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	inode->i_uid = opts->uid;
	inode->i_gid = opts->gid;
	sb->s_root = d_make_root(inode);
	return sb->s_root ? 0 : -ENOMEM;
}

enum { OPT_MODE, OPT_UID, OPT_GID };

static const struct fs_parameter_spec ipcdevfs_parameters[] = {
	fsparam_u32oct("mode", OPT_MODE),
	fsparam_u32("uid", OPT_UID),
	fsparam_u32("gid", OPT_GID),
	{}
};

static int ipcdevfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct ipcdevfs_options *opts = fc->fs_private;
	struct fs_parse_result result;
	int opt;

	opt = fs_parse(fc, ipcdevfs_parameters, param, &result);
	if (opt < 0)
		return opt;

	switch (opt) {
	case OPT_MODE:
		if (result.uint_32 & ~S_IALLUGO)
			return invalf(fc, "mode is not a directory's");
		opts->mode = result.uint_32;
		break;
	case OPT_UID:
		opts->uid = make_kuid(current_user_ns(), result.uint_32);
		if (!uid_valid(opts->uid) || !kuid_has_mapping(fc->user_ns, opts->uid))
			return invalf(fc, "uid is not of this user namespace");
		break;
	case OPT_GID:
		opts->gid = make_kgid(current_user_ns(), result.uint_32);
		if (!gid_valid(opts->gid) || !kgid_has_mapping(fc->user_ns, opts->gid))
			return invalf(fc, "gid is not of this user namespace");
		break;
	}
	return 0;
}

static int ipcdevfs_get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, ipcdevfs_fill_super);
}

static int ipcdevfs_reconfigure(struct fs_context *fc)
{
	const struct ipcdevfs_options *opts = fc->fs_private;
	struct inode *inode = d_inode(fc->root);

	inode_lock(inode);
	inode->i_mode = S_IFDIR | opts->mode;
	inode->i_uid = opts->uid;
	inode->i_gid = opts->gid;
	inode_unlock(inode);
	return 0;
}

static void ipcdevfs_free_fc(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations ipcdevfs_context_ops = {
	.parse_param = ipcdevfs_parse_param,
	.get_tree = ipcdevfs_get_tree,
	.reconfigure = ipcdevfs_reconfigure,
	.free = ipcdevfs_free_fc,
};

static int ipcdevfs_init_fs_context(struct fs_context *fc)
{
	struct ipcdevfs_options *opts;

	opts = kzalloc(sizeof(*opts), GFP_KERNEL);
	if (!opts)
		return -ENOMEM;
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE) {
		/* What is not mentioned stays as it is. */
		opts->mode = d_inode(fc->root)->i_mode & S_IALLUGO;
		opts->uid = d_inode(fc->root)->i_uid;
		opts->gid = d_inode(fc->root)->i_gid;
	} else {
		/* Like /dev/shm: anybody may make names, and remove its own only. */
		opts->mode = 01777;
		opts->uid = make_kuid(fc->user_ns, 0);
		opts->gid = make_kgid(fc->user_ns, 0);
		if (!uid_valid(opts->uid))
			opts->uid = current_fsuid();
		if (!gid_valid(opts->gid))
			opts->gid = current_fsgid();
	}
	fc->fs_private = opts;
	fc->ops = &ipcdevfs_context_ops;
	return 0;
}

static struct file_system_type ipcdevfs_type = {
	.owner = THIS_MODULE,
	.name = IPCDEV_FS_NAME,
	.init_fs_context = ipcdevfs_init_fs_context,
	.parameters = ipcdevfs_parameters,
	.kill_sb = ipcdev_kill_sb,
	.fs_flags = FS_USERNS_MOUNT,
};
MODULE_ALIAS_FS("ipcdevfs");

int ipcdevfs_init(void)
{
	return register_filesystem(&ipcdevfs_type);
}

void ipcdevfs_exit(void)
{
	unregister_filesystem(&ipcdevfs_type);
}
