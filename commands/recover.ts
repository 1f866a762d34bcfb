import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { examples, stackFlag, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { confirm } from "./lib/prompt";
import { describeOther, findOther, takeOver } from "./recover/adopt";
import { recover } from "./recover/recover";
import { ensureSetup } from "./setup/ensure";

interface Options {
  stack: string;
  adopt: boolean;
  yes: boolean;
}

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .option("--adopt", "first take over the deployment that another state has made of this stack", false)
    .option("--yes", "do not ask", false)
    .addHelpText(
      "after",
      examples(
        [archon("recover"), "remove the lock and the containers that a killed update left"],
        [archon("recover --adopt"), "take over the stack after its state was lost, or from another checkout"],
      ),
    )
    .action(async ({ stack, adopt, yes }: Options) => {
      const steps = new Steps();
      await ensureSetup(steps, stack);
      if (adopt && !(await adoptOther(stack, yes, steps))) {
        process.exitCode = 1;
        return;
      }
      await steps.run(
        "Recovery",
        (progress) => recover(stack, progress),
        (removed) => (removed.length === 0 ? "(nothing to remove)" : `(${removed.length} removed)`),
      );
      console.log(`\nNext: ${archon(`pulumi up${stackFlag(stack)}`)}`);
    });
}

/** @returns whether to go on: false if the answer was no */
async function adoptOther(stack: string, yes: boolean, steps: Steps): Promise<boolean> {
  const other = await steps.run(
    "Looking for another deployment",
    (progress) => findOther(stack, progress),
    (found) => (found === undefined ? "(there is none)" : ""),
  );
  if (other === undefined) {
    return true;
  }
  console.log(["", ...describeOther(stack, other), ""].join("\n"));
  if (!yes && !(await confirm("Take it over?"))) {
    console.log("Nothing was changed.");
    return false;
  }
  await steps.run("Taking over", (progress) => takeOver(stack, other, progress));
  return true;
}
