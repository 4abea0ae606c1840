/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that ipcdev is built for, 6.1 to 7.2. Code
 * elsewhere is written for the newest name; this header gives it to the rest.
 */
#ifndef IPCDEV_COMPAT_H
#define IPCDEV_COMPAT_H

#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>

/* 6001 for Linux 6.1, and so on. */
#define IPCDEV_KERNEL	(LINUX_VERSION_MAJOR * 1000 + LINUX_VERSION_PATCHLEVEL)

#if IPCDEV_KERNEL < 7000
#include <linux/pagevec.h>
#else
#include <linux/folio_batch.h>
#endif

#if IPCDEV_KERNEL < 6003
/* Idmapped mounts spoke through the user namespace before they had a type. */
#define mnt_idmap		user_namespace
#define nop_mnt_idmap		init_user_ns
#define file_mnt_idmap(file)	file_mnt_user_ns(file)

static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#ifndef fd_file
#define fd_file(f)		((f).file)
#endif

#if IPCDEV_KERNEL < 6004
static inline void ipcdev_batch_release(struct folio_batch *batch)
{
	pagevec_release((struct pagevec *)batch);
}
#else
#define ipcdev_batch_release(batch)	folio_batch_release(batch)
#endif

#if IPCDEV_KERNEL < 6007
static inline void simple_inode_init_ts(struct inode *inode)
{
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
	inode->i_atime = inode->i_ctime;
}

static inline void ipcdev_touch_dir(struct inode *dir)
{
	dir->i_ctime = current_time(dir);
	dir->i_mtime = dir->i_ctime;
}
#else
static inline void ipcdev_touch_dir(struct inode *dir)
{
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
}
#endif

#if IPCDEV_KERNEL < 6006
#define ipcdev_fillattr(idmap, mask, inode, stat)	generic_fillattr(idmap, inode, stat)
#else
#define ipcdev_fillattr(idmap, mask, inode, stat)	generic_fillattr(idmap, mask, inode, stat)
#endif

#ifndef PCI_IRQ_INTX
#define PCI_IRQ_INTX	PCI_IRQ_LEGACY
#endif

#if IPCDEV_KERNEL < 6012
/*
 * How often a locked folio is mapped. A large folio's count was not for modules;
 * such folios, which shmem makes only if told to, are unmapped first, and are
 * mapped again by the next touch.
 */
static inline void ipcdev_folio_prepare_mapcount(struct folio *folio)
{
	if (folio_test_large(folio))
		unmap_mapping_pages(folio->mapping, folio->index, folio_nr_pages(folio), false);
}

static inline int ipcdev_folio_mapcount(struct folio *folio)
{
	return folio_test_large(folio) ? 0 : page_mapcount(&folio->page);
}
#else
#define ipcdev_folio_prepare_mapcount(folio)	do { } while (0)
#define ipcdev_folio_mapcount(folio)		folio_mapcount(folio)
#endif

#if IPCDEV_KERNEL < 6013
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#if IPCDEV_KERNEL < 6015
#define IPCDEV_MKDIR_RET		int
#define IPCDEV_MKDIR_RESULT(err)	(err)
#else
#define IPCDEV_MKDIR_RET		struct dentry *
#define IPCDEV_MKDIR_RESULT(err)	ERR_PTR(err)
#endif

/* Names stay until they are removed: they hold a reference to their dentry. */
#if IPCDEV_KERNEL < 6019
#define ipcdev_kill_sb			kill_litter_super

static inline void ipcdev_d_instantiate(struct dentry *dentry, struct inode *inode)
{
	d_instantiate(dentry, inode);
	dget(dentry);
}
#else
#define ipcdev_kill_sb			kill_anon_super
#define ipcdev_d_instantiate(dentry, inode)	d_make_persistent(dentry, inode)
#define generic_delete_inode		inode_just_drop
#endif

/* Where pidfds live since 6.9; before they were anonymous. */
#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC	0x50494446
#endif

#if IPCDEV_KERNEL < 6008
#define ipcdev_eventfd_signal(ctx)		eventfd_signal(ctx, 1)
#define ipcdev_eventfd_add(ctx, n)		eventfd_signal(ctx, n)
#define ipcdev_receive_fd(file, flags)		receive_fd(file, flags)
#else
#define ipcdev_eventfd_signal(ctx)		eventfd_signal(ctx)

static inline void ipcdev_eventfd_add(struct eventfd_ctx *ctx, unsigned int n)
{
	while (n--)
		eventfd_signal(ctx);
}

#define ipcdev_receive_fd(file, flags)		receive_fd(file, NULL, flags)
#endif

#if IPCDEV_KERNEL < 7000
#define ipcdev_shmem_file(name, size)	shmem_file_setup(name, size, 0)
#else
#define ipcdev_shmem_file(name, size)	shmem_file_setup(name, size, EMPTY_VMA_FLAGS)
#endif

#if IPCDEV_KERNEL < 6017
#define system_dfl_wq		system_unbound_wq
#endif

#endif
