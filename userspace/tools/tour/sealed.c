// SPDX-License-Identifier: GPL-2.0
/* A buffer that its receiver may read, and nobody may write to any more. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

#define ALICE	1000
#define BOB	1001
#define SHARED	(1024 * 1024)	/* bytes of the file */

static char name[64];

static size_t shared_size(const struct tour *tour)
{
	return tour->size < SHARED ? tour->size : SHARED;
}

static void must_fail(const char *who, const char *what, bool failed)
{
	if (!failed) {
		missed("%s %s it succeeded", who, what);
		_exit(1);
	}
	printf("  %-6s %-36s %s\n", who, what, strerror(errno));
}

static void give(const struct tour *tour, int unused)
{
	struct ipcdev_create_queue attr = {
		.rights = IPCDEV_RIGHT_WRITE | IPCDEV_RIGHT_PUBLISH,
	};
	struct ipcdev_deadline deadline;
	int buffer, queue, for_bob;
	char *data;

	(void)unused;
	buffer = ipcdev_buffer_create(shared_size(tour), 0, 0);
	if (buffer < 0)
		give_up("alice: create a buffer");
	data = ipcdev_buffer_map(buffer, 0, 0, PROT_READ | PROT_WRITE);
	if (!data)
		give_up("alice: map the buffer");
	read_fully(tour->file, data, shared_size(tour), 0);
	munmap(data, ipcdev_buffer_size(buffer));

	if (ipcdev_buffer_seal(buffer))
		give_up("alice: seal the buffer");
	printf("  alice  has filled a buffer and sealed it\n");
	data = ipcdev_buffer_map(buffer, 0, 0, PROT_READ | PROT_WRITE);
	must_fail("alice", "maps it for writing again:", !data);

	/* What travels is the handle, with its rights: bob's only reads. */
	for_bob = ipcdev_dup(buffer, IPCDEV_RIGHT_READ, 0);
	queue = ipcdev_queue_create(&attr);
	if (for_bob < 0 || queue < 0 ||
	    ipcdev_publish(queue, name, 0644, 0))
		give_up("alice: publish a queue");
	if (ipcdev_wait_peer(queue, ipcdev_deadline_in(&deadline, PATIENCE)))
		give_up("alice: wait for bob");
	if (ipcdev_queue_send_fds(queue, "for you", 7, &for_bob, 1, NULL))
		give_up("alice: send the buffer");
}

static void take(const struct tour *tour, int unused)
{
	char text[16], path[32], *data, *copy;
	struct ipcdev_deadline deadline;
	unsigned int count = 1;
	int queue, buffer;
	size_t size;

	(void)unused;
	ipcdev_deadline_in(&deadline, PATIENCE);
	while ((queue = ipcdev_open(name, O_RDONLY)) < 0) {
		if ((errno != ENOENT && errno != ENXIO) ||
		    now_ns() > deadline.ns)
			give_up("bob: open the queue");
		usleep(10000);
	}
	if (ipcdev_queue_recv_fds(queue, text, sizeof(text), &buffer, &count,
				  &deadline) < 0 || count != 1)
		give_up("bob: receive the buffer");
	if (ipcdev_buffer_sealed(buffer) != 1)
		give_up("bob: the buffer is not sealed");

	data = ipcdev_buffer_map(buffer, 0, 0, PROT_READ);
	if (!data)
		give_up("bob: map the buffer");
	copy = malloc(shared_size(tour));
	if (!copy)
		give_up("bob: malloc");
	read_fully(tour->file, copy, shared_size(tour), 0);
	if (memcmp(copy, data, shared_size(tour))) {
		missed("bob: the buffer holds something else");
		_exit(1);
	}
	printf("  bob    has received it, sees the seal and reads %zu KiB\n",
	       shared_size(tour) / 1024);

	size = ipcdev_buffer_size(buffer);
	must_fail("bob", "maps it for writing:",
		  !ipcdev_buffer_map(buffer, 0, 0, PROT_READ | PROT_WRITE));
	must_fail("bob", "makes his mapping writable:",
		  mprotect(data, size, PROT_READ | PROT_WRITE));
	must_fail("bob", "writes with write(2):", write(buffer, "x", 1) < 0);
	must_fail("bob", "asks for a handle that may write:",
		  ipcdev_dup(buffer, IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE,
			     0) < 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", buffer);
	must_fail("bob", "opens it anew through /proc:",
		  open(path, O_RDWR) < 0);
}

static bool show_sealed(const struct tour *tour, char *result, size_t size)
{
	pid_t alice, bob;
	bool well;

	snprintf(name, sizeof(name), "/dev/ipc/tour-%d", getpid());
	alice = start_role(give, tour, -1, -1, ALICE);
	bob = start_role(take, tour, -1, -1, BOB);
	well = ended_well(alice, "alice");
	well = ended_well(bob, "bob") && well;
	snprintf(result, size, "read by another user, not written");
	return well;
}

const struct stop sealed = {
	.title = "A sealed buffer for another user",
	.about =
"User alice fills a buffer, seals it and sends it to user bob. He may read it,\n"
"and can be sure that nobody changes it any more.",
	.show = show_sealed,
};
