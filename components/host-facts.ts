import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { snapshotOf, type Release } from "../release/release";
import type { Host } from "../lib/host";

/** Set where the program runs beside another engine than the stack's, as a preview on a build server does: nothing counts as gone there. */
const ELSEWHERE = "ARCHON_ENGINE_ELSEWHERE";

/** What of the host can be seen from here. Looking changes nothing, so that a preview may do it. */
export interface HostFacts {
  imageMayExist(reference: string): boolean;
  /** Whether the engine has the image for certain, so that there is nothing to build: one that was loaded from a bundle, say. */
  imageConfirmed(reference: string): boolean;
  hasEnvironment(key: string): boolean;
  hasSnapshot(model: { repo: string; revision: string }): boolean;
}

/** What cannot be seen counts as there: a missing part is then told by the step that needs it. */
export function hostFacts(host: Pick<Host, "dockerHost" | "root">): HostFacts {
  const visible = process.env[ELSEWHERE] === undefined;
  const images = visible ? listImages(host.dockerHost) : undefined;
  const local = visible && host.dockerHost.startsWith("unix://");
  const has = (relative: string): boolean => !local || fs.existsSync(`${host.root}/${relative}`);
  return {
    imageMayExist: (reference) => images?.has(reference) ?? true,
    imageConfirmed: (reference) => images?.has(reference) ?? false,
    hasEnvironment: (key) => has(`envs/${key}`),
    hasSnapshot: ({ repo, revision }) =>
      has(`models/huggingface/hub/models--${repo.replaceAll("/", "--")}/snapshots/${revision}`),
  };
}

/** The same after an update that makes whatever is missing of `made`. */
export function assumingBuilt(facts: HostFacts, made: Release): HostFacts {
  const models = made.models.map(snapshotOf);
  return {
    imageConfirmed: (reference) => facts.imageConfirmed(reference),
    imageMayExist: (reference) => Object.values(made.images).includes(reference) || facts.imageMayExist(reference),
    hasEnvironment: (key) => key === made.environment || facts.hasEnvironment(key),
    hasSnapshot: (model) => models.includes(snapshotOf(model)) || facts.hasSnapshot(model),
  };
}

/** The first part of a release that is gone, in words; undefined for a whole one. */
export function unavailableReason(facts: HostFacts, release: Release): string | undefined {
  const { images, environment, models } = release;
  if (!facts.imageMayExist(images.server)) {
    return `the image ${images.server} is missing from the engine`;
  }
  if (!facts.hasEnvironment(environment)) {
    return `the environment ${environment} is missing from the store`;
  }
  const model = models.find((each) => !facts.hasSnapshot(each));
  return model && `the model ${model.repo}@${model.revision} is missing from the store`;
}

function listImages(dockerHost: string): ReadonlySet<string> | undefined {
  try {
    const listed = execFileSync("docker", ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], {
      encoding: "utf8",
      env: { ...process.env, DOCKER_HOST: dockerHost },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 10_000,
    });
    return new Set(listed.split("\n"));
  } catch {
    return undefined;
  }
}
