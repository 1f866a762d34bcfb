import { archon } from "../../lib/command-line";
import { spawn } from "node:child_process";
import { pulumiEnvironment } from "./environment";
import { UserError } from "../../lib/errors";
import { exitCodeOf, leaveSignalsTo } from "./signals";
import { isInProject, parseInvocation } from "./invocation";
import { projectRoot } from "../../lib/paths";
import { CommandError, run, type RunOptions } from "./run";
import { rememberedSalt, withoutNewSalt, withStackFile } from "./stack-file";

/** Runs Pulumi on a stack of this project for a command of ours; returns its stdout. */
export async function pulumi(
  stack: string,
  args: readonly string[],
  options: Omit<RunOptions, "environment" | "cwd"> = {},
): Promise<string> {
  return withConfig(stack, (environment) =>
    run("pulumi", [...args, "--stack", stack, "--non-interactive"], { ...options, environment }),
  );
}

/** Hands this terminal over to Pulumi, with the arguments as they are. Returns its exit code. */
export async function runInteractive(args: readonly string[]): Promise<number> {
  const invocation = parseInvocation(args);
  const ours =
    !invocation.elsewhere &&
    process.env.PULUMI_OPTION_CONFIG_FILE === undefined &&
    isInProject(process.cwd(), projectRoot);
  const start = (environment: NodeJS.ProcessEnv): Promise<number> => attached(args, environment);
  if (ours && invocation.creates !== undefined) {
    return withoutNewSalt(invocation.creates, invocation.copiesConfig, () => start(pulumiEnvironment()));
  }
  const stack = ours && invocation.usesConfig ? (invocation.stack ?? (await selectedStack())) : undefined;
  return stack === undefined ? start(pulumiEnvironment()) : withConfig(stack, start);
}

/** Gives `work` the environment in which Pulumi reads and writes `stack`'s configuration without touching what is committed. */
async function withConfig<T>(stack: string, work: (environment: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  const salt = rememberedSalt(stack) ?? (await saltFromState(stack));
  if (salt === undefined) {
    // A stack that Pulumi does not know, or one without a passphrase: its words are better than ours.
    return work(pulumiEnvironment());
  }
  return withStackFile(stack, salt, (configFile) =>
    work({ ...pulumiEnvironment(), ...(configFile === undefined ? {} : { PULUMI_OPTION_CONFIG_FILE: configFile }) }),
  );
}

/** The salt of a stack that was made without this command. */
async function saltFromState(stack: string): Promise<string | undefined> {
  const exported = await answer(["stack", "export", "--stack", stack]);
  if (exported === undefined) {
    return undefined;
  }
  const { deployment } = JSON.parse(exported) as { deployment?: { secrets_providers?: { state?: { salt?: string } } } };
  return deployment?.secrets_providers?.state?.salt;
}

/** The stack that Pulumi takes when none is named. */
async function selectedStack(): Promise<string | undefined> {
  return (
    process.env.PULUMI_OPTION_STACK ?? process.env.PULUMI_STACK ?? (await answer(["stack", "--show-name"]))?.trim()
  );
}

async function answer(args: readonly string[]): Promise<string | undefined> {
  try {
    return await run("pulumi", [...args, "--non-interactive"], { environment: pulumiEnvironment() });
  } catch (error) {
    if (error instanceof CommandError) {
      return undefined;
    }
    throw error;
  }
}

function attached(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    // Without it `pulumi stack rm` removes the committed stack file too.
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
