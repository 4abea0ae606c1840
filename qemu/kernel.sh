#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh NAME: prints a folder that holds a kernel to boot (vmlinuz), its
# release, its own modules (lib/modules), the tree that modules for it are
# built against (build) and, where that takes a newer compiler and C library
# than the host's, a system that has them (chroot). The kernels are packages
# that are unpacked here, never installed.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

name=${1:?"name a kernel: 6.1, 6.1-full, 6.1-rt, 6.12, 7.2 or debug"}
kernel=$build/kernel/$name
new=$kernel.new

# mirror: prints where this machine gets its packages from.
mirror()
{
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --format '$(RELEASE) $(SITE)' |
		awk '$1 !~ /-/ { print $2; exit }'
}

# use_suite SUITE: from here on apt looks there, and not where the machine's
# own packages come from. Needs no root.
use_suite()
{
	local folder=$cache/apt/$1
	mkdir -p "$folder/lists/partial"
	echo "deb $(mirror) $1 main" > "$folder/sources.list"
	cat > "$folder/apt.conf" << END
Dir::Etc::SourceList "$folder/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$folder/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
	export APT_CONFIG=$folder/apt.conf
	progress "fetching the package list of $1" apt-get update
}

# needed_by PACKAGE PATTERN: prints the names of what the package needs that
# match.
needed_by()
{
	local package=$1 pattern=$2
	apt-cache show "$package" | grep -m 1 '^Depends:' |
		grep -oE "\<${pattern}[^ ,]*" | sort -u
}

# A debootstrap of that suite, with the compiler and the headers.
make_chroot()
{
	local suite=$1 headers=$2 root=$3 from options=() option value
	from=$(mirror)
	for option in Check-Valid-Until Check-Date; do
		eval "$(apt-config shell value "Acquire::$option")"
		[ -z "${value-}" ] || options+=(--aptopt="Acquire::$option \"$value\"")
	done
	as_root rm -rf "$root.new"
	as_root env -u APT_CONFIG mmdebstrap --variant=apt "${options[@]}" \
		--include="$headers,gcc,make,libc6-dev" "$suite" "$root.new" "$from" &&
		as_root mv "$root.new" "$root"
}

# unpack META [CHROOT_SUITE]: the kernel that the meta package stands for. The
# links in the packages are relative; only a Makefile names an absolute path.
unpack()
{
	local image version release headers packages debs deb root
	version=$(candidate "$1") || return
	image=$(needed_by "$1=$version" 'linux-image-')
	release=${image#linux-image-}
	headers=linux-headers-$release
	packages=("$image")
	# In newer releases the image is a mere bundle.
	mapfile -t -O 1 packages < <(needed_by "$image=$version" 'linux-(base|binary|modules)-')
	if [ $# = 1 ]; then
		packages+=("$headers")
		mapfile -t -O ${#packages[@]} packages \
			< <(needed_by "$headers=$version" 'linux-(headers|kbuild)-')
	fi

	rm -rf "$new" && mkdir -p "$new" || return
	debs=$(fetch "${packages[@]/%/=$version}") || return
	for deb in $debs; do
		dpkg-deb -x "$deb" "$new" || return
	done
	cd "$new" || return
	[ -e lib ] || ln -s usr/lib lib
	printf '%s\n' "$release" > release
	ln -s "$(ls boot/vmlinuz-* lib/modules/*/vmlinuz 2> /dev/null)" vmlinuz
	if [ $# = 1 ]; then
		ln -s "usr/src/$headers" build
		# shellcheck disable=SC2016 # make expands it
		sed -i 's|/usr/src/|$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../|' \
			build/Makefile
	else
		root=$cache/chroot-$release
		as_root true
		once "$root" progress "making a $2 system that builds modules" \
			make_chroot "$2" "$headers" "$root" || return
		ln -s "$root" chroot
		ln -s "chroot/usr/src/$headers" build
	fi
	depmod -b "$new" "$release" && mv "$new" "$kernel"
}

prepare()
{
	# Before use_suite, lest it be looked for there.
	"$top/qemu/need.sh" kmod
	[ "$name" != 7.2 ] || "$top/qemu/need.sh" mmdebstrap
	case $name in
	6.1)	  unpack linux-image-cloud-amd64 ;;
	6.1-full) unpack linux-image-amd64 ;;
	6.1-rt)	  unpack linux-image-rt-amd64 ;;
	6.12)	  use_suite bookworm-backports && unpack linux-image-cloud-amd64 ;;
	7.2)	  use_suite sid && unpack linux-image-cloud-amd64 sid ;;
	esac
}

case $name in
6.1 | 6.1-full | 6.1-rt | 6.12 | 7.2) ;;
debug) exec "$top/qemu/debug-kernel.sh" ;;
*) die "no kernel is called $name" ;;
esac
once "$kernel" prepare || die "cannot unpack the kernel $name"
printf '%s\n' "$kernel"
