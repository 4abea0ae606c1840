// SPDX-License-Identifier: GPL-2.0
/*
 * Engines whose requests a PCI device carries out: QEMU's edu. What is asked of any
 * engine is tested elsewhere; here it is the device that works, interrupts, keeps
 * silent, is pulled out of its slot, and is taken away from its driver.
 *
 * The device takes a tenth of a second for whatever it moves, at most 2 KiB at a time, of
 * which 8 bytes are the driver's; and each step of a copy is two such moves.
 */
#include "reaper.h"

#include <termios.h>

#define PCI		"/sys/bus/pci/"
#define DRIVER		PCI "drivers/ipcdev-edu"
#define MONITOR		"/dev/ttyS3"
#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/ipcdev_edu"
#define MODULE		"/job/module.ko"
#define ALARM		"/sys/class/rtc/rtc0/wakealarm"

#define STEP		2040
#define DEVICES_MAX	8
#define DEPTH_MAX	16
#define ENGINES_MAX	16	/* of a user, for a device */

/* Configuration space. */
#define COMMAND		0x04
#define COMMAND_NO_INTX	0x400
#define STATUS		0x06
#define STATUS_INTERRUPT 0x8	/* it would hold its line, if it might */
#define CAPABILITIES	0x34
#define CAPABILITY_PCIE	0x10
#define SLOT_CONTROL	0x18
#define SLOT_OFF	0x700	/* no power, and no light that says there is */

/* Addresses of the devices that the driver has, in order. */
static char devices[DEVICES_MAX][16];
static unsigned int device_count;

static void find_devices(void)
{
	struct dirent **names;
	int i, count = scandir(DRIVER, &names, NULL, alphasort);

	device_count = 0;
	for (i = 0; i < count; i++) {
		if (isdigit(names[i]->d_name[0]) && device_count < DEVICES_MAX)
			snprintf(devices[device_count++], sizeof(devices[0]),
				 "%.15s", names[i]->d_name);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

/*
 * An engine
 */

struct engine {
	int fd;
	struct reaper r;
};

#define create_engine(dev, ...)						\
	call(dev, IPCDEV_IOC_CREATE_ENGINE,				\
	     &(struct ipcdev_create_engine){ __VA_ARGS__ })

static long open_engine(int dev, const char *backend, struct engine *e)
{
	struct ipcdev_create_engine c = { .depth = DEPTH_MAX };

	snprintf(c.backend, sizeof(c.backend), "%s", backend);
	e->fd = call(dev, IPCDEV_IOC_CREATE_ENGINE, &c);
	return e->fd < 0 ? e->fd : become_reaper(&e->r, e->fd);
}

static void close_engine(struct engine *e)
{
	end_reaper(&e->r);
	close(e->fd);
}

static long open_device(int dev, const char *address, struct engine *e)
{
	char name[IPCDEV_BACKEND_NAME_MAX];

	snprintf(name, sizeof(name), "edu-%s", address);
	return open_engine(dev, name, e);
}

static long request(struct engine *e, struct ipcdev_engine_request *r)
{
	struct ipcdev_submit s = {
		.count = 1,
		.requests = PTR(r),
		.request_size = sizeof(*r),
	};

	return call(e->fd, IPCDEV_IOC_SUBMIT, &s);
}

#define submit(e, ...) request(e, &(struct ipcdev_engine_request){ __VA_ARGS__ })

#define slice(b, at, len) ((struct ipcdev_slice){	\
	.fd = (b), .offset = (at), .length = (len) })

static long cancel(struct engine *e, __u64 user_data)
{
	struct ipcdev_cancel c = { .user_data = user_data };

	return call(e->fd, IPCDEV_IOC_CANCEL, &c);
}

static struct ipcdev_engine_stat engine_stat(struct engine *e)
{
	struct ipcdev_engine_stat s;

	memset(&s, 0, sizeof(s));
	if (call(e->fd, IPCDEV_IOC_ENGINE_STAT, &s) < 0)
		abort();
	return s;
}

/* Sleeps for the next completion; ENODATA if its record is not what it should be. */
static long next_completion(struct engine *e, struct ipcdev_completion *c)
{
	struct ipcdev_ring_wait w = { .index = e->r.index + RECORD };
	const struct ipcdev_ring_record *r;
	long ret;

	ret = call(e->r.end, IPCDEV_IOC_RING_WAIT, &w);
	if (ret)
		return ret;
	r = (const void *)(e->r.data + (e->r.index & (e->r.header->size - 1)));
	if (r->len != sizeof(*c))
		return -ENODATA;
	memcpy(c, r + 1, sizeof(*c));
	e->r.index += RECORD;
	advance(&e->r);
	return 0;
}

/* The result of the next completion, which must be that of this request. */
static long long reap_request(struct engine *e, __u64 user_data)
{
	struct ipcdev_completion c;
	long ret = next_completion(e, &c);

	if (ret)
		return ret;
	return c.user_data == user_data ? c.result : -EBADMSG;
}

static long long nop(struct engine *e)
{
	long ret = submit(e, .op = IPCDEV_OP_NOP, .user_data = 77);

	return ret == 1 ? reap_request(e, 77) : ret;
}

static long long factorial(struct engine *e, __u64 n)
{
	long ret = submit(e, .op = IPCDEV_OP_FACTORIAL, .user_data = n, .value = n);

	return ret == 1 ? reap_request(e, n) : ret;
}

/*
 * The device, as the machine sees it
 */

static int config_word(const char *address, unsigned int at)
{
	char path[128];
	__u16 word;
	int fd, ret;

	snprintf(path, sizeof(path), PCI "devices/%s/config", address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 || pread(fd, &word, 2, at) != 2 ? -errno : word;
	close(fd);
	return ret;
}

static int set_config_word(const char *address, unsigned int at, __u16 word)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), PCI "devices/%s/config", address);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ret = fd < 0 || pwrite(fd, &word, 2, at) != 2 ? -errno : 0;
	close(fd);
	return ret;
}

/* A device that decodes nothing, and neither moves data nor interrupts. */
static int mute(const char *address)
{
	int old = config_word(address, COMMAND);

	return set_config_word(address, COMMAND, COMMAND_NO_INTX) ?: old;
}

static bool bound(const char *address)
{
	char path[128];

	snprintf(path, sizeof(path), DRIVER "/%s", address);
	return exists(path);
}

static int bind_to(const char *address)
{
	return write_file(DRIVER "/bind", "%s", address);
}

static int unbind_from(const char *address)
{
	return write_file(DRIVER "/unbind", "%s", address);
}

/* How many interrupts a device has raised, or shares the line of. */
static long interrupt_count(const char *address)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[1024], name[64];
	long sum = -1;

	snprintf(name, sizeof(name), "edu-%s", address);
	while (f && sum < 0 && fgets(line, sizeof(line), f)) {
		char *p = strchr(line, ':');

		if (!p || !strstr(line, name))
			continue;
		sum = 0;
		for (p++; isdigit(p[strspn(p, " ")]);)
			sum += strtol(p, &p, 10);
	}
	if (f)
		fclose(f);
	return sum;
}

static bool has_msi(const char *address)
{
	char path[128];

	snprintf(path, sizeof(path), PCI "devices/%s/msi_irqs", address);
	return exists(path);
}

/*
 * The port of the slot that a device is in: the bridge above it, with the place of its
 * PCI Express capability. The device is known by its address.
 */
struct slot {
	char device[16];
	char port[16];
	int capability;
};

static bool find_slot(struct slot *s)
{
	unsigned int i;

	for (i = 0; i < device_count; i++) {
		char path[128], real[PATH_MAX], *p;
		int at, left = 48;

		snprintf(path, sizeof(path), PCI "devices/%s/..", devices[i]);
		if (!realpath(path, real))
			continue;
		p = strrchr(real, '/') + 1;
		if (!isdigit(*p))
			continue;
		snprintf(s->device, sizeof(s->device), "%s", devices[i]);
		snprintf(s->port, sizeof(s->port), "%.15s", p);
		at = config_word(s->port, CAPABILITIES) & 0xfc;
		while (at && left--) {
			int word = config_word(s->port, at);

			if ((word & 0xff) == CAPABILITY_PCIE) {
				s->capability = at;
				return true;
			}
			at = word >> 8 & 0xfc;
		}
	}
	return false;
}

/* QEMU's monitor. */
static int monitor_open(void)
{
	struct termios t;
	int fd = open(MONITOR, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &t)) {
		close(fd);
		return -ENOTTY;
	}
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
	return fd;
}

static char monitor_said[256];

/* A command, and its answer. What else QEMU says, events for instance, passes by. */
static int monitor_ask(int fd, const char *command, const char *arguments)
{
	static unsigned int number;
	char text[512], id[32], line[4096];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	snprintf(id, sizeof(id), "\"t%d.%u\"", getpid(), number++);
	snprintf(text, sizeof(text), "{\"execute\":\"%s\",\"arguments\":{%s},\"id\":%s}\n",
		 command, arguments, id);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -EIO;
	while (poll(&p, 1, 20000) == 1 && read(fd, line + len, 1) == 1) {
		if (line[len] != '\n' && len < sizeof(line) - 2) {
			len++;
			continue;
		}
		line[len] = '\0';
		len = 0;
		if (!strstr(line, id))
			continue;
		if (strstr(line, "\"return\""))
			return 0;
		snprintf(monitor_said, sizeof(monitor_said), "%.250s", line);
		return -EREMOTEIO;
	}
	return -ETIMEDOUT;
}

/*
 * Opened for commands. Until somebody has made the terminal raw it may have echoed a part
 * of what QEMU said, which QEMU would take for the beginning of our first command. A
 * control character makes it forget that.
 */
static int monitor(void)
{
	int fd = monitor_open();

	if (fd < 0)
		return fd;
	if (write(fd, "\x02\n", 2) == 2 && monitor_ask(fd, "qmp_capabilities", "") != -ETIMEDOUT)
		return fd;
	close(fd);
	return -ETIMEDOUT;
}

#define DEVICE_ID	"\"id\":\"edu%u\""

static int unplug(int mon, unsigned int number)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), DEVICE_ID, number);
	return monitor_ask(mon, "device_del", arguments);
}

/* The slot may not be free yet. */
static int plug(int mon, unsigned int number)
{
	char arguments[128];
	int ret, tries = 500;

	snprintf(arguments, sizeof(arguments),
		 "\"driver\":\"edu\",\"bus\":\"port1\"," DEVICE_ID, number);
	while ((ret = monitor_ask(mon, "device_add", arguments)) == -EREMOTEIO && tries--)
		usleep(10000);
	return ret;
}

/* Without a device one thing can be said: that there is none. */
static void __attribute__((constructor)) need_edu(void)
{
	bool none;
	int dev;

	find_devices();
	if (device_count)
		return;
	dev = device();
	none = create_engine(dev, .backend = "edu") == -ENODEV &&
	       create_engine(dev, .backend = "edu-0000:00:04.0") == -ENODEV;
	printf("TAP version 13\n1..2\n%s 1 none_without_a_device\n"
	       "ok 2 # SKIP no edu device\n", none ? "ok" : "not ok");
	fflush(stdout);
	_exit(none ? KSFT_PASS : KSFT_FAIL);
}

/*
 * One device, and two buffers that are mapped
 */
#define SIZE	65536

FIXTURE(edu)
{
	int dev;
	const char *address;
	struct engine e;
	int from;
	int to;
	unsigned char *src;
	unsigned char *dst;
};

static void fill_pattern(unsigned char *p, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (i * 31 + (i >> 8) * 7 + seed) % 251;
}

static bool make_buffer(int dev, int *fd, unsigned char **p)
{
	*fd = create_buffer(dev, .size = SIZE);
	*p = map(*fd, SIZE, PROT_READ | PROT_WRITE);
	return *p;
}

FIXTURE_SETUP(edu)
{
	self->dev = device();
	ASSERT_LE(0, self->dev);
	self->address = devices[0];
	ASSERT_EQ(0, open_device(self->dev, self->address, &self->e));
	ASSERT_TRUE(make_buffer(self->dev, &self->from, &self->src));
	ASSERT_TRUE(make_buffer(self->dev, &self->to, &self->dst));
	fill_pattern(self->src, SIZE, 1);
	memset(self->dst, 0xff, SIZE);
}

FIXTURE_TEARDOWN(edu)
{
	close_engine(&self->e);
}

static long copy_bytes(struct engine *e, int from, int to, __u64 user_data, __u64 at,
		       __u64 to_at, __u64 len)
{
	return submit(e, .op = IPCDEV_OP_COPY, .user_data = user_data,
		      .src = slice(from, at, len), .dst = slice(to, to_at, len));
}

#define copy(e, ...) copy_bytes(e, self->from, self->to, __VA_ARGS__)

/* That these bytes of the destination, and no others, have been copied. */
static bool copied(const unsigned char *src, const unsigned char *dst, size_t at,
		   size_t to_at, size_t len)
{
	size_t i;

	for (i = 0; i < SIZE; i++) {
		bool inside = i >= to_at && i < to_at + len;

		if (dst[i] != (inside ? src[at + i - to_at] : 0xff))
			return false;
	}
	return true;
}

TEST_F(edu, says_what_it_can_do)
{
	struct ipcdev_backend_info infos[DEVICES_MAX + 2];
	struct ipcdev_engines list = {
		.count = ARRAY_SIZE(infos),
		.infos = PTR(infos),
		.info_size = sizeof(infos[0]),
	};
	unsigned int found = 0;
	long i, count;

	count = call(self->dev, IPCDEV_IOC_ENGINES, &list);
	ASSERT_LE((long)(1 + device_count), count);
	for (i = 0; i < count; i++) {
		if (strncmp(infos[i].name, "edu-", 4))
			continue;
		ASSERT_GT(device_count, found);
		EXPECT_STREQ(devices[found], infos[i].name + 4);
		EXPECT_EQ(1 << IPCDEV_OP_NOP | 1 << IPCDEV_OP_COPY |
			  1 << IPCDEV_OP_FILL | 1 << IPCDEV_OP_FACTORIAL,
			  infos[i].operations);
		EXPECT_EQ(SIZE, infos[i].length_max);
		EXPECT_EQ(DEPTH_MAX, infos[i].depth_max);
		EXPECT_EQ(!found, infos[i].engines);
		found++;
	}
	EXPECT_EQ(device_count, found);
	EXPECT_EQ(-EOPNOTSUPP, submit(&self->e, .op = IPCDEV_OP_TIMER, .value = 1));
	EXPECT_EQ(-EOPNOTSUPP, submit(&self->e, .op = IPCDEV_OP_CRC32,
				      .src = slice(self->from, 0, 1)));
}

TEST_F(edu, is_named_by_its_kind_if_it_is_alone)
{
	long fd = create_engine(self->dev, .backend = "edu");

	EXPECT_EQ(device_count == 1, fd >= 0);
	if (fd < 0)
		EXPECT_EQ(-ENOTUNIQ, fd);
	EXPECT_EQ(-ENODEV, create_engine(self->dev, .backend = "edu-"));
	EXPECT_EQ(-ENODEV, create_engine(self->dev, .backend = "edu-ffff:ff:1f.7"));
}

TEST_F(edu, refuses_what_is_too_long)
{
	int b = create_buffer(self->dev, .size = 4 * SIZE);

	EXPECT_EQ(-EINVAL, submit(&self->e, .op = IPCDEV_OP_FILL,
				  .dst = slice(b, 0, SIZE + 1)));
	EXPECT_EQ(1, submit(&self->e, .op = IPCDEV_OP_FILL, .user_data = 1,
			    .dst = slice(b, 0, SIZE)));
	EXPECT_EQ(1, cancel(&self->e, 1));
	EXPECT_EQ(-ECANCELED, reap_request(&self->e, 1));
}

TEST_F(edu, raises_an_interrupt_for_each_request)
{
	long before, i;

	/* Until this is done the device may be busy for somebody who has left. */
	ASSERT_EQ(0, nop(&self->e));
	before = interrupt_count(self->address);
	ASSERT_LE(0, before);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, nop(&self->e));
	EXPECT_LE(before + 10, interrupt_count(self->address));
	if (has_msi(self->address))
		EXPECT_EQ(before + 10, interrupt_count(self->address));
}

TEST_F(edu, computes_factorials)
{
	static const __u64 n[] = { 0, 1, 2, 5, 12, 13, 31, 33, 34, 1000, UINT32_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(n); i++) {
		__u32 right = 1, k;

		for (k = 2; k <= n[i] && k <= 40; k++)
			right *= k;
		EXPECT_EQ(right, factorial(&self->e, n[i]))
			TH_LOG("of %llu", n[i]);
	}
	EXPECT_EQ(-EINVAL, factorial(&self->e, 1ULL << 32));
}

/* Lengths at the edges of a step and of a page, at offsets that no page begins at. */
TEST_F(edu, copies)
{
	static const struct { unsigned int at, to_at, len; } parts[] = {
		{ 0, 0, 1 },
		{ 4095, 1, 2 },
		{ 100, 4000, STEP - 1 },
		{ 3000, 0, STEP },
		{ 1, SIZE - STEP - 1, STEP + 1 },
		{ 4093, 8191, 3 * STEP + 5 },
	};
	unsigned int i, moves;
	long before;

	ASSERT_EQ(0, nop(&self->e));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		memset(self->dst, 0xff, SIZE);
		before = interrupt_count(self->address);
		ASSERT_EQ(1, copy(&self->e, i, parts[i].at, parts[i].to_at,
				  parts[i].len));
		EXPECT_EQ(parts[i].len, reap_request(&self->e, i));
		EXPECT_TRUE(copied(self->src, self->dst, parts[i].at,
				   parts[i].to_at, parts[i].len))
			TH_LOG("%u bytes", parts[i].len);
		/* No more than a step at once. */
		moves = 2 * ((parts[i].len + STEP - 1) / STEP);
		if (has_msi(self->address))
			EXPECT_EQ(before + moves, interrupt_count(self->address));
	}
}

TEST_F(edu, copies_within_a_buffer)
{
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_COPY,
			    .src = slice(self->from, 10, 2500),
			    .dst = slice(self->from, 9000, 2500)));
	EXPECT_EQ(2500, reap_request(&self->e, 0));
	EXPECT_EQ(0, memcmp(self->src + 10, self->src + 9000, 2500));
}

TEST_F(edu, fills)
{
	unsigned int len = 2 * STEP + 1, i;

	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_FILL, .value = 0x5a,
			    .dst = slice(self->to, 4090, len)));
	EXPECT_EQ(len, reap_request(&self->e, 0));
	for (i = 0; i < SIZE; i++) {
		bool inside = i >= 4090 && i < 4090 + len;

		ASSERT_EQ(inside ? 0x5a : 0xff, self->dst[i]);
	}
}

/* While the device may come back for more, neither side can be sealed. */
TEST_F(edu, what_it_copies_cannot_be_sealed)
{
	int from = create_buffer(self->dev, .size = 3 * STEP);
	int to = create_buffer(self->dev, .size = 3 * STEP);

	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_COPY, .user_data = 1,
			    .src = slice(from, 0, 3 * STEP),
			    .dst = slice(to, 0, 3 * STEP)));
	EXPECT_EQ(-EBUSY, seal(from));
	EXPECT_EQ(-EBUSY, seal(to));
	EXPECT_EQ(1, engine_stat(&self->e).inflight);
	EXPECT_EQ(3 * STEP, reap_request(&self->e, 1));
	EXPECT_EQ(0, seal(from));
	EXPECT_EQ(0, seal(to));
	/* What is sealed can still be read. */
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_COPY, .user_data = 2,
			    .src = slice(from, 0, 3 * STEP),
			    .dst = slice(self->to, 0, 3 * STEP)));
	EXPECT_EQ(-EPERM, submit(&self->e, .op = IPCDEV_OP_COPY,
				 .src = slice(self->from, 0, STEP),
				 .dst = slice(to, 0, STEP)));
	EXPECT_EQ(3 * STEP, reap_request(&self->e, 2));
	close(from);
	close(to);
}

/* The buffers go with their last descriptor and mapping, but not before the request. */
TEST_F(edu, keeps_what_it_copies)
{
	int from = create_buffer(self->dev, .size = STEP);
	unsigned char *p = map(from, STEP, PROT_READ | PROT_WRITE);

	fill_pattern(p, STEP, 9);
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_COPY,
			    .src = slice(from, 0, STEP),
			    .dst = slice(self->to, 0, STEP)));
	munmap(p, STEP);
	close(from);
	EXPECT_EQ(STEP, reap_request(&self->e, 0));
	fill_pattern(self->src, STEP, 9);
	EXPECT_TRUE(copied(self->src, self->dst, 0, 0, STEP));
}

static long open_as(uid_t uid, int dev, const char *address, struct engine *e)
{
	long ret;

	if (seteuid(uid))
		return -EPERM;
	ret = open_device(dev, address, e);
	if (seteuid(0))
		abort();
	return ret;
}

/* Who asks for much waits for those who ask for little, and not the other way round. */
TEST_F(edu, serves_its_users_in_turn)
{
	unsigned int half = SIZE / 2, i;
	struct engine alice, bob;
	int to = create_buffer(self->dev, .size = SIZE);
	unsigned char *filled = map(to, SIZE, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, open_as(ALICE, self->dev, self->address, &alice));
	ASSERT_EQ(0, open_as(BOB, self->dev, self->address, &bob));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, submit(&alice, .op = IPCDEV_OP_FILL, .value = 0x5a,
				    .dst = slice(to, i * half, half), .user_data = i));
	ASSERT_EQ(1, copy(&bob, 2, 0, 0, 2 * STEP + 1));
	for (i = 3; i < 6; i++)
		ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = i));
	ASSERT_EQ(1, copy(&self->e, 6, 9000, 9000, STEP + 1));

	for (i = 3; i < 6; i++)
		EXPECT_EQ(0, reap_request(&self->e, i));
	EXPECT_EQ(2 * STEP + 1, reap_request(&bob, 2));
	EXPECT_EQ(STEP + 1, reap_request(&self->e, 6));
	EXPECT_EQ(2, engine_stat(&alice).inflight);
	EXPECT_EQ(0, memcmp(self->src, self->dst, 2 * STEP + 1));
	EXPECT_EQ(0, memcmp(self->src + 9000, self->dst + 9000, STEP + 1));
	/* Hers has gone on in between, and is all right in spite of that. */
	EXPECT_EQ(half, reap_request(&alice, 0));
	EXPECT_EQ(1, cancel(&alice, 1));
	EXPECT_EQ(-ECANCELED, reap_request(&alice, 1));
	for (i = 0; i < half; i++)
		ASSERT_EQ(0x5a, filled[i]);
	close_engine(&alice);
	close_engine(&bob);
	munmap(filled, SIZE);
	close(to);
}

/* So many that what waits for the device does not hold much memory where it is. */
TEST_F(edu, limits_what_a_user_may_have_waiting)
{
	struct ipcdev_create_engine c = { .depth = DEPTH_MAX + 1 };
	struct engine alice[ENGINES_MAX], more;
	unsigned int i;

	snprintf(c.backend, sizeof(c.backend), "edu-%s", self->address);
	EXPECT_EQ(-EINVAL, call(self->dev, IPCDEV_IOC_CREATE_ENGINE, &c));
	c.depth = 0;
	more.fd = call(self->dev, IPCDEV_IOC_CREATE_ENGINE, &c);
	ASSERT_LE(0, more.fd);
	EXPECT_EQ(DEPTH_MAX, engine_stat(&more).depth);
	close(more.fd);

	for (i = 0; i < ARRAY_SIZE(alice); i++)
		ASSERT_EQ(0, open_as(ALICE, self->dev, self->address, &alice[i]));
	EXPECT_EQ(-EDQUOT, open_as(ALICE, self->dev, self->address, &more));
	ASSERT_EQ(0, open_as(BOB, self->dev, self->address, &more));
	EXPECT_EQ(0, nop(&more));
	close_engine(&more);
	if (device_count > 1) {
		ASSERT_EQ(0, open_as(ALICE, self->dev, devices[1], &more));
		close_engine(&more);
	}
	close_engine(&alice[3]);
	ASSERT_EQ(0, open_as(ALICE, self->dev, self->address, &alice[3]));
	EXPECT_EQ(0, nop(&alice[3]));
	EXPECT_EQ(-EDQUOT, open_as(ALICE, self->dev, self->address, &more));
	for (i = 0; i < ARRAY_SIZE(alice); i++)
		close_engine(&alice[i]);
}

/* A namespace's users are its owner in this. */
TEST_F(edu, namespaces_make_no_more_room)
{
	int up[2], down[2];
	struct engine e;
	char path[64], c;
	pid_t pid;

	ASSERT_EQ(0, pipe2(up, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(down, O_CLOEXEC));
	pid = child();
	if (!pid) {
		int i;

		if (child_becomes(ALICE) || unshare(CLONE_NEWUSER))
			_exit(100);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1 ||
		    setresuid(1, 1, 0))
			_exit(101);
		for (i = 0; i < ENGINES_MAX; i++) {
			if (i == ENGINES_MAX / 2 &&
			    (setresuid(-1, 0, -1) || setresuid(2, 2, 0)))
				_exit(102);
			if (open_device(self->dev, self->address, &e))
				_exit(103);
		}
		if (open_device(self->dev, self->address, &e) != -EDQUOT)
			_exit(104);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(105);
		_exit(0);
	}
	close(up[1]);
	if (read(up[0], &c, 1) != 1) {
		EXPECT_EQ(100, reap(pid));
		SKIP(return, "no user namespaces for users");
	}
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	ASSERT_EQ(0, write_file(path, "0 100000 10"));
	ASSERT_EQ(1, write(down[1], "x", 1));
	if (read(up[0], &c, 1) != 1)
		ASSERT_EQ(0, reap(pid));
	EXPECT_EQ(-EDQUOT, open_as(ALICE, self->dev, self->address, &e));
	EXPECT_EQ(0, nop(&self->e));
	ASSERT_EQ(1, write(down[1], "x", 1));
	EXPECT_EQ(0, reap(pid));
}

/* Whoever comes first of a user's requests is served first, from whichever engine. */
TEST_F(edu, serves_its_engines_in_order)
{
	struct engine others[2];
	struct ipcdev_completion c[4];
	int i;

	ASSERT_EQ(0, open_device(self->dev, self->address, &others[0]));
	ASSERT_EQ(0, open_device(self->dev, self->address, &others[1]));
	ASSERT_EQ(1, copy(&self->e, 0, 0, 0, STEP + 1));
	ASSERT_EQ(1, submit(&others[0], .op = IPCDEV_OP_NOP, .user_data = 1));
	ASSERT_EQ(1, submit(&others[1], .op = IPCDEV_OP_FACTORIAL, .value = 5,
			    .user_data = 2));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = 3));
	EXPECT_EQ(2, engine_stat(&self->e).inflight);

	ASSERT_EQ(0, next_completion(&others[1], &c[2]));
	ASSERT_EQ(0, next_completion(&others[0], &c[1]));
	ASSERT_EQ(0, next_completion(&self->e, &c[0]));
	ASSERT_EQ(0, next_completion(&self->e, &c[3]));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ((__u64)i, c[i].user_data);
		if (i)
			EXPECT_LT(c[i - 1].time_ns, c[i].time_ns);
	}
	EXPECT_EQ(STEP + 1, c[0].result);
	EXPECT_EQ(120, c[2].result);
	EXPECT_TRUE(copied(self->src, self->dst, 0, 0, STEP + 1));
	close_engine(&others[0]);
	close_engine(&others[1]);
}

/* While one device works, the others do, too. */
TEST_F(edu, has_peers_that_work_by_themselves)
{
	struct engine others[2];

	if (device_count < 3)
		SKIP(return, "fewer than three edu devices");
	ASSERT_EQ(0, open_device(self->dev, devices[1], &others[0]));
	ASSERT_EQ(0, open_device(self->dev, devices[2], &others[1]));
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	ASSERT_EQ(1, copy(&others[0], 2, 10000, 10000, STEP));
	ASSERT_EQ(1, copy(&others[1], 3, 20000, 20000, 2));
	EXPECT_EQ(2, reap_request(&others[1], 3));
	EXPECT_EQ(0, nop(&others[1]));
	EXPECT_EQ(STEP, reap_request(&others[0], 2));
	EXPECT_EQ(120, factorial(&others[0], 5));
	EXPECT_EQ(1, engine_stat(&self->e).inflight);
	EXPECT_EQ(1, cancel(&self->e, 1));
	EXPECT_EQ(-ECANCELED, reap_request(&self->e, 1));
	EXPECT_EQ(0, memcmp(self->src + 10000, self->dst + 10000, STEP));
	EXPECT_EQ(0, memcmp(self->src + 20000, self->dst + 20000, 2));
	close_engine(&others[0]);
	close_engine(&others[1]);
}

TEST_F(edu, cancels)
{
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	ASSERT_EQ(1, copy(&self->e, 2, 0, 0, STEP));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = 3));
	/* One that waits, and the one that the device works for. */
	EXPECT_EQ(1, cancel(&self->e, 2));
	EXPECT_EQ(-ECANCELED, reap_request(&self->e, 2));
	EXPECT_EQ(1, cancel(&self->e, 1));
	EXPECT_EQ(-ECANCELED, reap_request(&self->e, 1));
	/* Of its first steps some may have been done. */
	memset(self->dst, 0xff, SIZE);
	EXPECT_EQ(0, reap_request(&self->e, 3));
	EXPECT_EQ(-ENOENT, cancel(&self->e, 1));
	EXPECT_TRUE(copied(self->src, self->dst, 0, 0, 0));
	EXPECT_EQ(2, engine_stat(&self->e).cancelled);
	EXPECT_EQ(0, engine_stat(&self->e).inflight);
}

/* What a request has copied before it was cancelled stays; nothing comes later. */
TEST_F(edu, cancels_between_steps)
{
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	until(__atomic_load_n(&self->dst[STEP - 1], __ATOMIC_RELAXED) != 0xff);
	EXPECT_EQ(1, cancel(&self->e, 1));
	EXPECT_EQ(-ECANCELED, reap_request(&self->e, 1));
	memset(self->dst, 0xff, SIZE);
	EXPECT_EQ(0, nop(&self->e));
	EXPECT_TRUE(copied(self->src, self->dst, 0, 0, 0));
}

/* Nobody's memory is touched any more when its engine is closed or its user killed. */
TEST_F(edu, forgets_an_engine_that_is_closed)
{
	struct engine other;

	ASSERT_EQ(0, open_device(self->dev, self->address, &other));
	ASSERT_EQ(1, copy(&other, 1, 0, 0, SIZE));
	ASSERT_EQ(1, copy(&other, 2, 0, 0, STEP));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = 3));
	close_engine(&other);
	memset(self->dst, 0xff, SIZE);
	EXPECT_EQ(0, reap_request(&self->e, 3));
	EXPECT_TRUE(copied(self->src, self->dst, 0, 0, 0));
}

TEST_F(edu, forgets_a_user_that_is_killed)
{
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = child();
	if (!pid) {
		struct engine other;

		if (open_device(self->dev, self->address, &other) ||
		    copy(&other, 1, 0, 0, SIZE) != 1 ||
		    copy(&other, 2, 0, 0, STEP) != 1 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid));
	memset(self->dst, 0xff, SIZE);
	ASSERT_EQ(1, copy(&self->e, 4, 100, 100, 50));
	EXPECT_EQ(50, reap_request(&self->e, 4));
	EXPECT_TRUE(copied(self->src, self->dst, 100, 100, 50));
}

/* Many at once, from several processes: each is answered, and rightly. */
TEST_F(edu, is_shared_by_processes)
{
	pid_t pids[4];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		struct engine e;
		__u64 k;

		pids[i] = child();
		if (pids[i])
			continue;
		if (open_device(self->dev, self->address, &e))
			_exit(1);
		for (k = 0; k < 50; k++) {
			if (nop(&e) || factorial(&e, 5) != 120)
				_exit(2);
		}
		if (copy(&e, 1, 100 * i, 100 * i, 100) != 1 || reap_request(&e, 1) != 100)
			_exit(3);
		_exit(0);
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, reap(pids[i]));
	EXPECT_TRUE(copied(self->src, self->dst, 0, 0, 100 * ARRAY_SIZE(pids)));
}

/* By every road: a signal, poll and the request's own eventfd. */
TEST_F(edu, tells_its_user)
{
	int event = eventfd(0, EFD_CLOEXEC), sig = SIGRTMIN + 1;
	struct pollfd p = { .fd = self->e.r.end, .events = POLLIN };
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	ASSERT_EQ(0, ask_for_signals(self->e.r.end, sig));
	EXPECT_EQ(0, events(self->e.r.end) & CAN_READ);
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_COPY, .user_data = 5,
			    .src = slice(self->from, 0, 9),
			    .dst = slice(self->to, 0, 9),
			    .flags = IPCDEV_REQUEST_EVENTFD, .eventfd = event));
	EXPECT_EQ(0, gained(event));
	ASSERT_EQ(sig, sigwaitinfo(&set, &si));
	EXPECT_EQ(self->e.r.end, si.si_fd);
	EXPECT_EQ(CAN_READ, si.si_band);
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(9, reap_request(&self->e, 5));
	until(gained(event) == 1);

	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_COPY, .user_data = 6,
			    .src = slice(self->from, 0, 9),
			    .dst = slice(self->to, 0, 9)));
	EXPECT_EQ(1, poll(&p, 1, -1));
	EXPECT_EQ(9, reap_request(&self->e, 6));
	EXPECT_EQ(0, gained(event));
}

/*
 * On a shared line each handler is asked about every interrupt, and says whether it
 * was for it.
 */
TEST_F(edu, disowns_others_interrupts)
{
	unsigned int mine = 0, others = 0, wrong = 0, cpu;
	char line[512], names[16][64] = {};
	FILE *f;

	if (has_msi(self->address))
		SKIP(return, "the interrupt is not shared");
	if (device_count < 2)
		SKIP(return, "there is no other edu device");
	if (exists("/sys/kernel/realtime"))
		SKIP(return, "interrupts are handled by threads, which are not traced");
	mkdir(INSTANCE, 0700);
	if (write_file(INSTANCE "/events/irq/irq_handler_entry/enable", "1") ||
	    write_file(INSTANCE "/events/irq/irq_handler_exit/enable", "1")) {
		rmdir(INSTANCE);
		SKIP(return, "no tracing here");
	}
	EXPECT_EQ(0, nop(&self->e));
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, STEP));
	EXPECT_EQ(STEP, reap_request(&self->e, 1));
	/* One more: what has told us of the last may not have left its handler yet. */
	EXPECT_EQ(0, nop(&self->e));
	write_file(INSTANCE "/tracing_on", "0");
	f = fopen(INSTANCE "/trace", "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		char *name = strstr(line, "name=edu-"), *on = strchr(line, '[');
		bool handled = strstr(line, "ret=handled");

		if (!on || sscanf(on, "[%u]", &cpu) != 1 || cpu >= ARRAY_SIZE(names))
			continue;
		if (strstr(line, "irq_handler_entry")) {
			snprintf(names[cpu], sizeof(names[cpu]), "%.50s",
				 name ? name + 9 : "");
			continue;
		}
		if (!strstr(line, "irq_handler_exit") || !*names[cpu])
			continue;
		if (!strncmp(names[cpu], self->address, strlen(self->address)))
			mine += handled;
		else if (handled)
			wrong++;
		else
			others++;
		*names[cpu] = '\0';
	}
	fclose(f);
	write_file(INSTANCE "/events/irq/enable", "0");
	rmdir(INSTANCE);
	EXPECT_LE(3, mine);
	EXPECT_LE(3, others);
	EXPECT_EQ(0, wrong);
}

/* And all of them work on one line at the same time. */
TEST_F(edu, loses_nothing_on_a_shared_line)
{
	struct engine others[DEVICES_MAX];
	unsigned int i, round;

	for (i = 1; i < device_count; i++)
		ASSERT_EQ(0, open_device(self->dev, devices[i], &others[i]));
	others[0] = self->e;
	for (round = 0; round < 100; round++) {
		for (i = 0; i < device_count; i++) {
			ASSERT_EQ(1, submit(&others[i], .op = IPCDEV_OP_NOP,
					    .user_data = round));
		}
		for (i = 0; i < device_count; i++)
			ASSERT_EQ(0, reap_request(&others[i], round));
	}
	for (i = 1; i < device_count; i++)
		close_engine(&others[i]);
}

/*
 * A device that does not answer
 */
FIXTURE(mute)
{
	int dev;
	const char *address;
	struct engine e;
	int from;
	int to;
	unsigned long long timeout;
	int command;
};

FIXTURE_SETUP(mute)
{
	self->dev = device();
	self->address = devices[0];
	self->command = config_word(self->address, COMMAND);
	ASSERT_LT(0, self->command);
	ASSERT_EQ(0, open_device(self->dev, self->address, &self->e));
	self->from = create_buffer(self->dev, .size = SIZE);
	self->to = create_buffer(self->dev, .size = SIZE);
	self->timeout = parameter("edu_timeout_ms");
	ASSERT_EQ(0, set_parameter("edu_timeout_ms", 600));
}

FIXTURE_TEARDOWN(mute)
{
	set_config_word(self->address, COMMAND, self->command);
	close_engine(&self->e);
	set_parameter("edu_timeout_ms", self->timeout);
}

/* What it works for fails, and so do all that wait; afterwards it can be used. */
TEST_F(mute, requests_time_out)
{
	struct engine other;

	ASSERT_EQ(0, open_device(self->dev, self->address, &other));
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	ASSERT_LT(0, mute(self->address));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = 2));
	ASSERT_EQ(1, submit(&other, .op = IPCDEV_OP_NOP, .user_data = 3));
	EXPECT_EQ(-ETIMEDOUT, reap_request(&self->e, 1));
	EXPECT_EQ(-ETIMEDOUT, reap_request(&self->e, 2));
	EXPECT_EQ(-ETIMEDOUT, reap_request(&other, 3));
	/* It is asked again. */
	EXPECT_EQ(-ETIMEDOUT, nop(&self->e));
	EXPECT_EQ(-ETIMEDOUT, factorial(&other, 5));
	ASSERT_EQ(0, set_config_word(self->address, COMMAND, self->command));
	EXPECT_EQ(0, nop(&self->e));
	EXPECT_EQ(120, factorial(&other, 5));
	ASSERT_EQ(1, copy(&self->e, 4, 0, 0, STEP + 1));
	EXPECT_EQ(STEP + 1, reap_request(&self->e, 4));
	close_engine(&other);
}

TEST_F(mute, requests_wait_for_it_to_answer_again)
{
	/* Only when this is over it is asked again, and must have come back. */
	ASSERT_EQ(0, set_parameter("edu_timeout_ms", 5000));
	ASSERT_LT(0, mute(self->address));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_FACTORIAL, .value = 5,
			    .user_data = 1));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = 2));
	ASSERT_EQ(0, set_config_word(self->address, COMMAND, self->command));
	EXPECT_EQ(120, reap_request(&self->e, 1));
	EXPECT_EQ(0, reap_request(&self->e, 2));
}

/*
 * A device that was mute while it moved data has moved none of them, but believes so. Its
 * interrupt may have survived, as one on a line does. Nobody sees what it has moved for
 * somebody else before. Returns the request's result.
 */
static long long lie(struct engine *e, const char *address, int from, int to, bool later)
{
	unsigned char *src = map(from, STEP, PROT_READ | PROT_WRITE);
	unsigned char *dst = map(to, STEP, PROT_READ | PROT_WRITE);
	long before = interrupt_count(address);
	long long ret = -EBADE;
	int command;

	memset(src, 'A', STEP);
	if (copy_bytes(e, from, to, 1, 0, 0, STEP) != 1 || reap_request(e, 1) != STEP)
		goto out;
	memset(src, 'B', STEP);
	memset(dst, 'C', STEP);
	if (copy_bytes(e, from, to, 2, 0, 0, STEP) != 1)
		goto out;
	/* Two for the copy before. */
	until(!later || interrupt_count(address) >= before + 3);
	command = mute(address);
	/* It takes a tenth of a second, and cannot be asked. */
	usleep(300000);
	set_config_word(address, COMMAND, command);
	ret = reap_request(e, 2);
	if (dst[0] != (ret == STEP ? 'B' : 'C') || memcmp(dst, dst + 1, STEP - 1))
		ret = -EBADE;
out:
	munmap(src, STEP);
	munmap(dst, STEP);
	return ret;
}

TEST_F(mute, bytes_that_were_not_moved_fail)
{
	int error = has_msi(self->address) ? -ETIMEDOUT : -EIO, later;

	ASSERT_EQ(0, set_parameter("edu_timeout_ms", 2000));
	for (later = 0; later < 2; later++) {
		long long ret;

		/* All may have been moved before it was mute. */
		do {
			ret = lie(&self->e, self->address, self->from, self->to, later);
		} while (ret == STEP);
		EXPECT_EQ(error, ret);
	}
	EXPECT_EQ(0, nop(&self->e));
	ASSERT_EQ(1, copy(&self->e, 4, 0, 0, STEP + 1));
	EXPECT_EQ(STEP + 1, reap_request(&self->e, 4));
}

TEST_F(mute, requests_are_cancelled)
{
	ASSERT_EQ(0, set_parameter("edu_timeout_ms", 5000));
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	ASSERT_LT(0, mute(self->address));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = 2));
	EXPECT_EQ(1, cancel(&self->e, 1));
	EXPECT_EQ(-ECANCELED, reap_request(&self->e, 1));
	EXPECT_EQ(1, cancel(&self->e, 2));
	EXPECT_EQ(-ECANCELED, reap_request(&self->e, 2));
	/* When the patience with what was cancelled is at its end, it may be used. */
	ASSERT_EQ(0, set_config_word(self->address, COMMAND, self->command));
	EXPECT_EQ(0, nop(&self->e));
}

TEST_F(mute, engines_are_closed)
{
	struct engine other;

	ASSERT_EQ(0, open_device(self->dev, self->address, &other));
	ASSERT_EQ(1, copy(&other, 1, 0, 0, SIZE));
	ASSERT_LT(0, mute(self->address));
	ASSERT_EQ(1, submit(&other, .op = IPCDEV_OP_NOP, .user_data = 2));
	close_engine(&other);
	EXPECT_EQ(-ETIMEDOUT, nop(&self->e));
}

TEST_F(mute, patience_is_bounded)
{
	EXPECT_EQ(-EINVAL, set_parameter("edu_timeout_ms", 0));
	EXPECT_EQ(-EINVAL, set_parameter("edu_timeout_ms", 60001));
	EXPECT_EQ(-EINVAL, write_file(PARAMETERS "edu_timeout_ms", "-1"));
	EXPECT_EQ(600, parameter("edu_timeout_ms"));
	EXPECT_EQ(0, set_parameter("edu_timeout_ms", 1));
	EXPECT_EQ(0, set_parameter("edu_timeout_ms", 60000));
}

/* However patient it is with one that answers. */
TEST_F(mute, driver_does_not_wait_for_it)
{
	__u64 start;

	ASSERT_EQ(0, set_parameter("edu_timeout_ms", 60000));
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	ASSERT_LT(0, mute(self->address));
	start = now(CLOCK_MONOTONIC);
	ASSERT_EQ(0, unbind_from(self->address));
	EXPECT_LT(now(CLOCK_MONOTONIC) - start, 30000000000ULL);
	EXPECT_EQ(-ENODEV, reap_request(&self->e, 1));
	ASSERT_EQ(0, bind_to(self->address));
	self->command = config_word(self->address, COMMAND);
}

TEST_F(mute, driver_lets_go_of_it)
{
	struct engine e;

	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	ASSERT_LT(0, mute(self->address));
	ASSERT_EQ(0, unbind_from(self->address));
	EXPECT_EQ(-ENODEV, reap_request(&self->e, 1));
	/* The bus turns the device's memory on, but the driver sees what it has left. */
	EXPECT_EQ(0, bind_to(self->address));
	ASSERT_TRUE(bound(self->address));
	ASSERT_EQ(0, open_device(self->dev, self->address, &e));
	EXPECT_EQ(0, nop(&e));
	close_engine(&e);
	self->command = config_word(self->address, COMMAND);
}

/*
 * A device that goes
 */
FIXTURE(gone)
{
	int dev;
	struct slot slot;
	bool in_slot;
	const char *address;
	unsigned int number;
	struct engine e;
	struct engine other;
	int from;
	int to;
	int monitor;
	unsigned long long timeout;
};

FIXTURE_SETUP(gone)
{
	self->dev = device();
	self->in_slot = find_slot(&self->slot);
	self->address = self->in_slot ? self->slot.device : devices[0];
	self->number = device_count;
	self->monitor = monitor();
	ASSERT_NE(-ETIMEDOUT, self->monitor);
	ASSERT_EQ(0, open_device(self->dev, self->address, &self->e));
	ASSERT_EQ(0, open_device(self->dev, self->address, &self->other));
	self->from = create_buffer(self->dev, .size = SIZE);
	self->to = create_buffer(self->dev, .size = SIZE);
	self->timeout = parameter("edu_timeout_ms");
}

FIXTURE_TEARDOWN(gone)
{
	close_engine(&self->e);
	close_engine(&self->other);
	set_parameter("edu_timeout_ms", self->timeout);
}

/* Copies that are under way and waiting, in two engines. */
static bool put_to_work(struct engine *e, struct engine *other, int from, int to)
{
	struct ipcdev_engine_request r = {
		.op = IPCDEV_OP_COPY,
		.src = slice(from, 0, SIZE),
		.dst = slice(to, 0, SIZE),
	};
	__u64 i;

	for (i = 0; i < 4; i++) {
		r.user_data = i;
		if (request(i & 1 ? other : e, &r) != 1)
			return false;
	}
	return true;
}

/* That all of these have failed. */
static bool all_gone(struct engine *e, struct engine *other)
{
	__u64 i;

	for (i = 0; i < 4; i++) {
		if (reap_request(i & 1 ? other : e, i) != -ENODEV)
			return false;
	}
	return true;
}

/* And that the engines know that it is for good. */
static bool left(struct engine *e)
{
	struct ipcdev_completion c;

	return engine_stat(e).flags & IPCDEV_ENGINE_GONE && next_completion(e, &c) == -EPIPE &&
	       submit(e, .op = IPCDEV_OP_NOP) == -ENODEV && events(e->r.end) & POLLHUP;
}

/* It has come back, and works. */
static bool back(int dev, const char *address)
{
	struct engine e;
	bool ret;

	until(bound(address));
	while (open_device(dev, address, &e) == -ENODEV)
		usleep(1000);
	ret = !nop(&e) && factorial(&e, 5) == 120;
	close_engine(&e);
	return ret;
}

TEST_F(gone, when_it_is_unbound)
{
	ASSERT_TRUE(put_to_work(&self->e, &self->other, self->from, self->to));
	ASSERT_EQ(0, unbind_from(self->address));
	EXPECT_TRUE(all_gone(&self->e, &self->other));
	EXPECT_TRUE(left(&self->e));
	EXPECT_TRUE(left(&self->other));
	EXPECT_EQ(-ENODEV, open_device(self->dev, self->address, &(struct engine){}));
	EXPECT_EQ(-1, interrupt_count(self->address));
	ASSERT_EQ(0, bind_to(self->address));
	EXPECT_TRUE(back(self->dev, self->address));
	/* Engines do not come back with a device. */
	EXPECT_TRUE(left(&self->e));
}

TEST_F(gone, when_it_is_unbound_again_and_again)
{
	int i;

	for (i = 0; i < 5; i++) {
		struct engine e;

		ASSERT_EQ(0, unbind_from(self->address));
		ASSERT_EQ(0, bind_to(self->address));
		ASSERT_EQ(0, open_device(self->dev, self->address, &e));
		EXPECT_EQ(0, nop(&e));
		ASSERT_EQ(1, copy(&e, 1, 0, 0, STEP));
		close_engine(&e);
	}
}

/* Somebody sleeps for a completion, and another submits all the time. */
TEST_F(gone, while_it_is_used)
{
	long before = interrupt_count(self->address);
	pid_t sleeper, user;
	struct engine e;

	sleeper = child();
	if (!sleeper) {
		struct ipcdev_completion c;

		if (open_device(self->dev, self->address, &e))
			_exit(1);
		_exit(next_completion(&e, &c) == -EPIPE ? 0 : 2);
	}
	user = child();
	if (!user) {
		long long ret;

		if (open_device(self->dev, self->address, &e))
			_exit(1);
		do {
			ret = nop(&e);
		} while (!ret);
		_exit(ret == -ENODEV ? 0 : 2);
	}
	until(asleep_in(sleeper, SYS_ioctl) && interrupt_count(self->address) > before + 20);
	ASSERT_EQ(0, unbind_from(self->address));
	EXPECT_EQ(0, reap(sleeper));
	EXPECT_EQ(0, reap(user));
	ASSERT_EQ(0, bind_to(self->address));
	EXPECT_TRUE(back(self->dev, self->address));
}

TEST_F(gone, when_it_is_unplugged)
{
	if (!self->in_slot)
		SKIP(return, "no edu device is in a slot");
	if (self->monitor < 0)
		SKIP(return, "QEMU's monitor is not here");
	ASSERT_TRUE(put_to_work(&self->e, &self->other, self->from, self->to));
	ASSERT_EQ(0, unplug(self->monitor, self->number));
	EXPECT_TRUE(all_gone(&self->e, &self->other));
	EXPECT_TRUE(left(&self->e));
	until(!bound(self->address));
	EXPECT_EQ(-ENODEV, open_device(self->dev, self->address, &(struct engine){}));
	ASSERT_EQ(0, plug(self->monitor, self->number))
		TH_LOG("%s", monitor_said);
	EXPECT_TRUE(back(self->dev, self->address));
}

/*
 * Pulled out without a word: the slot's power goes, and nobody tells the driver. What
 * waits for the device fails when that should have answered, the rest at once.
 */
TEST_F(gone, when_it_is_pulled_out)
{
	int at = self->slot.capability + SLOT_CONTROL, old;
	char path[128];

	if (!self->in_slot)
		SKIP(return, "no edu device is in a slot");
	if (self->monitor < 0)
		SKIP(return, "QEMU's monitor is not here to put it back");
	ASSERT_EQ(0, set_parameter("edu_timeout_ms", 1500));
	old = config_word(self->slot.port, at);
	ASSERT_LE(0, old);
	ASSERT_TRUE(put_to_work(&self->e, &self->other, self->from, self->to));
	/*
	 * QEMU's device works on without power, and would end that with an interrupt which
	 * nobody can acknowledge: a shared line would be busy with that for ever. So it
	 * ends before, and must not say so.
	 */
	ASSERT_EQ(0, set_config_word(self->address, COMMAND, COMMAND_NO_INTX |
				     config_word(self->address, COMMAND)));
	if (!has_msi(self->address))
		until(config_word(self->address, STATUS) & STATUS_INTERRUPT);
	ASSERT_EQ(0, set_config_word(self->slot.port, at, old | SLOT_OFF));
	EXPECT_EQ(0xffff, config_word(self->address, 0));
	EXPECT_TRUE(all_gone(&self->e, &self->other));
	EXPECT_EQ(-ENODEV, nop(&self->e));
	EXPECT_EQ(-ENODEV, factorial(&self->other, 5));

	snprintf(path, sizeof(path), PCI "devices/%s/remove", self->address);
	ASSERT_EQ(0, write_file(path, "1"));
	EXPECT_TRUE(left(&self->e));
	/* QEMU has thrown it away, unless it was not in the slot from the beginning. */
	ASSERT_EQ(0, set_config_word(self->slot.port, at, old));
	ASSERT_EQ(0, write_file(PCI "rescan", "1"));
	if (!bound(self->address))
		ASSERT_EQ(0, plug(self->monitor, self->number))
			TH_LOG("%s", monitor_said);
	EXPECT_TRUE(back(self->dev, self->address));
}

/*
 * The module stays while an engine is open, and can go as soon as its user is dead,
 * whatever the device is at. Nobody else may use it here.
 */
TEST_F(gone, when_the_module_is_removed)
{
	int file, ready[2], tries = 500, ret;
	pid_t pid;
	char c;

	file = open(MODULE, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		SKIP(return, "no file to load the module from");
	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	ASSERT_TRUE(put_to_work(&self->e, &self->other, self->from, self->to));
	EXPECT_EQ(-EWOULDBLOCK, unload_module("ipcdev"));

	close_engine(&self->e);
	close_engine(&self->other);
	close(self->from);
	close(self->to);
	close(self->dev);
	pid = child();
	if (!pid) {
		struct engine e, other;
		int dev = device();
		int from = create_buffer(dev, .size = SIZE);
		int to = create_buffer(dev, .size = SIZE);

		if (open_device(dev, self->address, &e) ||
		    open_device(dev, self->address, &other) ||
		    !put_to_work(&e, &other, from, to) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	EXPECT_EQ(1, read(ready[0], &c, 1));
	umount2("/dev/ipc", 0);
	EXPECT_EQ(-EWOULDBLOCK, unload_module("ipcdev"));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, reap(pid));
	/* Some of what a process held goes a moment after it. */
	do {
		usleep(10000);
		ret = unload_module("ipcdev");
	} while (ret == -EWOULDBLOCK && tries--);
	EXPECT_EQ(0, ret)
		TH_LOG("others use the module");
	if (!ret) {
		EXPECT_FALSE(exists(DRIVER));
		EXPECT_EQ(0, sys(syscall(SYS_finit_module, file, "", 0)));
	}
	mount("ipcdevfs", "/dev/ipc", IPCDEV_FS_NAME, 0, NULL);
	self->dev = device();
	self->from = create_buffer(self->dev, .size = SIZE);
	self->to = create_buffer(self->dev, .size = SIZE);
	EXPECT_TRUE(back(self->dev, self->address));
	ASSERT_EQ(0, open_device(self->dev, self->address, &self->e));
	ASSERT_EQ(0, open_device(self->dev, self->address, &self->other));
}

/*
 * A machine that sleeps. These tests come last, and only if IPCDEV_TEST_SLEEP is 1: after
 * a sleep QEMU 7.2 neither tells of what is plugged, nor switches off, nor sleeps for long.
 */

/*
 * The machine sleeps, with all devices but its memory off, until its clock wakes it. An
 * alarm that came before it is asleep would be none: a slow machine must have got there.
 */
static int machine_sleeps(void)
{
	int ret = write_file("/sys/power/mem_sleep", "deep");

	if (!ret)
		ret = write_file(ALARM, "0");
	if (!ret)
		ret = write_file(ALARM, "+20");
	return ret ?: write_file("/sys/power/state", "mem");
}

/* For how long it has done so since it was started. */
static __u64 slept(void)
{
	return now(CLOCK_BOOTTIME) - now(CLOCK_MONOTONIC);
}

static bool may_sleep(void)
{
	const char *value = getenv("IPCDEV_TEST_SLEEP");
	char text[64] = "";

	read_file("/sys/power/mem_sleep", text, sizeof(text));
	return value && !strcmp(value, "1") && strstr(text, "deep") && exists(ALARM);
}

FIXTURE(asleep)
{
	int dev;
	const char *address;
	struct engine e;
	int from;
	int to;
	unsigned char *src;
	unsigned char *dst;
	unsigned long long timeout;
};

FIXTURE_SETUP(asleep)
{
	self->dev = device();
	self->address = devices[0];
	ASSERT_EQ(0, open_device(self->dev, self->address, &self->e));
	ASSERT_TRUE(make_buffer(self->dev, &self->from, &self->src));
	ASSERT_TRUE(make_buffer(self->dev, &self->to, &self->dst));
	fill_pattern(self->src, SIZE, 1);
	memset(self->dst, 0xff, SIZE);
	self->timeout = parameter("edu_timeout_ms");
}

FIXTURE_TEARDOWN(asleep)
{
	close_engine(&self->e);
	set_parameter("edu_timeout_ms", self->timeout);
}

/* What was at work, and what waits, goes on where it was. */
TEST_F(asleep, goes_on_when_it_wakes)
{
	struct engine others[DEVICES_MAX];
	__u64 before = slept();
	unsigned int i;

	if (!may_sleep())
		SKIP(return, "the machine shall not sleep, or cannot");
	for (i = 1; i < device_count; i++) {
		ASSERT_EQ(0, open_device(self->dev, devices[i], &others[i]));
		ASSERT_EQ(1, submit(&others[i], .op = IPCDEV_OP_FILL, .value = 0x77,
				    .dst = slice(self->to, 30000 + i * 10000, 3 * STEP)));
	}
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, 16 * STEP));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_NOP, .user_data = 2));
	ASSERT_EQ(1, submit(&self->e, .op = IPCDEV_OP_FACTORIAL, .value = 5,
			    .user_data = 3));
	until(__atomic_load_n(&self->dst[STEP - 1], __ATOMIC_RELAXED) != 0xff);
	EXPECT_EQ(3, engine_stat(&self->e).inflight);
	ASSERT_EQ(0, machine_sleeps());
	EXPECT_LT(before + 1000000000, slept());

	EXPECT_EQ(16 * STEP, reap_request(&self->e, 1));
	EXPECT_EQ(0, reap_request(&self->e, 2));
	EXPECT_EQ(120, reap_request(&self->e, 3));
	EXPECT_EQ(0, memcmp(self->src, self->dst, 16 * STEP));
	for (i = 1; i < device_count; i++) {
		unsigned char *p = self->dst + 30000 + i * 10000;

		EXPECT_EQ(3 * STEP, reap_request(&others[i], 0));
		EXPECT_EQ(0x77, p[0]);
		EXPECT_EQ(0, memcmp(p, p + 1, 3 * STEP - 1));
		EXPECT_EQ(0, nop(&others[i]));
		EXPECT_EQ(120, factorial(&others[i], 5));
		close_engine(&others[i]);
	}
}

/* The machine waits for it no longer than others do. */
TEST_F(asleep, although_a_device_does_not_answer)
{
	int command = config_word(self->address, COMMAND);

	if (!may_sleep())
		SKIP(return, "the machine shall not sleep, or cannot");
	ASSERT_EQ(0, set_parameter("edu_timeout_ms", 600));
	ASSERT_EQ(1, copy(&self->e, 1, 0, 0, SIZE));
	ASSERT_LT(0, mute(self->address));
	ASSERT_EQ(0, machine_sleeps());
	EXPECT_EQ(-ETIMEDOUT, reap_request(&self->e, 1));
	ASSERT_EQ(0, set_config_word(self->address, COMMAND, command));
	EXPECT_EQ(0, nop(&self->e));
	EXPECT_EQ(120, factorial(&self->e, 5));
}

TEST_HARNESS_MAIN
