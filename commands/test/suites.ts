import * as fs from "node:fs";
import * as path from "node:path";
import { projectRoot } from "../../lib/paths";
import { ensureChromium } from "../setup/chromium";
import { findProgram } from "../setup/docker";
import { goEnvironment } from "../setup/pulumi-compile";
import { pulumiEnvironment, readTools } from "../lib/environment";
import { silent } from "../lib/progress";
import { runJest, succeeds } from "./jest";
import { withKeptImages } from "./kept-images";
import { runPython } from "./python";
import { parseGo, sum, verdict, type Counts, type Print } from "./results";

export interface Suite {
  name: string;
  /** What it tests, in a few words. */
  title: string;
  /** Whether it needs Docker, the base image and Pulumi. */
  needsSetup: boolean;
  /** Name of an earlier suite at the same time as which it runs, if that one runs too. @default none */
  beside?: string;
  run(print: Print): Promise<Counts>;
}

/** Files of engine tests that run at the same time. Five keep two processors busy: they often wait for a container. */
const engineWorkers = "5";

/** Every suite, the quick ones first. */
export const suites: readonly Suite[] = [
  {
    name: "check",
    title: "format, types, lint and workflows",
    needsSetup: false,
    run: runChecks,
  },
  {
    name: "go",
    title: "the provider that the set-up builds",
    needsSetup: true,
    // The linter takes longest of the checks, and one processor.
    beside: "check",
    run: runGo,
  },
  {
    name: "unit",
    title: "units, with mocks",
    needsSetup: false,
    run: (print) => runJest("unit", process.env, print),
  },
  {
    name: "python",
    title: "lint, store tool, server and demo model",
    needsSetup: true,
    run: runPython,
  },
  {
    name: "browser",
    title: "the page in Chromium, against a deployed server",
    needsSetup: true,
    // It often waits for the page, while those in Python keep the processors busy.
    beside: "python",
    run: runBrowser,
  },
  {
    name: "engine",
    title: "real Pulumi on the real engine",
    needsSetup: true,
    run: runEngine,
  },
];

/** Result of a suite that was left out. */
const noTests: Counts = { passed: 0, failed: 0, skipped: 0 };

/**
 * Each check counts as one test. They run at the same time and cache their results below node_modules/.cache, so the
 * first run takes longer. The linter's cache goes by the content of each file alone: it misses a problem in an unchanged
 * file that comes from types in a changed one.
 */
async function runChecks(print: Print): Promise<Counts> {
  const installed = (program: string): string => path.join(projectRoot, "node_modules", ".bin", program);
  const cache = (name: string): string => path.join(projectRoot, "node_modules", ".cache", "checks", name);
  const incremental = (name: string): string[] => ["--noEmit", "--incremental", "--tsBuildInfoFile", cache(name)];
  const byContent = (name: string): string[] => [
    "--cache",
    "--cache-strategy=content",
    "--cache-location",
    cache(name),
  ];
  fs.mkdirSync(cache(""), { recursive: true });
  const page = ["--project", "applications/reference/page"];
  return sum(
    await Promise.all([
      check(print, "eslint", installed("eslint"), [".", ...byContent("eslint.json")]),
      check(print, "tsc", installed("tsc"), incremental("tsc.tsbuildinfo")),
      check(print, "tsc-page", installed("tsc"), [...page, ...incremental("tsc-page.tsbuildinfo")]),
      check(print, "prettier", installed("prettier"), [
        "--check",
        "--log-level=warn",
        ".",
        ...byContent("prettier.json"),
      ]),
      checkWorkflows(print),
    ]),
  );
}

async function check(
  print: Print,
  name: string,
  program: string,
  args: readonly string[],
  cwd = projectRoot,
): Promise<Counts> {
  return verdict(name, await succeeds(program, args, { cwd, log: `test-${name}`, onLine: print }, print), print);
}

/**
 * Lints the GitHub workflows with actionlint, a Go module. It must not call other linters that may be on PATH, so that
 * the result is the same on every machine.
 */
async function checkWorkflows(print: Print): Promise<Counts> {
  if (findProgram("go") === undefined) {
    print("Left out: actionlint is built from its Go module, and there is no go on PATH.");
    return noTests;
  }
  const directory = path.join(projectRoot, ".github", "workflows");
  const files = fs.readdirSync(directory).map((name) => path.join(directory, name));
  const args = ["tool", "actionlint", "-shellcheck=", "-pyflakes=", ...files];
  return check(print, "actionlint", "go", args, path.join(projectRoot, "toolchain", "actionlint"));
}

async function runBrowser(print: Print): Promise<Counts> {
  const chromium = await ensureChromium({ ...silent, message: print });
  return runJest("browser", { ...deployingEnvironment(), ARCHON_CHROMIUM: chromium }, print);
}

async function runEngine(print: Print): Promise<Counts> {
  return withKeptImages(print, () => runJest("engine", deployingEnvironment(), print, `--maxWorkers=${engineWorkers}`));
}

/**
 * Variables for tests that deploy. Pulumi, its providers and Docker's command line collect no garbage: they end after
 * seconds, with 60 MB more memory and a twelfth less processor time for an update. Each uses one processor, because
 * several run at the same time: another 3 % less.
 */
function deployingEnvironment(): NodeJS.ProcessEnv {
  return { ...pulumiEnvironment(), GOGC: "off", GOMAXPROCS: "1" };
}

/**
 * Tests the provider that is built if Pulumi's own cannot be downloaded, compiled as the set-up compiles it: the packages
 * that it imports are then in Go's cache.
 */
async function runGo(print: Print): Promise<Counts> {
  if (readTools().origin !== "built" || findProgram("go") === undefined) {
    print("Left out: the tool chain was not built here.");
    return noTests;
  }
  const events: string[] = [];
  const ok = await succeeds(
    "go",
    ["test", "-json", "-trimpath", "./..."],
    {
      environment: goEnvironment(),
      cwd: path.join(projectRoot, "toolchain", "command"),
      log: "test-go",
      onLine: (line) => events.push(line),
    },
    print,
  );
  const counts = parseGo(events);
  if (!ok) {
    outputOf(events).forEach(print);
  }
  return !ok && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** The output of the tests, without the other events. */
function outputOf(events: readonly string[]): string[] {
  return events
    .map((line) => (line.startsWith("{") ? ((JSON.parse(line) as { Output?: string }).Output ?? "").trimEnd() : line))
    .filter((line) => line !== "");
}
