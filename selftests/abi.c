// SPDX-License-Identifier: GPL-2.0
/*
 * The interface as such: that its structures lie the same for 32-bit and
 * 64-bit programs, and may be shorter or longer than the module's; that what
 * is unknown is refused; and that a call which fails has done nothing else.
 */
#include "ipcdev_test.h"

#include <stddef.h>

/* The largest structure that the number of an ioctl can tell. */
#define LARGEST		((1 << _IOC_SIZEBITS) - 1)

#define WAIT_FLAGS	(IPCDEV_NONBLOCK | IPCDEV_DEADLINE_MONOTONIC | \
			 IPCDEV_DEADLINE_REALTIME)

/* An ioctl as a program knows it whose structure has this size. */
static unsigned long sized(unsigned long cmd, size_t size)
{
	return _IOC(_IOC_READ | _IOC_WRITE, IPCDEV_IOC_MAGIC, _IOC_NR(cmd),
		    size);
}

/* All that a call could change. */
struct world {
	struct ipcdev_info info;
	struct ipcdev_stat queue;
	struct ipcdev_stat buffer;
	int fds;
};

/* 32 bits of a structure, and which of them mean something. */
struct field {
	size_t at;
	__u32 known;
};

/*
 * Each ioctl, with a structure that makes it succeed.
 */
FIXTURE(ioctl)
{
	int dev;
	int queue;
	int buffer;
	int eventfd;
	int on;			/* the one that the ioctl is for */
	int others[2];		/* those that do not know it */
	struct ipcdev_stat stat;
	struct ipcdev_msg msg;
	struct ipcdev_backend_info backend;
	struct ipcdev_engine_request request;
	union {
		char bytes[LARGEST + 1];
		struct ipcdev_list list;
		struct ipcdev_create_buffer create_buffer;
		struct ipcdev_dup dup;
		struct ipcdev_publish publish;
		struct ipcdev_attach attach;
		struct ipcdev_detach detach;
		struct ipcdev_transfer transfer;
		struct ipcdev_batch batch;
		struct ipcdev_create_ring create_ring;
		struct ipcdev_ring_take ring_take;
		struct ipcdev_engines engines;
		struct ipcdev_submit submit;
	} arg;
};

FIXTURE_VARIANT(ioctl)
{
	unsigned long cmd;
	size_t least;		/* what the caller must know of the structure */
	bool any_object;
	bool results;		/* writes to the structure */
	bool only_results;	/* and does not read it */
	long ret;		/* at least, if it succeeds */
	struct field fields[16];
};

#define FIELD(type, member, known) \
	{ offsetof(struct ipcdev_##type, member), known }
#define HIGH_FIELD(type, member) \
	{ offsetof(struct ipcdev_##type, member) + 4, 0 }

FIXTURE_VARIANT_ADD(ioctl, info)
{
	.cmd = IPCDEV_IOC_INFO,
	.least = 4,
	.results = true,
	.only_results = true,
};

FIXTURE_VARIANT_ADD(ioctl, list)
{
	.cmd = IPCDEV_IOC_LIST,
	.least = 24,
	.ret = 1,
};

FIXTURE_VARIANT_ADD(ioctl, create_buffer)
{
	.cmd = IPCDEV_IOC_CREATE_BUFFER,
	.least = 8,
	.ret = 1,
	.fields = {
		FIELD(create_buffer, flags, 0),
		FIELD(create_buffer, rights, RIGHT_ALL),
	},
};

FIXTURE_VARIANT_ADD(ioctl, create_queue)
{
	.cmd = IPCDEV_IOC_CREATE_QUEUE,
	.least = 4,
	.ret = 1,
	.fields = {
		FIELD(create_queue, flags, 63),
		FIELD(create_queue, rights, RIGHT_ALL),
		FIELD(create_queue, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, stat)
{
	.cmd = IPCDEV_IOC_STAT,
	.least = 8,
	.any_object = true,
	.results = true,
	.only_results = true,
};

FIXTURE_VARIANT_ADD(ioctl, dup)
{
	.cmd = IPCDEV_IOC_DUP,
	.least = 4,
	.any_object = true,
	.ret = 1,
	.fields = {
		FIELD(dup, rights, RIGHT_ALL),
		FIELD(dup, flags, IPCDEV_NONBLOCK),
	},
};

FIXTURE_VARIANT_ADD(ioctl, publish)
{
	.cmd = IPCDEV_IOC_PUBLISH,
	.least = 4,
	.any_object = true,
	.fields = {
		FIELD(publish, flags, IPCDEV_PUBLISH_PERSISTENT),
	},
};

FIXTURE_VARIANT_ADD(ioctl, attach)
{
	.cmd = IPCDEV_IOC_ATTACH,
	.least = 8,
	.any_object = true,
	.fields = {
		FIELD(attach, events, 7),
		FIELD(attach, flags, IPCDEV_ATTACH_ONESHOT),
		FIELD(attach, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, detach)
{
	.cmd = IPCDEV_IOC_DETACH,
	.least = 4,
	.any_object = true,
	.fields = {
		FIELD(detach, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, wait_peer)
{
	.cmd = IPCDEV_IOC_WAIT_PEER,
	.least = 4,
	.any_object = true,
	.fields = {
		FIELD(wait, flags, WAIT_FLAGS),
		FIELD(wait, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, seal)
{
	.cmd = IPCDEV_IOC_SEAL,
	.least = 4,
	.fields = {
		FIELD(seal, flags, 0),
		FIELD(seal, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, send)
{
	.cmd = IPCDEV_IOC_SEND,
	.least = 40,
	.fields = {
		FIELD(transfer, flags, WAIT_FLAGS),
		FIELD(transfer, position, 0),
		FIELD(transfer, deadline_ns, 0),
		HIGH_FIELD(transfer, deadline_ns),
		FIELD(transfer, msg.flags, 0),
		FIELD(transfer, msg.time_ns, 0),
		HIGH_FIELD(transfer, msg.time_ns),
		FIELD(transfer, msg.pid, 0),
		FIELD(transfer, msg.uid, 0),
		FIELD(transfer, msg.gid, 0),
		FIELD(transfer, msg.lost, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, recv)
{
	.cmd = IPCDEV_IOC_RECV,
	.least = IPCDEV_TRANSFER_SIZE_VER0,
	.results = true,
	.fields = {
		FIELD(transfer, flags, WAIT_FLAGS | IPCDEV_PEEK),
		FIELD(transfer, position, 0),
		FIELD(transfer, deadline_ns, 0),
		HIGH_FIELD(transfer, deadline_ns),
		/* What was told of the last message is no mistake. */
		FIELD(transfer, msg.flags, IPCDEV_MSG_DROP_FDS |
		      IPCDEV_MSG_SLICE_IDS | IPCDEV_MSG_CREDS |
		      IPCDEV_MSG_TIME | IPCDEV_MSG_CALL),
	},
};

FIXTURE_VARIANT_ADD(ioctl, send_batch)
{
	.cmd = IPCDEV_IOC_SEND_BATCH,
	.least = 28,
	.ret = 1,
	.fields = {
		FIELD(batch, flags, WAIT_FLAGS),
		FIELD(batch, deadline_ns, 0),
		HIGH_FIELD(batch, deadline_ns),
		FIELD(batch, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, recv_batch)
{
	.cmd = IPCDEV_IOC_RECV_BATCH,
	.least = 28,
	.ret = 1,
	.fields = {
		FIELD(batch, flags, WAIT_FLAGS),
		FIELD(batch, deadline_ns, 0),
		HIGH_FIELD(batch, deadline_ns),
		FIELD(batch, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, subscribe)
{
	.cmd = IPCDEV_IOC_SUBSCRIBE,
	.least = 4,
	.fields = {
		FIELD(subscribe, flags, IPCDEV_SUBSCRIBE_OFF),
		FIELD(subscribe, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, create_ring)
{
	.cmd = IPCDEV_IOC_CREATE_RING,
	.least = 8,
	.ret = 1,
	.fields = {
		FIELD(create_ring, flags, IPCDEV_RING_TAKEOVER),
		FIELD(create_ring, rights, RIGHT_ALL),
	},
};

FIXTURE_VARIANT_ADD(ioctl, ring_take)
{
	.cmd = IPCDEV_IOC_RING_TAKE,
	.least = 4,
	.ret = 1,
	.fields = {
		FIELD(ring_take, role, RIGHT_READ),
		FIELD(ring_take, flags, IPCDEV_NONBLOCK),
	},
};

FIXTURE_VARIANT_ADD(ioctl, ring_wait)
{
	.cmd = IPCDEV_IOC_RING_WAIT,
	.least = 8,
	.fields = {
		FIELD(ring_wait, flags, WAIT_FLAGS | IPCDEV_RING_SIGNAL),
		FIELD(ring_wait, deadline_ns, 0),
		HIGH_FIELD(ring_wait, deadline_ns),
		FIELD(ring_wait, signal_fd, 0),
		FIELD(ring_wait, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, ring_signal)
{
	.cmd = IPCDEV_IOC_RING_SIGNAL,
	.least = 4,
	.fields = {
		FIELD(ring_signal, flags, 0),
		FIELD(ring_signal, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, create_engine)
{
	.cmd = IPCDEV_IOC_CREATE_ENGINE,
	.least = 4,
	.ret = 1,
	.fields = {
		FIELD(create_engine, flags, IPCDEV_RING_TAKEOVER),
		FIELD(create_engine, rights, RIGHT_ALL),
		FIELD(create_engine, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, engines)
{
	.cmd = IPCDEV_IOC_ENGINES,
	.least = 20,
	.ret = 1,
	.fields = {
		FIELD(engines, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, submit)
{
	.cmd = IPCDEV_IOC_SUBMIT,
	.least = 28,
	.ret = 1,
	.fields = {
		FIELD(submit, flags, WAIT_FLAGS),
		FIELD(submit, deadline_ns, 0),
		HIGH_FIELD(submit, deadline_ns),
		FIELD(submit, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, cancel)
{
	.cmd = IPCDEV_IOC_CANCEL,
	.least = 4,
	.ret = 1,
	.fields = {
		FIELD(cancel, flags, IPCDEV_CANCEL_ALL | IPCDEV_CANCEL_ANY),
		FIELD(cancel, reserved, 0),
	},
};

FIXTURE_VARIANT_ADD(ioctl, drain)
{
	.cmd = IPCDEV_IOC_DRAIN,
	.least = 4,
	.fields = {
		FIELD(wait, flags, WAIT_FLAGS),
		FIELD(wait, reserved, 0),
		FIELD(wait, deadline_ns, 0),
		HIGH_FIELD(wait, deadline_ns),
	},
};

FIXTURE_VARIANT_ADD(ioctl, engine_stat)
{
	.cmd = IPCDEV_IOC_ENGINE_STAT,
	.least = 4,
	.results = true,
	.only_results = true,
};

static int engine_with_timers(int dev, unsigned int count)
{
	struct ipcdev_create_engine create = { .depth = 64 };
	struct ipcdev_engine_request timer = {
		.op = IPCDEV_OP_TIMER, .value = FOREVER,
	};
	struct ipcdev_submit submit = {
		.count = 1, .requests = PTR(&timer), .request_size = sizeof(timer),
	};
	int fd = call(dev, IPCDEV_IOC_CREATE_ENGINE, &create);

	while (count--) {
		if (call(fd, IPCDEV_IOC_SUBMIT, &submit) != 1)
			return -1;
	}
	return fd;
}

FIXTURE_SETUP(ioctl)
{
	ASSERT_EQ(0, private_fs());
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->queue = create_queue(self->dev, .depth = 8);
	ASSERT_LE(0, self->queue);
	self->buffer = create_buffer(self->dev, .size = 1);
	ASSERT_LE(0, self->buffer);
	self->eventfd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->eventfd);
	/* Somebody to wait for, and something to receive. */
	ASSERT_LE(0, dup_handle(self->queue, RIGHT_RW, 0));
	ASSERT_EQ(0, send_msg(self->queue, .msg.tag = 7));

	self->on = self->queue;
	self->others[0] = self->dev;
	self->others[1] = self->buffer;
	switch (variant->cmd) {
	case IPCDEV_IOC_LIST:
		self->arg.list.stats = PTR(&self->stat);
		self->arg.list.count = 1;
		self->arg.list.stat_size = sizeof(self->stat);
		break;
	case IPCDEV_IOC_CREATE_BUFFER:
		self->arg.create_buffer.size = 1;
		break;
	case IPCDEV_IOC_CREATE_RING:
		self->arg.create_ring.size = 1;
		break;
	case IPCDEV_IOC_RING_TAKE:
		self->arg.ring_take.role = RIGHT_READ;
		break;
	case IPCDEV_IOC_ENGINES:
		self->arg.engines.count = 1;
		self->arg.engines.infos = PTR(&self->backend);
		self->arg.engines.info_size = sizeof(self->backend);
		break;
	case IPCDEV_IOC_SUBMIT:
		self->request.op = IPCDEV_OP_NOP;
		self->arg.submit.count = 1;
		self->arg.submit.requests = PTR(&self->request);
		self->arg.submit.request_size = sizeof(self->request);
		break;
	case IPCDEV_IOC_DUP:
		self->arg.dup.rights = RIGHT_READ;
		break;
	case IPCDEV_IOC_PUBLISH:
		ASSERT_EQ(0, mknod(FS "/name", S_IFREG | 0600, 0));
		self->arg.publish.name_fd = open(FS "/name", O_PATH);
		break;
	case IPCDEV_IOC_ATTACH:
		self->arg.attach.eventfd = self->eventfd;
		self->arg.attach.events = IPCDEV_EVENT_HANGUP;
		break;
	case IPCDEV_IOC_DETACH:
		self->arg.detach.eventfd = self->eventfd;
		ASSERT_EQ(0, attach(self->queue, self->eventfd,
				    IPCDEV_EVENT_HANGUP, 0));
		break;
	case IPCDEV_IOC_SEND_BATCH:
	case IPCDEV_IOC_RECV_BATCH:
		self->arg.batch.count = 1;
		self->arg.batch.msgs = PTR(&self->msg);
		self->arg.batch.msg_size = sizeof(self->msg);
		break;
	}
	switch (_IOC_NR(variant->cmd) >> 4) {
	case 1:
		self->on = self->dev;
		self->others[0] = self->queue;
		break;
	case 3:
		self->on = self->buffer;
		self->others[1] = self->queue;
		break;
	case 5:
		self->on = create_ring(self->dev, .size = 1);
		ASSERT_LE(0, self->on);
		if (variant->cmd == IPCDEV_IOC_RING_TAKE)
			break;
		/* The handle is one that does not know what an end does. */
		self->others[0] = self->on;
		self->on = take_end(self->on, RIGHT_READ, 0);
		ASSERT_LE(0, self->on);
		break;
	case 6:
		self->on = engine_with_timers(self->dev,
					      variant->cmd == IPCDEV_IOC_CANCEL ? 32 : 0);
		ASSERT_LE(0, self->on);
		break;
	}
	if (variant->cmd == IPCDEV_IOC_SUBSCRIBE) {
		self->on = create_queue(self->dev,
					.flags = IPCDEV_QUEUE_BROADCAST);
		ASSERT_LE(0, self->on);
	}
}

FIXTURE_TEARDOWN(ioctl)
{
	close(self->eventfd);
	close(self->buffer);
	close(self->queue);
	close(self->dev);
}

static struct world world(int dev, int queue, int buffer)
{
	struct world w;

	memset(&w, 0, sizeof(w));
	w.info = info(dev);
	w.queue = object(queue);
	w.buffer = object(buffer);
	w.fds = open_fds();
	return w;
}

#define WORLD()	world(self->dev, self->queue, self->buffer)

#define EXPECT_SAME(before)						\
	do {								\
		struct world after = WORLD();				\
									\
		EXPECT_EQ(0, memcmp(&after, &(before), sizeof(after)));	\
	} while (0)

#define SIZE	_IOC_SIZE(variant->cmd)

TEST_F(ioctl, succeeds)
{
	EXPECT_LE(variant->ret, call(self->on, variant->cmd, &self->arg));
}

/* What a shorter structure does not say is zero, and nothing else is told. */
TEST_F(ioctl, structure_may_be_shorter)
{
	char after[64];

	memset(self->arg.bytes + variant->least, 0xa5, sizeof(after));
	memset(after, 0xa5, sizeof(after));
	EXPECT_LE(variant->ret, call(self->on,
				     sized(variant->cmd, variant->least),
				     &self->arg));
	EXPECT_EQ(0, memcmp(self->arg.bytes + variant->least, after,
			    sizeof(after)));
}

TEST_F(ioctl, structure_may_be_longer)
{
	EXPECT_LE(variant->ret, call(self->on, sized(variant->cmd, SIZE + 64),
				     &self->arg));
}

TEST_F(ioctl, structure_may_be_a_page_long)
{
	EXPECT_LE(variant->ret, call(self->on, sized(variant->cmd, 4096),
				     &self->arg));
}

TEST_F(ioctl, structure_is_no_longer_than_a_page)
{
	struct world before = WORLD();
	size_t page = sysconf(_SC_PAGESIZE);

	if (page < LARGEST)
		EXPECT_EQ(-E2BIG, call(self->on,
				       sized(variant->cmd, page + 1),
				       &self->arg));
	if (page < LARGEST)
		EXPECT_EQ(-E2BIG, call(self->on,
				       sized(variant->cmd, LARGEST),
				       &self->arg));
	EXPECT_SAME(before);
}

/* Whatever it is that the caller asks for, it does not get it. */
TEST_F(ioctl, unknown_part_must_be_zero)
{
	struct world before = WORLD();
	size_t i;

	if (variant->only_results) {
		self->arg.bytes[SIZE] = 1;
		self->arg.bytes[SIZE + 63] = 1;
		EXPECT_EQ(0, call(self->on, sized(variant->cmd, SIZE + 64),
				  &self->arg));
		for (i = 0; i < 64; i++)
			EXPECT_EQ(0, self->arg.bytes[SIZE + i]);
		EXPECT_SAME(before);
		return;
	}
	for (i = 0; i < 64; i += 21) {
		self->arg.bytes[SIZE + i] = 1;
		EXPECT_EQ(-E2BIG, call(self->on,
				       sized(variant->cmd, SIZE + 64),
				       &self->arg));
		EXPECT_EQ(-E2BIG, call(self->on,
				       sized(variant->cmd, SIZE + i + 1),
				       &self->arg));
		self->arg.bytes[SIZE + i] = 0;
	}
	EXPECT_SAME(before);
}

TEST_F(ioctl, no_structure_at_all)
{
	struct world before = WORLD();

	EXPECT_EQ(-EINVAL, call(self->on, sized(variant->cmd, 0), &self->arg));
	EXPECT_EQ(-EINVAL, call(self->on, _IO(IPCDEV_IOC_MAGIC,
					      _IOC_NR(variant->cmd)), NULL));
	EXPECT_SAME(before);
}

TEST_F(ioctl, bad_address)
{
	struct world before = WORLD();
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p + page, page, PROT_NONE));
	EXPECT_EQ(-EFAULT, call(self->on, variant->cmd, NULL));
	EXPECT_EQ(-EFAULT, call(self->on, variant->cmd, p + page));
	EXPECT_EQ(-EFAULT, call(self->on, variant->cmd, (void *)-8L));
	/* All but its last byte. */
	memcpy(p + page - SIZE + 1, &self->arg, SIZE - 1);
	EXPECT_EQ(-EFAULT, call(self->on, variant->cmd, p + page - SIZE + 1));
	EXPECT_SAME(before);
}

TEST_F(ioctl, address_that_cannot_be_written)
{
	struct world before = WORLD();
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	memcpy(p, &self->arg, SIZE);
	ASSERT_EQ(0, mprotect(p, page, PROT_READ));
	if (!variant->results) {
		/* What is only read may lie where it can only be read. */
		EXPECT_LE(variant->ret, call(self->on, variant->cmd, p));
		return;
	}
	EXPECT_EQ(-EFAULT, call(self->on, variant->cmd, p));
	/* But for having tried. */
	before.queue.returned = object(self->queue).returned;
	EXPECT_SAME(before);
}

TEST_F(ioctl, is_not_for_other_objects)
{
	struct world before;

	if (variant->any_object)
		self->others[1] = self->dev;
	before = WORLD();
	EXPECT_EQ(-ENOTTY, call(self->others[0], variant->cmd, &self->arg));
	EXPECT_EQ(-ENOTTY, call(self->others[1], variant->cmd, &self->arg));
	EXPECT_EQ(-ENOTTY, call(self->eventfd, variant->cmd, &self->arg));
	EXPECT_SAME(before);
}

TEST_F(ioctl, unknown_flags_and_reserved_fields)
{
	struct world before = WORLD();
	const struct field *f;
	int bit;

	for (f = variant->fields; f->at || f->known || f[1].at; f++) {
		__u32 *p = (__u32 *)(self->arg.bytes + f->at), old = *p;

		for (bit = 0; bit < 32; bit++) {
			if (f->known & (1U << bit))
				continue;
			*p = old | 1U << bit;
			EXPECT_EQ(-EINVAL, call(self->on, variant->cmd,
						&self->arg))
				TH_LOG("bit %d at %zu", bit, f->at);
		}
		*p = old;
	}
	EXPECT_SAME(before);
}

/*
 * The rest.
 */
FIXTURE(abi)
{
	int dev;
	int queue;
	int buffer;
};

FIXTURE_SETUP(abi)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->queue = create_queue(self->dev, .depth = 8,
				   .flags = IPCDEV_QUEUE_NONBLOCK);
	ASSERT_LE(0, self->queue);
	self->buffer = create_buffer(self->dev, .size = 1);
	ASSERT_LE(0, self->buffer);
}

FIXTURE_TEARDOWN(abi)
{
	close(self->buffer);
	close(self->queue);
	close(self->dev);
}

#define LAYOUT(type, member, offset) \
	EXPECT_EQ(offset, offsetof(struct ipcdev_##type, member))
#define LENGTH(type, size) \
	EXPECT_EQ(size, sizeof(struct ipcdev_##type))

/* Whoever changes one of these breaks programs. */
TEST_F(abi, layout)
{
	LAYOUT(info, max_bytes, 24);
	LAYOUT(info, objects, 32);
	LAYOUT(info, inflight, 56);
	LAYOUT(info, max_names, 72);
	LENGTH(info, 80);
	LAYOUT(create_buffer, flags, 8);
	LAYOUT(create_buffer, rights, 12);
	LENGTH(create_buffer, 16);
	LAYOUT(create_queue, rights, 4);
	LAYOUT(create_queue, depth, 8);
	LAYOUT(create_queue, msg_max, 12);
	LAYOUT(create_queue, bytes_max, 16);
	LAYOUT(create_queue, history, 24);
	LAYOUT(create_queue, reserved, 28);
	LENGTH(create_queue, 32);
	LAYOUT(stat, type, 8);
	LAYOUT(stat, rights, 24);
	LAYOUT(stat, watches, 36);
	LAYOUT(stat, size, 48);
	LAYOUT(stat, queued, 56);
	LAYOUT(stat, queued_bytes, 72);
	LAYOUT(stat, sent, 88);
	LAYOUT(stat, wakeups, 152);
	LAYOUT(stat, history, 160);
	LAYOUT(stat, unread, 164);
	LAYOUT(stat, name, 168);
	LENGTH(stat, 424);
	LAYOUT(list, stats, 8);
	LAYOUT(list, count, 16);
	LAYOUT(list, stat_size, 20);
	LENGTH(list, 24);
	LAYOUT(dup, flags, 4);
	LENGTH(dup, 8);
	LAYOUT(publish, flags, 4);
	LENGTH(publish, 8);
	LAYOUT(attach, events, 4);
	LAYOUT(attach, flags, 8);
	LENGTH(attach, 16);
	LENGTH(detach, 8);
	LAYOUT(wait, deadline_ns, 8);
	LENGTH(wait, 16);
	LENGTH(seal, 8);
	LAYOUT(iovec, len, 8);
	LENGTH(iovec, 16);
	LAYOUT(slice, offset, 8);
	LAYOUT(slice, length, 16);
	LAYOUT(slice, buffer_id, 24);
	LENGTH(slice, 32);
	LAYOUT(msg, len, 8);
	LAYOUT(msg, iov_count, 12);
	LAYOUT(msg, tag, 16);
	LAYOUT(msg, flags, 24);
	LAYOUT(msg, prio, 28);
	LAYOUT(msg, fds, 32);
	LAYOUT(msg, slices, 40);
	LAYOUT(msg, fd_count, 48);
	LAYOUT(msg, slice_count, 52);
	LAYOUT(msg, time_ns, 56);
	LAYOUT(msg, pid, 64);
	LAYOUT(msg, lost, 76);
	LAYOUT(msg, token, 80);
	LAYOUT(msg, error, 88);
	LAYOUT(msg, sched_policy, 92);
	LAYOUT(msg, sched_prio, 94);
	LENGTH(msg, 96);
	LAYOUT(transfer, position, 4);
	LAYOUT(transfer, deadline_ns, 8);
	LAYOUT(transfer, msg, 16);
	LENGTH(transfer, 112);
	LAYOUT(batch, deadline_ns, 8);
	LAYOUT(batch, msgs, 16);
	LAYOUT(batch, msg_size, 24);
	LENGTH(batch, 32);
	LAYOUT(call, deadline_ns, 8);
	LAYOUT(call, request, 16);
	LAYOUT(call, reply, 112);
	LENGTH(call, 208);
	LAYOUT(subscribe, history, 4);
	LAYOUT(subscribe, backlog, 8);
	LENGTH(subscribe, 16);
	LAYOUT(create_ring, flags, 8);
	LAYOUT(create_ring, rights, 12);
	LENGTH(create_ring, 16);
	LAYOUT(ring_take, flags, 4);
	LENGTH(ring_take, 8);
	LAYOUT(ring_wait, index, 4);
	LAYOUT(ring_wait, deadline_ns, 8);
	LAYOUT(ring_wait, signal_fd, 16);
	LENGTH(ring_wait, 24);
	LENGTH(ring_signal, 8);
	/* And what lies in a ring's memory. */
	LAYOUT(ring_side, wake_at, 4);
	LENGTH(ring_side, 64);
	LAYOUT(ring_header, version, 4);
	LAYOUT(ring_header, size, 8);
	LAYOUT(ring_header, record_max, 12);
	LAYOUT(ring_header, flags, 16);
	LAYOUT(ring_header, consumer, 64);
	LAYOUT(ring_header, producer, 128);
	LENGTH(ring_header, 192);
	LAYOUT(ring_index, index, 0);
	LAYOUT(ring_record, len, 0);
	LENGTH(ring_record, 8);
	EXPECT_EQ(0x00000, IPCDEV_RING_HEADER_OFFSET);
	EXPECT_EQ(0x10000, IPCDEV_RING_CONSUMER_OFFSET);
	EXPECT_EQ(0x20000, IPCDEV_RING_PRODUCER_OFFSET);
	EXPECT_EQ(0x30000, IPCDEV_RING_DATA_OFFSET);
	LAYOUT(create_engine, rights, 4);
	LAYOUT(create_engine, depth, 8);
	LAYOUT(create_engine, backend, 16);
	LENGTH(create_engine, 80);
	LAYOUT(backend_info, operations, 64);
	LAYOUT(backend_info, depth_max, 68);
	LAYOUT(backend_info, length_max, 72);
	LAYOUT(backend_info, period_min, 80);
	LAYOUT(backend_info, engines, 88);
	LENGTH(backend_info, 96);
	LAYOUT(engines, count, 4);
	LAYOUT(engines, infos, 8);
	LAYOUT(engines, info_size, 16);
	LENGTH(engines, 24);
	LAYOUT(engine_request, flags, 4);
	LAYOUT(engine_request, user_data, 8);
	LAYOUT(engine_request, src, 16);
	LAYOUT(engine_request, dst, 48);
	LAYOUT(engine_request, value, 80);
	LAYOUT(engine_request, period_ns, 88);
	LAYOUT(engine_request, eventfd, 96);
	LENGTH(engine_request, 104);
	LAYOUT(submit, count, 4);
	LAYOUT(submit, deadline_ns, 8);
	LAYOUT(submit, requests, 16);
	LAYOUT(submit, request_size, 24);
	LENGTH(submit, 32);
	LAYOUT(completion, user_data, 0);
	LAYOUT(completion, result, 8);
	LAYOUT(completion, time_ns, 16);
	LAYOUT(completion, op, 24);
	LAYOUT(completion, flags, 28);
	LAYOUT(completion, missed, 32);
	LENGTH(completion, 56);
	LAYOUT(cancel, user_data, 8);
	LENGTH(cancel, 16);
	LAYOUT(engine_stat, operations, 64);
	LAYOUT(engine_stat, flags, 68);
	LAYOUT(engine_stat, depth, 72);
	LAYOUT(engine_stat, inflight, 76);
	LAYOUT(engine_stat, unreaped, 80);
	LAYOUT(engine_stat, submitted, 88);
	LAYOUT(engine_stat, completed, 96);
	LAYOUT(engine_stat, failed, 104);
	LAYOUT(engine_stat, cancelled, 112);
	LAYOUT(engine_stat, records, 120);
	LAYOUT(engine_stat, missed, 128);
	LAYOUT(engine_stat, latency, 136);
	LENGTH(engine_stat, 904);
	/* And these never change, however much is added. */
	EXPECT_EQ(96, IPCDEV_MSG_SIZE_VER0);
	EXPECT_EQ(112, IPCDEV_TRANSFER_SIZE_VER0);
	EXPECT_EQ(208, IPCDEV_CALL_SIZE_VER0);
	EXPECT_EQ(104, IPCDEV_REQUEST_SIZE_VER0);
}

TEST_F(abi, numbers)
{
	EXPECT_EQ(0xc050dc10, IPCDEV_IOC_INFO);
	EXPECT_EQ(0xc018dc11, IPCDEV_IOC_LIST);
	EXPECT_EQ(0xc010dc12, IPCDEV_IOC_CREATE_BUFFER);
	EXPECT_EQ(0xc020dc13, IPCDEV_IOC_CREATE_QUEUE);
	EXPECT_EQ(0xc010dc14, IPCDEV_IOC_CREATE_RING);
	EXPECT_EQ(0xc050dc15, IPCDEV_IOC_CREATE_ENGINE);
	EXPECT_EQ(0xc018dc16, IPCDEV_IOC_ENGINES);
	EXPECT_EQ(0xc1a8dc20, IPCDEV_IOC_STAT);
	EXPECT_EQ(0xc008dc21, IPCDEV_IOC_DUP);
	EXPECT_EQ(0xc008dc22, IPCDEV_IOC_PUBLISH);
	EXPECT_EQ(0xc010dc23, IPCDEV_IOC_ATTACH);
	EXPECT_EQ(0xc008dc24, IPCDEV_IOC_DETACH);
	EXPECT_EQ(0xc010dc25, IPCDEV_IOC_WAIT_PEER);
	EXPECT_EQ(0xc008dc30, IPCDEV_IOC_SEAL);
	EXPECT_EQ(0xc070dc40, IPCDEV_IOC_SEND);
	EXPECT_EQ(0xc070dc41, IPCDEV_IOC_RECV);
	EXPECT_EQ(0xc020dc42, IPCDEV_IOC_SEND_BATCH);
	EXPECT_EQ(0xc020dc43, IPCDEV_IOC_RECV_BATCH);
	EXPECT_EQ(0xc0d0dc44, IPCDEV_IOC_CALL);
	EXPECT_EQ(0xc070dc45, IPCDEV_IOC_REPLY);
	EXPECT_EQ(0xc0d0dc46, IPCDEV_IOC_REPLY_RECV);
	EXPECT_EQ(0xc010dc47, IPCDEV_IOC_SUBSCRIBE);
	EXPECT_EQ(0xc008dc50, IPCDEV_IOC_RING_TAKE);
	EXPECT_EQ(0xc018dc51, IPCDEV_IOC_RING_WAIT);
	EXPECT_EQ(0xc008dc52, IPCDEV_IOC_RING_SIGNAL);
	EXPECT_EQ(0xc020dc60, IPCDEV_IOC_SUBMIT);
	EXPECT_EQ(0xc010dc61, IPCDEV_IOC_CANCEL);
	EXPECT_EQ(0xc010dc62, IPCDEV_IOC_DRAIN);
	EXPECT_EQ(0xc388dc63, IPCDEV_IOC_ENGINE_STAT);
}

static bool known(int nr)
{
	return (nr >= 0x10 && nr <= 0x16) || (nr >= 0x20 && nr <= 0x25) ||
	       nr == 0x30 || (nr >= 0x40 && nr <= 0x47) ||
	       (nr >= 0x50 && nr <= 0x52) || (nr >= 0x60 && nr <= 0x63);
}

TEST_F(abi, unknown_numbers)
{
	const int fds[] = { self->dev, self->queue, self->buffer };
	char arg[64] = "";
	int i, nr;

	for (i = 0; i < 3; i++) {
		for (nr = 0; nr < 256; nr++) {
			if (!known(nr))
				EXPECT_EQ(-ENOTTY, call(fds[i],
							sized(nr, sizeof(arg)),
							arg));
		}
		/* A known number of somebody else's. */
		EXPECT_EQ(-ENOTTY, call(fds[i], _IOWR(IPCDEV_IOC_MAGIC + 1,
						      0x20, arg), arg));
		EXPECT_EQ(-ENOTTY, call(fds[i], 0, arg));
		EXPECT_EQ(-ENOTTY, call(fds[i], 0x5401 /* TCGETS */, arg));
	}
}

TEST_F(abi, info)
{
	struct ipcdev_info i = info(self->dev);

	EXPECT_EQ(IPCDEV_VERSION, i.version);
	EXPECT_EQ(parameter("max_batch"), i.max_batch);
	EXPECT_EQ(parameter("max_depth"), i.max_depth);
	EXPECT_EQ(parameter("max_msg_size"), i.max_msg_size);
	EXPECT_EQ(parameter("max_objects"), i.max_objects);
	EXPECT_EQ(parameter("max_eventfds"), i.max_eventfds);
	EXPECT_EQ(parameter("max_bytes"), i.max_bytes);
	EXPECT_EQ(parameter("max_names"), i.max_names);
	EXPECT_EQ(0, i.reserved);
	EXPECT_LE(2, i.objects);
}

/* A message without its results would be half received. */
TEST_F(abi, receiver_must_have_room_for_the_results)
{
	struct ipcdev_transfer t = { .flags = 0 };
	struct ipcdev_msg m = { .len = 0 };
	struct ipcdev_batch b = {
		.count = 1,
		.msgs = PTR(&m),
		.msg_size = IPCDEV_MSG_SIZE_VER0 - 1,
	};
	size_t size;

	ASSERT_EQ(0, send_msg(self->queue, .msg.tag = 7));
	for (size = 1; size < IPCDEV_TRANSFER_SIZE_VER0; size += 8)
		EXPECT_EQ(-EINVAL, call(self->queue,
					sized(IPCDEV_IOC_RECV, size), &t));
	t.flags = IPCDEV_PEEK;
	EXPECT_EQ(-EINVAL, call(self->queue, sized(IPCDEV_IOC_RECV, size - 8),
				&t));
	EXPECT_EQ(-EINVAL, call(self->queue, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(1, object(self->queue).queued);
}

TEST_F(abi, messages_of_a_batch_may_be_shorter)
{
	struct {
		__u64 data;
		__u32 len;
		__u32 iov_count;
		__u64 tag;
	} m[3] = { { .tag = 1 }, { .tag = 2 }, { .tag = 3 } };
	struct ipcdev_batch b = {
		.count = 3,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	struct ipcdev_transfer t = { .flags = 0 };
	__u64 i;

	EXPECT_EQ(3, call(self->queue, IPCDEV_IOC_SEND_BATCH, &b));
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(0, recv_msg(self->queue, &t));
		EXPECT_EQ(i, t.msg.tag);
	}
}

TEST_F(abi, messages_of_a_batch_may_be_longer)
{
	struct {
		struct ipcdev_msg msg;
		char more[16];
	} m[3] = {};
	struct ipcdev_batch b = {
		.count = 3,
		.msgs = PTR(m),
		.msg_size = sizeof(*m),
	};
	static char large[3 * (4096 + 8)];

	m[1].msg.tag = 5;
	m[2].more[15] = 1;
	EXPECT_EQ(2, call(self->queue, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(2, object(self->queue).queued);
	m[0].more[0] = 1;
	EXPECT_EQ(-E2BIG, call(self->queue, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(-E2BIG, call(self->queue, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(2, object(self->queue).queued);
	memset(m, 0, sizeof(m));
	EXPECT_EQ(2, call(self->queue, IPCDEV_IOC_RECV_BATCH, &b));
	EXPECT_EQ(0, m[0].msg.tag);
	EXPECT_EQ(5, m[1].msg.tag);
	b.msgs = PTR(large);
	b.msg_size = 4096;
	EXPECT_EQ(3, call(self->queue, IPCDEV_IOC_SEND_BATCH, &b));
	b.msg_size = sysconf(_SC_PAGESIZE) + 8;
	EXPECT_EQ(-E2BIG, call(self->queue, IPCDEV_IOC_SEND_BATCH, &b));
	EXPECT_EQ(-E2BIG, call(self->queue, IPCDEV_IOC_RECV_BATCH, &b));
	b.msg_size = UINT32_MAX;
	EXPECT_EQ(-E2BIG, call(self->queue, IPCDEV_IOC_RECV_BATCH, &b));
}

TEST_F(abi, structure_of_results_may_be_used_again)
{
	struct ipcdev_transfer t = { .flags = 0 };
	int q = create_queue(self->dev, .flags = IPCDEV_QUEUE_CREDS |
			     IPCDEV_QUEUE_TIME | IPCDEV_QUEUE_NONBLOCK);
	int i;

	ASSERT_LE(0, q);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, send_msg(q, .msg.tag = 7));
		EXPECT_EQ(0, recv_msg(q, &t));
		EXPECT_EQ(IPCDEV_MSG_CREDS | IPCDEV_MSG_TIME, t.msg.flags);
	}
	/* One that tells less leaves nothing of what was told before. */
	ASSERT_EQ(0, send_msg(self->queue, .msg.tag = 7));
	EXPECT_EQ(0, recv_msg(self->queue, &t));
	EXPECT_EQ(0, t.msg.flags);
	EXPECT_EQ(0, t.msg.pid);
	EXPECT_EQ(0, t.msg.time_ns);
	close(q);
}

TEST_HARNESS_MAIN
