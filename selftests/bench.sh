#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ipcdev-bench: each method once, at a small count, and what is done with the
# results. In KTAP.
#
# The tests are functions, called by their names.
# shellcheck disable=SC2317

tests="list methods spinning files survival compare advise report usage"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
results=$tmp/results.json

# Its build and its methods are seen elsewhere; there is nothing to be measured.
case $(uname -r) in
*debug*)
	echo "TAP version 13"
	echo "1..1"
	echo "ok 1 # SKIP a debug kernel is no place to measure"
	exit ;;
esac

# complain TEXT...: ends the test.
complain()
{
	echo "# $*"
	exit 1
}

# What every kernel that we support has: to be skipped is to fail.
everywhere="pipe fifo unix-stream unix-seqpacket unix-dgram tcp posix-mq \
sysv-msg sysv-shm-sem shm-futex shm-sem shm-eventfd shm-spin memfd-unix signal \
signalfd eventfd process-vm vmsplice zeromq nng dbus ipcdev-queue ipcdev-queue-rw \
ipcdev-batch16 ipcdev-slice ipcdev-call ipcdev-call-deadline ipcdev-broadcast \
ipcdev-broadcast-slice ipcdev-ring ipcdev-ring-inplace ipcdev-engine \
ipcdev-engine-batch32 timerfd ipcdev-timer ipcdev-timer-soft floor-ioctl"

# Whose sides each need a processor, where there are two.
spinning="ipcdev-ring-spin floor-atomics floor-ring"

list()
{
	ipcdev-bench --list > "$tmp/list" || complain "--list fails"
	for method in $everywhere $spinning; do
		grep -q "^  $method " "$tmp/list" || complain "$method is not listed"
	done
}

methods()
{
	ipcdev-bench -q -r 1 -c 10 -p one,same -g memcg \
		-w roundtrip,stream,fanin,fanout,setup,wakeup,timer -j "$results" \
		--csv "$tmp/results.csv" > "$tmp/table" 2> "$tmp/err" ||
		complain "$(cat "$tmp/err")"
	for method in $everywhere; do
		grep -q "\"method\": \"$method\", .*\"median\"" "$results" ||
			complain "$method was not measured: $(grep "SKIP $method" "$tmp/err")"
	done
}

spinning()
{
	if [ "$(nproc)" -lt 2 ]; then
		ipcdev-bench -q -r 1 -c 10 -w roundtrip -m "$(echo "$spinning" | tr ' ' ,)" \
			-j "$tmp/spinning.json" > "$tmp/table" 2> "$tmp/err"
		[ -s "$tmp/spinning.json" ] || complain "$(cat "$tmp/err")"
		! grep -q '"median"' "$tmp/spinning.json" ||
			complain "two sides spin on one processor"
		return
	fi
	ipcdev-bench -q -r 1 -c 10 -p siblings,cores -w roundtrip \
		-m "$(echo "$spinning" | tr ' ' ,)" -j "$tmp/spinning.json" \
		> "$tmp/table" 2> "$tmp/err" || complain "$(cat "$tmp/err")"
	for method in $spinning; do
		grep -q "\"method\": \"$method\", .*\"median\"" "$tmp/spinning.json" ||
			complain "$method was not measured: $(cat "$tmp/err")"
	done
}

files()
{
	for key in method workload size parties mode unit min median p99 repeats; do
		[ "$(grep -c "\"median\"" "$results")" = \
		  "$(grep "\"median\"" "$results" | grep -c "\"$key\": ")" ] ||
			complain "rows lack $key"
	done
	[ "$(grep -c "\"median\"" "$results")" = \
	  "$(($(wc -l < "$tmp/results.csv") - 1))" ] ||
		complain "CSV and JSON differ in the number of rows"
}

survival()
{
	ipcdev-bench -w survival \
		-m pipe,posix-mq,shm-sem,shm-eventfd,ipcdev-queue,ipcdev-call,ipcdev-ring,ipcdev-ring-inplace,timerfd,ipcdev-timer \
		-j "$tmp/survival.json" > "$tmp/out" || complain "it fails"
	# A timer has no sender.
	grep -q '"method": "pipe"' "$tmp/survival.json" || complain "pipe is not tried out"
	! grep -E '"method": "(timerfd|ipcdev-timer)"' "$tmp/survival.json" ||
		complain "a timer is tried out"
	for method in ipcdev-queue ipcdev-call ipcdev-ring; do
		answers "$method" death 'yes: EPIPE'
		answers "$method" midway 'yes: EPIPE'
		answers "$method" left 'nothing'
		answers "$method" poll 'yes'
		answers "$method" rights 'yes'
		answers "$method" users 'yes'
		answers "$method" slow 'waits'
	done
	answers ipcdev-ring-inplace rights 'yes'
	answers ipcdev-queue next 'yes'
	answers ipcdev-call next 'yes'
	# Nobody takes over a side of a ring that was not made for that.
	answers ipcdev-ring next 'no: EPIPE'
	# Where a fault could be laid at another's door, so that the questions are
	# seen to have more than one answer.
	answers pipe midway 'half of it, then EPIPE'
	answers pipe boundaries 'no'
	answers shm-eventfd rights 'no'
	answers posix-mq death 'no: it waits for ever'
	answers posix-mq left '2 queue'
	answers shm-sem next 'no: nothing comes any more'
}

# answers METHOD QUESTION ANSWER: fails unless that is how its answer begins.
answers()
{
	sed -n "/^$2: /,/^\$/p" "$tmp/out" | grep -q "^  $1 *$3" ||
		complain "$1, $2: not $3: $(cat "$tmp/out")"
}

compare()
{
	ipcdev-bench compare "$results" "$results" > "$tmp/out" ||
		complain "differs from itself: $(cat "$tmp/out")"
	sed 's/"median": /&9/' "$results" > "$tmp/worse.json"
	! ipcdev-bench compare "$results" "$tmp/worse.json" > "$tmp/out" ||
		complain "a regression goes unnoticed"
	grep -q REGRESSION "$tmp/out" || complain "which regression?"
}

advise()
{
	ipcdev-bench advise "$results" stream size=64 > "$tmp/out" ||
		complain "it fails"
	grep -q '^  pipe ' "$tmp/out" || complain "where is pipe? $(cat "$tmp/out")"
	ipcdev-bench -q -r 1 -c 10 -g memcg -p one,same -w stream,survival \
		-m pipe,posix-mq,signal,ipcdev-queue,ipcdev-ring -j "$tmp/needs.json" \
		> "$tmp/out" 2> "$tmp/err" || complain "$(cat "$tmp/err")"
	ipcdev-bench advise "$tmp/needs.json" stream size=64 crash poll users \
		boundaries descriptors rights > "$tmp/out" || complain "it fails"
	[ "$(sed -n '2s/^  \([a-z-]*\) .*/\1/p' "$tmp/out")" = ipcdev-queue ] ||
		complain "not ipcdev-queue: $(cat "$tmp/out")"
	grep -q "^  posix-mq .*death" "$tmp/out" ||
		complain "why not posix-mq? $(cat "$tmp/out")"
	# What descriptors need rules rings out, and nothing else does.
	ipcdev-bench advise "$tmp/needs.json" stream size=64 crash poll users \
		boundaries rights > "$tmp/out" || complain "it fails"
	sed '/fall short/,$d' "$tmp/out" | grep -q '^  ipcdev-ring ' ||
		complain "no ipcdev-ring: $(cat "$tmp/out")"
}

report()
{
	ipcdev-bench report "$results" > "$tmp/out" || complain "it fails"
	grep -q '<td>pipe' "$tmp/out" || complain "no pipe in the report"
	for word in p99.9 histogram 'class="h"'; do
		grep -q "$word" "$tmp/out" || complain "no $word in the report"
	done
	grep -q '</html>' "$tmp/out" || complain "the report has no end"
}

usage()
{
	for wrong in '-r 0' '-s x' '-x' 'what' '-m nothing'; do
		# shellcheck disable=SC2086 # words
		ipcdev-bench $wrong > "$tmp/out" 2> "$tmp/err"
		[ $? = 2 ] || complain "accepts $wrong"
		[ -s "$tmp/err" ] || complain "is silent about $wrong"
	done
}

echo TAP version 13
# shellcheck disable=SC2086 # words
set -- $tests
echo "1..$#"
number=0
failed=0
for test; do
	number=$((number + 1))
	if ("$test"); then
		echo "ok $number $test"
	else
		echo "not ok $number $test"
		failed=1
	fi
done
exit $failed
