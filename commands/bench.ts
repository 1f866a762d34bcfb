import { benchFetch } from "./bench/fetch";
import { benchStore } from "./bench/store";
import { ensureSetup } from "./setup/ensure";
import { UserError } from "./support/errors";
import { main } from "./support/main";
import { Steps } from "./support/progress";

/** Every benchmark by the name that one asks for it with. */
const benchmarks: Readonly<Record<string, (steps: Steps) => Promise<void>>> = {
  store: benchStore,
  fetch: benchFetch,
};

main(async ([name = "store", ...rest]) => {
  const run = benchmarks[name];
  if (run === undefined || rest.length > 0) {
    throw new UserError(`There is no benchmark "${[name, ...rest].join(" ")}". The benchmarks are: ${Object.keys(benchmarks).join(", ")}.`);
  }
  const steps = new Steps();
  await ensureSetup(steps);
  await run(steps);
}, "npm run bench");
