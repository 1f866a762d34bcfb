import { benchFetch } from "./bench/fetch";
import { benchRelevance } from "./bench/relevance";
import { benchServer } from "./bench/server";
import { benchStore } from "./bench/store";
import { ensureSetup } from "./setup/ensure";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { Steps } from "./lib/progress";

/** Every benchmark by the name that one asks for it with. */
const benchmarks: Readonly<Record<string, (steps: Steps, args: readonly string[]) => Promise<void>>> = {
  store: benchStore,
  fetch: benchFetch,
  relevance: benchRelevance,
  server: benchServer,
};

main(async ([name = "store", ...rest]) => {
  const run = benchmarks[name];
  if (run === undefined || (rest.length > 0 && run !== benchRelevance)) {
    throw new UserError(
      `There is no benchmark "${[name, ...rest].join(" ")}". The benchmarks are: ${Object.keys(benchmarks).join(", ")}.`,
    );
  }
  const steps = new Steps();
  await ensureSetup(steps);
  await run(steps, rest);
}, "npm run bench");
