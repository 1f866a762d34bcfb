import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { CA_BUNDLE } from "../containers";
import type { Host } from "../../lib/host";

/** Fails the step on any error, an undefined variable and a broken pipe; the provider's default shell does none of it. */
export const STRICT_SHELL = ["/bin/bash", "-euo", "pipefail", "-c"];

/** A job fetches through the proxy of whoever deploys. By name alone: an address may carry a password. Unset ones are not passed. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

export interface OneShotArgs {
  host: Host;
  /** Reference of the bootstrap image. */
  image: pulumi.Input<string>;
  /** Arguments of the store tool. They stand in the state: no secrets. */
  command: readonly string[];
  /** For its standard input: a text, or a file or directory (as a tar archive) of the deployer's machine. @default nothing */
  input?: { text: string } | { file: string } | { directory: string };
  /** Further options of `docker run`, such as mounts. @default none */
  flags?: readonly string[];
  /** Environment of the container. May hold secrets: only the names stand in the command. @default none */
  environment?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Runs the container, and may do something before and after. @default "one-shot.sh" */
  script?: string;
  /** Environment of the script, not of the container. @default none */
  settings?: Readonly<Record<string, pulumi.Input<string>>>;
  /** What the job made is no longer on the host, so it is done again, with the inputs of now. @default false */
  missing?: boolean;
}

/**
 * Runs the store tool once, in a container that is gone afterwards. A job that fails fails the update, is not in the state, and is
 * tried again by the next one. What it made stays when the resource goes.
 *
 * A key stands for its content for ever, so that a changed tool, index or token does not populate an environment afresh: a job is
 * done again under another name, or when what it made is gone.
 */
export function oneShot(name: string, args: OneShotArgs, opts: pulumi.CustomResourceOptions): command.local.Command {
  const { host, input, missing = false } = args;
  const environment = args.environment ?? {};
  const flags = [
    ...[...Object.keys(environment), ...PROXIES].map((variable) => `--env=${variable}`),
    // A bind mount fails where the source is missing; `--volume` would make an empty directory of that name on the host.
    ...(host.caBundle === undefined
      ? []
      : [`--mount=type=bind,source=${host.caBundle},target=${CA_BUNDLE},readonly`, `--env=SSL_CERT_FILE=${CA_BUNDLE}`]),
    `--label=io.archon.project=${pulumi.getProject()}`,
    `--label=io.archon.stack=${pulumi.getStack()}`,
    "--label=io.archon.component=one-shot",
    ...(args.flags ?? []),
  ];
  return new command.local.Command(
    name,
    {
      create: `components/scripts/${args.script ?? "one-shot.sh"}`,
      interpreter: STRICT_SHELL,
      addPreviousOutputInEnv: false,
      environment: {
        ...environment,
        ...args.settings,
        DOCKER_HOST: host.dockerHost,
        ONE_SHOT_NAME: `${pulumi.getProject()}-${pulumi.getStack()}-${name}`,
        ONE_SHOT_IMAGE: args.image,
        ONE_SHOT_ROOT: host.root,
        ONE_SHOT_ARGS: args.command.join("\n"),
        ONE_SHOT_FLAGS: flags.join("\n"),
        ONE_SHOT_TEXT: input && "text" in input ? input.text : "",
        ONE_SHOT_FILE: input && "file" in input ? input.file : "",
        ONE_SHOT_DIRECTORY: input && "directory" in input ? input.directory : "",
      },
      // The moment itself is of no account: only that it is another one replaces the job. Once done, the next update leaves it alone.
      ...(missing ? { triggers: [new Date().toISOString()] } : {}),
    },
    {
      ...opts,
      retainOnDelete: true,
      ignoreChanges: missing ? [] : ["create", "environment", "interpreter", "triggers"],
    },
  );
}
