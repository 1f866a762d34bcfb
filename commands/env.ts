import { ensureSetup } from "./setup/ensure";
import { pulumiEnvironment, shellExports } from "./support/environment";
import { main } from "./support/main";
import { Steps } from "./support/progress";

main(async () => {
  // stdout is for the shell that evaluates it.
  await ensureSetup(new Steps({ output: process.stderr }));
  console.log(shellExports(pulumiEnvironment(), process.env));
}, "npm run env");
