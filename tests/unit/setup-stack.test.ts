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
    stateHome: () => path.join(projectRoot, "states"),
    logDirectory: archonPath("logs"),
  };
});

import type { Backend } from "../../commands/lib/backend";
import { embeddedState } from "../../commands/lib/embedded-state";
import { ensureReady, isReady } from "../../commands/setup/stack";
import * as paths from "../../lib/paths";

// A script stands in for Pulumi. Which stack the real one has selected, by the checkout's path, is not proven here.

const checkout = paths.projectRoot;
const calls = path.join(checkout, "calls");
const environment = { PATH: [checkout, process.env.PATH].join(path.delimiter) };
const state = embeddedState();
const embedded: Backend = {
  url: `file://${state.backend}`,
  source: "embedded",
  passphraseFile: state.passphraseFile,
  ignoredLogin: undefined,
};
const shared: Backend = {
  url: "s3://bucket",
  source: "Pulumi.yaml",
  passphraseFile: undefined,
  ignoredLogin: undefined,
};

beforeAll(() => {
  const stacks = path.join(state.backend, ".pulumi", "stacks", "archon");
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
  expect(isReady("dev", embedded)).toBe(false);
  await ensureReady("dev", embedded, environment);
  expect(isReady("dev", embedded)).toBe(true);
});

test("the state is outside of the checkout's own files, and only the user may read the passphrase", () => {
  expect(path.dirname(state.directory)).toBe(path.join(checkout, "states"));
  expect(fs.statSync(state.directory).mode & 0o777).toBe(0o700);
  expect(fs.statSync(state.passphraseFile).mode & 0o777).toBe(0o600);
});

test("in another backend no stack is made: a build server only wants to look", async () => {
  fs.rmSync(paths.archonPath("bin"), { recursive: true });
  fs.rmSync(calls);
  expect(isReady("dev", shared)).toBe(false);
  await ensureReady("dev", shared, environment);
  expect(isReady("dev", shared)).toBe(true);
  expect(fs.existsSync(calls)).toBe(false);
});

test("a lost passphrase is reported with the way on, which touches no other stack", async () => {
  fs.renameSync(state.passphraseFile, `${state.passphraseFile}.away`);
  const attempt = ensureReady("dev", embedded, environment);
  await expect(attempt).rejects.toThrow("./archon recover --adopt --stack NAME");
  await expect(attempt).rejects.not.toThrow("docker rm");
  fs.renameSync(`${state.passphraseFile}.away`, state.passphraseFile);
});

test("in a checkout that was moved, it is set up again: selected, and started by a `pulumi` that exists", async () => {
  const moved = path.join(checkout, "moved");
  fs.mkdirSync(moved);
  const before = state.directory;
  Object.assign(jest.requireMock<object>("../../lib/paths"), { projectRoot: moved });
  // The state comes along by `settleState`.
  fs.renameSync(before, embeddedState(process.env, moved).directory);
  expect(isReady("dev", embedded)).toBe(false);
  fs.rmSync(calls, { force: true });
  await ensureReady("dev", embedded, environment);
  expect(fs.readFileSync(calls, "utf8")).toMatch(/^stack select dev /m);
  expect(fs.readFileSync(calls, "utf8")).not.toContain("init");
  expect(fs.readFileSync(paths.archonPath("bin", "pulumi"), "utf8")).toContain(
    `exec node '${moved}/commands/launch.cjs' pulumi`,
  );
  expect(isReady("dev", embedded)).toBe(true);
});
