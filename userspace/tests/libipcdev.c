// SPDX-License-Identifier: GPL-2.0
/*
 * libipcdev: each function, and what it adds to the ioctl beneath it. What the
 * ioctls themselves promise is for selftests/ to test. Prints KTAP.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

static const char *const name = "/dev/ipc/libipcdev-test";

static void test_device(void)
{
	struct ipcdev_stat stats[2], stat;
	struct ipcdev_info info;
	int first, second;

	CHECK(!ipcdev_info(&info));
	CHECK(info.version == IPCDEV_VERSION && info.max_depth);

	first = ipcdev_buffer_create(1, 0, 0);
	second = ipcdev_queue_create(NULL);
	CHECK(!ipcdev_stat(first, &stat));
	CHECK(ipcdev_list(stat.id - 1, stats, 2) == 2);
	CHECK(stats[0].id == stat.id && stats[1].id > stat.id);
	CHECK(stats[0].type == IPCDEV_TYPE_BUFFER);
	CHECK(stats[1].type == IPCDEV_TYPE_QUEUE);
	CHECK(ipcdev_list(stats[1].id, stats, 2) == 0);
	FAILS(ipcdev_list(0, stats, 0), EINVAL);
	close(first);
	close(second);
	FAILS(ipcdev_stat(first, &stat), EBADF);
	FAILS(ipcdev_stat(0, &stat), ENOTTY);
}

/* No descriptor but the one that was asked for is left open. */
static void test_descriptors(void)
{
	int lowest = lowest_fd(), fd;

	fd = ipcdev_queue_create(NULL);
	CHECK(fd == lowest || fd == lowest + 1);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(!ipcdev_publish(fd, name, 0600, 0));
	close(fd);
	fd = dup(0);
	CHECK(fd == lowest);
	close(fd);
}

static void test_broadcast(void)
{
	const struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_BROADCAST,
		.depth = 4,
		.history = 2,
	};
	int topic = ipcdev_queue_create(&attr), queue = ipcdev_queue_create(NULL);
	int reader = ipcdev_dup(topic, IPCDEV_RIGHT_READ, 0);
	int writer = ipcdev_dup(topic, IPCDEV_RIGHT_WRITE, 0);
	struct ipcdev_stat stat;
	char byte;

	FAILS(ipcdev_queue_recv(topic, &byte, 1, NULL, &past), ENOTCONN);
	CHECK(!ipcdev_queue_send(writer, "a", 1, 0, NULL));
	CHECK(!ipcdev_queue_send(writer, "b", 1, 0, NULL));
	CHECK(ipcdev_queue_recv(reader, &byte, 1, NULL, &past) == 1);
	CHECK(byte == 'a');
	CHECK(!ipcdev_queue_send(writer, "c", 1, 0, NULL));
	CHECK(ipcdev_subscribe(topic, 3, 0) == 2);
	CHECK(ipcdev_queue_recv(topic, &byte, 1, NULL, &past) == 1);
	CHECK(byte == 'b');
	CHECK(ipcdev_subscribe(topic, 2, 1) == 1);
	CHECK(ipcdev_queue_recv(topic, &byte, 1, NULL, &past) == 1);
	CHECK(byte == 'c');
	CHECK(!ipcdev_subscribe(topic, 0, 4));
	FAILS(ipcdev_subscribe(topic, 0, 5), EINVAL);
	CHECK(!ipcdev_stat(reader, &stat) && stat.unread == 2);
	CHECK(!ipcdev_unsubscribe(topic));
	CHECK(!ipcdev_unsubscribe(topic));
	FAILS(ipcdev_queue_recv(topic, &byte, 1, NULL, &past), ENOTCONN);
	FAILS(ipcdev_subscribe(queue, 0, 0), EOPNOTSUPP);
	FAILS(ipcdev_unsubscribe(queue), EOPNOTSUPP);
	FAILS(ipcdev_subscribe(writer, 0, 0), EBADF);
	FAILS(ipcdev_unsubscribe(writer), EBADF);
	FAILS(ipcdev_subscribe(0, 0, 0), ENOTTY);
	close(writer);
	close(reader);
	close(queue);
	close(topic);
}

static void test_deadline(void)
{
	struct ipcdev_deadline d;
	int queue = ipcdev_queue_create(NULL);
	struct timespec now;
	char byte;

	CHECK(ipcdev_deadline_in(&d, 0) == &d && d.clock == CLOCK_MONOTONIC);
	CHECK(ipcdev_deadline_in(&d, UINT64_MAX)->ns == INT64_MAX);
	CHECK(ipcdev_deadline_in(&d, INT64_MAX)->ns == INT64_MAX);

	FAILS(ipcdev_queue_recv(queue, &byte, 1, NULL, &past), ETIMEDOUT);
	ipcdev_deadline_in(&d, SECOND / 100);
	FAILS(ipcdev_queue_recv(queue, &byte, 1, NULL, &d), ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK(now.tv_sec * SECOND + now.tv_nsec >= d.ns);

	clock_gettime(CLOCK_REALTIME, &now);
	d.clock = CLOCK_REALTIME;
	d.ns = now.tv_sec * SECOND + now.tv_nsec + SECOND / 100;
	FAILS(ipcdev_queue_recv(queue, &byte, 1, NULL, &d), ETIMEDOUT);

	d.clock = CLOCK_BOOTTIME;
	FAILS(ipcdev_queue_recv(queue, &byte, 1, NULL, &d), EINVAL);
	FAILS(ipcdev_queue_send(queue, &byte, 1, 0, &d), EINVAL);
	FAILS(ipcdev_wait_peer(queue, &d), EINVAL);
	d.clock = CLOCK_MONOTONIC;
	d.ns = UINT64_MAX;
	FAILS(ipcdev_queue_recv(queue, &byte, 1, NULL, &d), EINVAL);

	/* What can be done at once is done. */
	CHECK(!ipcdev_queue_send(queue, "x", 1, 0, &past));
	CHECK(ipcdev_queue_recv(queue, &byte, 1, NULL, &past) == 1);
	close(queue);
}

static void test_dup(void)
{
	int queue = ipcdev_queue_create(NULL), reader, writer;
	struct ipcdev_stat stat;
	char byte;

	reader = ipcdev_dup(queue, IPCDEV_RIGHT_READ, IPCDEV_NONBLOCK);
	writer = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	CHECK(!ipcdev_stat(reader, &stat) && stat.rights == IPCDEV_RIGHT_READ);
	CHECK(stat.readers == 2 && stat.writers == 2);
	close(queue);
	FAILS(ipcdev_dup(reader, BOTH, 0), EACCES);
	FAILS(ipcdev_dup(reader, 0, 0), EINVAL);
	FAILS(ipcdev_queue_recv(reader, &byte, 1, NULL, NULL), EAGAIN);
	CHECK(!ipcdev_wait_peer(reader, &past));
	close(writer);
	FAILS(ipcdev_queue_recv(reader, &byte, 1, NULL, NULL), EPIPE);
	FAILS(ipcdev_wait_peer(reader, &past), EAGAIN);
	close(reader);
}

static void test_names(void)
{
	int queue = ipcdev_queue_create(NULL), other, fd;
	struct ipcdev_stat stat;
	struct stat st;
	mode_t old;

	FAILS(ipcdev_open(name, O_RDONLY), ENOENT);
	old = umask(027);
	CHECK(!ipcdev_publish(queue, name, 0666, 0));
	umask(old);
	CHECK(!lstat(name, &st) && S_ISFIFO(st.st_mode));
	CHECK((st.st_mode & 0777) == 0640);
	FAILS(ipcdev_publish(queue, "/dev/ipc/libipcdev-other", 0600, 0), EBUSY);
	CHECK(access("/dev/ipc/libipcdev-other", F_OK));

	fd = ipcdev_open(name, O_WRONLY | O_NONBLOCK);
	CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(!ipcdev_stat(fd, &stat) && stat.rights == IPCDEV_RIGHT_WRITE);
	CHECK(!strcmp(stat.name, "/libipcdev-test"));
	close(fd);
	FAILS(ipcdev_open(name, O_RDONLY | O_CREAT), EINVAL);
	FAILS(ipcdev_open("/dev/null", O_RDONLY), ENOTTY);

	/* Another's name is left alone. */
	other = ipcdev_buffer_create(1, 0, 0);
	FAILS(ipcdev_publish(other, name, 0600, 0), EEXIST);
	CHECK(!access(name, F_OK));
	close(queue);
	CHECK(access(name, F_OK));

	/* A file that was left by somebody is used as it is. */
	CHECK(!mknod(name, S_IFREG | 0604, 0));
	FAILS(ipcdev_open(name, O_RDONLY), ENXIO);
	CHECK(!ipcdev_publish(other, name, 0600, IPCDEV_PUBLISH_PERSISTENT));
	CHECK(!lstat(name, &st) && (st.st_mode & 0777) == 0604);
	close(other);
	other = ipcdev_open(name, O_RDWR);
	CHECK(ipcdev_buffer_size(other) == PAGE);
	close(other);
	CHECK(!unlink(name));

	/* Nothing is left where no object can have a name. */
	other = ipcdev_buffer_create(1, 0, 0);
	FAILS(ipcdev_publish(other, "/tmp/libipcdev-test", 0600, 0), EINVAL);
	CHECK(access("/tmp/libipcdev-test", F_OK));
	FAILS(ipcdev_publish(other, "/dev/ipc/none/x", 0600, 0), ENOENT);
	FAILS(ipcdev_publish(0, name, 0600, 0), ENOTTY);
	CHECK(!symlink("/dev/ipc/x", "/tmp/libipcdev-link"));
	FAILS(ipcdev_publish(other, "/tmp/libipcdev-link", 0600, 0), EINVAL);
	CHECK(!unlink("/tmp/libipcdev-link"));
	close(other);
}

static void test_events(void)
{
	int queue = ipcdev_queue_create(NULL), event = eventfd(0, EFD_NONBLOCK);
	eventfd_t times;
	char byte;

	CHECK(!ipcdev_attach(queue, event, IPCDEV_EVENT_READABLE, 0));
	FAILS(ipcdev_attach(queue, event, IPCDEV_EVENT_READABLE, 0), EEXIST);
	FAILS(eventfd_read(event, &times), EAGAIN);
	CHECK(!ipcdev_queue_send(queue, "x", 1, 0, NULL));
	CHECK(!ipcdev_queue_send(queue, "y", 1, 0, NULL));
	CHECK(!eventfd_read(event, &times) && times == 2);
	CHECK(!ipcdev_detach(queue, event));
	FAILS(ipcdev_detach(queue, event), ENOENT);
	CHECK(!ipcdev_attach(queue, event, IPCDEV_EVENT_READABLE,
			     IPCDEV_ATTACH_ONESHOT));
	CHECK(!eventfd_read(event, &times) && times == 1);
	FAILS(ipcdev_detach(queue, event), ENOENT);
	FAILS(ipcdev_attach(queue, 0, IPCDEV_EVENT_READABLE, 0), EINVAL);
	CHECK(ipcdev_queue_recv(queue, &byte, 1, NULL, NULL) == 1);
	close(event);
	close(queue);
}

static void test_buffer(void)
{
	int fd = ipcdev_buffer_create(PAGE + 1, 0, 0), reader, queue;
	struct ipcdev_stat stat;
	char *map, *part;

	CHECK(ipcdev_buffer_size(fd) == 2 * PAGE);
	CHECK(ipcdev_buffer_sealed(fd) == 0);
	FAILS(ipcdev_buffer_create(0, 0, 0), EINVAL);
	FAILS(ipcdev_buffer_create(1, 0, 1), EINVAL);
	FAILS(ipcdev_buffer_create(1, IPCDEV_RIGHT_WRITE, 0), EINVAL);

	map = ipcdev_buffer_map(fd, 0, 0, PROT_READ | PROT_WRITE);
	CHECK(map && !map[0] && !map[2 * PAGE - 1]);
	strcpy(map + PAGE, "text");
	part = ipcdev_buffer_map(fd, PAGE, 0, PROT_READ);
	CHECK(part && !strcmp(part, "text"));
	munmap(part, PAGE);
	part = ipcdev_buffer_map(fd, PAGE, 1, PROT_READ);
	CHECK(part && !strcmp(part, "text"));
	munmap(part, PAGE);
	NO_MAP(ipcdev_buffer_map(fd, 2 * PAGE, 0, PROT_READ), EINVAL);
	NO_MAP(ipcdev_buffer_map(fd, 1, PAGE, PROT_READ), EINVAL);
	NO_MAP(ipcdev_buffer_map(fd, PAGE, 2 * PAGE, PROT_READ), EINVAL);
	reader = ipcdev_dup(fd, IPCDEV_RIGHT_READ, 0);
	NO_MAP(ipcdev_buffer_map(reader, 0, 0, PROT_READ | PROT_WRITE), EACCES);
	FAILS(ipcdev_buffer_seal(reader), EBADF);
	close(reader);

	/* Sealed: the writing handle maps for reading all the same. */
	FAILS(ipcdev_buffer_seal(fd), EBUSY);
	munmap(map, 2 * PAGE);
	CHECK(!ipcdev_buffer_seal(fd) && !ipcdev_buffer_seal(fd));
	CHECK(ipcdev_buffer_sealed(fd) == 1);
	NO_MAP(ipcdev_buffer_map(fd, 0, 0, PROT_READ | PROT_WRITE), EPERM);
	map = ipcdev_buffer_map(fd, 0, 0, PROT_READ);
	CHECK(map && !strcmp(map + PAGE, "text"));
	CHECK(mprotect(map, PAGE, PROT_READ | PROT_WRITE));
	CHECK(!ipcdev_stat(fd, &stat) && stat.flags & IPCDEV_STAT_SEALED);
	munmap(map, 2 * PAGE);
	close(fd);

	queue = ipcdev_queue_create(NULL);
	FAILS(ipcdev_buffer_size(queue), ENOTTY);
	FAILS(ipcdev_buffer_sealed(queue), ENOTTY);
	FAILS(ipcdev_buffer_seal(queue), ENOTTY);
	NO_MAP(ipcdev_buffer_map(queue, 0, 0, PROT_READ), ENOTTY);
	NO_MAP(ipcdev_buffer_map(queue, 0, PAGE, PROT_READ), ENODEV);
	close(queue);
	FAILS(ipcdev_buffer_size(queue), EBADF);
}

static void test_messages(void)
{
	struct ipcdev_create_queue attr = { .depth = 2, .msg_max = 8 };
	int queue = ipcdev_queue_create(&attr), buffer;
	unsigned int prio = 0;
	char buf[16] = "";

	CHECK(!ipcdev_queue_send(queue, "low", 3, 0, NULL));
	CHECK(!ipcdev_queue_send(queue, "high", 4, IPCDEV_PRIO_MAX, NULL));
	FAILS(ipcdev_queue_send(queue, "x", 1, 0, &past), ETIMEDOUT);
	FAILS(ipcdev_queue_recv(queue, buf, 3, NULL, NULL), EMSGSIZE);
	CHECK(ipcdev_queue_recv(queue, buf, sizeof(buf), &prio, NULL) == 4);
	CHECK(prio == IPCDEV_PRIO_MAX && !memcmp(buf, "high", 4));
	/* Room that no message could need. */
	CHECK(ipcdev_queue_recv(queue, buf, SIZE_MAX, NULL, NULL) == 3);

	FAILS(ipcdev_queue_send(queue, buf, 9, 0, NULL), EMSGSIZE);
	if (SIZE_MAX > UINT32_MAX)
		FAILS(ipcdev_queue_send(queue, buf, (size_t)UINT32_MAX + 1, 0,
					NULL), EMSGSIZE);
	FAILS(ipcdev_queue_send(queue, buf, 1, IPCDEV_PRIO_MAX + 1, NULL),
	      EINVAL);
	CHECK(!ipcdev_queue_send(queue, NULL, 0, 0, NULL));
	CHECK(ipcdev_queue_recv(queue, NULL, 0, NULL, NULL) == 0);
	attr.flags = ~0U;
	FAILS(ipcdev_queue_create(&attr), EINVAL);

	buffer = ipcdev_buffer_create(1, 0, 0);
	FAILS(ipcdev_queue_send(buffer, "x", 1, 0, NULL), ENOTTY);
	FAILS(ipcdev_queue_recv(buffer, buf, 1, NULL, NULL), ENOTTY);
	close(buffer);
	close(queue);
}

static void test_msg(void)
{
	struct ipcdev_create_queue attr = {
		.flags = IPCDEV_QUEUE_CREDS | IPCDEV_QUEUE_TIME,
	};
	int queue = ipcdev_queue_create(&attr);
	struct ipcdev_iovec pieces[2] = {
		{ ipcdev_ptr("one "), 4 }, { ipcdev_ptr("two"), 3 },
	};
	struct ipcdev_msg msg = {
		.data = ipcdev_ptr(pieces),
		.iov_count = 2,
		.tag = 42,
		.prio = 7,
	};
	char buf[8] = "";

	CHECK(!ipcdev_queue_send_msg(queue, &msg, IPCDEV_NONBLOCK, NULL));
	FAILS(ipcdev_queue_send_msg(queue, &msg, ~0U, NULL), EINVAL);

	/* What a failed receive needs is told. */
	msg = (struct ipcdev_msg) { .data = ipcdev_ptr(buf), .len = 6 };
	FAILS(ipcdev_queue_recv_msg(queue, &msg, 0, NULL), EMSGSIZE);
	CHECK(msg.len == 7);
	msg = (struct ipcdev_msg) { 0 };
	FAILS(ipcdev_queue_peek(queue, 0, &msg), EMSGSIZE);
	CHECK(msg.len == 7);
	msg.data = ipcdev_ptr(buf);
	CHECK(!ipcdev_queue_peek(queue, 0, &msg) && msg.tag == 42);
	FAILS(ipcdev_queue_peek(queue, 1, &msg), EAGAIN);

	msg = (struct ipcdev_msg) { .data = ipcdev_ptr(buf), .len = 8 };
	CHECK(!ipcdev_queue_recv_msg(queue, &msg, 0, NULL));
	CHECK(msg.len == 7 && !strcmp(buf, "one two"));
	CHECK(msg.tag == 42 && msg.prio == 7);
	CHECK(msg.flags == (IPCDEV_MSG_CREDS | IPCDEV_MSG_TIME));
	CHECK(msg.pid == (uint32_t)getpid() && msg.uid == geteuid());
	CHECK(msg.time_ns);
	FAILS(ipcdev_queue_recv_msg(queue, &msg, IPCDEV_NONBLOCK, NULL),
	      EAGAIN);
	close(queue);
}

static void test_fds(void)
{
	int queue = ipcdev_queue_create(NULL), ends[2], fds[2];
	unsigned int count = 1;
	char buf[8] = "";

	CHECK(!pipe(ends));
	CHECK(!ipcdev_queue_send_fds(queue, "two", 3, ends, 2, NULL));
	CHECK(!ipcdev_queue_send_fds(queue, "none", 4, NULL, 0, NULL));
	FAILS(ipcdev_queue_send_fds(queue, "x", 1, &queue, 1, NULL), ELOOP);
	FAILS(ipcdev_queue_send_fds(queue, "x", 1, ends, 17, NULL), EINVAL);
	close(ends[1]);

	FAILS(ipcdev_queue_recv_fds(queue, buf, 8, fds, &count, NULL),
	      EMSGSIZE);
	count = 2;
	CHECK(ipcdev_queue_recv_fds(queue, buf, 8, fds, &count, NULL) == 3);
	CHECK(count == 2 && fcntl(fds[1], F_GETFD) == FD_CLOEXEC);
	CHECK(write(fds[1], "hi", 2) == 2 && read(ends[0], buf, 8) == 2);
	close(fds[0]);
	close(fds[1]);
	CHECK(ipcdev_queue_recv_fds(queue, buf, 8, fds, &count, NULL) == 4);
	CHECK(count == 0);

	/* A plain receive releases them, as read(2) does. */
	CHECK(!ipcdev_queue_send_fds(queue, "x", 1, ends, 1, NULL));
	CHECK(ipcdev_queue_recv(queue, buf, 8, NULL, NULL) == 1);
	close(ends[0]);
	close(queue);
}

static void test_slices(void)
{
	int queue = ipcdev_queue_create(NULL);
	struct ipcdev_slice slice = { .offset = 10, .length = 20 }, got;
	struct ipcdev_stat stat;
	char buf[8];

	slice.fd = ipcdev_buffer_create(100, 0, 0);
	CHECK(!ipcdev_queue_send_slice(queue, "head", 4, &slice, NULL));
	CHECK(!ipcdev_queue_send(queue, "x", 1, 0, NULL));
	CHECK(ipcdev_queue_recv_slice(queue, buf, 8, &got, NULL) == 4);
	CHECK(!ipcdev_stat(got.fd, &stat) && stat.id == got.buffer_id);
	CHECK(got.offset == 10 && got.length == 20);
	/* What was received can be sent on. */
	CHECK(!ipcdev_queue_send_slice(queue, "on", 2, &got, NULL));
	close(got.fd);
	CHECK(ipcdev_queue_recv_slice(queue, buf, 8, &got, NULL) == 1);
	CHECK(got.fd == -1 && got.length == 0);
	CHECK(ipcdev_queue_recv_slice(queue, buf, 8, &got, NULL) == 2);
	CHECK(got.buffer_id == stat.id);
	close(got.fd);

	slice.length = PAGE;
	FAILS(ipcdev_queue_send_slice(queue, "x", 1, &slice, NULL), EINVAL);
	FAILS(ipcdev_queue_recv_slice(queue, buf, 8, &got, &past), ETIMEDOUT);
	CHECK(got.fd == -1);
	close(slice.fd);
	close(queue);
}

static void test_batches(void)
{
	struct ipcdev_create_queue attr = { .depth = 4 };
	int queue = ipcdev_queue_create(&attr);
	struct ipcdev_msg msgs[8] = { 0 };
	char bytes[8];

	for (int i = 0; i < 8; i++) {
		bytes[i] = 'a' + i;
		msgs[i].data = ipcdev_ptr(bytes + i);
		msgs[i].len = 1;
	}
	FAILS(ipcdev_queue_send_batch(queue, msgs, 0, 0, NULL), EINVAL);
	CHECK(ipcdev_queue_send_batch(queue, msgs, 3, 0, NULL) == 3);
	CHECK(ipcdev_queue_send_batch(queue, msgs + 3, 5, IPCDEV_NONBLOCK,
				      NULL) == 1);
	FAILS(ipcdev_queue_send_batch(queue, msgs + 4, 4, 0, &past),
	      ETIMEDOUT);
	memset(bytes, 0, sizeof(bytes));
	CHECK(ipcdev_queue_recv_batch(queue, msgs, 8, 0, NULL) == 4);
	CHECK(!memcmp(bytes, "abcd\0\0\0", 8));
	FAILS(ipcdev_queue_recv_batch(queue, msgs, 8, IPCDEV_NONBLOCK, NULL),
	      EAGAIN);
	FAILS(ipcdev_queue_recv_batch(queue, msgs, 8, 0, &past), ETIMEDOUT);
	close(queue);
}

static void test_wait_peer(void)
{
	struct ipcdev_create_queue attr = {
		.rights = IPCDEV_RIGHT_READ | IPCDEV_RIGHT_PUBLISH,
	};
	int queue = ipcdev_queue_create(&attr), status;
	struct ipcdev_deadline d;
	pid_t pid;

	FAILS(ipcdev_wait_peer(queue, &past), ETIMEDOUT);
	FAILS(ipcdev_wait_peer(queue, ipcdev_deadline_in(&d, SECOND / 100)),
	      ETIMEDOUT);
	CHECK(!ipcdev_publish(queue, name, 0600, 0));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		usleep(50000);
		_exit(ipcdev_open(name, O_WRONLY) < 0 || pause());
	}
	CHECK(!ipcdev_wait_peer(queue, ipcdev_deadline_in(&d, 30 * SECOND)));
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	FAILS(ipcdev_wait_peer(queue, &past), ETIMEDOUT);
	FAILS(ipcdev_wait_peer(0, &past), ENOTTY);
	close(queue);
}

/* Serves a queue until its writers have gone: 1 more than was asked, or EDOM. */
static int serve(int queue)
{
	uint64_t in = 0, out;
	struct ipcdev_call call = { .request.data = ipcdev_ptr(&in) };

	for (;;) {
		call.request.len = sizeof(in);
		call.request.flags = 0;
		if (ipcdev_reply_recv_msg(queue, &call, NULL))
			return errno;
		call.reply = (struct ipcdev_msg) {
			.token = call.request.token,
		};
		if (in) {
			out = in + 1;
			call.reply.data = ipcdev_ptr(&out);
			call.reply.len = sizeof(out);
		} else {
			call.reply.error = EDOM;
		}
	}
}

static void test_call(void)
{
	int queue = ipcdev_queue_create(NULL), status;
	int client = ipcdev_dup(queue, IPCDEV_RIGHT_WRITE, 0);
	int server = ipcdev_dup(queue, IPCDEV_RIGHT_READ, 0);
	uint64_t in = 0, out = 41, token = 0;
	struct ipcdev_msg msg = { 0 };
	struct ipcdev_call call = {
		.request.data = ipcdev_ptr(&out),
		.request.len = sizeof(out),
		.reply.data = ipcdev_ptr(&in),
		.reply.len = sizeof(in),
	};
	pid_t pid;

	close(queue);
	pid = fork();
	if (!pid) {
		close(client);
		_exit(serve(server) != EPIPE);
	}
	CHECK(ipcdev_call(client, &out, sizeof(out), &in, sizeof(in), NULL) ==
	      sizeof(in));
	CHECK(in == 42);
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(in == 42 && call.reply.len == sizeof(in) && !call.reply.error);
	out = 0;
	FAILS(ipcdev_call(client, &out, sizeof(out), &in, sizeof(in), NULL),
	      EDOM);
	CHECK(!ipcdev_call_msg(client, &call, NULL));
	CHECK(call.reply.error == EDOM);
	if (SIZE_MAX > UINT32_MAX)
		FAILS(ipcdev_call(client, NULL, (size_t)UINT32_MAX + 1, NULL, 0,
				  NULL), EMSGSIZE);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	FAILS(ipcdev_call(client, &out, sizeof(out), &in, sizeof(in), &past),
	      ETIMEDOUT);

	/* By hand: an answer, an error, and one who has given up. */
	for (int i = 0; i < 3; i++) {
		out = i;
		pid = fork();
		if (!pid) {
			close(server);
			if (ipcdev_call(client, &out, sizeof(out), &in,
					sizeof(in), NULL) < 0)
				_exit(errno);
			_exit(in == 7 ? 0 : 255);
		}
		msg = (struct ipcdev_msg) {
			.data = ipcdev_ptr(&in),
			.len = sizeof(in),
		};
		CHECK(!ipcdev_queue_recv_msg(server, &msg, 0, NULL));
		CHECK(msg.flags & IPCDEV_MSG_CALL);
		CHECK(!ipcdev_call_waits(server, msg.token));
		in = 7;
		if (i == 0) {
			CHECK(!ipcdev_reply(server, msg.token, &in,
					    sizeof(in)));
		} else if (i == 1) {
			FAILS(ipcdev_reply_error(server, msg.token, 0), EINVAL);
			CHECK(!ipcdev_reply_error(server, msg.token, ENOENT));
		} else {
			kill(pid, SIGKILL);
		}
		waitpid(pid, &status, 0);
		if (i < 2)
			CHECK(WEXITSTATUS(status) == (i ? ENOENT : 0));
	}
	FAILS(ipcdev_call_waits(server, msg.token), ESRCH);
	FAILS(ipcdev_call_waits(server, 0), ESRCH);
	CHECK(!ipcdev_call_gone(server, &token) && token == msg.token);
	FAILS(ipcdev_call_gone(server, &token), EAGAIN);
	FAILS(ipcdev_reply(server, msg.token, &in, sizeof(in)), ESRCH);
	if (SIZE_MAX > UINT32_MAX)
		FAILS(ipcdev_reply(server, msg.token, &in, (size_t)UINT32_MAX + 1),
		      EMSGSIZE);
	msg = (struct ipcdev_msg) { .token = token };
	FAILS(ipcdev_reply_msg(server, &msg), ESRCH);
	close(server);
	FAILS(ipcdev_call(client, &out, sizeof(out), &in, sizeof(in), NULL),
	      EPIPE);
	close(client);
}

#ifdef HAVE_CPLUSPLUS
static void test_cplusplus(void)
{
	int line = use_from_cplusplus();

	if (line)
		printf("# cplusplus.cc, line %d:\n", line);
	CHECK(!line);
}
#endif

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "device", test_device },
	{ "descriptors", test_descriptors },
	{ "broadcast", test_broadcast },
	{ "deadline", test_deadline },
	{ "dup", test_dup },
	{ "names", test_names },
	{ "events", test_events },
	{ "buffer", test_buffer },
	{ "messages", test_messages },
	{ "msg", test_msg },
	{ "fds", test_fds },
	{ "slices", test_slices },
	{ "batches", test_batches },
	{ "wait_peer", test_wait_peer },
	{ "call", test_call },
	{ "engine_create", test_engine_create },
	{ "engine_requests", test_engine_requests },
	{ "engine_reap", test_engine_reap },
	{ "engine_quiet", test_engine_quiet },
	{ "engine_operations", test_engine_operations },
	{ "engine_timers", test_engine_timers },
	{ "engine_accuracy", test_engine_accuracy },
	{ "engine_wait", test_engine_wait },
	{ "engine_eventfd", test_engine_eventfd },
	{ "engine_room", test_engine_room },
	{ "engine_death", test_engine_death },
	{ "ring_create", test_ring_create },
	{ "ring_records", test_ring_records },
	{ "ring_batches", test_ring_batches },
	{ "ring_wrap", test_ring_wrap },
	{ "ring_takeover", test_ring_takeover },
	{ "ring_wait", test_ring_wait },
	{ "ring_await", test_ring_await },
	{ "ring_spin", test_ring_spin },
	{ "ring_spin_adapts", test_ring_spin_adapts },
	{ "ring_woken_once", test_ring_woken_once },
	{ "ring_stream", test_ring_stream },
	{ "ring_exchange", test_ring_exchange },
	{ "ring_death", test_ring_death },
	{ "ring_killed", test_ring_killed },
	{ "ring_inherited", test_ring_inherited },
	{ "ring_handed_on", test_ring_handed_on },
	{ "ring_persists", test_ring_persists },
	{ "ring_poll", test_ring_poll },
	{ "ring_edges", test_ring_edges },
	{ "ring_many", test_ring_many },
	{ "ring_eventfd", test_ring_eventfd },
	{ "ring_quiet", test_ring_quiet },
	{ "ring_nonsense", test_ring_nonsense },
	{ "ring_hostile", test_ring_hostile },
	{ "listen", test_listen },
	{ "connect", test_connect },
	{ "connect_twin", test_connect_twin },
	{ "connect_unmet", test_connect_unmet },
	{ "accept_refuses", test_accept_refuses },
	{ "accept_gives", test_accept_gives },
	{ "accept_nonsense", test_accept_nonsense },
	{ "accept_limits", test_accept_limits },
	{ "connection_death", test_connection_death },
	{ "frames_create", test_frames_create },
	{ "frames_lend", test_frames_lend },
	{ "frames_write", test_frames_write },
	{ "frames_death", test_frames_death },
	{ "frames_nonsense", test_frames_nonsense },
	{ "frames_view", test_frames_view },
	{ "frames_used", test_frames_used },
	{ "server_create", test_server_create },
	{ "server_edges", test_server_edges },
	{ "server_one_ioctl", test_server_one_ioctl },
	{ "server_cargo", test_server_cargo },
	{ "server_deferred", test_server_deferred },
	{ "server_parallel", test_server_parallel },
	{ "server_stop", test_server_stop },
	{ "server_signals", test_server_signals },
	{ "server_gone", test_server_gone },
	{ "server_death", test_server_death },
	{ "server_races", test_server_races },
	{ "service", test_service },
#ifdef HAVE_CPLUSPLUS
	{ "cplusplus", test_cplusplus },
#endif
};

#define TESTS (sizeof(tests) / sizeof(*tests))

/* Whether it is among those that were asked for, or none was. */
static bool is_wanted(const char *test, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(test, *names))
			return true;
	return false;
}

static bool is_test(const char *name)
{
	for (size_t i = 0; i < TESTS; i++)
		if (!strcmp(tests[i].name, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc == 2 && !strcmp(argv[1], "twin"))
		return be_twin();
	for (int i = 1; i < argc; i++) {
		if (!is_test(argv[i])) {
			fprintf(stderr, "%s: there is no test of that name\n", argv[i]);
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%zu\n", TESTS);
	for (size_t i = 0; i < TESTS; i++) {
		passed = true;
		skipped = NULL;
		if (is_wanted(tests[i].name, argv + 1))
			tests[i].run();
		else
			skip("not asked for");
		printf("%s %zu %s%s%s\n", passed ? "ok" : "not ok", i + 1,
		       tests[i].name, skipped ? " # SKIP " : "",
		       skipped ? skipped : "");
		if (!passed)
			status = 1;
	}
	return status;
}
