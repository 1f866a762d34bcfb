import { stackApplication } from "../lib/application";
import { project } from "../../config/stack";
import { LABELLED_KINDS, listLabelled, parseLabelled, type Labelled } from "../../lib/deployment-identity";
import { engineEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { pulumi } from "../lib/pulumi";
import { run } from "../lib/run";
import { releaseAfter, releaseLock, releaseLockIfFile } from "./lock";
import { orphans, readState, type KnownState } from "./orphans";

/**
 * Makes a stack ready for its next update after one was killed: removes the stale lock, half written attributes of the
 * state, and the containers and networks of this deployment that Pulumi does not know.
 *
 * @returns what was removed
 * @throws UserError while an update is running
 */
export async function recover(stack: string, progress: Progress): Promise<Labelled[]> {
  await releaseLock(stack, progress);
  return removeOrphans(stack, progress);
}

/**
 * Runs an update of a stack, and recovers the stack like {@link recover} if there is a stale lock: before it in a file
 * backend, whose locks can be read, and otherwise when the update has found the lock.
 */
export async function withoutStaleLock<T>(stack: string, progress: Progress, update: () => Promise<T>): Promise<T> {
  if (releaseLockIfFile(stack, progress)) {
    await removeOrphans(stack, progress);
  }
  try {
    return await update();
  } catch (error) {
    if (!(await releaseAfter(stack, error, progress))) {
      throw error;
    }
    await removeOrphans(stack, progress);
    return update();
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
