// SPDX-License-Identifier: GPL-2.0
/* Buffers: the command dump. */
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipcdevctl.h"

#define ROW 16

static void print_row(uint64_t offset, const unsigned char *row, size_t len)
{
	printf("%08llx ", (unsigned long long)offset);
	for (size_t i = 0; i < ROW; i++) {
		if (i % 8 == 0)
			putchar(' ');
		if (i < len)
			printf("%02x ", row[i]);
		else
			fputs("   ", stdout);
	}
	fputs(" |", stdout);
	for (size_t i = 0; i < len; i++)
		putchar(row[i] < 0x80 && isprint(row[i]) ? row[i] : '.');
	puts("|");
}

/*
 * Buffers are mostly zeroes at first: rows that repeat the one before are told
 * by a star. Each is copied before it is looked at, because its writers go on.
 */
static void print_hex(const unsigned char *data, uint64_t offset, size_t len)
{
	unsigned char row[ROW], last[ROW];
	bool starred = false;

	for (size_t at = 0; at < len; at += ROW) {
		size_t part = len - at < ROW ? len - at : ROW;

		memcpy(row, data + at, part);
		if (at && part == ROW && !memcmp(row, last, ROW)) {
			if (!starred)
				puts("*");
			starred = true;
			continue;
		}
		starred = false;
		print_row(offset + at, row, part);
		memcpy(last, row, part);
	}
	printf("%08llx\n", (unsigned long long)offset + len);
}

static int dump_run(const struct command *self, int argc, char **argv)
{
	uint64_t offset = 0, length = UINT64_MAX;
	bool raw = false;
	const char *path;
	char *map;
	int64_t size;
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		switch (key) {
		case 'o':
			offset = parse_size(self, optarg);
			break;
		case 'l':
			length = parse_size(self, optarg);
			break;
		case 'r':
			raw = true;
			break;
		}
	}
	expect_operands(self, argc, 1, 1);
	path = name_path(argv[optind]);

	fd = open_object(path, O_RDONLY);
	if (fd < 0)
		return STATUS_FAILED;
	size = ipcdev_buffer_size(fd);
	if (size < 0)
		return errno == ENOTTY ?
		       fail_because(path, "that is not a buffer") :
		       fail(path, "cannot ask");
	if (offset > (uint64_t)size)
		return fail_because(path, "the buffer ends before that offset");
	if (length > size - offset)
		length = size - offset;
	map = ipcdev_buffer_map(fd, 0, 0, PROT_READ);
	if (!map)
		return fail(path, "cannot map");

	if (raw)
		fwrite(map + offset, 1, length, stdout);
	else
		print_hex((unsigned char *)map + offset, offset, length);
	return STATUS_OK;
}

static const struct option_info dump_options[] = {
	{ 'o', "offset", "SIZE", "begin there (0)" },
	{ 'l', "length", "SIZE", "how much of it (all)" },
	{ 'r', "raw", NULL, "the bytes themselves, not hexadecimal digits" },
	{ 0 }
};

const struct command dump_command = {
	.name = "dump",
	.args = "NAME",
	.summary = "print what a buffer holds",
	.details = "SIZE takes K, M or G.",
	.options = dump_options,
	.run = dump_run,
};
