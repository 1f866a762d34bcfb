import type { FurtherRole, ServiceRole } from "../config/schema";
import type { ImageDefinition } from "../lib/images";
import type { Release } from "../release/release";

/** What a container of an application runs: its server, or one of its further roles. */
export interface Role {
  image: ApplicationImage | PulledImage;
  /** What the image is built from, where that is another image of its packages. @default the base image */
  packages?: ImageDefinition;
  /** Port that it listens on inside its container. */
  port: number;
  /** User and group that it runs as, `<uid>:<gid>`. They own a server's data directory. */
  user: string;
  /**
   * Names by which other containers of the stack's network reach the first service of the role: through its gateway, at
   * this port. @default none
   */
  aliases?: readonly string[];
  /** Temporary directories by path, each with its mount options: what it may write besides a server's data directory. */
  tmpfs: Readonly<Record<string, string>>;
  /** Further entries of the container's file of hosts. @default none */
  hosts?: readonly { host: string; ip: string }[];
  variables: Variables;
  readiness: Readiness;
  /**
   * Imports what it imports when it starts, in a container of its image, and fails when a package is missing. That of a
   * server has the environment mounted, and gets its modules as further arguments, each as `--environment=<module>`.
   * @default none
   */
  importCheck?: ContainerProgram;
  /**
   * Seconds that it may take to stop before it is killed. Must cover the time that it keeps answering after SIGTERM, and
   * the requests that are then in flight.
   */
  stopSeconds: number;
}

/**
 * What can be deployed. Components get everything that they know of an application from here: they name no file, module
 * or port of it themselves.
 *
 * An application is an HTTP server with a model in it. It runs read-only, as an ordinary user, without capabilities,
 * with an environment and models of the store mounted read-only. Its further roles run in the same way, without either.
 */
export interface Application extends Role {
  /** How releases name it; undefined for the reference server, whose releases are older than the name. */
  name?: string;
  python: PythonTarget;
  requirements: Requirements;
  /** The addresses that the stack's network must be among, in CIDR notation. @default any */
  network?: string;
  mounts: Mounts;
  /** What its services may be besides the server, and the stack deploys. @default nothing */
  roles?: Readonly<Partial<Record<FurtherRole, ApplicationRole>>>;
  /** Undefined for an application that has none: its models have neither a baseline nor variants. */
  commands?: ApplicationCommands;
}

/** What a service of a role runs; undefined for a role that the application does not have. */
export function roleOf(application: Application, role: ServiceRole): Role | undefined {
  return role === "server" ? application : application.roles?.[role];
}

/** A role of an application besides its server. It needs nothing of the store. */
export interface ApplicationRole extends Role {
  /** Its own lock file; undefined for one that is locked elsewhere. */
  requirements?: RoleRequirements;
  /** Why a second replica would break it, as the end of a sentence. @default replicas are sound */
  soleReplica?: string;
}

/** The packages of a role. They are resolved apart from those of the server. */
export interface RoleRequirements {
  /** List (`<path>.in`) and lock file (`<path>.txt`), relative to the checkout, without the extension. */
  list: string;
  /** Text of the list: it follows from the sources. @throws UserError when they cannot be read */
  text: () => string;
  /** Only packages that were published until the end of this day fit, `YYYY-MM-DD`; undefined when the sources have no date. */
  until: () => string | undefined;
}

/** Repositories of the images of all applications; tags tell them apart. */
export const APPLICATION_REPOSITORIES = [
  "archon-server",
  "archon-packages",
  "archon-mcp",
  "archon-agents",
  "archon-ui",
] as const;

/** How the image is built. What it starts is part of the image, so a rollback starts what the older release started. */
export interface ApplicationImage extends ImageDefinition {
  /** Whether it can be built with a browser. */
  browser: boolean;
  /** Build arguments of this image alone, part of its tag. @param choices what the stack decides */
  buildArguments(choices: { browser: boolean }): Record<string, string>;
}

/** An image that somebody else made, such as a build server. It is pulled, and never built here. */
export interface PulledImage {
  /** `repository@sha256:<digest>`. */
  reference: string;
  /** Only an image that is built here can be given a browser. */
  browser: false;
}

/** @param reference `repository@sha256:<digest>` */
export function pulledImage(reference: string): PulledImage {
  return { reference, browser: false };
}

/** An application whose image is built here. */
export type BuiltApplication = Application & { image: ApplicationImage };

/** What the lock files are resolved for. The values are part of the key of every environment. */
export interface PythonTarget {
  /** Tag of the interpreter in the name of a wheel, such as `cp311`. */
  abi: string;
  /** Such as `linux/amd64`. */
  platform: string;
}

/**
 * Lists of requirements (`<name>.in`) and their lock files (`<name>.txt`), relative to the checkout, without the
 * extension.
 */
export interface Requirements {
  /** Packages of the image. Nothing reads them where the image is pulled. */
  image: string;
  /** Packages that the image carries in addition if it has a browser. */
  browser?: string;
  /** Packages of the environment in the store. */
  environment: string;
  /** Modules that a new environment must import, unless a stack says otherwise. */
  imports: readonly string[];
  /**
   * The texts of both lists, where they follow from the sources of the application: `./archon lock` writes them beside
   * their lock files. Undefined where the lists themselves are what people edit.
   * @throws UserError when the sources cannot be read
   */
  lists?: () => RequirementLists;
}

/** Texts of lists of requirements, one requirement a line. */
export interface RequirementLists {
  image: string;
  environment: string;
  /** What differs from what the sources require, and why, as sentences. */
  notes: readonly string[];
}

/** Where every server finds, inside its container, what the store has: both read-only. */
export const MOUNTS = {
  /** The environment: the user base of its Python. */
  environment: "/root/.local",
  /** The models: a cache directory of the Hugging Face libraries. */
  models: "/root/.cache/huggingface",
} as const;

/** What else is mounted into the server's container. */
export interface Mounts {
  /** Its data: the only directory whose content outlives the container. */
  data: string;
  /** Where else it looks for the default model: a directory that gets that snapshot, read-only. @default nowhere */
  defaultModel?: string;
}

export interface Variables {
  /** Names of the environment variables that the program sets. A stack cannot set them. */
  reserved: readonly string[];
  /**
   * Names and values of those that depend on what runs. The program itself adds the API token and the certificate
   * authorities.
   */
  of(release: Release, service: string): Record<string, string>;
  /** Names and values of those that make a server refuse to compute without the GPU it was given. @default none */
  gpu?: Readonly<Record<string, string>>;
  /** Names and values of those that are secret. @default none */
  secret?: Readonly<Record<string, string>>;
  /** Name of the variable for the API token; set only in a stack that requires one. Undefined if it checks no token. */
  token?: string;
  /** Names of the variables for the path of the certificate authorities; set only where the image's own do not suffice. */
  certificates: readonly string[];
}

/** How a container shows that it is ready. */
export interface Readiness {
  /** Run inside the container; exits with 0 when it is ready. No argument has a line break. */
  command: readonly string[];
  /** The path that the gateway asks for; 2xx and 3xx mean that the server can answer requests. */
  path: string;
  /**
   * The gateway only connects, and whatever is answered for the path will do: for a server that has no path to ask for.
   * @default false
   */
  connectOnly?: boolean;
  /** Seconds that an answer may take. A server that computes in its event loop answers nothing meanwhile. */
  timeoutSeconds: number;
  /** The command's output begins with this when the release has failed for good. @default it waits for the time limit */
  failedPrefix?: string;
  /**
   * Uses a ready server as a client would, and fails when it does not do what it is for. Gets the seconds that it may take
   * as its last argument. @default none
   */
  smokeTest?: ContainerProgram;
}

/**
 * A Python program that runs inside a container of the image, from standard input. It fails, and says why on its last
 * line.
 */
export interface ContainerProgram {
  /** Relative to the checkout. */
  program: string;
  /** Its first arguments; who runs it adds more. */
  arguments: readonly string[];
}

/** Commands, besides the server, that run in the image or in a container of the server. */
export interface ApplicationCommands {
  /**
   * Runs in a ready container. Prints what its models answer to the known questions, as
   * `{ "models": [{ repo, revision, proof }] }`. The baseline of a model is the `proof` of its first run.
   */
  baseline: readonly string[];
  /** Runs in a container of its own. Writes a variant of a snapshot to standard output, as a tar archive. */
  derive(source: { repo: string; revision: string; variant: string }): readonly string[];
  /** Like `derive`, but prints only the revision of the variant. */
  deriveRevision(source: { repo: string; revision: string; variant: string }): readonly string[];
}
