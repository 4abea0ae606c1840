/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of libipcdev share. */
#ifndef _TEST_H
#define _TEST_H

#include <errno.h>
#include <ipcdev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE		((int64_t)sysconf(_SC_PAGESIZE))
#define SECOND		1000000000ULL
#define BOTH		(IPCDEV_RIGHT_READ | IPCDEV_RIGHT_WRITE)

/* Whether all was so in the test that runs. */
extern bool passed;

#define CHECK(what) do {						\
		if (!(what)) {						\
			printf("# line %d: not so: %s (errno: %s)\n",	\
			       __LINE__, #what, strerror(errno));	\
			passed = false;					\
		}							\
	} while (0)

/* The time, in nanoseconds. */
static inline uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

/* test.c */

/* The test that runs could not be done, and why. */
void skip(const char *why);
/* That, or NULL. */
extern const char *skipped;

/* Whether to do less of what takes long, as all does on some kernels. */
bool is_slow(void);

/* Deadlines: one that has passed, and one that no test is to come to. */
extern const struct ipcdev_deadline past;
const struct ipcdev_deadline *late(void);

/* Alarms, again and again, until one has come while we sleep. */
void alarm_often(bool on);

/* A process of its own, in which all was so until now; it tells by its end. */
pid_t child(void);
noreturn void child_ends(void);
/* Such a one ends, and all was so; has been killed; is to be killed. */
void finish(pid_t pid);
void killed(pid_t pid);
void slay(pid_t pid);

/* What the next descriptor will be. */
int lowest_fd(void);

/* Calls that must fail, and with which error. */
#define FAILS(call, error) CHECK((call) == -1 && errno == (error))
#define NO_MAP(call, error) CHECK(!(call) && errno == (error))

/* cplusplus.cc: returns the line where it was not so, or 0. */
int use_from_cplusplus(void);

/* engine.c */
void test_engine_create(void);
void test_engine_requests(void);
void test_engine_reap(void);
void test_engine_quiet(void);
void test_engine_operations(void);
void test_engine_timers(void);
void test_engine_accuracy(void);
void test_engine_wait(void);
void test_engine_eventfd(void);
void test_engine_room(void);
void test_engine_death(void);

/* frames.c */
void test_frames_create(void);
void test_frames_lend(void);
void test_frames_write(void);
void test_frames_death(void);
void test_frames_nonsense(void);
void test_frames_view(void);
void test_frames_used(void);

/* ioctl.c: how many ioctls this process has made on a descriptor. */
unsigned int ioctls_on(int fd);
/* If set, is called before and after each of them; it is to leave errno alone. */
extern void (*around_ioctl)(int fd, bool before);

/* connection.c */
int be_twin(void);
void test_listen(void);
void test_connect(void);
void test_connect_twin(void);
void test_connect_unmet(void);
void test_accept_refuses(void);
void test_accept_gives(void);
void test_accept_nonsense(void);
void test_accept_limits(void);
void test_connection_death(void);

/* ring.c */
void test_ring_create(void);
void test_ring_records(void);
void test_ring_batches(void);
void test_ring_wrap(void);
void test_ring_takeover(void);
void test_ring_wait(void);
void test_ring_await(void);
void test_ring_spin(void);
void test_ring_spin_adapts(void);
void test_ring_woken_once(void);
void test_ring_stream(void);
void test_ring_exchange(void);
void test_ring_death(void);
void test_ring_inherited(void);
void test_ring_handed_on(void);
void test_ring_persists(void);
void test_ring_poll(void);
void test_ring_edges(void);
void test_ring_many(void);
void test_ring_eventfd(void);
void test_ring_quiet(void);
void test_ring_nonsense(void);
void test_ring_hostile(void);

/* ring_killed.c */
void test_ring_killed(void);

/* server.c */
void test_server_create(void);
void test_server_edges(void);
void test_server_one_ioctl(void);
void test_server_cargo(void);
void test_server_deferred(void);
void test_server_parallel(void);
void test_server_stop(void);
void test_server_signals(void);
void test_server_gone(void);
void test_server_death(void);
void test_server_races(void);

/* service.c */
void test_service(void);

#endif /* _TEST_H */
