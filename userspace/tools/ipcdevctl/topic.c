// SPDX-License-Identifier: GPL-2.0
/* Topics, which are broadcast queues: the commands pub and sub. */
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include "ipcdevctl.h"

static bool is_topic(int fd, const char *path)
{
	struct ipcdev_stat stat;

	if (ipcdev_stat(fd, &stat)) {
		fail(path, "cannot ask");
		return false;
	}
	if (stat.flags & IPCDEV_STAT_BROADCAST)
		return true;
	fail_because(path, "that is not a topic, which is a queue made by pub or with --broadcast");
	return false;
}

static int pub_run(const struct command *self, int argc, char **argv)
{
	/* Its own handle only sends: it is no reader who never reads. */
	struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_BROADCAST,
		.rights = IPCDEV_RIGHT_WRITE | IPCDEV_RIGHT_PUBLISH,
	};
	struct outbox outbox = { .count = 1 };
	bool raw = false, wait = false, made;
	unsigned int publish = 0;
	struct ipcdev_deadline buf;
	mode_t mode = 0600;
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'm':
			mode = parse_mode(self, optarg);
			break;
		case 'p':
			publish = IPCDEV_PUBLISH_PERSISTENT;
			break;
		case 'w':
			wait = true;
			break;
		case 'T':
			outbox.patience.limited = true;
			outbox.patience.ns = parse_duration(self, optarg);
			break;
		case 'r':
			raw = true;
			break;
		default:
			parse_queue_option(self, key, &attr);
		}
	}
	expect_operands(self, argc, 1, -1);
	outbox.path = name_path(argv[optind++]);
	if (raw && optind < argc)
		usage(self, "--raw is for standard input", argv[optind]);

	fd = open_or_make(outbox.path, O_WRONLY, &attr, mode, publish, &made);
	if (fd < 0 || !is_topic(fd, outbox.path))
		return STATUS_FAILED;
	if (!made)
		tell_unlike(outbox.path, fd, &attr);
	if (wait && ipcdev_wait_peer(fd, deadline(&outbox.patience, &buf)))
		return fail(outbox.path, "cannot wait for a subscriber");
	return send_all(fd, &outbox, argv + optind, raw);
}

static const struct option_info pub_options[] = {
	{ 'w', "wait", NULL, "wait for a subscriber first" },
	{ 'T', "timeout", "TIME", "wait no longer than this, each time" },
	{ 'r', "raw", NULL, "all of standard input is one message" },
	{ 'p', "persistent", NULL, "new topic: stays until removed" },
	{ 'H', "history", "N", "new topic: keeps the last N for subscribers to come (0)" },
	{ 'D', "drop-oldest", NULL, "new topic: who is too slow loses, and holds up nobody" },
	{ 'd', "depth", "N", "new topic: how far each may be behind (64)" },
	{ 'M', "msg-max", "SIZE", "new topic: largest message (8K)" },
	{ 'b', "bytes", "SIZE", "new topic: bytes of all its messages at most" },
	{ 'c', "creds", NULL, "new topic: messages carry pid, uid and gid" },
	{ 't', "time", NULL, "new topic: messages carry the time of their sending" },
	{ 'm', "mode", "MODE", "permissions of a new name (600)" },
	{ 0 }
};

const struct command pub_command = {
	.name = "pub",
	.args = "NAME [MESSAGE...]",
	.summary = "publish messages: every subscriber of the topic gets each",
	.details =
"Without a MESSAGE each line of standard input is one. Without a topic of that\n"
"name one is made, which lives until this ends and the last subscriber has gone,\n"
"unless it is persistent. TIME is in seconds, or has a unit: 500ms, 2s, 1m; 0\n"
"does not wait. SIZE takes K, M or G.",
	.options = pub_options,
	.run = pub_run,
};

static int sub_run(const struct command *self, int argc, char **argv)
{
	struct receiving how = { .count = UINT64_MAX, .follow = true,
				 .tell_lost = true };
	unsigned int last = 0, backlog = 0;
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		if (parse_receive_option(self, key, &how))
			continue;
		switch (key) {
		case 'l':
			last = parse_number(self, optarg, UINT32_MAX);
			break;
		case 'b':
			backlog = parse_number(self, optarg, UINT32_MAX);
			break;
		}
	}
	expect_operands(self, argc, 1, 1);
	how.path = name_path(argv[optind]);

	fd = open_object(how.path, O_RDONLY);
	if (fd < 0 || !is_topic(fd, how.path))
		return STATUS_FAILED;
	/* Opening it has subscribed; only who wants something else must ask. */
	if ((last || backlog) && ipcdev_subscribe(fd, last, backlog) < 0)
		return errno == EINVAL ?
			fail_because(how.path, "a backlog cannot be more than its depth") :
			fail(how.path, "cannot subscribe");
	return receive_all(fd, &how);
}

static const struct option_info sub_options[] = {
	{ 'l', "last", "N", "begin with the last N messages that it has kept (0)" },
	{ 'b', "backlog", "N", "how far to be behind at most (the topic's depth)" },
	{ 'n', "count", "N", "end after N messages" },
	{ 'T', "timeout", "TIME", "wait for a message no longer than this" },
	{ 'r', "raw", NULL, "as they are, without newlines between them" },
	{ 'j', "json", NULL, "as JSON, a line for each, with all they carry" },
	{ 0 }
};

const struct command sub_command = {
	.name = "sub",
	.args = "NAME",
	.summary = "subscribe to a topic and print what is published",
	.details =
"Ends when the last publisher has gone. How many messages were lost for want of\n"
"speed is told on standard error. TIME is in seconds, or has a unit: 500ms, 2s,\n"
"1m; 0 does not wait.",
	.options = sub_options,
	.run = sub_run,
};
