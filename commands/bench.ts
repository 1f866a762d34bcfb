import { IMAGES } from "../components/shared/images";
import { BakedImage } from "./bench/baked-image";
import { BenchStore } from "./bench/bench-store";
import { ensureSetup } from "./setup/ensure";
import { imageSize } from "./support/docker";
import { ensureImage } from "./support/images";
import { main } from "./support/main";
import { Steps } from "./support/progress";
import { readMachine } from "./setup/machine";

/*
 * This project's way and the way it replaces, side by side in one run: the same locks, base image and index. Only ratios travel
 * from one machine to another. Takes about eight minutes, fetches the ML packages three times (18 GB on the disk for a while).
 */
main(async () => {
  const steps = new Steps();
  await ensureSetup(steps);
  const bootstrap = await steps.run("Bootstrap image", (progress) => ensureImage(IMAGES.bootstrap, progress), (reference) => reference);
  const server = await steps.run("Server image", (progress) => ensureImage(IMAGES.server, progress), (reference) => reference);

  const store = new BenchStore(bootstrap);
  const baked = new BakedImage();
  try {
    await store.create();
    const ours = {
      first: await timed(() => steps.run("Store: first environment", (progress) => store.populate("first", "", progress))),
      firstBytes: await store.bytes(),
      again: await timed(() => steps.run("Store: another lock", (progress) => store.populate("second", "# changed\n", progress))),
    };
    const againBytes = (await store.bytes()) - ours.firstBytes;
    const first = await timed(() => steps.run("Baked: first image", (progress) => baked.build(progress)));
    const bakedBytes = await baked.bytes();
    baked.changeLock();
    const again = await timed(() => steps.run("Baked: another lock", (progress) => baked.build(progress)));
    const serverBytes = (await imageSize(server, readMachine().dockerHost)) ?? 0;

    console.table([
      row("first time, s", first, ours.first),
      row("another lock of the same packages, s", again, ours.again),
      row("image to move to a host, MB", bakedBytes / 1e6, serverBytes / 1e6),
      row("new on the disk for another lock, MB", bakedBytes / 1e6, againBytes / 1e6),
    ]);
  } finally {
    await store.remove();
    await baked.remove();
  }
}, "npm run bench");

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function row(what: string, baked: number, ours: number): object {
  return { what, "baked into the image": round(baked), "in the store": round(ours), ratio: round(baked / ours) };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
