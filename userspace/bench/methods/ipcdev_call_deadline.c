// SPDX-License-Identifier: GPL-2.0
#include "ipcdev_call.h"
#include "ipcdev_queue.h"

/* Far enough to never come, and one for all calls: what it costs is to arm it. */
#define HOUR	3600000000000ull

struct own {
	struct call_own call;
	struct ipcdev_deadline deadline;
};

static int attach(struct end *end)
{
	struct own *own = end->own;

	ipcdev_deadline_in(&own->deadline, HOUR);
	return call_attach(end);
}

static int call(struct end *end, size_t len)
{
	return call_ask(end, len, &((struct own *)end->own)->deadline);
}

const struct method ipcdev_call_deadline_method = {
	.name = "ipcdev-call-deadline",
	.about = "the same, the caller with a deadline",
	.only = ONLY(ROUNDTRIP),
	.polled = true,
	.end_size = sizeof(struct own),
	.setup = queue_setup,
	.attach = attach,
	.recv = call_serve,
	.call = call,
	.serve = call_serve,
};
