import * as pulumi from "@pulumi/pulumi";
import { MOUNTS, type ApplicationCommands } from "../../applications/application";
import { jobOptions, toLines } from "../../lib/container-job";
import { deploymentLabels } from "../../lib/deployment-identity";
import { storeJob, type StoreJobArgs, type StoreJobContext } from "./store-job";
import type { Environment } from "./environment";

/** Where a new snapshot comes from. */
export type SnapshotSource =
  /** A directory on the deployer's machine. */
  | { directory: string }
  /** A hub, with a token for repositories that require one, and mirrors for when it fails. */
  | { hubEndpoint: string; hubMirrors: readonly string[]; hubToken: pulumi.Input<string> | undefined }
  /** Another snapshot of the store, from which the server image makes a variant with the packages of an environment. */
  | {
      commands: ApplicationCommands;
      derivedFrom: { repo: string; revision: string };
      variant: string;
      serverImage: pulumi.Input<string>;
      environment: Environment;
    };

export interface ModelSnapshotArgs {
  job: StoreJobContext;
  /** `<organisation>/<name>` on the hub, or `local/<name>`. */
  repo: string;
  /** Commit, 40 hex digits. */
  revision: string;
  /** Undefined for a snapshot that only an earlier release needs: it is in the store and is not downloaded again. */
  source: SnapshotSource | undefined;
  /** Whether it is missing from the host: then it is downloaded again. */
  missing: boolean;
}

/**
 * One model at one commit in the store. Another commit is another resource beside this one; the old one stays on the
 * host.
 */
export class ModelSnapshot extends pulumi.ComponentResource {
  constructor(name: string, args: ModelSnapshotArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:ModelSnapshot", name, {}, opts);
    storeJob(`${name}-fetch`, { ...args.job, missing: args.missing, ...fetchJob(args) }, { parent: this });
    this.registerOutputs({});
  }
}

function fetchJob({
  job,
  repo,
  revision,
  source,
}: ModelSnapshotArgs): Pick<StoreJobArgs, "command" | "input" | "network" | "variables" | "script" | "settings"> {
  if (source === undefined) {
    return { command: ["verify", "--store", "/store", `models/${repo}@${revision}`] };
  }
  const fetch = ["fetch", "--store", "/store", "--repo", repo, "--revision", revision];
  if ("directory" in source) {
    return { command: [...fetch, "--archive", "-"], input: { directory: source.directory } };
  }
  if ("derivedFrom" in source) {
    const { commands, derivedFrom, variant, serverImage, environment } = source;
    return {
      command: [...fetch, "--archive", "-"],
      script: "derive.sh",
      settings: {
        DERIVE_OPTIONS: toLines(
          jobOptions({
            labels: deploymentLabels(job.deployment, "derive"),
            mounts: [
              { source: environment.path, target: MOUNTS.environment },
              { source: `${job.host.root}/models/huggingface`, target: MOUNTS.models },
            ],
          }),
        ),
        DERIVE_IMAGE: serverImage,
        DERIVE_COMMAND: toLines(commands.derive({ ...derivedFrom, variant })),
      },
    };
  }
  const sources = ["--endpoint", source.hubEndpoint, ...source.hubMirrors.flatMap((mirror) => ["--mirror", mirror])];
  return {
    command: [...fetch, ...sources],
    network: true,
    variables: source.hubToken === undefined ? {} : { HF_TOKEN: source.hubToken },
  };
}
