import * as os from "node:os";
import * as path from "node:path";

/** Absolute path of the checkout. */
export const projectRoot = path.resolve(__dirname, "..");

/** Absolute path of a file below `.archon/`, where one checkout keeps its git-ignored state. */
export function archonPath(...segments: string[]): string {
  return path.join(projectRoot, ".archon", ...segments);
}

/** What `./archon env` puts on PATH: a `pulumi` that is `./archon pulumi`. */
export const shimDirectory = archonPath("bin");
export const machineFile = archonPath("machine.json");
export const toolsFile = archonPath("tools.json");
export const passphraseFile = archonPath("passphrase");
export const stateDirectory = archonPath("state");
export const logDirectory = archonPath("logs");

/** Directory that every checkout of one user shares: tool chains and incomplete base images. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.ARCHON_CACHE) {
    return path.resolve(environment.ARCHON_CACHE);
  }
  // The XDG specification tells programs to ignore relative values.
  const base =
    environment.XDG_CACHE_HOME && path.isAbsolute(environment.XDG_CACHE_HOME)
      ? environment.XDG_CACHE_HOME
      : path.join(environment.HOME ?? os.homedir(), ".cache");
  return path.join(base, "archon-pulumi");
}

/** A path as a person in the checkout would type it. */
export function display(file: string): string {
  const relative = path.relative(projectRoot, file);
  return relative.startsWith("..") || path.isAbsolute(relative) ? file : relative;
}
