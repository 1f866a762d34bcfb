import type { Command } from "commander";
import { devStack } from "../config/stack";
import { archon } from "../lib/command-line";
import { findBackend } from "./lib/backend";
import { examples } from "./lib/options";
import { Steps } from "./lib/progress";
import { readToolsRecord } from "./lib/environment";
import { runsProgram } from "./lib/invocation";
import { invokedStack, runInteractive } from "./lib/pulumi";
import { ensureSetup } from "./setup/ensure";
import { isReady } from "./setup/stack";

export function define(command: Command): void {
  command
    .usage("<pulumi's own command and options>")
    .argument("[args...]", "passed to Pulumi unchanged")
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText(
      "after",
      examples(
        [archon("pulumi up"), "update the stack dev"],
        [archon("pulumi config set archon:retain 5"), "change its configuration"],
        [archon("pulumi destroy --stack prod"), "take a stack down"],
        [archon("pulumi help"), "Pulumi's own help"],
      ),
    )
    .action(async (args: string[]) => {
      // stdout is Pulumi's alone: scripts read outputs from it.
      // Only a call that runs the program needs the engine: `config set` may correct the address of one that is down.
      if (runsProgram(args) || readToolsRecord() === undefined || !isReady(devStack, findBackend())) {
        await ensureSetup(new Steps({ output: process.stderr }), await invokedStack(args));
      }
      process.exitCode = await runInteractive(args);
    });
}
