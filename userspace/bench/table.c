// SPDX-License-Identifier: GPL-2.0
/* Results as tables, and what to compare them with. */
#include <string.h>

#include "internal.h"

bool is_ours(const struct result *row)
{
	return !strncmp(row->method, "ipcdev-", strlen("ipcdev-"));
}

bool is_floor(const struct result *row)
{
	return !strncmp(row->method, "floor-", strlen("floor-"));
}

bool is_peer(const struct result *row)
{
	const struct method *method = find_method(row->method);

	return method && method->copies;
}

static bool same_circumstances(const struct result *a, const struct result *b)
{
	return !strcmp(a->workload, b->workload) && !strcmp(a->mode, b->mode) &&
	       !strcmp(a->cgroup, b->cgroup) &&
	       !strcmp(a->placement, b->placement);
}

bool comparable(const struct result *a, const struct result *b)
{
	return same_circumstances(a, b) && a->size == b->size &&
	       a->parties == b->parties;
}

const struct result *best_peer(const struct results *results,
			       const struct result *row)
{
	const struct result *best = NULL;

	for (size_t i = 0; i < results->count; i++) {
		const struct result *other = &results->rows[i];

		if (is_peer(other) && comparable(row, other) &&
		    (!best || other->median < best->median))
			best = other;
	}
	return best;
}

/* The one that sleeps, if there is that: it comes first. */
static bool spins(const struct result *row)
{
	const struct method *method = find_method(row->method);

	return method && method->spins;
}

/* To sleep and to be woken is no part of what spinning must cost. */
const struct result *floor_of(const struct results *results,
			      const struct result *row)
{
	for (size_t i = 0; i < results->count; i++) {
		const struct result *other = &results->rows[i];

		if (is_floor(other) && same_circumstances(row, other) &&
		    spins(other) == spins(row))
			return other;
	}
	return NULL;
}

static void put_ratio(FILE *file, const struct result *row,
		      const struct result *other)
{
	if (other && other->median)
		fprintf(file, " %7.2f", row->median / other->median);
	else
		fprintf(file, " %7s", "");
}

static void put_columns(FILE *file, const struct results *results,
			const struct result *row)
{
	fprintf(file, " %11.0f %11.0f", row->median, row->p99);
	put_ratio(file, row, best_peer(results, row));
	put_ratio(file, row, floor_of(results, row));
}

const struct result *twin(const struct results *results,
			  const struct result *row, const char *cgroup)
{
	for (size_t i = 0; i < results->count; i++) {
		const struct result *other = &results->rows[i];
		struct result moved = *other;

		memcpy(moved.cgroup, row->cgroup, sizeof(moved.cgroup));
		if (!strcmp(other->cgroup, cgroup) && comparable(row, &moved) &&
		    !strcmp(other->method, row->method))
			return other;
	}
	return NULL;
}

/* A table holds all rows that differ in their methods and cgroups only. */
bool first_of_table(const struct results *results, size_t number)
{
	const struct result *row = &results->rows[number];

	for (size_t i = 0; i < number; i++) {
		struct result other = results->rows[i];

		memcpy(other.cgroup, row->cgroup, sizeof(other.cgroup));
		if (comparable(row, &other))
			return false;
	}
	return true;
}

static void put_heading(FILE *file, const struct result *row,
			const char *first, const char *second)
{
	fprintf(file, "\n%s, %zu bytes", row->workload, row->size);
	if (row->parties > 1)
		fprintf(file, ", %u parties", row->parties);
	fprintf(file, " (%s, %s, %s)\n", row->unit, row->mode, row->placement);
	fprintf(file, "%-22s", "");
	fprintf(file, " %11s %11s %7s %7s", first, "p99", "/peer", "/floor");
	if (second)
		fprintf(file, "  %11s %11s %7s %7s", second, "p99", "/peer", "/floor");
	fputc('\n', file);
}

static void put_table(FILE *file, const struct results *results,
		      const struct result *first)
{
	const struct result *other = twin(results, first, "root");

	if (other == first)
		other = NULL;
	put_heading(file, first, first->cgroup, other ? "root" : NULL);
	for (size_t i = 0; i < results->count; i++) {
		const struct result *row = &results->rows[i];

		if (!comparable(first, row))
			continue;
		fprintf(file, "%-22s", row->method);
		put_columns(file, results, row);
		if (other && twin(results, row, "root")) {
			fputc(' ', file);
			put_columns(file, results, twin(results, row, "root"));
		}
		fputc('\n', file);
	}
}

void print_table(const struct results *results, FILE *file)
{
	for (size_t i = 0; i < results->count; i++) {
		if (first_of_table(results, i))
			put_table(file, results, &results->rows[i]);
	}
	fputs("\n/peer: as a multiple of the best method that copies through the kernel,\n"
	      "       ipcdev's own left aside; /floor: of the least that it can cost\n",
	      file);
}

void print_survival(const struct results *results, FILE *file)
{
	if (!results->survival_count)
		return;
	for (size_t q = 0; q < QUESTIONS; q++) {
		fprintf(file, "\n%s: %s?\n", question_names[q],
			question_about[q]);
		for (size_t i = 0; i < results->survival_count; i++)
			fprintf(file, "  %-22s  %s\n", results->survival[i].method,
				results->survival[i].answers[q]);
	}
}
