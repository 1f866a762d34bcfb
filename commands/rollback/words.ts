import type { Ledger } from "../../release/ledger";
import { devStack } from "../../config/stack";

/** Why a release cannot come back, and what to do instead. */
export function notRestorable(id: string, lost: string, commit: string | undefined): string {
  const source = commit === undefined ? "the checkout that made it" : `its commit (${commit.replace(/-dirty$/, "")})`;
  return `The release ${id} cannot be run again: ${lost}.\nCheck out ${source} and update (\`npm run pulumi -- up\`), which makes what is missing anew; or take another one: \`npm run releases\`.`;
}

/** What runs after a rollback, or after rolling forward (`id` undefined), and the way from there. */
export function describeOutcome(
  { running, releases, url }: Pick<Ledger, "running" | "releases" | "url">,
  id: string | undefined,
  stack: string,
): string[] {
  const option = stack === devStack ? "" : ` --stack ${stack}`;
  const release = releases.find((each) => each.id === running);
  const origin = release?.message === undefined ? "" : ` (${release.message})`;
  const now = `${url ?? `The stack ${stack}`} now runs ${running ?? "nothing"}${origin}.`;
  if (id === undefined) {
    return [
      now,
      `Nothing holds the stack back any more: archon:release is gone from Pulumi.${stack}.yaml. Commit that file, and the next update elsewhere does the same.`,
    ];
  }
  return [
    now,
    `Pulumi.${stack}.yaml has the record of it: archon:release is ${id}, and every update keeps to it. Commit that file, or an update from another checkout rolls forward.`,
    `Forward again: npm run rollback -- --forward${option}`,
    `The same by hand: npm run pulumi -- config rm archon:release${option}, then npm run pulumi -- up${option}`,
  ];
}
