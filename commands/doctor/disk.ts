import { archon } from "../../lib/command-line";
import { stackFlag } from "../lib/options";
import { bytes } from "../lib/render";
import { ok, problem, warning, type Finding } from "./finding";

/** A file system of the engine's host. */
export interface Disk {
  /** What lies on it, such as `the store /var/lib/archon`. */
  holds: string;
  /** Bytes. */
  free: number;
  total: number;
  /** Files that can still be made; null for a file system without such a limit. */
  freeFiles: number | null;
}

/** What one more environment takes. */
export interface EnvironmentSize {
  bytes: number;
  files: number;
}

/** Below this share of free space, servers and other programs of the host fail at any moment. */
const LEAST_FREE_SHARE = 0.02;

/**
 * Whether there is space for the next change.
 * @param environment the largest one of the store; undefined in an empty store
 */
export function judgeDisk(disk: Disk, environment: EnvironmentSize | undefined, stack: string): Finding {
  const { holds, free, total, freeFiles } = disk;
  const found = `${bytes(free)} of ${bytes(total)} are free for ${holds}`;
  const remedy = `${archon(`prune --dry-run${stackFlag(stack)}`)}, or put it on a larger disk`;
  if (free < total * LEAST_FREE_SHARE) {
    return problem("disk", `${found}: it is nearly full`, remedy);
  }
  if (environment !== undefined && free < environment.bytes) {
    return warning("disk", `${found}: another environment of ${bytes(environment.bytes)} does not fit`, remedy);
  }
  if (environment !== undefined && freeFiles !== null && freeFiles < environment.files) {
    return warning(
      "disk",
      `${found}, but only ${freeFiles} files can be made there, and another environment has ${environment.files}`,
      remedy,
    );
  }
  return ok("disk", found);
}
