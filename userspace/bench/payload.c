// SPDX-License-Identifier: GPL-2.0
/*
 * What is in messages. While a run warms up, each is filled and checked to its
 * last byte. To do that while it is measured would drown what is measured; so
 * then the first and the last eight bytes carry the message's number, which
 * tells a message that was lost, repeated, torn or never copied.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* Of the word at that place: the numbers of neighbours share no bytes. */
static uint64_t word(uint64_t number, size_t place)
{
	return (number + place) * 0x9e3779b97f4a7c15ull;
}

void stamp(void *data, size_t len, uint64_t number)
{
	if (len < sizeof(number))
		return;
	memcpy(data, &number, sizeof(number));
	memcpy((char *)data + len - sizeof(number), &number, sizeof(number));
}

void fill(void *data, size_t len, uint64_t number)
{
	uint64_t value;
	size_t i;

	for (i = 0; i + sizeof(value) <= len; i += sizeof(value)) {
		value = word(number, i);
		memcpy((char *)data + i, &value, sizeof(value));
	}
	value = word(number, i);
	memcpy((char *)data + i, &value, len - i);
	stamp(data, len, number);
}

uint64_t read_stamp(const void *data)
{
	uint64_t number;

	memcpy(&number, data, sizeof(number));
	return number;
}

void check_stamp(struct common *common, const void *data, size_t len,
		 uint64_t number)
{
	if (len < sizeof(number))
		return;
	if (read_stamp(data) == number &&
	    read_stamp((char *)data + len - sizeof(number)) == number)
		return;
	errno = 0;
	fail(common, "message %llx came as %llx, %llx",
	     (unsigned long long)number, (unsigned long long)read_stamp(data),
	     (unsigned long long)read_stamp((char *)data + len - sizeof(number)));
}

void check_fill(struct common *common, const void *data, size_t len,
		uint64_t number)
{
	uint64_t value;
	size_t i;

	check_stamp(common, data, len, number);
	for (i = sizeof(value); i + 2 * sizeof(value) <= len; i += sizeof(value)) {
		value = word(number, i);
		if (!memcmp((char *)data + i, &value, sizeof(value)))
			continue;
		errno = 0;
		fail(common, "message %llx differs at byte %zu",
		     (unsigned long long)number, i);
	}
}
