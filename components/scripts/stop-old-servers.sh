#!/usr/bin/env bash
# Stops the servers of a service that run now, so that a new one has the memory for itself. Prints their ids, one a
# line: if the new one does not become ready and archon:autoRollback is true, the readiness gate starts them again.
#   SERVERS_…  see servers.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

# The engine says "starting" of a server until its first health check, up to half a minute after its start.
usable=$(running_servers --filter health=healthy --filter health=starting)
# One that is unhealthy takes memory too.
running_servers | stop_servers
echo "$usable"
