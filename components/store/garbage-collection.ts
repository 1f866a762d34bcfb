import * as pulumi from "@pulumi/pulumi";
import type { Retained } from "../../release/plan";
import { storeName } from "../../lib/deployment-identity";
import { digest } from "../../lib/hashing";
import type { HostFacts } from "../host-facts";
import { storeJob, type StoreJobArgs, type StoreJobContext } from "./store-job";

export interface RootsArgs {
  job: StoreJobContext;
  /** What garbage collection must leave alone. Another set is another job. */
  retained: Retained;
}

/**
 * Adds what an update will use to the GC roots of this stack before any of it is made, so that a garbage collection of
 * another stack leaves it alone. What the stack retained before stays among its roots until its own garbage collection.
 * Roots that are missing from the store are written again.
 * The type is still called `Hold`, because renaming it would replace the resource in every stack.
 */
export class GcRoots extends pulumi.ComponentResource {
  constructor(name: string, args: RootsArgs & { facts: HostFacts }, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Hold", name, {}, opts);
    const missing = !args.facts.hasRoots(storeName(args.job.deployment));
    storeJob(`${name}-${shortDigest(args.retained)}`, { ...rootsJob("hold", args), missing }, { parent: this });
    this.registerOutputs({});
  }
}

/**
 * Reduces the GC roots of this stack to what it needs, and removes from the store and the engine what then no stack
 * refers to and no live container uses. The name of the type, `Collection`, is stable too.
 */
export class GarbageCollection extends pulumi.ComponentResource {
  /** Resolves with the last step of an update. */
  readonly done: pulumi.Output<unknown>;

  constructor(name: string, args: RootsArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Collection", name, {}, opts);
    this.done = storeJob(
      `${name}-${shortDigest(args.retained)}`,
      {
        ...rootsJob("collect", args, "--json"),
        script: "collect-garbage.mjs",
        settings: { JOB_ROOT: args.job.host.root },
      },
      { parent: this },
    ).id;
    this.registerOutputs({});
  }
}

function rootsJob(command: string, { job, retained }: RootsArgs, ...options: string[]): StoreJobArgs {
  return {
    ...job,
    command: [command, "--store", "/store", "--stack", storeName(job.deployment), ...options],
    input: { text: JSON.stringify(retained) },
  };
}

function shortDigest(retained: Retained): string {
  return digest(JSON.stringify(retained)).slice(0, 8);
}
