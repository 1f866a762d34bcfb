import { containerJob } from "../../lib/container-job";
import { containerProxies } from "../../lib/proxies";
import { configuredValue, project, stackHost } from "../../config/stack";
import { dockerEnvironment } from "../lib/docker";
import { configuredToken } from "../lib/hub-token";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";
import { storeToolMessage } from "../store/store-tool";
import { parseResolved, type Resolved } from "./pin";

/**
 * Asks a stack's hub which commit a branch, tag or commit stands for, and which files it has. Runs the store tool in a
 * container, with HF_TOKEN or the stack's token if there is one.
 */
export async function resolveBranch(
  stack: string,
  repo: string,
  branch: string,
  image: string,
  progress: Progress,
): Promise<Resolved> {
  const { dockerHost, caBundle } = stackHost(stack);
  const token = await configuredToken(stack);
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
          progress.message(storeToolMessage(line));
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

/** The arguments of `docker`. They hold only the name of the token's variable: logs and process lists show arguments. */
export function resolveArguments({ repo, branch, endpoint, image, caBundle, withToken }: ResolveJob): string[] {
  return containerJob({
    image,
    command: ["resolve", `--repo=${repo}`, `--revision=${branch}`, `--endpoint=${endpoint}`],
    // The value of the label is stable.
    labels: { project, component: "one-shot" },
    network: true,
    inherited: [...(withToken ? ["HF_TOKEN"] : []), ...Object.keys(containerProxies())],
    caBundle,
  });
}
