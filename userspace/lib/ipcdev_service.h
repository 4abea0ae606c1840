/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Services with typed requests and replies, over calls and servers of libipcdev.
 * Clients may be C or C++.
 */
#ifndef _IPCDEV_SERVICE_H
#define _IPCDEV_SERVICE_H

#include <errno.h>
#include <string.h>

#include <ipcdev.h>

/**
 * struct ipcdev_none - a request or a reply that says nothing
 * @zero: zero; a structure without members has another size in C++
 */
struct ipcdev_none {
	uint8_t zero;
};

/**
 * ipcdev_service_call() - what the client's functions of IPCDEV_OPERATION() do
 * @queue: a queue
 * @number: the operation's
 * @request: the request
 * @len: its bytes
 * @reply: where to put the reply
 * @size: its bytes
 * @call: what goes and may come along; NULL for nothing
 * @deadline: when to give up, or NULL
 */
static inline int ipcdev_service_call(int queue, uint64_t number,
				      const void *request, uint32_t len,
				      void *reply, uint32_t size,
				      struct ipcdev_call *call,
				      const struct ipcdev_deadline *deadline)
{
	struct ipcdev_call plain;

	if (!call) {
		memset(&plain, 0, sizeof(plain));
		plain.reply.flags = IPCDEV_MSG_DROP_FDS;
		call = &plain;
	}
	call->request.tag = number;
	call->request.data = ipcdev_ptr(request);
	call->request.len = len;
	call->request.iov_count = 0;
	call->reply.data = ipcdev_ptr(reply);
	call->reply.len = size;
	call->reply.iov_count = 0;

	if (ipcdev_call_msg(queue, call, deadline)) {
		if (errno == EMSGSIZE && call->reply.len > size)
			errno = EPROTO;
		return -1;
	}
	if (!call->reply.error && call->reply.len == size)
		return 0;
	errno = call->reply.error ? (int)call->reply.error : EPROTO;
	return -1;
}

/**
 * ipcdev_service_check() - what the server's functions of IPCDEV_OPERATION() do
 * @request: a request
 * @len: bytes that it must have
 * @size: bytes of its reply, which are zeroed
 *
 * Return: 0 or a negative errno, as a handler.
 */
static inline int ipcdev_service_check(struct ipcdev_request *request,
				       size_t len, size_t size)
{
	if (request->len != len)
		return -EBADMSG;
	if (request->reply_max < size)
		return -EMSGSIZE;
	memset(request->reply, 0, size);
	request->reply_len = size;
	return 0;
}

/**
 * IPCDEV_OPERATION() - declare an operation of a service
 * @name: its name
 * @number: which of the service's operations it is: the tag of its messages
 * @in: type of its requests
 * @out: type of its replies
 *
 * Both sides use this, at best in a header that they share. A client then has
 * the functions NAME() and, for descriptors and slices, NAME_call():
 *
 *	int NAME(int queue, const IN *request, OUT *reply,
 *		 const struct ipcdev_deadline *deadline);
 *	int NAME_call(int queue, const IN *request, OUT *reply,
 *		      struct ipcdev_call *call,
 *		      const struct ipcdev_deadline *deadline);
 *
 * A server's handler finds NAME_number in the tag, and then has NAME_serve() check
 * the request and call a handler that knows the types:
 *
 *	int NAME_serve(struct ipcdev_request *request, NAME_handler handler,
 *		       void *data);
 *	typedef int (*NAME_handler)(const IN *in, OUT *out,
 *				    struct ipcdev_request *request,
 *				    void *data);
 *
 * The types must not hold pointers. Ends with a semicolon.
 */
#define IPCDEV_OPERATION(name, number, in, out)				\
enum { name##_number = (number) };					\
									\
typedef int (*name##_handler)(const __typeof__(in) (*request),		\
			      __typeof__(out) (*reply),			\
			      struct ipcdev_request *raw, void *data);	\
									\
__attribute__((unused)) static inline					\
int name##_call(int queue, const __typeof__(in) (*request),		\
		__typeof__(out) (*reply), struct ipcdev_call *call,	\
		const struct ipcdev_deadline *deadline)			\
{									\
	return ipcdev_service_call(queue, name##_number, request,	\
				   sizeof(*request), reply,		\
				   sizeof(*reply), call, deadline);	\
}									\
									\
__attribute__((unused)) static inline					\
int name(int queue, const __typeof__(in) (*request),			\
	 __typeof__(out) (*reply),					\
	 const struct ipcdev_deadline *deadline)			\
{									\
	return name##_call(queue, request, reply, NULL, deadline);	\
}									\
									\
__attribute__((unused)) static inline					\
int name##_serve(struct ipcdev_request *request, name##_handler handler, \
		 void *data)						\
{									\
	int err = ipcdev_service_check(request, sizeof(in), sizeof(out)); \
									\
	if (err)							\
		return err;						\
	return handler((const __typeof__(in) *)request->data,		\
		       (__typeof__(out) *)request->reply, request, data); \
}									\
									\
struct ipcdev_none

#endif /* _IPCDEV_SERVICE_H */
