/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ipcdev: buffers, queues, rings and engines behind one character device.
 *
 * Every structure below grows at its end only. The size in the ioctl number is
 * the size of the caller's structure: what an old program does not know reads
 * as zero, and a new program's extra fields are accepted by an old module as
 * long as they are zero (E2BIG otherwise). All pointers are 64 bits wide and
 * all 64-bit fields are 64-bit aligned, so that 32-bit and 64-bit programs
 * share one layout. Unknown flags and non-zero reserved fields are EINVAL.
 */
#ifndef _UAPI_LINUX_IPCDEV_H
#define _UAPI_LINUX_IPCDEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IPCDEV_DEVICE		"/dev/ipcdev"
#define IPCDEV_FS_NAME		"ipcdevfs"
#define IPCDEV_VERSION		1

/* Limits that are part of the interface and that no parameter changes. */
#define IPCDEV_PRIO_MAX		32767	/* highest message priority */
#define IPCDEV_FDS_MAX		16	/* descriptors in one message */
#define IPCDEV_SLICES_MAX	16	/* slices in one message */
#define IPCDEV_IOV_MAX		1024	/* pieces that one payload is made of */
#define IPCDEV_WATCHES_MAX	64	/* eventfds attached to one object */
#define IPCDEV_NAME_MAX		256	/* bytes of a name, its final NUL too */
#define IPCDEV_BACKEND_NAME_MAX	64	/* bytes of a back end's name, its NUL too */
#define IPCDEV_HISTOGRAM	32	/* classes in a histogram of times */

/**
 * enum ipcdev_type - what an object is
 * @IPCDEV_TYPE_BUFFER: shared memory
 * @IPCDEV_TYPE_QUEUE: message queue
 * @IPCDEV_TYPE_RING: records from one producer to one consumer
 * @IPCDEV_TYPE_ENGINE: requests, and a ring of their completions
 */
enum ipcdev_type {
	IPCDEV_TYPE_BUFFER	= 1,
	IPCDEV_TYPE_QUEUE	= 2,
	IPCDEV_TYPE_RING	= 3,
	IPCDEV_TYPE_ENGINE	= 4,
};

/*
 * What a handle may do. READ and WRITE are those of the open file; PUBLISH
 * comes with creation and lets the holder give the object a name, under which
 * others open it with the rights that the name's mode gives them.
 */
#define IPCDEV_RIGHT_READ	0x1
#define IPCDEV_RIGHT_WRITE	0x2
#define IPCDEV_RIGHT_PUBLISH	0x4

/*
 * Flags of calls that may sleep. A deadline is absolute, in nanoseconds of the
 * clock that the flag names, as the caller's time namespace shows that clock.
 */
#define IPCDEV_NONBLOCK		0x1	/* EAGAIN instead of sleeping */
#define IPCDEV_DEADLINE_MONOTONIC 0x2	/* ETIMEDOUT past deadline_ns */
#define IPCDEV_DEADLINE_REALTIME  0x4	/* the same on CLOCK_REALTIME */
#define IPCDEV_PEEK		0x8	/* RECV: do not take. REPLY: do not answer */

/**
 * struct ipcdev_info - the module's limits and what the caller has used
 * @version: IPCDEV_VERSION of the module
 * @max_batch: messages, or requests, in one batch
 * @max_depth: messages in one queue, or requests in one engine
 * @max_msg_size: bytes in one message
 * @max_objects: objects for each user
 * @max_eventfds: attached eventfds for each user
 * @max_bytes: bytes of buffers, rings, engines and queues' capacity for each user
 * @objects: objects charged to the caller now
 * @bytes: bytes charged to the caller now
 * @eventfds: eventfds charged to the caller now
 * @inflight: the caller's descriptors and slices that are in queued messages now
 * @names: files and directories in ipcdevfs charged to the caller now
 * @max_names: files and directories in ipcdevfs for each user
 * @reserved: zero
 *
 * &IPCDEV_IOC_INFO, on the device. All fields are results.
 */
struct ipcdev_info {
	__u32 version;
	__u32 max_batch;
	__u32 max_depth;
	__u32 max_msg_size;
	__u32 max_objects;
	__u32 max_eventfds;
	__aligned_u64 max_bytes;
	__aligned_u64 objects;
	__aligned_u64 bytes;
	__aligned_u64 eventfds;
	__aligned_u64 inflight;
	__aligned_u64 names;
	__u32 max_names;
	__u32 reserved;
};

/**
 * struct ipcdev_create_buffer - make a buffer
 * @size: bytes, 1 or more; rounded up to whole pages
 * @flags: zero
 * @rights: IPCDEV_RIGHT_* of the handle that is returned; 0 for all. WRITE
 *	implies READ, as mmap(2) demands
 *
 * &IPCDEV_IOC_CREATE_BUFFER, on the device; returns the handle's descriptor.
 * The memory is there, zeroed and charged when the call returns.
 */
struct ipcdev_create_buffer {
	__aligned_u64 size;
	__u32 flags;
	__u32 rights;
};

/* Flags of a queue. */
#define IPCDEV_QUEUE_NONBLOCK	0x1	/* the new handle is O_NONBLOCK */
#define IPCDEV_QUEUE_DROP_OLDEST 0x2	/* a full queue drops its oldest */
#define IPCDEV_QUEUE_CREDS	0x4	/* messages carry pid, uid, gid */
#define IPCDEV_QUEUE_TIME	0x8	/* messages carry a time stamp */
#define IPCDEV_QUEUE_BROADCAST	0x10	/* every receiver gets every message */
#define IPCDEV_QUEUE_SCHED	0x20	/* real-time senders come first */

/**
 * struct ipcdev_create_queue - make a message queue
 * @flags: IPCDEV_QUEUE_*
 * @rights: IPCDEV_RIGHT_* of the handle that is returned; 0 for all. A server
 *	that asks for READ only sees its first client come and its last one go
 * @depth: messages that it holds at most; 0 for 64
 * @msg_max: bytes in its largest message; 0 for 8192
 * @bytes_max: bytes of payload that it holds at most, charged to the creator;
 *	0 for @depth * @msg_max or 16 MiB, whichever is less, but at least
 *	@msg_max. Less than @msg_max is EINVAL
 * @history: with IPCDEV_QUEUE_BROADCAST: messages that are kept for receivers to
 *	come, as far as @bytes_max allows; else zero
 * @reserved: zero
 *
 * &IPCDEV_IOC_CREATE_QUEUE, on the device; returns the handle's descriptor.
 *
 * With IPCDEV_QUEUE_BROADCAST each handle with IPCDEV_RIGHT_READ receives each
 * message that is sent while it is open, in the order of sending, which is the
 * same for all; priorities (EINVAL) and calls (EOPNOTSUPP) do not go with it. The
 * payload is stored once. @depth is then for each handle: how many messages it
 * may be behind. When one is that far behind, senders wait for it; with
 * IPCDEV_QUEUE_DROP_OLDEST it loses its oldest message instead, and only it does.
 * When @bytes_max is used up, it is those furthest behind that this happens to.
 * Without a receiver a message is sent all the same. The handle that the creation
 * returns receives nothing until it asks to (&IPCDEV_IOC_SUBSCRIBE).
 */
struct ipcdev_create_queue {
	__u32 flags;
	__u32 rights;
	__u32 depth;
	__u32 msg_max;
	__aligned_u64 bytes_max;
	__u32 history;
	__u32 reserved;
};

/* State of an object, in struct ipcdev_stat. */
#define IPCDEV_STAT_PUBLISHED	0x1	/* has a name */
#define IPCDEV_STAT_PERSISTENT	0x2	/* outlives its handles */
#define IPCDEV_STAT_SEALED	0x4	/* buffer: nobody can write */
#define IPCDEV_STAT_DROP_OLDEST	0x8	/* queue: overflow policy */
#define IPCDEV_STAT_CREDS	0x10	/* queue: IPCDEV_QUEUE_CREDS */
#define IPCDEV_STAT_TIME	0x20	/* queue: IPCDEV_QUEUE_TIME */
#define IPCDEV_STAT_BROADCAST	0x40	/* queue: IPCDEV_QUEUE_BROADCAST */
#define IPCDEV_STAT_SUBSCRIBED	0x80	/* and the handle asked receives */
#define IPCDEV_STAT_SCHED	0x100	/* queue: IPCDEV_QUEUE_SCHED */
#define IPCDEV_STAT_TAKEOVER	0x200	/* ring: IPCDEV_RING_TAKEOVER */

/**
 * struct ipcdev_stat - what an object is and what has happened to it
 * @id: unique since the module was loaded; a slice names its buffer so
 * @type: enum ipcdev_type
 * @flags: IPCDEV_STAT_*
 * @uid: its creator, as the caller's user namespace sees it
 * @gid: likewise
 * @rights: IPCDEV_RIGHT_* of the handle asked; 0 in a listing
 * @readers: open files that may read; ring and engine: consumers, 0 or 1
 * @writers: open files that may write; ring: producers, 0 or 1; engine: 1 until its
 *	back end is gone
 * @watches: attached eventfds
 * @depth: queue: messages at most; broadcast: for each receiver; engine: requests
 * @msg_max: queue: bytes in the largest message
 * @size: buffer: its bytes; queue: bytes of payload at most; ring: bytes of its data
 * @queued: queue: messages that it holds now; engine: requests in flight
 * @receivers: callers now asleep for a message, or in a ring for records
 * @senders: callers now asleep for room
 * @calls: queue: calls received and not answered yet
 * @queued_bytes: queue: bytes of payload that it holds now; ring: bytes between the
 *	two indices, as far as these can be true
 * @created_ns: CLOCK_REALTIME of its creation
 * @sent: queue: messages accepted; engine: requests submitted
 * @sent_bytes: queue: their payload
 * @received: queue: messages delivered; engine: requests that have ended
 * @received_bytes: queue: their payload
 * @dropped: queue: messages that IPCDEV_QUEUE_DROP_OLDEST dropped; broadcast: the
 *	sum of what all receivers lost, and @received of what they received
 * @returned: queue: messages put back by receivers that failed to take them
 * @send_waits: times that a sender, or a producer, slept
 * @recv_waits: times that a receiver, or a consumer, slept
 * @wakeups: sleepers woken: senders, receivers and rounds of pollers
 * @history: broadcast: messages kept for receivers to come
 * @unread: broadcast: messages that the handle asked has not received yet; 0 in
 *	a listing
 * @name: its path from the root of its ipcdevfs, or an empty string
 *
 * &IPCDEV_IOC_STAT, on any handle. All fields are results.
 */
struct ipcdev_stat {
	__aligned_u64 id;
	__u32 type;
	__u32 flags;
	__u32 uid;
	__u32 gid;
	__u32 rights;
	__u32 readers;
	__u32 writers;
	__u32 watches;
	__u32 depth;
	__u32 msg_max;
	__aligned_u64 size;
	__u32 queued;
	__u32 receivers;
	__u32 senders;
	__u32 calls;
	__aligned_u64 queued_bytes;
	__aligned_u64 created_ns;
	__aligned_u64 sent;
	__aligned_u64 sent_bytes;
	__aligned_u64 received;
	__aligned_u64 received_bytes;
	__aligned_u64 dropped;
	__aligned_u64 returned;
	__aligned_u64 send_waits;
	__aligned_u64 recv_waits;
	__aligned_u64 wakeups;
	__u32 history;
	__u32 unread;
	char name[IPCDEV_NAME_MAX];
};

/**
 * struct ipcdev_list - walk the live objects
 * @after: only objects with a greater id; 0 to start
 * @stats: where to put an array of struct ipcdev_stat
 * @count: entries that fit there
 * @stat_size: the size of one entry in bytes, as the caller knows it
 *
 * &IPCDEV_IOC_LIST, on the device; returns the entries written, in order of
 * their ids, 0 at the end. Shows the caller's own objects, and with
 * CAP_IPC_OWNER those of every user that its user namespace knows.
 */
struct ipcdev_list {
	__aligned_u64 after;
	__aligned_u64 stats;
	__u32 count;
	__u32 stat_size;
};

/**
 * struct ipcdev_dup - make another handle, with the same rights or fewer
 * @rights: IPCDEV_RIGHT_*, at least READ or WRITE; EACCES if the handle
 *	lacks one
 * @flags: IPCDEV_NONBLOCK to make the new handle O_NONBLOCK
 *
 * &IPCDEV_IOC_DUP, on any handle; returns the new descriptor. Unlike dup(2) it
 * makes a new open file, which counts as a peer of its own; unlike a handle
 * that was opened by name it cannot be opened anew through /proc/self/fd.
 */
struct ipcdev_dup {
	__u32 rights;
	__u32 flags;
};

#define IPCDEV_PUBLISH_PERSISTENT 0x1	/* stay until removed */

/**
 * struct ipcdev_publish - give an object a name
 * @name_fd: an open file (O_PATH will do) of the empty ipcdevfs file that
 *	shall name the object; the caller must own that file
 * @flags: IPCDEV_PUBLISH_PERSISTENT
 *
 * &IPCDEV_IOC_PUBLISH, on a handle with IPCDEV_RIGHT_PUBLISH. EEXIST if the
 * file names an object already, EBUSY if the object has a name already, or shall be
 * persistent and cannot: a queue that holds descriptors or slices, a ring without
 * IPCDEV_RING_TAKEOVER, an engine.
 */
struct ipcdev_publish {
	__s32 name_fd;
	__u32 flags;
};

/* Conditions that an eventfd may be attached for. */
#define IPCDEV_EVENT_READABLE	0x1	/* a message or record came; a buffer was sealed */
#define IPCDEV_EVENT_WRITABLE	0x2	/* a queue or ring has room again */
#define IPCDEV_EVENT_HANGUP	0x4	/* the last peer went away */

#define IPCDEV_ATTACH_ONESHOT	0x1	/* detach after the first event */

/**
 * struct ipcdev_attach - have an eventfd signalled
 * @eventfd: the eventfd; it gains 1 for each event, and 1 at once if a
 *	condition holds already. On a ring the other side may cause more: by signalling
 *	for no reason, and once by leaving, of what it had told before
 * @events: IPCDEV_EVENT_*; READABLE asks for the right READ, WRITABLE for WRITE
 * @flags: IPCDEV_ATTACH_ONESHOT
 * @reserved: zero
 *
 * &IPCDEV_IOC_ATTACH, on any handle. EEXIST if that eventfd is attached to
 * this handle already, ENOSPC past IPCDEV_WATCHES_MAX for an object, EDQUOT
 * past the user's limit. Ends with &IPCDEV_IOC_DETACH or with the handle.
 */
struct ipcdev_attach {
	__s32 eventfd;
	__u32 events;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct ipcdev_detach - no longer have an eventfd signalled
 * @eventfd: an eventfd that was attached to this handle; ENOENT if not
 * @reserved: zero
 *
 * &IPCDEV_IOC_DETACH. A one-shot attachment that has fired is gone: ENOENT.
 */
struct ipcdev_detach {
	__s32 eventfd;
	__u32 reserved;
};

/**
 * struct ipcdev_wait - sleep for a peer, or until an engine has nothing to do
 * @flags: IPCDEV_NONBLOCK or one of IPCDEV_DEADLINE_*
 * @reserved: zero
 * @deadline_ns: when to give up
 *
 * &IPCDEV_IOC_WAIT_PEER, on any handle: returns when another open file of the
 * object can write (if this one reads) or read (if this one writes).
 *
 * &IPCDEV_IOC_DRAIN, on an engine's handle with IPCDEV_RIGHT_WRITE: returns when no
 * request is in flight, those of others and TIMERs with a period among them.
 */
struct ipcdev_wait {
	__u32 flags;
	__u32 reserved;
	__aligned_u64 deadline_ns;
};

/**
 * struct ipcdev_seal - forbid writing to a buffer for good
 * @flags: zero
 * @reserved: zero
 *
 * &IPCDEV_IOC_SEAL, on a buffer's handle with IPCDEV_RIGHT_WRITE. EBUSY while
 * a mapping made through a writing handle exists, a page is pinned or an engine
 * writes to it. Sealing a sealed buffer succeeds.
 */
struct ipcdev_seal {
	__u32 flags;
	__u32 reserved;
};

/**
 * struct ipcdev_iovec - a piece of a payload
 * @base: its address
 * @len: its bytes
 */
struct ipcdev_iovec {
	__aligned_u64 base;
	__aligned_u64 len;
};

/**
 * struct ipcdev_slice - a part of a buffer, travelling in a message
 * @fd: sent: the buffer; received: a new descriptor of it, or -1 where
 *	IPCDEV_MSG_SLICE_IDS asked for none
 * @reserved: zero
 * @offset: where the slice begins, in bytes
 * @length: its bytes; the slice must lie inside the buffer
 * @buffer_id: sent: zero; received: the buffer's id in struct ipcdev_stat
 */
struct ipcdev_slice {
	__s32 fd;
	__u32 reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 buffer_id;
};

/* Flags of one message, said by the receiver. */
#define IPCDEV_MSG_DROP_FDS	0x1	/* drop what there is no room for */
#define IPCDEV_MSG_SLICE_IDS	0x2	/* slices by id, without new fds */

/* Flags of one message, told to the receiver. */
#define IPCDEV_MSG_CREDS	0x100	/* pid, uid and gid are valid */
#define IPCDEV_MSG_TIME		0x200	/* time_ns is valid */
#define IPCDEV_MSG_CALL		0x400	/* the sender sleeps for a reply */

/**
 * struct ipcdev_msg - a message
 * @data: its payload, or an array of struct ipcdev_iovec
 * @len: sent: bytes at @data (ignored with @iov_count); received: bytes that
 *	fit there, and then the bytes of the message
 * @iov_count: 0, or how many struct ipcdev_iovec lie at @data
 * @tag: 64 bits of the sender's choice
 * @flags: sent: zero; received: IPCDEV_MSG_*
 * @prio: 0 to IPCDEV_PRIO_MAX; the highest is received first. With
 *	IPCDEV_QUEUE_SCHED, of equal ones those of SCHED_DEADLINE threads come first,
 *	then those of real-time threads by their priority, then all others
 * @fds: array of __s32
 * @slices: array of struct ipcdev_slice
 * @fd_count: sent: descriptors at @fds; received: how many fit there, and then
 *	how many there are
 * @slice_count: likewise
 * @time_ns: received: CLOCK_MONOTONIC of the sending, if IPCDEV_MSG_TIME
 * @pid: received: the sender's process, if IPCDEV_MSG_CREDS; 0 if the
 *	receiver's namespace does not know it. A hint: pids are used again
 * @uid: received: the sender's effective user, if IPCDEV_MSG_CREDS
 * @gid: received: the sender's effective group, if IPCDEV_MSG_CREDS
 * @lost: received: messages dropped since the last one that was received; of a
 *	broadcast: by this handle
 * @token: received, if IPCDEV_MSG_CALL: what names the caller in a reply; 0 in
 *	a peek. Replied: the token of the call that this answers. Sent: zero
 * @error: replied: 0, or an errno from 1 to IPCDEV_ERROR_MAX in place of payload,
 *	descriptors and slices; received in a reply: the same. Else zero
 * @sched_policy: received, if IPCDEV_MSG_CALL: the caller's scheduling policy,
 *	as in sched_setscheduler(2)
 * @sched_prio: received, if IPCDEV_MSG_CALL: the caller's real-time priority, or
 *	its nice value if its policy has none
 *
 * Fields that only a receive fills must be zero when sending.
 *
 * A receive without room for the payload, the descriptors or the slices is
 * EMSGSIZE; @len, @fd_count and @slice_count then say what is needed and the
 * message stays. With IPCDEV_MSG_DROP_FDS it is received all the same: what has
 * no room, is past RLIMIT_NOFILE or is refused by a security module is released
 * with all behind it, and @fd_count and @slice_count say how many were delivered.
 */
struct ipcdev_msg {
	__aligned_u64 data;
	__u32 len;
	__u32 iov_count;
	__aligned_u64 tag;
	__u32 flags;
	__u32 prio;
	__aligned_u64 fds;
	__aligned_u64 slices;
	__u32 fd_count;
	__u32 slice_count;
	__aligned_u64 time_ns;
	__u32 pid;
	__u32 uid;
	__u32 gid;
	__u32 lost;
	__aligned_u64 token;
	__u32 error;
	__u16 sched_policy;
	__s16 sched_prio;
};

#define IPCDEV_ERROR_MAX	4095	/* greatest errno of a reply */

/*
 * The sizes of the first version. A receive with less would lose results: EINVAL.
 */
#define IPCDEV_MSG_SIZE_VER0		96
#define IPCDEV_TRANSFER_SIZE_VER0	112
#define IPCDEV_CALL_SIZE_VER0		208

/**
 * struct ipcdev_transfer - send or receive one message
 * @flags: IPCDEV_NONBLOCK, one of IPCDEV_DEADLINE_*; RECV: IPCDEV_PEEK
 * @position: with IPCDEV_PEEK: which message, 0 being the next; else zero
 * @deadline_ns: when to give up
 * @msg: the message; last, because it grows
 *
 * &IPCDEV_IOC_SEND and &IPCDEV_IOC_RECV, on a queue. A peek sees what is there:
 * it does not sleep (EAGAIN) and takes neither descriptors nor slices, whose
 * counts it tells.
 *
 * &IPCDEV_IOC_REPLY answers the call that @msg's token names, which must have been
 * received through this open file: ESRCH if its caller has given up, if it was
 * answered before, or if there never was such a call; EBUSY while another thread
 * is about to answer it. It does not sleep. With IPCDEV_PEEK it does not answer
 * but asks, with a token and nothing else: 0 if the caller waits, ESRCH if not;
 * and with a token of 0, for any call taken through this open file whose caller
 * has given up: its token is told, and forgotten; EAGAIN if there is none. Of all
 * servers of a queue together no more of these are remembered than its depth.
 * poll(2) shows EPOLLPRI while there is one.
 */
struct ipcdev_transfer {
	__u32 flags;
	__u32 position;
	__aligned_u64 deadline_ns;
	struct ipcdev_msg msg;
};

/**
 * struct ipcdev_batch - send or receive several messages
 * @flags: IPCDEV_NONBLOCK or one of IPCDEV_DEADLINE_*
 * @count: how many messages lie at @msgs
 * @deadline_ns: when to give up
 * @msgs: array of messages, each @msg_size bytes
 * @msg_size: the size of struct ipcdev_msg as the caller knows it
 * @reserved: zero
 *
 * &IPCDEV_IOC_SEND_BATCH sleeps until all are sent; &IPCDEV_IOC_RECV_BATCH
 * sleeps for the first and takes what else is there. Both return how many were
 * done; an error only if none was.
 */
struct ipcdev_batch {
	__u32 flags;
	__u32 count;
	__aligned_u64 deadline_ns;
	__aligned_u64 msgs;
	__u32 msg_size;
	__u32 reserved;
};

/**
 * struct ipcdev_call - a request and its reply
 * @flags: IPCDEV_NONBLOCK or one of IPCDEV_DEADLINE_*
 * @reserved: zero
 * @deadline_ns: when to give up
 * @request: CALL: sent; REPLY_RECV: received
 * @reply: CALL: received; REPLY_RECV: sent
 *
 * &IPCDEV_IOC_CALL, on a queue's handle with IPCDEV_RIGHT_WRITE: send a request
 * and sleep until it is answered. IPCDEV_NONBLOCK (EAGAIN) is about room for the
 * request only. A call that has been received no longer counts against the
 * queue's limits. A reply without room in @reply is lost: EMSGSIZE, and @reply
 * says what is needed. EPIPE if the server went away or dropped the call; a
 * signal is EINTR once a server has taken it, and else restarts the call.
 *
 * &IPCDEV_IOC_REPLY_RECV, on a handle with IPCDEV_RIGHT_READ: answer @reply's
 * token, unless that is 0, and receive the next message. @reply's token is set to
 * 0 in the caller's memory once it is answered, so that to repeat the ioctl is
 * only to receive. That the caller has given up is no error here: @reply's error
 * is then set to ESRCH, and else to 0.
 *
 * The two messages have the same size, and the size of this structure tells it.
 */
struct ipcdev_call {
	__u32 flags;
	__u32 reserved;
	__aligned_u64 deadline_ns;
	struct ipcdev_msg request;
	struct ipcdev_msg reply;
};

#define IPCDEV_SUBSCRIBE_OFF	0x1	/* receive nothing any more */

/**
 * struct ipcdev_subscribe - what a handle receives of a broadcast
 * @flags: IPCDEV_SUBSCRIBE_OFF, with all else zero
 * @history: how many of the last messages to begin with
 * @backlog: how many messages this handle may be behind, at most the queue's
 *	depth; 0 for that
 * @reserved: zero
 *
 * &IPCDEV_IOC_SUBSCRIBE, on a broadcast queue's handle with IPCDEV_RIGHT_READ
 * (EOPNOTSUPP on other queues). What the handle has not received is forgotten;
 * from now on it receives the last @history messages that there are, at most its
 * backlog of them, and every one that is sent. Returns how many there are. Each
 * handle with that right is subscribed when it is opened, as if with zeros,
 * except for the one that the creation returns. A receive through a handle that
 * is not subscribed is ENOTCONN.
 */
struct ipcdev_subscribe {
	__u32 flags;
	__u32 history;
	__u32 backlog;
	__u32 reserved;
};

#define IPCDEV_RING_TAKEOVER	0x1	/* an end that was left may be taken again */

/**
 * struct ipcdev_create_ring - make a ring
 * @size: bytes of data, 1 to IPCDEV_RING_SIZE_MAX; rounded up to a power of two, and
 *	to a page. A record is at most half as long
 * @flags: IPCDEV_RING_TAKEOVER
 * @rights: IPCDEV_RIGHT_* of the handle that is returned; 0 for all
 *
 * &IPCDEV_IOC_CREATE_RING, on the device; returns the handle's descriptor. The
 * memory is there, zeroed and charged when the call returns.
 *
 * A ring carries records from one producer to one consumer through memory that
 * both map. A handle is not yet either of them: its right READ is that of becoming
 * the consumer, and WRITE the producer, with &IPCDEV_IOC_RING_TAKE. These are the
 * ring's *ends*, and only they count as @readers and @writers. Without
 * IPCDEV_RING_TAKEOVER each can be taken once; a ring that has been published as
 * persistent must have it (EBUSY).
 */
struct ipcdev_create_ring {
	__aligned_u64 size;
	__u32 flags;
	__u32 rights;
};

#define IPCDEV_RING_SIZE_MAX	0x40000000

/**
 * struct ipcdev_ring_take - become a ring's consumer or producer
 * @role: IPCDEV_RIGHT_READ to consume or IPCDEV_RIGHT_WRITE to produce; EACCES if
 *	the handle lacks it
 * @flags: IPCDEV_NONBLOCK to make the end O_NONBLOCK
 *
 * &IPCDEV_IOC_RING_TAKE, on a ring's handle; returns the descriptor of the end, an
 * open file that can be mapped. EBUSY while somebody has that end. It is left when
 * the last descriptor and mapping of that file are gone; fork(2) does not copy its
 * mappings. EPIPE if it has been left, and the ring lacks IPCDEV_RING_TAKEOVER.
 * With it, who takes an end finds its index where the predecessor left it: records
 * that were not released are seen again, and none that was not committed.
 *
 * poll(2) shows a consumer EPOLLIN while the indices differ, and EPOLLHUP once the
 * producer has left; a producer EPOLLOUT while a record of any length has room, and
 * EPOLLERR once the consumer has left.
 */
struct ipcdev_ring_take {
	__u32 role;
	__u32 flags;
};

#define IPCDEV_RING_SIGNAL	0x10	/* do as IPCDEV_IOC_RING_SIGNAL first */

/**
 * struct ipcdev_ring_wait - sleep until the other side has come far enough
 * @flags: IPCDEV_NONBLOCK, one of IPCDEV_DEADLINE_*, IPCDEV_RING_SIGNAL
 * @index: the value that the other side's index shall reach: what is at most 2^31
 *	before it has not reached it
 * @deadline_ns: when to give up
 * @signal_fd: with IPCDEV_RING_SIGNAL: an end, of this ring or of another, whose
 *	other side is to be woken first; else zero
 * @reserved: zero
 *
 * &IPCDEV_IOC_RING_WAIT, on an end: 0 once the index has been reached, even if it is
 * so no more; EPIPE if the other side has left and the index has not been reached;
 * EBUSY while another thread sleeps for the same end. A call that a signal interrupts
 * is restarted, and then signals again, which is harmless.
 */
struct ipcdev_ring_wait {
	__u32 flags;
	__u32 index;
	__aligned_u64 deadline_ns;
	__s32 signal_fd;
	__u32 reserved;
};

/**
 * struct ipcdev_ring_signal - wake the other side
 * @flags: zero
 * @reserved: zero
 *
 * &IPCDEV_IOC_RING_SIGNAL, on an end: ends the sleep of the other side, if it is for
 * what this side's index has reached, and tells those who watch it; of an engine, those
 * who wait for room look again in any case. Only needed when the other side's &struct
 * ipcdev_ring_side says so. Returns how many sleepers it has woken, 0 or 1.
 */
struct ipcdev_ring_signal {
	__u32 flags;
	__u32 reserved;
};

/*
 * A ring's memory: where its areas begin in the file of an end, for mmap(2). Those
 * before the data are one page each. The data may be mapped once, or twice in a row:
 * behind its end then comes its beginning, and no record is ever in two pieces.
 */
#define IPCDEV_RING_HEADER_OFFSET	0x00000	/* both: read-only */
#define IPCDEV_RING_CONSUMER_OFFSET	0x10000	/* the producer: read-only */
#define IPCDEV_RING_PRODUCER_OFFSET	0x20000	/* the consumer: read-only */
#define IPCDEV_RING_DATA_OFFSET		0x30000	/* the consumer: read-only */

#define IPCDEV_RING_MAGIC	0x676e6972	/* "ring" */
#define IPCDEV_RING_VERSION	1

/* What the kernel says of a side. */
#define IPCDEV_RING_SLEEPING	0x1	/* it sleeps until wake_at is reached */
#define IPCDEV_RING_WATCHED	0x2	/* somebody polls, or has attached an eventfd */
#define IPCDEV_RING_GONE	0x4	/* it has left, for good or until it is taken over */

/**
 * struct ipcdev_ring_side - what the kernel says of one side
 * @state: IPCDEV_RING_SLEEPING and so on
 * @wake_at: with IPCDEV_RING_SLEEPING: the value of the other side's index
 * @reserved: zero
 */
struct ipcdev_ring_side {
	__u32 state;
	__u32 wake_at;
	__u32 reserved[14];
};

/**
 * struct ipcdev_ring_header - the first page, which only the kernel writes
 * @magic: IPCDEV_RING_MAGIC
 * @version: IPCDEV_RING_VERSION; another one is another layout
 * @size: bytes of data, a power of two
 * @record_max: bytes in the longest record: half of @size
 * @flags: IPCDEV_RING_* of its creation
 * @reserved: zero
 * @consumer: for the producer to read
 * @producer: for the consumer to read
 */
struct ipcdev_ring_header {
	__u32 magic;
	__u32 version;
	__u32 size;
	__u32 record_max;
	__u32 flags;
	__u32 reserved[11];
	struct ipcdev_ring_side consumer;
	struct ipcdev_ring_side producer;
};

/**
 * struct ipcdev_ring_index - the page of a side, which only that side writes
 * @index: how many bytes it has produced or consumed since the ring was made,
 *	modulo 2^32; a multiple of IPCDEV_RING_ALIGN. Those of the two never differ by
 *	more than the size. An index modulo the size is a place in the data
 *
 * The rest of the page is zero to begin with, and reserved: it is neither to be written
 * nor to be gone by.
 */
struct ipcdev_ring_index {
	__u32 index;
};

#define IPCDEV_RING_ALIGN	8

/**
 * struct ipcdev_ring_record - what precedes a record in the data
 * @len: its bytes, which follow; the next record begins at a multiple of
 *	IPCDEV_RING_ALIGN behind them
 * @reserved: zero
 */
struct ipcdev_ring_record {
	__u32 len;
	__u32 reserved;
};

/**
 * struct ipcdev_create_engine - make an engine
 * @flags: IPCDEV_RING_TAKEOVER: its consumer's end may be taken again once left
 * @rights: IPCDEV_RIGHT_* of the handle that is returned; 0 for all
 * @depth: requests that it takes at most, from their submission until their
 *	completions have been reaped; 0 for 64, or what the back end allows if that is
 *	less
 * @reserved: zero
 * @backend: what shall carry out the requests, as &IPCDEV_IOC_ENGINES names it; or
 *	its kind, the part before the dash, if there is only one of that kind
 *	(ENOTUNIQ). Empty for "soft", which is always there. ENODEV if there is none
 *	of that name; without a NUL, EINVAL
 *
 * &IPCDEV_IOC_CREATE_ENGINE, on the device; returns the handle's descriptor. All
 * memory that its requests need is there and charged when the call returns. EINVAL if
 * @depth is more than the module or the back end allows, EDQUOT if the depths of all of
 * the user's engines would come to more than max_requests, or if the user has as many
 * engines as the back end allows: 16 for a device that is an "edu".
 *
 * An engine takes requests from whoever holds a handle with IPCDEV_RIGHT_WRITE, and
 * carries them out while the caller goes on. It is a ring, too, of which the kernel is
 * the producer: for each request, a &struct ipcdev_completion is put there in the
 * interrupt that ends it. A handle with IPCDEV_RIGHT_READ becomes its consumer with
 * &IPCDEV_IOC_RING_TAKE; all that is said of a ring's consumer holds here. Nobody
 * becomes the producer (EBUSY).
 *
 * When the back end's device goes away, what is in flight fails with ENODEV, and the
 * producer has left. When the last handle is closed, the requests that are in flight
 * are cancelled; that waits, for a bounded time, until no device touches their memory.
 */
struct ipcdev_create_engine {
	__u32 flags;
	__u32 rights;
	__u32 depth;
	__u32 reserved;
	char backend[IPCDEV_BACKEND_NAME_MAX];
};

/**
 * enum ipcdev_op - what a request asks for
 * @IPCDEV_OP_NOP: nothing but the completion
 * @IPCDEV_OP_TIMER: a completion after a time, or at one, or again and again
 * @IPCDEV_OP_COPY: copy from one slice to another
 * @IPCDEV_OP_FILL: set the bytes of a slice
 * @IPCDEV_OP_CRC32: the checksum of a slice
 * @IPCDEV_OP_FACTORIAL: the factorial of a number, modulo 2^32; QEMU's "edu" device
 */
enum ipcdev_op {
	IPCDEV_OP_NOP		= 1,
	IPCDEV_OP_TIMER		= 2,
	IPCDEV_OP_COPY		= 3,
	IPCDEV_OP_FILL		= 4,
	IPCDEV_OP_CRC32		= 5,
	IPCDEV_OP_FACTORIAL	= 6,
};

/**
 * struct ipcdev_backend_info - what can carry out requests
 * @name: for &struct ipcdev_create_engine
 * @operations: bit n is set if it knows the operation n of enum ipcdev_op
 * @depth_max: the greatest depth of its engines
 * @length_max: the most bytes of a slice; 0 for any
 * @period_min: the shortest period of a TIMER, in nanoseconds; 0 without TIMER
 * @engines: engines that are made for it now
 * @reserved: zero
 */
struct ipcdev_backend_info {
	char name[IPCDEV_BACKEND_NAME_MAX];
	__u32 operations;
	__u32 depth_max;
	__aligned_u64 length_max;
	__aligned_u64 period_min;
	__u32 engines;
	__u32 reserved;
};

/**
 * struct ipcdev_engines - what back ends there are
 * @skip: how many of the first to leave out
 * @count: entries that fit at @infos
 * @infos: where to put an array of struct ipcdev_backend_info
 * @info_size: the size of one entry in bytes, as the caller knows it
 * @reserved: zero
 *
 * &IPCDEV_IOC_ENGINES, on the device; returns the entries written, in order of their
 * arrival, 0 at the end. A device that is gone is not among them.
 */
struct ipcdev_engines {
	__u32 skip;
	__u32 count;
	__aligned_u64 infos;
	__u32 info_size;
	__u32 reserved;
};

/* Flags of a request. */
#define IPCDEV_REQUEST_EVENTFD	0x1	/* signal an eventfd with each completion */
#define IPCDEV_REQUEST_ABSOLUTE	0x2	/* TIMER: value is a time */

/**
 * struct ipcdev_engine_request - something for an engine to do
 * @op: enum ipcdev_op; EOPNOTSUPP if the back end does not know it
 * @flags: IPCDEV_REQUEST_*
 * @user_data: 64 bits of the caller's choice
 * @src: COPY and CRC32: what is read, through any handle of the buffer; else zero. "edu"
 *	holds its pages, so that a buffer cannot be sealed until such a request has ended
 *	either
 * @dst: COPY and FILL: what is written, through a handle with IPCDEV_RIGHT_WRITE
 *	(EBADF) of a buffer that is not sealed (EPERM, EBUSY while it is being sealed),
 *	and that cannot be sealed until the request has ended; else zero
 * @value: TIMER: nanoseconds from now until it ends, or with IPCDEV_REQUEST_ABSOLUTE
 *	the time of CLOCK_MONOTONIC at which it does. FILL: the byte, 0 to 255.
 *	FACTORIAL: the number, less than 2^32. Else zero
 * @period_ns: TIMER: after @value, again after each such period until it is cancelled;
 *	0 for once. EINVAL below the module's timer_period_min, EDQUOT if the user's
 *	timers would come more often than timer_rate_max times a second in all. A
 *	TIMER of a caller with real-time rights (CAP_SYS_NICE, or a real-time policy)
 *	expires in the hard interrupt, one of others in the softirq behind it
 * @eventfd: with IPCDEV_REQUEST_EVENTFD: gains 1 with each completion, after it can be
 *	seen; else zero
 * @reserved: zero
 *
 * The slices of a COPY have the same length and do not overlap. @buffer_id of a slice
 * is zero. The buffers, and the eventfd, live at least until the request has ended.
 */
struct ipcdev_engine_request {
	__u32 op;
	__u32 flags;
	__aligned_u64 user_data;
	struct ipcdev_slice src;
	struct ipcdev_slice dst;
	__aligned_u64 value;
	__aligned_u64 period_ns;
	__s32 eventfd;
	__u32 reserved;
};

#define IPCDEV_REQUEST_SIZE_VER0	104

/**
 * struct ipcdev_submit - hand over requests
 * @flags: IPCDEV_NONBLOCK or one of IPCDEV_DEADLINE_*
 * @count: how many requests lie at @requests
 * @deadline_ns: when to give up
 * @requests: array of requests, each @request_size bytes
 * @request_size: the size of struct ipcdev_engine_request as the caller knows it
 * @reserved: zero
 *
 * &IPCDEV_IOC_SUBMIT, on an engine's handle with IPCDEV_RIGHT_WRITE; returns how many
 * were submitted, in their order, and an error only if none was. Sleeps while the
 * engine is full, which only ends when its consumer reaps (EAGAIN if it must not);
 * EPIPE if that has left, unless there is room and another may take over; EBADMSG if what
 * it says it has reaped cannot be true, ENODEV once the back end's device is gone.
 */
struct ipcdev_submit {
	__u32 flags;
	__u32 count;
	__aligned_u64 deadline_ns;
	__aligned_u64 requests;
	__u32 request_size;
	__u32 reserved;
};

/* Flags of a completion. */
#define IPCDEV_COMPLETION_MORE	0x1	/* the request goes on: a TIMER with a period */

/**
 * struct ipcdev_completion - the record of a request that has ended
 * @user_data: the request's
 * @result: COPY and FILL: bytes; CRC32: the checksum, that of zlib's crc32();
 *	FACTORIAL: the factorial; NOP and TIMER: 0. An errno below zero if it failed:
 *	ECANCELED, ENODEV (the device is gone), ETIMEDOUT (it does not answer), EIO (it
 *	has not moved all bytes)
 * @time_ns: CLOCK_MONOTONIC of the interrupt, as the time namespace of the engine's
 *	creator shows it
 * @op: the request's
 * @flags: IPCDEV_COMPLETION_*
 * @missed: TIMER with a period: how many periods have passed without a record since
 *	its last one, because that had not been reaped, or the timer came too late
 * @reserved: zero
 *
 * With the &struct ipcdev_ring_record before it, it has 64 bytes. A TIMER with a period
 * has at most one record in the ring that says IPCDEV_COMPLETION_MORE; when it is
 * cancelled another one ends it.
 */
struct ipcdev_completion {
	__aligned_u64 user_data;
	__s64 result;
	__aligned_u64 time_ns;
	__u32 op;
	__u32 flags;
	__aligned_u64 missed;
	__aligned_u64 reserved[2];
};

#define IPCDEV_CANCEL_ALL	0x1	/* not only the first of them */
#define IPCDEV_CANCEL_ANY	0x2	/* whatever their user_data, which is zero here */

/**
 * struct ipcdev_cancel - no longer want what was requested
 * @flags: IPCDEV_CANCEL_*
 * @reserved: zero
 * @user_data: of the requests
 *
 * &IPCDEV_IOC_CANCEL, on an engine's handle with IPCDEV_RIGHT_WRITE: of the requests in
 * flight with that user_data, the one that was submitted first, or all of them, are
 * asked to end. Returns how many were; ENOENT if there are none. Each has its
 * completion all the same, with ECANCELED if it was not too late.
 */
struct ipcdev_cancel {
	__u32 flags;
	__u32 reserved;
	__aligned_u64 user_data;
};

#define IPCDEV_ENGINE_GONE	0x1	/* the back end's device is gone */

/*
 * The histograms of &struct ipcdev_engine_stat. How long a sleeper took to run is counted
 * when it comes back, too.
 */
#define IPCDEV_LATENCY_INTERRUPT 0	/* from the submission to the interrupt */
#define IPCDEV_LATENCY_WAKEUP	1	/* from there until a sleeper runs */
#define IPCDEV_LATENCY_REAPED	2	/* from there until it comes back having reaped */
#define IPCDEV_LATENCIES	3

/**
 * struct ipcdev_engine_stat - what an engine has done
 * @backend: the name of its back end
 * @operations: bit n is set if it knows the operation n
 * @flags: IPCDEV_ENGINE_*
 * @depth: requests that it takes
 * @inflight: requests in flight
 * @unreaped: completions that its consumer has not reaped, as far as what that says
 *	can be true
 * @reserved: zero
 * @submitted: requests
 * @completed: requests that have ended
 * @failed: of these, with an errno other than ECANCELED
 * @cancelled: of these, with ECANCELED
 * @records: completions, those of periods among them
 * @missed: periods without a completion of their own
 * @latency: how often a time was 2^n nanoseconds or more, and less than 2^(n+1); the
 *	last for all that were longer
 *
 * &IPCDEV_IOC_ENGINE_STAT, on an engine's handle or end. All fields are results. The
 * first latency is that of every request but those that were cancelled, for a TIMER from
 * when it was due. The other two are those of sleeps in &IPCDEV_IOC_RING_WAIT that a
 * completion has ended: until the sleeper ran, and from there until the next such call,
 * if it had reaped by then.
 */
struct ipcdev_engine_stat {
	char backend[IPCDEV_BACKEND_NAME_MAX];
	__u32 operations;
	__u32 flags;
	__u32 depth;
	__u32 inflight;
	__u32 unreaped;
	__u32 reserved;
	__aligned_u64 submitted;
	__aligned_u64 completed;
	__aligned_u64 failed;
	__aligned_u64 cancelled;
	__aligned_u64 records;
	__aligned_u64 missed;
	__aligned_u64 latency[IPCDEV_LATENCIES][IPCDEV_HISTOGRAM];
};

#define IPCDEV_IOC_MAGIC	0xDC

/* On the device. */
#define IPCDEV_IOC_INFO		_IOWR(IPCDEV_IOC_MAGIC, 0x10, struct ipcdev_info)
#define IPCDEV_IOC_LIST		_IOWR(IPCDEV_IOC_MAGIC, 0x11, struct ipcdev_list)
#define IPCDEV_IOC_CREATE_BUFFER _IOWR(IPCDEV_IOC_MAGIC, 0x12, struct ipcdev_create_buffer)
#define IPCDEV_IOC_CREATE_QUEUE	_IOWR(IPCDEV_IOC_MAGIC, 0x13, struct ipcdev_create_queue)
#define IPCDEV_IOC_CREATE_RING	_IOWR(IPCDEV_IOC_MAGIC, 0x14, struct ipcdev_create_ring)
#define IPCDEV_IOC_CREATE_ENGINE _IOWR(IPCDEV_IOC_MAGIC, 0x15, struct ipcdev_create_engine)
#define IPCDEV_IOC_ENGINES	_IOWR(IPCDEV_IOC_MAGIC, 0x16, struct ipcdev_engines)

/* On any object. */
#define IPCDEV_IOC_STAT		_IOWR(IPCDEV_IOC_MAGIC, 0x20, struct ipcdev_stat)
#define IPCDEV_IOC_DUP		_IOWR(IPCDEV_IOC_MAGIC, 0x21, struct ipcdev_dup)
#define IPCDEV_IOC_PUBLISH	_IOWR(IPCDEV_IOC_MAGIC, 0x22, struct ipcdev_publish)
#define IPCDEV_IOC_ATTACH	_IOWR(IPCDEV_IOC_MAGIC, 0x23, struct ipcdev_attach)
#define IPCDEV_IOC_DETACH	_IOWR(IPCDEV_IOC_MAGIC, 0x24, struct ipcdev_detach)
#define IPCDEV_IOC_WAIT_PEER	_IOWR(IPCDEV_IOC_MAGIC, 0x25, struct ipcdev_wait)

/* On a buffer. */
#define IPCDEV_IOC_SEAL		_IOWR(IPCDEV_IOC_MAGIC, 0x30, struct ipcdev_seal)

/* On a queue. */
#define IPCDEV_IOC_SEND		_IOWR(IPCDEV_IOC_MAGIC, 0x40, struct ipcdev_transfer)
#define IPCDEV_IOC_RECV		_IOWR(IPCDEV_IOC_MAGIC, 0x41, struct ipcdev_transfer)
#define IPCDEV_IOC_SEND_BATCH	_IOWR(IPCDEV_IOC_MAGIC, 0x42, struct ipcdev_batch)
#define IPCDEV_IOC_RECV_BATCH	_IOWR(IPCDEV_IOC_MAGIC, 0x43, struct ipcdev_batch)
#define IPCDEV_IOC_CALL		_IOWR(IPCDEV_IOC_MAGIC, 0x44, struct ipcdev_call)
#define IPCDEV_IOC_REPLY	_IOWR(IPCDEV_IOC_MAGIC, 0x45, struct ipcdev_transfer)
#define IPCDEV_IOC_REPLY_RECV	_IOWR(IPCDEV_IOC_MAGIC, 0x46, struct ipcdev_call)
#define IPCDEV_IOC_SUBSCRIBE	_IOWR(IPCDEV_IOC_MAGIC, 0x47, struct ipcdev_subscribe)

/* On a ring, and on its ends. */
#define IPCDEV_IOC_RING_TAKE	_IOWR(IPCDEV_IOC_MAGIC, 0x50, struct ipcdev_ring_take)
#define IPCDEV_IOC_RING_WAIT	_IOWR(IPCDEV_IOC_MAGIC, 0x51, struct ipcdev_ring_wait)
#define IPCDEV_IOC_RING_SIGNAL	_IOWR(IPCDEV_IOC_MAGIC, 0x52, struct ipcdev_ring_signal)

/* On an engine; what is said of a ring and its consumer holds, too. */
#define IPCDEV_IOC_SUBMIT	_IOWR(IPCDEV_IOC_MAGIC, 0x60, struct ipcdev_submit)
#define IPCDEV_IOC_CANCEL	_IOWR(IPCDEV_IOC_MAGIC, 0x61, struct ipcdev_cancel)
#define IPCDEV_IOC_DRAIN	_IOWR(IPCDEV_IOC_MAGIC, 0x62, struct ipcdev_wait)
#define IPCDEV_IOC_ENGINE_STAT	_IOWR(IPCDEV_IOC_MAGIC, 0x63, struct ipcdev_engine_stat)

#endif /* _UAPI_LINUX_IPCDEV_H */
