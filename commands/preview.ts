import type { Command } from "commander";
import * as fs from "node:fs";
import { archon } from "../lib/command-line";
import { UserError } from "../lib/errors";
import { examples, stackFlag, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { markdownPreview } from "./preview/markdown";
import { previewStack, summariseRedacted } from "./preview/run";
import type { PreviewSummary } from "./preview/summary";
import { describePreview } from "./preview/format";
import { ensureSetup } from "./setup/ensure";

interface Options {
  stack: string;
  markdown: boolean;
  json?: string;
}

export function define(command: Command): void {
  command
    .addOption(stackOption())
    .option("--markdown", "write the comment of a pull request", false)
    .option("--json <file>", "read a preview that `pulumi preview --json` saved, instead of making one")
    .addHelpText(
      "after",
      examples(
        [archon("preview"), "what an update of the stack dev would change"],
        [archon("preview --stack prod --markdown"), "the same of another stack, for a pull request"],
      ),
    )
    .action(async ({ stack, markdown, json }: Options) => {
      const summary = json === undefined ? await live(stack) : saved(json, stack);
      process.stdout.write(markdown ? markdownPreview(summary) : `${describePreview(summary).join("\n")}\n`);
      process.exitCode = summary.problems.length > 0 ? 1 : 0;
    });
}

async function live(stack: string): Promise<PreviewSummary> {
  // stdout is for the preview alone: a workflow makes it a comment.
  await ensureSetup(new Steps({ output: process.stderr }), stack);
  return previewStack(stack);
}

function saved(file: string, stack: string): PreviewSummary {
  if (!fs.existsSync(file)) {
    throw new UserError(
      `There is no file ${file}. Save a preview with \`${archon(`pulumi preview --json${stackFlag(stack)} > ${file}`)}\`.`,
    );
  }
  return summariseRedacted(fs.readFileSync(file, "utf8"), stack, file);
}
