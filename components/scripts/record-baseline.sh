#!/usr/bin/env bash
# Keeps what a model answered to the known questions when it was first served, beside its snapshot: later servers must answer the
# same within a tolerance. Runs through one-shot.sh, whose settings apply here too.
#   BASELINE_CONTAINER  id of a ready server
#   BASELINE_MODEL      repo@commit
set -euo pipefail

mapfile -t command <<<"$BASELINE_COMMAND"
answers=$(docker exec "$BASELINE_CONTAINER" "${command[@]}")
proof=$(node -e '
  const found = JSON.parse(process.argv[1]).models.find(({ repo, revision }) => `${repo}@${revision}` === process.argv[2]);
  if (found) console.log(JSON.stringify(found.proof));
' "$answers" "$BASELINE_MODEL")
if [[ -z "$proof" ]]; then
  echo "$BASELINE_MODEL is not served at the moment: its known answers are not recorded"
  exit 0
fi
ONE_SHOT_TEXT="$proof" "$(dirname "${BASH_SOURCE[0]}")/one-shot.sh"
