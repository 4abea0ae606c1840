// SPDX-License-Identifier: GPL-2.0
/* Numbers, sizes and times as people write them. */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "ipcdevctl.h"

/* strtoull(), but a sign is no number. */
static uint64_t parse_digits(const char *text, char **end, int base)
{
	errno = 0;
	if (!isdigit((unsigned char)*text)) {
		errno = EINVAL;
		*end = (char *)text;
		return 0;
	}
	return strtoull(text, end, base);
}

/* Decimal, also with leading zeros, or hexadecimal. */
static uint64_t parse_integer(const char *text, char **end)
{
	return parse_digits(text, end, strncasecmp(text, "0x", 2) ? 10 : 16);
}

uint64_t parse_number(const struct command *command, const char *text,
		      uint64_t max)
{
	uint64_t number;
	char *end;

	number = parse_integer(text, &end);
	if (errno || *end || number > max)
		usage(command, "not a number, or out of range", text);
	return number;
}

uint64_t parse_size(const struct command *command, const char *text)
{
	static const char units[] = "KMGT";
	uint64_t number;
	const char *unit;
	unsigned int shift = 0;
	char *end;

	number = parse_integer(text, &end);
	if (!errno && *end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			errno = EINVAL;
		else
			shift = 10 * (unit - units + 1);
	}
	if (errno || number > UINT64_MAX >> shift)
		usage(command, "not a size (such as 512, 4K or 1M)", text);
	return number << shift;
}

/* Nanoseconds; a number without a unit is in seconds. */
uint64_t parse_duration(const struct command *command, const char *text)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 },
		{ "ns", 1 }, { "m", 60e9 }, { "h", 3600e9 },
	};
	double number;
	char *end;

	/* A hundred years are as good as for ever, and far from overflow. */
	number = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].name))
			continue;
		number *= units[i].ns;
		if (!isdigit((unsigned char)*text) || !(number < 3.2e18))
			break;
		return number;
	}
	usage(command, "not a time (such as 5, 0.5s or 20ms)", text);
}

mode_t parse_mode(const struct command *command, const char *text)
{
	uint64_t mode;
	char *end;

	mode = parse_digits(text, &end, 8);
	if (errno || *end || mode > ALLPERMS)
		usage(command, "not an octal mode (such as 660)", text);
	return mode;
}
