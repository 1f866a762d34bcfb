import * as path from "node:path";
import { project } from "../../config/stack";
import { archon } from "../../lib/command-line";
import type { LiveContainer } from "../lib/docker";

/** The live containers that have `root`, or something inside it, mounted. */
export function usersOf(root: string, containers: readonly LiveContainer[]): LiveContainer[] {
  return containers.filter(({ bindSources }) => bindSources.some((source) => isInside(source, root)));
}

function isInside(file: string, directory: string): boolean {
  const relative = path.relative(directory, file);
  return relative === "" || (relative !== ".." && !relative.startsWith(`..${path.sep}`));
}

/** Why a store cannot be purged while stacks are deployed, be it from another engine that shares the disk. */
export function describeOwners(root: string, owners: Readonly<Record<string, string>>): string[] {
  return [
    `The store ${root} belongs to deployed stacks; nothing was changed:`,
    ...Object.entries(owners).map(([stack, owner]) => `  ${stack.replace(`${project}-`, "")}: ${owner}`),
    `Destroy each from its checkout: ${archon("pulumi destroy --stack STACK")}.`,
    `If its state was lost: ${archon("recover --adopt --stack STACK")}`,
    "Then run the command again.",
  ];
}

/** Why a store cannot be purged, and what to do about each of its users. */
export function describeUsers(root: string, users: readonly LiveContainer[]): string[] {
  const stacks = [
    ...new Set(users.map(({ labels }) => labels["io.archon.stack"]).filter((stack) => stack !== undefined)),
  ].sort();
  const unlabelled = users.filter(({ labels }) => labels["io.archon.stack"] === undefined).map(({ name }) => name);
  return [
    `The store ${root} is in use; nothing was changed. These containers have it mounted:`,
    ...users.map(
      ({ name, labels }) =>
        `  ${name}${labels["io.archon.stack"] === undefined ? "" : ` of the stack ${labels["io.archon.stack"]}`}`,
    ),
    ...stacks.map((stack) => `Take the stack down: ${archon(`pulumi destroy --stack ${stack}`)}`),
    ...(unlabelled.length === 0
      ? []
      : [`Stop the containers that belong to no stack: docker stop ${unlabelled.join(" ")}`]),
    "Then run the command again.",
  ];
}
