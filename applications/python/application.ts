import * as path from "node:path";
import { abiOf, type PythonVersion } from "../../config/python";
import type { ImageDefinition } from "../../lib/images";
import { hasRoles, type Release } from "../../release/release";
import {
  MOUNTS,
  type Application,
  type ApplicationImage,
  type ContainerProgram,
  type PulledImage,
  type RequirementLists,
} from "../application";
import { splitRequirements } from "./requirements";

/** A Python server that people have the sources of, and that knows nothing of this project. */
export interface PythonService {
  /** How releases name it. */
  name: string;
  /** The version that it runs on. */
  python: PythonVersion;
  /** What its image is built from, or the image. */
  image: PythonSources | PulledImage;
  /** Port that it listens on, on all addresses of its container. */
  port: number;
  health: {
    path: string;
    /** Extended regular expression, without quotes, that the answer must match. @default none: 200 suffices */
    body?: string;
    /** Seconds that an answer may take. */
    timeoutSeconds: number;
  };
  /** Directory for the lock files, relative to the checkout. */
  lockDirectory: string;
  /** Environment variables that it needs to run like this. A stack cannot set them. @default none */
  variables?: Readonly<Record<string, string>>;
  /** Those whose values are secret. @default none */
  secrets?: Readonly<Record<string, string>>;
  /** Further directories that it writes to, which do not outlive the container. @default none */
  writable?: readonly string[];
  /** Modules that it imports when it starts. An update tries that before it touches a server. @default none */
  modules?: readonly string[];
  /** Where it looks for its model. @default only in the cache of the Hugging Face libraries */
  modelDirectory?: string | undefined;
  /** @default none */
  smokeTest?: ContainerProgram | undefined;
  /** Names by which other containers reach it; see {@link Application}. @default none */
  aliases?: readonly string[];
  /** The addresses that its network must be among, in CIDR notation. @default any */
  network?: string;
  stopSeconds: number;
}

/** What the image of a Python server is built from. */
export interface PythonSources {
  /** Absolute path of the directory that its image is built from. */
  context: string;
  /** What of it the build reads: a path below the context, or `.` for all that its .dockerignore leaves. */
  files: string;
  /** What of these files the image carries, in /app: paths below the context. @default all of them */
  paths?: readonly string[];
  /** What starts it, in /app. */
  command: readonly string[];
  /** Its requirements (PEP 508). @throws UserError when they cannot be read */
  requirements: () => string[];
  /** Names of packages that belong into the environment, besides torch and what needs it. */
  environment: readonly string[];
  /** Absolute path of a module that its Python imports when it starts. @default none */
  startupModule?: string;
}

/** File names of the two lists, as everywhere in this project: the header of a lock file names its list. */
const IMAGE_LIST = "requirements.server.minimal";
const ENVIRONMENT_LIST = "requirements.server.ml";

/**
 * Variables that let a server run as an ordinary user on a read-only root: its home, which many libraries
 * write to when they are imported, is the temporary directory.
 */
const runtimeVariables = {
  HOME: "/tmp",
  PYTHONUSERBASE: MOUNTS.environment,
  HF_HOME: MOUNTS.models,
  HF_HUB_OFFLINE: "1",
} as const;

/**
 * Describes a Python server as an application. It has two images, one of its packages and one of its own files, unless its
 * image is pulled.
 */
export function pythonApplication(service: PythonService): Application {
  const { image, lockDirectory, health, modelDirectory, smokeTest } = service;
  const { writable = [], secrets = {} } = service;
  const python = { abi: abiOf(service.python), platform: "linux/amd64" };
  const set = { ...runtimeVariables, PORT: String(service.port), ...service.variables };
  return {
    name: service.name,
    ...("reference" in image
      ? { image }
      : { image: sourcesImage("archon-server", image), packages: packagesImage(`${lockDirectory}/${IMAGE_LIST}`) }),
    python,
    requirements: {
      image: `${lockDirectory}/${IMAGE_LIST}`,
      environment: `${lockDirectory}/${ENVIRONMENT_LIST}`,
      imports: ["torch", "transformers", "sentence_transformers"],
      ...("reference" in image ? {} : { lists: () => listsOf(image) }),
    },
    port: service.port,
    ...(service.aliases === undefined ? {} : { aliases: service.aliases }),
    ...(service.network === undefined ? {} : { network: service.network }),
    user: USER,
    mounts: { data: "/data", ...(modelDirectory === undefined ? {} : { defaultModel: modelDirectory }) },
    tmpfs: Object.fromEntries(["/tmp", ...writable].map((directory) => [directory, temporaryDirectory(1024)])),
    hosts: HOSTS,
    variables: {
      reserved: [...Object.keys(set), "ARCHON_RELEASE", ...Object.keys(secrets), ...CERTIFICATES],
      // A server that may outlive a release is not told which one it belongs to.
      of: (release: Release) => ({ ...set, ...(hasRoles(release) ? {} : { ARCHON_RELEASE: release.id }) }),
      secret: secrets,
      certificates: CERTIFICATES,
    },
    importCheck: importCheck(service.modules ?? [], python.abi),
    readiness: {
      command: ["bash", "-c", probe(service.port, health)],
      path: health.path,
      timeoutSeconds: health.timeoutSeconds,
      ...(smokeTest === undefined ? {} : { smokeTest }),
    },
    stopSeconds: service.stopSeconds,
  };
}

/** User and group of what runs in an image of {@link sourcesImage}. */
export const USER = "10001:10001";

/** Docker's own name for its host, which only Docker Desktop resolves by itself. */
export const HOSTS = [{ host: "host.docker.internal", ip: "host-gateway" }] as const;

/**
 * The program that imports modules of an image.
 * @param abi of the environment that is mounted; undefined where none is
 */
export function importCheck(modules: readonly string[], abi?: string): ContainerProgram {
  return {
    program: path.posix.join("applications", "python", "import_check.py"),
    arguments: [...(abi === undefined ? [] : [`--abi=${abi}`]), ...modules.map((module) => `--server=${module}`)],
  };
}

/** Variables for the path of the certificate authorities. */
export const CERTIFICATES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] as const;

/** Mount options of a temporary directory, with its own mode: otherwise one of the image keeps that of its owner. */
export function temporaryDirectory(mebibytes: number): string {
  return `rw,nosuid,nodev,mode=1777,size=${mebibytes}m`;
}

/** The image of the files of a server, over that of its packages. */
export function sourcesImage(
  repository: string,
  { context, files, paths = [files], command, startupModule }: Omit<PythonSources, "requirements" | "environment">,
): ApplicationImage {
  return {
    repository,
    context,
    dockerfile: path.join(__dirname, "Dockerfile"),
    paths,
    browser: false,
    ...(startupModule === undefined ? {} : { files: { "startup-module": startupModule } }),
    args: { FILES: files, PATHS: paths.join("\n"), COMMAND: command.map(shellQuoted).join(" "), TITLE: repository },
    buildArguments: () => ({}),
  };
}

/** The image of the packages of a lock file. @param list the lock file, relative to the checkout, without the extension */
export function packagesImage(list: string): ImageDefinition {
  return {
    repository: "archon-packages",
    context: path.posix.dirname(list),
    dockerfile: path.join(__dirname, "packages.Dockerfile"),
    args: { LOCK: `${path.posix.basename(list)}.txt` },
  };
}

function listsOf(sources: PythonSources): RequirementLists {
  const { image, environment, notes } = splitRequirements(sources.requirements(), sources.environment);
  return { image: lines(image), environment: lines(environment), notes };
}

/** Text of a list of requirements. */
export function lines(requirements: readonly string[]): string {
  return requirements.map((each) => `${each}\n`).join("");
}

/**
 * Shell program that exits with 0 if the server answers as it must, and otherwise prints the end of its answer. Bash,
 * because starting Python for each check costs thirty times as much.
 */
export function probe(port: number, { path: url, body = "" }: Pick<PythonService["health"], "path" | "body">): string {
  const request = `GET ${url} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n`;
  return [
    `exec 3<>/dev/tcp/127.0.0.1/${port} && printf '${request}' >&3 && reply=$(cat <&3)`,
    // A pattern with a blank only works from a variable.
    `body='${body}'`,
    `if [[ $reply =~ ^HTTP/1\\.[01]\\ 200\\  && $reply =~ $body ]]; then exit 0; fi`,
    `tail -n 1 <<<"$reply"`,
    "exit 1",
  ].join("; ");
}

function shellQuoted(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
