import * as fs from "node:fs";
import * as path from "node:path";
import { run } from "../lib/run";

/** One executable and the Go module in `toolchain/` that it is built from. */
export interface Binary {
  name: string;
  module: string;
  /** Import path. */
  package: string;
  /** Further arguments of `go build`. */
  flags: readonly string[];
  /** Seconds on 2 cores with empty caches, downloads included: its share of the progress. */
  seconds: number;
}

/** Gets the finished share, between 0 and 1, and what is being worked on. */
export type Report = (share: number, detail: string) => void;

/** Shares of a cold build: fetching modules, compiling packages, linking. */
const fetchedShare = 0.3;
const compiledShare = 0.95;

/**
 * Compiles one executable.
 *
 * @param source directory of its module
 * @param file where the executable goes
 */
export async function compile(binary: Binary, source: string, file: string, report: Report): Promise<void> {
  const options = { cwd: source, environment: goEnvironment() };

  let fetched = 0;
  const modules = countModules(source);
  const packages = await run("go", ["list", "-deps", ...tagsOf(binary), binary.package], {
    ...options,
    onLine: (line) => {
      const module = /^go: downloading (.+)$/.exec(line)?.[1];
      if (module !== undefined) {
        fetched += 1;
        report(fetchedShare * Math.min(fetched / modules, 1), `fetching ${module}`);
      }
    },
  });

  // `go build -v` names what it compiles, not what it finds in its cache: a warm build ends early.
  let compiled = 0;
  const total = packages.trim().split("\n").length;
  report(fetchedShare, "compiling");
  await run("go", ["build", "-v", "-trimpath", ...binary.flags, "-o", file, binary.package], {
    ...options,
    onLine: (line) => {
      compiled += 1;
      report(fetchedShare + (compiledShare - fetchedShare) * Math.min(compiled / total, 1), line);
    },
  });
  report(1, "built");
}

/** Variables for a build without a C compiler and without a workspace, which does not change go.mod and go.sum. */
export function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "-mod=readonly -buildvcs=false" };
}

function tagsOf({ flags }: Binary): string[] {
  const tags = flags.indexOf("-tags");
  return tags === -1 ? [] : flags.slice(tags, tags + 2);
}

/** Lines of the form `path v1.2.3` in go.mod: every module that may be fetched. */
function countModules(source: string): number {
  return fs.readFileSync(path.join(source, "go.mod"), "utf8").match(/^\s+\S+ v\S+/gm)?.length ?? 1;
}
