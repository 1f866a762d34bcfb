import { ensureSetup } from "./setup/ensure";
import { main } from "./support/main";
import { Steps } from "./support/progress";
import { handOver } from "./support/pulumi";

main(async (args) => {
  // stdout is Pulumi's alone: scripts read outputs from it.
  await ensureSetup(new Steps({ output: process.stderr }));
  return handOver(args);
}, "npm run pulumi");
