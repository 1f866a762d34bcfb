import { deployedApplication } from "../../applications/deployed";
import { archon } from "../../lib/command-line";
import { project, stackHost } from "../../config/stack";
import { listLabelled, parseLabelled, type Labelled } from "../../lib/deployment-identity";
import { UserError } from "../../lib/errors";
import { dockerEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { pulumi } from "../lib/pulumi";
import { run } from "../lib/run";
import { heldLock, releaseStaleLocks } from "./lock";
import { orphans, readState, type KnownState } from "./orphans";

/**
 * Makes a stack ready for its next update after one was killed: removes the stale lock, and the containers and networks
 * of this deployment that Pulumi does not know.
 *
 * @returns what was removed
 * @throws UserError while an update is running
 */
export async function recover(stack: string, progress: Progress): Promise<Labelled[]> {
  releaseLock(stack, progress);
  return removeOrphans(stack, progress);
}

/** Recovers a stack like {@link recover} if there is a stale lock; otherwise does nothing. */
export async function recoverIfStale(stack: string, progress: Progress): Promise<void> {
  if (releaseStaleLocks(stack, progress)) {
    await removeOrphans(stack, progress);
  }
}

/** Removes the stale lock of a stack. @throws UserError while an update is running */
export function releaseLock(stack: string, progress: Progress): void {
  releaseStaleLocks(stack, progress);
  const holder = heldLock(stack);
  if (holder !== undefined) {
    throw new UserError(
      `An update of the stack "${stack}" is running: process ${holder.pid} of ${holder.username}@${holder.hostname}, since ${holder.timestamp}.\nWait until it has finished. If that process no longer exists: ${archon(`pulumi cancel --yes --stack ${stack}`)}`,
    );
  }
}

/** What the state of a stack knows. */
export async function knownState(stack: string): Promise<KnownState> {
  return readState(await pulumi(stack, ["stack", "export"]));
}

/** Every container and network of the engine with the labels of a stack, the containers before the networks they use. */
export async function labelledWith(stack: string): Promise<Labelled[]> {
  const [containers, networks] = await Promise.all(
    (["container", "network"] as const).map(async (kind) =>
      parseLabelled(kind, await docker(stack, listLabelled(kind, { project, stack }))),
    ),
  );
  return [...(containers ?? []), ...(networks ?? [])];
}

/** Removes containers and networks, in this order. A container may be answering requests, and finishes them. */
export async function removeLabelled(
  stack: string,
  labelled: readonly Labelled[],
  progress: Progress,
  reason: string,
): Promise<void> {
  for (const { kind, id, name } of labelled) {
    if (kind === "container") {
      await docker(stack, ["stop", `--time=${deployedApplication.stopSeconds}`, id]);
    }
    await docker(stack, kind === "container" ? ["rm", "--force", id] : ["network", "rm", id]);
    progress.message(`Removed the ${kind} ${name}: ${reason}.`);
  }
}

async function removeOrphans(stack: string, progress: Progress): Promise<Labelled[]> {
  const orphaned = orphans(await labelledWith(stack), await knownState(stack));
  await removeLabelled(stack, orphaned, progress, "a killed update made it but did not record it");
  return orphaned;
}

function docker(stack: string, args: readonly string[]): Promise<string> {
  return run("docker", args, { environment: dockerEnvironment(stackHost(stack).dockerHost) });
}
