import * as fs from "node:fs";
import * as path from "node:path";
import type { Problem } from "../../config/problems";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import type { Application } from "../application";
import { requirementLines } from "./requirements";

/** A list of requirements that follows from the sources, and its lock file. */
interface LockedList {
  /** Relative to the checkout, without the extension. */
  path: string;
  text: () => string;
  /** Whether the configuration itself checks the lock file. */
  lockFileChecked?: boolean;
}

/**
 * What is wrong with the lists and the lock files of the images of an application whose lists follow from its sources: they
 * do not exist yet, or the sources have changed since. The configuration itself checks the environment's lock file.
 */
export function lockProblems(application: Application, project: string, stack: string): Problem[] {
  const { image, environment, lists } = application.requirements;
  const roles = Object.values(application.roles ?? {}).flatMap(({ requirements }) => requirements ?? []);
  const groups: LockedList[][] = [
    lists === undefined
      ? []
      : [
          { path: image, text: () => lists().image },
          { path: environment, text: () => lists().environment, lockFileChecked: true },
        ],
    ...roles.map(({ list, text }) => [{ path: list, text }]),
  ];
  return groups.flatMap((group) => {
    const reason = lockProblem(group, project, archon(`lock --stack ${stack}`));
    return reason === undefined ? [] : [{ path: ["application", "source"], reason }];
  });
}

/** What is wrong with lists that are locked together. */
function lockProblem(lists: readonly LockedList[], project: string, command: string): string | undefined {
  const files = lists.flatMap(({ path: list, lockFileChecked }) => [
    `${list}.in`,
    ...(lockFileChecked === true ? [] : [`${list}.txt`]),
  ]);
  const missing = files.find((file) => !fs.existsSync(path.join(project, file)));
  if (missing !== undefined) {
    return `its packages are not locked yet; \`${command}\` writes ${path.dirname(missing)}`;
  }
  try {
    const changes = lists.flatMap((list) => changed(path.join(project, `${list.path}.in`), list.text()));
    return changes.length === 0
      ? undefined
      : `what it requires has changed since it was locked (${changes.join(", ")}); \`${command}\` locks it again`;
  } catch (error) {
    if (error instanceof UserError) {
      return error.message;
    }
    throw error;
  }
}

/** Requirements that were added to or removed from a list. */
function changed(file: string, text: string): string[] {
  const before = requirementLines(fs.readFileSync(file, "utf8"), file);
  const after = requirementLines(text, file);
  return [
    ...after.filter((line) => !before.includes(line)).map((line) => `new: ${line}`),
    ...before.filter((line) => !after.includes(line)).map((line) => `gone: ${line}`),
  ];
}
