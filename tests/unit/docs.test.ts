import * as fs from "node:fs";
import * as path from "node:path";
import { configurationPage } from "../../commands/docs/configuration-page";
import { groups } from "../../commands/lib/command-list";
import { listTree } from "../../lib/hashing";

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

describe("docs/requirements.md", () => {
  const root = path.join(__dirname, "../..");
  const page = read("docs/requirements.md");
  const rows = page.split("\n").filter((line) => line.startsWith("| "));
  const files = ["tests", "applications", "store", "demo"].flatMap((directory) =>
    listTree(path.join(root, directory), (name) => !/(^|\/)(node_modules|__pycache__)$/.test(name)).map((name) =>
      path.join(directory, name),
    ),
  );

  test("names tests that exist", () => {
    const references = [...page.matchAll(/(\S+\.(?:test\.ts|py)) › ([^|\n]+)/g)].map(([, file = "", name = ""]) => ({
      file,
      name: name.trim(),
    }));
    expect(references.length).toBeGreaterThan(40);
    const missing = references.filter(({ file, name }) => {
      const texts = files.filter((each) => path.basename(each) === file).map(read);
      // A test's name begins after a quote, or after `def`.
      return name !== "NAME" && !texts.some((text) => text.includes(`"${name}`) || text.includes(`def ${name}`));
    });
    expect(missing).toEqual([]);
  });

  test("has links to files and headings that exist", () => {
    const links = [...page.matchAll(/\]\(([^)#\s]+)(?:#([^)]+))?\)/g)];
    expect(links.length).toBeGreaterThan(20);
    const broken = links.flatMap(([link, target = "", heading]) => {
      const file = path.join("docs", target);
      return fs.existsSync(path.join(root, file)) && (heading === undefined || headingsOf(read(file)).includes(heading))
        ? []
        : [link];
    });
    expect(broken).toEqual([]);
  });

  test("names commands that exist, and has tables without gaps", () => {
    const names = groups.flatMap(({ commands }) => commands.map(({ name }) => name));
    for (const [, name] of page.matchAll(/`\.\/archon ([a-z-]+)/g)) {
      expect(names).toContain(name);
    }
    expect(rows.filter((row) => /\|\s*\|/.test(row.replace(/---/g, "")))).toEqual([]);
  });
});

/** The anchors of a page's headings, as GitHub makes them. */
function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
