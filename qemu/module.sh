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
root=''
case $kernel in
*/*)	tree=$kernel ;;
*)	kernel=$("$top/qemu/kernel.sh" "$kernel")
	tree=$kernel/build
	[ ! -e "$kernel/chroot" ] || root=$(readlink -f "$kernel/chroot") ;;
esac
[ -e "$tree/Makefile" ] || die "no kernel to build against in $tree; see KDIR in make help"

mkdir -p "$folder"
cp -rs --remove-destination "$top/Kbuild" "$top/module" "$top/samples" "$top/uapi" "$folder"
find "$folder" -xtype l -delete
# Types for BPF programs, which some kernels would have and which need pahole.
make=(make -C "$(readlink -f "$tree")" M="$folder" --no-print-directory \
	CONFIG_DEBUG_INFO_BTF_MODULES= "$@" modules)

# In the chroot our files are where they are here, and remain ours.
# shellcheck disable=SC2016 # the inner shell expands it
if [ "$root" ]; then
	make[2]=${make[2]#"$root"}
	as_root unshare --mount sh -ec '
		root=$1 top=$2 owner=$3
		shift 3
		mkdir -p "$root$top"
		mount --bind "$top" "$root$top"
		mount --bind /dev "$root/dev"
		mount --bind /proc "$root/proc"
		exec chroot --userspec "$owner" "$root" "$@"' \
		sh "$root" "$top" "$(id -u):$(id -g)" "${make[@]}"
else
	"${make[@]}"
fi
