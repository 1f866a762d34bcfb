import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { referenceServer } from "../../applications/reference/application";
import type { ImageDefinition } from "../../lib/images";
import { devStack } from "../../config/stack";
import { logDirectory, projectRoot } from "../../lib/paths";
import { engineEnvironment } from "../lib/docker";
import { ensureImage } from "../lib/images";
import { silent } from "../lib/progress";
import { succeeds } from "./jest";
import { junitTimes, parseJunit, sum, timeTable, verdict, type Counts, type Print } from "./results";

export const testsImage: ImageDefinition = {
  repository: "archon-tests",
  context: "tests/python",
  dockerfile: "Dockerfile",
};

const report = "test-python.xml";

/** Options of `docker run` that mount what the tests read below /src: sources, and the settings of their tools. */
export function pythonSources(checkout: string): string[] {
  return ["applications", "demo", "gateway", "store", "pyproject.toml"].map(
    (name) => `--volume=${path.join(checkout, name)}:/src/${name}:ro`,
  );
}

/**
 * Runs lint and pytest on the checkout's sources in the server image with a browser, as root, so that the store tool
 * may change owners.
 */
export async function runPython(print: Print): Promise<Counts> {
  const image = await ensureTestsImage(print);
  const ruff = (...args: string[]): Promise<boolean> =>
    runInTestsImage(image, ["-m", "ruff", ...args, "--no-cache", "."], print);
  return sum([
    verdict("ruff check", await ruff("check"), print),
    verdict("ruff format", await ruff("format", "--check"), print),
    await runPytest(image, print),
  ]);
}

async function runPytest(image: string, print: Print): Promise<Counts> {
  const file = path.join(logDirectory, report);
  fs.rmSync(file, { force: true });
  const pytest = [
    "-m",
    "pytest",
    "-p",
    "no:cacheprovider",
    // Two more than there are processors, because tests of the server wait for it.
    `--numprocesses=${os.availableParallelism() + 2}`,
    // An idle worker takes tests from another one, so that all of them finish at about the same time.
    "--dist=worksteal",
    `--junitxml=/results/${report}`,
    ...(process.stdout.isTTY ? ["--color=yes"] : []),
  ];
  const passed = await runInTestsImage(image, pytest, print);
  // Failed tests are in the report; without one, pytest did not get that far.
  if (!passed && !fs.existsSync(file)) {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const xml = fs.readFileSync(file, "utf8");
  timeTable(junitTimes(xml)).forEach(print);
  return parseJunit(xml);
}

/** The image of the tests, built if need be. */
export async function ensureTestsImage(print: Print): Promise<string> {
  const progress = { ...silent, message: print };
  const { image } = referenceServer;
  const server = await ensureImage(image, devStack, progress, { args: image.buildArguments({ browser: true }) });
  return ensureImage(testsImage, devStack, progress, { parents: { SERVER_IMAGE: server } });
}

/**
 * Copies the sources, compiles them, and runs Python there. Many tests start programs of the project, each of which would
 * otherwise compile everything that it imports.
 */
const RUN_COMPILED = 'cp -r /src/. /tests && python3 -m compileall -q /tests && exec python3 "$@"';

/**
 * Runs Python on the checkout's sources in the image of the tests, and prints its output. Returns whether it succeeded.
 */
export async function runInTestsImage(image: string, args: readonly string[], print: Print): Promise<boolean> {
  fs.mkdirSync(logDirectory, { recursive: true });
  return succeeds(
    "docker",
    // No container job: the tests mount file systems, run programs from /tmp, and change owners.
    [
      "run",
      "--rm",
      "--init",
      "--user=0:0",
      "--label=io.archon.project=archon",
      "--label=io.archon.component=tests",
      // The tests of a full disk mount a small one.
      "--cap-add=SYS_ADMIN",
      "--security-opt=apparmor=unconfined",
      "--tmpfs=/tmp:exec,mode=1777",
      // Read-only: what a program writes beside the sources would belong to root.
      ...pythonSources(projectRoot),
      `--volume=${logDirectory}:/results`,
      "--workdir=/tests",
      "--env=PYTHONDONTWRITEBYTECODE=1",
      // pytest has its own setting; modules of the tests that run by themselves have not.
      "--env=PYTHONPATH=/opt/tests:/tests/store:/tests/applications/reference",
      "--env=HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis",
      "--entrypoint=sh",
      image,
      "-c",
      RUN_COMPILED,
      "sh",
      ...args,
    ],
    { environment: engineEnvironment(devStack), log: "test-python", onLine: print },
    print,
  );
}
