import * as fs from "node:fs";
import { project } from "../../config/stack";
import { statedValue } from "../../config/stack";
import { pulumi } from "../lib/pulumi";
import { stackFile } from "../../config/stack";
import { writeAtomically } from "../../lib/files";

/** The release that the configuration of a stack holds it on; undefined where it runs what the checkout makes. */
export function pinnedRelease(stack: string): string | undefined {
  return statedValue("release", stack) || undefined;
}

/**
 * Holds a stack on a release, or on none, the way `pulumi config` does, and does `work`. When that says no or fails, the configuration
 * is as it was before, unless somebody else has changed it meanwhile.
 *
 * @param work whether to keep the choice
 */
export async function withPinnedRelease(
  stack: string,
  id: string | undefined,
  work: () => Promise<boolean>,
): Promise<boolean> {
  const file = stackFile(stack);
  const before = read(file);
  let kept = false;
  let written = before;
  try {
    await pulumi(
      stack,
      id === undefined ? ["config", "rm", `${project}:release`] : ["config", "set", `${project}:release`, id],
    );
    written = read(file);
    kept = await work();
    return kept;
  } finally {
    // By the file alone: after an interruption nothing is started any more.
    if (!kept && before !== undefined && read(file) === written) {
      writeAtomically(file, before, 0o644);
    }
  }
}

function read(file: string): string | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
}
