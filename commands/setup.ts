import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { examples, stackFlag, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { duration } from "./lib/render";
import { setUp } from "./setup/ensure";

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .addHelpText(
      "after",
      examples(
        [archon("setup"), "every other command does this by itself when something is missing"],
        [archon("setup --stack prod"), "for the engine that archon:dockerHost of that stack names"],
      ),
    )
    .action(async ({ stack }: { stack: string }) => {
      const steps = new Steps();
      await setUp(steps, stack);
      const total = steps.times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
      console.log(
        `\nSet up in ${duration(total)}. Next: \`${archon("start")}\`, or \`${archon(`pulumi preview${stackFlag(stack)}`)}\`.`,
      );
    });
}
