import * as path from "node:path";
import { directoryRevision, sha256OfFile } from "../lib/hashing";
import { readModelDirectory, type ModelDirectory } from "../lib/model-directory";
import type { ModelEntry } from "./schema";

/** A model at one commit. */
export interface Model {
  name: string;
  /** `<organisation>/<name>` on the hub; `local/<name>` for a model that does not come from there. */
  repo: string;
  /** Commit, 40 hex digits. */
  revision: string;
  /** Precision of its weights in memory; "auto" is what suits the processor. */
  variant: "auto" | "float32" | "bfloat16" | "int8";
  /** Absolute; set for a model from the checkout. */
  directory?: string;
  /** Name of the model that it is derived from; set for a derived one. */
  from?: string;
}

/**
 * The model that an entry of `archon:models` stands for. The commit of a model from a directory is computed from its
 * files.
 * @param project absolute path of the checkout
 * @param read the content of its directory, if that was read already
 */
export function modelOf(project: string, entry: ModelEntry, read?: ModelDirectory): Model {
  if ("repo" in entry) {
    return entry;
  }
  const repo = `local/${entry.name}`;
  if ("from" in entry) {
    return { ...entry, repo };
  }
  const directory = path.resolve(project, entry.directory);
  const { files } = read ?? readModelDirectory(directory);
  const revision = directoryRevision(
    files.map((file) => ({ path: file, sha256: sha256OfFile(path.join(directory, file)) })),
  );
  return { name: entry.name, repo, revision, variant: entry.variant, directory };
}
