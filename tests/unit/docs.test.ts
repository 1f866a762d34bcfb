import { Command } from "commander";
import * as fs from "node:fs";
import * as path from "node:path";
import { configurationPage } from "../../commands/docs/configuration-page";
import { groups } from "../../commands/lib/command-list";
import { schema } from "../../config/schema";
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
    const { count, broken } = linksOf(page);
    expect(count).toBeGreaterThan(20);
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

describe("docs/production.md", () => {
  const page = read("docs/production.md");
  const lines = [...page.matchAll(/^```\n([^]*?)^```$/gm)].flatMap(([, block = ""]) => block.trim().split("\n"));
  const commands = lines.flatMap((line) => {
    const [, words] = /\.\/archon ([^)]*)/.exec(line) ?? [];
    return words === undefined ? [] : [words.trim().split(/\s+/)];
  });

  test("has links to files and headings that exist", () => {
    expect(linksOf(page).broken).toEqual([]);
  });

  test("names commands of ours with options that they have", async () => {
    expect(commands.length).toBeGreaterThan(15);
    expect((await Promise.all(commands.map(unknownWords))).flat()).toEqual([]);
    expect(await unknownWords(["rollback", "previous", "--now"])).toEqual(["rollback --now"]);
  });

  test("means its own stack wherever there are several", () => {
    const elsewhere = commands.map((words) => words.join(" ")).filter((line) => !/^state |\bprod\b/.test(line));
    expect(elsewhere).toEqual([]);
  });

  test("configures what a service may have", () => {
    const service: Record<string, unknown> = { name: "server" };
    for (const [, field = "", key, value = ""] of page.matchAll(/services\[0\]\.(\w+)(?:\.(\w+))?' (\S+)/g)) {
      const parsed = /^\d+$/.test(value) ? Number(value) : value;
      service[field] = key === undefined ? parsed : { ...(service[field] as object | undefined), [key]: parsed };
    }
    expect(schema.shape.services.parse([service])).toMatchObject([
      { port: 443, tls: { key: expect.anything() as string } },
    ]);
  });
});

/** What of a command line does not exist: the command, or options of it. Pulumi knows its own. */
async function unknownWords([name = "", ...words]: readonly string[]): Promise<string[]> {
  const entry = groups.flatMap((group) => group.commands).find((each) => each.name === name);
  if (entry === undefined) {
    return [name];
  }
  const command = new Command(name);
  (await entry.load()).define(command);
  const used = command.commands.find((each) => each.name() === words[0]) ?? command;
  const options = used.options.map(({ long }) => long);
  return name === "pulumi"
    ? []
    : words.filter((word) => word.startsWith("--") && !options.includes(word)).map((word) => `${name} ${word}`);
}

/** The links of a page below docs/, and those that lead to no file or heading. */
function linksOf(page: string): { count: number; broken: string[] } {
  const links = [...page.matchAll(/\]\(([^)#\s]+)(?:#([^)]+))?\)/g)];
  const broken = links.flatMap(([link, target = "", heading]) => {
    const file = path.join("docs", target);
    const exists = fs.existsSync(path.join(__dirname, "../..", file));
    return exists && (heading === undefined || headingsOf(read(file)).includes(heading)) ? [] : [link];
  });
  return { count: links.length, broken };
}

/** The anchors of a page's headings, as GitHub makes them. */
function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}
