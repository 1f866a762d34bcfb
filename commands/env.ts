import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { pulumiEnvironment, shellExports } from "./lib/environment";
import { examples } from "./lib/options";
import { Steps } from "./lib/progress";
import { ensureSetup } from "./setup/ensure";

export function define(command: Command): void {
  command
    .addHelpText("after", examples([`eval "$(${archon("env")})"`, "then `pulumi up` works in this shell"]))
    .action(async () => {
      // stdout is for the shell that evaluates it.
      await ensureSetup(new Steps({ output: process.stderr }));
      console.log(shellExports(pulumiEnvironment(), process.env));
    });
}
