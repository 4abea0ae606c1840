// SPDX-License-Identifier: GPL-2.0
/*
 * ipcdevfs: names are files, with all that files are used for; a name leads
 * to its object with the rights of its mode; and none outlives its object.
 */
#include "ipcdev_test.h"

#include <libgen.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>

FIXTURE(fs)
{
	int dev;
	int q;		/* a queue's handle with all rights */
};

FIXTURE_SETUP(fs)
{
	ASSERT_EQ(0, private_fs());
	umask(022);
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->q = create_queue(self->dev, .depth = 4);
	ASSERT_LE(0, self->q);
}

FIXTURE_TEARDOWN(fs)
{
	close(self->q);
	close(self->dev);
}

static int touch(const char *path)
{
	return sys(mknod(path, S_IFREG | 0644, 0));
}

static int path_fd(const char *path)
{
	return sys(open(path, O_PATH | O_CLOEXEC));
}

static struct stat file(const char *path)
{
	struct stat s;

	memset(&s, 0, sizeof(s));
	if (stat(path, &s))
		abort();
	return s;
}

/* Opens a file through a descriptor that has it open already. */
static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return sys(open(path, flags | O_CLOEXEC));
}

TEST_F(fs, mounts_with_options)
{
	char text[4096];
	struct stat s;

	s = file(FS);
	EXPECT_EQ(S_IFDIR | 01777, s.st_mode);
	EXPECT_EQ(0, s.st_uid);
	EXPECT_EQ(0, s.st_gid);
	ASSERT_EQ(0, mkdir("/tmp/other", 0700));
	ASSERT_EQ(0, sys(mount(NULL, "/tmp/other", IPCDEV_FS_NAME, 0,
			       "mode=2750,uid=54321,gid=54322")));
	s = file("/tmp/other");
	EXPECT_EQ(S_IFDIR | 02750, s.st_mode);
	EXPECT_EQ(ALICE, s.st_uid);
	EXPECT_EQ(BOB, s.st_gid);
	ASSERT_EQ(0, read_file("/proc/self/mounts", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "mode=2750,uid=54321,gid=54322"));
	EXPECT_EQ(0, sys(umount("/tmp/other")));
}

TEST_F(fs, refuses_unknown_options)
{
	const char *const options[] = {
		"size=1m", "mode", "mode=9", "mode=10000", "uid=x", "gid=-1",
		"mode=755,nonsense",
	};
	unsigned int i;

	ASSERT_EQ(0, mkdir("/tmp/other", 0700));
	for (i = 0; i < ARRAY_SIZE(options); i++)
		EXPECT_EQ(-EINVAL, sys(mount(NULL, "/tmp/other",
					     IPCDEV_FS_NAME, 0, options[i])));
}

TEST_F(fs, remounts)
{
	EXPECT_EQ(0, sys(mount(NULL, FS, NULL, MS_REMOUNT | MS_RDONLY, NULL)));
	EXPECT_EQ(-EROFS, touch(FS "/name"));
	EXPECT_EQ(0, sys(mount(NULL, FS, NULL, MS_REMOUNT, "mode=700")));
	EXPECT_EQ(0, touch(FS "/name"));
	EXPECT_EQ(S_IFDIR | 0700, file(FS).st_mode);
	/* What is not mentioned stays. */
	EXPECT_EQ(0, sys(mount(NULL, FS, NULL, MS_REMOUNT,
			       "uid=54321,gid=54322")));
	EXPECT_EQ(S_IFDIR | 0700, file(FS).st_mode);
	EXPECT_EQ(ALICE, file(FS).st_uid);
	EXPECT_EQ(BOB, file(FS).st_gid);
	EXPECT_EQ(0, sys(mount(NULL, FS, NULL, MS_REMOUNT, "mode=755")));
	EXPECT_EQ(S_IFDIR | 0755, file(FS).st_mode);
	EXPECT_EQ(ALICE, file(FS).st_uid);
	EXPECT_EQ(-EINVAL, sys(mount(NULL, FS, NULL, MS_REMOUNT, "mode=9")));
}

TEST_F(fs, holds_names_and_directories_only)
{
	struct sockaddr_un sun = { AF_UNIX, FS "/socket" };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	struct statfs s;

	EXPECT_EQ(0, sys(mknod(FS "/regular", S_IFREG | 0600, 0)));
	EXPECT_EQ(0, sys(mknod(FS "/plain", 0600, 0)));
	EXPECT_EQ(0, sys(mknod(FS "/fifo", S_IFIFO | 0600, 0)));
	EXPECT_EQ(-EEXIST, sys(mknod(FS "/fifo", S_IFREG | 0600, 0)));
	EXPECT_EQ(-EPERM, sys(mknod(FS "/chr", S_IFCHR | 0600, 0x103)));
	EXPECT_EQ(-EPERM, sys(mknod(FS "/blk", S_IFBLK | 0600, 0x100)));
	EXPECT_EQ(-EPERM, sys(mknod(FS "/sock", S_IFSOCK | 0600, 0)));
	EXPECT_EQ(-EPERM, sys(bind(sock, (void *)&sun, sizeof(sun))));
	EXPECT_EQ(-EPERM, sys(link(FS "/regular", FS "/link")));
	EXPECT_EQ(-EPERM, sys(symlink("regular", FS "/symlink")));
	EXPECT_EQ(-EOPNOTSUPP, sys(open(FS, O_TMPFILE | O_RDWR, 0600)));
	EXPECT_FALSE(exists(FS "/chr"));
	EXPECT_FALSE(exists(FS "/sock"));
	EXPECT_FALSE(exists(FS "/socket"));
	EXPECT_FALSE(exists(FS "/link"));
	EXPECT_FALSE(exists(FS "/symlink"));
	EXPECT_EQ(0, sys(mkdir(FS "/dir", 0700)));
	EXPECT_EQ(0, touch(FS "/dir/name"));
	EXPECT_EQ(-ENOTEMPTY, sys(rmdir(FS "/dir")));
	EXPECT_EQ(0, sys(unlink(FS "/dir/name")));
	EXPECT_EQ(0, sys(rmdir(FS "/dir")));
	EXPECT_EQ(0, sys(statfs(FS, &s)));
	EXPECT_LT(0, s.f_namelen);
	close(sock);
}

TEST_F(fs, empty_name_cannot_be_opened)
{
	ASSERT_EQ(0, touch(FS "/empty"));
	EXPECT_EQ(-ENXIO, sys(open(FS "/empty", O_RDONLY)));
	EXPECT_EQ(-ENXIO, sys(open(FS "/empty", O_WRONLY)));
	EXPECT_EQ(-ENXIO, sys(open(FS "/empty", O_RDWR)));
	EXPECT_EQ(-ENXIO, sys(open(FS "/empty", O_RDWR | O_CREAT, 0600)));
	EXPECT_EQ(-EEXIST, sys(open(FS "/empty", O_RDWR | O_CREAT | O_EXCL,
				    0600)));
	EXPECT_EQ(0, file(FS "/empty").st_size);
}

TEST_F(fs, blank_handle_is_good_for_publishing_only)
{
	const unsigned long cmds[] = {
		IPCDEV_IOC_STAT, IPCDEV_IOC_DUP, IPCDEV_IOC_PUBLISH,
		IPCDEV_IOC_SEND, IPCDEV_IOC_RECV, IPCDEV_IOC_SEAL,
		IPCDEV_IOC_INFO,
	};
	int fd = open(FS "/blank", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unsigned int i;
	char c = 'x';

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENXIO, sys(read(fd, &c, 1)));
	EXPECT_EQ(-ENXIO, sys(write(fd, &c, 1)));
	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		EXPECT_EQ(-ENXIO, call(fd, cmds[i], NULL));
	EXPECT_EQ(POLLERR, events(fd));
	EXPECT_EQ(-ENODEV, try_map(fd, 1, PROT_READ, MAP_SHARED, 0));
	/* It opens nothing to those who come later. */
	EXPECT_EQ(-ENXIO, sys(open(FS "/blank", O_RDWR)));
	EXPECT_EQ(-ENXIO, reopen(fd, O_RDWR));
	EXPECT_EQ(0, publish(self->q, fd, 0));
	EXPECT_EQ(-ENXIO, sys(write(fd, &c, 1)));
	close(fd);
	fd = open(FS "/blank", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, put(fd, 0, 1));
	EXPECT_EQ(1, take(self->q));
	close(fd);
}

TEST_F(fs, name_leads_to_its_object)
{
	__u64 id = object(self->q).id;
	struct ipcdev_stat s;
	int fd;

	EXPECT_EQ(0, object(self->q).flags);
	EXPECT_STREQ("", object(self->q).name);
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	EXPECT_EQ(IPCDEV_STAT_PUBLISHED, object(self->q).flags);
	EXPECT_STREQ("/queue", object(self->q).name);
	fd = open(FS "/queue", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, fd);
	s = object(fd);
	EXPECT_EQ(id, s.id);
	EXPECT_EQ(RIGHT_RW, s.rights);
	EXPECT_EQ(2, s.readers);
	EXPECT_EQ(-EAGAIN, take(fd));
	EXPECT_EQ(0, put(self->q, 0, 7));
	EXPECT_EQ(7, take(fd));
	close(fd);
	EXPECT_EQ(1, object(self->q).readers);
}

TEST_F(fs, fifo_names_a_queue_too)
{
	int fd, name;

	ASSERT_EQ(0, sys(mkfifo(FS "/fifo", 0600)));
	name = path_fd(FS "/fifo");
	ASSERT_LE(0, name);
	EXPECT_EQ(-ENXIO, sys(open(FS "/fifo", O_RDWR)));
	ASSERT_EQ(0, publish(self->q, name, 0));
	/* There is no sleeping for a peer as on others. */
	fd = open(FS "/fifo", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(5, sys(write(fd, "hello", 5)));
	EXPECT_EQ(5, file(FS "/fifo").st_size);
	EXPECT_EQ(S_IFIFO | 0600, file(FS "/fifo").st_mode);
	close(fd);
	close(name);
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(exists(FS "/fifo"));
}

TEST_F(fs, access_mode_gives_the_rights)
{
	const struct {
		int mode;
		__u32 rights;
	} modes[] = {
		{ O_RDONLY, RIGHT_READ }, { O_WRONLY, RIGHT_WRITE },
		{ O_RDWR, RIGHT_RW },
	};
	int i, fd, b = create_buffer(self->dev, .size = 1);

	ASSERT_LE(0, b);
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	ASSERT_EQ(0, publish_as(b, FS "/buffer", 0600, 0));
	for (i = 0; i < 3; i++) {
		fd = open(FS "/queue", modes[i].mode | O_CLOEXEC);
		ASSERT_LE(0, fd);
		EXPECT_EQ(modes[i].rights, object(fd).rights);
		EXPECT_EQ(modes[i].mode, fcntl(fd, F_GETFL) & O_ACCMODE);
		close(fd);
		fd = sys(open(FS "/buffer", modes[i].mode | O_CLOEXEC));
		if (modes[i].mode == O_WRONLY) {
			EXPECT_EQ(-EACCES, fd);
			continue;
		}
		EXPECT_EQ(modes[i].rights, object(fd).rights);
		close(fd);
	}
	EXPECT_EQ(1, object(b).readers);
	close(b);
}

/* What a user may do with a name, as bits: read, write, both. */
static int can_open(uid_t uid, const char *path)
{
	const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	pid_t pid = child();
	int i, can = 0;

	if (!pid) {
		if (child_becomes(uid))
			_exit(200);
		for (i = 0; i < 3; i++) {
			if (open(path, modes[i]) >= 0)
				can |= 1 << i;
			else if (errno != EACCES)
				_exit(201);
		}
		_exit(can);
	}
	return reap(pid);
}

TEST_F(fs, mode_and_owner_decide_who_may_open)
{
	char *path = FS "/queue";

	ASSERT_EQ(0, publish_as(self->q, path, 0600, 0));
	EXPECT_EQ(0, can_open(ALICE, path));
	EXPECT_EQ(7, can_open(0, path));
	ASSERT_EQ(0, sys(chmod(path, 0644)));
	EXPECT_EQ(1, can_open(ALICE, path));
	ASSERT_EQ(0, sys(chmod(path, 0622)));
	EXPECT_EQ(2, can_open(ALICE, path));
	ASSERT_EQ(0, sys(chmod(path, 0640)));
	EXPECT_EQ(0, can_open(ALICE, path));
	ASSERT_EQ(0, sys(chown(path, 0, ALICE)));
	EXPECT_EQ(1, can_open(ALICE, path));
	EXPECT_EQ(0, can_open(BOB, path));
	ASSERT_EQ(0, sys(chown(path, ALICE, 0)));
	EXPECT_EQ(7, can_open(ALICE, path));
	EXPECT_EQ(0, can_open(BOB, path));
	EXPECT_EQ(ALICE, file(path).st_uid);
	/* The object's creator is who it was. */
	EXPECT_EQ(0, object(self->q).uid);
	/* A directory keeps out those who may not pass. */
	ASSERT_EQ(0, sys(mkdir(FS "/dir", 0700)));
	ASSERT_EQ(0, sys(rename(path, FS "/dir/queue")));
	EXPECT_EQ(0, can_open(ALICE, FS "/dir/queue"));
}

TEST_F(fs, users_keep_to_their_own)
{
	pid_t pid;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0666, 0));
	pid = child();
	if (!pid) {
		int q;

		if (child_becomes(ALICE))
			_exit(1);
		/* The root directory is sticky. */
		if (sys(unlink(FS "/queue")) != -EPERM ||
		    sys(rename(FS "/queue", FS "/mine")) != -EPERM ||
		    sys(chmod(FS "/queue", 0600)) != -EPERM ||
		    sys(chown(FS "/queue", ALICE, ALICE)) != -EPERM)
			_exit(2);
		/* Everybody may make names there. */
		q = create_queue(self->dev, .depth = 1);
		if (publish_as(q, FS "/alice", 0600, 0))
			_exit(3);
		if (file(FS "/alice").st_uid != ALICE)
			_exit(4);
		if (unlink(FS "/alice"))
			_exit(5);
		/* But not of what others have made. */
		if (publish(q, path_fd(FS "/queue"), 0) != -EPERM)
			_exit(6);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(exists(FS "/queue"));
}

TEST_F(fs, reopening_grows_no_rights)
{
	pid_t pid;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0644, 0));
	pid = child();
	if (!pid) {
		int fd;

		if (child_becomes(ALICE))
			_exit(1);
		fd = open(FS "/queue", O_RDONLY);
		if (fd < 0 || reopen(fd, O_RDWR) != -EACCES ||
		    reopen(fd, O_WRONLY) != -EACCES)
			_exit(2);
		if (dup_handle(fd, RIGHT_RW, 0) != -EACCES ||
		    dup_handle(fd, RIGHT_READ | RIGHT_PUBLISH, 0) != -EACCES)
			_exit(3);
		fd = reopen(fd, O_RDONLY);
		if (fd < 0 || object(fd).rights != RIGHT_READ)
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	/* PUBLISH is the creator's and those whom it gives it to. */
	EXPECT_EQ(-ENXIO, reopen(self->q, O_RDWR));
}

TEST_F(fs, publish_refuses)
{
	int other = create_queue(self->dev, .depth = 1), fd, name, plain;
	struct ipcdev_publish p = { .flags = 2 };

	ASSERT_LE(0, other);
	ASSERT_EQ(0, touch(FS "/name"));
	name = path_fd(FS "/name");
	ASSERT_LE(0, name);
	fd = dup_handle(self->q, RIGHT_RW, 0);
	EXPECT_EQ(-EACCES, publish(fd, name, 0));
	close(fd);
	EXPECT_EQ(-EBADF, publish(self->q, -1, 0));
	EXPECT_EQ(-EBADF, publish(self->q, 1000, 0));
	/* What is no name of ours. */
	plain = open("/tmp/plain", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT_EQ(-EINVAL, publish(self->q, plain, 0));
	close(plain);
	fd = path_fd(FS);
	EXPECT_EQ(-EINVAL, publish(self->q, fd, 0));
	close(fd);
	EXPECT_EQ(-EINVAL, publish(self->q, self->dev, 0));
	EXPECT_EQ(-EINVAL, publish(self->q, other, 0));
	p.name_fd = name;
	EXPECT_EQ(-EINVAL, call(self->q, IPCDEV_IOC_PUBLISH, &p));
	EXPECT_EQ(-EFAULT, call(self->q, IPCDEV_IOC_PUBLISH, NULL));
	EXPECT_EQ(0, object(self->q).flags);

	ASSERT_EQ(0, publish(self->q, name, 0));
	EXPECT_EQ(-EEXIST, publish(other, name, 0));
	EXPECT_EQ(-EBUSY, publish_as(self->q, FS "/second", 0600, 0));
	EXPECT_EQ(-ENXIO, sys(open(FS "/second", O_RDWR)));
	/* Nor can it be done with a handle that was opened by the name. */
	fd = open(FS "/name", O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-EACCES, publish(fd, name, 0));
	close(fd);
	close(name);

	name = path_fd(FS "/second");
	ASSERT_EQ(0, sys(unlink(FS "/second")));
	EXPECT_EQ(-ENOENT, publish(other, name, 0));
	close(name);
	EXPECT_EQ(0, object(other).flags);
	close(other);
}

TEST_F(fs, publish_asks_for_the_files_owner)
{
	pid_t pid;

	ASSERT_EQ(0, touch(FS "/root"));
	ASSERT_EQ(0, touch(FS "/alice"));
	ASSERT_EQ(0, sys(chown(FS "/alice", ALICE, ALICE)));
	/* Not even where the mode would let it write. */
	ASSERT_EQ(0, sys(chmod(FS "/root", 0666)));
	pid = child();
	if (!pid) {
		if (child_becomes(ALICE))
			_exit(1);
		if (publish(self->q, path_fd(FS "/root"), 0) != -EPERM)
			_exit(2);
		_exit(publish(self->q, path_fd(FS "/alice"), 0) ? 3 : 0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("/alice", object(self->q).name);
	/* Root may for anyone. */
	ASSERT_EQ(0, sys(unlink(FS "/alice")));
	ASSERT_EQ(0, touch(FS "/alice"));
	ASSERT_EQ(0, sys(chown(FS "/alice", ALICE, ALICE)));
	EXPECT_EQ(0, publish(self->q, path_fd(FS "/alice"), 0));
}

TEST_F(fs, read_only_mount)
{
	int name;

	ASSERT_EQ(0, touch(FS "/name"));
	ASSERT_EQ(0, mkdir("/tmp/ro", 0700));
	ASSERT_EQ(0, sys(mount(FS, "/tmp/ro", NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, sys(mount(NULL, "/tmp/ro", NULL,
			       MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)));
	name = path_fd("/tmp/ro/name");
	ASSERT_LE(0, name);
	EXPECT_EQ(-EROFS, publish(self->q, name, 0));
	close(name);
	EXPECT_EQ(-EROFS, sys(open("/tmp/ro/new", O_CREAT | O_RDWR, 0600)));
	ASSERT_EQ(0, publish(self->q, path_fd(FS "/name"), 0));
	/* Its container may listen but not speak. */
	EXPECT_EQ(-EROFS, sys(open("/tmp/ro/name", O_WRONLY)));
	name = sys(open("/tmp/ro/name", O_RDONLY | O_CLOEXEC));
	EXPECT_LE(0, name);
	close(name);
	EXPECT_EQ(0, sys(umount("/tmp/ro")));
}

TEST_F(fs, name_vanishes_with_the_last_handle)
{
	int fd;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	fd = open(FS "/queue", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	close(self->q);
	EXPECT_TRUE(exists(FS "/queue"));
	/* Even an O_PATH of it is nobody that uses it. */
	self->q = path_fd(FS "/queue");
	ASSERT_LE(0, self->q);
	close(fd);
	EXPECT_FALSE(exists(FS "/queue"));
	EXPECT_EQ(-ENOENT, sys(open(FS "/queue", O_RDONLY)));
	/* What is left of the name leads nowhere, and names nothing new. */
	EXPECT_EQ(-ENXIO, reopen(self->q, O_RDONLY));
	fd = create_queue(self->dev, .depth = 1);
	EXPECT_EQ(-ENOENT, publish(fd, self->q, 0));
	close(fd);
	/* The name is free. */
	EXPECT_EQ(0, touch(FS "/queue"));
}

TEST_F(fs, name_vanishes_wherever_it_was_moved)
{
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	ASSERT_EQ(0, sys(mkdir(FS "/a", 0700)));
	ASSERT_EQ(0, sys(mkdir(FS "/a/b", 0700)));
	ASSERT_EQ(0, sys(rename(FS "/queue", FS "/a/b/renamed")));
	EXPECT_STREQ("/a/b/renamed", object(self->q).name);
	ASSERT_EQ(0, sys(rename(FS "/a", FS "/c")));
	EXPECT_STREQ("/c/b/renamed", object(self->q).name);
	/* Another takes its old name, and must not be hit. */
	ASSERT_EQ(0, touch(FS "/queue"));
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(exists(FS "/c/b/renamed"));
	EXPECT_TRUE(exists(FS "/queue"));
	EXPECT_EQ(0, sys(rmdir(FS "/c/b")));
}

TEST_F(fs, name_vanishes_when_its_holder_is_killed)
{
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = child();
	if (!pid) {
		int q = create_queue(self->dev, .depth = 1);
		int b = create_buffer(self->dev, .size = 1);

		if (publish_as(q, FS "/q", 0600, 0) ||
		    publish_as(b, FS "/b", 0600, 0) ||
		    rename(FS "/b", FS "/renamed") ||
		    !map(b, 1, PROT_READ | PROT_WRITE) ||
		    open(FS "/q", O_RDWR) < 0)
			_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(2);
		until(false);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_TRUE(exists(FS "/q"));
	EXPECT_TRUE(exists(FS "/renamed"));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	EXPECT_FALSE(exists(FS "/q"));
	EXPECT_FALSE(exists(FS "/renamed"));
}

TEST_F(fs, name_lives_with_a_mapping_and_in_a_message)
{
	int b = create_buffer(self->dev, .size = 4096);
	struct ipcdev_slice slice = { .length = 1 };
	struct ipcdev_transfer t = { .msg.flags = IPCDEV_MSG_DROP_FDS };
	void *p;

	ASSERT_LE(0, b);
	ASSERT_EQ(0, publish_as(b, FS "/buffer", 0600, 0));
	p = map(b, 4096, PROT_READ);
	ASSERT_NE(NULL, p);
	slice.fd = b;
	ASSERT_EQ(0, send_msg(self->q, .msg.slices = PTR(&slice),
			      .msg.slice_count = 1));
	ASSERT_EQ(0, send_msg(self->q, .msg.fds = PTR(&b), .msg.fd_count = 1));
	close(b);
	EXPECT_TRUE(exists(FS "/buffer"));
	EXPECT_EQ(0, munmap(p, 4096));
	EXPECT_TRUE(exists(FS "/buffer"));
	ASSERT_EQ(0, recv_msg(self->q, &t));
	EXPECT_TRUE(exists(FS "/buffer"));
	ASSERT_EQ(0, recv_msg(self->q, &t));
	EXPECT_FALSE(exists(FS "/buffer"));
}

TEST_F(fs, persistent_object_stays_until_removed)
{
	__u64 id = object(self->q).id;
	int fd;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	EXPECT_EQ(IPCDEV_STAT_PUBLISHED | IPCDEV_STAT_PERSISTENT,
		  object(self->q).flags);
	ASSERT_EQ(0, put(self->q, 1, 1));
	ASSERT_EQ(0, put(self->q, 2, 2));
	close(self->q);
	EXPECT_TRUE(exists(FS "/queue"));
	EXPECT_TRUE(listed(self->dev, id));
	EXPECT_EQ(16, file(FS "/queue").st_size);
	fd = open(FS "/queue", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	/* It keeps its messages, and misses nobody. */
	EXPECT_EQ(2, take(fd));
	EXPECT_EQ(1, take(fd));
	EXPECT_EQ(-EAGAIN, try_take(fd));
	EXPECT_EQ(0, events(fd));
	close(fd);
	EXPECT_TRUE(listed(self->dev, id));
	ASSERT_EQ(0, sys(unlink(FS "/queue")));
	EXPECT_FALSE(listed(self->dev, id));
	self->q = -1;
}

TEST_F(fs, persistent_object_that_was_removed_goes_with_its_last_handle)
{
	__u64 id = object(self->q).id;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	ASSERT_EQ(0, sys(unlink(FS "/queue")));
	EXPECT_TRUE(listed(self->dev, id));
	EXPECT_EQ(0, put(self->q, 0, 1));
	EXPECT_EQ(1, take(self->q));
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(listed(self->dev, id));
}

/* Then it is one like others again. */
TEST_F(fs, persistent_object_that_was_removed_misses_its_peers)
{
	int rx, tx;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	rx = open(FS "/queue", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, rx);
	tx = open(FS "/queue", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, tx);
	close(self->q);
	self->q = -1;
	ASSERT_EQ(0, sys(unlink(FS "/queue")));
	EXPECT_EQ(0, object(rx).flags);
	EXPECT_EQ(0, events(rx));
	close(tx);
	EXPECT_EQ(POLLHUP, events(rx));
	EXPECT_EQ(-EPIPE, take(rx));
	close(rx);
}

TEST_F(fs, persistent_object_holds_no_descriptors)
{
	int b = create_buffer(self->dev, .size = 1);
	struct ipcdev_slice slice = { .length = 1 };

	ASSERT_LE(0, b);
	slice.fd = b;
	ASSERT_EQ(0, send_msg(self->q, .msg.fds = PTR(&b), .msg.fd_count = 1));
	EXPECT_EQ(-EBUSY, publish_as(self->q, FS "/queue", 0600,
				     IPCDEV_PUBLISH_PERSISTENT));
	EXPECT_EQ(0, object(self->q).flags);
	/* read(2) drops what it cannot give. */
	ASSERT_EQ(0, sys(read(self->q, &slice, sizeof(slice))));
	EXPECT_EQ(0, publish(self->q, path_fd(FS "/queue"),
			     IPCDEV_PUBLISH_PERSISTENT));
	EXPECT_EQ(-EOPNOTSUPP, send_msg(self->q, .msg.fds = PTR(&b),
					.msg.fd_count = 1));
	EXPECT_EQ(-EOPNOTSUPP, send_msg(self->q, .msg.slices = PTR(&slice),
					.msg.slice_count = 1));
	EXPECT_EQ(0, put(self->q, 0, 1));
	EXPECT_EQ(1, object(self->q).queued);
	close(b);
}

TEST_F(fs, persistent_buffer_keeps_its_memory)
{
	int b = create_buffer(self->dev, .size = 100);
	char *p = map(b, 100, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, p);
	strcpy(p, "kept");
	ASSERT_EQ(0, publish_as(b, FS "/buffer", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	munmap(p, 100);
	close(b);
	EXPECT_EQ(sysconf(_SC_PAGESIZE), file(FS "/buffer").st_size);
	b = open(FS "/buffer", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, b);
	p = map(b, 100, PROT_READ);
	ASSERT_NE(NULL, p);
	EXPECT_STREQ("kept", p);
	EXPECT_EQ(0, events(b));
	close(b);
	munmap(p, 100);
	EXPECT_TRUE(exists(FS "/buffer"));
}

TEST_F(fs, unlinked_object_lives_on)
{
	int fd;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	fd = open(FS "/queue", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys(unlink(FS "/queue")));
	EXPECT_EQ(-ENOENT, sys(open(FS "/queue", O_RDWR)));
	EXPECT_EQ(0, put(fd, 0, 1));
	EXPECT_EQ(1, take(self->q));
	EXPECT_STREQ("", object(self->q).name);
	EXPECT_EQ(0, object(self->q).flags);
	EXPECT_EQ(-ENXIO, reopen(fd, O_RDWR));
	/* Somebody new takes the name and is left alone. */
	ASSERT_EQ(0, touch(FS "/queue"));
	close(fd);
	close(self->q);
	self->q = -1;
	EXPECT_TRUE(exists(FS "/queue"));
}

TEST_F(fs, unlinked_object_may_be_named_anew)
{
	int fd;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	fd = open(FS "/queue", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys(unlink(FS "/queue")));
	EXPECT_EQ(0, publish_as(self->q, FS "/again", 0600, 0));
	EXPECT_STREQ("/again", object(fd).name);
	close(self->q);
	self->q = -1;
	EXPECT_TRUE(exists(FS "/again"));
	close(fd);
	EXPECT_FALSE(exists(FS "/again"));
}

/* To hold a name open is not to hold what it named. */
TEST_F(fs, dead_object_is_kept_by_nobody)
{
	__u64 objects = info(self->dev).objects, id = object(self->q).id;
	int name, blank;

	blank = open(FS "/queue", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, blank);
	ASSERT_EQ(0, publish(self->q, blank, 0));
	name = path_fd(FS "/queue");
	ASSERT_LE(0, name);
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(listed(self->dev, id));
	EXPECT_EQ(objects - 1, info(self->dev).objects);
	close(name);
	close(blank);
}

TEST_F(fs, name_that_is_replaced_is_lost)
{
	int other = create_queue(self->dev, .depth = 1), fd;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	ASSERT_EQ(0, publish_as(other, FS "/other", 0600, 0));
	ASSERT_EQ(0, sys(rename(FS "/other", FS "/queue")));
	EXPECT_STREQ("/queue", object(other).name);
	EXPECT_STREQ("", object(self->q).name);
	fd = open(FS "/queue", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(object(other).id, object(fd).id);
	close(fd);
	close(self->q);
	EXPECT_TRUE(exists(FS "/queue"));
	close(other);
	EXPECT_FALSE(exists(FS "/queue"));
	self->q = -1;
}

TEST_F(fs, long_path_is_told_by_its_last_part)
{
	char path[600] = FS, part[NAME_MAX + 1] = "/";
	struct ipcdev_stat s;
	int i;

	memset(part + 1, 'x', 199);
	for (i = 0; i < 2; i++) {
		strcat(path, part);
		ASSERT_EQ(0, sys(mkdir(path, 0700)));
	}
	strcat(path, "/queue");
	ASSERT_EQ(0, publish_as(self->q, path, 0600, 0));
	s = object(self->q);
	EXPECT_STREQ("queue", basename(s.name));
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(exists(path));
}

TEST_F(fs, stat_tells_the_size)
{
	int b = create_buffer(self->dev, .size = 12345), fd;

	ASSERT_LE(0, b);
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	ASSERT_EQ(0, publish_as(b, FS "/buffer", 0600, 0));
	EXPECT_EQ(0, file(FS "/queue").st_size);
	EXPECT_EQ((off_t)object(b).size, file(FS "/buffer").st_size);
	ASSERT_EQ(0, put(self->q, 0, 1));
	EXPECT_EQ(8, file(FS "/queue").st_size);
	/* A shell's > truncates what it opens. */
	fd = open(FS "/queue", O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, object(self->q).queued);
	EXPECT_EQ(-EINVAL, sys(ftruncate(fd, 0)));
	EXPECT_EQ(-EINVAL, sys(truncate(FS "/queue", 0)));
	EXPECT_EQ(-EINVAL, sys(truncate(FS "/buffer", 0)));
	EXPECT_EQ(-EINVAL, sys(truncate(FS "/buffer", 1 << 20)));
	EXPECT_EQ((off_t)object(b).size, file(FS "/buffer").st_size);
	close(fd);
	close(b);
}

TEST_F(fs, path_handle_knows_no_ioctl)
{
	struct ipcdev_stat s;
	int fd;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	fd = path_fd(FS "/queue");
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, call(fd, IPCDEV_IOC_STAT, &s));
	EXPECT_EQ(-EBADF, put(fd, 0, 1));
	close(fd);
}

TEST_F(fs, each_mount_is_its_own)
{
	ASSERT_EQ(0, mkdir("/tmp/second", 0700));
	ASSERT_EQ(0, sys(mount(NULL, "/tmp/second", IPCDEV_FS_NAME, 0, NULL)));
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	EXPECT_FALSE(exists("/tmp/second/queue"));
	EXPECT_EQ(-EBUSY, publish_as(self->q, "/tmp/second/queue", 0600, 0));
	EXPECT_EQ(-EXDEV, sys(rename(FS "/queue", "/tmp/second/queue")));
	EXPECT_NE(file(FS).st_dev, file("/tmp/second").st_dev);
	EXPECT_EQ(0, sys(umount("/tmp/second")));
}

TEST_F(fs, bind_mount_shows_the_same_names)
{
	int fd;

	ASSERT_EQ(0, sys(mkdir(FS "/dir", 0700)));
	ASSERT_EQ(0, publish_as(self->q, FS "/dir/queue", 0600, 0));
	ASSERT_EQ(0, mkdir("/tmp/bind", 0700));
	ASSERT_EQ(0, sys(mount(FS "/dir", "/tmp/bind", NULL, MS_BIND, NULL)));
	fd = open("/tmp/bind/queue", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(object(self->q).id, object(fd).id);
	/* The name is one, however it was reached. */
	EXPECT_STREQ("/dir/queue", object(fd).name);
	close(self->q);
	EXPECT_TRUE(exists("/tmp/bind/queue"));
	close(fd);
	EXPECT_FALSE(exists("/tmp/bind/queue"));
	EXPECT_FALSE(exists(FS "/dir/queue"));
	/* A name by itself can be bound as well, to be seen in a container. */
	self->q = create_queue(self->dev, .depth = 1);
	ASSERT_LE(0, self->q);
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	fd = open("/tmp/file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	close(fd);
	ASSERT_EQ(0, sys(mount(FS "/queue", "/tmp/file", NULL, MS_BIND,
			       NULL)));
	fd = open("/tmp/file", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(object(self->q).id, object(fd).id);
	close(fd);
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(exists(FS "/queue"));
	EXPECT_EQ(-ENXIO, sys(open("/tmp/file", O_RDWR)));
	EXPECT_EQ(0, sys(umount("/tmp/file")));
	EXPECT_EQ(0, sys(umount("/tmp/bind")));
}

/* Something mounted on a name must not keep it from vanishing. */
TEST_F(fs, name_that_is_mounted_on_vanishes)
{
	int fd = open("/tmp/file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600, 0));
	ASSERT_EQ(0, sys(mount("/tmp/file", FS "/queue", NULL, MS_BIND,
			       NULL)));
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(exists(FS "/queue"));
}

static int in_user_namespace(int dev)
{
	int q, fd;

	if (mkdir("/tmp/own", 0777) ||
	    mount(NULL, "/tmp/own", IPCDEV_FS_NAME, 0, "mode=0755"))
		return 10;
	if (file("/tmp/own").st_uid != 0)
		return 11;
	q = create_queue(dev, .depth = 1);
	if (q < 0 || publish_as(q, "/tmp/own/queue", 0600, 0))
		return 12;
	if (file("/tmp/own/queue").st_uid != 0 || object(q).uid != 0)
		return 13;
	fd = open("/tmp/own/queue", O_RDWR);
	if (fd < 0 || put(fd, 0, 7) || take(q) != 7)
		return 14;
	/* A user that this namespace does not know owns nothing here. */
	if (!mount(NULL, "/tmp/own", IPCDEV_FS_NAME, 0, "uid=1"))
		return 15;
	close(fd);
	close(q);
	if (exists("/tmp/own/queue"))
		return 16;
	return umount("/tmp/own") ? 17 : 0;
}

TEST_F(fs, user_namespace_may_mount_one)
{
	pid_t pid = child();

	if (!pid) {
		if (child_becomes(ALICE))
			_exit(1);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(2);
		if (write_file("/proc/self/setgroups", "deny") ||
		    write_file("/proc/self/uid_map", "0 %d 1", ALICE) ||
		    write_file("/proc/self/gid_map", "0 %d 1", ALICE))
			_exit(3);
		_exit(in_user_namespace(self->dev));
	}
	pid = reap(pid);
	if (pid == 2)
		SKIP(return, "no user namespaces for users");
	EXPECT_EQ(0, pid);
}

TEST_F(fs, unmount)
{
	__u64 id = object(self->q).id;
	int fd;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	fd = open(FS "/queue", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, sys(umount(FS)));
	EXPECT_TRUE(exists(FS "/queue"));
	/* What is open goes on, also without its filesystem. */
	EXPECT_EQ(0, sys(umount2(FS, MNT_DETACH)));
	EXPECT_FALSE(exists(FS "/queue"));
	EXPECT_EQ(0, put(fd, 0, 1));
	EXPECT_EQ(1, take(self->q));
	close(fd);
	EXPECT_EQ(0, put(self->q, 0, 1));
	EXPECT_EQ(1, take(self->q));
	EXPECT_EQ(0, object(self->q).flags & IPCDEV_STAT_PUBLISHED);
	close(self->q);
	self->q = -1;
	EXPECT_FALSE(listed(self->dev, id));
}

TEST_F(fs, unmount_removes_persistent_objects)
{
	__u64 id = object(self->q).id;
	int b = create_buffer(self->dev, .size = 1);
	__u64 buffer_id = object(b).id;

	ASSERT_EQ(0, publish_as(self->q, FS "/queue", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	ASSERT_EQ(0, publish_as(b, FS "/buffer", 0600,
				IPCDEV_PUBLISH_PERSISTENT));
	ASSERT_EQ(0, put(self->q, 0, 1));
	close(self->q);
	close(b);
	self->q = -1;
	EXPECT_TRUE(listed(self->dev, id));
	EXPECT_TRUE(listed(self->dev, buffer_id));
	EXPECT_EQ(0, sys(umount(FS)));
	EXPECT_FALSE(listed(self->dev, id));
	EXPECT_FALSE(listed(self->dev, buffer_id));
}

TEST_F(fs, inotify_tells_of_names)
{
	const struct {
		__u32 mask;
		const char *name;
	} expected[] = {
		{ IN_CREATE, "queue" }, { IN_MOVED_FROM, "queue" },
		{ IN_MOVED_TO, "new" }, { IN_ATTRIB, "new" },
		{ IN_OPEN, "new" }, { IN_MODIFY, "new" },
		{ IN_CLOSE_WRITE, "new" }, { IN_DELETE, "new" },
	};
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), q;
	struct inotify_event *e;
	char room[4096], *at;
	ssize_t len;
	unsigned int i;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, inotify_add_watch(fd, FS, IN_CREATE | IN_MOVE |
				       IN_ATTRIB | IN_OPEN | IN_MODIFY |
				       IN_CLOSE_WRITE | IN_DELETE));
	ASSERT_EQ(0, touch(FS "/queue"));
	ASSERT_EQ(0, publish(self->q, path_fd(FS "/queue"), 0));
	ASSERT_EQ(0, sys(rename(FS "/queue", FS "/new")));
	ASSERT_EQ(0, sys(chmod(FS "/new", 0600)));
	q = open(FS "/new", O_WRONLY | O_CLOEXEC);
	ASSERT_EQ(1, write(q, "x", 1));
	close(q);
	close(self->q);
	self->q = -1;
	len = read(fd, room, sizeof(room));
	at = room;
	for (i = 0; i < ARRAY_SIZE(expected) && len > at - room; i++) {
		e = (struct inotify_event *)at;
		EXPECT_EQ(expected[i].mask, e->mask);
		EXPECT_STREQ(expected[i].name, e->name);
		at += sizeof(*e) + e->len;
	}
	EXPECT_EQ(ARRAY_SIZE(expected), i);
	EXPECT_EQ(len, at - room);
	close(fd);
}

TEST_F(fs, shell_speaks_with_a_server)
{
	char text[64] = "";

	close(self->q);
	self->q = create_queue(self->dev, .rights = RIGHT_READ |
			       RIGHT_PUBLISH);
	ASSERT_LE(0, self->q);
	ASSERT_EQ(0, publish_as(self->q, FS "/log", 0622, 0));
	EXPECT_EQ(0, system("echo hello > " FS "/log"));
	EXPECT_EQ(6, sys(read(self->q, text, sizeof(text))));
	EXPECT_STREQ("hello\n", text);
	/* It has gone again. */
	EXPECT_EQ(0, sys(read(self->q, text, sizeof(text))));
	/* Two writes are two messages, and appending is the same. */
	EXPECT_EQ(0, system("{ echo one; echo two; } >> " FS "/log"));
	EXPECT_EQ(4, sys(read(self->q, text, sizeof(text))));
	EXPECT_EQ(4, sys(read(self->q, text, sizeof(text))));
	EXPECT_EQ(0, memcmp(text, "two\n", 4));
}

TEST_F(fs, shell_sends_a_file)
{
	char text[64] = "";

	ASSERT_EQ(0, publish_as(self->q, FS "/log", 0600, 0));
	EXPECT_EQ(0, system("echo file > /tmp/file; cat /tmp/file > " FS
			    "/log"));
	EXPECT_EQ(1, object(self->q).queued);
	EXPECT_EQ(5, sys(read(self->q, text, sizeof(text))));
	EXPECT_STREQ("file\n", text);
}

TEST_F(fs, shell_hears_a_server)
{
	char text[64] = "";
	FILE *cat;

	close(self->q);
	self->q = create_queue(self->dev, .rights = RIGHT_WRITE |
			       RIGHT_PUBLISH);
	ASSERT_LE(0, self->q);
	ASSERT_EQ(0, publish_as(self->q, FS "/log", 0644, 0));
	cat = popen("cat " FS "/log", "r");
	ASSERT_NE(NULL, cat);
	EXPECT_EQ(0, wait_peer(self->q, 0, 0));
	EXPECT_EQ(4, sys(write(self->q, "one\n", 4)));
	EXPECT_EQ(4, sys(write(self->q, "two\n", 4)));
	close(self->q);
	self->q = -1;
	EXPECT_EQ(8, fread(text, 1, sizeof(text), cat));
	EXPECT_STREQ("one\ntwo\n", text);
	EXPECT_EQ(0, pclose(cat));
	EXPECT_FALSE(exists(FS "/log"));
}

TEST_F(fs, shell_leaves_messages_in_what_persists)
{
	char text[64] = "";
	FILE *dd;

	ASSERT_EQ(0, publish_as(self->q, FS "/log", 0644,
				IPCDEV_PUBLISH_PERSISTENT));
	close(self->q);
	self->q = -1;
	EXPECT_EQ(0, system("echo kept > " FS "/log"));
	dd = popen("dd bs=4096 count=1 2> /dev/null < " FS "/log", "r");
	ASSERT_NE(NULL, dd);
	EXPECT_EQ(5, fread(text, 1, sizeof(text), dd));
	EXPECT_STREQ("kept\n", text);
	EXPECT_EQ(0, pclose(dd));
}

/*
 * Those who open a name while it vanishes get the object or are told that
 * there is none, and nothing else.
 */
TEST_F(fs, opening_races_with_vanishing)
{
	int rounds = slow() ? 50 : 300, i, q, stop[2];
	pid_t pid[3];

	ASSERT_EQ(0, pipe2(stop, O_CLOEXEC | O_NONBLOCK));
	for (i = 0; i < 3; i++) {
		pid[i] = child();
		if (pid[i])
			continue;
		close(stop[1]);
		while (read(stop[0], &q, 1) < 0) {
			q = open(FS "/queue", O_RDWR | O_CLOEXEC);
			if (q < 0 && errno != ENOENT && errno != ENXIO)
				_exit(1);
			if (q >= 0 && (try_put(q, 0, 1) || close(q)))
				_exit(2);
			if (i == 2 && rename(FS "/queue", FS "/renamed") &&
			    errno != ENOENT)
				_exit(3);
		}
		_exit(0);
	}
	for (i = 0; i < rounds; i++) {
		q = create_queue(self->dev, .depth = 8192, .msg_max = 8);
		ASSERT_LE(0, q);
		ASSERT_EQ(0, publish_as(q, FS "/fresh", 0600, 0));
		ASSERT_EQ(0, rename(FS "/fresh", FS "/queue"));
		/* It may have been renamed before anybody could open it. */
		until((i & 1) || try_take(q) == 1 || !exists(FS "/queue"));
		close(q);
	}
	close(stop[1]);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, reap(pid[i]));
	EXPECT_FALSE(exists(FS "/queue"));
	EXPECT_FALSE(exists(FS "/renamed"));
}

TEST_HARNESS_MAIN
