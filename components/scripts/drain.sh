#!/usr/bin/env bash
# Stops the servers of a service that new ones, which are ready, have replaced. Pulumi removes those that it knows at the end of the
# update; one that it lost track of, because it was killed, must not go on answering with an old release.
#   SERVERS_…   see servers.sh
#   DRAIN_KEEP  ids of the new ones, one a line
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

running=$(running_servers)
# Between the gate and this moment one may have ended.
if ended=$(grep --line-regexp --fixed-strings --invert-match --file=<(echo "$running") <<<"$DRAIN_KEEP"); then
  echo "A new server was ready and runs no more: $(cut -c1-12 <<<"$ended" | paste --serial --delimiters=' '). What served before serves on." >&2
  echo "See why with: docker logs ${ended:0:12}; then: ./archon pulumi up --refresh" >&2
  exit 1
fi
{ grep --line-regexp --fixed-strings --invert-match --file=<(echo "$DRAIN_KEEP") <<<"$running" || true; } | stop_servers
echo "drained"
