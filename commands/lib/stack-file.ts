import * as fs from "node:fs";
import { stackFile } from "../../config/stack";
import { writeAtomically } from "../../lib/files";
import { archonPath } from "../../lib/paths";

/*
 * Pulumi keeps the salt of a stack's passphrase in Pulumi.<stack>.yaml and writes it there whenever it is missing. Our
 * stack files are committed, but the passphrase belongs to one checkout. So Pulumi works on a copy below .archon/ that
 * has the salt, and what a person changes through `pulumi config` goes back to the committed file without it.
 */

const saltLine = /^encryptionsalt:[ \t]*(\S+)[ \t]*(?:\r?\n|$)/m;

/** A team may commit secrets settings: Pulumi then works on the committed file directly. */
const ownSecretsSettings = /^(?:encryptionsalt|encryptedkey|secretsprovider):/m;

export function saltOf(text: string): string | undefined {
  return saltLine.exec(text)?.[1];
}

export function withoutSalt(text: string): string {
  return text.replace(saltLine, "");
}

export function withSalt(text: string, salt: string): string {
  const body = withoutSalt(text);
  return `${body}${body === "" || body.endsWith("\n") ? "" : "\n"}encryptionsalt: ${salt}\n`;
}

function workingCopy(stack: string): string {
  return archonPath("stacks", `Pulumi.${stack}.yaml`);
}

/** Remembers the salt of a stack for {@link withStackFile}. */
export function rememberSalt(stack: string, salt: string): void {
  writeAtomically(workingCopy(stack), withSalt(read(stackFile(stack)), salt), 0o600);
}

/** The salt of a stack, if this checkout knows it. */
export function rememberedSalt(stack: string): string | undefined {
  return saltOf(read(workingCopy(stack)));
}

/**
 * Gives `work` the stack file that Pulumi reads and writes: the copy with the salt, or undefined for Pulumi's own
 * choice. Afterwards changes to the copy are written to the committed file, without the salt.
 */
export async function withStackFile<T>(
  stack: string,
  salt: string,
  work: (configFile: string | undefined) => Promise<T>,
): Promise<T> {
  const committed = stackFile(stack);
  const before = read(committed);
  if (ownSecretsSettings.test(before)) {
    return work(undefined);
  }
  const copy = workingCopy(stack);
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
export async function withoutNewSalt<T>(stack: string, keepChanges: boolean, work: () => Promise<T>): Promise<T> {
  const file = stackFile(stack);
  const existed = fs.existsSync(file);
  const before = read(file);
  try {
    return await work();
  } finally {
    const salt = ownSecretsSettings.test(before) ? undefined : saltOf(read(file));
    if (salt !== undefined) {
      const kept = existed && !keepChanges ? before : withoutSalt(read(file));
      if (kept === "" && !existed) {
        fs.rmSync(file);
      } else {
        writeAtomically(file, kept, 0o644);
      }
      rememberSalt(stack, salt);
    }
  }
}

function read(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
}
