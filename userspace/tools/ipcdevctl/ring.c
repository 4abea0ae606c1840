// SPDX-License-Identifier: GPL-2.0
/* Rings: the commands push and pop. */
#include <fcntl.h>
#include <getopt.h>
#include <ipcdev_ring.h>
#include <string.h>
#include <unistd.h>

#include "ipcdevctl.h"

/* What push or pop was asked for. */
struct ringing {
	const char *path;
	struct ipcdev_ring ring;
	struct patience patience;
	enum format format;
	uint64_t count;
	bool follow;
	bool wait;
};

/* Takes one side of a ring; says so if that cannot be. */
static int open_side(struct ringing *how, unsigned int role)
{
	bool produces = role == IPCDEV_RIGHT_WRITE;
	int fd = open_object(how->path, produces ? O_WRONLY : O_RDONLY);
	struct ipcdev_deadline buf;

	if (fd < 0)
		return STATUS_FAILED;
	if (ipcdev_ring_open(&how->ring, fd, role)) {
		if (errno == ENOTTY)
			return fail_because(how->path, "that is not a ring");
		if (errno == EBUSY)
			return fail_because(how->path, produces ?
					    "somebody pushes already" :
					    "somebody pops already");
		if (errno == EPIPE)
			return fail_because(how->path,
				"that side was left, and the ring was made without --takeover");
		return fail(how->path, "cannot take a side");
	}
	close(fd);
	/* A person, or a shell, is not in such a hurry. */
	ipcdev_ring_set_spin(&how->ring, 0);
	if (how->wait && ipcdev_wait_peer(how->ring.fd,
					  deadline(&how->patience, &buf)))
		return fail(how->path, "cannot wait for the other side");
	return STATUS_OK;
}

static int push_one(struct ringing *how, const char *data, size_t len)
{
	struct ipcdev_deadline buf;

	if (len > how->ring.record_max)
		return fail_because(how->path,
				    "larger than half the ring, as no record may be");
	if (ipcdev_ring_send(&how->ring, data, len, deadline(&how->patience, &buf)))
		return fail(how->path, "cannot push");
	return STATUS_OK;
}

static int push_lines(struct ringing *how)
{
	char *line = NULL;
	int status = STATUS_OK;
	size_t size = 0;
	ssize_t len;

	while (!status && (len = getline(&line, &size, stdin)) > 0)
		status = push_one(how, line, len - (line[len - 1] == '\n'));
	free(line);
	return !status && ferror(stdin) ?
	       fail("standard input", "cannot read") : status;
}

static int push_input(struct ringing *how)
{
	size_t len;
	char *data;
	int status;

	if (how->format != FORMAT_RAW)
		return push_lines(how);
	data = read_input(&len);
	if (!data)
		return fail("standard input", "cannot read");
	status = push_one(how, data, len);
	free(data);
	return status;
}

static int push_run(const struct command *self, int argc, char **argv)
{
	struct ringing how = { 0 };
	int key, status;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'T':
			how.patience.limited = true;
			how.patience.ns = parse_duration(self, optarg);
			break;
		case 'w':
			how.wait = true;
			break;
		case 'r':
			how.format = FORMAT_RAW;
			break;
		}
	}
	expect_operands(self, argc, 1, -1);
	how.path = name_path(argv[optind++]);
	if (how.format == FORMAT_RAW && optind < argc)
		usage(self, "--raw is for standard input", argv[optind]);

	status = open_side(&how, IPCDEV_RIGHT_WRITE);
	if (!status && optind == argc)
		return push_input(&how);
	for (; optind < argc && !status; optind++)
		status = push_one(&how, argv[optind], strlen(argv[optind]));
	return status;
}

static const struct option_info push_options[] = {
	{ 'w', "wait", NULL, "wait for a consumer first" },
	{ 'T', "timeout", "TIME", "wait for room no longer than this" },
	{ 'r', "raw", NULL, "all of standard input is one record" },
	{ 0 }
};

const struct command push_command = {
	.name = "push",
	.args = "NAME [RECORD...]",
	.summary = "put records into a ring, as its producer",
	.details =
"Without a RECORD each line of standard input is one. TIME is in seconds, or\n"
"has a unit: 500ms, 2s, 1m; 0 does not wait.",
	.options = push_options,
	.run = push_run,
};

static void print_record(const char *data, size_t len, enum format format)
{
	if (format != FORMAT_JSON) {
		print_payload(data, len, format);
		return;
	}
	json_open(NULL, '{');
	json_number("len", len);
	json_data(data, len);
	json_close('}');
	json_end_line();
}

/* Copies each record before it prints it: a producer could change it in place. */
static int pop_all(struct ringing *how)
{
	char *data = malloc(how->ring.record_max);
	struct ipcdev_deadline buf;
	int status = STATUS_OK;
	ssize_t len;

	if (!data)
		return fail(how->path, "cannot make room for a record");
	for (uint64_t i = 0; i < how->count && !ferror(stdout); i++) {
		len = ipcdev_ring_recv(&how->ring, data, how->ring.record_max,
				       deadline(&how->patience, &buf));
		if (len < 0) {
			if (errno != EPIPE || !how->follow)
				status = fail(how->path, "cannot pop");
			break;
		}
		print_record(data, len, how->format);
		fflush(stdout);
	}
	free(data);
	return status;
}

static int pop_run(const struct command *self, int argc, char **argv)
{
	struct receiving common = { 0 };
	struct ringing how = { 0 };
	int key, status;

	while ((key = next_option(self, argc, argv)) != -1) {
		if (!parse_receive_option(self, key, &common))
			how.follow = true;
	}
	expect_operands(self, argc, 1, 1);
	how.path = name_path(argv[optind]);
	how.patience = common.patience;
	how.format = common.format;
	how.count = common.count;
	if (!how.count)
		how.count = how.follow ? UINT64_MAX : 1;

	status = open_side(&how, IPCDEV_RIGHT_READ);
	return status ? status : pop_all(&how);
}

static const struct option_info pop_options[] = {
	{ 'n', "count", "N", "pop N records (1)" },
	{ 'f', "follow", NULL, "pop until the producer has gone" },
	{ 'T', "timeout", "TIME", "wait for a record no longer than this" },
	{ 'r', "raw", NULL, "as they are, without newlines between them" },
	{ 'j', "json", NULL, "as JSON, a line for each" },
	{ 0 }
};

const struct command pop_command = {
	.name = "pop",
	.args = "NAME",
	.summary = "take records out of a ring, as its consumer, and print them",
	.details =
"TIME is in seconds, or has a unit: 500ms, 2s, 1m; 0 does not wait.",
	.options = pop_options,
	.run = pop_run,
};
