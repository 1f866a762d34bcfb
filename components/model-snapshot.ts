import * as pulumi from "@pulumi/pulumi";
import { oneShot } from "./one-shot";
import type { Host } from "./shared/host";

export interface ModelSnapshotArgs {
  host: Host;
  /** Reference of the bootstrap image. */
  bootstrapImage: pulumi.Input<string>;
  /** `<organisation>/<name>` on the hub, or `local/<name>`. */
  repo: string;
  /** Commit, 40 hex digits. */
  revision: string;
  /** Directory on the deployer's machine that holds the model; without it the hub is asked. */
  directory: string | undefined;
  hubEndpoint: string;
  /** For repositories that want one. @default none */
  hubToken: pulumi.Input<string> | undefined;
}

/** One model at one commit in the store. Another commit is another resource beside this one; the old one stays on the host. */
export class ModelSnapshot extends pulumi.ComponentResource {
  constructor(name: string, args: ModelSnapshotArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:ModelSnapshot", name, {}, opts);
    const common = {
      host: args.host,
      image: args.bootstrapImage,
      command: ["fetch", "--store", "/store", "--repo", args.repo, "--revision", args.revision],
    };
    const job = `${name}-fetch-${args.revision.slice(0, 12)}`;
    if (args.directory === undefined) {
      oneShot(job, {
        ...common,
        command: [...common.command, "--endpoint", args.hubEndpoint],
        environment: args.hubToken === undefined ? {} : { HF_TOKEN: args.hubToken },
      }, { parent: this });
    } else {
      oneShot(job, { ...common, command: [...common.command, "--archive", "-"], input: { directory: args.directory } }, { parent: this });
    }
    this.registerOutputs({});
  }
}
