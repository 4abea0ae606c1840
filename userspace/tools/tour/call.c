// SPDX-License-Identifier: GPL-2.0
/* Calls: a server with several callers, and what they see of its death. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

#define CALLERS	4
#define SHOWN	16	/* digits of a sum */

/* Requests, by their tag. */
enum { SUM, NEVER };

/* What the processes of this stop know of each other. */
struct scene {
	uint64_t killed_at;
	uint64_t told_ns[CALLERS];
};

static struct scene *scene;
static struct ipcdev_slice whole;	/* the file in a buffer */
static size_t caller;			/* which the next one is to be */

/* Replies with the SHA-256 of the slice, or not at all. */
static int answer(struct ipcdev_request *request, void *data)
{
	struct ipcdev_slice *slice = request->slices;
	char *map;
	bool well;

	(void)data;
	if (request->msg->tag == NEVER)
		for (;;)
			pause();
	if (request->slice_count != 1 || request->reply_max < SHA256_SIZE)
		return -EINVAL;
	map = ipcdev_buffer_map(slice->fd, 0, 0, PROT_READ);
	if (!map)
		return -errno;
	well = sha256_memory(map + slice->offset, slice->length, request->reply);
	munmap(map, ipcdev_buffer_size(slice->fd));
	request->reply_len = SHA256_SIZE;
	return well ? 0 : -EIO;
}

static void serve(const struct tour *tour, int queue)
{
	struct ipcdev_server_attr attr = {
		.handler = answer,
		.workers = CALLERS,
		.flags = IPCDEV_SERVER_SLICES,
	};
	struct ipcdev_server *server = ipcdev_server_create(queue, &attr);

	(void)tour;
	if (!server || ipcdev_server_run(server))
		give_up("serve");
}

/* Asks for the sum of its part of the file, and compares it with its own. */
static void check_sum(const struct tour *tour, int queue)
{
	size_t part = tour->size / CALLERS, at = caller * part;
	char sum[SHA256_SIZE], own[SHA256_SIZE], *data;
	struct ipcdev_slice slice = { .fd = whole.fd, .offset = at };
	struct ipcdev_call call = {
		.request.tag = SUM,
		.request.slices = ipcdev_ptr(&slice),
		.request.slice_count = 1,
		.reply.data = ipcdev_ptr(sum),
		.reply.len = sizeof(sum),
	};

	slice.length = caller == CALLERS - 1 ? tour->size - at : part;
	if (ipcdev_call_msg(queue, &call, NULL))
		give_up("call");
	errno = call.reply.error;
	if (errno)
		give_up("the server's reply");

	data = malloc(slice.length);
	if (!data)
		give_up("malloc");
	read_fully(tour->file, data, slice.length, at);
	if (!sha256_memory(data, slice.length, own))
		give_up("sha256sum");
	if (call.reply.len != SHA256_SIZE || strcmp(sum, own)) {
		missed("caller %zu has another sum", caller + 1);
		_exit(1);
	}
	free(data);
	printf("  caller %zu  %5.1f MiB at %5.1f: SHA-256 %.*s... is right\n",
	       caller + 1, slice.length / 1048576.0, at / 1048576.0, SHOWN, sum);
	fflush(stdout);
}

static void call_twice(const struct tour *tour, int queue)
{
	struct ipcdev_call call = { .request.tag = NEVER };

	check_sum(tour, queue);
	if (!ipcdev_call_msg(queue, &call, NULL) || errno != EPIPE)
		give_up("the call that nobody answers");
	scene->told_ns[caller] = now_ns() - scene->killed_at;
}

/* Until the server has all callers' second requests, and sleeps over them. */
static bool wait_for_calls(int queue)
{
	uint64_t end = now_ns() + PATIENCE;
	struct ipcdev_stat stat;

	do {
		if (ipcdev_stat(queue, &stat))
			give_up("ask");
		if (stat.calls == CALLERS && stat.received == 2 * CALLERS)
			return true;
		usleep(10000);
	} while (now_ns() < end);
	return missed("%u calls have reached the server", stat.calls);
}

static void fill_buffer(const struct tour *tour)
{
	char *data;

	whole.fd = ipcdev_buffer_create(tour->size, 0, 0);
	if (whole.fd < 0)
		give_up("create a buffer");
	data = ipcdev_buffer_map(whole.fd, 0, 0, PROT_READ | PROT_WRITE);
	if (!data)
		give_up("map the buffer");
	read_fully(tour->file, data, tour->size, 0);
	munmap(data, ipcdev_buffer_size(whole.fd));
}

static bool show_call(const struct tour *tour, char *result, size_t size)
{
	pid_t server, callers[CALLERS];
	uint64_t slowest = 0;
	int reader, writer;
	bool well;

	scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (scene == MAP_FAILED)
		give_up("mmap");
	fill_buffer(tour);
	two_handles(NULL, &reader, &writer);
	server = start_role(serve, tour, reader, writer, 0);
	for (caller = 0; caller < CALLERS; caller++)
		callers[caller] = start_role(call_twice, tour, writer, reader, 0);
	close(reader);

	well = wait_for_calls(writer);
	printf("  kill -9 %d, with %d calls in its hands\n", server, CALLERS);
	scene->killed_at = now_ns();
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	for (size_t i = 0; i < CALLERS; i++)
		well = ended_well(callers[i], "a caller") && well;
	for (size_t i = 0; i < CALLERS && well; i++) {
		printf("  caller %zu  is told after %.1f ms: %s\n", i + 1,
		       scene->told_ns[i] / 1e6, strerror(EPIPE));
		if (scene->told_ns[i] > slowest)
			slowest = scene->told_ns[i];
	}
	close(writer);
	close(whole.fd);
	munmap(scene, sizeof(*scene));
	snprintf(result, size, "%d sums right, all callers told after %.1f ms",
		 CALLERS, slowest / 1e6);
	return well;
}

const struct stop call = {
	.title = "Call and reply",
	.about =
"Four processes each ask a server of four threads for the SHA-256 of a slice of\n"
"the file, and sleep until it replies. Then it is killed over their next requests.",
	.show = show_call,
};
