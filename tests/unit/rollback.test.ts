import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

jest.mock("../../lib/paths", () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "rollback-"));
  return {
    ...jest.requireActual<object>("../../lib/paths"),
    projectRoot: root,
    archonPath: (...segments: string[]) => path.join(root, ".archon", ...segments),
  };
});
// Stands in for `pulumi config`; that the real one writes this file, the engine suite shows.
const calls: string[][] = [];
jest.mock("../../commands/lib/pulumi", () => ({
  pulumi: async (_: string, args: string[]) => {
    calls.push(args);
    fs.writeFileSync(
      file,
      args[1] === "set" ? `${before}  archon:release: ${args[3]}\n` : "config:\n  archon:port: 1\n",
    );
    return "";
  },
}));

import { projectRoot as project } from "../../lib/paths";
import { pinnedRelease, withPinnedRelease } from "../../commands/rollback/pinned-release";

const file = path.join(project, "Pulumi.dev.yaml");
const before = "# decisions\nconfig:\n  archon:port: 1 # loopback\n";
const text = (): string => fs.readFileSync(file, "utf8");

beforeEach(() => {
  calls.length = 0;
  fs.writeFileSync(file, before);
});
afterAll(() => fs.rmSync(project, { recursive: true }));

test("a choice that is kept stays in the stack's file, set the way Pulumi sets it", async () => {
  expect(pinnedRelease("dev")).toBeUndefined();
  expect(await withPinnedRelease("dev", "aaaa11111111", async () => pinnedRelease("dev") === "aaaa11111111")).toBe(
    true,
  );
  expect(calls).toEqual([["config", "set", "archon:release", "aaaa11111111"]]);
  expect(pinnedRelease("dev")).toBe("aaaa11111111");
});

test("rolling forward removes the key", async () => {
  expect(await withPinnedRelease("dev", undefined, async () => true)).toBe(true);
  expect(calls).toEqual([["config", "rm", "archon:release"]]);
});

test("an update that is declined leaves the file byte for byte as it was", async () => {
  expect(await withPinnedRelease("dev", "aaaa11111111", async () => false)).toBe(false);
  expect(text()).toBe(before);
});

test("an update that fails does too, and its error is reported", async () => {
  const failing = withPinnedRelease("dev", "aaaa11111111", async () => {
    throw new Error("not ready");
  });
  await expect(failing).rejects.toThrow("not ready");
  expect(text()).toBe(before);
});

test("what somebody else wrote meanwhile is not overwritten", async () => {
  await withPinnedRelease("dev", "aaaa11111111", async () => {
    fs.writeFileSync(file, "config: {}\n");
    return false;
  });
  expect(text()).toBe("config: {}\n");
});
