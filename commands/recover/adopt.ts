import * as fs from "node:fs";
import * as path from "node:path";
import { project } from "../../config/stack";
import { claimPath, ownerOf, parseClaim, type Claim, type Labelled } from "../../lib/deployment-identity";
import { projectRoot } from "../../lib/paths";
import { isMissingMount } from "../store/engine-usage";
import { runInStore, storeImage, storeRoot } from "../store/store-tool";
import type { Progress } from "../lib/progress";
import { foreign } from "./orphans";
import { releaseLock } from "./lock";
import { knownState, labelledWith, removeLabelled } from "./recover";

/** Another deployment of the same project and stack: what an update refuses to touch. */
export interface OtherDeployment {
  owner: string;
  /** Its containers, networks and volumes on this engine, in an order in which they can be removed. */
  labelled: readonly Labelled[];
  /** The store in which it has the name of the stack; undefined if it has none in the store of this stack. */
  claimed: { root: string; claim: Claim } | undefined;
}

/**
 * Looks for another deployment of a stack, on the engine and in the store.
 * @returns undefined if there is none
 * @throws UserError while an update of this one is running
 */
export async function findOther(stack: string, progress: Progress): Promise<OtherDeployment | undefined> {
  await releaseLock(stack, progress);
  const state = await knownState(stack);
  const labelled = foreign(await labelledWith(stack), state);
  const root = await storeRoot(stack);
  const claim = await readClaim(stack, root, progress);
  const claimed = claim !== undefined && claim.id !== state.ownership.id ? { root, claim } : undefined;
  if (labelled.length === 0 && claimed === undefined) {
    return undefined;
  }
  return { owner: claimed?.claim.owner ?? ownerOf(labelled), labelled, claimed };
}

/** What taking over a deployment removes, what it keeps, and what is closed meanwhile. */
export function describeOther(stack: string, { owner, labelled, claimed }: OtherDeployment): string[] {
  return [
    `The stack "${stack}" of the project "${project}" has another deployment: ${owner}.`,
    ...(labelled.length === 0
      ? []
      : [
          "Taking it over removes from this engine:",
          ...labelled.map(({ kind, component, name }) => `  ${kind === "container" ? component : kind} ${name}`),
          "The service does not answer from then until the next update has finished.",
        ]),
    ...(labelled.length === 0 && claimed !== undefined
      ? [
          `Only the store ${claimed.root} knows it: its containers are not on this engine. If they run on another one, stop`,
          "them first. Two servers must never write the same documents.",
        ]
      : []),
    "Environment, images, models and documents stay, and the next update uses them. Updates from its checkout are refused",
    "from that update on. The list of releases starts anew, because it was in the other state: what only earlier releases",
    "need is removed by the next update, so there is no rollback to them. To keep one, deploy its commit again.",
  ];
}

/**
 * Takes a deployment over: removes what it has on the engine, and gives up its name in the store. The next update
 * makes everything anew with what the store and the engine still have. After a kill, it can run again.
 */
export async function takeOver(stack: string, other: OtherDeployment, progress: Progress): Promise<void> {
  await removeLabelled(stack, other.labelled, progress, "it belongs to the deployment that is taken over");
  if (other.claimed !== undefined) {
    const { root, claim } = other.claimed;
    await inStore(stack, root, containerScript("release-store.sh"), claim.id, progress);
  }
}

async function readClaim(stack: string, root: string, progress: Progress): Promise<Claim | undefined> {
  try {
    return parseClaim(
      await inStore(stack, root, 'if [ -e "/store/$CLAIM_FILE" ]; then cat "/store/$CLAIM_FILE"; fi', "", progress),
    );
  } catch (error) {
    if (isMissingMount(error)) {
      return undefined;
    }
    throw error;
  }
}

async function inStore(stack: string, root: string, script: string, id: string, progress: Progress): Promise<string> {
  const variables = { CLAIM_FILE: claimPath({ project, stack }), CLAIM_ID: id };
  return runInStore(stack, { root, script, variables }, await storeImage(stack, progress));
}

function containerScript(name: string): string {
  return fs.readFileSync(path.join(projectRoot, "components", "scripts", name), "utf8");
}
