import * as fs from "node:fs";
import * as path from "node:path";
import type { Progress } from "../lib/progress";

/**
 * Removes what a Pulumi that was killed left half written beside a file of a file backend: `FILE.attrs`, with
 * attributes that no command of ours reads. Pulumi writes the file itself in one step, but not its attributes, and with
 * broken ones it reads neither. Without any it reads the file.
 *
 * @param state the backend's directory
 */
export function removeBrokenAttributes(progress: Progress, state: string): void {
  for (const name of brokenAttributes(state)) {
    fs.rmSync(path.join(state, ".pulumi", name), { force: true });
    progress.message(
      `Removed the attributes of ${name.replace(/\.attrs$/, "")}, which a killed update left half written.`,
    );
  }
}

/** The files that {@link removeBrokenAttributes} would remove, relative to `.pulumi` in the backend's directory. */
export function brokenAttributes(state: string): string[] {
  const directory = path.join(state, ".pulumi");
  const names = fs.existsSync(directory) ? fs.readdirSync(directory, { recursive: true, encoding: "utf8" }) : [];
  return names.filter((name) => name.endsWith(".attrs") && isBroken(path.join(directory, name)));
}

function isBroken(file: string): boolean {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch {
    // An update of another stack has removed it since.
    return false;
  }
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}
