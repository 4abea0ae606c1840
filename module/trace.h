/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: what a person who asks "where did my message go" wants to see.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ipcdev

#if !defined(IPCDEV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IPCDEV_TRACE_H

#include <linux/tracepoint.h>

#include "engine.h"
#include "ipcdev.h"
#include "message.h"

TRACE_DEFINE_ENUM(IPCDEV_TYPE_BUFFER);
TRACE_DEFINE_ENUM(IPCDEV_TYPE_QUEUE);
TRACE_DEFINE_ENUM(IPCDEV_TYPE_RING);
TRACE_DEFINE_ENUM(IPCDEV_TYPE_ENGINE);

DECLARE_EVENT_CLASS(ipcdev_object,
		    TP_PROTO(const struct ipcdev_object *obj),
		    TP_ARGS(obj),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(u32, type)
				     __field(u32, readers)
				     __field(u32, writers)
		    ),
		    TP_fast_assign(__entry->id = obj->id;
				   __entry->type = obj->ops->type;
				   __entry->readers = obj->readers;
				   __entry->writers = obj->writers;
		    ),
		    TP_printk("id=%llu type=%s readers=%u writers=%u", __entry->id,
			      __print_symbolic(__entry->type,
					       { IPCDEV_TYPE_BUFFER, "buffer" },
					       { IPCDEV_TYPE_QUEUE, "queue" },
					       { IPCDEV_TYPE_RING, "ring" },
					       { IPCDEV_TYPE_ENGINE, "engine" }),
			      __entry->readers, __entry->writers)
);

#define IPCDEV_OBJECT_EVENT(name)					\
	DEFINE_EVENT(ipcdev_object, ipcdev_##name,			\
		     TP_PROTO(const struct ipcdev_object *obj),		\
		     TP_ARGS(obj))

IPCDEV_OBJECT_EVENT(create);
IPCDEV_OBJECT_EVENT(destroy);
IPCDEV_OBJECT_EVENT(publish);
IPCDEV_OBJECT_EVENT(vanish);
IPCDEV_OBJECT_EVENT(seal);

DECLARE_EVENT_CLASS(ipcdev_value,
		    TP_PROTO(const struct ipcdev_object *obj, u32 value),
		    TP_ARGS(obj, value),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(u32, value)
		    ),
		    TP_fast_assign(__entry->id = obj->id;
				   __entry->value = value;
		    ),
		    TP_printk("id=%llu value=%#x", __entry->id, __entry->value)
);

#define IPCDEV_VALUE_EVENT(name)					\
	DEFINE_EVENT(ipcdev_value, ipcdev_##name,			\
		     TP_PROTO(const struct ipcdev_object *obj, u32 value), \
		     TP_ARGS(obj, value))

/* The value: of open and release the handle's rights, of notify poll events. */
IPCDEV_VALUE_EVENT(open);
IPCDEV_VALUE_EVENT(release);
IPCDEV_VALUE_EVENT(notify);

DECLARE_EVENT_CLASS(ipcdev_message,
		    TP_PROTO(const struct ipcdev_object *obj, const struct ipcdev_message *msg),
		    TP_ARGS(obj, msg),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(u64, seq)
				     __field(u64, tag)
				     __field(u32, prio)
				     __field(u32, len)
		    ),
		    TP_fast_assign(__entry->id = obj->id;
				   __entry->seq = msg->seq;
				   __entry->tag = msg->tag;
				   __entry->prio = ipcdev_message_prio(msg);
				   __entry->len = msg->len;
		    ),
		    TP_printk("id=%llu seq=%llu prio=%u len=%u tag=%#llx", __entry->id,
			      __entry->seq, __entry->prio, __entry->len, __entry->tag)
);

#define IPCDEV_MESSAGE_EVENT(name)					\
	DEFINE_EVENT(ipcdev_message, ipcdev_##name,			\
		     TP_PROTO(const struct ipcdev_object *obj,		\
			      const struct ipcdev_message *msg),	\
		     TP_ARGS(obj, msg))

IPCDEV_MESSAGE_EVENT(send);
IPCDEV_MESSAGE_EVENT(receive);
IPCDEV_MESSAGE_EVENT(return);
IPCDEV_MESSAGE_EVENT(drop);
IPCDEV_MESSAGE_EVENT(reply);

DECLARE_EVENT_CLASS(ipcdev_sleep,
		    TP_PROTO(const struct ipcdev_object *obj, bool sender, int result),
		    TP_ARGS(obj, sender, result),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(bool, sender)
				     __field(int, result)
		    ),
		    TP_fast_assign(__entry->id = obj->id;
				   __entry->sender = sender;
				   __entry->result = result;
		    ),
		    TP_printk("id=%llu %s result=%d", __entry->id,
			      __entry->sender ? "sender" : "receiver", __entry->result)
);

#define IPCDEV_SLEEP_EVENT(name)					\
	DEFINE_EVENT(ipcdev_sleep, ipcdev_##name,			\
		     TP_PROTO(const struct ipcdev_object *obj, bool sender, int result), \
		     TP_ARGS(obj, sender, result))

IPCDEV_SLEEP_EVENT(sleep);
IPCDEV_SLEEP_EVENT(wake);

DECLARE_EVENT_CLASS(ipcdev_job,
		    TP_PROTO(const struct ipcdev_object *obj, const struct ipcdev_job *job,
			     s64 result),
		    TP_ARGS(obj, job, result),
		    TP_STRUCT__entry(__field(u64, id)
				     __field(u64, user_data)
				     __field(u32, op)
				     __field(s64, result)
		    ),
		    TP_fast_assign(__entry->id = obj->id;
				   __entry->user_data = job->user_data;
				   __entry->op = job->op;
				   __entry->result = result;
		    ),
		    TP_printk("id=%llu op=%s user_data=%#llx result=%lld", __entry->id,
			      __print_symbolic(__entry->op,
					       { IPCDEV_OP_NOP, "nop" },
					       { IPCDEV_OP_TIMER, "timer" },
					       { IPCDEV_OP_COPY, "copy" },
					       { IPCDEV_OP_FILL, "fill" },
					       { IPCDEV_OP_CRC32, "crc32" },
					       { IPCDEV_OP_FACTORIAL, "factorial" }),
			      __entry->user_data, __entry->result)
);

#define IPCDEV_JOB_EVENT(name)						\
	DEFINE_EVENT(ipcdev_job, ipcdev_##name,				\
		     TP_PROTO(const struct ipcdev_object *obj,		\
			      const struct ipcdev_job *job, s64 result), \
		     TP_ARGS(obj, job, result))

IPCDEV_JOB_EVENT(submit);
IPCDEV_JOB_EVENT(complete);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
