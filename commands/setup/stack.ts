import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { projectRoot, shimDirectory } from "../../lib/paths";
import { writeAtomically } from "../../lib/files";
import { embeddedState, ensureState, stacksIn } from "../lib/embedded-state";
import type { Backend } from "../lib/backend";
import { inEmptyProject } from "../lib/empty-project";
import { CommandError, run } from "../lib/run";
import { rememberSalt, saltOf } from "../lib/stack-file";

const shimFile = path.join(shimDirectory, "pulumi");

/**
 * Whether this checkout can use a backend: by its files alone, Pulumi is not started. The embedded one must have the stack.
 * Both the shim and the stack that Pulumi has selected go by the path of the checkout, so a checkout that was moved has
 * neither.
 */
export function isReady(stack: string, { source }: Backend): boolean {
  return hasShim() && (source !== "embedded" || stacksIn(embeddedState().backend).includes(stack));
}

/**
 * Prepares a backend for this checkout. The embedded one is made with a passphrase that only this checkout knows, gets
 * the stack, and the stack is selected if none is. In any other backend a person makes the stacks. Writes no committed
 * file. The shim comes last: it shows that everything before it is done.
 *
 * @param environment with which Pulumi runs, see `pulumiEnvironment`
 */
export async function ensureReady(stack: string, backend: Backend, environment: NodeJS.ProcessEnv): Promise<void> {
  if (backend.source === "embedded") {
    const state = embeddedState();
    ensureState(state);
    if (!stacksIn(state.backend).includes(stack)) {
      await createStack(stack, backend, environment);
    }
    await selectIfNone(stack, environment);
  }
  writeAtomically(shimFile, shim(), 0o755);
}

/** `pulumi` for shells that evaluated `./archon env`. */
function shim(): string {
  const launcher = path.join(projectRoot, "commands", "launch.cjs");
  return `#!/bin/sh\nexec node '${launcher.replaceAll("'", "'\\''")}' pulumi "$@"\n`;
}

function hasShim(): boolean {
  return fs.existsSync(shimFile) && fs.readFileSync(shimFile, "utf8") === shim();
}

/** Makes a stack without changing a file of the checkout. Its secrets have a passphrase, unless the backend keeps them. */
export async function createStack(stack: string, backend: Backend, environment: NodeJS.ProcessEnv): Promise<void> {
  // Pulumi writes the salt of the passphrase into the stack file beside Pulumi.yaml, so it gets temporary ones.
  await inEmptyProject(async (directory) => {
    await run("pulumi", ["stack", "init", stack, "--no-select", "--non-interactive"], {
      cwd: directory,
      environment,
      log: "stack-init",
    });
    const file = path.join(directory, `Pulumi.${stack}.yaml`);
    const salt = fs.existsSync(file) ? saltOf(fs.readFileSync(file, "utf8")) : undefined;
    if (salt !== undefined) {
      rememberSalt(stack, backend.url, salt);
    } else if (backend.source === "embedded") {
      throw new UserError(
        `Pulumi made the stack "${stack}" without a salt for its passphrase. Remove ${embeddedState().directory} and run \`${archon("setup")}\`.`,
      );
    }
  });
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
