// SPDX-License-Identifier: GPL-2.0
/*
 * A file server that answers with slices. It keeps the file in a sealed buffer;
 * who asks for a part of it gets a slice, and reads it where it lies: the file is
 * copied once, when the server reads it, however many clients there are.
 */
#include <err.h>
#include <fcntl.h>
#include <ipcdev_service.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS	3
#define PART	(16 * 1024)

struct part {
	uint64_t offset;
	uint64_t length;	/* asked for, and then how much there is */
};

IPCDEV_OPERATION(file_read, 1, struct part, struct part);

struct file {
	int buffer;
	uint64_t size;
};

static int on_read(const struct part *wanted, struct part *given,
		   struct ipcdev_request *request, void *data)
{
	const struct file *file = data;

	if (wanted->offset > file->size)
		return -EINVAL;
	*given = *wanted;
	if (given->length > file->size - given->offset)
		given->length = file->size - given->offset;
	if (!given->length)
		return 0;
	request->reply_slices[0] = (struct ipcdev_slice) {
		.fd = file->buffer,
		.offset = given->offset,
		.length = given->length,
	};
	request->reply_slice_count = 1;
	return 0;
}

static int handle(struct ipcdev_request *request, void *data)
{
	if (request->msg->tag == file_read_number)
		return file_read_serve(request, on_read, data);
	return -EOPNOTSUPP;
}

static void load(const char *path, struct file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), all;
	struct stat st;
	char *map;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		err(1, "%s", path);
	all = ipcdev_buffer_create(st.st_size, 0, 0);
	if (all < 0)
		err(1, "create");
	map = ipcdev_buffer_map(all, 0, 0, PROT_READ | PROT_WRITE);
	if (!map)
		err(1, "map");
	for (file->size = 0; file->size < (uint64_t)st.st_size;
	     file->size += got) {
		got = read(fd, map + file->size, st.st_size - file->size);
		if (got <= 0)
			err(1, "%s", path);
	}
	munmap(map, ipcdev_buffer_size(all));
	if (ipcdev_buffer_seal(all))
		err(1, "seal");
	file->buffer = ipcdev_dup(all, IPCDEV_RIGHT_READ, 0);
	if (file->buffer < 0)
		err(1, "dup");
	close(all);
	close(fd);
}

static void serve(int queue, const char *path)
{
	struct file file;
	struct ipcdev_server_attr attr = { .handler = handle, .data = &file };
	struct ipcdev_server *server;

	load(path, &file);
	server = ipcdev_server_create(queue, &attr);
	if (!server || ipcdev_server_run(server))
		err(1, "serve");
	ipcdev_server_destroy(server);
	_exit(0);
}

/* The first part brings the buffer; the others are of the same one, by its id. */
static const char *receive(int queue, struct part *part, uint64_t *id,
			   const char *map)
{
	struct ipcdev_slice slice;
	struct ipcdev_call call = {
		.reply.slices = ipcdev_ptr(&slice),
		.reply.slice_count = 1,
		.reply.flags = map ? IPCDEV_MSG_SLICE_IDS : 0,
	};

	if (file_read_call(queue, part, part, &call, NULL))
		err(1, "read");
	if (!part->length)
		return map;
	if (call.reply.slice_count != 1 || slice.offset != part->offset ||
	    slice.length != part->length || (map && slice.buffer_id != *id))
		errx(1, "that is another part");
	if (!map) {
		*id = slice.buffer_id;
		map = ipcdev_buffer_map(slice.fd, 0, 0, PROT_READ);
		if (!map)
			err(1, "map");
		close(slice.fd);
	}
	return map;
}

static void compare(int queue, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	static char there[PART];
	struct part part = { 0 };
	const char *map = NULL;
	uint64_t id = 0;

	if (fd < 0)
		err(1, "%s", path);
	for (;; part.offset += part.length) {
		part.length = PART;
		map = receive(queue, &part, &id, map);
		if (!part.length)
			break;
		if (pread(fd, there, part.length, part.offset) !=
		    (ssize_t)part.length ||
		    memcmp(there, map + part.offset, part.length))
			errx(1, "the file is another");
	}
	/* What is past the end is refused. */
	part.offset++;
	if (!file_read(queue, &part, &part, NULL) || errno != EINVAL)
		errx(1, "there was something past the end");
	_exit(!part.offset);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/proc/self/exe";
	int queue, reader, writer, status, failed = 0;
	struct stat st;

	queue = ipcdev_queue_create(NULL);
	if (queue < 0)
		err(1, "create");
	reader = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	writer = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	if (reader < 0 || writer < 0 || stat(path, &st))
		err(1, "%s", path);
	close(queue);

	for (int i = 0; i < CLIENTS + 1; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			if (i) {
				close(reader);
				compare(writer, path);
			}
			close(writer);
			serve(reader, path);
		}
	}
	close(reader);
	close(writer);
	while (wait(&status) > 0)
		failed += status != 0;
	if (failed)
		errx(1, "%d processes have failed", failed);
	printf("%lld KiB to each of %d clients, without a copy\n",
	       (long long)st.st_size / 1024, CLIENTS);
	return 0;
}
