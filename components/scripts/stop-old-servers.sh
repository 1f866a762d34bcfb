#!/usr/bin/env bash
# Stops the servers of a service that run now, so that a new one has the memory for itself. Prints their ids, one a
# line: if the new one does not become ready and archon:autoRollback is true, the readiness gate starts them again.
#   SERVERS_…  see servers.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

healthy=$(running_servers --filter health=healthy)
# One that is not healthy takes memory too.
running_servers | stop_servers
echo "$healthy"
