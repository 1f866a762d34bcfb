#!/usr/bin/env bash
# Runs the store tool once, in a container that is removed afterwards. Settings come as environment variables, so that
# an error message, which repeats the command, does not repeat them:
#   JOB_NAME       container name; a container that a killed update left behind is removed first
#   JOB_OPTIONS    options of `docker run`, one a line
#   JOB_IMAGE      image to run
#   JOB_COMMAND    arguments of the store tool, one a line
#   JOB_TEXT       text for its standard input; may be empty
#   JOB_FILE       file for its standard input; may be empty
#   JOB_DIRECTORY  directory for its standard input, as a tar archive; may be empty
set -euo pipefail

mapfile -t options <<<"$JOB_OPTIONS"
mapfile -t command <<<"$JOB_COMMAND"

# A container has a loopback of its own, so it cannot reach a proxy on this machine's. See lib/proxies.ts.
for name in HTTP_PROXY HTTPS_PROXY http_proxy https_proxy; do
  if [[ "${!name:-}" =~ ^([A-Za-z0-9+]+://)?([^@/]*@)?(127\.|localhost([:/]|$)|\[::1\]) ]]; then unset "$name"; fi
done

input() {
  if [[ -n "$JOB_DIRECTORY" ]]; then
    # Owner, times and order of the files do not matter: the store tool checks their content. It accepts no links; the
    # program has checked where they lead.
    tar --create --dereference --hard-dereference --directory="$JOB_DIRECTORY" --exclude='.*' --exclude=__pycache__ -- *
  elif [[ -n "$JOB_FILE" ]]; then
    cat -- "$JOB_FILE"
  else
    printf '%s' "$JOB_TEXT"
  fi
}

# An interrupted update kills this shell, not the container.
trap 'docker rm --force "$JOB_NAME" >/dev/null 2>&1 || true' EXIT
docker rm --force "$JOB_NAME" >/dev/null 2>&1 || true

if [[ -n "$JOB_DIRECTORY" ]]; then cd -- "$JOB_DIRECTORY"; fi
status=0
input | docker run "${options[@]}" "$JOB_IMAGE" "${command[@]}" || status=$?
# The engine removes a container that has ended.
if ((status == 0)); then trap - EXIT; fi
if ((status != 0)) && ! docker image inspect "$JOB_IMAGE" >/dev/null 2>&1; then
  echo "The engine no longer has the image $JOB_IMAGE, or does not answer. If the image was removed since this update began, such as by the garbage collection of another stack, build it again with: ./archon pulumi up --refresh" >&2
fi
exit "$status"
