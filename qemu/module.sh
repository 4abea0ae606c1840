#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# module.sh KERNEL FOLDER [ARGUMENT]...: builds our module for the KERNEL (a
# name that kernel.sh knows, or the path of a tree to build against) in the
# FOLDER, and the samples in a folder there, with ARGUMENTs for make; if one of
# these is M=, only what that names. The FOLDER gets links to the sources, so
# that builds for several kernels do not disturb each other.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$1 folder=$(realpath -m "$2")
shift 2

"$top/qemu/need.sh" gcc libelf1 libssl3
root=''
case $kernel in
*/*)	kernel_tree=$kernel ;;
*)	kernel=$("$top/qemu/kernel.sh" "$kernel")
	kernel_tree=$kernel/build
	[ ! -e "$kernel/chroot" ] || root=$(readlink -f "$kernel/chroot") ;;
esac
[ -e "$kernel_tree/Makefile" ] || die "no kernel to build against in $kernel_tree; see KDIR in make help"

mkdir -p "$folder"
cp -rs --remove-destination "$top/Kbuild" "$top/module" "$top/samples" "$top/uapi" "$folder"
find "$folder" -xtype l -delete

# build ARGUMENT...: the kernel's own make. Without types for BPF programs, which some
# kernels would have and which need pahole. In the chroot our files are where they are
# here, and remain ours.
build()
{
	local tree
	tree=$(readlink -f "$kernel_tree")
	local make=(make -C "${tree#"$root"}" --no-print-directory
		CONFIG_DEBUG_INFO_BTF_MODULES= "$@" modules)

	if [ ! "$root" ]; then
		"${make[@]}"
		return
	fi
	# shellcheck disable=SC2016 # the inner shell expands it
	as_root unshare --mount sh -ec '
		root=$1 top=$2 owner=$3
		shift 3
		mkdir -p "$root$top"
		mount --bind "$top" "$root$top"
		mount --bind /dev "$root/dev"
		mount --bind /proc "$root/proc"
		exec chroot --userspec "$owner" "$root" "$@"' \
		sh "$root" "$top" "$(id -u):$(id -g)" "${make[@]}"
}

build M="$folder" "$@"
# Then the drivers that use it, by the recipe of Documentation/producer.rst.
case " $*" in
*" M="*) ;;
*)	build M="$folder/samples" IPCDEV="$folder" \
		KBUILD_EXTRA_SYMBOLS="$folder/Module.symvers" "$@" ;;
esac
