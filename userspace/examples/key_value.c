// SPDX-License-Identifier: GPL-2.0
/*
 * A key-value service with typed requests: key_value.h declares its operations.
 * The server answers in several threads; clients call functions that take and
 * return structures, and know nothing of messages.
 */
#include <err.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "key_value.h"

#define CLIENTS	4
#define KEYS	50	/* of each client */
#define STORED	1000	/* at most */

struct store {
	pthread_mutex_t lock;
	struct entry entries[STORED];
	size_t count;
};

/* What comes from others may lack its end. */
static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static struct entry *find(struct store *store, const struct key *key)
{
	for (size_t i = 0; i < store->count; i++)
		if (!strcmp(store->entries[i].key.name, key->name))
			return &store->entries[i];
	return NULL;
}

static int on_get(const struct key *key, struct value *value,
		  struct ipcdev_request *request, void *data)
{
	struct store *store = data;
	struct entry *entry;
	int ret = -ENOENT;

	(void)request;
	if (!is_text(key->name, sizeof(key->name)))
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	entry = find(store, key);
	if (entry) {
		*value = entry->value;
		ret = 0;
	}
	pthread_mutex_unlock(&store->lock);
	return ret;
}

static int on_put(const struct entry *new, struct ipcdev_none *none,
		  struct ipcdev_request *request, void *data)
{
	struct store *store = data;
	struct entry *entry;
	int ret = 0;

	(void)none;
	(void)request;
	if (!is_text(new->key.name, sizeof(new->key.name)) ||
	    !is_text(new->value.text, sizeof(new->value.text)))
		return -EINVAL;
	pthread_mutex_lock(&store->lock);
	entry = find(store, &new->key);
	if (!entry && store->count < STORED)
		entry = &store->entries[store->count++];
	if (entry)
		*entry = *new;
	else
		ret = -ENOSPC;
	pthread_mutex_unlock(&store->lock);
	return ret;
}

static int on_count(const struct ipcdev_none *none, struct amount *amount,
		    struct ipcdev_request *request, void *data)
{
	struct store *store = data;

	(void)none;
	(void)request;
	pthread_mutex_lock(&store->lock);
	amount->entries = store->count;
	pthread_mutex_unlock(&store->lock);
	return 0;
}

static int handle(struct ipcdev_request *request, void *data)
{
	switch (request->msg->tag) {
	case store_get_number:
		return store_get_serve(request, on_get, data);
	case store_put_number:
		return store_put_serve(request, on_put, data);
	case store_count_number:
		return store_count_serve(request, on_count, data);
	}
	return -EOPNOTSUPP;
}

/* Ends when the last client has gone. */
static void serve(int queue)
{
	static struct store store = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct ipcdev_server_attr attr = {
		.handler = handle,
		.data = &store,
		.workers = 2,
	};
	struct ipcdev_server *server = ipcdev_server_create(queue, &attr);

	if (!server || ipcdev_server_run(server))
		err(1, "serve");
	ipcdev_server_destroy(server);
	_exit(store.count != CLIENTS * KEYS);
}

static void use(int queue, int client)
{
	struct ipcdev_none none = { 0 };
	struct entry entry = { 0 };
	struct value value;

	for (int i = 0; i < KEYS; i++) {
		snprintf(entry.key.name, sizeof(entry.key.name), "key %d of %d",
			 i, client);
		if (!store_get(queue, &entry.key, &value, NULL) ||
		    errno != ENOENT)
			errx(1, "\"%s\" is there already", entry.key.name);
		snprintf(entry.value.text, sizeof(entry.value.text),
			 "%d times %d is %d", i, client, i * client);
		if (store_put(queue, &entry, &none, NULL))
			err(1, "put");
		if (store_get(queue, &entry.key, &value, NULL))
			err(1, "get");
		if (strcmp(value.text, entry.value.text))
			errx(1, "the value is \"%s\"", value.text);
	}
	_exit(0);
}

int main(void)
{
	struct ipcdev_none none = { 0 };
	struct amount amount;
	int queue, reader, writer, status, failed = 0;

	queue = ipcdev_queue_create(NULL);
	if (queue < 0)
		err(1, "create");
	reader = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	writer = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	if (reader < 0 || writer < 0)
		err(1, "dup");
	close(queue);

	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(writer);
		serve(reader);
	}
	close(reader);
	for (int i = 0; i < CLIENTS; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			use(writer, i);
		}
	}
	for (int i = 0; i < CLIENTS; i++) {
		wait(&status);
		failed += status != 0;
	}
	if (failed || store_count(writer, &none, &amount, NULL))
		errx(1, "%d clients have failed", failed);
	close(writer);
	wait(&status);
	if (status)
		errx(1, "the server has failed");
	printf("%llu keys of %d clients, by typed calls\n",
	       (unsigned long long)amount.entries, CLIENTS);
	return 0;
}
