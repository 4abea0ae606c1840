// SPDX-License-Identifier: LGPL-2.1-or-later
/* Engines: what the inline functions of ipcdev_engine.h leave to the library. */
#include <string.h>

#include "internal.h"
#include "ipcdev_engine.h"

int ipcdev_engine_create(const char *backend, unsigned int depth,
			 unsigned int rights, unsigned int flags)
{
	struct ipcdev_create_engine create = {
		.flags = flags,
		.rights = rights,
		.depth = depth,
	};
	size_t len = backend ? strlen(backend) : 0;

	if (len >= sizeof(create.backend)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (backend)
		memcpy(create.backend, backend, len);
	return device_ioctl(IPCDEV_IOC_CREATE_ENGINE, &create);
}

int ipcdev_engine_backends(unsigned int skip, struct ipcdev_backend_info *infos,
			   unsigned int count)
{
	struct ipcdev_engines engines = {
		.skip = skip,
		.count = count,
		.infos = ipcdev_ptr(infos),
		.info_size = sizeof(*infos),
	};

	return device_ioctl(IPCDEV_IOC_ENGINES, &engines);
}

int ipcdev_engine_submit(int fd, const struct ipcdev_engine_request *requests,
			 unsigned int count, const struct ipcdev_deadline *deadline)
{
	struct ipcdev_submit submit = {
		.count = count,
		.requests = ipcdev_ptr(requests),
		.request_size = sizeof(*requests),
	};

	if (set_deadline(deadline, &submit.flags, &submit.deadline_ns))
		return -1;
	return ioctl(fd, IPCDEV_IOC_SUBMIT, &submit);
}

/* The bytes of completions, each of which is a record. */
static uint64_t bytes_of(unsigned int count)
{
	return count * _ipcdev_ring_space(sizeof(struct ipcdev_completion));
}

int ipcdev_engine_wait(struct ipcdev_ring *ring, unsigned int count,
		       const struct ipcdev_deadline *deadline)
{
	uint64_t need = bytes_of(count ? count : 1);

	if (need > ring->size) {
		errno = EINVAL;
		return -1;
	}
	return ring_wait_bytes(ring, need, NULL, deadline);
}

int ipcdev_engine_cancel(int fd, uint64_t user_data, unsigned int flags)
{
	struct ipcdev_cancel cancel = {
		.flags = flags,
		.user_data = user_data,
	};

	return ioctl(fd, IPCDEV_IOC_CANCEL, &cancel);
}

int ipcdev_engine_drain(int fd, const struct ipcdev_deadline *deadline)
{
	struct ipcdev_wait wait = { 0 };

	if (set_deadline(deadline, &wait.flags, &wait.deadline_ns))
		return -1;
	return ioctl(fd, IPCDEV_IOC_DRAIN, &wait);
}

int ipcdev_engine_stat(int fd, struct ipcdev_engine_stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	return ioctl(fd, IPCDEV_IOC_ENGINE_STAT, stat);
}
