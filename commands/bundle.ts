import type { Command } from "commander";
import * as path from "node:path";
import { archon } from "../lib/command-line";
import { configuredValue } from "../config/stack";
import { UserError } from "../lib/errors";
import { exportBundle } from "./bundle/export";
import { describeImported, importBundle } from "./bundle/import";
import { callersPath, examples, repeatable, stackOption } from "./lib/options";
import { Steps } from "./lib/progress";
import { bytes } from "./lib/render";
import { findRelease, readLedger, checkReleases } from "./releases/ledger";
import { ensureSetup } from "./setup/ensure";

export function define(command: Command): void {
  command.addHelpText(
    "after",
    examples(
      [archon("bundle export releases.tar"), "write what the running release needs into a file"],
      [archon("bundle import releases.tar"), "on the other host: load it into engine and store"],
    ),
  );
  command
    .command("export")
    .description("Write releases into one file: images, environments and models.")
    .argument("<file>", "the file to write", callersPath)
    .addOption(stackOption())
    .option("--release <id>", "a release to export; may be repeated (default: the one that runs)", repeatable, [])
    .addHelpText("after", examples([archon("bundle export releases.tar --release previous"), "the previous release"]))
    .action((file: string, { stack, release }: { stack: string; release: string[] }) =>
      exportReleases(file, stack, release),
    );
  command
    .command("import")
    .description("Load a bundle into the Docker engine and the store. Downloads nothing.")
    .argument("<file>", "the file that `bundle export` wrote", callersPath)
    .addOption(stackOption())
    .option("--root <directory>", "the store to fill (default: the one of the stack)")
    .addHelpText("after", examples([archon("bundle import releases.tar --root /srv/store"), "into another store"]))
    .action((file: string, { stack, root }: { stack: string; root?: string }) => importReleases(file, stack, root));
}

async function exportReleases(file: string, stack: string, ids: readonly string[]): Promise<void> {
  const steps = new Steps();
  await ensureSetup(steps, stack);
  const ledger = await readLedger(stack);
  const checked = { ...ledger, releases: checkReleases(stack, ledger) };
  if (ledger.running === undefined || ledger.root === undefined) {
    throw new UserError(
      `The stack "${stack}" runs nothing. \`${archon(`pulumi up --stack ${stack}`)}\` makes a release to export.`,
    );
  }
  const releases = (ids.length === 0 ? [ledger.running] : ids).map((id) => findRelease(id, checked));
  const unavailable = releases.filter((release) => release.lost !== undefined);
  if (unavailable.length > 0) {
    throw new UserError(
      unavailable.map(({ id, lost: reason }) => `Release ${id} cannot be exported: ${reason ?? ""}.`).join("\n"),
    );
  }
  const { root } = ledger;
  const sharedImages = Object.values(ledger.sharedImages ?? {}) as string[];
  const index = await steps.run(
    "Bundle",
    (progress) => exportBundle({ stack, releases, sharedImages, root, file }, progress),
    ({ members }) => bytes(members.reduce((sum, member) => sum + member.bytes, 0)),
  );
  console.log(
    `\n${file} holds ${releases.map(({ id }) => `release ${id}`).join(", ")} (store content ${index.store.slice(0, 12)}).\n` +
      `On the other host: ${archon(`bundle import ${path.basename(file)}`)}`,
  );
}

/** Runs without the set-up, which a host without a network could not finish. Needs only an engine. */
async function importReleases(file: string, stack: string, root: string | undefined): Promise<void> {
  const target = path.resolve(root ?? configuredValue("root", stack));
  const index = await importBundle(file, stack, target, new Steps());
  console.log(`\n${describeImported(index, target, stack).join("\n")}`);
}
