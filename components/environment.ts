import * as pulumi from "@pulumi/pulumi";
import { environmentKey, PYTHON_ABI } from "../release/keys";
import { oneShot } from "./one-shot";
import type { Host } from "./shared/host";

export interface EnvironmentArgs {
  host: Host;
  /** Reference of the bootstrap image. */
  bootstrapImage: pulumi.Input<string>;
  /** Reference of the base image; part of the key. */
  baseImage: string;
  /** Text of the lock file; part of the key. */
  lock: string;
  /** Path of the lock file on the deployer's machine. */
  lockFile: string;
  /** Modules that must import. */
  imports: readonly string[];
  /** Package index, empty for PyPI. */
  index: string;
  extraIndexes: readonly string[];
  /** Directory of wheels on the host, empty for none. */
  wheelhouse: string;
}

/** One immutable environment of the store. Another lock is another resource beside this one; the old one stays on the host. */
export class Environment extends pulumi.ComponentResource {
  /** 16 hex digits. */
  readonly key: string;
  /** On the host. */
  readonly path: string;

  constructor(name: string, args: EnvironmentArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Environment", name, {}, opts);
    this.key = environmentKey(args.lock, args.baseImage);
    this.path = `${args.host.root}/envs/${this.key}`;
    oneShot(`${name}-populate-${this.key}`, {
      host: args.host,
      image: args.bootstrapImage,
      command: [
        "populate", "--store", "/store", "--key", this.key, "--lock", "-", "--python", PYTHON_ABI,
        ...args.imports.flatMap((module) => ["--import", module]),
        ...(args.index === "" ? [] : ["--index", args.index]),
        ...args.extraIndexes.flatMap((index) => ["--extra-index", index]),
        ...(args.wheelhouse === "" ? [] : ["--wheelhouse", "/wheelhouse"]),
      ],
      input: { file: args.lockFile },
      flags: args.wheelhouse === "" ? [] : [`--volume=${args.wheelhouse}:/wheelhouse:ro`],
    }, { parent: this });
    this.registerOutputs({ key: this.key, path: this.path });
  }
}
