import * as fs from "node:fs";
import * as path from "node:path";
import { configurationPage } from "../../commands/docs/configuration-page";

const read = (file: string): string => fs.readFileSync(path.join(__dirname, "../..", file), "utf8");

test("a description's first sentence is in the table, the others are in the list below it", () => {
  const page = configurationPage(`
config:
  root: { type: string, description: Path of the store. Another path | another store., default: /srv/3.11 }
  imports: { type: array, items: { type: string }, description: Python 3.11 modules | packages., default: [] }
`);
  expect(page).toContain('\n| `archon:root` | string | `"/srv/3.11"` | Path of the store |\n');
  expect(page).toContain("\n| `archon:imports` | array of strings | `[]` | Python 3.11 modules \\| packages |\n");
  expect(page).toContain("\n- `archon:root`: Another path | another store.\n- `archon:hubToken`:");
  expect(page).not.toContain("- `archon:imports`");
});

test("docs/configuration.md is what Pulumi.yaml declares (./archon docs)", () => {
  expect(read("docs/configuration.md")).toBe(configurationPage(read("Pulumi.yaml")));
});
