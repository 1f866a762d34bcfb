import { readMachine } from "../config/machine";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { engineUse, otherReferences } from "./store/engine-use";
import { describeCollection, parseCollection } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";
import { imageSize, imagesOfContainers, removeImage } from "./lib/docker";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { Steps, type Progress } from "./lib/progress";
import { bytes } from "./lib/render";

const usage = "npm run prune [-- --dry-run --forget PROJECT-STACK --keep-images --stack STACK]";

main(async (args) => {
  const { values } = parseOptions(args, usage, {
    stack: { type: "string", default: devStack },
    "dry-run": { type: "boolean", default: false },
    "keep-images": { type: "boolean", default: false },
    forget: { type: "string", multiple: true, default: [] },
  });
  const dryRun = values["dry-run"];
  const steps = new Steps();
  await ensureSetup(steps);
  const engine = readMachine().dockerHost;
  const root = await storeRoot(values.stack);
  const image = await steps.run("Bootstrap image", storeImage, (reference) => reference);

  const collection = await steps.run(dryRun ? "Looking for what nothing uses" : "Collection", async (progress) => {
    const others = await otherReferences(root, engine);
    const command = [
      "prune",
      "--json",
      ...(dryRun ? ["--dry-run"] : []),
      ...values.forget.flatMap((stack) => ["--forget", stack]),
      ...[...others.keys()].flatMap((directory) => ["--also-references", directory]),
    ] as const;
    const use = await engineUse(root, image, engine);
    const input = values["keep-images"] ? { ...use, images: [] } : use;
    return parseCollection(await runStoreTool({ root, command, input, mounts: others }, image, progress));
  });
  // The report of the tool names what nothing refers to; what is in use all the same, only the engine knows.
  const images = await steps.run(dryRun ? "Images that nothing refers to" : "Images", (progress) =>
    pruneImages(collection.images, dryRun, engine, progress),
  );
  console.log(["", ...describeCollection(collection), ...images].join("\n"));
  if (dryRun) {
    console.log("Nothing was changed. `npm run prune` does it.");
  }
}, "npm run prune");

/** Removes images that no reference names, or says what they take. Layers are shared: their sizes do not add up. */
async function pruneImages(
  references: readonly string[],
  dryRun: boolean,
  engine: string | undefined,
  progress: Progress,
): Promise<string[]> {
  const report: string[] = [];
  const used = await imagesOfContainers(engine);
  for (const [index, reference] of references.entries()) {
    progress.update(index, references.length, reference);
    const size = await imageSize(reference, engine);
    if (size === undefined) {
      continue;
    }
    const kept = used.has(reference)
      ? "a container uses it"
      : dryRun
        ? undefined
        : await removeImage(reference, engine);
    report.push(
      kept === undefined ? `image  ${reference}  up to ${bytes(size)}` : `image  ${reference}  stays: ${kept}`,
    );
  }
  return report;
}
