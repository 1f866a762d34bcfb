import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { devStack } from "../../config/stack";
import { engineEnvironment } from "../lib/docker";
import { ranAt } from "../lib/process-start";

const NAME = /^archon-tests-(\d+)-/;

/**
 * Runs tests with a temporary directory of their own (TMPDIR). At the end it removes the directory, the programs that the
 * tests started, and what their stacks have on the engine, also if a signal ended the tests before they could do that
 * themselves. If an earlier run was killed, it removes the same of that one first.
 * @param work gets the directory
 */
export async function withoutLeftovers<T>(work: (directory: string) => Promise<T>): Promise<T> {
  abandonedDirectories().forEach(removeLeftovers);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), `archon-tests-${process.pid}-`));
  const { TMPDIR } = process.env;
  process.env.TMPDIR = directory;
  try {
    return await work(directory);
  } finally {
    delete process.env.TMPDIR;
    Object.assign(process.env, TMPDIR === undefined ? {} : { TMPDIR });
    removeLeftovers(directory);
  }
}

/** The directories of runs that have ended. Each has the id of its process in its name. */
function abandonedDirectories(): string[] {
  return fs
    .readdirSync(os.tmpdir())
    .filter((name) => NAME.test(name))
    .map((name) => path.join(os.tmpdir(), name))
    .filter(
      (directory) => !ranAt(processOf(directory), fs.statSync(directory, { throwIfNoEntry: false })?.mtimeMs ?? 0),
    );
}

function processOf(directory: string): number {
  return Number(NAME.exec(path.basename(directory))?.[1]);
}

function removeLeftovers(directory: string): void {
  try {
    programsOf(directory).forEach(end);
    stacksOf(directory).forEach(removeFromEngine);
    fs.rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    console.error(`The tests left something in ${directory} that cannot be removed: ${(error as Error).message}`);
  }
}

/** Ids of the running programs whose temporary directory it is, except those of other users. */
function programsOf(directory: string): number[] {
  const ids = fs.existsSync("/proc") ? fs.readdirSync("/proc") : [];
  return ids.filter((id) => environmentOf(id).includes(`TMPDIR=${directory}`)).map(Number);
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It may have ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      throw error;
    }
  }
}

function environmentOf(id: string): string[] {
  try {
    return fs.readFileSync(`/proc/${id}/environ`, "utf8").split("\0");
  } catch {
    // It is no program, has ended, or belongs to somebody else.
    return [];
  }
}

/** Names of the tests' stacks in the checkouts of a directory. */
function stacksOf(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((name) => fs.existsSync(path.join(directory, name, "Pulumi.yaml")))
    .flatMap((checkout) => fs.readdirSync(path.join(directory, checkout)))
    .flatMap((file) => /^Pulumi\.(test-.+)\.yaml$/.exec(file)?.[1] ?? []);
}

/** How often the engine is asked: it refuses to remove what it is just removing, such as a job that has ended. */
const ATTEMPTS = 5;

/** Removes what a stack has on the engine, as if the host were a new one. */
export function removeFromEngine(stack: string): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      removeNow(stack);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) {
        throw error;
      }
    }
  }
}

function removeNow(stack: string): void {
  const removeAll = (list: string, remove: string): void => {
    const ids = docker(...list.split(" "), "--quiet", `--filter=label=io.archon.stack=${stack}`);
    if (ids !== "") {
      docker(...remove.split(" "), ...ids.split("\n"));
    }
  };
  removeAll("ps --all", "rm --force");
  removeAll("network ls", "network rm");
  removeAll("volume ls", "volume rm");
}

function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", env: engineEnvironment(devStack) }).trim();
}
