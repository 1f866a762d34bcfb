import * as path from "node:path";
import { inspect } from "node:util";
import { Interrupted, UserError } from "../../lib/errors";
import { ensureSetup } from "../setup/ensure";
import { Steps } from "../lib/progress";
import { duration } from "../lib/render";
import { withoutLeftovers } from "./leftovers";
import { closingLine, sum, type Counts, type Print } from "./results";
import { suites, type Suite } from "./suites";

/**
 * Runs the named suites, or all of them. Returns the exit code. The last line says how many tests passed and failed.
 */
export async function runSuites(names: readonly string[]): Promise<number> {
  const chosen = choose(names);
  const setupFailure = chosen.some(({ needsSetup }) => needsSetup)
    ? await failureOf(ensureSetup(new Steps()))
    : undefined;
  const start = performance.now();
  const total = sum(
    await withoutLeftovers((directory) =>
      withSharedStore(path.join(directory, "store"), () => runAll(chosen, setupFailure)),
    ),
  );
  console.log(`\nThe suites took ${duration(performance.now() - start)}.`);
  console.log(`\n${closingLine(total)}`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
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

/**
 * Runs suites one after the other, except for those that run beside another one. What these print comes when all of the
 * group have ended.
 */
async function runAll(chosen: readonly Suite[], setupFailure: unknown): Promise<Counts[]> {
  const results: Counts[] = [];
  for (const [first, ...others] of groups(chosen)) {
    const lines = others.map((): string[] => []);
    results.push(
      ...(await Promise.all([
        runSuite(first, setupFailure, (line) => console.log(line)),
        ...others.map((suite, index) => runSuite(suite, setupFailure, (line) => lines[index]?.push(line))),
      ])),
    );
    lines.flat().forEach((line) => console.log(line));
  }
  return results;
}

/** Puts suites that run at the same time together. Each of the chosen suites is in one group. */
export function groups<T extends Pick<Suite, "name" | "beside">>(chosen: readonly T[]): [T, ...T[]][] {
  const result: [T, ...T[]][] = [];
  for (const suite of chosen) {
    const group = result.find(([first]) => first.name === suite.beside);
    if (group === undefined) {
      result.push([suite]);
    } else {
      group.push(suite);
    }
  }
  return result;
}

/** Runs a suite. One that cannot run at all counts as one failure, and its reason is printed; the others still run. */
async function runSuite(suite: Suite, setupFailure: unknown, print: Print): Promise<Counts> {
  const start = performance.now();
  print(`\n── ${suite.name}: ${suite.title}`);
  const failure = suite.needsSetup ? setupFailure : undefined;
  let counts: Counts | undefined;
  const error = failure ?? (await failureOf(suite.run(print).then((value) => (counts = value))));
  if (error !== undefined) {
    print(error instanceof UserError ? error.message : inspect(error));
  }
  const result = counts ?? { passed: 0, failed: 1, skipped: 0 };
  print(`── ${suite.name}: ${closingLine(result)} in ${duration(performance.now() - start)}`);
  return result;
}

/**
 * The real ML environment takes 6 GB and minutes, so the files that deploy it share one store: `store`, or the one that
 * ARCHON_TEST_STORE names.
 */
async function withSharedStore<T>(store: string, work: () => Promise<T>): Promise<T> {
  if (process.env["ARCHON_TEST_STORE"] !== undefined) {
    return work();
  }
  process.env["ARCHON_TEST_STORE"] = store;
  try {
    return await work();
  } finally {
    delete process.env["ARCHON_TEST_STORE"];
  }
}

/** The error that some work throws; undefined if none. @throws Interrupted after a signal */
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
