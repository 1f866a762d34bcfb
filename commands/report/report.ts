import type { BenchResult } from "../bench/result";
import type { Layer } from "../lib/docker";

/** What a stack takes and how long its changes took, measured now. Sizes are in bytes, times in seconds. */
export interface Report {
  stack: string;
  /** When it was made, ISO 8601. */
  measured: string;
  release: string;
  /** What the release runs: `reference`, `archon` or `python`. */
  application: string;
  image: { reference: string; bytes: number; layers: readonly Layer[] };
  /** The images of further roles. */
  roles: readonly { role: string; reference: string; bytes: number }[];
  environment: { key: string; bytes: number };
  models: readonly { name: string; snapshot: string; bytes: number }[];
  /** What the engine keeps for everything that runs on it, as `docker system df` says. */
  engine: readonly EngineUse[];
  times: readonly Duration[];
  sharing: Sharing;
  memory: Memory;
  /** The last comparison with baked images on this machine; null before the first one. */
  savings: BenchResult | null;
}

export interface EngineUse {
  /** Such as `Images` or `Build Cache`. */
  kind: string;
  count: number;
  bytes: number;
}

/** How long something took when it was last done. */
export interface Duration {
  what: string;
  seconds: number;
  /** When it ended, ISO 8601; null where that is not recorded. */
  ended: string | null;
}

/** What the environments and models of all releases take on the disk. */
export interface Sharing {
  trees: readonly { name: string; bytes: number }[];
  /** Every file once, however many hard links it has. */
  together: number;
}

/** The memory of the servers. `pss` counts a page that several processes share once, `rss` for each of them. */
export interface Memory {
  servers: readonly { name: string; rss: number; pss: number }[];
}

export function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
