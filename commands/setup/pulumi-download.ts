import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../lib/errors";
import { sha256 } from "../../lib/hashing";
import { interruption } from "../lib/signals";
import type { Progress } from "../lib/progress";
import type { PulumiTools } from "../lib/pulumi-tools";
import { bytes } from "../lib/render";
import { run } from "../lib/run";
import { platform, plugins, pulumiVersion } from "./pulumi-pins";
import { findPublished, installPlugins, publish } from "./pulumi-tools";

/** Where Pulumi publishes its releases. ARCHON_PULUMI_DOWNLOAD_URL names a mirror with the same files. */
const officialBase = "https://get.pulumi.com/releases/sdk";

const supportedPlatforms = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];

/**
 * Seconds until the first byte of an answer, and between two pieces of it. The first is short: if the site cannot be
 * reached, Pulumi is built instead.
 */
const answerSeconds = 6;
const stallSeconds = 30;

function directoryOf(root: string): string {
  const identity = sha256(JSON.stringify([pulumiVersion, platform, plugins]));
  return path.join(root, `download-${identity.slice(0, 12)}`);
}

export function findDownloadedTools(root: string): PulumiTools | undefined {
  return findPublished(directoryOf(root), "download");
}

/**
 * Downloads the CLI and lets it download its plugins.
 *
 * The archive is compared with the checksum that its publisher keeps beside it, which shows that it arrived complete and
 * unchanged. That it comes from the publisher is shown by TLS alone. Pulumi checks its plugins in the same way.
 */
export async function downloadTools(root: string, progress: Progress): Promise<PulumiTools> {
  if (!supportedPlatforms.includes(platform)) {
    throw new UserError(`there is none for ${platform}, only for ${supportedPlatforms.join(", ")}.`);
  }
  const base = (process.env.ARCHON_PULUMI_DOWNLOAD_URL ?? officialBase).replace(/\/+$/, "");
  const archiveName = `pulumi-v${pulumiVersion}-${platform}.tar.gz`;
  const expected = await fetchChecksum(`${base}/pulumi-${pulumiVersion}-checksums.txt`, archiveName);

  const directory = directoryOf(root);
  const staging = `${directory}.partial`;
  const bin = path.join(staging, "bin");
  const home = path.join(staging, "home");
  if (!fs.existsSync(bin)) {
    progress.message(`Downloading Pulumi ${pulumiVersion} from ${base}`);
    fs.mkdirSync(staging, { recursive: true });
    const archive = path.join(staging, archiveName);
    await fetchArchive(`${base}/${archiveName}`, archive, expected, progress);
    await unpack(archive, staging, bin);
  }
  await installPlugins(path.join(bin, "pulumi"), home, progress);
  return publish(staging, directory, pulumiVersion, "download");
}

async function fetchChecksum(url: string, archiveName: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of fetchBody(url)) {
    chunks.push(chunk.bytes);
  }
  const lines = Buffer.concat(chunks).toString("utf8").split("\n");
  const checksum = lines.map((line) => line.trim().split(/\s+\*?/)).find(([, name]) => name === archiveName)?.[0];
  if (checksum === undefined || !/^[0-9a-f]{64}$/i.test(checksum)) {
    throw new UserError(`${url} has no SHA-256 of ${archiveName}.`);
  }
  return checksum.toLowerCase();
}

async function fetchArchive(url: string, file: string, expected: string, progress: Progress): Promise<void> {
  const hash = createHash("sha256");
  const output = await fs.promises.open(file, "w");
  let done = 0;
  try {
    for await (const chunk of fetchBody(url)) {
      hash.update(chunk.bytes);
      await output.writeFile(chunk.bytes);
      done += chunk.bytes.length;
      progress.update(done, chunk.total, `${bytes(done)} of Pulumi ${pulumiVersion}`);
    }
  } finally {
    await output.close();
  }
  const actual = hash.digest("hex");
  if (actual !== expected) {
    fs.rmSync(file, { force: true });
    throw new UserError(`${url} was refused: its SHA-256 is ${actual}, but the published one is ${expected}.`);
  }
}

/** The archive holds one directory `pulumi/` with the executables. */
async function unpack(archive: string, staging: string, bin: string): Promise<void> {
  const unpacked = path.join(staging, "pulumi");
  fs.rmSync(unpacked, { recursive: true, force: true });
  await run("tar", ["-xzf", archive, "-C", staging]);
  const reported = (await run(path.join(unpacked, "pulumi"), ["version"], { timeoutSeconds: 30 })).trim();
  if (reported !== `v${pulumiVersion}`) {
    throw new UserError(`the archive holds Pulumi ${reported}, not v${pulumiVersion}.`);
  }
  fs.rmSync(archive);
  fs.renameSync(unpacked, bin);
}

/**
 * Yields the body of a response piece by piece; `total` is its announced size in bytes, 0 when unknown.
 * @throws UserError for a status that is not 2xx, and when no data arrives in time
 * @throws Interrupted after Ctrl-C
 */
async function* fetchBody(url: string): AsyncGenerator<{ bytes: Uint8Array; total: number }> {
  interruption.throwIfAborted();
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(interruption.reason);
  interruption.addEventListener("abort", interrupt);
  let timer = startTimer(controller, answerSeconds);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok || response.body === null) {
      throw new UserError(`${url} answers ${response.status} ${response.statusText}.`);
    }
    const total = Number(response.headers.get("content-length") ?? 0);
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = startTimer(controller, stallSeconds);
      yield { bytes: chunk as Uint8Array, total };
    }
  } catch (error) {
    interruption.throwIfAborted();
    throw error instanceof UserError
      ? error
      : new UserError(`${url} is out of reach: ${reasonOf(error, controller.signal)}.`);
  } finally {
    clearTimeout(timer);
    interruption.removeEventListener("abort", interrupt);
  }
}

function startTimer(controller: AbortController, seconds: number): NodeJS.Timeout {
  return setTimeout(() => controller.abort(new Error(`no answer for ${seconds} s`)), seconds * 1000);
}

/** fetch says only "fetch failed"; what failed is in the cause. */
function reasonOf(error: unknown, signal: AbortSignal): string {
  const { message, cause } = (signal.aborted ? signal.reason : error) as Error;
  const reason = cause instanceof Error && cause.message !== "" ? cause.message : message;
  const proxy = process.env.HTTPS_PROXY ?? process.env.https_proxy;
  return proxy ? `${reason} (this download does not go through the proxy of HTTPS_PROXY)` : reason;
}
