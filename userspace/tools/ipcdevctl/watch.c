// SPDX-License-Identifier: GPL-2.0
/* Events: the command watch. */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ipcdevctl.h"

/* An eventfd for each condition, so that it is known which of them came. */
static const struct {
	unsigned int event;
	const char *name;
} events[] = {
	{ IPCDEV_EVENT_READABLE, "readable" },
	{ IPCDEV_EVENT_WRITABLE, "writable" },
	{ IPCDEV_EVENT_HANGUP, "hangup" },
};

#define EVENTS (sizeof(events) / sizeof(*events))

static int attach_all(int fd, unsigned int wanted, struct pollfd *polled)
{
	for (size_t i = 0; i < EVENTS; i++) {
		/* poll() passes over a negative descriptor. */
		polled[i] = (struct pollfd) { .fd = -1, .events = POLLIN };
		if (!(wanted & events[i].event))
			continue;
		polled[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (polled[i].fd < 0 ||
		    ipcdev_attach(fd, polled[i].fd, events[i].event, 0))
			return -1;
	}
	return 0;
}

static void print_event(const char *name, uint64_t times,
			const struct ipcdev_stat *stat, bool json)
{
	struct timespec now;
	char text[16];

	clock_gettime(CLOCK_REALTIME, &now);
	if (json) {
		json_open(NULL, '{');
		json_number("time_ns", now.tv_sec * NSEC_PER_SEC + now.tv_nsec);
		json_text("event", name);
		json_number("times", times);
		json_number("readers", stat->readers);
		json_number("writers", stat->writers);
		if (stat->type == IPCDEV_TYPE_QUEUE)
			json_number("queued", stat->queued);
		json_close('}');
		json_end_line();
	} else {
		strftime(text, sizeof(text), "%T", localtime(&now.tv_sec));
		printf("%s.%03ld %s", text, now.tv_nsec / 1000000, name);
		if (times > 1)
			printf(" %llu times", (unsigned long long)times);
		if (stat->type == IPCDEV_TYPE_QUEUE)
			printf(", %u queued", stat->queued);
		printf(", %u readers, %u writers\n", stat->readers,
		       stat->writers);
	}
	fflush(stdout);
}

/* Writing needs a handle that writes, the rest one that reads. */
static int open_to_watch(const char *path, unsigned int wanted)
{
	if (!(wanted & IPCDEV_EVENT_WRITABLE))
		return open_object(path, O_RDONLY);
	if (!(wanted & IPCDEV_EVENT_READABLE))
		return open_object(path, O_WRONLY);
	return open_object(path, O_RDWR);
}

static int watch_run(const struct command *self, int argc, char **argv)
{
	struct pollfd polled[EVENTS];
	struct ipcdev_stat stat;
	uint64_t count = UINT64_MAX, times;
	unsigned int wanted = 0;
	bool json = false;
	const char *path;
	int timeout = -1;
	int key, fd, got;
	uint64_t ms;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'r':
			wanted |= IPCDEV_EVENT_READABLE;
			break;
		case 'w':
			wanted |= IPCDEV_EVENT_WRITABLE;
			break;
		case 'u':
			wanted |= IPCDEV_EVENT_HANGUP;
			break;
		case 'n':
			count = parse_number(self, optarg, UINT64_MAX);
			break;
		case 'T':
			ms = (parse_duration(self, optarg) + 999999) / 1000000;
			timeout = ms < INT32_MAX ? (int)ms : INT32_MAX;
			break;
		case 'j':
			json = true;
			break;
		}
	}
	expect_operands(self, argc, 1, 1);
	path = name_path(argv[optind]);
	if (!wanted)
		wanted = IPCDEV_EVENT_READABLE | IPCDEV_EVENT_HANGUP;

	fd = open_to_watch(path, wanted);
	if (fd < 0)
		return STATUS_FAILED;
	if (attach_all(fd, wanted, polled))
		return fail(path, "cannot watch");

	while (count) {
		got = poll(polled, EVENTS, timeout);
		if (got < 0)
			return fail(path, "cannot wait");
		if (!got) {
			errno = ETIMEDOUT;
			return fail(path, "nothing happened");
		}
		for (size_t i = 0; i < EVENTS && count; i++) {
			if (polled[i].fd < 0 || !polled[i].revents ||
			    eventfd_read(polled[i].fd, &times))
				continue;
			if (ipcdev_stat(fd, &stat))
				return fail(path, "cannot ask");
			print_event(events[i].name, times, &stat, json);
			if (ferror(stdout))
				return STATUS_OK;
			count--;
		}
	}
	return STATUS_OK;
}

static const struct option_info watch_options[] = {
	{ 'r', "readable", NULL, "a message has come, a buffer was sealed" },
	{ 'w', "writable", NULL, "a queue has room again" },
	{ 'u', "hangup", NULL, "the last peer has gone" },
	{ 'n', "count", "N", "end after N events" },
	{ 'T', "timeout", "TIME", "wait for an event no longer than this" },
	{ 'j', "json", NULL, "as JSON, a line for each event" },
	{ 0 }
};

const struct command watch_command = {
	.name = "watch",
	.args = "NAME",
	.summary = "print what happens to an object",
	.details =
"Without a choice of events: readable and hangup. TIME is in seconds, or has a\n"
"unit: 500ms, 2s, 1m. While it watches it is a peer itself: a reader, or with\n"
"--writable a writer.",
	.options = watch_options,
	.run = watch_run,
};
