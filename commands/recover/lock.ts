import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { project } from "../../config/stack";
import { stateDirectory } from "../../lib/paths";
import type { Progress } from "../lib/progress";

/** Who holds the lock of a stack, as Pulumi writes it. */
export interface LockHolder {
  pid: number;
  username: string;
  hostname: string;
  timestamp: string;
}

/** The holder of a stack's lock in the checkout's own backend; undefined when nobody holds it. */
export function heldLock(stack: string, state: string = stateDirectory): LockHolder | undefined {
  const [file] = lockFiles(stack, state);
  return file === undefined ? undefined : readLock(file);
}

/**
 * Removes the locks that a killed Pulumi left on a stack: those of a process that ran on this machine and no longer
 * exists.
 * @returns whether it removed one
 */
export function releaseStaleLocks(stack: string, progress: Progress, state: string = stateDirectory): boolean {
  const stale = lockFiles(stack, state).filter((file) => isStale(readLock(file)));
  for (const file of stale) {
    const { pid } = readLock(file);
    fs.rmSync(file);
    fs.rmSync(`${file}.attrs`, { force: true });
    progress.message(`Removed the lock of an update that was killed (process ${pid}).`);
  }
  return stale.length > 0;
}

function lockFiles(stack: string, state: string): string[] {
  const directory = path.join(state, ".pulumi", "locks", "organization", project, stack);
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
  return names.filter((name) => name.endsWith(".json")).map((name) => path.join(directory, name));
}

function readLock(file: string): LockHolder {
  return JSON.parse(fs.readFileSync(file, "utf8")) as LockHolder;
}

function isStale({ hostname, pid }: LockHolder): boolean {
  return hostname === os.hostname() && !isAlive(pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
