import type { Command } from "commander";
import { parseLedger } from "../release/ledger";
import { archon } from "../lib/command-line";
import { UserError } from "../lib/errors";
import { describePreview } from "./preview/format";
import { previewStack } from "./preview/run";
import { findRelease, readLedger, checkReleases } from "./releases/ledger";
import { pinnedRelease, withPinnedRelease } from "./rollback/pinned-release";
import { describeOutcome, notRestorable } from "./rollback/format";
import { ensureSetup } from "./setup/ensure";
import { deploy } from "./start/deploy";
import type { StackOutputs } from "./start/outputs";
import { confirm } from "./lib/prompt";
import { examples, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { CommandError } from "./lib/run";

interface Options {
  stack: string;
  yes: boolean;
  forward: boolean;
}

export function define(command: Command): void {
  command
    .argument("[release]", "id of a release, the beginning of one, or `previous`")
    .addOption(stackOption())
    .option("--forward", "stop pinning a release, and run what the checkout makes", false)
    .option("--yes", "do not ask", false)
    .addHelpText(
      "after",
      examples(
        [archon("rollback previous"), "return to the release that ran before"],
        [archon("rollback 46b0aadebc77 --yes"), "return to another one without a question"],
        [archon("rollback --forward"), "run again what the checkout makes"],
      ),
    )
    .action(async (release: string | undefined, options: Options) => {
      if ((release !== undefined) === options.forward) {
        command.error(
          `error: ${options.forward ? "--forward takes no release" : `which release? \`${archon("releases")}\` lists them`}`,
        );
      }
      process.exitCode = await rollback(release, options);
    });
}

async function rollback(requested: string | undefined, { stack, yes }: Options): Promise<number> {
  const steps = new Steps();
  await ensureSetup(steps, stack);
  const id = requested === undefined ? undefined : await restorableId(requested, stack);
  if (id === undefined && pinnedRelease(stack) === undefined) {
    console.log(
      `The stack "${stack}" is not pinned to a release: it runs what the checkout makes. \`${archon(`pulumi up --stack ${stack}`)}\` updates it.`,
    );
    return 0;
  }
  let outputs: StackOutputs | undefined;
  await withPinnedRelease(stack, id, async () => {
    // With --yes nobody reads a preview, and it takes as long as the update, which refuses the same things.
    if (!yes && !(await previewAndConfirm(stack, id, steps))) {
      return false;
    }
    try {
      const deployment = await steps.run(
        id === undefined ? "Update" : "Rollback",
        (progress) => deploy(stack, progress),
        ({ changes }) => `(${changes})`,
      );
      outputs = deployment.outputs;
    } catch (error) {
      throw error instanceof CommandError
        ? new UserError(`${error.message}\nPulumi.${stack}.yaml is as it was before.`)
        : error;
    }
    return true;
  });
  if (outputs === undefined) {
    return 1;
  }
  console.log(["", ...describeOutcome(parseLedger(outputs), id, stack)].join("\n"));
  return 0;
}

/** Shows what the update would change, and asks. Returns whether to continue. */
async function previewAndConfirm(stack: string, id: string | undefined, steps: Steps): Promise<boolean> {
  const preview = await steps.run("Preview", () => previewStack(stack));
  console.log(["", ...describePreview(preview), ""].join("\n"));
  if (preview.problems.length > 0) {
    return false;
  }
  const confirmed = await confirm(id === undefined ? "Roll forward?" : `Go back to ${id}?`);
  if (!confirmed) {
    console.log("Nothing was changed.");
  }
  return confirmed;
}

/** The id of the requested release. @throws UserError when there is none, or a part of it is missing */
async function restorableId(requested: string, stack: string): Promise<string> {
  const ledger = await readLedger(stack);
  const { id, lost, commit } = findRelease(requested, {
    running: ledger.running,
    releases: checkReleases(stack, ledger),
  });
  if (lost !== undefined) {
    throw new UserError(notRestorable(id, lost, commit));
  }
  return id;
}
