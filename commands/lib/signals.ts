import type { ChildProcess } from "node:child_process";
import * as os from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { Interrupted } from "../../lib/errors";

const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
const controller = new AbortController();
const children = new Set<ChildProcess>();
const attached = new Set<Attached>();

/** A process that shares this terminal and process group, and ends by itself after a signal. */
interface Attached {
  kill(signal: NodeJS.Signals): unknown;
}

/** Aborted by the first Ctrl-C, with an {@link Interrupted} as its reason. Pass it to everything that waits. */
export const interruption: AbortSignal = controller.signal;

/** Time for clean-up after an interruption while no child process runs. */
const graceMilliseconds = 5_000;

/**
 * From now on a signal no longer ends this process: it aborts {@link interruption} and goes to the children at work,
 * so that `finally` blocks run. The children get a second Ctrl-C too, which to Pulumi means "stop at once".
 */
export function handleInterruptions(): void {
  for (const signal of signals) {
    process.on(signal, () => {
      controller.abort(new Interrupted(signal));
      for (const child of children) {
        kill(child, signal);
      }
      for (const each of attached) {
        // A terminal sends Ctrl-C to the whole foreground group, so the process has it already; a second one would mean
        // "stop at once" to Pulumi.
        if (signal !== "SIGINT" || !process.stdin.isTTY) {
          each.kill(signal);
        }
      }
      if (children.size + attached.size === 0) {
        setTimeout(() => process.exit(exitCodeOf(signal)), graceMilliseconds).unref();
      }
    });
  }
}

/** Forwards signals to `child`, which must lead a process group of its own (`detached: true`), until it has exited. */
export function forwardSignals(child: ChildProcess): void {
  children.add(child);
  child.once("exit", () => children.delete(child));
  child.once("error", () => children.delete(child));
}

/** Lets `child`, which has this terminal and process group, deal with signals itself until it has exited. */
export function leaveSignalsTo(child: ChildProcess): void {
  attached.add(child);
  child.once("exit", () => attached.delete(child));
  child.once("error", () => attached.delete(child));
}

/**
 * Runs `work`, whose child processes share this process group and end by themselves after a signal. `work` gets an
 * AbortSignal that is aborted when they do not get the signal from the terminal.
 */
export async function abortable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const entry: Attached = { kill: () => stopping.abort() };
  attached.add(entry);
  try {
    return await work(stopping.signal);
  } finally {
    attached.delete(entry);
  }
}

/** Signals the whole process group that `child` leads. */
export function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) {
      process.kill(-child.pid, signal);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      throw error;
    }
  }
}

/** Exit code by which a shell reports a command that a signal ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + os.constants.signals[signal];
}

/** Waits, or throws {@link Interrupted}. */
export async function sleep(milliseconds: number): Promise<void> {
  await delay(milliseconds, undefined, { signal: interruption }).catch(() => interruption.throwIfAborted());
}
