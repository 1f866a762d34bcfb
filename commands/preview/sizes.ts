import * as fs from "node:fs";
import * as path from "node:path";
import { directorySize } from "../start/sizes";
import { projectRoot } from "../../lib/paths";
import type { Sizes } from "./summary";

/** Sizes as this checkout knows them. */
export const checkoutSizes: Sizes = {
  environment: (lock) => {
    const file = path.resolve(projectRoot, lock);
    return fs.existsSync(file) ? installedBytes(fs.readFileSync(file, "utf8")) : undefined;
  },
  directory: (directory) => directorySize(path.resolve(projectRoot, directory)),
};

/** Bytes that the packages of a lock take on a disk, by its `# size:` comments; undefined where one has none. */
export function installedBytes(lock: string): number | undefined {
  const packages = lock.match(/^[A-Za-z0-9][^\s=]*==/gm)?.length ?? 0;
  const sizes = [...lock.matchAll(/^\s*#\s*size:\s*(\d+)\s*$/gm)].map(([, count]) => Number(count));
  return packages > 0 && sizes.length === packages ? sizes.reduce((sum, count) => sum + count, 0) : undefined;
}
