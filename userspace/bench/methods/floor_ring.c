// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipcdev_ring.h"

/*
 * What ipcdev_ring_map() makes of a ring, in memory that no module knows of: both sides
 * may write everywhere, nobody can sleep, and nobody hears of a death.
 */

/* Of whole pages, however large they are. */
#define DATA	65536

/* The header, the two indices, and the data once. */
static size_t all_size(void)
{
	return 3 * sysconf(_SC_PAGESIZE) + DATA;
}

static int create(void)
{
	int fd = memfd_create("ipcdev-bench", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, all_size()))
		close_fd(&fd);
	return fd;
}

static int setup(struct link *link)
{
	if (link->size > DATA / 4)
		return skip(link, "its memory is for smaller messages");
	for (int side = 0; side < 2; side++) {
		link->fd[side] = create();
		if (link->fd[side] < 0)
			return -1;
	}
	return 0;
}

static int bare_open(struct ipcdev_ring *ring, int fd, bool produces)
{
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
	size_t page = sysconf(_SC_PAGESIZE), all = all_size();
	struct ipcdev_ring_header *header;
	uint32_t *consumer, *producer;
	char *map;

	memset(ring, 0, sizeof(*ring));
	map = mmap(NULL, all + DATA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -1;
	if (mmap(map, all, prot, flags, fd, 0) == MAP_FAILED ||
	    mmap(map + all, DATA, prot, flags, fd, 3 * page) == MAP_FAILED) {
		munmap(map, all + DATA);
		return -1;
	}
	header = (void *)map;
	consumer = (void *)(map + page);
	producer = (void *)(map + 2 * page);
	ring->fd = -1;
	ring->map = map;
	ring->map_size = all + DATA;
	ring->data = (unsigned char *)map + 3 * page;
	ring->size = DATA;
	ring->mask = DATA - 1;
	ring->record_max = DATA / 2;
	ring->produces = produces;
	ring->own = produces ? producer : consumer;
	ring->peer = produces ? consumer : producer;
	ring->other = produces ? &header->consumer : &header->producer;
	ipcdev_ring_set_spin(ring, INT_MAX);
	return 0;
}

static void detach(struct end *end)
{
	struct ring_pair *pair = end->own;

	if (pair->in.map)
		munmap(pair->in.map, pair->in.map_size);
	if (pair->out.map)
		munmap(pair->out.map, pair->out.map_size);
}

static int attach(struct end *end)
{
	struct ring_pair *pair = end->own;
	struct link *link = end->link;

	if (bare_open(&pair->in, link->fd[end->side], false))
		return -1;
	if (!bare_open(&pair->out, link->fd[!end->side], true))
		return 0;
	detach(end);
	return -1;
}

const struct method floor_ring_method = {
	.name = "floor-ring",
	.about = "ipcdev's ring in plain memory, without the module: it can only spin",
	.only = ONLY(ROUNDTRIP),
	.floor = true,
	.spins = true,
	.apart = true,
	.end_size = sizeof(struct ring_pair),
	.setup = setup,
	.attach = attach,
	.detach = detach,
	.send = ring_pair_send,
	.recv = ring_pair_recv,
};
