import * as pulumi from "@pulumi/pulumi";
import { oneShot } from "./one-shot";
import type { Host } from "./shared/host";

/** Where a new snapshot comes from. */
export type SnapshotSource =
  /** A directory on the deployer's machine. */
  | { directory: string }
  /** A hub, with a token for repositories that want one. */
  | { hubEndpoint: string; hubToken: pulumi.Input<string> | undefined };

export interface ModelSnapshotArgs {
  host: Host;
  /** Reference of the bootstrap image. */
  bootstrapImage: pulumi.Input<string>;
  /** `<organisation>/<name>` on the hub, or `local/<name>`. */
  repo: string;
  /** Commit, 40 hex digits. */
  revision: string;
  /** Undefined for a snapshot that only an earlier release needs: it is in the store, and is fetched no more. */
  source: SnapshotSource | undefined;
  /** Whether it was there and is gone from the host: then it is fetched again. */
  gone: boolean;
}

/** One model at one commit in the store. Another commit is another resource beside this one; the old one stays on the host. */
export class ModelSnapshot extends pulumi.ComponentResource {
  constructor(name: string, args: ModelSnapshotArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:ModelSnapshot", name, {}, opts);
    oneShot(`${name}-fetch`, { host: args.host, image: args.bootstrapImage, gone: args.gone, ...work(args) }, { parent: this });
    this.registerOutputs({});
  }
}

function work({ repo, revision, source }: ModelSnapshotArgs): { command: string[]; input?: { directory: string }; environment?: Record<string, pulumi.Input<string>> } {
  if (source === undefined) {
    return { command: ["verify", "--store", "/store", `models/${repo}@${revision}`] };
  }
  const fetch = ["fetch", "--store", "/store", "--repo", repo, "--revision", revision];
  return "directory" in source
    ? { command: [...fetch, "--archive", "-"], input: { directory: source.directory } }
    : { command: [...fetch, "--endpoint", source.hubEndpoint], environment: source.hubToken === undefined ? {} : { HF_TOKEN: source.hubToken } };
}
