import * as fs from "node:fs";
import { explicitValue, project, stackFile } from "../../config/stack";
import { writeAtomically } from "../../lib/files";
import { pulumi } from "../lib/pulumi";

/** The release that a stack's configuration pins; undefined if the stack runs what the checkout makes. */
export function pinnedRelease(stack: string): string | undefined {
  return explicitValue("release", stack) || undefined;
}

/**
 * Pins a stack to a release through `pulumi config`, or unpins it, and runs `work`. If `work` returns false or throws,
 * the configuration is restored, unless something else has changed it meanwhile.
 *
 * @param id the release; undefined unpins the stack
 * @param work returns whether to keep the changed configuration
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
    // Written directly: after an interruption, no process can be started any more.
    if (!kept && before !== undefined && read(file) === written) {
      writeAtomically(file, before, 0o644);
    }
  }
}

function read(file: string): string | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
}
