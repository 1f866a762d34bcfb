import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "smol-toml";
import { z } from "zod";
import { UserError } from "../../lib/errors";
import { packageName, requirementLines } from "../python/requirements";

/** What a checkout of Archon says about its server. The checkout is only read. */
export interface ArchonCheckout {
  /** Absolute path of the directory that its Dockerfiles build from. */
  context: string;
  /** What uvicorn serves: the Socket.IO application of 2025's summer, or the HTTP application since. */
  asgiApplication: "src.server.main:socket_app" | "src.server.main:app";
  /** Absolute path of the file that names its requirements; see {@link serverRequirements}. */
  requirements: string;
}

const MAIN = "src/server/main.py";
const REQUIREMENTS = "requirements.server.txt";
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
  // The older kind of list wins: a checkout that has it runs from it.
  const requirements = [REQUIREMENTS, PROJECT]
    .map((name) => path.join(context, name))
    .find((file) => fs.existsSync(file));
  if (requirements === undefined) {
    return `must be a checkout of Archon, but has neither python/${REQUIREMENTS} nor python/${PROJECT}`;
  }
  const text = fs.readFileSync(main, "utf8");
  const socketIo = /^socket_app\b/m.test(text);
  return { context, asgiApplication: socketIo ? "src.server.main:socket_app" : "src.server.main:app", requirements };
}

/**
 * What the server of a checkout requires: the lines of `requirements.server.txt`, or since August 2025 the groups `server`
 * and `server-reranking` of `pyproject.toml`.
 * @param file absolute path of the one that the checkout has
 * @throws UserError when the file cannot be read
 */
export function serverRequirements(file: string): string[] {
  const text = fs.readFileSync(file, "utf8");
  if (path.basename(file) === REQUIREMENTS) {
    return requirementLines(text, file);
  }
  const project = readProject(file, text);
  const names = Object.keys(project["dependency-groups"]);
  if (!names.includes("server")) {
    throw new UserError(`${file} has no dependency group "server"; it has ${names.join(", ") || "none"}.`);
  }
  const groups = ["server", "server-reranking"].filter((name) => names.includes(name));
  return [...project.project.dependencies, ...groups.flatMap((name) => groupRequirements(file, project, name))];
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

function groupRequirements(
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
    typeof entry === "string" ? [entry] : groupRequirements(file, project, entry["include-group"], [...within, name]),
  );
}
