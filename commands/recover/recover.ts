import { deployedApplication } from "../../applications/deployed";
import { archon } from "../../lib/command-line";
import { stackHost } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { dockerEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { pulumi } from "../lib/pulumi";
import { run } from "../lib/run";
import { heldLock, releaseStaleLocks } from "./lock";
import { knownIds, labelFilters, orphans, type Labelled } from "./orphans";

/**
 * Makes a stack ready for its next update after one was killed: removes the stale lock, and the containers and networks
 * that Pulumi does not know.
 *
 * @returns what was removed
 * @throws UserError while an update is running
 */
export async function recover(stack: string, progress: Progress): Promise<Labelled[]> {
  releaseStaleLocks(stack, progress);
  const holder = heldLock(stack);
  if (holder !== undefined) {
    throw new UserError(
      `An update of the stack "${stack}" is running: process ${holder.pid} of ${holder.username}@${holder.hostname}, since ${holder.timestamp}.\nWait until it has finished. If that process no longer exists: ${archon(`pulumi cancel --yes --stack ${stack}`)}`,
    );
  }
  return removeOrphans(stack, progress);
}

/** Recovers a stack like {@link recover} if there is a stale lock; otherwise does nothing. */
export async function recoverIfStale(stack: string, progress: Progress): Promise<void> {
  if (releaseStaleLocks(stack, progress)) {
    await removeOrphans(stack, progress);
  }
}

async function removeOrphans(stack: string, progress: Progress): Promise<Labelled[]> {
  const orphaned = orphans(await labelled(stack), knownIds(await pulumi(stack, ["stack", "export"])));
  for (const { kind, id, name } of orphaned) {
    if (kind === "container") {
      // It may be answering requests, and it finishes those in progress.
      await docker(stack, ["stop", `--time=${deployedApplication.stopSeconds}`, id]);
    }
    await docker(stack, kind === "container" ? ["rm", "--force", id] : ["network", "rm", id]);
    progress.message(`Removed the ${kind} ${name}: a killed update made it but did not record it.`);
  }
  return orphaned;
}

/** Containers and networks with the stack's labels, the containers before the network that they use. */
async function labelled(stack: string): Promise<Labelled[]> {
  const containers = await Promise.all(
    (["server", "gateway"] as const).map((component) =>
      list(stack, "container", ["ps", "--all", ...labelFilters(stack, component)], "{{.Names}}"),
    ),
  );
  return [
    ...containers.flat(),
    ...(await list(stack, "network", ["network", "ls", ...labelFilters(stack, "network")], "{{.Name}}")),
  ];
}

async function list(
  stack: string,
  kind: Labelled["kind"],
  command: readonly string[],
  name: string,
): Promise<Labelled[]> {
  const listed = await docker(stack, [...command, "--no-trunc", "--format", `{{.ID}} ${name}`]);
  return listed
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => ({ kind, id: line.slice(0, line.indexOf(" ")), name: line.slice(line.indexOf(" ") + 1) }));
}

function docker(stack: string, args: readonly string[]): Promise<string> {
  return run("docker", args, { environment: dockerEnvironment(stackHost(stack).dockerHost) });
}
