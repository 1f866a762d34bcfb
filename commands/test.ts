import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { examples } from "./lib/options";
import { runSuites } from "./test/run";
import { suites } from "./test/suites";

export function define(command: Command): void {
  command
    .argument("[suites...]", `suites to run: ${suites.map(({ name }) => name).join(", ")} (default: all)`)
    .addHelpText("after", examples([archon("test check unit"), "what needs neither Docker nor Pulumi"]))
    .action(async (names: string[]) => {
      process.exitCode = await runSuites(names);
    });
}
