import * as pulumi from "@pulumi/pulumi";
import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import type { Settings } from "../config/load";
import { runError } from "../config/run-error";
import {
  claimPath,
  isOwn,
  LABELLED_KINDS,
  listLabelled,
  ownerOf,
  parseClaim,
  parseLabelled,
  refusal,
  type Claim,
  type DeploymentIdentity,
  type Labelled,
} from "../lib/deployment-identity";
import { isLocal, type Host } from "../lib/host";
import type { Ledger } from "../release/ledger";
import { ANSWER_SECONDS, requireOfEngine } from "./engine";
import { ELSEWHERE } from "./host-facts";

/**
 * The identity of this deployment, which its first update makes and the state keeps. It is the first resource, and the
 * update goes on only if the engine and the store, as far as this machine sees it, have no other deployment of the same
 * project and stack. Otherwise the two would stop each other's servers.
 *
 * @throws pulumi.RunError that names the other deployment's owner and the ways on
 */
export async function establishIdentity(
  name: string,
  settings: Settings,
  previous: Ledger,
): Promise<DeploymentIdentity> {
  // A stash is part of the state alone: it needs no provider, and a preview knows its value.
  const stash = new pulumi.Stash(
    `${name}-identity`,
    { input: { id: randomUUID(), owner: describeOwner(settings.project) } },
    { ignoreChanges: ["input"] },
  );
  const kept = await new Promise<{ id: string; owner: string }>((resolve) => stash.output.apply(resolve));
  const identity = { project: pulumi.getProject(), stack: pulumi.getStack(), ...kept };
  if (process.env[ELSEWHERE] === undefined) {
    refuseOthers(identity, settings, previous);
  }
  return identity;
}

function refuseOthers(identity: DeploymentIdentity, { dockerHost, root }: Host, previous: Ledger): void {
  // A state with releases but without an id of their containers is from before deployments had one.
  const own = { id: identity.id, ownsUnmarked: previous.releases.length > 0 };
  const others = listAll(identity, dockerHost).filter((each) => !isOwn(each, own));
  if (others.length > 0) {
    throw runError(refusal(`The engine at ${dockerHost}`, identity, ownerOf(others)));
  }
  const claim = isLocal(dockerHost) ? readClaim(`${root}/${claimPath(identity)}`) : undefined;
  if (claim !== undefined && claim.id !== identity.id) {
    throw runError(refusal(`The store ${root}`, identity, claim.owner));
  }
}

function listAll(identity: DeploymentIdentity, dockerHost: string): Labelled[] {
  return LABELLED_KINDS.flatMap((kind) =>
    parseLabelled(kind, requireOfEngine(dockerHost, listLabelled(kind, identity), ANSWER_SECONDS)),
  );
}

function readClaim(file: string): Claim | undefined {
  try {
    return parseClaim(fs.readFileSync(file, "utf8"));
  } catch {
    // There is none, or this user may not read the store: then the store job that claims it decides.
    return undefined;
  }
}

/** One line, because it becomes a label and a line of the store's claim. */
function describeOwner(checkout: string): string {
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const text = `${userName()}@${os.hostname()}, checkout ${checkout}, first deployed ${now}`;
  return text.replace(/[\p{Cc}]/gu, "?");
}

function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    // A container may run as a user that its /etc/passwd does not know.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
