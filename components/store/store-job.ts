import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { jobOptions, storeJobOptions, toLines, type Mount } from "../../lib/container-job";
import { deploymentLabels, type DeploymentIdentity } from "../../lib/deployment-identity";
import type { Host } from "../../lib/host";
import { PROXY_VARIABLES } from "../../lib/proxies";

/** A shell that fails on any error, on an undefined variable and on a failure inside a pipe; the default one does not. */
export const STRICT_SHELL = ["/bin/bash", "-euo", "pipefail", "-c"];

/** What all store jobs of an update have in common. */
export interface StoreJobContext {
  host: Host;
  /** The deployment that runs them. */
  deployment: DeploymentIdentity;
  /** Reference of the bootstrap image. */
  bootstrapImage: pulumi.Input<string>;
}

export interface StoreJobArgs extends StoreJobContext {
  /** Arguments of the store tool. The state shows them, so they must not hold secrets. */
  command: readonly string[];
  /** Program of the bootstrap image that gets the arguments. @default the store tool */
  entrypoint?: string;
  /**
   * What it reads from standard input: a text, or a file or directory (as a tar archive) of the deployer's machine.
   * @default nothing
   */
  input?: { text: string } | { file: string } | { directory: string };
  /** Whether it downloads something; only then does it have a network and use the proxies. @default false */
  network?: boolean;
  /** Further paths of the host, read-only. @default none */
  mounts?: readonly Mount[];
  /** Environment variables of the container. May hold secrets: its arguments hold only the names. @default none */
  variables?: Readonly<Record<string, pulumi.Input<string>>>;
  /** File in `components/scripts/` that runs the container, and may do more before and after. @default "store-job.sh" */
  script?: string;
  /** Environment variables of the script, not of the container. @default none */
  settings?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Whether what the job made is missing from the host: then it runs again, with the current inputs. @default false */
  missing?: boolean;
  /**
   * Shell command that undoes the job when its resource is deleted, with the same environment variables. Such a job runs
   * again with every change of its inputs, so that they never name an image that no longer exists.
   * @default nothing: what the job made stays, and no change of its inputs runs it again
   */
  undo?: string;
}

/**
 * Runs the store tool once, in a container that is removed afterwards. A job that fails fails the update, is not in the
 * state, and runs again in the next one. What it made stays when the resource is deleted.
 *
 * What a job made is named by its content, so a changed tool, index or token does not run the job again. It runs again
 * only under another name, when what it made is missing, or if it can be undone.
 */
export function storeJob(name: string, args: StoreJobArgs, opts: pulumi.CustomResourceOptions): command.local.Command {
  const { host, deployment, input, variables = {}, network = false, missing = false, undo, entrypoint } = args;
  const { project, stack, id } = deployment;
  const options = storeJobOptions(
    { source: host.root, create: true },
    {
      name: `${project}-${stack}-${id.slice(0, 8)}-${name}`,
      labels: deploymentLabels(deployment, "one-shot"),
      ...(entrypoint === undefined ? {} : { entrypoint }),
      network,
      mounts: args.mounts ?? [],
      // Docker passes on those proxies that are set. All names are listed, so that no deployer's inputs differ.
      inherited: [...Object.keys(variables), ...(network ? PROXY_VARIABLES : [])],
      caBundle: network ? host.caBundle : undefined,
    },
  );
  return new command.local.Command(
    name,
    {
      create: `components/scripts/${args.script ?? "store-job.sh"}`,
      interpreter: STRICT_SHELL,
      ...(undo === undefined ? {} : { delete: undo }),
      addPreviousOutputInEnv: false,
      environment: {
        ...variables,
        ...args.settings,
        DOCKER_HOST: host.dockerHost,
        JOB_NAME: options.name ?? "",
        JOB_OPTIONS: toLines(jobOptions(options)),
        JOB_IMAGE: args.bootstrapImage,
        JOB_COMMAND: toLines(args.command),
        JOB_TEXT: input && "text" in input ? input.text : "",
        JOB_FILE: input && "file" in input ? input.file : "",
        JOB_DIRECTORY: input && "directory" in input ? input.directory : "",
      },
      // Any other value of the trigger would do: a changed one runs the job again. The next update ignores it.
      ...(missing ? { triggers: [new Date().toISOString()] } : {}),
    },
    {
      ...opts,
      retainOnDelete: undo === undefined,
      ignoreChanges: missing
        ? []
        : [...(undo === undefined ? ["create", "environment", "interpreter"] : []), "triggers"],
    },
  );
}
