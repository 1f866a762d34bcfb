import type { Command } from "commander";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { deployedApplication } from "../applications/deployed";
import { archon } from "../lib/command-line";
import { IMAGES } from "../lib/images";
import { writeAtomically } from "../lib/files";
import { devStack, packageIndexes, stackHost } from "../config/stack";
import { projectRoot } from "../lib/paths";
import { ensureSetup } from "./setup/ensure";
import { dockerEnvironment } from "./lib/docker";
import { ensureImage } from "./lib/images";
import { examples } from "./lib/options";
import { Steps, type Progress } from "./lib/progress";
import { run } from "./lib/run";

const { requirements } = deployedApplication;
const minimal = path.basename(requirements.image);
const ml = path.basename(requirements.environment);
const tests = "requirements.tests";

/** Directory of each list and of its lock file, relative to the checkout. */
const directories: Readonly<Record<string, string>> = {
  [minimal]: path.dirname(requirements.image),
  [ml]: path.dirname(requirements.environment),
  [tests]: "tests/python",
};

/** Pins the uv of the images. The list of the tests uses it as a constraint. */
const tools = "store/requirements.tools.txt";

/** Docker volume with the wheels (7 GB). With it, the next resolution takes a minute. */
const wheelVolume = "archon-lock";

export function define(command: Command): void {
  command
    .argument("[options...]", "passed to `mlenv lock` in the bootstrap image")
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText("after", examples([archon("lock"), "after a change of requirements.*.in"]))
    .action(async (args: string[]) => {
      const steps = new Steps();
      await ensureSetup(steps);
      const image = await steps.run(
        "Bootstrap image",
        (progress) => ensureImage(IMAGES.bootstrap, devStack, progress),
        (reference) => reference,
      );
      const changed = await steps.run("Resolution", (progress) => lock(image, args, progress));
      console.log(changed.length === 0 ? "\nThe lock files are unchanged." : `\nWritten: ${changed.join(", ")}`);
      console.log(
        `The wheels are kept in the Docker volume ${wheelVolume}; \`docker volume rm ${wheelVolume}\` frees their 7 GB.`,
      );
    });
}

/**
 * Resolves the lists in a copy of their directories, and copies the lock files back once all of them exist. Returns the
 * paths of the changed ones, relative to the checkout.
 */
async function lock(image: string, args: readonly string[], progress: Progress): Promise<string[]> {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "archon-lock-"));
  try {
    copyLists(work);
    await run("docker", lockArguments(image, work, args), {
      environment: dockerEnvironment(stackHost(devStack).dockerHost),
      log: "lock",
      onLine: (line) => show(line, progress),
    });
    return Object.entries(directories)
      .map(([name, directory]) => ({ lockFile: `${name}.txt`, target: `${directory}/${name}.txt` }))
      .filter(({ lockFile, target }) => replaceIfChanged(path.join(work, lockFile), path.join(projectRoot, target)))
      .map(({ target }) => target);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** Copies the lists, and those of their lock files that exist, into one directory. */
function copyLists(work: string): void {
  const lists = Object.entries(directories).flatMap(([name, directory]) => [
    `${directory}/${name}.in`,
    `${directory}/${name}.txt`,
  ]);
  const existing = lists.filter((file) => fs.existsSync(path.join(projectRoot, file)));
  for (const file of [...existing, tools]) {
    fs.copyFileSync(path.join(projectRoot, file), path.join(work, path.basename(file)));
  }
}

/** @param more options that the caller of `./archon lock` gave */
function lockArguments(image: string, work: string, more: readonly string[]): string[] {
  const { caBundle } = stackHost(devStack);
  const { pythonIndex, pythonExtraIndexes } = packageIndexes(devStack);
  const trust =
    caBundle === undefined
      ? []
      : [`--volume=${caBundle}:/ca.pem:ro`, "--env=SSL_CERT_FILE=/ca.pem", "--env=REQUESTS_CA_BUNDLE=/ca.pem"];
  // No container job: it writes as root to a directory of the user, and to a volume of the engine.
  return [
    "run",
    "--rm",
    "--init",
    "--label=io.archon.component=lock",
    `--volume=${work}:/lists`,
    `--volume=${wheelVolume}:/scratch`,
    ...trust,
    image,
    "lock",
    `--minimal=/lists/${minimal}.in`,
    `--ml=/lists/${ml}.in`,
    `--also=/lists/${tests}.in`,
    "--output=/lists",
    "--scratch=/scratch",
    ...(pythonIndex === "" ? [] : [`--index=${pythonIndex}`]),
    ...pythonExtraIndexes.map((url) => `--extra-index=${url}`),
    ...more,
  ];
}

/** Lines of uv only update the progress; messages of the store tool stay on the screen. */
function show(line: string, progress: Progress): void {
  if (line.startsWith("uv: ")) {
    progress.update(0, 0, line);
  } else {
    progress.message(line);
  }
}

/** Replaces the old lock file with the new one. Returns whether they differ. */
function replaceIfChanged(from: string, to: string): boolean {
  const text = fs.readFileSync(from, "utf8");
  const changed = !fs.existsSync(to) || fs.readFileSync(to, "utf8") !== text;
  writeAtomically(to, text, 0o644);
  return changed;
}
