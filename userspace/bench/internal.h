/* SPDX-License-Identifier: GPL-2.0 */
/* ipcdev-bench: what its own parts share, and methods need not know. */
#ifndef INTERNAL_H
#define INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdnoreturn.h>

#include "bench.h"

#define PARTIES_MAX	16

/* Where runs are, unless they shall be in the root cgroup. */
#define CGROUP_ROOT	"/sys/fs/cgroup"
#define CGROUP		CGROUP_ROOT "/ipcdev-bench"

/**
 * struct common - what all processes of a run share
 * @start: all have attached, or have warmed up
 * @pid: who plays each side
 * @armed: messages that the receiver has come to wait for
 * @done: receivers that have the message of this round
 * @finished: what still fails is of no interest
 * @sent_ns: when the last message began to be sent
 * @skip: why this cannot be measured here; empty if it can
 * @why: what has failed; empty if nothing has
 * @count: how many samples there are
 * @samples: the time that each operation has taken
 */
struct common {
	pthread_barrier_t start;
	pid_t pid[2];
	atomic_uint armed;
	atomic_uint done;
	atomic_bool finished;
	atomic_ullong sent_ns;
	char skip[160];
	char why[160];
	size_t count;
	uint64_t samples[];
};

/**
 * struct job - something to be measured
 * @method: what
 * @workload: doing what
 * @size: bytes of a message
 * @parties: processes at the side that has many
 * @mode: what the results say of how it was done
 * @instructions: the clock counts instructions
 * @cgroup: "memcg", "root", or "own": the one that we were started in
 * @placement: how the processors of the two sides lie to each other
 * @cpu: these processors
 * @repeats: how many times, each with new processes
 * @count: operations each time
 */
struct job {
	const struct method *method;
	enum workload workload;
	size_t size;
	unsigned int parties;
	const char *mode;
	bool instructions;
	const char *cgroup;
	const char *placement;
	int cpu[2];
	unsigned int repeats;
	unsigned int count;
};

#define REPEATS_MAX	100
#define BUCKETS		1024
/* Of these, so many until a value has doubled. */
#define BUCKETS_OCTAVE	16

/**
 * struct result - a row of the results
 * @text: strings, that tell what was measured
 * @size: bytes of a message
 * @parties: processes at the side that has many
 * @repeats: how many times it was measured
 * @count: samples in all
 * @min: the least of them
 * @median: the median of the repeats' medians
 * @p99: of all samples
 * @p999: likewise
 * @max: likewise
 * @spread: how far the repeats' medians lie apart, as a part of @median
 * @histogram: samples from 2^(i / BUCKETS_OCTAVE) on
 */
struct result {
	char method[24];
	char workload[16];
	char mode[16];
	char unit[16];
	char cgroup[8];
	char placement[12];
	size_t size;
	unsigned int parties;
	unsigned int repeats;
	size_t count;
	double min;
	double median;
	double p99;
	double p999;
	double max;
	double spread;
	unsigned int histogram[BUCKETS];
};

extern const struct method *const methods[];
extern const size_t method_count;
extern const char *const workload_names[WORKLOADS];
extern const char *const workload_about[WORKLOADS];

const struct method *find_method(const char *name);

/* link.c */
void link_open(struct link *link, const struct method *method,
	       struct common *common, size_t size, bool together);
void link_close(struct link *link);
/* All that are open, lest what outlives processes stays behind. */
void close_links(void);
void end_open(struct end *end, struct link *link, int side);
void end_close(struct end *end);
/* Ends the run, and tells why: with errno, if that is set. */
noreturn void fail(struct common *common, const char *format, ...);

/* payload.c: what is in messages, and whether it is what should be there */
void fill(void *data, size_t len, uint64_t number);
void stamp(void *data, size_t len, uint64_t number);
void check_fill(struct common *common, const void *data, size_t len,
		uint64_t number);
void check_stamp(struct common *common, const void *data, size_t len,
		 uint64_t number);
uint64_t read_stamp(const void *data);

/* workloads.c: what the processes of a run do */
void do_workload(struct common *common, const struct job *job);
/* Whether it makes sense; if not, why. */
const char *unfit(const struct job *job);

/* run.c: runs them */
enum outcome { MEASURED, SKIPPED, FAILED };
enum outcome run(const struct job *job, struct result *result, char *why,
		 size_t why_size);

/* survival.c: what becomes of it when things go wrong */
#define QUESTIONS	10

/**
 * struct survival - answers that experiments have given
 * @method: the method
 * @answers: one to each of the questions; empty if there is none
 */
struct survival {
	char method[24];
	char answers[QUESTIONS][48];
};

extern const char *const question_names[QUESTIONS];
extern const char *const question_about[QUESTIONS];

/* False if the method is not to be had here. */
bool survive(const struct method *method, struct survival *survival);

/* places.c: the processors for the two sides, as many ways as there are */
#define PLACES_MAX	3

struct place {
	const char *name;
	int cpu[2];
};

size_t find_places(struct place places[PLACES_MAX]);

/* results.c: many of them, and files of them */

/**
 * struct skipped - what could not be measured
 * @method: the method
 * @workload: doing this
 * @size: with messages of so many bytes
 * @why: the reason
 */
struct skipped {
	char method[24];
	char workload[16];
	size_t size;
	char why[160];
};

/**
 * struct results - what a file of results holds
 * @rows: what was measured
 * @count: how many rows
 * @survival: answers of experiments
 * @survival_count: of how many methods
 * @skipped: what was not measured
 * @skipped_count: how many of these
 * @machine: lines that tell where, if they were read from a file
 */
struct results {
	struct result *rows;
	size_t count;
	struct survival *survival;
	size_t survival_count;
	struct skipped *skipped;
	size_t skipped_count;
	char machine[2048];
};

void results_add(struct results *results, const struct result *row);
void results_skip(struct results *results, const struct result *row,
		  const char *why);
void results_survive(struct results *results,
		     const struct survival *survival);
/* These say what has failed. */
bool results_write(const struct results *results, const char *path);
bool results_write_csv(const struct results *results, const char *path);

/* read.c */
bool results_read(struct results *results, const char *path);

bool is_floor(const struct result *row);
bool is_ours(const struct result *row);
bool is_peer(const struct result *row);
/* Whether the rows differ in their methods only. */
bool comparable(const struct result *a, const struct result *b);
/* Whether no row before this one differs from it in method and cgroup only. */
bool first_of_table(const struct results *results, size_t number);
/* The same in another cgroup; NULL if there is none. */
const struct result *twin(const struct results *results,
			  const struct result *row, const char *cgroup);
/* What to compare a row with; NULL if there is nothing. */
const struct result *best_peer(const struct results *results,
			       const struct result *row);
const struct result *floor_of(const struct results *results,
			      const struct result *row);

/* table.c */
void print_table(const struct results *results, FILE *file);
void print_survival(const struct results *results, FILE *file);

/*
 * compare.c: 0 if no median has grown by more than that part of it, 1 if one
 * has, 2 for trouble
 */
int compare(const char *old_path, const char *new_path, double threshold);

/**
 * struct needs - what somebody wants of a method
 * @workload: doing this
 * @size: with messages of so many bytes
 * @parties: between so many
 * @crash: must tell of a peer's death, and leave nothing behind
 * @poll: must be pollable
 * @boundaries: must keep message boundaries
 * @descriptors: must carry descriptors
 * @rights: must tell who may send from who may receive
 * @users: must cross users
 */
struct needs {
	const char *workload;
	size_t size;
	unsigned int parties;
	bool crash;
	bool poll;
	bool boundaries;
	bool descriptors;
	bool rights;
	bool users;
};

/* advise.c */
int advise(const char *path, const struct needs *needs);

/* report.c: HTML on standard output */
int report(const char *path);

#endif /* INTERNAL_H */
