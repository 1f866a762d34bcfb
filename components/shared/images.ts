import { DEFAULT_BASE_IMAGE } from "./base-image";

/** An image of this project. Paths are relative to the directory `python/`, the context of every build. */
export interface ImageDefinition {
  repository: string;
  dockerfile: string;
}

export const IMAGES = {
  bootstrap: { repository: "archon-bootstrap", dockerfile: "Dockerfile.server.bootstrap" },
  server: { repository: "archon-server", dockerfile: "Dockerfile.server" },
  gateway: { repository: "archon-gateway", dockerfile: "Dockerfile.gateway" },
} as const satisfies Record<string, ImageDefinition>;

/** Build arguments that every image of this project takes. They are part of the tag. */
export function buildArguments(choice: { baseImage?: string; pythonIndex: string; pythonExtraIndexes: readonly string[] }): Record<string, string> {
  return {
    BASE_IMAGE: choice.baseImage ?? DEFAULT_BASE_IMAGE,
    PYTHON_INDEX: choice.pythonIndex,
    PYTHON_EXTRA_INDEX: choice.pythonExtraIndexes.join(" "),
  };
}
