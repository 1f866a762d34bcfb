import { z } from "zod";
import type { EngineUse } from "./report";

const rowSchema = z.object({ Type: z.string(), TotalCount: z.string(), Size: z.string() });

/** Reads what `docker system df --format '{{json .}}'` prints: one document a line. */
export function parseEngineUse(printed: string): EngineUse[] {
  return printed
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => rowSchema.parse(JSON.parse(line)))
    .map(({ Type, TotalCount, Size }) => ({ kind: Type, count: Number(TotalCount), bytes: parseSize(Size) }));
}

const units: Readonly<Record<string, number>> = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** Bytes of a size as Docker prints it for people, such as `1.865GB`. */
function parseSize(text: string): number {
  const [, value = "0", unit = "B"] = /^([\d.]+) ?([kKMGT]?B)/.exec(text) ?? [];
  return Math.round(Number(value) * (units[unit] ?? 1));
}
