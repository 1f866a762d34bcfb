#!/usr/bin/env bash
# Stops the servers of a service that serve now, so that a new one has the memory for itself. Prints their ids, one a line: the
# readiness gate starts them again if the new one does not get ready and that is wanted.
#   ROOM_PROJECT, ROOM_STACK, ROOM_SERVICE  whose servers
#   ROOM_GRACE  seconds that a server may take to end after it was told to
set -euo pipefail

docker ps --quiet --no-trunc --filter health=healthy --filter label=io.archon.component=server \
  --filter "label=io.archon.project=$ROOM_PROJECT" --filter "label=io.archon.stack=$ROOM_STACK" --filter "label=io.archon.service=$ROOM_SERVICE" |
  while read -r id; do
    docker stop --time "$ROOM_GRACE" "$id" >/dev/null
    echo "$id"
  done
