import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { isInProject, parseInvocation, runsProgram, type Invocation } from "../../commands/lib/invocation";

const nothing: Invocation = {
  usesConfig: false,
  creates: undefined,
  copiesConfig: false,
  logsIn: false,
  stack: undefined,
  elsewhere: false,
};

describe("the arguments of Pulumi", () => {
  test.each<[string, Partial<Invocation>]>([
    ["", {}],
    ["version", {}],
    ["stack output url", {}],
    ["stack ls", {}],
    ["up", { usesConfig: true }],
    ["up --yes --stack dev", { usesConfig: true, stack: "dev" }],
    ["-s prod preview", { usesConfig: true, stack: "prod" }],
    ["destroy -sprod", { usesConfig: true, stack: "prod" }],
    ["dn --stack=organization/archon/prod", { usesConfig: true, stack: "prod" }],
    ["--color always -v 3 refresh", { usesConfig: true }],
    ["config set archon:port 9000", { usesConfig: true }],
    ["config set -- -s value", { usesConfig: true }],
    ["-C /elsewhere up", { usesConfig: true, elsewhere: true }],
    ["up --cwd=/elsewhere", { usesConfig: true, elsewhere: true }],
    ["up --config-file other.yaml", { usesConfig: true, elsewhere: true }],
    ["stack init prod", { creates: "prod" }],
    ["stack new organization/archon/prod --secrets-provider passphrase", { creates: "prod" }],
    ["stack init --stack prod", { creates: "prod", stack: "prod" }],
    ["stack init prod --copy-config-from dev", { creates: "prod", copiesConfig: true }],
    ["stack init", {}],
    ["login s3://bucket", { logsIn: true }],
    ["logout --all", { logsIn: true }],
    ["stack select prod", {}],
  ])("%j", (line, expected) => {
    expect(parseInvocation(line.split(" ").filter((word) => word !== ""))).toEqual({ ...nothing, ...expected });
  });
});

test("the project is the nearest one above the directory", () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "project-"));
  try {
    const inside = path.join(root, "python", "server");
    const nested = path.join(root, "examples", "other");
    fs.mkdirSync(inside, { recursive: true });
    fs.mkdirSync(nested, { recursive: true });
    fs.writeFileSync(path.join(root, "Pulumi.yaml"), "");
    fs.writeFileSync(path.join(nested, "Pulumi.yml"), "");
    expect(isInProject(root, root)).toBe(true);
    expect(isInProject(inside, root)).toBe(true);
    expect(isInProject(nested, root)).toBe(false);
    expect(isInProject(os.tmpdir(), root)).toBe(false);
  } finally {
    fs.rmSync(root, { recursive: true });
  }
});

test("only a call that runs the program needs the engine: others may correct its address", () => {
  const needsEngine = (line: string): boolean => runsProgram(line.split(" "));
  expect(["up --stack prod", "preview", "-s prod refresh", "destroy"].filter(needsEngine)).toHaveLength(4);
  expect(["config set archon:dockerHost x", "stack ls", "stack select dev", "version"].filter(needsEngine)).toEqual([]);
});
