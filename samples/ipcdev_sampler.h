/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* What /dev/ipcdev-sampler understands, and what it posts. */
#ifndef IPCDEV_SAMPLER_H
#define IPCDEV_SAMPLER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCDEV_SAMPLER_PADDING_MAX	4096

/**
 * struct ipcdev_sampler_start - post samples into a ring
 * @ring_fd: a handle of it with the right to write
 * @padding: bytes of zeroes behind each sample, up to IPCDEV_SAMPLER_PADDING_MAX
 * @period_ns: between two samples, a millisecond to a second
 */
struct ipcdev_sampler_start {
	__s32 ring_fd;
	__u32 padding;
	__aligned_u64 period_ns;
};

/**
 * struct ipcdev_sample - a record
 * @number: of this one, from 0; a gap is what there was no room for
 * @time_ns: CLOCK_MONOTONIC of the interrupt
 */
struct ipcdev_sample {
	__aligned_u64 number;
	__aligned_u64 time_ns;
};

#define IPCDEV_SAMPLER_START	_IOW(0xDD, 1, struct ipcdev_sampler_start)

#endif
