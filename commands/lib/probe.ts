import * as fs from "node:fs";
import * as path from "node:path";
import type { z } from "zod";
import { project } from "../../config/stack";
import { containerJob, type JobOptions } from "../../lib/container-job";
import { dockerEnvironment } from "./docker";
import { run } from "./run";

/** Seconds that a probe may take, its container's start included. */
const timeoutSeconds = 120;

export interface Probe<T> {
  /** Path of a Python program, relative to `commands/`. It prints one JSON document. */
  program: string;
  args?: readonly string[];
  /**
   * Environment variables for it, with values that no argument may show: every user of the machine can read arguments,
   * and an error repeats them. @default none
   */
  secrets?: Readonly<Record<string, string>>;
  /** What its container may see and do. */
  options: Pick<JobOptions, "capabilities" | "mounts" | "network" | "inherited" | "caBundle" | "user">;
  schema: z.ZodType<T>;
}

/**
 * Runs a program on a stack's engine, in a container that is removed afterwards.
 * @param image with Python, such as the bootstrap image
 * @throws CommandError when it fails
 */
export async function runProbe<T>(
  place: { image: string; dockerHost: string },
  { program, args = [], secrets = {}, options, schema }: Probe<T>,
): Promise<T> {
  const job = containerJob({
    ...options,
    inherited: [...(options.inherited ?? []), ...Object.keys(secrets)],
    labels: { project, component: "one-shot" },
    interactive: true,
    entrypoint: "python3",
    image: place.image,
    command: ["-", ...args],
  });
  return runProgram({ ...dockerEnvironment(place.dockerHost), ...secrets }, job, program, schema);
}

/** Runs a program in a running container. @throws CommandError when it fails */
export async function runInside<T>(
  place: { container: string; dockerHost: string },
  { program, args = [], schema }: Omit<Probe<T>, "options" | "secrets">,
): Promise<T> {
  const job = ["exec", "--interactive", place.container, "python3", "-", ...args];
  return runProgram(dockerEnvironment(place.dockerHost), job, program, schema);
}

async function runProgram<T>(
  environment: NodeJS.ProcessEnv,
  args: readonly string[],
  program: string,
  schema: z.ZodType<T>,
): Promise<T> {
  const input = fs.readFileSync(path.join(__dirname, "..", program), "utf8");
  return schema.parse(JSON.parse(await run("docker", args, { environment, input, timeoutSeconds })));
}
