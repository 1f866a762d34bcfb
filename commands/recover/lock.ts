import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { fileBackendDirectory, findBackend, isSelfManaged } from "../lib/backend";
import { inEmptyProject } from "../lib/empty-project";
import { pulumiEnvironment } from "../lib/environment";
import type { Progress } from "../lib/progress";
import { pulumi } from "../lib/pulumi";
import { CommandError, run } from "../lib/run";
import { describeRunning, heldLock, isStale, releaseStaleLocks, type LockHolder } from "../lib/state-lock";
import { removeBrokenAttributes } from "./attributes";

/**
 * Removes the locks that a killed Pulumi left on a stack, and half written attributes of the state.
 *
 * A bucket is asked through Pulumi. A service keeps no locks that could be stale for long, and they are left to
 * `pulumi cancel`.
 *
 * @returns whether it removed a lock
 * @throws UserError while an update is running, or when its process is on another machine
 */
export async function releaseLock(stack: string, progress: Progress): Promise<boolean> {
  const { url } = findBackend();
  const directory = fileBackendDirectory(url);
  if (directory !== undefined) {
    const released = releaseLockFiles(stack, progress, directory);
    const holder = heldLock(stack, directory);
    if (holder !== undefined) {
      throw new UserError(describeRunning(stack, holder));
    }
    return released;
  }
  if (!isSelfManaged(url)) {
    return false;
  }
  // It must exist for the question.
  await pulumi(stack, ["stack", "export"]);
  return cancelIfStale(stack, await holdersInBucket(stack), progress);
}

/** Removes stale locks and broken attributes from a file backend; leaves any other alone. Takes no program. */
export function releaseLockIfFile(stack: string, progress: Progress): boolean {
  const directory = fileBackendDirectory(findBackend().url);
  return directory !== undefined && releaseLockFiles(stack, progress, directory);
}

function releaseLockFiles(stack: string, progress: Progress, directory: string): boolean {
  removeBrokenAttributes(progress, directory);
  return releaseStaleLocks(stack, progress, directory);
}

/**
 * Removes the locks of a stack, if all of them are stale.
 * @returns whether it removed one
 * @throws UserError when one is not, or may not be
 */
async function cancelIfStale(stack: string, holders: readonly LockHolder[], progress: Progress): Promise<boolean> {
  const held = holders.find((holder) => !isStale(holder));
  if (held !== undefined) {
    throw new UserError(describeRunning(stack, held));
  }
  if (holders.length === 0) {
    return false;
  }
  await pulumi(stack, ["cancel", "--yes"]);
  const processes = holders.map(({ pid }) => pid).join(", ");
  progress.message(`Removed the lock of an update that was killed (process ${processes}).`);
  return true;
}

/** Whether a failed update found the stack locked by updates that were killed on this machine; their locks are removed. */
export async function releaseAfter(stack: string, error: unknown, progress: Progress): Promise<boolean> {
  const holders = error instanceof CommandError ? parseHolders(error.lastLines) : [];
  return holders.length > 0 && holders.every(isStale) && cancelIfStale(stack, holders, progress);
}

/** Who holds locks of a stack, as Pulumi names them in the message of a call that found it locked. */
export function parseHolders(lines: readonly string[]): LockHolder[] {
  return lines.flatMap((line) => {
    const [, username, hostname, pid, timestamp] =
      /: created by (\S*)@(\S+) \(pid (\d+)\) at (\S+)\s*$/.exec(line) ?? [];
    return username === undefined || hostname === undefined || timestamp === undefined
      ? []
      : [{ username, hostname, pid: Number(pid), timestamp }];
  });
}

/**
 * Who holds locks of a stack whose state is in a bucket, which only Pulumi can read. Making a stack that exists fails;
 * before that it takes the lock for a moment, or names who holds it.
 * @param stack must exist, or it would be made
 */
export async function holdersInBucket(stack: string): Promise<LockHolder[]> {
  try {
    await inEmptyProject((cwd) =>
      run("pulumi", ["stack", "init", stack, "--no-select", "--non-interactive", "--secrets-provider=passphrase"], {
        cwd,
        // Nothing is encrypted with it.
        environment: { ...pulumiEnvironment(), PULUMI_CONFIG_PASSPHRASE: "unused" },
      }),
    );
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    const holders = parseHolders(error.lastLines);
    if (holders.length === 0 && !error.lastLines.some((line) => line.includes("already exists"))) {
      throw error;
    }
    return holders;
  }
  throw new UserError(
    `The stack "${stack}" was removed meanwhile, and this command has made an empty one: ` +
      `remove it with \`${archon(`pulumi stack rm --yes ${stack}`)}\`.`,
  );
}
