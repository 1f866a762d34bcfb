import { archon } from "../../lib/command-line";
import { DEBIANS, type PythonVersion } from "../../config/python";
import { UserError } from "../../lib/errors";
import { dockerEnvironment, imageExists } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { CommandError, run } from "../lib/run";
import { hasApt, readOsRelease } from "./apt";
import { buildBaseImage } from "./debootstrap";
import { isRoot } from "./docker";

/** The name of the image that the set-up builds itself; no published image has it. */
export function ownBaseImage(python: PythonVersion): string {
  return `archon-base:${DEBIANS[python].suite}-python${python}`;
}

export interface BaseImageRequest {
  /** The version that it must have. */
  python: PythonVersion;
  /** `archon:baseImage` of the stack, which is then the only acceptable image; undefined for "auto". */
  configured: string | undefined;
  /** The image that an earlier set-up of this checkout chose. Another one would change the key of every environment. */
  recorded: string | undefined;
  /** PEM bundle that an image built here must trust. */
  caBundle: string | undefined;
  engineHost: string | undefined;
}

/**
 * Makes the base image available to the engine and returns its reference: from the engine, from its registry, or built
 * here.
 */
export async function ensureBaseImage(request: BaseImageRequest, progress: Progress): Promise<string> {
  const { python, engineHost, caBundle } = request;
  const { suite, image } = DEBIANS[python];
  const own = ownBaseImage(python);
  const preferred = request.configured ?? image;
  const acceptable = request.configured === undefined ? [request.recorded, image, own] : [preferred];
  for (const reference of acceptable) {
    if (reference !== undefined && (await imageExists(reference, engineHost))) {
      return reference;
    }
  }
  const failure = await pull(preferred, engineHost, progress);
  if (failure === undefined) {
    return preferred;
  }
  if (request.configured !== undefined) {
    throw new UserError(
      `The base image ${preferred} (archon:baseImage) is not in the Docker engine and cannot be pulled:\n  ${failure}\n` +
        `Load it with \`docker load\`, or choose another with \`${archon("pulumi config set archon:baseImage NAME")}\`.`,
    );
  }
  if (!hasApt(readOsRelease()) || !isRoot()) {
    throw new UserError(
      `The base image ${preferred} cannot be pulled:\n  ${failure}\n` +
        `Building one from Debian's packages instead needs root on Debian or Ubuntu; this is ${readOsRelease().prettyName}` +
        `${isRoot() ? "" : ", and not root"}.\n` +
        "Make the registry reachable for the Docker engine (a mirror or proxy in its daemon.json), or " +
        `load an image that has Python ${python} with ` +
        `\`docker load\` and name it with \`${archon("pulumi config set archon:baseImage NAME")}\`.`,
    );
  }
  progress.message(`${preferred} cannot be pulled (${failure}).`);
  await buildBaseImage({ suite, reference: own, engineHost, caBundle }, progress);
  return own;
}

/** Seconds for about 50 MB, so that the set-up does not wait for ever for a slow registry. */
const pullSeconds = 900;

/** Pulls an image. Returns the engine's error message, or undefined when it worked. */
async function pull(
  reference: string,
  engineHost: string | undefined,
  progress: Progress,
): Promise<string | undefined> {
  let layers = 0;
  let complete = 0;
  progress.update(0, 0, `pulling ${reference}`);
  try {
    await run("docker", ["pull", reference], {
      environment: dockerEnvironment(engineHost),
      timeoutSeconds: pullSeconds,
      log: "base-image-pull",
      onLine: (line) => {
        layers += line.endsWith(": Pulling fs layer") ? 1 : 0;
        complete += line.endsWith(": Pull complete") ? 1 : 0;
        progress.update(complete, layers, `pulling ${reference}`);
      },
    });
    return undefined;
  } catch (error) {
    if (error instanceof CommandError) {
      return error.lastLines.at(-1) ?? error.outcome;
    }
    throw error;
  }
}
