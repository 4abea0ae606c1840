#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# clang.sh ARGUMENT...: clang as the compiler for a module, against a kernel
# that was configured for gcc: without the flags that only gcc knows.

arguments=()
for argument; do
	case $argument in
	-mfunction-return=* | -mindirect-branch* | -mrecord-mcount | \
	-fconserve-stack | -fno-allow-store-data-races | -ftrivial-auto-var-init=* | \
	-mpreferred-stack-boundary=*) ;;
	*) arguments+=("$argument") ;;
	esac
done
# What the kernel's build passes to clang where it was configured for it.
exec clang "${arguments[@]}" -Qunused-arguments -Wno-unknown-warning-option -Wno-gnu
