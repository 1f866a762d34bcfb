import * as pulumi from "@pulumi/pulumi";
import { digest } from "../../lib/hashing";
import type { Host } from "../../lib/host";
import { storeJob } from "./store-job";

export interface HostStoreArgs {
  host: Host;
  /** Reference of the bootstrap image. */
  bootstrapImage: pulumi.Input<string>;
  /** Names of the services that write data here. Each has a directory; none is ever removed. */
  services: readonly string[];
}

/** The store's layout on the host, and the data directories of this stack. Destroying the stack leaves all of it. */
export class HostStore extends pulumi.ComponentResource {
  /** Directory that a service of this stack writes to, on the host. */
  readonly dataDirectory: (service: string) => string;

  constructor(name: string, args: HostStoreArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:HostStore", name, {}, opts);
    const directories = args.services.map((service) => `${pulumi.getStack()}/${service}`);
    this.dataDirectory = (service) => `${args.host.root}/data/${pulumi.getStack()}/${service}`;
    // The name depends on what must exist: another root or service is another job.
    storeJob(
      `${name}-init-${digest(args.host.root, ...directories).slice(0, 8)}`,
      {
        host: args.host,
        image: args.bootstrapImage,
        command: ["init", "--store", "/store", ...directories.flatMap((directory) => ["--data", directory])],
      },
      { parent: this },
    );
    this.registerOutputs({ root: args.host.root });
  }
}
