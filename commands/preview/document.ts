import { z } from "zod";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";

const state = z.object({
  inputs: z.record(z.string(), z.unknown()).default({}),
  outputs: z.record(z.string(), z.unknown()).default({}),
  /** What the resource made stays on the host when the resource is removed from the state. */
  retainOnDelete: z.boolean().default(false),
  /** The old resource is removed before the new one is made. */
  pendingReplacement: z.boolean().default(false),
  /** Replaced earlier, and not removed yet: by this update, or by one that failed. */
  delete: z.boolean().default(false),
});

const step = z.object({
  op: z.string(),
  urn: z.string(),
  oldState: state.optional(),
  newState: state.optional(),
  /** Names of the inputs that differ. */
  diffReasons: z.array(z.string()).nullish(),
  replaceReasons: z.array(z.string()).nullish(),
});

const document = z.object({
  config: z.record(z.string(), z.unknown()).default({}),
  /** Unchanged resources are left out, except the stack itself. */
  steps: z.array(step).default([]),
  /** How many resources every operation is for, components among them. */
  changeSummary: z.record(z.string(), z.number()).default({}),
  diagnostics: z.array(z.object({ message: z.string(), severity: z.string() })).default([]),
});

export type State = z.infer<typeof state>;
export type PreviewStep = z.infer<typeof step>;

/** The parts of `pulumi preview --json` that are read here. Pulumi itself puts "[secret]" for secret values. */
export type PreviewDocument = z.infer<typeof document>;

/**
 * Reads what `pulumi preview --json` prints.
 *
 * @param from what an error calls the text, such as a file's name
 * @param hide removes secrets from every string. @default removes nothing
 * @throws UserError for a text that is not such a preview
 */
export function parsePreview(
  text: string,
  from: string,
  hide: (text: string) => string = (each) => each,
): PreviewDocument {
  let value: unknown;
  try {
    value = JSON.parse(text, (_, each: unknown) => (typeof each === "string" ? hide(each) : each));
  } catch (error) {
    throw new UserError(
      `${from} is not JSON: ${(error as Error).message}.\nSave a preview with \`${archon("pulumi preview --json > preview.json")}\`.`,
    );
  }
  const result = document.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `  - ${path.join(".")}: ${message}`);
    throw new UserError(`${from} is not what \`pulumi preview --json\` prints:\n${problems.join("\n")}`);
  }
  return result.data;
}
