/**
 * Arguments of `docker` that list the ids of the containers whose mounts a garbage collection must leave alone: those
 * that run, and those that may start at any moment, such as one that an update has just made.
 *
 * Stopped containers are not among them. An update stops the servers that it replaces, and Pulumi deletes them only
 * after the garbage collection. One that Pulumi lost track of would keep its environment and models alive for ever.
 */
export const LIST_LIVE_CONTAINERS: readonly string[];

/** A mount of a container, as `docker inspect` shows it. Only a bind mount has a path of the host. */
export interface Mount {
  Type: string;
  Source: string;
}

/** Paths of the host that a container has mounted. */
export function bindSources(mounts: readonly Mount[]): string[];

/** Arguments of `docker` that list the stores of the engine's stacks, by the labels of their networks. */
export const LIST_ROOTS: readonly string[];

/**
 * The GC roots of the other stores on the engine: images belong to the engine, so stacks of another store may need
 * them. Returns directories of the host, and where to mount them.
 *
 * @param listed what {@link LIST_ROOTS} printed
 * @param root the store that is collected
 */
export function otherReferences(listed: string, root: string): { source: string; target: string }[];
