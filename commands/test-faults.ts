import { InvalidArgumentError, type Command } from "commander";
import { archon } from "../lib/command-line";
import { updateFaults } from "../tests/support/faults";
import { ensureSetup } from "./setup/ensure";
import { pulumiEnvironment } from "./lib/environment";
import { examples } from "./lib/options";
import { Steps } from "./lib/progress";
import { ensureTestsImage, runInTestsImage } from "./test/python";

interface Options {
  runs: number;
  up: number;
  engine: boolean;
  seed?: number;
}

/*
 * Kills at random moments, and counts what is broken afterwards: N times jobs for a store of its own, inside the tests' image, and
 * M times updates of a small stack on the real engine. With --engine it is the engine itself that is killed and started again, with
 * all containers of the machine. The seed repeats the choices; the moments themselves are the machine's.
 */
export function define(command: Command): void {
  command
    .option("--runs <number>", "jobs of the store tool to kill", count, 0)
    .option("--up <number>", "updates of a stack to kill", count, 0)
    .option("--engine", "kill the Docker engine instead of the update", false)
    .option("--seed <number>", "repeat the choices of an earlier run", count)
    .addHelpText("after", examples([archon("test-faults --runs 100 --up 10"), "about twenty minutes"]))
    .action(async (options: Options) => {
      if (options.runs + options.up === 0) {
        command.error("error: say how many runs, with --runs or --up");
      }
      process.exitCode = await killAtRandom(options);
    });
}

async function killAtRandom({ runs, up: updates, engine, seed = Date.now() % 1_000_000 }: Options): Promise<number> {
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
      engine,
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
}

/** Runs the store tool's own suite; its exit code and last line count the broken states. */
async function storeFaults(runs: number, seed: number): Promise<boolean> {
  const print = (line: string): void => console.log(line);
  return runInTestsImage(
    await ensureTestsImage(print),
    ["-m", "mlenv.tests.faults", `--runs=${runs}`, `--seed=${seed}`],
    print,
  );
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("It must be a whole number.");
  }
  return value;
}
