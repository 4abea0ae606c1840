// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "signals.h"

int signals_setup(struct link *link)
{
	sigset_t set;

	(void)link;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGRTMIN + 1);
	return sigprocmask(SIG_BLOCK, &set, NULL);
}

/* One number for each side, so that one process may play both. */
void signals_of(struct end *end, sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGRTMIN + end->side);
}

int signals_send(struct end *end, size_t len)
{
	union sigval value = { 0 };

	memcpy(&value, end->out, len);
	while (sigqueue(peer(end), SIGRTMIN + !end->side, value)) {
		/* As many are waiting as may. */
		if (errno != EAGAIN)
			return -1;
		sched_yield();
	}
	return 0;
}

static int get(struct end *end, size_t len)
{
	siginfo_t info;
	sigset_t set;

	signals_of(end, &set);
	if (sigwaitinfo(&set, &info) < 0)
		return -1;
	memcpy(end->in, &info.si_value, len);
	return 0;
}

const struct method signal_method = {
	.name = "signal",
	.about = "sigqueue(3) and sigwaitinfo(2), with a value of eight bytes",
	.to_process = true,
	.many_senders = true,
	.max = sizeof(union sigval),
	.setup = signals_setup,
	.send = signals_send,
	.recv = get,
};
