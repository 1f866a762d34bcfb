import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { MOUNTS, type ContainerProgram, type Role } from "../../applications/application";
import type { ServiceRole } from "../../config/schema";
import { archon } from "../../lib/command-line";
import { jobOptions, toLines } from "../../lib/container-job";
import { deploymentLabels, type DeploymentIdentity } from "../../lib/deployment-identity";
import { digest } from "../../lib/hashing";
import type { Host } from "../../lib/host";
import type { Release } from "../../release/release";
import type { Environment } from "../store/environment";
import { STRICT_SHELL } from "../store/store-job";

export interface ImportCheckArgs {
  application: Role;
  role: ServiceRole;
  program: ContainerProgram;
  host: Host;
  deployment: DeploymentIdentity;
  release: Release;
  /** Reference of the image. Another one is another check. */
  reference: string;
  /** The same, once the engine has it. */
  image: pulumi.Input<string>;
  /** What a server has of the store: another one is another check. Undefined for what needs nothing of it. */
  store: { environment: Environment; imports: readonly string[] } | undefined;
  /** Seconds that it may take. */
  timeout: number;
}

/**
 * Imports what a role starts once, in a container of its image without a network, before an update touches any server. That
 * of the server has the environment mounted. So a missing package fails the update at once, and by its name. It runs once
 * for each image, and for each pair of an image and an environment.
 */
export class ImportCheck extends pulumi.ComponentResource {
  constructor(name: string, args: ImportCheckArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:ImportCheck", name, {}, opts);
    const { application, role, deployment, host, image, reference, store, program, release } = args;
    const programArguments = [
      ...program.arguments,
      ...(store?.imports ?? []).map((module) => `--environment=${module}`),
    ];
    const parts = store === undefined ? [reference] : [reference, release.environment];
    const content = digest(...parts, ...programArguments).slice(0, 8);
    const { project, stack, id } = deployment;
    const container = `${project}-${stack}-${id.slice(0, 8)}-${name}`;
    new command.local.Command(
      `${name}-${content}`,
      {
        create: "components/scripts/import-check.sh",
        interpreter: STRICT_SHELL,
        addPreviousOutputInEnv: false,
        environment: {
          DOCKER_HOST: host.dockerHost,
          CHECK_NAME: container,
          CHECK_OPTIONS: toLines(
            jobOptions({
              name: container,
              labels: deploymentLabels(deployment, "one-shot"),
              interactive: true,
              user: application.user,
              tmpfs: application.tmpfs,
              mounts: store === undefined ? [] : [{ source: store.environment.path, target: MOUNTS.environment }],
              variables: application.variables.of(release, ""),
              entrypoint: "python3",
            }),
          ),
          CHECK_IMAGE: image,
          CHECK_PROGRAM: program.program,
          CHECK_ARGUMENTS: toLines(programArguments),
          CHECK_TIMEOUT: String(args.timeout),
          ...(role === "server" ? {} : { CHECK_ROLE: role }),
          CHECK_REMEDY: remedy(application, role, stack),
        },
      },
      { parent: this, retainOnDelete: true, ignoreChanges: ["create", "environment", "interpreter"] },
    );
    this.registerOutputs({});
  }
}

function remedy({ image }: Role, role: ServiceRole, stack: string): string {
  if ("reference" in image) {
    return "Name an image and a lock file (archon:requirements) that were made together, and run the update again.";
  }
  const place =
    role === "server"
      ? "packages of archon:application, or in the requirements of the source"
      : `the requirements of the role ${role} in the source`;
  return `If a package is missing, name it in ${place}; then run \`${archon(`lock --stack ${stack}`)}\` and the update again.`;
}
