import type { ImageDefinition } from "../lib/images";
import type { Release } from "../release/release";

/**
 * What can be deployed. The program and the commands know only this about an application; they use no name of its
 * files or modules that is not in here.
 *
 * An application is an HTTP server that uses models. It runs read-only, as an ordinary user and without capabilities.
 * An environment and models of the store are mounted into it read-only.
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
  /** Seconds that it may take to stop: as long as it still answers after SIGTERM, and as requests in flight need. */
  stopSeconds: number;
  commands: ApplicationCommands;
}

/** How the image is built. The image names the command that it starts, so an older release starts its own. */
export interface ApplicationImage extends ImageDefinition {
  /** Build arguments of this image, which are part of its tag. @param choices what the stack decides */
  buildArguments(choices: { browser: boolean }): Record<string, string>;
}

/** What its lock files are resolved for. Other values make another environment. */
export interface PythonTarget {
  /** Such as `cp311`. */
  abi: string;
  /** Such as `linux/amd64`. */
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

/** Paths inside its container at which the directories of the store are mounted. */
export interface Mounts {
  /** The environment, read-only. */
  environment: string;
  /** The models, read-only: a cache directory of the Hugging Face libraries. */
  models: string;
  /** Its data, the only mount that it may write to. */
  data: string;
}

export interface Variables {
  /** Environment variables that the program sets. A stack cannot set them. */
  reserved: readonly string[];
  /**
   * Values of those that follow from the release and the service. The program adds the API token and the certificate
   * authorities.
   */
  of(release: Release, service: string): Record<string, string>;
  /** Name of the variable that gets the API token, if one is required. */
  token: string;
  /** Names of the variables that get the path of the certificate authorities, if those of the image are not enough. */
  certificates: readonly string[];
}

/** How it reports that it is ready. */
export interface Readiness {
  /** Run inside the container; exits with 0 when it is ready. */
  command: readonly string[];
  /** The command's output starts with this when the server cannot become ready, so that an update need not wait. */
  failedPrefix: string;
}

/** What runs inside its image or one of its containers besides the server. */
export interface ApplicationCommands {
  /**
   * In a ready container: prints what its models answer to the known questions, as `{ "models": [{ repo, revision,
   * proof }] }`. The baseline of a model is the `proof` of its first run.
   */
  baseline: readonly string[];
  /** In a container of its own: writes a variant of a snapshot to standard output, as a tar. */
  derive(source: { repo: string; revision: string; variant: string }): readonly string[];
  /** In a container of its own: prints the revision that this variant will have. */
  deriveRevision(source: { repo: string; revision: string; variant: string }): readonly string[];
}
