import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse } from "yaml";

jest.mock("../../lib/paths", () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "rollback-"));
  return {
    ...jest.requireActual<object>("../../lib/paths"),
    projectRoot: root,
    archonPath: (...segments: string[]) => path.join(root, ".archon", ...segments),
  };
});
// That Pulumi reads the file, the engine suite shows.

import { projectRoot as project } from "../../lib/paths";
import { pinnedRelease, withPinnedRelease } from "../../commands/rollback/pinned-release";

const file = path.join(project, "Pulumi.dev.yaml");
const before = "# decisions\nconfig:\n  archon:port: 1 # loopback\n";
const text = (): string => fs.readFileSync(file, "utf8");

beforeEach(() => fs.writeFileSync(file, before));
afterAll(() => fs.rmSync(project, { recursive: true }));

test("a choice that is kept stays in the stack's file, with everything that was there", async () => {
  expect(pinnedRelease("dev")).toBeUndefined();
  expect(await withPinnedRelease("dev", "aaaa11111111", async () => pinnedRelease("dev") === "aaaa11111111")).toBe(
    true,
  );
  expect(text()).toBe("# decisions\nconfig:\n  archon:release: aaaa11111111\n  archon:port: 1 # loopback\n");
  expect(pinnedRelease("dev")).toBe("aaaa11111111");
});

test("rolling forward removes the key", async () => {
  for (const key of ["archon:release", "release"]) {
    fs.writeFileSync(file, `${before}  ${key}: aaaa11111111\n`);
    expect(pinnedRelease("dev")).toBe("aaaa11111111");
    expect(await withPinnedRelease("dev", undefined, async () => true)).toBe(true);
    expect(text()).toBe(before);
  }
});

test.each([
  ["an id of digits stays a text", before, "123456789012"],
  ["an id that looks like a number with an exponent does too", before, "1234567890e1"],
  ["a file in the style of JSON stays one", '{ "config": { "archon:port": 1 } }\n', "aaaa11111111"],
  [
    "lists and long lines stay as they are written",
    `${before}  archon:imports: [a,b]\n  x: ${"long ".repeat(40)}\n`,
    "aaaa11111111",
  ],
  ["a file without configuration gets it", "# nothing yet\n", "aaaa11111111"],
  ["a file with an empty configuration does too", "config:\n", "aaaa11111111"],
])("%s", async (_, content, id) => {
  fs.writeFileSync(file, content);
  await withPinnedRelease("dev", id, async () => true);
  expect(pinnedRelease("dev")).toBe(id);
  expect((parse(text()) as { config: object }).config).toMatchObject({ "archon:release": id });
  const lines = content.split("\n").filter((line) => line.includes("  "));
  expect(text().split("\n")).toEqual(expect.arrayContaining(lines));
  await withPinnedRelease("dev", "bbbb22222222", async () => true);
  expect(pinnedRelease("dev")).toBe("bbbb22222222");
});

test("a file that is not YAML is refused as it is", async () => {
  fs.writeFileSync(file, "config: {\n");
  await expect(withPinnedRelease("dev", "aaaa11111111", async () => true)).rejects.toThrow("is not YAML");
  expect(text()).toBe("config: {\n");
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
