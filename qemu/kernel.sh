#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh NAME: prints a folder that holds a kernel to boot (vmlinuz), the
# tree that modules for it are built against (build) and its own modules
# (lib/modules). The kernels are packages unpacked here, never installed.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

name=${1:?"name a kernel: 6.1, 6.1-full, 6.1-rt or debug"}
kernel=$build/kernel/$name

# needed_by PACKAGE PATTERN: prints, as name=version, what the package depends
# on that matches.
needed_by()
{
	local package=$1 pattern=$2
	apt-cache show "$package" |
		grep -m 1 '^Depends:' | grep -oE "${pattern}[^ ]* \([^)]*\)" |
		sed -E 's/ \(>?= (.*)\)/=\1/'
}

# unpack META: the kernel that the meta package stands for, with its headers.
# Their symbolic links are relative; only their Makefile names an absolute path.
unpack()
{
	local image release headers packages debs deb new=$kernel.new
	image=$(needed_by "$1=$(candidate "$1")" 'linux-image-')
	release=${image#linux-image-}
	release=${release%=*}
	headers=linux-headers-$release=${image#*=}

	rm -rf "$new" && mkdir -p "$new" || return
	mapfile -t packages < <(needed_by "$headers" 'linux-(headers|kbuild)-')
	debs=$(fetch "$image" "$headers" "${packages[@]}") || return
	for deb in $debs; do
		dpkg-deb -x "$deb" "$new" || return
	done

	printf '%s\n' "$release" > "$new/release"
	ln -s "boot/vmlinuz-$release" "$new/vmlinuz"
	ln -s "usr/src/linux-headers-$release" "$new/build"
	# shellcheck disable=SC2016 # make expands it
	sed -i 's|/usr/src/|$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../|' \
		"$new/build/Makefile"
	depmod -b "$new" "$release" && mv "$new" "$kernel"
}

case $name in
6.1)	  meta=linux-image-cloud-amd64 ;;
6.1-full) meta=linux-image-amd64 ;;
6.1-rt)	  meta=linux-image-rt-amd64 ;;
debug)	  exec "$(dirname "$0")/debug-kernel.sh" ;;
*)	  die "no kernel is called $name" ;;
esac

"$top/qemu/need.sh" kmod
once "$kernel" unpack "$meta" || die "cannot unpack $meta"
printf '%s\n' "$kernel"
