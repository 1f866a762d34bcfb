import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { displayUrl, fileBackendDirectory, findBackend, isSelfManaged, type Backend } from "../lib/backend";
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
import { CommandError, run } from "../lib/run";
import { hasSecretsSettings, withSalt, withStackFile } from "../lib/stack-file";
import { requireIdle } from "../lib/state-lock";

/** What `pulumi stack export` prints, as far as it matters here. */
const exportSchema = z.object({
  deployment: z.looseObject({
    resources: z.array(z.unknown()).default([]),
    secrets_providers: z.object({ state: z.object({ salt: z.string().optional() }).optional() }).optional(),
  }),
});

type Exported = z.infer<typeof exportSchema>;

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
 * @throws UserError when there is nothing to move, an update is running, or the backend has another stack of the name
 */
export async function moveState(url: string, steps: Steps): Promise<Moved> {
  const state = embeddedState();
  const stacks = requireMovable(state, url);
  const [from, to] = [side(state, `file://${state.backend}`), side(state, url)];
  for (const stack of stacks) {
    await steps.run(
      `Stack ${stack}`,
      (progress) => moveStack(stack, from, to, progress),
      () => `in ${displayUrl(url)}`,
    );
  }
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
    ...findBackend({ ...process.env, PULUMI_BACKEND_URL: url }),
    url,
    source: "embedded",
    passphraseFile: state.passphraseFile,
  };
  return { url, environment: buildPulumiEnvironment(readTools(), process.env, backend) };
}

async function moveStack(stack: string, from: Side, to: Side, progress: Progress): Promise<void> {
  const text = await runIn(from, ["stack", "export", "--stack", stack]);
  const exported = parseExport(text);
  const present = await exportIfPresent(stack, to);
  if (present !== undefined && present.deployment.resources.length > 0 && !isSame(present, exported)) {
    throw new UserError(
      `${displayUrl(to.url)} has a stack "${stack}" already, and it is not this one. Nothing was changed. Name another ` +
        `backend or directory, or remove that stack: PULUMI_BACKEND_URL='${to.url}' ${archon(`pulumi stack rm --force ${stack}`)}`,
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
    return parseExport(await runIn(to, ["stack", "export", "--stack", stack]));
  } catch (error) {
    if (error instanceof CommandError && error.lastLines.some((line) => /no stack named '.*' found/.test(line))) {
      return undefined;
    }
    throw error;
  }
}

function parseExport(text: string): Exported {
  return exportSchema.parse(JSON.parse(text));
}

function isSame(one: Exported, other: Exported): boolean {
  return JSON.stringify(one.deployment.resources) === JSON.stringify(other.deployment.resources);
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
    `  export PULUMI_BACKEND_URL='${url}'`,
    "      or, committed for all of them, in Pulumi.yaml:  backend: { url: … }",
    "  export PULUMI_CONFIG_PASSPHRASE_FILE=FILE",
    `      a file with what is in ${passphraseFile}; hand it over as any password`,
    "  and the credentials of the backend, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    `The copy in ${left} is not used any more.`,
  ];
}
