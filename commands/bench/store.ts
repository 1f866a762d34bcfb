import { referenceServer } from "../../applications/reference/application";
import { IMAGES } from "../../lib/images";
import { devStack, stackHost } from "../../config/stack";
import { imageSize } from "../lib/docker";
import { ensureImage } from "../lib/images";
import type { Steps } from "../lib/progress";
import { BakedImage } from "./baked-image";
import { BenchStore } from "./bench-store";
import { changedLock } from "./changed-lock";
import type { Row } from "./result";

/**
 * Compares this project with the approach it replaces in one run: the same lock files, base image and index. Only
 * ratios are comparable between machines. Takes about eight minutes and, for a while, 18 GB of disk.
 */
export async function benchStore(steps: Steps): Promise<Row[]> {
  const bootstrap = await steps.run(
    "Bootstrap image",
    (progress) => ensureImage(IMAGES.bootstrap, devStack, progress),
    (reference) => reference,
  );
  const server = await steps.run(
    "Server image",
    (progress) => ensureImage(referenceServer.image, devStack, progress),
    (reference) => reference,
  );
  const store = new BenchStore(bootstrap);
  const baked = new BakedImage();
  try {
    await store.create();
    const first = await timed(() =>
      steps.run("Store: first environment", (progress) => store.populate("first", store.lock, progress)),
    );
    const firstBytes = await store.bytes();
    const second = await timed(() =>
      steps.run("Store: one package changed", (progress) =>
        store.populate("second", changedLock(store.lock), progress),
      ),
    );
    const secondBytes = (await store.bytes()) - firstBytes;
    const bakedFirst = await timed(() => steps.run("Baked: first image", (progress) => baked.build(progress)));
    const bakedBytes = await baked.bytes();
    baked.changeLock(changedLock);
    const bakedSecond = await timed(() =>
      steps.run("Baked: one package changed", async (progress) => {
        await baked.build(progress);
        progress.message("The engine keeps the layers of the baked images; `docker builder prune` frees them.");
      }),
    );
    const serverBytes = (await imageSize(server, stackHost(devStack).dockerHost)) ?? 0;

    return [
      row("first time", "s", bakedFirst, first),
      row("one package changed", "s", bakedSecond, second),
      row("image to move to a host", "MB", bakedBytes / 1e6, serverBytes / 1e6),
      row("new on the disk for one package changed", "MB", bakedBytes / 1e6, secondBytes / 1e6),
    ];
  } finally {
    await store.remove();
    await baked.remove();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** The names of the columns: `./archon report` reads them too. */
export const BAKED = "baked into the image";
export const STORED = "in the store";

function row(what: string, unit: string, baked: number, stored: number): Row {
  return { what, unit, values: { [BAKED]: baked, [STORED]: stored, ratio: baked / stored } };
}
