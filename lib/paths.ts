import * as os from "node:os";
import * as path from "node:path";

/** Absolute path of the checkout. */
export const projectRoot = path.resolve(__dirname, "..");

/** Absolute path of a file below `.archon/`, where one checkout keeps what it found out and its logs. Git-ignored. */
export function archonPath(...segments: string[]): string {
  return path.join(projectRoot, ".archon", ...segments);
}

/** What `./archon env` puts on PATH: a `pulumi` that is `./archon pulumi`. */
export const shimDirectory = archonPath("bin");
export const machineFile = archonPath("machine.json");
export const toolsFile = archonPath("tools.json");
export const logDirectory = archonPath("logs");

/** Directory that every checkout of one user shares: tool chains and incomplete base images. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return userDirectory(environment, "ARCHON_CACHE", "XDG_CACHE_HOME", ".cache");
}

/** Directory with the embedded states of all checkouts of one user. */
export function stateHome(environment: NodeJS.ProcessEnv = process.env): string {
  return userDirectory(environment, "ARCHON_STATE", "XDG_STATE_HOME", path.join(".local", "state"));
}

/** @param variable of ours that names the directory. @param base variable of the XDG specification, with its default */
function userDirectory(environment: NodeJS.ProcessEnv, variable: string, base: string, fallback: string): string {
  const own = environment[variable];
  if (own) {
    return path.resolve(own);
  }
  const xdg = environment[base];
  // The XDG specification tells programs to ignore relative values.
  const parent = xdg && path.isAbsolute(xdg) ? xdg : path.join(environment.HOME ?? os.homedir(), fallback);
  return path.join(parent, "archon-pulumi");
}

/** A path as a person in the checkout would type it. */
export function display(file: string): string {
  const relative = path.relative(projectRoot, file);
  return relative.startsWith("..") || path.isAbsolute(relative) ? file : relative;
}
