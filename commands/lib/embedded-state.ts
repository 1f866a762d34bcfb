import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { project } from "../../config/stack";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { writeAtomically } from "../../lib/files";
import { sha256 } from "../../lib/hashing";
import { projectRoot, stateHome } from "../../lib/paths";

/*
 * The embedded state of a checkout: a Pulumi file backend, and the passphrase of its secrets. It is outside of the
 * checkout, so that neither `git clean -fdx` nor a deleted clone takes it along, and has the name of the checkout's path.
 */

/** Where the embedded state of a checkout is. None of it need exist. */
export interface EmbeddedState {
  directory: string;
  /** Directory of the Pulumi file backend. */
  backend: string;
  passphraseFile: string;
}

/** The names in the directory of a state, which backups have too: stable. */
const backendName = "backend";
const passphraseName = "passphrase";
const recordName = "checkout.json";

export function stateIn(directory: string): EmbeddedState {
  return {
    directory,
    backend: path.join(directory, backendName),
    passphraseFile: path.join(directory, passphraseName),
  };
}

/** The embedded state of a checkout: two clones on one host have two, and a clone that comes back has its old one. */
export function embeddedState(
  environment: NodeJS.ProcessEnv = process.env,
  checkout: string = projectRoot,
): EmbeddedState {
  const place = realPath(checkout);
  return stateIn(path.join(stateHome(environment), `${path.basename(place)}-${sha256(place).slice(0, 8)}`));
}

function realPath(directory: string): string {
  return fs.existsSync(directory) ? fs.realpathSync(directory) : directory;
}

/** Whether the state was made, with or without stacks. */
export function isMade({ backend }: EmbeddedState): boolean {
  return fs.existsSync(backend);
}

/** The stacks of this project in the directory of a file backend, sorted. Pulumi is not started. */
export function stacksIn(backend: string): string[] {
  const directory = path.join(backend, ".pulumi", "stacks", project);
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
  return [...new Set(names.flatMap((name) => /^(.+)\.json(?:\.gz|\.zst)?$/.exec(name)?.[1] ?? []))].sort();
}

/** What is known of a state besides its stacks. */
export interface StateRecord {
  /** Absolute path of the checkout, for people and for {@link embeddedState} of a checkout that was moved. */
  checkout: string;
  /** Where `archon state move` has moved the stacks: the checkout uses that backend. */
  movedTo?: string | undefined;
  /** When, as an ISO date. */
  movedAt?: string | undefined;
}

const recordSchema = z.object({
  checkout: z.string(),
  movedTo: z.string().optional(),
  movedAt: z.string().optional(),
});

/** @returns undefined for a state without a record */
export function readRecord({ directory }: EmbeddedState): StateRecord | undefined {
  const file = path.join(directory, recordName);
  if (!fs.existsSync(file)) {
    return undefined;
  }
  try {
    return recordSchema.parse(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch {
    // Without the record nobody knows whether the stacks have moved to another backend.
    throw new UserError(
      `${file} is damaged. Move ${directory} away, then \`${archon("state restore FILE")}\` from a backup. Or write ` +
        `{"checkout": "${projectRoot}"} into it if the stacks were never moved to another backend.`,
    );
  }
}

export function writeRecord({ directory }: EmbeddedState, record: StateRecord): void {
  writeAtomically(path.join(directory, recordName), `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
}

/**
 * Makes the state of a checkout, with a passphrase of its own, and keeps what exists.
 * @throws UserError when it holds stacks, but the passphrase of their secrets is missing
 */
export function ensureState(state: EmbeddedState, checkout: string = projectRoot): void {
  fs.mkdirSync(state.directory, { recursive: true, mode: 0o700 });
  recordCheckout(state, checkout);
  ensurePassphrase(state);
  fs.mkdirSync(state.backend, { recursive: true, mode: 0o700 });
}

/** Records whose state it is, and keeps what else is recorded. */
export function recordCheckout(state: EmbeddedState, checkout: string = projectRoot): void {
  const record = readRecord(state);
  if (record?.checkout !== realPath(checkout)) {
    writeRecord(state, { ...record, checkout: realPath(checkout) });
  }
}

function ensurePassphrase({ directory, backend, passphraseFile }: EmbeddedState): void {
  if (fs.existsSync(passphraseFile)) {
    return;
  }
  if (stacksIn(backend).length > 0) {
    throw new UserError(
      `${directory} holds stacks, but the passphrase of their secrets, ${passphraseFile}, is missing.\n` +
        `Put both back from a backup: \`${archon("state restore FILE --overwrite")}\`. Without it the state cannot be ` +
        `used: move ${directory} away, run \`${archon("setup")}\`, then for each stack ` +
        `\`${archon("pulumi stack init NAME")}\` (not for dev) and \`${archon("recover --adopt --stack NAME")}\`. ` +
        "Environments, models and documents stay until the first update, which removes what only earlier releases needed.",
    );
  }
  writeAtomically(passphraseFile, `${randomBytes(32).toString("base64url")}\n`, 0o600);
}

/** The embedded states of all checkouts of this user, by their directories. */
export function allStates(environment: NodeJS.ProcessEnv = process.env): EmbeddedState[] {
  const home = stateHome(environment);
  return (fs.existsSync(home) ? fs.readdirSync(home).sort() : [])
    .map((name) => stateIn(path.join(home, name)))
    .filter((state) => isMade(state) && !isUnfinished(path.basename(state.directory)));
}

/** A directory beside the states that is not one: half made, or kept after a `restore`. */
export function isUnfinished(name: string): boolean {
  return /\.(?:partial|restored|replaced-[^.]*)$/.test(name);
}
