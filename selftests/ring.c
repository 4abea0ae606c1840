// SPDX-License-Identifier: GPL-2.0
/*
 * Rings: what each side may map, sleep for and be told; what the kernel says
 * of it in the header; that a role ends with its last descriptor and mapping;
 * and two processes that play by the protocol of the UAPI header, and nothing
 * else, until one of them is killed or all has come through.
 */
#include "ipcdev_test.h"

#include <sys/epoll.h>
#include <sys/socket.h>

/* Newer architectures have only the later of two. */
#ifndef SYS_poll
#define SYS_poll	SYS_ppoll
#endif

#define SLEEPING	IPCDEV_RING_SLEEPING
#define WATCHED		IPCDEV_RING_WATCHED
#define GONE		IPCDEV_RING_GONE
#define TAKEOVER	IPCDEV_RING_TAKEOVER
#define ALIGN		IPCDEV_RING_ALIGN
#define HEAD		((__u32)sizeof(struct ipcdev_ring_record))

static const struct {
	off_t offset;
	__u32 writer;
} areas[] = {
	{ IPCDEV_RING_HEADER_OFFSET, 0 },
	{ IPCDEV_RING_CONSUMER_OFFSET, RIGHT_READ },
	{ IPCDEV_RING_PRODUCER_OFFSET, RIGHT_WRITE },
	{ IPCDEV_RING_DATA_OFFSET, RIGHT_WRITE },
};

/*
 * One side, as it has mapped the ring.
 */
struct side {
	int fd;
	const struct ipcdev_ring_header *header;
	__u32 *mine;
	const __u32 *theirs;
	char *data;
	__u32 size;
	const struct ipcdev_ring_side *self;
	const struct ipcdev_ring_side *other;
};

static void *map_at(int fd, size_t size, int prot, off_t offset)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

static bool side_map(struct side *s, int fd, __u32 role)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const int rw = PROT_READ | PROT_WRITE;
	const bool reads = role == RIGHT_READ;
	void *consumer, *producer;

	s->fd = fd;
	s->header = map_at(fd, page, PROT_READ, IPCDEV_RING_HEADER_OFFSET);
	consumer = map_at(fd, page, reads ? rw : PROT_READ,
			  IPCDEV_RING_CONSUMER_OFFSET);
	producer = map_at(fd, page, reads ? PROT_READ : rw,
			  IPCDEV_RING_PRODUCER_OFFSET);
	if (!s->header || !consumer || !producer)
		return false;
	s->size = s->header->size;
	s->data = map_at(fd, 2 * s->size, reads ? PROT_READ : rw,
			 IPCDEV_RING_DATA_OFFSET);
	s->mine = reads ? consumer : producer;
	s->theirs = reads ? producer : consumer;
	s->self = reads ? &s->header->consumer : &s->header->producer;
	s->other = reads ? &s->header->producer : &s->header->consumer;
	return s->data;
}

static void side_unmap(struct side *s)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	munmap(s->data, 2 * s->size);
	munmap(s->mine, page);
	munmap((void *)s->theirs, page);
	munmap((void *)s->header, page);
}

/* A child has the descriptor, and maps it for itself. */
static void side_map_again(struct side *s, __u32 role)
{
	if (!side_map(s, s->fd, role))
		_exit(201);
}

static __u32 load(const __u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(__u32 *word, __u32 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static bool reached(__u32 index, __u32 at)
{
	return (__s32)(index - at) >= 0;
}

static bool asleep(const struct ipcdev_ring_side *side, pid_t pid)
{
	return (load(&side->state) & SLEEPING) && asleep_in(pid, SYS_ioctl);
}

/*
 * The protocol.
 */

/* How far a record reaches. */
static __u32 extent(__u32 len)
{
	return (HEAD + len + ALIGN - 1) & -ALIGN;
}

static __u32 threshold(const struct side *s)
{
	return s->size - (HEAD + s->size / 2);
}

/* Our index has moved: whether the other side must be told. */
static bool wanted(const struct side *s, __u32 index, bool crossed)
{
	__u32 state = load(&s->other->state);

	if ((state & SLEEPING) && reached(index, load(&s->other->wake_at)))
		return true;
	return (state & WATCHED) && crossed;
}

static void produced(struct side *p, __u32 len)
{
	__u32 old = *p->mine, index = old + extent(len);

	store(p->mine, index);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (wanted(p, index, load(p->theirs) == old))
		ring_signal(p->fd);
}

static void consumed(struct side *c, __u32 len)
{
	__u32 old = *c->mine, index = old + extent(len), head;
	bool crossed;

	store(c->mine, index);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	head = load(c->theirs);
	crossed = head - old > threshold(c) && head - index <= threshold(c);
	if (wanted(c, index, crossed))
		ring_signal(c->fd);
}

/* What a record is made of follows from its number. */
static __u32 length_of(const struct side *s, __u32 number)
{
	__u32 random = number * 2654435761U;

	random ^= random >> 15;
	switch (random % 8) {
	case 0:
		return random / 8 % (s->size / 2 + 1);
	case 1:
		return s->size / 2;
	case 2:
		return 0;
	default:
		return random / 8 % 100;
	}
}

static bool try_push(struct side *p, __u32 number)
{
	__u32 len = length_of(p, number), index = *p->mine;
	struct ipcdev_ring_record *r;

	if (p->size - (index - load(p->theirs)) < extent(len))
		return false;
	r = (void *)(p->data + index % p->size);
	r->len = len;
	r->reserved = number;
	memset(r + 1, number, len);
	produced(p, len);
	return true;
}

/* 1 for the record with that number, 0 for none, -1 for another. */
static int try_pop(struct side *c, __u32 number)
{
	__u32 len = length_of(c, number), index = *c->mine, i;
	const struct ipcdev_ring_record *r;
	const char *data;

	if (load(c->theirs) == index)
		return 0;
	r = (void *)(c->data + index % c->size);
	data = (void *)(r + 1);
	if (r->len != len || r->reserved != number ||
	    load(c->theirs) - index < extent(len))
		return -1;
	for (i = 0; i < len; i++) {
		if (data[i] != (char)number)
			return -1;
	}
	consumed(c, len);
	return 1;
}

/* Ways to sleep. */
enum how { WAIT, POLL, EDGE, EVENTFD, WAYS };

struct sleeper {
	enum how way;
	int fd;		/* for the last two */
	int events;
};

static void sleeper_init(struct sleeper *sl, enum how way, const struct side *s,
			 __u32 role)
{
	struct epoll_event e = { .events = EPOLLET };

	sl->way = way;
	sl->events = role == RIGHT_READ ? POLLIN : POLLOUT;
	e.events |= sl->events;
	switch (way) {
	case EDGE:
		sl->fd = epoll_create1(EPOLL_CLOEXEC);
		if (epoll_ctl(sl->fd, EPOLL_CTL_ADD, s->fd, &e))
			_exit(202);
		break;
	case EVENTFD:
		sl->fd = eventfd(0, EFD_CLOEXEC);
		if (attach(s->fd, sl->fd,
			   (role == RIGHT_READ ? IPCDEV_EVENT_READABLE :
			    IPCDEV_EVENT_WRITABLE) | IPCDEV_EVENT_HANGUP, 0))
			_exit(203);
		break;
	default:
		break;
	}
}

/* Until the other side has come as far as that, or has left: -EPIPE. */
static int sleep_for(struct sleeper *sl, const struct side *s, __u32 index)
{
	struct pollfd p = { .fd = s->fd, .events = sl->events };
	struct epoll_event e;
	int ret = 0, gone;
	__u64 count;

	if (sl->way == WAIT)
		return ring_wait(s->fd, .index = index);
	/* In this order: what it did before it left is there. */
	gone = load(&s->other->state) & GONE;
	if (reached(load(s->theirs), index))
		return 0;
	if (gone)
		return -EPIPE;
	switch (sl->way) {
	case POLL:
		ret = poll(&p, 1, -1);
		break;
	case EDGE:
		ret = epoll_wait(sl->fd, &e, 1, -1);
		break;
	default:
		ret = read(sl->fd, &count, sizeof(count));
		break;
	}
	return ret < 0 ? -errno : 0;
}

static __u32 dice(__u32 *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

static void pause_sometimes(__u32 *seed)
{
	__u32 i = dice(seed);

	switch (i % 64) {
	case 0:
		usleep(i / 64 % 200);
		break;
	case 1:
	case 2:
		sched_yield();
		break;
	case 3 ... 8:
		for (i = i / 64 % 4096; i; i--)
			asm volatile("");
		break;
	}
}

static int push(struct side *p, struct sleeper *sl, __u32 number)
{
	__u32 need = extent(length_of(p, number));
	int ret = 0;

	while (!ret && !try_push(p, number))
		ret = sleep_for(sl, p, *p->mine - p->size + need);
	return ret;
}

/* Each returns 0 once all is done, -EPIPE if the other has left. */
static int produce(struct side *p, enum how way, __u32 count, __u32 seed)
{
	struct sleeper sl;
	int ret = 0;
	__u32 i;

	sleeper_init(&sl, way, p, RIGHT_WRITE);
	for (i = 0; i < count && !ret; i++) {
		ret = push(p, &sl, i);
		pause_sometimes(&seed);
	}
	return ret;
}

static int consume(struct side *c, enum how way, __u32 count, __u32 seed)
{
	struct sleeper sl;
	int ret;
	__u32 i;

	sleeper_init(&sl, way, c, RIGHT_READ);
	for (i = 0; i < count; i++) {
		while (!(ret = try_pop(c, i))) {
			ret = sleep_for(&sl, c, *c->mine + 1);
			if (ret)
				return ret;
		}
		if (ret < 0)
			return -EBADMSG;
		pause_sometimes(&seed);
	}
	return 0;
}

/*
 * The program that this one was built as, too, plays the producer.
 */
#define PEER_ENV	"IPCDEV_TEST_RING"

static void __attribute__((constructor)) be_the_peer(void)
{
	const char *args = getenv(PEER_ENV);
	struct side p;
	int fd, count;

	if (!args)
		return;
	if (sscanf(args, "%d %d", &fd, &count) != 2 ||
	    !side_map(&p, fd, RIGHT_WRITE))
		_exit(1);
	_exit(-produce(&p, WAIT, count, 1));
}

/* The 64-bit program's twin is the 32-bit one, and the other way round. */
static bool twin_path(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 4);

	if (len < 3)
		return false;
	path[len] = '\0';
	if (!strcmp(path + len - 3, "_32"))
		path[len - 3] = '\0';
	else
		strcpy(path + len, "_32");
	return !access(path, X_OK);
}

/*
 * A ring, and both of its ends in one process.
 */
FIXTURE(ring)
{
	int dev;
	int fd;			/* a handle with all rights */
	size_t page;
	struct side c;
	struct side p;
};

FIXTURE_VARIANT(ring)
{
	__u32 flags;
	uid_t uid;
};

FIXTURE_VARIANT_ADD(ring, root)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(ring, takeover_user)
{
	.flags = TAKEOVER, .uid = ALICE,
};

FIXTURE_SETUP(ring)
{
	ASSERT_EQ(0, private_fs());
	if (variant->uid)
		ASSERT_EQ(0, become(variant->uid));
	self->page = sysconf(_SC_PAGESIZE);
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->fd = create_ring(self->dev, .size = 1, .flags = variant->flags);
	ASSERT_LE(0, self->fd);
	self->c.fd = take_end(self->fd, RIGHT_READ, 0);
	ASSERT_LE(0, self->c.fd);
	ASSERT_TRUE(side_map(&self->c, self->c.fd, RIGHT_READ));
	self->p.fd = take_end(self->fd, RIGHT_WRITE, 0);
	ASSERT_LE(0, self->p.fd);
	ASSERT_TRUE(side_map(&self->p, self->p.fd, RIGHT_WRITE));
}

FIXTURE_TEARDOWN(ring)
{
	__u64 id = object(self->fd).id;

	EXPECT_TRUE(listed(self->dev, id));
	side_unmap(&self->c);
	side_unmap(&self->p);
	close(self->c.fd);
	close(self->p.fd);
	close(self->fd);
	EXPECT_FALSE(listed(self->dev, id));
	close(self->dev);
}

static void leave(struct side *s)
{
	side_unmap(s);
	close(s->fd);
	/* What the fixture will unmap and close is nothing then. */
	s->size = 0;
	s->data = NULL;
	s->mine = NULL;
	s->theirs = NULL;
	s->header = NULL;
	s->fd = -1;
}

/* Fills the ring up to so many bytes of room. */
static void fill(struct side *p, __u32 room)
{
	store(p->mine, *p->theirs + p->size - room);
}

TEST_F(ring, handles)
{
	struct ipcdev_stat s = object(self->fd), c = object(self->c.fd);
	struct ipcdev_stat p = object(self->p.fd);
	char text[64];

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->c.fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDWR, fcntl(self->c.fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDWR, fcntl(self->p.fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(0, fcntl(self->p.fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(IPCDEV_TYPE_RING, s.type);
	EXPECT_EQ(variant->flags ? IPCDEV_STAT_TAKEOVER : 0, s.flags);
	EXPECT_EQ(variant->uid, s.uid);
	EXPECT_EQ(RIGHT_ALL, s.rights);
	EXPECT_EQ(RIGHT_READ, c.rights);
	EXPECT_EQ(RIGHT_WRITE, p.rights);
	EXPECT_EQ(s.id, c.id);
	EXPECT_EQ(s.id, p.id);
	EXPECT_EQ(1, s.readers);
	EXPECT_EQ(1, s.writers);
	EXPECT_EQ(self->page, s.size);
	EXPECT_EQ(0, s.queued_bytes);
	EXPECT_EQ(0, s.queued);
	EXPECT_EQ(0, s.depth);
	EXPECT_EQ(0, s.receivers + s.senders);
	EXPECT_EQ(0, s.recv_waits + s.send_waits);
	store(self->p.mine, 800);
	store(self->c.mine, 80);
	EXPECT_EQ(720, object(self->fd).queued_bytes);

	EXPECT_TRUE(handle_info(self->fd, "ipcdev-type", text, sizeof(text)));
	EXPECT_STREQ("ring", text);
	EXPECT_FALSE(handle_info(self->fd, "ipcdev-role", text, sizeof(text)));
	EXPECT_TRUE(handle_info(self->c.fd, "ipcdev-role", text, sizeof(text)));
	EXPECT_STREQ("consumer", text);
	EXPECT_TRUE(handle_info(self->p.fd, "ipcdev-role", text, sizeof(text)));
	EXPECT_STREQ("producer", text);
	EXPECT_TRUE(handle_info(self->p.fd, "ipcdev-rights", text,
				sizeof(text)));
	EXPECT_STREQ("-w-", text);
	EXPECT_TRUE(handle_info(self->fd, "ipcdev-size", text, sizeof(text)));
	EXPECT_EQ(self->page, strtoul(text, NULL, 10));
	EXPECT_TRUE(handle_info(self->fd, "ipcdev-produced", text,
				sizeof(text)));
	EXPECT_STREQ("800", text);
	EXPECT_TRUE(handle_info(self->fd, "ipcdev-consumed", text,
				sizeof(text)));
	EXPECT_STREQ("80", text);
}

TEST_F(ring, is_listed)
{
	struct ipcdev_stat s = object(self->fd), listed;

	/* But for the rights, which are a handle's. */
	s.rights = 0;
	ASSERT_EQ(1, list(self->dev, s.id - 1, &listed, 1));
	EXPECT_EQ(0, memcmp(&s, &listed, sizeof(s)));
}

TEST_F(ring, header)
{
	const struct ipcdev_ring_header *h = self->c.header;
	struct ipcdev_ring_header zero = {
		.magic = IPCDEV_RING_MAGIC,
		.version = IPCDEV_RING_VERSION,
		.size = self->page,
		.record_max = self->page / 2,
		.flags = variant->flags,
	};

	EXPECT_EQ(0, memcmp(h, &zero, sizeof(zero)));
	EXPECT_EQ(0, memcmp(self->p.header, &zero, sizeof(zero)));
	EXPECT_EQ(0, *self->c.mine);
	EXPECT_EQ(0, *self->p.mine);
}

TEST_F(ring, only_ends_count)
{
	int ro = dup_handle(self->fd, RIGHT_READ, 0);
	int wo = dup_handle(self->fd, RIGHT_WRITE, 0);

	ASSERT_LE(0, ro);
	ASSERT_LE(0, wo);
	EXPECT_EQ(1, object(self->fd).readers);
	EXPECT_EQ(1, object(self->fd).writers);
	close(ro);
	close(wo);
	EXPECT_EQ(0, events(self->c.fd) & POLLHUP);
	EXPECT_EQ(0, events(self->p.fd) & POLLERR);
	EXPECT_EQ(1, object(self->fd).readers);
}

TEST_F(ring, sides_are_taken_once)
{
	int ro = dup_handle(self->fd, RIGHT_READ, 0);
	int wo = dup_handle(self->fd, RIGHT_WRITE, 0);
	int fds = open_fds();

	EXPECT_EQ(-EINVAL, take_end(self->fd, 0, 0));
	EXPECT_EQ(-EINVAL, take_end(self->fd, RIGHT_RW, 0));
	EXPECT_EQ(-EINVAL, take_end(self->fd, RIGHT_PUBLISH, 0));
	EXPECT_EQ(-EINVAL, take_end(self->fd, RIGHT_READ, 2));
	EXPECT_EQ(-EACCES, take_end(ro, RIGHT_WRITE, 0));
	EXPECT_EQ(-EACCES, take_end(wo, RIGHT_READ, 0));
	EXPECT_EQ(-EBUSY, take_end(self->fd, RIGHT_READ, 0));
	EXPECT_EQ(-EBUSY, take_end(self->fd, RIGHT_WRITE, 0));
	EXPECT_EQ(-EBUSY, take_end(ro, RIGHT_READ, 0));
	EXPECT_EQ(-EBUSY, take_end(self->c.fd, RIGHT_READ, 0));
	EXPECT_EQ(-EACCES, take_end(self->c.fd, RIGHT_WRITE, 0));
	EXPECT_EQ(fds, open_fds());
	EXPECT_EQ(1, object(self->fd).readers);
	EXPECT_EQ(1, object(self->fd).writers);
	/* What they do, nobody else does. */
	EXPECT_EQ(-ENOTTY, ring_wait(self->fd, .flags = IPCDEV_NONBLOCK));
	EXPECT_EQ(-ENOTTY, ring_signal(self->fd));
	EXPECT_EQ(-ENODEV, try_map(self->fd, 1, PROT_READ, MAP_SHARED, 0));
	close(ro);
	close(wo);
}

/* Who gets no descriptor has not been there. */
TEST_F(ring, taking_needs_a_descriptor)
{
	int fd = create_ring(self->dev, .size = 1), end;
	struct rlimit before;

	ASSERT_LE(0, fd);
	getrlimit(RLIMIT_NOFILE, &before);
	ASSERT_EQ(0, set_nofile(3));
	EXPECT_EQ(-EMFILE, take_end(fd, RIGHT_READ, 0));
	ASSERT_EQ(0, set_nofile(before.rlim_cur));
	EXPECT_EQ(0, object(fd).readers);
	end = take_end(fd, RIGHT_READ, 0);
	EXPECT_LE(0, end);
	close(end);
	close(fd);
}

/* A duplicate of an end is a handle that has no more rights than that. */
TEST_F(ring, end_makes_handles_with_its_right)
{
	int fd = dup_handle(self->c.fd, RIGHT_READ, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, dup_handle(self->c.fd, RIGHT_WRITE, 0));
	EXPECT_EQ(-EACCES, dup_handle(self->c.fd, RIGHT_RW, 0));
	EXPECT_EQ(-EACCES, publish(self->c.fd, self->dev, 0));
	EXPECT_EQ(1, object(fd).readers);
	EXPECT_EQ(-ENOTTY, ring_signal(fd));
	EXPECT_EQ(-EBUSY, take_end(fd, RIGHT_READ, 0));
	EXPECT_EQ(-EACCES, take_end(fd, RIGHT_WRITE, 0));
	close(fd);
}

TEST_F(ring, each_area_has_its_writer)
{
	const size_t page = self->page;
	unsigned int i, j;

	for (i = 0; i < 2; i++) {
		int fd = i ? self->p.fd : self->c.fd;
		__u32 role = i ? RIGHT_WRITE : RIGHT_READ;

		for (j = 0; j < ARRAY_SIZE(areas); j++) {
			int no = areas[j].writer == role ? 0 : -EACCES;
			off_t at = areas[j].offset;

			EXPECT_EQ(0, try_map(fd, page, PROT_READ, MAP_SHARED,
					     at));
			EXPECT_EQ(0, try_map(fd, page, PROT_NONE, MAP_SHARED,
					     at));
			EXPECT_EQ(no, try_map(fd, page, PROT_WRITE, MAP_SHARED,
					      at));
			EXPECT_EQ(no, try_map(fd, page, PROT_READ | PROT_WRITE,
					      MAP_SHARED, at));
			/* A copy would be of no use. */
			EXPECT_EQ(-EINVAL, try_map(fd, page, PROT_READ,
						   MAP_PRIVATE, at));
			EXPECT_EQ(-EINVAL, try_map(fd, page,
						   PROT_READ | PROT_WRITE,
						   MAP_PRIVATE, at));
		}
	}
}

TEST_F(ring, areas_end_where_they_do)
{
	const size_t page = self->page, size = self->c.size;
	const off_t data = IPCDEV_RING_DATA_OFFSET;
	int fd = self->c.fd;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EINVAL, try_map(fd, 2 * page, PROT_READ, MAP_SHARED,
					   areas[i].offset));
		if (page < IPCDEV_RING_CONSUMER_OFFSET)
			EXPECT_EQ(-EINVAL, try_map(fd, page, PROT_READ,
						   MAP_SHARED,
						   areas[i].offset + page));
	}
	EXPECT_EQ(0, try_map(fd, 2 * size, PROT_READ, MAP_SHARED, data));
	EXPECT_EQ(0, try_map(fd, size, PROT_READ, MAP_SHARED, data));
	EXPECT_EQ(0, try_map(fd, size, PROT_READ, MAP_SHARED, data + size));
	EXPECT_EQ(-EINVAL, try_map(fd, 2 * size + 1, PROT_READ, MAP_SHARED,
				   data));
	EXPECT_EQ(-EINVAL, try_map(fd, size + 1, PROT_READ, MAP_SHARED,
				   data + size));
	EXPECT_EQ(-EINVAL, try_map(fd, 1, PROT_READ, MAP_SHARED,
				   data + 2 * size));
	EXPECT_EQ(-EINVAL, try_map(fd, 1, PROT_READ, MAP_SHARED, 0x7ffff000));
	EXPECT_EQ(-EINVAL, try_map(fd, 1, PROT_READ, MAP_SHARED, 1));
	/* All of it at once would have holes. */
	EXPECT_EQ(-EINVAL, try_map(fd, data + 2 * size, PROT_READ, MAP_SHARED,
				   0));
}

TEST_F(ring, data_are_there_twice)
{
	char *p = self->p.data, *c = self->c.data;
	__u32 size = self->p.size;
	__u32 i;

	for (i = 0; i < 2 * size; i++)
		ASSERT_EQ(0, c[i]);
	strcpy(p + size - 4, "contiguous");
	EXPECT_STREQ("contiguous", c + size - 4);
	EXPECT_STREQ("iguous", p);
	EXPECT_STREQ("iguous", c);
	strcpy(p + 2 * size - 8, "again");
	EXPECT_STREQ("again", c + size - 8);
	*self->p.mine = 8;
	*self->c.mine = 16;
	EXPECT_EQ(8, *self->c.theirs);
	EXPECT_EQ(16, *self->p.theirs);
}

TEST_F(ring, mapping_to_read_stays_one)
{
	const size_t page = self->page;
	char x = 'x', *moved;
	const struct {
		void *at;
		int allowed;
	} maps[] = {
		{ (void *)self->c.header, -EACCES },
		{ (void *)self->c.theirs, -EACCES },
		{ self->c.data, -EACCES },
		{ (void *)self->p.header, -EACCES },
		{ (void *)self->p.theirs, -EACCES },
		{ self->c.mine, 0 },
		{ self->p.mine, 0 },
		{ self->p.data, 0 },
	};
	unsigned int i;
	int mem;

	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, mem);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		void *at = maps[i].at;
		int no = maps[i].allowed;

		EXPECT_EQ(0, sys(mprotect(at, page, PROT_NONE)));
		EXPECT_EQ(0, sys(mprotect(at, page, PROT_READ)));
		EXPECT_EQ(no, sys(mprotect(at, page, PROT_READ | PROT_WRITE)));
		EXPECT_EQ(no, sys(mprotect(at, page, PROT_WRITE)));
		EXPECT_EQ(0, sys(mprotect(at, page, PROT_READ)));
		/* What a debugger may do to private memory. */
		if (no)
			EXPECT_GT(0, pwrite(mem, &x, 1, PTR(at)));
		EXPECT_GT(0, madvise(at, page, MADV_REMOVE));
	}
	EXPECT_EQ(IPCDEV_RING_MAGIC, self->c.header->magic);
	/* Moved and dropped it is the same. */
	EXPECT_EQ(0, madvise((void *)self->c.header, page, MADV_DONTNEED));
	EXPECT_EQ(IPCDEV_RING_MAGIC, self->c.header->magic);
	moved = mremap((void *)self->c.header, page, page,
		       MREMAP_MAYMOVE | MREMAP_FIXED, bad_page());
	ASSERT_NE(MAP_FAILED, moved);
	self->c.header = (void *)moved;
	EXPECT_EQ(IPCDEV_RING_MAGIC, self->c.header->magic);
	EXPECT_EQ(-EACCES, sys(mprotect(moved, page, PROT_WRITE)));
	close(mem);
}

TEST_F(ring, mapping_does_not_grow)
{
	const size_t page = self->page;
	void *p = self->p.data;

	EXPECT_EQ(MAP_FAILED, mremap(p, 2 * self->p.size,
				     2 * self->p.size + page, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(p, 0, page, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->p.mine, page, 2 * page,
				     MREMAP_MAYMOVE));
}

/* Not even if it was one to write, and is made one of another page. */
TEST_F(ring, rearranged_mapping_has_the_rights_of_its_page)
{
	const size_t page = self->page;
	char *p = map_at(self->p.fd, page, PROT_READ | PROT_WRITE,
			 IPCDEV_RING_PRODUCER_OFFSET);
	size_t header = IPCDEV_RING_HEADER_OFFSET / page;

	ASSERT_NE(NULL, p);
	EXPECT_NE(0, sys(syscall(SYS_remap_file_pages, p, page, 0, header,
				 0)));
	EXPECT_EQ(0, sys(munmap(p, page)));
	p = map_at(self->p.fd, page, PROT_READ, IPCDEV_RING_PRODUCER_OFFSET);
	ASSERT_NE(NULL, p);
	if (!syscall(SYS_remap_file_pages, p, page, 0, header, 0))
		EXPECT_EQ(-EACCES, sys(mprotect(p, page, PROT_WRITE)));
	EXPECT_EQ(0, sys(munmap(p, page)));
}

/* Whether touching an address is the end of a process. */
static int touch(const void *p)
{
	pid_t pid = child();

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		asm volatile("" : : "r" (*(const char *)p) : "memory");
		_exit(0);
	}
	return reap(pid);
}

TEST_F(ring, child_has_no_mapping)
{
	EXPECT_EQ(-SIGSEGV, touch(self->c.header));
	EXPECT_EQ(-SIGSEGV, touch(self->c.mine));
	EXPECT_EQ(-SIGSEGV, touch((const void *)self->c.theirs));
	EXPECT_EQ(-SIGSEGV, touch(self->c.data));
	EXPECT_EQ(-SIGSEGV, touch(self->p.data + self->p.size));
}

TEST_F(ring, role_ends_with_descriptor_and_mapping)
{
	const size_t page = self->page;
	int again = variant->flags ? 0 : -EPIPE, fd;
	const struct ipcdev_ring_header *h = self->c.header;

	side_unmap(&self->p);
	self->p.size = 0;
	EXPECT_EQ(1, object(self->fd).writers);
	self->p.data = map_at(self->p.fd, 2 * page, PROT_READ,
			      IPCDEV_RING_DATA_OFFSET);
	ASSERT_NE(NULL, self->p.data);
	fd = dup(self->p.fd);
	close(self->p.fd);
	close(fd);
	EXPECT_EQ(-EBUSY, take_end(self->fd, RIGHT_WRITE, 0));
	EXPECT_EQ(0, load(&h->producer.state));
	EXPECT_EQ(0, events(self->c.fd));
	EXPECT_EQ(-EAGAIN, ring_wait(self->c.fd, .index = 8,
				     .flags = IPCDEV_NONBLOCK));
	EXPECT_EQ(0, munmap(self->p.data, page));
	EXPECT_EQ(-EBUSY, take_end(self->fd, RIGHT_WRITE, 0));
	EXPECT_EQ(0, munmap(self->p.data + page, page));
	EXPECT_EQ(0, object(self->fd).writers);
	EXPECT_EQ(GONE, load(&h->producer.state));
	EXPECT_EQ(0, load(&h->consumer.state));
	EXPECT_EQ(POLLHUP, events(self->c.fd));
	EXPECT_EQ(-EPIPE, ring_wait(self->c.fd, .index = 8,
				    .flags = IPCDEV_NONBLOCK));
	EXPECT_EQ(-EPIPE, ring_wait(self->c.fd, .index = 8));
	EXPECT_EQ(0, ring_signal(self->c.fd));
	fd = take_end(self->fd, RIGHT_WRITE, IPCDEV_NONBLOCK);
	EXPECT_EQ(again, fd < 0 ? fd : 0);
	if (fd >= 0) {
		EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
		EXPECT_EQ(0, load(&h->producer.state));
		EXPECT_EQ(0, events(self->c.fd));
		close(fd);
		EXPECT_EQ(GONE, load(&h->producer.state));
	}
	self->p.data = NULL;
	self->p.mine = NULL;
	self->p.theirs = NULL;
	self->p.header = NULL;
	self->p.fd = -1;
}

TEST_F(ring, consumer_goes)
{
	int again = variant->flags ? 0 : -EPIPE, fd;
	const struct ipcdev_ring_header *h = self->p.header;

	leave(&self->c);
	EXPECT_EQ(0, object(self->fd).readers);
	EXPECT_EQ(GONE, load(&h->consumer.state));
	EXPECT_EQ(0, load(&h->producer.state));
	EXPECT_EQ(CAN_WRITE | POLLERR, events(self->p.fd));
	EXPECT_EQ(-EPIPE, ring_wait(self->p.fd, .index = 8));
	EXPECT_EQ(0, ring_wait(self->p.fd, .index = 0));
	fd = take_end(self->fd, RIGHT_READ, 0);
	EXPECT_EQ(again, fd < 0 ? fd : 0);
	if (fd >= 0) {
		EXPECT_EQ(0, load(&h->consumer.state));
		EXPECT_EQ(CAN_WRITE, events(self->p.fd));
		close(fd);
	}
}

TEST_F(ring, successor_finds_what_was_left)
{
	struct side c, p;
	__u32 i;
	int fd;

	for (i = 0; i < 3; i++)
		EXPECT_TRUE(try_push(&self->p, i));
	EXPECT_EQ(1, try_pop(&self->c, 0));
	/* One that is only half there is not there. */
	memset(self->p.data + *self->p.mine % self->p.size, 0xff, 64);
	leave(&self->c);
	leave(&self->p);
	if (!variant->flags) {
		EXPECT_EQ(-EPIPE, take_end(self->fd, RIGHT_READ, 0));
		EXPECT_EQ(-EPIPE, take_end(self->fd, RIGHT_WRITE, 0));
		EXPECT_EQ(0, object(self->fd).readers);
		return;
	}
	fd = take_end(self->fd, RIGHT_READ, 0);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(side_map(&c, fd, RIGHT_READ));
	EXPECT_EQ(CAN_READ | POLLHUP, events(fd));
	EXPECT_EQ(1, try_pop(&c, 1));
	fd = take_end(self->fd, RIGHT_WRITE, 0);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(side_map(&p, fd, RIGHT_WRITE));
	EXPECT_TRUE(try_push(&p, 3));
	EXPECT_EQ(1, try_pop(&c, 2));
	EXPECT_EQ(1, try_pop(&c, 3));
	EXPECT_EQ(0, try_pop(&c, 4));
	leave(&c);
	leave(&p);
}

/*
 * Sleeping in the call.
 */

TEST_F(ring, wait_is_for_the_other_index)
{
	const __u32 now = IPCDEV_NONBLOCK;
	int c = self->c.fd, p = self->p.fd;

	EXPECT_EQ(0, ring_wait(c, .index = 0));
	EXPECT_EQ(-EAGAIN, ring_wait(c, .flags = now, .index = 1));
	store(self->p.mine, 64);
	EXPECT_EQ(0, ring_wait(c, .index = 1));
	EXPECT_EQ(0, ring_wait(c, .index = 64));
	EXPECT_EQ(-EAGAIN, ring_wait(c, .flags = now, .index = 65));
	/* The producer's own index is nothing to it. */
	EXPECT_EQ(0, ring_wait(p, .index = 0));
	EXPECT_EQ(-EAGAIN, ring_wait(p, .flags = now, .index = 64));
	/* From one past it to 2^31 past it. */
	EXPECT_EQ(-EAGAIN, ring_wait(c, .flags = now, .index = 64 + 1U));
	EXPECT_EQ(-EAGAIN, ring_wait(c, .flags = now,
				     .index = 64 + 0x80000000U));
	EXPECT_EQ(0, ring_wait(c, .index = 64 + 0x80000001U));
	EXPECT_EQ(0, ring_wait(c, .index = UINT32_MAX));
	store(self->p.mine, UINT32_MAX - 7);
	EXPECT_EQ(0, ring_wait(c, .index = UINT32_MAX - 7));
	EXPECT_EQ(-EAGAIN, ring_wait(c, .flags = now, .index = 8));
	store(self->p.mine, 8);
	EXPECT_EQ(0, ring_wait(c, .index = UINT32_MAX - 7));
	EXPECT_EQ(0, ring_wait(c, .index = 8));
	EXPECT_EQ(-EAGAIN, ring_wait(c, .flags = now, .index = 16));
	EXPECT_EQ(0, object(c).recv_waits);
	ASSERT_EQ(0, fcntl(c, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, ring_wait(c, .index = 16));
	EXPECT_EQ(0, load(&self->p.header->consumer.state));
}

TEST_F(ring, wait_refuses)
{
	const __u32 mono = IPCDEV_DEADLINE_MONOTONIC;
	const __u32 real = IPCDEV_DEADLINE_REALTIME;
	int c = self->c.fd;

	EXPECT_EQ(-EINVAL, ring_wait(c, .flags = IPCDEV_PEEK));
	EXPECT_EQ(-EINVAL, ring_wait(c, .reserved = 1));
	EXPECT_EQ(-EINVAL, ring_wait(c, .signal_fd = c));
	EXPECT_EQ(-EINVAL, ring_wait(c, .deadline_ns = 1));
	EXPECT_EQ(-EINVAL, ring_wait(c, .flags = mono | real));
	EXPECT_EQ(-EINVAL, ring_wait(c, .flags = mono,
				     .deadline_ns = 1ULL << 63));
}

/* Somebody who sleeps for one end, until it has that index: its own end. */
static pid_t asleep_for(struct side *s, __u32 role, __u32 index, __u32 flags,
			__u64 deadline)
{
	const struct ipcdev_ring_side *said = s->self;
	pid_t pid = child();

	if (!pid)
		_exit(-ring_wait(s->fd, .index = index, .flags = flags,
				 .deadline_ns = deadline));
	until(asleep(said, pid));
	return pid;
}

TEST_F(ring, sleeper_says_so)
{
	const struct ipcdev_ring_header *h = self->c.header;
	pid_t pid;

	pid = asleep_for(&self->c, RIGHT_READ, 4711, 0, 0);
	EXPECT_EQ(SLEEPING, load(&h->consumer.state));
	EXPECT_EQ(4711, load(&h->consumer.wake_at));
	EXPECT_EQ(0, load(&h->producer.state));
	EXPECT_EQ(1, object(self->fd).receivers);
	EXPECT_EQ(1, object(self->fd).recv_waits);
	EXPECT_EQ(0, object(self->fd).senders);
	/* It wakes nobody who signals himself. */
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_TRUE(asleep(&h->consumer, pid));
	/* Nor for what has not been reached. */
	store(self->p.mine, 4710);
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_TRUE(asleep(&h->consumer, pid));
	store(self->p.mine, 4711);
	EXPECT_EQ(1, ring_signal(self->p.fd));
	EXPECT_EQ(0, load(&h->consumer.state));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(1, object(self->fd).wakeups);
	EXPECT_EQ(0, object(self->fd).receivers);

	pid = asleep_for(&self->p, RIGHT_WRITE, 12, 0, 0);
	EXPECT_EQ(SLEEPING, load(&h->producer.state));
	EXPECT_EQ(12, load(&h->producer.wake_at));
	EXPECT_EQ(0, load(&h->consumer.state));
	EXPECT_EQ(1, object(self->fd).senders);
	EXPECT_EQ(1, object(self->fd).send_waits);
	store(self->c.mine, 11);
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_TRUE(asleep(&h->producer, pid));
	store(self->c.mine, 12);
	EXPECT_EQ(1, ring_signal(self->c.fd));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, load(&h->producer.state));
}

TEST_F(ring, one_sleeps_for_a_side)
{
	pid_t pid = asleep_for(&self->c, RIGHT_READ, 8, 0, 0);
	pid_t other;

	EXPECT_EQ(-EBUSY, ring_wait(self->c.fd, .index = 16));
	EXPECT_EQ(-EBUSY, ring_wait(self->c.fd, .index = 16,
				    .flags = IPCDEV_DEADLINE_MONOTONIC,
				    .deadline_ns = 1));
	/* Who does not sleep does not mind. */
	EXPECT_EQ(-EAGAIN, ring_wait(self->c.fd, .index = 16,
				     .flags = IPCDEV_NONBLOCK));
	EXPECT_EQ(0, ring_wait(self->c.fd, .index = 0));
	EXPECT_EQ(8, load(&self->c.self->wake_at));
	/* And the other side is another. */
	other = asleep_for(&self->p, RIGHT_WRITE, 8, 0, 0);
	store(self->p.mine, 8);
	EXPECT_EQ(1, ring_signal(self->p.fd));
	EXPECT_EQ(0, reap(pid));
	store(self->c.mine, 8);
	EXPECT_EQ(1, ring_signal(self->c.fd));
	EXPECT_EQ(0, reap(other));
}

TEST_F(ring, sleep_ends_at_its_deadline)
{
	const struct {
		clockid_t clock;
		__u32 flag;
	} clocks[] = {
		{ CLOCK_MONOTONIC, IPCDEV_DEADLINE_MONOTONIC },
		{ CLOCK_REALTIME, IPCDEV_DEADLINE_REALTIME },
	};
	int i;

	for (i = 0; i < 2; i++) {
		__u64 deadline = now(clocks[i].clock) + SOON;

		EXPECT_EQ(-ETIMEDOUT, ring_wait(self->c.fd, .index = 8,
						.flags = clocks[i].flag,
						.deadline_ns = deadline));
		EXPECT_LE(deadline, now(clocks[i].clock));
		EXPECT_EQ(-ETIMEDOUT, ring_wait(self->p.fd, .index = 8,
						.flags = clocks[i].flag,
						.deadline_ns = 1));
		EXPECT_EQ(0, ring_wait(self->p.fd, .index = 0,
				       .flags = clocks[i].flag,
				       .deadline_ns = 1));
	}
	EXPECT_EQ(0, load(&self->c.header->consumer.state));
	EXPECT_EQ(0, load(&self->c.header->producer.state));
	EXPECT_EQ(0, object(self->fd).receivers + object(self->fd).senders);
}

/* Who is signalled for nothing, over and over, sleeps on, and is still in time. */
TEST_F(ring, no_signal_holds_up_a_deadline)
{
	__u64 deadline;
	pid_t pids[2];
	int i;

	for (i = 0; i < 2; i++) {
		pids[i] = child();
		while (!pids[i])
			ring_signal(self->p.fd);
	}
	for (i = 0; i < 100; i++) {
		deadline = now(CLOCK_MONOTONIC) + SOON / 100;
		EXPECT_EQ(-ETIMEDOUT, ring_wait(self->c.fd, .index = 8,
						.flags = IPCDEV_DEADLINE_MONOTONIC,
						.deadline_ns = deadline));
		EXPECT_LE(deadline, now(CLOCK_MONOTONIC));
		EXPECT_GT(deadline + 10 * SOON, now(CLOCK_MONOTONIC));
		/* What is past is so at once. */
		EXPECT_EQ(-ETIMEDOUT,
			  ring_wait(self->c.fd, .index = 8,
				    .flags = IPCDEV_DEADLINE_MONOTONIC,
				    .deadline_ns = 1));
		EXPECT_EQ(-ETIMEDOUT,
			  ring_wait(self->c.fd, .index = 8,
				    .flags = IPCDEV_DEADLINE_REALTIME,
				    .deadline_ns = 1));
		/* But what is there is there. */
		EXPECT_EQ(0, ring_wait(self->c.fd, .index = 0,
				       .flags = IPCDEV_DEADLINE_MONOTONIC,
				       .deadline_ns = 1));
	}
	EXPECT_EQ(0, object(self->fd).wakeups);
	for (i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(-SIGKILL, reap(pids[i]));
	}
}

static void on_signal(int signal)
{
}

static void handle(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

TEST_F(ring, sleep_ends_with_a_signal)
{
	pid_t pid;

	handle(0);
	pid = asleep_for(&self->c, RIGHT_READ, 8, 0, 0);
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(EINTR, reap(pid));
	EXPECT_EQ(0, load(&self->c.self->state));
	EXPECT_EQ(0, object(self->fd).receivers);
}

TEST_F(ring, sleep_goes_on_after_a_signal_that_restarts)
{
	pid_t pid;

	handle(SA_RESTART);
	pid = asleep_for(&self->c, RIGHT_READ, 8, 0, 0);
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	until(object(self->fd).recv_waits == 2 && asleep(self->c.self, pid));
	store(self->p.mine, 8);
	EXPECT_EQ(1, ring_signal(self->p.fd));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(ring, sleeper_is_killed)
{
	pid_t pid = asleep_for(&self->c, RIGHT_READ, 8, 0, 0);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_EQ(0, load(&self->c.self->state));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	/* It was not the last who had that end. */
	EXPECT_EQ(1, object(self->fd).readers);
	pid = asleep_for(&self->c, RIGHT_READ, 8, 0, 0);
	store(self->p.mine, 8);
	EXPECT_EQ(1, ring_signal(self->p.fd));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(ring, sleep_ends_with_the_other_side)
{
	pid_t pid = child();

	/* It must not have the end that it is to miss. */
	if (!pid) {
		close(self->p.fd);
		_exit(-ring_wait(self->c.fd, .index = 8));
	}
	until(asleep(self->c.self, pid));
	leave(&self->p);
	EXPECT_EQ(EPIPE, reap(pid));
	EXPECT_EQ(0, load(&self->c.self->state));
	EXPECT_EQ(GONE, load(&self->c.other->state));
}

TEST_F(ring, sleep_of_the_producer_ends_with_the_consumer)
{
	pid_t pid = child();

	if (!pid) {
		close(self->c.fd);
		_exit(-ring_wait(self->p.fd, .index = 8));
	}
	until(asleep(self->p.self, pid));
	leave(&self->c);
	EXPECT_EQ(EPIPE, reap(pid));
	EXPECT_EQ(0, load(&self->p.self->state));
	EXPECT_EQ(GONE, load(&self->p.other->state));
}

/* It was killed between the store and the signal, or did not want to tell. */
TEST_F(ring, what_was_done_before_leaving_counts)
{
	pid_t pid = child();

	if (!pid) {
		close(self->p.fd);
		_exit(-ring_wait(self->c.fd, .index = 8));
	}
	until(asleep(self->c.self, pid));
	store(self->p.mine, 8);
	EXPECT_TRUE(asleep(self->c.self, pid));
	leave(&self->p);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, ring_wait(self->c.fd, .index = 8));
	EXPECT_EQ(-EPIPE, ring_wait(self->c.fd, .index = 9));
}

TEST_F(ring, wait_signals_first)
{
	const __u32 both = IPCDEV_RING_SIGNAL | IPCDEV_NONBLOCK;
	int other = create_ring(self->dev, .size = 1), end;
	pid_t pid;

	end = take_end(other, RIGHT_WRITE, 0);
	ASSERT_LE(0, end);
	EXPECT_EQ(-EBADF, ring_wait(self->p.fd, .flags = both,
				    .signal_fd = -1));
	EXPECT_EQ(-EBADF, ring_wait(self->p.fd, .flags = both,
				    .signal_fd = 1000));
	EXPECT_EQ(-EINVAL, ring_wait(self->p.fd, .flags = both,
				     .signal_fd = self->dev));
	EXPECT_EQ(-EINVAL, ring_wait(self->p.fd, .flags = both,
				     .signal_fd = self->fd));
	EXPECT_EQ(0, ring_wait(self->p.fd, .flags = both, .signal_fd = end));

	pid = asleep_for(&self->c, RIGHT_READ, 8, 0, 0);
	store(self->p.mine, 8);
	EXPECT_EQ(-EAGAIN, ring_wait(end, .flags = both, .index = 8,
				     .signal_fd = self->p.fd));
	EXPECT_EQ(0, reap(pid));
	pid = asleep_for(&self->c, RIGHT_READ, 16, 0, 0);
	/* It is the other side of an end that is woken. */
	EXPECT_EQ(-EAGAIN, ring_wait(self->p.fd, .flags = both, .index = 8,
				     .signal_fd = self->c.fd));
	EXPECT_TRUE(asleep(self->c.self, pid));
	store(self->p.mine, 16);
	EXPECT_EQ(0, ring_wait(self->p.fd, .flags = IPCDEV_RING_SIGNAL,
			       .signal_fd = self->p.fd));
	EXPECT_EQ(0, reap(pid));
	close(end);
	close(other);
}

TEST_F(ring, sleeping_for_a_peer)
{
	int fd = create_ring(self->dev, .size = 1), c;
	pid_t pid;

	EXPECT_EQ(-EAGAIN, wait_peer(fd, IPCDEV_NONBLOCK, 0));
	pid = child();
	if (!pid)
		_exit(-wait_peer(fd, 0, 0));
	until(asleep_in(pid, SYS_ioctl));
	/* To become its peer takes an end. */
	close(dup_handle(fd, RIGHT_RW, 0));
	until(asleep_in(pid, SYS_ioctl));
	c = take_end(fd, RIGHT_READ, 0);
	EXPECT_EQ(0, reap(pid));
	/* An end's peer is the other one. */
	EXPECT_EQ(-EAGAIN, wait_peer(c, IPCDEV_NONBLOCK, 0));
	pid = child();
	if (!pid)
		_exit(-wait_peer(c, 0, 0));
	until(asleep_in(pid, SYS_ioctl));
	ASSERT_LE(0, take_end(fd, RIGHT_WRITE, 0));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, wait_peer(self->c.fd, 0, 0));
	EXPECT_EQ(0, wait_peer(self->p.fd, 0, 0));
}

/*
 * Watching.
 */

TEST_F(ring, poll_tells_what_there_is)
{
	__u32 room = HEAD + self->p.size / 2;

	EXPECT_EQ(0, events(self->c.fd));
	EXPECT_EQ(CAN_WRITE, events(self->p.fd));
	EXPECT_EQ(CAN_WRITE, events(self->fd));
	store(self->p.mine, 8);
	EXPECT_EQ(CAN_READ, events(self->c.fd));
	EXPECT_EQ(CAN_WRITE, events(self->p.fd));
	EXPECT_EQ(CAN_READ | CAN_WRITE, events(self->fd));
	/* As long as any record has room. */
	fill(&self->p, room);
	EXPECT_EQ(CAN_WRITE, events(self->p.fd));
	fill(&self->p, room - 8);
	EXPECT_EQ(0, events(self->p.fd));
	EXPECT_EQ(CAN_READ, events(self->fd));
	fill(&self->p, 0);
	EXPECT_EQ(0, events(self->p.fd));
	store(self->c.mine, self->p.size);
	EXPECT_EQ(0, events(self->c.fd));
	/* To ask is not to watch. */
	EXPECT_EQ(0, load(&self->c.self->state));
	EXPECT_EQ(0, load(&self->p.self->state));
}

static int epoll_for(int fd, __u32 what)
{
	struct epoll_event e = { .events = what };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) ? -errno : ep;
}

static int epoll_events(int ep)
{
	struct epoll_event e;

	return epoll_wait(ep, &e, 1, 0) == 1 ? e.events : 0;
}

TEST_F(ring, watched_while_anybody_watches)
{
	const struct ipcdev_ring_header *h = self->c.header;
	int ep = epoll_for(self->c.fd, EPOLLIN | EPOLLET);
	int e = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, ep);
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	EXPECT_EQ(0, load(&h->producer.state));
	EXPECT_EQ(0, epoll_events(ep));
	/* It will not ask again, however often it is told. */
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	close(ep);
	/* Nobody is told of this, so it stays until it matters. */
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, load(&h->consumer.state));

	EXPECT_EQ(0, attach(self->p.fd, e, IPCDEV_EVENT_WRITABLE, 0));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
	EXPECT_EQ(0, load(&h->consumer.state));
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, gained(e));
	EXPECT_EQ(0, detach(self->p.fd, e));
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_EQ(0, load(&h->producer.state));

	/* One shot, and it is over. */
	EXPECT_EQ(0, attach(self->c.fd, e, IPCDEV_EVENT_READABLE,
			    IPCDEV_ATTACH_ONESHOT));
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, gained(e));
	EXPECT_EQ(0, load(&h->consumer.state));

	/* A handle that may become either side watches both. */
	ep = epoll_for(self->fd, EPOLLIN | EPOLLOUT | EPOLLET);
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
	close(ep);
	close(e);
}

/* That the other side is watched, and for good, is nothing to this one. */
TEST_F(ring, each_side_has_its_watchers)
{
	const struct ipcdev_ring_header *h = self->c.header;
	int room = epoll_for(self->p.fd, EPOLLOUT | EPOLLET), any;
	int ep = epoll_for(self->c.fd, EPOLLIN | EPOLLET);

	ASSERT_LE(0, room);
	ASSERT_LE(0, ep);
	EXPECT_EQ(EPOLLOUT, epoll_events(room));
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
	close(ep);
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, load(&h->consumer.state));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
	/* To ask is not to watch. */
	EXPECT_EQ(0, events(self->c.fd));
	EXPECT_EQ(0, load(&h->consumer.state));
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
	EXPECT_EQ(EPOLLOUT, epoll_events(room));

	ep = epoll_for(self->c.fd, EPOLLIN | EPOLLET);
	close(room);
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_EQ(0, load(&h->producer.state));
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	/* A handle that may become either is told for both. */
	any = epoll_for(self->fd, EPOLLIN | EPOLLOUT | EPOLLET);
	EXPECT_EQ(EPOLLOUT, epoll_events(any));
	close(ep);
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	store(self->p.mine, 8);
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(EPOLLIN | EPOLLOUT, epoll_events(any));
	close(any);
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, load(&h->consumer.state));
	EXPECT_EQ(WATCHED, load(&h->producer.state));
}

TEST_F(ring, watched_and_asleep_are_two_things)
{
	int ep = epoll_for(self->c.fd, EPOLLIN | EPOLLET);
	pid_t pid = asleep_for(&self->c, RIGHT_READ, 8, 0, 0);

	EXPECT_EQ(WATCHED | SLEEPING, load(&self->c.self->state));
	store(self->p.mine, 8);
	EXPECT_EQ(1, ring_signal(self->p.fd));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(WATCHED, load(&self->c.self->state));
	EXPECT_EQ(EPOLLIN, epoll_events(ep));
	close(ep);
}

TEST_F(ring, poll_sleeps_until_it_is_so)
{
	struct pollfd p = { .fd = self->c.fd, .events = POLLIN };
	pid_t pid = child();

	if (!pid)
		_exit(poll(&p, 1, -1) == 1 && p.revents == POLLIN ? 0 : 1);
	until(asleep_in(pid, SYS_poll));
	EXPECT_EQ(WATCHED, load(&self->c.self->state));
	/* A signal is not yet a record. */
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(WATCHED, load(&self->c.self->state));
	store(self->p.mine, 8);
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, load(&self->c.self->state));
}

TEST_F(ring, edges)
{
	int c = epoll_for(self->c.fd, EPOLLIN | EPOLLET);
	int p = epoll_for(self->p.fd, EPOLLOUT | EPOLLET);

	EXPECT_EQ(0, epoll_events(c));
	EXPECT_EQ(EPOLLOUT, epoll_events(p));
	EXPECT_EQ(0, epoll_events(p));
	/* What is not told of is not seen, and a call for nothing neither. */
	store(self->p.mine, 8);
	EXPECT_EQ(0, epoll_events(c));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(EPOLLIN, epoll_events(c));
	EXPECT_EQ(0, epoll_events(c));
	store(self->c.mine, 8);
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_EQ(0, epoll_events(c));
	fill(&self->p, 0);
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_EQ(0, epoll_events(p));
	store(self->c.mine, *self->p.mine);
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_EQ(EPOLLOUT, epoll_events(p));
	close(c);
	close(p);
}

TEST_F(ring, hang_up_is_told)
{
	int ep = epoll_for(self->c.fd, EPOLLIN | EPOLLET);
	int e = eventfd(0, EFD_CLOEXEC), plain = eventfd(0, EFD_CLOEXEC);

	EXPECT_EQ(0, attach(self->c.fd, e, IPCDEV_EVENT_HANGUP, 0));
	EXPECT_EQ(0, attach(self->fd, plain, IPCDEV_EVENT_HANGUP, 0));
	EXPECT_EQ(0, epoll_events(ep));
	store(self->p.mine, 8);
	leave(&self->p);
	EXPECT_EQ(EPOLLIN | EPOLLHUP, epoll_events(ep));
	EXPECT_EQ(1, gained(e));
	EXPECT_EQ(1, gained(plain));
	close(ep);
	close(e);
	close(plain);
}

TEST_F(ring, hang_up_is_told_to_the_producer)
{
	int ep = epoll_for(self->p.fd, EPOLLOUT | EPOLLET);
	int e = eventfd(0, EFD_CLOEXEC);

	EXPECT_EQ(0, attach(self->p.fd, e, IPCDEV_EVENT_HANGUP, 0));
	EXPECT_EQ(EPOLLOUT, epoll_events(ep));
	fill(&self->p, 0);
	leave(&self->c);
	EXPECT_EQ(EPOLLERR, epoll_events(ep));
	EXPECT_EQ(1, gained(e));
	close(ep);
	close(e);
}

static int sigio_came;

static void on_sigio(int signal)
{
	__atomic_store_n(&sigio_came, 1, __ATOMIC_RELAXED);
}

/* It comes at the latest when the call that was its cause returns. */
static bool sigio(void)
{
	return __atomic_exchange_n(&sigio_came, 0, __ATOMIC_RELAXED);
}

TEST_F(ring, sigio_is_for_the_side_that_asked)
{
	const struct ipcdev_ring_header *h = self->c.header;

	signal(SIGIO, on_sigio);
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, O_ASYNC));
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	EXPECT_EQ(0, load(&h->producer.state));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_TRUE(sigio());
	EXPECT_EQ(WATCHED, load(&h->consumer.state));
	/* Only the producer is told of room, whoever may write to a page. */
	ASSERT_EQ(0, attach(self->p.fd, eventfd(0, EFD_CLOEXEC),
			    IPCDEV_EVENT_WRITABLE, 0));
	EXPECT_EQ(0, ring_signal(self->c.fd));
	EXPECT_FALSE(sigio());
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, 0));
	EXPECT_EQ(0, ring_signal(self->p.fd));
	EXPECT_FALSE(sigio());
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, O_ASYNC));
	leave(&self->p);
	EXPECT_TRUE(sigio());
	ASSERT_EQ(0, fcntl(self->c.fd, F_SETFL, 0));
}

/*
 * Travelling, and names.
 */

TEST_F(ring, travels_in_messages)
{
	int q = create_queue(self->dev, .depth = 4);
	__s32 fds[2] = { self->c.fd, self->fd }, got[2] = { -1, -1 };
	struct ipcdev_transfer t = {
		.msg = { .fds = PTR(got), .fd_count = 2 },
	};
	__u64 id = object(self->fd).id;
	struct side c;

	ASSERT_LE(0, q);
	ASSERT_EQ(0, send_msg(q, .msg.fds = PTR(fds), .msg.fd_count = 2));
	leave(&self->c);
	/* It is on its way, and so it has not left. */
	EXPECT_EQ(0, load(&self->p.other->state));
	EXPECT_EQ(-EBUSY, take_end(self->fd, RIGHT_READ, 0));
	ASSERT_EQ(0, recv_msg(q, &t));
	EXPECT_EQ(id, object(got[0]).id);
	EXPECT_EQ(id, object(got[1]).id);
	EXPECT_EQ(-EBUSY, take_end(got[1], RIGHT_READ, 0));
	ASSERT_TRUE(side_map(&c, got[0], RIGHT_READ));
	EXPECT_TRUE(try_push(&self->p, 0));
	EXPECT_EQ(1, try_pop(&c, 0));
	/* It is dropped on its way. */
	ASSERT_EQ(0, send_msg(q, .msg.fds = PTR(got), .msg.fd_count = 1));
	leave(&c);
	EXPECT_EQ(0, load(&self->p.other->state));
	close(q);
	EXPECT_EQ(GONE, load(&self->p.other->state));
	close(got[1]);
}

static int send_fd(int sock, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {
		.head = {
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)),
		},
	};
	struct iovec iov = { "x", 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) == 1 ? 0 : -errno;
}

static int recv_fd(int sock)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

TEST_F(ring, travels_over_sockets)
{
	int sock[2], fd;
	struct side c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	ASSERT_EQ(0, send_fd(sock[0], self->c.fd));
	leave(&self->c);
	EXPECT_EQ(0, load(&self->p.other->state));
	fd = recv_fd(sock[1]);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(side_map(&c, fd, RIGHT_READ));
	EXPECT_TRUE(try_push(&self->p, 0));
	EXPECT_EQ(1, try_pop(&c, 0));
	EXPECT_EQ(-EACCES, try_map(fd, self->page, PROT_WRITE, MAP_SHARED,
				   IPCDEV_RING_DATA_OFFSET));
	leave(&c);
	EXPECT_EQ(GONE, load(&self->p.other->state));
	close(sock[0]);
	close(sock[1]);
}

TEST_F(ring, name_gives_rights)
{
	int fd = create_ring(self->dev, .size = 1, .flags = variant->flags);
	int ro, wo, rw;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, publish_as(fd, FS "/ring", 0600, 0));
	ro = open(FS "/ring", O_RDONLY | O_CLOEXEC);
	wo = open(FS "/ring", O_WRONLY | O_CLOEXEC);
	rw = open(FS "/ring", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, ro);
	ASSERT_LE(0, wo);
	ASSERT_LE(0, rw);
	EXPECT_EQ(0, object(ro).readers);
	EXPECT_EQ(0, object(ro).writers);
	EXPECT_EQ(-EACCES, take_end(ro, RIGHT_WRITE, 0));
	EXPECT_EQ(-EACCES, take_end(wo, RIGHT_READ, 0));
	ro = take_end(ro, RIGHT_READ, 0);
	EXPECT_LE(0, ro);
	EXPECT_EQ(-EBUSY, take_end(rw, RIGHT_READ, 0));
	EXPECT_EQ(0, try_map(ro, 1, PROT_READ | PROT_WRITE, MAP_SHARED,
			     IPCDEV_RING_CONSUMER_OFFSET));
	wo = take_end(wo, RIGHT_WRITE, 0);
	EXPECT_LE(0, wo);
	EXPECT_EQ(1, object(fd).readers);
	EXPECT_EQ(1, object(fd).writers);
	EXPECT_STREQ("/ring", object(ro).name);
}

TEST_F(ring, persists_only_if_it_can_be_taken_over)
{
	int fd = create_ring(self->dev, .size = 1, .flags = variant->flags);
	struct side c, p;
	pid_t pid;
	__u64 id;

	ASSERT_LE(0, fd);
	id = object(fd).id;
	if (!variant->flags) {
		EXPECT_EQ(-EBUSY, publish_as(fd, FS "/ring", 0600,
					     IPCDEV_PUBLISH_PERSISTENT));
		EXPECT_EQ(0, object(fd).flags);
		return;
	}
	ASSERT_EQ(0, publish_as(fd, FS "/ring", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	c.fd = take_end(fd, RIGHT_READ, 0);
	p.fd = take_end(fd, RIGHT_WRITE, 0);
	ASSERT_TRUE(side_map(&c, c.fd, RIGHT_READ));
	ASSERT_TRUE(side_map(&p, p.fd, RIGHT_WRITE));
	EXPECT_TRUE(try_push(&p, 0));
	EXPECT_TRUE(try_push(&p, 1));
	EXPECT_EQ(1, try_pop(&c, 0));
	/* Nobody is missed. */
	leave(&c);
	EXPECT_EQ(0, load(&p.other->state));
	EXPECT_EQ(CAN_WRITE, events(p.fd));
	EXPECT_EQ(-EAGAIN, ring_wait(p.fd, .index = 0x1000,
				     .flags = IPCDEV_NONBLOCK));
	pid = asleep_for(&p, RIGHT_WRITE, *p.mine, 0, 0);
	/* Not even when the last of all goes. */
	leave(&p);
	close(fd);
	fd = open(FS "/ring", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(id, object(fd).id);
	EXPECT_EQ(-EBUSY, take_end(fd, RIGHT_WRITE, 0));
	c.fd = take_end(fd, RIGHT_READ, 0);
	ASSERT_TRUE(side_map(&c, c.fd, RIGHT_READ));
	EXPECT_TRUE(asleep(c.other, pid));
	EXPECT_EQ(1, try_pop(&c, 1));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, load(&c.other->state));
	/* Without the name it is a ring as any other. */
	pid = asleep_for(&c, RIGHT_READ, *c.mine + 8, 0, 0);
	EXPECT_EQ(0, unlink(FS "/ring"));
	EXPECT_EQ(EPIPE, reap(pid));
	EXPECT_EQ(GONE, load(&c.other->state));
	EXPECT_EQ(POLLHUP, events(c.fd));
	leave(&c);
	close(fd);
	EXPECT_FALSE(listed(self->dev, id));
}

/* What was missed before is missed no more. */
TEST_F(ring, comes_to_persist)
{
	int fd;

	leave(&self->p);
	EXPECT_EQ(GONE, load(&self->c.other->state));
	EXPECT_EQ(POLLHUP, events(self->c.fd));
	if (!variant->flags) {
		EXPECT_EQ(-EBUSY, publish_as(self->fd, FS "/ring", 0600,
					     IPCDEV_PUBLISH_PERSISTENT));
		EXPECT_EQ(GONE, load(&self->c.other->state));
		EXPECT_EQ(POLLHUP, events(self->c.fd));
		return;
	}
	ASSERT_EQ(0, publish_as(self->fd, FS "/ring", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	EXPECT_EQ(0, events(self->c.fd));
	EXPECT_EQ(0, load(&self->c.other->state));
	EXPECT_EQ(-EAGAIN, ring_wait(self->c.fd, .index = 8,
				     .flags = IPCDEV_NONBLOCK));
	fd = take_end(self->fd, RIGHT_WRITE, 0);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(0, load(&self->c.other->state));
	EXPECT_EQ(0, unlink(FS "/ring"));
	EXPECT_EQ(GONE, load(&self->c.other->state));
}

/*
 * Hostile peers.
 */

TEST_F(ring, nonsense_is_compared_and_nothing_else)
{
	const __u32 words[] = {
		0, 1, 7, 0x1000, 0x7fffffff, 0x80000000, 0x80000001,
		UINT32_MAX - 6, UINT32_MAX,
	};
	int c = epoll_for(self->c.fd, EPOLLIN | EPOLLET);
	int p = epoll_for(self->p.fd, EPOLLOUT | EPOLLET);
	unsigned int i, j;
	char text[64];

	memset(self->p.data, 0xff, self->p.size);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		for (j = 0; j < ARRAY_SIZE(words); j++) {
			__u32 used = words[i] - words[j];

			store(self->p.mine, words[i]);
			store(self->c.mine, words[j]);
			EXPECT_EQ(used ? CAN_READ : 0, events(self->c.fd));
			/* More than there is may have been seen at two moments. */
			EXPECT_EQ(used <= threshold(&self->p) ||
				  used > self->p.size ? CAN_WRITE : 0,
				  events(self->p.fd));
			EXPECT_EQ(used < self->page ? used : self->page,
				  object(self->fd).queued_bytes);
			EXPECT_TRUE(handle_info(self->fd, "ipcdev-produced",
						text, sizeof(text)));
			EXPECT_EQ(words[i], strtoul(text, NULL, 10));
			EXPECT_EQ(reached(words[i], 42) ? 0 : -EAGAIN,
				  ring_wait(self->c.fd, .index = 42,
					    .flags = IPCDEV_NONBLOCK));
			EXPECT_EQ(reached(words[j], 42) ? 0 : -EAGAIN,
				  ring_wait(self->p.fd, .index = 42,
					    .flags = IPCDEV_NONBLOCK));
			EXPECT_EQ(0, ring_signal(self->c.fd));
			EXPECT_EQ(0, ring_signal(self->p.fd));
		}
	}
	EXPECT_EQ(self->page, self->c.header->size);
	close(c);
	close(p);
}

/*
 * Creation.
 */

TEST(ring_create)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const struct {
		__u64 size;
		__u64 got;
	} sizes[] = {
		{ 1, page }, { page, page }, { page + 1, 2 * page },
		{ 2 * page, 2 * page }, { 3 * page, 4 * page },
		{ 1 << 20, 1 << 20 }, { (1 << 20) + 1, 2 << 20 },
	};
	const __u32 rights[] = {
		RIGHT_READ, RIGHT_WRITE, RIGHT_RW, RIGHT_ALL,
		RIGHT_READ | RIGHT_PUBLISH,
	};
	int dev, fd, fds;
	unsigned int i;

	ASSERT_EQ(0, become(ALICE));
	dev = device();
	ASSERT_LE(0, dev);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fd = create_ring(dev, .size = sizes[i].size);
		ASSERT_LE(0, fd);
		EXPECT_EQ(sizes[i].got, object(fd).size);
		EXPECT_EQ(sizes[i].got + 3 * page, info(dev).bytes);
		EXPECT_EQ(1, info(dev).objects);
		EXPECT_EQ(0, object(fd).readers + object(fd).writers);
		close(fd);
		EXPECT_EQ(0, info(dev).bytes);
		EXPECT_EQ(0, info(dev).objects);
	}
	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		fd = create_ring(dev, .size = 1, .rights = rights[i]);
		ASSERT_LE(0, fd);
		EXPECT_EQ(rights[i], object(fd).rights);
		close(fd);
	}
	fds = open_fds();
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = 0));
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = IPCDEV_RING_SIZE_MAX + 1));
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = 1ULL << 32));
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = UINT64_MAX));
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = info(dev).max_bytes + 1));
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = 1, .flags = 2));
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = 1, .rights = 8));
	EXPECT_EQ(-EINVAL, create_ring(dev, .size = 1,
				       .rights = RIGHT_PUBLISH));
	EXPECT_EQ(fds, open_fds());
	EXPECT_EQ(0, info(dev).bytes);
	EXPECT_EQ(0, info(dev).objects);
	close(dev);
}

/*
 * Two processes.
 */

FIXTURE(play)
{
	int dev;
	int fd;
	__u64 id;
	__u32 *report;		/* shared with the children */
};

FIXTURE_VARIANT(play)
{
	enum how way;
};

FIXTURE_VARIANT_ADD(play, wait)
{
	.way = WAIT,
};

FIXTURE_VARIANT_ADD(play, poll)
{
	.way = POLL,
};

FIXTURE_VARIANT_ADD(play, edge)
{
	.way = EDGE,
};

FIXTURE_VARIANT_ADD(play, eventfd)
{
	.way = EVENTFD,
};

FIXTURE_SETUP(play)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->fd = create_ring(self->dev, .size = 1);
	ASSERT_LE(0, self->fd);
	self->id = object(self->fd).id;
	self->report = shared_memory(sysconf(_SC_PAGESIZE));
	ASSERT_NE(NULL, self->report);
}

FIXTURE_TEARDOWN(play)
{
	close(self->fd);
	EXPECT_FALSE(listed(self->dev, self->id));
	close(self->dev);
}

/* One side in a process of its own, which has nothing else of the ring. */
static pid_t player(int fd, __u32 role, enum how way, __u32 count, __u32 seed)
{
	pid_t pid = child();
	struct side s;

	if (pid)
		return pid;
	s.fd = take_end(fd, role, 0);
	if (s.fd < 0 || !side_map(&s, s.fd, role))
		_exit(204);
	_exit(-(role == RIGHT_READ ? consume(&s, way, count, seed) :
		produce(&s, way, count, seed)));
}

TEST_F(play, nothing_is_lost)
{
	__u32 count = slow() ? 2000 : 20000;
	pid_t c, p;

	p = player(self->fd, RIGHT_WRITE, variant->way, count, 1);
	c = player(self->fd, RIGHT_READ, variant->way, count, 2);
	EXPECT_EQ(0, reap(c));
	EXPECT_EQ(0, reap(p));
	EXPECT_EQ(0, object(self->fd).queued_bytes);
}

/* The other sleeps in another way. */
TEST_F(play, nothing_is_lost_between_different_sleepers)
{
	__u32 count = slow() ? 1000 : 5000;
	enum how way;
	pid_t c, p;
	int fd;

	for (way = 0; way < WAYS; way++) {
		if (way == variant->way)
			continue;
		fd = create_ring(self->dev, .size = 1);
		ASSERT_LE(0, fd);
		p = player(fd, RIGHT_WRITE, variant->way, count, 3);
		c = player(fd, RIGHT_READ, way, count, 4);
		EXPECT_EQ(0, reap(c));
		EXPECT_EQ(0, reap(p));
		close(fd);
	}
}

/* At any instruction: the other drains what is there, and then learns of it. */
TEST_F(play, death_is_learned_of)
{
	int rounds = slow() ? 10 : 60, i, fd;
	__u32 seed = 5 + variant->way;
	pid_t victim, other;

	for (i = 0; i < rounds; i++) {
		__u32 role = i % 2 ? RIGHT_READ : RIGHT_WRITE;

		fd = create_ring(self->dev, .size = 1);
		ASSERT_LE(0, fd);
		victim = player(fd, role, variant->way, UINT32_MAX, i);
		other = player(fd, role ^ RIGHT_RW, variant->way, UINT32_MAX,
			       ~i);
		until(object(fd).readers && object(fd).writers);
		usleep(dice(&seed) % 3000);
		ASSERT_EQ(0, kill(victim, SIGKILL));
		EXPECT_EQ(EPIPE, reap(other));
		EXPECT_EQ(-SIGKILL, reap(victim));
		EXPECT_EQ(0, object(fd).readers + object(fd).writers);
		EXPECT_EQ(0, object(fd).receivers + object(fd).senders);
		if (role == RIGHT_WRITE)
			EXPECT_EQ(0, object(fd).queued_bytes);
		close(fd);
	}
}

/* One after the other dies, and what they do not finish the next one does. */
TEST_F(play, roles_are_taken_over)
{
	int rounds = slow() ? 10 : 40, i, fd;
	__u32 seed = 9 + variant->way, next = 0;
	struct side c;
	pid_t pid;

	fd = create_ring(self->dev, .size = 1, .flags = TAKEOVER);
	c.fd = take_end(fd, RIGHT_READ, 0);
	ASSERT_TRUE(side_map(&c, c.fd, RIGHT_READ));
	for (i = 0; i < rounds; i++) {
		int ret;

		pid = child();
		if (!pid) {
			struct side p = { .fd = take_end(fd, RIGHT_WRITE, 0) };
			struct sleeper sl;

			close(c.fd);
			if (p.fd < 0)
				_exit(1);
			side_map_again(&p, RIGHT_WRITE);
			sleeper_init(&sl, variant->way, &p, RIGHT_WRITE);
			while (true) {
				push(&p, &sl, *self->report);
				store(self->report, *self->report + 1);
			}
		}
		until(object(fd).writers);
		if (i % 2)
			usleep(dice(&seed) % 2000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(-SIGKILL, reap(pid));
		while ((ret = try_pop(&c, next)) == 1)
			next++;
		ASSERT_EQ(0, ret);
		/* It may have died between the two. */
		ASSERT_LE(load(self->report), next);
		ASSERT_GE(load(self->report) + 1, next);
		store(self->report, next);
	}
	leave(&c);
	close(fd);
}

/*
 * A 32-bit program and a 64-bit one.
 */
TEST(ring_of_two_word_sizes)
{
	__u32 count = slow() ? 1000 : 5000;
	char path[PATH_MAX], args[64];
	int dev = device(), fd, end;
	struct side c;
	pid_t pid;

	if (!twin_path(path, sizeof(path)))
		SKIP(return, "the program of the other word size is missing");
	fd = create_ring(dev, .size = 1);
	ASSERT_LE(0, fd);
	end = take_end(fd, RIGHT_WRITE, 0);
	ASSERT_LE(0, end);
	pid = child();
	if (!pid) {
		fcntl(end, F_SETFD, 0);
		snprintf(args, sizeof(args), "%d %u", end, count);
		setenv(PEER_ENV, args, 1);
		execl(path, path, NULL);
		_exit(206);
	}
	close(end);
	c.fd = take_end(fd, RIGHT_READ, 0);
	ASSERT_TRUE(side_map(&c, c.fd, RIGHT_READ));
	EXPECT_EQ(0, consume(&c, WAIT, count, 7));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(-EPIPE, ring_wait(c.fd, .index = *c.mine + 8));
	leave(&c);
	close(fd);
	close(dev);
}

TEST_HARNESS_MAIN
