import { project } from "../../config/stack";

/** A container or network of the engine with a stack's labels. */
export interface Labelled {
  id: string;
  name: string;
  kind: "container" | "network";
}

interface Checkpoint {
  deployment?: { resources?: { type: string; id?: string }[] };
}

/** Ids of the containers and networks that a stack's state knows, including those that are still to be deleted. */
export function knownIds(exported: string): ReadonlySet<string> {
  const { deployment } = JSON.parse(exported) as Checkpoint;
  const kinds = ["docker:index/container:Container", "docker:index/network:Network"];
  return new Set(
    (deployment?.resources ?? [])
      .filter(({ type }) => kinds.includes(type))
      .flatMap(({ id }) => (id === undefined ? [] : [id])),
  );
}

/**
 * What an update made but did not record, because it was killed in between. Pulumi never deletes it: such a server
 * would keep answering requests, and such a gateway would keep the port.
 */
export function orphans(labelled: readonly Labelled[], known: ReadonlySet<string>): Labelled[] {
  return labelled.filter(({ id }) => !known.has(id));
}

/** Options of `docker` that select what belongs to a stack. Store jobs are not among it: they are removed when they end. */
export function labelFilters(stack: string, component: "server" | "gateway" | "network"): string[] {
  return [
    `--filter=label=io.archon.project=${project}`,
    `--filter=label=io.archon.stack=${stack}`,
    `--filter=label=io.archon.component=${component}`,
  ];
}
