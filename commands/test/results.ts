import * as path from "node:path";
import { duration } from "../lib/render";

/** Prints one line. */
export type Print = (line: string) => void;

/** How many tests ended how. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export function sum(counts: readonly Counts[]): Counts {
  return counts.reduce(
    (total, { passed, failed, skipped }) => ({
      passed: total.passed + passed,
      failed: total.failed + failed,
      skipped: total.skipped + skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/** Prints how a check ended, and counts it as one test. */
export function verdict(name: string, passed: boolean, print: Print): Counts {
  print(`${passed ? "✔" : "✖"} ${name}`);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

/** `12 passed, 1 failed`, and the skipped ones if there are any. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

interface JestResults {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  /** Files that could not be loaded: no other number counts their tests. */
  numRuntimeErrorTestSuites: number;
}

/** Reads what `jest --json` writes. */
export function parseJest(json: string): Counts {
  const results = JSON.parse(json) as JestResults;
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

/** Reads a JUnit report: the attributes of its `<testsuite>` elements. */
export function parseJunit(xml: string): Counts {
  const suites = [...xml.matchAll(/<testsuite\s([^>]*)>/g)].map(([, attributes]) => {
    const count = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes ?? "")?.[1] ?? 0);
    const failed = count("failures") + count("errors");
    const skipped = count("skipped");
    return { passed: count("tests") - failed - skipped, failed, skipped };
  });
  return sum(suites);
}

interface GoEvent {
  Action: string;
  Test?: string;
}

/** Reads the events of `go test -json`. Subtests belong to their test; a package that does not build is one failure. */
export function parseGo(lines: readonly string[]): Counts {
  const events = lines.flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as GoEvent] : []));
  const tests = (action: string): number =>
    events.filter(({ Action, Test }) => Action === action && Test !== undefined && !Test.includes("/")).length;
  const failed = tests("fail");
  const brokenPackage = failed === 0 && events.some(({ Action, Test }) => Action === "fail" && Test === undefined);
  return { passed: tests("pass"), failed: brokenPackage ? 1 : failed, skipped: tests("skip") };
}

/** How long one file of tests took. */
export interface FileTime {
  file: string;
  seconds: number;
}

/** Reads the times from what `jest --json` writes. @param root files are named relative to it */
export function jestTimes(json: string, root: string): FileTime[] {
  const { testResults } = JSON.parse(json) as { testResults: { name: string; startTime: number; endTime: number }[] };
  return testResults.map(({ name, startTime, endTime }) => ({
    file: path.relative(root, name),
    seconds: (endTime - startTime) / 1000,
  }));
}

/** Reads the times from a JUnit report, whose tests carry the module and the class that they belong to. */
export function junitTimes(xml: string): FileTime[] {
  const seconds = new Map<string, number>();
  for (const [, attributes = ""] of xml.matchAll(/<testcase\s([^>]*)>/g)) {
    const of = (name: string): string => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
    const module = of("classname").replace(/\.[A-Z].*$/, "");
    seconds.set(module, (seconds.get(module) ?? 0) + Number(of("time")));
  }
  return [...seconds].map(([file, each]) => ({ file, seconds: each }));
}

/** One line for every file that took a second or longer, the slowest first. */
export function timeTable(times: readonly FileTime[]): string[] {
  return times
    .filter(({ seconds }) => seconds >= 1)
    .sort((one, other) => other.seconds - one.seconds)
    .map(({ file, seconds }) => `${duration(seconds * 1000).padStart(12)}  ${file}`);
}
