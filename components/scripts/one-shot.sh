#!/usr/bin/env bash
# One job for the store in a container that is gone afterwards. Settings come by environment, so that neither an error message
# nor the state repeats them:
#   ONE_SHOT_NAME   container name; one that a killed update left behind is removed first
#   ONE_SHOT_IMAGE  image to run
#   ONE_SHOT_ROOT   the store on the host
#   ONE_SHOT_ARGS   arguments of the store tool, one a line
#   ONE_SHOT_FLAGS  further options of `docker run`, one a line; may be empty
#   ONE_SHOT_TEXT   text that goes to its standard input; may be empty
#   ONE_SHOT_FILE   file that goes there; may be empty
#   ONE_SHOT_DIRECTORY  directory that goes there as a tar archive; may be empty
set -euo pipefail

mapfile -t args <<<"$ONE_SHOT_ARGS"
flags=()
[[ -z "$ONE_SHOT_FLAGS" ]] || mapfile -t flags <<<"$ONE_SHOT_FLAGS"

input() {
  if [[ -n "$ONE_SHOT_DIRECTORY" ]]; then
    # Owner, times and order of the checkout are of no account: the store tool checks the content.
    tar --create --directory="$ONE_SHOT_DIRECTORY" --exclude='.*' --exclude=__pycache__ -- *
  elif [[ -n "$ONE_SHOT_FILE" ]]; then
    cat -- "$ONE_SHOT_FILE"
  else
    printf '%s' "$ONE_SHOT_TEXT"
  fi
}

# An interrupted update kills this shell, not the container.
trap 'docker rm --force "$ONE_SHOT_NAME" >/dev/null 2>&1 || true' EXIT
docker rm --force "$ONE_SHOT_NAME" >/dev/null 2>&1 || true

if [[ -n "$ONE_SHOT_DIRECTORY" ]]; then cd -- "$ONE_SHOT_DIRECTORY"; fi
input | docker run --rm --interactive --name "$ONE_SHOT_NAME" \
  --read-only --tmpfs /tmp --security-opt no-new-privileges \
  --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER \
  --log-driver none --volume "$ONE_SHOT_ROOT:/store" "${flags[@]}" "$ONE_SHOT_IMAGE" "${args[@]}"
