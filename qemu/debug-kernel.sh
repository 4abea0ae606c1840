#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# debug-kernel.sh: builds the debug kernel from Debian's linux-source and
# debug.config, and prints the folder that holds it (see kernel.sh). It takes
# about 15 minutes, once: the result is cached by what it was made from.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

fragment=$top/qemu/debug.config
version=$(candidate linux-source-6.1)
"$top/qemu/need.sh" xz-utils perl gcc libc6-dev make flex bison bc libelf-dev libssl-dev rsync
key=$({ printf '%s\n' "$version"; gcc -dumpfullversion; cat "$fragment" "$0"; } |
	sha256sum | cut -c 1-16)
kernel=$cache/debug-$key
tree=$cache/debug.tree

configure()
{
	local option

	make tinyconfig &&
		scripts/kconfig/merge_config.sh -m .config "$fragment" &&
		make olddefconfig || return
	# What depends on something that is off, kconfig drops in silence.
	while read -r option; do
		grep -Fqx "$option" .config ||
			{ echo "debug.config: $option has no effect"; return 1; }
	done < <(grep '^CONFIG_' "$fragment")
}

# Only what the build of a module reads is kept: 100 MB instead of 3 GB.
keep()
{
	mkdir "$tree/new" &&
		cp arch/x86/boot/bzImage "$tree/new/vmlinuz" &&
		make -s kernelrelease > "$tree/new/release" &&
		rsync -aR --exclude='*.o' --exclude='*.o.cmd' Makefile .config \
			Module.symvers include scripts arch/x86/include \
			arch/x86/Makefile* tools/objtool/objtool \
			"$tree/new/build"
}

build_kernel()
{
	rm -rf "$tree" && mkdir -p "$tree/linux" &&
		progress "extracting linux-source $version" \
			linux_source "$deb" "$tree/linux" &&
		cd "$tree/linux" &&
		progress "configuring the debug kernel" configure &&
		progress "building the debug kernel (about 15 minutes, once)" \
			make -j "$(nproc)" bzImage modules &&
		progress "keeping what modules need" keep &&
		mv "$tree/new" "$kernel" &&
		rm -rf "$tree"
}

if [ ! -e "$kernel" ]; then
	deb=$(fetch "linux-source-6.1=$version")
	(
		# One lock, since all share the tree.
		flock 9
		[ -e "$kernel" ] || build_kernel
	) 9> "$cache/debug.lock" || die "the debug kernel cannot be built; see above"
fi
printf '%s\n' "$kernel"
