import type { PastRelease } from "./ledger";

/** What is there of what releases are made of. `models` as `repo@commit`. */
export interface Available {
  images: ReadonlySet<string>;
  environments: ReadonlySet<string>;
  models: ReadonlySet<string>;
}

/** Why a release cannot be run again without building or fetching; empty for one that can. */
export function missingParts(release: PastRelease, available: Available): string[] {
  const { images, environment, models } = release;
  return [
    ...(available.images.has(images.server) ? [] : [`image ${images.server} gone from the engine`]),
    ...(available.environments.has(environment) ? [] : [`environment ${environment} gone from the store`]),
    ...models
      .filter(({ repo, revision }) => !available.models.has(`${repo}@${revision}`))
      .map(({ repo, revision }) => `model ${repo}@${revision.slice(0, 12)} gone from the store`),
  ];
}
