import { describePreview } from "./preview/text";
import { previewStack } from "./preview/run";
import { findRelease, readLedger, withLosses } from "./releases/ledger";
import { heldRelease, withHeldRelease } from "./rollback/held-release";
import { describeOutcome, notRestorable } from "./rollback/words";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { deploy } from "./start/deploy";
import { confirm } from "./lib/ask";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { Steps } from "./lib/progress";
import { CommandError } from "./lib/run";

const usage = "npm run rollback -- RELEASE|previous|--forward [--yes --stack STACK]";

main(async (args) => {
  const { values, positionals } = parseOptions(
    args,
    usage,
    {
      stack: { type: "string", default: devStack },
      yes: { type: "boolean", default: false },
      forward: { type: "boolean", default: false },
    },
    1,
  );
  const { stack, yes, forward } = values;
  const [wanted] = positionals;
  if ((wanted !== undefined) === forward) {
    throw new UserError(
      `${forward ? "--forward takes no release" : "Say which release"}.\nUsage: ${usage}\n\`npm run releases\` lists them.`,
    );
  }
  const steps = new Steps();
  await ensureSetup(steps);
  const id = wanted === undefined ? undefined : await restorable(wanted, stack);
  if (id === undefined && heldRelease(stack) === undefined) {
    console.log(
      `Nothing holds the stack "${stack}" back: it runs what the checkout makes. \`npm run pulumi -- up --stack ${stack}\` updates it.`,
    );
    return 0;
  }
  const done = await withHeldRelease(stack, id, async () => {
    const preview = await steps.run("Preview", () => previewStack(stack));
    console.log(["", ...describePreview(preview), ""].join("\n"));
    if (preview.problems.length > 0) {
      return false;
    }
    if (!yes && !(await confirm(id === undefined ? "Roll forward?" : `Go back to ${id}?`))) {
      console.log("Nothing was changed.");
      return false;
    }
    try {
      await steps.run(
        id === undefined ? "Update" : "Rollback",
        (progress) => deploy(stack, progress),
        ({ changes }) => `(${changes})`,
      );
    } catch (error) {
      throw error instanceof CommandError
        ? new UserError(`${error.message}\nPulumi.${stack}.yaml is as it was before.`)
        : error;
    }
    return true;
  });
  if (!done) {
    return 1;
  }
  const ledger = await readLedger(stack);
  console.log(["", ...describeOutcome(ledger, id, stack)].join("\n"));
  return 0;
}, "npm run rollback");

/** The id of the release that is meant. @throws UserError when there is none, or a part of it is gone */
async function restorable(wanted: string, stack: string): Promise<string> {
  const ledger = await readLedger(stack);
  const { id, lost, commit } = findRelease(wanted, { running: ledger.running, releases: withLosses(ledger) });
  if (lost !== undefined) {
    throw new UserError(notRestorable(id, lost, commit));
  }
  return id;
}
