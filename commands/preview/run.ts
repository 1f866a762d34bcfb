import { pulumi } from "../lib/pulumi";
import { CommandError } from "../lib/run";
import { parsePreview } from "./document";
import { redact, secretsOf } from "./redact";
import { checkoutSizes } from "./sizes";
import { summarise, type PreviewSummary } from "./summary";

/** Previews the update of a stack. One that would fail is told by its problems. */
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
    // Pulumi refuses some things before it previews, in words alone.
    return failed(stack, hide(error.lastLines.join("\n")));
  }
}

/** Reads a preview, without what is secret in it. `from` names it in an error. */
export function summariseRedacted(json: string, stack: string, from: string): PreviewSummary {
  return summarise(parsePreview(json, from, hide), stack, checkoutSizes);
}

function hide(text: string): string {
  return redact(text, secretsOf(process.env));
}

function failed(stack: string, problem: string): PreviewSummary {
  return {
    stack,
    release: { now: undefined, then: undefined },
    changes: [],
    unchanged: 0,
    downtime: { expected: false, reasons: [] },
    problems: [problem.replace(/^error: /, "")],
    warnings: [],
  };
}
