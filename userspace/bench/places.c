// SPDX-License-Identifier: GPL-2.0
/* Where the two sides run. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static int read_topology(int cpu, const char *name)
{
	char path[96];
	int value = -1;
	FILE *file;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
	file = fopen(path, "r");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static bool same_core(int a, int b)
{
	return read_topology(a, "core_id") >= 0 &&
	       read_topology(a, "core_id") == read_topology(b, "core_id") &&
	       read_topology(a, "physical_package_id") ==
	       read_topology(b, "physical_package_id");
}

size_t find_places(struct place places[PLACES_MAX])
{
	int first = -1, sibling = -1, other = -1;
	cpu_set_t set;
	size_t count = 0;

	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (first < 0)
			first = cpu;
		else if (same_core(first, cpu) && sibling < 0)
			sibling = cpu;
		else if (!same_core(first, cpu) && other < 0)
			other = cpu;
	}
	if (sibling < 0 && other < 0) {
		places[count++] = (struct place) { "one", { first, first } };
		return count;
	}
	places[count++] = (struct place) { "same", { first, first } };
	if (sibling >= 0)
		places[count++] = (struct place) { "siblings", { first, sibling } };
	if (other >= 0)
		places[count++] = (struct place) { "cores", { first, other } };
	return count;
}
