import * as fs from "node:fs";
import * as path from "node:path";
import { snapshotOf, type Release } from "../../release/release";
import { readMachine } from "../../config/machine";
import { storeImage, storeToolArguments } from "../store/store-tool";
import { chosenBaseImage } from "../../config/stack";
import { dockerEnvironment } from "../lib/docker";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import { bytes } from "../lib/render";
import { runStreaming } from "../lib/stream";
import { TarWriter } from "./tar";
import { FORMAT, IMAGES_MEMBER, INDEX_MEMBER, STORE_MEMBER, type BundleIndex } from "./index-file";

export interface ExportRequest {
  releases: readonly Release[];
  /** Images that an update needs besides: the store tool and the gateway that run now. */
  sharedImages: readonly string[];
  /** The store on the Docker host. */
  root: string;
  /** The file to write. */
  file: string;
}

/** Images and targets of the store tool that releases consist of, each once, sorted. */
export function contentOf(
  releases: readonly Release[],
  sharedImages: readonly string[],
): { images: string[]; targets: string[] } {
  const images = releases.flatMap((release) => Object.values(release.images));
  const targets = releases.flatMap(({ environment, models }) => [
    `envs/${environment}`,
    ...models.map((model) => `models/${snapshotOf(model)}`),
  ]);
  return { images: [...new Set([...images, ...sharedImages])].sort(), targets: [...new Set(targets)].sort() };
}

/**
 * Writes releases into one file. It gets its name when it is complete; the next export overwrites what a failed or
 * killed one left.
 */
export async function exportBundle(
  { releases, sharedImages, root, file }: ExportRequest,
  progress: Progress,
): Promise<BundleIndex> {
  if (fs.existsSync(file)) {
    throw new UserError(`${file} exists already. Remove it, or name another file.`);
  }
  const image = await storeImage(progress);
  const { images, targets } = contentOf(releases, [...sharedImages, image]);
  const { dockerHost } = readMachine();
  const environment = dockerEnvironment(dockerHost);
  const partial = `${file}.partial`;
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const descriptor = fs.openSync(partial, "w");
  const onLine = (line: string): void => {
    progress.message(line);
  };
  try {
    const archive = new TarWriter(descriptor);
    let store = "";
    const saved = await archive.add(IMAGES_MEMBER, (to) =>
      runStreaming("docker", ["save", ...images], { environment, to, onLine }),
    );
    progress.message(`${images.length} images, ${bytes(saved.bytes)}`);
    const content = await archive.add(STORE_MEMBER, (to) =>
      runStreaming(
        "docker",
        storeToolArguments({ root, command: ["export", "--output", "-", ...targets] }, image, undefined),
        {
          environment,
          to,
          onLine: (line) => {
            store = /^bundle ([0-9a-f]{64}): /.exec(line)?.[1] ?? store;
            progress.message(line.replace(/^mlenv: error: /, ""));
          },
        },
      ),
    );
    const index: BundleIndex = {
      format: FORMAT,
      created: new Date().toISOString(),
      tool: image,
      baseImage: chosenBaseImage(),
      releases: [...releases],
      images,
      store,
      members: [saved, content],
    };
    await archive.add(INDEX_MEMBER, async (to) => {
      await new Promise<void>((resolve, reject) =>
        to.write(`${JSON.stringify(index, undefined, 1)}\n`, (error) => (error ? reject(error) : resolve())),
      );
    });
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
