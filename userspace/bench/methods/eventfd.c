// SPDX-License-Identifier: GPL-2.0
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

/* fd[0] counts what was sent to side 1, fd[2] what was sent to side 0. */
static int setup(struct link *link)
{
	for (int i = 0; i < 4; i += 2) {
		link->fd[i] = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
		if (link->fd[i] < 0)
			return -1;
	}
	return 0;
}

static int attach(struct end *end)
{
	end->fd = end->link->fd[2 * !end->side];
	return 0;
}

static int put(struct end *end, size_t len)
{
	uint64_t one = 1;

	(void)len;
	return write(end->link->fd[2 * end->side], &one, sizeof(one)) < 0 ?
		-1 : 0;
}

static int get(struct end *end, size_t len)
{
	uint64_t one;

	(void)len;
	return read(end->fd, &one, sizeof(one)) < 0 ? -1 : 0;
}

const struct method eventfd_method = {
	.name = "eventfd",
	.about = "an eventfd for each direction; says that, not what",
	.only = ONLY(ROUNDTRIP) | ONLY(STREAM) | ONLY(SETUP) | ONLY(WAKEUP) |
		ONLY(MEMORY),
	.empty = true,
	.polled = true,
	.setup = setup,
	.attach = attach,
	.send = put,
	.recv = get,
};
