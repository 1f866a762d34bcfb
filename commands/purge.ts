import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { UserError } from "../lib/errors";
import { stackHost } from "../config/stack";
import { ask } from "./lib/prompt";
import { liveContainers } from "./lib/docker";
import { examples, stackOption } from "./lib/options";
import { silent, Steps } from "./lib/progress";
import { ensureSetup } from "./setup/ensure";
import { describeInventory, parseInventory } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";
import { describeOwners, describeUsers, usersOf } from "./store/users";

interface Options {
  stack: string;
  data: boolean;
  yes: boolean;
}

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .option("--data", "remove the users' documents in data/ too", false)
    .option("--yes", "do not ask", false)
    .addHelpText(
      "after",
      examples(
        [archon("purge"), "empty the store of the stack dev, but keep data/"],
        [archon("purge --data --yes"), "remove everything without a question"],
      ),
    )
    .action(purge);
}

async function purge({ stack, data, yes }: Options): Promise<void> {
  const steps = new Steps();
  await ensureSetup(steps, stack);
  const engine = stackHost(stack).dockerHost;
  const root = await storeRoot(stack);
  const image = await steps.run(
    "Bootstrap image",
    (progress) => storeImage(stack, progress),
    (reference) => reference,
  );
  const inventory = await steps.run("What is in the store", async () =>
    parseInventory(await runStoreTool(stack, { root, command: ["list", "--json"] }, image, silent)),
  );
  console.log(["", `The store ${root}:`, ...describeInventory(inventory).map((line) => `  ${line}`), ""].join("\n"));

  const users = usersOf(root, await liveContainers(engine));
  if (users.length > 0) {
    throw new UserError(describeUsers(root, users).join("\n"));
  }
  if (Object.keys(inventory.owners).length > 0) {
    throw new UserError(describeOwners(root, inventory.owners).join("\n"));
  }
  const loss = data ? "everything in it, with the documents in data/" : "everything in it but data/";
  const question = `This removes ${loss}. Type the path of the store to continue: `;
  if (!yes && (await ask(question, "Add --yes to continue without a question.")) !== root) {
    console.log("Nothing was changed: that is not the path of the store.");
    process.exitCode = 1;
    return;
  }
  await steps.run("Purge", async (progress) => {
    // The tool checks again under the store's exclusive lock: something may have started since.
    const mounted = (await liveContainers(engine)).flatMap(({ bindSources }) => bindSources);
    return runStoreTool(
      stack,
      { root, command: ["purge", ...(data ? ["--data"] : [])], input: { root, mounted } },
      image,
      progress,
    );
  });
  console.log(
    `\nRemoved ${loss}. Images stay; \`${archon("prune")}\` removes those that no store refers to.\n` +
      `If a stack is still deployed on this store, its next update fails, because its state says that the store exists: ` +
      `run \`${archon("pulumi destroy")}\` first. The update after it makes everything.`,
  );
}
