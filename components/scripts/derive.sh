#!/usr/bin/env bash
# Makes a variant of a model snapshot and gives it to the store tool through store-job.sh, whose settings apply here
# too. The store tool compares it with the pinned revision before it becomes visible.
#   DERIVE_OPTIONS  options of `docker run`, one a line
#   DERIVE_IMAGE    server image
#   DERIVE_COMMAND  command that writes the variant as a tar archive, one word a line
set -euo pipefail

mapfile -t options <<<"$DERIVE_OPTIONS"
mapfile -t command <<<"$DERIVE_COMMAND"
docker run "${options[@]}" "$DERIVE_IMAGE" "${command[@]}" |
  JOB_FILE=/dev/stdin "$(dirname "${BASH_SOURCE[0]}")/store-job.sh"
