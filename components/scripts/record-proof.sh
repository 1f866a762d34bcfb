#!/usr/bin/env bash
# Keeps what a model answered to the known questions when it was first served, beside its snapshot: later servers must answer the
# same within a tolerance. Runs through one-shot.sh, whose settings apply here too.
#   PROOF_CONTAINER  id of a ready server
#   PROOF_MODEL      repo@commit
set -euo pipefail

answers=$(docker exec "$PROOF_CONTAINER" python3 -m archon_server.proof)
proof=$(node -e '
  const found = JSON.parse(process.argv[1]).models.find(({ repo, revision }) => `${repo}@${revision}` === process.argv[2]);
  if (found) console.log(JSON.stringify(found.proof));
' "$answers" "$PROOF_MODEL")
if [[ -z "$proof" ]]; then
  echo "$PROOF_MODEL is not served at the moment: its known answers are not recorded"
  exit 0
fi
ONE_SHOT_TEXT="$proof" "$(dirname "${BASH_SOURCE[0]}")/one-shot.sh"
