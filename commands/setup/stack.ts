import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { devStack, project } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { archonPath, display, passphraseFile, projectRoot, shimDirectory, stateDirectory } from "../../lib/paths";
import { writeAtomically } from "../../lib/files";
import { CommandError, run } from "../lib/run";
import { rememberSalt, saltOf } from "../lib/stack-file";

const shimFile = path.join(shimDirectory, "pulumi");

/**
 * Whether this checkout has the stack, by its files alone: Pulumi is not started. Both the shim and the stack that Pulumi
 * has selected go by the path of the checkout, so a checkout that was moved has none.
 */
export function hasStack(stack: string): boolean {
  return hasShim() && isInState(stack);
}

function isInState(stack: string): boolean {
  const directory = path.join(stateDirectory, ".pulumi", "stacks", project);
  return (
    fs.existsSync(passphraseFile) &&
    fs.existsSync(directory) &&
    fs.readdirSync(directory).some((name) => name === `${stack}.json` || name.startsWith(`${stack}.json.gz`))
  );
}

/**
 * Makes a stack on the file backend inside the checkout, with a passphrase that only this checkout knows, and selects
 * it if none is selected. Writes no committed file. The shim comes last: it shows that everything before it is done.
 *
 * @param environment with which Pulumi runs, see `pulumiEnvironment`
 */
export async function ensureStack(stack: string, environment: NodeJS.ProcessEnv): Promise<void> {
  fs.mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  ensurePassphrase();
  if (!isInState(stack)) {
    await createStack(stack, environment);
  }
  await selectIfNone(stack, environment);
  writeAtomically(shimFile, shim(), 0o755);
}

function ensurePassphrase(): void {
  if (fs.existsSync(passphraseFile)) {
    return;
  }
  const stacks = path.join(stateDirectory, ".pulumi", "stacks");
  if (fs.existsSync(stacks) && fs.readdirSync(stacks).length > 0) {
    throw new UserError(
      `${display(stateDirectory)} holds stacks, but the passphrase of their secrets, ${display(passphraseFile)}, is missing.\n` +
        `Put it back from a backup. Without it the state cannot be used: move ${display(stateDirectory)} away, run ` +
        `\`${archon("setup")}\`, then for each stack \`${archon("pulumi stack init NAME")}\` (not for ${devStack}) and ` +
        `\`${archon("recover --adopt --stack NAME")}\`. Environments, models and documents stay until the first update, ` +
        "which removes what only earlier releases needed.",
    );
  }
  writeAtomically(passphraseFile, `${randomBytes(32).toString("base64url")}\n`, 0o600);
}

/** `pulumi` for shells that evaluated `./archon env`. */
function shim(): string {
  const launcher = path.join(projectRoot, "commands", "launch.cjs");
  return `#!/bin/sh\nexec node '${launcher.replaceAll("'", "'\\''")}' pulumi "$@"\n`;
}

function hasShim(): boolean {
  return fs.existsSync(shimFile) && fs.readFileSync(shimFile, "utf8") === shim();
}

async function createStack(stack: string, environment: NodeJS.ProcessEnv): Promise<void> {
  // Pulumi writes the salt of the passphrase into the stack file beside Pulumi.yaml, so it gets temporary ones.
  const directory = fs.mkdtempSync(archonPath("stack-"));
  try {
    fs.writeFileSync(path.join(directory, "Pulumi.yaml"), `name: ${project}\nruntime: nodejs\n`);
    await run(
      "pulumi",
      ["stack", "init", stack, "--secrets-provider", "passphrase", "--no-select", "--non-interactive"],
      {
        cwd: directory,
        environment,
        log: "stack-init",
      },
    );
    const salt = saltOf(fs.readFileSync(path.join(directory, `Pulumi.${stack}.yaml`), "utf8"));
    if (salt === undefined) {
      throw new UserError(
        `Pulumi made the stack "${stack}" without a salt for its passphrase. Remove ${display(stateDirectory)} and run \`${archon("setup")}\`.`,
      );
    }
    rememberSalt(stack, salt);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function selectIfNone(stack: string, environment: NodeJS.ProcessEnv): Promise<void> {
  try {
    await run("pulumi", ["stack", "--show-name", "--non-interactive"], { environment });
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    await run("pulumi", ["stack", "select", stack, "--non-interactive"], { environment });
  }
}
