#!/usr/bin/env bash
# Stops the servers of a service that new ones, which are ready, have replaced: each finishes what it has. Pulumi removes those that
# it knows at the end of the update; one that it lost track of, because it was killed, must not go on answering with an old release.
#   DRAIN_PROJECT, DRAIN_STACK, DRAIN_SERVICE  whose servers
#   DRAIN_KEEP   ids of the new ones, one a line
#   DRAIN_GRACE  seconds that a server may take to end after it was told to
set -euo pipefail

running=$(docker ps --quiet --no-trunc --filter label=io.archon.component=server \
  --filter "label=io.archon.project=$DRAIN_PROJECT" --filter "label=io.archon.stack=$DRAIN_STACK" --filter "label=io.archon.service=$DRAIN_SERVICE")
mapfile -t old < <(grep --line-regexp --fixed-strings --invert-match --file=<(echo "$DRAIN_KEEP") <<<"$running")
for id in "${old[@]}"; do
  [[ -z "$id" ]] || docker stop --time "$DRAIN_GRACE" "$id" >/dev/null &
done
wait
echo "drained"
