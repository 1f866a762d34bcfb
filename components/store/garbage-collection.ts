import * as pulumi from "@pulumi/pulumi";
import type { Retained } from "../../release/plan";
import { storeJob } from "./store-job";
import { digest } from "../../lib/hashing";
import type { Host } from "../../lib/host";

export interface RootsArgs {
  host: Host;
  /** Reference of the bootstrap image. */
  bootstrapImage: pulumi.Input<string>;
  /** What is not to be collected. Another set is another job. */
  retained: Retained;
}

/**
 * Adds what an update is going to use to what this stack keeps alive, before any of it is made: an update of another stack that
 * collects meanwhile leaves it alone. Until the collection of this stack, what it kept before stays kept too.
 */
export class GcRoots extends pulumi.ComponentResource {
  constructor(name: string, args: RootsArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Hold", name, {}, opts);
    storeJob(`${name}-${shortDigest(args.retained)}`, { ...job("hold", args) }, { parent: this });
    this.registerOutputs({});
  }
}

/**
 * Reduces what this stack keeps alive to what it needs, and removes from the store and the engine what then nothing needs: no
 * references of any stack and no running container of anybody.
 */
export class GarbageCollection extends pulumi.ComponentResource {
  /** Resolves when it is done: the last step of an update. */
  readonly done: pulumi.Output<unknown>;

  constructor(name: string, args: RootsArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Collection", name, {}, opts);
    this.done = storeJob(
      `${name}-${shortDigest(args.retained)}`,
      { ...job("collect", args, "--json"), script: "collect-garbage.mjs", settings: { JOB_ROOT: args.host.root } },
      { parent: this },
    ).id;
    this.registerOutputs({});
  }
}

function job(
  command: string,
  { host, bootstrapImage, retained }: RootsArgs,
  ...options: string[]
): { host: Host; image: pulumi.Input<string>; command: string[]; input: { text: string } } {
  const stack = `${pulumi.getProject()}-${pulumi.getStack()}`;
  return {
    host,
    image: bootstrapImage,
    command: [command, "--store", "/store", "--stack", stack, ...options],
    input: { text: JSON.stringify(retained) },
  };
}

function shortDigest(retained: Retained): string {
  return digest(JSON.stringify(retained)).slice(0, 8);
}
