import {
  closingLine,
  jestTimes,
  junitTimes,
  parseGo,
  parseJest,
  parseJunit,
  sum,
  timeTable,
} from "../../commands/test/results";
import { groups } from "../../commands/test/run";
import { suites } from "../../commands/test/suites";

test("each chosen suite runs once, beside another one only if that one is chosen", () => {
  const names = (chosen: typeof suites): string[][] => groups(chosen).map((group) => group.map(({ name }) => name));

  expect(names(suites)).toEqual([["check", "go"], ["unit"], ["python", "browser"], ["engine"]]);
  for (let subset = 0; subset < 2 ** suites.length; subset += 1) {
    const chosen = suites.filter((_, index) => (subset >> index) & 1);
    expect(names(chosen).flat().sort()).toEqual(chosen.map(({ name }) => name).sort());
  }
  expect(names(suites.filter(({ name }) => ["check", "go", "browser"].includes(name)))).toEqual([
    ["check", "go"],
    ["browser"],
  ]);
});

test("the closing line names the skipped ones only if there are any", () => {
  expect(closingLine({ passed: 12, failed: 0, skipped: 0 })).toBe("12 passed, 0 failed");
  expect(closingLine({ passed: 0, failed: 3, skipped: 2 })).toBe("0 passed, 3 failed, 2 skipped");
  expect(
    closingLine(
      sum([
        { passed: 1, failed: 2, skipped: 3 },
        { passed: 10, failed: 20, skipped: 30 },
      ]),
    ),
  ).toBe("11 passed, 22 failed, 33 skipped");
  expect(closingLine(sum([]))).toBe("0 passed, 0 failed");
});

test("jest's report counts files that could not be loaded as failures", () => {
  const report = {
    numPassedTests: 5,
    numFailedTests: 1,
    numPendingTests: 2,
    numTodoTests: 1,
    numRuntimeErrorTestSuites: 1,
    success: false,
  };
  expect(parseJest(JSON.stringify(report))).toEqual({ passed: 5, failed: 2, skipped: 3 });
});

describe("a JUnit report", () => {
  test("as pytest writes it", () => {
    const xml =
      '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="20" time="1.5">' +
      '<testcase classname="a" name="tests=&quot;99&quot;" time="0.1" /></testsuite></testsuites>';
    expect(parseJunit(xml)).toEqual({ passed: 14, failed: 3, skipped: 3 });
  });

  test("of several suites is their sum, and an empty one is nothing", () => {
    const xml =
      '<testsuites tests="7"><testsuite tests="3" failures="1"/><testsuite tests="4" skipped="4"/></testsuites>';
    expect(parseJunit(xml)).toEqual({ passed: 2, failed: 1, skipped: 4 });
    expect(parseJunit("")).toEqual({ passed: 0, failed: 0, skipped: 0 });
  });
});

describe("Go's events", () => {
  const event = (Action: string, Test?: string): string =>
    JSON.stringify({ Action, Package: "p", ...(Test === undefined ? {} : { Test }) });

  test("count tests, not their subtests and packages", () => {
    const lines = [
      event("start"),
      event("pass", "TestA/one"),
      event("pass", "TestA"),
      event("fail", "TestB"),
      event("skip", "TestC"),
      event("fail"),
    ];
    expect(parseGo(lines)).toEqual({ passed: 1, failed: 1, skipped: 1 });
  });

  test("of a package that does not build are one failure", () => {
    expect(parseGo(["# toolchain/command", "./main.go:3: syntax error", event("fail")])).toEqual({
      passed: 0,
      failed: 1,
      skipped: 0,
    });
  });
});

describe("how long each file took", () => {
  test("is in jest's report", () => {
    const report = { testResults: [{ name: "/checkout/tests/a.test.ts", startTime: 1000, endTime: 3500 }] };
    expect(jestTimes(JSON.stringify(report), "/checkout")).toEqual([{ file: "tests/a.test.ts", seconds: 2.5 }]);
  });

  test("is the sum of a module's tests in a JUnit report, in classes or not", () => {
    const xml =
      '<testcase classname="mlenv.tests.test_a" name="one" time="1.5" /><testcase classname="mlenv.tests.test_a.TestB" name="two" time="2" /><testcase classname="c" name="x" time="0.1" />';
    expect(junitTimes(xml)).toEqual([
      { file: "mlenv.tests.test_a", seconds: 3.5 },
      { file: "c", seconds: 0.1 },
    ]);
  });

  test("is shown from a second on, the slowest first", () => {
    const times = [
      { file: "quick", seconds: 0.9 },
      { file: "slow", seconds: 61 },
      { file: "slowest", seconds: 125 },
    ];
    expect(timeTable(times).map((line) => line.trim().split(/ {2}/).at(-1))).toEqual(["slowest", "slow"]);
  });
});
