import * as fs from "node:fs";
import { z } from "zod";
import { jobOptions, MOUNT_SOURCE_MISSING } from "../lib/container-job";
import { isLocal, type Host } from "../lib/host";
import { IMAGES } from "../lib/images";
import type { Ledger } from "../release/ledger";
import { askEngine } from "./engine";

/** Seconds that a container gets to list a store; on another machine it needs some of them to start. */
const LIST_SECONDS = 30;

/** The paths in a store that are ever asked for: its format, environments, GC roots, snapshots, baselines. */
const LISTED = [
  // A pattern, because the shell lists only what matches, and a name in any case.
  "store.jso[n]",
  "envs/*",
  "refs/*.json",
  "models/huggingface/hub/*/snapshots/*",
  "models/huggingface/manifests/*/*.proof.json",
];

/**
 * What a listing has instead of paths when the directory is there and empty. An empty `refs` does not count: Docker makes
 * it where the garbage collection of another store finds no store.
 */
export const EMPTY_DIRECTORY = ".";
const LIST = `cd /store && if [ -z "$(ls -A | grep -vx refs)$(ls -A refs 2>/dev/null)" ]; then echo ${EMPTY_DIRECTORY}; fi; for each in ${LISTED.join(" ")}; do echo "$each"; done`;

/** Whether the store has a file or directory of this path in it. What cannot be known counts as there. */
export type StoreContents = (relative: string) => boolean;

/** What must be in a store for it to be the one of a stack. */
export interface StoreMark {
  /** Name of the stack in the store, `<project>-<stack>`. */
  stack: string;
  /** Environment of the release that runs; undefined in a stack that runs nothing. */
  environment: string | undefined;
}

/** By what the store of a stack is recognised that ran these releases. */
export function storeMark(stack: string, { running, releases }: Pick<Ledger, "running" | "releases">): StoreMark {
  return { stack, environment: releases.find(({ id }) => id === running)?.environment };
}

/**
 * What the store holds. The directory of this machine at the store's path counts only if it is the store: the engine may
 * be on another machine or in another file system, and this user may not be allowed to read it. Otherwise the engine is
 * asked, with a container that reads the store. Looks once, and only when something is asked.
 *
 * @param images references of the engine's images; undefined when it does not list them
 */
export function storeContents(
  host: Pick<Host, "dockerHost" | "root">,
  mark: StoreMark,
  images: ReadonlySet<string> | undefined,
): StoreContents {
  let contents: StoreContents | undefined;
  return (relative) => {
    contents ??=
      isLocal(host.dockerHost) && isStoreOf(mark, host.root) ? onThisMachine(host.root) : onTheEngine(host, images);
    return contents(relative);
  };
}

function onTheEngine(host: Pick<Host, "dockerHost" | "root">, images: ReadonlySet<string> | undefined): StoreContents {
  const listed = listStore(host, images);
  return listed === undefined ? () => true : (relative) => listed.has(relative);
}

function onThisMachine(root: string): StoreContents {
  return (relative) => fs.existsSync(`${root}/${relative}`);
}

const rootsSchema = z.object({ environments: z.array(z.string()) });

/** Whether a directory of this machine is the store of a stack: it then has the stack's GC roots. */
function isStoreOf({ stack, environment }: StoreMark, root: string): boolean {
  try {
    if (environment === undefined) {
      return fs.existsSync(`${root}/store.json`);
    }
    const roots = rootsSchema.parse(JSON.parse(fs.readFileSync(`${root}/refs/${stack}.json`, "utf8")));
    return roots.environments.includes(environment);
  } catch {
    return false;
  }
}

/**
 * Lists the store through the engine. Undefined when that is not possible; empty when the host has no such directory, or
 * when the engine has no image of ours, as on a new host to which a state was restored: no store was filled from it.
 */
function listStore(
  { dockerHost, root }: Pick<Host, "dockerHost" | "root">,
  images: ReadonlySet<string> | undefined,
): ReadonlySet<string> | undefined {
  const imageOf = (repository: string): string | undefined =>
    [...(images ?? [])].find((each) => each.startsWith(`${repository}:`));
  const image = imageOf(IMAGES.bootstrap.repository);
  if (image === undefined) {
    return images === undefined || imageOf(IMAGES.gateway.repository) !== undefined ? undefined : new Set();
  }
  // The owner of the store's directory may be any user of the host.
  const options = jobOptions({
    labels: { component: "one-shot" },
    capabilities: ["DAC_READ_SEARCH"],
    mounts: [{ source: root, target: "/store" }],
    entrypoint: "/bin/sh",
  });
  try {
    return new Set(askEngine(dockerHost, ["run", ...options, image, "-c", LIST], LIST_SECONDS).split("\n"));
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    return stderr.includes(MOUNT_SOURCE_MISSING) ? new Set() : undefined;
  }
}
