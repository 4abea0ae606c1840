// SPDX-License-Identifier: LGPL-2.1-or-later
/* Buffers: shared memory. */
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

/* ipcdev_stat() of a buffer; of another object the error of its ioctls. */
static int stat_buffer(int fd, struct ipcdev_stat *stat)
{
	if (ipcdev_stat(fd, stat))
		return -1;
	if (stat->type != IPCDEV_TYPE_BUFFER) {
		errno = ENOTTY;
		return -1;
	}
	return 0;
}

int ipcdev_buffer_create(uint64_t size, unsigned int rights,
			 unsigned int flags)
{
	struct ipcdev_create_buffer create = {
		.size = size,
		.flags = flags,
		.rights = rights,
	};

	return device_ioctl(IPCDEV_IOC_CREATE_BUFFER, &create);
}

/* The kernel maps sealed memory only through handles that cannot write. */
static void *map_sealed(int fd, uint64_t offset, size_t length, int prot)
{
	void *map;
	int err;

	fd = ipcdev_dup(fd, IPCDEV_RIGHT_READ, 0);
	if (fd < 0)
		return MAP_FAILED;

	map = mmap(NULL, length, prot, MAP_SHARED, fd, offset);
	err = errno;
	close(fd);
	errno = err;
	return map;
}

void *ipcdev_buffer_map(int fd, uint64_t offset, size_t length, int prot)
{
	struct ipcdev_stat stat;
	void *map;

	if (!length) {
		if (stat_buffer(fd, &stat))
			return NULL;
		if (offset >= stat.size) {
			errno = EINVAL;
			return NULL;
		}
		if (stat.size - offset > SIZE_MAX) {
			errno = ENOMEM;
			return NULL;
		}
		length = stat.size - offset;
	}

	map = mmap(NULL, length, prot, MAP_SHARED, fd, offset);
	if (map == MAP_FAILED && errno == EPERM && !(prot & PROT_WRITE))
		map = map_sealed(fd, offset, length, prot);
	return map == MAP_FAILED ? NULL : map;
}

int ipcdev_buffer_seal(int fd)
{
	struct ipcdev_seal seal = { 0 };

	return ioctl(fd, IPCDEV_IOC_SEAL, &seal);
}

int ipcdev_buffer_sealed(int fd)
{
	struct ipcdev_stat stat;

	if (stat_buffer(fd, &stat))
		return -1;
	return !!(stat.flags & IPCDEV_STAT_SEALED);
}

int64_t ipcdev_buffer_size(int fd)
{
	struct ipcdev_stat stat;

	if (stat_buffer(fd, &stat))
		return -1;
	return stat.size;
}
