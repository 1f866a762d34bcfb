import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { sha256 } from "../../lib/hashing";
import { storeJob, type StoreJobArgs, type StoreJobContext } from "./store-job";

/** What a new environment is made from. */
export interface EnvironmentSource {
  /** Path of the lock file on the deployer's machine. */
  lockFile: string;
  /** Text of the lock file when the key was computed from it: the job refuses a file that has changed since. */
  lock: string;
  /** Interpreter that the lock file was resolved for, such as `cp311`. */
  pythonAbi: string;
  /** Modules that the environment must be able to import. */
  imports: readonly string[];
  /** Package index, empty for PyPI. */
  index: string;
  extraIndexes: readonly string[];
  /** Directory of wheels on the host, empty for none. */
  wheelhouse: string;
}

export interface EnvironmentArgs {
  job: StoreJobContext;
  /** 16 hex digits that stand for its content. */
  key: string;
  /** Undefined for an environment that only an earlier release needs: it is in the store and is not made again. */
  source: EnvironmentSource | undefined;
  /** Whether it is missing from the host: then it is made again. */
  missing: boolean;
}

/**
 * One immutable environment of the store. Another key is another resource beside this one; the old one stays on the
 * host.
 */
export class Environment extends pulumi.ComponentResource {
  /** Its directory on the host. */
  readonly path: string;
  /**
   * The job that made it. When it runs again, the environment has another directory, so the containers that mount it must
   * be replaced.
   */
  readonly job: command.local.Command;

  constructor(name: string, args: EnvironmentArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Environment", name, {}, opts);
    this.path = `${args.job.host.root}/envs/${args.key}`;
    this.job = storeJob(
      `${name}-populate`,
      {
        ...args.job,
        missing: args.missing,
        ...(args.source === undefined
          ? { command: ["verify", "--store", "/store", `envs/${args.key}`] }
          : populate(args.key, args.source)),
      },
      { parent: this },
    );
    this.registerOutputs({ path: this.path });
  }
}

function populate(
  key: string,
  source: EnvironmentSource,
): Pick<StoreJobArgs, "command" | "input" | "network" | "mounts"> {
  return {
    command: [
      "populate",
      "--store",
      "/store",
      "--key",
      key,
      "--lock",
      "-",
      "--lock-sha256",
      sha256(source.lock),
      "--python",
      source.pythonAbi,
      ...source.imports.flatMap((module) => ["--import", module]),
      ...(source.index === "" ? [] : ["--index", source.index]),
      ...source.extraIndexes.flatMap((index) => ["--extra-index", index]),
      ...(source.wheelhouse === "" ? [] : ["--wheelhouse", "/wheelhouse"]),
    ],
    input: { file: source.lockFile },
    network: true,
    mounts: source.wheelhouse === "" ? [] : [{ source: source.wheelhouse, target: "/wheelhouse" }],
  };
}
