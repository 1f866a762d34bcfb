import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { referenceServer } from "../../applications/reference/application";
import { devStack } from "../../config/stack";
import { IMAGES } from "../../lib/images";
import { engineEnvironment } from "../lib/docker";
import { ensureImage } from "../lib/images";
import { silent } from "../lib/progress";
import { run } from "../lib/run";
import type { Print } from "./results";

/** The stack's name in the GC roots that keep the images. */
const NAME = "archon-tests";

/**
 * Builds the images of the unchanged sources, which most tests deploy first, and keeps them while `work` runs. Otherwise the
 * garbage collection of one test could remove an image that the first update of another has just found: a collection
 * knows a store only once its network exists.
 */
export async function withKeptImages<T>(print: Print, work: () => Promise<T>): Promise<T> {
  const store = fs.mkdtempSync(path.join(os.tmpdir(), "archon-images-"));
  const environment = engineEnvironment(devStack);
  const network = path.basename(store);
  try {
    const roots = { format: 1, stack: NAME, updated: new Date().toISOString(), environments: [], models: [] };
    const images = await ensureImages(print);
    fs.mkdirSync(path.join(store, "refs"));
    fs.writeFileSync(path.join(store, "refs", `${NAME}.json`), JSON.stringify({ ...roots, images }));
    await run("docker", ["network", "create", `--label=io.archon.root=${store}`, network], { environment });
    return await work();
  } finally {
    fs.rmSync(store, { recursive: true });
    // Once the run is interrupted, `run` starts nothing any more.
    spawnSync("docker", ["network", "rm", network], { env: environment, stdio: "ignore" });
  }
}

async function ensureImages(print: Print): Promise<string[]> {
  const progress = { ...silent, message: print };
  const { image } = referenceServer;
  return [
    await ensureImage(IMAGES.bootstrap, devStack, progress),
    await ensureImage(IMAGES.gateway, devStack, progress),
    await ensureImage(image, devStack, progress, { args: image.buildArguments({ browser: false }) }),
  ];
}
