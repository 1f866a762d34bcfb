import type { Host } from "../lib/host";
import { isPulled } from "../lib/images";
import { baselinePath, imagesOf, runningImages, snapshotOf, snapshotPath, type Release } from "../release/release";
import { ANSWER_SECONDS, askEngine, reasonOf } from "./engine";
import { EMPTY_DIRECTORY, storeContents, type StoreContents, type StoreMark } from "./store-contents";

/**
 * Environment variable that says that the stack's engine is on another machine, as it is for a preview on a build
 * server. Then nothing counts as missing.
 */
export const ELSEWHERE = "ARCHON_ENGINE_ELSEWHERE";

/** What can be seen of the host from here. Looking changes nothing, so that a preview may do it. */
export interface HostFacts {
  /** Whether the engine is out of reach, as {@link ELSEWHERE} says. */
  elsewhere: boolean;
  /** The Docker client's reason why the engine does not answer; undefined when it does, or when it is elsewhere. */
  engineProblem: string | undefined;
  /** Whether the engine limits the swap of containers. An engine that cannot be asked counts as one that does. */
  limitsSwap: boolean;
  /** References of the engine's images, by tag and by digest; undefined when it cannot be asked. */
  images: ReadonlySet<string> | undefined;
  /** Whether the engine may have the image: it has it, or cannot be asked. */
  imageMayExist(reference: string): boolean;
  /**
   * Whether the engine has the image for certain, so that there is nothing to build: one from a bundle, for example.
   */
  imageConfirmed(reference: string): boolean;
  /** Whether the store was begun. */
  hasStore(): boolean;
  /** Whether its directory is there and empty, as a mount point is whose disk is missing. */
  rootIsEmpty(): boolean;
  hasEnvironment(key: string): boolean;
  hasSnapshot(model: { repo: string; revision: string }): boolean;
  hasBaseline(model: { repo: string; revision: string }): boolean;
  /** Whether the store has the GC roots of a stack, which is named `<project>-<stack>`. */
  hasRoots(stack: string): boolean;
}

/**
 * What cannot be known counts as present: the step that needs a missing part then reports it.
 * @param mark by which the stack's store is recognised
 */
export function hostFacts(host: Pick<Host, "dockerHost" | "root">, mark: StoreMark): HostFacts {
  const visible = process.env[ELSEWHERE] === undefined;
  const { images, limitsSwap = true, problem } = visible ? askAbout(host.dockerHost) : {};
  const has: StoreContents = visible ? storeContents(host, mark, images) : () => true;
  return {
    elsewhere: !visible,
    engineProblem: problem,
    limitsSwap,
    images,
    imageMayExist: (reference) => images?.has(reference) ?? true,
    imageConfirmed: (reference) => images?.has(reference) ?? false,
    hasStore: () => has("store.json"),
    rootIsEmpty: () => !has("store.json") && has(EMPTY_DIRECTORY),
    hasEnvironment: (key) => has(`envs/${key}`),
    hasSnapshot: (model) => has(snapshotPath(model)),
    hasBaseline: (model) => has(baselinePath(model)),
    hasRoots: (stack) => has(`refs/${stack}.json`),
  };
}

/** The facts as they will be after an update that makes whatever is missing of a release. */
export function assumingBuilt(facts: HostFacts, release: Release): HostFacts {
  const models = release.models.map(snapshotOf);
  return {
    ...facts,
    imageMayExist: (reference) => imagesOf(release).includes(reference) || facts.imageMayExist(reference),
    hasEnvironment: (key) => key === release.environment || facts.hasEnvironment(key),
    hasSnapshot: (model) => models.includes(snapshotOf(model)) || facts.hasSnapshot(model),
  };
}

/** Why a release cannot run: the first part of it that is missing. Undefined when all of it is there. */
export function unavailableReason(facts: HostFacts, release: Release): string | undefined {
  const { environment, models } = release;
  const image = [...runningImages(release).values()].find((each) => !facts.imageMayExist(each));
  if (image !== undefined) {
    const remedy = isPulled(image) ? `; \`docker pull ${image}\` brings it back` : "";
    return `the image ${image} is missing from the engine${remedy}`;
  }
  if (!facts.hasEnvironment(environment)) {
    return `the environment ${environment} is missing from the store`;
  }
  const model = models.find((each) => !facts.hasSnapshot(each));
  return model && `the model ${snapshotOf(model)} is missing from the store`;
}

/** Asks the engine which images it has, by tag and by digest, and whether it limits swap. */
function askAbout(dockerHost: string): { images?: ReadonlySet<string>; limitsSwap?: boolean; problem?: string } {
  try {
    const format = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}";
    const listed = askEngine(dockerHost, ["image", "ls", "--digests", "--format", format], ANSWER_SECONDS);
    const limit = askEngine(dockerHost, ["info", "--format", "{{.SwapLimit}}"], ANSWER_SECONDS);
    return { images: new Set(listed.split(/\s+/)), limitsSwap: limit.trim() !== "false" };
  } catch (error) {
    return { problem: reasonOf(error, ANSWER_SECONDS) };
  }
}
