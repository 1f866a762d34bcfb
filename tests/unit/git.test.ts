import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { gitCommit } from "../../lib/git";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-git-"));
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

/** Signs everything, and finds every signature good. */
const GPG = `#!/bin/sh
case "$*" in
  *--verify*) echo 'gpg: Good signature from "git"' >&2; echo '[GNUPG:] GOODSIG 0 git' ;;
  *) cat >/dev/null; echo '[GNUPG:] SIG_CREATED ' >&2
     printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nAAAA\\n-----END PGP SIGNATURE-----\\n' ;;
esac
`;

function git(...args: string[]): string {
  return execFileSync("git", ["-c", "user.name=A", "-c", "user.email=a@example.org", ...args], {
    cwd: directory,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
}

test("a commit is read without what git shows of its signature", () => {
  const gpg = path.join(directory, "gpg");
  fs.writeFileSync(gpg, GPG, { mode: 0o755 });
  git("init", "--quiet");
  git("config", "gpg.program", gpg);
  git("config", "log.showSignature", "true");
  git("commit", "--quiet", "--allow-empty", "--gpg-sign", "--message=First line\n\nMore.");
  expect(git("log", "-1", "--format=%H")).toContain("Good signature");
  expect(gitCommit(directory)).toEqual({ commit: git("rev-parse", "HEAD"), message: "First line" });
});

test("outside a git checkout there is none", () => {
  const outside = fs.mkdtempSync(path.join(os.tmpdir(), "archon-git-"));
  expect(gitCommit(outside)).toEqual({});
  fs.rmSync(outside, { recursive: true });
});
