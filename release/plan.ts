import type { SharedImages } from "./ledger";
import { imagesOf, snapshotOf, type Release } from "./release";

export interface PlanInput {
  /** What the checkout makes, as an entry of the ledger. */
  candidate: Release;
  /** Releases that ran, the latest run first. */
  releases: readonly Release[];
  /** The shared images that run now; undefined before the first update, or when one of them is missing. */
  sharedImages: SharedImages | undefined;
  /** Id of the release to run; empty for the candidate. */
  requestedId: string;
  /** How many releases to retain, the one to run among them; at least 2, so that there is one to roll back to. */
  retain: number;
  /** Why a release cannot run again, or undefined when it can, as far as this machine can see. */
  unavailableReason: (release: Release) => string | undefined;
}

/** What an update does, known before anything is created. */
export interface Plan {
  /** The release to run. */
  active: Release;
  /** Whether the checkout makes the active release: then the update can make parts of it that are missing. */
  fromCheckout: boolean;
  sharedImages: SharedImages;
  /** The release to roll back to when this one fails; undefined when there is none that can run. */
  rollbackTarget: Release | undefined;
  /** The ledger after the update: the active release first, then the latest run ones. */
  releases: Release[];
  /** What the ledger needs of the store and the engine, whether it still exists or not. */
  retained: Retained;
}

/**
 * What garbage collection must leave alone. Every list is sorted and has no duplicates. The keys are stable: the store
 * tool reads them.
 */
export interface Retained {
  images: string[];
  environments: string[];
  /** `repo@commit`. */
  models: string[];
}

/** The requested release cannot run. The message says why, and which releases can run. */
export class PlanError extends Error {}

/**
 * Decides which release runs and which ones are retained. A rollback takes nothing from the checkout: it needs neither
 * its server image nor its shared images.
 * @throws PlanError when the requested release is not in the ledger, or a part of it is missing.
 */
export function plan(input: PlanInput): Plan {
  const { candidate, retain, unavailableReason } = input;
  const fromCheckout = input.requestedId === "" || input.requestedId === candidate.id;
  const active = fromCheckout ? keepProvenance(candidate, input.releases) : requestedRelease(input);
  const others = input.releases.filter(({ id }) => id !== active.id).slice(0, retain - 1);
  const releases = [active, ...others.map((release) => withReason(release, unavailableReason(release)))];
  const { bootstrap, gateway } = fromCheckout ? candidate.images : (input.sharedImages ?? candidate.images);
  const sharedImages = { bootstrap, gateway };
  return {
    active,
    fromCheckout,
    sharedImages,
    rollbackTarget: releases.slice(1).find((release) => release.lost === undefined),
    releases,
    retained: retainedBy(releases, sharedImages),
  };
}

function requestedRelease({ releases, requestedId, unavailableReason }: PlanInput): Release {
  const found = releases.find(({ id }) => id === requestedId);
  if (found === undefined) {
    throw new PlanError(`there is no such release; ${available(releases, unavailableReason)}`);
  }
  const reason = unavailableReason(found);
  if (reason !== undefined) {
    const commit = found.commit === undefined ? "" : ` (${found.commit.slice(0, 12)})`;
    throw new PlanError(
      `this release cannot run again: ${reason}; check out its commit${commit} and update without this key, or choose another release; ${available(releases, unavailableReason)}`,
    );
  }
  return withReason(found, undefined);
}

/**
 * What the releases and the shared images consist of. A release with a missing part keeps its other parts: the missing
 * one may come back.
 */
function retainedBy(releases: readonly Release[], sharedImages: SharedImages): Retained {
  const { bootstrap, gateway } = sharedImages;
  return {
    images: unique([...releases.flatMap(imagesOf), bootstrap, gateway]),
    environments: unique(releases.map(({ environment }) => environment)),
    models: unique(releases.flatMap(({ models }) => models.map(snapshotOf))),
  };
}

/** A release keeps the time and the commit of its first run, whichever commit makes it again. */
function keepProvenance(candidate: Release, releases: readonly Release[]): Release {
  const known = releases.find(({ id }) => id === candidate.id);
  if (known === undefined) {
    return candidate;
  }
  const { created, commit, message } = known;
  return {
    ...candidate,
    created,
    ...(commit === undefined ? {} : { commit }),
    ...(message === undefined ? {} : { message }),
  };
}

/** The ledger keeps the reason under the key `lost`, which is stable. */
function withReason({ ...release }: Release, reason: string | undefined): Release {
  delete release.lost;
  return reason === undefined ? release : { ...release, lost: reason };
}

function available(releases: readonly Release[], unavailableReason: PlanInput["unavailableReason"]): string {
  const ids = releases
    .filter((release) => unavailableReason(release) === undefined)
    .map(({ id, message }) => (message === undefined ? id : `${id} (${message})`));
  return ids.length === 0
    ? "this stack has no release that can run"
    : `the releases that can run are ${ids.join(", ")}`;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
