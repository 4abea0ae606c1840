// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/android/binder.h>

#include "bench.h"

#define DEVICE		"/dev/binder"

/**
 * struct own - of an end
 * @map: where the driver puts what we receive
 * @size: its size
 * @held: the message that @in points to, to be given back; 0 for none
 */
struct own {
	char *map;
	size_t size;
	binder_uintptr_t held;
};

/* What is written in one go; the driver wants no gaps. */
#pragma pack(push, 1)
struct commands {
	uint32_t message;
	struct binder_transaction_data data;
	uint32_t give_back;
	binder_uintptr_t held;
};

#pragma pack(pop)

static int setup(struct link *link)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? skip(link, "no " DEVICE) : -1;
	close(fd);
	return 0;
}

/* The one before is closed, but a work of the kernel's may have yet to let go of it. */
static int become_manager(int fd)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; tries < 5000; tries++) {
		if (!ioctl(fd, BINDER_SET_CONTEXT_MGR, 0))
			return 0;
		if (errno != EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	return -1;
}

/*
 * A process may only map what it has opened itself. The driver allots half of
 * the map to messages that expect no reply.
 */
static int attach(struct end *end)
{
	struct link *link = end->link;
	struct own *own = end->own;
	const uint32_t enter = BC_ENTER_LOOPER;
	struct binder_write_read wr = {
		.write_size = sizeof(enter),
		.write_buffer = (uintptr_t)&enter,
	};

	own->size = 65536 + 4 * ((MAX(link->size, 1) + 4095) & ~4095ul);
	end->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (end->fd < 0)
		return -1;
	own->map = mmap(NULL, own->size, PROT_READ, MAP_PRIVATE, end->fd, 0);
	if (own->map == MAP_FAILED)
		return -1;
	if (end->side && become_manager(end->fd))
		return -1;
	return end->side ? ioctl(end->fd, BINDER_WRITE_READ, &wr) : 0;
}

static void detach(struct end *end)
{
	struct own *own = end->own;

	munmap(own->map, own->size);
	close_fd(&end->fd);
}

/* Writes the commands, if any, and sleeps until a message is there. */
static int exchange(struct end *end, const void *commands, size_t size,
		    size_t len)
{
	struct own *own = end->own;
	char answers[256];
	struct binder_write_read wr = {
		.write_buffer = (uintptr_t)commands,
		.write_size = size,
		.read_buffer = (uintptr_t)answers,
		.read_size = sizeof(answers),
	};

	for (;;) {
		if (ioctl(end->fd, BINDER_WRITE_READ, &wr))
			return -1;
		for (size_t at = 0; at < wr.read_consumed;) {
			struct binder_transaction_data data;
			uint32_t what;

			memcpy(&what, answers + at, sizeof(what));
			at += sizeof(what);
			switch (what) {
			case BR_TRANSACTION:
			case BR_REPLY:
				memcpy(&data, answers + at, sizeof(data));
				own->held = data.data.ptr.buffer;
				end->in = (void *)(uintptr_t)own->held;
				if (data.data_size == len)
					return 0;
				errno = EMSGSIZE;
				return -1;
			case BR_DEAD_REPLY:
			case BR_FAILED_REPLY:
				errno = EPIPE;
				return -1;
			}
			/* Others take note of what we have done ourselves. */
			at += _IOC_SIZE(what);
		}
		wr.write_size = 0;
		wr.read_consumed = 0;
	}
}

/* Composes a message and gives the last one back; returns how long that is. */
static size_t compose(struct end *end, struct commands *commands,
		      uint32_t message, uint32_t flags, size_t len)
{
	struct own *own = end->own;

	*commands = (struct commands) {
		.message = message,
		.data.flags = flags,
		.data.data_size = len,
		.data.data.ptr.buffer = (uintptr_t)end->out,
		.give_back = BC_FREE_BUFFER,
		.held = own->held,
	};
	if (!own->held)
		return offsetof(struct commands, give_back);
	own->held = 0;
	return sizeof(*commands);
}

/*
 * One way. Nothing holds back a sender that is too fast: what has no room is
 * lost; so this is for one message at a time.
 */
static int put(struct end *end, size_t len)
{
	struct commands commands;
	struct binder_write_read wr = {
		.write_buffer = (uintptr_t)&commands,
		.write_size = compose(end, &commands, BC_TRANSACTION,
				      TF_ONE_WAY, len),
	};

	return ioctl(end->fd, BINDER_WRITE_READ, &wr);
}

static int get(struct end *end, size_t len)
{
	struct own *own = end->own;
	struct commands commands = {
		.give_back = BC_FREE_BUFFER,
		.held = own->held,
	};

	return exchange(end, &commands.give_back, own->held ?
			sizeof(commands) - offsetof(struct commands, give_back) : 0,
			len);
}

static int call(struct end *end, size_t len)
{
	struct commands commands;
	size_t size = compose(end, &commands, BC_TRANSACTION, 0, len);

	return exchange(end, &commands, size, len);
}

static int serve(struct end *end, size_t len)
{
	struct commands commands;
	size_t size = compose(end, &commands, BC_REPLY, 0, len);

	return exchange(end, &commands, size, len);
}

const struct method binder_method = {
	.name = "binder",
	.about = "Android's binder, by its ioctls, without a library",
	.only = ONLY(ROUNDTRIP) | ONLY(SETUP) | ONLY(WAKEUP),
	.copies = true,
	.polled = true,
	.end_size = sizeof(struct own),
	.setup = setup,
	.attach = attach,
	.detach = detach,
	.send = put,
	.recv = get,
	.call = call,
	.serve = serve,
};
