import type { Accelerator } from "../../config/accelerator";
import { isPulled } from "../../lib/images";
import type { PreviewDocument, PreviewStep } from "./document";
import { reasonsOf } from "./reasons";
import { jobArgument, jobArguments, jobDirectory, labelOf, resourceOf, variablesOf, type Resource } from "./resource";

export type Action = "build" | "fetch" | "create" | "replace" | "update" | "remove";

export interface Change {
  action: Action;
  /** `environment 6090c02ee441611f` */
  what: string;
  /** What differs; for a removal, what happens to it on the host. */
  reasons: string[];
  /** Bytes that a fetch adds to the store; undefined where it is not known in advance. */
  bytes?: number | undefined;
}

export interface Downtime {
  /** Whether a service that answers now may stop answering for a while, or for good. */
  expected: boolean;
  reasons: string[];
}

/** What an update would do, in terms of releases, servers and models instead of resources. */
export interface PreviewSummary {
  stack: string;
  /** Ids of the running and of the next release; undefined if there is none, or if the preview does not contain it. */
  release: { current: string | undefined; next: string | undefined };
  /** In the order of {@link actions}. */
  changes: Change[];
  /** Resources that stay as they are. */
  unchanged: number;
  downtime: Downtime;
  /** Why the update is refused or would fail. Then the other fields are incomplete. */
  problems: string[];
  warnings: string[];
}

/** The order in which a summary lists changes. */
export const actions: readonly Action[] = ["build", "fetch", "create", "replace", "update", "remove"];

/** Why a part of a release is made again. */
export const missing = "it is missing on the host";

/** Sizes that the preview itself does not contain. */
export interface SizeLookup {
  /** Bytes of an environment by `archon:requirements`, which is empty for the lock file of the application. */
  environment(requirements: string, accelerator: Accelerator): number | undefined;
  /** Bytes of a model in a directory. */
  directory(directory: string): number | undefined;
}

/** Turns a preview into what a reviewer wants to know. */
export function summarise(preview: PreviewDocument, stack: string, sizes: SizeLookup): PreviewSummary {
  const all = preview.steps.flatMap((step) => {
    const resource = resourceOf(step);
    return resource === undefined ? [] : [{ step, resource }];
  });
  const current = currentRelease(preview);
  const isRunning = current !== undefined;
  const changes = [
    ...mergeReplacements(all).flatMap((each) => changeOf(each, preview, sizes)),
    ...(isRunning ? unreportedReplacements(all) : []),
  ];
  return {
    stack,
    release: { current, next: nextRelease(preview, all) },
    changes: changes.sort((one, other) => actions.indexOf(one.action) - actions.indexOf(other.action)),
    unchanged: preview.changeSummary["same"] ?? 0,
    downtime: downtimeOf(all, isRunning),
    problems: messages(preview, "error"),
    warnings: messages(preview, "warning"),
  };
}

/** A step of a preview, with the resource that it is for. */
interface ResourceStep {
  step: PreviewStep;
  resource: Resource;
}

/** Pulumi may report a replacement in up to three steps. */
function mergeReplacements(steps: readonly ResourceStep[]): ResourceStep[] {
  const isReplacement = ({ step }: ResourceStep): boolean => step.op === "replace" || step.op === "create-replacement";
  const replacementOf = (urn: string): ResourceStep | undefined =>
    steps.find((each) => isReplacement(each) && each.step.urn === urn);
  return steps.filter((each) => {
    const part = isReplacement(each) || each.step.op === "delete-replaced";
    const whole = part ? replacementOf(each.step.urn) : undefined;
    return whole === undefined || whole === each;
  });
}

function changeOf({ step, resource }: ResourceStep, preview: PreviewDocument, sizes: SizeLookup): Change[] {
  const { role, title: what } = resource;
  switch (step.op) {
    case "create":
    case "replace":
    case "create-replacement":
    case "update":
      if (role === "stop-old") {
        // The summary shows it as downtime.
        return [];
      }
      if (role === "collection") {
        return [{ action: "remove", what, reasons: ["once the new servers are ready"] }];
      }
      return [
        role === "image" || role === "environment" || role === "model"
          ? partOf(step, resource, preview, sizes)
          : containerOf(step, what),
      ];
    case "delete":
    case "delete-replaced":
      return removalOf(step, resource);
    default:
      // Unchanged, or only read.
      return [];
  }
}

function containerOf(step: PreviewStep, what: string): Change {
  const action = step.op === "create" || step.op === "update" ? step.op : "replace";
  return { action, what, reasons: reasonsOf(step) };
}

/**
 * A part of a release is made once. An operation other than `create` makes it again because it is missing on the host.
 */
function partOf(
  { op, newState }: PreviewStep,
  { role, title: what }: Resource,
  { config }: PreviewDocument,
  sizes: SizeLookup,
): Change {
  const inputs = newState?.inputs ?? {};
  const again = op === "create" ? [] : [missing];
  if (role === "image") {
    if ("build" in inputs) {
      return { action: "build", what, reasons: again };
    }
    return isPulled(String(inputs["name"]))
      ? { action: "fetch", what, reasons: ["from its registry, unless the engine has it"], bytes: undefined }
      : { action: "create", what, reasons: ["already in the engine"] };
  }
  if (jobArguments(inputs)[0] === "verify") {
    return { action: "create", what, reasons: ["already in the store"] };
  }
  if (role === "environment") {
    const { ["archon:requirements"]: list, ["archon:accelerator"]: accelerator } = config;
    return {
      action: "fetch",
      what,
      reasons: ["packages", ...again],
      bytes: typeof list === "string" ? sizes.environment(list, accelerator === "cpu" ? "cpu" : "cuda") : undefined,
    };
  }
  const directory = jobDirectory(inputs);
  return directory === undefined
    ? {
        action: "fetch",
        what,
        reasons: [`from ${jobArgument(inputs, "--endpoint") ?? "the hub"}`, ...again],
        bytes: undefined,
      }
    : { action: "fetch", what, reasons: ["from the checkout", ...again], bytes: sizes.directory(directory) };
}

function removalOf({ oldState }: PreviewStep, { role, title: what }: Resource): Change[] {
  const { retainOnDelete = false, delete: leftOver = false } = oldState ?? {};
  if (retainOnDelete) {
    // A finished job has nothing to remove. A part of a release stays on the host until garbage collection.
    return role === "image" || role === "environment" || role === "model"
      ? [{ action: "remove", what, reasons: ["no kept release needs it; removed when nothing uses it"] }]
      : [];
  }
  return role === "stop-old"
    ? []
    : [{ action: "remove", what, reasons: leftOver ? ["left over from an update that failed"] : [] }];
}

function currentRelease({ steps }: PreviewDocument): string | undefined {
  const outputs = steps.find(({ urn }) => urn.split("::")[2] === "pulumi:pulumi:Stack")?.oldState?.outputs;
  return typeof outputs?.["release"] === "string" ? outputs["release"] : undefined;
}

/**
 * The release that the configuration names; otherwise the one in an input of the deployment, in a label of the servers or,
 * where no variable is secret, in a variable.
 */
function nextRelease({ config, steps: all }: PreviewDocument, steps: readonly ResourceStep[]): string | undefined {
  const chosen = config["archon:release"];
  if (typeof chosen === "string" && chosen !== "") {
    return chosen;
  }
  // In a stack with further roles, no container names the release.
  const deployment = all.find(({ urn }) => urn.split("::")[2] === "archon:index:Deployment")?.newState?.inputs;
  if (typeof deployment?.["release"] === "string") {
    return deployment["release"];
  }
  const ids = steps
    .filter(({ step, resource }) => resource.role === "server" && !step.op.startsWith("delete"))
    .map(
      ({ step: { newState } }) =>
        labelOf(newState?.inputs ?? {}, "io.archon.release") ??
        variablesOf(newState?.inputs ?? {})?.get("ARCHON_RELEASE"),
    );
  return ids.find((id) => id !== undefined);
}

/** A new token has no value until it exists, so Pulumi cannot know yet that it will replace the servers that use it. */
function unreportedReplacements(steps: readonly ResourceStep[]): Change[] {
  const token = steps.some(({ step, resource }) => resource.role === "token" && step.op !== "delete");
  const seen = steps.some(({ step, resource }) => resource.role === "server" && step.op.includes("replace"));
  return token && !seen ? [{ action: "replace", what: "servers", reasons: ["API token"] }] : [];
}

function downtimeOf(steps: readonly ResourceStep[], isRunning: boolean): Downtime {
  const of = (...roles: Resource["role"][]): ResourceStep[] =>
    steps.filter(({ resource }) => roles.includes(resource.role));
  if (!isRunning) {
    return { expected: false, reasons: ["nothing serves yet"] };
  }
  const reasons = [
    ...of("gateway", "server")
      .filter(({ step }) => isGap(step))
      .map(
        ({ step, resource }) =>
          `${resource.title} is removed before its successor is ready (${reasonsOf(step).join(", ") || "replaced"})`,
      ),
    ...of("stop-old")
      .filter(({ step }) => /create|replace/.test(step.op))
      .map(() => "the old servers stop before the new ones are ready (archon:rollout is replace)"),
    ...of("gateway")
      .filter(({ step }) => step.op === "delete" && step.oldState?.delete !== true)
      .map(({ resource }) => `the ${resource.title} is removed, and with it the service`),
  ];
  return reasons.length > 0
    ? { expected: true, reasons: [...new Set(reasons)] }
    : { expected: false, reasons: ["the running servers keep answering until the new ones are ready"] };
}

/** Whether the running resource is removed before its replacement answers. */
function isGap({ op, oldState }: PreviewStep): boolean {
  return op.includes("replace") && oldState?.pendingReplacement === true;
}

/** How Pulumi colours its messages: escape sequences, and marks of its own such as `<{%reset%}>`. */
const colors = /\u001b\[[0-9;]*m|<\{%[^%]*%\}>/g;

function messages({ diagnostics }: PreviewDocument, severity: string): string[] {
  return diagnostics
    .filter((each) => each.severity === severity)
    .map(({ message }) =>
      message
        .replace(colors, "")
        .replace(/^(error|warning): /, "")
        .trim(),
    );
}
