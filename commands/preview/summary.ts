import type { PreviewDocument, PreviewStep } from "./document";
import { reasonsOf } from "./reasons";
import { jobArgument, jobDirectory, labelOf, resourceOf, variablesOf, type Resource } from "./resource";

export type Action = "build" | "fetch" | "create" | "replace" | "update" | "remove";

export interface Change {
  action: Action;
  /** `environment 6090c02ee441611f` */
  what: string;
  /** What differs; for a removal, what becomes of the thing. */
  reasons: string[];
  /** Bytes that a fetch adds to the store; undefined where nobody knows before. */
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
  /** Ids; undefined where there is none, or where the preview does not tell. */
  release: { now: string | undefined; then: string | undefined };
  /** In the order of {@link actions}. */
  changes: Change[];
  unchanged: number;
  downtime: Downtime;
  /** Why the update is refused or would fail; nothing else then means much. */
  problems: string[];
  warnings: string[];
}

/** The order in which an update is told. */
export const actions: readonly Action[] = ["build", "fetch", "create", "replace", "update", "remove"];

/** What the preview alone does not say. */
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
  const changes = mergeReplacements(things)
    .flatMap((thing) => changeOf(thing, preview, sizes))
    .sort((one, other) => actions.indexOf(one.action) - actions.indexOf(other.action));
  return {
    stack,
    release: { now: releaseNow(preview), then: releaseThen(things) },
    changes,
    unchanged: things.filter(({ step }) => step.op === "same").length,
    downtime: downtimeOf(things),
    problems: messages(preview, "error"),
    warnings: messages(preview, "warning"),
  };
}

interface Thing {
  step: PreviewStep;
  resource: Resource;
}

/** Pulumi may tell a replacement in up to three steps. */
function mergeReplacements(things: readonly Thing[]): Thing[] {
  const isReplacement = ({ step }: Thing): boolean => step.op === "replace" || step.op === "create-replacement";
  const replacementOf = (urn: string): Thing | undefined => things.find((thing) => isReplacement(thing) && thing.step.urn === urn);
  return things.filter((thing) => {
    const part = isReplacement(thing) || thing.step.op === "delete-replaced";
    const whole = part ? replacementOf(thing.step.urn) : undefined;
    return whole === undefined || whole === thing;
  });
}

function changeOf({ step, resource }: Thing, preview: PreviewDocument, sizes: Sizes): Change[] {
  const { role, title } = resource;
  switch (step.op) {
    case "create":
      if (role === "image") {
        return [{ action: "build", what: title, reasons: [] }];
      }
      return role === "environment" || role === "model" ? [fetchOf(step, resource, preview, sizes)] : [{ action: "create", what: title, reasons: [] }];
    case "replace":
    case "create-replacement":
      return [{ action: "replace", what: title, reasons: reasonsOf(step) }];
    case "update":
      return [{ action: "update", what: title, reasons: reasonsOf(step) }];
    case "delete":
    case "delete-replaced": {
      const { retainOnDelete = false, delete: leftOver = false } = step.oldState ?? {};
      const fate = retainOnDelete ? ["stays on the host until nothing uses it"] : leftOver ? ["left over from an update that failed"] : [];
      return [{ action: "remove", what: title, reasons: fate }];
    }
    default:
      // Unchanged, or only read.
      return [];
  }
}

function fetchOf({ newState }: PreviewStep, { role, title }: Resource, { config }: PreviewDocument, sizes: Sizes): Change {
  const inputs = newState?.inputs ?? {};
  if (role === "environment") {
    const lock = config["archon:requirements"];
    return { action: "fetch", what: title, reasons: ["for its lock file"], bytes: typeof lock === "string" ? sizes.environment(lock) : undefined };
  }
  const directory = jobDirectory(inputs);
  return directory === undefined
    ? { action: "fetch", what: title, reasons: [`from ${jobArgument(inputs, "--endpoint") ?? "the hub"}`], bytes: undefined }
    : { action: "fetch", what: title, reasons: ["from the checkout"], bytes: sizes.directory(directory) };
}

function releaseNow({ steps }: PreviewDocument): string | undefined {
  const outputs = steps.find(({ urn }) => urn.split("::")[2] === "pulumi:pulumi:Stack")?.oldState?.outputs;
  return typeof outputs?.["release"] === "string" ? outputs["release"] : undefined;
}

/** A server says which release it runs by a label and, where none of its variables is secret, by a variable. */
function releaseThen(things: readonly Thing[]): string | undefined {
  const ids = things
    .filter(({ step, resource }) => resource.role === "server" && !step.op.startsWith("delete"))
    .map(({ step: { newState } }) => labelOf(newState?.inputs ?? {}, "io.archon.release") ?? variablesOf(newState?.inputs ?? {})?.get("ARCHON_RELEASE"));
  return ids.find((id) => id !== undefined);
}

function downtimeOf(things: readonly Thing[]): Downtime {
  const gone = (role: Resource["role"]): Thing[] => things.filter(({ step, resource }) => resource.role === role && step.oldState !== undefined && isGap(step));
  const replaced = [...gone("gateway"), ...gone("server")]
    .filter(({ step }) => step.op !== "delete")
    .map(({ step, resource }) => `${resource.title} goes before its successor is there: ${reasonsOf(step).join(", ") || "it is replaced"}`);
  const ended = gone("gateway").filter(({ step }) => step.op === "delete").map(({ resource }) => `${resource.title} is removed, so the service ends`);
  const serves = things.some(({ step, resource }) => resource.role === "gateway" && step.oldState !== undefined);
  const reasons = [...new Set([...replaced, ...ended])];
  return { expected: reasons.length > 0, reasons: reasons.length > 0 ? reasons : [serves ? "a new server is ready before the old one goes" : "nothing serves yet"] };
}

/** Whether what serves now is gone before something else serves in its place. */
function isGap({ op, oldState }: PreviewStep): boolean {
  return op === "delete" ? oldState?.delete !== true : op.includes("replace") && oldState?.pendingReplacement === true;
}

// eslint-disable-next-line no-control-regex -- Pulumi colours its messages by escape sequences.
const colors = /\u001b\[[0-9;]*m|<\{%[^%]*%\}>/g;

function messages({ diagnostics }: PreviewDocument, severity: string): string[] {
  return diagnostics.filter((each) => each.severity === severity).map(({ message }) => message.replace(colors, "").replace(/^(error|warning): /, "").trim());
}
