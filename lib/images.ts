import * as fs from "node:fs";
import * as path from "node:path";
import { contentTag } from "./build-context";
import { sha256 } from "./hashing";

/** An image that is built from the checkout. */
export interface ImageDefinition {
  repository: string;
  /** Directory that the build may read: relative to the checkout, or absolute. */
  context: string;
  /** Path of the Dockerfile: relative to the context, or absolute. */
  dockerfile: string;
  /**
   * Absolute paths of files outside the context that the build reads, by the id of the build secret that carries them:
   * where the context is somebody else's checkout, nothing else can. Their hashes are part of the tag. @default none
   */
  files?: Readonly<Record<string, string>>;
  /** Build arguments that are part of its tag. @default none */
  args?: Readonly<Record<string, string>>;
  /**
   * What enters the image of the files that the Dockerfile copies, where it leaves out others: paths below the context.
   * The tag stands for them alone. @default everything that it copies
   */
  paths?: readonly string[];
}

/**
 * Whether a reference names an image of a registry, by digest (`repository@sha256:…`). Images that are built here have a
 * tag.
 */
export function isPulled(reference: string): boolean {
  return reference.includes("@");
}

/** What tells an image from others of its repository, for people: its tag, or the first 12 digits of its digest. */
export function imageVersion(reference: string): string {
  const version = reference.replace(/^.*:/, "");
  return isPulled(reference) ? version.slice(0, 12) : version;
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
  /** Absolute paths of the files of build secrets, by id. */
  secrets: Readonly<Record<string, string>>;
  /** File for the whole output of the build; the provider itself shows little of it. */
  logFile: string;
  /** References of other images of the checkout that the build reads, which must exist first. */
  needs: readonly string[];
}

/** What is particular to one image. */
export interface ImageOptions {
  /** Build arguments that are part of its tag. @default none */
  args?: Readonly<Record<string, string>>;
  /** Images of the checkout that it is built from, by build argument; part of its tag. @default none */
  parents?: Readonly<Record<string, string>>;
  /** Images of the checkout whose programs the build runs, by build argument; not part of its tag. @default none */
  tools?: Readonly<Record<string, string>>;
}

/**
 * How to build an image with what the configuration says.
 */
export function buildRecipe(
  { repository, context: directory, dockerfile, files = {}, args: own = {}, paths }: ImageDefinition,
  choices: BuildChoices,
  { args = {}, parents = {}, tools = {} }: ImageOptions = {},
): BuildRecipe {
  const context = path.resolve(choices.project, directory);
  const contentArgs = { ...contentArguments(choices.baseImage), ...own, ...args, ...parents, ...fileHashes(files) };
  return {
    reference: `${repository}:${contentTag(context, dockerfile, contentArgs, paths)}`,
    context,
    dockerfile,
    buildArgs: { ...contentArgs, ...tools, ...indexArguments(choices) },
    secrets: { ...files, ...(choices.caBundle === undefined ? {} : { "ca-bundle": choices.caBundle }) },
    logFile: path.join(choices.project, ".archon", "logs", `build-${repository}.log`),
    needs: [...Object.values(parents), ...Object.values(tools)],
  };
}

/** Build arguments that change with the files: without them, a layer that reads a file would not follow it. */
function fileHashes(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([id, file]) => [
      `${id.replaceAll("-", "_").toUpperCase()}_SHA256`,
      sha256(fs.readFileSync(file)),
    ]),
  );
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
