# The servers of a service, for the scripts that stop and start them.
#   SERVERS_PROJECT, SERVERS_STACK, SERVERS_SERVICE  whose servers
#   SERVERS_GRACE  seconds that a server may take to end after it was told to

# Ids of those that run, one a line. Takes further options of `docker ps`.
running_servers() {
  docker ps --quiet --no-trunc --filter label=io.archon.component=server --filter "label=io.archon.project=$SERVERS_PROJECT" \
    --filter "label=io.archon.stack=$SERVERS_STACK" --filter "label=io.archon.service=$SERVERS_SERVICE" "$@"
}

# Starts stopped servers whose ids come, one a line. From now on a restart of the engine starts them again.
start_servers() {
  local ids
  ids=$(sed '/^$/d')
  xargs docker update --restart always <<<"$ids" >/dev/null
  xargs docker start <<<"$ids" >/dev/null
}

# Stops the servers whose ids come, one a line, all at once; each finishes what it has. Fails when one runs on. One that is gone
# meanwhile is as good as stopped. A restart of the engine does not bring them back, beside the release that serves then.
stop_servers() {
  local ids running left
  ids=$(sed '/^$/d')
  [[ -n "$ids" ]] || return 0
  xargs docker update --restart no <<<"$ids" >/dev/null || true
  xargs docker stop --time "$SERVERS_GRACE" <<<"$ids" >/dev/null || true
  running=$(running_servers)
  left=$(grep --line-regexp --fixed-strings --file=<(echo "$ids") <<<"$running" || true)
  if [[ -n "$left" ]]; then
    echo "These servers cannot be stopped: $(cut -c1-12 <<<"$left" | paste --serial --delimiters=' '). Look at what the engine says with: docker stop ${left:0:12}" >&2
    return 1
  fi
}
