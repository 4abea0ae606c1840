#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# ipcdevctl: each command, each option, each exit status. In KTAP.
#
# The tests are functions, called by their names.
# shellcheck disable=SC2317

tests="usage absent mount list create hold remove names messages priority tags \
follow timeout gone overflow raw json binary limits peek dump watch_queue \
watch_buffer call call_fails serve serve_gone serve_queue serve_end topic slow_subscriber \
ring ring_sides \
top info stat engine engine_works engine_test engine_test_edu \
quiet_stat other_user terminal examples"

q=test-queue-$$
b=test-buffer-$$
r=test-ring-$$
pty=$(dirname "$(readlink -f "$0")")/pty
timers=$(dirname "$(readlink -f "$0")")/timers
tmp=$(mktemp -d)
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT

# complain TEXT...: ends the test.
complain()
{
	echo "# $*"
	exit 1
}

nl='
'
# slurp FILE: its lines are left in $text, but for empty ones before the first.
# Starting a cat(1) instead each time takes most of the time on a slow kernel.
slurp()
{
	text=''
	while IFS= read -r line || [ "$line" ]; do
		text="$text${text:+$nl}$line"
	done < "$1"
}

# expect STATUS COMMAND...: what the command prints is left in $out and $err.
expect()
{
	case $1 in
	ok) wanted=0 ;;
	failed) wanted=1 ;;
	usage) wanted=2 ;;
	timeout) wanted=3 ;;
	gone) wanted=4 ;;
	reply) wanted=5 ;;
	*) wanted=$1 ;;
	esac
	shift
	"$@" > "$tmp/out" 2> "$tmp/err"
	got=$?
	slurp "$tmp/out"
	out=$text
	slurp "$tmp/err"
	err=$text
	[ "$got" = "$wanted" ] || complain "status $got, not $wanted: $* ($out $err)"
	# A failure says why, and success does not complain.
	if [ "$wanted" = 0 ]; then
		[ -z "$err" ] || complain "$* says: $err"
	else
		[ "$err" ] || complain "$* fails without a word"
	fi
}

# skip TEXT...: ends the test, for want of something.
skip()
{
	echo "$*" > "$tmp/skip"
	exit 0
}

same() { [ "$1" = "$2" ] || complain "\"$1\" is not \"$2\""; }

# like TEXT PATTERN: a shell's pattern.
like()
{
	# shellcheck disable=SC2254 # a pattern it is
	case $1 in
	$2) ;;
	*) complain "\"$1\" is not like \"$2\"" ;;
	esac
}

# Each line of standard input must be a JSON value.
# shellcheck disable=SC2016 # awk's dollars
json='
	function fail() { bad = 1; return 0 }
	function blank() { while (substr(s, p, 1) == " ") p++ }
	function string() {
		if (!match(substr(s, p), /^"([^"\\]|\\["\\\/bfnrt]|\\u[0-9a-f][0-9a-f][0-9a-f][0-9a-f])*"/))
			return fail()
		if (substr(s, p, RLENGTH) ~ /[\001-\037]/)
			return fail()
		p += RLENGTH
		return 1
	}
	function members(end, keys) {
		p++
		if (substr(s, p, 1) == end) { p++; return 1 }
		for (;;) {
			if (keys) {
				if (!string() || substr(s, p++, 1) != ":")
					return fail()
			}
			if (!value())
				return 0
			c = substr(s, p++, 1)
			if (c == end)
				return 1
			if (c != ",")
				return fail()
		}
	}
	function value() {
		c = substr(s, p, 1)
		if (c == "{") return members("}", 1)
		if (c == "[") return members("]", 0)
		if (c == "\"") return string()
		if (!match(substr(s, p), /^(-?[0-9]+(\.[0-9]+)?|true|false|null)/))
			return fail()
		p += RLENGTH
		return 1
	}
	{ s = $0; p = 1; if (!value() || p != length(s) + 1) bad = 1; lines++ }
	END { exit bad || !lines }'

valid_json()
{
	printf '%s\n' "$1" | awk "$json" || complain "not JSON: $1"
}

# has JSON KEY VALUE: somewhere in it.
has() { like "$1" "*\"$2\":$3[],}]*"; }

# Waits for what others are about to do: until COMMAND...
until_so()
{
	tries=0
	until "$@" > /dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || complain "in vain: $*"
		sleep 0.05
	done
}

no_objects() { [ "$(ipcdevctl ls)" = "no objects" ]; }

test_usage()
{
	expect usage ipcdevctl
	expect usage ipcdevctl nonsense
	like "$err" '*nonsense*'
	expect ok ipcdevctl --version
	expect ok ipcdevctl --help
	commands=$(printf '%s\n' "$out" | sed -n 's/^  \([a-z]*\) .*/\1/p')
	same "$(echo "$commands" | wc -l)" 19
	for command in $commands; do
		expect ok ipcdevctl "$command" --help
		like "$out" "usage: ipcdevctl $command *"
		expect usage ipcdevctl "$command" --nonsense
		like "$err" "*--nonsense*"
	done
	expect ok ipcdevctl ls -h
	expect usage ipcdevctl ls -Z
	like "$err" "*-Z*"
	for command in stat create rm send recv peek dump watch call serve pub sub \
		push pop; do
		expect usage ipcdevctl "$command"
	done
	for command in ls top info "recv a" "peek a" "dump a" "watch a" "mount a" \
		"call a b" "serve -e cat a" "sub a" "pop a"; do
		# shellcheck disable=SC2086 # words
		expect usage ipcdevctl $command too many
	done
	# What is wrong with an option, and with which.
	expect usage ipcdevctl ls --json=1
	like "$err" "*takes no argument: --json=1;*"
	expect usage ipcdevctl create --m
	like "$err" "*ambiguous option: --m;*"
	expect usage ipcdevctl ls --json -Zj
	like "$err" "*unknown option: -Z;*"
	expect usage ipcdevctl recv --count
	expect usage ipcdevctl recv --count x q
	expect usage ipcdevctl recv --count 0 q
	expect usage ipcdevctl recv --timeout -1 q
	expect usage ipcdevctl recv --timeout 1x q
	expect usage ipcdevctl recv --timeout '' q
	expect usage ipcdevctl send --prio 32768 q
	expect usage ipcdevctl send --prio -1 q
	expect usage ipcdevctl send --tag 18446744073709551616 q
	expect usage ipcdevctl create buffer --size 1Q b
	expect usage ipcdevctl create buffer --size 1KK b
	expect usage ipcdevctl create buffer --size 16777216T b
	expect usage ipcdevctl create queue --mode 8 q
	expect usage ipcdevctl create queue --mode 17777 q
	expect usage ipcdevctl stat @x
	expect usage ipcdevctl serve q
	expect usage ipcdevctl serve --exec cat --jobs 0 q
	expect usage ipcdevctl call --prio 32768 q x
	expect usage ipcdevctl pub --raw q x
	expect usage ipcdevctl pub --history -1 q
	expect usage ipcdevctl sub --last x q
	expect usage ipcdevctl sub --count 0 q
	expect usage ipcdevctl create queue --history 1 q
	expect usage ipcdevctl create buffer -s 1K --broadcast b
	expect usage ipcdevctl create buffer -s 1K --takeover b
	expect usage ipcdevctl create ring -s 1K --depth 1 r
	expect usage ipcdevctl create ring -s 1K --persistent r
	expect usage ipcdevctl push --raw r x
	expect usage ipcdevctl push --timeout x r
	expect usage ipcdevctl pop --count 0 r
}

# Without the module, and with a device that has gone: misc's minor of nobody.
test_absent()
{
	for command in 'stat @1' ls; do
		expect failed unshare -m sh -c "mount -t tmpfs none /dev &&
			ipcdevctl $command"
		like "$err" "*/dev/ipcdev:*module is not loaded*"
	done
	expect failed unshare -m sh -c "mount -t tmpfs none /dev &&
		mknod /dev/gone c 10 255 && ipcdevctl recv /dev/gone"
	like "$err" "*/dev/gone:*the device is gone"
}

test_mount()
{
	expect ok ipcdevctl mount
	same "$out" "/dev/ipc is mounted already"
	expect ok ipcdevctl mount --mode 750 --uid 1000 --gid 1001 "$tmp/ipc"
	same "$out" ""
	same "$(stat -c '%a %u %g' "$tmp/ipc")" "750 1000 1001"
	expect ok ipcdevctl create queue --persistent "$tmp/ipc/$q"
	# The other one is another.
	[ ! -e "/dev/ipc/$q" ] || complain "the name is in both"
	expect ok ipcdevctl rm "$tmp/ipc/$q"
	umount "$tmp/ipc" || complain "cannot unmount"
	expect failed ipcdevctl mount "$tmp/no/such/place"
	like "$err" "*$tmp/no/such/place*"
}

test_list()
{
	expect ok ipcdevctl ls
	same "$out" "no objects"
	expect ok ipcdevctl ls --json
	same "$out" "[]"
	expect ok ipcdevctl create queue -p "$q"
	expect ok ipcdevctl create buffer -p -s 1 "$b"
	expect ok ipcdevctl ls
	like "$out" "*queue*root*0/64*p*/$q*buffer*root*4K*p*/$b"
	same "$(echo "$out" | wc -l)" 3
	expect ok ipcdevctl ls -j
	valid_json "$out"
	has "$out" name "\"/$q\""
	has "$out" name "\"/$b\""
	expect ok ipcdevctl rm "$q" "$b"
}

test_create()
{
	umask 077
	expect ok ipcdevctl create queue "$q" --depth 5 --msg-max 1K --bytes 4K \
		--drop-oldest --creds --time --sched --mode 644 --persistent
	same "$(stat -c %a "/dev/ipc/$q")" 644
	[ -p "/dev/ipc/$q" ] || complain "a queue's name is no FIFO"
	expect ok ipcdevctl stat --json "$q"
	for pair in depth:5 msg_max:1024 bytes_max:4096 drop-oldest:true \
		creds:true time:true sched:true persistent:true published:true; do
		has "$out" "${pair%:*}" "${pair#*:}"
	done
	expect failed ipcdevctl create queue -p "$q"
	like "$err" "*/dev/ipc/$q*taken*"
	expect ok ipcdevctl rm "$q"

	expect ok ipcdevctl create buffer "$b" -s 1M -p
	same "$(stat -c '%a %s' "/dev/ipc/$b")" "600 1048576"
	expect ok ipcdevctl stat -j "$b"
	has "$out" size 1048576
	expect ok ipcdevctl rm "$b"
	expect ok ipcdevctl create buffer "$b" -s 5000 -p
	same "$(stat -c %s "/dev/ipc/$b")" 8192
	expect ok ipcdevctl rm "$b"

	# What somebody who died has left is used.
	touch "/dev/ipc/$q"
	expect ok ipcdevctl create queue -p "$q"
	expect ok ipcdevctl rm "$q"

	expect usage ipcdevctl create ring "$q"
	expect usage ipcdevctl create buffer "$b"
	expect usage ipcdevctl create queue "$q" --size 1K
	expect usage ipcdevctl create buffer "$b" --size 1K --depth 1
	expect usage ipcdevctl create queue "$q" --persistent -- true
	expect failed ipcdevctl create queue -p "$tmp/$q"
	like "$err" "*$tmp/$q*mount*"
	[ ! -e "$tmp/$q" ] || complain "a file was left"
	expect failed ipcdevctl create queue -p -d 1000000 "$q"
	expect failed ipcdevctl create queue -p -M 1G "$q"
	like "$err" "*limits*"
	for options in '-M 4K -b 1K' '-b 4K' '-b 8191'; do
		# shellcheck disable=SC2086 # words
		expect failed ipcdevctl create queue -p $options "$q"
		like "$err" "*/dev/ipc/$q*--bytes*--msg-max*"
	done
	expect ok ipcdevctl create queue -p -b 8K "$q"
	expect ok ipcdevctl rm "$q"
	expect failed ipcdevctl create buffer -p -s 100T "$b"
	like "$err" "*limits*"
	expect failed ipcdevctl create ring -p -o -s 1025M "$r"
	like "$err" "*/dev/ipc/$r*1G at most*"
	[ ! -e "/dev/ipc/$q" ] || complain "a name was left"
}

test_hold()
{
	expect ok ipcdevctl create queue "$q" -- ls /dev/ipc
	same "$out" "$q"
	[ ! -e "/dev/ipc/$q" ] || complain "the name is still there"
	"$ipcdevctl" create queue "$q" -- sh -c 'exit 7' || status=$?
	same "$status" 7
	expect 127 ipcdevctl create queue "$q" -- "$tmp/none"
	expect 126 ipcdevctl create queue "$q" -- "$tmp"
	[ ! -e "/dev/ipc/$q" ] || complain "the name is still there"

	for signal in TERM KILL; do
		ipcdevctl create buffer "$b" -s 1K 2> /dev/null &
		until_so test -e "/dev/ipc/$b"
		until_so ipcdevctl dump "$b"
		kill "-$signal" "$!"
		wait "$!"
		until_so test ! -e "/dev/ipc/$b"
	done
}

test_remove()
{
	touch "$tmp/file"
	expect failed ipcdevctl rm "$tmp/file"
	like "$err" "*$tmp/file*"
	[ -e "$tmp/file" ] || complain "that was none of ours"
	expect failed ipcdevctl rm "$q"
	like "$err" "*/dev/ipc/$q*no such name*"
	expect ok ipcdevctl create queue -p "$q"
	# One that fails does not keep the others.
	expect failed ipcdevctl rm "none-$$" "$q"
	[ ! -e "/dev/ipc/$q" ] || complain "the name is still there"
}

test_names()
{
	mkdir "/dev/ipc/dir-$$"
	expect ok ipcdevctl create queue -p "/dev/ipc/dir-$$/$q"
	expect ok ipcdevctl ls
	like "$out" "*/dir-$$/$q"
	expect ok ipcdevctl send "/dev/ipc/dir-$$/$q" one
	cd "/dev/ipc/dir-$$" || complain "cd"
	expect ok ipcdevctl recv "./$q"
	same "$out" one
	expect ok ipcdevctl stat -j "./$q"
	has "$out" name "\"/dir-$$/$q\""
	expect ok ipcdevctl rm "./$q"
	cd /
	rmdir "/dev/ipc/dir-$$"

	touch "/dev/ipc/$q"
	for command in send recv peek dump watch stat; do
		expect failed ipcdevctl "$command" "$q"
		like "$err" "*/dev/ipc/$q*no object*"
		expect failed ipcdevctl "$command" "none-$$"
		like "$err" "*/dev/ipc/none-$$*no such name*"
		expect failed ipcdevctl "$command" /dev/null
		like "$err" "*/dev/null*not an object*"
		expect failed ipcdevctl "$command" /nowhere/x
		like "$err" "*/nowhere/x*mount*"
	done
	rm "/dev/ipc/$q"
}

test_messages()
{
	expect ok ipcdevctl create queue -p "$q"
	expect ok ipcdevctl send "$q" one "two words" ''
	expect ok ipcdevctl recv --count 3 "$q"
	same "$out" "one${nl}two words${nl}"
	printf 'first\n\nlast' > "$tmp/in"
	expect ok ipcdevctl send "$q" < "$tmp/in"
	expect ok ipcdevctl stat -j "$q"
	has "$out" queued 3
	expect ok ipcdevctl recv "$q"
	same "$out" first
	expect ok ipcdevctl recv "$q"
	same "$out" ""
	expect ok ipcdevctl recv "$q"
	same "$out" last
	expect ok ipcdevctl send "$q" < /dev/null
	expect ok ipcdevctl send --count 3 "$q" x y
	expect ok ipcdevctl recv -n 6 "$q"
	same "$(echo "$out" | tr -d '\n')" xxxyyy
	# A leading zero does not make a number octal.
	expect ok ipcdevctl send --count 010 --tag 08 "$q" x
	expect ok ipcdevctl recv -n 09 -T 0 "$q"
	expect ok ipcdevctl recv -j -T 0 "$q"
	has "$out" tag 8
	expect timeout ipcdevctl peek "$q"
	# What echo has sent ends with a newline already.
	echo text > "/dev/ipc/$q"
	expect ok ipcdevctl recv -j "$q"
	has "$out" data '"text\\u000a"'
	echo text > "/dev/ipc/$q"
	same "$(ipcdevctl recv "$q" | wc -l)" 1
	# What comes after -- is a message.
	expect ok ipcdevctl send "$q" -- --json
	expect ok ipcdevctl recv "$q"
	same "$out" --json
	expect ok ipcdevctl rm "$q"
}

test_priority()
{
	expect ok ipcdevctl create queue -p "$q"
	expect ok ipcdevctl send "$q" low
	expect ok ipcdevctl send --prio 32767 "$q" high
	expect ok ipcdevctl send -p 5 "$q" middle middle2
	expect ok ipcdevctl recv -n 4 "$q"
	same "$(echo "$out" | tr '\n' ' ')" "high middle middle2 low "
	expect ok ipcdevctl rm "$q"
}

test_tags()
{
	expect ok ipcdevctl create queue -p "$q"
	expect ok ipcdevctl send --tag 0x10 "$q" a
	expect ok ipcdevctl send -t 18446744073709551615 -p 3 "$q" b
	expect ok ipcdevctl recv -j "$q"
	same "$out" '{"prio":3,"tag":18446744073709551615,"len":1,"data":"b","fds":0,"slice_count":0,"slices":[],"lost":0}'
	expect ok ipcdevctl recv -j "$q"
	has "$out" tag 16
	expect ok ipcdevctl rm "$q"
}

test_follow()
{
	ipcdevctl create queue "$q" -- sleep 100 &
	holder=$!
	until_so ipcdevctl peek -a "$q" -n 0
	ipcdevctl recv --follow "$q" > "$tmp/followed" &
	follower=$!
	for i in 1 2 3 4 5; do echo "line $i"; done | ipcdevctl send "$q" ||
		complain "cannot send"
	wait "$follower" || complain "status $?"
	same "$(cat "$tmp/followed")" "line 1
line 2
line 3
line 4
line 5"
	# A count ends it too, a timeout as well.
	expect ok ipcdevctl send "$q" a b c
	expect ok ipcdevctl recv -f -n 2 "$q"
	same "$out" "a
b"
	kill "$holder"
	wait "$holder"
	until_so test ! -e "/dev/ipc/$q"
}

test_timeout()
{
	expect ok ipcdevctl create queue -p -d 1 "$q"
	for time in 0 1ns 20us 20ms 0.02; do
		expect timeout ipcdevctl recv --timeout "$time" "$q"
		like "$err" "*/dev/ipc/$q*timed out*"
	done
	expect timeout ipcdevctl recv -f -T 10ms "$q"
	expect ok ipcdevctl send -T 0 "$q" a
	expect timeout ipcdevctl send -T 0 "$q" b
	expect timeout ipcdevctl send --timeout 10ms "$q" b
	# In time is in time.
	{ sleep 0.2; ipcdevctl send "$q" late; } &
	expect ok ipcdevctl recv -T 1m "$q"
	same "$out" a
	expect ok ipcdevctl recv -T 1h "$q"
	same "$out" late
	wait
	expect ok ipcdevctl rm "$q"
}

test_gone()
{
	ipcdevctl create queue -d 1 "$q" -- sleep 100 &
	holder=$!
	until_so ipcdevctl send "$q" first
	# The writer has gone: what is there comes, then the news.
	expect ok ipcdevctl recv "$q"
	same "$out" first
	expect gone ipcdevctl recv "$q"
	like "$err" "*/dev/ipc/$q*gone*"
	expect ok ipcdevctl recv -f "$q"
	expect ok ipcdevctl send "$q" second
	ipcdevctl send "$q" third 2> "$tmp/err" &
	sender=$!
	until_so sh -c "ipcdevctl stat -j $q | grep -q '\"senders\":1'"
	kill -9 "$holder"
	wait "$sender"
	same $? 4
	like "$(cat "$tmp/err")" "*/dev/ipc/$q*gone*"
	wait
	until_so test ! -e "/dev/ipc/$q"
}

test_overflow()
{
	expect ok ipcdevctl create queue -p -D -d 2 "$q"
	expect ok ipcdevctl send "$q" a b c d e
	expect ok ipcdevctl recv -j "$q"
	has "$out" data '"d"'
	has "$out" lost 3
	expect ok ipcdevctl recv -j "$q"
	has "$out" lost 0
	expect ok ipcdevctl stat -j "$q"
	has "$out" dropped 3
	expect ok ipcdevctl rm "$q"
}

test_raw()
{
	expect ok ipcdevctl create queue -p -M 64K "$q"
	dd if=/dev/urandom of="$tmp/in" bs=1000 count=60 2> /dev/null
	expect ok ipcdevctl send --raw "$q" < "$tmp/in"
	ipcdevctl recv --raw "$q" > "$tmp/out" || complain "status $?"
	cmp "$tmp/in" "$tmp/out" || complain "another message"
	expect ok ipcdevctl send -r "$q" < /dev/null
	expect ok ipcdevctl recv -r "$q"
	same "$(wc -c < "$tmp/out")" 0
	expect usage ipcdevctl send -r "$q" text
	expect ok ipcdevctl rm "$q"
}

test_json()
{
	expect ok ipcdevctl create queue -p --creds --time "$q"
	expect ok ipcdevctl send "$q" 'a "quoted" \ text'
	printf 'tab\there \001 \033[m \303\251' | ipcdevctl send -r "$q"
	ipcdevctl peek -a -j "$q" > "$tmp/out"
	valid_json "$(cat "$tmp/out")"
	same "$(wc -l < "$tmp/out")" 2
	expect ok ipcdevctl recv -j "$q"
	valid_json "$out"
	like "$out" '*"data":"a \\"quoted\\" \\\\ text"*'
	has "$out" uid 0
	has "$out" gid 0
	like "$out" '*"pid":[1-9]*'
	like "$out" '*"time_ns":[1-9]*'
	expect ok ipcdevctl recv --json "$q"
	valid_json "$out"
	like "$out" '*"data":"tab\\u0009here \\u0001 \\u001b\[m *"*'
	expect ok ipcdevctl rm "$q"
}

# What is not UTF-8 is not JSON's text.
test_binary()
{
	expect ok ipcdevctl create queue -p "$q"
	for octal in '\377' '\300\200' '\355\240\200' '\364\220\200\200' \
		'\342\202' '\200' '\360\200\200\200'; do
		# shellcheck disable=SC2059 # it is a format
		printf "$octal" | ipcdevctl send -r "$q"
		expect ok ipcdevctl recv -j "$q"
		valid_json "$out"
		like "$out" '*"hex":"[0-9a-f][0-9a-f]*"*'
	done
	printf '\342\202\254 \360\237\230\200 \355\237\277' | ipcdevctl send -r "$q"
	expect ok ipcdevctl recv -j "$q"
	like "$out" '*"data":*'
	expect ok ipcdevctl rm "$q"
}

test_limits()
{
	expect ok ipcdevctl create queue -p -M 4 "$q"
	expect ok ipcdevctl send "$q" 1234
	expect failed ipcdevctl send "$q" 12345
	like "$err" "*/dev/ipc/$q*larger*"
	expect ok ipcdevctl create buffer -p -s 1K "$b"
	for command in recv peek; do
		expect failed ipcdevctl "$command" "$b"
		like "$err" "*/dev/ipc/$b*"
	done
	for command in send call pub push; do
		expect failed ipcdevctl "$command" "$b" x
		like "$err" "*/dev/ipc/$b: that is a buffer"
	done
	# Who may not read it is told no more than that.
	expect failed su -s /bin/sh nobody -c "ipcdevctl send $b x"
	like "$err" "*/dev/ipc/$b*denied*"
	expect failed ipcdevctl dump "$q"
	like "$err" "*/dev/ipc/$q*buffer*"
	expect ok ipcdevctl rm "$q" "$b"
}

test_peek()
{
	expect ok ipcdevctl create queue -p "$q"
	expect timeout ipcdevctl peek "$q"
	like "$err" "*/dev/ipc/$q*nothing*"
	expect ok ipcdevctl send "$q" a b c
	expect ok ipcdevctl peek "$q"
	same "$out" a
	expect ok ipcdevctl peek --position 2 "$q"
	same "$out" c
	expect timeout ipcdevctl peek -p 3 "$q"
	expect ok ipcdevctl peek --count 2 "$q"
	same "$out" "a
b"
	expect ok ipcdevctl peek --all "$q"
	same "$out" "a
b
c"
	expect ok ipcdevctl peek --raw -a "$q"
	same "$out" abc
	expect ok ipcdevctl peek --json -p 1 "$q"
	valid_json "$out"
	has "$out" data '"b"'
	expect ok ipcdevctl stat -j "$q"
	has "$out" queued 3
	has "$out" received 0
	expect ok ipcdevctl rm "$q"
}

test_dump()
{
	expect ok ipcdevctl create buffer -p -s 8K "$b"
	ipcdevctl dump --raw "$b" > "$tmp/raw" || complain "status $?"
	same "$(wc -c < "$tmp/raw")" 8192
	expect ok ipcdevctl dump "$b"
	same "$out" "$(hexdump -C "$tmp/raw")"
	like "$out" "*
\*
00002000"
	expect ok ipcdevctl dump --offset 4K --length 20 "$b"
	same "$(echo "$out" | tail -n 1)" 00001014
	same "$(echo "$out" | wc -l)" 3
	ipcdevctl dump -r -o 8000 "$b" > "$tmp/raw"
	same "$(wc -c < "$tmp/raw")" 192
	expect ok ipcdevctl dump -o 8K "$b"
	expect failed ipcdevctl dump -o 8193 "$b"
	expect ok ipcdevctl rm "$b"
}

test_watch_queue()
{
	expect ok ipcdevctl create queue -p -d 1 "$q"
	expect timeout ipcdevctl watch --timeout 20ms "$q"
	like "$err" "*/dev/ipc/$q*timed out*"
	ipcdevctl watch --readable --count 2 -T 5m "$q" > "$tmp/watched" &
	watcher=$!
	until_so sh -c "ipcdevctl stat -j $q | grep -q '\"eventfds\":1'"
	expect ok ipcdevctl send "$q" a
	until_so test -s "$tmp/watched"
	expect ok ipcdevctl recv "$q"
	expect ok ipcdevctl send "$q" b
	wait "$watcher" || complain "status $?"
	same "$(grep -c 'readable' "$tmp/watched")" 2

	ipcdevctl watch --writable -n 1 -T 5m -j "$q" > "$tmp/watched" &
	watcher=$!
	until_so sh -c "ipcdevctl stat -j $q | grep -q '\"eventfds\":1'"
	expect ok ipcdevctl recv "$q"
	wait "$watcher" || complain "status $?"
	valid_json "$(cat "$tmp/watched")"
	like "$(cat "$tmp/watched")" '*"event":"writable"*'
	expect ok ipcdevctl rm "$q"

	ipcdevctl create queue "$q" -- sleep 100 &
	holder=$!
	until_so ipcdevctl send "$q" a
	expect ok ipcdevctl watch --hangup --count 1 -T 5m "$q"
	like "$out" "*hangup*1 queued*"
	# A condition that holds already is an event.
	expect ok ipcdevctl watch -r -u -n 2 -T 5m -j "$q"
	valid_json "$out"
	kill "$holder"
	wait
	until_so test ! -e "/dev/ipc/$q"
}

test_watch_buffer()
{
	expect ok ipcdevctl create buffer -p -s 1K "$b"
	expect timeout ipcdevctl watch -r -T 20ms "$b"
	expect ok ipcdevctl rm "$b"
}

# serve ARGUMENT...: in the background, as $server; $q is there then.
serve()
{
	ipcdevctl serve "$@" "$q" 2> "$tmp/served" &
	server=$!
	until_so ipcdevctl call -T 10 "$q" ""
}

# end_server [SIGNAL]: it ends well, and with it the queue.
end_server()
{
	kill "-${1:-TERM}" "$server"
	wait "$server" || complain "the server's status is $?"
	until_so test ! -e "/dev/ipc/$q"
}

test_call()
{
	serve --exec 'tr a-z A-Z'
	expect ok ipcdevctl call "$q" hello
	same "$out" HELLO
	expect ok ipcdevctl call "$q" ""
	same "$out" ""
	echo "from standard input" > "$tmp/in"
	expect ok ipcdevctl call "$q" < "$tmp/in"
	same "$out" "FROM STANDARD INPUT"
	expect ok ipcdevctl call "$q" - < "$tmp/in"
	same "$out" "FROM STANDARD INPUT"
	ipcdevctl call --raw "$q" abc > "$tmp/out" || complain "status $?"
	same "$(wc -c < "$tmp/out")" 3
	expect ok ipcdevctl call --json --prio 5 --tag 7 "$q" "a b"
	valid_json "$out"
	has "$out" data '"A B"'
	has "$out" len 3
	end_server
	# Binary, and as much as the queue takes.
	serve -M 64K -e cat
	dd if=/dev/urandom of="$tmp/in" bs=1024 count=64 2> /dev/null
	ipcdevctl call -r "$q" < "$tmp/in" > "$tmp/out" || complain "status $?"
	cmp "$tmp/in" "$tmp/out" || complain "another reply"
	echo >> "$tmp/in"
	expect failed ipcdevctl call "$q" < "$tmp/in"
	like "$err" "*larger*"
	end_server
}

test_call_fails()
{
	expect failed ipcdevctl call "$q" x
	like "$err" "*/dev/ipc/$q*no such name*"
	# Nobody serves it.
	expect ok ipcdevctl create queue -p "$q"
	expect timeout ipcdevctl call --timeout 20ms "$q" x
	like "$err" "*/dev/ipc/$q*timed out*"
	expect ok ipcdevctl stat -j "$q"
	has "$out" queued 0
	# Taken, and not answered: recv is no server.
	ipcdevctl call -T 60 "$q" x 2> "$tmp/called" &
	caller=$!
	expect ok ipcdevctl recv -T 60 "$q"
	same "$out" x
	wait "$caller"
	same $? 4
	like "$(cat "$tmp/called")" "*/dev/ipc/$q*gone*"
	expect ok ipcdevctl rm "$q"
	expect ok ipcdevctl create buffer -p -s 1 "$b"
	expect failed ipcdevctl call "$b" x
	expect failed ipcdevctl serve -e cat "$b"
	like "$err" "*/dev/ipc/$b*not of this kind*"
	expect ok ipcdevctl rm "$b"

	# A server that is killed.
	ipcdevctl serve -e 'touch '"$tmp/taken"'
		while test -e '"$tmp/taken"'; do sleep 0.1; done' "$q" &
	server=$!
	until_so test -e "/dev/ipc/$q"
	until_so ipcdevctl stat "$q"
	ipcdevctl call -T 60 "$q" x 2> "$tmp/called" &
	caller=$!
	until_so test -e "$tmp/taken"
	kill -9 "$server"
	wait "$caller"
	same $? 4
	rm "$tmp/taken"
	until_so test ! -e "/dev/ipc/$q"
}

# shellcheck disable=SC2016 # for another shell
test_serve()
{
	serve --creds -e 'read -r what; case $what in
		env) echo "$IPCDEV_TAG $IPCDEV_PRIO $IPCDEV_UID $IPCDEV_GID" ;;
		pid) echo "$IPCDEV_PID" ;;
		status) echo none of this; exit 7 ;;
		signal) kill -9 $$ ;;
		flood) yes ;;
		slow) sleep 1; echo late ;;
		*) echo ok ;;
		esac'
	expect ok ipcdevctl call -t 12 -p 3 "$q" env
	same "$out" "12 3 0 0"
	expect ok ipcdevctl call "$q" pid
	like "$out" "[1-9]*"
	for request in status signal; do
		expect reply ipcdevctl call "$q" "$request"
		like "$err" "*/dev/ipc/$q*Remote I/O error*"
		same "$out" ""
	done
	expect reply ipcdevctl call "$q" flood
	like "$err" "*/dev/ipc/$q*too long*"
	expect timeout ipcdevctl call -T 100ms "$q" slow
	# It has gone on after all of that.
	expect ok ipcdevctl call "$q" more
	same "$out" ok
	# A message that is no call is a request without a reply.
	expect ok ipcdevctl send "$q" env
	expect ok ipcdevctl call "$q" more
	end_server
	same "$(cat "$tmp/served")" ""
}

# A caller that gives up or is killed takes the command along.
# shellcheck disable=SC2016 # for another shell
test_serve_gone()
{
	serve -e 'read -r how; [ "$how" = sleep ] || exit 0
		sleep 1000 & echo $! > '"$tmp"'/pid; wait'
	ipcdevctl call "$q" sleep > /dev/null 2>&1 &
	caller=$!
	until_so test -s "$tmp/pid"
	expect ok ipcdevctl stat -j "$q"
	has "$out" calls 1
	kill -9 "$caller"
	# All of its processes; nobody may have waited for this one yet.
	until_so sh -c "! grep -q '^State:.[^ZX]' /proc/$(cat "$tmp/pid")/status"
	expect ok ipcdevctl call -T 60 "$q" more
	end_server
	same "$(cat "$tmp/served")" ""

	# Another's command is left alone, and so is that of a message.
	serve -j 2 -e 'read -r how; case $how in
		sleep) echo > '"$tmp"'/in; sleep 1000 ;;
		wait) echo > '"$tmp"'/in; read -r x < '"$tmp"'/go; echo "$x" > '"$tmp"'/was ;;
		esac'
	mkfifo "$tmp/go"
	expect ok ipcdevctl send "$q" wait
	until_so test -e "$tmp/in"
	rm "$tmp/in"
	ipcdevctl call "$q" sleep > /dev/null 2>&1 &
	caller=$!
	until_so test -e "$tmp/in"
	kill -9 "$caller"
	expect ok ipcdevctl call -T 60 "$q" more
	echo "went on" > "$tmp/go"
	until_so test -s "$tmp/was"
	same "$(cat "$tmp/was")" "went on"
	end_server
}

test_serve_queue()
{
	serve -e cat -m 622 -d 3 -M 100 -b 200
	same "$(stat -c %a "/dev/ipc/$q")" 622
	expect ok ipcdevctl stat -j "$q"
	for pair in depth:3 msg_max:100 bytes_max:200; do
		has "$out" "${pair%:*}" "${pair#*:}"
	done
	expect ok su -s /bin/sh nobody -c "ipcdevctl call $q hi"
	same "$out" hi
	expect failed su -s /bin/sh nobody -c "ipcdevctl serve -e cat $q"
	like "$err" "*/dev/ipc/$q*denied*"
	end_server HUP

	# One that is there is used, and stays as it is.
	expect ok ipcdevctl create queue -p -d 9 -c "$q"
	serve -e 'echo $$' -d 9 -c
	kill "$server"
	wait "$server" || complain "status $?"
	same "$(cat "$tmp/served")" ""
	serve -e 'echo $$' -d 3 -M 100 -b 200 -c -r
	kill "$server"
	wait "$server" || complain "status $?"
	like "$(cat "$tmp/served")" "*/dev/ipc/$q*without --depth --msg-max --bytes --sched"
	expect ok ipcdevctl stat -j "$q"
	has "$out" depth 9
	expect ok ipcdevctl rm "$q"
	# Requests that came before the server.
	expect ok ipcdevctl create queue -p "$q"
	ipcdevctl call -T 60 "$q" early > "$tmp/early" &
	caller=$!
	until_so sh -c "ipcdevctl stat -j $q | grep -q '\"queued\":1'"
	serve -e cat
	wait "$caller" || complain "status $?"
	same "$(cat "$tmp/early")" early
	kill "$server"
	wait "$server"
	expect ok ipcdevctl rm "$q"
	expect failed ipcdevctl serve -e cat "$tmp/$q"
	like "$err" "*$tmp/$q*mount*"
}

# Jobs run side by side, and those that run are finished.
# shellcheck disable=SC2016 # for another shell
test_serve_end()
{
	serve --jobs 3 -e 'read -r n; [ "$n" ] || exit 0
		echo > '"$tmp"'/in.$n; read -r x < '"$tmp"'/go.$n; echo "$n $x"'
	for n in 1 2 3; do
		mkfifo "$tmp/go.$n"
		echo "$n" | ipcdevctl call -T 60 "$q" > "$tmp/reply.$n" 2>&1 &
		callers="$callers $!"
	done
	for n in 1 2 3; do
		until_so test -e "$tmp/in.$n"
	done
	kill "$server"
	for n in 1 2 3; do
		echo "went on" > "$tmp/go.$n"
	done
	for caller in $callers; do
		wait "$caller" || complain "a caller's status is $?"
	done
	for n in 1 2 3; do
		same "$(cat "$tmp/reply.$n")" "$n went on"
	done
	wait "$server" || complain "the server's status is $?"
	until_so test ! -e "/dev/ipc/$q"
}

# Each subscriber gets each message, and the end when the publisher has gone.
test_topic()
{
	printf 'one\ntwo\n' > "$tmp/lines"
	mkfifo "$tmp/go"
	{ exec 3< "$tmp/go"; cat <&3; } | ipcdevctl pub --wait "$q" &
	publisher=$!
	exec 4> "$tmp/go"
	until_so test -e "/dev/ipc/$q"
	for i in 1 2 3; do
		ipcdevctl sub "$q" > "$tmp/sub$i" 4>&- &
	done
	until_so sh -c "ipcdevctl stat -j $q | grep -q '\"receivers\":3'"
	expect ok ipcdevctl ls
	like "$out" "* b *$q*"
	cat "$tmp/lines" >&4
	exec 4>&-
	wait "$publisher" || complain "the publisher's status is $?"
	wait
	for i in 1 2 3; do
		same "$(cat "$tmp/sub$i")" "one
two"
	done
	until_so test ! -e "/dev/ipc/$q"

	# A persistent one keeps its last, for who comes later.
	expect ok ipcdevctl pub -p -H 2 -m 640 "$q" a b c
	expect ok ipcdevctl pub "$q" d
	ipcdevctl pub -H 3 -D "$q" c d 2> "$tmp/told" || complain "status $?"
	like "$(cat "$tmp/told")" "*/dev/ipc/$q*without --history --drop-oldest"
	expect ok ipcdevctl stat -j "$q"
	has "$out" history 2
	has "$out" queued 2
	like "$out" '*"broadcast"*'
	expect timeout ipcdevctl sub -T 0 "$q"
	same "$out" ''
	expect ok ipcdevctl sub --last 1 -n 1 "$q"
	same "$out" d
	expect timeout ipcdevctl sub -l 9 --timeout 0 "$q"
	same "$out" "c
d"
	expect ok ipcdevctl sub -l 2 -n 1 -j "$q"
	has "$out" data '"c"'
	expect ok ipcdevctl sub -l 2 -n 2 -r "$q"
	same "$out" cd
	printf 'a\nb' | ipcdevctl pub -r "$q" || complain "cannot publish raw"
	expect ok ipcdevctl sub -l 1 -n 1 "$q"
	same "$out" "a
b"
	expect failed ipcdevctl sub -b 65 "$q"
	like "$err" '*backlog*depth*'
	expect timeout ipcdevctl pub --wait -T 10ms "$q" x
	expect ok ipcdevctl rm "$q"

	# What somebody who died has left is used.
	touch "/dev/ipc/$q"
	expect ok ipcdevctl pub -p -H 1 "$q" x
	expect ok ipcdevctl sub -l 1 -n 1 "$q"
	same "$out" x
	expect ok ipcdevctl rm "$q"

	expect failed ipcdevctl sub "$q"
	expect ok ipcdevctl create queue -p "$q"
	expect failed ipcdevctl sub "$q"
	like "$err" '*not a topic*'
	expect failed ipcdevctl pub "$q" x
	like "$err" '*not a topic*'
	expect ok ipcdevctl rm "$q"
}

# Who is too slow holds the publisher up, or is told what it has lost.
test_slow_subscriber()
{
	for kind in '' --drop-oldest; do
		# shellcheck disable=SC2086 # none or one
		ipcdevctl create queue -B -d 2 $kind "$q" -- sleep 100 &
		holder=$!
		until_so ipcdevctl peek -n 0 "$q"
		mkfifo "$tmp/pipe$kind"
		# Cannot print until somebody reads, and so takes but one.
		ipcdevctl sub --json "$q" > "$tmp/pipe$kind" 2> "$tmp/lost" 5>&- &
		slow=$!
		if [ "$kind" ]; then
			exec 5< "$tmp/pipe$kind"
			until_so sh -c "ipcdevctl stat -j $q | grep -q '\"receivers\":1'"
			kill -STOP "$slow"
			expect ok ipcdevctl pub "$q" a b c d e
			kill -CONT "$slow"
			until_so sh -c "ipcdevctl stat -j $q | grep -q '\"queued\":0'"
			expect ok ipcdevctl stat -j "$q"
			like "$out" '*"dropped":[23],*'
			until_so grep 'lost [23] messages' "$tmp/lost"
		else
			exec 5< "$tmp/pipe$kind"
			until_so sh -c "ipcdevctl stat -j $q | grep -q '\"receivers\":1'"
			kill -STOP "$slow"
			expect timeout ipcdevctl pub -T 20ms "$q" a b c d
			kill -CONT "$slow"
			until_so ipcdevctl pub -T 0 "$q" e
			expect ok ipcdevctl stat -j "$q"
			has "$out" dropped 0
		fi
		kill "$slow" "$holder"
		wait
		exec 5<&-
		until_so test ! -e "/dev/ipc/$q"
	done
}

# A ring that shells push to and pop from, one after the other.
test_ring()
{
	expect ok ipcdevctl create ring "$r" -s 1K -p --takeover -m 622
	same "$(stat -c %a "/dev/ipc/$r")" 622
	expect timeout ipcdevctl pop -T 10ms "$r"
	like "$err" '*timed out*'
	expect ok ipcdevctl push "$r" one 'two words' ''
	expect ok ipcdevctl stat -j "$r"
	for pair in type:'"ring"' size:4096 queued_bytes:48 takeover:true \
		readers:0 writers:0 recv_waits:1; do
		has "$out" "${pair%%:*}" "${pair#*:}"
	done
	expect ok ipcdevctl ls
	like "$out" "*ring*root*48/4K*po*/$r"
	expect ok ipcdevctl top -n 1 -d 10ms
	like "$out" "*ring*48/4K*/$r"
	expect ok ipcdevctl pop "$r"
	same "$out" one
	expect ok ipcdevctl pop --json "$r"
	valid_json "$out"
	has "$out" len 9
	has "$out" data '"two words"'
	printf 'a\nb' | ipcdevctl push -r "$r" || complain "cannot push raw"
	printf 'c\nd\n' | ipcdevctl push "$r" || complain "cannot push lines"
	expect ok ipcdevctl pop -n 2 "$r"
	like "$out" "*a
b"
	expect ok ipcdevctl pop --raw -n 2 "$r"
	same "$out" cd
	# A persistent one knows no last producer.
	expect timeout ipcdevctl pop -f -T 10ms "$r"

	# Larger than a record may be; and more than there is room for.
	head -c 2048 /dev/zero > "$tmp/most"
	head -c 2049 /dev/zero > "$tmp/more"
	ipcdevctl push -r "$r" < "$tmp/most" || complain "cannot push half a ring"
	expect failed ipcdevctl push -r "$r" < "$tmp/more"
	like "$err" '*half the ring*'
	expect timeout ipcdevctl push -r -T 10ms "$r" < "$tmp/most"
	expect ok ipcdevctl pop --raw "$r"
	expect failed su -s /bin/sh nobody -c "ipcdevctl pop $r"
	like "$err" '*denied*'
	expect ok su -s /bin/sh nobody -c "ipcdevctl push $r hi"
	expect ok ipcdevctl rm "$r"

	expect ok ipcdevctl create queue -p "$q"
	for command in push pop; do
		expect failed ipcdevctl "$command" "$q"
		like "$err" '*not a ring*'
		expect failed ipcdevctl "$command" "$r"
		like "$err" '*no such name*'
	done
	expect ok ipcdevctl rm "$q"
}

# Each side at a time, and each once, unless it may be taken over.
test_ring_sides()
{
	ipcdevctl create ring -s 4K "$r" -- sleep 100 &
	holder=$!
	until_so ipcdevctl stat "$r"
	expect timeout ipcdevctl push --wait -T 10ms "$r" lost
	expect failed ipcdevctl push "$r" x
	like "$err" '*--takeover*'
	kill "$holder"
	wait
	until_so test ! -e "/dev/ipc/$r"

	ipcdevctl create ring -s 4K --takeover "$r" -- sleep 100 &
	holder=$!
	until_so ipcdevctl stat "$r"
	ipcdevctl pop -f "$r" > "$tmp/popped" &
	popper=$!
	until_so sh -c "ipcdevctl stat -j $r | grep -q '\"receivers\":1'"
	expect failed ipcdevctl pop "$r"
	like "$err" '*already*'
	# It ends with the producer, whose lines come as they are.
	i=0
	while [ "$i" -lt 500 ]; do
		i=$((i + 1))
		echo "line $i"
	done > "$tmp/lines"
	expect ok ipcdevctl push --wait "$r" < "$tmp/lines"
	wait "$popper" || complain "pop has failed"
	cmp "$tmp/lines" "$tmp/popped" || complain "not what was pushed"
	expect gone ipcdevctl pop "$r"
	expect ok ipcdevctl pop -f "$r"
	same "$out" ''
	# What is pushed now is for another consumer, as far as there is room.
	expect ok ipcdevctl push "$r" x
	head -c 2048 /dev/zero > "$tmp/most"
	expect ok ipcdevctl push -r "$r" < "$tmp/most"
	expect gone ipcdevctl push -r "$r" < "$tmp/most"
	expect ok ipcdevctl pop "$r"
	same "$out" x
	kill "$holder"
	wait
	until_so test ! -e "/dev/ipc/$r"
}

test_top()
{
	expect ok ipcdevctl top --count 1 --delay 10ms
	same "$out" "no objects"
	expect ok ipcdevctl create queue -p "$q"
	expect ok ipcdevctl top -n 2 -d 0.05
	like "$out" "*SENT/s*/$q*SENT/s*/$q"
	expect ok ipcdevctl top -j -n 2 -d 50ms
	valid_json "$out"
	same "$(echo "$out" | wc -l)" 2
	has "$out" name "\"/$q\""
	ipcdevctl top -n 1 -d 1 > "$tmp/top" &
	top=$!
	while kill -0 "$top" 2> /dev/null; do
		expect ok ipcdevctl send -n 40 "$q" text
		expect ok ipcdevctl recv -n 40 "$q"
	done
	wait "$top" || complain "status $?"
	# ID TYPE OWNER HOLDS SENT/s
	awk -v "name=/$q" '$NF == name && $5 > 0 { ok = 1 } END { exit !ok }' \
		"$tmp/top" || complain "$(cat "$tmp/top")"
	expect ok ipcdevctl rm "$q"
}

test_info()
{
	expect ok ipcdevctl create buffer -p -s 1M "$b"
	expect ok ipcdevctl info
	like "$out" "*your objects*1 of *"
	expect ok ipcdevctl info --json
	valid_json "$out"
	has "$out" objects 1
	like "$out" '*"max_depth":[1-9]*'
	expect ok ipcdevctl rm "$b"
	expect ok ipcdevctl info -j
	has "$out" objects 0
	has "$out" bytes 0
}

test_stat()
{
	expect ok ipcdevctl create queue -p "$q"
	expect ok ipcdevctl create buffer -p -s 4K "$b"
	expect ok ipcdevctl stat "$q"
	like "$out" "name */$q*type *queue*owner *root (0:0)*depth *64 *"
	id=$(ipcdevctl stat "$q" | sed -n 's/^id *//p')
	expect ok ipcdevctl stat "@$id"
	like "$out" "name */$q*"
	expect ok ipcdevctl stat "$q" "$b"
	like "$out" "*/$q*/$b*"
	expect ok ipcdevctl stat --json "$q" "$b"
	valid_json "$out"
	expect failed ipcdevctl stat @999999999
	expect failed ipcdevctl stat "none-$$" "$b"
	like "$out" "*/$b*"
	# With another ipcdevfs a name alone says too little: it is opened.
	expect ok ipcdevctl mount "$tmp/ipc"
	expect ok ipcdevctl create queue -p "$tmp/ipc/$q" -d 7
	expect ok ipcdevctl stat -j "$tmp/ipc/$q"
	has "$out" depth 7
	expect ok ipcdevctl stat -j "$q"
	has "$out" depth 64
	expect ok ipcdevctl rm "$q" "$b" "$tmp/ipc/$q"
	umount "$tmp/ipc"
}

# Who asks about a queue is no peer of it.
test_quiet_stat()
{
	ipcdevctl create queue "$q" -- sleep 100 &
	holder=$!
	until_so ipcdevctl stat "$q"
	expect ok ipcdevctl stat -j "$q"
	has "$out" readers 1
	has "$out" writers 0
	# No writer has ever been, so nobody has gone.
	expect timeout ipcdevctl recv -T 10ms "$q"
	kill "$holder"
	wait
	until_so test ! -e "/dev/ipc/$q"
}

test_engine()
{
	expect ok ipcdevctl engine list
	like "$out" "BACKEND*OPERATIONS*soft *nop timer copy fill crc32*"
	expect ok ipcdevctl engine list --json
	valid_json "$out"
	has "$out" name '"soft"'
	has "$out" engines 0

	expect ok ipcdevctl create engine "$q" --depth 5 --backend soft -- sh -c "
		ipcdevctl ls; ipcdevctl ls -j; ipcdevctl engine info $q
		ipcdevctl engine info -j $q; ipcdevctl stat -j $q
		ipcdevctl engine list -j; ipcdevctl top -n 1 -d 10ms"
	like "$out" "*engine root *0/5 *-*/$q*\"type\":\"engine\"*$q*"
	like "$out" "*back end *soft*in flight *0 of 5*submitted *0*"
	# Of histograms that are empty, nothing is drawn.
	case $out in *"and more"*) complain "$out" ;; esac
	told=$(echo "$out" | grep '"latencies"')
	valid_json "$told"
	has "$told" backend '"soft"'
	has "$told" depth 5
	has "$told" gone false
	like "$told" '*"interrupt":\[0,*"wakeup":\[0,*"reaped":\[0,*'
	has "$out" inflight 0
	has "$out" engines 1
	like "$out" "*SENT/s*engine root *0/5 *$q*"

	expect usage ipcdevctl create engine -p "$q"
	expect usage ipcdevctl create engine -s 1 "$q"
	expect usage ipcdevctl create engine --msg-max 5 "$q"
	expect usage ipcdevctl create queue -e soft "$q"
	expect usage ipcdevctl create buffer -s 1 -d 5 "$q"
	expect failed ipcdevctl create engine -e nonsense "$q" -- true
	like "$err" "*nonsense*no such back end*"
	expect failed ipcdevctl create engine -e soft -d 100000000 "$q" -- true
	like "$err" "*deep*"
	expect failed ipcdevctl create engine -d 100000000 "$q" -- true
	expect usage ipcdevctl engine
	expect usage ipcdevctl engine nonsense
	expect usage ipcdevctl engine list soft
	expect usage ipcdevctl engine info
	expect failed ipcdevctl engine info "$q"
	expect ok ipcdevctl create queue -p "$q"
	expect failed ipcdevctl engine info "$q"
	like "$err" "*$q*not of this kind*"
	expect ok ipcdevctl rm "$q"
}

# sum OUTPUT NAME: of that histogram in JSON.
sum()
{
	echo "$1" | sed -n "s/.*\"$2\":\[\([0-9,]*\)\].*/\1/p" | tr , '\n' |
		awk '{ sum += $1 } END { print sum }'
}

test_engine_works()
{
	expect ok ipcdevctl create engine "$q" -d 4 -- sh -c "
		$timers /dev/ipc/$q 9 && ipcdevctl engine info -j $q &&
		ipcdevctl engine info $q"
	told=$(echo "$out" | grep '"latencies"')
	valid_json "$told"
	has "$told" submitted 9
	has "$told" completed 9
	has "$told" failed 0
	has "$told" records 9
	has "$told" unreaped 0
	same "$(sum "$told" interrupt)" 9
	# One that came before the process slept is none.
	[ "$(sum "$told" wakeup)" -ge 1 ] || complain "$told"
	[ "$(sum "$told" wakeup)" -le 9 ] || complain "$told"
	[ "$(sum "$told" reaped)" -le "$(sum "$told" wakeup)" ] || complain "$told"
	like "$out" "*submitted *9${nl}completed *9$nl*$nl*when it was due*and more * #*"
	like "$out" "*until the sleeper runs*and more * #*"
}

test_engine_test()
{
	expect ok ipcdevctl engine test
	like "$out" "soft: each operation 10 times, 4K each*LEAST *MEDIAN *MOST*"
	like "$out" "*nop *timer * late*copy *fill *crc32 *submission*and more * #*"
	expect ok ipcdevctl engine test --json --count 3 --size 100K soft
	valid_json "$out"
	has "$out" backend '"soft"'
	has "$out" size 102400
	for operation in nop timer copy fill crc32; do
		has "$out" operation "\"$operation\""
	done
	# Each of the 15 requests is in the first histogram.
	same "$(sum "$out" interrupt)" 15
	expect failed ipcdevctl engine test nonsense
	like "$err" "*nonsense*no such back end*"
	expect usage ipcdevctl engine test -n 0
	expect usage ipcdevctl engine test -s 0
	expect usage ipcdevctl engine test soft soft
	expect usage ipcdevctl engine list -n 5
	expect failed ipcdevctl engine test -s 1T
}

test_engine_test_edu()
{
	edu=$(ipcdevctl engine list | awk '/^edu-/ { print $1; exit }')
	[ "$edu" ] || skip "no edu device"
	expect ok ipcdevctl engine test -n 2 -s 3000 "$edu"
	like "$out" "$edu: each operation 2 times, *nop *copy *fill *factorial *and more * #*"
	case $out in *timer* | *crc32*) complain "$out" ;; esac
	expect ok ipcdevctl engine test -j -n 1 -s 64K "$edu"
	valid_json "$out"
	has "$out" backend "\"$edu\""
	same "$(sum "$out" interrupt)" 4
	# What no request may have is known before.
	expect failed ipcdevctl engine test -s 1M "$edu"
	like "$err" "*$edu*64K at most*"
	expect failed ipcdevctl engine test -s 65537 "$edu"
	like "$err" "*64K at most*"
}

test_other_user()
{
	expect ok ipcdevctl create queue -p -m 622 "$q"
	expect ok su -s /bin/sh nobody -c "ipcdevctl ls"
	same "$out" "no objects"
	expect failed su -s /bin/sh nobody -c "ipcdevctl recv $q"
	like "$err" "*/dev/ipc/$q*denied*"
	expect ok su -s /bin/sh nobody -c "ipcdevctl send $q hi"
	expect failed su -s /bin/sh nobody -c "ipcdevctl rm $q"
	like "$err" "*/dev/ipc/$q*"
	expect failed su -s /bin/sh nobody -c "ipcdevctl create queue -p $q"
	# Not its own, so that it must open it; for writing, which it may.
	expect ok su -s /bin/sh nobody -c "ipcdevctl stat $q"
	expect ok ipcdevctl recv "$q"
	same "$out" hi
	expect ok ipcdevctl rm "$q"
	expect ok su -s /bin/sh nobody -c "ipcdevctl create queue -p $q"
	expect ok ipcdevctl ls
	like "$out" "*nobody*/$q"
	expect ok ipcdevctl rm "$q"
	expect failed su -s /bin/sh nobody -c "ipcdevctl mount $tmp"
}

# Messages and names of strangers cannot play tricks on a terminal.
test_terminal()
{
	esc=$(printf '\033')
	expect ok ipcdevctl create queue -p "$q"
	printf 'a\033[2Jb\tc' | ipcdevctl send -r "$q"
	expect ok ipcdevctl peek "$q"
	like "$out" "*a$esc\[2Jb*"
	expect ok "$pty" ipcdevctl recv "$q"
	same "$out" "$(printf 'a\\x1b[2Jb\tc')"
	expect ok mv "/dev/ipc/$q" "/dev/ipc/$q${esc}[2J"
	expect ok "$pty" ipcdevctl ls
	like "$out" "*/$q"'\\x1b\[2J'
	expect ok mv "/dev/ipc/$q${esc}[2J" "/dev/ipc/$q"
	expect ok ipcdevctl rm "$q"
}

test_examples()
{
	run=$(dirname "$(readlink -f "$ipcdevctl")")/../libexec/ipcdev/examples/run.sh
	[ -e "$run" ] || skip "no examples here"
	"$run" | sed 's/^/# /' > "$tmp/out"
	if grep '^# not ok' "$tmp/out" || ! grep -q '^# ok 14' "$tmp/out"; then
		cat "$tmp/out"
		complain "an example has failed"
	fi
}

echo "TAP version 13"
if ! ipcdevctl=$(command -v ipcdevctl) || [ ! -e /dev/ipcdev ] ||
	[ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP needs ipcdevctl, the module and root"
	exit 4
fi
# shellcheck disable=SC2086 # words
set -- $tests
echo "1..$#"
number=0 status=0
for test; do
	number=$((number + 1))
	rm -f "$tmp/skip"
	if (test_"$test") && no_objects; then
		reason=''
		[ ! -e "$tmp/skip" ] || reason=" # SKIP $(cat "$tmp/skip")"
		echo "ok $number $test$reason"
	else
		ipcdevctl ls | sed 's/^/# left: /'
		rm -f "/dev/ipc/$q" "/dev/ipc/$b" "/dev/ipc/$r"
		echo "not ok $number $test"
		status=1
	fi
done
exit $status
