// SPDX-License-Identifier: GPL-2.0
/* What objects there are: the commands ls, stat, top and info. */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ipcdevctl.h"

/* All live objects that the caller may see; the caller frees them. */
struct ipcdev_stat *list_objects(size_t *count)
{
	struct ipcdev_stat *stats = NULL, *larger;
	size_t room = 0;
	int got;

	*count = 0;
	do {
		if (*count == room) {
			room = room ? 2 * room : 64;
			larger = realloc(stats, room * sizeof(*stats));
			if (!larger) {
				free(stats);
				return NULL;
			}
			stats = larger;
		}
		got = ipcdev_list(*count ? stats[*count - 1].id : 0,
				  stats + *count, room - *count);
		if (got < 0) {
			free(stats);
			return NULL;
		}
		*count += got;
	} while (got);
	return stats;
}

const char *type_name(const struct ipcdev_stat *stat)
{
	switch (stat->type) {
	case IPCDEV_TYPE_BUFFER:
		return "buffer";
	case IPCDEV_TYPE_QUEUE:
		return "queue";
	case IPCDEV_TYPE_RING:
		return "ring";
	case IPCDEV_TYPE_ENGINE:
		return "engine";
	}
	return "unknown";
}

/*
 * The name from /etc/passwd; the number if it is not there. getpwuid(3) knows
 * more users, but not in a program that is linked statically.
 */
const char *user_name(uint32_t uid)
{
	static char name[33];
	struct passwd *user;
	FILE *users;

	snprintf(name, sizeof(name), "%u", uid);
	users = fopen("/etc/passwd", "re");
	if (!users)
		return name;
	while ((user = fgetpwent(users))) {
		if (user->pw_uid == uid) {
			snprintf(name, sizeof(name), "%s", user->pw_name);
			break;
		}
	}
	fclose(users);
	return name;
}

static const struct {
	unsigned int bit;
	const char *name;
} flags[] = {
	{ IPCDEV_STAT_PUBLISHED, "published" },
	{ IPCDEV_STAT_PERSISTENT, "persistent" },
	{ IPCDEV_STAT_SEALED, "sealed" },
	{ IPCDEV_STAT_DROP_OLDEST, "drop-oldest" },
	{ IPCDEV_STAT_CREDS, "creds" },
	{ IPCDEV_STAT_TIME, "time" },
	{ IPCDEV_STAT_SCHED, "sched" },
	{ IPCDEV_STAT_BROADCAST, "broadcast" },
	{ IPCDEV_STAT_TAKEOVER, "takeover" },
};

#define FLAGS (sizeof(flags) / sizeof(*flags))

/* The numbers of an object, as stat and JSON tell them. */
static const struct number {
	const char *name;
	const char *help;
	unsigned int type;	/* only objects of this type have it; or 0 */
	bool wide;		/* 64 bits, not 32 */
	size_t offset;
} numbers[] = {
#define AT(field) offsetof(struct ipcdev_stat, field)
#define BUFFER IPCDEV_TYPE_BUFFER
#define QUEUE IPCDEV_TYPE_QUEUE
#define RING IPCDEV_TYPE_RING
#define ENGINE IPCDEV_TYPE_ENGINE
	{ "readers", "open files that may read; with ends: consumers", 0, false, AT(readers) },
	{ "writers", "open files that may write; with ends: producers", 0, false, AT(writers) },
	{ "eventfds", "attached eventfds", 0, false, AT(watches) },
	{ "size", "bytes", BUFFER, true, AT(size) },
	{ "queued", "messages in it", QUEUE, false, AT(queued) },
	{ "depth", "of at most", QUEUE, false, AT(depth) },
	{ "queued_bytes", "bytes in them", QUEUE, true, AT(queued_bytes) },
	{ "bytes_max", "of at most", QUEUE, true, AT(size) },
	{ "msg_max", "bytes in the largest message", QUEUE, false, AT(msg_max) },
	{ "receivers", "asleep for a message", QUEUE, false, AT(receivers) },
	{ "senders", "asleep for room", QUEUE, false, AT(senders) },
	{ "calls", "received and not answered", QUEUE, false, AT(calls) },
	{ "sent", "messages accepted", QUEUE, true, AT(sent) },
	{ "sent_bytes", "bytes in them", QUEUE, true, AT(sent_bytes) },
	{ "received", "messages delivered", QUEUE, true, AT(received) },
	{ "received_bytes", "bytes in them", QUEUE, true, AT(received_bytes) },
	{ "history", "messages kept for receivers to come", QUEUE, false, AT(history) },
	{ "dropped", "messages dropped when full", QUEUE, true, AT(dropped) },
	{ "returned", "messages put back by receivers", QUEUE, true, AT(returned) },
	{ "send_waits", "times that a sender slept", QUEUE, true, AT(send_waits) },
	{ "recv_waits", "times that a receiver slept", QUEUE, true, AT(recv_waits) },
	{ "size", "bytes of data", RING, true, AT(size) },
	{ "queued_bytes", "bytes in use", RING, true, AT(queued_bytes) },
	{ "receivers", "asleep for a record", RING, false, AT(receivers) },
	{ "senders", "asleep for room", RING, false, AT(senders) },
	{ "send_waits", "times that the producer slept", RING, true, AT(send_waits) },
	{ "recv_waits", "times that the consumer slept", RING, true, AT(recv_waits) },
	{ "inflight", "requests in flight", ENGINE, false, AT(queued) },
	{ "depth", "of at most", ENGINE, false, AT(depth) },
	{ "unreaped_bytes", "bytes of completions to be reaped", ENGINE, true, AT(queued_bytes) },
	{ "submitted", "requests", ENGINE, true, AT(sent) },
	{ "completed", "of these", ENGINE, true, AT(received) },
	{ "receivers", "asleep for a completion", ENGINE, false, AT(receivers) },
	{ "recv_waits", "times that the consumer slept", ENGINE, true, AT(recv_waits) },
	{ "wakeups", "sleepers woken", 0, true, AT(wakeups) },
};

#define NUMBERS (sizeof(numbers) / sizeof(*numbers))

static uint64_t number_of(const struct ipcdev_stat *stat,
			  const struct number *number)
{
	const char *field = (const char *)stat + number->offset;
	uint64_t wide;
	uint32_t narrow;

	if (number->wide) {
		memcpy(&wide, field, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, field, sizeof(narrow));
	return narrow;
}

static bool has_number(const struct ipcdev_stat *stat,
		       const struct number *number)
{
	return !number->type || number->type == stat->type;
}

void json_object(const struct ipcdev_stat *stat)
{
	json_open(NULL, '{');
	json_number("id", stat->id);
	json_text("type", type_name(stat));
	json_text("name", stat->name);
	json_number("uid", stat->uid);
	json_number("gid", stat->gid);
	json_number("created_ns", stat->created_ns);
	for (size_t i = 0; i < FLAGS; i++)
		json_bool(flags[i].name, stat->flags & flags[i].bit);
	for (size_t i = 0; i < NUMBERS; i++)
		if (has_number(stat, numbers + i))
			json_number(numbers[i].name,
				    number_of(stat, numbers + i));
	json_close('}');
}

static void json_objects(const struct ipcdev_stat *stats, size_t count)
{
	json_open(NULL, '[');
	for (size_t i = 0; i < count; i++)
		json_object(stats + i);
	json_close(']');
	json_end_line();
}

/* How full a queue, an engine or a ring is; how large a buffer. */
static const char *contents(const struct ipcdev_stat *stat, char *buf,
			    size_t size)
{
	char used[16];

	if (stat->type == IPCDEV_TYPE_QUEUE || stat->type == IPCDEV_TYPE_ENGINE) {
		snprintf(buf, size, "%u/%u", stat->queued, stat->depth);
	} else if (stat->type == IPCDEV_TYPE_RING) {
		format_size(stat->queued_bytes, used, sizeof(used));
		size -= snprintf(buf, size, "%s/", used);
		format_size(stat->size, buf + strlen(buf), size);
	} else {
		format_size(stat->size, buf, size);
	}
	return buf;
}

static const char *flag_letters(const struct ipcdev_stat *stat)
{
	static char letters[8];
	char *end = letters;

	if (stat->flags & IPCDEV_STAT_PERSISTENT)
		*end++ = 'p';
	if (stat->flags & IPCDEV_STAT_SEALED)
		*end++ = 's';
	if (stat->flags & IPCDEV_STAT_DROP_OLDEST)
		*end++ = 'd';
	if (stat->flags & IPCDEV_STAT_CREDS)
		*end++ = 'c';
	if (stat->flags & IPCDEV_STAT_TIME)
		*end++ = 't';
	if (stat->flags & IPCDEV_STAT_SCHED)
		*end++ = 'r';
	if (stat->flags & IPCDEV_STAT_BROADCAST)
		*end++ = 'b';
	if (stat->flags & IPCDEV_STAT_TAKEOVER)
		*end++ = 'o';
	if (end == letters)
		*end++ = '-';
	*end = '\0';
	return letters;
}

static void print_name(const struct ipcdev_stat *stat)
{
	const char *name = stat->name[0] ? stat->name : "-";

	print_safely(name, strlen(name), isatty(STDOUT_FILENO), false);
	putchar('\n');
}

static bool json_wanted(const struct command *self, int argc, char **argv)
{
	bool json = false;

	while (next_option(self, argc, argv) != -1)
		json = true;
	return json;
}

static int list_run(const struct command *self, int argc, char **argv)
{
	bool json = json_wanted(self, argc, argv);
	struct ipcdev_stat *stats;
	char text[32];
	size_t count;

	expect_operands(self, argc, 0, 0);
	stats = list_objects(&count);
	if (!stats)
		return fail(IPCDEV_DEVICE, "cannot list the objects");

	if (json) {
		json_objects(stats, count);
	} else if (!count) {
		puts("no objects");
	} else {
		printf("%6s %-6s %-8s %7s %7s %10s %-5s %s\n", "ID", "TYPE",
		       "OWNER", "READERS", "WRITERS", "HOLDS", "FLAGS", "NAME");
		for (struct ipcdev_stat *s = stats; s < stats + count; s++) {
			printf("%6llu %-6s %-8s %7u %7u %10s %-5s ",
			       (unsigned long long)s->id, type_name(s),
			       user_name(s->uid), s->readers, s->writers,
			       contents(s, text, sizeof(text)),
			       flag_letters(s));
			print_name(s);
		}
	}
	free(stats);
	return STATUS_OK;
}

static const struct option_info json_options[] = {
	{ 'j', "json", NULL, "as JSON" },
	{ 0 }
};

const struct command list_command = {
	.name = "ls",
	.args = "",
	.summary = "list the live objects: yours, or as root everybody's",
	.details = "FLAGS: p persistent, s sealed, d drops the oldest, c creds, t time,\n"
"r real-time senders first, b broadcast, o may be taken over.",
	.options = json_options,
	.run = list_run,
};

/*
 * Finds an object in the listing, by the id or by the name; at most one is.
 * Returns 1 if it is there, 0 if not, and -1 with errno without a listing.
 */
static int find_listed(uint64_t id, const char *name, struct ipcdev_stat *stat)
{
	struct ipcdev_stat *stats;
	bool found = false;
	size_t count;

	stats = list_objects(&count);
	if (!stats)
		return -1;
	for (size_t i = 0; i < count && !found; i++) {
		found = name ? !strcmp(stats[i].name, name) : stats[i].id == id;
		if (found)
			*stat = stats[i];
	}
	free(stats);
	return found;
}

/*
 * Opening an object makes a peer, for a moment, and its senders may learn then
 * that their only reader has gone. So what the listing can tell is taken from
 * there.
 */
static int find_object(const struct command *self, const char *text,
		       struct ipcdev_stat *stat)
{
	char name[PATH_MAX];
	const char *path;
	int found, fd;

	if (*text == '@') {
		found = find_listed(parse_number(self, text + 1, UINT64_MAX),
				    NULL, stat);
		if (found < 0)
			return fail(IPCDEV_DEVICE, "cannot list the objects");
		if (found)
			return STATUS_OK;
		return fail_because(text, "there is no such object, or it is not yours");
	}

	path = name_path(text);
	if (listed_name(path, name) && find_listed(0, name, stat) > 0)
		return STATUS_OK;

	fd = ipcdev_open(path, O_RDONLY);
	if (fd < 0 && errno == EACCES)
		fd = ipcdev_open(path, O_WRONLY);
	if (fd < 0)
		fd = open_object(path, O_RDONLY);
	if (fd < 0)
		return STATUS_FAILED;
	if (ipcdev_stat(fd, stat))
		return fail(path, "cannot ask");
	close(fd);
	return STATUS_OK;
}

static void print_stat(const struct ipcdev_stat *stat)
{
	time_t created = stat->created_ns / NSEC_PER_SEC;
	const char *space = "";
	char text[64];

	printf("%-16s", "name");
	print_name(stat);
	printf("%-16s%llu\n", "id", (unsigned long long)stat->id);
	printf("%-16s%s\n", "type", type_name(stat));
	printf("%-16s%s (%u:%u)\n", "owner", user_name(stat->uid), stat->uid,
	       stat->gid);
	strftime(text, sizeof(text), "%F %T %z", localtime(&created));
	printf("%-16s%s\n", "created", text);
	printf("%-16s", "flags");
	for (size_t i = 0; i < FLAGS; i++) {
		if (!(stat->flags & flags[i].bit))
			continue;
		printf("%s%s", space, flags[i].name);
		space = " ";
	}
	puts(*space ? "" : "-");
	for (size_t i = 0; i < NUMBERS; i++)
		if (has_number(stat, numbers + i))
			printf("%-16s%-14llu %s\n", numbers[i].name,
			       (unsigned long long)number_of(stat, numbers + i),
			       numbers[i].help);
}

static int stat_run(const struct command *self, int argc, char **argv)
{
	bool json = json_wanted(self, argc, argv);
	int status = STATUS_OK, failed;
	struct ipcdev_stat stat;
	int first;

	expect_operands(self, argc, 1, -1);
	first = optind;
	if (json)
		json_open(NULL, '[');
	for (; optind < argc; optind++) {
		failed = find_object(self, argv[optind], &stat);
		if (failed) {
			status = failed;
		} else if (json) {
			json_object(&stat);
		} else {
			if (optind > first)
				putchar('\n');
			print_stat(&stat);
		}
	}
	if (json) {
		json_close(']');
		json_end_line();
	}
	return status;
}

const struct command stat_command = {
	.name = "stat",
	.args = "NAME|@ID...",
	.summary = "tell what objects are and what has happened to them",
	.details = "@ID is an object that ls shows, with a name or without.",
	.options = json_options,
	.run = stat_run,
};

/* An object and how fast it is used. */
struct rate {
	const struct ipcdev_stat *stat;
	double sent;		/* messages a second */
	double received;
	double bytes;		/* received bytes a second */
};

static int compare_rates(const void *a, const void *b)
{
	const struct rate *left = a, *right = b;
	double l = left->sent + left->received;
	double r = right->sent + right->received;

	if (l != r)
		return l < r ? 1 : -1;
	return left->stat->id < right->stat->id ? -1 : 1;
}

/* Both listings are in order of their ids; a new object has no rate yet. */
static void work_out_rates(struct rate *rates,
			   const struct ipcdev_stat *now, size_t now_count,
			   const struct ipcdev_stat *old, size_t old_count,
			   double seconds)
{
	const struct ipcdev_stat *end = old + old_count;

	for (size_t i = 0; i < now_count; i++) {
		rates[i] = (struct rate) { .stat = now + i };
		while (old < end && old->id < now[i].id)
			old++;
		if (old == end || old->id != now[i].id)
			continue;
		rates[i].sent = (now[i].sent - old->sent) / seconds;
		rates[i].received = (now[i].received - old->received) / seconds;
		rates[i].bytes = (now[i].received_bytes - old->received_bytes) /
				 seconds;
	}
	qsort(rates, now_count, sizeof(*rates), compare_rates);
}

static void print_rates(const struct rate *rates, size_t count)
{
	struct winsize window = { .ws_row = 24 };
	char rate[32], holds[32];
	bool terminal = isatty(STDOUT_FILENO);
	size_t rows = count;

	if (terminal) {
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
		if (window.ws_row > 3 && rows > window.ws_row - 3U)
			rows = window.ws_row - 3;
		fputs("\033[H\033[J", stdout);
	}
	if (!count) {
		puts("no objects");
		return;
	}
	printf("%6s %-6s %-8s %10s %10s %10s %8s %s\n", "ID", "TYPE", "OWNER",
	       "HOLDS", "SENT/s", "RECV/s", "BYTES/s", "NAME");
	for (size_t i = 0; i < rows; i++) {
		const struct ipcdev_stat *s = rates[i].stat;

		printf("%6llu %-6s %-8s %10s %10.0f %10.0f %8s ",
		       (unsigned long long)s->id, type_name(s),
		       user_name(s->uid), contents(s, holds, sizeof(holds)),
		       rates[i].sent, rates[i].received,
		       format_size(rates[i].bytes, rate, sizeof(rate)));
		print_name(s);
	}
	if (rows < count)
		printf("and %zu more\n", count - rows);
}

static void json_rates(const struct rate *rates, size_t count)
{
	json_open(NULL, '[');
	for (size_t i = 0; i < count; i++) {
		json_open(NULL, '{');
		json_number("id", rates[i].stat->id);
		json_text("type", type_name(rates[i].stat));
		json_text("name", rates[i].stat->name);
		json_number("sent_per_s", rates[i].sent);
		json_number("received_per_s", rates[i].received);
		json_number("bytes_per_s", rates[i].bytes);
		json_close('}');
	}
	json_close(']');
	json_end_line();
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int top_run(const struct command *self, int argc, char **argv)
{
	uint64_t delay = NSEC_PER_SEC, rounds = UINT64_MAX;
	size_t old_count, now_count;
	struct ipcdev_stat *old, *now;
	double then, seconds;
	struct timespec pause;
	struct rate *rates;
	bool json = false;
	int key;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'd':
			delay = parse_duration(self, optarg);
			break;
		case 'n':
			rounds = parse_number(self, optarg, UINT64_MAX);
			break;
		case 'j':
			json = true;
			break;
		}
	}
	expect_operands(self, argc, 0, 0);
	pause.tv_sec = delay / NSEC_PER_SEC;
	pause.tv_nsec = delay % NSEC_PER_SEC;

	then = seconds_now();
	old = list_objects(&old_count);
	while (old && rounds--) {
		if (fflush(stdout))
			break;
		nanosleep(&pause, NULL);
		now = list_objects(&now_count);
		rates = now ? calloc(now_count + 1, sizeof(*rates)) : NULL;
		if (!rates) {
			free(now);
			now = NULL;
		} else {
			seconds = seconds_now() - then;
			then += seconds;
			work_out_rates(rates, now, now_count, old, old_count,
				       seconds);
			if (json)
				json_rates(rates, now_count);
			else
				print_rates(rates, now_count);
		}
		free(rates);
		free(old);
		old = now;
		old_count = now_count;
	}
	if (!old)
		return fail(IPCDEV_DEVICE, "cannot list the objects");
	free(old);
	return STATUS_OK;
}

static const struct option_info top_options[] = {
	{ 'd', "delay", "TIME", "between two looks (1s)" },
	{ 'n', "count", "N", "end after N looks" },
	{ 'j', "json", NULL, "as JSON, a line for each look" },
	{ 0 }
};

const struct command top_command = {
	.name = "top",
	.args = "",
	.summary = "show again and again which objects are used most",
	.details = "Ctrl-C ends it. TIME is in seconds, or has a unit: 500ms, 2s, 1m.",
	.options = top_options,
	.run = top_run,
};

static void print_limit(const char *what, uint64_t used, uint64_t limit,
			bool size)
{
	char left[32], right[32];

	if (size) {
		format_size(used, left, sizeof(left));
		format_size(limit, right, sizeof(right));
	} else {
		snprintf(left, sizeof(left), "%llu", (unsigned long long)used);
		snprintf(right, sizeof(right), "%llu",
			 (unsigned long long)limit);
	}
	printf("%-22s%s of %s\n", what, left, right);
}

static int info_run(const struct command *self, int argc, char **argv)
{
	bool json = json_wanted(self, argc, argv);
	struct ipcdev_info info;
	char text[32];

	expect_operands(self, argc, 0, 0);
	if (ipcdev_info(&info))
		return fail(IPCDEV_DEVICE, "cannot ask");

	if (json) {
		json_open(NULL, '{');
		json_number("version", info.version);
		json_number("objects", info.objects);
		json_number("max_objects", info.max_objects);
		json_number("bytes", info.bytes);
		json_number("max_bytes", info.max_bytes);
		json_number("eventfds", info.eventfds);
		json_number("max_eventfds", info.max_eventfds);
		json_number("names", info.names);
		json_number("max_names", info.max_names);
		json_number("inflight", info.inflight);
		json_number("max_depth", info.max_depth);
		json_number("max_msg_size", info.max_msg_size);
		json_number("max_batch", info.max_batch);
		json_close('}');
		json_end_line();
		return STATUS_OK;
	}

	printf("%-22s%u\n", "interface version", info.version);
	print_limit("your objects", info.objects, info.max_objects, false);
	print_limit("your bytes", info.bytes, info.max_bytes, true);
	print_limit("your eventfds", info.eventfds, info.max_eventfds, false);
	print_limit("your names", info.names, info.max_names, false);
	printf("%-22s%llu\n", "descriptors in flight",
	       (unsigned long long)info.inflight);
	printf("%-22s%u messages\n", "deepest queue", info.max_depth);
	printf("%-22s%s\n", "largest message",
	       format_size(info.max_msg_size, text, sizeof(text)));
	printf("%-22s%u messages\n", "largest batch", info.max_batch);
	return STATUS_OK;
}

const struct command info_command = {
	.name = "info",
	.args = "",
	.summary = "show the module's limits and how much of them you use",
	.options = json_options,
	.run = info_run,
};
