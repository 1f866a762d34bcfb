import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { run } from "./run";

/** The environment with which docker and everything that starts it reach the engine at `host`. */
export function dockerEnvironment(host: string | undefined, environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return host === undefined ? environment : { ...environment, DOCKER_HOST: host };
}

/** Whether the engine has an image by this reference. */
export async function hasImage(reference: string, host: string | undefined): Promise<boolean> {
  return promisify(execFile)("docker", ["image", "inspect", "--format", "{{.Id}}", reference], { env: dockerEnvironment(host) }).then(
    () => true,
    () => false,
  );
}

/** Bytes that an image and everything below it take, or undefined when the engine does not have it. */
export async function imageSize(reference: string, host: string | undefined): Promise<number | undefined> {
  return run("docker", ["image", "inspect", "--format", "{{.Size}}", reference], { environment: dockerEnvironment(host) }).then(
    (size) => Number(size),
    () => undefined,
  );
}
