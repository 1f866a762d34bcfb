import { updateFaults } from "../tests/support/faults";
import { ensureSetup } from "./setup/ensure";
import { pulumiEnvironment } from "./lib/environment";
import { UserError } from "../lib/errors";
import { main } from "./lib/main";
import { parseOptions } from "./lib/options";
import { Steps } from "./lib/progress";
import { ensureTestsImage, runInTestsImage } from "./test/python";

const usage = "npm run test:faults -- --runs N [--up M [--engine] --seed S]";

/*
 * Kills at random moments, and counts what is broken afterwards: N times jobs for a store of its own, inside the tests' image, and
 * M times updates of a small stack on the real engine. With --engine it is the engine itself that is killed and started again, with
 * all containers of the machine. The seed repeats the choices; the moments themselves are the machine's.
 */
main(async (args) => {
  const { values } = parseOptions(args, usage, {
    runs: { type: "string", default: "0" },
    up: { type: "string", default: "0" },
    engine: { type: "boolean", default: false },
    seed: { type: "string" },
  });
  const runs = count(values.runs, "--runs");
  const updates = count(values.up, "--up");
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : count(values.seed, "--seed");
  if (runs + updates === 0) {
    throw new UserError(`Say how many runs.\nUsage: ${usage}`);
  }
  await ensureSetup(new Steps());
  console.log(`Seed ${seed}`);
  let failed = false;
  if (runs > 0) {
    failed = !(await storeFaults(runs, seed)) || failed;
  }
  if (updates > 0) {
    // The harness of the engine tests starts Pulumi and docker by name.
    Object.assign(process.env, pulumiEnvironment());
    const { hit, broken, requests, lost } = await updateFaults({
      runs: updates,
      seed,
      engine: values.engine,
      print: (line) => console.log(line),
    });
    broken.forEach((line) => console.error(`broken: ${line}`));
    lost.forEach((line) => console.error(`lost: ${line}`));
    console.log(
      `\nUpdates: ${updates} runs, ${hit} hit, ${broken.length} broken, ${lost.length} of ${requests} requests lost, seed ${seed}`,
    );
    failed = failed || broken.length > 0;
  }
  return failed ? 1 : 0;
}, "npm run test:faults");

/** Runs the store tool's own suite; its exit code and last line count the broken states. */
async function storeFaults(runs: number, seed: number): Promise<boolean> {
  const print = (line: string): void => console.log(line);
  return runInTestsImage(
    await ensureTestsImage(print),
    ["-m", "mlenv.tests.faults", `--runs=${runs}`, `--seed=${seed}`],
    print,
  );
}

function count(text: string, option: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new UserError(`${option} takes a whole number; "${text}" is none.\nUsage: ${usage}`);
  }
  return value;
}
