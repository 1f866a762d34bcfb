import * as fs from "node:fs";
import * as path from "node:path";

/** A Pulumi CLI with its Node.js language host, and a home directory that holds every plugin. */
export interface PulumiTools {
  /** Absolute path, for PULUMI_HOME. */
  home: string;
  /** Absolute path of the directory to put before PATH; undefined when the CLI is found on PATH as it is. */
  binDirectory: string | undefined;
  /** Without a leading `v`. */
  version: string;
  origin: "path" | "download" | "built";
}

const recordName = "complete.json";

/**
 * What a directory of tools says of itself. The record is written last: a directory without one is half-made.
 *
 * @returns undefined for a directory that is half-made or missing
 */
export function readRecord<T>(directory: string): T | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(directory, recordName), "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

export function writeRecord(directory: string, record: object): void {
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, recordName), `${JSON.stringify(record)}\n`);
}

/** Puts a staged directory with `bin/` and `home/` in place: complete or not at all. */
export function publish(
  staging: string,
  directory: string,
  version: string,
  origin: PulumiTools["origin"],
): PulumiTools {
  writeRecord(staging, { version });
  // Whatever lies there has no record: it is the rest of something that was deleted half.
  fs.rmSync(directory, { recursive: true, force: true });
  fs.renameSync(staging, directory);
  return toolsIn(directory, version, origin);
}

/** The tools of a published directory, undefined when it is not complete. */
export function findPublished(directory: string, origin: PulumiTools["origin"]): PulumiTools | undefined {
  const record = readRecord<{ version: string }>(directory);
  return record && toolsIn(directory, record.version, origin);
}

function toolsIn(directory: string, version: string, origin: PulumiTools["origin"]): PulumiTools {
  return { home: path.join(directory, "home"), binDirectory: path.join(directory, "bin"), version, origin };
}
