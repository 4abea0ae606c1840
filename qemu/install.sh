#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install.sh KDIR DESTDIR: builds the module against KDIR (if empty, the
# headers of the running kernel) and installs it, below DESTDIR if not empty.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tree=${1:-/lib/modules/$(uname -r)/build} destination=$2
[ -e "$tree" ] || [ "$1" ] || "$top/qemu/need.sh" "linux-headers-$(uname -r)" ||
	die "no headers for the running kernel; name a tree: make install KDIR=..."

folder=$build/module/install
"$top/qemu/need.sh" kmod
"$top/qemu/module.sh" "$tree/." "$folder"
installer=()
[ -n "$destination" ] || installer=(as_root)
"${installer[@]}" make -C "$tree" M="$folder" INSTALL_MOD_PATH="$destination" modules_install
