import { ensureSetup } from "./setup/ensure";
import { main } from "./lib/main";
import { Steps } from "./lib/progress";
import { handOver } from "./lib/pulumi";

main(async (args) => {
  // stdout is Pulumi's alone: scripts read outputs from it.
  await ensureSetup(new Steps({ output: process.stderr }));
  return handOver(args);
}, "npm run pulumi");
