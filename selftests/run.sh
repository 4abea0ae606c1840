#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# run.sh [-t FACTOR] [-o FOLDER] [TEST]...: runs the tests that lie beside it,
# each in a memory cgroup of its own and within FACTOR times the limit of
# "settings". A character for each test case, what was said by those that
# failed, and in the end "N passed, N failed, N skipped": or, with -o, these
# numbers in FOLDER/summary, and each test's whole output in FOLDER/TEST.tap.

cd "$(dirname "$0")" || exit
factor=1 out=''
while getopts t:o: option; do
	case $option in
	t) factor=$OPTARG ;;
	o) out=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck disable=SC2046 # names are words
[ $# != 0 ] || set -- $(cat tests)
limit=$(($(sed -n 's/^timeout=//p' settings) * factor))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Reads KTAP, writes progress and, at the end, what failed and the numbers. A
# case that was planned and did not report has failed.
# shellcheck disable=SC2016 # awk's dollars
read_ktap='
	/^1\.\.[0-9]+/ { plan = substr($0, 4) + 0 }
	{ block = block $0 "\n" }
	/^ok .*# SKIP/ { mark("s"); skipped++; next }
	/^ok / { mark("."); passed++; next }
	/^not ok / { said = said block; mark("F"); failed++; next }
	function mark(c) { block = ""; printf "%s", c; fflush() }
	END {
		silent = plan - passed - failed - skipped
		if (silent > 0) {
			failed += silent
			said = said block "# " silent " of " plan " did not report\n"
		}
		if (plan == 0) {
			failed++
			said = said block "# it ran no test\n"
		}
		printf " %d passed, %d failed, %d skipped (%d s)\n%s",
			passed, failed, skipped, systime() - start, said
		print passed + 0, failed + 0, skipped + 0 >> summary
	}'

for test; do
	printf '%-16s ' "$test"
	start=$(date +%s)
	group=/sys/fs/cgroup/test.$test
	mkdir -p "$group"
	{
		sh -c 'echo $$ > "$1/cgroup.procs"; exec timeout -s KILL "$2" "./$3"' \
			sh "$group" "$limit" "$test" 2>&1
		echo $? > "$work/status"
		echo 1 > "$group/cgroup.kill"
	} | tee "${out:-$work}/$test.tap" |
		awk -v summary="$work/summary" -v start="$start" "$read_ktap"
	# A status says more than the cases did if it is neither that of success,
	# nor of a skip, nor of a failure that has been counted.
	read -r status < "$work/status"
	case $status:$(tail -n 1 "$work/summary") in
	0:* | 4:* | 1:*\ [1-9]*\ *) ;;
	137:*) echo "# $test was killed, after $limit s at the latest" ;;
	*)
		echo "# $test ended with status $status"
		echo 0 1 0 >> "$work/summary" ;;
	esac
done

# shellcheck disable=SC2046 # numbers are words
set -- $(awk '{ p += $1; f += $2; s += $3 } END { print p, f, s }' "$work/summary")
if [ "$out" ]; then
	echo "$@" > "$out/summary"
else
	echo "$1 passed, $2 failed, $3 skipped"
fi
[ "$2" = 0 ]
