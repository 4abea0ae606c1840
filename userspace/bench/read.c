// SPDX-License-Identifier: GPL-2.0
/*
 * Reading results back. The files are JSON that we have written ourselves, or
 * that a formatter has had in its hands: arrays of flat objects, in which no
 * string holds a quoted key.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t used = 0, more = 0;
	char *text = NULL;

	while (file) {
		text = realloc(text, used + 65536);
		if (!text)
			break;
		more = fread(text + used, 1, 65535, file);
		used += more;
		text[used] = 0;
		if (!more)
			break;
	}
	if (!file || ferror(file) || !text)
		fprintf(stderr, "ipcdev-bench: %s: %s\n", path, strerror(errno));
	if (file)
		fclose(file);
	return text;
}

/* What stands behind a key, in the text up to the end; NULL if nothing does. */
static const char *find(const char *text, const char *end, const char *key)
{
	char quoted[40];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	for (at = strstr(text, quoted); at && at < end; at = strstr(at, quoted)) {
		at += strlen(quoted);
		at += strspn(at, " \t\n");
		if (*at == ':')
			return at + 1 + strspn(at + 1, " \t\n");
	}
	return NULL;
}

static double find_number(const char *text, const char *end, const char *key)
{
	const char *at = find(text, end, key);

	return at ? strtod(at, NULL) : 0;
}

static void find_string(const char *text, const char *end, const char *key,
			char *value, size_t size)
{
	const char *at = find(text, end, key);

	*value = 0;
	if (!at || *at++ != '"')
		return;
	snprintf(value, size, "%.*s", (int)strcspn(at, "\""), at);
}

/* Pairs of a bucket and how many are in it. */
static void read_histogram(struct result *row, const char *at, const char *end)
{
	unsigned int bucket, samples;
	int used;

	at = find(at, end, "histogram");
	if (!at || *at++ != '[')
		return;
	while (sscanf(at, " [ %u , %u ]%n", &bucket, &samples, &used) == 2) {
		if (bucket < BUCKETS)
			row->histogram[bucket] = samples;
		at += used;
		at += strspn(at, " \t\n,");
	}
}

/* A field of the row is called as its key is. */
#define NUMBER(field)	(row.field = find_number(at, end, #field))

static void read_row(struct results *results, const char *at, const char *end)
{
	struct result row = { 0 };

	find_string(at, end, "method", row.method, sizeof(row.method));
	find_string(at, end, "workload", row.workload, sizeof(row.workload));
	find_string(at, end, "mode", row.mode, sizeof(row.mode));
	find_string(at, end, "unit", row.unit, sizeof(row.unit));
	find_string(at, end, "cgroup", row.cgroup, sizeof(row.cgroup));
	find_string(at, end, "placement", row.placement, sizeof(row.placement));
	NUMBER(size);
	NUMBER(parties);
	NUMBER(repeats);
	NUMBER(count);
	NUMBER(min);
	NUMBER(median);
	NUMBER(p99);
	NUMBER(p999);
	NUMBER(max);
	NUMBER(spread);
	read_histogram(&row, at, end);
	results_add(results, &row);
}

static void read_survival(struct results *results, const char *at,
			  const char *end)
{
	struct survival row = { 0 };

	find_string(at, end, "method", row.method, sizeof(row.method));
	for (size_t i = 0; i < QUESTIONS; i++)
		find_string(at, end, question_names[i], row.answers[i],
			    sizeof(row.answers[i]));
	results_survive(results, &row);
}

static void read_skipped(struct results *results, const char *at,
			 const char *end)
{
	struct result row = { 0 };
	char why[160];

	find_string(at, end, "method", row.method, sizeof(row.method));
	find_string(at, end, "workload", row.workload, sizeof(row.workload));
	NUMBER(size);
	find_string(at, end, "why", why, sizeof(why));
	results_skip(results, &row, why);
}

/* Objects hold no objects, so that the next brace ends each. */
static void read_array(struct results *results, const char *text,
		       const char *key,
		       void (*read)(struct results *results, const char *at,
				    const char *end))
{
	const char *at = find(text, text + strlen(text), key);

	if (!at || *at++ != '[')
		return;
	for (;;) {
		const char *end;

		at += strspn(at, " \t\n,");
		end = strchr(at, '}');
		if (*at != '{' || !end)
			return;
		read(results, at, end);
		at = end + 1;
	}
}

bool results_read(struct results *results, const char *path)
{
	static const char *const keys[] = {
		"kernel", "architecture", "processor", "processors", "memory",
		"command_line", "clock", "date",
	};
	char *text = read_file(path);
	const char *machine, *end;

	if (!text)
		return false;
	machine = find(text, text + strlen(text), "machine");
	end = machine ? strchr(machine, '}') : NULL;
	for (size_t i = 0; end && i < ARRAY_SIZE(keys); i++) {
		size_t used = strlen(results->machine);
		char value[256];

		find_string(machine, end, keys[i], value, sizeof(value));
		if (*value)
			snprintf(results->machine + used,
				 sizeof(results->machine) - used, "%s: %s\n",
				 keys[i], value);
	}
	read_array(results, text, "results", read_row);
	read_array(results, text, "survival", read_survival);
	read_array(results, text, "skipped", read_skipped);
	free(text);
	if (results->count)
		return true;
	fprintf(stderr, "ipcdev-bench: %s: no results\n", path);
	return false;
}
