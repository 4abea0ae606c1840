#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# model.sh: has spin check the models in Documentation/models, each as it is, and
# with one step less at a time, where it must find what that step is for. The last
# line is "N passed, N failed".

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

"$top/qemu/need.sh" spin gcc libc6-dev
models=$top/Documentation/models
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# states NAME PAN RUN [DEFINE]...: goes through all states of a model, and prints what
# is wrong with one of them, or nothing. PAN are options for spin's checker when it is
# built, and RUN when it runs.
states()
{
	local name=$1 pan=$2 run=$3
	shift 3
	cd "$work" || exit
	rm -f -- *
	if ! { spin "${@/#/-D}" -a "$models/$name.pml" &&
	       gcc -O1 -w -DMEMLIM=2000 "$pan" -o pan pan.c &&
	       ./pan -m100000 -w22 ${run:+"$run"}; } > log 2>&1; then
		cat log
		return
	fi
	sed -n 's/^pan:[0-9]*: \(.*\) (at depth.*/\1/p' log
	# What it has not got through, it has not checked.
	grep -E 'search depth too small|Search not completed' log ||
		grep -q 'errors: ' log || cat log
}

verdict()
{
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
		echo ok
	else
		failed=$((failed + 1))
		printf 'FAILED: %s\n' "${3:-nothing found}"
	fi
}

# holds NAME [DEFINE]...: no state is wrong.
holds()
{
	printf '%-44s ' "$*"
	verdict "$*" '' "$(states "$1" -DSAFETY '' "${@:2}")"
}

# ends NAME [DEFINE]...: no run goes on for ever.
ends()
{
	printf '%-44s ' "$*, every run ends"
	verdict "$*" '' "$(states "$1" -DNP -l "${@:2}")"
}

# needs WHAT NAME [DEFINE]...: so it is WHAT.
needs()
{
	local found
	printf '%-44s ' "${*:2}, $1"
	found=$(states "$2" -DSAFETY '' "${@:3}")
	case $found in
	"$1"*) found=$1 ;;
	esac
	verdict "${*:2}" "$1" "$found"
}

lost='invalid end state'
wrong='assertion violated'

holds ring
holds ring DEATH LAST=4
holds ring HEIR=P LAST=4
holds ring HEIR=C SIZE=2 LAST=4
ends ring LAST=4
needs "$lost" ring NO_FENCE_USER
needs "$lost" ring NO_FENCE_SLEEP
needs "$lost" ring NO_FENCE_POLL
needs "$lost" ring NO_FRESH_INDEX
needs "$lost" ring NO_LOOK_AT_QUEUE
needs "$lost" ring NO_DEBT HEIR=P LAST=3
needs "$lost" ring NO_DEBT HEIR=C SIZE=2 LAST=4
needs "$wrong" ring NO_WAKE_AT
needs "$wrong" ring NO_LOOK_AT_INDEX
needs "$wrong" ring NO_SECOND_LOOK DEATH LAST=3

echo "$passed passed, $failed failed"
[ $failed = 0 ]
