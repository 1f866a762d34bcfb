#!/usr/bin/env bash
# Waits until a server is ready. Fails at once, with the server's own last words, when it has exited, restarted or turned
# unhealthy, and otherwise after GATE_TIMEOUT seconds.
#   GATE_CONTAINER  id of the container
#   GATE_TIMEOUT    seconds
set -euo pipefail

format='{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.RestartCount}} {{.State.OOMKilled}}'
deadline=$((SECONDS + GATE_TIMEOUT))
while ((SECONDS < deadline)); do
  state=$(docker inspect --format "$format" "$GATE_CONTAINER")
  read -r status health restarts oom <<<"$state"
  case "$status $health $restarts" in
    "running healthy 0") echo "ready"; exit 0 ;;
    "running starting 0") sleep 0.5 ;;
    "created "*) sleep 0.5 ;;
    *) break ;;
  esac
done

if [[ "${oom:-false}" == true ]]; then
  reason="it ran out of memory; raise memoryMiB of the service"
elif [[ "${status:-}" != running || "${restarts:-0}" != 0 ]]; then
  reason="it ended by itself"
elif [[ "${health:-}" == starting ]]; then
  reason="it did not get ready within ${GATE_TIMEOUT} s"
else
  reason="its health check says ${health:-nothing}"
fi
{
  echo "The new server is not ready: ${reason}. Its last words:"
  docker logs --tail 15 "$GATE_CONTAINER" 2>&1 | cut -c1-500 | sed 's/^/  /'
  echo "What served before serves on. See more with: docker logs ${GATE_CONTAINER:0:12}"
  echo "Mend the cause and run the update again, or check out the commit before and run it: pulumi up"
} >&2
exit 1
