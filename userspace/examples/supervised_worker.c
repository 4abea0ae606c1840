// SPDX-License-Identifier: GPL-2.0
/*
 * A supervisor and its worker, who is killed with a job in hand. The supervisor
 * is told at once, by the very queue at which it waits for the result, and
 * gives the job to another worker.
 *
 * The supervisor's handles go one way only, so that it is no peer of its own,
 * and the workers open the queues by name.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ipcdev.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS	100
#define DEADLY	30	/* the job that the first worker does not survive */

struct result {
	int job;
	int square;
};

static char jobs_name[64], results_name[64];
static int jobs, results, workers;

static void work(bool mortal)
{
	int in = ipcdev_open(jobs_name, O_RDONLY);
	int out = ipcdev_open(results_name, O_WRONLY);
	struct result result;

	if (in < 0 || out < 0)
		err(1, "open");
	while (ipcdev_queue_recv(in, &result.job, sizeof(result.job), NULL,
				 NULL) >= 0) {
		if (mortal && result.job == DEADLY)
			raise(SIGKILL);
		result.square = result.job * result.job;
		if (ipcdev_queue_send(out, &result, sizeof(result), 0, NULL))
			err(1, "send a result");
	}
	/* The supervisor has closed its end: there is no more to do. */
	if (errno != EPIPE)
		err(1, "receive a job");
	_exit(0);
}

/* That the last worker has gone is felt until the next one has come. */
static void start_worker(void)
{
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(jobs);
		close(results);
		work(workers == 0);
	}
	workers++;
	if (ipcdev_wait_peer(jobs, NULL) || ipcdev_wait_peer(results, NULL))
		err(1, "wait for the worker");
}

/* Has a job done; false if the worker died over it. */
static bool try_job(int job)
{
	struct result result;

	if (ipcdev_queue_send(jobs, &job, sizeof(job), 0, NULL)) {
		if (errno != EPIPE)
			err(1, "send a job");
		return false;
	}
	do {
		if (ipcdev_queue_recv(results, &result, sizeof(result), NULL,
				      NULL) < 0) {
			if (errno != EPIPE)
				err(1, "receive a result");
			return false;
		}
		/* One that died early may have left its job to the next. */
	} while (result.job != job);

	if (result.square != job * job)
		errx(1, "the square of %d is not %d", job, result.square);
	return true;
}

static int make_queue(char *name, size_t size, const char *what, int right)
{
	struct ipcdev_create_queue attr = {
		.rights = right | IPCDEV_RIGHT_PUBLISH,
	};
	int queue = ipcdev_queue_create(&attr);

	snprintf(name, size, "/dev/ipc/%s.%d", what, getpid());
	if (queue < 0 || ipcdev_publish(queue, name, 0600, 0))
		err(1, "%s", name);
	return queue;
}

int main(void)
{
	int job, killed = 0, status;

	jobs = make_queue(jobs_name, sizeof(jobs_name), "jobs",
			  IPCDEV_RIGHT_WRITE);
	results = make_queue(results_name, sizeof(results_name), "results",
			     IPCDEV_RIGHT_READ);

	start_worker();
	for (job = 0; job < JOBS; job++) {
		while (!try_job(job))
			start_worker();
	}
	close(jobs);

	while (wait(&status) > 0)
		killed += WIFSIGNALED(status);
	if (workers != 2 || killed != 1)
		errx(1, "%d workers, %d of them killed", workers, killed);
	printf("%d jobs done, though a worker was killed at one of them\n",
	       job);
	return 0;
}
