// SPDX-License-Identifier: GPL-2.0
/*
 * A camera and a viewer. The frames lie in one shared buffer and stay there:
 * only slices of it, which say where a frame is, travel through a queue. A
 * second queue brings back the frames that the viewer has done with.
 */
#include <err.h>
#include <errno.h>
#include <ipcdev.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAME_SIZE	(256 * 1024)
#define FRAMES		4		/* that there is room for */
#define SHOTS		100		/* that are taken */

static void take_shots(int filled, int empty)
{
	struct ipcdev_slice slice = { .length = FRAME_SIZE };
	unsigned char *frames;
	unsigned int frame;

	slice.fd = ipcdev_buffer_create(FRAMES * FRAME_SIZE, 0, 0);
	if (slice.fd < 0)
		err(1, "create buffer");
	frames = ipcdev_buffer_map(slice.fd, 0, 0, PROT_READ | PROT_WRITE);
	if (!frames)
		err(1, "map");

	for (unsigned int shot = 0; shot < SHOTS; shot++) {
		frame = shot;
		if (shot >= FRAMES &&
		    ipcdev_queue_recv(empty, &frame, sizeof(frame), NULL,
				      NULL) < 0)
			err(1, "receive an empty frame");

		memset(frames + frame * FRAME_SIZE, shot, FRAME_SIZE);
		slice.offset = frame * FRAME_SIZE;
		if (ipcdev_queue_send_slice(filled, &shot, sizeof(shot), &slice,
					    NULL))
			err(1, "send a frame");
	}
	_exit(0);
}

static int is_shot(const unsigned char *frame, unsigned int shot)
{
	return frame[0] == shot && !memcmp(frame, frame + 1, FRAME_SIZE - 1);
}

/* Two handles, one for each side. */
static void make_queue(int *reader, int *writer)
{
	struct ipcdev_create_queue attr = { .depth = FRAMES };
	int queue = ipcdev_queue_create(&attr);

	if (queue < 0)
		err(1, "create queue");
	*reader = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	*writer = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	if (*reader < 0 || *writer < 0)
		err(1, "dup");
	close(queue);
}

int main(void)
{
	int filled_in, filled_out, empty_in, empty_out;
	const unsigned char *frames = NULL;
	unsigned int shot, seen = 0, frame;
	struct ipcdev_slice slice;

	make_queue(&filled_out, &filled_in);
	make_queue(&empty_out, &empty_in);
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(filled_out);
		close(empty_in);
		take_shots(filled_in, empty_out);
	}
	close(filled_in);
	close(empty_out);

	while (ipcdev_queue_recv_slice(filled_out, &shot, sizeof(shot), &slice,
				       NULL) >= 0) {
		/* All slices are of one buffer: it is mapped once. */
		if (!frames)
			frames = ipcdev_buffer_map(slice.fd, 0, 0, PROT_READ);
		if (!frames)
			err(1, "map");
		close(slice.fd);

		if (shot != seen++ || !is_shot(frames + slice.offset, shot))
			errx(1, "frame %u is not as it was taken", shot);

		/* The camera may have gone: it wants no frames back then. */
		frame = slice.offset / FRAME_SIZE;
		if (ipcdev_queue_send(empty_in, &frame, sizeof(frame), 0,
				      NULL) && errno != EPIPE)
			err(1, "send an empty frame");
	}
	if (errno != EPIPE)
		err(1, "receive a frame");
	wait(NULL);

	if (seen != SHOTS)
		errx(1, "%u frames came", seen);
	printf("%u frames of %d KiB, none of them copied\n", seen,
	       FRAME_SIZE / 1024);
	return 0;
}
