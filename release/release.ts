import { z } from "zod";
import { digest } from "../lib/hashing";

/**
 * Version of the store's layout and of what the store tool puts into an environment; the tool refuses another. Stable.
 */
const STORE_FORMAT = 1;

/** What an environment is made from. A change of any of these makes another environment. */
export interface EnvironmentContent {
  /** Text of the lock file. */
  lock: string;
  /** Reference of the base image that it is made for. */
  baseImage: string;
  /** What the lock file was resolved for, such as `{ abi: "cp311", platform: "linux/amd64" }`. */
  python: { abi: string; platform: string };
}

/**
 * Key of an environment: 16 hex digits of the lock file's text, interpreter, platform, base image reference and store
 * format. What matters only while populating (index addresses, modules to import) does not take part.
 */
export function environmentKey({ lock, baseImage, python }: EnvironmentContent): string {
  return digest("environment", String(STORE_FORMAT), python.abi, python.platform, baseImage, lock).slice(0, 16);
}

/** What a server runs: an image, an environment, and the models it may load. All of it is known in preview. */
export interface ReleaseContent {
  /** Reference of the server image with its content-hash tag. */
  serverImage: string;
  /** Key of the environment. */
  environment: string;
  /** Every model as {@link contentOf} names it, in the order of the configuration. */
  models: readonly string[];
  /** The default model, named in the same way, or undefined without models. */
  activeModel: string | undefined;
  /** References of the images of further roles, by role. @default none */
  roleImages?: Readonly<Record<string, string>>;
}

/**
 * Id of a release: 12 hex digits that depend on the content only. The order of the models and of the roles does not
 * matter. Without further roles it is what it was before there were any.
 */
export function releaseId(content: ReleaseContent): string {
  const roles = Object.entries(content.roleImages ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  return digest(
    content.serverImage,
    content.environment,
    ...[...content.models].sort(),
    "active",
    content.activeModel ?? "",
    ...roles.flatMap(([role, image]) => ["role", role, image]),
  ).slice(0, 12);
}

const model = z.object({
  name: z.string(),
  repo: z.string(),
  revision: z.string(),
  /** Precision of its weights in memory; absent for what suits the processor. */
  variant: z.string().optional(),
});

const roleImages = z.object({
  /** What the image is built from, for a role that has such an image. */
  packages: z.string().optional(),
  image: z.string(),
});

/** A release as the ledger keeps it: an entry of the stack output `releases`. */
export const releaseSchema = z.object({
  id: z.string(),
  /** When it ran for the first time, ISO 8601. */
  created: z.string(),
  /** Commit of the checkout that made it, with `-dirty` when files differed from it; absent outside a git checkout. */
  commit: z.string().optional(),
  /** First line of that commit's message. */
  message: z.string().optional(),
  /** What it deploys; absent for the reference server. */
  application: z.string().optional(),
  /** References of the images that ran, the store tool and the gateway among them. */
  images: z.object({
    /** What the server's image is built from, in an application that has such an image. */
    packages: z.string().optional(),
    server: z.string(),
    bootstrap: z.string(),
    gateway: z.string(),
    /** Those of further roles, by role; absent for a release that only has servers. */
    roles: z.record(z.string(), roleImages).optional(),
  }),
  /** Key of the environment. */
  environment: z.string(),
  models: z.array(model),
  /** Name of the default model; absent without models. */
  activeModel: z.string().optional(),
  /** Why it cannot be run again, such as an image that was removed by hand; absent when it can. */
  lost: z.string().optional(),
});

export type Release = z.infer<typeof releaseSchema>;
export type ModelReference = z.infer<typeof model>;
export type RoleImages = z.infer<typeof roleImages>;

/** References of all images of a release. */
export function imagesOf({ images: { roles = {}, ...images } }: Pick<Release, "images">): string[] {
  return [images, ...Object.values(roles)]
    .flatMap((each) => Object.values(each))
    .filter((reference) => reference !== undefined);
}

/** What the containers of a release run, by role: the server first. */
export function runningImages({ images: { server, roles = {} } }: Pick<Release, "images">): Map<string, string> {
  return new Map([["server", server], ...Object.entries(roles).map(([role, { image }]) => [role, image] as const)]);
}

/**
 * Whether a release has more than servers. Each of its services may then outlive it unchanged, so none of their containers
 * names it.
 */
export function hasRoles({ images }: Pick<Release, "images">): boolean {
  return images.roles !== undefined;
}

/** `repo@commit`, by which the store knows a snapshot. */
export function snapshotOf({ repo, revision }: Pick<ModelReference, "repo" | "revision">): string {
  return `${repo}@${revision}`;
}

/** Where the store keeps a snapshot, relative to its root: the layout of a Hugging Face cache. A name on disk, so stable. */
export function snapshotPath({ repo, revision }: Pick<ModelReference, "repo" | "revision">): string {
  return `models/huggingface/hub/${folderOf(repo)}/snapshots/${revision}`;
}

/** Where the store keeps the baseline of a snapshot, relative to its root. A name on disk, so stable. */
export function baselinePath({ repo, revision }: Pick<ModelReference, "repo" | "revision">): string {
  return `models/huggingface/manifests/${folderOf(repo)}/${revision}.proof.json`;
}

function folderOf(repo: string): string {
  return `models--${repo.replaceAll("/", "--")}`;
}

/** The part of a model that is part of a release's id: the snapshot, and the precision in which it is loaded. */
export function contentOf(model: Pick<ModelReference, "repo" | "revision" | "variant">): string {
  return model.variant === undefined || model.variant === "auto"
    ? snapshotOf(model)
    : `${snapshotOf(model)} ${model.variant}`;
}

/** What a checkout makes a release from. */
export interface ReleaseSource extends EnvironmentContent {
  /** What it deploys; undefined for the reference server. */
  application?: string | undefined;
  images: Release["images"];
  models: readonly ModelReference[];
  /** The default model, one of `models`; undefined without models. */
  activeModel: ModelReference | undefined;
  /** When it is made, ISO 8601. */
  created: string;
  /** The commit that it is made from, as far as there is one. */
  git: Pick<Release, "commit" | "message">;
}

/**
 * The release that a checkout makes. Its id depends on its content alone, not on when and from which commit it is made.
 */
export function releaseOf(source: ReleaseSource): Release {
  const { application, images, models, activeModel, created, git } = source;
  const environment = environmentKey(source);
  return {
    id: releaseId({
      serverImage: images.server,
      environment,
      models: models.map(contentOf),
      activeModel: activeModel && contentOf(activeModel),
      roleImages: Object.fromEntries(Object.entries(images.roles ?? {}).map(([role, { image }]) => [role, image])),
    }),
    created,
    ...git,
    ...(application === undefined ? {} : { application }),
    images,
    environment,
    models: models.map(({ name, repo, revision, variant }) => ({
      name,
      repo,
      revision,
      ...(variant === undefined || variant === "auto" ? {} : { variant }),
    })),
    ...(activeModel === undefined ? {} : { activeModel: activeModel.name }),
  };
}
