// SPDX-License-Identifier: GPL-2.0
/* ipcdev-bench: what is to be measured, and in what order. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* The table is read twice: to declare the methods and to list them. */
extern const struct method
#define METHOD(name)	name ## _method
#define LACKING(name, ...)	name ## _method
#include "methods.def"
	no_method;
#undef METHOD
#undef LACKING

const struct method *const methods[] = {
#define METHOD(name)	(&name ## _method)
#define LACKING(symbol, as, library)	\
	(&(const struct method){ .name = (as), .lacks = (library) })
#include "methods.def"
};

const size_t method_count = ARRAY_SIZE(methods);

const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < method_count; i++) {
		if (!strcmp(methods[i]->name, name))
			return methods[i];
	}
	return NULL;
}

#define KIB		1024ul
#define END		SIZE_MAX
#define VALUES_MAX	16

/**
 * struct setting - with what a workload is measured
 * @sizes: bytes of a message, up to END
 * @parties: processes at the side that has many, up to 0
 * @count: operations, or links
 * @quick_sizes: the same in a hurry
 * @quick_parties: the same in a hurry
 * @quick_count: the same in a hurry
 */
struct setting {
	size_t sizes[VALUES_MAX];
	unsigned int parties[VALUES_MAX];
	unsigned int count;
	size_t quick_sizes[VALUES_MAX];
	unsigned int quick_parties[VALUES_MAX];
	unsigned int quick_count;
};

static const struct setting settings[WORKLOADS] = {
	[ROUNDTRIP] = {
		{ 0, 64, KIB, 4 * KIB, 64 * KIB, END }, { 1 }, 200,
		{ 0, 64, END }, { 1 }, 100,
	},
	[STREAM] = {
		{ 64, KIB, 4 * KIB, 64 * KIB, KIB * KIB, END }, { 1 }, 200,
		{ 64, 64 * KIB, END }, { 1 }, 50,
	},
	[FANIN] = {
		{ 64, END }, { 1, 4, 16 }, 2048,
		{ 64, END }, { 4 }, 1024,
	},
	[FANOUT] = {
		{ 4 * KIB, END }, { 1, 4, 16 }, 50,
		{ 4 * KIB, END }, { 4 }, 25,
	},
	[SETUP] = {
		{ 64, END }, { 1 }, 60,
		{ 64, END }, { 1 }, 30,
	},
	[WAKEUP] = {
		{ 64, END }, { 1 }, 60,
		{ 64, END }, { 1 }, 25,
	},
	[TIMER] = {
		{ 0, END }, { 1 }, 200,
		{ 0, END }, { 1 }, 50,
	},
	[MEMORY] = {
		{ 64, END }, { 1 }, 400,
		{ 64, END }, { 1 }, 150,
	},
};

/* What a method that is heavy has, of those. */
#define HEAVY		4

/* From here on a repeat takes long, and less of them tell as much. */
#define LARGE		(256 * KIB)

/**
 * struct options - what the command line asks for
 * @methods: names, patterns even, with commas; NULL for all
 * @workloads: likewise
 * @cgroups: likewise
 * @placements: likewise
 * @sizes: up to END; empty for those of the workload
 * @parties: up to 0; likewise
 * @mode: what the results say of it; NULL for the obvious
 * @json: where results go; NULL for nowhere
 * @csv: likewise
 * @repeats: of each job
 * @count: operations of each repeat; 0 for those of the workload
 * @instructions: the clock counts instructions
 * @quick: fewer sizes, parties and operations
 * @survival: try out what becomes of it when things go wrong
 * @progress: tell a machine how far we are
 */
struct options {
	const char *methods;
	const char *workloads;
	const char *cgroups;
	const char *placements;
	size_t sizes[VALUES_MAX];
	unsigned int parties[VALUES_MAX];
	const char *mode;
	const char *json;
	const char *csv;
	unsigned int repeats;
	unsigned int count;
	bool instructions;
	bool quick;
	bool survival;
	bool progress;
};

/**
 * struct list - jobs to be done
 * @jobs: the jobs
 * @count: how many
 */
struct list {
	struct job *jobs;
	size_t count;
};

static void show_usage(FILE *file)
{
	fputs("usage: ipcdev-bench [OPTION]...\n"
	      "       ipcdev-bench report RESULTS.json > REPORT.html\n"
	      "       ipcdev-bench compare OLD.json NEW.json [PERCENT]\n"
	      "       ipcdev-bench advise RESULTS.json [NEED]...\n"
	      "\n"
	      "Measures ways for two processes to talk to each other.\n"
	      "\n"
	      "  -m, --method NAMES     only these, with commas; ipcdev-* will do\n"
	      "  -w, --workload NAMES   only these\n"
	      "  -s, --size BYTES       only these sizes; 64K will do\n"
	      "  -n, --parties NUMBERS  only as many senders or receivers\n"
	      "  -g, --cgroup NAMES     memcg, root, own; default: memcg,root or own\n"
	      "  -p, --place NAMES      where the two sides run: one, same, siblings, cores\n"
	      "  -q, --quick            fewer sizes, parties and operations, one cgroup\n"
	      "  -c, --count N          operations of each repeat, or links (memory)\n"
	      "  -r, --repeats N        repeats (default: 5)\n"
	      "  -j, --json FILE        write the results there\n"
	      "      --csv FILE         likewise, for a spreadsheet\n"
	      "      --instructions     the clock counts instructions, as in a guest\n"
	      "                         with -icount: one side at a time, one CPU\n"
	      "      --mode NAME        what the results say of how they were taken\n"
	      "      --progress         lines that tell how far it is, for a program\n"
	      "  -l, --list             the methods and workloads\n"
	      "  -h, --help\n"
	      "\n"
	      "NEEDs are roundtrip (the default), stream, fanin or fanout; size=BYTES,\n"
	      "parties=N, crash, poll, boundaries, descriptors, rights, users.\n", file);
}

static noreturn void misuse(const char *what, const char *value)
{
	fprintf(stderr, "ipcdev-bench: %s: %s\n", what, value);
	exit(2);
}

/* Whether one of the names, or patterns, between commas matches. */
static bool wanted(const char *names, const char *name)
{
	char *copy, *state, *pattern;
	bool found = false;

	if (!names)
		return true;
	copy = strdup(names);
	for (pattern = strtok_r(copy, ",", &state); pattern && !found;
	     pattern = strtok_r(NULL, ",", &state))
		found = !fnmatch(pattern, name, 0);
	free(copy);
	return found;
}

static size_t parse_size(const char *text, char **end)
{
	size_t value;

	errno = 0;
	value = strtoul(text, end, 0);
	if (errno || *end == text || *text == '-')
		misuse("not a number", text);
	if (**end == 'K')
		value *= KIB;
	else if (**end == 'M')
		value *= KIB * KIB;
	else
		return value;
	++*end;
	return value;
}

static unsigned int one_number(const char *text, unsigned int max)
{
	char *end;
	size_t value = parse_size(text, &end);

	if (*end || !value || value > max)
		misuse("not a fitting number", text);
	return value;
}

static void many_numbers(const char *text, size_t *values)
{
	size_t count = 0;
	char *end;

	for (;; text = end + 1) {
		if (count == VALUES_MAX - 1)
			misuse("too many numbers", text);
		values[count++] = parse_size(text, &end);
		if (*end != ',')
			break;
	}
	if (*end)
		misuse("not a number", end);
	values[count] = END;
}

static void show_list(void)
{
	puts("Methods:");
	for (size_t i = 0; i < method_count; i++) {
		const struct method *method = methods[i];

		printf("  %-22s  %s%s\n", method->name,
		       method->lacks ? "not here: built without " : "",
		       method->lacks ? method->lacks : method->about);
	}
	puts("\nWorkloads:");
	for (size_t i = 0; i < WORKLOADS; i++)
		printf("  %-22s  %s\n", workload_names[i], workload_about[i]);
	printf("  %-22s  %s\n", "survival",
	       "what becomes of it when things go wrong, by experiment");
}

static void add_job(struct list *list, struct job *job)
{
	if (unfit(job))
		return;
	list->jobs = realloc(list->jobs, (list->count + 1) * sizeof(*job));
	if (!list->jobs)
		misuse("no memory for", "jobs");
	list->jobs[list->count++] = *job;
}

/* What a method that carries little carries where nothing fits it. */
static void add_sizes(struct list *list, struct job *job, const size_t *sizes)
{
	const struct method *method = job->method;
	size_t before = list->count;

	for (; *sizes != END; sizes++) {
		job->size = *sizes;
		if (job->size >= LARGE)
			job->count = MIN(job->count, 40);
		add_job(list, job);
	}
	if (list->count != before || (!method->empty && !method->max))
		return;
	job->size = method->max;
	add_job(list, job);
}

static void add_cgroups(struct list *list, struct job *job,
			const struct options *options, const size_t *sizes)
{
	static const char *const cgroups[] = { "memcg", "root", "own" };
	const char *names = options->cgroups;

	/* Without rights over cgroups there is only the one that we are in. */
	if (!names)
		names = access(CGROUP_ROOT "/cgroup.procs", W_OK) ? "own" :
			options->quick ? "memcg" : "memcg,root";
	for (size_t i = 0; i < ARRAY_SIZE(cgroups); i++) {
		job->cgroup = cgroups[i];
		if (!wanted(names, job->cgroup))
			continue;
		/* Nobody counts what is in the root. */
		if (job->workload == MEMORY && strcmp(job->cgroup, "memcg"))
			continue;
		add_sizes(list, job, sizes);
	}
}

static void add_workload(struct list *list, const struct options *options,
			 enum workload workload, const struct method *method,
			 const struct place *place)
{
	const struct setting *setting = &settings[workload];
	const unsigned int *parties = *options->parties ? options->parties :
		options->quick ? setting->quick_parties : setting->parties;
	const size_t *sizes = *options->sizes != END ? options->sizes :
		options->quick ? setting->quick_sizes : setting->sizes;
	struct job job = {
		.method = method,
		.workload = workload,
		.mode = options->mode,
		.instructions = options->instructions,
		.placement = place->name,
		.cpu = { place->cpu[0], place->cpu[1] },
		.repeats = options->repeats,
	};

	for (; *parties; parties++) {
		/* A number of its own is only for workloads that have many. */
		if (*parties > 1 && workload != FANIN && workload != FANOUT)
			continue;
		job.parties = *parties;
		job.count = options->count ? options->count :
			options->quick ? setting->quick_count : setting->count;
		if (method->heavy && !options->count)
			job.count /= HEAVY;
		add_cgroups(list, &job, options, sizes);
	}
}

static void plan(struct list *list, const struct options *options)
{
	struct place places[PLACES_MAX];
	size_t count = find_places(places);

	for (size_t p = 0; p < count; p++) {
		if (!wanted(options->placements, places[p].name))
			continue;
		for (enum workload w = 0; w < WORKLOADS; w++) {
			if (!wanted(options->workloads, workload_names[w]))
				continue;
			for (size_t m = 0; m < method_count; m++) {
				if (wanted(options->methods, methods[m]->name))
					add_workload(list, options, w,
						     methods[m], &places[p]);
			}
		}
	}
}

static void show_progress(const struct options *options, size_t done,
			  size_t total, const struct job *job, uint64_t start)
{
	static const char marks[] = "####################";
	static const char blanks[] = "                    ";
	int part = 20 * done / total;
	unsigned int left = 0;

	if (options->progress)
		fprintf(stderr, "progress %zu %zu %s %s\n", done, total,
			job->method->name, workload_names[job->workload]);
	if (options->progress || !isatty(STDERR_FILENO))
		return;
	if (done)
		left = (now() - start) / done * (total - done) / 1000000000;
	fprintf(stderr, "\r[%.*s%.*s] %3zu %%, %u:%02u left: %s %s\033[K",
		part, marks, 20 - part, blanks, 100 * done / total, left / 60,
		left % 60, job->method->name, workload_names[job->workload]);
	if (done == total)
		fputs("\r\033[K", stderr);
}

/* A method that is missing is missing in each size: once will do. */
static void say_skipped(const struct job *job, const char *why)
{
	static const struct method *last;
	static char said[160];

	if (last == job->method && !strcmp(said, why))
		return;
	last = job->method;
	snprintf(said, sizeof(said), "%s", why);
	fprintf(stderr, "%sSKIP %s, %s, %zu bytes: %s\n",
		isatty(STDERR_FILENO) ? "\r\033[K" : "", job->method->name,
		workload_names[job->workload], job->size, why);
}

static bool measure(const struct options *options, struct results *results)
{
	struct list list = { 0 };
	uint64_t start = now();
	bool good = true;

	plan(&list, options);
	if (!list.count && !options->survival)
		misuse("nothing to do", "see --list");
	for (size_t i = 0; i < list.count; i++) {
		const struct job *job = &list.jobs[i];
		struct result row;
		char why[160];

		show_progress(options, i, list.count, job, start);
		switch (run(job, &row, why, sizeof(why))) {
		case MEASURED:
			results_add(results, &row);
			break;
		case SKIPPED:
			say_skipped(job, why);
			results_skip(results, &row, why);
			break;
		case FAILED:
			good = false;
			fprintf(stderr, "FAILED %s, %s, %zu bytes, %u parties, %s: %s\n",
				job->method->name, workload_names[job->workload],
				job->size, job->parties, job->cgroup, why);
		}
	}
	if (list.count)
		show_progress(options, list.count, list.count,
			      &list.jobs[list.count - 1], start);
	free(list.jobs);
	return good;
}

static void try_survival(const struct options *options,
			 struct results *results)
{
	for (size_t i = 0; i < method_count; i++) {
		struct survival survival;

		/* A floor is no method, and a timer has no sender who could die. */
		if (!wanted(options->methods, methods[i]->name) ||
		    methods[i]->floor || methods[i]->arm)
			continue;
		if (survive(methods[i], &survival))
			results_survive(results, &survival);
	}
}

/* What matches nothing is a slip of the pen. */
static void check_names(const struct options *options)
{
	bool found = wanted(options->workloads, "survival");

	for (size_t i = 0; i < WORKLOADS; i++)
		found |= wanted(options->workloads, workload_names[i]);
	if (!found)
		misuse("no such workload", options->workloads);
	found = false;
	for (size_t i = 0; i < method_count; i++)
		found |= wanted(options->methods, methods[i]->name);
	if (!found)
		misuse("no such method", options->methods);
}

static void parse(struct options *options, int argc, char **argv)
{
	enum { CSV = 256, INSTRUCTIONS, MODE, PROGRESS };
	static const struct option long_options[] = {
		{ "method", required_argument, NULL, 'm' },
		{ "workload", required_argument, NULL, 'w' },
		{ "size", required_argument, NULL, 's' },
		{ "parties", required_argument, NULL, 'n' },
		{ "cgroup", required_argument, NULL, 'g' },
		{ "place", required_argument, NULL, 'p' },
		{ "quick", no_argument, NULL, 'q' },
		{ "count", required_argument, NULL, 'c' },
		{ "repeats", required_argument, NULL, 'r' },
		{ "json", required_argument, NULL, 'j' },
		{ "csv", required_argument, NULL, CSV },
		{ "instructions", no_argument, NULL, INSTRUCTIONS },
		{ "mode", required_argument, NULL, MODE },
		{ "progress", no_argument, NULL, PROGRESS },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	size_t values[VALUES_MAX];
	int option;

	while ((option = getopt_long(argc, argv, "m:w:s:n:g:p:qc:r:j:lh",
				     long_options, NULL)) != -1) {
		switch (option) {
		case 'm':
			options->methods = optarg;
			break;
		case 'w':
			options->workloads = optarg;
			break;
		case 's':
			many_numbers(optarg, options->sizes);
			break;
		case 'n':
			many_numbers(optarg, values);
			for (size_t i = 0; values[i] != END; i++) {
				if (!values[i] || values[i] > PARTIES_MAX)
					misuse("not a fitting number", optarg);
				options->parties[i] = values[i];
			}
			break;
		case 'g':
			options->cgroups = optarg;
			break;
		case 'p':
			options->placements = optarg;
			break;
		case 'q':
			options->quick = true;
			break;
		case 'c':
			options->count = one_number(optarg, 1000000);
			break;
		case 'r':
			options->repeats = one_number(optarg, REPEATS_MAX);
			break;
		case 'j':
			options->json = optarg;
			break;
		case CSV:
			options->csv = optarg;
			break;
		case INSTRUCTIONS:
			options->instructions = true;
			break;
		case MODE:
			options->mode = optarg;
			break;
		case PROGRESS:
			options->progress = true;
			break;
		case 'l':
			show_list();
			exit(0);
		case 'h':
			show_usage(stdout);
			exit(0);
		default:
			show_usage(stderr);
			exit(2);
		}
	}
	if (optind != argc)
		misuse("what is this", argv[optind]);
	check_names(options);
	options->survival = wanted(options->workloads, "survival");
	if (!options->mode)
		options->mode = options->instructions ? "deterministic" : "native";
}

static int do_advise(int argc, char **argv)
{
	struct needs needs = { .workload = "roundtrip", .size = 64, .parties = 1 };
	const struct {
		const char *name;
		bool *need;
	} table[] = {
		{ "crash", &needs.crash },
		{ "poll", &needs.poll },
		{ "boundaries", &needs.boundaries },
		{ "descriptors", &needs.descriptors },
		{ "rights", &needs.rights },
		{ "users", &needs.users },
	};

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		bool known = false;
		char *end;

		for (size_t k = 0; k < ARRAY_SIZE(table); k++) {
			if (!strcmp(word, table[k].name))
				known = *table[k].need = true;
		}
		for (size_t k = 0; k < WORKLOADS; k++) {
			if (strcmp(word, workload_names[k]))
				continue;
			needs.workload = word;
			known = true;
		}
		if (!strncmp(word, "size=", 5)) {
			needs.size = parse_size(word + 5, &end);
			known = !*end;
		} else if (!strncmp(word, "parties=", 8)) {
			needs.parties = one_number(word + 8, PARTIES_MAX);
			known = true;
		}
		if (!known)
			misuse("what need is this", word);
	}
	return advise(argv[0], &needs);
}

/* A first word that is no option says what to do with earlier results. */
static int use_results(int argc, char **argv)
{
	const char *what = argv[0];

	if (!strcmp(what, "report") && argc == 2)
		return report(argv[1]);
	if (!strcmp(what, "advise") && argc >= 2)
		return do_advise(argc - 1, argv + 1);
	if (!strcmp(what, "compare") && (argc == 3 || argc == 4))
		return compare(argv[1], argv[2],
			       argc == 4 ? one_number(argv[3], 1000) / 100.0 : 0.05);
	show_usage(stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct options options = { .sizes = { END }, .repeats = 5 };
	struct results results = { 0 };
	bool good;

	if (argc > 1 && *argv[1] != '-')
		return use_results(argc - 1, argv + 1);
	parse(&options, argc, argv);
	good = measure(&options, &results);
	if (options.survival)
		try_survival(&options, &results);
	print_table(&results, stdout);
	print_survival(&results, stdout);
	if (options.json && !results_write(&results, options.json))
		good = false;
	if (options.csv && !results_write_csv(&results, options.csv))
		good = false;
	return !good;
}
