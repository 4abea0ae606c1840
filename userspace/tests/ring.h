/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of rings share. */
#ifndef _RING_H
#define _RING_H

#include <ipcdev_ring.h>
#include <sys/types.h>

#define READ	IPCDEV_RIGHT_READ
#define WRITE	IPCDEV_RIGHT_WRITE

/* The least of rings. */
int make_ring(unsigned int flags);
void take(struct ipcdev_ring *ring, int fd, unsigned int role);

/* Another process, with the handle of a ring and nothing else of it. */
pid_t start_with(void (*run)(int fd), int fd);

/* Until the consumer, or the producer, sleeps. */
void until_asleep(int fd, unsigned int role);

/* Records that can be told from each other, and from what is not one. */
void fill(unsigned char *data, size_t len, uint32_t number);
bool is_filled(const unsigned char *data, size_t len, uint32_t number);

#endif /* _RING_H */
