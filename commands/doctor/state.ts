import * as fs from "node:fs";
import * as os from "node:os";
import { z } from "zod";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { parseLedger, type Ledger } from "../../release/ledger";
import { displayUrl, fileBackendDirectory, findBackend, isSelfManaged } from "../lib/backend";
import { pulumiEnvironment } from "../lib/environment";
import { stackFlag } from "../lib/options";
import { MissingStack, pulumi } from "../lib/pulumi";
import { CommandError } from "../lib/run";
import { heldLock, isStale, type LockHolder } from "../lib/state-lock";
import { brokenAttributes } from "../recover/attributes";
import { holdersInBucket } from "../recover/lock";
import { readState, type KnownState } from "../recover/orphans";
import { ok, problem, skipped, warning, type Finding } from "./finding";

/** What Pulumi knows of a stack. */
export interface StackState {
  known: KnownState;
  containers: readonly StateContainer[];
  ledger: Ledger;
}

/** A container as the state records it. */
export interface StateContainer {
  id: string;
  /** Name of the resource. */
  resource: string;
  /** MiB. */
  memory: number | undefined;
  /** Names of its networks. */
  networks: readonly string[];
  /** Whether the next update removes it. */
  toDelete: boolean;
}

const exportedSchema = z.object({
  deployment: z
    .object({
      resources: z
        .array(
          z.object({
            urn: z.string(),
            type: z.string(),
            id: z.string().optional(),
            delete: z.boolean().default(false),
            outputs: z.unknown().optional(),
          }),
        )
        .default([]),
      pending_operations: z
        .array(z.object({ type: z.string(), resource: z.object({ urn: z.string() }) }))
        .nullish()
        .transform((operations) => operations ?? []),
    })
    .optional(),
});

const containerOutputs = z.object({
  memory: z.number().optional().catch(undefined),
  networksAdvanced: z
    .array(z.object({ name: z.string() }))
    .catch([])
    .default([]),
});

/** Whether Pulumi's state of a stack is there, whole and free, and what it says. */
export async function checkState(stack: string): Promise<{ findings: Finding[]; state?: StackState }> {
  const { url, source } = findBackend();
  const directory = fileBackendDirectory(url);
  const local = [
    checkPassphrase(pulumiEnvironment().PULUMI_CONFIG_PASSPHRASE_FILE),
    directory === undefined ? [] : checkAttributes(stack, directory),
    directory === undefined ? [] : checkLockFiles(stack, directory),
  ].flat();
  try {
    const exported = await pulumi(stack, ["stack", "export"]);
    const state = {
      known: readState(exported),
      containers: readContainers(exported),
      ledger: parseLedger(readOutputs(exported)),
    };
    const found = ok("state", `Pulumi knows the stack "${stack}" in ${displayUrl(url)} (${source})`);
    const lock = directory === undefined && isSelfManaged(url) ? [await checkLockInBucket(stack)] : [];
    return { findings: [found, ...local, ...lock, ...judgePending(exported, stack)], state };
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error;
    }
    return { findings: [unreadable(error, stack), ...local] };
  }
}

/** Why the state says nothing: there is none, or it cannot be read. */
function unreadable(error: UserError, stack: string): Finding {
  return error instanceof MissingStack
    ? skipped("state", `Pulumi does not know the stack "${stack}": it was not made here`, initCommand(stack))
    : problem(
        "state",
        `Pulumi cannot read the stack "${stack}": ${reasonOf(error)}`,
        archon(`recover${stackFlag(stack)}`),
      );
}

function reasonOf(error: UserError): string {
  return error instanceof CommandError ? (error.lastLines.at(-1) ?? error.outcome) : error.message;
}

function initCommand(stack: string): string {
  return `${archon(`pulumi stack init ${stack}`)}, then ${archon(`pulumi up --stack ${stack}`)}`;
}

function checkPassphrase(file: string | undefined): Finding[] {
  if (file === undefined) {
    return [];
  }
  const mode = fs.statSync(file, { throwIfNoEntry: false })?.mode;
  if (mode === undefined) {
    return [
      problem(
        "passphrase",
        `${file} is missing: without it, nobody can read the secrets of the state`,
        `put it back from a backup (${archon("state restore FILE --overwrite")}); if it is lost for good, ${archon("setup")} says how to go on`,
      ),
    ];
  }
  return [
    (mode & 0o077) === 0
      ? ok("passphrase", `only its owner can read ${file}`)
      : warning("passphrase", `other users of this machine can read ${file}`, `chmod 600 ${file}`),
  ];
}

function checkAttributes(stack: string, directory: string): Finding[] {
  const broken = brokenAttributes(directory);
  return broken.length === 0
    ? []
    : [
        problem(
          "attributes",
          `a killed update left attributes of the state half written: ${broken.join(", ")}`,
          archon(`recover${stackFlag(stack)}`),
        ),
      ];
}

function checkLockFiles(stack: string, directory: string): Finding {
  try {
    return judgeLock(stack, heldLock(stack, directory));
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error;
    }
    return problem("lock", error.message, archon(`pulumi cancel --yes --stack ${stack}`));
  }
}

async function checkLockInBucket(stack: string): Promise<Finding> {
  try {
    const holders = await holdersInBucket(stack);
    // A process that may still run counts before those that have ended.
    return judgeLock(stack, holders.find((holder) => !isStale(holder)) ?? holders[0]);
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error;
    }
    return skipped("lock", `Pulumi does not say whether an update is running: ${reasonOf(error)}`);
  }
}

/** What the holder of a stack's lock means. */
export function judgeLock(stack: string, holder: LockHolder | undefined): Finding {
  if (holder === undefined) {
    return ok("lock", "no update is running");
  }
  const who = `process ${holder.pid} of ${holder.username}@${holder.hostname}, since ${holder.timestamp}`;
  if (isStale(holder)) {
    return problem("lock", `a killed update left its lock: ${who}`, archon(`recover${stackFlag(stack)}`));
  }
  const wait = "wait until it has finished, then check again";
  // Whether a process of another machine still runs cannot be seen from here.
  return warning(
    "lock",
    `an update is running: ${who}`,
    holder.hostname === os.hostname()
      ? wait
      : `${wait}; if that process no longer exists on ${holder.hostname}: ${archon(`pulumi cancel --yes --stack ${stack}`)}`,
  );
}

/** The outputs of the stack. Secret ones are encrypted. */
function readOutputs(exported: string): unknown {
  const resources = exportedSchema.parse(JSON.parse(exported)).deployment?.resources ?? [];
  return resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
}

function readContainers(exported: string): StateContainer[] {
  const resources = exportedSchema.parse(JSON.parse(exported)).deployment?.resources ?? [];
  return resources
    .filter(({ type }) => type === "docker:index/container:Container")
    .flatMap(({ urn, id, delete: toDelete, outputs }) => {
      const { memory, networksAdvanced } = containerOutputs.parse(outputs ?? {});
      const networks = networksAdvanced.map(({ name }) => name);
      return id === undefined ? [] : [{ id, resource: nameOf(urn), memory, networks, toDelete }];
    });
}

/** What a killed update had begun, of which Pulumi does not know whether it happened. */
export function judgePending(exported: string, stack: string): Finding[] {
  const pending = exportedSchema.parse(JSON.parse(exported)).deployment?.pending_operations ?? [];
  return pending.length === 0
    ? []
    : [
        problem(
          "state",
          `a killed update left operations pending: ${pending.map(({ type, resource }) => `${type} ${nameOf(resource.urn)}`).join(", ")}`,
          `${archon(`recover${stackFlag(stack)}`)}, then ${archon(`pulumi refresh${stackFlag(stack)}`)}`,
        ),
      ];
}

function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}
