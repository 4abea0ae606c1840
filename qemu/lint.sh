#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lint.sh KERNEL: runs all checkers over all sources; a finding is a failure.
# KERNEL as for module.sh.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$1
lint=$build/lint
qemu=$top/qemu
cd "$top"

"$qemu/need.sh" gcc g++ clang sparse shellcheck perl groff-base mandoc rsync \
	libc6-dev gcc-multilib pkgconf liburing-dev libzmq3-dev libnng-dev \
	libdbus-1-dev
source=$("$qemu/source.sh")
# Downloads and says so, which is no finding.
case $kernel in
*/*) ;;
*) "$qemu/kernel.sh" "$kernel" > /dev/null ;;
esac

findings=0 checks=0

# check LABEL COMMAND...: it has found something if it fails or warns.
check()
{
	local label=$1 log=$lint/log status=0
	shift
	checks=$((checks + 1))
	printf '%-40s ' "$label"
	"$@" > "$log" 2>&1 < /dev/null || status=$?
	if [ $status = 0 ] && ! grep -qiE '\<warning\>' "$log"; then
		echo ok
	else
		echo FINDINGS
		sed 's/^/  /' "$log"
		findings=$((findings + 1))
	fi
}

# sources PATTERN FOLDER...: lists the files whose names match.
sources()
{
	local pattern=$1
	shift
	find "$@" \( -path ./build -o -path ./.git \) -prune -o -type f -print 2> /dev/null |
		grep -E "$pattern" | sort
}

module()
{
	local folder=$lint/$1
	shift
	"$qemu/module.sh" "$kernel" "$folder" -s KCFLAGS=-Werror "$@"
}

checkpatch()
{
	perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse --quiet \
		--no-summary --show-types "$@"
}

kernel_doc() { perl "$source/scripts/kernel-doc" -none -Werror "$@"; }

man_pages()
{
	local page status=0
	for page; do
		groff -man -Tutf8 -ww -z "$page" || status=1
	done
	mandoc -T lint -W warning "$@" || status=1
	return $status
}

user_space()
{
	make -s -C userspace O="$lint/userspace-${1%% *}" CC="$1" all
}

tests()
{
	mkdir -p "$lint/selftests-${1%% *}"
	make -s -C selftests OUTPUT="$lint/selftests-${1%% *}" CC="$1" \
		KSELFTEST="$source/tools/testing/selftests" all
}

rm -rf "$lint/log" && mkdir -p "$lint"
mapfile -t kernel_files < <(sources '\.[ch]$' module samples uapi)
mapfile -t user_files < <(sources '\.[ch]$' userspace selftests)
mapfile -t scripts < <(sources '.' . | xargs grep -lE '^#!.*sh|^# shellcheck shell=')
mapfile -t documented < <(sources '\.[ch]$' module uapi userspace/lib)
mapfile -t pages < <(sources '\.[1-8]$' Documentation userspace)

check "module, gcc W=1" module gcc W=1
# objtool knows the flags that clang.sh has dropped, and misses their effect.
check "module, clang W=1" module clang W=1 CC="$qemu/clang.sh" \
	OBJECT_FILES_NON_STANDARD=y
check "module, sparse" module sparse C=2 CHECK=sparse CF=-Wsparse-error
check "checkpatch, kernel" checkpatch -f "${kernel_files[@]}"
check "kernel-doc" kernel_doc "${documented[@]}"
if [ ${#user_files[@]} != 0 ]; then
	# u64, __printf and the like are the kernel's own, and libdbus has its names.
	check "checkpatch, user space" checkpatch --ignore \
		PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,CAMELCASE \
		-f "${user_files[@]}"
fi
if [ -e userspace/Makefile ]; then
	check "user space, gcc" user_space 'gcc -Wall -Wextra -Werror'
	check "user space, clang" user_space 'clang -Wall -Wextra -Werror'
fi
# The harness hands each test arguments that it may not need.
check "tests, gcc" tests 'gcc -Wall -Wextra -Werror -Wno-unused-parameter'
check "tests, clang" tests 'clang -Wall -Wextra -Werror -Wno-unused-parameter'
check "shellcheck, ${#scripts[@]} scripts" shellcheck "${scripts[@]}"
[ ${#pages[@]} = 0 ] || check "man pages, ${#pages[@]}" man_pages "${pages[@]}"

if [ $findings != 0 ]; then
	echo "lint: findings in $findings of $checks checks"
	exit 1
fi
echo "lint: $checks checks, no findings"
