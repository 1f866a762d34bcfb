# Functions that list, stop and start the servers of a service. Those that take ids read them from standard input, one a
# line.
#   SERVERS_PROJECT, SERVERS_STACK, SERVERS_SERVICE  whose servers
#   SERVERS_DEPLOYMENT  id of the deployment that they belong to
#   SERVERS_GRACE  seconds that a server may take to stop

# Prints the ids of the running servers, one a line. Takes further options of `docker ps`. A server without a deployment
# was made before there were any: the update goes on only if such a server is its own.
running_servers() {
  docker ps --no-trunc --filter label=io.archon.component=server --filter "label=io.archon.project=$SERVERS_PROJECT" \
    --filter "label=io.archon.stack=$SERVERS_STACK" --filter "label=io.archon.service=$SERVERS_SERVICE" "$@" \
    --format '{{.ID}} {{.Label "io.archon.deployment"}}' |
    awk -v own="$SERVERS_DEPLOYMENT" '$2 == "" || $2 == own { print $1 }'
}

# Says what the oldest of the servers runs: its release, or its image where it may outlive a release. Prints nothing without
# any.
kept_running() {
  local id
  id=$(sed '/^$/d' | tail --lines=1)
  if [[ -n "$id" ]]; then
    docker inspect --format 'The service keeps running {{with index .Config.Labels "io.archon.release"}}release {{.}}{{else}}{{.Config.Image}}{{end}}.' "$id"
  fi
}

# Starts stopped servers. From now on they start again with the engine.
start_servers() {
  local ids
  ids=$(sed '/^$/d')
  xargs docker update --restart always <<<"$ids" >/dev/null
  xargs docker start <<<"$ids" >/dev/null
}

# Stops servers at the same time; each finishes its requests. They do not start again with the engine, beside the
# release that runs then. One that no longer exists counts as stopped. Fails when one keeps running.
stop_servers() {
  local ids refused= running left
  ids=$(sed '/^$/d')
  [[ -n "$ids" ]] || return 0
  xargs docker update --restart no <<<"$ids" >/dev/null 2>&1 || refused=yes
  xargs docker stop --time "$SERVERS_GRACE" <<<"$ids" >/dev/null || true
  # The engine refuses the change for a container that crashes at that moment. Stopped, it takes it.
  if [[ -n "$refused" ]]; then xargs docker update --restart no <<<"$ids" >/dev/null || true; fi
  running=$(running_servers)
  left=$(grep --line-regexp --fixed-strings --file=<(echo "$ids") <<<"$running" || true)
  if [[ -n "$left" ]]; then
    echo "These servers cannot be stopped: $(cut -c1-12 <<<"$left" | paste --serial --delimiters=' '). See what the engine says with: docker stop ${left:0:12}" >&2
    return 1
  fi
}
