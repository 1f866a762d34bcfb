import type { ImageDefinition } from "../lib/images";
import type { Release } from "../release/release";

/**
 * What can be deployed. Everything that the program and the commands know of an application stands in one of these:
 * they read no file of it and start no module of it by a name of their own.
 *
 * An application is an HTTP server with a model in it. It runs read-only, as an ordinary user, without capabilities,
 * with an environment and models of the store mounted read-only.
 */
export interface Application {
  image: ApplicationImage;
  python: PythonTarget;
  requirements: Requirements;
  /** Port that it listens on inside its container. */
  port: number;
  /** User and group that it runs as, `<uid>:<gid>`. The store gives its data directory to them. */
  user: string;
  mounts: Mounts;
  /** Temporary directories by path, each with its options: what it may write besides its data directory. */
  tmpfs: Readonly<Record<string, string>>;
  variables: Variables;
  readiness: Readiness;
  /** Seconds that it may take to stop: more than it keeps answering after SIGTERM, and what is then in flight. */
  stopSeconds: number;
  commands: ApplicationCommands;
}

/** How the image is built. The image itself says what starts, so that an older release starts what it started then. */
export interface ApplicationImage extends ImageDefinition {
  /** Build arguments of this image alone, part of its tag. @param choices what the stack decides */
  buildArguments(choices: { browser: boolean }): Record<string, string>;
}

/** What its lock files are resolved for. Another one is another environment, so the words are stable. */
export interface PythonTarget {
  /** `cp311` */
  abi: string;
  /** `linux/amd64` */
  platform: string;
}

/**
 * Lists of requirements (`<name>.in`) and their lock files (`<name>.txt`), relative to the checkout, without the
 * extension.
 */
export interface Requirements {
  /** Packages of the image. */
  image: string;
  /** Packages of the environment in the store. */
  environment: string;
  /** Modules that a new environment must import, unless a stack says otherwise. */
  imports: readonly string[];
}

/** Where it finds inside its container what the store mounts. */
export interface Mounts {
  /** The environment, read-only. */
  environment: string;
  /** The models, read-only: a cache directory of the Hugging Face libraries. */
  models: string;
  /** Its data, the only place that it writes to for good. */
  data: string;
}

export interface Variables {
  /** Environment variables that the program sets. A stack cannot set them. */
  reserved: readonly string[];
  /**
   * Values of those that depend on what runs; the program adds the API token and the certificate authorities itself.
   */
  of(release: Release, service: string): Record<string, string>;
  /** Takes the API token where one is required. */
  token: string;
  /** Each takes the path of the certificate authorities to trust, where the image's own do not do. */
  certificates: readonly string[];
}

/** How it proves that it is ready. */
export interface Readiness {
  /** Run inside the container; exits with 0 when it is ready. */
  command: readonly string[];
  /** What the command prints begins with this when the release has failed for good, so that waiting is no use. */
  failedPrefix: string;
}

/** What runs inside its image or one of its containers besides the server. */
export interface ApplicationCommands {
  /**
   * In a ready container: prints what its models answer to the known questions, as `{ "models": [{ repo, revision,
   * proof }] }`. The baseline of a model is the `proof` of its first run.
   */
  baseline: readonly string[];
  /** In a container of its own: writes a variant of a snapshot to standard output, as a tar archive. */
  derive(source: { repo: string; revision: string; variant: string }): readonly string[];
  /** The same, and prints only the revision that the variant has. */
  deriveRevision(source: { repo: string; revision: string; variant: string }): readonly string[];
}
