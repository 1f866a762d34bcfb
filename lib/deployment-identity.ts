import { archon } from "./command-line";

/**
 * A stack as one Pulumi state knows it. Two states may have a stack of the same name, for example those of two clones:
 * only the id tells their containers apart.
 */
export interface DeploymentIdentity {
  project: string;
  stack: string;
  /** A UUID that the state keeps. */
  id: string;
  /** Who made it, for people: `ada@gpu1, checkout /home/ada/archon, first deployed 2026-11-29T04:30:00Z`. One line. */
  owner: string;
}

/** What a container, network or volume is for. The values are stable: they find those of earlier versions. */
export type LabelledComponent = "server" | "gateway" | "network" | "one-shot" | "derive" | "claim";

/**
 * The labels that say which deployment a container, network or volume belongs to, without the prefix `io.archon.` that all of
 * them have. Their names are stable.
 */
export function deploymentLabels(
  { project, stack, id, owner }: DeploymentIdentity,
  component: LabelledComponent,
): Record<string, string> {
  return { project, stack, component, deployment: id, owner };
}

/** The kinds of what has labels on an engine, in an order in which they can be removed. */
export const LABELLED_KINDS = ["container", "network", "volume"] as const;

/** A container, network or volume of the engine with the labels of a project and stack. */
export interface Labelled {
  kind: (typeof LABELLED_KINDS)[number];
  /** The engine's id of it; the name of a volume, which has no other. */
  id: string;
  name: string;
  component: string;
  /** Id of its deployment; undefined if it was made before deployments had one. */
  deployment: string | undefined;
  /** Whose deployment it is; undefined if that was not recorded. */
  owner: string | undefined;
}

/** Arguments of `docker` that list one kind of what the deployments of a project and stack have on an engine. */
export function listLabelled(kind: Labelled["kind"], { project, stack }: { project: string; stack: string }): string[] {
  const label = (name: string): string => `{{.Label "io.archon.${name}"}}`;
  const [command, id, shown] = LISTED[kind];
  return [
    ...command,
    `--filter=label=io.archon.project=${project}`,
    `--filter=label=io.archon.stack=${stack}`,
    "--format",
    [id, shown, ...["component", "deployment", "owner"].map(label)].join("\t"),
  ];
}

/** How `docker` lists a kind, and its templates for id and name. */
const LISTED = {
  container: [["ps", "--all", "--no-trunc"], "{{.ID}}", "{{.Names}}"],
  network: [["network", "ls", "--no-trunc"], "{{.ID}}", "{{.Name}}"],
  volume: [["volume", "ls"], "{{.Name}}", "{{.Name}}"],
} as const;

/** Reads what {@link listLabelled} lists. */
export function parseLabelled(kind: Labelled["kind"], listed: string): Labelled[] {
  return listed
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [id = "", name = "", component = "", deployment = "", owner = ""] = line.split("\t");
      return { kind, id, name, component, deployment: deployment || undefined, owner: owner || undefined };
    });
}

/** What tells the containers, networks and volumes of a deployment from those of others with the same project and stack. */
export interface Ownership {
  /** Id of the deployment; undefined if its state has none yet. */
  id: string | undefined;
  /** Whether those without an id are its own: its state must know some from before deployments had an id. */
  ownsUnmarked: boolean;
}

/** Whether something belongs to a deployment. `components/scripts/servers.sh` does the same for its servers. */
export function isOwn({ deployment }: Labelled, { id, ownsUnmarked }: Ownership): boolean {
  return deployment === undefined ? ownsUnmarked : deployment === id;
}

const UNKNOWN_OWNER = "an earlier version made it, which did not record whose it is";

/** Whose deployment this is, as far as it is recorded. */
export function ownerOf(labelled: readonly Labelled[]): string {
  return labelled.find(({ owner }) => owner !== undefined)?.owner ?? UNKNOWN_OWNER;
}

/** Why an update must not touch `place`, such as "The store /srv/archon", and the two ways on. */
export function refusal(place: string, { project, stack }: { project: string; stack: string }, owner: string): string {
  return (
    `${place} already has the stack "${stack}" of the project "${project}", from another deployment: ${owner}.\n` +
    `Nothing was changed. Deploy under another stack name (\`${archon("pulumi stack init NAME")}\`), ` +
    `or take that deployment over: \`${archon(`recover --adopt --stack ${stack}`)}\``
  );
}

/** The deployment that has claimed a stack's name in a store. */
export interface Claim {
  id: string;
  owner: string;
}

/** The name of a stack in a store, of which its GC roots and its claim are files. A name on disk, so stable. */
export function storeName({ project, stack }: { project: string; stack: string }): string {
  return `${project}-${stack}`;
}

/** Where a store keeps the claim on a stack's name, relative to its root. A name on disk, so stable. */
export function claimPath(stack: { project: string; stack: string }): string {
  return `refs/${storeName(stack)}.owner`;
}

/** The volume that is a deployment's claim on a stack's name on an engine. A name on the engine, so stable. */
export function claimVolume(stack: { project: string; stack: string }): string {
  return `${storeName(stack)}-claim`;
}

/** Reads a claim, as `components/scripts/claim-store.sh` writes it; undefined for an empty text. */
export function parseClaim(text: string): Claim | undefined {
  const [id = "", owner = ""] = text.split("\n");
  return id === "" ? undefined : { id, owner: owner || UNKNOWN_OWNER };
}
