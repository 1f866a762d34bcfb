import { execFileSync } from "node:child_process";

/**
 * Commit of a checkout, with `-dirty` when tracked files differ from it, and the first line of its message. Empty
 * outside a git checkout.
 */
export function gitCommit(directory: string): { commit?: string; message?: string } {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: directory, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    // With `log.showSignature` git would write what it says about a signature before the commit.
    const [commit = "", message = ""] = git("-c", "log.showSignature=false", "log", "-1", "--format=%H%n%s").split(
      "\n",
    );
    return {
      commit: git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}-dirty`,
      message,
    };
  } catch {
    return {};
  }
}

/** The day of the last commit of a checkout, `YYYY-MM-DD` in UTC; undefined outside a git checkout. */
export function commitDate(directory: string): string | undefined {
  try {
    const seconds = execFileSync("git", ["-c", "log.showSignature=false", "log", "-1", "--format=%ct"], {
      cwd: directory,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
  } catch {
    return undefined;
  }
}
