// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <liburing.h>
#include <string.h>

#include "bench.h"

struct own {
	struct io_uring ring[2];
	int made;
};

static int setup(struct link *link)
{
	struct own *own = link->own;
	struct io_uring_probe *probe;
	bool known;

	for (; own->made < 2; own->made++) {
		int error = io_uring_queue_init(256, &own->ring[own->made], 0);

		if (error) {
			errno = -error;
			return -1;
		}
	}
	probe = io_uring_get_probe_ring(&own->ring[0]);
	known = probe && io_uring_opcode_supported(probe, IORING_OP_MSG_RING);
	io_uring_free_probe(probe);
	return known ? 0 : skip(link, "this kernel has no IORING_OP_MSG_RING");
}

static void teardown(struct link *link)
{
	struct own *own = link->own;

	while (own->made)
		io_uring_queue_exit(&own->ring[--own->made]);
}

static int attach(struct end *end)
{
	struct own *own = end->link->own;

	end->fd = own->ring[end->side].ring_fd;
	return 0;
}

/*
 * Our own completion is left out unless the sending failed, as it does when
 * the other ring has no room; so nothing but messages and such failures comes.
 */
static int put(struct end *end, size_t len)
{
	struct own *own = end->link->own;
	struct io_uring *ring = &own->ring[end->side];
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	uint64_t value = 0;

	memcpy(&value, end->out, len);
	io_uring_prep_msg_ring(sqe, own->ring[!end->side].ring_fd, 0, value, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	return io_uring_submit(ring) == 1 ? 0 : -1;
}

static int get(struct end *end, size_t len)
{
	struct own *own = end->link->own;
	struct io_uring *ring = &own->ring[end->side];
	struct io_uring_cqe *cqe;
	int error = io_uring_wait_cqe(ring, &cqe);

	if (!error && cqe->res < 0)
		error = cqe->res;
	if (error) {
		errno = -error;
		return -1;
	}
	memcpy(end->in, &cqe->user_data, len);
	io_uring_cqe_seen(ring, cqe);
	return 0;
}

const struct method uring_msg_ring_method = {
	.name = "uring-msg-ring",
	.about = "io_uring's IORING_OP_MSG_RING, with a value of eight bytes",
	.polled = true,
	.max = sizeof(uint64_t),
	.link_size = sizeof(struct own),
	.setup = setup,
	.teardown = teardown,
	.attach = attach,
	.send = put,
	.recv = get,
};
