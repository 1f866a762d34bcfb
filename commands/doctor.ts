import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { examine } from "./doctor/examine";
import { isHealthy, type Finding } from "./doctor/finding";
import { describeFinding, describeTotals } from "./doctor/format";
import { examples, stackOption } from "./lib/options";
import { columnsOf } from "./lib/render";

interface Options {
  stack: string;
  json: boolean;
}

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .option("--json", "print JSON", false)
    .addHelpText(
      "after",
      [
        examples(
          [archon("doctor"), "look at everything that the stack dev needs, and name what fixes it"],
          [archon("doctor --stack prod --json"), "for scripts"],
        ),
        "",
        "It changes nothing, and works before the set-up and without an engine. Exit code 1: there is a problem.",
      ].join("\n"),
    )
    .action(doctor);
}

async function doctor({ stack, json }: Options): Promise<void> {
  const findings: Finding[] = [];
  const width = columnsOf(process.stdout, 100);
  for await (const finding of examine(stack)) {
    findings.push(finding);
    if (!json) {
      console.log(describeFinding(finding, width).join("\n"));
    }
  }
  const healthy = isHealthy(findings);
  console.log(json ? JSON.stringify({ stack, healthy, findings }, undefined, 2) : `\n${describeTotals(findings)}`);
  process.exitCode = healthy ? 0 : 1;
}
