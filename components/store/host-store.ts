import * as pulumi from "@pulumi/pulumi";
import { digest } from "../../lib/hashing";
import { claimPath, refusal } from "../../lib/deployment-identity";
import { storeJob, type StoreJobContext } from "./store-job";

export interface HostStoreArgs {
  job: StoreJobContext;
  /** Names of the services that write data here. Each has a directory; none is ever removed. */
  services: readonly string[];
}

/**
 * The store's layout on the host, this deployment's claim on the name of its stack in it, and the data directories of
 * the stack. Destroying the stack gives up the claim, and leaves the rest.
 */
export class HostStore extends pulumi.ComponentResource {
  /** Directory that a service of this stack writes to, on the host. */
  readonly dataDirectory: (service: string) => string;

  constructor(name: string, args: HostStoreArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:HostStore", name, {}, opts);
    const { job } = args;
    const { root } = job.host;
    const { stack } = job.deployment;
    const directories = args.services.map((service) => `${stack}/${service}`);
    this.dataDirectory = (service) => `${root}/data/${stack}/${service}`;
    const claim = claimStore(`${name}-claim-${digest(root).slice(0, 8)}`, job, this);
    // The name depends on what must exist: another root or service is another job.
    storeJob(
      `${name}-init-${digest(root, ...directories).slice(0, 8)}`,
      {
        ...job,
        command: ["init", "--store", "/store", ...directories.flatMap((directory) => ["--data", directory])],
      },
      { parent: this, dependsOn: claim },
    );
    this.registerOutputs({ root });
  }
}

/**
 * Claims the name of the stack in the store, or fails if another deployment has it: also one of another engine, when
 * two engines share a disk.
 */
function claimStore(name: string, job: StoreJobContext, parent: pulumi.Resource): pulumi.Resource {
  const { host, deployment } = job;
  return storeJob(
    name,
    {
      ...job,
      entrypoint: "/bin/sh",
      command: ["-s"],
      input: { file: "components/scripts/claim-store.sh" },
      variables: {
        CLAIM_FILE: claimPath(deployment),
        CLAIM_ID: deployment.id,
        CLAIM_OWNER: deployment.owner,
        CLAIM_REFUSAL: refusal(`The store ${host.root}`, deployment, "@OWNER@"),
      },
      // Without the store tool's image the claim stays, and the next update says how to take it over.
      undo: "JOB_FILE=components/scripts/release-store.sh components/scripts/store-job.sh || true",
    },
    { parent },
  );
}
