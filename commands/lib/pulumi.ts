import * as automation from "@pulumi/pulumi/automation";
import { spawn } from "node:child_process";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { NOTICES_SHOWN } from "../../config/machine";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";
import { credentialsDirectory, displayUrl, findBackend } from "./backend";
import { engineEnvironment } from "./docker";
import { pulumiEnvironment, readTools, readToolsRecord } from "./environment";
import { abortable, exitCodeOf, interruption, leaveSignalsTo } from "./signals";
import { isInProject, parseInvocation } from "./invocation";
import { CommandError, keepLast, lineSplitter, openLog, run, type RunOptions } from "./run";
import { hasSecretsSettings, rememberedSalt, withoutNewSalt, withStackFile } from "./stack-file";

/** The backend does not have the stack. */
export class MissingStack extends UserError {}

/**
 * Runs Pulumi on a stack of this project for a command of ours; returns its stdout.
 * @throws MissingStack when the backend does not have the stack
 */
export async function pulumi(
  stack: string,
  args: readonly string[],
  options: Omit<RunOptions, "environment" | "cwd"> = {},
): Promise<string> {
  return withConfig(stack, (environment) =>
    run("pulumi", [...args, "--stack", stack, "--non-interactive"], { ...options, environment }),
  ).catch((error: unknown) => throwMissing(stack, error));
}

/** Whether a call of Pulumi failed because the backend does not have the stack. */
export function isMissingStack(error: unknown): boolean {
  return error instanceof CommandError && error.lastLines.some((line) => /no stack named '.*' found/.test(line));
}

function throwMissing(stack: string, error: unknown): never {
  if (!isMissingStack(error)) {
    throw error;
  }
  const { url, source } = findBackend();
  const where = source === "embedded" ? "the state of this checkout" : `${displayUrl(url)} (${source})`;
  throw new MissingStack(
    `There is no stack "${stack}" in ${where}.\n` +
      `\`${archon("state")}\` shows which state is used, and which others there are; \`${archon(`pulumi stack init ${stack}`)}\` makes the stack.`,
  );
}

/** What an update did. */
export interface UpdateResult {
  /** Outputs of the stack. Secret ones are hidden. */
  outputs: Record<string, unknown>;
  /** Number of resources by operation, such as `{ create: 3, same: 12 }`. */
  changes: Readonly<Record<string, number>>;
}

/**
 * Updates a stack through Pulumi's Automation API.
 *
 * @param onEvent gets the engine's events as they happen
 * @throws MissingStack when the backend does not have the stack
 * @throws CommandError when the update fails, with the last lines that Pulumi printed
 */
export async function updateStack(
  name: string,
  onEvent: (event: automation.EngineEvent) => void,
): Promise<UpdateResult> {
  return runUpdate(name, onEvent).catch((error: unknown) => throwMissing(name, error));
}

function runUpdate(name: string, onEvent: (event: automation.EngineEvent) => void): Promise<UpdateResult> {
  return withConfig(name, async (environment) => {
    interruption.throwIfAborted();
    const stack = await automationStack(name, environment);
    const command = `pulumi up --stack ${name}`;
    const log = openLog("pulumi-up", command);
    const lines: string[] = [];
    const receive = (line: string): void => {
      log.write(`${line}\n`);
      if (line.trim() !== "") {
        keepLast(lines, line);
      }
    };
    const [stdout, stderr] = [lineSplitter(receive), lineSplitter(receive)];
    let changes: Readonly<Record<string, number>> = {};
    let outputs: Record<string, unknown> = {};
    try {
      await abortable((signal) =>
        stack.up({
          color: "never",
          suppressOutputs: true,
          signal,
          onOutput: (text) => stdout.push(text),
          onError: (text) => stderr.push(text),
          onEvent: (event) => {
            changes = event.summaryEvent?.resourceChanges ?? changes;
            outputs = stackOutputs(event) ?? outputs;
            onEvent(event);
          },
        }),
      );
      return { outputs, changes };
    } catch (error) {
      interruption.throwIfAborted();
      if (!(error instanceof automation.CommandError)) {
        throw error;
      }
      stdout.end();
      stderr.end();
      throw new CommandError(command, "failed", lines, { log: String(log.path) });
    } finally {
      await new Promise((resolve) => log.end(resolve));
    }
  });
}

/** The outputs of the stack, if this is the event that it has them now. */
function stackOutputs({ resOutputsEvent }: automation.EngineEvent): Record<string, unknown> | undefined {
  const { type, new: now } = resOutputsEvent?.metadata ?? {};
  return type === "pulumi:pulumi:Stack" ? now?.outputs : undefined;
}

/** A stack of this project as the Automation API knows it. Does not change which stack plain `pulumi` takes. */
async function automationStack(name: string, environment: NodeJS.ProcessEnv): Promise<automation.Stack> {
  const workspace = await automation.LocalWorkspace.create({
    workDir: projectRoot,
    pulumiCommand: pulumiCommand(),
    envVars: definedVariables(environment),
  });
  // `pulumi stack select` would make it the stack that plain `pulumi up` takes from now on.
  workspace.selectStack = () => Promise.resolve();
  const stack = await automation.Stack.select(name, workspace);
  // After an update, the API reads its entry in the history. For that, Pulumi would write the passphrase's salt into the
  // committed stack file.
  stack.info = () => Promise.resolve(undefined);
  // The events have said them. The API would start Pulumi twice to ask for them.
  stack.outputs = () => Promise.resolve({});
  return stack;
}

/** The Pulumi of the set-up, whose version is known. `PulumiCommand.get` would start it to ask. */
function pulumiCommand(): automation.PulumiCommand {
  const { binDirectory, version } = readTools();
  const command = binDirectory === undefined ? "pulumi" : path.join(binDirectory, "pulumi");
  // The constructor is private. The API passes the version to functions of semver, which take a text too.
  return Object.assign(Object.create(automation.PulumiCommand.prototype) as automation.PulumiCommand, {
    command,
    version,
  });
}

function definedVariables(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** The stack of this project that a call of Pulumi with these arguments works on, as far as it can be known. */
export async function invokedStack(args: readonly string[]): Promise<string | undefined> {
  const { stack, creates } = parseInvocation(args);
  // Before the first set-up there is no Pulumi to ask.
  return stack ?? creates ?? (readToolsRecord() === undefined ? undefined : selectedStack());
}

/** Runs Pulumi in this terminal with the arguments as they are. Returns its exit code. */
export async function runInteractive(args: readonly string[]): Promise<number> {
  const invocation = parseInvocation(args);
  const usesOurStacks =
    !invocation.elsewhere &&
    process.env.PULUMI_OPTION_CONFIG_FILE === undefined &&
    isInProject(process.cwd(), projectRoot);
  const start = (environment: NodeJS.ProcessEnv): Promise<number> => runAttached(args, environment);
  if (invocation.logsIn) {
    return start(loginEnvironment());
  }
  const { url, source } = findBackend();
  // In a shared backend, the stack's salt is committed, as in any project of Pulumi.
  if (usesOurStacks && invocation.creates !== undefined && source === "embedded") {
    return withoutNewSalt(invocation.creates, url, invocation.copiesConfig, () => start(pulumiEnvironment()));
  }
  const stack = usesOurStacks && invocation.usesConfig ? (invocation.stack ?? (await selectedStack())) : undefined;
  return stack === undefined ? start(pulumiEnvironment()) : withConfig(stack, start);
}

/**
 * Gives `work` the environment in which Pulumi reads and writes `stack`'s configuration without changing the committed
 * file.
 */
async function withConfig<T>(stack: string, work: (environment: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  const { url } = findBackend();
  const salt = hasSecretsSettings(stack) ? undefined : (rememberedSalt(stack, url) ?? (await saltFromState(stack)));
  if (salt === undefined) {
    // Its file says how secrets are encrypted, it has no passphrase, or Pulumi does not know it and says so itself.
    return work(stackEnvironment(stack));
  }
  return withStackFile(stack, url, salt, (configFile) =>
    work({ ...stackEnvironment(stack), PULUMI_OPTION_CONFIG_FILE: configFile }),
  );
}

/**
 * {@link pulumiEnvironment} for a stack whose command has set up everything, and has shown the notices. Pulumi's Docker
 * provider builds images on the engine of `DOCKER_HOST`, whatever engine it is given.
 */
function stackEnvironment(stack: string): NodeJS.ProcessEnv {
  return { ...engineEnvironment(stack, pulumiEnvironment()), [NOTICES_SHOWN]: "true" };
}

/** For `pulumi login` and `logout`: they are about the user's credentials, not about this project. */
function loginEnvironment(): NodeJS.ProcessEnv {
  const { url, source } = findBackend();
  return {
    ...pulumiEnvironment(),
    PULUMI_BACKEND_URL: source === "PULUMI_BACKEND_URL" ? url : undefined,
    PULUMI_CREDENTIALS_PATH: credentialsDirectory(process.env),
  };
}

/** The salt of a stack that was made without this command. */
async function saltFromState(stack: string): Promise<string | undefined> {
  const exported = await outputOf(["stack", "export", "--stack", stack]);
  if (exported === undefined) {
    return undefined;
  }
  const { deployment } = JSON.parse(exported) as { deployment?: { secrets_providers?: { state?: { salt?: string } } } };
  return deployment?.secrets_providers?.state?.salt;
}

/** The stack that Pulumi takes when none is named. */
async function selectedStack(): Promise<string | undefined> {
  return (
    process.env.PULUMI_OPTION_STACK ?? process.env.PULUMI_STACK ?? (await outputOf(["stack", "--show-name"]))?.trim()
  );
}

/** What Pulumi prints; undefined when it fails. */
async function outputOf(args: readonly string[]): Promise<string | undefined> {
  try {
    return await run("pulumi", [...args, "--non-interactive"], { environment: pulumiEnvironment() });
  } catch (error) {
    if (error instanceof CommandError) {
      return undefined;
    }
    throw error;
  }
}

function runAttached(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    // Without PULUMI_OPTION_PRESERVE_CONFIG, `pulumi stack rm` removes the committed stack file too.
    const child = spawn("pulumi", args, {
      env: { PULUMI_OPTION_PRESERVE_CONFIG: "true", ...environment },
      stdio: "inherit",
    });
    leaveSignalsTo(child);
    child.once("error", (error) =>
      reject(new UserError(`Pulumi could not be started: ${error.message}. Run \`${archon("setup")}\`.`)),
    );
    child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : exitCodeOf(signal)));
  });
}
