import * as path from "node:path";
import { Interrupted, UserError } from "../../lib/errors";
import { withLock } from "../lib/lock-file";
import type { Progress } from "../lib/progress";
import type { PulumiTools } from "../lib/pulumi-tools";
import { buildTools, findBuiltTools } from "./pulumi-build";
import { downloadTools, findDownloadedTools } from "./pulumi-download";
import { adoptPathTools, findAdoptedTools } from "./pulumi-path";
import { minimumPulumiVersion } from "./pulumi-pins";

/** Ways to get the tools, in order of preference. `root` is the directory for their results. */
const ways: readonly { title: string; obtain: (root: string, progress: Progress) => Promise<PulumiTools> }[] = [
  { title: "Pulumi on PATH", obtain: adoptPathTools },
  { title: "Pulumi's own download", obtain: downloadTools },
  { title: "building from source", obtain: buildTools },
];

/**
 * Finds Pulumi on PATH, else downloads it, else builds it, each with its plugins. A completed result is used again,
 * without looking for a better way; an interrupted download or build continues where it stopped.
 *
 * @param cacheDirectory absolute path, shared by every checkout of a user
 * @throws UserError with the reason of every way, when none works
 */
export async function ensurePulumi(cacheDirectory: string, progress: Progress): Promise<PulumiTools> {
  const root = path.join(cacheDirectory, "toolchain");
  return (
    findTools(root) ??
    (await withLock(path.join(root, "lock"), "set-up of the same tools", progress, async () => {
      // Another set-up may have provided them while this one waited.
      return findTools(root) ?? (await obtainTools(root, progress));
    }))
  );
}

function findTools(root: string): PulumiTools | undefined {
  return findAdoptedTools(root) ?? findDownloadedTools(root) ?? findBuiltTools(root);
}

async function obtainTools(root: string, progress: Progress): Promise<PulumiTools> {
  const reasons: string[] = [];
  for (const way of ways) {
    try {
      return await way.obtain(root, progress);
    } catch (error) {
      if (error instanceof Interrupted) {
        throw error;
      }
      const reason = `${way.title}: ${error instanceof Error ? error.message : String(error)}`;
      reasons.push(reason);
      reason.split("\n").forEach((line) => progress.message(line));
    }
  }
  throw new UserError(
    [
      "Pulumi is not installed, and every way to get it failed:",
      ...reasons.map((reason) => `  - ${reason.replaceAll("\n", "\n    ")}`),
      `Fix one of them (the quickest: put Pulumi ${minimumPulumiVersion} or newer on PATH), then run this command again; finished work is kept.`,
    ].join("\n"),
  );
}
