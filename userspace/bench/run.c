// SPDX-License-Identifier: GPL-2.0
/*
 * Running a job: each repeat in processes of its own, so that what one leaves
 * behind, or breaks, does not touch the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* Seconds after which a repeat must hang. */
#define PATIENCE	120

/*
 * Each repeat has a new one. The kernel buys memory for small objects by the page,
 * and what is left of the last page decides whether a message that comes and goes
 * pays for one each time, or never: with a cgroup that has been in use it would be
 * chance which of these it is, for the whole repeat.
 */
static void renew_cgroup(void)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	/* Whoever was killed last may not be quite gone. */
	for (int i = 0; rmdir(CGROUP) && errno == EBUSY && i < 100; i++)
		nanosleep(&pause, NULL);
	mkdir(CGROUP, 0755);
}

static bool enter_cgroup(bool root)
{
	const char *path = root ? CGROUP_ROOT "/cgroup.procs" :
				  CGROUP "/cgroup.procs";
	int fd, written;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, "0", 1);
	close(fd);
	return written == 1;
}

/* What a method needs of these is not what it is measured by. */
static void lift_limits(void)
{
	static const int limits[] = {
		RLIMIT_NOFILE, RLIMIT_MSGQUEUE, RLIMIT_MEMLOCK,
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit;

		getrlimit(limits[i], &limit);
		limit.rlim_cur = limit.rlim_max;
		setrlimit(limits[i], &limit);
		limit.rlim_cur = 1 << 29;
		if (limits[i] == RLIMIT_NOFILE)
			limit.rlim_cur = 65536;
		limit.rlim_max = MAX(limit.rlim_cur, limit.rlim_max);
		setrlimit(limits[i], &limit);
	}
}

static void play(struct common *common, const struct job *job)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	lift_limits();
	if (strcmp(job->cgroup, "own") && !enter_cgroup(!strcmp(job->cgroup, "root"))) {
		snprintf(common->skip, sizeof(common->skip),
			 "cannot enter the cgroup");
		_exit(0);
	}
	do_workload(common, job);
}

/* Waits for the first process of a run; whoever is left then must go. */
static bool await(pid_t pid)
{
	uint64_t until = now() + PATIENCE * 1000000000ull;
	struct timespec second = { .tv_sec = 1 };
	siginfo_t info = { 0 };
	sigset_t set;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		waitid(P_PID, pid, &info, WEXITED | WNOWAIT | WNOHANG);
		if (info.si_pid == pid || now() >= until)
			break;
		sigtimedwait(&set, NULL, &second);
	}
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	return info.si_pid == pid;
}

static int compare_samples(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of sorted samples: that part of them is less. */
static double quantile(const uint64_t *samples, size_t count, double part)
{
	return samples[MIN((size_t)(part * count), count - 1)];
}

static void digest(struct result *result, uint64_t *samples, double *medians)
{
	size_t count = result->count;

	qsort(samples, count, sizeof(*samples), compare_samples);
	result->min = samples[0];
	result->max = samples[count - 1];
	result->p99 = quantile(samples, count, 0.99);
	result->p999 = quantile(samples, count, 0.999);
	for (size_t i = 0; i < count; i++) {
		double bucket = samples[i] ?
			BUCKETS_OCTAVE * log2(samples[i]) : 0;

		result->histogram[MIN((int)bucket, BUCKETS - 1)]++;
	}
	/* The repeats are few: to sort them by hand is simple enough. */
	for (unsigned int i = 1; i < result->repeats; i++) {
		for (unsigned int k = i; k && medians[k] < medians[k - 1]; k--) {
			double other = medians[k];

			medians[k] = medians[k - 1];
			medians[k - 1] = other;
		}
	}
	result->median = medians[result->repeats / 2];
	if (result->median)
		result->spread = (medians[result->repeats - 1] - medians[0]) /
				 result->median;
}

static void describe(struct result *result, const struct job *job)
{
	*result = (struct result) {
		.size = job->size,
		.parties = job->parties,
		.repeats = job->repeats,
	};
	snprintf(result->method, sizeof(result->method), "%s", job->method->name);
	snprintf(result->workload, sizeof(result->workload), "%s",
		 workload_names[job->workload]);
	snprintf(result->mode, sizeof(result->mode), "%s", job->mode);
	snprintf(result->cgroup, sizeof(result->cgroup), "%s", job->cgroup);
	snprintf(result->placement, sizeof(result->placement), "%s",
		 job->placement);
	snprintf(result->unit, sizeof(result->unit), "%s",
		 job->workload == MEMORY ? "bytes" :
		 job->instructions ? "instructions" : "ns");
}

enum outcome run(const struct job *job, struct result *result, char *why,
		 size_t why_size)
{
	/* Receivers of many senders have the most to note. */
	size_t room = job->count * PARTIES_MAX;
	struct common *common = shared_memory(sizeof(*common) +
					      room * sizeof(uint64_t));
	uint64_t *all = calloc(job->repeats * room, sizeof(*all));
	double medians[REPEATS_MAX];
	enum outcome outcome = FAILED;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	describe(result, job);
	snprintf(why, why_size, "memory");
	if (!common || !all)
		goto out;
	for (unsigned int i = 0; i < job->repeats; i++) {
		bool ended;
		pid_t pid;

		memset(common, 0, sizeof(*common));
		if (!strcmp(job->cgroup, "memcg"))
			renew_cgroup();
		fflush(NULL);
		pid = fork();
		if (!pid) {
			sigprocmask(SIG_UNBLOCK, &set, NULL);
			play(common, job);
		}
		ended = await(pid);
		snprintf(why, why_size, "%s", *common->why ? common->why :
			 *common->skip ? common->skip :
			 ended ? "no result" : "hung");
		if (*common->skip && !*common->why)
			outcome = SKIPPED;
		if (*common->why || *common->skip || !ended || !common->count)
			goto out;
		memcpy(all + result->count, common->samples,
		       common->count * sizeof(*all));
		qsort(common->samples, common->count, sizeof(*all), compare_samples);
		medians[i] = quantile(common->samples, common->count, 0.5);
		result->count += common->count;
	}
	digest(result, all, medians);
	outcome = MEASURED;
out:
	if (common)
		munmap(common, sizeof(*common) + room * sizeof(uint64_t));
	free(all);
	return outcome;
}
