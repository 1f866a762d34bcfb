import type { PreviewDocument, PreviewStep } from "./document";
import { reasonsOf } from "./reasons";
import { jobArgument, jobArguments, jobDirectory, labelOf, resourceOf, variablesOf, type Resource } from "./resource";

export type Action = "build" | "fetch" | "create" | "replace" | "update" | "remove";

export interface Change {
  action: Action;
  /** `environment 6090c02ee441611f` */
  what: string;
  /** What differs; for a removal, what becomes of the thing. */
  reasons: string[];
  /** Bytes that a fetch adds to the store; undefined where it is not known in advance. */
  bytes?: number | undefined;
}

export interface Downtime {
  /** Whether a service that answers now may stop answering for a while, or for good. */
  expected: boolean;
  reasons: string[];
}

/** What an update would do, in the words of this project. */
export interface PreviewSummary {
  stack: string;
  /** Ids; undefined where there is none or the preview does not contain it. */
  release: { now: string | undefined; then: string | undefined };
  /** In the order of {@link actions}. */
  changes: Change[];
  /** Resources that stay as they are. */
  unchanged: number;
  downtime: Downtime;
  /** Why the update is refused or would fail. The other fields then mean little. */
  problems: string[];
  warnings: string[];
}

/** The order in which a summary lists changes. */
export const actions: readonly Action[] = ["build", "fetch", "create", "replace", "update", "remove"];

/** Why a part of a release is made again. */
export const missing = "it is missing on the host";

/** Sizes that the preview itself does not contain. */
export interface Sizes {
  /** Bytes of an environment by its lock file, relative to the checkout. */
  environment(lock: string): number | undefined;
  /** Bytes of a model in a directory. */
  directory(directory: string): number | undefined;
}

/** Turns a preview into what a reviewer wants to know. */
export function summarise(preview: PreviewDocument, stack: string, sizes: Sizes): PreviewSummary {
  const things = preview.steps.flatMap((step) => {
    const resource = resourceOf(step);
    return resource === undefined ? [] : [{ step, resource }];
  });
  const serves = releaseNow(preview) !== undefined;
  const changes = [
    ...mergeReplacements(things).flatMap((thing) => changeOf(thing, preview, sizes)),
    ...(serves ? unseen(things) : []),
  ];
  return {
    stack,
    release: { now: releaseNow(preview), then: releaseThen(preview, things) },
    changes: changes.sort((one, other) => actions.indexOf(one.action) - actions.indexOf(other.action)),
    unchanged: preview.changeSummary["same"] ?? 0,
    downtime: downtimeOf(things, serves),
    problems: messages(preview, "error"),
    warnings: messages(preview, "warning"),
  };
}

interface Thing {
  step: PreviewStep;
  resource: Resource;
}

/** Pulumi may report a replacement in up to three steps. */
function mergeReplacements(things: readonly Thing[]): Thing[] {
  const isReplacement = ({ step }: Thing): boolean => step.op === "replace" || step.op === "create-replacement";
  const replacementOf = (urn: string): Thing | undefined =>
    things.find((thing) => isReplacement(thing) && thing.step.urn === urn);
  return things.filter((thing) => {
    const part = isReplacement(thing) || thing.step.op === "delete-replaced";
    const whole = part ? replacementOf(thing.step.urn) : undefined;
    return whole === undefined || whole === thing;
  });
}

function changeOf({ step, resource }: Thing, preview: PreviewDocument, sizes: Sizes): Change[] {
  const { role, title: what } = resource;
  switch (step.op) {
    case "create":
    case "replace":
    case "create-replacement":
    case "update":
      if (role === "room") {
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
  sizes: Sizes,
): Change {
  const inputs = newState?.inputs ?? {};
  const again = op === "create" ? [] : [missing];
  if (role === "image") {
    return "build" in inputs
      ? { action: "build", what, reasons: again }
      : { action: "create", what, reasons: ["already in the engine"] };
  }
  if (jobArguments(inputs)[0] === "verify") {
    return { action: "create", what, reasons: ["already in the store"] };
  }
  if (role === "environment") {
    const lock = config["archon:requirements"];
    return {
      action: "fetch",
      what,
      reasons: ["packages", ...again],
      bytes: typeof lock === "string" ? sizes.environment(lock) : undefined,
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
    // A finished job leaves nothing to remove. A part of a release stays on the host; only the ledger no longer needs
    // it.
    return role === "image" || role === "environment" || role === "model"
      ? [{ action: "remove", what, reasons: ["no kept release needs it; removed when nothing uses it"] }]
      : [];
  }
  return role === "room"
    ? []
    : [{ action: "remove", what, reasons: leftOver ? ["left over from an update that failed"] : [] }];
}

function releaseNow({ steps }: PreviewDocument): string | undefined {
  const outputs = steps.find(({ urn }) => urn.split("::")[2] === "pulumi:pulumi:Stack")?.oldState?.outputs;
  return typeof outputs?.["release"] === "string" ? outputs["release"] : undefined;
}

/**
 * The release that the configuration names; otherwise the one in a label of the servers or, where no variable is
 * secret, in a variable.
 */
function releaseThen({ config }: PreviewDocument, things: readonly Thing[]): string | undefined {
  const chosen = config["archon:release"];
  if (typeof chosen === "string" && chosen !== "") {
    return chosen;
  }
  const ids = things
    .filter(({ step, resource }) => resource.role === "server" && !step.op.startsWith("delete"))
    .map(
      ({ step: { newState } }) =>
        labelOf(newState?.inputs ?? {}, "io.archon.release") ??
        variablesOf(newState?.inputs ?? {})?.get("ARCHON_RELEASE"),
    );
  return ids.find((id) => id !== undefined);
}

/** A new token has no value until it exists, so Pulumi cannot know yet that it will replace the servers that use it. */
function unseen(things: readonly Thing[]): Change[] {
  const token = things.some(({ step, resource }) => resource.role === "token" && step.op !== "delete");
  const seen = things.some(({ step, resource }) => resource.role === "server" && step.op.includes("replace"));
  return token && !seen ? [{ action: "replace", what: "servers", reasons: ["API token"] }] : [];
}

function downtimeOf(things: readonly Thing[], serves: boolean): Downtime {
  const of = (...wanted: Resource["role"][]): Thing[] =>
    things.filter(({ resource }) => wanted.includes(resource.role));
  if (!serves) {
    return { expected: false, reasons: ["nothing serves yet"] };
  }
  const reasons = [
    ...of("gateway", "server")
      .filter(({ step }) => isGap(step))
      .map(
        ({ step, resource }) =>
          `${resource.title} is removed before its successor is ready (${reasonsOf(step).join(", ") || "replaced"})`,
      ),
    ...of("room")
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

/** Pulumi colours its messages, by escape sequences and by marks of its own. */
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
