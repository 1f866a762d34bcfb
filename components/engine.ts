import { execFileSync } from "node:child_process";

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
