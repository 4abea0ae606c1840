// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers: what can be mapped and how, that a handle which may only read
 * never yields memory that can be written, and that a sealed buffer changes
 * no more. Slices of buffers are in fds.c, their memory's account in limits.c.
 */
#include "ipcdev_test.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/swap.h>
#include <sys/time.h>

/* Where there are two, kernels may lack the one with the shorter times. */
#ifdef SYS_futex_time64
#define FUTEX	SYS_futex_time64
#else
#define FUTEX	SYS_futex
#endif

#define PAGES	3

FIXTURE(buffer)
{
	int dev;
	int fd;		/* may read and write */
	int ro;		/* may only read */
	size_t page;
	size_t size;
};

FIXTURE_VARIANT(buffer)
{
	bool named;
	uid_t uid;
};

FIXTURE_VARIANT_ADD(buffer, anonymous_root)
{
	.named = false,
};

FIXTURE_VARIANT_ADD(buffer, anonymous_user)
{
	.uid = ALICE,
};

FIXTURE_VARIANT_ADD(buffer, named_root)
{
	.named = true,
};

FIXTURE_VARIANT_ADD(buffer, named_user)
{
	.named = true, .uid = ALICE,
};

FIXTURE_SETUP(buffer)
{
	int fd;

	self->page = sysconf(_SC_PAGESIZE);
	self->size = PAGES * self->page;
	if (variant->named)
		ASSERT_EQ(0, private_fs());
	if (variant->uid)
		ASSERT_EQ(0, become(variant->uid));
	self->dev = device();
	ASSERT_LE(0, self->dev);
	fd = create_buffer(self->dev, .size = self->size);
	ASSERT_LE(0, fd);
	self->fd = fd;
	if (variant->named) {
		ASSERT_EQ(0, publish_as(fd, FS "/buffer", 0600, 0));
		self->fd = open(FS "/buffer", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->fd);
		self->ro = open(FS "/buffer", O_RDONLY | O_CLOEXEC);
		ASSERT_EQ(0, close(fd));
	} else {
		self->ro = dup_handle(fd, RIGHT_READ, 0);
	}
	ASSERT_LE(0, self->ro);
}

FIXTURE_TEARDOWN(buffer)
{
	close(self->ro);
	close(self->fd);
	close(self->dev);
}

TEST_F(buffer, handle)
{
	struct ipcdev_stat s = object(self->fd);

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDONLY, fcntl(self->ro, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(IPCDEV_TYPE_BUFFER, s.type);
	EXPECT_EQ(variant->named ? IPCDEV_STAT_PUBLISHED : 0, s.flags);
	EXPECT_EQ(variant->named ? RIGHT_RW : RIGHT_ALL, s.rights);
	EXPECT_EQ(RIGHT_READ, object(self->ro).rights);
	EXPECT_EQ(variant->uid, s.uid);
	EXPECT_EQ(variant->uid, s.gid);
	EXPECT_EQ(2, s.readers);
	EXPECT_EQ(1, s.writers);
	EXPECT_EQ(self->size, s.size);
	EXPECT_EQ(0, s.depth);
	EXPECT_EQ(0, s.msg_max);
	EXPECT_EQ(0, s.queued);
}

TEST_F(buffer, is_one_memory_for_all_mappings)
{
	char *a = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	char *b = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	char *c = map(self->ro, self->size, PROT_READ);
	char *d = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->ro,
		       self->page);
	size_t i;
	pid_t pid;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	ASSERT_NE(NULL, c);
	ASSERT_NE(MAP_FAILED, d);
	for (i = 0; i < self->size; i++)
		ASSERT_EQ(0, a[i]);
	strcpy(a + self->page, "here");
	EXPECT_STREQ("here", b + self->page);
	EXPECT_STREQ("here", c + self->page);
	EXPECT_STREQ("here", d);
	pid = child();
	if (!pid) {
		char *e = map(self->fd, self->size, PROT_READ | PROT_WRITE);

		if (strcmp(e + self->page, "here"))
			_exit(1);
		strcpy(e + self->size - 8, "there");
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("there", c + self->size - 8);
}

TEST_F(buffer, any_range_of_pages_can_be_mapped)
{
	size_t p = self->page;
	int rw = PROT_READ | PROT_WRITE;

	EXPECT_EQ(0, try_map(self->fd, 1, rw, MAP_SHARED, 0));
	EXPECT_EQ(0, try_map(self->fd, p, rw, MAP_SHARED, 2 * p));
	EXPECT_EQ(0, try_map(self->fd, 2 * p, rw, MAP_SHARED, p));
	EXPECT_EQ(0, try_map(self->fd, 3 * p, rw, MAP_SHARED, 0));
	EXPECT_EQ(0, try_map(self->fd, 3 * p, PROT_NONE, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 3 * p + 1, rw, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, p + 1, rw, MAP_SHARED, 2 * p));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 1, rw, MAP_SHARED, 3 * p));
	EXPECT_EQ(-EINVAL, try_map(self->ro, 1, PROT_READ, MAP_SHARED, 3 * p));
	EXPECT_EQ(-EINVAL, try_map(self->fd, p, rw, MAP_SHARED, 0x7ffff000));
	EXPECT_EQ(-EINVAL, try_map(self->fd, p, rw, MAP_SHARED, 1));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 0, rw, MAP_SHARED, 0));
}

TEST_F(buffer, is_never_mapped_privately)
{
	EXPECT_EQ(-EINVAL, try_map(self->fd, 1, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 1, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(self->ro, 1, PROT_READ, MAP_PRIVATE, 0));
	/* It would be a way to write. */
	EXPECT_EQ(-EINVAL, try_map(self->ro, 1, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, 0));
}

TEST_F(buffer, reading_handle_never_yields_memory_to_write)
{
	char *ro = map(self->ro, self->size, PROT_READ), x = 'x';
	struct iovec from = { &x, 1 }, to = { ro, 1 };
	int mem;

	ASSERT_NE(NULL, ro);
	EXPECT_EQ(-EACCES, try_map(self->ro, self->page, PROT_WRITE,
				   MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(self->ro, self->page,
				   PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, sys(mprotect(ro, self->size,
					PROT_READ | PROT_WRITE)));
	EXPECT_EQ(-EACCES, sys(mprotect(ro + self->page, self->page,
					PROT_WRITE)));
	EXPECT_EQ(0, sys(mprotect(ro, self->size, PROT_NONE)));
	EXPECT_EQ(-EACCES, sys(mprotect(ro, self->size, PROT_WRITE)));
	EXPECT_EQ(0, sys(mprotect(ro, self->size, PROT_READ)));
	/* What a debugger may do to private memory. */
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, mem);
	EXPECT_GT(0, pwrite(mem, &x, 1, PTR(ro)));
	EXPECT_EQ(-EFAULT, sys(process_vm_writev(getpid(), &from, 1, &to, 1,
						 0)));
	/* What a file's owner may do to its pages. */
	EXPECT_NE(0, madvise(ro, self->size, MADV_REMOVE));
	EXPECT_EQ(0, *ro);
	close(mem);
}

TEST_F(buffer, protection_can_be_taken_and_given_back)
{
	char *p = map(self->fd, self->size, PROT_READ);

	ASSERT_NE(NULL, p);
	EXPECT_EQ(0, sys(mprotect(p, self->size, PROT_READ | PROT_WRITE)));
	p[0] = 'x';
	EXPECT_EQ(0, sys(mprotect(p, self->size, PROT_NONE)));
	EXPECT_EQ(0, sys(mprotect(p, self->size, PROT_READ)));
	EXPECT_EQ('x', p[0]);
}

/* Reads from a page, which no compiler may leave out. */
static void touch_page(const char *p)
{
	asm volatile("" : : "r" (*p) : "memory");
}

/* Whether touching an address is the end of a process. */
static int touch(const char *p)
{
	pid_t pid = child();

	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		_exit(*p);
	}
	return reap(pid);
}

TEST_F(buffer, mapping_moves_grows_and_shrinks)
{
	size_t page = self->page, size = self->size;
	char *p = map(self->fd, size, PROT_READ | PROT_WRITE), *q;

	ASSERT_NE(NULL, p);
	strcpy(p, "first");
	p[size - 1] = 7;
	p = mremap(p, size, size + page, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_STREQ("first", p);
	EXPECT_EQ(7, touch(p + size - 1));
	/* There is no more to the buffer for that. */
	EXPECT_EQ(-SIGBUS, touch(p + size));
	q = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(q, mremap(p, size + page, page,
			    MREMAP_MAYMOVE | MREMAP_FIXED, q));
	EXPECT_STREQ("first", q);
	/* A second one of the same. */
	p = mremap(q, 0, size, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(7, p[size - 1]);
	/* One that was moved is as good as any other. */
	EXPECT_EQ(0, munmap(q, size));
	EXPECT_EQ(-EBUSY, seal(self->fd));
	EXPECT_EQ(0, munmap(p, size));
	EXPECT_EQ(0, seal(self->fd));
}

/* A reader's does not become a writer's on the way. */
/* It would be a mapping that is no peer, and that no seal minds. */
TEST_F(buffer, mapping_cannot_be_rearranged)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, p);
	strcpy(p, "first");
	EXPECT_EQ(-ENODEV, sys(syscall(SYS_remap_file_pages, p, self->page, 0,
				       1, 0)));
	EXPECT_STREQ("first", p);
	EXPECT_EQ(0, sys(mprotect(p, self->size, PROT_READ)));
	EXPECT_EQ(-ENODEV, sys(syscall(SYS_remap_file_pages, p, self->page, 0,
				       0, 0)));
	EXPECT_STREQ("first", p);
	EXPECT_EQ(0, sys(msync(p, self->size, MS_SYNC)));
}

TEST_F(buffer, mapping_to_read_stays_one)
{
	size_t size = self->size;
	char *p = map(self->ro, size, PROT_READ);

	ASSERT_NE(NULL, p);
	p = mremap(p, size, 2 * size, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-EACCES, sys(mprotect(p, size, PROT_READ | PROT_WRITE)));
	EXPECT_EQ(-SIGBUS, touch(p + size));
	EXPECT_EQ(0, seal(self->fd));
	EXPECT_EQ(0, touch(p));
}

TEST_F(buffer, can_be_locked)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	char line[256];
	bool locked = false;
	FILE *f;

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, sys(mlock(p, self->size)));
	f = fopen("/proc/self/status", "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		locked |= !strncmp(line, "VmLck:", 6) && atoi(line + 6) ==
			  (int)self->size / 1024;
	fclose(f);
	EXPECT_TRUE(locked);
	EXPECT_EQ(0, sys(munlock(p, self->size)));
}

TEST_F(buffer, mapping_may_have_holes)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, p);
	strcpy(p, "first");
	strcpy(p + 2 * self->page, "third");
	EXPECT_EQ(0, munmap(p + self->page, self->page));
	EXPECT_STREQ("first", p);
	EXPECT_STREQ("third", p + 2 * self->page);
	EXPECT_EQ(-EBUSY, seal(self->fd));
	EXPECT_EQ(0, munmap(p, self->page));
	EXPECT_EQ(-EBUSY, seal(self->fd));
	EXPECT_STREQ("third", p + 2 * self->page);
	EXPECT_EQ(0, munmap(p + 2 * self->page, self->page));
	EXPECT_EQ(0, seal(self->fd));
}

TEST_F(buffer, child_has_its_parents_mapping)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	int go[2];
	pid_t pid;
	char c;

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
	pid = child();
	if (!pid) {
		close(go[1]);
		strcpy(p, "child");
		/* It stays until its parent says so. */
		_exit(read(go[0], &c, 1) != 0 || strcmp(p + 16, "parent"));
	}
	until(!strcmp(p, "child"));
	strcpy(p + 16, "parent");
	EXPECT_EQ(0, munmap(p, self->size));
	EXPECT_EQ(-EBUSY, seal(self->fd));
	close(go[1]);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, seal(self->fd));
}

TEST_F(buffer, lives_as_long_as_a_mapping)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	__u64 id = object(self->fd).id;

	ASSERT_NE(NULL, p);
	close(self->fd);
	EXPECT_TRUE(listed(self->dev, id));
	close(self->ro);
	EXPECT_TRUE(listed(self->dev, id));
	p[0] = 'x';
	p[self->size - 1] = 'y';
	if (variant->named)
		EXPECT_TRUE(exists(FS "/buffer"));
	EXPECT_EQ(0, munmap(p, self->page));
	EXPECT_TRUE(listed(self->dev, id));
	EXPECT_EQ(0, munmap(p + self->page, self->size - self->page));
	EXPECT_FALSE(listed(self->dev, id));
	EXPECT_FALSE(exists(FS "/buffer"));
	self->fd = -1;
	self->ro = -1;
}

TEST_F(buffer, dies_with_a_killed_process)
{
	int ready[2];
	pid_t pid;
	__u64 id;
	char *p;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = child();
	if (!pid) {
		int fd = create_buffer(self->dev, .size = self->size);

		id = object(fd).id;
		p = map(fd, self->size, PROT_READ | PROT_WRITE);
		p[0] = 'x';
		if (write(ready[1], &id, sizeof(id)) != sizeof(id))
			_exit(1);
		until(false);
	}
	ASSERT_EQ(sizeof(id), read(ready[0], &id, sizeof(id)));
	EXPECT_TRUE(listed(self->dev, id));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_FALSE(listed(self->dev, id));
}

TEST_F(buffer, seals)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	char *q;

	ASSERT_NE(NULL, p);
	strcpy(p, "checked");
	EXPECT_EQ(-EBUSY, seal(self->fd));
	EXPECT_EQ(0, object(self->fd).flags & IPCDEV_STAT_SEALED);
	/* It does not say whether it is written to. */
	EXPECT_EQ(0, mprotect(p, self->size, PROT_READ));
	EXPECT_EQ(-EBUSY, seal(self->fd));
	EXPECT_EQ(0, munmap(p, self->size));
	/* A reader's mapping is in nobody's way. */
	q = map(self->ro, self->size, PROT_READ);
	ASSERT_NE(NULL, q);
	EXPECT_EQ(0, events(self->ro));
	EXPECT_EQ(0, seal(self->fd));
	EXPECT_EQ(0, seal(self->fd));
	EXPECT_EQ(IPCDEV_STAT_SEALED, object(self->ro).flags &
		  IPCDEV_STAT_SEALED);
	EXPECT_EQ(CAN_READ, events(self->ro));
	EXPECT_STREQ("checked", q);
	EXPECT_EQ(-EPERM, try_map(self->fd, self->page, PROT_READ | PROT_WRITE,
				  MAP_SHARED, 0));
	EXPECT_EQ(-EPERM, try_map(self->fd, self->page, PROT_READ,
				  MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, sys(mprotect(q, self->size,
					PROT_READ | PROT_WRITE)));
	EXPECT_EQ(0, try_map(self->ro, self->page, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(self->ro, self->page,
				   PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_STREQ("checked", q);
	/* A new handle that may write is no better. */
	if (variant->named) {
		close(self->fd);
		self->fd = open(FS "/buffer", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->fd);
		EXPECT_EQ(-EPERM, try_map(self->fd, self->page, PROT_WRITE,
					  MAP_SHARED, 0));
	}
}

TEST_F(buffer, seal_asks_for_the_right_to_write)
{
	struct ipcdev_seal s = { .flags = 1 };

	EXPECT_EQ(-EBADF, seal(self->ro));
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_SEAL, &s));
	s.flags = 0;
	s.reserved = 1;
	EXPECT_EQ(-EINVAL, call(self->fd, IPCDEV_IOC_SEAL, &s));
	EXPECT_EQ(-EFAULT, call(self->fd, IPCDEV_IOC_SEAL, NULL));
	EXPECT_EQ(0, object(self->fd).flags & IPCDEV_STAT_SEALED);
}

TEST_F(buffer, seal_minds_another_process)
{
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = child();
	if (!pid) {
		char *p = map(self->fd, self->page, PROT_READ | PROT_WRITE);

		if (!p || write(ready[1], p, 1) != 1)
			_exit(1);
		until(false);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(-EBUSY, seal(self->fd));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(0, seal(self->fd));
}

TEST_F(buffer, maps_for_reading_only_while_it_is_being_sealed)
{
	int pipefd[2], ret;
	pid_t pid;

	hold_page(self->fd, pipefd);
	pid = keep_sealing(self->fd);
	do {
		ret = try_map(self->fd, self->page, PROT_READ | PROT_WRITE,
			      MAP_SHARED, 0);
	} while (!ret);
	EXPECT_EQ(-EBUSY, ret);
	EXPECT_EQ(0, try_map(self->ro, self->page, PROT_READ, MAP_SHARED, 0));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(0, try_map(self->fd, self->page, PROT_READ | PROT_WRITE,
			     MAP_SHARED, 0));
	release_page(pipefd);
	EXPECT_EQ(0, seal(self->fd));
}

static void ignore_signal(int signal)
{
}

TEST_F(buffer, seal_can_be_interrupted)
{
	struct itimerval often = {
		.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000,
	};
	struct sigaction action = {
		.sa_handler = ignore_signal, .sa_flags = SA_RESTART,
	};
	int pipefd[2], ret;
	pid_t pid;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	hold_page(self->fd, pipefd);
	pid = keep_sealing(self->fd);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	/* It is our turn now and then, but mostly we wait for the child. */
	do {
		ret = seal(self->fd);
	} while (ret == -EBUSY);
	EXPECT_EQ(-EINTR, ret);
	memset(&often, 0, sizeof(often));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	release_page(pipefd);
	EXPECT_EQ(0, seal(self->fd));
}

/* Whoever holds a page may write to it long after it is no longer mapped. */
TEST_F(buffer, seal_minds_a_page_that_is_held)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	struct iovec v = { p + self->page, 5 };
	int pipefd[2];
	char text[8];

	ASSERT_NE(NULL, p);
	strcpy(p + self->page, "page");
	ASSERT_EQ(0, pipe2(pipefd, O_CLOEXEC));
	ASSERT_EQ(5, vmsplice(pipefd[1], &v, 1, 0));
	EXPECT_EQ(0, munmap(p, self->size));
	EXPECT_EQ(-EBUSY, seal(self->fd));
	EXPECT_EQ(0, object(self->fd).flags & IPCDEV_STAT_SEALED);
	/* A seal that failed has left it open. */
	EXPECT_EQ(0, try_map(self->fd, self->page, PROT_READ | PROT_WRITE,
			     MAP_SHARED, 0));
	EXPECT_EQ(5, read(pipefd[0], text, sizeof(text)));
	EXPECT_STREQ("page", text);
	EXPECT_EQ(0, seal(self->fd));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* Readers that touch it all the time are no writers. */
TEST_F(buffer, seal_does_not_wait_for_readers)
{
	char *p = map(self->ro, self->size, PROT_READ);
	unsigned int i;
	pid_t pid;

	ASSERT_NE(NULL, p);
	pid = child();
	if (!pid) {
		for (i = 0; true; i++)
			touch_page(p + i % PAGES * self->page);
	}
	EXPECT_EQ(0, seal(self->fd));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
}

/*
 * And do not hide one who has pinned a page, whatever they do to that page
 * meanwhile. It takes luck to get through where this is wrong.
 */
TEST_F(buffer, seal_minds_a_pin_among_readers)
{
	int rounds = slow() ? 3 : 10, pipefd[2], i;
	pid_t pid;

	hold_page(self->fd, pipefd);
	pid = child();
	if (!pid) {
		char *p = map(self->ro, self->page, PROT_READ);

		do {
			touch_page(p);
			madvise(p, self->page, MADV_DONTNEED);
		} while (true);
	}
	for (i = 0; i < rounds; i++)
		EXPECT_EQ(-EBUSY, seal(self->fd));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	release_page(pipefd);
	EXPECT_EQ(0, seal(self->fd));
}

TEST_F(buffer, shared_futex)
{
	__u32 *word = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	pid_t pid;

	ASSERT_NE(NULL, word);
	pid = child();
	if (!pid) {
		/* Another address, the same futex; only read from here. */
		__u32 *mine = map(self->ro, self->size, PROT_READ);

		_exit(syscall(FUTEX, mine, FUTEX_WAIT, 0, NULL) ? 1 :
		      *mine != 1);
	}
	until(asleep_in(pid, FUTEX));
	*word = 1;
	EXPECT_EQ(1, syscall(FUTEX, word, FUTEX_WAKE, 1));
	EXPECT_EQ(0, reap(pid));
}

struct shared {
	pthread_mutex_t mutex;
	int count;
};

#define ROUNDS	2000

static int count_up(struct shared *s)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (pthread_mutex_lock(&s->mutex))
			return 1;
		s->count++;
		if (pthread_mutex_unlock(&s->mutex))
			return 2;
	}
	return 0;
}

TEST_F(buffer, process_shared_mutex)
{
	struct shared *s = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	pthread_mutexattr_t attr;
	pid_t pid;

	ASSERT_NE(NULL, s);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	ASSERT_EQ(0, pthread_mutex_init(&s->mutex, &attr));
	pid = child();
	if (!pid)
		_exit(count_up(map(self->fd, self->size,
				   PROT_READ | PROT_WRITE)));
	EXPECT_EQ(0, count_up(s));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(2 * ROUNDS, s->count);
	/* Its owner's death is noticed. */
	pid = child();
	if (!pid) {
		s = map(self->fd, self->size, PROT_READ | PROT_WRITE);
		_exit(pthread_mutex_lock(&s->mutex));
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(EOWNERDEAD, pthread_mutex_lock(&s->mutex));
	EXPECT_EQ(0, pthread_mutex_consistent(&s->mutex));
	EXPECT_EQ(0, pthread_mutex_unlock(&s->mutex));
}

TEST_F(buffer, is_no_stream)
{
	char c;

	EXPECT_EQ(-EINVAL, sys(read(self->fd, &c, 1)));
	EXPECT_EQ(-EINVAL, sys(write(self->fd, "x", 1)));
	EXPECT_EQ(-ESPIPE, sys(lseek(self->fd, 0, SEEK_END)));
	EXPECT_EQ(-EINVAL, sys(ftruncate(self->fd, 0)));
	EXPECT_EQ(self->size, object(self->fd).size);
}

/* Its memory comes from where a memfd's does; that must not show. */
TEST_F(buffer, is_no_memfd)
{
	char *p = map(self->fd, self->size, PROT_READ | PROT_WRITE);
	char line[256];
	int lines = 0;
	FILE *f;

	ASSERT_NE(NULL, p);
	EXPECT_EQ(-EINVAL, sys(fcntl(self->fd, F_GET_SEALS)));
	EXPECT_EQ(-EINVAL, sys(fcntl(self->fd, F_ADD_SEALS, F_SEAL_GROW)));
	EXPECT_GT(0, fallocate(self->fd, 0, 0, self->page));
	EXPECT_NE(0, madvise(p, self->page, MADV_REMOVE));
	/* Whoever looks at the mapping finds nothing odd. */
	p[0] = 'x';
	f = fopen("/proc/self/smaps", "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		lines++;
	fclose(f);
	EXPECT_LT(0, lines);
	EXPECT_EQ('x', p[0]);
}

TEST_F(buffer, duplicates_with_no_more_rights)
{
	__u32 own = object(self->fd).rights, rights;
	int fd;

	EXPECT_EQ(-EINVAL, dup_handle(self->fd, 0, 0));
	EXPECT_EQ(-EINVAL, dup_handle(self->fd, RIGHT_PUBLISH, 0));
	EXPECT_EQ(-EINVAL, dup_handle(self->fd, RIGHT_WRITE, 0));
	EXPECT_EQ(-EINVAL, dup_handle(self->fd, RIGHT_RW | 8, 0));
	EXPECT_EQ(-EACCES, dup_handle(self->ro, RIGHT_RW, 0));
	EXPECT_EQ(-EACCES, dup_handle(self->ro, RIGHT_READ | RIGHT_PUBLISH,
				      0));
	for (rights = 1; rights <= RIGHT_ALL; rights += 2) {
		fd = dup_handle(self->fd, rights, 0);
		if (rights & ~own) {
			EXPECT_EQ(-EACCES, fd);
			continue;
		}
		ASSERT_LE(0, fd);
		EXPECT_EQ(rights, object(fd).rights);
		EXPECT_EQ(rights & RIGHT_WRITE ? 0 : -EACCES,
			  try_map(fd, self->page, PROT_WRITE, MAP_SHARED, 0));
		close(fd);
	}
	/* A writer's leaving does not take the reader's memory. */
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, try_map(self->ro, self->page, PROT_READ, MAP_SHARED, 0));
}

TEST_F(buffer, opens_anew_only_by_its_name)
{
	/* All anonymous files belong to root. */
	int refusal = variant->uid ? -EACCES : -ENXIO;
	int fd = dup_handle(self->fd, RIGHT_READ, 0), again;
	char path[64];

	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(refusal, sys(open(path, O_RDONLY)));
	EXPECT_EQ(refusal, sys(open(path, O_RDWR)));
	close(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->ro);
	if (!variant->named) {
		EXPECT_EQ(refusal, sys(open(path, O_RDWR)));
		EXPECT_EQ(refusal, sys(open(path, O_RDONLY)));
		return;
	}
	EXPECT_EQ(-EACCES, sys(open(path, O_WRONLY)));
	/* The name's mode is what counts, as on any filesystem. */
	EXPECT_EQ(0, sys(chmod(FS "/buffer", 0400)));
	again = sys(open(path, O_RDWR));
	if (variant->uid)
		EXPECT_EQ(-EACCES, again);
	if (!variant->uid)
		EXPECT_EQ(RIGHT_RW, object(again).rights);
}

FIXTURE(create)
{
	int dev;
	size_t page;
};

FIXTURE_SETUP(create)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->page = sysconf(_SC_PAGESIZE);
}

FIXTURE_TEARDOWN(create)
{
	close(self->dev);
}

TEST_F(create, whole_pages)
{
	const struct {
		size_t asked, pages;
	} sizes[] = {
		{ 1, 1 }, { self->page, 1 }, { self->page + 1, 2 },
		{ 100 * self->page - 1, 100 },
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fd = create_buffer(self->dev, .size = sizes[i].asked);
		ASSERT_LE(0, fd);
		EXPECT_EQ(sizes[i].pages * self->page, object(fd).size);
		close(fd);
	}
}

TEST_F(create, refuses)
{
	struct ipcdev_info i = info(self->dev);
	int dev = self->dev, fds = open_fds();

	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = 0));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = i.max_bytes + 1));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = UINT64_MAX));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = 1ULL << 63));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = 1, .flags = 1));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = 1, .rights = 8));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = 1,
					 .rights = RIGHT_WRITE));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = 1,
					 .rights = RIGHT_PUBLISH));
	EXPECT_EQ(-EINVAL, create_buffer(dev, .size = 1, .rights =
					 RIGHT_WRITE | RIGHT_PUBLISH));
	EXPECT_EQ(-EFAULT, call(dev, IPCDEV_IOC_CREATE_BUFFER, NULL));
	EXPECT_EQ(fds, open_fds());
	EXPECT_EQ(i.objects, info(dev).objects);
	EXPECT_EQ(i.bytes, info(dev).bytes);
}

TEST_F(create, rights)
{
	__u32 rights;
	int fd;

	for (rights = 1; rights <= RIGHT_ALL; rights += 2) {
		fd = create_buffer(self->dev, .size = 1, .rights = rights);
		ASSERT_LE(0, fd);
		EXPECT_EQ(rights, object(fd).rights);
		EXPECT_EQ(rights & RIGHT_WRITE ? O_RDWR : O_RDONLY,
			  fcntl(fd, F_GETFL) & O_ACCMODE);
		EXPECT_EQ(1, object(fd).readers);
		EXPECT_EQ(!!(rights & RIGHT_WRITE), object(fd).writers);
		close(fd);
	}
}

/* Nothing of a former user's is in it. */
TEST_F(create, always_zeroed)
{
	size_t size = 64 * self->page, i;
	int round, fd;
	char *p;

	for (round = 0; round < 4; round++) {
		fd = create_buffer(self->dev, .size = size);
		ASSERT_LE(0, fd);
		p = map(fd, size, PROT_READ | PROT_WRITE);
		ASSERT_NE(NULL, p);
		for (i = 0; i < size && !p[i]; i++)
			;
		EXPECT_EQ(size, i);
		memset(p, 0xff, size);
		munmap(p, size);
		close(fd);
	}
}

#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"

/* Keeps a processor from all that is not real-time, for ten seconds at most. */
static pid_t hog(int cpu)
{
	struct rlimit limit = { 10000000, 10000000 };
	bool *runs = shared_memory(sizeof(*runs));
	pid_t pid = child();

	if (!pid) {
		if (setrlimit(RLIMIT_RTTIME, &limit) || stay_on(cpu) ||
		    become_scheduled(SCHED_FIFO, 1))
			_exit(1);
		__atomic_store_n(runs, true, __ATOMIC_RELEASE);
		while (true)
			;
	}
	until(__atomic_load_n(runs, __ATOMIC_ACQUIRE));
	return pid;
}

/* What other processors do about a page is nice to have, and never waited for. */
TEST_F(create, seal_does_not_wait_for_a_busy_processor)
{
	int fd = create_buffer(self->dev, .size = 1), pipefd[2];
	char before[32];
	pid_t pid;

	ASSERT_LE(0, fd);
	if (stay_on(1))
		SKIP(return, "one processor");
	ASSERT_EQ(0, stay_on(0));
	ASSERT_EQ(0, read_file(RT_RUNTIME, before, sizeof(before)));
	ASSERT_EQ(0, write_file(RT_RUNTIME, "-1"));
	hold_page(fd, pipefd);
	pid = hog(1);
	EXPECT_EQ(-EBUSY, seal(fd));
	/* And not because that was over. */
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(0, write_file(RT_RUNTIME, "%s", before));
	release_page(pipefd);
	EXPECT_EQ(0, seal(fd));
	close(fd);
}

#define DISK		"/dev/ram0"
#define DISK_SIZE	1048576

struct disk_read {
	int disk;
	char *to;
};

/* Returns NULL if that fails. */
static void *read_disk(void *arg)
{
	struct disk_read *r = arg;

	return pread(r->disk, r->to, DISK_SIZE, 0) > 0 ? r : NULL;
}

/*
 * The pages that a disk is writing to are no longer mapped, and the seal is to
 * wait until it has done, or to fail: what has been sealed changes no more.
 */
TEST_F(create, seal_minds_direct_io)
{
	struct disk_read r = { .disk = open(DISK, O_RDWR | O_DIRECT) };
	char *to_read, *before = malloc(DISK_SIZE);
	int rounds = slow() ? 10 : 50, i, fd, ro, ret;
	pthread_t thread;
	void *done;

	if (r.disk < 0)
		SKIP(return, "no " DISK);
	fd = create_buffer(self->dev, .size = DISK_SIZE);
	ASSERT_LE(0, fd);
	r.to = map(fd, DISK_SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, r.to);
	memset(r.to, 'x', DISK_SIZE);
	ASSERT_EQ(DISK_SIZE, pwrite(r.disk, r.to, DISK_SIZE, 0));
	munmap(r.to, DISK_SIZE);
	close(fd);
	for (i = 0; i < rounds; i++) {
		fd = create_buffer(self->dev, .size = DISK_SIZE);
		ASSERT_LE(0, fd);
		ro = dup_handle(fd, RIGHT_READ, 0);
		to_read = map(ro, DISK_SIZE, PROT_READ);
		r.to = map(fd, DISK_SIZE, PROT_READ | PROT_WRITE);
		ASSERT_NE(NULL, to_read);
		ASSERT_NE(NULL, r.to);
		ASSERT_EQ(0, pthread_create(&thread, NULL, read_disk, &r));
		do
			touch_page(to_read);
		while (!*to_read);
		ASSERT_EQ(0, munmap(r.to, DISK_SIZE));
		ret = seal(fd);
		memcpy(before, to_read, DISK_SIZE);
		ASSERT_EQ(0, pthread_join(thread, &done));
		EXPECT_EQ(&r, done);
		if (ret) {
			EXPECT_EQ(-EBUSY, ret);
			EXPECT_EQ(0, seal(fd));
		} else {
			EXPECT_EQ(0, memcmp(before, to_read, DISK_SIZE));
		}
		munmap(to_read, DISK_SIZE);
		close(ro);
		close(fd);
	}
	close(r.disk);
	free(before);
}

/* Makes the disk one to swap to. */
static int swap_to_disk(size_t page)
{
	char *header = calloc(1, page);
	__u32 *at = (void *)(header + 1024);
	int fd = open(DISK, O_RDWR | O_CLOEXEC), ret = -ENODEV;

	at[0] = 1;			/* the version */
	at[1] = DISK_SIZE / page - 1;	/* the last page */
	memcpy(header + page - 10, "SWAPSPACE2", 10);
	if (fd >= 0 && write(fd, header, page) == (ssize_t)page)
		ret = sys(swapon(DISK, 0));
	close(fd);
	free(header);
	return ret;
}

/* To look at a page brings it back, and that is no pin. */
TEST_F(create, seals_what_was_swapped_out)
{
	size_t size = DISK_SIZE / 2, resident = 0, i;
	unsigned char in[DISK_SIZE / 4096];
	int fd, ro, ret;
	char *p;

	fd = create_buffer(self->dev, .size = size);
	ASSERT_LE(0, fd);
	ro = dup_handle(fd, RIGHT_READ, 0);
	p = map(fd, size, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, p);
	for (i = 0; i < size; i++)
		p[i] = i / self->page;
	if (swap_to_disk(self->page))
		SKIP(return, "no swap on " DISK);
	madvise(p, size, 21 /* MADV_PAGEOUT */);
	EXPECT_EQ(0, sys(mincore(p, size, in)));
	for (i = 0; i < size / self->page; i++)
		resident += in[i] & 1;
	munmap(p, size);
	ret = seal(fd);
	EXPECT_EQ(0, sys(swapoff(DISK)));
	EXPECT_EQ(0, ret);
	if (resident > size / self->page / 2)
		SKIP(return, "the kernel did not swap");
	p = map(ro, size, PROT_READ);
	ASSERT_NE(NULL, p);
	for (i = 0; i < size && p[i] == (char)(i / self->page); i++)
		;
	EXPECT_EQ(size, i);
	munmap(p, size);
	close(ro);
	close(fd);
}

TEST_HARNESS_MAIN
