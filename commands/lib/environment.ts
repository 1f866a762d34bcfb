import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { shimDirectory, toolsFile } from "../../lib/paths";
import { findBackend, withBackend, type Backend } from "./backend";
import { toolsEnvironment, type PulumiTools } from "./pulumi-tools";

/**
 * The environment variables with which the commands run Pulumi: the tool chain that the set-up found or made, and the
 * backend that {@link findBackend} finds. The program itself knows the engine of its stack.
 *
 * @throws UserError before the first set-up
 */
export function pulumiEnvironment(base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return buildPulumiEnvironment(readTools(), base);
}

/** {@link pulumiEnvironment} from its parts. Does not change `base`. */
export function buildPulumiEnvironment(
  tools: PulumiTools,
  base: NodeJS.ProcessEnv,
  backend: Backend = findBackend(base),
): NodeJS.ProcessEnv {
  const searchPath = withoutDirectory(tools.binDirectory, withoutShims(base.PATH));
  return toolsEnvironment(tools, withBackend(backend, { ...base, PATH: searchPath }));
}

/**
 * The lines with which a shell gets an environment: `export` and `unset`, with the `pulumi` of `./archon pulumi` first on
 * PATH.
 * @param base the environment of the shell
 */
export function shellExports(environment: NodeJS.ProcessEnv, base: NodeJS.ProcessEnv): string {
  const target: NodeJS.ProcessEnv = { ...environment, PATH: [shimDirectory, environment.PATH].join(path.delimiter) };
  const exports = Object.entries(target)
    .filter(([name, value]) => value !== undefined && value !== base[name])
    .map(([name, value]) => `export ${name}=${quote(value ?? "")}`);
  const removed = Object.keys(base)
    .filter((name) => target[name] === undefined)
    .map((name) => `unset ${name}`);
  return [...exports, ...removed].sort().join("\n");
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** PATH without the shims of any checkout. */
export function withoutShims(searchPath: string | undefined): string {
  const shims = path.join(path.sep, ".archon", "bin");
  return (searchPath ?? "")
    .split(path.delimiter)
    .filter((directory) => !directory.endsWith(shims))
    .join(path.delimiter);
}

function withoutDirectory(directory: string | undefined, searchPath: string): string {
  return searchPath
    .split(path.delimiter)
    .filter((entry) => entry !== directory)
    .join(path.delimiter);
}

/** The Pulumi that the last set-up of this checkout chose. @throws UserError before the first set-up */
export function readTools(): PulumiTools {
  const record = readToolsRecord();
  if (record === undefined) {
    throw new UserError(`This checkout has no Pulumi yet. Run \`${archon("setup")}\` first.`);
  }
  return record.tools;
}

export interface ToolsRecord {
  tools: PulumiTools;
  /** Hash of what decided which tools these are. */
  fingerprint: string;
}

export function readToolsRecord(): ToolsRecord | undefined {
  try {
    return JSON.parse(fs.readFileSync(toolsFile, "utf8")) as ToolsRecord;
  } catch {
    // Missing or damaged: either way the set-up finds the tools again.
    return undefined;
  }
}
