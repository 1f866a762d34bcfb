import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { sourcesOf } from "./store/repair";
import { parseInventory } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { silent, Steps, type Progress } from "./lib/progress";
import { CommandError } from "./lib/run";

const usage = "npm run verify [-- --full --repair --stack STACK]";

/** What the store tool exits with when it did its work and found damage. */
const damaged = "failed with exit code 1";

main(async (args) => {
  const { stack, full, repair } = parseOptions(args, usage, {
    stack: { type: "string", default: devStack },
    full: { type: "boolean", default: false },
    repair: { type: "boolean", default: false },
  }).values;
  const steps = new Steps();
  await ensureSetup(steps);
  const root = await storeRoot(stack);
  const image = await steps.run("Bootstrap image", storeImage, (reference) => reference);
  const command = ["verify", ...(full ? ["--full"] : [])] as const;
  try {
    if (repair) {
      await steps.run("Verification and repair", (progress) => mend({ root, image, stack, command }, progress));
    } else {
      await steps.run("Verification", (progress) => runStoreTool({ root, command }, image, progress));
    }
  } catch (error) {
    if (!(error instanceof CommandError) || error.outcome !== damaged) {
      throw error;
    }
    const option = stack === devStack ? "" : ` --stack ${stack}`;
    throw new UserError(
      repair
        ? `The store at ${root} is not wholly mended; the lines above say what is left.`
        : `The store at ${root} was not found intact; the lines above say where.\n` +
            `Mend it with \`npm run verify -- ${full ? "--full " : ""}--repair${option}\`: only what is damaged is fetched again.`,
    );
  }
  if (repair) {
    console.log(
      `\nServers see what was mended once they are replaced: npm run pulumi -- up${stack === devStack ? "" : ` --stack ${stack}`}`,
    );
  }
}, "npm run verify");

interface Repair {
  root: string;
  image: string;
  stack: string;
  command: readonly ["verify", ...string[]];
}

/** Models from a directory are mended from the checkout first, each by itself; then everything, from indexes and hub. */
async function mend({ root, image, stack, command }: Repair, progress: Progress): Promise<void> {
  const { options, mounts, directories } = sourcesOf(stack);
  const { models } = parseInventory(await runStoreTool({ root, command: ["list", "--json"] }, image, silent));
  const present = new Set(models.map(({ model }) => `models/${model}`));
  for (const [target, archive] of [...directories].filter(([each]) => present.has(each))) {
    await runStoreTool({ root, command: [...command, "--repair", "--archive=-", target], archive }, image, progress);
  }
  await runStoreTool({ root, command: [...command, "--repair", ...options], mounts, network: true }, image, progress);
}
