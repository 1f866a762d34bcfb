import { availableParts } from "./releases/available";
import { readLedger, type Ledger } from "./releases/ledger";
import { missingParts, type Available } from "./releases/restorable";
import { describeReleases } from "./releases/table";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "./setup/stack";
import { main } from "./support/main";
import { parseOptions } from "./support/options";
import { Steps } from "./support/progress";
import { CommandError } from "./support/run";

const usage = "npm run releases [-- --stack STACK --json]";

main(async (args) => {
  const { stack, json } = parseOptions(args, usage, { stack: { type: "string", default: devStack }, json: { type: "boolean", default: false } }).values;
  // stdout is for the answer alone: scripts read it.
  await ensureSetup(new Steps({ output: process.stderr }));
  const ledger = await readLedger(stack);
  const available = await look(ledger);
  const rows = ledger.releases.map((release) => ({
    release,
    running: release.id === ledger.running,
    missing: available && missingParts(release, available),
  }));
  if (json) {
    const entries = rows.map(({ release, running, missing }) => ({ ...release, running, restorable: missing === undefined ? null : missing.length === 0, missing: missing ?? [] }));
    console.log(JSON.stringify(entries, undefined, 2));
  } else if (rows.length === 0) {
    console.log(`The stack "${stack}" has run no release yet. \`npm run pulumi -- up --stack ${stack}\` makes the first one.`);
  } else {
    console.log(describeReleases(rows, new Date()).join("\n"));
    console.log(`\nBack to one of them: npm run rollback -- RELEASE${stack === devStack ? "" : ` --stack ${stack}`}`);
  }
}, "npm run releases");

/** What is there of the releases. The list is worth showing without it. */
async function look({ root, releases }: Ledger): Promise<Available | undefined> {
  if (root === undefined || releases.length === 0) {
    return undefined;
  }
  try {
    return await availableParts(root);
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    console.error(`What is left of these releases is not known: ${error.message}\n`);
    return undefined;
  }
}
