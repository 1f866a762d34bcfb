import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

jest.mock("../../lib/paths", () => ({
  ...jest.requireActual<object>("../../lib/paths"),
  projectRoot: fs.mkdtempSync(path.join(os.tmpdir(), "store-repair-")),
}));
// Stands in for `pulumi config get`, which decrypts.
const calls: string[][] = [];
jest.mock("../../commands/lib/pulumi", () => ({
  pulumi: async (stack: string, args: string[]) => {
    calls.push([stack, ...args]);
    return "hf_of_the_stack\n";
  },
}));

import { configuredToken } from "../../commands/lib/hub-token";
import { sourcesOf } from "../../commands/store/repair";
import { storeToolArguments } from "../../commands/store/store-tool";
import { projectRoot } from "../../lib/paths";

// That the store tool takes these arguments, and never sends the token to a mirror, is shown by its own tests.

const configure = (...lines: string[]): void =>
  fs.writeFileSync(path.join(projectRoot, "Pulumi.dev.yaml"), ["config:", ...lines, ""].join("\n"));
const token = process.env.HF_TOKEN;

// It declares the defaults.
fs.copyFileSync(path.join(__dirname, "../../Pulumi.yaml"), path.join(projectRoot, "Pulumi.yaml"));
beforeEach(() => {
  calls.length = 0;
  delete process.env.HF_TOKEN;
});
afterAll(() => {
  fs.rmSync(projectRoot, { recursive: true });
  if (token !== undefined) {
    process.env.HF_TOKEN = token;
  }
});

test("a repair downloads from the hub, indexes and wheels of the stack, and from its mirrors in their order", () => {
  configure(
    "  archon:pythonIndex: https://index/simple",
    "  archon:pythonExtraIndexes: [https://extra/simple]",
    "  archon:wheelhouse: /wheels",
    "  archon:hubEndpoint: https://hub",
    "  archon:hubMirrors: [https://mirror-a, https://mirror-b]",
  );
  const { options, mounts } = sourcesOf("dev");
  const args = storeToolArguments(
    { root: "/srv/archon", command: ["verify", "--repair", ...options], mounts, network: true, token: "hf_secret" },
    "archon-bootstrap:b",
    undefined,
  );
  expect(args.slice(args.indexOf("archon-bootstrap:b"))).toEqual([
    "archon-bootstrap:b",
    "verify",
    "--store",
    "/store",
    "--repair",
    "--index=https://index/simple",
    "--extra-index=https://extra/simple",
    "--wheelhouse=/wheelhouse",
    "--endpoint=https://hub",
    "--mirror=https://mirror-a",
    "--mirror=https://mirror-b",
  ]);
  expect(args).toContain("--mount=type=bind,source=/wheels,target=/wheelhouse,readonly");
  expect(args).toContain("--env=HF_TOKEN");
  expect(args.join(" ")).not.toContain("hf_secret");
});

test("a job without a token gets no variable for one", () => {
  const args = storeToolArguments({ root: "/srv/archon", command: ["verify"], network: true }, "i", undefined);
  expect(args).not.toContain("--env=HF_TOKEN");
});

describe("the token of a stack", () => {
  test("is HF_TOKEN, and then Pulumi is not asked", async () => {
    process.env.HF_TOKEN = "hf_of_the_user";
    configure("  archon:hubToken: { secure: v1:abc }");
    expect(await configuredToken("dev")).toBe("hf_of_the_user");
    expect(calls).toEqual([]);
  });

  test("is otherwise archon:hubToken, decrypted", async () => {
    configure("  archon:hubToken: { secure: v1:abc }");
    expect(await configuredToken("dev")).toBe("hf_of_the_stack");
    expect(calls).toEqual([["dev", "config", "get", "archon:hubToken"]]);
  });

  test("is none where neither is set", async () => {
    configure("  archon:retain: 3");
    expect(await configuredToken("dev")).toBeUndefined();
    expect(calls).toEqual([]);
  });
});
