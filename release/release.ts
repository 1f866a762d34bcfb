import { digest } from "../components/shared/hashing";

/** What a server runs: an image, an environment, and the models it may load. All of it is known in preview. */
export interface ReleaseContent {
  /** Reference of the server image with its content-hash tag. */
  serverImage: string;
  /** Key of the environment. */
  environment: string;
  /** `repo@commit` of every model, in the order of the configuration. */
  models: readonly string[];
  /** `repo@commit` of the default model, or undefined without models. */
  activeModel: string | undefined;
}

/** Id of a release: 12 hex digits that depend on the content only. The order of the models does not matter. */
export function releaseId(content: ReleaseContent): string {
  return digest(content.serverImage, content.environment, ...[...content.models].sort(), "active", content.activeModel ?? "").slice(0, 12);
}
