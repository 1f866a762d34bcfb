import * as pulumi from "@pulumi/pulumi";
import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { DEFAULT_BASE_IMAGE } from "./components/shared/base-image";
import { RESERVED_VARIABLES } from "./components/shared/containers";
import { configurationError, type Problem } from "./components/shared/errors";
import { directoryRevision, isModelFile, readTree } from "./components/shared/hashing";

/** A secret stays an Output from the first moment, so it never meets the schema nor a message. */
const HUB_TOKEN = "hubToken";

const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?$/, "allowed are 1 to 40 lower-case letters, digits, dots and hyphens");
const absolutePath = z.string().regex(/^\/(?!.*\/\.\.?(\/|$)).+/, "must be an absolute path without . or .. parts");
const url = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });

const revision = z.string().regex(/^[0-9a-f]{40}$/, "must be a commit of 40 hex digits; a branch such as main would not be the same model tomorrow");
const variant = z.enum(["auto", "float32", "bfloat16"]).default("auto");
const hubModel = z.strictObject({ name, repo: z.string().regex(/^[\w.-]+\/[\w.-]+$/, "must be <organisation>/<name>"), revision, variant });
const directoryModel = z.strictObject({ name, directory: z.string().min(1), variant });
const derivedModel = z.strictObject({ name, from: name, variant: z.literal("int8"), revision });

const variableName = z.string()
  .regex(/^[A-Za-z_]\w*$/, "must be a name of letters, digits and underscores")
  .refine((each) => !RESERVED_VARIABLES.some((reserved) => reserved === each), { error: "is set by the program; remove it" });
const service = z.strictObject({
  name,
  port: z.int().min(1).max(65535),
  bind: z.union([z.ipv4(), z.ipv6()], { error: "must be an IP address of the host" }).default("127.0.0.1"),
  memoryMiB: z.int().min(256, "must be at least 256").default(4096),
  replicas: z.int().min(1).max(4).default(1),
  variables: z.record(variableName, z.union([z.string(), z.number(), z.boolean()], { error: "must be text" }).transform(String)).default({}),
});

const schema = z.strictObject({
  root: absolutePath,
  baseImage: z.string().min(1),
  caBundle: z.union([z.enum(["auto", "none"]), absolutePath], { error: 'must be "auto", "none" or an absolute path' }),
  pythonIndex: z.union([z.literal(""), url], { error: "must be empty or an http or https URL" }),
  pythonExtraIndexes: z.array(url),
  npmRegistry: z.union([z.literal(""), url], { error: "must be empty or an http or https URL" }),
  wheelhouse: z.union([z.literal(""), absolutePath], { error: "must be empty or an absolute path" }),
  browser: z.boolean(),
  requirements: z.string().min(1),
  imports: z.array(z.string().regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/, "must be a Python module name")),
  hubEndpoint: url,
  hubMirrors: z.array(url),
  models: z.array(z.union([hubModel, directoryModel, derivedModel], {
    error: 'must be { name, repo, revision } with a commit of 40 hex digits, or { name, directory }, either with variant: "float32" or "bfloat16"; or { name, from, variant: "int8", revision }, which npm run models -- derive prints',
  })),
  activeModel: z.string(),
  services: z.array(service).min(1),
  requireToken: z.boolean(),
  retain: z.int().min(2, "must be at least 2, so that there is a release to go back to").max(50),
  release: z.string().regex(/^([0-9a-f]{12})?$/, "must be empty or the id of a release, 12 hex digits; npm run releases lists them"),
  rollout: z.enum(["overlap", "replace"]),
  autoRollback: z.boolean(),
  readyTimeout: z.int().min(10).max(3600),
});
type Decisions = z.infer<typeof schema>;

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

export type Service = z.infer<typeof service>;

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
const machineSchema = z.object({ baseImage: z.string().optional(), caBundle: z.string().optional(), dockerHost: z.string().optional() });

/**
 * Reads the configuration of the current stack and the machine's facts.
 * @throws pulumi.RunError with every problem in one message, before any resource exists.
 */
export function loadSettings(project = __dirname): Settings {
  const problems: Problem[] = [];
  const decisions = parseDecisions(rawConfig(), problems);
  const machine = readMachine(path.join(project, ".archon", "machine.json"));
  const lock = decisions && readLock(project, decisions.requirements, problems);
  const models = decisions?.models.map((model, index) => resolveModel(project, model, index, problems)) ?? [];
  if (decisions) {
    crossCheck(decisions, problems);
  }
  if (!decisions || lock === undefined || problems.length > 0) {
    throw configurationError(pulumi.getStack(), problems);
  }
  const wanted = decisions.activeModel;
  return {
    ...decisions,
    project,
    hubToken: new pulumi.Config().getSecret(HUB_TOKEN),
    baseImage: decisions.baseImage === "auto" ? (machine.baseImage ?? DEFAULT_BASE_IMAGE) : decisions.baseImage,
    caBundle: decisions.caBundle === "auto" ? machine.caBundle : decisions.caBundle === "none" ? undefined : decisions.caBundle,
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
  const values = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value] as const);
  return Object.fromEntries(values.filter(([key]) => key !== HUB_TOKEN).map(([key, value]) => [key, parseValue(key, value)]));
}

/** Pulumi hands every value over as text; everything that is not text is JSON. */
function parseValue(key: string, text: string): unknown {
  const kind = schema.shape[key as keyof Decisions] as z.ZodType | undefined;
  if (kind === undefined || kind.safeParse(text).success) {
    return text;
  }
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return text;
  }
}

function parseDecisions(raw: Record<string, unknown>, problems: Problem[]): Decisions | undefined {
  const result = schema.safeParse(raw);
  if (result.success) {
    return result.data;
  }
  for (const issue of result.error.issues) {
    if (issue.code === "unrecognized_keys") {
      const allowed = [...Object.keys(schema.shape), HUB_TOKEN].join(", ");
      issue.keys.forEach((key) => problems.push({
        key: keyName([...issue.path, key]),
        reason: issue.path.length === 0 ? `unknown key; the keys are ${allowed}` : "unknown key; remove it or mend its spelling",
      }));
    } else {
      // The value of a variable may be a secret.
      const received = issue.path.includes("variables") ? undefined : valueAt(raw, issue.path);
      problems.push({ key: keyName(issue.path), received, reason: issue.code === "invalid_key" ? issue.issues.map(({ message }) => message).join("; ") : issue.message });
    }
  }
  return undefined;
}

function crossCheck(decisions: Decisions, problems: Problem[]): void {
  const { services, models, activeModel, requireToken } = decisions;
  duplicates(models.map((model) => model.name)).forEach((index) =>
    problems.push({ key: keyName(["models", index, "name"]), received: models[index]?.name, reason: "is used by an earlier model; give each its own name" }));
  duplicates(services.map((each) => each.name)).forEach((index) =>
    problems.push({ key: keyName(["services", index, "name"]), received: services[index]?.name, reason: "is used by an earlier service; give each its own name" }));
  duplicates(services.map((each) => String(each.port))).forEach((index) =>
    problems.push({ key: keyName(["services", index, "port"]), received: services[index]?.port, reason: "is used by an earlier service; give each its own port" }));
  models.forEach((model, index) => {
    if ("from" in model && !models.some((other) => other.name === model.from && !("from" in other))) {
      problems.push({ key: keyName(["models", index, "from"]), received: model.from, reason: "must be the name of another of the models that is not derived itself" });
    }
  });
  if (activeModel !== "" && !models.some((model) => model.name === activeModel)) {
    const known = models.map((model) => model.name).join(", ");
    problems.push({ key: keyName(["activeModel"]), received: activeModel, reason: `must be the name of one of the models (${known === "" ? "none is configured" : known})` });
  }
  services.forEach((each, index) => {
    if (!requireToken && !isLoopback(each.bind)) {
      problems.push({ key: keyName(["services", index, "bind"]), received: each.bind, reason: "reaches beyond this machine; set requireToken: true as well, or bind 127.0.0.1" });
    }
  });
}

/** Positions of the values that occur earlier in the list. */
function duplicates(values: readonly string[]): number[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [index] : []));
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
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
    problems.push({ key: keyName(["models", index, "directory"]), received: model.directory, reason: "must be a directory, relative to the project, that holds a model (config.json and weights)" });
    return { name: model.name, repo: `local/${model.name}`, revision: "", variant };
  }
  return { name: model.name, repo: `local/${model.name}`, revision: directoryRevision(readTree(directory, isModelFile)), variant, directory };
}

function readLock(project: string, file: string, problems: Problem[]): string | undefined {
  try {
    return fs.readFileSync(path.resolve(project, file), "utf8");
  } catch {
    problems.push({ key: keyName(["requirements"]), received: file, reason: "must be a readable lock file, relative to the project; npm run lock makes the project's own" });
    return undefined;
  }
}

function readMachine(file: string): z.infer<typeof machineSchema> {
  return fs.existsSync(file) ? machineSchema.parse(JSON.parse(fs.readFileSync(file, "utf8"))) : {};
}

function keyName(parts: readonly PropertyKey[]): string {
  const [first = "", ...rest] = parts.map(String);
  return rest.reduce((key, part) => (/^\d+$/.test(part) ? `${key}[${part}]` : `${key}.${part}`), `${pulumi.getProject()}:${first}`);
}

function valueAt(raw: unknown, parts: readonly PropertyKey[]): unknown {
  return parts.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part], raw);
}
