/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the two sides of a ring wake each other (uapi/linux/ipcdev.h, module/ring.c).
 *
 * Each side moves its own index and then looks whether the other one sleeps or is
 * watched; who wants to sleep, or to be told, says so and then looks at the other's
 * index. Both are a store and then a load, which a processor may swap. So a store
 * is seen by the other side only when the process "memory" gets to it, at any time
 * and in any order that a release allows, unless a fence waits for it.
 *
 * Each side sleeps in one of four ways: in the ioctl; in poll(2), which enters the
 * wait queue and leaves it again each time; in an edge-triggered epoll, which enters
 * it once and looks only when it is told; or for an attached eventfd, which is the
 * same but never looks again. With DEATH each side may be killed after any step that
 * others can see. With HEIR the side that it names may be killed once while its end
 * lives on, and another process goes on with that.
 *
 * Who has done all stays, so that its leaving mends nothing. A wake-up that is lost is
 * an invalid end state. That no sleep is ended for no reason, that nobody is signalled who
 * is seen to sleep for more, and that nothing that was produced before a death is missed,
 * are asserted.
 * There must be no cycle at all: every run ends. Each NO_ takes away a part of the
 * protocol, and then something of that must fail; see qemu/model.sh.
 */
#ifndef SIZE
#define SIZE	4	/* of the ring, in units */
#endif
#ifndef LAST
#define LAST	5	/* what the producer's index is to come to */
#endif
#define MOST	(SIZE / 2 + 1)	/* the longest record, with its head */
#define ROOM	(SIZE - MOST)	/* used at most, if any record is to have room */

#define WAIT	0
#define POLL	1
#define EDGE	2
#define EVENTFD	3

#define P	0
#define C	1

typedef Side {
	byte index, index_seen;

	/* What the header says. The state is one word, and so is seen at once. */
	bool sleeping, sleeping_seen;
	bool watched, watched_seen;
	bool gone, gone_seen;
	byte wake_at, wake_at_seen;

	/* In the kernel. */
	bool waiter;
	bool queued, queued_seen;
	bool told;

	byte way;

	/* Who counts for the assertions: sleeps, and which of them was seen. */
	byte sleeps, sleeps_seen;
};

Side side[2];

#define me	side[self]
#define it	side[1 - self]

#define state_lags(s) \
	(side[s].sleeping_seen != side[s].sleeping || \
	 side[s].watched_seen != side[s].watched || \
	 side[s].gone_seen != side[s].gone || \
	 side[s].sleeps_seen != side[s].sleeps)

inline see_state(s)
{
	side[s].sleeping_seen = side[s].sleeping;
	side[s].watched_seen = side[s].watched;
	side[s].gone_seen = side[s].gone;
	side[s].sleeps_seen = side[s].sleeps
}

#define MEMORY(s) \
	:: d_step { side[s].index_seen != side[s].index -> \
		    side[s].index_seen = side[s].index } \
	:: d_step { side[s].wake_at_seen != side[s].wake_at -> \
		    side[s].wake_at_seen = side[s].wake_at } \
	:: d_step { side[s].queued_seen != side[s].queued -> \
		    side[s].queued_seen = side[s].queued } \
	/* A release: wake_at comes before it, and so does the index. */ \
	:: d_step { state_lags(s) && \
		    side[s].wake_at_seen == side[s].wake_at && \
		    side[s].index_seen == side[s].index -> see_state(s) }

active proctype memory()
{
end:	do
	MEMORY(P)
	MEMORY(C)
	od
}

/* All that a side has stored is there for everybody. */
#define stored(s) \
	(side[s].index_seen == side[s].index && \
	 side[s].wake_at_seen == side[s].wake_at && \
	 side[s].queued_seen == side[s].queued && !state_lags(s))

/* The difference is what a fence is for. */
#ifdef NO_FENCE_USER
#define fence_user()	skip
#else
#define fence_user()	stored(self)
#endif
#ifdef NO_FENCE_SLEEP
#define fence_sleep()	skip
#else
#define fence_sleep()	stored(self)
#endif
#ifdef NO_FENCE_POLL
#define fence_poll()	skip
#else
#define fence_poll()	stored(self)
#endif

/* ipcdev_notify() */
inline notify()
{
	if
	:: it.queued_seen -> it.told = true
	:: else
	fi
}

/*
 * IPCDEV_IOC_RING_SIGNAL; @reason says that it was for the sleeper. The one that was seen
 * may be over, and then the next one goes on.
 */
inline signal(reason)
{
	d_step {
		/* The ring's lock: its holder sees what was said under it. */
		see_state(1 - self);
		if
#ifdef NO_LOOK_AT_INDEX
		:: it.waiter ->
#else
		:: it.waiter && me.index >= it.wake_at ->
#endif
			it.waiter = false;
			it.sleeping = false;
			it.sleeping_seen = false
		:: else ->
			assert(!it.waiter || it.sleeps != seen_sleep || !reason)
		fi;
		told_watched = it.watched
	};
	if
	:: told_watched ->
		/* The object's lock. */
		d_step {
			if
#ifdef NO_LOOK_AT_QUEUE
			:: true ->
#else
			:: !it.queued_seen ->
#endif
				it.watched = false;
				it.watched_seen = false
			:: else
			fi
		};
		notify()
	:: else
	fi
}

/*
 * The index has moved to where it is: look whether the other side is to be told.
 * @crossed: what tells those who watch the least that they must know.
 */
inline tell(crossed)
{
#ifdef NO_FRESH_INDEX
	theirs = it.index_seen;
#endif
	fence_user();
	/* Two loads, in this order. */
	d_step {
		saw_sleeping = it.sleeping_seen;
		saw_watched = it.watched_seen;
		seen_sleep = it.sleeps_seen
	};
	if
#ifdef NO_WAKE_AT
	:: saw_sleeping -> due = true
#else
	:: saw_sleeping && me.index >= it.wake_at_seen -> due = true
#endif
	:: else -> due = false
	fi;
#ifndef NO_FRESH_INDEX
	theirs = it.index_seen;
#endif
	if
	:: due || (saw_watched && (crossed)) -> signal(due)
	:: else
	fi;
	due = false;
	saw_sleeping = false;
	saw_watched = false;
	told_watched = false;
	seen_sleep = 0;
	theirs = 0
}

/* Killed: nothing is left of it but what it has stored. */
#ifdef DEATH
#define MAY_DIE	if :: true :: goto leave fi
#define KILLED(undo)	:: true -> undo; goto leave
#else
#ifdef HEIR
/* One is enough, and every run is to end. */
#define MAY_DIE	if :: true :: !inherited && self == HEIR -> goto heir fi
#define KILLED(undo)	:: !inherited && self == HEIR -> undo; goto heir
#else
#define MAY_DIE	skip
#define KILLED(undo)
#endif
#endif

/* IPCDEV_IOC_RING_WAIT */
inline wait_for(at)
{
	d_step {
		me.waiter = true;
		me.wake_at = at;
		me.sleeping = true;
		me.sleeps++
	};
	fence_sleep();
	if
	:: it.index_seen >= at || it.gone_seen ->
		d_step { me.waiter = false; me.sleeping = false }
	:: else ->
		if
		:: !me.waiter -> assert(it.index >= at || it.gone)
		KILLED(d_step { me.waiter = false; me.sleeping = false })
		fi
	fi
}

/* ring_poll() of one who is in the wait queue: @now must hold for what is there. */
inline look(now)
{
	d_step { me.queued_seen = me.queued; me.watched = true };
	fence_poll();
	if
	:: (now) || it.gone_seen -> ready = true
	:: else -> ready = false
	fi
}

inline poll_for(now)
{
	if
	:: me.way == POLL ->
		me.told = false;
		me.queued = true
	:: else
	fi;
	if
	:: me.way == POLL -> look(now)
	:: else -> ready = false
	fi;
	do
	:: ready -> break
	:: else ->
		if
		:: d_step { me.told -> me.told = false }
		KILLED(skip)
		fi;
		if
		:: me.way == EVENTFD -> ready = true
		:: else -> look(now)
		fi
	od;
	if
	:: me.way == POLL -> me.queued = false
	:: else
	fi;
	ready = false
}

/* Who comes once is told what holds by then. */
inline begin(now)
{
	if
	:: me.way = WAIT
	:: me.way = POLL
	:: me.way = EDGE
	:: me.way = EVENTFD
	fi;
	if
	:: me.way >= EDGE ->
		me.queued = true;
		look(now);
		if
		:: ready -> me.told = true
		:: else
		fi;
		ready = false
	:: else
	fi
}

/* The last that a process does, or has done for it. */
inline depart()
{
	stored(self);
	d_step {
		me.gone = true;
		me.gone_seen = true;
		if
		:: it.waiter ->
			it.waiter = false;
			it.sleeping = false;
			it.sleeping_seen = false
		:: else
		fi
	};
	notify()
}

/* Whether it has left and, looked at after that, what it has done before. */
inline left(enough)
{
	alone = it.gone_seen;
	if
#ifdef NO_SECOND_LOOK
	:: alone -> alone = true
#else
	:: alone && (enough) -> alone = false
#endif
	:: else
	fi
}

/*
 * Another process maps the end, and tells of what may not have been told. What the
 * dead one waited in is gone. @there: what tells those who watch holds.
 */
inline inherit(there)
{
	d_step {
		inherited = true;
		me.queued = false;
		me.told = false;
		me.sleeps++
	};
	stored(self);
#ifndef NO_DEBT
	d_step {
		saw_sleeping = it.sleeping_seen;
		saw_watched = it.watched_seen
	};
	if
	:: saw_sleeping && me.index >= it.wake_at_seen -> due = true
	:: else
	fi;
	theirs = it.index_seen;
	if
	:: due || (saw_watched && (there)) -> signal(false)
	:: else
	fi;
#endif
	due = false;
	saw_sleeping = false;
	saw_watched = false;
	told_watched = false;
	ready = false;
	alone = false;
	seen_sleep = 0;
	theirs = 0;
	n = 0
}

#define VARIABLES \
	bool inherited; \
	bool saw_sleeping, saw_watched, told_watched, due, ready, alone; \
	byte seen_sleep, theirs, n

active proctype producer()
{
	byte self = P;
	VARIABLES;

	goto first;
heir:	inherit(theirs != me.index);
first:	begin(me.index - it.index_seen <= ROOM);
	do
	:: me.index == LAST -> goto done
	:: else ->
		/* A record of any length that does not go too far. */
		select(n : 1 .. MOST);
		if
		:: me.index + n > LAST -> n = LAST - me.index
		:: else
		fi;
		do
		:: me.index - it.index_seen + n <= SIZE -> break
		:: else ->
			MAY_DIE;
			left(me.index - it.index_seen + n <= SIZE);
			if
			:: alone -> goto leave
			:: else
			fi;
			if
			:: me.index - it.index_seen + n <= SIZE -> skip
			:: else ->
				if
				:: me.way == WAIT ->
					wait_for(me.index + n - SIZE)
				:: else ->
					poll_for(me.index - it.index_seen <= ROOM)
				fi
			fi
		od;
		me.index = me.index + n;
		MAY_DIE;
		tell(theirs == me.index - n);
		n = 0
	od;
leave:	depart();
done:	skip
}

active proctype consumer()
{
	byte self = C;
	VARIABLES;

	goto first;
heir:	inherit(theirs - me.index <= ROOM);
first:	begin(it.index_seen != me.index);
	do
	:: me.index == LAST -> goto done
	:: else ->
		do
		:: it.index_seen != me.index -> break
		:: else ->
			MAY_DIE;
			left(it.index_seen != me.index);
			if
			:: alone ->
				/* All that there was has been seen. */
				assert(it.index == me.index);
				goto leave
			:: else
			fi;
			if
			:: it.index_seen != me.index -> skip
			:: me.way == WAIT && it.index_seen == me.index ->
				wait_for(me.index + 1)
			:: me.way != WAIT && it.index_seen == me.index ->
				poll_for(it.index_seen != me.index)
			fi
		od;
		/* One record or several, which it may release in parts. */
		n = it.index_seen - me.index;
		do
		:: n > 1 -> n--
		:: break
		od;
		me.index = me.index + n;
		MAY_DIE;
		tell(theirs - (me.index - n) > ROOM && theirs - me.index <= ROOM);
		n = 0
	od;
leave:	depart();
done:	skip
}
