// SPDX-License-Identifier: GPL-2.0
/* Which methods meet given needs, the cheapest first. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const char *answer_of(const struct results *results, const char *method,
			     const char *question)
{
	for (size_t i = 0; i < results->survival_count; i++) {
		if (strcmp(results->survival[i].method, method))
			continue;
		for (size_t q = 0; q < QUESTIONS; q++) {
			if (!strcmp(question_names[q], question))
				return results->survival[i].answers[q];
		}
	}
	return "";
}

static bool says(const struct results *results, const char *method,
		 const char *question, const char *answer)
{
	return !strncmp(answer_of(results, method, question), answer,
			strlen(answer));
}

/* What it lacks, of what is needed; NULL if it lacks nothing. */
static const char *lacks(const struct results *results, const char *name,
			 const struct needs *needs)
{
	const struct method *method = find_method(name);

	if (!method || method->floor)
		return "no method";
	if (needs->crash && !says(results, name, "death", "yes"))
		return "a peer's death goes unnoticed";
	if (needs->crash && !says(results, name, "midway", "yes") &&
	    !says(results, name, "midway", "none"))
		return "a crash in mid-message is not told from a message";
	if (needs->crash && !says(results, name, "left", "nothing"))
		return "a crash leaves something behind";
	if (needs->poll && !says(results, name, "poll", "yes"))
		return "cannot be polled";
	if (needs->boundaries && says(results, name, "boundaries", "no"))
		return "does not keep message boundaries";
	if (needs->descriptors && !says(results, name, "descriptors", "yes"))
		return "carries no descriptors";
	if (needs->rights && !says(results, name, "rights", "yes"))
		return "the receiver might write, too";
	if (needs->users && !says(results, name, "users", "yes"))
		return "does not cross users";
	return NULL;
}

static int cheaper(const void *a, const void *b)
{
	const struct result *x = *(const struct result *const *)a;
	const struct result *y = *(const struct result *const *)b;

	return x->median < y->median ? -1 : x->median > y->median;
}

/* The size that was measured and is nearest to what is needed, from above. */
static size_t nearest(const struct results *results, const struct needs *needs)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < results->count; i++) {
		const struct result *row = &results->rows[i];

		if (!strcmp(row->workload, needs->workload) &&
		    row->size >= needs->size)
			best = MIN(best, row->size);
	}
	return best;
}

static bool fits(const struct result *row, const struct needs *needs,
		 size_t size, const char *cgroup, const char *placement)
{
	return !strcmp(row->workload, needs->workload) && row->size == size &&
	       row->parties == needs->parties && !strcmp(row->cgroup, cgroup) &&
	       !strcmp(row->placement, placement);
}

int advise(const char *path, const struct needs *needs)
{
	struct results results = { 0 };
	const struct result **rows, *first = NULL;
	size_t size, count = 0;

	if (!results_read(&results, path))
		return 2;
	size = nearest(&results, needs);
	for (size_t i = 0; i < results.count && !first; i++) {
		const struct result *row = &results.rows[i];

		if (fits(row, needs, size, row->cgroup, row->placement))
			first = row;
	}
	rows = calloc(results.count, sizeof(*rows));
	if (!first || !rows) {
		fputs("ipcdev-bench: nothing of that kind was measured\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < results.count; i++) {
		const struct result *row = &results.rows[i];

		if (fits(row, needs, size, first->cgroup, first->placement))
			rows[count++] = row;
	}
	qsort(rows, count, sizeof(*rows), cheaper);
	printf("%s of %zu bytes, in %s (%s, %s):\n", needs->workload, size,
	       first->unit, first->mode, first->placement);
	for (size_t i = 0; i < count; i++) {
		if (!lacks(&results, rows[i]->method, needs))
			printf("  %-22s %10.0f  %s\n", rows[i]->method,
			       rows[i]->median,
			       find_method(rows[i]->method)->about);
	}
	puts("Cheaper or not, these fall short:");
	for (size_t i = 0; i < count; i++) {
		const char *why = lacks(&results, rows[i]->method, needs);

		if (why && !is_floor(rows[i]))
			printf("  %-22s %10.0f  %s\n", rows[i]->method,
			       rows[i]->median, why);
	}
	return 0;
}
