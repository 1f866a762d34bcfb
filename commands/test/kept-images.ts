import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { referenceServer } from "../../applications/reference/application";
import { devStack, stackHost } from "../../config/stack";
import { IMAGES } from "../../lib/images";
import { engineEnvironment, removeImage } from "../lib/docker";
import { ensureImage } from "../lib/images";
import { silent } from "../lib/progress";
import { run } from "../lib/run";
import { otherStores, projectImages } from "../store/engine-usage";
import type { Print } from "./results";

/** The stack's name in the GC roots that keep the images. */
const NAME = "archon-tests";

/**
 * Builds the images of the unchanged sources, which most tests deploy first, and keeps them while `work` runs. Otherwise the
 * garbage collection of one test could remove an image that the first update of another has just found: a collection
 * knows a store only once its network exists. When `work` has ended, the other images that the stacks of the tests had are
 * removed, except for those that were there before and those that a stack of this engine refers to.
 */
export async function withKeptImages<T>(print: Print, work: () => Promise<T>): Promise<T> {
  const store = fs.mkdtempSync(path.join(os.tmpdir(), "archon-images-"));
  const environment = engineEnvironment(devStack);
  const network = path.basename(store);
  await removeAbandonedNetworks();
  try {
    const roots = { format: 1, stack: NAME, updated: new Date().toISOString(), environments: [], models: [] };
    const images = await ensureImages(print);
    fs.mkdirSync(path.join(store, "refs"));
    fs.writeFileSync(path.join(store, "refs", `${NAME}.json`), JSON.stringify({ ...roots, images }));
    await run("docker", ["network", "create", `--label=io.archon.root=${store}`, network], { environment });
    const before = new Set(await projectImages(stackHost(devStack).dockerHost));
    const list = path.join(store, "images-of-tests");
    fs.writeFileSync(list, "");
    process.env["ARCHON_TEST_IMAGES"] = list;
    const result = await work();
    const ofTests = fs.readFileSync(list, "utf8").split("\n");
    await removeImages(ofTests.filter((image) => !before.has(image))).catch((error: unknown) => {
      print(`The images of the tests stay: ${(error as Error).message}`);
    });
    return result;
  } finally {
    delete process.env["ARCHON_TEST_IMAGES"];
    fs.rmSync(store, { recursive: true });
    // Once the run is interrupted, `run` starts nothing any more.
    spawnSync("docker", ["network", "rm", network], { env: environment, stdio: "ignore" });
  }
}

/** Removes the networks of runs that were killed: their stores are gone. */
async function removeAbandonedNetworks(): Promise<void> {
  const environment = engineEnvironment(devStack);
  const format = '{{.Name}} {{.Label "io.archon.root"}}';
  const listed = await run("docker", ["network", "ls", "--filter=name=^archon-images-", "--format", format], {
    environment,
  });
  for (const line of listed.trim().split("\n")) {
    const [name = "", root = ""] = line.split(" ");
    if (name !== "" && !fs.existsSync(root)) {
      await run("docker", ["network", "rm", name], { environment });
    }
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

async function removeImages(references: readonly string[]): Promise<void> {
  const { dockerHost } = stackHost(devStack);
  // No store has the root directory, so these are all stores of the engine.
  const stores = await otherStores("/", dockerHost);
  const needed = new Set([...stores.values()].flatMap(imagesOfRoots));
  const here = new Set(await projectImages(dockerHost));
  for (const image of new Set(references.filter((reference) => here.has(reference) && !needed.has(reference)))) {
    await removeImage(image, dockerHost);
  }
}

/** What the GC roots of a store's stacks name. @param directory the store's `refs` */
function imagesOfRoots(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => {
      const roots = JSON.parse(fs.readFileSync(path.join(directory, file), "utf8")) as {
        format: number;
        images?: string[];
      };
      if (roots.format !== 1) {
        throw new Error(
          `${path.join(directory, file)} has the format ${roots.format}, which this version cannot read.`,
        );
      }
      return roots.images ?? [];
    });
}
