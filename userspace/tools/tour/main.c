// SPDX-License-Identifier: GPL-2.0
/*
 * ipcdev-tour: shows on real data what ipcdev does, and checks that it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tour.h"

#define DATA	"/usr/share/ipcdev/data.tar"

static const struct stop *const stops[] = {
	&by_messages,
	&by_slices,
	&fan_in,
	&sealed,
	&shell,
	&call,
	&topic,
	&ring,
	&engine,
	&killed,
};

#define STOPS (sizeof(stops) / sizeof(*stops))

/* Says what was not as promised; for "return missed(...)". */
bool missed(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("  FAILED: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

/* Ends this process, which may be one of many, because a call has failed. */
noreturn void give_up(const char *what)
{
	missed("%s: %s", what, strerror(errno));
	_exit(1);
}

static void look_around(struct tour *tour)
{
	const char *term = getenv("TERM");
	struct stat st;

	tour->terminal = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb");
	if (geteuid()) {
		fputs("ipcdev-tour: needs root, to be two other users later\n",
		      stderr);
		exit(2);
	}
	if (access(IPCDEV_DEVICE, F_OK)) {
		fputs("ipcdev-tour: no " IPCDEV_DEVICE "; try modprobe ipcdev\n",
		      stderr);
		exit(1);
	}
	if (system("ipcdevctl mount > /dev/null"))
		exit(1);

	tour->file = open(tour->path, O_RDONLY | O_CLOEXEC);
	if (tour->file < 0 || fstat(tour->file, &st) || !st.st_size) {
		fprintf(stderr, "ipcdev-tour: cannot read %s; try: ipcdev-tour FILE\n",
			tour->path);
		exit(1);
	}
	tour->size = st.st_size;
}

int main(int argc, char **argv)
{
	static char results[STOPS][80];
	struct tour tour = { .path = DATA };
	bool passed[STOPS];
	int status = 0;

	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		fputs("usage: ipcdev-tour [FILE]\n", stderr);
		return 2;
	}
	if (argc == 2)
		tour.path = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	look_around(&tour);

	printf("A tour of /dev/ipcdev, with %s (%.1f MiB)\n", tour.path,
	       tour.size / 1048576.0);
	if (!sha256_file(tour.file, tour.sha256))
		give_up("sha256sum");
	printf("SHA-256 %s\n", tour.sha256);

	for (size_t i = 0; i < STOPS; i++) {
		printf("\n%zu. %s\n%s\n", i + 1, stops[i]->title,
		       stops[i]->about);
		passed[i] = stops[i]->show(&tour, results[i],
					   sizeof(results[i]));
		if (!passed[i])
			status = 1;
	}

	puts("\nWhat was shown");
	for (size_t i = 0; i < STOPS; i++)
		printf("  %-6s  %-37s %s\n", passed[i] ? "ok" : "FAILED",
		       stops[i]->title, passed[i] ? results[i] : "see above");
	return status;
}
