import { UserError } from "../../lib/errors";

/*
 * Splits what a server requires into what its image carries and what its environment in the store carries.
 */

/** The first release of sentence-transformers that loads Qwen3-Reranker as it is: before, with a random score head. */
const FLOOR = [5, 4] as const;

/** The packages of an environment, and what an application requires of them that says nothing itself. */
const environmentPackages: Readonly<Record<string, string>> = {
  torch: "torch>=2.0.0",
  transformers: "transformers>=4.30.0",
  "sentence-transformers": `sentence-transformers>=${FLOOR.join(".")}`,
};

/** Packages that need torch, or belong to it: they are in the environment if an application requires them. */
const furtherPackages = ["torchvision", "torchaudio", "safetensors", "accelerate", "peft"];

export interface SplitRequirements {
  image: string[];
  environment: string[];
  /** What was changed, and why, as sentences. */
  notes: string[];
}

/**
 * Divides requirements (PEP 508, one each) by package. What must be in the environment and is not required at all is
 * added.
 * @param more names of further packages of the environment. @default none
 */
export function splitRequirements(requirements: readonly string[], more: readonly string[] = []): SplitRequirements {
  const further = [...furtherPackages, ...more.map(packageName)];
  const inEnvironment = (name: string): boolean => name in environmentPackages || further.includes(name);
  const required = (name: string): string[] => requirements.filter((each) => packageName(each) === name);
  const notes: string[] = [];
  const raised = (requirement: string): string => {
    if (packageName(requirement) !== "sentence-transformers" || isAtLeastFloor(requirement)) {
      return requirement;
    }
    const [, extras = ""] = /^[\w.-]+\s*(\[[^\]]*\])/.exec(requirement) ?? [];
    const [, marker = ""] = /(\s*;.*)$/.exec(requirement) ?? [];
    const result = `sentence-transformers${extras}>=${FLOOR.join(".")}${marker}`;
    notes.push(
      `${requirement} became ${result}: earlier versions give Qwen3-Reranker a random score head and report no error.`,
    );
    return result;
  };
  const environment = Object.entries(environmentPackages).flatMap(([name, minimum]) => {
    const own = required(name);
    return own.length === 0 ? [minimum] : own.map(raised);
  });
  return {
    image: requirements.filter((each) => !inEnvironment(packageName(each))).sort(),
    environment: [...environment, ...further.flatMap(required).sort()],
    notes,
  };
}

/** The normalised name of a requirement's package (PEP 503). */
export function packageName(requirement: string): string {
  const [name = ""] = /^[A-Za-z0-9][\w.-]*/.exec(requirement) ?? [];
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}

/**
 * The requirements of a `requirements.txt`: one a line, without comments.
 * @param file its path, for messages
 * @throws UserError for a line that is more than a requirement of a named package: an option, a hash, an address
 */
export function requirementLines(text: string, file: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line) => line.replace(/(^|\s)#.*/, "").trim())
    .flatMap((line, index) => {
      if (line === "") {
        return [];
      }
      if (!/^[A-Za-z0-9]/.test(line) || /^[\w+.-]+:|\\$|\s--/.test(line)) {
        throw new UserError(
          `${file}, line ${index + 1}: "${line}" is no requirement of a package by name. List one on each line, without options, ` +
            "hashes and other files: they are locked here.",
        );
      }
      return [line];
    });
}

/** Whether a requirement allows nothing older than {@link FLOOR}, as far as its text says. */
function isAtLeastFloor(requirement: string): boolean {
  if (requirement.includes("@")) {
    return true;
  }
  const [, major = "0", minor = "0"] = /(?:==|>=|~=)\s*(\d+)(?:\.(\d+))?/.exec(requirement) ?? [];
  return Number(major) > FLOOR[0] || (Number(major) === FLOOR[0] && Number(minor) >= FLOOR[1]);
}
