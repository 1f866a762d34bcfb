#!/usr/bin/env bash
# Makes a variant of a snapshot in the server image, without a network, and hands it to the store tool through one-shot.sh, whose
# settings apply here too: what comes is compared with the pinned revision before it becomes visible.
#   DERIVE_IMAGE        server image
#   DERIVE_ENVIRONMENT  environment: where on the host, and where in the container
#   DERIVE_MODELS       the same of the models
#   DERIVE_COMMAND         command that writes the variant, one word a line
set -euo pipefail

mapfile -t args <<<"$DERIVE_COMMAND"
docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --log-driver none \
  --label io.archon.component=derive \
  --volume "$DERIVE_ENVIRONMENT" --volume "$DERIVE_MODELS" \
  "$DERIVE_IMAGE" "${args[@]}" |
  ONE_SHOT_FILE=/dev/stdin "$(dirname "${BASH_SOURCE[0]}")/one-shot.sh"
