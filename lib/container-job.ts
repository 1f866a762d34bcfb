/** Where a container finds the host's certificate authorities. */
export const CA_BUNDLE = "/run/ca-bundle.pem";

/** The capabilities that the store tool needs to give files of the store their owner and mode. */
const STORE_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"] as const;

/** What the engine says when it refuses a container because the source of a mount does not exist. */
export const MOUNT_SOURCE_MISSING = "bind source path does not exist";

/** A path of the host inside the container. */
export interface Mount {
  source: string;
  target: string;
  /** @default false */
  writable?: boolean;
  /** Whether Docker makes a directory where the source is missing. @default false: then the job fails */
  create?: boolean;
}

/** The options of `docker run` that a job chooses. All others are the same for every job, and no job can loosen them. */
export interface JobOptions {
  /** Name of the container. @default one that Docker makes up */
  name?: string;
  /** Labels below `io.archon.`, such as `{ component: "one-shot" }`. Their names and values are stable. */
  labels: Readonly<Record<string, string>>;
  /** Whether it reads from standard input. @default false */
  interactive?: boolean;
  /** Whether it has a network: one of its own, or that of the engine's host. @default false */
  network?: boolean | "host";
  /** @default none */
  capabilities?: readonly string[];
  /** @default none */
  mounts?: readonly Mount[];
  /** Environment variables of the container. @default none */
  variables?: Readonly<Record<string, string>>;
  /**
   * Names of variables whose values come from the process that starts Docker, because every user of the machine can see
   * the values in its arguments. @default none
   */
  inherited?: readonly string[];
  /** PEM file of the host with the authorities to trust. @default the image's own */
  caBundle?: string | undefined;
  /** User and group that it runs as, `<uid>:<gid>`. @default that of the image */
  user?: string;
  /** Temporary directories by path, each with its mount options. @default a private /tmp */
  tmpfs?: Readonly<Record<string, string>>;
  /** @default that of the image */
  workdir?: string;
  /** @default that of the image */
  entrypoint?: string;
}

/**
 * Arguments of `docker run` for a job, up to the image: a container that is removed when it ends, with a read-only root
 * file system, a private /tmp, no way to gain privileges, and no log on the host. Its image is never pulled: the images
 * of this project are built here, and one of the same name in a registry would be somebody else's.
 */
export function jobOptions(options: JobOptions): string[] {
  const { labels, mounts = [], variables = {}, inherited = [], capabilities = [], caBundle, tmpfs } = options;
  const trust = caBundle === undefined ? [] : [{ source: caBundle, target: CA_BUNDLE }];
  const set = caBundle === undefined ? variables : { ...variables, SSL_CERT_FILE: CA_BUNDLE };
  return [
    "--rm",
    "--pull=never",
    "--init",
    "--read-only",
    ...(tmpfs === undefined ? ["--tmpfs=/tmp"] : Object.entries(tmpfs).map((each) => `--tmpfs=${each.join(":")}`)),
    "--cap-drop=ALL",
    ...capabilities.map((each) => `--cap-add=${each}`),
    "--security-opt=no-new-privileges",
    "--log-driver=none",
    ...networkOptions(options.network ?? false),
    ...(options.interactive === true ? ["--interactive"] : []),
    ...(options.name === undefined ? [] : [`--name=${options.name}`]),
    ...Object.entries(labels).map(([key, value]) => `--label=io.archon.${key}=${value}`),
    ...[...mounts, ...trust].map(mountOption),
    ...inherited.map((name) => `--env=${name}`),
    ...Object.entries(set).map(([name, value]) => `--env=${name}=${value}`),
    ...(options.user === undefined ? [] : [`--user=${options.user}`]),
    ...(options.workdir === undefined ? [] : [`--workdir=${options.workdir}`]),
    ...(options.entrypoint === undefined ? [] : [`--entrypoint=${options.entrypoint}`]),
  ];
}

export interface ContainerJob extends JobOptions {
  image: string;
  command: readonly string[];
}

/** Arguments of `docker` that run a job. */
export function containerJob({ image, command, ...options }: ContainerJob): string[] {
  return ["run", ...jobOptions(options), image, ...command];
}

/** Options of the store tool's jobs: the store writable at /store, and its standard input open. */
export function storeJobOptions(store: Pick<Mount, "source" | "create">, options: JobOptions): JobOptions {
  return {
    ...options,
    interactive: true,
    capabilities: STORE_CAPABILITIES,
    mounts: [{ ...store, target: "/store", writable: true }, ...(options.mounts ?? [])],
  };
}

function networkOptions(network: boolean | "host"): string[] {
  if (network === "host") {
    // An engine that maps users (userns-remap) lends the host's network only to a container without the mapping.
    return ["--network=host", "--userns=host"];
  }
  return network ? [] : ["--network=none"];
}

function mountOption({ source, target, writable = false, create = false }: Mount): string {
  if (create) {
    return `--volume=${source}:${target}${writable ? "" : ":ro"}`;
  }
  return `--mount=type=bind,source=${source},target=${target}${writable ? "" : ",readonly"}`;
}

/** Arguments for a script, one a line. @throws Error for an argument that contains a line break */
export function toLines(args: readonly string[]): string {
  const broken = args.find((each) => each.includes("\n"));
  if (broken !== undefined) {
    throw new Error(`An argument of a job must not have a line break: ${JSON.stringify(broken)}`);
  }
  return args.join("\n");
}

/** What a store job of an update works on, from the environment variables of the command that runs it. */
export interface JobInputs {
  /** Arguments of the store tool, its subcommand first; empty when they cannot be read. */
  command: string[];
  /** Directory of the checkout that it reads; undefined when it reads none. */
  directory: string | undefined;
}

/**
 * Reads the variables that {@link toLines} went into, and those of updates made before they had these names
 * (`ONE_SHOT_…`).
 */
export function readJobInputs(variables: Readonly<Record<string, unknown>>): JobInputs {
  const text = (...names: string[]): string =>
    names.map((name) => variables[name]).find((value) => typeof value === "string") ?? "";
  const command = text("JOB_COMMAND", "ONE_SHOT_ARGS");
  const directory = text("JOB_DIRECTORY", "ONE_SHOT_DIRECTORY");
  return { command: command === "" ? [] : command.split("\n"), directory: directory === "" ? undefined : directory };
}
