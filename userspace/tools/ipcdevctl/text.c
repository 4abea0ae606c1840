// SPDX-License-Identifier: GPL-2.0
/* Output for people, and as JSON for programs. */
#include <ctype.h>
#include <string.h>

#include "ipcdevctl.h"

/* Bytes, exactly where that is short: 512, 4K, 1.5M. */
const char *format_size(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "KMGTPE";
	double value = bytes;
	int unit = -1;

	while (value >= 1024) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, size, "%d", (int)bytes);
	else
		snprintf(buf, size, "%.*f%c",
			 value < 10 && value != (int)value ? 1 : 0, value,
			 units[unit]);
	return buf;
}

/* A time, exactly where that is short: 512ns, 4us, 1.5ms. */
const char *format_time(uint64_t ns, char *buf, size_t size)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = ns;
	int unit = 0;

	while (value >= 1000 && unit < 3) {
		value /= 1000;
		unit++;
	}
	snprintf(buf, size, "%.*f%s", value < 10 && value != (int)value ? 1 : 0, value,
		 units[unit]);
	return buf;
}

/* Bytes of the UTF-8 character at @s, 0 if there is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t len;

	if (*s < 0x80)
		return 1;
	len = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	if (*s < 0xc2 || *s > 0xf4 || len > left)
		return 0;

	code = *s & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

/*
 * A message may come from anybody, and so may a name: on a terminal control
 * characters are shown and not obeyed, those of Latin-1 and UTF-8 among them. The
 * ends of lines and tabs are obeyed in messages alone (@lines): in a name they
 * would forge rows.
 */
void print_safely(const char *data, size_t len, bool terminal, bool lines)
{
	if (!terminal) {
		fwrite(data, 1, len, stdout);
		return;
	}
	for (size_t i = 0, step; i < len; i += step) {
		const unsigned char *c = (const unsigned char *)data + i;

		step = utf8_length(c, len - i);
		if (!step || (step == 1 && iscntrl(*c) &&
			      !(lines && (*c == '\n' || *c == '\t')))) {
			printf("\\x%02x", *c);
			step = 1;
		} else if (step == 2 && c[0] == 0xc2 && c[1] < 0xa0) {
			printf("\\x%02x\\x%02x", c[0], c[1]);
		} else {
			fwrite(c, 1, step, stdout);
		}
	}
}

/* Whether the next value in a list or an object needs a comma before it. */
static bool more;

static void json_key(const char *key)
{
	if (more)
		putchar(',');
	if (key)
		printf("\"%s\":", key);
	more = true;
}

void json_open(const char *key, char bracket)
{
	json_key(key);
	putchar(bracket);
	more = false;
}

void json_close(char bracket)
{
	putchar(bracket);
	more = true;
}

/* Ends the outermost value, so that another may follow. */
void json_end_line(void)
{
	putchar('\n');
	more = false;
}

void json_number(const char *key, uint64_t number)
{
	json_key(key);
	printf("%llu", (unsigned long long)number);
}

void json_bool(const char *key, bool value)
{
	json_key(key);
	fputs(value ? "true" : "false", stdout);
}

static bool is_utf8(const char *data, size_t len)
{
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		step = utf8_length((const unsigned char *)data + i, len - i);
		if (!step)
			return false;
	}
	return true;
}

static void json_string(const char *data, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = data[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* A file's name may hold any byte, JSON only UTF-8. */
void json_text(const char *key, const char *text)
{
	size_t len = strlen(text);

	json_key(key);
	if (is_utf8(text, len)) {
		json_string(text, len);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("/._-", *text))
			putchar(*text);
		else
			printf("\\u%04x", (unsigned char)*text);
	}
	putchar('"');
}

/* A payload is text where it can be, hexadecimal digits where it cannot. */
void json_data(const char *data, size_t len)
{
	if (is_utf8(data, len)) {
		json_key("data");
		json_string(data, len);
		return;
	}
	json_key("hex");
	putchar('"');
	for (size_t i = 0; i < len; i++)
		printf("%02x", (unsigned char)data[i]);
	putchar('"');
}
