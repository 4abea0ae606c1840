// SPDX-License-Identifier: GPL-2.0
/*
 * A pipeline for frames, as of a camera: a source fills them, a filter changes each in
 * place, and two viewers look at the result. No frame is copied: slots of one buffer go
 * round by their numbers. One viewer is killed with frames in its hands, and these come
 * back to the source as the others do.
 */
#include <err.h>
#include <errno.h>
#include <ipcdev_frames.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS	4
#define PIXELS	(640 * 480)
#define FRAMES	200
#define DEADLY	50	/* the frame that the second viewer does not survive */

enum { FILTER, VIEWER, MORTAL, STAGES };

static int service;

/* Every pixel of a frame is its number, and one more behind the filter. */
static void work(int stage)
{
	int prot = PROT_READ | (stage == FILTER ? PROT_WRITE : 0);
	int queue = ipcdev_dup(service, IPCDEV_RIGHT_WRITE, 0), buffer;
	struct ipcdev_connection source;
	struct ipcdev_frame frame;
	struct ipcdev_view view;
	unsigned int count = 1;
	unsigned char *pixels, wanted;

	close(service);
	if (queue < 0 ||
	    ipcdev_connect_fds(&source, queue, 0, &buffer, &count, NULL))
		err(1, "connect");
	if (ipcdev_view_open(&view, &source, buffer, prot, NULL))
		err(1, "open the view");
	while ((pixels = ipcdev_view_next(&view, &frame, NULL))) {
		if (stage == MORTAL && frame.tag == DEADLY)
			raise(SIGKILL);
		wanted = frame.tag + (stage == FILTER ? 0 : 1);
		for (int i = 0; i < PIXELS; i += 1000) {
			if (pixels[i] != wanted)
				errx(1, "frame %llu is not itself",
				     (unsigned long long)frame.tag);
			if (stage == FILTER)
				pixels[i]++;
		}
		if (ipcdev_view_give(&view, &frame))
			err(1, "give back");
	}
	/* The source has ended. */
	_exit(errno != EPIPE);
}

/* Only the filter may write to the frames. */
static int start(struct ipcdev_frames *frames, int stage)
{
	int prot = PROT_READ | (stage == FILTER ? PROT_WRITE : 0);
	int buffer = ipcdev_frames_buffer(frames, prot), peer;
	struct ipcdev_accept accept = { .fds = &buffer, .fd_count = 1 };
	const struct ipcdev_connection *other;
	struct ipcdev_connection connection;

	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		/* The source's ends of the stages before it are not for the child. */
		for (int i = 0; i < stage; i++) {
			other = ipcdev_frames_connection(frames, i);
			close(other->in.fd);
			close(other->out.fd);
		}
		work(stage);
	}
	if (ipcdev_accept(&connection, service, &accept, NULL))
		err(1, "accept");
	peer = ipcdev_frames_add(frames, &connection);
	if (peer != stage)
		err(1, "add");
	return peer;
}

/*
 * A frame that the filter gives back goes to the viewers, and is the source's no more.
 * That a viewer has died is told by whichever call comes first.
 */
static void pass_on(struct ipcdev_frames *frames, const struct ipcdev_frame *frame,
		    bool *died)
{
	for (int viewer = VIEWER; viewer < STAGES; viewer++) {
		if (!ipcdev_frames_lend(frames, viewer, frame))
			continue;
		if (viewer != MORTAL || (errno != EPIPE && errno != ENOENT))
			err(1, "lend to a viewer");
		*died = true;
	}
	ipcdev_frames_put(frames, frame->slot);
}

/* Sleeps until a stage gives something back, or has died. */
static void wait_for_stage(struct ipcdev_frames *frames, int *seen, bool *died)
{
	int stage = ipcdev_frames_wait(frames, NULL);
	struct ipcdev_frame frame;

	if (stage < 0)
		err(1, "wait");
	while (!ipcdev_frames_collect(frames, stage, &frame)) {
		if (stage == FILTER)
			pass_on(frames, &frame, died);
		else if (stage == VIEWER)
			++*seen;
	}
	if (errno == EPIPE && stage == MORTAL)
		*died = true;
	else if (errno != EAGAIN)
		err(1, "collect from %d", stage);
}

int main(void)
{
	struct ipcdev_frames *frames = ipcdev_frames_create(PIXELS, SLOTS);
	struct ipcdev_frame frame = { .len = PIXELS };
	int seen = 0, slot, status, killed = 0, failed = 0;
	bool died = false;

	service = ipcdev_listen(NULL, 0, 0);
	if (!frames || service < 0)
		err(1, "create");
	for (int stage = 0; stage < STAGES; stage++)
		start(frames, stage);

	while (seen < FRAMES || !died) {
		slot = frame.tag < FRAMES ? ipcdev_frames_get(frames) : -1;
		if (slot < 0) {
			wait_for_stage(frames, &seen, &died);
			continue;
		}
		memset(ipcdev_frames_at(frames, slot), frame.tag, PIXELS);
		frame.slot = slot;
		if (ipcdev_frames_lend(frames, FILTER, &frame))
			err(1, "lend to the filter");
		frame.tag++;
	}
	/* All of them are back, those of the dead one too. */
	for (int i = 0; i < SLOTS; i++)
		if (ipcdev_frames_get(frames) < 0)
			err(1, "slot %d has not come back", i);
	ipcdev_frames_destroy(frames);
	while (wait(&status) > 0) {
		killed += WIFSIGNALED(status);
		failed |= WIFEXITED(status) && WEXITSTATUS(status);
	}
	printf("%d frames seen, though a viewer was killed at one of them\n", seen);
	return failed || killed != 1;
}
