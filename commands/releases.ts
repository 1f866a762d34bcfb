import { readLedger, withLosses } from "./releases/ledger";
import { describeReleases } from "./releases/table";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { Steps } from "./lib/progress";

const usage = "npm run releases [-- --stack STACK --json]";

main(async (args) => {
  const { stack, json } = parseOptions(args, usage, {
    stack: { type: "string", default: devStack },
    json: { type: "boolean", default: false },
  }).values;
  // stdout is for the answer alone: scripts read it.
  await ensureSetup(new Steps({ output: process.stderr }));
  const ledger = await readLedger(stack);
  const releases = withLosses(ledger);
  if (json) {
    console.log(
      JSON.stringify(
        releases.map((release) => ({
          ...release,
          running: release.id === ledger.running,
          restorable: release.lost === undefined,
        })),
        undefined,
        2,
      ),
    );
  } else if (releases.length === 0) {
    console.log(
      `The stack "${stack}" has run no release yet. \`npm run pulumi -- up --stack ${stack}\` makes the first one.`,
    );
  } else {
    console.log(describeReleases(releases, ledger.running, new Date()).join("\n"));
    console.log(`\nBack to one of them: npm run rollback -- RELEASE${stack === devStack ? "" : ` --stack ${stack}`}`);
  }
}, "npm run releases");
