// SPDX-License-Identifier: GPL-2.0
/* What the tests of libipcdev share. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

bool passed;
const char *skipped;

void skip(const char *why)
{
	skipped = why;
}

bool is_slow(void)
{
	const char *slow = getenv("IPCDEV_TEST_SLOW");

	return slow && strcmp(slow, "0");
}

const struct ipcdev_deadline past = { CLOCK_MONOTONIC, 0 };

const struct ipcdev_deadline *late(void)
{
	static struct ipcdev_deadline deadline;

	return ipcdev_deadline_in(&deadline, 60 * SECOND);
}

static void on_alarm(int signal)
{
	(void)signal;
}

void alarm_often(bool on)
{
	const struct itimerval often = {
		.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000,
	};
	const struct itimerval never = { 0 };
	struct sigaction action = { .sa_handler = on_alarm };

	/* It stays: an alarm without it would kill us. */
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, on ? &often : &never, NULL);
}

pid_t child(void)
{
	pid_t pid;

	/* Lest it be written twice. */
	fflush(stdout);
	pid = fork();
	if (!pid)
		passed = true;
	return pid;
}

void child_ends(void)
{
	fflush(stdout);
	_exit(!passed);
}

/* How a child has ended; a test's alarms do not matter to that. */
static int reap(pid_t pid)
{
	int status;
	pid_t ret;

	do
		ret = waitpid(pid, &status, 0);
	while (ret < 0 && errno == EINTR);
	CHECK(ret == pid);
	return ret == pid ? status : -1;
}

void finish(pid_t pid)
{
	CHECK(!reap(pid));
}

void killed(pid_t pid)
{
	CHECK(reap(pid) == SIGKILL);
}

void slay(pid_t pid)
{
	kill(pid, SIGKILL);
	killed(pid);
}

int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}
