// SPDX-License-Identifier: GPL-2.0
/*
 * timers PATH COUNT: becomes the consumer of the engine of that name, and sleeps for so
 * many timers of 5 ms, one after the other. For tests of what tools say of an engine that
 * has worked.
 */
#include "engine_test.h"

#define MS	1000000ULL

int main(int argc, char **argv)
{
	struct ipcdev_completion completion;
	struct reaper reaper;
	int fd, count;
	long ret;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || become_reaper(&reaper, fd)) {
		perror(argv[1]);
		return 1;
	}
	for (count = atoi(argv[2]); count; count--) {
		ret = request(fd, .op = IPCDEV_OP_TIMER, .value = 50 * MS);
		if (ret == 1)
			ret = await(&reaper, &completion) ?: completion.result;
		if (ret) {
			fprintf(stderr, "timer: %s\n", strerror(-ret));
			return 1;
		}
	}
	return 0;
}
