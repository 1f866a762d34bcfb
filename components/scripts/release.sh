#!/usr/bin/env bash
# Gives up the claims of a deployment, in the store and on the engine, with the settings of claim.sh. The claim on the
# engine stays while the deployment has something there, because its store may only have changed.
set -euo pipefail

# Without the store tool's image that claim stays, and the next update says how to take it over.
JOB_FILE=components/scripts/release-store.sh components/scripts/store-job.sh || true

own="--filter=label=io.archon.deployment=$CLAIM_ID"
if [[ -z "$(docker ps --all --quiet "$own")$(docker network ls --quiet "$own")" ]]; then
  for volume in $(docker volume ls --quiet "$own"); do docker volume rm "$volume" >/dev/null; done
fi
