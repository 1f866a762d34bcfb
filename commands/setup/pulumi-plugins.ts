import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import { CommandError, run } from "../lib/run";
import { plugins, type Plugin } from "./pulumi-pins";

/** Seconds for one plugin to arrive: some 30 MB over a slow line. */
const installSeconds = 300;

/** Whether a home holds every plugin. Pulumi leaves a file with the suffix `.partial` beside one that it has not finished. */
export function hasPlugins(home: string): boolean {
  return plugins.every((plugin) => hasPlugin(home, plugin));
}

function hasPlugin(home: string, { name, version }: Plugin): boolean {
  const directory = path.join(home, "plugins", `resource-${name}-v${version}`);
  return fs.existsSync(path.join(directory, `pulumi-resource-${name}`)) && !fs.existsSync(`${directory}.partial`);
}

/**
 * Installs what is missing of the plugins into a home: from Pulumi's own download, or from files.
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

/** Pulumi tries five times and says the same each time. */
function withoutRepeats(error: unknown): never {
  if (!(error instanceof CommandError)) {
    throw error;
  }
  const lines = error.lastLines.filter((line) => !line.startsWith("Will retry"));
  throw new CommandError(error.command, error.outcome, [...new Set(lines)]);
}
