// SPDX-License-Identifier: GPL-2.0
/*
 * The report: one HTML file that needs nothing else, with plots by gnuplot.
 * Where gnuplot is missing, the tables alone must do.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static void put_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", stdout);
		else if (*text == '&')
			fputs("&amp;", stdout);
		else
			putchar(*text);
	}
}

static const char head[] =
"<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
"<meta name=\"viewport\" content=\"width=device-width\">\n"
"<title>ipcdev-bench</title>\n<style>\n"
"body { font: 15px/1.5 sans-serif; color: #222; background: #fff;\n"
"  max-width: 78rem; margin: 2rem auto; padding: 0 1rem }\n"
"h1, h2 { line-height: 1.2 } h2 { margin-top: 2.5rem }\n"
"table { border-collapse: collapse; font-size: 14px }\n"
"th, td { padding: 2px 8px; text-align: right; white-space: nowrap }\n"
"th { border-bottom: 2px solid #888 } td { border-bottom: 1px solid #eee }\n"
"td:first-child, th:first-child { text-align: left }\n"
"td { font-variant-numeric: tabular-nums }\n"
".ours td:first-child { font-weight: bold; color: #b3261e }\n"
".floor td { color: #777; font-style: italic }\n"
".bar { width: 8rem; min-width: 8rem; text-align: left }\n"
".bar div { height: 12px; background: #7a9cc6 }\n"
".ours .bar div { background: #d9534f } .floor .bar div { background: #bbb }\n"
".h { width: 9rem; height: 18px; display: block; background: #f4f4f4 }\n"
".h path { fill: #4a6b94 } .ours .h path { fill: #b3261e }\n"
".wrap { overflow-x: auto } .matrix td, .matrix th { text-align: left;\n"
"  white-space: normal; font-size: 13px; padding: 2px 6px; vertical-align: top }\n"
".matrix td:first-child { white-space: nowrap }\n"
".good { background: #e3f4e3 } .bad { background: #fbe5e3 }\n"
"summary { cursor: pointer; padding: 3px 0 } pre { white-space: pre-wrap }\n"
".plot svg { max-width: 100%; height: auto }\n"
"</style>\n<h1>Ways for two processes to talk</h1>\n";

/* Plots. */

static bool in_plot(const struct result *row, const struct result *first,
		    const char *workload)
{
	return !strcmp(row->workload, workload) &&
	       !strcmp(row->cgroup, first->cgroup) &&
	       !strcmp(row->placement, first->placement);
}

static const char *style(const struct result *row, unsigned int line)
{
	static char text[96];

	/* Ours are thick and warm; what does not copy, as peers do, stands back. */
	static const char *const ours[] = {
		"#d9534f", "#e8871e", "#9c27b0", "#6d1b1b", "#c2185b",
	};
	static const char *const peers[] = {
		"#1f77b4", "#2ca02c", "#17becf", "#5b6fc7", "#8c8c1a", "#3f6f6f",
	};
	const char *color = is_ours(row) ? ours[line % ARRAY_SIZE(ours)] :
		is_floor(row) ? "#000000" :
		is_peer(row) ? peers[line % ARRAY_SIZE(peers)] : "#c8c8c8";

	snprintf(text, sizeof(text), "lc rgb \"%s\" lw %s pt %u ps 0.6", color,
		 is_ours(row) ? "3" : is_peer(row) ? "1.5" : "1", 1 + line % 15);
	return text;
}

/* The rows of each method become a line of what "x" and "y" say of them. */
static void put_data(FILE *script, const struct results *results,
		     const struct result *first, const char *workload,
		     bool by_parties, bool throughput)
{
	unsigned int lines = 0;

	for (size_t m = 0; m < method_count; m++) {
		const struct result *found = NULL;

		for (size_t i = 0; i < results->count; i++) {
			const struct result *row = &results->rows[i];

			if (!in_plot(row, first, workload) || !row->median ||
			    strcmp(row->method, methods[m]->name) ||
			    (throughput && !row->size))
				continue;
			if (!found)
				fprintf(script, "$d%u << END\n", lines);
			found = row;
			fprintf(script, "%zu %g\n",
				by_parties ? row->parties : MAX(row->size, 1),
				throughput ? 1000 * row->size / row->median :
					     row->median);
		}
		if (!found)
			continue;
		fprintf(script, "END\np%u = '$d%u using 1:2 with linespoints %s ",
			lines, lines, style(found, lines));
		fprintf(script, "title \"%s\"'\n", found->method);
		lines++;
	}
	fputs("plot ", script);
	for (unsigned int i = 0; i < lines; i++)
		fprintf(script, "%s@p%u", i ? ", " : "", i);
	fputc('\n', script);
}

static void put_plot(const struct results *results, const char *workload,
		     const char *title, const char *x, const char *y,
		     bool by_parties, bool throughput)
{
	char path[] = "/tmp/ipcdev-bench-XXXXXX";
	const struct result *first = NULL;
	char command[80], line[512];
	bool inside = false;
	FILE *script, *svg;
	int fd;

	for (size_t i = 0; i < results->count && !first; i++) {
		if (!strcmp(results->rows[i].workload, workload))
			first = &results->rows[i];
	}
	fd = first ? mkstemp(path) : -1;
	script = fd < 0 ? NULL : fdopen(fd, "w");
	if (!script)
		return;
	fputs("set terminal svg size 1000,600 dynamic background '#ffffff' ", script);
	fputs("font 'sans-serif,13'\n", script);
	fprintf(script, "set logscale x 2\nset logscale y 10\nset grid lc rgb '#dddddd'\n");
	fprintf(script, "set key outside right center maxcols 1 font ',11'\nset xlabel '%s'\n", x);
	fprintf(script, "set ylabel '%s%s'\nset format y '%%.0s%%c'\nset format x '%%.0b%%B'\n",
		throughput ? "" : first->unit, y);
	put_data(script, results, first, workload, by_parties, throughput);
	fclose(script);
	printf("<h2>%s</h2>\n<div class=\"plot\">", title);
	fflush(stdout);
	snprintf(command, sizeof(command), "gnuplot %s 2>/dev/null", path);
	svg = popen(command, "r");
	/* What comes before the picture itself has no place inside a page. */
	while (svg && fgets(line, sizeof(line), svg)) {
		inside = inside || strstr(line, "<svg");
		if (inside)
			fputs(line, stdout);
	}
	if (!svg || pclose(svg) || !inside)
		puts("<p>(No plot: gnuplot is not installed.)</p>");
	puts("</div>");
	unlink(path);
}

/* Tables. */

static int by_median(const void *a, const void *b)
{
	const struct result *x = *(const struct result *const *)a;
	const struct result *y = *(const struct result *const *)b;

	return x->median < y->median ? -1 : x->median > y->median;
}

static void put_ratio(const struct result *row, const struct result *other)
{
	if (other && other->median)
		printf("<td>%.2f", row->median / other->median);
	else
		fputs("<td>", stdout);
}

/**
 * struct range - buckets that the histograms of a table have in common
 * @first: the first that is not empty in all of them
 * @last: the last
 */
struct range {
	size_t first;
	size_t last;
};

static void widen(struct range *range, const struct result *row)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		if (!row->histogram[i])
			continue;
		range->first = MIN(range->first, i);
		range->last = MAX(range->last, i);
	}
}

/* Few samples far out are what one wants to see: so the root of the number. */
static void put_histogram(const struct result *row, const struct range *range)
{
	unsigned int most = 1;

	for (size_t i = 0; i < BUCKETS; i++)
		most = MAX(most, row->histogram[i]);
	fputs("<td><svg class=\"h\" preserveAspectRatio=\"none\"", stdout);
	printf(" viewBox=\"0 0 %zu 20\"><path d=\"",
	       range->last + 1 - range->first);
	for (size_t i = range->first; i <= range->last; i++) {
		double height = 20 * sqrt((double)row->histogram[i] / most);

		if (row->histogram[i])
			printf("M%zu 20v-%.0fh1v%.0fz", i - range->first,
			       MAX(height, 1), MAX(height, 1));
	}
	fputs("\"/></svg>", stdout);
}

static void put_row(const struct results *results, const struct result *row,
		    double most, const struct range *range, bool two)
{
	const struct result *other = two ? twin(results, row, "root") : NULL;

	printf("<tr class=\"%s\"><td>%s",
	       is_ours(row) ? "ours" : is_floor(row) ? "floor" : "peer",
	       row->method);
	printf("<td class=\"bar\"><div style=\"width: %.1f%%\"></div>",
	       100 * MIN(row->median, most) / MAX(most, 1));
	printf("<td><b>%.0f</b>", row->median);
	put_ratio(row, best_peer(results, row));
	put_ratio(row, floor_of(results, row));
	printf("<td>%.0f<td>%.0f<td>%.0f<td>%.0f", row->min, row->p99,
	       row->p999, row->max);
	put_histogram(row, range);
	if (other) {
		printf("<td>%.0f", other->median);
		put_ratio(other, best_peer(results, other));
	} else if (two) {
		fputs("<td><td>", stdout);
	}
	putchar('\n');
}

static void put_table(const struct results *results, const struct result *first)
{
	const struct result **rows = calloc(results->count, sizeof(*rows));
	const struct result *other = twin(results, first, "root");
	struct range range = { BUCKETS, 0 };
	bool two = other && other != first;
	double most = 1;
	size_t count = 0;

	for (size_t i = 0; rows && i < results->count; i++) {
		if (!comparable(first, &results->rows[i]))
			continue;
		rows[count++] = &results->rows[i];
		widen(&range, &results->rows[i]);
	}
	if (count)
		qsort(rows, count, sizeof(*rows), by_median);
	/* Beyond five times the median method a bar says no more. */
	if (count)
		most = MIN(rows[count - 1]->median, 5 * rows[count / 2]->median);
	fputs("<div class=\"wrap\"><table><tr><th>method<th><th>median", stdout);
	fputs("<th>/peer<th>/floor<th>min<th>p99<th>p99.9<th>max<th>histogram",
	      stdout);
	puts(two ? "<th>in root<th>/peer" : "");
	for (size_t i = 0; i < count; i++)
		put_row(results, rows[i], most, &range, two);
	puts("</table></div>");
	free(rows);
}

/* The ones that are asked for most often are open from the start. */
static bool is_open(const struct result *row)
{
	return (row->size == 64 && (!strcmp(row->workload, "roundtrip") ||
				    !strcmp(row->workload, "stream"))) ||
	       (row->parties == 16 && !strcmp(row->workload, "fanout"));
}

static void put_tables(const struct results *results)
{
	puts("<h2>All figures</h2>\n"
	     "<p>The bars show medians, the histograms all samples: from left to right\n"
	     "on a logarithmic scale that is the same for all rows of a table, the\n"
	     "height being the root of how many there are.</p>");
	for (size_t i = 0; i < results->count; i++) {
		const struct result *row = &results->rows[i];

		if (!first_of_table(results, i))
			continue;
		printf("<details%s><summary>%s, %zu bytes",
		       is_open(row) ? " open" : "", row->workload, row->size);
		if (row->parties > 1)
			printf(", %u parties", row->parties);
		printf(" (%s; cgroup: %s; processors: %s)</summary>\n", row->unit,
		       row->cgroup, row->placement);
		put_table(results, row);
		puts("</details>");
	}
}

static void put_survival(const struct results *results)
{
	if (!results->survival_count)
		return;
	puts("<h2>When things go wrong</h2>\n<p>Tried out, not looked up:</p>\n<ul>");
	for (size_t q = 0; q < QUESTIONS; q++)
		printf("<li><b>%s</b>: %s?\n", question_names[q],
		       question_about[q]);
	fputs("</ul><div class=\"wrap\"><table class=\"matrix\"><tr><th>method", stdout);
	for (size_t q = 0; q < QUESTIONS; q++)
		printf("<th>%s", question_names[q]);
	for (size_t i = 0; i < results->survival_count; i++) {
		const struct survival *survival = &results->survival[i];

		printf("\n<tr class=\"%s\"><td>%s",
		       strncmp(survival->method, "ipcdev-", 7) ? "peer" : "ours",
		       survival->method);
		for (size_t q = 0; q < QUESTIONS; q++) {
			const char *answer = survival->answers[q];

			printf("<td class=\"%s\">",
			       !*answer ? "" :
			       !strncmp(answer, "yes", 3) ||
			       !strncmp(answer, "none", 4) ||
			       !strcmp(answer, "nothing") ||
			       !strncmp(answer, "waits", 5) ? "good" : "bad");
			put_text(answer);
		}
	}
	puts("\n</table></div>");
}

static void put_skipped(const struct results *results)
{
	if (!results->skipped_count)
		return;
	puts("<h2>What could not be measured</h2>\n<ul>");
	for (size_t i = 0; i < results->skipped_count; i++) {
		const struct skipped *skipped = &results->skipped[i];

		printf("<li>%s, %s, %zu bytes: ", skipped->method,
		       skipped->workload, skipped->size);
		put_text(skipped->why);
		putchar('\n');
	}
	puts("</ul>");
}

int report(const char *path)
{
	struct results results = { 0 };

	if (!results_read(&results, path))
		return 2;
	fputs(head, stdout);
	if (!strcmp(results.rows[0].unit, "instructions"))
		puts("<p>The unit is the instruction, counted by an emulator on one\n"
		     "processor: it repeats, and it weighs neither caches nor stalls.\n"
		     "It is a ruler for code, not a claim about silicon.</p>");
	puts("<p>Of each figure the median is shown. <i>Best peer</i> is the\n"
	     "cheapest method that copies through the kernel, ipcdev's own left\n"
	     "aside; the <i>floor</i> is the least that any could cost.</p>");
	put_plot(&results, "roundtrip", "Round trip, against the size of the message",
		 "bytes each way", "", false, false);
	put_plot(&results, "stream", "Stream: how much crosses, against the size",
		 "bytes of a message", "bytes in a thousand", false, true);
	put_plot(&results, "fanout", "Fan-out: until the last receiver has it",
		 "receivers", "", true, false);
	put_plot(&results, "fanin", "Fan-in: each message, of many senders",
		 "senders", "", true, false);
	put_survival(&results);
	put_tables(&results);
	put_skipped(&results);
	fputs("<h2>Where</h2>\n<pre>", stdout);
	put_text(results.machine);
	puts("</pre>\n</html>");
	return ferror(stdout) ? 2 : 0;
}
