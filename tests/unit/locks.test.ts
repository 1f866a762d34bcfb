import * as fs from "node:fs";
import * as path from "node:path";
import { projectRoot } from "../../lib/paths";

const read = (file: string): string => fs.readFileSync(path.join(projectRoot, file), "utf8");

test("the store image and the server image are built with the same uv", () => {
  expect(read("applications/reference/requirements.tools.txt")).toBe(read("store/requirements.tools.txt"));
});

test("the tests run with the uv of the images", () => {
  const [, version] = /^uv==(\S+)/m.exec(read("store/requirements.tools.txt")) ?? [];
  expect(read("tests/python/requirements.tests.txt")).toMatch(new RegExp(`^uv==${version ?? "missing"} `, "m"));
});
