import * as pulumi from "@pulumi/pulumi";
import { snapshotOf, type ModelReference } from "../../release/release";
import { toLines } from "../../lib/container-job";
import { storeJob, type StoreJobContext } from "./store-job";

export interface BaselineArgs {
  /** Prints what the models of a ready server answer to the known questions. */
  command: readonly string[];
  job: StoreJobContext;
  /** The default model. */
  model: ModelReference;
  /** Id of a server container that is ready. */
  containerId: pulumi.Input<string>;
  /** Whether the store has none: it was lost, or no server could give it when an earlier update asked. */
  missing: boolean;
}

/**
 * Records the baseline of a model beside its snapshot: what it answers to the known questions when it is first served.
 * From then on a server is ready only if it gives the same answers within a tolerance, so that damaged weights, a wrong
 * dtype or another library are noticed. The type is still called `Proof`: renaming it would replace the resource.
 */
export class Baseline extends pulumi.ComponentResource {
  constructor(name: string, args: BaselineArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:Proof", name, {}, opts);
    const { repo, revision } = args.model;
    storeJob(
      `${name}-record`,
      {
        ...args.job,
        missing: args.missing,
        command: ["record", "--store", "/store", "--repo", repo, "--revision", revision],
        script: "record-baseline.sh",
        settings: {
          BASELINE_CONTAINER: args.containerId,
          BASELINE_COMMAND: toLines(args.command),
          BASELINE_MODEL: snapshotOf(args.model),
        },
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
