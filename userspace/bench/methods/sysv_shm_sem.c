// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "ring.h"

/* Of side S: 2 * S counts its messages, 2 * S + 1 the room for more. */
struct own {
	struct rings rings;
	int sems;
	int shm;
};

static int setup(struct link *link)
{
	unsigned short values[] = { 0, PLACES, 0, PLACES };
	struct own *own = link->own;
	void *memory;

	own->sems = semget(IPC_PRIVATE, 4, IPC_CREAT | 0666);
	if (own->sems < 0 || semctl(own->sems, 0, SETALL, values))
		return -1;
	own->shm = shmget(IPC_PRIVATE, rings_size(link), IPC_CREAT | 0666);
	if (own->shm < 0)
		return -1;
	memory = shmat(own->shm, NULL, 0);
	if (!link->named)
		shmctl(own->shm, IPC_RMID, NULL);
	if (memory == (void *)-1)
		return -1;
	rings_use(link, memory);
	return 0;
}

static void teardown(struct link *link)
{
	struct own *own = link->own;

	if (own->rings.map)
		shmdt(own->rings.map);
	if (own->sems >= 0)
		semctl(own->sems, 0, IPC_RMID);
	if (link->named)
		shmctl(own->shm, IPC_RMID, NULL);
}

static int change(struct end *end, int sem, int by)
{
	struct sembuf op = { .sem_num = sem, .sem_op = by };

	return semop(((struct own *)end->link->own)->sems, &op, 1);
}

static int put(struct end *end, size_t len)
{
	int sem = 2 * !end->side;

	if (change(end, sem + 1, -1))
		return -1;
	ring_push(end, ring_out(end), len);
	return change(end, sem, 1);
}

static int get(struct end *end, size_t len)
{
	int sem = 2 * end->side;

	if (change(end, sem, -1))
		return -1;
	ring_pop(end, ring_in(end), len);
	return change(end, sem + 1, 1);
}

const struct method sysv_shm_sem_method = {
	.name = "sysv-shm-sem",
	.about = "System V shared memory and semaphores, free and filled places",
	.link_size = sizeof(struct own),
	.setup = setup,
	.teardown = teardown,
	.send = put,
	.recv = get,
};
