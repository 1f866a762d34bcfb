import * as fs from "node:fs";
import * as path from "node:path";
import { lockFileFor } from "../../config/accelerator";
import { UserError } from "../../lib/errors";
import { projectRoot } from "../../lib/paths";
import { stackApplication } from "../lib/application";
import { pulumi } from "../lib/pulumi";
import { CommandError } from "../lib/run";
import { directorySize } from "../start/sizes";
import { parsePreview } from "./document";
import { redact, secretsOf } from "./redact";
import { summarise, type PreviewSummary, type SizeLookup } from "./summary";

/** Previews the update of a stack. The summary of one that would fail lists its problems. */
export async function previewStack(stack: string): Promise<PreviewSummary> {
  try {
    return summariseRedacted(
      await pulumi(stack, ["preview", "--json"], { log: "pulumi-preview" }),
      stack,
      "The output of `pulumi preview --json`",
    );
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    if (error.stdout.trim() !== "") {
      const summary = summariseRedacted(error.stdout, stack, "The output of `pulumi preview --json`");
      if (summary.problems.length > 0) {
        return summary;
      }
    }
    // Pulumi rejects some things before it previews, and then prints text, not JSON.
    return failed(stack, hide(error.lastLines.join("\n")));
  }
}

/** Reads a preview and leaves out its secrets. `from` names it in an error. */
export function summariseRedacted(json: string, stack: string, from: string): PreviewSummary {
  return summarise(parsePreview(json, from, hide), stack, checkoutSizes(stack));
}

function hide(text: string): string {
  return redact(text, secretsOf(process.env));
}

function failed(stack: string, problem: string): PreviewSummary {
  return {
    stack,
    release: { current: undefined, next: undefined },
    changes: [],
    unchanged: 0,
    downtime: { expected: false, reasons: [] },
    problems: [problem.replace(/^error: /, "")],
    warnings: [],
  };
}

/** Sizes that follow from the files of this checkout. */
export function checkoutSizes(stack: string): SizeLookup {
  return {
    environment: (requirements, accelerator) => {
      const list = requirements || applicationList(stack);
      const file = list && path.resolve(projectRoot, lockFileFor(list, accelerator));
      return file !== undefined && fs.existsSync(file) ? installedBytes(fs.readFileSync(file, "utf8")) : undefined;
    },
    directory: (directory) => directorySize(path.resolve(projectRoot, directory)),
  };
}

/** The lock file of a stack's application. Undefined where its sources are not, as where a saved preview is shown. */
function applicationList(stack: string): string | undefined {
  try {
    return `${stackApplication(stack).requirements.environment}.txt`;
  } catch (error) {
    if (error instanceof UserError) {
      return undefined;
    }
    throw error;
  }
}

/** Bytes that the packages of a lock file take on disk, by its `# size:` comments; undefined where one has none. */
export function installedBytes(lock: string): number | undefined {
  const packages = lock.match(/^[A-Za-z0-9][^\s=]*==/gm)?.length ?? 0;
  const sizes = [...lock.matchAll(/^\s*#\s*size:\s*(\d+)\s*$/gm)].map(([, count]) => Number(count));
  return packages > 0 && sizes.length === packages ? sizes.reduce((sum, count) => sum + count, 0) : undefined;
}
