import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

jest.mock("../../lib/paths", () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "doctor-configuration-"));
  return {
    ...jest.requireActual<object>("../../lib/paths"),
    projectRoot: root,
    machineFile: path.join(root, "machine.json"),
  };
});

import { checkConfiguration } from "../../commands/doctor/configuration";
import { sourcesOf } from "../../commands/doctor/network";
import { configuredValue } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { machineFile, projectRoot } from "../../lib/paths";

const configure = (stack: string, text: string): void =>
  fs.writeFileSync(path.join(projectRoot, `Pulumi.${stack}.yaml`), text);

beforeAll(() => {
  // It declares the defaults.
  fs.copyFileSync(path.join(__dirname, "../../Pulumi.yaml"), path.join(projectRoot, "Pulumi.yaml"));
});
afterEach(() => fs.rmSync(machineFile, { force: true }));
afterAll(() => fs.rmSync(projectRoot, { recursive: true }));

test("a stack without a file has the defaults of its host, and is to be made", () => {
  const { findings, host, application } = checkConfiguration("none");
  expect(findings).toMatchObject([{ status: "problem", remedy: "./archon pulumi stack init none" }]);
  expect(host).toBeDefined();
  expect(application).toBeUndefined();
});

test("an application that is not allowed is a problem, and the rest can be looked at", () => {
  configure("prod", "config:\n  archon:application:\n    kind: other\n");
  const { findings, host } = checkConfiguration("prod");
  expect(findings).toMatchObject([{ status: "problem", remedy: "./archon preview --stack prod" }]);
  expect(host).toBeDefined();
});

test("a file that is no YAML is a problem that repeats none of its lines", () => {
  configure("prod", "config:\n  archon:pythonIndex: https://me:secret@index.example: [\n");
  const { findings, host } = checkConfiguration("prod");
  expect(findings).toMatchObject([
    {
      check: "configuration",
      status: "problem",
      finding: expect.stringMatching(
        /^Pulumi\.prod\.yaml cannot be read: .* at line 2, column \d+\. Correct it/,
      ) as string,
      remedy: "correct that, then ./archon doctor --stack prod again",
    },
  ]);
  expect(JSON.stringify(findings)).not.toContain("secret");
  expect(host).toBeUndefined();
  // Every other command stops with the same message, and no stack trace.
  expect(() => configuredValue("root", "prod")).toThrow(UserError);
});

test("facts of the machine that are no JSON are a problem that says how to make them again", () => {
  configure("dev", "config: {}\n");
  fs.writeFileSync(machineFile, "{");
  const { findings, host } = checkConfiguration("dev");
  expect(findings).toMatchObject([
    { status: "problem", finding: expect.stringContaining("remove it and run `./archon setup`") as string },
  ]);
  expect(host).toBeUndefined();
});

test("every source has the key that sets it alone", () => {
  configure(
    "dev",
    [
      "config:",
      "  archon:accelerator: cpu",
      "  archon:pythonIndex: https://index.example/simple",
      "  archon:torchIndex: https://torch.example/simple",
      "  archon:hubEndpoint: https://hub.example",
      "  archon:pythonExtraIndexes: [https://one.example/simple, https://two.example/simple]",
      "  archon:hubMirrors: [https://mirror.example]",
      "  archon:models: [{ name: a, repo: b/c, revision: '0123456789abcdef0123456789abcdef01234567' }]",
      "",
    ].join("\n"),
  );
  expect(sourcesOf("dev").map(({ url, key }) => [new URL(url).host, key])).toEqual([
    ["index.example", "archon:pythonIndex"],
    ["one.example", "archon:pythonExtraIndexes[0]"],
    ["two.example", "archon:pythonExtraIndexes[1]"],
    ["torch.example", "archon:torchIndex"],
    ["hub.example", "archon:hubEndpoint"],
    ["mirror.example", "archon:hubMirrors[0]"],
  ]);
});
