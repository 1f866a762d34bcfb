import { recover } from "./recover/recover";
import { ensureSetup } from "./setup/ensure";
import { devStack } from "../config/stack";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { Steps } from "./lib/progress";

const usage = "npm run recover [-- --stack STACK]";

main(async (args) => {
  const { stack } = parseOptions(args, usage, { stack: { type: "string", default: devStack } }).values;
  const steps = new Steps();
  await ensureSetup(steps);
  await steps.run(
    "Recovery",
    (progress) => recover(stack, progress),
    (lost) => (lost.length === 0 ? "(nothing was lost)" : `(${lost.length} removed)`),
  );
  console.log(`\nNext: npm run pulumi -- up${stack === devStack ? "" : ` --stack ${stack}`}`);
}, "npm run recover");
