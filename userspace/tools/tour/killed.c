// SPDX-License-Identifier: GPL-2.0
/* A producer that is killed, and what is left of it: nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

#define ENOUGH	(8 * 1024 * 1024)	/* bytes received when it is killed */

static char name[64];

/* Owns all there is: the queue, its name and the buffer. Never ends. */
static void stream_for_ever(const struct tour *tour, int unused)
{
	struct ipcdev_create_queue attr = {
		.rights = IPCDEV_RIGHT_WRITE | IPCDEV_RIGHT_PUBLISH,
		.depth = 16,
		.msg_max = PIECE,
	};
	size_t piece = tour->size < PIECE ? tour->size : PIECE;
	struct ipcdev_msg msg = { .len = piece };
	char data[PIECE];
	int queue;

	(void)unused;
	queue = ipcdev_queue_create(&attr);
	if (queue < 0 || ipcdev_publish(queue, name, 0600, 0) ||
	    ipcdev_buffer_create(1024 * 1024, 0, 0) < 0)
		give_up("the producer");

	msg.data = ipcdev_ptr(data);
	for (size_t at = 0;; at += piece) {
		if (at + piece > tour->size)
			at = 0;
		read_fully(tour->file, data, piece, at);
		if (ipcdev_queue_send_msg(queue, &msg, 0, NULL))
			give_up("the producer: send");
		msg.tag++;
	}
}

static int open_when_there(void)
{
	uint64_t end = now_ns() + PATIENCE;
	int queue;

	while ((queue = ipcdev_open(name, O_RDONLY)) < 0) {
		if ((errno != ENOENT && errno != ENXIO) || now_ns() > end)
			give_up("open the queue");
		usleep(10000);
	}
	return queue;
}

/* A whole message, and the one that is due; false with errno otherwise. */
static bool receive(const struct tour *tour, int queue, uint64_t number)
{
	static char data[PIECE], wanted[PIECE];
	size_t piece = tour->size < PIECE ? tour->size : PIECE;
	struct ipcdev_deadline deadline;
	struct ipcdev_msg msg = {
		.data = ipcdev_ptr(data),
		.len = sizeof(data),
	};

	if (ipcdev_queue_recv_msg(queue, &msg, 0,
				  ipcdev_deadline_in(&deadline, PATIENCE)))
		return false;
	read_fully(tour->file, wanted, piece,
		   number % (tour->size / piece) * piece);
	errno = EBADMSG;
	return msg.tag == number && msg.len == piece &&
	       !memcmp(data, wanted, piece);
}

static int count_objects(void)
{
	struct ipcdev_stat stats[64];

	return ipcdev_list(0, stats, 64);
}

static bool show_killed(const struct tour *tour, char *result, size_t size)
{
	struct pollfd hangup = { .events = POLLIN };
	uint64_t count = 0, queued, killed_at, ns;
	int before = count_objects(), queue;
	pid_t producer;

	snprintf(name, sizeof(name), "/dev/ipc/stream-%d", getpid());
	producer = start_role(stream_for_ever, tour, -1, -1, 0);
	queue = open_when_there();
	hangup.fd = eventfd(0, EFD_CLOEXEC);
	if (hangup.fd < 0 ||
	    ipcdev_attach(queue, hangup.fd, IPCDEV_EVENT_HANGUP, 0))
		give_up("attach an eventfd");

	for (; count * PIECE < ENOUGH; count++)
		if (!receive(tour, queue, count))
			return missed("receive: %s", strerror(errno));
	printf("  %llu MiB have come.\n  $ ipcdevctl ls\n",
	       (unsigned long long)count * PIECE >> 20);
	fflush(stdout);
	if (system("ipcdevctl ls | sed 's/^/    /'"))
		return missed("ipcdevctl ls does not work");

	printf("  kill -9 %d\n", producer);
	killed_at = now_ns();
	kill(producer, SIGKILL);
	if (poll(&hangup, 1, PATIENCE / 1000000) != 1)
		return missed("nobody said that the producer has gone");
	ns = now_ns() - killed_at;

	for (queued = 0; receive(tour, queue, count + queued); queued++)
		;
	if (errno != EPIPE)
		return missed("receive: %s instead of EPIPE", strerror(errno));
	printf("  told of it after %.1f ms; %llu whole messages were still there, then EPIPE\n",
	       ns / 1e6, (unsigned long long)queued);
	close(hangup.fd);
	close(queue);
	waitpid(producer, NULL, 0);

	puts("  $ ipcdevctl ls");
	fflush(stdout);
	if (system("ipcdevctl ls | sed 's/^/    /'"))
		return missed("ipcdevctl ls does not work");
	if (!access(name, F_OK))
		return missed("%s is still there", name);
	if (count_objects() != before)
		return missed("there are objects left");
	snprintf(result, size, "peer told after %.1f ms, nothing left",
		 ns / 1e6);
	return true;
}

const struct stop killed = {
	.title = "kill -9 in mid-stream",
	.about =
"A producer that owns a queue, its name and a buffer is killed while it sends.\n"
"Its peer learns of it at once, keeps what was sent, and nothing leaks.",
	.show = show_killed,
};
