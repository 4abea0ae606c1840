// SPDX-License-Identifier: GPL-2.0
/* Four producers and one consumer, who sees what is urgent first. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tour.h"

#define PRODUCERS	4
#define LINES_MAX	4096
#define LINE_MAX	256
#define LEVELS		8	/* of the kernel's log; 0 is the most urgent */
#define SHOWN		5

/* The kernel's own log, of which each producer sends every fourth line. */
static struct line {
	unsigned int level;
	char text[LINE_MAX];
} lines[LINES_MAX];
static size_t line_count;

/* Each read gives a record: "level,sequence,time,flags;text\n" and more. */
static bool read_log(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[8192], *text;
	ssize_t len;

	if (log < 0)
		return missed("/dev/kmsg: %s", strerror(errno));
	while (line_count < LINES_MAX) {
		len = read(log, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			continue;	/* overwritten meanwhile: the next */
		if (len <= 0)
			break;
		record[len] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		lines[line_count].level = strtoul(record, NULL, 10) % LEVELS;
		snprintf(lines[line_count].text, LINE_MAX, "%.*s",
			 LINE_MAX - 1, text);
		line_count++;
	}
	close(log);
	return line_count >= PRODUCERS || missed("the kernel's log is empty");
}

/* Which of the producers the next one is to be. */
static size_t producer;

static void produce(const struct tour *tour, int queue)
{
	(void)tour;
	for (size_t i = producer; i < line_count; i += PRODUCERS) {
		struct ipcdev_msg msg = {
			.data = ipcdev_ptr(lines[i].text),
			.len = strlen(lines[i].text),
			.prio = LEVELS - 1 - lines[i].level,
			.tag = i,
		};

		if (ipcdev_queue_send_msg(queue, &msg, 0, NULL))
			give_up("send");
	}
}

/*
 * Of each producer, the lines of one level must come in the order in which they
 * were sent; no line of a lower level may come before one of a higher.
 */
static bool check_order(const struct ipcdev_msg *msg, size_t *next,
			unsigned int *least)
{
	size_t from = msg->tag % PRODUCERS;

	if (msg->prio > *least)
		return missed("a line of level %u came too late",
			      LEVELS - 1 - msg->prio);
	if (msg->prio < *least) {
		*least = msg->prio;
		for (size_t i = 0; i < PRODUCERS; i++)
			next[i] = 0;
	}
	if (msg->tag < next[from])
		return missed("line %llu came too late",
			      (unsigned long long)msg->tag);
	next[from] = msg->tag + 1;
	return true;
}

static bool consume(int queue, const pid_t *pids, char *result, size_t size)
{
	size_t next[PRODUCERS] = { 0 }, of_level[LEVELS] = { 0 }, count = 0;
	unsigned int least = IPCDEV_PRIO_MAX;
	struct ipcdev_msg msg;
	char text[LINE_MAX];

	for (;; count++) {
		msg = (struct ipcdev_msg) {
			.data = ipcdev_ptr(text),
			.len = sizeof(text) - 1,
		};
		if (ipcdev_queue_recv_msg(queue, &msg, IPCDEV_NONBLOCK, NULL))
			break;
		text[msg.len] = '\0';
		if (!check_order(&msg, next, &least))
			return false;
		if (!(msg.flags & IPCDEV_MSG_CREDS) ||
		    msg.pid != (uint32_t)pids[msg.tag % PRODUCERS])
			return missed("process %u is said to have sent line %llu",
				      msg.pid, (unsigned long long)msg.tag);
		of_level[LEVELS - 1 - msg.prio]++;
		if (count < SHOWN)
			printf("  <%u> process %u: %.60s\n",
			       LEVELS - 1 - msg.prio, msg.pid, text);
	}
	if (errno != EPIPE)
		return missed("receive: %s", strerror(errno));
	if (count != line_count)
		return missed("%zu lines of %zu came", count, line_count);

	printf("  ... ");
	for (size_t i = 0; i < LEVELS; i++)
		if (of_level[i])
			printf("%zu of level %zu, ", of_level[i], i);
	printf("%zu lines\n", count);
	snprintf(result, size, "%zu lines, most urgent first", count);
	return true;
}

static bool show_fan_in(const struct tour *tour, char *result, size_t size)
{
	struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_CREDS,
		.depth = LINES_MAX,
		.msg_max = LINE_MAX,
	};
	pid_t pids[PRODUCERS];
	int reader, writer;
	bool well = true;

	if (!read_log())
		return false;
	two_handles(&attr, &reader, &writer);
	for (producer = 0; producer < PRODUCERS; producer++)
		pids[producer] = start_role(produce, tour, writer, reader, 0);
	close(writer);

	/* Once all lie there, only priority says which is first. */
	for (size_t i = 0; i < PRODUCERS; i++)
		well &= ended_well(pids[i], "a producer");
	well = well && consume(reader, pids, result, size);
	close(reader);
	return well;
}

const struct stop fan_in = {
	.title = "Four producers, one consumer",
	.about =
"Four processes send the lines of this kernel's log, a line's level being its\n"
"priority. The consumer then receives them all, the most urgent first.",
	.show = show_fan_in,
};
