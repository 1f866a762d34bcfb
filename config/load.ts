import * as pulumi from "@pulumi/pulumi";
import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../lib/command-line";
import { UserError } from "../lib/errors";
import { readModelDirectory, type ModelDirectory } from "../lib/model-directory";
import { projectRoot } from "../lib/paths";
import { cudaPackages, lockFileFor } from "./accelerator";
import { hostOf, readMachine, type Machine, type StackHost } from "./machine";
import { modelOf, type Model } from "./models";
import { configurationError, type Problem } from "./problems";
import { runError } from "./run-error";
import {
  application as applicationSchema,
  furtherRoles,
  HUB_TOKEN,
  parseStackConfig,
  parseValue,
  pythonOf,
  type ApplicationConfig,
  type ApplicationRules,
  type FurtherRole,
  type ModelEntry,
  type StackConfig,
} from "./schema";

/** The stack's configuration joined with the facts of this machine. Plain values, except for the secret `hubToken`. */
export interface Settings
  extends Omit<StackConfig, "application" | "models" | "activeModel" | keyof StackHost>, StackHost {
  /** Absolute path of the checkout. */
  project: string;
  /** Path of the environment's lock file, relative to the checkout: that of the accelerator. */
  requirements: string;
  /** Its text. */
  lock: string;
  models: readonly Model[];
  /** The model that scores by default, or undefined in a stack without models. */
  activeModel: Model | undefined;
  /** For repositories of the hub that require a token. */
  hubToken: pulumi.Output<string> | undefined;
}

/** What the configuration must know of an application. */
export interface ConfiguredApplication extends ApplicationRules {
  python: {
    /** Tag of its interpreter, such as `cp311`. */
    abi: string;
  };
  requirements: {
    /** Lock file of its environment, relative to the checkout, without the extension. */
    environment: string;
  };
}

/**
 * The application that a configuration names, with the further roles that services name; undefined when there is none like
 * that, with the reasons in `problems`.
 */
export type ResolveApplication<A> = (
  config: ApplicationConfig,
  roles: readonly FurtherRole[],
  problems: Problem[],
) => A | undefined;

/**
 * Reads the configuration of the current stack and the machine's facts.
 * @param project absolute path of the checkout
 * @throws pulumi.RunError with every problem in one message, before any resource exists.
 */
export function loadSettings<A extends ConfiguredApplication>(
  resolve: ResolveApplication<A>,
  project = projectRoot,
): { settings: Settings; application: A } {
  const problems: Problem[] = [];
  const raw = rawConfig();
  const application = resolveApplication(raw, resolve, problems);
  const config = parseStackConfig(raw, application, problems);
  const machine = loadMachine(path.join(project, ".archon", "machine.json"));
  const requirements = config && application && lockFileOf(config, application);
  const lock = requirements && readLock(project, requirements, config.accelerator, application.python.abi, problems);
  const models = config && loadModels(project, config.models, problems);
  if (
    application === undefined ||
    config === undefined ||
    requirements === undefined ||
    lock === undefined ||
    models === undefined ||
    problems.length > 0
  ) {
    throw configurationError(pulumi.getStack(), problems);
  }
  return {
    application,
    settings: {
      ...config,
      ...hostOf({ ...config, python: pythonOf(config.application) }, machine),
      project,
      hubToken: new pulumi.Config().getSecret(HUB_TOKEN),
      requirements,
      lock,
      models,
      activeModel: config.activeModel === "" ? models[0] : models.find(({ name }) => name === config.activeModel),
    },
  };
}

/** Undefined also for a value that is not allowed: the schema reports it together with the other keys. */
function resolveApplication<A>(
  raw: Record<string, unknown>,
  resolve: ResolveApplication<A>,
  problems: Problem[],
): A | undefined {
  const { data } = applicationSchema.safeParse(raw["application"]);
  return data === undefined ? undefined : resolve(data, furtherRoles(raw["services"]), problems);
}

/** Path of the environment's lock file, relative to the checkout. */
function lockFileOf({ requirements, accelerator }: StackConfig, application: ConfiguredApplication): string {
  return lockFileFor(requirements || `${application.requirements.environment}.txt`, accelerator);
}

/**
 * Every key of the project's namespace, declared or not, so that the schema can refuse the unknown ones. The variables
 * of a service are in plain text even if they are secret: `Deployment` makes all of them secret again.
 */
function rawConfig(): Record<string, unknown> {
  const prefix = `${pulumi.getProject()}:`;
  const texts = Object.entries(pulumi.runtime.allConfig())
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, text]) => [key.slice(prefix.length), text] as const);
  return Object.fromEntries(
    texts.filter(([key]) => key !== HUB_TOKEN).map(([key, text]) => [key, parseValue(key, text)]),
  );
}

function loadModels(project: string, entries: readonly ModelEntry[], problems: Problem[]): Model[] {
  return entries.flatMap((entry, index) => {
    if (!("directory" in entry)) {
      return [modelOf(project, entry)];
    }
    const directory = path.resolve(project, entry.directory);
    const read = fs.existsSync(path.join(directory, "config.json")) ? readModelDirectory(directory) : undefined;
    const reasons = directoryProblems(read);
    problems.push(
      ...reasons.map((reason) => ({ path: ["models", index, "directory"], received: entry.directory, reason })),
    );
    return reasons.length === 0 ? [modelOf(project, entry, read)] : [];
  });
}

function directoryProblems(read: ModelDirectory | undefined): string[] {
  if (read === undefined) {
    return ["must be a directory, relative to the project, that holds a model (config.json and weights)"];
  }
  const { unusableLinks, pointers } = read;
  return [
    ...(unusableLinks.length === 0
      ? []
      : [
          "holds symbolic links that lead out of the model's folder, to a directory or to nothing: " +
            `${unusableLinks.join(", ")}; copy the files that they stand for (cp --recursive --dereference)`,
        ]),
    ...(pointers.length === 0
      ? []
      : [`holds pointers of Git LFS instead of the files: ${pointers.join(", ")}; fetch them (git lfs pull)`]),
  ];
}

function readLock(
  project: string,
  file: string,
  accelerator: StackConfig["accelerator"],
  abi: string,
  problems: Problem[],
): string | undefined {
  const text = readIfPresent(path.resolve(project, file));
  const reason = lockProblem(text, accelerator, abi);
  if (reason === undefined) {
    return text;
  }
  problems.push({ path: ["requirements"], received: file, reason });
  return undefined;
}

function lockProblem(
  text: string | undefined,
  accelerator: StackConfig["accelerator"],
  abi: string,
): string | undefined {
  const command = archon(`lock --stack ${pulumi.getStack()}`);
  if (text === undefined) {
    return `must be a readable lock file, relative to the project; \`${command}\` writes those of this project`;
  }
  // A lock file from elsewhere may have no such line; the store tool then finds out while it installs.
  const lockedFor = /^# python: (\S+)$/m.exec(text)?.[1] ?? abi;
  if (lockedFor !== abi) {
    return (
      `is locked for ${lockedFor}, the server runs ${abi} and could not load its compiled packages; ` +
      `\`${command}\` with a base image of ${abi} writes a fitting one`
    );
  }
  if (accelerator === "cpu" && cudaPackages(text).length > 0) {
    return `pins packages of CUDA (${cudaPackages(text).join(", ")}), but the accelerator is cpu; \`${command}\` writes it again`;
  }
  return undefined;
}

function readIfPresent(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function loadMachine(file: string): Machine {
  try {
    return readMachine(file);
  } catch (error) {
    throw error instanceof UserError ? runError(error.message) : error;
  }
}
