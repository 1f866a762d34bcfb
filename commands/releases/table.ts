import { age, table, truncate } from "../support/render";
import type { PastRelease } from "./ledger";

export interface ReleaseRow {
  release: PastRelease;
  running: boolean;
  /** Why it cannot be run again; empty for one that can, undefined where nobody could look. */
  missing: readonly string[] | undefined;
}

const messageColumns = 60;

/** The releases as a table, and below it why some of them cannot come back. */
export function describeReleases(rows: readonly ReleaseRow[], now: Date): string[] {
  const cells = rows.map(({ release, running, missing }) => [
    running ? "▶" : "",
    release.id,
    release.created.replace(/\.\d+Z$/, "Z"),
    age(now.getTime() - Date.parse(release.created)),
    release.images.server.replace(/^.*:/, ""),
    release.environment,
    models(release),
    truncate([release.commit?.slice(0, 10), release.message].filter((part) => part !== undefined).join(" ") || "–", messageColumns),
    missing === undefined ? "unknown" : missing.length === 0 ? "yes" : "no",
  ]);
  const header = ["", "release", "created", "age", "image", "environment", "models", "commit", "restorable"];
  const reasons = rows.flatMap(({ release, missing }) => (missing ?? []).map((reason) => `${release.id}: ${reason}`));
  return [...table([header, ...cells]), ...(reasons.length === 0 ? [] : ["", ...reasons])];
}

/** `demo@1a2f7aa13645`, the default one marked where there are several. */
function models({ models: list, activeModel }: PastRelease): string {
  const shown = list.map(({ name, revision }) => `${name}@${revision.slice(0, 12)}${list.length > 1 && name === activeModel ? "*" : ""}`);
  return shown.join(" ") || "–";
}
