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
	STATUS_REPLY	= 5,
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

extern const struct command call_command, create_command, dump_command,
	engine_command, info_command, list_command, mount_command, peek_command,
	pop_command, pub_command, push_command, recv_command, rm_command, send_command,
	serve_command, stat_command, sub_command, top_command, watch_command;

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
int fail_reply(const char *object);

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
int open_or_make(const char *path, int flags,
		 const struct ipcdev_create_queue *attr, mode_t mode,
		 unsigned int publish, bool *made);
bool parse_queue_option(const struct command *command, int key,
			struct ipcdev_create_queue *attr);
void tell_unlike(const char *path, int fd, const struct ipcdev_create_queue *attr);

/* message.c */

/* How long to wait for one message. */
struct patience {
	bool limited;
	uint64_t ns;
};

/* What is to be sent, beside the payloads. */
struct outbox {
	const char *path;
	struct ipcdev_msg msg;
	struct patience patience;
	uint64_t count;
};

enum format { FORMAT_LINES, FORMAT_RAW, FORMAT_JSON };

/**
 * struct receiving - how messages are received and printed
 * @path: from where
 * @format: how they are printed
 * @patience: for each of them
 * @count: end after so many
 * @follow: that the last writer has gone is the end, and no failure
 * @tell_lost: say how many were dropped
 */
struct receiving {
	const char *path;
	enum format format;
	struct patience patience;
	uint64_t count;
	bool follow;
	bool tell_lost;
};

/* Room for whatever a queue's message may carry. */
struct inbox {
	struct ipcdev_msg msg;
	char *data;
	uint32_t size;
	int fds[IPCDEV_FDS_MAX];
	struct ipcdev_slice slices[IPCDEV_SLICES_MAX];
};

const struct ipcdev_deadline *deadline(const struct patience *patience,
				       struct ipcdev_deadline *buf);
char *read_input(size_t *len);
int send_all(int fd, struct outbox *outbox, char **words, bool raw);
bool parse_receive_option(const struct command *command, int key,
			  struct receiving *how);
int receive_all(int fd, const struct receiving *how);
int inbox_init(struct inbox *inbox, int fd, const char *path);
struct ipcdev_msg *inbox_empty(struct inbox *inbox);
void print_payload(const char *data, size_t len, enum format format);
void print_message(const struct inbox *inbox, enum format format, bool peeked);

/* object.c */
struct ipcdev_stat *list_objects(size_t *count);
const char *type_name(const struct ipcdev_stat *stat);
const char *user_name(uint32_t uid);
void json_object(const struct ipcdev_stat *stat);

/* engine.c */
int fail_backend(const char *backend);

/* text.c: what is printed for people, and as JSON for programs. */
const char *format_size(uint64_t bytes, char *buf, size_t size);
const char *format_time(uint64_t ns, char *buf, size_t size);
void print_safely(const char *data, size_t len, bool terminal, bool lines);
void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_number(const char *key, uint64_t number);
void json_bool(const char *key, bool value);
void json_text(const char *key, const char *text);
void json_data(const char *data, size_t len);
void json_end_line(void);

#endif /* _IPCDEVCTL_H */
