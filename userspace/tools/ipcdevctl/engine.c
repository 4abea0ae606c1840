// SPDX-License-Identifier: GPL-2.0
/* Engines: what there is, what they have done, and how fast: the command engine. */
#include <fcntl.h>
#include <getopt.h>
#include <ipcdev_engine.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ipcdevctl.h"

#define PATIENCE	(30 * NSEC_PER_SEC)
#define NSEC_PER_BYTE	200000		/* and so much more for a slow device */
#define BAR		40		/* columns of the longest one */
#define DELAY		1000000		/* of the timers of a test, in nanoseconds */
#define BYTE		0xa5
#define NUMBER		12		/* whose factorial is the greatest in 32 bits */
#define FACTORIAL	479001600

static const char *const operation_names[] = {
	[IPCDEV_OP_NOP] = "nop",
	[IPCDEV_OP_TIMER] = "timer",
	[IPCDEV_OP_COPY] = "copy",
	[IPCDEV_OP_FILL] = "fill",
	[IPCDEV_OP_CRC32] = "crc32",
	[IPCDEV_OP_FACTORIAL] = "factorial",
};

#define OPERATIONS (sizeof(operation_names) / sizeof(*operation_names))

static bool knows(uint32_t operations, size_t op)
{
	return operation_names[op] && operations >> op & 1;
}

static void print_operations(uint32_t operations)
{
	const char *space = "";

	for (size_t op = 0; op < OPERATIONS; op++) {
		if (!knows(operations, op))
			continue;
		printf("%s%s", space, operation_names[op]);
		space = " ";
	}
}

static void json_operations(uint32_t operations)
{
	json_open("operations", '[');
	for (size_t op = 0; op < OPERATIONS; op++)
		if (knows(operations, op))
			json_text(NULL, operation_names[op]);
	json_close(']');
}

/* Says why no engine could be made for it. */
int fail_backend(const char *backend)
{
	if (errno == ENODEV || errno == ENAMETOOLONG)
		return fail_because(backend, "no such back end; see ipcdevctl engine list");
	if (errno == ENOTUNIQ)
		return fail_because(backend, "there are several; see ipcdevctl engine list");
	if (errno == EINVAL)
		return fail_because(backend, "not that deep; see ipcdevctl engine list");
	return fail(errno == ENOENT ? IPCDEV_DEVICE : backend, "cannot make an engine");
}

/* engine list */

static void print_backend(const struct ipcdev_backend_info *info)
{
	char length[32] = "-", period[32] = "-";

	if (info->length_max)
		format_size(info->length_max, length, sizeof(length));
	if (info->period_min)
		format_time(info->period_min, period, sizeof(period));
	printf("%-20s %7u %7u %8s %8s  ", info->name, info->engines, info->depth_max,
	       length, period);
	print_operations(info->operations);
	putchar('\n');
}

static void json_backend(const struct ipcdev_backend_info *info)
{
	json_open(NULL, '{');
	json_text("name", info->name);
	json_operations(info->operations);
	json_number("engines", info->engines);
	json_number("depth_max", info->depth_max);
	json_number("length_max", info->length_max);
	json_number("period_min_ns", info->period_min);
	json_close('}');
}

static int list_backends(bool json)
{
	struct ipcdev_backend_info info;
	unsigned int count = 0;
	int got;

	if (json)
		json_open(NULL, '[');
	else
		printf("%-20s %7s %7s %8s %8s  %s\n", "BACKEND", "ENGINES", "DEPTH",
		       "LARGEST", "PERIOD", "OPERATIONS");
	while ((got = ipcdev_engine_backends(count, &info, 1)) == 1) {
		count++;
		if (json)
			json_backend(&info);
		else
			print_backend(&info);
	}
	if (json) {
		json_close(']');
		json_end_line();
	}
	return got ? fail(IPCDEV_DEVICE, "cannot list the back ends") : STATUS_OK;
}

/* engine info */

static const struct {
	const char *key;
	const char *title;
} latencies[IPCDEV_LATENCIES] = {
	[IPCDEV_LATENCY_INTERRUPT] = {
		"interrupt", "from the submission, or when it was due, to the interrupt"
	},
	[IPCDEV_LATENCY_WAKEUP] = {
		"wakeup", "from the interrupt until the sleeper runs"
	},
	[IPCDEV_LATENCY_REAPED] = {
		"reaped", "from there until it has reaped and comes back"
	},
};

/* From the first class that has any to the last. */
static void draw(const char *title, const __u64 *classes)
{
	int first = IPCDEV_HISTOGRAM, last = -1, length;
	uint64_t most = 0;
	char from[32];

	for (int i = 0; i < IPCDEV_HISTOGRAM; i++) {
		if (!classes[i])
			continue;
		first = i < first ? i : first;
		last = i;
		most = classes[i] > most ? classes[i] : most;
	}
	if (last < 0)
		return;
	printf("\n%s\n", title);
	for (int i = first; i <= last; i++) {
		/* Who was there at all is seen. */
		length = ((double)classes[i] * BAR + most - 1) / most;
		printf("%8s and more %12llu%s%.*s\n",
		       format_time(1ULL << i, from, sizeof(from)),
		       (unsigned long long)classes[i], length ? " " : "", length,
		       "########################################");
	}
}

static void print_engine(const char *name, const struct ipcdev_engine_stat *stat)
{
	printf("%-16s%s\n", "name", name);
	printf("%-16s%s%s\n", "back end", stat->backend,
	       stat->flags & IPCDEV_ENGINE_GONE ? ", which is gone" : "");
	printf("%-16s", "operations");
	print_operations(stat->operations);
	printf("\n%-16s%u of %u\n", "in flight", stat->inflight, stat->depth);
	printf("%-16s%u\n", "unreaped", stat->unreaped);
	printf("%-16s%llu\n", "submitted", (unsigned long long)stat->submitted);
	printf("%-16s%llu\n", "completed", (unsigned long long)stat->completed);
	printf("%-16s%llu\n", "failed", (unsigned long long)stat->failed);
	printf("%-16s%llu\n", "cancelled", (unsigned long long)stat->cancelled);
	printf("%-16s%llu\n", "records", (unsigned long long)stat->records);
	printf("%-16s%llu\n", "missed", (unsigned long long)stat->missed);
	for (size_t i = 0; i < IPCDEV_LATENCIES; i++)
		draw(latencies[i].title, stat->latency[i]);
}

static void json_latencies(const struct ipcdev_engine_stat *stat)
{
	json_open("latencies", '{');
	for (size_t i = 0; i < IPCDEV_LATENCIES; i++) {
		json_open(latencies[i].key, '[');
		for (size_t n = 0; n < IPCDEV_HISTOGRAM; n++)
			json_number(NULL, stat->latency[i][n]);
		json_close(']');
	}
	json_close('}');
}

static void json_engine(const char *name, const struct ipcdev_engine_stat *stat)
{
	json_open(NULL, '{');
	json_text("name", name);
	json_text("backend", stat->backend);
	json_operations(stat->operations);
	json_bool("gone", stat->flags & IPCDEV_ENGINE_GONE);
	json_number("depth", stat->depth);
	json_number("inflight", stat->inflight);
	json_number("unreaped", stat->unreaped);
	json_number("submitted", stat->submitted);
	json_number("completed", stat->completed);
	json_number("failed", stat->failed);
	json_number("cancelled", stat->cancelled);
	json_number("records", stat->records);
	json_number("missed", stat->missed);
	json_latencies(stat);
	json_close('}');
}

/* A handle of an engine is no end of its ring, so nobody notices. */
static int ask_engine(const char *path, struct ipcdev_engine_stat *stat)
{
	int fd = ipcdev_open(path, O_RDONLY), status = STATUS_OK;

	if (fd < 0 && errno == EACCES)
		fd = ipcdev_open(path, O_WRONLY);
	if (fd < 0)
		fd = open_object(path, O_RDONLY);
	if (fd < 0)
		return STATUS_FAILED;
	if (ipcdev_engine_stat(fd, stat))
		status = fail(path, "cannot ask");
	close(fd);
	return status;
}

static int show_engines(int count, char **names, bool json)
{
	struct ipcdev_engine_stat stat;
	int status = STATUS_OK, failed;

	if (json)
		json_open(NULL, '[');
	for (int i = 0; i < count; i++) {
		failed = ask_engine(name_path(names[i]), &stat);
		if (failed) {
			status = failed;
		} else if (json) {
			json_engine(names[i], &stat);
		} else {
			if (i)
				putchar('\n');
			print_engine(names[i], &stat);
		}
	}
	if (json) {
		json_close(']');
		json_end_line();
	}
	return status;
}

/* engine test */

/**
 * struct trial - an engine that is tried out
 * @backend: its name, as it was asked for
 * @fd: the engine
 * @ring: its consumer
 * @size: bytes of each buffer, and of each slice
 * @from: a buffer to read from
 * @to: one to write to
 * @source: the former, mapped
 * @target: the latter, mapped
 */
struct trial {
	const char *backend;
	int fd;
	struct ipcdev_ring ring;
	uint64_t size;
	int from;
	int to;
	unsigned char *source;
	unsigned char *target;
};

static int compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static void prepare(const struct trial *trial, size_t op, uint64_t now,
		    struct ipcdev_engine_request *request)
{
	switch (op) {
	case IPCDEV_OP_NOP:
		ipcdev_engine_nop(request, op);
		break;
	case IPCDEV_OP_TIMER:
		ipcdev_engine_timer_at(request, op, now + DELAY);
		break;
	case IPCDEV_OP_COPY:
		memset(trial->target, 0, trial->size);
		ipcdev_engine_copy(request, op, trial->to, 0, trial->from, 0,
				   trial->size);
		break;
	case IPCDEV_OP_FILL:
		memset(trial->target, 0, trial->size);
		ipcdev_engine_fill(request, op, trial->to, 0, trial->size, BYTE);
		break;
	case IPCDEV_OP_CRC32:
		ipcdev_engine_crc32(request, op, trial->from, 0, trial->size);
		break;
	case IPCDEV_OP_FACTORIAL:
		ipcdev_engine_factorial(request, op, NUMBER);
		break;
	}
}

/* As zlib's crc32(). */
static uint32_t crc32_of(const unsigned char *data, uint64_t size)
{
	uint32_t crc = ~0U;

	while (size--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static bool filled(const struct trial *trial)
{
	return trial->target[0] == BYTE &&
	       !memcmp(trial->target, trial->target + 1, trial->size - 1);
}

/* Whether an operation has done what it should. */
static bool right(const struct trial *trial, size_t op, int64_t result)
{
	switch (op) {
	case IPCDEV_OP_COPY:
		return result == (int64_t)trial->size &&
		       !memcmp(trial->target, trial->source, trial->size);
	case IPCDEV_OP_FILL:
		return result == (int64_t)trial->size && filled(trial);
	case IPCDEV_OP_CRC32:
		return result == crc32_of(trial->source, trial->size);
	case IPCDEV_OP_FACTORIAL:
		return result == FACTORIAL;
	default:
		return !result;
	}
}

/* Once; the time that it took, or of a timer that it was late, is left there. */
static int try_once(struct trial *trial, size_t op, uint64_t *took)
{
	struct ipcdev_engine_request request;
	struct ipcdev_completion completion;
	struct ipcdev_deadline deadline;
	uint64_t start;

	prepare(trial, op, now_ns(), &request);
	ipcdev_deadline_in(&deadline, PATIENCE + trial->size * NSEC_PER_BYTE);
	start = op == IPCDEV_OP_TIMER ? request.value : now_ns();
	if (ipcdev_engine_submit(trial->fd, &request, 1, &deadline) < 0 ||
	    ipcdev_engine_next(&trial->ring, &completion, &deadline))
		return fail(trial->backend, operation_names[op]);
	*took = now_ns() - start;
	if (completion.result < 0) {
		errno = -completion.result;
		return fail(trial->backend, operation_names[op]);
	}
	if (!right(trial, op, completion.result)) {
		fprintf(stderr, "ipcdevctl: %s: %s: the result is wrong\n",
			trial->backend, operation_names[op]);
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

static void print_times(size_t op, const uint64_t *times, uint64_t count)
{
	char least[32], median[32], most[32];

	printf("%-10s %10s %10s %10s%s\n", operation_names[op],
	       format_time(times[0], least, sizeof(least)),
	       format_time(times[(count - 1) / 2], median, sizeof(median)),
	       format_time(times[count - 1], most, sizeof(most)),
	       op == IPCDEV_OP_TIMER ? "  late" : "");
}

static void json_times(size_t op, const uint64_t *times, uint64_t count)
{
	json_open(NULL, '{');
	json_text("operation", operation_names[op]);
	json_number("least_ns", times[0]);
	json_number("median_ns", times[(count - 1) / 2]);
	json_number("most_ns", times[count - 1]);
	json_close('}');
}

static int try_operation(struct trial *trial, size_t op, uint64_t *times, uint64_t count,
			 bool json)
{
	int status;

	for (uint64_t i = 0; i < count; i++) {
		status = try_once(trial, op, times + i);
		if (status)
			return status;
	}
	qsort(times, count, sizeof(*times), compare_times);
	if (json)
		json_times(op, times, count);
	else
		print_times(op, times, count);
	fflush(stdout);
	return STATUS_OK;
}

static int open_buffer(uint64_t size, int *fd, unsigned char **map)
{
	*fd = ipcdev_buffer_create(size, 0, 0);
	if (*fd < 0)
		return -1;
	*map = ipcdev_buffer_map(*fd, 0, 0, PROT_READ | PROT_WRITE);
	return *map ? 0 : -1;
}

/* A back end may be gone by now; then the engine says so when it is used. */
static uint64_t length_max(const char *name)
{
	struct ipcdev_backend_info info;

	for (unsigned int i = 0; ipcdev_engine_backends(i, &info, 1) == 1; i++)
		if (!strcmp(info.name, name))
			return info.length_max;
	return 0;
}

/* Whether its requests may be that long. */
static int check_size(const struct trial *trial)
{
	struct ipcdev_engine_stat stat;
	char text[32], reason[128];
	uint64_t most;

	if (ipcdev_engine_stat(trial->fd, &stat))
		return fail(trial->backend, "cannot ask");
	most = length_max(stat.backend);
	if (!most || trial->size <= most)
		return STATUS_OK;
	snprintf(reason, sizeof(reason), "its slices have %s at most; see ipcdevctl engine list",
		 format_size(most, text, sizeof(text)));
	return fail_because(trial->backend, reason);
}

/* All ends with the process. */
static int open_trial(struct trial *trial, const char *backend, uint64_t size)
{
	int status;

	trial->backend = backend;
	trial->size = size;
	trial->fd = ipcdev_engine_create(backend, 0, 0, 0);
	if (trial->fd < 0)
		return fail_backend(backend);
	status = check_size(trial);
	if (status)
		return status;
	if (ipcdev_ring_open(&trial->ring, trial->fd, IPCDEV_RIGHT_READ))
		return fail(backend, "cannot become its consumer");
	if (open_buffer(size, &trial->from, &trial->source) ||
	    open_buffer(size, &trial->to, &trial->target))
		return fail(backend, "cannot make a buffer");
	for (uint64_t i = 0; i < size; i++)
		trial->source[i] = i * 31 + i / 256;
	return STATUS_OK;
}

static int try_all(struct trial *trial, uint64_t count, bool json)
{
	uint64_t *times = calloc(count, sizeof(*times));
	struct ipcdev_engine_stat stat;
	int status = STATUS_OK;
	char text[32];

	if (!times || ipcdev_engine_stat(trial->fd, &stat)) {
		free(times);
		return fail(trial->backend, "cannot ask");
	}
	if (json) {
		json_open(NULL, '{');
		json_text("backend", stat.backend);
		json_number("count", count);
		json_number("size", trial->size);
		json_open("operations", '[');
	} else {
		printf("%s: each operation %llu times, %s each\n\n", stat.backend,
		       (unsigned long long)count,
		       format_size(trial->size, text, sizeof(text)));
		printf("%-10s %10s %10s %10s\n", "OPERATION", "LEAST", "MEDIAN", "MOST");
	}
	for (size_t op = 0; op < OPERATIONS && !status; op++)
		if (knows(stat.operations, op))
			status = try_operation(trial, op, times, count, json);
	free(times);
	if (!status && ipcdev_engine_stat(trial->fd, &stat))
		status = fail(trial->backend, "cannot ask");
	if (json) {
		json_close(']');
		if (!status)
			json_latencies(&stat);
		json_close('}');
		json_end_line();
		return status;
	}
	for (size_t i = 0; i < IPCDEV_LATENCIES && !status; i++)
		draw(latencies[i].title, stat.latency[i]);
	return status;
}

/**
 * struct demand - what is asked of the command
 * @json: for programs
 * @test_only: it has an option that is for test alone
 * @count: how often each operation
 * @size: bytes
 */
struct demand {
	bool json;
	bool test_only;
	uint64_t count;
	uint64_t size;
};

static int test_backend(const char *backend, const struct demand *demand)
{
	struct trial trial = { 0 };
	int status = open_trial(&trial, backend, demand->size);

	return status ? status : try_all(&trial, demand->count, demand->json);
}

static void parse_demand(const struct command *self, int argc, char **argv,
			 struct demand *demand)
{
	int key;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'j':
			demand->json = true;
			break;
		case 'n':
			demand->count = parse_number(self, optarg, 10000000);
			demand->test_only = true;
			break;
		case 's':
			demand->size = parse_size(self, optarg);
			demand->test_only = true;
			break;
		}
	}
	if (!demand->count)
		usage(self, "--count must be at least 1", NULL);
	if (!demand->size)
		usage(self, "--size must be at least 1", NULL);
}

static int engine_run(const struct command *self, int argc, char **argv)
{
	struct demand demand = { .count = 10, .size = 4096 };
	const char *what;

	parse_demand(self, argc, argv, &demand);
	expect_operands(self, argc, 1, -1);
	what = argv[optind++];
	if (!strcmp(what, "test")) {
		expect_operands(self, argc, 0, 1);
		return test_backend(optind < argc ? argv[optind] : "soft", &demand);
	}
	if (demand.test_only)
		usage(self, "--count and --size are for test", NULL);
	if (!strcmp(what, "list")) {
		expect_operands(self, argc, 0, 0);
		return list_backends(demand.json);
	}
	if (!strcmp(what, "info")) {
		expect_operands(self, argc, 1, -1);
		return show_engines(argc - optind, argv + optind, demand.json);
	}
	usage(self, "neither list, info nor test", what);
}

static const struct option_info engine_options[] = {
	{ 'n', "count", "N", "test: each operation so many times (10)" },
	{ 's', "size", "SIZE", "test: bytes of its slices (4K)" },
	{ 'j', "json", NULL, "as JSON" },
	{ 0 }
};

const struct command engine_command = {
	.name = "engine",
	.args = "list|info NAME...|test [BACKEND]",
	.summary = "list back ends, show what engines have done, try one out",
	.details =
"list tells what back ends there are. info shows engines by their names, with\n"
"histograms of their times. test makes an engine, has it carry out each operation\n"
"that its back end (soft) knows, checks the results and tells how long they took.",
	.options = engine_options,
	.run = engine_run,
};
