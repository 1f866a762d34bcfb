import type { Settings } from "../config/load";
import { environmentKey } from "./keys";
import { contentOf, releaseId, type Release } from "./release";

/** The release that a checkout makes. Its id depends on its content alone, not on when and from which commit it is made. */
export function candidate(
  settings: Settings,
  images: Release["images"],
  created: string,
  git: Pick<Release, "commit" | "message">,
): Release {
  const { models, activeModel } = settings;
  const environment = environmentKey(settings.lock, settings.baseImage);
  return {
    id: releaseId({
      serverImage: images.server,
      environment,
      models: models.map(contentOf),
      activeModel: activeModel && contentOf(activeModel),
    }),
    created,
    ...git,
    images,
    environment,
    models: models.map(({ name, repo, revision, variant }) => ({
      name,
      repo,
      revision,
      ...(variant === "auto" ? {} : { variant }),
    })),
    ...(activeModel === undefined ? {} : { activeModel: activeModel.name }),
  };
}
