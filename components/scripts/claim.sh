#!/usr/bin/env bash
# Claims the name of a stack for one deployment: on the engine, and then in the store by the store job, whose settings
# apply here too. Refuses if another deployment has it.
#   CLAIM_VOLUME          name of the volume that is the claim on the engine
#   CLAIM_LABELS          its labels, one a line
#   CLAIM_ID              id of this deployment
#   CLAIM_ENGINE_REFUSAL  what to say if another deployment has the engine's, with @OWNER@ for whose that is
set -euo pipefail

mapfile -t labels <<<"$CLAIM_LABELS"

# Only a volume that this run made is its to remove: a deployment that runs has its claim already.
made=no
docker volume inspect "$CLAIM_VOLUME" >/dev/null 2>&1 || made=yes

# Of two deployments at the same moment, the engine makes the volume of one, and gives it to the other as it is. Nothing
# uses the volume, so somebody may prune it. Then what the deployment runs has its labels.
docker volume create "${labels[@]/#/--label=}" "$CLAIM_VOLUME" >/dev/null
label() {
  docker volume inspect --format "{{index .Labels \"io.archon.$1\"}}" "$CLAIM_VOLUME"
}
if [[ "$(label deployment)" != "$CLAIM_ID" ]]; then
  owner=$(label owner)
  echo "${CLAIM_ENGINE_REFUSAL/@OWNER@/"${owner:-unknown}"}" >&2
  exit 1
fi

# Where the job fails, the state gets no claim, and nothing else would give up the one on the engine.
if [[ "$made" == yes ]]; then trap 'docker volume rm "$CLAIM_VOLUME" >/dev/null || true' EXIT; fi
components/scripts/store-job.sh
trap - EXIT
