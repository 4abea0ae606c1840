#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# progress.sh LABEL COMMAND...: see progress in lib.sh.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

progress "$@"
