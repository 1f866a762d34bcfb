import { CommandError, run } from "./run";

/** The environment with which docker and everything that starts it reach the engine at `host`. */
export function dockerEnvironment(host: string | undefined, environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return host === undefined ? environment : { ...environment, DOCKER_HOST: host };
}

/** Whether the engine at `host` has an image by this reference. */
export async function hasImage(reference: string, host: string | undefined): Promise<boolean> {
  return (await imageSize(reference, host)) !== undefined;
}

/** Bytes that an image and everything below it take, or undefined when the engine at `host` does not have it. */
export async function imageSize(reference: string, host: string | undefined): Promise<number | undefined> {
  try {
    return Number(await run("docker", ["image", "inspect", "--format", "{{.Size}}", reference], { environment: dockerEnvironment(host) }));
  } catch (error) {
    if (error instanceof CommandError) {
      return undefined;
    }
    throw error;
  }
}
