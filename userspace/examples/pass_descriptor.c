// SPDX-License-Identifier: GPL-2.0
/*
 * File descriptors in a message: a process hands the ends of its work to
 * another, which opened nothing and need not have the right to. A memfd to read
 * from and a pipe to answer through go along with the request.
 */
#include <err.h>
#include <ipcdev.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] = "what the file says";

/* Answers each request by copying the first descriptor's file to the second. */
static void copy_for_others(int queue)
{
	unsigned int count = 2;
	char request[16], data[64];
	ssize_t len;
	int fds[2];

	len = ipcdev_queue_recv_fds(queue, request, sizeof(request), fds,
				    &count, NULL);
	if (len < 0)
		err(1, "receive");
	if (count != 2 || len != 4 || memcmp(request, "copy", 4))
		errx(1, "that is not a request");

	len = pread(fds[0], data, sizeof(data), 0);
	if (len < 0 || write(fds[1], data, len) != len)
		err(1, "copy");
	_exit(0);
}

int main(void)
{
	char answer[64] = "";
	int queue, file, ends[2], fds[2];

	queue = ipcdev_queue_create(NULL);
	if (queue < 0)
		err(1, "create");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		copy_for_others(queue);
	}

	/* Made after the fork: the other process can have them in no other way. */
	file = memfd_create("text", MFD_CLOEXEC);
	if (file < 0 || write(file, text, sizeof(text)) != sizeof(text))
		err(1, "memfd");
	if (pipe(ends))
		err(1, "pipe");

	fds[0] = file;
	fds[1] = ends[1];
	if (ipcdev_queue_send_fds(queue, "copy", 4, fds, 2, NULL))
		err(1, "send");
	close(file);
	close(ends[1]);

	if (read(ends[0], answer, sizeof(answer)) != sizeof(text) ||
	    strcmp(answer, text))
		errx(1, "the answer is \"%s\"", answer);
	wait(NULL);
	printf("\"%s\" came back through a descriptor that was passed\n",
	       answer);
	return 0;
}
