import * as fs from "node:fs";
import * as path from "node:path";
import { DEFAULT_DOCKER_HOST } from "../../config/machine";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import { CommandError, run } from "../lib/run";
import { atLeast } from "../lib/version";
import { aptInstall, hasApt, readOsRelease } from "./apt";
import { hasSystemd, startEngine, type DockerEngine, type Found } from "./dockerd";

/** The first engine with `RUN --mount` in its builder and with the API version that the provider needs. */
export const minimumVersion = "20.10.0";

/** Seconds that an engine gets to answer a probe. */
const probeSeconds = 10;

/**
 * Finds a Docker engine that answers. If there is none, starts the installed one, or installs one, as root.
 * @param recordedHost where an earlier set-up found one
 * @throws UserError that says what a person has to do
 */
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
  if (findProgram("dockerd") === undefined || findProgram("docker") === undefined) {
    await install(found.reason, progress);
  } else if (!isRoot()) {
    throw new UserError(
      `Docker is installed, but its engine does not answer:\n  ${found.reason}\n` +
        `Start it with \`${hasSystemd() ? "sudo systemctl start docker" : "sudo dockerd"}\`, then run this command again.`,
    );
  }
  return checkVersion(await startEngine(progress, () => findEngine(undefined)));
}

/**
 * The engine at the address that a stack's configuration names.
 * @throws UserError when it does not answer, or is too old
 */
export async function requireEngine(stack: string, address: string): Promise<DockerEngine> {
  const found = await findEngine(undefined, address);
  if (found.engine === undefined) {
    throw new UserError(
      `archon:dockerHost of the stack ${stack} is "${address}", but no Docker engine answers there:\n  ${found.reason}\n` +
        `Start that engine, or correct the address with \`${archon(`pulumi config set archon:dockerHost ADDRESS --stack ${stack}`)}\`.`,
    );
  }
  return checkVersion(found.engine);
}

/**
 * The engine that answers now. Changes nothing.
 * @param recordedHost where an earlier set-up found one
 * @param named the only address to ask. @default those that this machine knows
 */
export async function findEngine(recordedHost: string | undefined, named?: string): Promise<Found> {
  if (findProgram("docker") === undefined) {
    return { reason: "there is no program `docker` on PATH" };
  }
  let reason = "";
  for (const host of named === undefined ? await candidateHosts(recordedHost) : [named]) {
    try {
      const version = await run("docker", ["--host", host, "version", "--format", "{{.Server.Version}}"], {
        timeoutSeconds: probeSeconds,
      });
      return { engine: { version: version.trim(), host: host === DEFAULT_DOCKER_HOST ? undefined : host } };
    } catch (error) {
      if (!(error instanceof CommandError)) {
        throw error;
      }
      // The first address is the most explicit one, so its reason is reported.
      reason ||= error.lastLines.at(-1) ?? error.outcome;
    }
  }
  return { reason };
}

/** Addresses where an engine may listen, the most explicit one first. */
async function candidateHosts(recordedHost: string | undefined): Promise<string[]> {
  if (process.env.DOCKER_HOST) {
    return [process.env.DOCKER_HOST];
  }
  const context = await run("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).then(
    (text) => text.trim(),
    () => "",
  );
  const rootless = process.env.XDG_RUNTIME_DIR ? `unix://${process.env.XDG_RUNTIME_DIR}/docker.sock` : "";
  const hosts = [recordedHost ?? "", context, DEFAULT_DOCKER_HOST, rootless].filter((host) => host !== "");
  return [...new Set(hosts)];
}

function checkVersion(engine: DockerEngine): DockerEngine {
  if (!atLeast(engine.version, minimumVersion)) {
    throw new UserError(
      `The Docker engine at ${engine.host ?? DEFAULT_DOCKER_HOST} is version ${engine.version}; ` +
        `at least ${minimumVersion} is needed (images are built with BuildKit). Upgrade it, or point DOCKER_HOST to a newer one.`,
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
  // Newer releases have the client and its builder in packages of their own; older ones have both in docker.io.
  await aptInstall(
    { required: ["docker.io", "iptables", "ca-certificates"], whereKnown: ["docker-cli", "docker-buildx"] },
    `No Docker engine answers (${reason})`,
    progress,
  );
}

/** Absolute path of a program on PATH, or in the directories for daemons that only root's PATH contains. */
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
