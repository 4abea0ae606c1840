// SPDX-License-Identifier: GPL-2.0
/* libipcdev: typed requests and replies. */
#include <ipcdev_service.h>
#include <pthread.h>

#include "test.h"

struct pair {
	uint64_t a;
	uint64_t b;
};

struct number {
	uint64_t n;
};

IPCDEV_OPERATION(add, 1, struct pair, struct number);
IPCDEV_OPERATION(divide, 2, struct pair, struct number);
IPCDEV_OPERATION(forget, 3, struct ipcdev_none, struct ipcdev_none);
IPCDEV_OPERATION(give, 4, struct number, struct number);
/* Of another version: the same operation, of other types. */
IPCDEV_OPERATION(add_one, 1, struct number, struct number);
IPCDEV_OPERATION(add_short, 1, struct pair, struct ipcdev_none);
IPCDEV_OPERATION(add_long, 1, struct pair, struct pair);
IPCDEV_OPERATION(unknown, 99, struct pair, struct number);
IPCDEV_OPERATION(huge, 5, struct number, char[100]);

static int on_add(const struct pair *pair, struct number *sum,
		  struct ipcdev_request *request, void *data)
{
	(void)request;
	CHECK(sum->n == 0);
	++*(int *)data;
	sum->n = pair->a + pair->b;
	return 0;
}

static int on_divide(const struct pair *pair, struct number *quotient,
		     struct ipcdev_request *request, void *data)
{
	(void)request;
	(void)data;
	if (!pair->b)
		return -EDOM;
	quotient->n = pair->a / pair->b;
	return 0;
}

static int on_forget(const struct ipcdev_none *in, struct ipcdev_none *out,
		     struct ipcdev_request *request, void *data)
{
	(void)out;
	(void)request;
	CHECK(!in->zero);
	*(int *)data = 0;
	return 0;
}

/* Replies with a slice of as many bytes as are asked for. */
static int on_give(const struct number *size, struct number *out,
		   struct ipcdev_request *request, void *data)
{
	(void)data;
	out->n = 7;
	request->reply_slices[0] = (struct ipcdev_slice) {
		.fd = ipcdev_buffer_create(size->n, 0, 0),
		.length = size->n,
	};
	if (request->reply_slices[0].fd < 0)
		return -errno;
	request->reply_slice_count = 1;
	request->reply_flags = IPCDEV_REPLY_CLOSE;
	return 0;
}

static int on_huge(const struct number *in, char (*out)[100],
		   struct ipcdev_request *request, void *data)
{
	(void)in;
	(void)out;
	(void)request;
	(void)data;
	return 0;
}

static int handle(struct ipcdev_request *request, void *data)
{
	switch (request->msg->tag) {
	case add_number:
		return add_serve(request, on_add, data);
	case divide_number:
		return divide_serve(request, on_divide, data);
	case forget_number:
		return forget_serve(request, on_forget, data);
	case give_number:
		return give_serve(request, on_give, data);
	case huge_number:
		return huge_serve(request, on_huge, data);
	}
	return -EOPNOTSUPP;
}

static void *run(void *server)
{
	CHECK(!ipcdev_server_run(server));
	return NULL;
}

static void check_calls(int queue, const int *count)
{
	struct ipcdev_none none = { 0 };
	struct ipcdev_slice slice;
	struct ipcdev_call call = {
		.reply.slices = ipcdev_ptr(&slice),
		.reply.slice_count = 1,
	};
	struct pair pair = { 40, 2 };
	struct number number = { 0 };
	char big[100];

	CHECK(!add(queue, &pair, &number, NULL) && number.n == 42);
	CHECK(!divide(queue, &pair, &number, NULL) && number.n == 20);
	pair.b = 0;
	FAILS(divide(queue, &pair, &number, NULL), EDOM);
	CHECK(*count == 1);
	CHECK(!forget(queue, &none, &none, NULL) && *count == 0);

	number.n = 100;
	CHECK(!give_call(queue, &number, &number, &call, NULL));
	CHECK(number.n == 7 && call.reply.slice_count == 1);
	CHECK(slice.length == 100 && ipcdev_buffer_size(slice.fd) == PAGE);
	close(slice.fd);
	/* Without room for the slice it is dropped. */
	CHECK(!give(queue, &number, &number, NULL) && number.n == 7);
	number.n = 0;
	FAILS(give(queue, &number, &number, NULL), EINVAL);

	FAILS(add_one(queue, &number, &number, NULL), EBADMSG);
	FAILS(add_short(queue, &pair, &none, NULL), EPROTO);
	FAILS(add_long(queue, &pair, &pair, NULL), EPROTO);
	FAILS(unknown(queue, &pair, &number, NULL), EOPNOTSUPP);
	FAILS(huge(queue, &number, &big, NULL), EMSGSIZE);
	CHECK(!add(queue, &pair, &number, NULL) && number.n == 40);
}

void test_service(void)
{
	int queue = ipcdev_queue_create(NULL), count = 0;
	struct ipcdev_server_attr attr = {
		.handler = handle,
		.data = &count,
		.reply_max = 64,
	};
	struct ipcdev_server *server = ipcdev_server_create(queue, &attr);
	pthread_t runner;

	CHECK(!pthread_create(&runner, NULL, run, server));
	check_calls(queue, &count);
	ipcdev_server_stop(server);
	pthread_join(runner, NULL);
	ipcdev_server_destroy(server);
	close(queue);
}
