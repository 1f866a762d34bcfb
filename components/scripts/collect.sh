#!/usr/bin/env bash
# Writes down what this stack keeps alive and removes what nothing needs: from the store through one-shot.sh, whose settings
# apply here too, and then from the engine the images that this stack kept and no stack keeps any more.
#   ONE_SHOT_TEXT  JSON of what to keep: images, environments, models
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

# What every running container has mounted, whoever owns it, as JSON. A server mounts all models at once: its labels say which ones
# it serves. Fails when a container ends in between: a list that misses one would have collected what it uses.
format='{{$l := .Config.Labels}}{{range .Mounts}}{"path":{{json .Source}},"stack":{{json (printf "%s-%s" (index $l "io.archon.project") (index $l "io.archon.stack"))}},"models":{{json (index $l "io.archon.models")}}}{{println}}{{end}}'
list_mounts() {
  local ids
  ids=$(docker ps --quiet) || return
  # shellcheck disable=SC2086  # ids are words
  [[ -z "$ids" ]] || docker inspect --format "$format" $ids 2>/dev/null
}

for attempt in 1 2 3 4 5; do
  if mounts=$(list_mounts); then break; fi
  if ((attempt == 5)); then
    echo "What the running containers mount cannot be listed: they change too fast, or the engine does not answer. Run the update again." >&2
    exit 1
  fi
done
mounted=$(sort -u <<<"$mounts" | sed '/^$/d' | paste --serial --delimiters=,)

# Images are the engine's, and it may serve other stores too: their references count as well.
number=0
while read -r root; do
  [[ -n "$root" && "$root" != "$ONE_SHOT_ROOT" ]] || continue
  number=$((number + 1))
  ONE_SHOT_FLAGS+=$'\n'"--volume=$root/refs:/other/$number:ro"
  ONE_SHOT_ARGS+=$'\n'"--also-references"$'\n'"/other/$number"
done < <(docker network ls --filter label=io.archon.root --format '{{.Label "io.archon.root"}}' | sort -u)
export ONE_SHOT_FLAGS ONE_SHOT_ARGS

report=$(ONE_SHOT_TEXT="{\"keep\":$ONE_SHOT_TEXT,\"root\":\"$ONE_SHOT_ROOT\",\"mounted\":[$mounted]}" "$here/one-shot.sh")
sed '$d' <<<"$report"

node -e 'for (const image of JSON.parse(process.argv[1]).images) console.log(image)' "$(tail --lines=1 <<<"$report")" |
  while read -r image; do
    # Never forced: one that a container uses stays, and is tried again by the next update.
    if docker image rm "$image" >/dev/null 2>&1; then echo "removed image $image"; fi
  done
