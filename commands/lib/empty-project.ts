import * as fs from "node:fs";
import * as path from "node:path";
import { project } from "../../config/stack";
import { archonPath } from "../../lib/paths";

/**
 * Gives `work` a directory with a project of the same name and nothing else, for calls of Pulumi that would change the
 * stack files of the checkout.
 */
export async function inEmptyProject<T>(work: (directory: string) => Promise<T>): Promise<T> {
  fs.mkdirSync(archonPath(), { recursive: true });
  const directory = fs.mkdtempSync(archonPath("stack-"));
  try {
    fs.writeFileSync(path.join(directory, "Pulumi.yaml"), `name: ${project}\nruntime: nodejs\n`);
    return await work(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
