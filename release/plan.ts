import { snapshotOf, type Release } from "./release";

/** Images that serve every release alike: the store tool and the gateway. */
export interface Tools {
  bootstrap: string;
  gateway: string;
}

export interface PlanInput {
  /** What the checkout makes, as an entry of the ledger. */
  candidate: Release;
  /** Releases that ran, the latest run first. */
  ledger: readonly Release[];
  /** The tools that run now; undefined before the first update, or when they are gone. */
  tools: Tools | undefined;
  /** Id of the release to run; empty for the candidate. */
  wanted: string;
  /** How many releases to keep, the one to run among them; at least 2, so that there is one to go back to. */
  retain: number;
  /** Why a release cannot be run again, or undefined when it can, as far as this machine can see. */
  lost: (release: Release) => string | undefined;
}

/** What an update is to do, known before anything is created. */
export interface Plan {
  /** The release to run. */
  active: Release;
  /** Whether the checkout makes it, so that whatever of it is missing can be made. */
  fromCheckout: boolean;
  tools: Tools;
  /** The release to go back to when this one fails; undefined when there is none that can be run. */
  back: Release | undefined;
  /** The ledger after the update: the active release first, then the latest run ones. */
  releases: Release[];
  /** What of the store and the engine the ledger needs, whether it is still there or not. */
  keep: Kept;
}

/** What is not to be collected. Every list is sorted and without doubles. */
export interface Kept {
  images: string[];
  environments: string[];
  /** `repo@commit`. */
  models: string[];
}

/** A release that cannot be run; the message says why and what can. */
export class PlanError extends Error {}

/**
 * Decides which release runs and which ones stay. A rollback takes nothing from the checkout: neither its server nor its tools
 * need to be built for it.
 * @throws PlanError when the wanted release is not in the ledger or has lost a part.
 */
export function plan({ candidate, ledger, tools, wanted, retain, lost }: PlanInput): Plan {
  const fromCheckout = wanted === "" || wanted === candidate.id;
  const known = ledger.find(({ id }) => id === (fromCheckout ? candidate.id : wanted));
  if (!fromCheckout && known === undefined) {
    throw new PlanError(`there is no such release; ${listing(ledger, lost)}`);
  }
  const active = fromCheckout ? { ...candidate, ...firstRun(known) } : withLoss(known ?? candidate, undefined);
  const reason = fromCheckout ? undefined : lost(active);
  if (reason !== undefined) {
    throw new PlanError(
      `it cannot be run again: ${reason}; check out its commit${active.commit === undefined ? "" : ` (${active.commit.slice(0, 12)})`} and update without this key, or take another one; ${listing(ledger, lost)}`,
    );
  }
  const others = ledger.filter(({ id }) => id !== active.id).slice(0, retain - 1);
  const releases = [active, ...others.map((release) => withLoss(release, lost(release)))];
  const { bootstrap, gateway } = fromCheckout ? candidate.images : (tools ?? candidate.images);
  const planned = { bootstrap, gateway };
  const back = releases.slice(1).find((release) => release.lost === undefined);
  return { active, fromCheckout, tools: planned, back, releases, keep: kept(releases, planned) };
}

/** What the releases need, and the tools. A release that lost a part keeps the others: the lost one may come back. */
export function kept(releases: readonly Release[], tools: Tools): Kept {
  return {
    images: unique([...releases.flatMap(({ images }) => Object.values(images)), tools.bootstrap, tools.gateway]),
    environments: unique(releases.map(({ environment }) => environment)),
    models: unique(releases.flatMap(({ models }) => models.map(snapshotOf))),
  };
}

/** A release stays what it was when it ran first, whichever commit makes it again. */
function firstRun(known: Release | undefined): Partial<Release> {
  if (known === undefined) {
    return {};
  }
  const { created, commit, message } = known;
  return { created, ...(commit === undefined ? {} : { commit }), ...(message === undefined ? {} : { message }) };
}

function withLoss({ ...release }: Release, reason: string | undefined): Release {
  delete release.lost;
  return reason === undefined ? release : { ...release, lost: reason };
}

function listing(ledger: readonly Release[], lost: PlanInput["lost"]): string {
  const ids = ledger
    .filter((release) => lost(release) === undefined)
    .map(({ id, message }) => (message === undefined ? id : `${id} (${message})`));
  return ids.length === 0 ? "this stack has run none yet" : `the releases that can be run are ${ids.join(", ")}`;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
