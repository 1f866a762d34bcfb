import type { Command } from "commander";
import { archon } from "../lib/command-line";
import { ensureSetup } from "./setup/ensure";
import { Interrupted, UserError } from "../lib/errors";
import { examples } from "./lib/options";
import { Steps } from "./lib/progress";
import { duration } from "./lib/render";
import { closingLine, sum, type Counts } from "./test/results";
import { suites, type Suite } from "./test/suites";

export function define(command: Command): void {
  command
    .argument("[suites...]", `suites to run: ${suites.map(({ name }) => name).join(", ")} (default: all)`)
    .addHelpText("after", examples([archon("test check unit"), "what needs neither Docker nor Pulumi"]))
    .action(runTests);
}

async function runTests(names: string[]): Promise<void> {
  const chosen = choose(names);
  const setupFailure = chosen.some(({ needsSetup }) => needsSetup)
    ? await failureOf(ensureSetup(new Steps()))
    : undefined;

  const results: Counts[] = [];
  for (const suite of chosen) {
    console.log(`\n── ${suite.name}: ${suite.title}`);
    const start = performance.now();
    const counts = await runSuite(suite, setupFailure);
    results.push(counts);
    console.log(`── ${suite.name}: ${closingLine(counts)} in ${duration(performance.now() - start)}`);
  }

  const total = sum(results);
  console.log(`\n${closingLine(total)}`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
}

function choose(names: readonly string[]): readonly Suite[] {
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    throw new UserError(
      `There is no suite ${unknown.map((name) => `"${name}"`).join(", ")}. The suites are: ${suites.map(({ name }) => name).join(", ")}.`,
    );
  }
  return names.length === 0 ? suites : suites.filter(({ name }) => names.includes(name));
}

/** A suite that cannot run at all is one failure, with its reason; the others run on. */
async function runSuite(suite: Suite, setupFailure: unknown): Promise<Counts> {
  const failure = suite.needsSetup && setupFailure !== undefined ? setupFailure : undefined;
  let counts: Counts | undefined;
  const error = failure ?? (await failureOf(suite.run().then((value) => (counts = value))));
  if (error !== undefined) {
    console.error(error instanceof UserError ? error.message : error);
  }
  return counts ?? { passed: 0, failed: 1, skipped: 0 };
}

/** What a piece of work throws, except the wish to stop. */
async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof Interrupted) {
      throw error;
    }
    return error;
  }
}
