#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# bench.sh deterministic|smp KERNEL OPTIONS [ARGUMENT]...: runs ipcdev-bench in
# a guest with that KERNEL, these OPTIONS for run.sh and these ARGUMENTs for
# ipcdev-bench, and leaves what it has found in build/bench (or, with smp, in
# build/bench-smp).

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

mode=$1 kernel=$2 options=$3
shift 3
bench=$build/userspace-static/ipcdev-bench
case $mode in
deterministic)
	out=$build/bench
	machine=(--icount) arguments=(--instructions) ;;
smp)	# One cgroup and fewer sizes: here times are noise, and only ratios count.
	out=$build/bench-smp
	machine=(--smp 2) arguments=(--mode smp -q --cgroup memcg --count 50) ;;
*)	die "what is $mode?" ;;
esac

"$top/qemu/need.sh" gnuplot-nox

# The floor is a module of its own, which nothing but the benchmark needs.
floor=$build/floor/$kernel
mkdir -p "$floor"
cp -rs --remove-destination "$top/userspace/bench/floor" "$floor"
progress "building the floor's module" \
	"$top/qemu/module.sh" "$kernel" "$floor" M="$floor/floor"

# What this kernel lacks is skipped, and the report says so.
folder=$("$top/qemu/kernel.sh" "$kernel")
for module in tipc vsock_loopback binder_linux; do
	! modprobe -d "$folder" -S "$(< "$folder/release")" --show-depends \
		"$module" > /dev/null 2>&1 || machine+=(--load "$module")
done

# Turns the lines by which ipcdev-bench tells how far it is into a bar. Only
# this side knows how long it takes: the guest's clock counts instructions.
show()
{
	local line number total label start=$SECONDS left bar tenth=0
	while IFS= read -r line; do
		case $line in
		"progress "*)
			read -r _ number total label <<< "$line"
			if ! [ -t 2 ]; then
				[ $((10 * number / total)) != $tenth ] || continue
				tenth=$((10 * number / total))
				say "${tenth}0 %"
				continue
			fi
			left=$((number ? (SECONDS - start) * (total - number) / number : 0))
			bar=$(printf '%*s' $((20 * number / total)) '')
			printf '\r[%-20s] %3d %%, %d:%02d left: %s\033[K' \
				"${bar// /#}" $((100 * number / total)) \
				$((left / 60)) $((left % 60)) "$label" >&2
			;;
		*)	[ ! -t 2 ] || printf '\r\033[K' >&2
			printf '%s\n' "$line" ;;
		esac
	done
}

# What could be measured is worth a report, even if something could not.
rm -rf "$out"
status=0
mkdir -p "$out"
# The limits of both kinds of queues are for large messages. Addresses that
# differ from run to run would make huge pages of memory in one and not in the
# next. The guest's shell expands what comes after its script.
# shellcheck disable=SC2016,SC2086
"$top/qemu/run.sh" --kernel "$kernel" "${machine[@]}" --timeout 3600 \
	--append mitigations=off --console "$out/console.log" --out "$out" \
	--in "$floor/floor/ipcdev_floor.ko" $options -- sh -c '
		insmod ipcdev_floor.ko
		echo 0 > /proc/sys/kernel/randomize_va_space
		echo 16777216 > /proc/sys/fs/mqueue/msgsize_max
		echo 16777216 > /proc/sys/kernel/msgmax
		echo 16777216 > /proc/sys/kernel/msgmnb
		exec ipcdev-bench --progress --json /out/results.json \
			--csv /out/results.csv "$@"' \
	sh "${arguments[@]}" "$@" | show || status=$?
[ -s "$out/results.json" ] || exit "$status"
# The guest's clock may begin at the same moment in each run.
sed -i "s/^\(\t*\"date\": \)\"[^\"]*\"/\1\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"/" "$out/results.json"
"$bench" report "$out/results.json" > "$out/report.html"
say "results.json, results.csv and report.html are in ${out#"$PWD/"}"
exit "$status"
