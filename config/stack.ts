import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../lib/errors";
import { projectRoot } from "../lib/paths";
import { hostOf, readMachine, type StackHost } from "./machine";
import { modelOf, type Model } from "./models";
import { DEFAULT_PYTHON, type PythonVersion } from "./python";
import {
  furtherRoles,
  gpuService,
  modelEntry,
  pythonOf,
  roleService,
  schema,
  tlsService,
  type ApplicationConfig,
  type FurtherRole,
  type ServiceRole,
  type StackConfig,
  type TlsService,
} from "./schema";

/*
 * A stack's configuration as the commands read it: without Pulumi, which may not be installed yet. A value that the
 * schema does not allow counts as missing: the program reports it, together with everything else that is wrong.
 */

/** The Pulumi project, as Pulumi.yaml names it. */
export const project = "archon";

/** The stack that `./archon start` runs. */
export const devStack = "dev";

/** Absolute path of the committed configuration of a stack. */
export function stackFile(stack: string): string {
  return path.join(projectRoot, `Pulumi.${stack}.yaml`);
}

/** The host that a stack runs on. The Pulumi program computes the same one. */
export function stackHost(stack: string): StackHost {
  const value = (key: keyof StackHost): string => configuredValue(key, stack);
  return hostOf(
    {
      dockerHost: value("dockerHost"),
      baseImage: value("baseImage"),
      caBundle: value("caBundle"),
      python: configuredPython(stack),
    },
    readMachine(),
  );
}

/** The version of Python that the application of a stack runs on. */
export function configuredPython(stack: string): PythonVersion {
  const { data } = parseApplication(stack);
  return data === undefined ? DEFAULT_PYTHON : pythonOf(data);
}

/** The engine that a stack's file names; undefined when it leaves the choice to the machine. */
export function namedEngine(stack: string): string | undefined {
  return explicitValue("dockerHost", stack) || undefined;
}

/** `archon:baseImage` of a stack, unless it leaves the choice to the machine. */
export function configuredBaseImage(stack: string): string | undefined {
  const choice = explicitValue("baseImage", stack);
  return choice === "auto" ? undefined : choice;
}

/** Where a stack's packages come from: `pythonIndex` is empty for PyPI. */
export function packageIndexes(
  stack: string,
): Pick<StackConfig, "accelerator" | "torchIndex" | "pythonIndex" | "pythonExtraIndexes"> {
  const { element } = schema.shape.pythonExtraIndexes;
  return {
    accelerator: configuredValue("accelerator", stack),
    torchIndex: configuredValue("torchIndex", stack),
    pythonIndex: configuredValue("pythonIndex", stack),
    pythonExtraIndexes: listItems("pythonExtraIndexes", stack).flatMap((url) => element.safeParse(url).data ?? []),
  };
}

/**
 * What a stack deploys, with empty texts for secrets.
 * @throws UserError when its file names something that the schema does not allow
 */
export function configuredApplication(stack: string): ApplicationConfig {
  const result = parseApplication(stack);
  if (!result.success) {
    const reasons = result.error.issues.map(
      ({ path: at, message }) => `  - ${["application", ...at].join(".")}: ${message}`,
    );
    throw new UserError(
      `Invalid configuration for stack "${stack}":\n${reasons.join("\n")}\nCorrect Pulumi.${stack}.yaml. Of the application, only values that are secret can be encrypted.`,
    );
  }
  return result.data;
}

function parseApplication(stack: string): z.ZodSafeParseResult<ApplicationConfig> {
  const given = readKey("application", stack) ?? { kind: "reference" };
  return schema.shape.application.safeParse(JSON.parse(JSON.stringify(given), withoutCiphertext));
}

/** Replaces `{ secure: … }`, as a stack's file has a secret. */
function withoutCiphertext(_: string, value: unknown): unknown {
  return typeof value === "object" && value !== null && "secure" in value ? "" : value;
}

/** The further roles that the services of a stack name. */
export function configuredRoles(stack: string): FurtherRole[] {
  return furtherRoles(readKey("services", stack));
}

/** What the services of a stack are, by name. */
export function configuredServices(stack: string): Map<string, ServiceRole> {
  const given = readKey("services", stack) ?? declaredDefaults()["services"]?.default;
  const services = z.array(z.unknown()).catch([]).parse(given);
  return new Map(
    services.flatMap((entry) => {
      const { data } = roleService.safeParse(entry);
      return data === undefined ? [] : [[data.name, data.role] as const];
    }),
  );
}

/** The models of a stack, without the entries that are not allowed. */
export function configuredModels(stack: string, checkout: string = projectRoot): Model[] {
  return listItems("models", stack).flatMap((entry) => {
    const { data } = modelEntry.safeParse(entry);
    return data === undefined ? [] : [modelOf(checkout, data)];
  });
}

/** Names of the services of a stack that have a GPU. */
export function configuredGpus(stack: string): string[] {
  return listItems("services", stack).flatMap((entry) => gpuService.safeParse(entry).data?.name ?? []);
}

/** The services of a stack that have TLS. */
export function configuredTls(stack: string): TlsService[] {
  return listItems("services", stack).flatMap((entry) => tlsService.safeParse(entry).data ?? []);
}

/** The value of a key: what the stack's file says, else the default of Pulumi.yaml. */
export function configuredValue<K extends keyof StackConfig>(key: K, stack: string): StackConfig[K] {
  return explicitValue(key, stack) ?? keySchema(key).parse(declaredDefaults()[key]?.default);
}

/** The value that the stack's file gives a key; undefined when it gives none, or one that is not allowed. */
export function explicitValue<K extends keyof StackConfig>(key: K, stack: string): StackConfig[K] | undefined {
  return keySchema(key).safeParse(readKey(key, stack)).data;
}

function keySchema<K extends keyof StackConfig>(key: K): z.ZodType<StackConfig[K]> {
  return schema.shape[key] as unknown as z.ZodType<StackConfig[K]>;
}

function listItems(key: keyof StackConfig, stack: string): unknown[] {
  return z.array(z.unknown()).catch([]).parse(readKey(key, stack));
}

/** The unchecked value of a key in a stack's file; undefined when it has none. A secret is an encrypted object. */
export function readKey(key: string, stack: string): unknown {
  const file = stackFile(stack);
  const settings = fs.existsSync(file) ? parseFile(file) : null;
  return settings?.config?.[`${project}:${key}`] ?? settings?.config?.[key];
}

/** @throws UserError for a file that is no YAML. It repeats no line of the file, which may hold secrets. */
function parseFile(file: string): { config?: Record<string, unknown> } | null {
  try {
    return parse(fs.readFileSync(file, "utf8")) as { config?: Record<string, unknown> } | null;
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n");
    throw new UserError(
      `${path.basename(file)} cannot be read: ${reason.replace(/:$/, "")}. Correct it, then run the command again.`,
    );
  }
}

function declaredDefaults(): Record<string, { default?: unknown } | undefined> {
  const text = fs.readFileSync(path.join(projectRoot, "Pulumi.yaml"), "utf8");
  return (parse(text) as { config: Record<string, { default?: unknown } | undefined> }).config;
}
