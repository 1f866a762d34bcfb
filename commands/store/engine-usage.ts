import * as fs from "node:fs";
import * as path from "node:path";
import { referenceServer } from "../../applications/reference/application";
import { IMAGES } from "../../lib/images";
import { liveContainers, localImages, networkLabels } from "../lib/docker";

/** Repositories of the images that releases are made of. */
const releaseRepositories: readonly string[] = [...Object.values(IMAGES), referenceServer.image].map(
  ({ repository }) => repository,
);

/** Label of every stack's network: the store that the stack uses. */
const rootLabel = "io.archon.root";

/** What the store tool has to know of the engine before it collects. */
export interface EngineUsage {
  root: string;
  /** What live containers have mounted of the host, whosever they are; of a server also its stack and the snapshots that it serves. */
  mounted: { path: string; stack: string; models: string }[];
  /** Images that may go if nothing refers to them. */
  images: string[];
}

/**
 * What of the engine counts for a collection.
 *
 * @param keep image that is in use by this command itself
 */
export async function engineUsage(root: string, keep: string, engineHost: string | undefined): Promise<EngineUsage> {
  const [containers, images] = await Promise.all([
    liveContainers(engineHost),
    localImages(releaseRepositories, engineHost),
  ]);
  const mounted = containers.flatMap(({ bindSources, labels }) => {
    const [owner, stack, models] = ["project", "stack", "models"].map((name) => labels[`io.archon.${name}`] ?? "");
    return bindSources.map((source) => ({
      path: source,
      stack: `${owner ?? ""}-${stack ?? ""}`,
      models: models ?? "",
    }));
  });
  return { root, mounted, images: images.filter((reference) => reference !== keep).sort() };
}

/**
 * The references of the other stores on this engine: images belong to the engine, so another store's stacks may need them.
 * @returns where to mount, and what
 */
export async function otherReferences(root: string, engineHost: string | undefined): Promise<Map<string, string>> {
  const roots = (await networkLabels(rootLabel, engineHost)).filter(
    (other) => path.resolve(other) !== path.resolve(root),
  );
  const directories = roots
    .map((other) => path.join(other, "refs"))
    .filter((directory) => isThere(directory, engineHost));
  return new Map(directories.map((directory, index) => [`/references/${index}`, directory]));
}

/** A store that was removed by hand has nothing to say. That of another machine cannot be seen from here, and counts as there. */
function isThere(directory: string, engineHost: string | undefined): boolean {
  const local = engineHost === undefined || engineHost.startsWith("unix:");
  return !local || fs.existsSync(directory);
}
