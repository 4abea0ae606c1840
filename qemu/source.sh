#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# source.sh: prints a folder with what we use of Linux' source: the kselftest
# harness, checkpatch and kernel-doc, from Debian's linux-source, cached.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

version=$(candidate linux-source-6.1)
source=$cache/source-$version

extract()
{
	rm -rf "$source.new" && mkdir "$source.new" &&
		linux_source "$deb" "$source.new" \
			tools/testing/selftests/kselftest_harness.h \
			tools/testing/selftests/kselftest.h \
			tools/testing/selftests/lib.mk \
			scripts/checkpatch.pl \
			scripts/spelling.txt \
			scripts/const_structs.checkpatch \
			scripts/kernel-doc &&
		mv "$source.new" "$source"
}

if [ ! -e "$source" ]; then
	"$top/qemu/need.sh" xz-utils
	deb=$(fetch "linux-source-6.1=$version")
	once "$source" progress "extracting the test harness and the checkers" extract ||
		die "cannot extract $deb; remove it and try again"
fi
printf '%s\n' "$source"
