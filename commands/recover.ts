import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { examples, stackFlag, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { recover } from "./recover/recover";
import { ensureSetup } from "./setup/ensure";

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .addHelpText("after", examples([archon("recover"), "remove the lock and the containers that a killed update left"]))
    .action(async ({ stack }: { stack: string }) => {
      const steps = new Steps();
      await ensureSetup(steps, stack);
      await steps.run(
        "Recovery",
        (progress) => recover(stack, progress),
        (removed) => (removed.length === 0 ? "(nothing to remove)" : `(${removed.length} removed)`),
      );
      console.log(`\nNext: ${archon(`pulumi up${stackFlag(stack)}`)}`);
    });
}
