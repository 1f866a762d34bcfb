import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { stackHost } from "../config/stack";
import { imageSize, imagesOfContainers, removeImage } from "./lib/docker";
import { examples, repeatable, stackFlag, stackOption } from "./lib/options";
import { Steps, type Progress } from "./lib/progress";
import { bytes } from "./lib/render";
import { ensureSetup } from "./setup/ensure";
import { engineUsage, otherStores } from "./store/engine-usage";
import { describeCollection, parseCollection } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";

interface Options {
  stack: string;
  dryRun: boolean;
  forget: string[];
  keepImages: boolean;
}

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .option("--dry-run", "only show what would be removed", false)
    .option("--forget <project-stack>", "stop keeping what a destroyed stack used; may be repeated", repeatable, [])
    .option("--keep-images", "leave the engine's images alone", false)
    .addHelpText(
      "after",
      examples(
        [archon("prune --dry-run"), "show what no stack uses, and its size"],
        [archon("prune --forget archon-test"), "remove what only the stack test used"],
      ),
    )
    .action(prune);
}

async function prune({ stack, dryRun, forget, keepImages }: Options): Promise<void> {
  const steps = new Steps();
  await ensureSetup(steps, stack);
  const engine = stackHost(stack).dockerHost;
  const root = await storeRoot(stack);
  const image = await steps.run(
    "Bootstrap image",
    (progress) => storeImage(stack, progress),
    (reference) => reference,
  );

  const collection = await steps.run(
    dryRun ? "Looking for what nothing uses" : "Garbage collection",
    async (progress) => {
      const others = await otherStores(root, engine);
      const command = [
        "prune",
        "--json",
        ...(dryRun ? ["--dry-run"] : []),
        ...forget.flatMap((each) => ["--forget", each]),
        ...[...others.keys()].flatMap((directory) => ["--also-references", directory]),
      ] as const;
      const use = await engineUsage(root, image, engine);
      const input = keepImages ? { ...use, images: [] } : use;
      return parseCollection(await runStoreTool(stack, { root, command, input, mounts: others }, image, progress));
    },
  );
  // The tool's report lists images that nothing refers to. Only the engine knows which of them are in use anyway.
  const images = await steps.run(dryRun ? "Images that nothing refers to" : "Images", (progress) =>
    pruneImages(collection.images, dryRun, engine, progress),
  );
  console.log(["", ...describeCollection(collection), ...images].join("\n"));
  if (dryRun) {
    console.log(`Nothing was changed. \`${archon(`prune${stackFlag(stack)}`)}\` removes it.`);
  }
}

/** Removes images that no reference names, or reports their sizes. Layers are shared: the sizes do not add up. */
async function pruneImages(
  references: readonly string[],
  dryRun: boolean,
  engine: string,
  progress: Progress,
): Promise<string[]> {
  const remove = async (reference: string): Promise<string | undefined> =>
    dryRun ? undefined : removeImage(reference, engine);
  const report: string[] = [];
  const used = await imagesOfContainers(engine);
  for (const [index, reference] of references.entries()) {
    progress.update(index, references.length, reference);
    const size = await imageSize(reference, engine);
    if (size === undefined) {
      continue;
    }
    const reason = used.has(reference) ? "a container uses it" : await remove(reference);
    report.push(`image  ${reference}  ${reason === undefined ? `up to ${bytes(size)}` : `stays: ${reason}`}`);
  }
  return report;
}
