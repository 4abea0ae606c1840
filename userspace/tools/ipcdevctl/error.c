// SPDX-License-Identifier: GPL-2.0
/* Failures, told so that a person knows what to do about them. */
#include <string.h>

#include "ipcdevctl.h"

static const struct {
	int err;
	const char *reason;
	int status;
} reasons[] = {
	{ EAGAIN, "nothing is there", STATUS_TIMEOUT },
	{ EBUSY, "it is in use", STATUS_FAILED },
	{ EDQUOT, "over this user's limit; see ipcdevctl info", STATUS_FAILED },
	{ EEXIST, "the name is taken", STATUS_FAILED },
	{ EMSGSIZE, "larger than the queue's largest message", STATUS_FAILED },
	{ ENODEV, "the device is gone", STATUS_FAILED },
	{ ENOENT, "there is no such name", STATUS_FAILED },
	{ ENOTTY, "that is not an object of ipcdev, or not of this kind",
	  STATUS_FAILED },
	{ ENXIO, "the name is there, but no object has it now", STATUS_FAILED },
	{ EPIPE, "the other side has gone", STATUS_GONE },
	{ ETIMEDOUT, "timed out", STATUS_TIMEOUT },
};

int fail_because(const char *object, const char *reason)
{
	/* What was printed before comes before, also if both go to one file. */
	fflush(stdout);
	fprintf(stderr, "ipcdevctl: %s: %s\n", object, reason);
	return STATUS_FAILED;
}

/* Says which object, what was tried and, from errno, why it failed. */
int fail(const char *object, const char *action)
{
	const char *reason = strerror(errno);
	int status = STATUS_FAILED;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (reasons[i].err != errno)
			continue;
		reason = reasons[i].reason;
		status = reasons[i].status;
	}
	if (errno == ENOENT && !strcmp(object, IPCDEV_DEVICE))
		reason = "the module is not loaded; try modprobe ipcdev";

	fflush(stdout);
	fprintf(stderr, "ipcdevctl: %s: %s: %s\n", object, action, reason);
	return status;
}

/* The server has answered, and errno is the answer. */
int fail_reply(const char *object)
{
	fflush(stdout);
	fprintf(stderr, "ipcdevctl: %s: the server answers with an error: %s\n",
		object, strerror(errno));
	return STATUS_REPLY;
}
