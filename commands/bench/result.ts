import * as fs from "node:fs";
import * as path from "node:path";
import { z } from "zod";
import { writeAtomically } from "../../lib/files";
import { cacheDirectory } from "../../lib/paths";
import { table } from "../lib/render";
import { machineSchema, machineLine } from "./machine";

const resultSchema = z.object({
  benchmark: z.enum(["store", "fetch", "relevance", "server", "rollback", "search"]),
  /** When it ended, ISO 8601. */
  measured: z.string(),
  /** Commit of the checkout, with `-dirty` when files differed from it; absent outside a git checkout. */
  commit: z.string().optional(),
  machine: machineSchema,
  rows: z.array(
    z.object({
      what: z.string(),
      /** Such as `s` or `MB`; empty for a number without one. */
      unit: z.string(),
      /** By the name of the column. */
      values: z.record(z.string(), z.number()),
    }),
  ),
});

/** What a benchmark measured. */
export type BenchResult = z.infer<typeof resultSchema>;
export type Row = BenchResult["rows"][number];

/** A result for people: the table, and the machine below it. */
export function describeResult({ rows, machine, measured, commit }: BenchResult): string[] {
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  const header = ["", ...columns, ""];
  const lines = rows.map(({ what, unit, values }) => [what, ...columns.map((name) => number(values[name])), unit]);
  return [
    ...table(
      [header, ...lines],
      columns.map((_, index) => index + 1),
    ),
    "",
    machineLine(machine),
    `Measured ${measured}${commit === undefined ? "" : ` at commit ${commit.replace(/^(.{10})[0-9a-f]*/, "$1")}`}`,
  ];
}

/** Three digits that count, never in powers of ten. */
function number(value: number | undefined): string {
  return value === undefined ? "–" : Number(value.toPrecision(3)).toString();
}

/** The value below which a share of the values lie; NaN of none. @param sorted the smallest first */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

/** Keeps a result, so that `./archon report` can show what this machine measured last. */
export function keepResult(result: BenchResult): void {
  writeAtomically(resultFile(result.benchmark), `${JSON.stringify(result, undefined, 2)}\n`, 0o644);
}

/** The last result of a benchmark on this machine; undefined before the first one, and for one of another format. */
export function lastResult(benchmark: BenchResult["benchmark"]): BenchResult | undefined {
  try {
    return resultSchema.parse(JSON.parse(fs.readFileSync(resultFile(benchmark), "utf8")));
  } catch {
    return undefined;
  }
}

/** Every checkout of a user shares it: it is the machine that was measured. */
function resultFile(benchmark: string): string {
  return path.join(cacheDirectory(), "bench", `${benchmark}.json`);
}
