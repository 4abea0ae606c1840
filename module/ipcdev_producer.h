/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How another driver puts records into a ring, from its interrupt handler if it likes,
 * and wakes the process that reads them. Documentation/producer.rst shows how.
 *
 * A process makes a ring, keeps the consumer's end and hands a handle of the ring to
 * the driver, by an ioctl of the driver's, say. The driver becomes the producer.
 */
#ifndef IPCDEV_PRODUCER_H
#define IPCDEV_PRODUCER_H

#include <linux/types.h>

struct ipcdev_producer;

struct ipcdev_producer *ipcdev_producer_open(int fd);
int ipcdev_producer_post(struct ipcdev_producer *producer, const void *record, u32 len);
void ipcdev_producer_close(struct ipcdev_producer *producer);

#endif
