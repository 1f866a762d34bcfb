/*
 * Splits what a server requires into what its image carries and what its environment in the store carries.
 */

/** The packages of an environment, and what an application requires of them that says nothing itself. */
const environmentPackages: Readonly<Record<string, string>> = {
  torch: "torch>=2.0.0",
  transformers: "transformers>=4.30.0",
  // Below 5.4, Qwen3-Reranker gets a random score head as a CrossEncoder, and no error.
  "sentence-transformers": "sentence-transformers>=5.4",
};

/** Packages that come with an environment if an application requires them, and are never in the image. */
const furtherPackages = ["torchvision", "torchaudio", "safetensors", "accelerate"];

/** The first release of sentence-transformers that loads Qwen3-Reranker as it is. */
const FLOOR = [5, 4] as const;

export interface SplitRequirements {
  image: string[];
  environment: string[];
  /** What was changed, and why, as sentences. */
  notes: string[];
}

/**
 * Divides requirements (PEP 508, one each) by package. What must be in the environment and is not required at all is
 * added.
 */
export function splitRequirements(requirements: readonly string[]): SplitRequirements {
  const notes: string[] = [];
  const own = new Map<string, string>();
  const image: string[] = [];
  for (const requirement of requirements) {
    const name = packageName(requirement);
    if (name in environmentPackages || furtherPackages.includes(name)) {
      own.set(name, requirement);
    } else {
      image.push(requirement);
    }
  }
  const environment = Object.entries(environmentPackages).map(([name, minimum]) => {
    const required = own.get(name);
    own.delete(name);
    if (required === undefined) {
      return minimum;
    }
    if (name === "sentence-transformers" && !isAtLeastFloor(required)) {
      notes.push(
        `${required} became ${minimum}: earlier versions give Qwen3-Reranker a random score head and report no error.`,
      );
      return minimum;
    }
    return required;
  });
  return { image: image.sort(), environment: [...environment, ...[...own.values()].sort()], notes };
}

/** The normalised name of a requirement's package (PEP 503). */
export function packageName(requirement: string): string {
  const [name = ""] = /^[A-Za-z0-9][\w.-]*/.exec(requirement) ?? [];
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

/** The requirements of a `requirements.txt`: one a line, without comments. */
export function requirementLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|\s)#.*/, "").trim())
    .filter((line) => line !== "");
}

/** Whether a requirement allows nothing older than {@link FLOOR}. */
function isAtLeastFloor(requirement: string): boolean {
  const [, major = "0", minor = "0"] = /(?:==|>=|~=)\s*(\d+)(?:\.(\d+))?/.exec(requirement) ?? [];
  return Number(major) > FLOOR[0] || (Number(major) === FLOOR[0] && Number(minor) >= FLOOR[1]);
}
