// SPDX-License-Identifier: GPL-2.0
/*
 * One sensor and several consumers of its readings, one of them slow. The topic
 * drops for who is too far behind: the slow one learns how many readings it has
 * missed, and neither the sensor nor the others notice it. Who comes late begins
 * with the last reading.
 */
#include <err.h>
#include <errno.h>
#include <ipcdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define READINGS	1000
#define CONSUMERS	3
#define DEPTH		32

/* A reading is its number; a real one would have more to say. */
static int receive(int handle, int *reading, unsigned int *lost)
{
	struct ipcdev_msg msg = {
		.data = ipcdev_ptr(reading),
		.len = sizeof(*reading),
	};

	if (ipcdev_queue_recv_msg(handle, &msg, 0, NULL))
		return -1;
	*lost = msg.lost;
	return 0;
}

/*
 * Says for each reading that it has it, so that the sensor of this example can wait
 * for those that keep up; a real one would go by the clock.
 */
static void consume(int handle, int keeps_up, int until)
{
	int reading = 0, received = 0, missed = 0;
	unsigned int lost;

	/* Sleeps through almost all of it, by waiting for what comes last. */
	if (!keeps_up && read(until, &reading, 1))
		err(1, "read");
	while (!receive(handle, &reading, &lost)) {
		received++;
		missed += lost;
		if (reading != received + missed)
			errx(1, "reading %d after %d and %d", reading, received,
			     missed);
		if (keeps_up && write(until, "", 1) != 1)
			err(1, "write");
	}
	if (errno != EPIPE)
		err(1, "receive");
	printf("%s consumer: %d readings, %d missed\n",
	       keeps_up ? "quick" : "slow", received, missed);
	fflush(stdout);
	_exit(keeps_up ? missed != 0 || received != READINGS :
	      received != DEPTH || missed != READINGS - DEPTH);
}

int main(void)
{
	/* Without the right to read, the sensor's handle is no consumer. */
	const struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_BROADCAST | IPCDEV_QUEUE_DROP_OLDEST,
		.depth = DEPTH,
		.msg_max = sizeof(int),
		.history = 1,
	};
	int topic, sensor, late, reading, status, failed = 0;
	int have[2], over[2], handles[CONSUMERS];
	unsigned int lost;
	char byte;

	topic = ipcdev_queue_create(&attr);
	if (topic < 0 || pipe(have) || pipe(over))
		err(1, "create");
	sensor = ipcdev_dup(topic, IPCDEV_RIGHT_WRITE, 0);
	for (int i = 0; i < CONSUMERS; i++) {
		handles[i] = ipcdev_dup(topic, IPCDEV_RIGHT_READ, 0);
		if (sensor < 0 || handles[i] < 0)
			err(1, "dup");
	}
	for (int i = 0; i < CONSUMERS; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			close(sensor);
			close(topic);
			close(over[1]);
			for (int k = 0; k < CONSUMERS; k++)
				if (k != i)
					close(handles[k]);
			consume(handles[i], i, i ? have[1] : over[0]);
		}
	}
	/* Ours would be consumers that never read. */
	for (int i = 0; i < CONSUMERS; i++)
		close(handles[i]);

	for (int i = 1; i <= READINGS; i++) {
		if (ipcdev_queue_send(sensor, &i, sizeof(i), 0, NULL))
			err(1, "send");
		for (int k = 1; k < CONSUMERS; k++)
			if (read(have[0], &byte, 1) != 1)
				err(1, "read");
	}

	late = ipcdev_dup(topic, IPCDEV_RIGHT_READ, 0);
	if (late < 0 || ipcdev_subscribe(late, 1, 0) != 1 ||
	    receive(late, &reading, &lost))
		err(1, "subscribe");
	printf("late consumer: begins with reading %d\n", reading);
	fflush(stdout);

	close(sensor);
	close(topic);
	close(over[1]);
	for (int i = 0; i < CONSUMERS; i++) {
		wait(&status);
		failed |= status;
	}
	return failed || reading != READINGS;
}
