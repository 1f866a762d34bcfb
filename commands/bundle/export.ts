import * as fs from "node:fs";
import * as path from "node:path";
import type { Writable } from "node:stream";
import { imagesOf, snapshotOf, type Release } from "../../release/release";
import { stackHost } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { isPulled } from "../../lib/images";
import { storeImage, storeToolArguments, storeToolMessage, type StoreJob } from "../store/store-tool";
import { dockerEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { bytes } from "../lib/render";
import { runStreaming } from "../lib/stream";
import { TarWriter } from "./tar";
import { FORMAT, IMAGES_MEMBER, INDEX_MEMBER, STORE_MEMBER, type BundleIndex } from "./index-file";

export interface ExportRequest {
  stack: string;
  releases: readonly Release[];
  /** Further images that an update needs: the store tool and the gateway that run now. */
  sharedImages: readonly string[];
  /** The store on the Docker host. */
  root: string;
  /** The file to write. */
  file: string;
}

/** Images, and targets of the store tool, that releases consist of, each once, sorted. */
export function bundleContents(
  releases: readonly Release[],
  sharedImages: readonly string[],
): { images: string[]; targets: string[] } {
  const images = releases.flatMap(imagesOf);
  const targets = releases.flatMap(({ environment, models }) => [
    `envs/${environment}`,
    ...models.map((model) => `models/${snapshotOf(model)}`),
  ]);
  return { images: [...new Set([...images, ...sharedImages])].sort(), targets: [...new Set(targets)].sort() };
}

/**
 * Writes releases into one file. The file gets its name when it is complete; the next export overwrites what a failed or
 * killed one left.
 */
export async function exportBundle(
  { stack, releases, sharedImages, root, file }: ExportRequest,
  progress: Progress,
): Promise<BundleIndex> {
  if (fs.existsSync(file)) {
    throw new UserError(`${file} exists already. Remove it, or name another file.`);
  }
  requireBuiltImages(releases);
  const tool = await storeImage(stack, progress);
  const { baseImage, dockerHost } = stackHost(stack);
  const environment = dockerEnvironment(dockerHost);
  const { images, targets } = bundleContents(releases, [...sharedImages, tool]);
  const partial = `${file}.partial`;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const descriptor = fs.openSync(partial, "w");
  try {
    const archive = new TarWriter(descriptor);
    const imagesMember = await archive.add(IMAGES_MEMBER, (to) => saveImages(images, environment, to, progress));
    progress.message(`${images.length} images, ${bytes(imagesMember.bytes)}`);
    let store = "";
    const storeMember = await archive.add(STORE_MEMBER, async (to) => {
      store = await exportFromStore(
        { root, command: ["export", "--output", "-", ...targets] },
        tool,
        environment,
        to,
        progress,
      );
    });
    const index: BundleIndex = {
      format: FORMAT,
      created: new Date().toISOString(),
      tool,
      baseImage,
      releases: [...releases],
      images,
      store,
      members: [imagesMember, storeMember],
    };
    await archive.add(INDEX_MEMBER, (to) => writeText(to, `${JSON.stringify(index, undefined, 1)}\n`));
    archive.finish();
    fs.renameSync(partial, file);
    return index;
  } catch (error) {
    fs.rmSync(partial, { force: true });
    throw error;
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The engine that loads a bundle would know a pulled image neither by name nor by digest. */
function requireBuiltImages(releases: readonly Release[]): void {
  const pulled = releases.flatMap((release) =>
    imagesOf(release)
      .filter(isPulled)
      .map((image) => `  ${release.id}: ${image}`),
  );
  if (pulled.length > 0) {
    throw new UserError(
      `A bundle carries only images that were built here, and these releases run images of a registry:\n${pulled.join("\n")}\n` +
        "Name other releases, or let the other host pull the image: it takes the same archon:application.",
    );
  }
}

function saveImages(
  images: readonly string[],
  environment: NodeJS.ProcessEnv,
  to: Writable,
  progress: Progress,
): Promise<void> {
  return runStreaming("docker", ["save", ...images], { environment, to, onLine: (line) => progress.message(line) });
}

/** Runs an export of the store tool. Returns the name that the tool gives the content: 64 hex digits. */
async function exportFromStore(
  job: StoreJob,
  tool: string,
  environment: NodeJS.ProcessEnv,
  to: Writable,
  progress: Progress,
): Promise<string> {
  let name = "";
  await runStreaming("docker", storeToolArguments(job, tool, undefined), {
    environment,
    to,
    onLine: (line) => {
      name = /^bundle ([0-9a-f]{64}): /.exec(line)?.[1] ?? name;
      progress.message(storeToolMessage(line));
    },
  });
  return name;
}

function writeText(to: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
