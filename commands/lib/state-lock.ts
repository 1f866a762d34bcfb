import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { z } from "zod";
import { project } from "../../config/stack";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { display } from "../../lib/paths";
import { ranAt } from "./process-start";
import type { Progress } from "./progress";

/* The locks of a Pulumi file backend. `state` is its directory. */

/** Who holds the lock of a stack, as Pulumi writes it. */
const holderSchema = z.object({ pid: z.int(), username: z.string(), hostname: z.string(), timestamp: z.string() });

export type LockHolder = z.infer<typeof holderSchema>;

/** The holder of a stack's lock; undefined when nobody holds it. */
export function heldLock(stack: string, state: string): LockHolder | undefined {
  const [file] = lockFiles(stack, state);
  return file === undefined ? undefined : readLock(file);
}

/**
 * Removes the locks that a killed Pulumi left on a stack: those of a process that ran on this machine and has
 * ended, also if another one has its number now.
 * @returns whether it removed one
 */
export function releaseStaleLocks(stack: string, progress: Progress, state: string): boolean {
  const stale = lockFiles(stack, state).filter((file) => isStale(readLock(file)));
  for (const file of stale) {
    const { pid } = readLock(file);
    fs.rmSync(file);
    fs.rmSync(`${file}.attrs`, { force: true });
    progress.message(`Removed the lock of an update that was killed (process ${pid}).`);
  }
  return stale.length > 0;
}

/**
 * Checks that no update of these stacks is running. The lock of a killed one does not count.
 * @throws UserError that says what is running, and which lock to remove: `pulumi cancel` works on the backend in use
 */
export function requireIdle(stacks: readonly string[], state: string): void {
  for (const stack of stacks) {
    const holder = lockFiles(stack, state)
      .map(readLock)
      .find((each) => !isStale(each));
    if (holder !== undefined) {
      throw new UserError(
        describeRunning(stack, holder, `remove its lock, the directory ${display(lockDirectory(stack, state))}`),
      );
    }
  }
}

/**
 * That an update is running, who runs it, and what to do.
 * @param remedy what to do if its process no longer exists
 */
export function describeRunning(
  stack: string,
  { pid, username, hostname, timestamp }: LockHolder,
  remedy = archon(`pulumi cancel --yes --stack ${stack}`),
): string {
  return (
    `An update of the stack "${stack}" is running: process ${pid} of ${username}@${hostname}, since ${timestamp}.\n` +
    `Wait until it has finished. If that process no longer exists on ${hostname}: ${remedy}`
  );
}

function lockDirectory(stack: string, state: string): string {
  return path.join(state, ".pulumi", "locks", "organization", project, stack);
}

function lockFiles(stack: string, state: string): string[] {
  const directory = lockDirectory(stack, state);
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
  return names.filter((name) => name.endsWith(".json")).map((name) => path.join(directory, name));
}

/** @throws UserError for a lock that a power cut left empty or half written */
function readLock(file: string): LockHolder {
  try {
    return holderSchema.parse(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch {
    const stack = path.basename(path.dirname(file));
    throw new UserError(
      `The lock ${display(file)} cannot be read, so who holds it is unknown.\n` +
        `If no update of the stack ${stack} is running, remove that file.`,
    );
  }
}

/** Whether the process that took a lock ran on this machine and has ended. */
export function isStale({ hostname, pid, timestamp }: LockHolder): boolean {
  const time = Date.parse(timestamp);
  return hostname === os.hostname() && !ranAt(pid, Number.isNaN(time) ? Infinity : time);
}
