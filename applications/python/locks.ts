import * as fs from "node:fs";
import * as path from "node:path";
import type { Problem } from "../../config/problems";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import type { Application } from "../application";
import { requirementLines } from "./requirements";

/**
 * What is wrong with the lists and the lock file of the image of an application whose lists follow from its sources: they
 * do not exist yet, or the sources have changed since. The configuration itself checks the environment's lock file.
 */
export function lockProblems(application: Application, project: string, stack: string): Problem[] {
  const problem = (reason: string): Problem[] => [{ path: ["application", "source"], reason }];
  const { image, environment } = application.requirements;
  const command = archon(`lock --stack ${stack}`);
  const files = [`${image}.in`, `${image}.txt`, `${environment}.in`].map((file) => path.join(project, file));
  if (!files.every((file) => fs.existsSync(file))) {
    return problem(`its packages are not locked yet; \`${command}\` writes ${path.dirname(image)}`);
  }
  try {
    const lists = application.requirements.lists?.();
    const changes = lists && [
      ...changed(path.join(project, `${image}.in`), lists.image),
      ...changed(path.join(project, `${environment}.in`), lists.environment),
    ];
    return changes === undefined || changes.length === 0
      ? []
      : problem(
          `what it requires has changed since it was locked (${changes.join(", ")}); \`${command}\` locks it again`,
        );
  } catch (error) {
    if (error instanceof UserError) {
      return problem(error.message);
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
