import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { UserError } from "../../lib/errors";
import { sha256 } from "../../lib/hashing";
import type { Progress } from "../lib/progress";
import type { PulumiTools } from "../lib/pulumi-tools";
import { run } from "../lib/run";
import { atLeast } from "../lib/version";
import { findProgram } from "./docker";
import { minimumPulumiVersion, plugins } from "./pulumi-pins";
import { hasPlugins, installPlugins, readRecord, writeRecord } from "./pulumi-tools";

interface AdoptedRecord {
  home: string;
  version: string;
}

/** The CLI on PATH, if an earlier set-up adopted it and it is still the same file. */
export function findAdoptedTools(root: string): PulumiTools | undefined {
  const pulumi = findForeignPulumi(root);
  const record = pulumi && readRecord<AdoptedRecord>(directoryOf(root, pulumi));
  return record && hasPlugins(record.home) ? { ...record, binDirectory: undefined, origin: "path" } : undefined;
}

/** Uses the CLI on PATH, if it is new enough and its plugins are installed or can be downloaded. */
export async function adoptPathTools(root: string, progress: Progress): Promise<PulumiTools> {
  const pulumi = findForeignPulumi(root);
  if (pulumi === undefined) {
    throw new UserError("there is no program `pulumi` on PATH.");
  }
  const version = (await run(pulumi, ["version"], { timeoutSeconds: 30 })).trim().replace(/^v/, "");
  if (!atLeast(version, minimumPulumiVersion)) {
    throw new UserError(`${pulumi} is version ${version}; at least ${minimumPulumiVersion} is needed.`);
  }
  if (findProgram("pulumi-language-nodejs") === undefined) {
    throw new UserError(`${pulumi} comes without \`pulumi-language-nodejs\`, which belongs beside it on PATH.`);
  }
  const directory = directoryOf(root, pulumi);
  const home = await provideHome(pulumi, directory, progress);
  const record: AdoptedRecord = { home, version };
  writeRecord(directory, record);
  return { ...record, binDirectory: undefined, origin: "path" };
}

/** The user's own Pulumi home if it holds every plugin, otherwise one of ours, into which they are downloaded. */
async function provideHome(pulumi: string, directory: string, progress: Progress): Promise<string> {
  const own = process.env.PULUMI_HOME ?? path.join(process.env.HOME ?? os.homedir(), ".pulumi");
  if (hasPlugins(own)) {
    return own;
  }
  const home = path.join(directory, "home");
  progress.message(
    `Downloading the plugins of ${pulumi}: ${plugins.map(({ name, version }) => `${name} ${version}`).join(", ")}`,
  );
  await installPlugins(pulumi, home, progress);
  return home;
}

/** The `pulumi` on PATH, unless the set-up downloaded or built it. */
function findForeignPulumi(root: string): string | undefined {
  const found = findProgram("pulumi");
  const pulumi = found && fs.realpathSync(found);
  return pulumi?.startsWith(root + path.sep) ? undefined : pulumi;
}

/** Directory of what was found out about this state of the executable: after an upgrade it is another one. */
function directoryOf(root: string, pulumi: string): string {
  const { size, mtimeMs } = fs.statSync(pulumi);
  const identity = sha256(JSON.stringify([pulumi, size, mtimeMs, plugins]));
  return path.join(root, `path-${identity.slice(0, 12)}`);
}
