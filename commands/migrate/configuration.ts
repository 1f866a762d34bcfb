import * as path from "node:path";
import type { CachedModel, MountedSetUp } from "./mounted-set-up";

/** Port of a service whose compose file names none. */
const DEFAULT_PORT = 8181;

/** The service of Archon's compose files that serves searches, whatever its capital letters. */
const SERVER = /^archon-server$/i;

/**
 * The configuration of a stack that takes over what was found, by keys without the project's name. A model is taken from
 * its directory, by the hashes of its files: nothing is downloaded. Its environment is installed anew from the lock file,
 * because what pip once left has no hashes to check.
 * @param project absolute path, which `source` is relative to
 */
export function stackConfiguration(
  project: string,
  { checkout, models, ports }: MountedSetUp,
): Record<string, unknown> {
  const usable = rerankerFirst(models.filter(({ incomplete }) => incomplete === undefined));
  const [, port = DEFAULT_PORT] = [...ports].find(([service]) => SERVER.test(service)) ?? [];
  return {
    ...(checkout === undefined
      ? {}
      : { application: { kind: "archon", source: path.relative(project, checkout) || "." } }),
    models: usable.map(({ repo, revision, directory }) => ({ name: modelName(repo, revision, usable), directory })),
    services: [{ name: "server", port, memoryMiB: 6144 }],
  };
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
