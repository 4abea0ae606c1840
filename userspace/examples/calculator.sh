#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A calculator for the shell: awk answers each request, and who asks needs nothing
# but the queue's name. What is no expression is an error to its caller alone.

name=calculator-$$

# Only what an expression is made of: awk could do more than one may be asked for.
# shellcheck disable=SC2016 # for another shell
answer='read -r expression
	case $expression in
	"" | *[!0-9.\ +*/%\(\)-]*) exit 1 ;;
	esac
	awk "BEGIN { print $expression }" 2> /dev/null'

ipcdevctl serve --jobs 2 --exec "$answer" "$name" &
server=$!
trap 'kill $server 2> /dev/null' EXIT
tries=0
until [ "$(ipcdevctl call -T 10 "$name" "1" 2> /dev/null)" = 1 ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || exit 1
	sleep 0.1
done

calculate()
{
	result=$(ipcdevctl call -T 30 "$name" "$1") || exit
	echo "$1 = $result"
	[ "$result" = "$2" ] || exit 1
}

calculate "6 * 7" 42
calculate "(1 + 2) * 3 - 4" 5
calculate "1000 / 8" 125
calculate "22 % 6 + 0.5" 4.5
for wrong in "six" "1 +" "system(\"id\")" ""; do
	ipcdevctl call -T 30 "$name" "$wrong" > /dev/null 2>&1
	[ $? = 5 ] || exit 1
done
calculate "1 + 1" 2

kill $server
wait $server || exit
[ ! -e "/dev/ipc/$name" ] || exit
echo "the server has ended, and its queue with it"
