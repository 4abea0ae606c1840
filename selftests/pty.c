// SPDX-License-Identifier: GPL-2.0
/*
 * pty COMMAND [ARGUMENT]...: runs the command on a terminal of its own, repeats
 * as it comes what the command writes there, and exits with its status. For
 * tests of how programs behave on a terminal.
 */
#include <err.h>
#include <errno.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	struct termios raw = {};
	int terminal, status;
	char text[4096];
	ssize_t len;
	pid_t pid;

	if (argc < 2)
		errx(2, "usage: pty COMMAND [ARGUMENT]...");
	/* What is written is to arrive as it is. */
	cfmakeraw(&raw);
	pid = forkpty(&terminal, NULL, &raw, &size);
	if (pid < 0)
		err(2, "a terminal");
	if (!pid) {
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	while ((len = read(terminal, text, sizeof(text))) > 0) {
		if (write(STDOUT_FILENO, text, len) != len)
			err(2, "write");
	}
	/* That is how the end is told, once nobody has the terminal open. */
	if (len < 0 && errno != EIO)
		err(2, "read");
	if (waitpid(pid, &status, 0) != pid)
		err(2, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
