import { z } from "zod";
import { UserError } from "../../lib/errors";
import { bytes } from "../lib/render";

/** The store tool's answer: the commit that a branch stands for, and the files that an update would fetch. */
const resolved = z.object({
  repo: z.string(),
  revision: z.string().regex(/^[0-9a-f]{40}$/),
  files: z.array(z.object({ path: z.string(), size: z.number() })),
  left: z.array(z.string()),
  /** Modules that its configuration names as its own code. */
  code: z.array(z.string()),
  bytes: z.number(),
});
export type Resolved = z.infer<typeof resolved>;

export interface PinRequest {
  stack: string;
  /** Bytes above which a model is refused. */
  maxBytes: number;
  /** Pin it even if it is larger. */
  force: boolean;
  /** What the application is configured to load (its RERANKING_MODEL); undefined when it is not known. */
  application: string | undefined;
}

/** Reads what `mlenv resolve` printed. @throws UserError for another format */
export function parseResolved(stdout: string): Resolved {
  const line = stdout.split("\n").findLast((each) => each.startsWith("{")) ?? "";
  try {
    return resolved.parse(JSON.parse(line));
  } catch {
    throw new UserError(
      "The store tool's answer has a format that this version cannot read. Is the bootstrap image of another version?",
    );
  }
}

const factors = { "": 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const;

/** `5GB`, `1.5 gb`, `800MB` or plain bytes. @throws UserError that says what is allowed */
export function parseSize(text: string): number {
  const [, figure = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmgt]?b)?$/i.exec(text.trim()) ?? [];
  const factor = factors[unit.toUpperCase() as keyof typeof factors];
  if (figure === "" || Number(figure) === 0) {
    throw new UserError(`--max-bytes ${text}: expected a size such as 5GB, 800MB or a number of bytes.`);
  }
  return Math.round(Number(figure) * factor);
}

/**
 * The lines for a person who pins a model: its size, the line of configuration, and a warning if the application loads
 * another model.
 *
 * @throws UserError for a model above the limit without `force`
 */
export function describePin(found: Resolved, { stack, maxBytes, force, application }: PinRequest): string[] {
  const { repo, revision, files, left, code } = found;
  const largest = [...files].sort((one, other) => other.size - one.size)[0];
  const size = `${bytes(found.bytes)} in ${files.length} ${files.length === 1 ? "file" : "files"}`;
  if (files.length === 0) {
    throw new UserError(`${repo} has no file that a server could load at ${revision}.`);
  }
  if (found.bytes > maxBytes && !force) {
    throw new UserError(
      `${repo} is ${size}, more than the limit of ${bytes(maxBytes)} (the largest: ${largest?.path ?? ""}, ${bytes(largest?.size ?? 0)}).\n` +
        "Is this the model that the application is configured for? A smaller variant has another name.\n" +
        "If it is, pin it with --force, or raise the limit with --max-bytes.",
    );
  }
  const warning =
    application === undefined || application === repo
      ? []
      : [
          "",
          `WARNING: the application is configured for ${application} (RERANKING_MODEL), which is not ${repo}. It would not find its model in the store.`,
        ];
  return [
    `${repo} is ${size} at commit ${revision}${left.length === 0 ? "" : `; ${left.length} more are left out (other formats)`}.`,
    "",
    `Below archon:models in Pulumi.${stack}.yaml:`,
    `    - { name: ${modelName(repo)}, repo: ${repo}, revision: ${revision} }`,
    ...warning,
    ...(code.length === 0
      ? []
      : [
          "",
          `WARNING: ${repo} has code of its own (${code.join(", ")}), which is not run. ` +
            "It can be used only if the installed packages know its architecture without that code.",
        ]),
  ];
}

/** A name for the configuration: 1 to 40 lower-case letters, digits, dots and hyphens. */
export function modelName(repo: string): string {
  const name = repo
    .slice(repo.indexOf("/") + 1)
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-");
  return name.slice(0, 40).replace(/^[.-]+|[.-]+$/g, "") || "model";
}
