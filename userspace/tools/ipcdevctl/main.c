// SPDX-License-Identifier: GPL-2.0
/* ipcdevctl: see, make and use the objects of /dev/ipcdev from a shell. */
#include <getopt.h>
#include <string.h>

#include "ipcdevctl.h"

#define OPTIONS_MAX 16

static const struct command *const commands[] = {
	&mount_command,
	&list_command,
	&stat_command,
	&top_command,
	&info_command,
	&create_command,
	&rm_command,
	&send_command,
	&recv_command,
	&peek_command,
	&pub_command,
	&sub_command,
	&push_command,
	&pop_command,
	&call_command,
	&serve_command,
	&dump_command,
	&watch_command,
	&engine_command,
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static void print_overview(FILE *out)
{
	fputs("usage: ipcdevctl COMMAND [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s%s\n", commands[i]->name,
			commands[i]->summary);
	fputs("\nA NAME without a slash is one in " DEFAULT_DIR ".\n"
	      "ipcdevctl COMMAND --help tells more about one of them.\n", out);
}

static void print_option(const struct option_info *option, FILE *out)
{
	char text[40];

	snprintf(text, sizeof(text), "-%c, --%s%s%s", option->key, option->name,
		 option->arg ? "=" : "", option->arg ? option->arg : "");
	fprintf(out, "  %-26s%s\n", text, option->help);
}

void print_help(const struct command *command, FILE *out)
{
	static const struct option_info help = {
		'h', "help", NULL, "print this"
	};
	const struct option_info *option;

	fprintf(out, "usage: ipcdevctl %s [OPTION...] %s\n\n%s\n",
		command->name, command->args, command->summary);
	if (command->details)
		fprintf(out, "\n%s\n", command->details);
	fputc('\n', out);
	for (option = command->options; option && option->name; option++)
		print_option(option, out);
	print_option(&help, out);
}

noreturn void usage(const struct command *command, const char *problem,
		    const char *what)
{
	fprintf(stderr, "ipcdevctl %s: %s%s%s; see ipcdevctl %s --help\n",
		command->name, problem, what ? ": " : "", what ? what : "",
		command->name);
	exit(STATUS_USAGE);
}

void expect_operands(const struct command *command, int argc, int least,
		     int most)
{
	if (argc - optind < least)
		usage(command, "missing operand", NULL);
	if (most >= 0 && argc - optind > most)
		usage(command, "too many operands", NULL);
}

/* getopt_long() over a command's table, with --help seen to; -1 at the end. */
int next_option(const struct command *command, int argc, char **argv)
{
	struct option longs[OPTIONS_MAX + 2] = {
		{ "help", no_argument, NULL, 'h' },
	};
	char shorts[2 * OPTIONS_MAX + 4] = ":h", *end = shorts + 2;
	const struct option_info *option = command->options;
	char letter[3] = "-";
	int key;

	for (int i = 1; option && option->name; option++, i++) {
		longs[i].name = option->name;
		longs[i].has_arg = option->arg ? required_argument : no_argument;
		longs[i].val = option->key;
		*end++ = option->key;
		if (option->arg)
			*end++ = ':';
	}

	key = getopt_long(argc, argv, shorts, longs, NULL);
	switch (key) {
	case 'h':
		print_help(command, stdout);
		exit(STATUS_OK);
	case ':':
		usage(command, "missing argument", argv[optind - 1]);
	case '?':
		/* A long option is its whole word, a short one a letter. */
		if (!optopt)
			usage(command, "unknown or ambiguous option",
			      argv[optind - 1]);
		/* The letter is known, so its long form has what it does not take. */
		if (optopt != ':' && strchr(shorts, optopt))
			usage(command, "option takes no argument",
			      argv[optind - 1]);
		letter[1] = optopt;
		usage(command, "unknown option", letter);
	}
	return key;
}

int main(int argc, char **argv)
{
	const char *name = argv[1];
	int status;

	if (!name) {
		print_overview(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(name, "--version")) {
		printf("ipcdevctl 1.0\n");
		return STATUS_OK;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
	    !strcmp(name, "help")) {
		print_overview(stdout);
		return STATUS_OK;
	}

	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(name, commands[i]->name))
			continue;
		status = commands[i]->run(commands[i], argc - 1, argv + 1);
		if (fflush(stdout) || ferror(stdout))
			return fail_because("standard output", "cannot write");
		return status;
	}

	fprintf(stderr, "ipcdevctl: unknown command: %s; see ipcdevctl --help\n",
		name);
	return STATUS_USAGE;
}
