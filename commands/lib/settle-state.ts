import * as fs from "node:fs";
import * as path from "node:path";
import { writeAtomically } from "../../lib/files";
import { archonPath, display } from "../../lib/paths";
import {
  embeddedState,
  isMade,
  readRecord,
  recordCheckout,
  stacksIn,
  stateIn,
  type EmbeddedState,
} from "./embedded-state";
import { withLock } from "./lock-file";
import type { Progress } from "./progress";
import { forgetSalts } from "./stack-file";
import { requireIdle } from "./state-lock";

/*
 * Brings the embedded state to its place, before anything uses it. A rename decides which state counts, so that a kill at
 * any moment leaves one, and the next command continues.
 */

/** Where versions before the embedded state kept a state and its passphrase, inside the checkout. */
const former = { backend: archonPath("state"), passphraseFile: archonPath("passphrase") };
/** The former state from the moment on at which older versions must not use it any more. */
const takenOver = archonPath("state.taken-over");
/** Names the directory of the state of this checkout, for the case that the checkout is moved. */
const placeFile = archonPath("state-directory");

/**
 * Finishes a `restore` that was killed, follows a checkout that was moved, and takes over the state of an earlier
 * version. Does nothing when there is nothing to do.
 */
export async function settleState(progress: Progress, state: EmbeddedState = embeddedState()): Promise<void> {
  const steps = [finishRestore, followCheckout, takeOverFormer];
  if (!isSettled(state)) {
    await withStateLock(state, progress, async () => steps.forEach((step) => step(state, progress)));
  }
  if (isMade(state)) {
    recordCheckout(state);
    writeAtomically(placeFile, `${state.directory}\n`, 0o644);
  }
}

/** Runs `work` while no other command puts a state in the place of this one. */
export function withStateLock<T>(state: EmbeddedState, progress: Progress, work: () => Promise<T>): Promise<T> {
  return withLock(`${state.directory}.lock`, "command of this checkout", progress, work);
}

function isSettled(state: EmbeddedState): boolean {
  const unfinished = [restoredDirectory(state), takenOver, ...(isMade(state) ? [] : [placeFile, former.backend])];
  return !unfinished.some((file) => fs.existsSync(file));
}

/** Directory in which a state is made that counts only once it has another name. Under the lock of {@link withStateLock}. */
export function partialDirectory({ directory }: EmbeddedState): string {
  return `${directory}.partial`;
}

/** A complete state that takes the place of the present one as soon as that is out of the way. */
export function restoredDirectory({ directory }: EmbeddedState): string {
  return `${directory}.restored`;
}

/** Ends what {@link restoredDirectory} is for. Under the lock of {@link withStateLock}. */
export function finishRestore(state: EmbeddedState): void {
  const restored = restoredDirectory(state);
  if (!fs.existsSync(restored)) {
    return;
  }
  if (isMade(state)) {
    // `restore` was killed before it moved the present state away, which still counts.
    fs.rmSync(restored, { recursive: true });
    return;
  }
  // Before the rename: a kill in between forgets too much, not too little.
  forgetSalts();
  fs.rmSync(state.directory, { recursive: true, force: true });
  fs.renameSync(restored, state.directory);
}

/** Takes the state along when the checkout was moved: the path that it had must no longer exist. */
function followCheckout(state: EmbeddedState, progress: Progress): void {
  if (isMade(state) || !fs.existsSync(placeFile)) {
    return;
  }
  const before = stateIn(fs.readFileSync(placeFile, "utf8").trim());
  const isOurs = path.dirname(before.directory) === path.dirname(state.directory) && isMade(before);
  const checkout = isOurs ? readRecord(before)?.checkout : undefined;
  if (checkout !== undefined && !fs.existsSync(checkout)) {
    fs.renameSync(before.directory, state.directory);
    progress.message(`This checkout was moved from ${checkout}; its state is now ${state.directory}.`);
  }
}

/**
 * Moves the state of an earlier version out of the checkout. It gets a name that no version uses before it is copied:
 * there are never two copies that both look current.
 */
function takeOverFormer(state: EmbeddedState, progress: Progress): void {
  if (!isMade(state)) {
    setFormerAside(progress);
  }
  if (!fs.existsSync(takenOver)) {
    return;
  }
  if (!isMade(state)) {
    const partial = stateIn(partialDirectory(state));
    fs.rmSync(partial.directory, { recursive: true, force: true });
    fs.mkdirSync(partial.directory, { recursive: true, mode: 0o700 });
    fs.cpSync(takenOver, partial.backend, { recursive: true, preserveTimestamps: true });
    if (fs.existsSync(former.passphraseFile)) {
      fs.copyFileSync(former.passphraseFile, partial.passphraseFile);
    }
    syncTree(partial.directory);
    fs.renameSync(partial.directory, state.directory);
    syncFile(path.dirname(state.directory));
    progress.message(
      `The state of this checkout is now outside of it: ${state.directory} (before: ${display(former.backend)}).`,
    );
  }
  fs.rmSync(former.passphraseFile, { force: true });
  fs.rmSync(takenOver, { recursive: true });
  forgetSalts();
}

function setFormerAside(progress: Progress): void {
  if (fs.existsSync(takenOver) || !fs.existsSync(former.backend)) {
    return;
  }
  requireIdle(stacksIn(former.backend), former.backend);
  progress.message(`Taking over ${display(former.backend)}, where earlier versions kept the state.`);
  fs.renameSync(former.backend, takenOver);
}

/** Writes every file below a directory to the disk. */
export function syncTree(directory: string): void {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) {
      syncTree(file);
    } else {
      syncFile(file);
    }
  }
  syncFile(directory);
}

/** Writes a file, or the names in a directory, to the disk. */
function syncFile(file: string): void {
  const descriptor = fs.openSync(file, "r");
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}
