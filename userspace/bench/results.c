// SPDX-License-Identifier: GPL-2.0
/* Results in files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* Makes room for one more. */
static void *grow(void *array, size_t count, size_t size)
{
	array = realloc(array, (count + 1) * size);
	if (!array) {
		fputs("ipcdev-bench: no memory for results\n", stderr);
		exit(1);
	}
	return array;
}

void results_add(struct results *results, const struct result *row)
{
	results->rows = grow(results->rows, results->count, sizeof(*row));
	results->rows[results->count++] = *row;
}

void results_skip(struct results *results, const struct result *row,
		  const char *why)
{
	struct skipped *skipped = grow(results->skipped, results->skipped_count,
				       sizeof(*skipped));

	results->skipped = skipped;
	skipped += results->skipped_count++;
	*skipped = (struct skipped) { .size = row->size };
	snprintf(skipped->method, sizeof(skipped->method), "%s", row->method);
	snprintf(skipped->workload, sizeof(skipped->workload), "%s",
		 row->workload);
	snprintf(skipped->why, sizeof(skipped->why), "%s", why);
}

void results_survive(struct results *results, const struct survival *survival)
{
	results->survival = grow(results->survival, results->survival_count,
				 sizeof(*survival));
	results->survival[results->survival_count++] = *survival;
}

/* Writing. */

static void put_string(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', file);
		if ((unsigned char)*text >= ' ')
			fputc(*text, file);
	}
	fputc('"', file);
}

/* The line of a file in /proc that begins so, without its beginning. */
static void find_line(const char *path, const char *start, char *line,
		      size_t size)
{
	char buffer[512];
	FILE *file = fopen(path, "r");

	snprintf(line, size, "unknown");
	while (file && fgets(buffer, sizeof(buffer), file)) {
		const char *text = buffer + strlen(start);

		if (strncmp(buffer, start, strlen(start)))
			continue;
		text += strspn(text, " \t:");
		snprintf(line, size, "%.*s", (int)strcspn(text, "\n"), text);
		break;
	}
	if (file)
		fclose(file);
}

static void put_machine(FILE *file)
{
	char text[512], date[32];
	struct utsname name;
	time_t seconds = time(NULL);

	uname(&name);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
	fputs("\t\"machine\": {\n\t\t\"kernel\": ", file);
	put_string(file, name.release);
	fputs(",\n\t\t\"architecture\": ", file);
	put_string(file, name.machine);
	fputs(",\n\t\t\"processor\": ", file);
	find_line("/proc/cpuinfo", "model name", text, sizeof(text));
	put_string(file, text);
	fprintf(file, ",\n\t\t\"processors\": %ld",
		sysconf(_SC_NPROCESSORS_ONLN));
	fputs(",\n\t\t\"memory\": ", file);
	find_line("/proc/meminfo", "MemTotal", text, sizeof(text));
	put_string(file, text);
	fputs(",\n\t\t\"command_line\": ", file);
	find_line("/proc/cmdline", "", text, sizeof(text));
	put_string(file, text);
	fputs(",\n\t\t\"clock\": ", file);
	find_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		  "", text, sizeof(text));
	put_string(file, text);
	fputs(",\n\t\t\"date\": ", file);
	put_string(file, date);
	fputs("\n\t}", file);
}

static void put_row(FILE *file, const struct result *row)
{
	const char *comma = "";

	fprintf(file, "\t\t{\"method\": \"%s\", \"workload\": \"%s\"",
		row->method, row->workload);
	fprintf(file, ", \"size\": %zu, \"parties\": %u, \"mode\": \"%s\"",
		row->size, row->parties, row->mode);
	fprintf(file, ", \"unit\": \"%s\", \"cgroup\": \"%s\"",
		row->unit, row->cgroup);
	fprintf(file, ", \"placement\": \"%s\", \"min\": %.0f",
		row->placement, row->min);
	fprintf(file, ", \"median\": %.0f, \"p99\": %.0f, \"p999\": %.0f",
		row->median, row->p99, row->p999);
	fprintf(file, ", \"max\": %.0f, \"spread\": %.4f, \"repeats\": %u",
		row->max, row->spread, row->repeats);
	fprintf(file, ", \"count\": %zu, \"histogram\": [", row->count);
	for (size_t i = 0; i < BUCKETS; i++) {
		if (!row->histogram[i])
			continue;
		fprintf(file, "%s[%zu, %u]", comma, i, row->histogram[i]);
		comma = ", ";
	}
	fputs("]}", file);
}

static bool finish(FILE *file, const char *path)
{
	bool good = file && !ferror(file);

	if (file && fclose(file))
		good = false;
	if (!good)
		fprintf(stderr, "ipcdev-bench: %s: %s\n", path, strerror(errno));
	return good;
}

bool results_write(const struct results *results, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return finish(file, path);
	fputs("{\n", file);
	put_machine(file);
	fputs(",\n\t\"results\": [\n", file);
	for (size_t i = 0; i < results->count; i++) {
		put_row(file, &results->rows[i]);
		fputs(i + 1 < results->count ? ",\n" : "\n", file);
	}
	fputs("\t],\n\t\"survival\": [\n", file);
	for (size_t i = 0; i < results->survival_count; i++) {
		const struct survival *survival = &results->survival[i];

		fprintf(file, "\t\t{\"method\": \"%s\"", survival->method);
		for (size_t k = 0; k < QUESTIONS; k++) {
			fprintf(file, ", \"%s\": ", question_names[k]);
			put_string(file, survival->answers[k]);
		}
		fputs(i + 1 < results->survival_count ? "},\n" : "}\n", file);
	}
	fputs("\t],\n\t\"skipped\": [\n", file);
	for (size_t i = 0; i < results->skipped_count; i++) {
		const struct skipped *skipped = &results->skipped[i];

		fprintf(file, "\t\t{\"method\": \"%s\", \"workload\": \"%s\"",
			skipped->method, skipped->workload);
		fprintf(file, ", \"size\": %zu, \"why\": ", skipped->size);
		put_string(file, skipped->why);
		fputs(i + 1 < results->skipped_count ? "},\n" : "}\n", file);
	}
	fputs("\t]\n}\n", file);
	return finish(file, path);
}

bool results_write_csv(const struct results *results, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return finish(file, path);
	fputs("method,workload,size,parties,mode,unit,cgroup,placement,", file);
	fputs("min,median,p99,p999,max,spread,repeats,count\n", file);
	for (size_t i = 0; i < results->count; i++) {
		const struct result *row = &results->rows[i];

		fprintf(file, "%s,%s,%zu,%u,%s,%s,%s,%s,", row->method,
			row->workload, row->size, row->parties, row->mode,
			row->unit, row->cgroup, row->placement);
		fprintf(file, "%.0f,%.0f,%.0f,%.0f,%.0f,%.4f,%u,%zu\n",
			row->min, row->median, row->p99, row->p999, row->max,
			row->spread, row->repeats, row->count);
	}
	return finish(file, path);
}
