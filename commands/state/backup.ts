import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { displayUrl } from "../lib/backend";
import { embeddedState, readRecord, stacksIn } from "../lib/embedded-state";
import { run } from "../lib/run";
import { requireIdle } from "../lib/state-lock";

/** What a backup leaves out: locks say who works on the state now, and Pulumi's own copies are older than the state. */
const leftOut = ["locks", "backups"];

/**
 * Writes the embedded state of this checkout and its passphrase into one file, which only the user may read. The file
 * has its name once it is complete and on the disk.
 *
 * @param file absolute path of a gzipped tar archive
 * @returns the stacks in it
 * @throws UserError when there is no state, or an update is running
 */
export async function backUp(file: string): Promise<string[]> {
  const state = embeddedState();
  const stacks = stacksIn(state.backend);
  const movedTo = readRecord(state)?.movedTo;
  if (movedTo !== undefined) {
    throw new UserError(
      `The state of this checkout was moved to ${displayUrl(movedTo)}, whose operator backs it up. ` +
        `One stack: \`${archon("pulumi stack export --stack NAME --file FILE")}\`.`,
    );
  }
  if (stacks.length === 0) {
    throw new UserError(
      `This checkout has no embedded state with stacks. \`${archon("state")}\` shows which state it uses.`,
    );
  }
  requireIdle(stacks, state.backend);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}.partial`;
  try {
    fs.writeFileSync(partial, "", { mode: 0o600 });
    await run("tar", [
      "--create",
      "--gzip",
      `--file=${partial}`,
      `--directory=${state.directory}`,
      ...leftOut.map((name) => `--exclude=./backend/.pulumi/${name}`),
      ".",
    ]);
    // An update that began meanwhile may have written the state.
    requireIdle(stacks, state.backend);
    const descriptor = fs.openSync(partial, "r");
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
    fs.renameSync(partial, file);
  } finally {
    fs.rmSync(partial, { force: true });
  }
  return stacks;
}
