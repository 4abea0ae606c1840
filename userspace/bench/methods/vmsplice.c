// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "pipe.h"
#include "slots.h"

/* The pages themselves are in the pipe until they are read. */
struct own {
	void *pool;
	unsigned int sent;
};

static int attach(struct end *end)
{
	struct own *own = end->own;

	own->pool = mmap(NULL, pool_size(end->link), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own->pool == MAP_FAILED)
		return -1;
	end->out = own->pool;
	return pair_attach(end);
}

static void detach(struct end *end)
{
	struct own *own = end->own;

	munmap(own->pool, pool_size(end->link));
}

static int put(struct end *end, size_t len)
{
	struct own *own = end->own;
	struct iovec iov = { end->out, len };

	while (iov.iov_len) {
		ssize_t done = vmsplice(out_fd(end), &iov, 1, 0);

		if (done < 0)
			return -1;
		iov.iov_base = (char *)iov.iov_base + done;
		iov.iov_len -= done;
	}
	end->out = (char *)own->pool + slot_offset(end->link, ++own->sent);
	return 0;
}

const struct method vmsplice_method = {
	.name = "vmsplice",
	.about = "vmsplice(2) into a pipe, which takes the pages; read(2) copies",
	.in_place = true,
	.polled = true,
	.min = 1,
	.end_size = sizeof(struct own),
	.setup = pipe_setup,
	.attach = attach,
	.detach = detach,
	.send = put,
	.recv = pipe_recv,
};
