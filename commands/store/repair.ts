import * as path from "node:path";
import { z } from "zod";
import { directoryRevision, isModelFile, readTree } from "../../lib/hashing";
import { readDecision } from "../lib/decisions";
import { projectRoot } from "../lib/paths";

/** What a damaged thing of a stack is brought from again. */
export interface Sources {
  /** Options of the store tool: indexes, wheels, hub. */
  options: string[];
  /** Directories of the host to mount read-only: where to, and what. */
  mounts: ReadonlyMap<string, string>;
  /** Models that come from a directory of the checkout, by what the store calls them. */
  directories: ReadonlyMap<string, string>;
}

const fromDirectory = z.object({ name: z.string(), directory: z.string() });

/** The sources that a stack is configured with. */
export function sourcesOf(stack: string): Sources {
  const text = (key: string): string => z.string().catch("").parse(readDecision(key, stack));
  const wheelhouse = text("wheelhouse");
  const more = z.array(z.string()).catch([]).parse(readDecision("pythonExtraIndexes", stack));
  return {
    options: [
      ...(text("pythonIndex") === "" ? [] : [`--index=${text("pythonIndex")}`]),
      ...more.map((url) => `--extra-index=${url}`),
      ...(wheelhouse === "" ? [] : ["--wheelhouse=/wheelhouse"]),
      ...(text("hubEndpoint") === "" ? [] : [`--endpoint=${text("hubEndpoint")}`]),
    ],
    mounts: new Map(wheelhouse === "" ? [] : [["/wheelhouse", wheelhouse]]),
    directories: new Map(directoryModels(readDecision("models", stack))),
  };
}

function directoryModels(configured: unknown): [target: string, directory: string][] {
  return z
    .array(z.unknown())
    .catch([])
    .parse(configured)
    .flatMap((model) => {
      const found = fromDirectory.safeParse(model);
      if (!found.success) {
        return [];
      }
      const directory = path.resolve(projectRoot, found.data.directory);
      return [[`models/local/${found.data.name}@${directoryRevision(readTree(directory, isModelFile))}`, directory]];
    });
}
