#!/usr/bin/env bash
# Previews a stack on a machine that is not its host, after `./archon setup`. Prints what `pulumi preview --json` prints,
# and exits with its exit code: a preview that finds problems is printed too.
#   $1       the stack
#   $2       an export of its state; read only if there is no shared backend
#   BACKEND  address of a backend that the host shares; empty to use the export
#   PULUMI_CONFIG_PASSPHRASE  the passphrase of the stack's secrets
set -euo pipefail
stack=$1
export=$2
files=$(dirname "${BASH_SOURCE[0]}")/preview-files.mjs

# The Pulumi of the set-up, on another backend.
bin=$("$files" tool binDirectory)
PATH=${bin:+$bin:}$PATH
PULUMI_HOME=$("$files" tool home)
export PATH PULUMI_HOME PULUMI_SKIP_UPDATE_CHECK=true

# `pulumi stack init` writes into the stack's file.
work=$(mktemp --directory)
stack_file=Pulumi.$stack.yaml
restore() {
  if [[ -f "$work/stack_file" ]]; then cp -- "$work/stack_file" "$stack_file"; fi
  rm -rf -- "$work"
}
trap restore EXIT
if [[ -f "$stack_file" ]]; then cp -- "$stack_file" "$work/stack_file"; fi

# The program must not look for images, environments and models on this machine.
export ARCHON_ENGINE_ELSEWHERE=1

if [[ -n "${BACKEND:-}" ]]; then
  export PULUMI_BACKEND_URL=$BACKEND
  # Secrets in the stack's file were encrypted with the salt of the state.
  export=$work/export.json
  pulumi stack export --stack "$stack" --file "$export" --non-interactive >&2
  "$files" add-salt "$export" "$stack_file"
else
  if [[ ! -f "$export" ]]; then
    echo "There is neither a backend (secret PULUMI_BACKEND_URL) nor an export of the state ($export). docs/pull-requests.md says how to give one." >&2
    exit 1
  fi
  mkdir "$work/state"
  export PULUMI_BACKEND_URL=file://$work/state
  # Secrets in the stack's file were encrypted with the salt of the state.
  "$files" add-salt "$export" "$stack_file"
  pulumi stack init "$stack" --non-interactive >&2
  pulumi stack import --stack "$stack" --file "$export" --non-interactive >&2
fi

code=0
pulumi preview --stack "$stack" --json --non-interactive >"$work/preview.json" 2>"$work/stderr" || code=$?
cat "$work/stderr" >&2
if [[ -s "$work/preview.json" ]]; then
  cat "$work/preview.json"
else
  # Pulumi reports some problems before it previews, as text and not as JSON.
  "$files" error-preview <"$work/stderr"
fi
exit "$code"
