/* SPDX-License-Identifier: GPL-2.0 */
/* What the key-value service and its clients share. */
#ifndef _KEY_VALUE_H
#define _KEY_VALUE_H

#include <ipcdev_service.h>

struct key {
	char name[32];
};

struct value {
	char text[64];
};

struct entry {
	struct key key;
	struct value value;
};

struct amount {
	uint64_t entries;
};

IPCDEV_OPERATION(store_get, 1, struct key, struct value);
IPCDEV_OPERATION(store_put, 2, struct entry, struct ipcdev_none);
IPCDEV_OPERATION(store_count, 3, struct ipcdev_none, struct amount);

#endif /* _KEY_VALUE_H */
