import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import type { PulumiTools } from "../lib/pulumi-tools";
import { CommandError, run } from "../lib/run";
import { plugins, type Plugin } from "./pulumi-pins";

const recordName = "complete.json";

/**
 * The record of a directory of tools. It is written last: a directory without one is incomplete.
 *
 * @returns undefined for a directory that is incomplete or missing
 */
export function readRecord<T>(directory: string): T | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(directory, recordName), "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

export function writeRecord(directory: string, record: object): void {
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, recordName), `${JSON.stringify(record)}\n`);
}

/** Moves a finished directory with `bin/` and `home/` into place in one step. */
export function publish(
  staging: string,
  directory: string,
  version: string,
  origin: PulumiTools["origin"],
): PulumiTools {
  writeRecord(staging, { version });
  // An existing directory has no record, or it would have been used: it was deleted in part.
  fs.rmSync(directory, { recursive: true, force: true });
  fs.renameSync(staging, directory);
  return toolsIn(directory, version, origin);
}

/** The tools of a published directory; undefined when it is not complete. */
export function findPublished(directory: string, origin: PulumiTools["origin"]): PulumiTools | undefined {
  const record = readRecord<{ version: string }>(directory);
  return record && toolsIn(directory, record.version, origin);
}

function toolsIn(directory: string, version: string, origin: PulumiTools["origin"]): PulumiTools {
  return { home: path.join(directory, "home"), binDirectory: path.join(directory, "bin"), version, origin };
}

/** Seconds for the download of one plugin: about 30 MB on a slow connection. */
const installSeconds = 300;

/** Whether a Pulumi home holds every plugin. Pulumi leaves a file `….partial` beside an unfinished one. */
export function hasPlugins(home: string): boolean {
  return plugins.every((plugin) => hasPlugin(home, plugin));
}

function hasPlugin(home: string, { name, version }: Plugin): boolean {
  const directory = path.join(home, "plugins", `resource-${name}-v${version}`);
  return fs.existsSync(path.join(directory, `pulumi-resource-${name}`)) && !fs.existsSync(`${directory}.partial`);
}

/**
 * Installs the missing plugins into a home: from Pulumi's own download, or from files.
 *
 * @param pulumi absolute path of the CLI
 * @param fileOf path of a plugin's executable; leave it out to download them
 */
export async function installPlugins(
  pulumi: string,
  home: string,
  progress: Progress,
  fileOf?: (plugin: Plugin) => string,
): Promise<void> {
  const environment = { ...process.env, PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" };
  for (const plugin of plugins.filter((candidate) => !hasPlugin(home, candidate))) {
    const { name, version } = plugin;
    progress.update(0, 0, `plugin ${name} ${version}`);
    const from = fileOf === undefined ? [] : ["--file", fileOf(plugin)];
    await run(pulumi, ["plugin", "install", "resource", name, version, ...from], {
      environment,
      timeoutSeconds: installSeconds,
    }).catch(withoutRepeats);
    if (!hasPlugin(home, plugin)) {
      throw new UserError(`${pulumi} reports plugin ${name} ${version} as installed, but ${home} does not hold it.`);
    }
  }
}

/** Pulumi tries five times and prints the same error each time. */
function withoutRepeats(error: unknown): never {
  if (!(error instanceof CommandError)) {
    throw error;
  }
  const lines = error.lastLines.filter((line) => !line.startsWith("Will retry"));
  throw new CommandError(error.command, error.outcome, [...new Set(lines)], { exitCode: error.exitCode });
}
