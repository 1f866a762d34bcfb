import * as fs from "node:fs";
import { APPLICATION_REPOSITORIES } from "../../applications/application";
import { LIST_ROOTS, otherReferences } from "../../lib/collection-queries.cjs";
import { containerJob, MOUNT_SOURCE_MISSING } from "../../lib/container-job";
import { isLocal } from "../../lib/host";
import { IMAGES } from "../../lib/images";
import { dockerEnvironment, liveContainers, localImages } from "../lib/docker";
import { CommandError, run } from "../lib/run";

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
  const [containers, images] = await Promise.all([liveContainers(engineHost), projectImages(engineHost)]);
  const mounted = containers.flatMap(({ bindSources, labels }) => {
    const [project, stack, models] = ["project", "stack", "models"].map((name) => labels[`io.archon.${name}`] ?? "");
    return bindSources.map((source) => ({
      path: source,
      stack: `${project ?? ""}-${stack ?? ""}`,
      models: models ?? "",
    }));
  });
  return { root, mounted, images: images.filter((reference) => reference !== ownImage).sort() };
}

/** References of the images on the engine that this project builds, of every application. */
export function projectImages(engineHost: string | undefined): Promise<string[]> {
  const shared = Object.values(IMAGES).map(({ repository }) => repository);
  return localImages([...shared, ...APPLICATION_REPOSITORIES], engineHost);
}

/**
 * The GC roots of the other stores on this engine: directories of the host by where to mount them. A store that was
 * removed by hand is left out. An update lets Docker make an empty directory in its place, but a dry run must not write.
 */
export async function otherStores(root: string, engineHost: string): Promise<Map<string, string>> {
  const listed = await run("docker", LIST_ROOTS, { environment: dockerEnvironment(engineHost) });
  const existing = new Map<string, string>();
  for (const { source, target } of otherReferences(listed, root)) {
    if (await directoryExists(source, engineHost)) {
      existing.set(target, source);
    }
  }
  return existing;
}

/**
 * Whether the host has a directory. Where this machine has none, the engine is asked: it may see another file system, or
 * this user may not look into the directory above. An engine without the store tool's image cannot be asked, and counts
 * as without the directory.
 */
export async function directoryExists(directory: string, engineHost: string): Promise<boolean> {
  if (isLocal(engineHost) && fs.existsSync(directory)) {
    return true;
  }
  const [image] = await localImages([IMAGES.bootstrap.repository], engineHost);
  if (image === undefined) {
    return false;
  }
  const job = containerJob({
    image,
    command: [],
    labels: { component: "one-shot" },
    mounts: [{ source: directory, target: "/directory" }],
    entrypoint: "/bin/true",
  });
  try {
    await run("docker", job, { environment: dockerEnvironment(engineHost) });
    return true;
  } catch (error) {
    if (isMissingMount(error)) {
      return false;
    }
    throw error;
  }
}

/** Whether the engine refused a container because the host has no such directory to mount. */
export function isMissingMount(error: unknown): boolean {
  return error instanceof CommandError && error.lastLines.some((line) => line.includes(MOUNT_SOURCE_MISSING));
}
