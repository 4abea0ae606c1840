// SPDX-License-Identifier: GPL-2.0
/* One publisher and several subscribers, of whom one stops reading. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

#define SUBSCRIBERS	4

/* Which of them the next one is; the last stops after a quarter of the file. */
static unsigned int subscriber;

/* A byte for each who has subscribed, and then for who stops. */
static int news[2];

static void tell_publisher(void)
{
	if (write(news[1], "", 1) != 1)
		give_up("write");
}

static void subscribe(const struct tour *tour, int topic)
{
	bool stops = subscriber == SUBSCRIBERS;
	struct ipcdev_deadline deadline;
	char sum[SHA256_SIZE];
	ssize_t got;
	size_t at = 0;
	char *data;
	int handle;

	data = mmap(NULL, tour->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle = ipcdev_dup(topic, IPCDEV_RIGHT_READ, 0);
	if (data == MAP_FAILED || handle < 0)
		give_up("subscribe");
	close(topic);
	tell_publisher();

	while (at < (stops ? tour->size / 4 : tour->size)) {
		got = ipcdev_queue_recv(handle, data + at, tour->size - at, NULL,
					ipcdev_deadline_in(&deadline, PATIENCE));
		if (got < 0)
			give_up("receive");
		at += got;
	}
	if (stops) {
		tell_publisher();
		for (;;)
			pause();
	}
	if (!sha256_memory(data, tour->size, sum))
		give_up("sha256sum");
	if (strcmp(sum, tour->sha256)) {
		missed("subscriber %u has another file", subscriber);
		_exit(1);
	}
	printf("  subscriber %u  has it all: SHA-256 %.16s... is right\n",
	       subscriber, sum);
}

/* Sends all, and kills who does not read any more once that holds up the rest. */
static bool publish(const struct tour *tour, int topic, const char *data, pid_t idle)
{
	struct ipcdev_deadline deadline;
	uint64_t killed = 0;
	size_t at = 0, len;
	char byte;

	while (at < tour->size) {
		len = tour->size - at < PIECE ? tour->size - at : PIECE;
		if (!ipcdev_queue_send(topic, data + at, len, 0,
				       ipcdev_deadline_in(&deadline,
							  NSEC_PER_SEC / 4))) {
			if (killed) {
				printf("  the publisher goes on after %.1f ms\n",
				       (now_ns() - killed) / 1e6);
				killed = 0;
			}
			at += len;
			continue;
		}
		if (errno != ETIMEDOUT)
			return missed("send: %s", strerror(errno));
		if (killed || read(news[0], &byte, 1) != 1)
			continue;
		printf("  subscriber %d  does not read any more, and the publisher waits for it\n"
		       "  kill -9 %d\n", SUBSCRIBERS, idle);
		killed = now_ns();
		kill(idle, SIGKILL);
	}
	return true;
}

/* Who comes when all is over begins with the last message. */
static bool join_late(const struct tour *tour, int topic, const char *data)
{
	int late = ipcdev_dup(topic, IPCDEV_RIGHT_READ, 0);
	static char piece[PIECE];
	ssize_t got;

	if (late < 0 || ipcdev_subscribe(late, 1, 0) != 1)
		return missed("nothing is kept for who comes late");
	got = ipcdev_queue_recv(late, piece, sizeof(piece), NULL, NULL);
	close(late);
	if (got <= 0 || memcmp(piece, data + tour->size - got, got))
		return missed("who comes late has something else");
	printf("  who comes late begins with the last message, %zd bytes\n", got);
	return true;
}

static bool show(const struct tour *tour, char *result, size_t size)
{
	/* The publisher's own handle is no subscriber. */
	const struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_BROADCAST,
		.depth = 16,
		.msg_max = PIECE,
		.history = 1,
	};
	int topic = ipcdev_queue_create(&attr);
	pid_t pids[SUBSCRIBERS];
	struct ipcdev_stat stat = { 0 };
	bool well;
	char *data;
	char byte;

	data = mmap(NULL, tour->size, PROT_READ, MAP_PRIVATE, tour->file, 0);
	if (topic < 0 || data == MAP_FAILED || pipe2(news, O_CLOEXEC))
		give_up("create a topic");
	for (subscriber = 1; subscriber <= SUBSCRIBERS; subscriber++)
		pids[subscriber - 1] = start_role(subscribe, tour, topic, -1, 0);
	for (int i = 0; i < SUBSCRIBERS; i++) {
		if (read(news[0], &byte, 1) != 1)
			give_up("read");
	}
	fcntl(news[0], F_SETFL, O_NONBLOCK);

	well = publish(tour, topic, data, pids[SUBSCRIBERS - 1]);
	for (int i = 0; i < SUBSCRIBERS - 1; i++)
		well &= ended_well(pids[i], "a subscriber");
	kill(pids[SUBSCRIBERS - 1], SIGKILL);
	waitpid(pids[SUBSCRIBERS - 1], NULL, 0);
	well = well && join_late(tour, topic, data);
	if (well && (ipcdev_stat(topic, &stat) || stat.queued != 1 || stat.dropped))
		well = missed("%u messages are left", stat.queued);
	printf("  %llu messages sent, %llu received, each stored once\n",
	       (unsigned long long)stat.sent, (unsigned long long)stat.received);
	snprintf(result, size, "%d sums right, one killed, nobody else hurt",
		 SUBSCRIBERS - 1);
	close(topic);
	close(news[0]);
	close(news[1]);
	munmap(data, tour->size);
	return well;
}

const struct stop topic = {
	.title = "One publisher, four subscribers",
	.about =
"Each of them receives the whole file through a topic. The last one stops reading,\n"
"and its creator had chosen that the publisher then waits: until it is killed.",
	.show = show,
};
