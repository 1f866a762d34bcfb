import * as fs from "node:fs";
import * as path from "node:path";
import { referenceServer } from "../../applications/reference/application";
import { IMAGES } from "../../lib/images";
import { liveContainers, localImages, networkLabels } from "../lib/docker";

/** Repositories of the images that releases are made of. */
const releaseRepositories: readonly string[] = [...Object.values(IMAGES), referenceServer.image].map(
  ({ repository }) => repository,
);

/** Label of a stack's network whose value is the path of the store that the stack uses. */
const rootLabel = "io.archon.root";

/** What the store tool must know about the engine before a garbage collection. */
export interface EngineUsage {
  root: string;
  /**
   * Directories of the host that live containers have mounted, whoever owns them; for a server also its stack and its
   * snapshots.
   */
  mounted: { path: string; stack: string; models: string }[];
  /** Images that may be removed if nothing refers to them. */
  images: string[];
}

/**
 * Reads from the engine what a garbage collection must know.
 *
 * @param ownImage image that this command itself uses, which therefore stays
 */
export async function engineUsage(
  root: string,
  ownImage: string,
  engineHost: string | undefined,
): Promise<EngineUsage> {
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
  return { root, mounted, images: images.filter((reference) => reference !== ownImage).sort() };
}

/**
 * The directories with the GC roots of the other stores on this engine: images belong to the engine, so stacks of another
 * store may need them.
 * @returns directories of the host by where to mount them
 */
export async function otherReferences(root: string, engineHost: string | undefined): Promise<Map<string, string>> {
  const roots = (await networkLabels(rootLabel, engineHost)).filter(
    (other) => path.resolve(other) !== path.resolve(root),
  );
  const directories = roots
    .map((other) => path.join(other, "refs"))
    .filter((directory) => mayExist(directory, engineHost));
  return new Map(directories.map((directory, index) => [`/references/${index}`, directory]));
}

/** Whether a directory exists. One on another machine counts as existing, because it cannot be seen from here. */
function mayExist(directory: string, engineHost: string | undefined): boolean {
  const local = engineHost === undefined || engineHost.startsWith("unix:");
  return !local || fs.existsSync(directory);
}
