#!/usr/bin/env bash
# Previews a stack on a machine that is not its host, after `./archon setup`; prints what `pulumi preview --json` prints. A preview
# that finds problems is printed all the same; they make the exit code.
#   $1       the stack
#   $2       an export of its state; only read where there is no backend to share
#   BACKEND  address of a backend that the host shares; empty for the export
#   PULUMI_CONFIG_PASSPHRASE  the passphrase of the stack's secrets
set -euo pipefail
stack=$1
export=$2

# The Pulumi of the set-up, on a backend of another choice.
fact() { node -p 'JSON.parse(require("fs").readFileSync(".archon/tools.json", "utf8")).tools[process.argv[1]] ?? ""' "$1"; }
bin=$(fact binDirectory)
PATH=${bin:+$bin:}$PATH
PULUMI_HOME=$(fact home)
export PATH PULUMI_HOME PULUMI_SKIP_UPDATE_CHECK=true

work=$(mktemp --directory)
decisions=Pulumi.$stack.yaml
restore() {
  # A new stack writes into its file.
  if [[ -f "$work/decisions" ]]; then cp -- "$work/decisions" "$decisions"; fi
  rm -rf -- "$work"
}
trap restore EXIT
if [[ -f "$decisions" ]]; then cp -- "$decisions" "$work/decisions"; fi

# The host is elsewhere: what cannot be seen from here is not gone.
export ARCHON_ENGINE_ELSEWHERE=1

if [[ -n "${BACKEND:-}" ]]; then
  export PULUMI_BACKEND_URL=$BACKEND
else
  if [[ ! -f "$export" ]]; then
    echo "There is neither a backend (secret PULUMI_BACKEND_URL) nor an export of the state ($export). docs/pull-requests.md says how to give one." >&2
    exit 1
  fi
  mkdir "$work/state"
  export PULUMI_BACKEND_URL=file://$work/state
  # Secrets in the stack's file were encrypted with the salt of the state.
  node -e '
    const fs = require("fs");
    const [exported, decisions] = process.argv.slice(1);
    const salt = JSON.parse(fs.readFileSync(exported, "utf8")).deployment.secrets_providers?.state?.salt;
    const settings = require("yaml").parse(fs.existsSync(decisions) ? fs.readFileSync(decisions, "utf8") : "") ?? {};
    if (salt !== undefined && settings.encryptionsalt === undefined) fs.writeFileSync(decisions, JSON.stringify({ ...settings, encryptionsalt: salt }));
  ' "$export" "$decisions"
  pulumi stack init "$stack" --non-interactive >&2
  pulumi stack import --stack "$stack" --file "$export" --non-interactive >&2
fi

code=0
pulumi preview --stack "$stack" --json --non-interactive >"$work/preview.json" 2>"$work/words" || code=$?
cat "$work/words" >&2
if [[ -s "$work/preview.json" ]]; then
  cat "$work/preview.json"
else
  # Pulumi reports some problems before it previews, as text and not as JSON.
  node -e 'console.log(JSON.stringify({ diagnostics: [{ severity: "error", message: require("fs").readFileSync(0, "utf8") }] }))' <"$work/words"
fi
exit "$code"
