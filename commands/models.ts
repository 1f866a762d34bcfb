import * as fs from "node:fs";
import { catalogue, stackModels, describeCatalogue } from "./models/catalogue";
import { deriveModel } from "./models/derive";
import { describePin, parseSize } from "./models/pin";
import { resolveBranch } from "./models/resolve";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { parseInventory, type Inventory } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { silent, Steps } from "./lib/progress";

const usage = [
  "npm run models [-- --stack STACK --json]",
  "       npm run models -- derive NAME [--stack STACK]",
  "       npm run models -- pin ORG/NAME [--revision BRANCH] [--max-bytes 5GB] [--application ORG/NAME] [--force] [--stack STACK]",
].join("\n");

main(async (args) => {
  const { values, positionals } = parseOptions(
    args,
    usage,
    {
      stack: { type: "string", default: devStack },
      json: { type: "boolean", default: false },
      revision: { type: "string", default: "main" },
      "max-bytes": { type: "string", default: "5GB" },
      application: { type: "string" },
      force: { type: "boolean", default: false },
    },
    2,
  );
  const { stack, json, force, revision } = values;
  const [action, subject] = positionals;
  if (action !== undefined && (!["pin", "derive"].includes(action) || subject === undefined)) {
    throw new UserError(
      `${["pin", "derive"].includes(action) ? "Which model?" : `There is no action "${action}".`}\nUsage: ${usage}`,
    );
  }
  const maxBytes = parseSize(values["max-bytes"]);
  // stdout is for the answer alone: scripts read it.
  const steps = new Steps({ output: process.stderr });
  await ensureSetup(steps);
  if (action === "derive" && subject !== undefined) {
    console.log(
      (
        await steps.run(
          "Derivation",
          (progress) => deriveModel(stack, subject, progress),
          () => "",
        )
      ).join("\n"),
    );
    return;
  }
  if (subject !== undefined) {
    const image = await steps.run("Bootstrap image", storeImage, (reference) => reference);
    const found = await steps.run(
      "Hub",
      (progress) => resolveBranch(stack, subject, revision, image, progress),
      ({ revision: commit }) => commit,
    );
    const application = values.application ?? process.env.RERANKING_MODEL;
    console.log(
      describePin(found, { stack, maxBytes, force, application: application === "" ? undefined : application }).join(
        "\n",
      ),
    );
    return;
  }
  const { models, active } = stackModels(stack);
  const listed = catalogue(models, active, await storedModels(stack));
  console.log(json ? JSON.stringify(listed, undefined, 2) : describeCatalogue(stack, listed).join("\n"));
}, "npm run models");

/** What the store of a stack holds; nothing where there is none yet. */
async function storedModels(stack: string): Promise<Inventory["models"]> {
  const root = await storeRoot(stack);
  if (!fs.existsSync(root)) {
    return [];
  }
  return parseInventory(await runStoreTool({ root, command: ["list", "--json"] }, await storeImage(silent), silent))
    .models;
}
