import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import {
  absoluteUrl,
  displayUrl,
  fileBackendDirectory,
  isEmbeddedUrl,
  isSelfManaged,
  withoutCredentials,
  type Backend,
} from "../lib/backend";
import {
  embeddedState,
  readRecord,
  recordCheckout,
  stacksIn,
  writeRecord,
  type EmbeddedState,
} from "../lib/embedded-state";
import { inEmptyProject } from "../lib/empty-project";
import { buildPulumiEnvironment, readTools } from "../lib/environment";
import { parsePreview } from "../preview/document";
import type { Progress, Steps } from "../lib/progress";
import { callersDirectory } from "../lib/options";
import { isMissingStack } from "../lib/pulumi";
import { run } from "../lib/run";
import { hasSecretsSettings, withSalt, withStackFile } from "../lib/stack-file";
import { requireIdle } from "../lib/state-lock";
import { isSame, parseExport, requireSettled, type Exported } from "./exported";

export interface Moved {
  stacks: string[];
  /** Address of the backend that has them now. */
  url: string;
  /** File with the passphrase of their secrets, which stays what it was. */
  passphraseFile: string;
  /** Directory of the copy that is not used any more. */
  left: string;
}

/** One of the two backends of a move. */
interface Side {
  url: string;
  environment: NodeJS.ProcessEnv;
}

/**
 * Moves the stacks of the embedded state to another backend: exports each, imports it there, and compares a preview
 * there with one here. The embedded state counts until all of them have moved; then its record names the other backend,
 * and the checkout uses that. A move that was interrupted or failed runs again from the start, and skips what is there.
 *
 * The stacks keep the passphrase of their secrets. Nobody is logged in to anything.
 *
 * @param address of the backend; a relative directory is one of the directory in which the user called
 * @throws UserError when there is nothing to move, an update runs or ran meanwhile, or the backend has another stack of
 *   the name
 */
export async function moveState(address: string, steps: Steps): Promise<Moved> {
  const state = embeddedState();
  const url = absoluteUrl(address, callersDirectory());
  const stacks = requireMovable(state, url);
  const [from, to] = [side(state, `file://${state.backend}`), side(state, url)];
  const moved: [stack: string, exported: Exported][] = [];
  for (const stack of stacks) {
    const exported = await steps.run(
      `Stack ${stack}`,
      (progress) => moveStack(stack, from, to, progress),
      () => `in ${displayUrl(url)}`,
    );
    moved.push([stack, exported]);
  }
  await steps.run("Comparing with the state here", async () => {
    for (const [stack, exported] of moved) {
      await requireUnchanged(stack, exported, from, to);
    }
  });
  requireIdle(stacks, state.backend);
  recordCheckout(state);
  const { checkout } = readRecord(state) ?? { checkout: "" };
  writeRecord(state, { checkout, movedTo: url, movedAt: new Date().toISOString() });
  return { stacks, url, passphraseFile: state.passphraseFile, left: state.directory };
}

function requireMovable(state: EmbeddedState, url: string): string[] {
  if (!/^[a-z][a-z0-9+.-]*:\/\/./.test(url)) {
    throw new UserError(
      `"${url}" is no address of a backend. Allowed are those of \`pulumi login\`, such as s3://bucket/path, ` +
        "gs://bucket, azblob://container, file:///srv/state and https://api.pulumi.com.",
    );
  }
  if (isEmbeddedUrl(url, process.env)) {
    throw new UserError(
      `${url} is the embedded state of a checkout, which only that checkout uses. Name a directory of your own, such as ` +
        "file:///srv/state, or a bucket.",
    );
  }
  const directory = fileBackendDirectory(url);
  if (directory !== undefined && !fs.existsSync(directory)) {
    throw new UserError(
      `There is no directory ${directory}. Make it, for everybody who is to use it: mkdir ${directory}`,
    );
  }
  const movedTo = readRecord(state)?.movedTo;
  if (movedTo !== undefined) {
    throw new UserError(
      `The state of this checkout was moved already, to ${displayUrl(movedTo)}. ` +
        "From there, `pulumi stack migrate` moves a stack on.",
    );
  }
  const stacks = stacksIn(state.backend);
  if (stacks.length === 0) {
    throw new UserError(
      `This checkout has no embedded state with stacks. \`${archon("state")}\` shows which state it uses.`,
    );
  }
  requireIdle(stacks, state.backend);
  return stacks;
}

function side(state: EmbeddedState, url: string): Side {
  const backend: Backend = {
    url,
    // The stacks have the passphrase of the embedded state on both sides, whatever the shell has.
    source: "embedded",
    passphraseFile: state.passphraseFile,
    ignoredLogin: undefined,
  };
  return { url, environment: buildPulumiEnvironment(readTools(), process.env, backend) };
}

/** @returns what was moved */
async function moveStack(stack: string, from: Side, to: Side, progress: Progress): Promise<Exported> {
  const text = await exportText(stack, from);
  const exported = parseExport(text);
  requireSettled(stack, exported);
  const present = await exportIfPresent(stack, to);
  if (present !== undefined && present.deployment.resources.length > 0 && !isSame(present, exported)) {
    throw new UserError(
      `${displayUrl(to.url)} has a stack "${stack}" already, and it is not this one. Nothing was changed. Name another ` +
        `backend or directory, or remove that stack: ${removal(stack, to)}`,
    );
  }
  if (present === undefined || !isSame(present, exported)) {
    progress.update(0, 0, `importing into ${displayUrl(to.url)}`);
    await importStack(stack, text, exported, to, present !== undefined);
  }
  if (exported.deployment.resources.length > 0) {
    progress.update(0, 0, "previewing");
    await comparePreviews(stack, exported, from, to);
  }
  return exported;
}

/** @throws UserError when an update of the stack has run since the export */
async function requireUnchanged(stack: string, exported: Exported, from: Side, to: Side): Promise<void> {
  if (!isSame(parseExport(await exportText(stack, from)), exported)) {
    throw new UserError(
      `The stack "${stack}" was updated while it was moved. The state of this checkout stays in use. ` +
        `Remove the copy, then move again: ${removal(stack, to)}`,
    );
  }
}

/** The command that removes a stack from the other backend. */
function removal(stack: string, { url }: Side): string {
  return `PULUMI_BACKEND_URL='${withoutCredentials(url)}' ${archon(`pulumi stack rm --force ${stack}`)}`;
}

async function importStack(stack: string, text: string, exported: Exported, to: Side, exists: boolean): Promise<void> {
  const salt = exported.deployment.secrets_providers?.state?.salt;
  await inEmptyProject(async (cwd) => {
    if (salt !== undefined) {
      // Values in the stack's file were encrypted with this salt.
      fs.writeFileSync(path.join(cwd, `Pulumi.${stack}.yaml`), withSalt("", salt));
    }
    if (!exists) {
      const provider = isSelfManaged(to.url) ? [] : ["--secrets-provider=passphrase"];
      await runIn(to, ["stack", "init", stack, "--no-select", ...provider], { cwd });
    }
    await runIn(to, ["stack", "import", "--stack", stack], { cwd, input: text });
  });
}

/**
 * Checks that the stack there is the stack here: a preview there shows no changes, or those that one here shows too,
 * because the checkout has changed since the last update.
 */
async function comparePreviews(stack: string, exported: Exported, from: Side, to: Side): Promise<void> {
  const there = await preview(stack, exported, to);
  const here = there.length === 0 ? [] : await preview(stack, exported, from);
  if (JSON.stringify(there) !== JSON.stringify(here)) {
    throw new UserError(
      `A preview of the stack "${stack}" in ${displayUrl(to.url)} shows other changes than one here: ` +
        `${there.join(", ")}, not ${here.join(", ") || "none"}. The state of this checkout stays in use.`,
    );
  }
}

/** The changes that an update would make, such as `update urn:…`. */
async function preview(stack: string, exported: Exported, { url, environment }: Side): Promise<string[]> {
  const args = ["preview", "--json", "--stack", stack, "--non-interactive"];
  const salt = hasSecretsSettings(stack) ? undefined : exported.deployment.secrets_providers?.state?.salt;
  const printed =
    salt === undefined
      ? await run("pulumi", args, { environment })
      : await withStackFile(stack, url, salt, (file) =>
          run("pulumi", args, { environment: { ...environment, PULUMI_OPTION_CONFIG_FILE: file } }),
        );
  return parsePreview(printed, `The preview of ${stack}`)
    .steps.filter(({ op }) => op !== "same")
    .map(({ op, urn }) => `${op} ${urn}`);
}

async function exportIfPresent(stack: string, to: Side): Promise<Exported | undefined> {
  try {
    return parseExport(await exportText(stack, to));
  } catch (error) {
    if (isMissingStack(error)) {
      return undefined;
    }
    throw error;
  }
}

function exportText(stack: string, side: Side): Promise<string> {
  return runIn(side, ["stack", "export", "--stack", stack]);
}

function runIn(
  { environment }: Side,
  args: readonly string[],
  options: { cwd?: string; input?: string } = {},
): Promise<string> {
  return run("pulumi", [...args, "--non-interactive"], { ...options, environment });
}

/** What has moved, and how everybody else uses it. */
export function describeMove({ stacks, url, passphraseFile, left }: Moved): string[] {
  return [
    `${stacks.join(", ")}: now in ${displayUrl(url)}, and previewed there. This checkout uses it from now on.`,
    "Every other checkout and build server needs:",
    `  export PULUMI_BACKEND_URL='${withoutCredentials(url)}'`,
    "      or, committed for all of them, in Pulumi.yaml:  backend: { url: … }",
    "  export PULUMI_CONFIG_PASSPHRASE_FILE=FILE",
    `      a file with what is in ${passphraseFile}; hand it over as any password`,
    "  and the credentials of the backend, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    `The copy in ${left} is not used any more.`,
  ];
}
