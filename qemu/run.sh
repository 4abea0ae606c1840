#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

usage()
{
	cat << 'END'
usage: run.sh [OPTION]... [-- COMMAND [ARGUMENT]...]

Boots a guest, runs COMMAND in it as root and exits with its status. What
COMMAND writes arrives on standard output as it comes.

  --kernel NAME    6.1 (default), another that kernel.sh knows, or the path of
                   a folder like those
  --initrd IMAGE   the guest's file system (default: build/guest.cpio)
  --module FILE    our module (default: build/module/KERNEL/ipcdev.ko)
  --no-module      boot without it
  --params TEXT    the module's parameters
  --load NAME      load this module of the kernel's too, and what it needs, if
                   the kernel does not have it built in; repeatable
  --smp N          processors (default: 2)
  --mem MIB        memory (default: 1024)
  --accel NAME     tcg, kvm, or auto (default): kvm where a guest has been seen
                   to boot with it, else tcg
  --icount         one processor, and a clock that counts instructions: the
                   same work takes the same time, whatever the host does
  --device ARG     QEMU's -device ARG; repeatable
  --edu N          N devices of QEMU's kind edu, with the ids edu1 to eduN, in the
                   order of their PCI addresses. Without MSI they share one
                   interrupt line. The last is in a slot that it can be pulled out
                   of and put into again, the bus port1
  --monitor        QEMU's monitor (QMP) is the guest's /dev/ttyS3, so that COMMAND
                   can plug and unplug devices. Who writes there may do what QEMU may
  --qemu ARG       one more argument to QEMU; repeatable
  --append TEXT    more for the kernel's command line; repeatable
  --in FILE[:PATH] a file for the guest, at PATH (default: in /root); repeatable
  --out FOLDER     where files come back to that COMMAND leaves in /out
  --console FILE   where the kernel's messages go (default: build/console.log)
  --timeout S      seconds that all this may take (default: 600)
  --interactive    the terminal is the guest's; after COMMAND, or without one,
                   it offers a shell. No time limit unless one is given.

Exit status: that of COMMAND, or
  123  the kernel complained; its messages are shown
  124  the time limit was reached
  125  wrong usage, or the guest did not come up, or it died
END
}

# What no healthy kernel says. A program's own mishaps ("traps: x[1] general
# protection fault ip:...") are none of these.
complaints='BUG[: ]|WARNING:|INFO: (possible|rcu|task|trying|suspicious|lockdep)'
complaints+='|rcu: INFO|suspicious RCU|Oops|KASAN:|UBSAN:|ODEBUG:|Kernel panic|deprecated workqueue'
complaints+='|blocked for more than|soft lockup|general protection fault[,:]'
complaints+='|unreferenced object|new suspected memory leaks|refcount_t:'
complaints+='|list_(add|del) corruption|usercopy: Kernel memory|DMA-API: .*error'
complaints+='|Slab cache still has objects|page allocation failure|Call Trace:'
complaints+='|scheduling while atomic|held lock freed|irq [0-9]+: nobody cared'
complaints+='|stack-protector|kernel stack (overflow|overrun)'

kernel_name=6.1 image=$build/guest.cpio module='' with_module=1 params='' load=()
smp=2 mem=1024 accel=auto icount='' append='' files=() out='' limit=''
console=$build/console.log interactive='' edu=0 monitor='' qemu=()

while [ $# -gt 0 ]; do
	case $1 in
	--kernel)	kernel_name=$2; shift ;;
	--initrd)	image=$2; shift ;;
	--module)	module=$2; shift ;;
	--no-module)	with_module='' ;;
	--params)	params=$2; shift ;;
	--load)		load+=("$2"); shift ;;
	--smp)		smp=$2; shift ;;
	--mem)		mem=$2; shift ;;
	--accel)	accel=$2; shift ;;
	--icount)	icount=1 smp=1 accel=tcg ;;
	--device)	qemu+=(-device "$2"); shift ;;
	--edu)		edu=$2; shift ;;
	--monitor)	monitor=1 ;;
	--qemu)		qemu+=("$2"); shift ;;
	--append)	append+=" $2"; shift ;;
	--in)		files+=("$2"); shift ;;
	--out)		out=$2; shift ;;
	--console)	console=$2; shift ;;
	--timeout)	limit=$2; shift ;;
	--interactive)	interactive=1 ;;
	--help)		usage; exit ;;
	--)		shift; break ;;
	*)		usage >&2; die "what is $1?" ;;
	esac
	shift
done
[ $# != 0 ] || [ "$interactive" ] || die "no COMMAND; see --help"
if [ "$interactive" ] && ! [ -t 0 ]; then
	[ $# != 0 ] || die "standard input is no terminal: give a COMMAND"
	interactive=
fi
[ "$interactive" ] || limit=${limit:-600}

"$top/qemu/need.sh" qemu-system-x86 cpio kmod
case $kernel_name in
*/*)	kernel=$kernel_name ;;
*)	kernel=$("$top/qemu/kernel.sh" "$kernel_name") ;;
esac
release=$(< "$kernel/release")
: "${module:=$build/module/$kernel_name/ipcdev.ko}"
[ -e "$image" ] || die "no $image; try: make"
[ -z "$with_module" ] || [ -e "$module" ] || die "no $module; try: make"

# A /dev/kvm may be there and yet be of no use. The probe costs up to 20
# seconds, and its outcome holds for this machine and kernel.
kvm_works()
{
	local state=$cache/kvm key
	[ -w /dev/kvm ] || return
	key=$(uname -srvm; qemu-system-x86_64 --version | head -n 1)
	if [ "$(head -n -1 "$state" 2> /dev/null)" != "$key" ]; then
		mkdir -p "$cache"
		if progress "probing kvm" "$0" --accel kvm --timeout 20 --no-module \
			--initrd "$image" --console /dev/null -- true 2> /dev/null
		then
			printf '%s\nyes\n' "$key"
		else
			printf '%s\nno\n' "$key"
		fi > "$state"
	fi
	[ "$(tail -n 1 "$state")" = yes ]
}

if [ "$accel" = auto ]; then
	accel=tcg
	! kvm_works || accel=kvm
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What this run adds to the image: a second archive, which the kernel unpacks
# over the first.
add()
{
	mkdir -p "$(dirname "$work/add/$2")"
	cp -L "$1" "$work/add/$2"
}

quoted() { printf "'%s' " "${@//\'/\'\\\'\'}"; }

mkdir -p "$work/add/job/modules"
[ -z "$with_module" ] || add "$module" job/module.ko
# The debug kernel has no modules: all is built in.
[ -e "$kernel/lib/modules" ] || load=()
number=100
for name in "${load[@]}"; do
	plan=$(modprobe -d "$kernel" -S "$release" --show-depends "$name") || exit 125
	while read -r word file _; do
		[ "$word" = insmod ] || continue
		add "$file" "job/modules/$number-${file##*/}"
		case $file in
		*.xz)	"$top/qemu/need.sh" xz-utils
			xz -d "$work/add/job/modules/$number-${file##*/}" ;;
		esac
		number=$((number + 1))
	done <<< "$plan"
done
for file in "${files[@]}"; do
	[ -e "${file%%:*}" ] || die "no file ${file%%:*}"
	case $file in
	*:*) add "${file%%:*}" "${file#*:}" ;;
	*) add "$file" "root/${file##*/}" ;;
	esac
done
{
	if [ "$interactive" ]; then
		echo "export TERM=$(quoted "${TERM:-vt100}")"
		# A terminal that does not know its size says 0 0.
		read -r rows columns < <(stty size)
		[ "$rows" = 0 ] || [ "$columns" = 0 ] ||
			echo "stty -F /dev/ttyS1 rows $rows cols $columns"
	else
		# The guest has a terminal, but nobody sits at it.
		echo "export TERM=dumb"
	fi
} > "$work/add/job/environment"
printf '%s\n' "$params" > "$work/add/job/parameters"
if [ $# != 0 ]; then
	printf '#!/bin/sh\nexec %s\n' "$(quoted "$@")" > "$work/add/job/command"
	chmod +x "$work/add/job/command"
fi
[ -z "$interactive" ] || touch "$work/add/job/shell"
{
	cat "$image"
	archive "$work/add" -mindepth 1
} > "$work/initrd"

case $accel in
kvm)	machine=(-accel kvm -cpu host) ;;
tcg)	# Without -erms and -fsrm a copy would be counted byte by byte. QEMU 7.2's
	# cmpxchg16b spoils the flags for an interrupt that follows, which 6.12
	# does not survive; 6.1 does, and the counts are to remain comparable.
	cpu=max,-erms,-fsrm
	if [ "$icount" ]; then
		# What the guest takes for random, and when it boots, must not differ
		# either: how the kernel lays out its memory would, and with the same
		# files in the same places all counts are the same, to the last one.
		machine=(-cpu "$cpu" -accel 'tcg,thread=single' -icount 'shift=0,sleep=off'
			 -seed 1 -rtc 'base=2026-01-01T00:00:00,clock=vm')
		append="mitigations=off $append"
	else
		machine=(-cpu "$cpu,-cx16" -accel 'tcg,thread=multi')
	fi ;;
*)	die "no accelerator is called $accel" ;;
esac
say "guest: Linux $release, $smp CPU$([ "$smp" = 1 ] || echo s), $mem MiB, $accel${icount:+, counting instructions}"

# Every fourth slot has the same interrupt line, and a port hands on its device's.
for ((i = 1; i <= edu; i++)); do
	addr=$(printf 'addr=%x' $((4 * i)))
	if [ $i != "$edu" ]; then
		qemu+=(-device "edu,id=edu$i,$addr")
	else
		qemu+=(-device "pcie-root-port,id=port1,chassis=1,slot=1,$addr"
		       -device "edu,id=edu$i,bus=port1")
	fi
done

# QEMU is at both ends of a socket: what the guest writes, it reads itself. An
# interrupt of the port's own, for the reason given below.
if [ "$monitor" ]; then
	qemu+=(-chardev "socket,id=monitor,path=$work/monitor,server=on,wait=off"
	       -mon 'chardev=monitor,mode=control'
	       -chardev "socket,id=commands,path=$work/monitor"
	       -device 'isa-serial,index=3,chardev=commands,irq=7')
fi

# The host may be slow, and a watchdog's patience should not depend on that.
append="watchdog_thresh=60 workqueue.watchdog_thresh=120 $append"
append="rcupdate.rcu_cpu_stall_timeout=120 tsc=reliable $append"
# Nor should whether ticks arrive during the tenth of a second in which it boots or panics.
append="no_timer_check $append"
append="console=ttyS0 panic=-1 oops=panic $append"

mkdir -p "$(dirname "$console")"
: > "$console"
[ "$interactive" ] || exec < /dev/null
status=0
# QEMU must not outlive us, however we end. The third port must not share the
# first's interrupt, as is the custom: while nobody but the kernel's console
# has the first open, nobody handles what it raises.
setpriv --pdeathsig TERM timeout --foreground -k 5 "${limit:-0}" \
	qemu-system-x86_64 -M q35 "${machine[@]}" -smp "$smp" -m "$mem" \
	-nodefaults -no-user-config -display none -no-reboot \
	-chardev stdio,id=terminal,signal=off \
	-chardev "file,id=result,path=$work/result" \
	-serial "file:$console" -serial chardev:terminal \
	-device 'isa-serial,chardev=result,irq=5' \
	-kernel "$kernel/vmlinuz" -initrd "$work/initrd" \
	-append "$append" "${qemu[@]}" || status=$?

if [ -s "$work/result" ] && tar --warning=no-timestamp -xf "$work/result" -C "$work"; then
	status=$(< "$work/run/status")
	if [ "$out" ]; then
		mkdir -p "$out"
		cp -a "$work/out/." "$out"
	fi
elif [ "$status" = 124 ]; then
	say "run.sh: the time limit of $limit s was reached"
else
	say "run.sh: the guest died (QEMU's status: $status)"
	status=125
fi
if grep -qE "$complaints" "$console"; then
	say "run.sh: the kernel complained; all that it said is in $console:"
	grep -E -A 40 -m 3 "$complaints" "$console" | head -n 150 >&2
	status=123
elif [ "$status" = 125 ]; then
	say "run.sh: all that the kernel said is in $console; the end of it:"
	tail -n 20 "$console" >&2
fi
exit "$status"
