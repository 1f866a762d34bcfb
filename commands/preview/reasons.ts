import * as path from "node:path";
import { z } from "zod";
import { MOUNTS } from "../../applications/application";
import { imageVersion } from "../../lib/images";
import type { PreviewStep } from "./document";
import { labelsOf, variablesOf } from "./resource";

type Inputs = Readonly<Record<string, unknown>>;

/** How a reason names a variable of a server. */
const variableWords: Readonly<Record<string, string>> = {
  ARCHON_RELEASE: "release",
  ARCHON_MODELS: "models",
  ARCHON_ACTIVE_MODEL: "default model",
  ARCHON_API_TOKEN: "API token",
};

/** Variable with the environment's key. It changes together with the mount, which shows both keys. */
const shownByMount = "ARCHON_ENVIRONMENT_KEY";

/** How a reason names an input whose values are not shown. */
const inputWords: Readonly<Record<string, string>> = {
  "#initerror": "it did not become ready last time",
  capabilities: "capabilities",
  create: "what the job does",
  environment: "settings of the job",
  healthcheck: "health check",
  logDriver: "logging",
  logOpts: "logging",
  name: "name",
  networksAdvanced: "network",
  securityOpts: "security options",
  tmpfs: "temporary directories",
  triggers: "what it depends on",
  user: "user",
};

/** The order in which inputs are listed; all others follow. Pulumi returns them in any order. */
const order = ["#initerror", "image", "mounts", "envs", "ports", "memory"];

/** Why a resource changes, each reason once, from the inputs that differ. */
export function reasonsOf({ diffReasons, replaceReasons, oldState, newState }: PreviewStep): string[] {
  const place = (key: string): number => (order.includes(key) ? order.indexOf(key) : order.length);
  const keys = [...new Set([...(replaceReasons ?? []), ...(diffReasons ?? [])])].sort(
    (one, other) => place(one) - place(other) || one.localeCompare(other),
  );
  const before = oldState?.inputs ?? {};
  const after = newState?.inputs ?? {};
  return [...new Set(keys.flatMap((key) => reason(key, before, after)))];
}

function reason(key: string, before: Inputs, after: Inputs): string[] {
  switch (key) {
    case "image":
      return [change("image", version(before["image"]), version(after["image"]))];
    case "envs":
      return changedVariables(before, after);
    case "labels":
      return changedLabels(before, after);
    case "mounts":
      return changedMounts(before, after);
    case "ports":
      return [change("port", ports(before), ports(after))];
    case "memory":
      return [change("memory limit in MiB", before["memory"], after["memory"])];
    case "memorySwap":
      // Always the same as the memory limit.
      return [];
    default:
      return [inputWords[key] ?? `\`${key}\``];
  }
}

function change(what: string, before: unknown, after: unknown): string {
  const known = [before, after].every((value) => typeof value === "string" || typeof value === "number");
  return known ? `${what} ${String(before)} → ${String(after)}` : what;
}

function version(reference: unknown): unknown {
  return typeof reference === "string" ? imageVersion(reference) : undefined;
}

function changedVariables(before: Inputs, after: Inputs): string[] {
  const old = variablesOf(before);
  const now = variablesOf(after);
  if (old === undefined || now === undefined) {
    return ["settings (some are secret)"];
  }
  return changedKeys(old, now)
    .filter((name) => name !== shownByMount)
    .map((name) => variableWords[name] ?? `setting ${name}`);
}

/** Labels of a server that say what it runs. */
const labelWords: Readonly<Record<string, string>> = { "io.archon.release": "release", "io.archon.models": "models" };

function changedLabels(before: Inputs, after: Inputs): string[] {
  const names = changedKeys(labelsOf(before), labelsOf(after));
  return names.length === 0 ? ["labels"] : names.map((name) => labelWords[name] ?? "labels");
}

const mounted = z.object({ mounts: z.array(z.object({ source: z.string(), target: z.string() })) });

/** The sources of a container's mounts by target; none when they cannot be read. */
function mountsOf(inputs: Inputs): Map<string, string> {
  return new Map((mounted.safeParse(inputs).data?.mounts ?? []).map(({ source, target }) => [target, source]));
}

function changedMounts(before: Inputs, after: Inputs): string[] {
  const old = mountsOf(before);
  const now = mountsOf(after);
  const words = changedKeys(old, now).map((target) =>
    target === MOUNTS.environment
      ? change("environment", basename(old.get(target)), basename(now.get(target)))
      : `mount at ${target}`,
  );
  return words.length === 0 ? ["mounts"] : words;
}

/** Keys whose values differ, those of the old map first. */
function changedKeys(old: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => old.get(key) !== now.get(key));
}

function basename(file: string | undefined): string | undefined {
  return file === undefined ? undefined : path.posix.basename(file);
}

const published = z.object({ ports: z.array(z.object({ ip: z.string().optional(), external: z.number() })) });

function ports(inputs: Inputs): string | undefined {
  return published
    .safeParse(inputs)
    .data?.ports.map(({ ip, external }) => `${ip ?? "0.0.0.0"}:${external}`)
    .join(", ");
}
