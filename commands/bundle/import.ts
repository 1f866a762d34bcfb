import * as fs from "node:fs";
import type { Readable } from "node:stream";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { storeToolArguments, storeToolMessage } from "../store/store-tool";
import { engineEnvironment } from "../lib/docker";
import type { Steps } from "../lib/progress";
import { runStreaming } from "../lib/stream";
import { checkMember, openBundle, readMember, type BundleIndex } from "./index-file";

/**
 * Imports a bundle: images into the stack's engine, environments and models into the store at `root` on its host.
 * Everything is compared with its hash before anything can use it. What already exists stays. An import that was killed
 * can be run again.
 *
 * @throws UserError for a file that is not a bundle, or is damaged
 */
export async function importBundle(file: string, stack: string, root: string, steps: Steps): Promise<BundleIndex> {
  const descriptor = open(file);
  try {
    const { index, images, store } = openBundle(descriptor, file);
    const environment = engineEnvironment(stack);
    const { tool } = index;
    await steps.run("Hashes of the images", () => checkMember(file, images, index));
    const runStep = (title: string, args: readonly string[], from?: Readable): Promise<void> =>
      steps.run(title, (progress) =>
        runStreaming("docker", args, {
          environment,
          ...(from === undefined ? {} : { from }),
          onLine: (line) => {
            progress.message(storeToolMessage(line));
          },
        }),
      );
    await runStep("Images", ["load"], readMember(file, images));
    await runStep("Store", storeToolArguments({ root, create: true, command: ["init"] }, tool, undefined));
    await runStep(
      "Environments and models",
      storeToolArguments({ root, command: ["import", "--expect", index.store] }, tool, undefined),
      readMember(file, store),
    );
    return index;
  } finally {
    fs.closeSync(descriptor);
  }
}

/**
 * What to do with an imported bundle: the same checkout and the same base image make the same keys, so an update finds
 * everything.
 */
export function describeImported({ releases, baseImage }: BundleIndex, root: string, stack: string): string[] {
  return [
    `In the store ${root} and in the engine are now:`,
    ...releases.map(
      ({ id, commit, message, environment, models }) =>
        `  release ${id}${commit === undefined ? "" : ` of commit ${commit.slice(0, 12)}`}${message === undefined ? "" : ` (${message})`}: environment ${environment}, ${models.map(({ name }) => name).join(", ") || "no model"}`,
    ),
    "",
    "To run the first of them:",
    ...(releases[0]?.commit === undefined ? [] : [`  git checkout ${releases[0].commit.replace(/-dirty$/, "")}`]),
    `  ${archon(`pulumi config set archon:root ${root} --stack ${stack}`)}`,
    `  ${archon(`pulumi config set archon:baseImage ${baseImage} --stack ${stack}`)}`,
    `  ${archon(`pulumi up --stack ${stack}`)}`,
    "Keep the stack's other configuration as it was on the host that exported the bundle. Then nothing is built or downloaded.",
  ];
}

function open(file: string): number {
  try {
    return fs.openSync(file, "r");
  } catch (error) {
    throw new UserError(`The bundle cannot be read: ${(error as Error).message}`);
  }
}
