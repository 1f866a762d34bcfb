import * as fs from "node:fs";
import * as path from "node:path";
import { logDirectory, projectRoot } from "../../lib/paths";
import { CommandError, run, type RunOptions } from "../lib/run";
import { jestTimes, parseJest, timeTable, type Counts, type Print } from "./results";

let runs = 0;

/** Runs one of jest's projects, prints how long each file took, and counts its tests. */
export async function runJest(
  project: string,
  environment: NodeJS.ProcessEnv,
  print: Print,
  ...more: string[]
): Promise<Counts> {
  runs += 1;
  const results = path.join(logDirectory, `test-${project}-${process.pid}-${runs}.json`);
  const color = process.stdout.isTTY ? ["--colors"] : [];
  const args = ["--selectProjects", project, "--json", `--outputFile=${results}`, ...color, ...more];
  try {
    await succeeds(
      path.join(projectRoot, "node_modules", ".bin", "jest"),
      args,
      { environment, log: `test-${project}`, onLine: print },
      print,
    );
    if (!fs.existsSync(results)) {
      return { passed: 0, failed: 1, skipped: 0 };
    }
    const json = fs.readFileSync(results, "utf8");
    timeTable(jestTimes(json, projectRoot)).forEach(print);
    return parseJest(json);
  } finally {
    fs.rmSync(results, { force: true });
  }
}

/**
 * Whether a program succeeded. A failing one has printed why.
 * @param print gets the error of a program that printed nothing
 */
export async function succeeds(
  program: string,
  args: readonly string[],
  options: RunOptions,
  print: Print,
): Promise<boolean> {
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
