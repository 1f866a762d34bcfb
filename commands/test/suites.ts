import * as fs from "node:fs";
import * as path from "node:path";
import { ensureChromium } from "../setup/chromium";
import { findProgram } from "../setup/docker";
import { pulumiEnvironment, readTools } from "../lib/environment";
import { logDirectory, projectRoot } from "../../lib/paths";
import { silent } from "../lib/progress";
import { CommandError, run, type RunOptions } from "../lib/run";
import { runPython } from "./python";
import { parseGo, parseJest, sum, verdict, type Counts } from "./results";

export interface Suite {
  name: string;
  /** What it is, for people. */
  title: string;
  /** Whether Docker, the base image and Pulumi must be there. */
  needsSetup: boolean;
  run(): Promise<Counts>;
}

/** Every suite, the quick ones first. */
export const suites: readonly Suite[] = [
  { name: "check", title: "types, lint and workflows", needsSetup: false, run: runChecks },
  { name: "unit", title: "units, under mocks", needsSetup: false, run: () => runJest("unit", process.env) },
  { name: "go", title: "the tool chain's own provider", needsSetup: true, run: runGo },
  { name: "python", title: "lint, store tool, server and demo model", needsSetup: true, run: () => runPython(print) },
  {
    name: "engine",
    title: "real Pulumi on the real engine",
    needsSetup: true,
    run: () => runJest("engine", pulumiEnvironment(), "--runInBand"),
  },
  { name: "browser", title: "the page in Chromium, against a deployed server", needsSetup: true, run: runBrowser },
];

const nothing: Counts = { passed: 0, failed: 0, skipped: 0 };

export function print(line: string): void {
  console.log(line);
}

/** Each check counts as one test. */
async function runChecks(): Promise<Counts> {
  const installed = (program: string): string => path.join(projectRoot, "node_modules", ".bin", program);
  return sum([
    await check("tsc", installed("tsc"), ["--noEmit"]),
    await check("tsc-page", installed("tsc"), ["--noEmit", "--project", "applications/reference/page"]),
    await check("eslint", installed("eslint"), ["."]),
    await checkWorkflows(),
  ]);
}

async function check(
  name: string,
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Counts> {
  return verdict(name, await succeeds(program, args, { ...options, log: `test-${name}`, onLine: print }), print);
}

/** The workflows of GitHub, by a linter that is a Go module. What else is on PATH takes no part: the answer is the same everywhere. */
async function checkWorkflows(): Promise<Counts> {
  if (findProgram("go") === undefined) {
    print("Left out: actionlint is built from its Go module, and there is no go on PATH.");
    return nothing;
  }
  const directory = path.join(projectRoot, ".github", "workflows");
  const files = fs.readdirSync(directory).map((name) => path.join(directory, name));
  return check("actionlint", "go", ["tool", "actionlint", "-shellcheck=", "-pyflakes=", ...files], {
    cwd: path.join(projectRoot, "toolchain", "actionlint"),
  });
}

async function runJest(project: string, environment: NodeJS.ProcessEnv, ...more: string[]): Promise<Counts> {
  const results = path.join(logDirectory, `test-${project}.json`);
  fs.rmSync(results, { force: true });
  const color = process.stdout.isTTY ? ["--colors"] : [];
  const args = ["--selectProjects", project, "--json", `--outputFile=${results}`, ...color, ...more];
  await succeeds(path.join(projectRoot, "node_modules", ".bin", "jest"), args, {
    environment,
    log: `test-${project}`,
    onLine: print,
  });
  return fs.existsSync(results) ? parseJest(fs.readFileSync(results, "utf8")) : { ...nothing, failed: 1 };
}

async function runBrowser(): Promise<Counts> {
  const chromium = await ensureChromium({ ...silent, message: print });
  return runJest("browser", { ...pulumiEnvironment(), ARCHON_CHROMIUM: chromium }, "--runInBand");
}

/** The provider that is built where Pulumi's own cannot be downloaded. */
async function runGo(): Promise<Counts> {
  if (readTools().origin !== "built" || findProgram("go") === undefined) {
    print("Left out: the tool chain was not built here.");
    return nothing;
  }
  const events: string[] = [];
  const ok = await succeeds("go", ["test", "-json", "./..."], {
    cwd: path.join(projectRoot, "toolchain", "command"),
    log: "test-go",
    onLine: (line) => events.push(line),
  });
  const counts = parseGo(events);
  if (!ok) {
    outputOf(events).forEach(print);
  }
  return !ok && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** What the tests wrote, without the events around it. */
function outputOf(events: readonly string[]): string[] {
  return events
    .map((line) => (line.startsWith("{") ? ((JSON.parse(line) as { Output?: string }).Output ?? "").trimEnd() : line))
    .filter((line) => line !== "");
}

/** Whether a program ended well; a failing one has printed why. */
async function succeeds(program: string, args: readonly string[], options: RunOptions): Promise<boolean> {
  try {
    await run(program, args, options);
    return true;
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error;
    }
    if (error.lastLines.length === 0) {
      print(error.message);
    }
    return false;
  }
}
