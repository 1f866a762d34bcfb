import * as fs from "node:fs";
import * as path from "node:path";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { passphraseFile, shimDirectory, stateDirectory, toolsFile } from "../../lib/paths";
import { toolsEnvironment, type PulumiTools } from "./pulumi-tools";

/**
 * The environment variables with which the commands run Pulumi: the tool chain that the set-up found or made, and the
 * state inside the checkout. The program itself knows the engine of its stack. A backend or passphrase that the user has
 * set is for other projects and is not used.
 *
 * @throws UserError before the first set-up
 */
export function pulumiEnvironment(base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return buildPulumiEnvironment(readTools(), base);
}

/** {@link pulumiEnvironment} from its parts. Does not change `base`. */
export function buildPulumiEnvironment(tools: PulumiTools, base: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    ...toolsEnvironment(tools, { ...base, PATH: withoutDirectory(tools.binDirectory, withoutShims(base.PATH)) }),
    PULUMI_BACKEND_URL: `file://${stateDirectory}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile,
  };
  // It would take precedence over the file.
  delete environment.PULUMI_CONFIG_PASSPHRASE;
  return environment;
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
