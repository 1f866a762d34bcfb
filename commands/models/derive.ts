import { MOUNTS } from "../../applications/application";
import { containerJob } from "../../lib/container-job";
import { archon } from "../../lib/command-line";
import { project } from "../../config/stack";
import type { Ledger } from "../../release/ledger";
import { UserError } from "../../lib/errors";
import { readLedger } from "../releases/ledger";
import { stackApplication } from "../lib/application";
import { engineEnvironment } from "../lib/docker";
import type { Progress } from "../lib/progress";
import { run } from "../lib/run";

/** The only variant that is a snapshot of its own. The others are ways to load a snapshot. */
const variant = "int8";

/**
 * Makes the variant once without keeping it, to learn its revision: the same snapshot always gives the same revision.
 * @returns lines to print
 * @throws UserError when the stack runs nothing, or its running release does not have the model
 */
export async function deriveModel(stack: string, name: string, progress: Progress): Promise<string[]> {
  const job = deriveJob(await readLedger(stack), stack, name);
  const revision = (
    await run("docker", job, {
      environment: engineEnvironment(stack),
      log: "models-derive",
      onLine: (line) => progress.update(0, 0, line),
    })
  ).trim();
  return [
    `${name} as ${variant} has the revision ${revision}.`,
    "",
    `Below archon:models in Pulumi.${stack}.yaml:`,
    `    - { name: ${name}-${variant}, from: ${name}, variant: ${variant}, revision: ${revision} }`,
    "The next update makes it and compares it with that revision before it becomes visible.",
  ];
}

/** The arguments of `docker`: the running release's image, with its environment and the store's models. */
export function deriveJob({ running, releases, root }: Ledger, stack: string, name: string): string[] {
  const release = releases.find(({ id }) => id === running);
  const model = release?.models.find((each) => each.name === name);
  if (release === undefined || root === undefined) {
    throw new UserError(
      `The stack "${stack}" runs nothing yet. Deploy it first: ${archon(`pulumi up --stack ${stack}`)}`,
    );
  }
  if (model === undefined) {
    throw new UserError(
      `The running release has no model "${name}"; it has ${release.models.map((each) => each.name).join(", ") || "none"}.`,
    );
  }
  const { commands } = stackApplication(stack);
  if (commands === undefined) {
    throw new UserError(`The application of the stack "${stack}" derives no models; only the reference server does.`);
  }
  return containerJob({
    image: release.images.server,
    command: commands.deriveRevision({ repo: model.repo, revision: model.revision, variant }),
    labels: { project, component: "derive" },
    mounts: [
      { source: `${root}/envs/${release.environment}`, target: MOUNTS.environment },
      { source: `${root}/models/huggingface`, target: MOUNTS.models },
    ],
  });
}
