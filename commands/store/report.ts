import { z } from "zod";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { bytes, table } from "../lib/render";

/** Bytes. The tool gives none for an object whose manifest is damaged; `verify` names it. */
const size = z
  .number()
  .nullable()
  .transform((count) => count ?? 0);
const stackNames = z.array(z.string()).default([]);

/** The store tool's report of a garbage collection. Bytes are what the disk gets back. */
const collection = z.object({
  dryRun: z.boolean(),
  environments: z.array(z.object({ key: z.string(), bytes: size })),
  models: z.array(z.object({ model: z.string(), bytes: size })),
  caches: z.object({ wheels: size, bytecode: size }),
  staging: size,
  images: z.array(z.string()),
  bytes: size,
});
export type Collection = z.infer<typeof collection>;

/** The store tool's list of what is in a store. */
const inventory = z.object({
  environments: z.array(z.object({ key: z.string(), bytes: size, usedBy: stackNames })),
  models: z.array(z.object({ model: z.string(), bytes: size, proven: z.boolean().default(false), usedBy: stackNames })),
  caches: z.object({ wheels: size, bytecode: size }),
  staging: size,
  data: z.array(z.object({ path: z.string(), bytes: size })),
  references: z.array(z.object({ stack: z.string(), updated: z.string() })),
  /** Whose deployment has claimed a stack, by `<project>-<stack>`: ended by its `destroy`. */
  owners: z.record(z.string(), z.string()).default({}),
});
export type Inventory = z.infer<typeof inventory>;

/** Reads the report in the store tool's output: the last line that is JSON. */
export function parseCollection(stdout: string): Collection {
  return parse(collection, lastJsonLine(stdout));
}

/** Reads what `list --json` printed, on one line or many. */
export function parseInventory(stdout: string): Inventory {
  return parse(inventory, stdout.slice(Math.max(stdout.search(/^\{/m), 0)));
}

function lastJsonLine(stdout: string): string {
  return stdout.split("\n").findLast((line) => line.startsWith("{")) ?? "";
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new UserError(
      `The store tool's report has a format that this version cannot read: ${text.slice(0, 200) || "there is none"}.\nRun the command from the checkout that deployed the stack, or update the stack with \`${archon("pulumi up")}\`.`,
    );
  }
  return result.data;
}

/** What was or would be removed, with its size. */
export function describeCollection({
  dryRun,
  environments,
  models,
  caches,
  staging,
  bytes: total,
}: Collection): string[] {
  const rows = [
    ...environments.map((each) => ["environment", each.key, bytes(each.bytes)]),
    ...models.map((each) => ["model", each.model, bytes(each.bytes)]),
    ...(caches.wheels > 0 ? [["cache", "wheels", bytes(caches.wheels)]] : []),
    ...(caches.bytecode > 0 ? [["cache", "byte code", bytes(caches.bytecode)]] : []),
    ...(staging > 0 ? [["partial", "staging", bytes(staging)]] : []),
  ];
  if (rows.length === 0) {
    return ["The store holds nothing to remove."];
  }
  return [...table(rows, [2]), `${dryRun ? "Would free" : "Freed"} ${bytes(total)} in the store.`];
}

/** What a store holds, and which stacks refer to it. */
export function describeInventory({ environments, models, caches, data, references }: Inventory): string[] {
  const users = (names: readonly string[]): string =>
    names.length === 0 ? "used by no stack" : `used by ${names.join(", ")}`;
  const rows = [
    ...environments.map(({ key, bytes: count, usedBy }) => ["environment", key, bytes(count), users(usedBy)]),
    ...models.map(({ model, bytes: count, usedBy }) => ["model", model, bytes(count), users(usedBy)]),
    ["caches", "wheels and byte code", bytes(caches.wheels + caches.bytecode), ""],
    ...data.map(({ path, bytes: count }) => ["data", path, bytes(count), "documents and settings"]),
  ];
  const stacks = references.map(({ stack, updated }) => `${stack} (last update ${updated})`);
  return [
    ...table(rows, [2]),
    stacks.length === 0 ? "No stack refers to it." : `Stacks that refer to it: ${stacks.join(", ")}.`,
  ];
}
