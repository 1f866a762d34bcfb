import { readMachine } from "../config/machine";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { describeUsers, usersOf } from "./store/users";
import { describeInventory, parseInventory } from "./store/report";
import { runStoreTool, storeImage, storeRoot } from "./store/store-tool";
import { ask } from "./lib/ask";
import { liveContainers } from "./lib/docker";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { silent, Steps } from "./lib/progress";

const usage = "npm run purge [-- --data --yes --stack STACK]";

main(async (args) => {
  const { stack, data, yes } = parseOptions(args, usage, {
    stack: { type: "string", default: devStack },
    data: { type: "boolean", default: false },
    yes: { type: "boolean", default: false },
  }).values;
  const steps = new Steps();
  await ensureSetup(steps);
  const engine = readMachine().dockerHost;
  const root = await storeRoot(stack);
  const image = await steps.run("Bootstrap image", storeImage, (reference) => reference);
  const inventory = await steps.run("What is in the store", async () =>
    parseInventory(await runStoreTool({ root, command: ["list", "--json"] }, image, silent)),
  );
  console.log(["", `The store ${root}:`, ...describeInventory(inventory).map((line) => `  ${line}`), ""].join("\n"));

  const users = usersOf(root, await liveContainers(engine));
  if (users.length > 0) {
    throw new UserError(describeUsers(root, users).join("\n"));
  }
  const loss = data ? "all of it, with the documents in data/" : "all of it but data/";
  if (
    !yes &&
    (await ask(
      `This removes ${loss}. Type the path of the store to go on: `,
      "Add --yes to go on without being asked.",
    )) !== root
  ) {
    console.log("Nothing was changed: that is not its path.");
    return 1;
  }
  await steps.run("Purge", async (progress) => {
    // The tool refuses, under the store's lock, what has been started since.
    const mounted = (await liveContainers(engine)).flatMap(({ bindSources }) => bindSources);
    return runStoreTool(
      { root, command: ["purge", ...(data ? ["--data"] : [])], input: { root, mounted } },
      image,
      progress,
    );
  });
  console.log(
    `\nRemoved ${loss}. Images stay; \`npm run prune\` removes those that no store refers to.\n` +
      "A stack that was deployed on it does not know: `npm run pulumi -- destroy` it, before its next `up` fills the store again.",
  );
}, "npm run purge");
