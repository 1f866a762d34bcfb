import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "smol-toml";
import { z } from "zod";
import { contextSources } from "../../lib/build-context";
import { UserError } from "../../lib/errors";
import { packageName, requirementLines } from "../python/requirements";

/** What a checkout of Archon says about its server. The checkout is only read. */
export interface ArchonCheckout {
  /** Absolute path of the directory that its Dockerfiles build from. */
  context: string;
  /** What uvicorn serves: the Socket.IO application of 2025's summer, or the HTTP application since. */
  asgiApplication: "src.server.main:socket_app" | "src.server.main:app";
  /** What of the context its server needs: paths below it. */
  paths: string[];
  /** Absolute path of the file that names its requirements; see {@link groupRequirements}. */
  requirements: string;
}

/** What a checkout says about a Python program of it besides the server. */
export interface ArchonProgram {
  /** What of the context it needs: paths below it. */
  paths: string[];
  /** The module that it runs. */
  module: string;
  /** Absolute path of the file that names its requirements; see {@link groupRequirements}. */
  requirements: string;
}

/** The Python programs of a checkout besides the server, and where their main modules have been. */
const PROGRAMS = {
  mcp: ["src/mcp_server/mcp_server.py", "src/mcp/mcp_server.py"],
  agents: ["src/agents/server.py"],
} as const;

/** The directory of its user interface. */
export const UI = "archon-ui-main";

/** The files of it that npm needs to build it. */
const UI_FILES = ["package.json", "package-lock.json"];

/** What to do about a checkout without the sources of a role. */
const REMEDY = "remove that service, or take a checkout that has it";

const MAIN = "src/server/main.py";
const PROJECT = "pyproject.toml";

/**
 * Looks at a checkout.
 * @param source its absolute path
 * @returns what is wrong with it, as the end of a sentence that begins with its path, when it is no checkout of Archon
 */
export function readArchonCheckout(source: string): ArchonCheckout | string {
  const context = path.join(source, "python");
  const main = path.join(context, MAIN);
  if (!fs.existsSync(main)) {
    return `must be a checkout of Archon, but has no python/${MAIN}; clone it there, or correct the path, which is relative to the project`;
  }
  const requirements = requirementsFile(context, "server");
  if (requirements === undefined) {
    return `must be a checkout of Archon, but has neither python/requirements.server.txt nor python/${PROJECT}`;
  }
  const text = fs.readFileSync(main, "utf8");
  const asgiApplication = /^socket_app\b/m.test(text) ? "src.server.main:socket_app" : "src.server.main:app";
  return { context, asgiApplication, paths: serverPaths(context), requirements };
}

/**
 * Looks at a Python program of a checkout besides the server.
 * @param context absolute path of the checkout's `python/`
 * @returns what is wrong, as the end of a sentence that begins with the path of the checkout, when it cannot be deployed
 */
export function readArchonProgram(context: string, role: keyof typeof PROGRAMS): ArchonProgram | string {
  const main = PROGRAMS[role].find((file) => fs.existsSync(path.join(context, file)));
  if (main === undefined) {
    const files = PROGRAMS[role].join(" or python/");
    return `has no python/${files}, which the role ${role} of archon:services runs; ${REMEDY}`;
  }
  const requirements = requirementsFile(context, role);
  if (requirements === undefined) {
    const files = `python/requirements.${role}.txt nor python/${PROJECT}`;
    return `has neither ${files}, which the role ${role} of archon:services is built from`;
  }
  const paths = copiedPaths(context, role);
  return typeof paths === "string"
    ? `${paths}; the image of the role ${role} of archon:services carries what python/Dockerfile.${role} copies of python/src`
    : { paths, module: main.replace(/\.py$/, "").replaceAll("/", "."), requirements };
}

/**
 * Looks at the user interface of a checkout.
 * @param source absolute path of the checkout
 * @returns what is wrong, as the end of a sentence that begins with that path, when it cannot be built
 */
export function readArchonUi(source: string): { context: string; paths: string[] } | string {
  const context = path.join(source, UI);
  const missing = UI_FILES.find((file) => !fs.existsSync(path.join(context, file)));
  if (missing !== undefined) {
    return `has no ${UI}/${missing}, from which the role ui of archon:services is built; ${REMEDY}`;
  }
  // Hidden files are of the machine that the checkout is on: settings with secrets among them.
  const paths = fs.readdirSync(context).filter((name) => !/^\.|^(node_modules|dist|coverage)$/.test(name));
  return { context, paths: paths.sort() };
}

/**
 * The sources of the server: all but the directories of other programs that its Dockerfile does not copy. Not only what it
 * copies, because Archon's compose file mounts all of `src` over it.
 */
function serverPaths(context: string): string[] {
  const copied = copiedPaths(context, "server");
  if (typeof copied === "string") {
    return ["src"];
  }
  const others = Object.values(PROGRAMS)
    .flat()
    .map((main) => path.posix.dirname(main))
    .filter((directory) => fs.existsSync(path.join(context, directory)))
    .filter((directory) => !copied.some((each) => `${directory}/`.startsWith(`${each}/`)));
  return others.length === 0
    ? ["src"]
    : fs
        .readdirSync(path.join(context, "src"))
        .filter((name) => name !== "__pycache__")
        .map((name) => `src/${name}`)
        .filter((each) => !others.includes(each))
        .sort();
}

/** The file with the requirements of a part of the checkout. The older kind wins: a checkout that has it runs from it. */
function requirementsFile(context: string, group: string): string | undefined {
  return [`requirements.${group}.txt`, PROJECT]
    .map((name) => path.join(context, name))
    .find((file) => fs.existsSync(file));
}

/**
 * The sources that the checkout's own Dockerfile copies into an image: what that part of it needs. A changed line of
 * another part then makes no other image.
 * @returns what is wrong, as the end of a sentence that begins with the path of the checkout
 */
function copiedPaths(context: string, part: string): string[] | string {
  const name = `Dockerfile.${part}`;
  const file = path.join(context, name);
  if (!fs.existsSync(file)) {
    return `has no python/${name}`;
  }
  const copied = contextSources(fs.readFileSync(file, "utf8"))
    // Of a pattern, the directory above it.
    .map((source) => source.replace(/\/?[^/]*[*?[].*$/, ""))
    .map((source) => (source === "." ? "src" : source))
    .filter((source) => source === "src" || source.startsWith("src/"));
  const missing = copied.find((source) => !fs.existsSync(path.join(context, source)));
  if (missing !== undefined) {
    return `has no python/${missing}, which python/${name} copies`;
  }
  return copied.length === 0 ? `has a python/${name} that copies nothing of python/src` : copied;
}

/**
 * What a part of a checkout requires: the lines of its `requirements.<part>.txt`, or since August 2025 groups of
 * `pyproject.toml`.
 * @param file absolute path of the one that the checkout has
 * @param part the group that must be there
 * @param more further groups, which need not be there
 * @throws UserError when the file cannot be read
 */
export function groupRequirements(file: string, part: string, more: readonly string[] = []): string[] {
  const text = fs.readFileSync(file, "utf8");
  if (path.basename(file) !== PROJECT) {
    return requirementLines(text, file);
  }
  const project = readProject(file, text);
  const names = Object.keys(project["dependency-groups"]);
  if (!names.includes(part)) {
    throw new UserError(`${file} has no dependency group "${part}"; it has ${names.join(", ") || "none"}.`);
  }
  const groups = [part, ...more].filter((name) => names.includes(name));
  return [...project.project.dependencies, ...groups.flatMap((name) => expandedGroup(file, project, name))];
}

/** What the server of a checkout requires. @throws UserError when the file cannot be read */
export function serverRequirements(file: string): string[] {
  return groupRequirements(file, "server", ["server-reranking"]);
}

/** PEP 735: a group has requirements and includes other groups. */
const group = z.array(z.union([z.string(), z.object({ "include-group": z.string() })]));
const pyproject = z.object({
  project: z.object({ dependencies: z.array(z.string()).default([]) }).default({ dependencies: [] }),
  "dependency-groups": z.record(z.string(), group).default({}),
});

function readProject(file: string, text: string): z.infer<typeof pyproject> {
  try {
    const project = pyproject.parse(parse(text));
    const groups = Object.entries(project["dependency-groups"]).map(([name, entries]) => [packageName(name), entries]);
    return { ...project, "dependency-groups": Object.fromEntries(groups) as (typeof project)["dependency-groups"] };
  } catch (error) {
    throw new UserError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

function expandedGroup(
  file: string,
  project: z.infer<typeof pyproject>,
  given: string,
  within: string[] = [],
): string[] {
  // Names are compared like those of packages (PEP 735).
  const name = packageName(given);
  const entries = project["dependency-groups"][name];
  if (entries === undefined || within.includes(name)) {
    throw new UserError(
      `${file}: the group ${name} ${entries === undefined ? "does not exist" : "includes itself"}. Correct [dependency-groups].`,
    );
  }
  return entries.flatMap((entry) =>
    typeof entry === "string" ? [entry] : expandedGroup(file, project, entry["include-group"], [...within, name]),
  );
}
