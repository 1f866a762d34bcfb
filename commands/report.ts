import { Option, type Command } from "commander";
import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../lib/command-line";
import { UserError } from "../lib/errors";
import { callersPath, examples, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { svgReport } from "./report/figure";
import { describeReport, markdownReport } from "./report/format";
import { measureStack } from "./report/measure";
import { ensureSetup } from "./setup/ensure";

interface Options {
  stack: string;
  json: boolean;
  markdown: boolean;
  svg?: string;
}

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .addOption(new Option("--json", "print JSON").default(false).conflicts("markdown"))
    .option("--markdown", "print Markdown", false)
    .option("--svg <file>", "also draw the comparisons into a file", callersPath)
    .addHelpText(
      "after",
      examples(
        [archon("report"), "sizes, times, savings, and what releases and replicas share"],
        [archon("report --markdown --svg docs/images/report.svg"), "for a page"],
      ),
    )
    .action(report);
}

async function report({ stack, json, markdown, svg }: Options): Promise<void> {
  const directory = svg === undefined ? undefined : path.dirname(svg);
  if (directory !== undefined && !fs.existsSync(directory)) {
    throw new UserError(`There is no directory ${directory} for the drawing. Make it: mkdir -p ${directory}`);
  }
  // stdout is for the answer alone: scripts read it.
  const steps = new Steps({ output: process.stderr });
  await ensureSetup(steps, stack);
  const measured = await steps.run("Measuring", (progress) => measureStack(stack, progress));
  if (svg !== undefined) {
    fs.writeFileSync(svg, svgReport(measured));
  }
  if (json) {
    console.log(JSON.stringify(measured, undefined, 2));
    return;
  }
  console.log((markdown ? markdownReport(measured) : describeReport(measured)).join("\n").trimEnd());
}
