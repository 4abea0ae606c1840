// SPDX-License-Identifier: GPL-2.0
/*
 * An echo service: what a socket is for, with rings. Each client gets a connection of
 * its own, with a process of the server's at the other side; the server knows who it
 * is, and turns away whom it does not want. A client that is killed is noticed at once.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ipcdev_connection.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS		4
#define MESSAGES	500
#define KILLED		100	/* the message at which the last one is */

static char name[64];

/* Only the server's own user, and not too many. */
static int admit(const struct ipcdev_connection *client, void *data)
{
	int *left = data;

	if (client->uid != geteuid())
		return -EPERM;
	if (!*left)
		return -EBUSY;
	--*left;
	return 0;
}

/* Each answer goes out with the wish for the next message, in one system call. */
static void echo(struct ipcdev_connection *client)
{
	char text[100];
	ssize_t len = ipcdev_recv(client, text, sizeof(text), NULL);

	while (len >= 0) {
		for (ssize_t i = 0; i < len; i++)
			text[i] = toupper((unsigned char)text[i]);
		len = ipcdev_exchange(client, text, len, text, sizeof(text), NULL);
	}
	_exit(errno != EPIPE);
}

/*
 * A connection cannot be inherited. So the child accepts, and says when it has: then the
 * next one waits for the next client.
 */
static void serve(int service)
{
	int left = CLIENTS, said[2];
	struct ipcdev_accept whom = { .admit = admit, .data = &left };
	struct ipcdev_connection client;
	char accepted;

	for (;;) {
		if (pipe(said))
			err(1, "pipe");
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			close(said[0]);
			accepted = !ipcdev_accept(&client, service, &whom, NULL);
			if (write(said[1], &accepted, 1) != 1)
				err(1, "write");
			close(said[1]);
			close(service);
			if (!accepted)
				_exit(errno != ECONNABORTED);
			echo(&client);
		}
		close(said[1]);
		if (read(said[0], &accepted, 1) != 1)
			errx(1, "a child has died");
		close(said[0]);
		if (accepted)
			left--;
		else
			break;
	}
}

static void ask(int number)
{
	int service = ipcdev_open(name, O_WRONLY);
	char text[32], back[32], wanted[32];
	struct ipcdev_connection server;
	ssize_t len;

	if (service < 0 || ipcdev_connect(&server, service, 0, NULL))
		err(1, "connect");
	close(service);
	for (int i = 0; i < MESSAGES; i++) {
		if (number == CLIENTS - 1 && i == KILLED)
			raise(SIGKILL);
		snprintf(text, sizeof(text), "message %d of %d", i, number);
		snprintf(wanted, sizeof(wanted), "MESSAGE %d OF %d", i, number);
		len = ipcdev_exchange(&server, text, strlen(text) + 1, back,
				      sizeof(back), NULL);
		if (len < 0)
			err(1, "exchange");
		if (strcmp(back, wanted))
			errx(1, "\"%s\" came back as \"%s\"", text, back);
	}
	ipcdev_disconnect(&server);
	_exit(0);
}

int main(void)
{
	struct ipcdev_connection one_more;
	int service, status, killed = 0, failed = 0;
	pid_t server;

	snprintf(name, sizeof(name), "/dev/ipc/echo.%d", getpid());
	service = ipcdev_listen(name, 0600, 0);
	if (service < 0)
		err(1, "%s", name);
	server = fork();
	if (!server) {
		serve(service);
		while (wait(&status) > 0)
			failed |= status;
		_exit(failed != 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		if (!fork()) {
			close(service);
			ask(i);
		}
	}
	/* All but the server: the service is full when they have connected. */
	for (int i = 0; i < CLIENTS; i++) {
		if (wait(&status) < 0)
			err(1, "wait");
		killed += WIFSIGNALED(status);
		failed |= WIFEXITED(status) && WEXITSTATUS(status);
	}
	if (!ipcdev_connect(&one_more, service, 0, NULL) || errno != EBUSY)
		err(1, "one client more than there may be");
	if (waitpid(server, &status, 0) != server || status || failed ||
	    killed != 1)
		errx(1, "somebody has failed");
	printf("%d clients were answered, of whom one was killed\n", CLIENTS);
	return 0;
}
