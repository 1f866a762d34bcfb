#!/usr/bin/env bash
# Stops the servers of a service that new, ready ones have replaced. At the end of the update Pulumi removes those that
# it knows. One that it lost track of, because an update was killed, must not keep answering with an old release.
#   SERVERS_…   see servers.sh
#   DRAIN_KEEP  ids of the new servers, one a line
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

running=$(running_servers)
# A new server may have ended since the readiness gate saw it.
if ended=$(grep --line-regexp --fixed-strings --invert-match --file=<(echo "$running") <<<"$DRAIN_KEEP"); then
  old=$(grep --line-regexp --fixed-strings --invert-match --file=<(echo "$DRAIN_KEEP") <<<"$running" || true)
  echo "A new server was ready and has stopped since: $(cut -c1-12 <<<"$ended" | paste --serial --delimiters=' '). $(kept_running <<<"$old")" >&2
  echo "Find out why with: docker logs ${ended:0:12}; then run: ./archon pulumi up --refresh" >&2
  exit 1
fi
{ grep --line-regexp --fixed-strings --invert-match --file=<(echo "$DRAIN_KEEP") <<<"$running" || true; } | stop_servers
echo "drained"
