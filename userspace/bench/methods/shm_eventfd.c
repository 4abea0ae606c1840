// SPDX-License-Identifier: GPL-2.0
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring.h"

/* fd[0] and fd[2] count the messages for each side, fd[1] and fd[3] the room. */
static int setup(struct link *link)
{
	if (rings_setup(link))
		return -1;
	for (int i = 0; i < 4; i++) {
		link->fd[i] = eventfd(i % 2 ? PLACES : 0,
				      EFD_SEMAPHORE | EFD_CLOEXEC);
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
	int *fd = end->link->fd + 2 * end->side;
	uint64_t one = 1;

	if (read(fd[1], &one, sizeof(one)) < 0)
		return -1;
	ring_push(end, ring_out(end), len);
	return write(fd[0], &one, sizeof(one)) < 0 ? -1 : 0;
}

static int get(struct end *end, size_t len)
{
	int *fd = end->link->fd + 2 * !end->side;
	uint64_t one = 1;

	if (read(fd[0], &one, sizeof(one)) < 0)
		return -1;
	ring_pop(end, ring_in(end), len);
	return write(fd[1], &one, sizeof(one)) < 0 ? -1 : 0;
}

const struct method shm_eventfd_method = {
	.name = "shm-eventfd",
	.about = "POSIX shared memory with two eventfds as semaphores",
	.polled = true,
	.link_size = sizeof(struct rings),
	.setup = setup,
	.teardown = rings_teardown,
	.attach = attach,
	.send = put,
	.recv = get,
};
