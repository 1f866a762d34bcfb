import * as fs from "node:fs";
import * as path from "node:path";
import { configurationPage } from "../../commands/docs/configuration-page";

const read = (file: string): string => fs.readFileSync(path.join(__dirname, "../..", file), "utf8");

test("docs/configuration.md is what Pulumi.yaml declares (./archon docs)", () => {
  expect(read("docs/configuration.md")).toBe(configurationPage(read("Pulumi.yaml")));
});
