// SPDX-License-Identifier: GPL-2.0
/* Links and their ends. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

void fail(struct common *common, const char *format, ...)
{
	int error = errno;
	size_t used;
	va_list args;

	if (common->finished)
		_exit(0);
	va_start(args, format);
	vsnprintf(common->why, sizeof(common->why), format, args);
	va_end(args);
	used = strlen(common->why);
	if (error)
		snprintf(common->why + used, sizeof(common->why) - used,
			 ": %s", strerror(error));
	_exit(1);
}

/* An empty message has an address, too. */
static size_t room(const struct link *link)
{
	return MAX(link->size, 8) * MAX(link->method->batch, 1);
}

/* Those that this process has set up itself, and must undo before it ends. */
static struct link *open_links;

void link_open(struct link *link, const struct method *method,
	       struct common *common, size_t size, bool together)
{
	*link = (struct link) {
		.method = method,
		.common = common,
		.size = size,
		.together = together,
		.fd = { -1, -1, -1, -1 },
		.next = open_links,
		.own = calloc(1, method->link_size + 1),
	};
	if (!link->own)
		fail(common, "memory");
	open_links = link;
	common->pid[1] = getpid();
	errno = 0;
	if (method->lacks)
		skip(link, "built without %s", method->lacks);
	else if (!method->setup(link))
		return;
	if (!*common->skip)
		snprintf(common->skip, sizeof(common->skip), "%s",
			 errno ? strerror(errno) : "no reason given");
	link_close(link);
	_exit(0);
}

void link_close(struct link *link)
{
	struct link **place = &open_links;

	while (*place && *place != link)
		place = &(*place)->next;
	if (*place)
		*place = link->next;
	if (link->method->teardown)
		link->method->teardown(link);
	for (size_t i = 0; i < ARRAY_SIZE(link->fd); i++)
		close_fd(&link->fd[i]);
	free(link->own);
}

void close_links(void)
{
	while (open_links)
		link_close(open_links);
}

static void *memory(struct link *link)
{
	void *data = aligned_alloc(64, (room(link) + 63) & ~63ul);

	if (!data)
		fail(link->common, "memory");
	return data;
}

/*
 * A method may point these elsewhere, for good or from message to message; so
 * what was made here is remembered behind what the method has of its own.
 */
static void **made(struct end *end)
{
	size_t at = (end->link->method->end_size + 15) & ~15ul;

	return (void **)((char *)end->own + at);
}

void end_open(struct end *end, struct link *link, int side)
{
	const struct method *method = link->method;

	*end = (struct end) {
		.link = link,
		.side = side,
		.out = memory(link),
		.in = memory(link),
		.fd = -1,
		.own = calloc(1, method->end_size + 48),
	};
	if (!end->own)
		fail(link->common, "memory");
	made(end)[0] = end->out;
	made(end)[1] = end->in;
	link->common->pid[side] = getpid();
	errno = 0;
	if (method->attach && method->attach(end))
		fail(link->common, "attach");
}

void end_close(struct end *end)
{
	void *out = made(end)[0];
	void *in = made(end)[1];

	if (end->link->method->detach)
		end->link->method->detach(end);
	free(out);
	free(in);
	free(end->own);
}
