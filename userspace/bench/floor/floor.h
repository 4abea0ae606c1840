/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* The floor module's ioctls. */
#ifndef FLOOR_H
#define FLOOR_H

#include <linux/ioctl.h>

#define FLOOR_SIZE	64	/* bytes of a message */

/* Argument: the message, which the next one replaces. */
#define FLOOR_CALL	_IOC(_IOC_READ | _IOC_WRITE, 0xDD, 0, FLOOR_SIZE)
#define FLOOR_SERVE	_IOC(_IOC_READ | _IOC_WRITE, 0xDD, 1, FLOOR_SIZE)
#define FLOOR_WAIT	_IOC(_IOC_READ, 0xDD, 2, FLOOR_SIZE)

#endif /* FLOOR_H */
