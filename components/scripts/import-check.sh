#!/usr/bin/env bash
# Runs a program in a container of an image that imports what the image starts. That of a server has the environment
# mounted. Fails with the last line that the program prints.
#   CHECK_NAME       container name; a container that a killed update left behind is removed first
#   CHECK_OPTIONS    options of `docker run`, one a line
#   CHECK_IMAGE      image to run
#   CHECK_PROGRAM    Python program
#   CHECK_ARGUMENTS  its arguments, one a line
#   CHECK_TIMEOUT    seconds that it may take
#   CHECK_ROLE       what its servers are; unset for the application's own
#   CHECK_REMEDY     what to do when it fails
set -euo pipefail

mapfile -t options <<<"$CHECK_OPTIONS"
mapfile -t arguments <<<"$CHECK_ARGUMENTS"
# An interrupted update kills this shell, not the container.
trap 'docker rm --force "$CHECK_NAME" >/dev/null 2>&1 || true' EXIT
docker rm --force "$CHECK_NAME" >/dev/null 2>&1 || true

status=0
output=$(timeout "$CHECK_TIMEOUT" docker run "${options[@]}" "$CHECK_IMAGE" - "${arguments[@]}" <"$CHECK_PROGRAM" 2>&1) || status=$?
if ((status == 0)); then
  echo "${output:+$output$'\n'}imported"
  exit 0
fi
reason=${output##*$'\n'}
if ((status == 124)); then
  reason="its imports did not end within ${CHECK_TIMEOUT} s (archon:readyTimeout)"
fi
{
  head --lines=-1 <<<"$output" | tail --lines=15 | sed 's/^/  /'
  echo "The new server${CHECK_ROLE:+ of the role $CHECK_ROLE} cannot start: ${reason:-docker run ended with status $status}."
  echo "No server was touched. $CHECK_REMEDY"
} >&2
exit 1
