#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# module.sh KERNEL FOLDER [ARGUMENT]...: builds our module for the KERNEL (a
# name that kernel.sh knows, or the path of a tree to build against) in the
# FOLDER, with ARGUMENTs for make. The FOLDER gets links to the sources, so
# that builds for several kernels do not disturb each other.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$1 folder=$(realpath -m "$2")
shift 2

"$top/qemu/need.sh" gcc libelf1 libssl3
case $kernel in
*/*)	tree=$kernel ;;
*)	tree=$("$top/qemu/kernel.sh" "$kernel")/build ;;
esac
[ -e "$tree/Makefile" ] || die "no kernel to build against in $tree; see KDIR in make help"

mkdir -p "$folder"
cp -rs --remove-destination "$top/Kbuild" "$top/module" "$top/uapi" "$folder"
find "$folder" -xtype l -delete
make -C "$tree" M="$folder" --no-print-directory "$@" modules
