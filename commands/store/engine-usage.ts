import * as fs from "node:fs";
import { deployedApplication } from "../../applications/deployed";
import { LIST_ROOTS, otherReferences } from "../../lib/collection-queries.cjs";
import { isLocal } from "../../lib/host";
import { IMAGES } from "../../lib/images";
import { dockerEnvironment, liveContainers, localImages } from "../lib/docker";
import { run } from "../lib/run";

/** Repositories of the images that releases are made of. */
const releaseRepositories: readonly string[] = [...Object.values(IMAGES), deployedApplication.image].map(
  ({ repository }) => repository,
);

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
 * The GC roots of the other stores on this engine: directories of the host by where to mount them. A store that was
 * removed by hand is left out. An update lets Docker make an empty directory in its place, but a dry run must not write.
 */
export async function otherStores(root: string, engineHost: string | undefined): Promise<Map<string, string>> {
  const listed = await run("docker", LIST_ROOTS, { environment: dockerEnvironment(engineHost) });
  return new Map(
    otherReferences(listed, root)
      .filter(({ source }) => mayExist(source, engineHost))
      .map(({ source, target }) => [target, source]),
  );
}

/** Whether a directory exists. One on another machine counts as existing, because it cannot be seen from here. */
export function mayExist(directory: string, engineHost: string | undefined): boolean {
  const local = engineHost === undefined || isLocal(engineHost);
  return !local || fs.existsSync(directory);
}
