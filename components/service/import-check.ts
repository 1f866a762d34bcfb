import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { MOUNTS, type Application, type ContainerProgram } from "../../applications/application";
import { archon } from "../../lib/command-line";
import { jobOptions, toLines } from "../../lib/container-job";
import { deploymentLabels, type DeploymentIdentity } from "../../lib/deployment-identity";
import { digest } from "../../lib/hashing";
import type { Host } from "../../lib/host";
import type { Release } from "../../release/release";
import type { Environment } from "../store/environment";
import { STRICT_SHELL } from "../store/store-job";

export interface ImportCheckArgs {
  application: Application;
  program: ContainerProgram;
  host: Host;
  deployment: DeploymentIdentity;
  /** Another image or environment is another check. */
  release: Release;
  /** Reference of the server image. */
  image: pulumi.Input<string>;
  environment: Environment;
  /** Modules that the environment must give to the server. */
  imports: readonly string[];
  /** Seconds that it may take. */
  timeout: number;
}

/**
 * Imports the server once, in a container of its image with the environment mounted and without a network, before an
 * update touches any server. So a package that neither of them has fails the update at once, and by its name. It runs once
 * for each pair of an image and an environment.
 */
export class ImportCheck extends pulumi.ComponentResource {
  constructor(name: string, args: ImportCheckArgs, opts: pulumi.ComponentResourceOptions) {
    super("archon:index:ImportCheck", name, {}, opts);
    const { application, deployment, host, image, imports, program, release } = args;
    const programArguments = [...program.arguments, ...imports.map((module) => `--environment=${module}`)];
    const content = digest(release.images.server, release.environment, ...programArguments).slice(0, 8);
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
              mounts: [{ source: args.environment.path, target: MOUNTS.environment }],
              variables: application.variables.of(release, ""),
              entrypoint: "python3",
            }),
          ),
          CHECK_IMAGE: image,
          CHECK_PROGRAM: program.program,
          CHECK_ARGUMENTS: toLines(programArguments),
          CHECK_TIMEOUT: String(args.timeout),
          CHECK_REMEDY: remedy(application, stack),
        },
      },
      { parent: this, retainOnDelete: true, ignoreChanges: ["create", "environment", "interpreter"] },
    );
    this.registerOutputs({});
  }
}

function remedy({ image }: Application, stack: string): string {
  return "reference" in image
    ? "Name an image and a lock file (archon:requirements) that were made together, and run the update again."
    : `If a package is missing, name it in packages of archon:application, or in the requirements of the source; then run \`${archon(`lock --stack ${stack}`)}\` and the update again.`;
}
