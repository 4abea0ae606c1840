// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"

#define NAME		"/ipcdev-bench"

static size_t one_size(const struct link *link)
{
	size_t place = (link->size + 63) & ~63ul;

	return (sizeof(struct ring) + PLACES * place + 4095) & ~4095ul;
}

size_t rings_size(const struct link *link)
{
	return 2 * one_size(link);
}

void rings_use(struct link *link, void *memory)
{
	struct rings *rings = link->own;

	rings->map = memory;
	rings->size = rings_size(link);
	rings->place = (link->size + 63) & ~63ul;
	rings->to[1] = memory;
	rings->to[0] = (void *)((char *)memory + one_size(link));
}

int rings_setup(struct link *link)
{
	const char *name = unique(link, NAME, 0);
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	void *memory = MAP_FAILED;

	if (fd < 0)
		return -1;
	if (!link->named)
		shm_unlink(name);
	if (!ftruncate(fd, rings_size(link)))
		memory = mmap(NULL, rings_size(link), PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return -1;
	rings_use(link, memory);
	return 0;
}

void rings_teardown(struct link *link)
{
	struct rings *rings = link->own;

	if (rings->map)
		munmap(rings->map, rings->size);
	if (link->named)
		shm_unlink(unique(link, NAME, 0));
}
