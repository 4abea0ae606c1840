#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The library in 32 bits, where it was built so.

exec "$(dirname "$0")/libipcdev.sh" _32
