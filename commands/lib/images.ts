import * as fs from "node:fs";
import * as path from "node:path";
import { buildRecipe, type BuildRecipe, type ImageDefinition, type ImageOptions } from "../../lib/images";
import { configuredValue, packageIndexes, stackHost } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";
import { containerProxies } from "../../lib/proxies";
import { dockerEnvironment, imageExists } from "./docker";
import type { Progress } from "./progress";
import { CommandError, run } from "./run";
import { atLeast } from "./version";

/**
 * Builds an image of this project unless the engine has it; returns its reference, whose tag stands for its content.
 * The Pulumi program computes the same reference for the same stack.
 *
 * @param stack whose engine, base image, authorities and package indexes the build uses
 */
export async function ensureImage(
  image: ImageDefinition,
  stack: string,
  progress: Progress,
  options: ImageOptions = {},
): Promise<string> {
  const { dockerHost } = stackHost(stack);
  const { reference, context, dockerfile, buildArgs, secrets } = recipeFor(image, stack, options);
  if (await imageExists(reference, dockerHost)) {
    return reference;
  }
  const [client, ...build] = await buildCommand(searchPath());
  progress.message(`Building ${reference} from ${image.context}/${image.dockerfile}`);
  await run(
    client,
    [
      ...build,
      "--progress=plain",
      `--file=${path.resolve(context, dockerfile)}`,
      `--tag=${reference}`,
      ...Object.entries(buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
      // By name alone: an address may hold a password, and every user sees the arguments.
      ...Object.keys(containerProxies()).map((name) => `--build-arg=${name}`),
      ...Object.entries(secrets).map(([id, src]) => `--secret=id=${id},src=${src}`),
      context,
    ],
    {
      environment: { ...dockerEnvironment(dockerHost), DOCKER_BUILDKIT: "1" },
      log: `build-${image.repository}`,
      onLine: (line) => progress.update(0, 0, line.replace(/^#\d+ (?:[\d.]+ )?/, "")),
    },
  );
  return reference;
}

/** The reference that an image of this checkout has on a stack's engine, whether it is built already or not. */
export function imageReference(image: ImageDefinition, stack: string): string {
  return recipeFor(image, stack, {}).reference;
}

function recipeFor(image: ImageDefinition, stack: string, options: ImageOptions): BuildRecipe {
  const { baseImage, caBundle } = stackHost(stack);
  const choices = {
    project: projectRoot,
    baseImage,
    caBundle,
    npmRegistry: configuredValue("npmRegistry", stack),
    ...packageIndexes(stack),
  };
  return buildRecipe(image, choices, options);
}

/** The directories on PATH. */
export function searchPath(): string[] {
  return (process.env.PATH ?? "").split(path.delimiter).filter((directory) => directory !== "");
}

/**
 * A client that builds with BuildKit, and the arguments that come before the options. Since release 23 a client needs the
 * plugin buildx for that. An older client elsewhere on PATH, such as Debian's, does not.
 *
 * @param directories where to look for clients, in this order
 * @throws UserError when no client can build
 */
export async function buildCommand(directories: readonly string[]): Promise<[client: string, ...args: string[]]> {
  const clients = directories.map((directory) => path.join(directory, "docker")).filter((file) => fs.existsSync(file));
  for (const client of clients) {
    if (await works(client, ["buildx", "version"])) {
      return [client, "buildx", "build", "--load"];
    }
    // `--version` needs no engine: "Docker version 20.10.24+dfsg1, build 297e128".
    const version = /version ([^,\s]+)/.exec(await run(client, ["--version"]))?.[1];
    if (version !== undefined && !atLeast(version, "23")) {
      return [client, "build"];
    }
  }
  throw new UserError(
    `Building an image needs a docker client with BuildKit, but ${clients.length === 0 ? "there is no docker on PATH" : `${clients.join(", ")} has none`}.\n` +
      "Install its plugin buildx (on Debian and Ubuntu `apt-get install docker-buildx`), then run this command again.",
  );
}

async function works(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(command, args);
    return true;
  } catch (error) {
    if (error instanceof CommandError) {
      return false;
    }
    throw error;
  }
}
