/* SPDX-License-Identifier: GPL-2.0 */
/* What the stops of the tour share. */
#ifndef _TOUR_H
#define _TOUR_H

#include <ipcdev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#define NSEC_PER_SEC	1000000000ULL
#define PIECE		65536		/* bytes of the file in one step */
#define PATIENCE	(30 * NSEC_PER_SEC)
#define SHA256_SIZE	65		/* as text */

/**
 * struct tour - what all stops know
 * @path: the file that is streamed
 * @file: the same, open for reading
 * @size: its bytes
 * @sha256: its SHA-256
 * @terminal: whether somebody sees the output as it comes
 */
struct tour {
	const char *path;
	int file;
	size_t size;
	char sha256[SHA256_SIZE];
	bool terminal;
};

/**
 * struct stop - something to be shown
 * @title: what it is
 * @about: what will be seen, in a few lines
 * @show: shows it; returns whether all was as promised, and leaves the line for
 *	the table in @result
 */
struct stop {
	const char *title;
	const char *about;
	bool (*show)(const struct tour *tour, char *result, size_t size);
};

extern const struct stop by_messages, by_slices, fan_in, sealed, shell, call,
	topic, ring, engine, killed;

/* main.c */
bool missed(const char *format, ...) __attribute__((format(printf, 1, 2)));
noreturn void give_up(const char *what);

/* stream.c */
struct bar {
	const struct tour *tour;
	uint64_t start;		/* when the first byte set out */
	uint64_t drawn;
	unsigned int quarters;
};

uint64_t now_ns(void);
void bar_draw(struct bar *bar, uint64_t bytes);
double rate_of(uint64_t bytes, uint64_t ns);

/* sha256.c */
bool sha256_file(int file, char *sum);
bool sha256_memory(const void *data, size_t size, char *sum);

/* process.c */
pid_t start_role(void (*role)(const struct tour *, int), const struct tour *tour,
		 int handle, int other, uid_t uid);
bool ended_well(pid_t pid, const char *who);
void two_handles(const struct ipcdev_create_queue *attr, int *reader,
		 int *writer);
void read_fully(int file, void *buf, size_t size, off_t at);

#endif /* _TOUR_H */
