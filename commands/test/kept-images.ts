import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { APPLICATION_REPOSITORIES } from "../../applications/application";
import { referenceServer } from "../../applications/reference/application";
import { devStack, stackHost } from "../../config/stack";
import { IMAGES } from "../../lib/images";
import { engineEnvironment, localImages, removeImage } from "../lib/docker";
import { ensureImage } from "../lib/images";
import { silent } from "../lib/progress";
import { run } from "../lib/run";
import { otherStores } from "../store/engine-usage";
import type { Print } from "./results";

/** The stack's name in the GC roots that keep the images. */
const NAME = "archon-tests";

const REPOSITORIES = [...Object.values(IMAGES).map(({ repository }) => repository), ...APPLICATION_REPOSITORIES];

/**
 * Builds the images of the unchanged sources, which most tests deploy first, and keeps them while `work` runs. Otherwise the
 * garbage collection of one test could remove an image that the first update of another has just found: a collection
 * knows a store only once its network exists. When `work` has ended, the images that it made are removed, except for those
 * that a stack of this engine refers to.
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
    const before = new Set(await ownImages());
    const result = await work();
    await removeNewImages(before).catch((error: unknown) => {
      print(`The images that the tests made stay: ${(error as Error).message}`);
    });
    return result;
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

const ownImages = (): Promise<string[]> => localImages(REPOSITORIES, stackHost(devStack).dockerHost);

async function removeNewImages(before: ReadonlySet<string>): Promise<void> {
  const { dockerHost } = stackHost(devStack);
  const references = [...(await otherStores("/", dockerHost)).values()].flatMap(imagesOfRoots);
  const kept = new Set([...before, ...references]);
  for (const image of (await ownImages()).filter((reference) => !kept.has(reference))) {
    // The engine keeps what a container uses.
    await removeImage(image, dockerHost);
  }
}

/** What the GC roots of a store's stacks name. @param directory the store's `refs` */
function imagesOfRoots(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => {
      const roots = JSON.parse(fs.readFileSync(path.join(directory, file), "utf8")) as { images?: string[] };
      return roots.images ?? [];
    });
}
