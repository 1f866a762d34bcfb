import { execFileSync } from "node:child_process";

/**
 * Runs the Docker client and returns what it prints. The program plans before it makes resources, so it waits.
 * @param seconds that it may take
 * @throws an error with `code` ("ENOENT", "ETIMEDOUT") or `stderr`
 */
export function askEngine(dockerHost: string, args: readonly string[], seconds: number): string {
  return execFileSync("docker", args, {
    encoding: "utf8",
    env: { ...process.env, DOCKER_HOST: dockerHost },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: seconds * 1000,
  });
}
