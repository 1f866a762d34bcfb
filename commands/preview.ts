import * as fs from "node:fs";
import { markdownPreview } from "./preview/markdown";
import { previewStack, summariseRedacted } from "./preview/run";
import { describePreview } from "./preview/text";
import type { PreviewSummary } from "./preview/summary";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { Steps } from "./lib/progress";

const usage = "npm run preview [-- --stack STACK --markdown --json FILE]";

main(async (args) => {
  const { stack, markdown, json } = parseOptions(args, usage, {
    stack: { type: "string", default: devStack },
    markdown: { type: "boolean", default: false },
    json: { type: "string" },
  }).values;
  const summary = json === undefined ? await live(stack) : saved(json, stack);
  process.stdout.write(markdown ? markdownPreview(summary) : `${describePreview(summary).join("\n")}\n`);
  return summary.problems.length > 0 ? 1 : 0;
}, "npm run preview");

async function live(stack: string): Promise<PreviewSummary> {
  // stdout is for the preview alone: a workflow makes it a comment.
  await ensureSetup(new Steps({ output: process.stderr }));
  return previewStack(stack);
}

function saved(file: string, stack: string): PreviewSummary {
  if (!fs.existsSync(file)) {
    throw new UserError(
      `There is no file ${file}. Save a preview with \`npm run -s pulumi -- preview --stack ${stack} --json > ${file}\`.`,
    );
  }
  return summariseRedacted(fs.readFileSync(file, "utf8"), stack, file);
}
