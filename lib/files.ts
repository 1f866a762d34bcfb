import * as fs from "node:fs";
import * as path from "node:path";

/** Writes `file` by renaming a complete one over it; does nothing when it already holds `text`. */
export function writeAtomically(file: string, text: string, mode: number): void {
  if (fs.existsSync(file) && fs.readFileSync(file, "utf8") === text) {
    return;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, text, { mode });
  fs.renameSync(temporary, file);
}
