#!/usr/bin/env bash
# Records the baseline of a model beside its snapshot: what it answers to the known questions when it is first served.
# Later servers must give the same answers within a tolerance. Runs through store-job.sh, whose settings apply here too.
#   BASELINE_CONTAINER  id of a ready server
#   BASELINE_COMMAND    command that prints the answers of its models, one word a line
#   BASELINE_MODEL      repo@commit
set -euo pipefail

scripts=$(dirname "${BASH_SOURCE[0]}")
mapfile -t command <<<"$BASELINE_COMMAND"
answers=$(docker exec "$BASELINE_CONTAINER" "${command[@]}")
baseline=$("$scripts/select-baseline.mjs" "$BASELINE_MODEL" <<<"$answers")
if [[ -z "$baseline" ]]; then
  echo "The server does not serve $BASELINE_MODEL at the moment, so its baseline is not recorded. The next update tries again."
  exit 0
fi
JOB_TEXT="$baseline" "$scripts/store-job.sh"
