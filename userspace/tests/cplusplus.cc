// SPDX-License-Identifier: GPL-2.0
/*
 * What the library's headers define inline, and what that calls, from C++: as a
 * program in C++ compiles it, and linked with the library.
 */
#include <ipcdev_connection.h>
#include <ipcdev_engine.h>
#include <ipcdev_frames.h>
#include <ipcdev_service.h>
#include <unistd.h>

namespace {

struct number {
	uint64_t value;
};

IPCDEV_OPERATION(twice, 1, struct number, struct number);

ipcdev_deadline *late()
{
	static ipcdev_deadline deadline;

	return ipcdev_deadline_in(&deadline, 60000000000);
}

/* Returns the line where it was not so. */
#define NEED(what) do { if (!(what)) return __LINE__; } while (0)

int use_ring()
{
	int fd = ipcdev_ring_create(1, 0, 0);
	number n = { 1 }, back = { 0 };
	ipcdev_ring out, in;
	const void *record;
	size_t len;

	NEED(!ipcdev_ring_open(&out, fd, IPCDEV_RIGHT_WRITE));
	NEED(!ipcdev_ring_open(&in, fd, IPCDEV_RIGHT_READ));
	NEED(!ipcdev_ring_push(&out, &n, sizeof(n)));
	NEED(ipcdev_ring_pop(&in, &back, sizeof(back)) == sizeof(back));
	NEED(back.value == 1);
	NEED(!ipcdev_ring_send(&out, &n, sizeof(n), late()));
	NEED(ipcdev_ring_recv(&in, &back, sizeof(back), late()) == sizeof(back));

	n.value = 2;
	memcpy(ipcdev_ring_reserve(&out, sizeof(n)), &n, sizeof(n));
	ipcdev_ring_append(&out, sizeof(n));
	NEED(ipcdev_ring_reserve(&out, sizeof(n)));
	NEED(!ipcdev_ring_commit(&out, sizeof(n)) && !ipcdev_ring_flush(&out));
	record = ipcdev_ring_peek(&in, &len);
	NEED(record && len == sizeof(n) && !memcmp(record, &n, sizeof(n)));
	ipcdev_ring_consume(&in);
	NEED(ipcdev_ring_await_record(&in, &len, late()));
	ipcdev_ring_release(&in);
	NEED(ipcdev_ring_await_room(&out, sizeof(n), late()));

	/* What the library does in rare cases. */
	NEED(ipcdev_ring_pop(&in, &back, sizeof(back)) == -1 && errno == EAGAIN);
	while (!ipcdev_ring_push(&out, &n, sizeof(n)))
		;
	NEED(errno == EAGAIN && !ipcdev_ring_reserve(&out, sizeof(n)));
	NEED(!ipcdev_ring_wait(&in, 0, late()));
	ipcdev_ring_close(&out);
	while (ipcdev_ring_recv(&in, &back, sizeof(back), late()) == sizeof(back))
		;
	NEED(errno == EPIPE);
	ipcdev_ring_close(&in);
	close(fd);
	return 0;
}

int use_engine()
{
	ipcdev_engine_request requests[2];
	ipcdev_completion done[2];
	ipcdev_ring ring;
	int fd = ipcdev_engine_create("soft", 2, 0, 0);

	NEED(!ipcdev_ring_open(&ring, fd, IPCDEV_RIGHT_READ));
	ipcdev_engine_nop(&requests[0], 1);
	ipcdev_engine_timer(&requests[1], 2, 0);
	NEED(ipcdev_engine_submit(fd, requests, 2, late()) == 2);
	NEED(!ipcdev_engine_wait(&ring, 2, late()));
	NEED(ipcdev_engine_reap(&ring, done, 2) == 2);
	NEED(done[0].user_data + done[1].user_data == 3);
	ipcdev_ring_close(&ring);
	close(fd);
	return 0;
}

/* Nobody is there to answer, which both are told. */
int use_service()
{
	int queue = ipcdev_queue_create(NULL);
	int client = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	ipcdev_connection connection;
	number n = { 1 };

	close(queue);
	NEED(twice(client, &n, &n, late()) == -1 && errno == EPIPE);
	NEED(ipcdev_connect(&connection, client, 0, late()) == -1);
	NEED(errno == EPIPE);
	close(client);
	return 0;
}

int use_frames()
{
	ipcdev_frames *frames = ipcdev_frames_create(1, 1);

	NEED(frames && !ipcdev_frames_get(frames) && ipcdev_frames_at(frames, 0));
	ipcdev_frames_destroy(frames);
	return 0;
}

} /* namespace */

extern "C" int use_from_cplusplus(void)
{
	int (*const uses[])() = { use_ring, use_engine, use_service, use_frames };

	for (auto use : uses) {
		int line = use();

		if (line)
			return line;
	}
	return 0;
}
