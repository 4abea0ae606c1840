// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipcdev_timer.h"

/* For good: timers are measured in a process of their own. */
static int give_up_rights(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, rights))
		return -1;
	rights[0].effective &= ~CAP_TO_MASK(CAP_SYS_NICE);
	return syscall(SYS_capset, &header, rights);
}

static int attach(struct end *end)
{
	return give_up_rights() ? -1 : engine_attach(end);
}

const struct method ipcdev_timer_soft_method = {
	.name = "ipcdev-timer-soft",
	.about = "the same of a process without real-time rights: in a softirq",
	.empty = true,
	.end_size = sizeof(struct engine_end),
	.setup = engine_setup,
	.attach = attach,
	.detach = engine_detach,
	.arm = timer_arm,
	.recv = timer_recv,
};
