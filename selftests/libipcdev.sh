#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The library has its own test, which is built and installed with it. With _32: the
# same for 32 bits.

run=$(dirname "$(readlink -f "$(command -v ipcdevctl)")")/../libexec/ipcdev/libipcdev-test$1
if [ ! -x "$run" ] || [ ! -e /dev/ipcdev ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP needs libipcdev and the module"
	exit 4
fi
exec "$run"
