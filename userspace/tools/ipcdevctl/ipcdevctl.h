/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands of ipcdevctl share. */
#ifndef _IPCDEVCTL_H
#define _IPCDEVCTL_H

#include <errno.h>
#include <ipcdev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>

#define DEFAULT_DIR	"/dev/ipc"
#define NSEC_PER_SEC	1000000000ULL

/* Exit statuses, as the man page tells them. */
enum {
	STATUS_OK	= 0,
	STATUS_FAILED	= 1,
	STATUS_USAGE	= 2,
	STATUS_TIMEOUT	= 3,
	STATUS_GONE	= 4,
};

/**
 * struct option_info - an option of a command
 * @key: the letter that is its short form and that next_option() returns
 * @name: its long form
 * @arg: what its argument is called; NULL if it takes none
 * @help: what it does, in a line
 */
struct option_info {
	char key;
	const char *name;
	const char *arg;
	const char *help;
};

/**
 * struct command - something that ipcdevctl can do
 * @name: how it is called
 * @args: its operands, for the synopsis
 * @summary: what it does, in a line
 * @details: what else its help should say, or NULL
 * @options: ends with an entry without a name; NULL if there are none
 * @run: does it: @argc and @argv hold its operands and options, after its own
 *	name; returns a STATUS_*
 */
struct command {
	const char *name;
	const char *args;
	const char *summary;
	const char *details;
	const struct option_info *options;
	int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command create_command, dump_command, info_command,
	list_command, mount_command, peek_command, recv_command, rm_command,
	send_command, stat_command, top_command, watch_command;

/* main.c */
void print_help(const struct command *command, FILE *out);
int next_option(const struct command *command, int argc, char **argv);
noreturn void usage(const struct command *command, const char *problem,
		    const char *what);
void expect_operands(const struct command *command, int argc, int least,
		     int most);

/* error.c */
int fail(const char *object, const char *action);
int fail_because(const char *object, const char *reason);

/* parse.c: these end the program if the text is not what it should be. */
uint64_t parse_number(const struct command *command, const char *text,
		      uint64_t max);
uint64_t parse_size(const struct command *command, const char *text);
uint64_t parse_duration(const struct command *command, const char *text);
mode_t parse_mode(const struct command *command, const char *text);

/* name.c */
const char *name_path(const char *name);
bool in_ipcdevfs(const char *path);
bool listed_name(const char *path, char *name);
int open_object(const char *path, int flags);

/* object.c */
struct ipcdev_stat *list_objects(size_t *count);
const char *type_name(const struct ipcdev_stat *stat);
const char *user_name(uint32_t uid);
void json_object(const struct ipcdev_stat *stat);

/* text.c: what is printed for people, and as JSON for programs. */
const char *format_size(uint64_t bytes, char *buf, size_t size);
void print_safely(const char *data, size_t len, bool terminal, bool lines);
void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_number(const char *key, uint64_t number);
void json_bool(const char *key, bool value);
void json_text(const char *key, const char *text);
void json_data(const char *data, size_t len);
void json_end_line(void);

#endif /* _IPCDEVCTL_H */
