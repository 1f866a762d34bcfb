import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { UserError } from "../../lib/errors";
import { sleep } from "../lib/signals";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";
import { systemEnvironment } from "./apt";

export interface DockerEngine {
  version: string;
  /** Where it listens; undefined for Docker's default socket. */
  host: string | undefined;
}

/** An engine that answers, or why none does. */
export type Found = { engine: DockerEngine; reason?: undefined } | { engine?: undefined; reason: string };

type Find = () => Promise<Found>;

/** Seconds after which an engine that was started must answer. */
const startSeconds = 60;

/** Log of an engine that the set-up starts without an init system; Debian's own init script uses the same file. */
const daemonLog = "/var/log/docker.log";

/** The engine's PID files: its own, and that of its containerd. */
const pidFiles = ["/var/run/docker.pid", "/var/run/docker/containerd/containerd.pid"];

/** Starts the engine that is installed here, and waits until `find` finds it. */
export async function startEngine(progress: Progress, find: Find): Promise<DockerEngine> {
  if (hasSystemd()) {
    progress.message("Starting the Docker engine: systemctl start docker");
    await run("systemctl", ["start", "docker"], { log: "docker-start" });
    return waitForEngine(find, () => undefined, "journalctl --unit docker");
  }
  progress.message(`Starting the Docker engine: dockerd (its log: ${daemonLog})`);
  pidFiles.forEach(removeCrashedPidFile);
  const log = fs.openSync(daemonLog, "a");
  const logStart = fs.fstatSync(log).size;
  // In a session of its own, the engine outlives this command and its terminal.
  const daemon = spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log], env: systemEnvironment() });
  fs.closeSync(log);
  daemon.unref();
  let end: string | undefined;
  daemon.once("error", (error) => (end = error.message));
  daemon.once("exit", (code, signal) => (end = `it ended with ${signal ?? `exit code ${code}`}`));
  return waitForEngine(
    find,
    () => (end === undefined ? undefined : `${end}. Its last lines:\n${lastLines(daemonLog, logStart)}`),
    daemonLog,
  );
}

/**
 * Removes the PID file of a process that has crashed. Without an init system that reaps children, a crashed process
 * stays a zombie. A new engine takes a zombie for a running process: it refuses to start, or waits for a containerd that
 * never answers.
 */
export function removeCrashedPidFile(pidFile: string): void {
  const read = (file: string) => (fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim() : "");
  const pid = read(pidFile);
  if (/^\d+$/.test(pid) && /^State:\tZ/m.test(read(`/proc/${pid}/status`))) {
    fs.rmSync(pidFile);
  }
}

/**
 * Waits until an engine answers.
 * @param failure why none will answer any more; undefined while one may
 * @throws UserError when none will, or when the time has run out
 */
async function waitForEngine(find: Find, failure: () => string | undefined, log: string): Promise<DockerEngine> {
  const deadline = Date.now() + startSeconds * 1000;
  for (;;) {
    const found = await find();
    if (found.engine !== undefined) {
      return found.engine;
    }
    const failed = failure();
    if (failed !== undefined || Date.now() > deadline) {
      throw new UserError(
        `The Docker engine did not start: ${failed ?? `${found.reason} after ${startSeconds} s. Read ${log}.`}`,
      );
    }
    await sleep(300);
  }
}

/**
 * What was written to `file` after `offset`: its last 15 lines, without the informational messages of a daemon that
 * shuts down.
 */
function lastLines(file: string, offset: number): string {
  const lines = fs.readFileSync(file).subarray(offset).toString("utf8").trim().split("\n");
  const relevant = lines.filter((line) => !/ level=(?:info|debug) /.test(line)).slice(-15);
  return relevant.map((line) => `  ${line}`).join("\n");
}

/** Whether systemd is running as the init system, checked as sd_booted(3) does. */
export function hasSystemd(): boolean {
  return fs.existsSync("/run/systemd/system");
}
