import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

/** One file of a set whose content is hashed. `path` is relative, with forward slashes. */
export interface SourceFile {
  path: string;
  executable: boolean;
  bytes: Uint8Array;
}

/** Lower-case sha256 of bytes, or of a text in UTF-8: 64 hex digits. */
export function sha256(content: string | Uint8Array): string {
  return crypto.createHash("sha256").update(content).digest("hex");
}

/** Lower-case sha256 of the parts, 64 hex digits. Each is preceded by its length: `"ab", "c"` is not `"a", "bc"`. */
export function digest(...parts: readonly (string | Uint8Array)[]): string {
  const hash = crypto.createHash("sha256");
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part, "utf8") : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest("hex");
}

/**
 * Hash of a set of files by relative path, executable bit and bytes, 64 hex digits. Absolute path, owner, umask and time
 * do not take part, so two checkouts of one commit agree.
 */
export function digestFiles(files: readonly SourceFile[]): string {
  const sorted = [...files].sort((a, b) => compareBytes(a.path, b.path));
  return digest(...sorted.flatMap((file) => [file.path, file.executable ? "x" : "-", file.bytes]));
}

/**
 * Commit of a model that comes from a directory: the first 40 hex digits of the sha256 over the lines
 * `<sha256>  <path>`. The store tool computes the same from the files that it receives.
 */
export function directoryRevision(files: readonly { path: string; sha256: string }[]): string {
  const lines = [...files].sort((a, b) => compareBytes(a.path, b.path)).map((file) => `${file.sha256}  ${file.path}\n`);
  return sha256(lines.join("")).slice(0, 40);
}

/** Lower-case sha256 of a file, 64 hex digits. Weights may be larger than what fits into memory, or into one buffer. */
export function sha256OfFile(file: string): string {
  const hash = crypto.createHash("sha256");
  const buffer = Buffer.allocUnsafe(1 << 20);
  const descriptor = fs.openSync(file, "r");
  try {
    for (let length = 1; length > 0;) {
      length = fs.readSync(descriptor, buffer);
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    fs.closeSync(descriptor);
  }
  return hash.digest("hex");
}

/** Regular files below a directory, with their content. @see listTree for the parameter */
export function readTree(directory: string, keep: (relative: string) => boolean): SourceFile[] {
  return listTree(directory, keep).map((name) => readFile(directory, name));
}

/**
 * Relative paths of the regular files below a directory.
 * @param keep gets the relative path of every file and directory; a file or directory that it refuses is left out
 * @param isFile gets the relative path of every symbolic link, and says whether it counts as the file that it points
 *   to. By default links are left out: what they point to may lie outside the checkout.
 */
export function listTree(
  directory: string,
  keep: (relative: string) => boolean,
  isFile: (link: string) => boolean = () => false,
): string[] {
  const files: string[] = [];
  const visit = (relative: string): void => {
    for (const entry of fs.readdirSync(path.join(directory, relative), { withFileTypes: true })) {
      const name = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (!keep(name)) {
        continue;
      }
      if (entry.isDirectory()) {
        visit(name);
      } else if (entry.isFile() || (entry.isSymbolicLink() && isFile(name))) {
        files.push(name);
      }
    }
  };
  visit("");
  return files;
}

export function readFile(directory: string, relative: string): SourceFile {
  const absolute = path.join(directory, relative);
  return { path: relative, executable: (fs.statSync(absolute).mode & 0o100) !== 0, bytes: fs.readFileSync(absolute) };
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}
