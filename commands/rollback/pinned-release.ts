import * as fs from "node:fs";
import { project } from "../../config/stack";
import { explicitValue } from "../../config/stack";
import { pulumi } from "../lib/pulumi";
import { stackFile } from "../../config/stack";
import { writeAtomically } from "../../lib/files";

/** The release that a stack's configuration pins; undefined if the stack runs what the checkout makes. */
export function pinnedRelease(stack: string): string | undefined {
  return explicitValue("release", stack) || undefined;
}

/**
 * Pins a stack to a release, or unpins it, as `pulumi config` does, and runs `work`. If that returns false or fails,
 * the configuration is restored, unless someone else has changed it meanwhile.
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
    // Writes the file directly: after an interruption no process may be started.
    if (!kept && before !== undefined && read(file) === written) {
      writeAtomically(file, before, 0o644);
    }
  }
}

function read(file: string): string | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
}
