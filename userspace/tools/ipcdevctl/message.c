// SPDX-License-Identifier: GPL-2.0
/* Messages: the commands send, recv and peek. */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "ipcdevctl.h"

const struct ipcdev_deadline *deadline(const struct patience *patience,
				       struct ipcdev_deadline *buf)
{
	return patience->limited ? ipcdev_deadline_in(buf, patience->ns) : NULL;
}

static int send_one(int fd, struct outbox *outbox, const char *data,
		    size_t len)
{
	struct ipcdev_deadline buf;

	if (len > UINT32_MAX) {
		errno = EMSGSIZE;
		return fail(outbox->path, "cannot send");
	}
	outbox->msg.data = ipcdev_ptr(data);
	outbox->msg.len = len;
	for (uint64_t i = 0; i < outbox->count; i++)
		if (ipcdev_queue_send_msg(fd, &outbox->msg, 0,
					  deadline(&outbox->patience, &buf)))
			return fail(outbox->path, "cannot send");
	return STATUS_OK;
}

/* All of standard input; NULL with errno if that cannot be had. */
char *read_input(size_t *len)
{
	char *data = NULL, *more;
	size_t size = 0, got;

	*len = 0;
	do {
		if (*len == size) {
			more = realloc(data, size = 2 * size + 4096);
			if (!more) {
				free(data);
				return NULL;
			}
			data = more;
		}
		got = fread(data + *len, 1, size - *len, stdin);
		*len += got;
	} while (got);
	if (!ferror(stdin))
		return data;
	free(data);
	return NULL;
}

/* All of standard input, or a line of it, is a message. */
static int send_input(int fd, struct outbox *outbox, bool raw)
{
	char *data = NULL;
	size_t size = 0;
	int status = STATUS_OK;
	ssize_t len;

	while (!status && !raw && (len = getline(&data, &size, stdin)) > 0)
		status = send_one(fd, outbox, data,
				  len - (data[len - 1] == '\n'));

	if (raw) {
		data = read_input(&size);
		if (data)
			status = send_one(fd, outbox, data, size);
		else
			status = fail("standard input", "cannot read");
	} else if (ferror(stdin)) {
		status = fail("standard input", "cannot read");
	}
	free(data);
	return status;
}

/* Each of @words, or else standard input. */
int send_all(int fd, struct outbox *outbox, char **words, bool raw)
{
	int status = STATUS_OK;

	if (!*words)
		return send_input(fd, outbox, raw);
	for (; *words && !status; words++)
		status = send_one(fd, outbox, *words, strlen(*words));
	return status;
}

static int send_run(const struct command *self, int argc, char **argv)
{
	struct outbox outbox = {
		.count = 1,
	};
	bool raw = false;
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'p':
			outbox.msg.prio = parse_number(self, optarg,
						       IPCDEV_PRIO_MAX);
			break;
		case 't':
			outbox.msg.tag = parse_number(self, optarg, UINT64_MAX);
			break;
		case 'T':
			outbox.patience.limited = true;
			outbox.patience.ns = parse_duration(self, optarg);
			break;
		case 'n':
			outbox.count = parse_number(self, optarg, UINT64_MAX);
			break;
		case 'r':
			raw = true;
			break;
		}
	}
	expect_operands(self, argc, 1, -1);
	outbox.path = name_path(argv[optind++]);
	if (raw && optind < argc)
		usage(self, "--raw is for standard input", argv[optind]);

	fd = open_object(outbox.path, O_WRONLY);
	if (fd < 0)
		return STATUS_FAILED;
	return send_all(fd, &outbox, argv + optind, raw);
}

static const struct option_info send_options[] = {
	{ 'p', "prio", "N", "priority, 0 to 32767 (0)" },
	{ 't', "tag", "N", "a number that goes with the message (0)" },
	{ 'n', "count", "N", "send each message N times" },
	{ 'T', "timeout", "TIME", "wait for room no longer than this" },
	{ 'r', "raw", NULL, "all of standard input is one message" },
	{ 0 }
};

const struct command send_command = {
	.name = "send",
	.args = "NAME [MESSAGE...]",
	.summary = "send messages to a queue",
	.details =
"Without a MESSAGE each line of standard input is one. TIME is in seconds, or\n"
"has a unit: 500ms, 2s, 1m; 0 does not wait.",
	.options = send_options,
	.run = send_run,
};

int inbox_init(struct inbox *inbox, int fd, const char *path)
{
	struct ipcdev_stat stat;

	if (ipcdev_stat(fd, &stat))
		return fail(path, "cannot ask");
	if (stat.type != IPCDEV_TYPE_QUEUE)
		return fail_because(path, "that is not a queue");

	inbox->size = stat.msg_max;
	inbox->data = malloc(inbox->size);
	if (!inbox->data)
		return fail(path, "cannot make room for a message");
	return STATUS_OK;
}

/* Slices come by their ids: nobody here looks into their buffers. */
struct ipcdev_msg *inbox_empty(struct inbox *inbox)
{
	inbox->msg = (struct ipcdev_msg) {
		.data = ipcdev_ptr(inbox->data),
		.len = inbox->size,
		.flags = IPCDEV_MSG_SLICE_IDS,
		.fds = ipcdev_ptr(inbox->fds),
		.fd_count = IPCDEV_FDS_MAX,
		.slices = ipcdev_ptr(inbox->slices),
		.slice_count = IPCDEV_SLICES_MAX,
	};
	return &inbox->msg;
}

/* A message that was only peeked at tells how many slices it has, not which. */
static void print_json(const struct inbox *inbox, bool peeked)
{
	const struct ipcdev_msg *msg = &inbox->msg;

	json_open(NULL, '{');
	json_number("prio", msg->prio);
	json_number("tag", msg->tag);
	json_number("len", msg->len);
	json_data(inbox->data, msg->len);
	json_number("fds", msg->fd_count);
	json_number("slice_count", msg->slice_count);
	if (!peeked) {
		json_open("slices", '[');
		for (unsigned int i = 0; i < msg->slice_count; i++) {
			json_open(NULL, '{');
			json_number("buffer", inbox->slices[i].buffer_id);
			json_number("offset", inbox->slices[i].offset);
			json_number("length", inbox->slices[i].length);
			json_close('}');
		}
		json_close(']');
		json_number("lost", msg->lost);
	}
	if (msg->flags & IPCDEV_MSG_CREDS) {
		json_number("pid", msg->pid);
		json_number("uid", msg->uid);
		json_number("gid", msg->gid);
	}
	if (msg->flags & IPCDEV_MSG_TIME)
		json_number("time_ns", msg->time_ns);
	json_close('}');
	json_end_line();
}

/* As it is, or as a line. */
void print_payload(const char *data, size_t len, enum format format)
{
	if (format == FORMAT_RAW) {
		fwrite(data, 1, len, stdout);
		return;
	}
	print_safely(data, len, isatty(STDOUT_FILENO), true);
	/* What echo(1) has sent brings its own. */
	if (!len || data[len - 1] != '\n')
		putchar('\n');
}

void print_message(const struct inbox *inbox, enum format format, bool peeked)
{
	if (format == FORMAT_JSON)
		print_json(inbox, peeked);
	else
		print_payload(inbox->data, inbox->msg.len, format);
	fflush(stdout);
}

/* Sees to an option that says how to receive; false if it is none. */
bool parse_receive_option(const struct command *command, int key,
			  struct receiving *how)
{
	switch (key) {
	case 'n':
		how->count = parse_number(command, optarg, UINT64_MAX);
		if (!how->count)
			usage(command, "a count of nothing", optarg);
		return true;
	case 'T':
		how->patience.limited = true;
		how->patience.ns = parse_duration(command, optarg);
		return true;
	case 'r':
		how->format = FORMAT_RAW;
		return true;
	case 'j':
		how->format = FORMAT_JSON;
		return true;
	}
	return false;
}

int receive_all(int fd, const struct receiving *how)
{
	struct ipcdev_deadline buf;
	struct inbox inbox;

	if (inbox_init(&inbox, fd, how->path))
		return STATUS_FAILED;
	for (uint64_t i = 0; i < how->count; i++) {
		if (ipcdev_queue_recv_msg(fd, inbox_empty(&inbox), 0,
					  deadline(&how->patience, &buf))) {
			if (errno == EPIPE && how->follow)
				break;
			return fail(how->path, "cannot receive");
		}
		for (unsigned int k = 0; k < inbox.msg.fd_count; k++)
			close(inbox.fds[k]);
		if (inbox.msg.lost && how->tell_lost)
			fprintf(stderr, "%s: lost %u messages\n", how->path,
				inbox.msg.lost);
		print_message(&inbox, how->format, false);
		if (ferror(stdout))
			break;
	}
	return STATUS_OK;
}

static int recv_run(const struct command *self, int argc, char **argv)
{
	struct receiving how = { 0 };
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		if (!parse_receive_option(self, key, &how))
			how.follow = true;
	}
	expect_operands(self, argc, 1, 1);
	how.path = name_path(argv[optind]);
	if (!how.count)
		how.count = how.follow ? UINT64_MAX : 1;

	fd = open_object(how.path, O_RDONLY);
	return fd < 0 ? STATUS_FAILED : receive_all(fd, &how);
}

static const struct option_info recv_options[] = {
	{ 'n', "count", "N", "receive N messages (1)" },
	{ 'f', "follow", NULL, "receive until the last writer has gone" },
	{ 'T', "timeout", "TIME", "wait for a message no longer than this" },
	{ 'r', "raw", NULL, "as they are, without newlines between them" },
	{ 'j', "json", NULL, "as JSON, a line for each, with all they carry" },
	{ 0 }
};

const struct command recv_command = {
	.name = "recv",
	.args = "NAME",
	.summary = "receive messages from a queue and print them",
	.details =
"TIME is in seconds, or has a unit: 500ms, 2s, 1m; 0 does not wait.",
	.options = recv_options,
	.run = recv_run,
};

static int peek_run(const struct command *self, int argc, char **argv)
{
	enum format format = FORMAT_LINES;
	uint64_t position = 0, count = 1;
	struct inbox inbox;
	const char *path;
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'p':
			position = parse_number(self, optarg, UINT32_MAX);
			break;
		case 'n':
			count = parse_number(self, optarg, UINT32_MAX);
			break;
		case 'a':
			count = UINT32_MAX;
			break;
		case 'r':
			format = FORMAT_RAW;
			break;
		case 'j':
			format = FORMAT_JSON;
			break;
		}
	}
	expect_operands(self, argc, 1, 1);
	path = name_path(argv[optind]);

	fd = open_object(path, O_RDONLY);
	if (fd < 0 || inbox_init(&inbox, fd, path))
		return STATUS_FAILED;
	for (uint64_t i = 0; i < count; i++) {
		if (ipcdev_queue_peek(fd, position + i, inbox_empty(&inbox))) {
			/* Fewer than were asked for is no failure, none is. */
			if (errno == EAGAIN && i)
				break;
			return fail(path, "cannot peek");
		}
		print_message(&inbox, format, true);
		if (ferror(stdout))
			break;
	}
	return STATUS_OK;
}

static const struct option_info peek_options[] = {
	{ 'p', "position", "N", "begin there; 0 is received next (0)" },
	{ 'n', "count", "N", "look at N messages at most (1)" },
	{ 'a', "all", NULL, "look at all of them" },
	{ 'r', "raw", NULL, "as they are, without newlines between them" },
	{ 'j', "json", NULL, "as JSON, a line for each" },
	{ 0 }
};

const struct command peek_command = {
	.name = "peek",
	.args = "NAME",
	.summary = "look at messages in a queue and leave them there",
	.options = peek_options,
	.run = peek_run,
};
