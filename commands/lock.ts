import type { Command } from "commander";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { deployedApplication } from "../applications/deployed";
import { archon } from "../lib/command-line";
import { IMAGES } from "../lib/images";
import { UserError } from "../lib/errors";
import { writeAtomically } from "../lib/files";
import { isLocal } from "../lib/host";
import { lockFileFor, torchIndexFor, type Accelerator } from "../config/accelerator";
import { packageIndexes, stackHost } from "../config/stack";
import { projectRoot } from "../lib/paths";
import { containerProxies } from "../lib/proxies";
import { ensureSetup } from "./setup/ensure";
import { engineEnvironment } from "./lib/docker";
import { ensureImage } from "./lib/images";
import { examples, stackOption } from "./lib/options";
import { Steps, type Progress } from "./lib/progress";
import { run } from "./lib/run";

const { requirements } = deployedApplication;
const minimal = path.basename(requirements.image);
const ml = path.basename(requirements.environment);

/** Lists that are resolved afterwards, at the versions of the two. */
const also = [...(requirements.browser === undefined ? [] : [requirements.browser]), "tests/python/requirements.tests"];

/** A list of requirements and its lock file, relative to the checkout. */
interface List {
  name: string;
  list: string;
  lockFile: string;
}

/** All lists. What the image carries is the same for every accelerator. */
function lists(accelerator: Accelerator): List[] {
  return [requirements.image, requirements.environment, ...also].map((file) => ({
    name: path.basename(file),
    list: `${file}.in`,
    lockFile: file === requirements.environment ? lockFileFor(`${file}.txt`, accelerator) : `${file}.txt`,
  }));
}

/** Pins the uv of the images. The list of the tests uses it as a constraint. */
const tools = "store/requirements.tools.txt";

/** Docker volume with the wheels (7 GB). With it, the next resolution takes a minute. */
const wheelVolume = "archon-lock";

export function define(command: Command): void {
  command
    .argument("[options...]", "passed to `mlenv lock` in the bootstrap image")
    .addOption(stackOption())
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText(
      "after",
      examples(
        [archon("lock"), "after a change of requirements.*.in"],
        [archon("lock --stack prod"), "for the accelerator of that stack"],
      ),
    )
    .action(async (args: string[], { stack }: { stack: string }) => {
      const steps = new Steps();
      requireLocalEngine(stack);
      await ensureSetup(steps, stack);
      const image = await steps.run(
        "Bootstrap image",
        (progress) => ensureImage(IMAGES.bootstrap, stack, progress),
        (reference) => reference,
      );
      const changed = await steps.run("Resolution", (progress) => lock(image, stack, args, progress));
      console.log(changed.length === 0 ? "\nThe lock files are unchanged." : `\nWritten: ${changed.join(", ")}`);
      console.log(
        `The wheels are kept in the Docker volume ${wheelVolume}; \`docker volume rm ${wheelVolume}\` frees their 7 GB.`,
      );
    });
}

/** The lists are mounted from this machine. */
function requireLocalEngine(stack: string): void {
  const { dockerHost } = stackHost(stack);
  if (!isLocal(dockerHost)) {
    throw new UserError(
      `The engine of the stack "${stack}" is ${dockerHost}, which cannot see the lists of this checkout.\n` +
        "Lock for a stack whose engine is on this machine, with the same accelerator and base image.",
    );
  }
}

/**
 * Resolves the lists in a copy of their directories, and copies the lock files back once all of them exist. Returns the
 * paths of the changed ones, relative to the checkout.
 */
async function lock(image: string, stack: string, args: readonly string[], progress: Progress): Promise<string[]> {
  const files = lists(packageIndexes(stack).accelerator);
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "archon-lock-"));
  try {
    copyLists(files, work);
    await run("docker", lockArguments(image, stack, work, args), {
      environment: engineEnvironment(stack),
      log: "lock",
      onLine: (line) => show(line, progress),
    });
    return files
      .filter(({ name, lockFile }) =>
        replaceIfChanged(path.join(work, `${name}.txt`), path.join(projectRoot, lockFile)),
      )
      .map(({ lockFile }) => lockFile);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** Copies the lists, and those of their lock files that exist, into one directory. */
function copyLists(files: readonly List[], work: string): void {
  const copies = files.flatMap(({ name, list, lockFile }) => [
    { from: list, to: `${name}.in` },
    { from: lockFile, to: `${name}.txt` },
  ]);
  const existing = copies.filter(({ from }) => fs.existsSync(path.join(projectRoot, from)));
  for (const { from, to } of [...existing, { from: tools, to: path.basename(tools) }]) {
    fs.copyFileSync(path.join(projectRoot, from), path.join(work, to));
  }
}

/** @param more options that the caller of `./archon lock` gave */
function lockArguments(image: string, stack: string, work: string, more: readonly string[]): string[] {
  const { caBundle } = stackHost(stack);
  const { pythonIndex, pythonExtraIndexes, ...torch } = packageIndexes(stack);
  const torchIndex = torchIndexFor(torch);
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
    ...Object.keys(containerProxies()).map((name) => `--env=${name}`),
    image,
    "lock",
    `--minimal=/lists/${minimal}.in`,
    `--ml=/lists/${ml}.in`,
    ...also.map((file) => `--also=/lists/${path.basename(file)}.in`),
    "--output=/lists",
    "--scratch=/scratch",
    ...(pythonIndex === "" ? [] : [`--index=${pythonIndex}`]),
    ...pythonExtraIndexes.map((url) => `--extra-index=${url}`),
    `--accelerator=${torch.accelerator}`,
    ...(torchIndex === undefined ? [] : [`--torch-index=${torchIndex}`]),
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
