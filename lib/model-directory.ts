import * as fs from "node:fs";
import * as path from "node:path";
import { listTree } from "./hashing";

/** What a directory holds of a model. */
export interface ModelDirectory {
  /** Relative paths of its files. */
  files: string[];
  /** Relative paths of symbolic links to directories, to nothing, or to what is outside the model's folder. */
  unusableLinks: string[];
  /** Relative paths of files that Git LFS has not fetched yet: each holds only the hash of the file. */
  pointers: string[];
}

const POINTER = "version https://git-lfs.github.com/spec/v1\n";

/**
 * Reads a model's directory. A symbolic link to a file counts as that file if it stays in the model's folder, as in a
 * snapshot of a Hugging Face cache, where every file is a link into `blobs` beside `snapshots`.
 * @throws when there is no such directory
 */
export function readModelDirectory(directory: string): ModelDirectory {
  const folder = modelFolder(fs.realpathSync(directory));
  const unusableLinks: string[] = [];
  const files = listTree(directory, isModelFile, (link) => {
    const usable = endsAtFileBelow(folder, path.join(directory, link));
    if (!usable) {
      unusableLinks.push(link);
    }
    return usable;
  });
  return { files, unusableLinks, pointers: files.filter((file) => isPointer(path.join(directory, file))) };
}

function isPointer(file: string): boolean {
  const start = Buffer.alloc(POINTER.length);
  const descriptor = fs.openSync(file, "r");
  try {
    fs.readSync(descriptor, start, 0, start.length, 0);
  } finally {
    fs.closeSync(descriptor);
  }
  return start.toString("latin1") === POINTER;
}

/** Whether a path belongs to a model directory's content: dot files and `__pycache__` do not. */
export function isModelFile(relative: string): boolean {
  return relative.split("/").every((part) => !part.startsWith(".") && part !== "__pycache__");
}

/** The folder `models--Org--Name` for a snapshot of a Hugging Face cache, else the directory itself. */
function modelFolder(directory: string): string {
  const [, folder] = /^(.*\/models--[^/]+)\/snapshots\/[^/]+$/.exec(directory) ?? [];
  return folder ?? directory;
}

function endsAtFileBelow(folder: string, link: string): boolean {
  try {
    const target = fs.realpathSync(link);
    return target.startsWith(`${folder}/`) && fs.statSync(target).isFile();
  } catch {
    return false;
  }
}
