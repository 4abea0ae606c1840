#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install.sh KDIR DESTDIR PREFIX: builds the module against KDIR (if empty, the
# headers of the running kernel) and installs it and the user space, below
# DESTDIR if that is not empty. What make was told of the user space's build comes
# in the environment.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tree=${1:-/lib/modules/$(uname -r)/build} destination=$2 prefix=$3
[ -e "$tree" ] || [ "$1" ] || "$top/qemu/need.sh" "linux-headers-$(uname -r)" ||
	die "no headers for the running kernel; name a tree: make install KDIR=..."
"$top/qemu/need.sh" kmod

folder=$build/module/install
progress "building the module for $tree" "$top/qemu/module.sh" "$tree/" "$folder"
release=$(modinfo -F vermagic "$folder/ipcdev.ko")
release=${release%% *}
modules=$destination/lib/modules/$release

installer=()
[ -n "$destination" ] || installer=(as_root)
# sudo drops the environment, and what differs there would be built anew.
settings=()
for name in CC CFLAGS CPPFLAGS LDFLAGS LIBDIR; do
	[ -z "${!name+set}" ] || settings+=("$name=${!name}")
done
"${installer[@]}" install -D -m 644 -t "$modules/updates" "$folder/ipcdev.ko"
"${installer[@]}" make -s -C "$top/userspace" O="$build/userspace" \
	DESTDIR="$destination" PREFIX="$prefix" "${settings[@]}" install
if [ -z "$destination" ]; then
	as_root depmod "$release"
	as_root ldconfig
fi
say "installed: $modules/updates/ipcdev.ko, and the user space in $destination$prefix"
