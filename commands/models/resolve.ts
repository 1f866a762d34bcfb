import { containerJob } from "../../lib/container-job";
import { readMachine } from "../../config/machine";
import { project } from "../../config/stack";
import { configuredValue, readKey } from "../../config/stack";
import { dockerEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { pulumi } from "../lib/pulumi";
import { run } from "../lib/run";
import { parseResolved, type Resolved } from "./pin";

/**
 * Asks the hub that a stack is configured for, in a container of the store tool, with the stack's token if it has one.
 */
export async function resolveBranch(
  stack: string,
  repo: string,
  branch: string,
  image: string,
  progress: Progress,
): Promise<Resolved> {
  const { dockerHost, caBundle } = readMachine();
  const token = process.env.HF_TOKEN ?? (await configuredToken(stack));
  const stdout = await run(
    "docker",
    resolveArguments({
      repo,
      branch,
      endpoint: configuredValue("hubEndpoint", stack),
      image,
      caBundle,
      withToken: token !== undefined,
    }),
    {
      environment: { ...dockerEnvironment(dockerHost), ...(token === undefined ? {} : { HF_TOKEN: token }) },
      log: "models-pin",
      onLine: (line) => {
        if (!line.startsWith("{")) {
          progress.message(line.replace(/^mlenv: error: /, ""));
        }
      },
    },
  );
  return parseResolved(stdout);
}

export interface ResolveJob {
  repo: string;
  branch: string;
  endpoint: string;
  image: string;
  caBundle: string | undefined;
  withToken: boolean;
}

/** The arguments of `docker`. The token goes by its name alone: arguments are in logs and process lists. */
export function resolveArguments({ repo, branch, endpoint, image, caBundle, withToken }: ResolveJob): string[] {
  return containerJob({
    image,
    command: ["resolve", `--repo=${repo}`, `--revision=${branch}`, `--endpoint=${endpoint}`],
    // Stable: the label's value is older than the word store job.
    labels: { project, component: "one-shot" },
    network: true,
    inherited: withToken ? ["HF_TOKEN"] : [],
    caBundle,
  });
}

/** `archon:hubToken` of a stack, decrypted; undefined for a stack without one. */
async function configuredToken(stack: string): Promise<string | undefined> {
  return readKey("hubToken", stack) === undefined
    ? undefined
    : (await pulumi(stack, ["config", "get", "archon:hubToken"])).trim();
}
