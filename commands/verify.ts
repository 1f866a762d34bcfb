import { ensureSetup } from "./setup/ensure";
import { devStack } from "./setup/stack";
import { packageIndexes } from "./support/decisions";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";
import { UserError } from "./support/errors";
import { main } from "./support/main";
import { parseOptions } from "./support/options";
import { Steps } from "./support/progress";
import { CommandError } from "./support/run";

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
  const { pythonIndex, pythonExtraIndexes } = packageIndexes(stack);
  const indexes = [...(pythonIndex === "" ? [] : [`--index=${pythonIndex}`]), ...pythonExtraIndexes.map((url) => `--extra-index=${url}`)];
  const command = ["verify", ...(full ? ["--full"] : []), ...(repair ? ["--repair", ...indexes] : [])] as const;
  try {
    await steps.run(repair ? "Verification and repair" : "Verification", (progress) => runStoreTool({ root, command, network: repair }, image, progress));
  } catch (error) {
    if (!(error instanceof CommandError) || error.outcome !== damaged) {
      throw error;
    }
    throw new UserError(
      repair
        ? `The store at ${root} is not wholly mended; the lines above say what is left.`
        : `The store at ${root} was not found intact; the lines above say where.\n` +
          `Mend it with \`npm run verify -- ${full ? "--full " : ""}--repair${stack === devStack ? "" : ` --stack ${stack}`}\`: only what is damaged is fetched again.`,
    );
  }
}, "npm run verify");
