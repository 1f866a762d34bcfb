import * as fs from "node:fs";
import * as path from "node:path";

/**
 * Writes a file, and its directory if need be, so that a reader sees the old text or the new one, never a part. Does
 * nothing when the file already holds `text`.
 * @param mode permissions of a new file, such as `0o600`
 */
export function writeAtomically(file: string, text: string, mode: number): void {
  if (fs.existsSync(file) && fs.readFileSync(file, "utf8") === text) {
    return;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, text, { mode });
  fs.renameSync(temporary, file);
}
