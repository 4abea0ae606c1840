// SPDX-License-Identifier: GPL-2.0
/*
 * A producer and a consumer, with a queue between them that is much shorter
 * than what goes through it. The producer sleeps while the queue is full, the
 * consumer while it is empty, and the consumer learns when it has seen all.
 */
#include <err.h>
#include <errno.h>
#include <ipcdev.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGES 10000

static void produce(int queue)
{
	for (int i = 0; i < MESSAGES; i++)
		if (ipcdev_queue_send(queue, &i, sizeof(i), 0, NULL))
			err(1, "send");
	_exit(0);
}

int main(void)
{
	struct ipcdev_create_queue attr = {
		.depth = 16,
		.msg_max = sizeof(int),
	};
	int queue, reader, writer, expected = 0, got;

	queue = ipcdev_queue_create(&attr);
	if (queue < 0)
		err(1, "create");

	/*
	 * A handle for each side: whoever has gone is told by the handles that
	 * are left, and the first one, which may do both, would never tell.
	 */
	reader = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	writer = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	if (reader < 0 || writer < 0)
		err(1, "dup");
	close(queue);

	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(reader);
		produce(writer);
	}
	close(writer);

	while (ipcdev_queue_recv(reader, &got, sizeof(got), NULL, NULL) >= 0)
		if (got != expected++)
			errx(1, "message %d came instead of %d", got,
			     expected - 1);
	if (errno != EPIPE)
		err(1, "receive");
	wait(NULL);

	if (expected != MESSAGES)
		errx(1, "%d messages came", expected);
	printf("%d messages, each once and in order\n", expected);
	return 0;
}
