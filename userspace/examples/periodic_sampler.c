// SPDX-License-Identifier: GPL-2.0
/*
 * Samples something at a steady rate, by the classic road: a timer interrupts, the
 * interrupt completes a request, and the kernel sends this process a signal. It is a
 * real-time signal, which says whose it is (si_fd) and of what (si_band), and for
 * which the program waits; it could as well have a handler.
 *
 * Signals may be lost, if more of them come than may be queued: SIGIO says so then. So
 * a signal only says where to look. What there is, the ring knows, and the completions
 * say how many periods were missed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ipcdev_engine.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PERIOD	5000000		/* nanoseconds: 200 samples a second */
#define SAMPLES	40
#define PATIENCE 30		/* seconds */

/* What has been sampled; a real sampler would read its sensor. */
struct series {
	unsigned int samples;
	unsigned long long missed;
	uint64_t last;
	uint64_t longest;	/* between two samples, in nanoseconds */
};

/* From now on the signal comes whenever the ring becomes readable. */
static void have_signals(const struct ipcdev_ring *ring, int signal)
{
	if (fcntl(ring->fd, F_SETOWN, getpid()) || fcntl(ring->fd, F_SETSIG, signal) ||
	    fcntl(ring->fd, F_SETFL, O_ASYNC))
		err(1, "fcntl");
}

/* All that is there; false once the timer has ended. */
static int sample(struct series *series, struct ipcdev_ring *ring)
{
	struct ipcdev_completion tick;

	while (ipcdev_engine_reap(ring, &tick, 1) == 1) {
		if (tick.result == -ECANCELED)
			return 0;
		if (tick.result)
			errx(1, "timer: %s", strerror(-tick.result));
		series->samples++;
		series->missed += tick.missed;
		if (series->last && tick.time_ns - series->last > series->longest)
			series->longest = tick.time_ns - series->last;
		series->last = tick.time_ns;
	}
	if (errno != EAGAIN)
		err(1, "reap");
	return 1;
}

/* Then the ring is to be looked at. */
static void wait_for_signal(const sigset_t *signals, const struct ipcdev_ring *ring,
			    unsigned int *received)
{
	struct timespec patience = { PATIENCE, 0 };
	siginfo_t info;

	if (sigtimedwait(signals, &info, &patience) < 0)
		err(1, "no signal");
	if (info.si_signo == SIGIO)
		return;
	if (info.si_fd != ring->fd || !(info.si_band & POLLIN))
		errx(1, "a signal for descriptor %d, band %lx", info.si_fd,
		     (unsigned long)info.si_band);
	++*received;
}

int main(void)
{
	int engine = ipcdev_engine_create(NULL, 2, 0, 0), cancelled = 0;
	struct ipcdev_engine_request timer;
	struct series series = { 0 };
	unsigned int received = 0;
	struct ipcdev_ring ring;
	sigset_t signals;

	if (engine < 0 || ipcdev_ring_open(&ring, engine, IPCDEV_RIGHT_READ))
		err(1, "engine");
	/* They wait until they are asked for. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGRTMIN);
	sigaddset(&signals, SIGIO);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	have_signals(&ring, SIGRTMIN);

	ipcdev_engine_periodic(&timer, 0, PERIOD);
	if (ipcdev_engine_submit(engine, &timer, 1, NULL) != 1)
		err(1, "submit");
	do {
		wait_for_signal(&signals, &ring, &received);
		if (series.samples >= SAMPLES && !cancelled++ &&
		    ipcdev_engine_cancel(engine, 0, 0) != 1)
			err(1, "cancel");
	} while (sample(&series, &ring));

	printf("%u samples, %u signals, %llu periods missed; longest interval %.1f ms\n",
	       series.samples, received, series.missed, series.longest / 1e6);
	return series.samples < SAMPLES || !received;
}
