// SPDX-License-Identifier: GPL-2.0
/*
 * A log collector: each client has a ring of its own, and so writes its lines without
 * system calls and without waiting for any other. One thread receives from all of them
 * through epoll. A ring that has nothing to say costs it nothing: it is only looked at
 * when epoll names it, however many there are.
 *
 * The lines are made in place, in the ring's own memory.
 *
 * Clients are not to be trusted: one that sends what is no line loses its connection,
 * and the others do not notice. The last of them is such a client.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ipcdev_connection.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS		32
#define CHATTY		4	/* of them; the others say two lines and wait */
#define LINES		5000	/* of a chatty one */
#define LINE_MAX	100

struct client {
	struct ipcdev_connection connection;
	int here;
};

static char name[64];
static struct client clients[CLIENTS];
static int here;
static unsigned long received, looks;

/* Writes a line where it will be read, and lets it be seen. */
static void say(struct ipcdev_ring *ring, int client, int line)
{
	char *room = ipcdev_ring_await_room(ring, LINE_MAX, NULL);

	if (!room)
		err(1, "wait for room");
	ipcdev_ring_commit(ring, snprintf(room, LINE_MAX,
					  "client %d: line %d", client, line));
}

/* Has lost its way: the collector is to part with it. */
static int babble(struct ipcdev_connection *collector)
{
	char byte, junk[LINE_MAX + 1] = "client";

	if (ipcdev_send(collector, junk, sizeof(junk), NULL))
		err(1, "send");
	while (ipcdev_recv(collector, &byte, 1, NULL) == 1)
		;
	return errno != EPIPE;
}

static void log_lines(int client)
{
	struct ipcdev_connection collector;
	int service, lines = client < CHATTY ? LINES : 1;
	char byte;

	service = ipcdev_open(name, O_WRONLY);
	if (service < 0 || ipcdev_connect(&collector, service, 0, NULL))
		err(1, "connect");
	if (client == CLIENTS - 1)
		_exit(babble(&collector));
	for (int line = 0; line < lines; line++)
		say(&collector.out, client, line);
	/* The collector says when all have been heard: then one more, and goodbye. */
	if (ipcdev_recv(&collector, &byte, 1, NULL) != 1)
		err(1, "wait for the collector");
	say(&collector.out, client, lines);
	ipcdev_disconnect(&collector);
	_exit(0);
}

/* Receives what is there; whether there may be more. */
static int collect(struct ipcdev_ring *ring)
{
	const char *line;
	size_t len;
	int client, number;
	char text[LINE_MAX + 1];

	looks++;
	while ((line = ipcdev_ring_peek(ring, &len))) {
		if (len > LINE_MAX)
			return 0;
		/* In place the client could still change it. */
		memcpy(text, line, len);
		text[len] = '\0';
		ipcdev_ring_release(ring);
		if (sscanf(text, "client %d: line %d", &client, &number) != 2)
			return 0;
		received++;
	}
	/* Else it has left, or spoiled its ring. */
	return errno == EAGAIN;
}

static void part_with(struct client *client)
{
	ipcdev_disconnect(&client->connection);
	client->here = 0;
	here--;
}

/* Waits for rings that have something, until as many lines have come, or all have left. */
static void wait_and_collect(int epoll, unsigned long until)
{
	struct epoll_event events[16];
	struct client *client;
	int count;

	while (here && received < until) {
		count = epoll_wait(epoll, events, 16, -1);
		if (count < 0)
			err(1, "epoll_wait");
		for (int i = 0; i < count; i++) {
			client = events[i].data.ptr;
			if (!collect(&client->connection.in))
				part_with(client);
		}
	}
}

int main(void)
{
	/* A line or many of all but the last, and then one more. */
	const unsigned long lines = CHATTY * LINES + CLIENTS - CHATTY - 1;
	const unsigned long total = lines + CLIENTS - 1;
	int service, epoll = epoll_create1(EPOLL_CLOEXEC), status, failed = 0;

	snprintf(name, sizeof(name), "/dev/ipc/log.%d", getpid());
	service = ipcdev_listen(name, 0600, 0);
	if (service < 0 || epoll < 0)
		err(1, "%s", name);
	for (int i = 0; i < CLIENTS; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			close(service);
			log_lines(i);
		}
	}
	for (; here < CLIENTS; here++) {
		struct client *client = &clients[here];
		struct epoll_event event = {
			.events = EPOLLIN | EPOLLET,
			.data.ptr = client,
		};

		if (ipcdev_accept(&client->connection, service, NULL, NULL))
			err(1, "accept");
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->connection.in.fd, &event))
			err(1, "epoll_ctl");
		client->here = 1;
	}
	wait_and_collect(epoll, lines);
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].here && ipcdev_send(&clients[i].connection, "", 1, NULL))
			part_with(&clients[i]);
	wait_and_collect(epoll, -1UL);
	while (wait(&status) > 0)
		failed |= status;
	close(service);
	printf("%lu lines of %d clients, in %lu looks at their rings\n", received,
	       CLIENTS - 1, looks);
	return failed || received != total;
}
