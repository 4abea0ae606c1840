// SPDX-License-Identifier: GPL-2.0
/* What has changed between two files of results. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const struct result *same(const struct results *results,
				 const struct result *row)
{
	for (size_t i = 0; i < results->count; i++) {
		const struct result *other = &results->rows[i];

		if (comparable(row, other) && !strcmp(row->unit, other->unit) &&
		    !strcmp(row->method, other->method))
			return other;
	}
	return NULL;
}

/* Whether the change is more than the repeats of either differ by anyway. */
static bool beyond_noise(const struct result *old, const struct result *new)
{
	double noise = MAX(old->spread, new->spread);

	return fabs(new->median - old->median) >
	       MAX(noise, 0.01) * MAX(old->median, 1);
}

int compare(const char *old_path, const char *new_path, double threshold)
{
	struct results old = { 0 }, new = { 0 };
	unsigned int compared = 0, changed = 0, worse = 0;

	if (!results_read(&old, old_path) || !results_read(&new, new_path))
		return 2;
	for (size_t i = 0; i < new.count; i++) {
		const struct result *now = &new.rows[i];
		const struct result *then = same(&old, now);
		double change;

		if (!then)
			continue;
		compared++;
		if (!beyond_noise(then, now))
			continue;
		changed++;
		change = now->median / MAX(then->median, 1) - 1;
		printf("%-22s %-9s %7zu bytes %2u %-6s %-8s %10.0f -> %10.0f %s  %+.1f %%%s\n",
		       now->method, now->workload, now->size, now->parties,
		       now->cgroup, now->placement, then->median, now->median,
		       now->unit, 100 * change,
		       change > threshold ? "  REGRESSION" : "");
		worse += change > threshold;
	}
	printf("%u compared, %u changed beyond the noise, %u worse by more than %.0f %%\n",
	       compared, changed, worse, 100 * threshold);
	return worse || !compared;
}
