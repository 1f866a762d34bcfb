import { InvalidArgumentError, type Command } from "commander";
import { archon } from "../lib/command-line";
import { stackHost } from "../config/stack";
import { UserError } from "../lib/errors";
import { examples, stackOption } from "./lib/options";
import { silent, Steps } from "./lib/progress";
import { catalogue, stackModels, describeCatalogue } from "./models/catalogue";
import { deriveModel } from "./models/derive";
import { describePin, parseSize } from "./models/pin";
import { resolveBranch } from "./models/resolve";
import { ensureSetup } from "./setup/ensure";
import { directoryExists } from "./store/engine-usage";
import { parseInventory, type Inventory } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";

interface PinOptions {
  stack: string;
  revision: string;
  maxBytes: number;
  application?: string;
  force: boolean;
}

export function define(command: Command): void {
  command.addHelpText(
    "after",
    examples(
      [archon("models"), "the models of the stack dev, and those in its store"],
      [archon("models pin Qwen/Qwen3-Reranker-0.6B"), "the line of configuration that adds a model"],
      [archon("models derive qwen"), "the line of configuration for its 8-bit variant"],
    ),
  );
  command
    .command("list")
    .description("List the models of a stack and those in its store (the default).")
    .addOption(stackOption())
    .option("--json", "print JSON", false)
    .addHelpText("after", examples([archon("models --json"), "for a script"]))
    .action(list);
  command
    .command("pin")
    .description("Look a model up at the hub, and print the line of configuration that pins its newest commit.")
    .argument("<org/name>", "name of the repository")
    .addOption(stackOption())
    .option("--revision <branch>", "branch, tag or commit", "main")
    .option("--max-bytes <size>", "refuse a larger model", size, parseSize("5GB"))
    .option("--application <org/name>", "model that the application loads (default: RERANKING_MODEL)")
    .option("--force", "pin a model that is larger than --max-bytes", false)
    .addHelpText("after", examples([archon("models pin Org/Name --max-bytes 20GB"), "a larger one"]))
    .action(pin);
  command
    .command("derive")
    .description("Quantize a model of the running release to 8 bits once, and print the line of configuration for it.")
    .argument("<name>", "name of the model in the configuration")
    .addOption(stackOption())
    .addHelpText("after", examples([archon("models derive qwen"), "takes about a minute for 1 GB"]))
    .action(derive);
}

/** stdout is for the answer alone: scripts read it. */
async function begin(stack: string): Promise<Steps> {
  const steps = new Steps({ output: process.stderr });
  await ensureSetup(steps, stack);
  return steps;
}

async function list({ stack, json }: { stack: string; json: boolean }): Promise<void> {
  await begin(stack);
  const { models, active } = stackModels(stack);
  const listed = catalogue(models, active, await storedModels(stack));
  console.log(json ? JSON.stringify(listed, undefined, 2) : describeCatalogue(stack, listed).join("\n"));
}

async function pin(repo: string, { stack, revision, maxBytes, force, ...options }: PinOptions): Promise<void> {
  const steps = await begin(stack);
  const image = await steps.run(
    "Bootstrap image",
    (progress) => storeImage(stack, progress),
    (reference) => reference,
  );
  const found = await steps.run(
    "Hub",
    (progress) => resolveBranch(stack, repo, revision, image, progress),
    ({ revision: commit }) => commit,
  );
  const application = (options.application ?? process.env.RERANKING_MODEL) || undefined;
  console.log(describePin(found, { stack, maxBytes, force, application }).join("\n"));
}

async function derive(name: string, { stack }: { stack: string }): Promise<void> {
  const steps = await begin(stack);
  const lines = await steps.run("Quantization", (progress) => deriveModel(stack, name, progress));
  console.log(lines.join("\n"));
}

/** What the store of a stack holds; empty if there is no store yet. */
async function storedModels(stack: string): Promise<Inventory["models"]> {
  const root = await storeRoot(stack);
  if (!(await directoryExists(root, stackHost(stack).dockerHost))) {
    return [];
  }
  return parseInventory(
    await runStoreTool(stack, { root, command: ["list", "--json"] }, await storeImage(stack, silent), silent),
  ).models;
}

function size(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw error instanceof UserError ? new InvalidArgumentError(error.message) : error;
  }
}
