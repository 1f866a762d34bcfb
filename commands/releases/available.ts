import { IMAGES } from "../../components/shared/images";
import { readMachine } from "../setup/machine";
import { parseInventory } from "../store/report";
import { runStoreTool, storeImage } from "../store/store-tool";
import { localImages } from "../support/docker";
import { silent } from "../support/progress";
import type { Available } from "./restorable";

/** Repositories of the images that releases are made of. */
export const releaseRepositories: readonly string[] = Object.values(IMAGES).map(({ repository }) => repository);

/** What the engine and the store at `root` have of what releases are made of. @throws CommandError where either cannot be read */
export async function availableParts(root: string): Promise<Available> {
  const images = await localImages(releaseRepositories, readMachine().dockerHost);
  const { environments, models } = parseInventory(await runStoreTool({ root, command: ["list", "--json"] }, await storeImage(silent), silent));
  return {
    images: new Set(images),
    environments: new Set(environments.map(({ key }) => key)),
    models: new Set(models.map(({ model }) => model)),
  };
}
