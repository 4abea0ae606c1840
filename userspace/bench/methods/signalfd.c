// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "signals.h"

static int attach(struct end *end)
{
	sigset_t set;

	signals_of(end, &set);
	end->fd = signalfd(-1, &set, SFD_CLOEXEC);
	return end->fd < 0 ? -1 : 0;
}

static void detach(struct end *end)
{
	close_fd(&end->fd);
}

static int get(struct end *end, size_t len)
{
	struct signalfd_siginfo info;

	if (read(end->fd, &info, sizeof(info)) != sizeof(info))
		return -1;
	memcpy(end->in, &info.ssi_ptr, len);
	return 0;
}

const struct method signalfd_method = {
	.name = "signalfd",
	.about = "sigqueue(3) and signalfd(2), with a value of eight bytes",
	.polled = true,
	.to_process = true,
	.many_senders = true,
	.max = sizeof(union sigval),
	.setup = signals_setup,
	.attach = attach,
	.detach = detach,
	.send = signals_send,
	.recv = get,
};
