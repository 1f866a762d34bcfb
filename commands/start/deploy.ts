import { recoverIfStale } from "../recover/recover";
import type { Progress } from "../lib/progress";
import { pulumi } from "../lib/pulumi";
import { parseOutputs, type StackOutputs } from "./outputs";

export interface Deployment {
  outputs: StackOutputs;
  /** The same as Pulumi prints them, for the ledger. */
  outputsJson: string;
  /** Pulumi's count of what it did: `3 created, 12 unchanged`. */
  changes: string;
}

/** Runs `pulumi up` and shows what it does. */
export async function deploy(stack: string, progress: Progress): Promise<Deployment> {
  await recoverIfStale(stack, progress);
  const stdout = await pulumi(
    stack,
    ["up", "--yes", "--skip-preview", "--suppress-outputs", "--suppress-permalink=true", "--color", "never"],
    {
      log: "pulumi-up",
      onLine: (line) => {
        const shown = interesting(line);
        if (shown?.lasting === true) {
          progress.message(shown.text);
        } else if (shown !== undefined) {
          progress.update(0, 0, shown.text);
        }
      },
    },
  );
  const outputsJson = await pulumi(stack, ["stack", "output", "--json", "--show-secrets"]);
  return { outputs: parseOutputs(outputsJson), outputsJson, changes: countChanges(stdout) };
}

/**
 * What of Pulumi's line display a person wants to see: finished changes and diagnostics to keep, changes under way for the
 * moment, nothing of headings, dots and the closing count.
 */
export function interesting(line: string): { text: string; lasting: boolean } | undefined {
  const text = line.replace(/ \[diff: [^\]]*\];?/, "").trim();
  if (
    text === "" ||
    /^(@|Updating|Resources:|Duration:|Diagnostics:|[+~-]{0,2}-? ?\d+ \w+$|\d+ changes?\. \d+ unchanged$)/.test(text)
  ) {
    return undefined;
  }
  const underWay =
    /^[+~-]{1,2}-? +(\S+ \S+) (?:creating|updating|deleting|replacing|reading|refreshing)(?: replacement| original)? \(\d+s\)(.*)$/.exec(
      text,
    );
  if (underWay !== null) {
    return { text: `${underWay[1]}${underWay[2]}`, lasting: false };
  }
  // Between changes Pulumi repeats a resource with the last line that it wrote, or the stack alone.
  if (/^pulumi:pulumi:Stack \S+( running)?$/.test(text)) {
    return undefined;
  }
  return { text, lasting: !/^\w+:\w+:\w+ \S+ (?!.*(?:error|warning|failed))/.test(text) };
}

/** The counts below `Resources:`, in Pulumi's order. */
export function countChanges(stdout: string): string {
  const block = /^Resources:\n((?:[ \t]+.*\n?)*)/m.exec(stdout)?.[1] ?? "";
  const counts = [...block.matchAll(/(\d+) (created|updated|replaced|deleted|imported|unchanged)/g)].map(
    ([count]) => count,
  );
  return counts.length === 1 && counts[0]?.endsWith("unchanged") === true ? "no changes" : counts.join(", ");
}
