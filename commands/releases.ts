import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { examples, stackFlag, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { readLedger, checkReleases } from "./releases/ledger";
import { describeReleases } from "./releases/table";
import { ensureSetup } from "./setup/ensure";

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .option("--json", "print JSON", false)
    .addHelpText("after", examples([archon("releases"), "the releases of the stack dev, the newest first"]))
    .action(async ({ stack, json }: { stack: string; json: boolean }) => {
      // stdout is for the answer alone: scripts read it.
      await ensureSetup(new Steps({ output: process.stderr }), stack);
      const ledger = await readLedger(stack);
      const releases = checkReleases(stack, ledger);
      if (json) {
        const listed = releases.map((release) => ({
          ...release,
          running: release.id === ledger.running,
          restorable: release.lost === undefined,
        }));
        console.log(JSON.stringify(listed, undefined, 2));
        return;
      }
      if (releases.length === 0) {
        console.log(
          `The stack "${stack}" has run no release yet. \`${archon(`pulumi up --stack ${stack}`)}\` makes the first one.`,
        );
        return;
      }
      console.log(describeReleases(releases, ledger.running, new Date()).join("\n"));
      console.log(`\nTo return to one of them: ${archon(`rollback RELEASE${stackFlag(stack)}`)}`);
    });
}
