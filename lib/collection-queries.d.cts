/**
 * Arguments of `docker` that list the ids of the containers whose mounts a garbage collection must leave alone: those
 * that run, and those that may start at any moment, such as one that an update has just made.
 *
 * Stopped containers are not among them. An update stops the servers that it replaces, and Pulumi deletes them only
 * after the garbage collection. One that Pulumi lost track of would keep its environment and models alive for ever.
 */
export const LIST_LIVE_CONTAINERS: readonly string[];
