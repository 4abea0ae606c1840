// SPDX-License-Identifier: GPL-2.0
/* The processes of the tour and what they hold. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

/*
 * Starts a process that plays a role with a handle. The other side's handle is
 * closed in it: it would be taken for a peer as long as this process lives. A
 * user's role is played with that user's rights and no more.
 */
pid_t start_role(void (*role)(const struct tour *, int), const struct tour *tour,
		 int handle, int other, uid_t uid)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (pid)
		return pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (other >= 0)
		close(other);
	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		give_up("change the user");
	role(tour, handle);
	fflush(stdout);
	_exit(0);
}

bool ended_well(pid_t pid, const char *who)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return missed("%s cannot be waited for", who);
	if (WIFSIGNALED(status))
		return missed("%s: %s", who, strsignal(WTERMSIG(status)));
	/* It has said itself what went wrong. */
	return !WEXITSTATUS(status);
}

/* A queue as two handles that go one way each: one for either side. */
void two_handles(const struct ipcdev_create_queue *attr, int *reader,
		 int *writer)
{
	int queue = ipcdev_queue_create(attr);

	if (queue < 0)
		give_up("create a queue");
	*reader = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	*writer = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	if (*reader < 0 || *writer < 0)
		give_up("duplicate a handle");
	close(queue);
}

void read_fully(int file, void *buf, size_t size, off_t at)
{
	char *end = buf;
	ssize_t got;

	while (size) {
		got = pread(file, end, size, at);
		if (got <= 0)
			give_up("read the file");
		end += got;
		at += got;
		size -= got;
	}
}
