import * as path from "node:path";
import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { projectRoot } from "../lib/paths";
import { updateFaults } from "../tests/support/faults";
import { ensureSetup } from "./setup/ensure";
import { pulumiEnvironment } from "./lib/environment";
import { examples, wholeNumber } from "./lib/options";
import { Steps } from "./lib/progress";
import { abortable, interruption } from "./lib/signals";
import { runJest, succeeds } from "./test/jest";
import { ensureTestsImage, runInTestsImage } from "./test/python";
import { closingLine, sum, verdict, type Counts, type Print } from "./test/results";

interface Options {
  runs?: number;
  up?: number;
  rounds?: number;
  fuzz?: number;
  documents?: number;
  bench?: boolean;
  engines?: boolean;
  engine: boolean;
  seed?: number;
}

/** The numbers of all parts when none is given: they take some hours. */
const nightly = { runs: 300, up: 30, rounds: 5, fuzz: 20, documents: 10_000 };

/** The benchmarks. Those after `start` measure the stack `dev`. */
const benchmarks = [["bench", "store"], ["bench", "fetch"], ["start"], ["bench", "server"], ["bench", "relevance"]];

/**
 * Tests that take hours; `npm test` contains a short run of each part, but for benchmarks and other engines. The seed
 * repeats the choices, but the moments at which something is killed depend on the machine.
 */
export function define(command: Command): void {
  command
    .option("--runs <number>", "kill this many jobs of the store tool", wholeNumber)
    .option("--up <number>", "kill this many updates of a stack", wholeNumber)
    .option("--engine", "kill the Docker engine, with all containers of the machine, instead of the update", false)
    .option("--rounds <number>", "change and roll back releases this many times under load", wholeNumber)
    .option("--fuzz <number>", "run the property tests with this many times as many examples", wholeNumber)
    .option(
      "--documents <number>",
      "send this many damaged documents of each kind through the server's parsers",
      wholeNumber,
    )
    .option("--bench", "run each benchmark once; this updates the stack dev, or deploys it")
    .option("--engines", "run the tests on other versions of the Docker engine, as test-engines does")
    .option("--seed <number>", "repeat the choices of an earlier run", wholeNumber)
    .addHelpText(
      "after",
      examples(
        [archon("test-soak"), "all parts, as every night"],
        [archon("test-soak --runs 100 --up 10"), "only these two, about twenty minutes"],
      ),
    )
    .action(async (options: Options) => {
      process.exitCode = await soak(options);
    });
}

async function soak(options: Options): Promise<number> {
  const { engine, seed = Date.now() % 1_000_000 } = options;
  const names = ["runs", "up", "rounds", "fuzz", "documents"] as const;
  const all = [...names, "bench" as const, "engines" as const].every((name) => options[name] === undefined);
  const times = (name: (typeof names)[number]): number => options[name] ?? (all ? nightly[name] : 0);
  await ensureSetup(new Steps());
  console.log(`Seed ${seed}`);

  const parts: readonly [name: string, number: number, run: (number: number) => Promise<Counts>][] = [
    ["store jobs that are killed", times("runs"), (number) => storeFaults(number, seed)],
    ["updates that are killed", times("up"), (number) => engineFaults(number, seed, engine)],
    ["releases under load", times("rounds"), rollouts],
    ["property tests", times("fuzz"), (number) => propertyTests(number, seed)],
    ["damaged documents of each kind", times("documents"), (number) => damagedDocuments(number, seed)],
    ["benchmarks", all || options.bench ? benchmarks.length : 0, () => commands(benchmarks)],
    ["other Docker engines", all || options.engines ? 1 : 0, () => commands([["test-engines"]])],
  ];
  const results: Counts[] = [];
  for (const [name, number, run] of parts.filter(([, each]) => each > 0)) {
    console.log(`\n── ${name}: ${number}`);
    results.push(await run(number));
  }
  const total = sum(results);
  console.log(`\nSeed ${seed}\n\n${closingLine(total)}`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

const print: Print = (line) => {
  console.log(line);
};

/** Runs the store tool's own loop. Its last line counts the broken states. */
async function storeFaults(runs: number, seed: number): Promise<Counts> {
  const args = ["-m", "mlenv.tests.faults", `--runs=${runs}`, `--seed=${seed}`];
  return verdict("no store is broken", await runInTestsImage(await ensureTestsImage(print), args, print), print);
}

/** Each run counts as one test. */
async function engineFaults(runs: number, seed: number, engine: boolean): Promise<Counts> {
  // The harness of the engine tests starts Pulumi and docker by name.
  Object.assign(process.env, pulumiEnvironment());
  // While it counts as work in progress, an interruption does not end this process before the stacks are removed.
  const { hit, brokenRuns, broken, requests, lost, outages } = await abortable(() =>
    updateFaults({ runs, seed, engine, signal: interruption, print }),
  );
  broken.forEach((line) => console.error(`broken: ${line}`));
  lost.forEach((line) => console.error(`lost: ${line}`));
  print(
    `${hit} of ${runs} updates hit, ${lost.length} of ${requests} requests lost, and ${outages} in runs that killed a server`,
  );
  return { passed: runs - brokenRuns, failed: brokenRuns, skipped: 0 };
}

function rollouts(rounds: number): Promise<Counts> {
  const environment = { ...pulumiEnvironment(), ARCHON_TEST_ROUNDS: String(rounds) };
  return runJest("engine", environment, print, "--runInBand", "--testPathPattern", "/engine/rollout\\.test\\.ts$");
}

/** Runs jest once with `times` as many examples as usual (100), and pytest `times` times, each with another seed. */
async function propertyTests(times: number, seed: number): Promise<Counts> {
  const environment = { ...process.env, ARCHON_TEST_EXAMPLES: String(100 * times), ARCHON_TEST_SEED: String(seed) };
  const results = [await runJest("unit", environment, print, "--testTimeout=600000")];
  const image = await ensureTestsImage(print);
  for (let round = 0; round < times; round += 1) {
    const pytest = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "-m", "hypothesis", "--timeout=600"];
    const passed = await runInTestsImage(image, [...pytest, `--hypothesis-seed=${seed + round}`], print);
    results.push(verdict(`hypothesis with seed ${seed + round}`, passed, print));
  }
  return sum(results);
}

/** Its lines count what was read and refused, with the slowest document and the largest process of each kind. */
async function damagedDocuments(documents: number, seed: number): Promise<Counts> {
  const args = ["-m", "tests.fuzz", `--documents=${documents}`, `--seed=${seed}`];
  const passed = await runInTestsImage(await ensureTestsImage(print), args, print);
  return verdict("every document is read or refused within the limits", passed, print);
}

/** Runs commands of `./archon`. Each counts as one test. */
async function commands(each: readonly (readonly string[])[]): Promise<Counts> {
  const results: Counts[] = [];
  for (const args of each) {
    const name = archon(args.join(" "));
    const options = { cwd: projectRoot, log: `soak-${args.join("-")}`, onLine: print };
    const passed = await succeeds(process.execPath, [path.join("commands", "launch.cjs"), ...args], options, print);
    results.push(verdict(name, passed, print));
  }
  return sum(results);
}
