import { IMAGES } from "../../lib/images";
import { containerJob, storeJobOptions } from "../../lib/container-job";
import { containerProxies } from "../../lib/proxies";
import { configuredValue, project, stackHost } from "../../config/stack";
import { dockerEnvironment, engineEnvironment } from "../lib/docker";
import { ensureImage } from "../lib/images";
import type { Progress } from "../lib/progress";
import { MissingStack } from "../lib/pulumi";
import { CommandError, run } from "../lib/run";
import { readLedger } from "../releases/ledger";

export interface StoreJob {
  /** The store on the Docker host. */
  root: string;
  /** Whether Docker makes the store's directory where it is missing. @default false: then the job fails */
  create?: boolean;
  /** Arguments of the store tool, without `--store`. */
  command: readonly [string, ...string[]];
  /** What it reads from stdin, as JSON. @default nothing */
  input?: unknown;
  /** Directory of this machine that it reads from stdin instead, as a tar archive. @default none */
  archive?: string;
  /** Further directories of the host to mount read-only: source by target. @default none */
  mounts?: ReadonlyMap<string, string>;
  /** Whether it may use the network. @default false */
  network?: boolean;
  /** Token for the hub. @default none */
  token?: string | undefined;
}

/** Directory of a stack's store on the host: that of the running release, otherwise the configured one. */
export async function storeRoot(stack: string): Promise<string> {
  try {
    return (await readLedger(stack)).root ?? configuredValue("root", stack);
  } catch (error) {
    // The store of a removed stack still exists, and the stack's file says where.
    if (error instanceof CommandError || error instanceof MissingStack) {
      return configuredValue("root", stack);
    }
    throw error;
  }
}

/** The image with the store tool of this checkout, built on the stack's engine if need be. */
export function storeImage(stack: string, progress: Progress): Promise<string> {
  return ensureImage(IMAGES.bootstrap, stack, progress);
}

/**
 * Runs the store tool on a store of the stack's engine, in a container that is removed afterwards. Its messages go to
 * `progress`. Returns its stdout.
 *
 * @throws CommandError with its last lines when it fails
 */
export async function runStoreTool(stack: string, job: StoreJob, image: string, progress: Progress): Promise<string> {
  const { dockerHost, caBundle } = stackHost(stack);
  const docker = ["docker", ...storeToolArguments(job, image, caBundle)] as const;
  // The tool need not read the archive to its end, so tar's error about a closed pipe does not matter.
  const packed = `cd -- "$0" && tar --create --dereference --hard-dereference --exclude='.*' --exclude=__pycache__ -- * | "$@"`;
  const [program, ...args] =
    job.archive === undefined ? docker : (["/bin/bash", "-c", packed, job.archive, ...docker] as const);
  return run(program, args, {
    environment: { ...dockerEnvironment(dockerHost), ...(job.token === undefined ? {} : { HF_TOKEN: job.token }) },
    input: job.input === undefined ? "" : JSON.stringify(job.input),
    log: `store-${job.command[0]}`,
    onLine: (line) => {
      // Lines of JSON are for programs, not for people.
      if (!line.startsWith("{")) {
        progress.message(storeToolMessage(line));
      }
    },
  });
}

/**
 * Runs a script of the shell in the bootstrap image, with the store at /store. For what must not depend on the version
 * of the store tool. Returns its stdout.
 *
 * @throws CommandError with its last lines when it fails
 */
export function runInStore(
  stack: string,
  job: { root: string; script: string; variables: Readonly<Record<string, string>> },
  image: string,
): Promise<string> {
  const options = storeJobOptions(
    { source: job.root },
    { labels: { project, component: "one-shot" }, variables: job.variables, entrypoint: "/bin/sh" },
  );
  return run("docker", containerJob({ ...options, image, command: ["-s"] }), {
    environment: engineEnvironment(stack),
    input: job.script,
    log: "store-claim",
  });
}

/** How a line begins with which the store tool says why it failed. */
export const STORE_TOOL_ERROR = "mlenv: error: ";

/** A line that the store tool prints for people, without the prefix of its errors. */
export function storeToolMessage(line: string): string {
  return line.startsWith(STORE_TOOL_ERROR) ? line.slice(STORE_TOOL_ERROR.length) : line;
}

/**
 * The arguments of `docker` for a job: the same restricted container as the store jobs of an update. They hold only the
 * name of the token's variable: logs and process lists show arguments.
 */
export function storeToolArguments(
  { root, create = false, command, mounts, network, token }: StoreJob,
  image: string,
  caBundle: string | undefined,
): string[] {
  const [subcommand, ...args] = command;
  const options = storeJobOptions(
    { source: root, create },
    {
      // The value of the label is stable.
      labels: { project, component: "one-shot" },
      network: network === true,
      inherited: [
        ...(token !== undefined ? ["HF_TOKEN"] : []),
        ...(network === true ? Object.keys(containerProxies()) : []),
      ],
      mounts: [...(mounts ?? [])].map(([target, source]) => ({ source, target })),
      caBundle: network === true ? caBundle : undefined,
    },
  );
  return containerJob({ ...options, image, command: [subcommand, "--store", "/store", ...args] });
}
