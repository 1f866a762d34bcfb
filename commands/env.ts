import { ensureSetup } from "./setup/ensure";
import { pulumiEnvironment, shellExports } from "./lib/environment";
import { main } from "./lib/main";
import { Steps } from "./lib/progress";

main(async () => {
  // stdout is for the shell that evaluates it.
  await ensureSetup(new Steps({ output: process.stderr }));
  console.log(shellExports(pulumiEnvironment(), process.env));
}, "npm run env");
