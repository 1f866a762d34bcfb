import type * as pulumi from "@pulumi/pulumi";
import { execFileSync } from "node:child_process";
import { runError } from "../config/run-error";
import { archon } from "../lib/command-line";

/** Seconds that an engine may take to answer a question about itself or what it has. */
export const ANSWER_SECONDS = 10;

/**
 * Runs the Docker client and returns what it prints. The program plans before it makes resources, so it waits.
 * @param dockerHost address of the engine; undefined for the one that the client takes by itself
 * @param seconds that it may take
 * @throws an error with `code` ("ENOENT", "ETIMEDOUT") or `stderr`
 */
export function askEngine(dockerHost: string | undefined, args: readonly string[], seconds: number): string {
  return execFileSync("docker", args, {
    encoding: "utf8",
    env: dockerHost === undefined ? process.env : { ...process.env, DOCKER_HOST: dockerHost },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: seconds * 1000,
  });
}

/**
 * Like {@link askEngine}, for what an update cannot go on without.
 * @throws pulumi.RunError that names the engine, the reason, and what to do
 */
export function requireOfEngine(dockerHost: string, args: readonly string[], seconds: number): string {
  try {
    return askEngine(dockerHost, args, seconds);
  } catch (error) {
    throw engineError(dockerHost, reasonOf(error, seconds));
  }
}

/** Without this check an update fails halfway, with a provider's message that names neither address nor reason. */
export function engineError(dockerHost: string, problem: string): pulumi.RunError {
  return runError(
    `The Docker engine at ${dockerHost} does not answer: ${problem}\n` +
      "Nothing was changed. Start the engine, or set archon:dockerHost or DOCKER_HOST to the address of the one that " +
      `this stack runs on; \`${archon("setup")}\` finds or starts an engine on this machine. If it is only busy, run the ` +
      "command again. To preview on a machine without it, set ARCHON_ENGINE_ELSEWHERE=1.",
  );
}

/** The reason that {@link askEngine} failed for. @param seconds that it had */
export function reasonOf(error: unknown, seconds: number): string {
  const { code, message, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
  if (code === "ENOENT") {
    return "there is no program `docker` on PATH";
  }
  if (code === "ETIMEDOUT") {
    return `no answer within ${seconds} s`;
  }
  return stderr?.trim() || message;
}
