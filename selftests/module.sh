#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The module is removed and comes back; it refuses to go while it is in use;
# it says what it is; its parameters can be given when it is loaded. In KTAP.
#
# The module's file is $IPCDEV_MODULE, or where the guest's image or modprobe
# have it. All is left as it was found: loaded, with the mounts and the values
# of the parameters that there were.
#
# The tests are functions, called by their names.
# shellcheck disable=SC2317

tests="describes_itself parameters_are_described refuses_while_open \
refuses_while_mounted comes_and_goes leaves_nothing leaves_no_timer takes_parameters \
refuses_bad_parameters"

parameters=/sys/module/ipcdev/parameters

say() { echo "TAP version 13"; echo "1..0 # SKIP $*"; exit 4; }

[ "$(id -u)" = 0 ] || say "must be root"
[ -e /dev/ipcdev ] || say "/dev/ipcdev is missing"
[ -e /sys/module/ipcdev/refcnt ] || say "it is no module here"
for file in "$IPCDEV_MODULE" /job/module.ko "$(modinfo -n ipcdev 2> /dev/null)"; do
	[ -f "$file" ] && break
done
[ -f "$file" ] || say "no file to load the module from"

# What is to be restored: mounts, and parameters as insmod takes them.
mounts=$(grep ' ipcdevfs ' /proc/mounts)
values=$(cd "$parameters" && grep . ./* | sed 's|^\./||; s|:|=|')

mount_all()
{
	echo "$mounts" | while read -r source target type options _; do
		[ "$target" ] || continue
		mount -t "$type" -o "$options" "$source" "$target"
	done
}

# Those of others stay mounted, and then there is nothing to be tested.
umount_all()
{
	echo "$mounts" | while read -r _ target _; do
		[ -z "$target" ] || umount "$target" 2> /dev/null
	done
}

loaded() { [ -e /sys/module/ipcdev ]; }

# shellcheck disable=SC2086 # values are words
restore()
{
	if loaded && ! rmmod ipcdev; then
		echo "# the module cannot be restored"
		return
	fi
	insmod "$file" $values
	mount_all
}

# complain TEXT...: ends the test.
complain()
{
	echo "# $*"
	exit 1
}

# What the module's file says of itself. Looked for once: the file is large.
fields=$(tr -c '\040-\176' '\n' < "$file" | grep '^[a-z]*=')

# A field of it, a line for each time that it is there.
field() { echo "$fields" | sed -n "s/^$1=//p"; }

# refused TEXT...: rmmod must fail, and for the reason that it is in use.
refused()
{
	said=$(rmmod ipcdev 2>&1) && complain "it was removed: $*"
	loaded || complain "it is gone: $*"
	case $said in
	*unavailable* | *"in use"*) ;;
	*) complain "$*: $said" ;;
	esac
}

value() { cat "$parameters/$1"; }

remove() { rmmod ipcdev || complain "it cannot be removed"; }

describes_itself()
{
	[ "$(field license)" = GPL ] || complain "no licence"
	for name in description author version srcversion vermagic; do
		[ "$(field "$name")" ] || complain "no $name"
	done
	[ "$(field version)" = "$(cat /sys/module/ipcdev/version)" ] ||
		complain "another version than is loaded"
	# mount -t ipcdevfs loads it.
	field alias | grep -qx fs-ipcdevfs || complain "no alias of the filesystem"
}

parameters_are_described()
{
	for path in "$parameters"/*; do
		name=${path##*/}
		field parm | grep -q "^$name:." || complain "$name is not described"
		field parmtype | grep -q "^$name:u" || complain "$name has no type"
		[ "$(stat -c %a "$path")" = 644 ] || complain "mode of $name"
		[ "$(cat "$path")" -gt 0 ] || complain "value of $name"
	done
	for name in $(field parm | sed 's/:.*//'); do
		[ -e "$parameters/$name" ] || complain "$name is not to be seen"
	done
}

refuses_while_open()
{
	exec 3<> /dev/ipcdev
	refused "the device is open"
	exec 3<&-
	remove
	insmod "$file" || complain "it cannot be loaded"
	[ -c /dev/ipcdev ] || complain "no device"
}

refuses_while_mounted()
{
	dir=$(mktemp -d)
	mount -t ipcdevfs ipcdevfs "$dir" || complain "it cannot be mounted"
	refused "an ipcdevfs is mounted"
	: > "$dir/name" || complain "no name can be made"
	refused "an ipcdevfs is mounted and has a name"
	umount "$dir" || complain "it cannot be unmounted"
	rmdir "$dir"
	remove
	insmod "$file" || complain "it cannot be loaded"
}

comes_and_goes()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		remove
		insmod "$file" || complain "it cannot be loaded"
		dir=$(mktemp -d)
		mount -t ipcdevfs ipcdevfs "$dir" || complain "no filesystem"
		umount "$dir"
		rmdir "$dir"
		: < /dev/ipcdev || complain "no device"
	done
}

leaves_nothing()
{
	remove
	[ ! -e /dev/ipcdev ] || complain "its device is left"
	! grep -q ipcdev /proc/filesystems || complain "its filesystem is left"
	! grep -q ipcdev /proc/misc || complain "its number is left"
	! grep -q '^ipcdev' /proc/slabinfo || complain "its memory is left"
	[ ! -e /sys/kernel/tracing/events/ipcdev ] || complain "its tracepoints are left"
	insmod "$file" || complain "it cannot be loaded"
}

# A timer stays armed when the sleep that it was armed for has ended.
leaves_no_timer()
{
	dir=$(mktemp -d)
	mount -t ipcdevfs ipcdevfs "$dir" || complain "no filesystem"
	ipcdevctl create queue --persistent "$dir/queue"
	# One whose time was over before it was seen tells nothing.
	receiver=''
	until ipcdevctl stat --json "$dir/queue" | grep -Eq '"receivers": ?1'; do
		if [ -z "$receiver" ] || ! kill -0 "$receiver" 2> /dev/null; then
			ipcdevctl recv --timeout 5 "$dir/queue" > /dev/null &
			receiver=$!
		fi
	done
	ipcdevctl send "$dir/queue" message
	wait
	rm "$dir/queue"
	umount "$dir"
	remove
	insmod "$file" || complain "it cannot be loaded"
	mount -t ipcdevfs ipcdevfs "$dir" || complain "no filesystem"
	ipcdevctl create queue --persistent "$dir/queue"
	! ipcdevctl recv --timeout 6 "$dir/queue" 2> /dev/null ||
		complain "there is a message"
	rm "$dir/queue"
	umount "$dir"
	rmdir "$dir"
}

takes_parameters()
{
	remove
	insmod "$file" max_objects=3 max_bytes=1048576 max_depth=4 ||
		complain "it takes no parameters"
	[ "$(value max_objects)" = 3 ] || complain "max_objects"
	[ "$(value max_bytes)" = 1048576 ] || complain "max_bytes"
	[ "$(value max_depth)" = 4 ] || complain "max_depth"
	[ "$(value max_batch)" = 1024 ] || complain "max_batch"
	remove
	insmod "$file"
	# By default a quarter of the memory, give or take what the kernel has.
	quarter=$(awk '/^MemTotal/ { print $2 * 256 }' /proc/meminfo)
	ratio=$(($(value max_bytes) * 100 / quarter))
	[ "$ratio" -ge 90 ] || complain "max_bytes is $(value max_bytes)"
	[ "$ratio" -le 110 ] || complain "max_bytes is $(value max_bytes)"
}

refuses_bad_parameters()
{
	remove
	for bad in max_objects=x max_bytes=-1 max_depth=99999999999; do
		! insmod "$file" "$bad" 2> /dev/null || complain "it takes $bad"
		! loaded || complain "it is loaded with $bad"
	done
	insmod "$file" || complain "it cannot be loaded"
}

umount_all
if ! rmmod ipcdev 2> /dev/null; then
	mount_all
	say "the module is in use"
fi
restore_at_end() { umount_all; restore; }
trap restore_at_end EXIT
insmod "$file" || exit

echo "TAP version 13"
# shellcheck disable=SC2086 # names are words
set -- $tests
echo "1..$#"
number=0 status=0
for test; do
	number=$((number + 1))
	if (loaded || insmod "$file"; $test); then
		echo "ok $number $test"
	else
		echo "not ok $number $test"
		status=1
	fi
done
exit $status
