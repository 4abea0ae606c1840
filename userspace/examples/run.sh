#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs the examples that lie beside it and reports in KTAP. Each of them exits
# with 0 only if it saw what it promises.

cd "$(dirname "$0")" || exit
set -- producer_consumer zero_copy_frames epoll_server pass_descriptor \
	supervised_worker key_value file_server calculator.sh sensor_topic \
	log_collector echo_service frame_pipeline async_copy periodic_sampler

# A file, not a pipe: whatever an example leaves behind would keep that open.
said=$(mktemp)
trap 'rm -f "$said"' EXIT

echo "TAP version 13"
echo "1..$#"
number=0 failed=0
for example; do
	number=$((number + 1)) result=ok
	if ! timeout 60 "./$example" > "$said" 2>&1; then
		result="not ok" failed=1
	fi
	sed 's/^/# /' "$said"
	echo "$result $number $example"
done
exit $failed
