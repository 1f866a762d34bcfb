#!/usr/bin/env bash
# Waits until a server is ready, answers through the gateway, and stays ready for a moment. Fails at once, with the last
# lines of its log, when it has exited, restarted or failed for good, and otherwise after GATE_TIMEOUT seconds. It runs the
# health check itself: the engine does so every half minute.
#   GATE_CONTAINER      id of the container
#   GATE_GATEWAY        id of the gateway's container
#   GATE_URL            what to ask for, at the address and port that people use
#   GATE_CERTIFICATE    path, in the container that asks, of the certificate that must be served; unset for plain HTTP
#   GATE_ASK_OPTIONS    options of `docker run` for the container that asks, one a line
#   GATE_ASK_IMAGE      its image, with Python
#   GATE_ANY_ANSWER     "true" if every answer of the server will do, also an error; else unset
#   GATE_CHECK          its health check, one argument a line
#   GATE_CHECK_TIMEOUT  seconds that the health check may take
#   GATE_FAILED_PREFIX  how the output of its health check begins when the release has failed; empty when it never says so
#   GATE_SMOKE_TEST     Python program that uses the ready server inside its container; empty or unset for none
#   GATE_SMOKE_TEST_ARGUMENTS  its arguments, one a line
#   GATE_TIMEOUT        seconds
#   GATE_ROLLOUT        "overlap": the old servers keep running; "replace": they were stopped
#   GATE_STOPPED        ids of the servers that were stopped first and start again when this one fails; may be empty
#   PREVIOUS_RELEASE    id of the release to roll back to; empty when there is none
#   GATE_EARLIER        names of the services that the update has replaced before; unset for none
#   SERVERS_…           see servers.sh
set -euo pipefail
scripts=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source-path=SCRIPTDIR
source "$scripts/servers.sh"

# Whether the server says that it is ready. Prints what its health check prints.
check_health() {
  local check
  mapfile -t check <<<"$GATE_CHECK"
  # The inner timeout ends the check in its container, the outer one a client whose engine does not answer.
  timeout --kill-after=1 "$((GATE_CHECK_TIMEOUT + 10))" \
    docker exec "$GATE_CONTAINER" timeout "$GATE_CHECK_TIMEOUT" "${check[@]}" 2>&1 || {
    local code=$?
    # BusyBox's timeout exits with 143, that of the coreutils with 124.
    ((code != 124 && code != 143)) || echo "no answer within $GATE_CHECK_TIMEOUT s"
    return "$code"
  }
}

# Asks through the gateway for two seconds, until this server has answered. Fails with the last answer.
ask_gateway() {
  local options expected=success
  if [[ -n "${GATE_ANY_ANSWER:-}" ]]; then expected=any; fi
  mapfile -t options <<<"$GATE_ASK_OPTIONS"
  # shellcheck disable=SC2086 # one word for each network
  docker run "${options[@]}" "$GATE_ASK_IMAGE" python3 -c "$(<"$scripts/ask-gateway.py")" "$GATE_URL" 2 "${GATE_CERTIFICATE:-}" "$expected" $addresses 2>&1
}

# Uses the server as a client would. Its output ends with what is wrong.
smoke_test() {
  local arguments
  [[ -n "${GATE_SMOKE_TEST:-}" ]] || return 0
  mapfile -t arguments <<<"$GATE_SMOKE_TEST_ARGUMENTS"
  timeout "$GATE_TIMEOUT" docker exec --interactive "$GATE_CONTAINER" \
    python3 - "${arguments[@]}" "$GATE_TIMEOUT" <"$GATE_SMOKE_TEST" 2>&1
}

# Old servers that an earlier update has removed since cannot start again.
GATE_STOPPED=$(xargs --no-run-if-empty docker inspect --format '{{.Id}}' <<<"$GATE_STOPPED" 2>/dev/null || true)

if ! status=$(docker inspect --format '{{.State.Status}}' "$GATE_CONTAINER" 2>/dev/null); then
  echo "The server ${GATE_CONTAINER:0:12} does not exist on this engine. If somebody removed it, make it again with: ./archon pulumi up --refresh" >&2
  exit 1
fi

# A server that an earlier gate stopped gets another try, again without the old ones beside it.
if [[ "$status" == exited ]]; then
  stop_servers <<<"$GATE_STOPPED"
  start_servers <<<"$GATE_CONTAINER"
fi

# A server that crashes right after its first good answer must not pass: it must be ready again after so many seconds.
settle=2
# A check takes processor time that the starting server could use, and no new server is ready at once.
sleep 1
pauses=(0.5 0.5 1)
checks=0
format='{{.State.Status}} {{.RestartCount}} {{.State.OOMKilled}}{{range .NetworkSettings.Networks}} {{.IPAddress}}{{end}}'
deadline=$((SECONDS + GATE_TIMEOUT))
verdict=
reached=
answer=
gateway=running
while ((SECONDS < deadline)) || [[ -n "$reached" ]]; do
  if checked=$(check_health); then ready=yes; else ready=; fi
  read -r status restarts oom addresses <<<"$(docker inspect --format "$format" "$GATE_CONTAINER")"
  [[ "$status $restarts" == "running 0" ]] || break
  report=${checked##*$'\n'}
  if [[ -n "$ready" && -n "$reached" ]]; then
    used=$(smoke_test) && echo "${used:+$used$'\n'}ready" && exit 0
    smoke_test_code=$?
    verdict=unusable
    # It may have ended in the test, for the first time with its model in memory.
    read -r status restarts oom _ <<<"$(docker inspect --format "$format" "$GATE_CONTAINER")"
    break
  elif [[ -n "$ready" ]]; then
    verdict=ready
    asked_before=$answer
    if answer=$(ask_gateway); then
      reached=yes
    else
      if [[ -z "$asked_before" ]]; then
        echo "The server is ready, but $GATE_URL does not answer from it yet: $answer"
      fi
      gateway=$(docker inspect --format '{{.State.Status}}' "$GATE_GATEWAY" 2>/dev/null || echo removed)
      [[ "$gateway" == running ]] || break
    fi
    pause=$settle
  else
    reached=
    # One report of a failure may be temporary. Two in a row are final.
    if [[ -n "$GATE_FAILED_PREFIX" && "$checked" == "$GATE_FAILED_PREFIX"* ]]; then
      [[ "$verdict" != failing ]] || { verdict=failed && break; }
      verdict=failing
    else
      verdict=starting
    fi
    pause=${pauses[checks++]:-2}
  fi
  sleep "$pause"
done

unreached=
if [[ "$oom" == true ]]; then
  reason="it ran out of memory; raise memoryMiB of the service"
elif [[ "$status" != running || "$restarts" != 0 ]]; then
  reason="it stopped by itself"
elif [[ "$verdict" == failed ]]; then
  reason="it reports ${report}"
elif [[ "$verdict" == unusable && "$smoke_test_code" == 124 ]]; then
  reason="its smoke test (archon:application.smokeTest) did not end within ${GATE_TIMEOUT} s (archon:readyTimeout)${used:+; the last it said is: ${used##*$'\n'}}"
elif [[ "$verdict" == unusable ]]; then
  reason="its smoke test (archon:application.smokeTest) failed${used:+: ${used##*$'\n'}}"
elif [[ "$verdict" == starting || "$verdict" == failing ]]; then
  reason="it did not become ready within ${GATE_TIMEOUT} s (archon:readyTimeout)${report:+; its health check says: ${report}}"
elif [[ "$gateway" != running ]]; then
  unreached=yes
  reason="the gateway does not run (it is ${gateway}), so $GATE_URL does not answer"
else
  unreached=yes
  reason="within ${GATE_TIMEOUT} s (archon:readyTimeout) $GATE_URL has not answered from it; the last answer is: ${answer}"
fi

if [[ -n "$unreached" ]]; then
  log_of=$GATE_GATEWAY log_name="the gateway's"
else
  log_of=$GATE_CONTAINER log_name=its
fi
log=$(docker logs --tail 15 "$log_of" 2>&1 | cut -c1-500 | sed 's/^/  /')

older=$(running_servers --filter "before=$GATE_CONTAINER")
# Left alone, it would start again and again, and take processor and memory from the server that runs. One that only the
# gateway does not reach is stopped where another one takes its place.
if [[ -z "$unreached" || -n "$older$GATE_STOPPED" ]]; then
  SERVERS_GRACE=5 stop_servers <<<"$GATE_CONTAINER"
fi

if [[ -n "$GATE_STOPPED" ]]; then
  start_servers <<<"$GATE_STOPPED"
  consequence="The old server, which had been stopped first, runs again (archon:autoRollback)."
elif [[ "$GATE_ROLLOUT" == overlap || -n "$unreached" ]]; then
  consequence=$(kept_running <<<"$older")
else
  consequence="The service is down: the old server was stopped first (archon:rollout is replace, and archon:autoRollback is false)."
fi
{
  echo "The new server is not ready: ${reason}. The end of ${log_name} log:"
  echo "$log"
  echo "${consequence:-No other server of the service runs.} See all of the log with: docker logs ${log_of:0:12}"
  if [[ -n "$PREVIOUS_RELEASE" ]]; then
    echo "Fix the cause and run the update again, or roll back: ./archon rollback ${PREVIOUS_RELEASE}"
  else
    echo "Fix the cause and run the update again."
  fi
  if [[ -n "${GATE_EARLIER:-}" ]]; then
    echo "The services before it in archon:services ($GATE_EARLIER) run the new release. To return to an earlier one: ./archon releases, then ./archon rollback ID"
  fi
} >&2
exit 1
