import * as path from "node:path";
import { readArchonProgram, readArchonUi } from "../../applications/archon/checkout";
import { PORTS } from "../../applications/archon/roles";
import { ROLES, type FurtherRole, type ServiceRole } from "../../config/schema";
import type { CachedModel, ComposeService, MountedSetUp } from "./mounted-set-up";

/** Mebibytes that a service of each role may use. */
const MEMORY = { server: 6144, mcp: 512, agents: 1024, ui: 256 } as const;

/** An entry of `archon:services`. */
export interface ServiceEntry {
  name: string;
  role?: FurtherRole;
  port: number;
  memoryMiB: number;
}

/** A service of the compose file that the configuration leaves out. */
export interface LeftOut {
  service: string;
  /** As a sentence about it, without its name. */
  reason: string;
  /** What deploys it all the same; undefined when nothing does. */
  entry: ServiceEntry | undefined;
}

/**
 * The configuration of a stack that takes over what was found, by keys without the project's name. A model is taken from
 * its directory, by the hashes of its files: nothing is downloaded. Its environment is installed anew from the lock file,
 * because what pip once left has no hashes to check.
 * @param project absolute path, which `source` is relative to
 */
export function stackConfiguration(project: string, found: MountedSetUp): Record<string, unknown> {
  const { checkout, models } = found;
  const usable = rerankerFirst(models.filter(({ incomplete }) => incomplete === undefined));
  return {
    ...(checkout === undefined
      ? {}
      : { application: { kind: "archon", source: path.relative(project, checkout) || "." } }),
    models: usable.map(({ repo, revision, directory }) => ({ name: modelName(repo, revision, usable), directory })),
    services: stackServices(found).entries,
  };
}

/**
 * What becomes of the services of the compose file: entries of the configuration, the server first, and those that it leaves
 * out.
 */
export function stackServices({ checkout, services }: Pick<MountedSetUp, "checkout" | "services">): {
  entries: ServiceEntry[];
  taken: ComposeService[];
  left: LeftOut[];
} {
  const server = services.find(({ role }) => role === "server");
  const judged = services
    .filter((each) => each !== server)
    .map((service) => ({ service, left: reasonToLeave(service, checkout, services) }));
  const taken = [server ?? [], judged.flatMap(({ service, left }) => (left === undefined ? service : []))].flat();
  const further = ROLES.flatMap((role) => taken.filter((each) => each !== server && each.role === role));
  return {
    entries: [entryOf("server", server?.port), ...further.map(({ role, port }) => entryOf(role ?? "server", port))],
    taken,
    left: judged.flatMap(({ left }) => left ?? []),
  };
}

function entryOf(role: ServiceRole, port: number = PORTS[role]): ServiceEntry {
  return { name: role, ...(role === "server" ? {} : { role }), port, memoryMiB: MEMORY[role] };
}

function reasonToLeave(
  { name: service, role, port, profiles }: ComposeService,
  checkout: string | undefined,
  all: readonly ComposeService[],
): LeftOut | undefined {
  const without = (reason: string): LeftOut => ({ service, reason, entry: undefined });
  if (role === undefined) {
    return without("is none of Archon's services: keep it in the compose file");
  }
  if (all.find((each) => each.role === role)?.name !== service) {
    return without(`is a second service of the role ${role}`);
  }
  if (role === "server" || checkout === undefined) {
    return without("has no checkout to be built from");
  }
  const usable = role === "ui" ? readArchonUi(checkout) : readArchonProgram(path.join(checkout, "python"), role);
  if (typeof usable === "string") {
    return without(`cannot be built, because the checkout ${usable}`);
  }
  return profiles.length === 0
    ? undefined
    : { service, reason: `starts only with the profile ${profiles.join(" or ")}`, entry: entryOf(role, port) };
}

/**
 * The first model scores by default: the smallest that calls itself a reranker. Archon itself puts the model that its code
 * names, and models for embeddings, into the same cache.
 */
function rerankerFirst(models: readonly CachedModel[]): CachedModel[] {
  const rank = ({ repo }: CachedModel): number => (/rerank/i.test(repo) ? 0 : 1);
  return [...models].sort((one, other) => rank(one) - rank(other) || one.bytes - other.bytes);
}

/** `qwen3-reranker-0.6b`; with the commit where a cache has several of that name. */
function modelName(repo: string, revision: string, all: readonly CachedModel[]): string {
  const name = repo
    .replace(/^.*\//, "")
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-");
  const several = all.filter((each) => path.posix.basename(each.repo) === path.posix.basename(repo)).length > 1;
  return (several ? `${name.slice(0, 31)}-${revision.slice(0, 8)}` : name.slice(0, 40)).replace(/^[.-]+|[.-]+$/g, "");
}
