// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static int setup(struct link *link)
{
	link->fd[0] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	return link->fd[0] < 0 ? -1 : 0;
}

static int attach(struct end *end)
{
	end->fd = end->link->fd[0];
	return 0;
}

static int arm(struct end *end, uint64_t due)
{
	struct itimerspec spec = {
		.it_value.tv_sec = due / 1000000000,
		.it_value.tv_nsec = due % 1000000000,
	};

	return timerfd_settime(end->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int get(struct end *end, size_t len)
{
	uint64_t expired;

	(void)len;
	if (read(end->fd, &expired, sizeof(expired)) < 0)
		return -1;
	if (expired == 1)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* The kernel copies how often it has expired. */
const struct method timerfd_method = {
	.name = "timerfd",
	.about = "a timer that a process reads, asleep until it expires; no data",
	.copies = true,
	.empty = true,
	.polled = true,
	.setup = setup,
	.attach = attach,
	.arm = arm,
	.recv = get,
};
