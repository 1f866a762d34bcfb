import * as pulumi from "@pulumi/pulumi";
import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { DEFAULT_BASE_IMAGE } from "./base-image";
import { configurationError, type Problem } from "./problems";
import { directoryRevision, isModelFile, readTree } from "../lib/hashing";
import { HUB_TOKEN, keyName, parseDecisions, parseValue, type Decisions } from "./schema";

/** A model at one commit. */
export interface Model {
  name: string;
  /** `<organisation>/<name>` on the hub; `local/<name>` for what does not come from there. */
  repo: string;
  revision: string;
  /** Precision of its weights in memory; "auto" is what suits the processor. */
  variant: "auto" | "float32" | "bfloat16" | "int8";
  /** Absolute; set for a model from the checkout. */
  directory?: string;
  /** Name of the model that it is derived from; set for a derived one. */
  from?: string;
}

/** What the program is to make: decisions of the stack joined with the facts of this machine. Plain values only. */
export interface Settings extends Omit<Decisions, "models" | "activeModel" | "caBundle"> {
  /** Absolute path of the checkout. */
  project: string;
  /** Absolute path on the host, or undefined for the image's own authorities. */
  caBundle: string | undefined;
  /** Text of the environment's lock file. */
  lock: string;
  models: readonly Model[];
  /** The model that scores by default, or undefined in a stack without models. */
  activeModel: Model | undefined;
  dockerHost: string;
  /** For repositories of the hub that want one. */
  hubToken: pulumi.Output<string> | undefined;
}

/** What the set-up found on this machine; `.archon/machine.json`. */
const machineSchema = z.object({
  baseImage: z.string().optional(),
  caBundle: z.string().optional(),
  dockerHost: z.string().optional(),
});

/**
 * Reads the configuration of the current stack and the machine's facts.
 * @throws pulumi.RunError with every problem in one message, before any resource exists.
 */
export function loadSettings(project = path.dirname(__dirname)): Settings {
  const problems: Problem[] = [];
  const decisions = parseDecisions(rawConfig(), problems);
  const machine = readMachine(path.join(project, ".archon", "machine.json"));
  const lock = decisions && readLock(project, decisions.requirements, problems);
  const models = decisions?.models.map((model, index) => resolveModel(project, model, index, problems)) ?? [];
  if (!decisions || lock === undefined || problems.length > 0) {
    throw configurationError(pulumi.getStack(), problems);
  }
  const wanted = decisions.activeModel;
  return {
    ...decisions,
    project,
    hubToken: new pulumi.Config().getSecret(HUB_TOKEN),
    baseImage: decisions.baseImage === "auto" ? (machine.baseImage ?? DEFAULT_BASE_IMAGE) : decisions.baseImage,
    caBundle:
      decisions.caBundle === "auto" ? machine.caBundle : decisions.caBundle === "none" ? undefined : decisions.caBundle,
    lock,
    models,
    activeModel: wanted === "" ? models[0] : models.find((model) => model.name === wanted),
    dockerHost: process.env["DOCKER_HOST"] ?? machine.dockerHost ?? "unix:///var/run/docker.sock",
  };
}

/**
 * Every key of the project's namespace, declared or not, so that the schema can refuse the unknown ones. In plain text also where a
 * variable of a service is secret: `Deployment` makes all of those secret again.
 */
function rawConfig(): Record<string, unknown> {
  const prefix = `${pulumi.getProject()}:`;
  const values = Object.entries(pulumi.runtime.allConfig())
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value] as const);
  return Object.fromEntries(
    values.filter(([key]) => key !== HUB_TOKEN).map(([key, value]) => [key, parseValue(key, value)]),
  );
}

function resolveModel(project: string, model: Decisions["models"][number], index: number, problems: Problem[]): Model {
  if ("repo" in model) {
    return model;
  }
  if ("from" in model) {
    return { ...model, repo: `local/${model.name}` };
  }
  const { variant } = model;
  const directory = path.resolve(project, model.directory);
  if (!fs.existsSync(path.join(directory, "config.json"))) {
    problems.push({
      key: keyName(["models", index, "directory"]),
      received: model.directory,
      reason: "must be a directory, relative to the project, that holds a model (config.json and weights)",
    });
    return { name: model.name, repo: `local/${model.name}`, revision: "", variant };
  }
  return {
    name: model.name,
    repo: `local/${model.name}`,
    revision: directoryRevision(readTree(directory, isModelFile)),
    variant,
    directory,
  };
}

function readLock(project: string, file: string, problems: Problem[]): string | undefined {
  try {
    return fs.readFileSync(path.resolve(project, file), "utf8");
  } catch {
    problems.push({
      key: keyName(["requirements"]),
      received: file,
      reason: "must be a readable lock file, relative to the project; npm run lock makes the project's own",
    });
    return undefined;
  }
}

function readMachine(file: string): z.infer<typeof machineSchema> {
  return fs.existsSync(file) ? machineSchema.parse(JSON.parse(fs.readFileSync(file, "utf8"))) : {};
}
