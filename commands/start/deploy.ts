import type { EngineEvent, OpType } from "@pulumi/pulumi/automation";
import type { Progress } from "../lib/progress";
import { updateStack } from "../lib/pulumi";
import { withoutStaleLock } from "../recover/recover";
import { parseOutputs, type StackOutputs } from "./outputs";

export interface DeployResult {
  outputs: StackOutputs;
  /** What the update did, such as `3 created, 12 unchanged`. */
  changes: string;
}

/** Updates a stack, after recovering it if an update was killed, and shows what happens. */
export async function deploy(stack: string, progress: Progress): Promise<DeployResult> {
  const show = (event: EngineEvent): void => {
    const shown = describeEvent(event);
    if (shown?.lasting === true) {
      progress.message(shown.text);
    } else if (shown !== undefined) {
      progress.update(0, 0, shown.text);
    }
  };
  const { outputs, changes } = await withoutStaleLock(stack, progress, () => updateStack(stack, show));
  return { outputs: parseOutputs(outputs), changes: describeChanges(changes) };
}

/** Operations that change something on the host, in the past tense. A replacement is shown by its creation and its deletion. */
const pastTense: Partial<Record<OpType, string>> = {
  create: "created",
  "create-replacement": "created anew",
  update: "updated",
  delete: "deleted",
  "delete-replaced": "deleted",
  import: "imported",
};

/**
 * The part of an engine event that a person wants to see. Finished changes, warnings and errors stay on the screen;
 * changes in progress and the output of jobs do not.
 */
export function describeEvent(event: EngineEvent): { text: string; lasting: boolean } | undefined {
  const { resourcePreEvent, resOutputsEvent, resOpFailedEvent, diagnosticEvent } = event;
  const started = resourcePreEvent?.metadata;
  if (started !== undefined) {
    return isChange(started) ? { text: resourceName(started.urn), lasting: false } : undefined;
  }
  const finished = resOutputsEvent?.metadata;
  if (finished !== undefined) {
    return isChange(finished)
      ? { text: `${resourceName(finished.urn)} ${pastTense[finished.op] ?? finished.op}`, lasting: true }
      : undefined;
  }
  if (resOpFailedEvent !== undefined) {
    const { op, urn } = resOpFailedEvent.metadata;
    return { text: `${resourceName(urn)} failed (${op})`, lasting: true };
  }
  const message = diagnosticEvent?.message.trim() ?? "";
  if (diagnosticEvent === undefined || message === "") {
    return undefined;
  }
  const { severity, urn } = diagnosticEvent;
  const text = urn === undefined || urn === "" ? message : `${resourceName(urn)}: ${message}`;
  return { text, lasting: severity === "error" || severity === "warning" };
}

/** Whether an operation changes something on the host: components and the stack itself exist only in the state. */
function isChange({ op, urn }: { op: OpType; urn: string }): boolean {
  return pastTense[op] !== undefined && !/^(?:archon|pulumi):/.test(typeOf(urn));
}

/** `docker:index/container:Container archon-server-0` */
function resourceName(urn: string): string {
  return `${typeOf(urn)} ${urn.slice(urn.lastIndexOf("::") + 2)}`;
}

/** The type of a resource without those of its parents, `urn:pulumi:stack::project::parent$type::name`. */
function typeOf(urn: string): string {
  const [, , types = ""] = urn.split("::");
  return types.slice(types.lastIndexOf("$") + 1);
}

const counted: readonly [op: OpType, word: string][] = [
  ["create", "created"],
  ["update", "updated"],
  ["replace", "replaced"],
  ["delete", "deleted"],
  ["import", "imported"],
  ["same", "unchanged"],
];

/** `3 created, 12 unchanged`; `no changes` where everything is the same. */
export function describeChanges(changes: Readonly<Record<string, number>>): string {
  const counts = counted.flatMap(([op, word]) => ((changes[op] ?? 0) > 0 ? [[word, changes[op]] as const] : []));
  const [first] = counts;
  return counts.length === 1 && first?.[0] === "unchanged"
    ? "no changes"
    : counts.map(([word, count]) => `${count} ${word}`).join(", ");
}
