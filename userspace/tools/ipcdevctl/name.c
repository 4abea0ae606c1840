// SPDX-License-Identifier: GPL-2.0
/* Names: the commands mount, create and rm, and what all do with names. */
#include <fcntl.h>
#include <getopt.h>
#include <ipcdev_engine.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ipcdevctl.h"

#define NOT_MOUNTED "that is in no ipcdevfs; see ipcdevctl mount --help"
#define LIMITED "that is beyond the limits; see ipcdevctl info"

#define MSG_MAX_DEFAULT	8192	/* as IPCDEV_IOC_CREATE_QUEUE has it */

/* A name without a slash is one in the usual place. Valid until the next. */
const char *name_path(const char *name)
{
	static char path[PATH_MAX];

	if (strchr(name, '/'))
		return name;
	snprintf(path, sizeof(path), DEFAULT_DIR "/%s", name);
	return path;
}

/*
 * Looks for a device number among the mounted ipcdevfs, and tells whether there
 * are others. The lines read "36 35 98:0 /root /point options - type source".
 */
static bool is_ipcdevfs(dev_t dev, bool *others)
{
	unsigned int major, minor;
	char *line = NULL, *type;
	bool found = false;
	size_t size = 0;
	FILE *mounts;

	*others = false;
	mounts = fopen("/proc/self/mountinfo", "re");
	if (!mounts)
		return false;

	while (getline(&line, &size, mounts) > 0) {
		type = strstr(line, " - ");
		if (!type || strncmp(type + 3, IPCDEV_FS_NAME " ",
				     strlen(IPCDEV_FS_NAME " ")) ||
		    sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2)
			continue;
		if (makedev(major, minor) == dev)
			found = true;
		else
			*others = true;
	}
	free(line);
	fclose(mounts);
	return found;
}

bool in_ipcdevfs(const char *path)
{
	struct stat st;
	bool others;

	return !lstat(path, &st) && is_ipcdevfs(st.st_dev, &others);
}

/*
 * What a listing calls the object that @path names: its path from the root of
 * its ipcdevfs. Told only if it leads to no wrong object: false if more than
 * one ipcdevfs is mounted. @name has room for PATH_MAX bytes.
 */
bool listed_name(const char *path, char *name)
{
	char up[PATH_MAX], *slash;
	struct stat st, st_up;
	size_t root;
	bool others;

	if (!realpath(path, name) || lstat(name, &st) ||
	    !is_ipcdevfs(st.st_dev, &others) || others)
		return false;

	/* The root is the last directory upwards that is not elsewhere. */
	root = strlen(name);
	strcpy(up, name);
	while ((slash = strrchr(up, '/')) && slash != up) {
		*slash = '\0';
		if (lstat(up, &st_up) || st_up.st_dev != st.st_dev)
			break;
		root = slash - up;
	}
	memmove(name, name + root, strlen(name + root) + 1);
	return true;
}

static bool parent_in_ipcdevfs(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	return in_ipcdevfs(dirname(copy));
}

/* No queue is opened for that, which is a FIFO: its senders would see a reader go. */
static bool is_buffer(const char *path)
{
	struct ipcdev_stat object = { 0 };
	struct stat st;
	int fd;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	fd = ipcdev_open(path, O_RDONLY);
	if (fd < 0)
		return false;
	ipcdev_stat(fd, &object);
	close(fd);
	return object.type == IPCDEV_TYPE_BUFFER;
}

/* ipcdev_open(), which says what is wrong. */
int open_object(const char *path, int flags)
{
	int fd = ipcdev_open(path, flags), err = errno;

	if (fd >= 0)
		return fd;
	if (err == ENOENT && !parent_in_ipcdevfs(path)) {
		fail_because(path, NOT_MOUNTED);
	} else if (err == EACCES && flags == O_WRONLY && is_buffer(path)) {
		/* Nobody opens one for writing alone, whatever its mode says. */
		fail_because(path, "that is a buffer");
	} else {
		errno = err;
		fail(path, "cannot open");
	}
	return -1;
}

static int mount_run(const struct command *self, int argc, char **argv)
{
	char options[80] = "";
	const char *dir;
	size_t len = 0;
	int key;

	while ((key = next_option(self, argc, argv)) != -1) {
		const char *comma = len ? "," : "";
		char *end = options + len;
		size_t left = sizeof(options) - len;

		if (key == 'm')
			snprintf(end, left, "%smode=%o", comma,
				 parse_mode(self, optarg));
		else
			snprintf(end, left, "%s%s=%u", comma,
				 key == 'u' ? "uid" : "gid",
				 (unsigned int)parse_number(self, optarg,
							    UINT32_MAX - 1));
		len = strlen(options);
	}
	expect_operands(self, argc, 0, 1);
	dir = argc > optind ? argv[optind] : DEFAULT_DIR;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return fail(dir, "cannot make the directory");
	if (in_ipcdevfs(dir)) {
		printf("%s is mounted already\n", dir);
		return STATUS_OK;
	}
	if (mount(IPCDEV_FS_NAME, dir, IPCDEV_FS_NAME,
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, options))
		return errno == ENODEV ?
		       fail_because(dir, "the kernel knows no ipcdevfs; try modprobe ipcdev") :
		       fail(dir, "cannot mount");
	return STATUS_OK;
}

static const struct option_info mount_options[] = {
	{ 'm', "mode", "MODE", "permissions of its root directory (1777)" },
	{ 'u', "uid", "UID", "owner of its root directory" },
	{ 'g', "gid", "GID", "group of its root directory" },
	{ 0 }
};

const struct command mount_command = {
	.name = "mount",
	.args = "[DIRECTORY]",
	.summary = "mount an ipcdevfs, the place for names, on " DEFAULT_DIR " or elsewhere",
	.details = "A DIRECTORY that is missing is made.",
	.options = mount_options,
	.run = mount_run,
};

/* What the caller of create wants. */
struct wish {
	const char *path;
	unsigned int type;
	bool queue_only;	/* has asked for what only a queue has */
	unsigned int ring_flags;
	struct ipcdev_create_queue attr;
	const char *backend;
	uint64_t size;
	mode_t mode;
	unsigned int publish;
};

static int create_object(const struct wish *wish)
{
	switch (wish->type) {
	case IPCDEV_TYPE_QUEUE:
		return ipcdev_queue_create(&wish->attr);
	case IPCDEV_TYPE_RING:
		return ipcdev_ring_create(wish->size, wish->attr.rights,
					  wish->ring_flags);
	case IPCDEV_TYPE_ENGINE:
		return ipcdev_engine_create(wish->backend, wish->attr.depth,
					    wish->attr.rights, wish->ring_flags);
	}
	return ipcdev_buffer_create(wish->size, wish->attr.rights, 0);
}

/* Why the kernel calls it invalid. */
static const char *why_invalid(const struct wish *wish)
{
	const struct ipcdev_create_queue *attr = &wish->attr;
	uint32_t msg_max = attr->msg_max ? attr->msg_max : MSG_MAX_DEFAULT;

	if (wish->type == IPCDEV_TYPE_QUEUE && attr->bytes_max &&
	    attr->bytes_max < msg_max)
		return "--bytes is less than the largest message: --msg-max, 8K by default";
	if (wish->type == IPCDEV_TYPE_RING && wish->size > IPCDEV_RING_SIZE_MAX)
		return "a ring has 1G at most";
	return LIMITED;
}

/* Makes an object with a name; its handle, or -1 once it was said why not. */
static int make_object(const struct wish *wish)
{
	int fd;

	if (!parent_in_ipcdevfs(wish->path)) {
		fail_because(wish->path, NOT_MOUNTED);
		return -1;
	}
	fd = create_object(wish);
	if (fd < 0) {
		if (wish->backend)
			fail_backend(wish->backend);
		else if (errno == EINVAL)
			fail_because(wish->path, why_invalid(wish));
		else
			fail(errno == ENOENT ? IPCDEV_DEVICE : wish->path,
			     "cannot create");
		return -1;
	}
	/* Like mkdir(1), obeys a mode to the letter; the umask only narrows. */
	if (ipcdev_publish(fd, wish->path, wish->mode, wish->publish))
		fail(wish->path, "cannot publish");
	else if (chmod(wish->path, wish->mode))
		fail(wish->path, "cannot set the mode");
	else
		return fd;
	close(fd);
	return -1;
}

static int make_queue(const char *path, const struct ipcdev_create_queue *attr,
		      mode_t mode, unsigned int publish)
{
	struct wish wish = {
		.path = path,
		.type = IPCDEV_TYPE_QUEUE,
		.attr = *attr,
		.mode = mode,
		.publish = publish,
	};

	return make_object(&wish);
}

/*
 * Opens a queue, or makes one if there is none, which @made tells: also in place of
 * one whose name is all that is left. Says what is wrong.
 */
int open_or_make(const char *path, int flags,
		 const struct ipcdev_create_queue *attr, mode_t mode,
		 unsigned int publish, bool *made)
{
	int fd = ipcdev_open(path, flags);

	*made = fd < 0 && (errno == ENOENT || errno == ENXIO);
	if (*made)
		return make_queue(path, attr, mode, publish);
	return fd < 0 ? open_object(path, flags) : fd;
}

/* Sees to an option that says what a queue is like; false if it is none. */
bool parse_queue_option(const struct command *command, int key,
			struct ipcdev_create_queue *attr)
{
	switch (key) {
	case 'd':
		attr->depth = parse_number(command, optarg, UINT32_MAX);
		return true;
	case 'M':
		attr->msg_max = parse_size(command, optarg);
		if (attr->msg_max != parse_size(command, optarg))
			usage(command, "too large", optarg);
		return true;
	case 'b':
		attr->bytes_max = parse_size(command, optarg);
		return true;
	case 'D':
		attr->flags |= IPCDEV_QUEUE_DROP_OLDEST;
		return true;
	case 'c':
		attr->flags |= IPCDEV_QUEUE_CREDS;
		return true;
	case 't':
		attr->flags |= IPCDEV_QUEUE_TIME;
		return true;
	case 'r':
		attr->flags |= IPCDEV_QUEUE_SCHED;
		return true;
	case 'B':
		attr->flags |= IPCDEV_QUEUE_BROADCAST;
		return true;
	case 'H':
		attr->history = parse_number(command, optarg, UINT32_MAX);
		return true;
	}
	return false;
}

/* The object lives as long as its holder: a command, or this process. */
static int hold(int fd, const char *path, char **command)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction old;
	sigset_t signals;
	int sig, err;

	if (*command) {
		fcntl(fd, F_SETFD, 0);
		execvp(*command, command);
		err = errno;
		fail_because(*command, strerror(err));
		return err == ENOENT ? 127 : 126;
	}

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s is there until this is interrupted\n", path);
	sigemptyset(&signals);
	/* What nohup or a shell's & has had ignored stays so. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!sigaction(ends[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(&signals, ends[i]);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	sigwait(&signals, &sig);
	return STATUS_OK;
}

static unsigned int parse_type(const struct command *command, const char *word)
{
	if (!strcmp(word, "queue"))
		return IPCDEV_TYPE_QUEUE;
	if (!strcmp(word, "buffer"))
		return IPCDEV_TYPE_BUFFER;
	if (!strcmp(word, "ring"))
		return IPCDEV_TYPE_RING;
	if (!strcmp(word, "engine"))
		return IPCDEV_TYPE_ENGINE;
	usage(command, "neither queue nor buffer nor ring nor engine", word);
}

/* What does not go together. */
static void check_wish(const struct command *command, const struct wish *wish)
{
	bool queue = wish->type == IPCDEV_TYPE_QUEUE;
	bool ring = wish->type == IPCDEV_TYPE_RING;
	bool engine = wish->type == IPCDEV_TYPE_ENGINE;

	if ((queue || engine) && wish->size)
		usage(command, "--size is for buffers and rings", NULL);
	if (!queue && wish->queue_only)
		usage(command, "that option is for queues", NULL);
	if (!queue && !engine && wish->attr.depth)
		usage(command, "--depth is for queues and engines", NULL);
	if (!engine && wish->backend)
		usage(command, "--backend is for engines", NULL);
	if (!ring && !engine && wish->ring_flags)
		usage(command, "--takeover is for rings and engines", NULL);
	if (wish->attr.history && !(wish->attr.flags & IPCDEV_QUEUE_BROADCAST))
		usage(command, "--history is for --broadcast", NULL);
	if (!queue && !engine && !wish->size)
		usage(command, ring ? "a ring needs a --size" :
		      "a buffer needs a --size", NULL);
	if (ring && wish->publish && !wish->ring_flags)
		usage(command, "a persistent ring needs --takeover", NULL);
	if (engine && wish->publish)
		usage(command, "an engine cannot be persistent", NULL);
}

static int create_run(const struct command *self, int argc, char **argv)
{
	/*
	 * The holder's own handle only reads, so that it is no writer whom readers
	 * would wait for: cat(1) on a queue ends when the last real writer has gone.
	 */
	struct wish wish = {
		.attr.rights = IPCDEV_RIGHT_READ | IPCDEV_RIGHT_PUBLISH,
		.mode = 0600,
	};
	int key, fd;

	while ((key = next_option(self, argc, argv)) != -1) {
		if (parse_queue_option(self, key, &wish.attr)) {
			wish.queue_only |= key != 'd';
			continue;
		}
		switch (key) {
		case 's':
			wish.size = parse_size(self, optarg);
			break;
		case 'e':
			wish.backend = optarg;
			break;
		case 'm':
			wish.mode = parse_mode(self, optarg);
			break;
		case 'p':
			wish.publish |= IPCDEV_PUBLISH_PERSISTENT;
			break;
		case 'o':
			wish.ring_flags |= IPCDEV_RING_TAKEOVER;
			break;
		}
	}
	expect_operands(self, argc, 2, -1);

	wish.type = parse_type(self, argv[optind]);
	check_wish(self, &wish);
	argv += optind + 1;
	wish.path = name_path(*argv++);
	if (*argv && wish.publish)
		usage(self, "a persistent object needs no COMMAND", *argv);

	fd = make_object(&wish);
	if (fd < 0)
		return STATUS_FAILED;
	return wish.publish ? STATUS_OK : hold(fd, wish.path, argv);
}

static const struct option_info create_options[] = {
	{ 's', "size", "SIZE", "buffer, ring: how large (needed)" },
	{ 'o', "takeover", NULL, "ring, engine: who has left may be succeeded" },
	{ 'd', "depth", "N", "queue: messages, engine: requests, at most (64)" },
	{ 'e', "backend", "NAME", "engine: what carries out its requests (soft)" },
	{ 'M', "msg-max", "SIZE", "queue: largest message (8K)" },
	{ 'b', "bytes", "SIZE", "queue: bytes of all its messages at most" },
	{ 'D', "drop-oldest", NULL, "queue: when full, drop instead of blocking" },
	{ 'c', "creds", NULL, "queue: messages carry pid, uid and gid" },
	{ 't', "time", NULL, "queue: messages carry the time of their sending" },
	{ 'r', "sched", NULL, "queue: real-time senders come first" },
	{ 'B', "broadcast", NULL, "queue: every receiver gets every message" },
	{ 'H', "history", "N", "and the last N are kept for those to come (0)" },
	{ 'm', "mode", "MODE", "permissions of the name (600)" },
	{ 'p', "persistent", NULL, "stay until removed, and do not wait" },
	{ 0 }
};

const struct command create_command = {
	.name = "create",
	.args = "queue|buffer|ring|engine NAME [-- COMMAND [ARGUMENT...]]",
	.summary = "make an object and give it a name",
	.details =
"It lives while COMMAND does, or without one until this is interrupted, unless\n"
"it is persistent. SIZE takes K, M or G.",
	.options = create_options,
	.run = create_run,
};

static int rm_run(const struct command *self, int argc, char **argv)
{
	int status = STATUS_OK;
	const char *path;
	struct stat st;

	while (next_option(self, argc, argv) != -1)
		;
	expect_operands(self, argc, 1, -1);

	for (; optind < argc; optind++) {
		path = name_path(argv[optind]);
		/* A link elsewhere is no name, wherever it leads. */
		if (!lstat(path, &st) && !in_ipcdevfs(path))
			status = fail_because(path, "not in an ipcdevfs; rm(1) is for that");
		else if (unlink(path))
			status = fail(path, "cannot remove");
	}
	return status;
}

const struct command rm_command = {
	.name = "rm",
	.args = "NAME...",
	.summary = "remove names, and with them what nobody else holds",
	.run = rm_run,
};

static bool lacks(const struct ipcdev_create_queue *attr, unsigned int wanted,
		  const struct ipcdev_stat *stat, unsigned int got)
{
	return (attr->flags & wanted) && !(stat->flags & got);
}

/* A queue that is there stays as it was made: says what it is not that was asked for. */
void tell_unlike(const char *path, int fd, const struct ipcdev_create_queue *attr)
{
	struct ipcdev_stat stat;
	char text[160] = "";
	size_t len = 0;

	if (ipcdev_stat(fd, &stat))
		return;

	const struct {
		const char *option;
		bool unlike;
	} asked[] = {
		{ "depth", attr->depth && attr->depth != stat.depth },
		{ "msg-max", attr->msg_max && attr->msg_max != stat.msg_max },
		{ "bytes", attr->bytes_max && attr->bytes_max != stat.size },
		{ "history", attr->history && attr->history != stat.history },
		{ "drop-oldest", lacks(attr, IPCDEV_QUEUE_DROP_OLDEST,
				       &stat, IPCDEV_STAT_DROP_OLDEST) },
		{ "creds", lacks(attr, IPCDEV_QUEUE_CREDS,
				 &stat, IPCDEV_STAT_CREDS) },
		{ "time", lacks(attr, IPCDEV_QUEUE_TIME,
				&stat, IPCDEV_STAT_TIME) },
		{ "sched", lacks(attr, IPCDEV_QUEUE_SCHED,
				 &stat, IPCDEV_STAT_SCHED) },
	};

	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		if (asked[i].unlike)
			len += snprintf(text + len, sizeof(text) - len,
					" --%s", asked[i].option);
	if (!len)
		return;
	fflush(stdout);
	fprintf(stderr, "ipcdevctl: %s: it is there already, and was made without%s\n",
		path, text);
}
