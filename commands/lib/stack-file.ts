import * as fs from "node:fs";
import { isMap, parseDocument, type Document } from "yaml";
import { stackFile } from "../../config/stack";
import { writeAtomically } from "../../lib/files";
import { sha256 } from "../../lib/hashing";
import { archonPath } from "../../lib/paths";

/*
 * Pulumi keeps the salt of a stack's passphrase in Pulumi.<stack>.yaml and writes it there whenever it is missing. Our
 * stack files are committed, but the passphrase belongs to one backend. So Pulumi works on a copy below .archon/ that
 * has the salt, and what a person changes through `pulumi config` goes back to the committed file without it.
 */

const saltKey = "encryptionsalt";
const saltLine = /^encryptionsalt:[ \t]*(\S+)[ \t]*(?:\r?\n|$)/m;

/** Secrets settings that a team may commit. */
const secretsSettings = [saltKey, "encryptedkey", "secretsprovider"];

export function saltOf(text: string): string | undefined {
  const salt: unknown = settingsOf(text)?.get(saltKey);
  return typeof salt === "string" ? salt : undefined;
}

export function withoutSalt(text: string): string {
  const flow = flowSettings(text);
  if (flow === undefined) {
    return text.replace(saltLine, "");
  }
  return flow.delete(saltKey) ? String(flow) : text;
}

export function withSalt(text: string, salt: string): string {
  const flow = flowSettings(text);
  if (flow !== undefined) {
    flow.set(saltKey, salt);
    return String(flow);
  }
  const body = withoutSalt(text);
  return `${body}${body === "" || body.endsWith("\n") ? "" : "\n"}encryptionsalt: ${salt}\n`;
}

/** The settings of a stack file; undefined for an empty file, and for one that only Pulumi can say what is wrong with. */
function settingsOf(text: string): Document | undefined {
  const document = parseDocument(text);
  return document.errors.length === 0 && isMap(document.contents) ? document : undefined;
}

/** The settings of a file in the style of JSON, which has no lines to take out or to add. */
function flowSettings(text: string): Document | undefined {
  const document = settingsOf(text);
  return document !== undefined && isMap(document.contents) && document.contents.flow === true ? document : undefined;
}

/**
 * Whether the committed file of a stack says how its secrets are encrypted. Pulumi then works on that file directly, as
 * in any project.
 */
export function hasSecretsSettings(stack: string): boolean {
  const settings = settingsOf(read(stackFile(stack)));
  return secretsSettings.some((key) => settings?.has(key) === true);
}

/** The copy of a stack's file for one backend: another one has another salt. */
function workingCopy(stack: string, backendUrl: string): string {
  return archonPath("stacks", sha256(backendUrl).slice(0, 12), `Pulumi.${stack}.yaml`);
}

/** Remembers the salt of a stack in a backend for {@link withStackFile}. */
export function rememberSalt(stack: string, backendUrl: string, salt: string): void {
  writeAtomically(workingCopy(stack, backendUrl), withSalt(read(stackFile(stack)), salt), 0o600);
}

/** The salt of a stack in a backend, if this checkout knows it. */
export function rememberedSalt(stack: string, backendUrl: string): string | undefined {
  return saltOf(read(workingCopy(stack, backendUrl)));
}

/** Forgets every salt, because the state has become another one. */
export function forgetSalts(): void {
  fs.rmSync(archonPath("stacks"), { recursive: true, force: true });
}

/**
 * Gives `work` the stack file that Pulumi reads and writes: the copy with the salt. Afterwards changes to the copy are
 * written to the committed file, without the salt.
 */
export async function withStackFile<T>(
  stack: string,
  backendUrl: string,
  salt: string,
  work: (configFile: string) => Promise<T>,
): Promise<T> {
  const committed = stackFile(stack);
  const before = read(committed);
  const copy = workingCopy(stack, backendUrl);
  const given = withSalt(before, salt);
  writeAtomically(copy, given, 0o600);
  try {
    return await work(copy);
  } finally {
    const after = read(copy);
    if (after !== given) {
      writeAtomically(committed, withoutSalt(after), 0o644);
    }
  }
}

/**
 * Runs `work`, which may create the stack, and then removes the salt that Pulumi wrote into the committed file.
 *
 * @param keepChanges whether to keep what else was written to the file, because configuration was copied into it
 */
export async function withoutNewSalt<T>(
  stack: string,
  backendUrl: string,
  keepChanges: boolean,
  work: () => Promise<T>,
): Promise<T> {
  const file = stackFile(stack);
  const existed = fs.existsSync(file);
  const before = read(file);
  const isCommitted = hasSecretsSettings(stack);
  try {
    return await work();
  } finally {
    const salt = isCommitted ? undefined : saltOf(read(file));
    if (salt !== undefined) {
      const kept = existed && !keepChanges ? before : withoutSalt(read(file));
      if (kept === "" && !existed) {
        fs.rmSync(file);
      } else {
        writeAtomically(file, kept, 0o644);
      }
      rememberSalt(stack, backendUrl, salt);
    }
  }
}

function read(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
}
