#!/usr/bin/env bash
# Makes a variant of a snapshot in the server image, without a network, and hands it to the store tool through one-shot.sh, whose
# settings apply here too: what comes is compared with the pinned revision before it becomes visible.
#   DERIVE_IMAGE        server image
#   DERIVE_ENVIRONMENT  environment on the host
#   DERIVE_MODELS       models/huggingface of the store on the host
#   DERIVE_ARGS         arguments of archon_server.derive, one a line
set -euo pipefail

mapfile -t args <<<"$DERIVE_ARGS"
docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --log-driver none \
  --label io.archon.component=derive \
  --volume "$DERIVE_ENVIRONMENT:/root/.local:ro" --volume "$DERIVE_MODELS:/root/.cache/huggingface:ro" \
  "$DERIVE_IMAGE" python3 -m archon_server.derive "${args[@]}" |
  ONE_SHOT_FILE=/dev/stdin "$(dirname "${BASH_SOURCE[0]}")/one-shot.sh"
