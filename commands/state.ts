import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { displayUrl, findBackend } from "./lib/backend";
import { callersPath, examples } from "./lib/options";
import { Steps } from "./lib/progress";
import { ensureSetup } from "./setup/ensure";
import { backUp } from "./state/backup";
import { describeMove, moveState } from "./state/move";
import { restore } from "./state/restore";
import { describeSource, describeState, stateReport } from "./state/show";

export function define(command: Command): void {
  command.addHelpText(
    "after",
    examples(
      [archon("state"), "which state is used, why, and what it holds"],
      [archon("state backup state.tar.gz"), "keep a copy of the embedded state, with its passphrase"],
      [archon("state move s3://bucket/archon"), "move the stacks to a backend that others use too"],
    ),
  );
  command
    .command("show")
    .description("Show which state is used, why, and what it holds.")
    .option("--json", "print JSON", false)
    .addHelpText("after", examples([archon("state show --json"), "the same for scripts"]))
    .action(({ json }: { json: boolean }) => {
      const report = stateReport();
      console.log(json ? JSON.stringify(report, undefined, 2) : describeState(report).join("\n"));
    });
  command
    .command("backup")
    .description("Write the embedded state and its passphrase into one file. Whoever has it can read all secrets.")
    .argument("<file>", "the archive to write; an existing one is replaced", callersPath)
    .addHelpText("after", examples([archon("state backup /var/backups/archon.tar.gz"), "for a nightly job"]))
    .action(async (file: string) => {
      const stacks = await new Steps().run("Backup", () => backUp(file), list);
      console.log(`\n${file} holds ${list(stacks)} and the passphrase. Restore it: ${archon(`state restore ${file}`)}`);
    });
  command
    .command("restore")
    .description("Put the state of a backup in the place of this checkout's embedded state.")
    .argument("<file>", "the archive that `state backup` wrote", callersPath)
    .option("--overwrite", "replace a state that has stacks; it is kept beside the restored one", false)
    .addHelpText("after", examples([archon("state restore state.tar.gz"), "in a new clone, or on a new machine"]))
    .action(async (file: string, { overwrite }: { overwrite: boolean }) => {
      const { stacks, kept } = await new Steps().run(
        "Restore",
        () => restore(file, overwrite),
        (done) => list(done.stacks),
      );
      console.log(
        [
          "",
          `This checkout has the state of ${file}: ${list(stacks)}.`,
          ...(kept === undefined ? [] : [`The previous state is kept in ${kept}.`]),
          "Nobody else may go on with another copy of it: two states of one deployment would undo each other's updates.",
          nextAfterRestore(),
        ].join("\n"),
      );
    });
  command
    .command("move")
    .description("Move every stack of the embedded state to another backend, and check each with a preview.")
    .argument(
      "<backend>",
      "address of the backend, such as s3://bucket/path, file:///srv/state or https://api.pulumi.com",
    )
    .addHelpText(
      "after",
      examples([archon("state move 's3://bucket/archon?region=eu-central-1'"), "with AWS_ACCESS_KEY_ID … set"]),
    )
    .action(async (url: string) => {
      const steps = new Steps();
      await ensureSetup(steps);
      const moved = await moveState(url, steps);
      console.log(["", ...describeMove(moved)].join("\n"));
    });
}

/** What to do after a restore; that another backend is used, if so. */
function nextAfterRestore(): string {
  const { url, source } = findBackend();
  return source === "embedded"
    ? `Next: ${archon("preview")}`
    : `It is not used: this checkout uses ${displayUrl(url)}, because of ${describeSource(source)}.`;
}

function list(stacks: readonly string[]): string {
  return stacks.length === 0 ? "no stacks" : `the stack${stacks.length === 1 ? "" : "s"} ${stacks.join(", ")}`;
}
