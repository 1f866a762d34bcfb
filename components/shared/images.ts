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

/** The build argument that every image takes and that is part of its tag. */
export function contentArguments(baseImage: string): Record<string, string> {
  return { BASE_IMAGE: baseImage };
}

/**
 * Build arguments that say where packages come from. They are not part of a tag: what comes is fixed by hashes. They stand in the
 * image's history, so an address must not carry a password.
 */
export function indexArguments(choice: { pythonIndex: string; pythonExtraIndexes: readonly string[] }): Record<string, string> {
  return { PYTHON_INDEX: choice.pythonIndex, PYTHON_EXTRA_INDEX: choice.pythonExtraIndexes.join(" ") };
}
