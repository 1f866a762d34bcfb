import type { ChildProcess } from "node:child_process";
import * as os from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { Interrupted } from "../../lib/errors";

const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
const controller = new AbortController();
const children = new Set<ChildProcess>();
const guests = new Set<Guest>();

/** A process that shares this terminal and process group and ends by itself after a signal. */
interface Guest {
  kill(signal: NodeJS.Signals): unknown;
}

/** Aborted, with an {@link Interrupted} as its reason, by the first Ctrl-C. Pass it to everything that waits. */
export const interruption: AbortSignal = controller.signal;

/** Time for clean-up after an interruption while no child process runs. */
const graceMilliseconds = 5_000;

/**
 * From now on a signal no longer ends this process: it aborts {@link interruption} and goes to the children at work,
 * so that `finally` blocks run. A second Ctrl-C reaches the children too; Pulumi takes that as "at once".
 */
export function handleInterruptions(): void {
  for (const signal of signals) {
    process.on(signal, () => {
      controller.abort(new Interrupted(signal));
      for (const child of children) {
        kill(child, signal);
      }
      for (const guest of guests) {
        // The terminal's Ctrl-C reaches the whole foreground group, so the guest has it already; twice means "at once"
        // to Pulumi.
        if (signal !== "SIGINT" || !process.stdin.isTTY) {
          guest.kill(signal);
        }
      }
      if (children.size + guests.size === 0) {
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
  guests.add(child);
  child.once("exit", () => guests.delete(child));
  child.once("error", () => guests.delete(child));
}

/**
 * Runs `work`, whose child processes share this process group, until they have ended by themselves. Its signal is
 * aborted where they do not get the terminal's Ctrl-C.
 */
export async function abortable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const guest: Guest = { kill: () => stopping.abort() };
  guests.add(guest);
  try {
    return await work(stopping.signal);
  } finally {
    guests.delete(guest);
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
