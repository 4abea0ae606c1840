#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# data.sh: prints the name of a tar with a kernel's image and modules: some
# tens of MiB of real data. It is made once.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$("$top/qemu/kernel.sh" 6.1)
data=$build/data.tar

pack()
{
	tar -cf "$data.new" -C "$kernel" -h --exclude='*/drivers/*' \
		--exclude=build --exclude=source vmlinuz lib/modules &&
		mv "$data.new" "$data"
}

once "$data" progress "packing the tour's data" pack || die "cannot write $data"
printf '%s\n' "$data"
