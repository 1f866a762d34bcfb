import * as path from "node:path";
import { exportBundle } from "./bundle/export";
import { describeImported, importBundle } from "./bundle/import";
import { findRelease, readLedger, withLosses } from "./releases/ledger";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { configuredValue } from "../config/stack";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { Steps } from "./lib/progress";
import { bytes } from "./lib/render";

const usage = [
  "npm run bundle -- export FILE [--release RELEASE ...] [--stack STACK]",
  "       npm run bundle -- import FILE [--root DIRECTORY] [--stack STACK]",
].join("\n");

main(async (args) => {
  const { values, positionals } = parseOptions(
    args,
    usage,
    {
      stack: { type: "string", default: devStack },
      release: { type: "string", multiple: true, default: [] },
      root: { type: "string" },
    },
    2,
  );
  const [action, name] = positionals;
  if ((action !== "export" && action !== "import") || name === undefined) {
    throw new UserError(
      `${name === undefined ? "Which file?" : `There is no action "${action ?? ""}".`}\nUsage: ${usage}`,
    );
  }
  // Where the person is, not where the checkout is.
  const file = path.resolve(process.env.INIT_CWD ?? process.cwd(), name);
  await (action === "export"
    ? exportReleases(file, values.stack, values.release)
    : takeOver(file, values.stack, values.root));
}, "npm run bundle");

async function exportReleases(file: string, stack: string, wanted: readonly string[]): Promise<void> {
  const steps = new Steps();
  await ensureSetup(steps);
  const ledger = await readLedger(stack);
  const whole = { ...ledger, releases: withLosses(ledger) };
  if (ledger.running === undefined || ledger.root === undefined) {
    throw new UserError(
      `The stack "${stack}" runs nothing. \`npm run pulumi -- up --stack ${stack}\` makes a release to export.`,
    );
  }
  const releases = (wanted.length === 0 ? [ledger.running] : wanted).map((id) => findRelease(id, whole));
  const lost = releases.filter((release) => release.lost !== undefined);
  if (lost.length > 0) {
    throw new UserError(
      lost.map(({ id, lost: reason }) => `Release ${id} cannot be exported: ${reason ?? ""}.`).join("\n"),
    );
  }
  const { root } = ledger;
  const sharedImages = Object.values(ledger.sharedImages ?? {}) as string[];
  const index = await steps.run(
    "Bundle",
    (progress) => exportBundle({ releases, sharedImages, root, file }, progress),
    ({ members }) => bytes(members.reduce((sum, member) => sum + member.bytes, 0)),
  );
  console.log(
    `\n${file} holds ${releases.map(({ id }) => `release ${id}`).join(", ")} (store content ${index.store.slice(0, 12)}).\nOn the other host: npm run bundle -- import ${path.basename(file)}`,
  );
}

/** Needs an engine and nothing else: what the set-up would fetch is out of reach there. */
async function takeOver(file: string, stack: string, root: string | undefined): Promise<void> {
  const target = path.resolve(root ?? configuredValue("root", stack));
  const index = await importBundle(file, target, new Steps());
  console.log(`\n${describeImported(index, target, stack).join("\n")}`);
}
