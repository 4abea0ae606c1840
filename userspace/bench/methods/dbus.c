// SPDX-License-Identifier: GPL-2.0
/* D-Bus: two clients of a bus of their own, which a daemon carries over. */
#include <dbus/dbus.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define INTERFACE	"org.ipcdev.Bench"

/**
 * struct own - of an end
 * @connection: to the bus
 * @held: the message that @in points into; NULL for none
 */
struct own {
	DBusConnection *connection;
	DBusMessage *held;
};

/**
 * struct place - of a link
 * @name: what side 1 is called on the bus
 */
struct place {
	char name[96];
};

/* Nothing is forbidden, and no limit is lower than what we need. */
static const char config[] =
	"<busconfig><type>session</type><auth>EXTERNAL</auth>\n"
	"<listen>unix:abstract=ipcdev-bench-%d</listen>\n"
	"<policy context=\"default\">\n"
	"<allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
	"<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\n"
	"<limit name=\"max_completed_connections\">10000</limit>\n"
	"<limit name=\"max_connections_per_user\">10000</limit>\n"
	"</busconfig>\n";

/* The bus that this process has started; it ends with us. */
static char address[128];

static void be_daemon(int config_fd, int address_fd)
{
	char first[64], second[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(first, sizeof(first), "--config-file=/proc/self/fd/%d", config_fd);
	snprintf(second, sizeof(second), "--print-address=%d", address_fd);
	execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile",
	       "--nosyslog", first, second, NULL);
	_exit(127);
}

/* It tells its address as soon as it listens. */
static bool start_daemon(void)
{
	int config_fd = memfd_create("config", 0);
	size_t used = 0;
	ssize_t more;
	int answer[2];
	pid_t pid;

	if (config_fd < 0 || pipe(answer))
		return false;
	dprintf(config_fd, config, getpid());
	lseek(config_fd, 0, SEEK_SET);
	pid = fork();
	if (!pid)
		be_daemon(config_fd, answer[1]);
	close(answer[1]);
	close(config_fd);
	while (pid > 0 && !strchr(address, '\n')) {
		more = read(answer[0], address + used,
			    sizeof(address) - 1 - used);
		if (more <= 0)
			break;
		used += more;
	}
	close(answer[0]);
	if (!strchr(address, '\n')) {
		*address = 0;
		waitpid(pid, NULL, 0);
		return false;
	}
	*strchr(address, '\n') = 0;
	return true;
}

static int setup(struct link *link)
{
	struct place *place = link->own;
	static unsigned int number;

	if (!*address && !start_daemon())
		return skip(link, "dbus-daemon is not installed, or fails");
	snprintf(place->name, sizeof(place->name), INTERFACE ".L%u", number++);
	return 0;
}

static int attach(struct end *end)
{
	const struct place *place = end->link->own;
	struct own *own = end->own;

	own->connection = dbus_connection_open_private(address, NULL);
	if (!own->connection || !dbus_bus_register(own->connection, NULL)) {
		errno = ECONNREFUSED;
		return -1;
	}
	dbus_connection_set_exit_on_disconnect(own->connection, FALSE);
	dbus_connection_set_max_message_size(own->connection, 64 << 20);
	dbus_connection_get_unix_fd(own->connection, &end->fd);
	if (end->side && dbus_bus_request_name(own->connection, place->name, 0,
					       NULL) !=
	    DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER) {
		errno = EADDRINUSE;
		return -1;
	}
	return 0;
}

static void drop(struct own *own)
{
	if (own->held)
		dbus_message_unref(own->held);
	own->held = NULL;
}

static void detach(struct end *end)
{
	struct own *own = end->own;

	drop(own);
	dbus_connection_close(own->connection);
	dbus_connection_unref(own->connection);
}

static DBusMessage *request(struct end *end, size_t len)
{
	const struct place *place = end->link->own;
	DBusMessage *message = dbus_message_new_method_call(place->name, "/",
							    INTERFACE, "Put");

	if (!message ||
	    !dbus_message_append_args(message, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE,
				      &end->out, (int)len, DBUS_TYPE_INVALID))
		errno = ENOMEM;
	return message;
}

/* Has the payload at @in, and the message until the next one comes. */
static int hold(struct end *end, DBusMessage *message, size_t len)
{
	struct own *own = end->own;
	int done = -1;

	own->held = message;
	if (dbus_message_get_args(message, NULL, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE,
				  &end->in, &done, DBUS_TYPE_INVALID) &&
	    (size_t)done == len)
		return 0;
	errno = EMSGSIZE;
	return -1;
}

static int put_message(struct own *own, DBusMessage *message)
{
	if (!message || !dbus_connection_send(own->connection, message, NULL))
		return -1;
	dbus_connection_flush(own->connection);
	dbus_message_unref(message);
	return 0;
}

static int put(struct end *end, size_t len)
{
	DBusMessage *message = request(end, len);

	if (message)
		dbus_message_set_no_reply(message, TRUE);
	return put_message(end->own, message);
}

static int get(struct end *end, size_t len)
{
	struct own *own = end->own;
	DBusMessage *message;

	drop(own);
	/* The bus itself sends signals, which are not for us. */
	for (;;) {
		message = dbus_connection_pop_message(own->connection);
		if (message && dbus_message_get_type(message) ==
		    DBUS_MESSAGE_TYPE_METHOD_CALL)
			return hold(end, message, len);
		if (message) {
			dbus_message_unref(message);
		} else if (!dbus_connection_read_write(own->connection, -1)) {
			errno = EPIPE;
			return -1;
		}
	}
}

static int call(struct end *end, size_t len)
{
	DBusMessage *message = request(end, len), *reply;
	struct own *own = end->own;

	drop(own);
	if (!message)
		return -1;
	reply = dbus_connection_send_with_reply_and_block(own->connection,
							  message, -1, NULL);
	dbus_message_unref(message);
	if (reply)
		return hold(end, reply, len);
	errno = EPIPE;
	return -1;
}

static int serve(struct end *end, size_t len)
{
	struct own *own = end->own;
	DBusMessage *reply = dbus_message_new_method_return(own->held);

	if (reply && !dbus_message_append_args(reply, DBUS_TYPE_ARRAY,
					       DBUS_TYPE_BYTE, &end->out, (int)len,
					       DBUS_TYPE_INVALID))
		return -1;
	return put_message(own, reply) ? -1 : get(end, len);
}

const struct method dbus_method = {
	.name = "dbus",
	.about = "D-Bus calls by libdbus, through a dbus-daemon of their own",
	.copies = true,
	.heavy = true,
	.polled = true,
	.many_senders = true,
	.link_size = sizeof(struct place),
	.end_size = sizeof(struct own),
	.setup = setup,
	.attach = attach,
	.detach = detach,
	.send = put,
	.recv = get,
	.call = call,
	.serve = serve,
};
