#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# check.sh KERNEL OPTIONS [TEST]...: runs the selftests in a guest with that
# KERNEL and these OPTIONS for run.sh. The last line is "N passed, N failed",
# with what the kernel itself complained of as one more failure.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$1 options=$2
shift 2
out=$build/check/$kernel
rm -rf "$out"
mkdir -p "$out"

# A debug kernel is several times slower than others.
factor=1 mem=1024
if [ "$kernel" = debug ]; then
	factor=4 mem=2048
fi

status=0
# shellcheck disable=SC2086 # options are words
"$top/qemu/run.sh" --kernel "$kernel" --mem $mem --load brd $options \
	--in "$build/module/$kernel/samples/ipcdev_sampler.ko:/usr/lib/ipcdev/ipcdev_sampler.ko" \
	--out "$out" --console "$out/console.log" --timeout $((1800 * factor)) \
	-- /usr/libexec/ipcdev/selftests/run.sh -t $factor -o /out "$@" || status=$?

read -r passed failed skipped < "$out/summary" 2> /dev/null || passed=0 failed=0 skipped=0
# 1 says that tests failed, which are counted; all else is a failure of its own.
case $status in
0) ;;
1) [ "$failed" != 0 ] || failed=1 ;;
*) failed=$((failed + 1)) ;;
esac
if [ "$skipped" = 0 ]; then
	echo "$passed passed, $failed failed"
else
	echo "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ] && [ "$passed" != 0 ]
