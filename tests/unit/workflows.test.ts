import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "yaml";

// What a linter does not know of: our own rules. That the workflows work on GitHub, only GitHub shows.

interface Workflow {
  on: Record<string, unknown>;
  permissions: unknown;
  jobs: Record<
    string,
    {
      if?: string;
      permissions?: Record<string, string>;
      steps: { uses?: string; with?: Record<string, unknown>; run?: string }[];
    }
  >;
}

const directory = path.join(__dirname, "..", "..", ".github", "workflows");
const workflows = fs
  .readdirSync(directory)
  .map((name) => ({ name, text: fs.readFileSync(path.join(directory, name), "utf8") }));
const read = (name: string): Workflow => parse(workflows.find((each) => each.name === name)?.text ?? "") as Workflow;

test.each(workflows)("$name pins every action by commit and names its version", ({ text }) => {
  const uses = text.split("\n").filter((line) => /\buses:/.test(line));
  expect(uses.length).toBeGreaterThan(0);
  uses.forEach((line) => expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/));
});

test.each(workflows)("$name grants nothing but what a job asks for, and leaves no token in a checkout", ({ name }) => {
  const { permissions, jobs, on } = read(name);
  expect(permissions).toEqual({});
  expect(Object.keys(on)).not.toContain("pull_request_target");
  for (const { permissions: asked, steps } of Object.values(jobs)) {
    expect(asked).toBeDefined();
    steps
      .filter(({ uses }) => uses?.startsWith("actions/checkout@"))
      .forEach((step) => expect(step.with?.["persist-credentials"]).toBe(false));
  }
});

test("what may write a comment runs no code of the pull request, and sees no secret of the state", () => {
  const { jobs } = read("preview.yml");
  const writing = Object.entries(jobs).filter(([, { permissions }]) =>
    Object.values(permissions ?? {}).includes("write"),
  );
  expect(writing.map(([name, { permissions }]) => [name, permissions])).toEqual([
    ["comment", { "pull-requests": "write" }],
  ]);
  expect(writing.flatMap(([, { steps }]) => steps).some(({ uses }) => uses !== undefined)).toBe(false);
  expect(JSON.stringify(writing)).not.toContain("secrets.");
});

test("secrets are for branches of this repository alone", () => {
  expect(read("preview.yml").jobs["preview"]?.if).toContain(
    "github.event.pull_request.head.repo.full_name == github.repository",
  );
  expect(workflows.find(({ name }) => name === "checks.yml")?.text).not.toContain("secrets.");
});
