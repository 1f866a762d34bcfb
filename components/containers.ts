import type * as docker from "@pulumi/docker";
import { deploymentLabels, type DeploymentIdentity, type LabelledComponent } from "../lib/deployment-identity";

/**
 * What every long-running container of ours gets, and no caller can loosen: a read-only root file system, no
 * capabilities, no way to gain any, bounded logs. It always starts again: an engine that starts after a crash ends the
 * containers that still run, and then considers those with "unless-stopped" stopped by hand
 * (https://github.com/moby/moby/pull/53415).
 */
export const hardened = {
  restart: "always",
  readOnly: true,
  capabilities: { drops: ["ALL"] },
  securityOpts: ["no-new-privileges"],
  logDriver: "json-file",
  logOpts: { "max-size": "10m", "max-file": "3" },
} as const satisfies Partial<docker.ContainerArgs>;

/**
 * Properties whose change replaces the container. The provider plans most of them as an update in place, reports
 * success, and changes nothing in the container. A memory limit does change in place, but a lower one kills a server
 * that uses more: another server must first be ready with it.
 * `#initerror` makes the next update replace a container that failed to start.
 */
export const REPLACE_ON_CHANGES = [
  "#initerror",
  "mounts",
  "healthcheck",
  "tmpfs",
  "init",
  "cpuPeriod",
  "cpuQuota",
  "memory",
  "memorySwap",
];

/**
 * Properties to which the engine adds what its `daemon.json` says for all containers (`log-opts`, `default-ulimits`). An
 * administrator may add any option, so none can be declared here, and a difference would replace the container in every
 * update. The options that {@link hardened} declares win over those of the engine.
 */
export const COMPLETED_BY_ENGINE = ["logOpts", "ulimits"];

/**
 * Memory limit without swap. Both are set: with only one of them the provider always reports a difference. An engine whose
 * kernel does not account for swap reports that every container may use all of it, whatever was asked for.
 * @param limitsSwap whether the engine limits swap
 */
export function memoryLimit(mebibytes: number, limitsSwap: boolean): { memory: number; memorySwap: number } {
  return { memory: mebibytes, memorySwap: limitsSwap ? mebibytes : -1 };
}

/** Labels that say which deployment a container or network belongs to, for everything outside Pulumi. Stable. */
export function labels(
  deployment: DeploymentIdentity,
  component: LabelledComponent,
  more: Readonly<Record<string, string>> = {},
): { label: string; value: string }[] {
  return Object.entries({ ...deploymentLabels(deployment, component), ...more }).map(([key, value]) => ({
    label: `io.archon.${key}`,
    value,
  }));
}

/**
 * A duration as the engine reports it ("2m50s", not "170s"): with another spelling every refresh finds a difference.
 */
export function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${seconds % 60}s`;
}
