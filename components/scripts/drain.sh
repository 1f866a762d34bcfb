#!/usr/bin/env bash
# Stops the servers of a service that new ones, which are ready, have replaced. Pulumi removes those that it knows at the end of the
# update; one that it lost track of, because it was killed, must not go on answering with an old release.
#   SERVERS_…   see servers.sh
#   DRAIN_KEEP  ids of the new ones, one a line
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

running=$(running_servers)
{ grep --line-regexp --fixed-strings --invert-match --file=<(echo "$DRAIN_KEEP") <<<"$running" || true; } | stop_servers
echo "drained"
