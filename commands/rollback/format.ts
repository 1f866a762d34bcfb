import type { Ledger } from "../../release/ledger";
import { archon } from "../../lib/command-line";
import { stackFlag } from "../lib/options";

/** Why a release cannot run again, and what to do instead. */
export function notRestorable(id: string, lost: string, commit: string | undefined): string {
  const source = commit === undefined ? "the checkout that made it" : `its commit (${commit.replace(/-dirty$/, "")})`;
  return (
    `The release ${id} cannot be run again: ${lost}.\n` +
    `Check out ${source} and update (\`${archon("pulumi up")}\`), which makes what is missing again; or choose another release: \`${archon("releases")}\`.`
  );
}

/** What runs after a rollback, or after rolling forward (`id` undefined), and what to run next. */
export function describeOutcome(
  { running, releases, services }: Pick<Ledger, "running" | "releases" | "services">,
  id: string | undefined,
  stack: string,
): string[] {
  const flag = stackFlag(stack);
  const release = releases.find((each) => each.id === running);
  const origin = release?.message === undefined ? "" : ` (${release.message})`;
  const now = `${services[0]?.url ?? `The stack ${stack}`} now runs ${running ?? "nothing"}${origin}.`;
  if (id === undefined) {
    return [
      now,
      `The stack is no longer pinned: archon:release was removed from Pulumi.${stack}.yaml. Commit that file, so that updates from other checkouts do the same.`,
    ];
  }
  return [
    now,
    `Pulumi.${stack}.yaml records it: archon:release is ${id}, and every update keeps that release. Commit the file, or an update from another checkout rolls forward.`,
    `To roll forward again: ${archon(`rollback --forward${flag}`)}`,
    `The same by hand: ${archon(`pulumi config rm archon:release${flag}`)}, then ${archon(`pulumi up${flag}`)}`,
  ];
}
