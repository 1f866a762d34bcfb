import * as pulumi from "@pulumi/pulumi";
import { digest } from "../../lib/hashing";
import { claimPath, claimVolume, deploymentLabels, refusal } from "../../lib/deployment-identity";
import { toLines } from "../../lib/container-job";
import type { HostFacts } from "../host-facts";
import { storeJob, type StoreJobContext } from "./store-job";

export interface HostStoreArgs {
  job: StoreJobContext;
  /** Names of the services that write data here. Each has a directory; none is ever removed. */
  services: readonly string[];
  facts: Pick<HostFacts, "hasStore">;
}

/**
 * The store's layout on the host, this deployment's claims on the name of its stack in it and on the engine, and the data
 * directories of the stack. Destroying the stack gives up the claims, and leaves the rest.
 * A store that is gone is begun again, as on a new host to which the state was restored.
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
    const missing = !args.facts.hasStore();
    const claim = claimName(`${name}-claim-${digest(root).slice(0, 8)}`, { job, missing }, this);
    // The name depends on what must exist: another root or service is another job.
    storeJob(
      `${name}-init-${digest(root, ...directories).slice(0, 8)}`,
      {
        ...job,
        command: ["init", "--store", "/store", ...directories.flatMap((directory) => ["--data", directory])],
        missing,
      },
      { parent: this, dependsOn: claim },
    );
    this.registerOutputs({ root });
  }
}

/**
 * Claims the name of the stack, or fails if another deployment has it: on the engine, where another first update may
 * have begun since this one looked, and in the store, which two engines can share.
 */
function claimName(
  name: string,
  { job, missing }: { job: StoreJobContext; missing: boolean },
  parent: pulumi.Resource,
): pulumi.Resource {
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
      script: "claim.sh",
      settings: {
        CLAIM_VOLUME: claimVolume(deployment),
        CLAIM_LABELS: toLines(
          Object.entries(deploymentLabels(deployment, "claim")).map(([key, value]) => `io.archon.${key}=${value}`),
        ),
        CLAIM_ENGINE_REFUSAL: refusal(`The engine at ${host.dockerHost}`, deployment, "@OWNER@"),
      },
      undo: "components/scripts/release.sh",
      missing,
    },
    // The other way round, what undoes the old job would give up the claims of the new one.
    { parent, deleteBeforeReplace: true },
  );
}
