// SPDX-License-Identifier: GPL-2.0
/* A queue as a shell sees it. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

static const char script[] =
	"echo \"$(uname -sr) is up\" > /dev/ipc/tour\n"
	"echo \"with $(nproc) processors\" > /dev/ipc/tour\n"
	"ls -l /dev/ipc\n"
	"cat /dev/ipc/tour\n";

/* The script within a queue's life; what cat must say is asked for first. */
static const char run[] =
	"expected=\"$(uname -sr) is up\n"
	"with $(nproc) processors\"\n"
	"got=$(ipcdevctl create queue tour -- sh -ec \"$1\") || exit\n"
	"printf '%s\\n' \"$got\" | sed 's/^/    /'\n"
	"[ \"$(printf '%s\\n' \"$got\" | tail -n 2)\" = \"$expected\" ]\n";

static bool show_shell(const struct tour *tour, char *result, size_t size)
{
	const char *line, *end;
	int status;
	pid_t pid;

	(void)tour;
	puts("  $ ipcdevctl create queue tour -- sh");
	for (line = script; *line; line = end + 1) {
		end = strchr(line, '\n');
		printf("  $ %.*s\n", (int)(end - line), line);
	}
	fflush(stdout);

	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		execlp("sh", "sh", "-c", run, "sh", script, NULL);
		give_up("sh");
	}
	waitpid(pid, &status, 0);
	if (status)
		return missed("cat did not say what echo had");
	if (!access("/dev/ipc/tour", F_OK))
		return missed("the name has outlived the queue");
	snprintf(result, size, "echo wrote it, cat read it");
	return true;
}

const struct stop shell = {
	.title = "Nothing but a shell",
	.about =
"A queue with a name is a file: echo sends a message, cat receives. It lives as\n"
"long as the shell that it was made for.",
	.show = show_shell,
};
