import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../support/errors";
import { sleep } from "../support/interruption";
import type { Progress } from "../support/progress";
import { CommandError, run } from "../support/run";
import { atLeast } from "../support/version";
import { aptInstall, hasApt, readOsRelease, systemEnvironment } from "./apt";

export interface DockerEngine {
  version: string;
  /** Where it listens, when that is not Docker's default socket. */
  host: string | undefined;
}

/** The first engine with BuildKit's `RUN --mount` for everybody and the API that the provider speaks. */
const minimumVersion = "20.10.0";

const defaultSocket = "unix:///var/run/docker.sock";

/** Seconds that an engine gets to answer a probe, and a started one to come up. */
const probeSeconds = 10;
const startSeconds = 60;

/** Where an engine that this set-up starts without an init system writes; Debian's own init script uses the same file. */
const daemonLog = "/var/log/docker.log";

/** The notes of its processes that the engine makes: its own, and its containerd's. */
const pidFiles = ["/var/run/docker.pid", "/var/run/docker/containerd/containerd.pid"];

/** Finds a Docker engine that answers; installs or starts one where that is possible and allowed. */
export async function ensureDocker(recordedHost: string | undefined, progress: Progress): Promise<DockerEngine> {
  const found = await findEngine(recordedHost);
  if (found.engine !== undefined) {
    return checkVersion(found.engine);
  }
  if (process.env.DOCKER_HOST) {
    throw new UserError(
      `DOCKER_HOST is set to "${process.env.DOCKER_HOST}", but no Docker engine answers there:\n  ${found.reason}\n` +
        "Start that engine, or unset DOCKER_HOST to use the one on this machine.",
    );
  }
  if (/permission denied/i.test(found.reason)) {
    throw new UserError(
      `A Docker engine runs here, but this user may not use it:\n  ${found.reason}\n` +
        "Allow it with `sudo usermod -aG docker $USER`, log in again, and run this command again.",
    );
  }
  const daemon = findProgram("dockerd");
  if (daemon === undefined || findProgram("docker") === undefined) {
    await install(found.reason, progress);
  } else if (!isRoot()) {
    throw new UserError(
      `Docker is installed, but its engine does not answer:\n  ${found.reason}\n` +
        `Start it with \`${hasSystemd() ? "sudo systemctl start docker" : "sudo dockerd"}\`, then run this command again.`,
    );
  }
  return checkVersion(await start(progress));
}

/** The engine that answers now, without changing anything. `reason` says why there is none. */
export async function findEngine(
  recordedHost: string | undefined,
): Promise<{ engine: DockerEngine; reason?: undefined } | { engine?: undefined; reason: string }> {
  if (findProgram("docker") === undefined) {
    return { reason: "there is no program `docker` on PATH" };
  }
  let reason = "";
  for (const host of await candidateHosts(recordedHost)) {
    try {
      const version = await run("docker", ["--host", host, "version", "--format", "{{.Server.Version}}"], { timeoutSeconds: probeSeconds });
      return { engine: { version: version.trim(), host: host === defaultSocket ? undefined : host } };
    } catch (error) {
      if (!(error instanceof CommandError)) {
        throw error;
      }
      // The first place is the one that the person meant; its reason is the one to tell.
      reason ||= error.lastLines.at(-1) ?? error.outcome;
    }
  }
  return { reason };
}

/** Where an engine may listen, the most explicit wish first. */
async function candidateHosts(recordedHost: string | undefined): Promise<string[]> {
  if (process.env.DOCKER_HOST) {
    return [process.env.DOCKER_HOST];
  }
  const context = await run("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).then(
    (text) => text.trim(),
    () => "",
  );
  const rootless = process.env.XDG_RUNTIME_DIR ? `unix://${process.env.XDG_RUNTIME_DIR}/docker.sock` : "";
  const hosts = [recordedHost ?? "", context, defaultSocket, rootless].filter((host) => host !== "");
  return [...new Set(hosts)];
}

function checkVersion(engine: DockerEngine): DockerEngine {
  if (!atLeast(engine.version, minimumVersion)) {
    throw new UserError(
      `The Docker engine at ${engine.host ?? defaultSocket} is version ${engine.version}; at least ${minimumVersion} is needed ` +
        "(images are built with BuildKit). Upgrade it, or point DOCKER_HOST to a newer one.",
    );
  }
  return engine;
}

async function install(reason: string, progress: Progress): Promise<void> {
  const os = readOsRelease();
  if (!hasApt(os)) {
    throw new UserError(
      `No Docker engine answers (${reason}), and this set-up can install one on Debian and Ubuntu only; this is ${os.prettyName}.\n` +
        "Install Docker Engine 20.10 or newer, start it, and run this command again.",
    );
  }
  if (!isRoot()) {
    throw new UserError(
      `No Docker engine answers (${reason}), and only root may install one.\n` +
        "Run `sudo apt-get install docker.io && sudo usermod -aG docker $USER`, log in again, and run this command again.",
    );
  }
  // Newer releases split the client and its builder off; on older ones docker.io carries both.
  await aptInstall(
    { required: ["docker.io", "iptables", "ca-certificates"], whereKnown: ["docker-cli", "docker-buildx"] },
    `No Docker engine answers (${reason})`,
    progress,
  );
}

async function start(progress: Progress): Promise<DockerEngine> {
  if (hasSystemd()) {
    progress.message("Starting the Docker engine: systemctl start docker");
    await run("systemctl", ["start", "docker"], { log: "docker-start" });
    return waitForEngine(() => undefined, "journalctl --unit docker");
  }
  progress.message(`Starting the Docker engine: dockerd (its log: ${daemonLog})`);
  pidFiles.forEach((file) => forgetCrashed(file));
  const log = fs.openSync(daemonLog, "a");
  const logStart = fs.fstatSync(log).size;
  // Its own session: the engine outlives this command and the terminal it was started from.
  const daemon = spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log], env: systemEnvironment() });
  fs.closeSync(log);
  daemon.unref();
  let end: string | undefined;
  daemon.once("error", (error) => (end = error.message));
  daemon.once("exit", (code, signal) => (end = `it ended with ${signal ?? `exit code ${code}`}`));
  return waitForEngine(() => {
    return end === undefined ? undefined : `${end}. Its last words:\n${lastLines(daemonLog, logStart)}`;
  }, daemonLog);
}

/**
 * Removes a note of a process that has crashed. Without an init system that collects its children at once, what has crashed stays a
 * zombie, and a new engine takes a zombie for one that runs: it refuses to start, or waits for its containerd in vain.
 */
export function forgetCrashed(pidFile: string): void {
  const read = (file: string) => (fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim() : "");
  const pid = read(pidFile);
  if (/^\d+$/.test(pid) && /^State:\tZ/m.test(read(`/proc/${pid}/status`))) {
    fs.rmSync(pidFile);
  }
}

/** Waits until an engine answers, `failure` knows why none will, or the time is up. */
async function waitForEngine(failure: () => string | undefined, log: string): Promise<DockerEngine> {
  const deadline = Date.now() + startSeconds * 1000;
  for (;;) {
    const found = await findEngine(undefined);
    if (found.engine !== undefined) {
      return found.engine;
    }
    const failed = failure();
    if (failed !== undefined || Date.now() > deadline) {
      throw new UserError(`The Docker engine did not start: ${failed ?? `${found.reason} after ${startSeconds} s. Look into ${log}.`}`);
    }
    await sleep(300);
  }
}

/** What was written to `file` after `offset`: its last 15 lines, without the small talk of a daemon that shuts down. */
function lastLines(file: string, offset: number): string {
  const lines = fs.readFileSync(file).subarray(offset).toString("utf8").trim().split("\n");
  const telling = lines.filter((line) => !/ level=(?:info|debug) /.test(line)).slice(-15);
  return telling.map((line) => `  ${line}`).join("\n");
}

/** Absolute path of a program on PATH. Daemons often are in directories that only root's PATH has. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? "").split(path.delimiter), "/usr/sbin", "/sbin"];
  return directories
    .filter((directory) => directory !== "")
    .map((directory) => path.join(directory, name))
    .find((file) => {
      try {
        fs.accessSync(file, fs.constants.X_OK);
        return fs.statSync(file).isFile();
      } catch {
        return false;
      }
    });
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Whether systemd is running as the init system, as sd_booted(3) tells it. */
function hasSystemd(): boolean {
  return fs.existsSync("/run/systemd/system");
}
