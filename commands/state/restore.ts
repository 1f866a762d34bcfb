import * as fs from "node:fs";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { displayUrl } from "../lib/backend";
import {
  embeddedState,
  isMade,
  readRecord,
  recordCheckout,
  stacksIn,
  stateIn,
  type EmbeddedState,
} from "../lib/embedded-state";
import { CommandError, run } from "../lib/run";
import {
  finishRestore,
  partialDirectory,
  restoredDirectory,
  settleState,
  syncTree,
  withStateLock,
} from "../lib/settle-state";
import { requireIdle } from "../lib/state-lock";
import { silent } from "../lib/progress";

export interface Restored {
  stacks: string[];
  /** Directory of the state that was replaced; undefined if there was none. */
  kept: string | undefined;
}

/**
 * Puts the state of a backup in the place of this checkout's embedded state. At every moment one state counts: the
 * previous one until this one is complete, and after a kill in between the next command finishes.
 *
 * @param file absolute path of an archive that `backUp` wrote
 * @param overwrite whether to replace a state that has stacks
 * @throws UserError when the archive is no backup or is damaged, an update is running, or there is a state already
 */
export async function restore(file: string, overwrite: boolean): Promise<Restored> {
  const state = embeddedState();
  const kept = await withStateLock(state, silent, () => replace(state, file, overwrite));
  await settleState(silent, state);
  return { stacks: stacksIn(state.backend), kept };
}

/** @returns directory of the state that was replaced */
async function replace(state: EmbeddedState, file: string, overwrite: boolean): Promise<string | undefined> {
  requireReplaceable(state, file, overwrite);
  const unpacked = await unpack(file, partialDirectory(state));
  recordCheckout(unpacked);
  syncTree(unpacked.directory);
  const restored = restoredDirectory(state);
  fs.rmSync(restored, { recursive: true, force: true });
  fs.renameSync(unpacked.directory, restored);

  const kept = isMade(state) ? `${state.directory}.replaced-${timestamp()}` : undefined;
  if (kept !== undefined) {
    fs.renameSync(state.directory, kept);
  }
  finishRestore(state);
  return kept;
}

function requireReplaceable(state: EmbeddedState, file: string, overwrite: boolean): void {
  const stacks = stacksIn(state.backend);
  requireIdle(stacks, state.backend);
  if (stacks.length === 0 || overwrite) {
    return;
  }
  const movedTo = readRecord(state)?.movedTo;
  throw new UserError(
    `This checkout has a state already, with ${stacks.join(", ")}: ${state.directory}.\n` +
      (movedTo === undefined
        ? ""
        : `Its stacks were moved to ${displayUrl(movedTo)}: a restored copy and that one would undo each other's updates.\n`) +
      `Nothing was changed. To replace it: ${archon(`state restore ${file} --overwrite`)}`,
  );
}

/** Unpacks a backup into an empty directory. @throws UserError when it is none, or is damaged */
async function unpack(file: string, directory: string): Promise<EmbeddedState> {
  if (!fs.existsSync(file)) {
    throw new UserError(`There is no file ${file}. \`${archon("state backup FILE")}\` writes one.`);
  }
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unpacked = stateIn(directory);
  try {
    await run("tar", ["--extract", "--gzip", `--file=${file}`, `--directory=${directory}`, "--no-same-owner"]);
  } catch (error) {
    fs.rmSync(directory, { recursive: true, force: true });
    if (!(error instanceof CommandError)) {
      throw error;
    }
    throw new UserError(`${file} is damaged, or no backup: ${error.lastLines.join(" ")}\nNothing was changed.`);
  }
  if (!fs.existsSync(unpacked.passphraseFile) || stacksIn(unpacked.backend).length === 0) {
    fs.rmSync(directory, { recursive: true, force: true });
    throw new UserError(`${file} is no backup of a state: it has no passphrase or no stacks.\nNothing was changed.`);
  }
  return unpacked;
}

/** Such as `20261129T143000Z`. */
function timestamp(): string {
  return new Date().toISOString().replace(/[-:]|\.\d+/g, "");
}
