import type { Command } from "commander";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { Application, ApplicationRole, RequirementLists } from "../applications/application";
import { referenceServer } from "../applications/reference/application";
import { archon } from "../lib/command-line";
import { IMAGES } from "../lib/images";
import { UserError } from "../lib/errors";
import { writeAtomically } from "../lib/files";
import { isLocal } from "../lib/host";
import { lockFileFor, torchIndexFor, type Accelerator } from "../config/accelerator";
import type { FurtherRole, ServiceRole } from "../config/schema";
import { packageIndexes, stackHost } from "../config/stack";
import { projectRoot } from "../lib/paths";
import { containerProxies } from "../lib/proxies";
import { ensureSetup } from "./setup/ensure";
import { stackApplication } from "./lib/application";
import { engineEnvironment } from "./lib/docker";
import { ensureImage } from "./lib/images";
import { examples, stackOption } from "./lib/options";
import { Steps, type Progress } from "./lib/progress";
import { run } from "./lib/run";

/** The list of this project's own tests, which need the packages of the reference server. */
const testsList = "tests/python/requirements.tests";

/** A list of requirements and its lock file, relative to the checkout. */
interface List {
  /** Name of its copy, without the extension. */
  name: string;
  list: string;
  lockFile: string;
  /** What the store tool does with it. */
  option: "minimal" | "ml" | "also";
  /** Its text, where that follows from the application's sources; undefined for a list that people edit. */
  text?: string | undefined;
}

/** Lists that are resolved together. */
interface Resolution {
  role: ServiceRole;
  lists: List[];
  /** Only packages that were published until the end of this day fit. @default all fit */
  until?: string;
}

/** What there is to resolve: the lists of the server, and those of each further role by themselves. */
function resolutionsOf(options: LockOptions, accelerator: Accelerator): Resolution[] {
  const { application, stack } = options;
  const roles = Object.entries(application.roles ?? {}) as [FurtherRole, ApplicationRole][];
  const further = roles.flatMap(([role, { requirements }]): Resolution[] => {
    if (requirements === undefined) {
      return [];
    }
    const until = requirements.until();
    if (until === undefined) {
      throw new UserError(
        `The packages of the role ${role} must be as old as the checkout, but ${JSON.stringify(stack)} deploys one ` +
          "that git knows no date of.\n" +
          "Set packagesUntil of archon:application to the day that it is from, such as 2025-10-12.",
      );
    }
    const list = { ...namedList(requirements.list), option: "minimal" as const, text: requirements.text() };
    return [{ role, lists: [list], until }];
  });
  return [{ role: "server", lists: serverLists(options, accelerator) }, ...further];
}

/** All lists of the server. What the image carries is the same for every accelerator. */
function serverLists({ application, derived }: LockOptions, accelerator: Accelerator): List[] {
  const { image, environment, browser } = application.requirements;
  // Resolved afterwards, at the versions of the first two.
  const also = [browser ?? [], application === referenceServer ? testsList : []].flat();
  return [
    { ...namedList(image), option: "minimal", text: derived?.image },
    {
      ...namedList(environment),
      lockFile: lockFileFor(`${environment}.txt`, accelerator),
      option: "ml",
      text: derived?.environment,
    },
    ...also.map((file) => ({ ...namedList(file), option: "also" as const })),
  ];
}

function namedList(file: string): Pick<List, "name" | "list" | "lockFile"> {
  return { name: path.basename(file), list: `${file}.in`, lockFile: `${file}.txt` };
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
        [archon("lock --stack prod"), "for the application and the accelerator of that stack"],
      ),
    )
    .action(async (args: string[], { stack }: { stack: string }) => {
      const steps = new Steps();
      requireLocalEngine(stack);
      const application = stackApplication(stack);
      requireBuiltImage(application, stack);
      const derived = application.requirements.lists?.();
      derived?.notes.forEach((line) => console.log(line));
      await ensureSetup(steps, stack);
      const image = await steps.run(
        "Bootstrap image",
        (progress) => ensureImage(IMAGES.bootstrap, stack, progress),
        (reference) => reference,
      );
      const changed = await steps.run("Resolution", (progress) =>
        lock(image, { stack, application, derived, args }, progress),
      );
      console.log(changed.length === 0 ? "\nThe lock files are unchanged." : `\n${changed.join("\n")}`);
      console.log(
        `The wheels are kept in the Docker volume ${wheelVolume}; \`docker volume rm ${wheelVolume}\` frees their 7 GB.`,
      );
    });
}

/** The packages of a pulled image are fixed already. */
function requireBuiltImage({ image }: Application, stack: string): void {
  if ("reference" in image) {
    throw new UserError(
      `archon:application of the stack "${stack}" names an image, and the packages that it has were locked where it was built.\n` +
        "Copy the lock file of the environment from there, and name it in archon:requirements.",
    );
  }
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

interface LockOptions {
  stack: string;
  application: Application;
  /** Lists that follow from the application's sources; undefined where people edit the lists themselves. */
  derived: RequirementLists | undefined;
  /** Options that the caller of `./archon lock` gave for the store tool. */
  args: readonly string[];
}

/**
 * Resolves the lists in a copy of their directories, and copies the lock files back once all of them exist. Returns what
 * changed, for people.
 */
async function lock(image: string, options: LockOptions, progress: Progress): Promise<string[]> {
  const { accelerator } = packageIndexes(options.stack);
  const resolutions = resolutionsOf(options, accelerator);
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "archon-lock-"));
  // Lists of several roles have one name.
  const directoryOf = ({ role }: Pick<Resolution, "role">): string => path.join(work, role);
  try {
    for (const resolution of resolutions) {
      const directory = directoryOf(resolution);
      fs.mkdirSync(directory);
      copyLists(resolution.lists, accelerator, directory);
      await run("docker", lockArguments(image, resolution, directory, options), {
        environment: engineEnvironment(options.stack),
        log: "lock",
        onLine: (line) => show(line, progress),
      });
    }
    const imageLock = `${path.basename(options.application.requirements.image)}.txt`;
    requireSlimImage(fs.readFileSync(path.join(directoryOf({ role: "server" }), imageLock), "utf8"));
    // Only now: an update that finds the list of the sources here takes their packages for locked.
    for (const { list, text } of resolutions.flatMap(({ lists }) => lists)) {
      if (text !== undefined) {
        writeAtomically(path.join(projectRoot, list), text, 0o644);
      }
    }
    return resolutions.flatMap(({ role, lists }) =>
      lists.flatMap(({ name, lockFile }) =>
        replaceIfChanged(path.join(directoryOf({ role }), `${name}.txt`), path.join(projectRoot, lockFile)).map(
          (line, index) => (index === 0 ? `${lockFile}: ${line}` : `  ${line}`),
        ),
      ),
    );
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Copies the lists, and those of their lock files that exist, into one directory: their versions are kept if they still
 * fit. The first lock of an environment starts from the versions of the reference server's, so that the applications of a
 * host share an environment where their lists allow it.
 */
function copyLists(files: readonly List[], accelerator: Accelerator, work: string): void {
  const reference = lockFileFor(`${referenceServer.requirements.environment}.txt`, accelerator);
  const copies = files.flatMap(({ name, list, lockFile, option, text }) => [
    ...(text === undefined ? [{ from: list, to: `${name}.in` }] : []),
    {
      from: option === "ml" && !fs.existsSync(path.join(projectRoot, lockFile)) ? reference : lockFile,
      to: `${name}.txt`,
    },
  ]);
  const existing = copies.filter(({ from }) => fs.existsSync(path.join(projectRoot, from)));
  for (const { from, to } of [...existing, { from: tools, to: path.basename(tools) }]) {
    fs.copyFileSync(path.join(projectRoot, from), path.join(work, to));
  }
  for (const { name, text } of files) {
    if (text !== undefined) {
      fs.writeFileSync(path.join(work, `${name}.in`), text);
    }
  }
}

/** A package of the image's list may need torch, which is then in the image as well. */
function requireSlimImage(lock: string): void {
  if (/^torch==/m.test(lock)) {
    throw new UserError(
      "A package of the image's list needs torch, so the image would carry it. Nothing was written.\n" +
        "Name that package (accelerate, peft, FlagEmbedding, …) in `environment` of archon:application, and lock again.",
    );
  }
}

function lockArguments(
  image: string,
  { lists, until }: Resolution,
  work: string,
  { stack, args }: LockOptions,
): string[] {
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
    ...lists.map(({ option, name }) => `--${option}=/lists/${name}.in`),
    ...(until === undefined ? [] : [`--exclude-newer=${until}`]),
    "--output=/lists",
    "--scratch=/scratch",
    ...(pythonIndex === "" ? [] : [`--index=${pythonIndex}`]),
    ...pythonExtraIndexes.map((url) => `--extra-index=${url}`),
    `--accelerator=${torch.accelerator}`,
    ...(torchIndex === undefined ? [] : [`--torch-index=${torchIndex}`]),
    ...args,
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

/** Replaces the old lock file with the new one. Returns what is new: nothing when they do not differ. */
function replaceIfChanged(from: string, to: string): string[] {
  const text = fs.readFileSync(from, "utf8");
  const before = fs.existsSync(to) ? fs.readFileSync(to, "utf8") : undefined;
  writeAtomically(to, text, 0o644);
  if (before === undefined) {
    return [`written, ${versionsOf(text).size} packages`];
  }
  return before === text ? [] : describeChanges(versionsOf(before), versionsOf(text));
}

/** The pinned version of every package of a lock file. */
function versionsOf(lock: string): Map<string, string> {
  return new Map([...lock.matchAll(/^([\w.-]+)==([^\s\\]+)/gm)].map(([, name = "", version = ""]) => [name, version]));
}

function describeChanges(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changes = names
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => `${name} ${before.get(name) ?? "(new)"} → ${after.get(name) ?? "(removed)"}`);
  return ["written", ...(changes.length === 0 ? ["the same versions with other files"] : changes)];
}
