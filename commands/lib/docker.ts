import { stackHost } from "../../config/stack";
import { bindSources, LIST_LIVE_CONTAINERS, type Mount } from "../../lib/collection-queries.cjs";
import { CommandError, run } from "./run";

/**
 * The environment variables with which a Docker client reaches the engine at `host`.
 * @param host address of the engine; undefined for the one that `environment` says
 */
export function dockerEnvironment(
  host: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  return host === undefined ? environment : { ...environment, DOCKER_HOST: host };
}

/** The environment variables with which a Docker client reaches the engine of a stack. */
export function engineEnvironment(stack: string, environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return dockerEnvironment(stackHost(stack).dockerHost, environment);
}

/** Whether the engine at `host` has an image by this reference. */
export async function imageExists(reference: string, host: string | undefined): Promise<boolean> {
  return (await askAbout(reference, host, ["image", "inspect", "--format", "{{.Id}}"])) !== undefined;
}

/** A layer of an image. */
export interface Layer {
  /** Bytes that it takes unpacked. */
  bytes: number;
  /** The instruction of the Dockerfile that made it, as the engine abbreviates it. */
  instruction: string;
}

/** The layers of an image, the newest first, or undefined when the engine at `host` does not have it. */
export async function imageLayers(reference: string, host: string | undefined): Promise<Layer[] | undefined> {
  const listed = await askAbout(reference, host, [
    "history",
    "--no-trunc",
    "--human=false",
    "--format",
    "{{.Size}} {{.CreatedBy}}",
  ]);
  if (listed === undefined) {
    return undefined;
  }
  return lines(listed).map((line) => {
    const [, size = "0", instruction = ""] = /^(\d+) (.*)$/.exec(line) ?? [];
    return { bytes: Number(size), instruction: instruction.replace(/^\/bin\/sh -c (#\(nop\) +)?/, "") };
  });
}

/**
 * Bytes that an image and everything below it take unpacked, or undefined when the engine at `host` does not have it.
 * They are the sum of its layers: the size that `docker image inspect` shows is, by engine, that of the unpacked layers,
 * of the compressed ones, or of both.
 */
export async function imageSize(reference: string, host: string | undefined): Promise<number | undefined> {
  return (await imageLayers(reference, host))?.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What the engine says about an image, or undefined when it does not have it. */
async function askAbout(
  reference: string,
  host: string | undefined,
  question: readonly string[],
): Promise<string | undefined> {
  try {
    return await run("docker", [...question, reference], { environment: dockerEnvironment(host) });
  } catch (error) {
    if (error instanceof CommandError) {
      return undefined;
    }
    throw error;
  }
}

/** A container that runs or may start at any moment: paused, restarting, or just made by an update. */
export interface LiveContainer {
  name: string;
  labels: Readonly<Record<string, string>>;
  /** Paths of the host that it has mounted. */
  bindSources: readonly string[];
}

interface Inspected {
  Name: string;
  Config: { Labels: Record<string, string> | null };
  Mounts: Mount[];
}

/** How often the engine is asked: a container may be removed between `docker ps` and `docker inspect`. */
const inspections = 5;

/** Every live container of the engine at `host`, whoever owns it. */
export async function liveContainers(host: string | undefined): Promise<LiveContainer[]> {
  const environment = dockerEnvironment(host);
  for (let left = inspections; ; left -= 1) {
    const ids = lines(await run("docker", LIST_LIVE_CONTAINERS, { environment }));
    try {
      return ids.length === 0
        ? []
        : parseContainers(await run("docker", ["inspect", "--type=container", ...ids], { environment }));
    } catch (error) {
      if (!(error instanceof CommandError) || left <= 1) {
        throw error;
      }
    }
  }
}

/** Reads what `docker inspect` says of containers. */
export function parseContainers(json: string): LiveContainer[] {
  return (JSON.parse(json) as Inspected[]).map(({ Name, Config, Mounts }) => ({
    name: Name.replace(/^\//, ""),
    labels: Config.Labels ?? {},
    bindSources: bindSources(Mounts),
  }));
}

/** Names of the running containers with these labels, which are named without the prefix `io.archon.`. */
export async function labelledContainers(
  labels: Readonly<Record<string, string>>,
  host: string | undefined,
): Promise<string[]> {
  const filters = Object.entries(labels).map(([name, value]) => `--filter=label=io.archon.${name}=${value}`);
  const listed = await run("docker", ["ps", "--format", "{{.Names}}", ...filters], {
    environment: dockerEnvironment(host),
  });
  return lines(listed);
}

/** References of the local images in these repositories. */
export async function localImages(repositories: readonly string[], host: string | undefined): Promise<string[]> {
  const listed = await run("docker", ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], {
    environment: dockerEnvironment(host),
  });
  return lines(listed).filter(
    (reference) => repositories.includes(reference.replace(/:[^:]*$/, "")) && !reference.endsWith(":<none>"),
  );
}

/** References of the images that containers were made from, stopped ones too. */
export async function imagesOfContainers(host: string | undefined): Promise<ReadonlySet<string>> {
  return new Set(
    lines(await run("docker", ["ps", "--all", "--format", "{{.Image}}"], { environment: dockerEnvironment(host) })),
  );
}

/**
 * Removes an image, unless something uses it.
 * @returns the engine's reason for keeping it, or undefined if it was removed
 */
export async function removeImage(reference: string, host: string | undefined): Promise<string | undefined> {
  try {
    await run("docker", ["image", "rm", reference], { environment: dockerEnvironment(host) });
    return undefined;
  } catch (error) {
    if (error instanceof CommandError) {
      return error.lastLines.at(-1)?.replace(/^Error response from daemon: /, "") ?? error.outcome;
    }
    throw error;
  }
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
