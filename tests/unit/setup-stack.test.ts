import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

jest.mock("../../lib/paths", () => {
  const projectRoot = fs.mkdtempSync(path.join(os.tmpdir(), "setup-stack-"));
  const archonPath = (...segments: string[]): string => path.join(projectRoot, ".archon", ...segments);
  return {
    ...jest.requireActual<object>("../../lib/paths"),
    projectRoot,
    archonPath,
    shimDirectory: archonPath("bin"),
    passphraseFile: archonPath("passphrase"),
    stateDirectory: archonPath("state"),
    logDirectory: archonPath("logs"),
  };
});

import { ensureStack, hasStack } from "../../commands/setup/stack";
import * as paths from "../../lib/paths";

// A script stands in for Pulumi. Which stack the real one has selected, by the checkout's path, is not proven here.

const checkout = paths.projectRoot;
const calls = path.join(checkout, "calls");
const environment = { PATH: [checkout, process.env.PATH].join(path.delimiter) };
beforeAll(() => {
  const stacks = paths.archonPath("state", ".pulumi", "stacks", "archon");
  const client = `#!/bin/sh
echo "$*" >>'${calls}'
case "$*" in
  "stack init"*) mkdir -p '${stacks}' && echo '{}' >'${stacks}/dev.json' && echo 'encryptionsalt: v1:salt' >Pulumi.dev.yaml ;;
  "stack --show-name"*) exit 1 ;;
esac
`;
  fs.writeFileSync(path.join(checkout, "pulumi"), client, { mode: 0o755 });
});
afterAll(() => fs.rmSync(checkout, { recursive: true }));

test("a stack is there once everything that belongs to it is", async () => {
  expect(hasStack("dev")).toBe(false);
  await ensureStack("dev", environment);
  expect(hasStack("dev")).toBe(true);
});

test("a lost passphrase is reported with the way on, which touches no other stack", async () => {
  fs.renameSync(paths.passphraseFile, `${paths.passphraseFile}.away`);
  const attempt = ensureStack("dev", environment);
  await expect(attempt).rejects.toThrow("./archon recover --adopt --stack NAME");
  await expect(attempt).rejects.not.toThrow("docker rm");
  fs.renameSync(`${paths.passphraseFile}.away`, paths.passphraseFile);
});

test("in a checkout that was moved, it is set up again: selected, and started by a `pulumi` that exists", async () => {
  const moved = path.join(checkout, "moved");
  fs.mkdirSync(moved);
  Object.assign(jest.requireMock<object>("../../lib/paths"), { projectRoot: moved });
  expect(hasStack("dev")).toBe(false);
  fs.rmSync(calls);
  await ensureStack("dev", environment);
  expect(fs.readFileSync(calls, "utf8")).toMatch(/^stack select dev /m);
  expect(fs.readFileSync(calls, "utf8")).not.toContain("init");
  expect(fs.readFileSync(paths.archonPath("bin", "pulumi"), "utf8")).toContain(
    `exec node '${moved}/commands/launch.cjs' pulumi`,
  );
  expect(hasStack("dev")).toBe(true);
});
