import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { UserError } from "../lib/errors";
import { configuredToken } from "./lib/hub-token";
import { examples, stackFlag, stackOption } from "./lib/options";
import { silent, Steps, type Progress } from "./lib/progress";
import { CommandError } from "./lib/run";
import { ensureSetup } from "./setup/ensure";
import { sourcesOf } from "./store/repair";
import { parseInventory } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";

/** Exit code of the store tool when it has done its work, and damage is left. */
const exitDamaged = 3;

interface Options {
  stack: string;
  full: boolean;
  repair: boolean;
}

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .option("--full", "read and hash every byte, instead of comparing sizes and modes", false)
    .option("--repair", "download again what is damaged", false)
    .addHelpText(
      "after",
      examples(
        [archon("verify"), "a quick check of every environment and model"],
        [archon("verify --full --repair"), "find every changed byte and repair it"],
      ),
    )
    .action(verify);
}

async function verify({ stack, full, repair }: Options): Promise<void> {
  const steps = new Steps();
  await ensureSetup(steps, stack);
  const root = await storeRoot(stack);
  const image = await steps.run(
    "Bootstrap image",
    (progress) => storeImage(stack, progress),
    (reference) => reference,
  );
  const command = ["verify", ...(full ? ["--full"] : [])] as const;
  try {
    if (repair) {
      await steps.run("Verification and repair", (progress) => repairStore({ root, image, stack, command }, progress));
    } else {
      await steps.run("Verification", (progress) => runStoreTool(stack, { root, command }, image, progress));
    }
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== exitDamaged) {
      throw error;
    }
    throw new UserError(
      repair
        ? `The store at ${root} could not be repaired completely; the lines above say what is left.`
        : `The store at ${root} is damaged; the lines above say where.\n` +
            `Repair it with \`${archon(`verify ${full ? "--full " : ""}--repair${stackFlag(stack)}`)}\`, which downloads only what is damaged.`,
    );
  }
  if (repair) {
    console.log("\nA server that loaded what was repaired uses it after a restart: docker restart <container>");
  }
}

interface Repair {
  root: string;
  image: string;
  stack: string;
  command: readonly ["verify", ...string[]];
}

/**
 * Repairs models from a directory of the checkout first, one by one; then everything else, from the package indexes and
 * the hub.
 */
async function repairStore({ root, image, stack, command }: Repair, progress: Progress): Promise<void> {
  const { options, mounts, directories } = sourcesOf(stack);
  const { models } = parseInventory(await runStoreTool(stack, { root, command: ["list", "--json"] }, image, silent));
  const present = new Set(models.map(({ model }) => `models/${model}`));
  for (const [target, archive] of [...directories].filter(([each]) => present.has(each))) {
    await runStoreTool(
      stack,
      { root, command: [...command, "--repair", "--archive=-", target], archive },
      image,
      progress,
    );
  }
  const token = await configuredToken(stack);
  await runStoreTool(
    stack,
    { root, command: [...command, "--repair", ...options], mounts, network: true, token },
    image,
    progress,
  );
}
