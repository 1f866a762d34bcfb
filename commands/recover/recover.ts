import { stackApplication } from "../lib/application";
import { archon } from "../../lib/command-line";
import { project } from "../../config/stack";
import { LABELLED_KINDS, listLabelled, parseLabelled, type Labelled } from "../../lib/deployment-identity";
import { UserError } from "../../lib/errors";
import { engineEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { pulumi } from "../lib/pulumi";
import { run } from "../lib/run";
import { removeBrokenAttributes } from "./attributes";
import { heldLock, releaseStaleLocks } from "./lock";
import { orphans, readState, type KnownState } from "./orphans";

/**
 * Makes a stack ready for its next update after one was killed: removes the stale lock, half written attributes of the
 * state, and the containers and networks of this deployment that Pulumi does not know.
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
  removeBrokenAttributes(progress);
  if (releaseStaleLocks(stack, progress)) {
    await removeOrphans(stack, progress);
  }
}

/** Removes the stale lock of a stack, and half written attributes of the state. @throws UserError while an update is running */
export function releaseLock(stack: string, progress: Progress): void {
  releaseStaleLocks(stack, progress);
  removeBrokenAttributes(progress);
  const holder = heldLock(stack);
  if (holder !== undefined) {
    throw new UserError(
      `An update of the stack "${stack}" is running: process ${holder.pid} of ${holder.username}@${holder.hostname}, ` +
        `since ${holder.timestamp}.\nWait until it has finished. If that process no longer exists: ${archon(`pulumi cancel --yes --stack ${stack}`)}`,
    );
  }
}

/** What the state of a stack knows. */
export async function knownState(stack: string): Promise<KnownState> {
  return readState(await pulumi(stack, ["stack", "export"]));
}

/** Everything on the engine with the labels of a stack, in an order in which it can be removed. */
export async function labelledWith(stack: string): Promise<Labelled[]> {
  const environment = engineEnvironment(stack);
  const listed = await Promise.all(
    LABELLED_KINDS.map(async (kind) =>
      parseLabelled(kind, await run("docker", listLabelled(kind, { project, stack }), { environment })),
    ),
  );
  return listed.flat();
}

/** Removes containers, networks and volumes, in this order. A container may be answering requests, and finishes them. */
export async function removeLabelled(
  stack: string,
  labelled: readonly Labelled[],
  progress: Progress,
  reason: string,
): Promise<void> {
  const environment = engineEnvironment(stack);
  for (const { kind, component, id, name } of labelled) {
    // The engine removes a store job as soon as it stops: stopping it first would race with that.
    if (component === "server" || component === "gateway") {
      await run("docker", ["stop", `--time=${stackApplication(stack).stopSeconds}`, id], { environment });
    }
    await run("docker", kind === "container" ? ["rm", "--force", id] : [kind, "rm", id], { environment });
    progress.message(`Removed the ${kind} ${name}: ${reason}.`);
  }
}

async function removeOrphans(stack: string, progress: Progress): Promise<Labelled[]> {
  const orphaned = orphans(await labelledWith(stack), await knownState(stack));
  await removeLabelled(stack, orphaned, progress, "a killed update made it but did not record it");
  return orphaned;
}
