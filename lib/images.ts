import * as path from "node:path";
import { contentTag } from "./build-context";

/** An image that is built from the checkout. */
export interface ImageDefinition {
  repository: string;
  /** Directory that the build may read, relative to the checkout. */
  context: string;
  /** Path of the Dockerfile, relative to the context. */
  dockerfile: string;
}

/** Images that serve every application alike. */
export const IMAGES = {
  bootstrap: { repository: "archon-bootstrap", context: "store", dockerfile: "Dockerfile" },
  gateway: { repository: "archon-gateway", context: "gateway", dockerfile: "Dockerfile" },
} as const satisfies Record<string, ImageDefinition>;

/** What a build takes from the configuration and the machine. */
export interface BuildChoices {
  /** Absolute path of the checkout. */
  project: string;
  baseImage: string;
  pythonIndex: string;
  pythonExtraIndexes: readonly string[];
  /** Empty for npm's own. */
  npmRegistry: string;
  /** PEM file that the build trusts, given as a build secret so that it is in no layer. */
  caBundle: string | undefined;
}

/** How to build one image, and the reference that it then has, known before anything is built. */
export interface BuildRecipe {
  /** `repository:tag`; the tag stands for the Dockerfile, the files it reads and the content arguments. */
  reference: string;
  context: string;
  dockerfile: string;
  buildArgs: Readonly<Record<string, string>>;
  caBundle: string | undefined;
  /** File for the whole output of the build; the provider itself shows little of it. */
  logFile: string;
}

/**
 * How to build an image with what the configuration says.
 * @param more build arguments of this image alone; part of its tag. @default none
 */
export function buildRecipe(
  { repository, context: directory, dockerfile }: ImageDefinition,
  choices: BuildChoices,
  more: Readonly<Record<string, string>> = {},
): BuildRecipe {
  const context = path.join(choices.project, directory);
  const contentArgs = { ...contentArguments(choices.baseImage), ...more };
  return {
    reference: `${repository}:${contentTag(context, dockerfile, contentArgs)}`,
    context,
    dockerfile,
    buildArgs: { ...contentArgs, ...indexArguments(choices) },
    caBundle: choices.caBundle,
    logFile: path.join(choices.project, ".archon", "logs", `build-${repository}.log`),
  };
}

/** The build argument that every image takes and that is part of its tag. */
export function contentArguments(baseImage: string): Record<string, string> {
  return { BASE_IMAGE: baseImage };
}

/**
 * Build arguments that say where packages come from. They are not part of a tag, because hashes fix the packages. The
 * image's history shows them, so an address must not hold a password.
 */
function indexArguments({ pythonIndex, pythonExtraIndexes, npmRegistry }: BuildChoices): Record<string, string> {
  return { PYTHON_INDEX: pythonIndex, PYTHON_EXTRA_INDEX: pythonExtraIndexes.join(" "), NPM_REGISTRY: npmRegistry };
}
