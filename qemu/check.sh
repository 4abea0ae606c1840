#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# check.sh KERNEL OPTIONS [TEST]...: runs the selftests in a guest with that
# KERNEL and these OPTIONS for run.sh, and what depends on devices also in guests
# that have others. The last line is "N passed, N failed", with what the kernel
# itself complained of as one more failure in each guest. NOPS in the environment
# is handed on to the test "engine_load".

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$1 options=$2
shift 2
results=$build/check/$kernel
samples=$build/module/$kernel/samples
rm -rf "$results"

# A debug kernel is several times slower than others, and its tests do less. The limits
# are to end what hangs, on a machine that has much else to do.
factor=1 mem=1024 slow=0
if [ "$kernel" = debug ]; then
	factor=2 mem=2048 slow=1
fi

passed=0 failed=0 skipped=0 sleep=0

# boot FOLDER OPTIONS [TEST]...: in one guest; its results come to the FOLDER.
boot()
{
	local out=$1 options=$2 status=0 p f s
	shift 2
	mkdir -p "$out"
	# shellcheck disable=SC2086 # options are words
	"$top/qemu/run.sh" --kernel "$kernel" --mem $mem --load brd $options \
		--in "$samples/ipcdev_sampler.ko:/usr/lib/ipcdev/ipcdev_sampler.ko" \
		--in "$samples/ipcdev_pulse.ko:/usr/lib/ipcdev/ipcdev_pulse.ko" \
		--out "$out" --console "$out/console.log" --timeout $((3600 * factor)) \
		-- env IPCDEV_TEST_SLEEP="$sleep" IPCDEV_TEST_SLOW="$slow" \
		${NOPS:+"NOPS=$NOPS"} \
		/usr/libexec/ipcdev/selftests/run.sh -t $factor -o /out "$@" ||
		status=$?
	read -r p f s < "$out/summary" 2> /dev/null || p=0 f=0 s=0
	# 1 says that tests failed, which are counted; all else is a failure of its own.
	case $status in
	0) ;;
	1) [ "$f" != 0 ] || f=1 ;;
	*) f=$((f + 1)) ;;
	esac
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

boot "$results" "--edu 3 --monitor $options" "$@"
case " ${*:-edu} " in
*" edu "*)
	boot "$results/no-edu" "$options --edu 0" edu
	# A guest that has slept is not quite what it was before.
	sleep=1
	boot "$results/one-edu" "--monitor $options --edu 1" edu
	boot "$results/nomsi" "--monitor $options --edu 3 --append pci=nomsi" edu ;;
esac

if [ "$skipped" = 0 ]; then
	echo "$passed passed, $failed failed"
else
	echo "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ] && [ "$passed" != 0 ]
