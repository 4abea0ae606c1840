// SPDX-License-Identifier: GPL-2.0
/*
 * A server of several queues in one thread. An eventfd is attached to each
 * queue, and epoll waits for all of them; a queue whose clients have all gone
 * is done with.
 *
 * (A queue can be given to epoll itself. An eventfd is for a loop that cannot,
 * because it takes eventfds only, or for one that counts events.)
 */
#include <err.h>
#include <errno.h>
#include <ipcdev.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVICES	3
#define CLIENTS		2	/* of each service */
#define REQUESTS	500	/* of each client */

struct service {
	int queue;
	int event;
	unsigned int served;
};

/*
 * A client has inherited the server's handles. It closes those: it would count
 * as a reader else, and never learn that the server has gone.
 */
static void ask(const struct service *services, int started, int queue)
{
	for (int i = 0; i < started; i++)
		close(services[i].queue);
	for (unsigned int i = 0; i < REQUESTS; i++)
		if (ipcdev_queue_send(queue, &i, sizeof(i), 0, NULL))
			err(1, "send");
	_exit(0);
}

static void start(struct service *services, int index, int epoll)
{
	struct service *service = services + index;
	struct epoll_event interest = {
		.events = EPOLLIN,
		.data.ptr = service,
	};
	int queue, writer;

	queue = ipcdev_queue_create(NULL);
	if (queue < 0)
		err(1, "create");
	service->queue = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	service->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	writer = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	if (service->queue < 0 || service->event < 0 || writer < 0)
		err(1, "make handles");
	close(queue);

	if (ipcdev_attach(service->queue, service->event,
			  IPCDEV_EVENT_READABLE | IPCDEV_EVENT_HANGUP, 0))
		err(1, "attach");
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, service->event, &interest))
		err(1, "epoll_ctl");

	for (int i = 0; i < CLIENTS; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			ask(services, index + 1, writer);
		}
	}
	close(writer);
}

/* Serves what is there; false once no more can come. */
static bool serve(struct service *service)
{
	unsigned int request;
	struct ipcdev_msg msg;
	eventfd_t times;

	/* First the eventfd, then the queue: what comes between is not missed. */
	eventfd_read(service->event, &times);
	for (;;) {
		msg = (struct ipcdev_msg) {
			.data = ipcdev_ptr(&request),
			.len = sizeof(request),
		};
		if (ipcdev_queue_recv_msg(service->queue, &msg, IPCDEV_NONBLOCK,
					  NULL))
			break;
		service->served++;
	}
	if (errno != EAGAIN && errno != EPIPE)
		err(1, "receive");
	return errno == EAGAIN;
}

int main(void)
{
	struct service services[SERVICES] = { 0 }, *service;
	int epoll = epoll_create1(EPOLL_CLOEXEC), left = SERVICES;
	struct epoll_event event;

	if (epoll < 0)
		err(1, "epoll_create1");
	for (int i = 0; i < SERVICES; i++)
		start(services, i, epoll);

	while (left) {
		if (epoll_wait(epoll, &event, 1, -1) != 1)
			err(1, "epoll_wait");
		service = event.data.ptr;
		if (serve(service))
			continue;
		/* Clients inherited it, so that a close() alone is not enough. */
		epoll_ctl(epoll, EPOLL_CTL_DEL, service->event, NULL);
		close(service->event);
		close(service->queue);
		left--;
	}
	while (wait(NULL) > 0)
		;

	for (int i = 0; i < SERVICES; i++)
		if (services[i].served != CLIENTS * REQUESTS)
			errx(1, "%u requests were served", services[i].served);
	printf("%d requests from %d clients of %d queues, by one thread\n",
	       SERVICES * CLIENTS * REQUESTS, SERVICES * CLIENTS, SERVICES);
	return 0;
}
