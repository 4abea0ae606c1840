// SPDX-License-Identifier: GPL-2.0
/**
 * DOC: buffer
 *
 * A buffer's memory is a shmem file that nobody can open. A mapping is made
 * through a handle, with the rights of that handle, and is then one of the shmem
 * file's (vma_set_file()), so that reverse mapping, shared futexes, swap and
 * memory cgroups work on the pages as on any shmem; a handle that merely borrowed
 * the file's address space would be taken for a shmem file in places that then
 * look for a shmem inode behind it. The mapping holds on to its handle, and so
 * counts as a peer.
 *
 * Sealing needs that there is no mapping made through a writing handle, which is
 * why these are counted here, and that nobody has pinned a page.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "ipcdev.h"
#include "trace.h"

/* What makes a page of a buffer; like IPCDEV_GFP it fails before it kills. */
#define PAGE_GFP	(GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* How often, and for how long in all, sealing looks again for pinned pages. */
#define SEAL_TRIES	8

/**
 * struct ipcdev_buffer - shared memory
 * @obj: the object
 * @memory: the shmem file
 * @memory_fops: what its inode had before it could not be opened
 * @pages: its size
 * @seal_mutex: one at a time seals
 * @writable: mappings made through writing handles; under the object's lock
 * @engines: requests of engines that write to it; grows under the object's lock
 * @sealing: no more of these may be made; under the object's lock
 * @sealed: for good; under the object's lock
 */
struct ipcdev_buffer {
	struct ipcdev_object obj;
	struct file *memory;
	const struct file_operations *memory_fops;
	unsigned long pages;
	struct mutex seal_mutex; /* one seals at a time */
	unsigned long writable;
	atomic_t engines;
	bool sealing;
	bool sealed;
};

static struct ipcdev_buffer *to_buffer(struct ipcdev_object *obj)
{
	return container_of(obj, struct ipcdev_buffer, obj);
}

static struct ipcdev_buffer *file_buffer(const struct file *file)
{
	return to_buffer(ipcdev_handle(file)->obj);
}

/* The handle that a mapping was made through, which the mapping holds. */
static struct file *vma_handle(const struct vm_area_struct *vma)
{
	return vma->vm_private_data;
}

/* A page of the buffer, referenced; from swap if it must. */
static struct page *get_page_at(struct ipcdev_buffer *buf, pgoff_t index, gfp_t gfp)
{
	return shmem_read_mapping_page_gfp(buf->memory->f_mapping, index, gfp);
}

/* Memory is taken at creation, from the creator: later nothing can fail. */
static int populate(struct ipcdev_buffer *buf)
{
	struct page *page;
	pgoff_t i;

	for (i = 0; i < buf->pages; i++) {
		page = get_page_at(buf, i, PAGE_GFP);
		if (IS_ERR(page))
			return PTR_ERR(page);
		/* A clean page would be dropped under pressure, and its charge with it. */
		set_page_dirty_lock(page);
		put_page(page);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static vm_fault_t buffer_fault(struct vm_fault *vmf)
{
	struct ipcdev_buffer *buf = file_buffer(vma_handle(vmf->vma));
	struct address_space *mapping = buf->memory->f_mapping;
	struct page *page;

	/* A private copy would escape the seal and the accounting. */
	if (!(vmf->vma->vm_flags & VM_MAYSHARE) || vmf->pgoff >= buf->pages)
		return VM_FAULT_SIGBUS;
	for (;;) {
		page = get_page_at(buf, vmf->pgoff, mapping_gfp_mask(mapping));
		if (IS_ERR(page))
			return vmf_error(PTR_ERR(page));
		lock_page(page);
		/* It may have gone to swap between being found and being locked. */
		if (likely(page_folio(page)->mapping == mapping))
			break;
		unlock_page(page);
		put_page(page);
	}
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/* The VM clears VM_SHARED for handles that may not write, mprotect() for none. */
static bool vma_of_writer(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_SHARED;
}

/* A copy of a mapping: by fork, or because a part of it is treated otherwise. */
static void buffer_vm_open(struct vm_area_struct *vma)
{
	struct ipcdev_buffer *buf = file_buffer(get_file(vma_handle(vma)));

	if (!vma_of_writer(vma))
		return;
	spin_lock(&buf->obj.lock);
	buf->writable++;
	spin_unlock(&buf->obj.lock);
}

static void buffer_vm_close(struct vm_area_struct *vma)
{
	struct ipcdev_buffer *buf = file_buffer(vma_handle(vma));

	if (vma_of_writer(vma)) {
		spin_lock(&buf->obj.lock);
		buf->writable--;
		spin_unlock(&buf->obj.lock);
	}
	fput(vma_handle(vma));
}

static const struct vm_operations_struct buffer_vm_ops = {
	.open = buffer_vm_open,
	.close = buffer_vm_close,
	.fault = buffer_fault,
	.map_pages = filemap_map_pages,
};

static int buffer_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ipcdev_buffer *buf = file_buffer(file);
	int ret = 0;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_pgoff > buf->pages || vma_pages(vma) > buf->pages - vma->vm_pgoff)
		return -EINVAL;
	if (vma_of_writer(vma)) {
		spin_lock(&buf->obj.lock);
		if (buf->sealing)
			ret = buf->sealed ? -EPERM : -EBUSY;
		else
			buf->writable++;
		spin_unlock(&buf->obj.lock);
		if (ret)
			return ret;
	}
	vma->vm_private_data = get_file(file);
	vma->vm_ops = &buffer_vm_ops;
	vma_set_file(vma, buf->memory);
	return 0;
}

/*
 * A page that was added to an LRU list a moment ago is still referenced by a
 * batch of the CPU on which that happened. Releasing any batch of pages there
 * empties these first; the calls that do nothing else are not for modules.
 */
static void drain_this_cpu(void)
{
	struct page *page = ZERO_PAGE(0);
	struct folio_batch batch;

	get_page(page);
	folio_batch_init(&batch);
	folio_batch_add(&batch, page_folio(page));
	ipcdev_batch_release(&batch);
}

static void drain_work(struct work_struct *work)
{
	drain_this_cpu();
}

/*
 * Nobody waits for it: a real-time thread may keep a CPU from ever getting there. It
 * refers to nothing, and one that is queued already will do.
 */
static DEFINE_PER_CPU(struct work_struct, drain_works);

static void ask_cpus_to_drain(void)
{
	int cpu;

	/* The work of a CPU that goes offline, which empties its batches, runs elsewhere. */
	for_each_online_cpu(cpu)
		schedule_work_on(cpu, per_cpu_ptr(&drain_works, cpu));
}

void ipcdev_buffer_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&drain_works, cpu), drain_work);
}

void ipcdev_buffer_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cancel_work_sync(per_cpu_ptr(&drain_works, cpu));
}

/*
 * Whether a page is referenced by more than the page cache, us, and mappings: all
 * of these are made through read-only handles by now, and do no harm. While the
 * page is locked they can only become fewer, so that the references, if they are
 * read first, are not fewer than the mappings that are subtracted from them.
 */
static bool page_pinned(struct page *page)
{
	struct folio *folio = page_folio(page);
	int refs, mapped;

	folio_lock(folio);
	ipcdev_folio_prepare_mapcount(folio);
	refs = folio_ref_count(folio);
	/* Keep the order of the two loads. */
	smp_rmb();
	mapped = ipcdev_folio_mapcount(folio);
	folio_unlock(folio);
	return refs != folio_nr_pages(folio) + 1 + mapped;
}

static int check_pinned(struct ipcdev_buffer *buf)
{
	struct page *page;
	bool pinned;
	pgoff_t i;

	for (i = 0; i < buf->pages; i++) {
		page = get_page_at(buf, i, PAGE_GFP);
		if (IS_ERR(page))
			return PTR_ERR(page);
		pinned = page_pinned(page);
		if (pinned) {
			/* A batch of this CPU may have it: new, or back from swap just now. */
			drain_this_cpu();
			pinned = page_pinned(page);
		}
		put_page(page);
		if (pinned)
			return -EBUSY;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * References that pass by must not look like pins: those of this CPU's batches
 * are the rule, and were seen to; those of others' and of a migration, say, the
 * exception. Other CPUs are interrupted once, if waiting was no help.
 */
static int wait_unpinned(struct ipcdev_buffer *buf)
{
	int ret = check_pinned(buf);
	unsigned int try;

	for (try = 0; try < SEAL_TRIES && ret == -EBUSY; try++) {
		if (try == 1)
			ask_cpus_to_drain();
		usleep_range(500 << try, 1000 << try);
		ret = check_pinned(buf);
	}
	return ret;
}

/* From now on nobody may map for writing, unless somebody does already. */
static int seal_begin(struct ipcdev_buffer *buf)
{
	int ret = 0;

	spin_lock(&buf->obj.lock);
	/* The acquire pairs with the release in ipcdev_buffer_write_end(). */
	if (buf->writable || atomic_read_acquire(&buf->engines))
		ret = -EBUSY;
	else
		buf->sealing = true;
	spin_unlock(&buf->obj.lock);
	return ret;
}

static void seal_end(struct ipcdev_buffer *buf, bool sealed)
{
	spin_lock(&buf->obj.lock);
	buf->sealing = sealed;
	buf->sealed = sealed;
	spin_unlock(&buf->obj.lock);
}

static int seal(struct ipcdev_buffer *buf)
{
	int ret;

	lockdep_assert_held(&buf->seal_mutex);
	if (buf->sealed)
		return 0;
	ret = seal_begin(buf);
	if (ret)
		return ret;
	ret = wait_unpinned(buf);
	seal_end(buf, !ret);
	if (ret)
		return ret;
	trace_ipcdev_seal(&buf->obj);
	ipcdev_notify(&buf->obj, EPOLLIN);
	return 0;
}

/**
 * ipcdev_buffer_write_begin - an engine is going to write to a buffer
 * @file: a handle of the buffer that may write
 *
 * Return: 0; -EPERM if it is sealed, -EBUSY if that is under way.
 */
int ipcdev_buffer_write_begin(struct file *file)
{
	struct ipcdev_buffer *buf = file_buffer(file);
	int ret = 0;

	spin_lock(&buf->obj.lock);
	if (buf->sealing)
		ret = buf->sealed ? -EPERM : -EBUSY;
	else
		atomic_inc(&buf->engines);
	spin_unlock(&buf->obj.lock);
	return ret;
}

/**
 * ipcdev_buffer_write_end - it has written
 * @file: as before
 *
 * Context: any.
 */
void ipcdev_buffer_write_end(struct file *file)
{
	atomic_dec_return_release(&file_buffer(file)->engines);
}

/**
 * ipcdev_buffer_page - a page of a buffer
 * @file: a handle of the buffer
 * @index: which, of those that it has
 *
 * Context: may sleep, for memory if the page is in swap.
 * Return: the page, referenced, or an error pointer.
 */
struct page *ipcdev_buffer_page(struct file *file, pgoff_t index)
{
	return get_page_at(file_buffer(file), index, PAGE_GFP);
}

/**
 * ipcdev_slice_get - the buffer of a slice that the caller names
 * @slice: the caller's
 * @mode: FMODE_READ or FMODE_WRITE: what its handle must be able to do
 *
 * Return: the handle, referenced, or an error pointer: EBADF or EINVAL.
 */
struct file *ipcdev_slice_get(const struct ipcdev_slice *slice, fmode_t mode)
{
	struct file *file;
	int ret = -EINVAL;
	u64 size;

	if (slice->reserved || slice->buffer_id || !slice->length)
		return ERR_PTR(-EINVAL);
	file = fget(slice->fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op != &ipcdev_buffer_fops)
		goto err;
	ret = -EBADF;
	if (!(file->f_mode & mode))
		goto err;
	ret = -EINVAL;
	size = (u64)file_buffer(file)->pages << PAGE_SHIFT;
	if (slice->offset > size || slice->length > size - slice->offset)
		goto err;
	return file;

err:
	fput(file);
	return ERR_PTR(ret);
}

static long ioctl_seal(struct file *file, void __user *uarg, size_t usize)
{
	struct ipcdev_buffer *buf = file_buffer(file);
	struct ipcdev_seal args;
	int ret;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.flags || args.reserved)
		return -EINVAL;
	ret = mutex_lock_interruptible(&buf->seal_mutex);
	if (ret)
		return ret;
	ret = seal(buf);
	mutex_unlock(&buf->seal_mutex);
	return ret;
}

static long buffer_ioctl(struct file *file, unsigned int nr, void __user *uarg, size_t usize)
{
	if (nr == _IOC_NR(IPCDEV_IOC_SEAL))
		return ioctl_seal(file, uarg, usize);
	return -ENOTTY;
}

const struct file_operations ipcdev_buffer_fops = {
	.owner = THIS_MODULE,
	.mmap = buffer_mmap,
	.poll = ipcdev_poll,
	.unlocked_ioctl = ipcdev_handle_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.fasync = ipcdev_fasync,
	.release = ipcdev_handle_release,
	.show_fdinfo = ipcdev_handle_fdinfo,
};

static __poll_t buffer_poll(struct ipcdev_object *obj, struct ipcdev_handle *h)
{
	__poll_t mask = ipcdev_poll_peers(obj);

	return to_buffer(obj)->sealed ? mask | EPOLLIN | EPOLLRDNORM : mask;
}

static void buffer_free(struct ipcdev_object *obj)
{
	struct ipcdev_buffer *buf = to_buffer(obj);

	if (!IS_ERR_OR_NULL(buf->memory)) {
		/* Somebody may have the inode yet, when this module has gone. */
		file_inode(buf->memory)->i_fop = buf->memory_fops;
		fput(buf->memory);
	}
	ipcdev_object_destroy(obj);
	kfree_rcu(buf, obj.rcu);
}

static u64 buffer_size(struct ipcdev_object *obj)
{
	return (u64)to_buffer(obj)->pages << PAGE_SHIFT;
}

static bool buffer_may_persist(struct ipcdev_object *obj)
{
	return true;
}

static void buffer_stat(struct ipcdev_object *obj, struct ipcdev_handle *h,
			struct ipcdev_stat *st)
{
	st->size = buffer_size(obj);
	if (to_buffer(obj)->sealed)
		st->flags |= IPCDEV_STAT_SEALED;
}

static void buffer_fdinfo(struct ipcdev_object *obj, struct seq_file *m)
{
	seq_printf(m, "ipcdev-size:\t%llu\nipcdev-sealed:\t%d\n", buffer_size(obj),
		   READ_ONCE(to_buffer(obj)->sealed));
}

static const struct ipcdev_object_ops buffer_ops = {
	.type = IPCDEV_TYPE_BUFFER,
	.name = "buffer",
	.label = "[ipcdev-buffer]",
	.fops = &ipcdev_buffer_fops,
	.ioctl = buffer_ioctl,
	.poll = buffer_poll,
	.free = buffer_free,
	.size = buffer_size,
	.may_persist = buffer_may_persist,
	.stat = buffer_stat,
	.fdinfo = buffer_fdinfo,
};

/*
 * The file that is mapped, as far as the rest of the kernel may use it. Who finds
 * it under /proc/PID/map_files cannot open it, and remap_file_pages() cannot make
 * a mapping of it that is none of ours.
 */
static int memory_open(struct inode *inode, struct file *file)
{
	return -ENXIO;
}

static const struct file_operations memory_fops = {
	.owner = THIS_MODULE,
	.open = memory_open,
	.fsync = noop_fsync,
};

static int memory_create(struct ipcdev_buffer *buf, u64 size)
{
	struct inode *inode;

	buf->memory = ipcdev_shmem_file("ipcdev-buffer", size);
	if (IS_ERR(buf->memory))
		return PTR_ERR(buf->memory);
	inode = file_inode(buf->memory);
	buf->memory_fops = inode->i_fop;
	inode->i_fop = &memory_fops;
	__module_get(THIS_MODULE);
	replace_fops(buf->memory, &memory_fops);
	/* No MADV_REMOVE, no truncation: what was populated stays. */
	SHMEM_I(inode)->seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
	return populate(buf);
}

/* IPCDEV_IOC_CREATE_BUFFER */
long ipcdev_buffer_create(void __user *uarg, size_t usize)
{
	struct ipcdev_create_buffer args;
	struct ipcdev_buffer *buf;
	u64 size;
	int ret;

	ret = ipcdev_args_get(&args, sizeof(args), uarg, usize);
	if (ret)
		return ret;
	if (args.flags || !args.size || args.size > READ_ONCE(ipcdev_max_bytes) ||
	    args.size > MAX_LFS_FILESIZE)
		return -EINVAL;
	ret = args.rights ? ipcdev_rights_check(IPCDEV_TYPE_BUFFER, args.rights) : 0;
	if (ret)
		return ret;

	buf = kzalloc(sizeof(*buf), IPCDEV_GFP);
	if (!buf)
		return -ENOMEM;
	mutex_init(&buf->seal_mutex);
	size = PAGE_ALIGN(args.size);
	buf->pages = size >> PAGE_SHIFT;
	ret = ipcdev_object_init(&buf->obj, &buffer_ops, size);
	if (ret) {
		kfree(buf);
		return ret;
	}
	ret = memory_create(buf, size);
	if (ret) {
		ipcdev_object_put(&buf->obj);
		return ret;
	}
	return ipcdev_object_create(&buf->obj, args.rights, false);
}
