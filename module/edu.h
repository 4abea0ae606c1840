/* SPDX-License-Identifier: GPL-2.0 */
#ifndef IPCDEV_EDU_H
#define IPCDEV_EDU_H

#include <linux/init.h>

#ifdef CONFIG_PCI
int ipcdev_edu_init(void);
void ipcdev_edu_exit(void);
#else
static inline int ipcdev_edu_init(void)
{
	return 0;
}

static inline void ipcdev_edu_exit(void)
{
}
#endif

#endif
