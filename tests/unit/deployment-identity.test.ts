import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { describeOther } from "../../commands/recover/adopt";
import {
  claimPath,
  isOwn,
  listLabelled,
  ownerOf,
  parseClaim,
  parseLabelled,
  refusal,
} from "../../lib/deployment-identity";
import { projectRoot } from "../../lib/paths";

// That Docker lists labels in this format, and that a hard link is atomic, only the engine and the kernel show.

const stack = { project: "archon", stack: "dev" };

test("containers, networks and volumes are listed by project and stack, with the id and the owner of their deployment", () => {
  expect(listLabelled("network", stack)).toEqual([
    "network",
    "ls",
    "--no-trunc",
    "--filter=label=io.archon.project=archon",
    "--filter=label=io.archon.stack=dev",
    "--format",
    '{{.ID}}\t{{.Name}}\t{{.Label "io.archon.component"}}\t{{.Label "io.archon.deployment"}}\t{{.Label "io.archon.owner"}}',
  ]);
  expect(listLabelled("container", stack).slice(0, 3)).toEqual(["ps", "--all", "--no-trunc"]);
  // A volume has no id, and Docker knows no --no-trunc for it.
  expect(listLabelled("volume", stack)).toEqual([
    "volume",
    "ls",
    "--filter=label=io.archon.project=archon",
    "--filter=label=io.archon.stack=dev",
    "--format",
    expect.stringMatching(/^\{\{\.Name\}\}\t\{\{\.Name\}\}\t/),
  ]);
  expect(parseLabelled("container", "a1\tone\tserver\tid-1\tada@gpu1, checkout /a b\nb2\ttwo\tgateway\t\t\n")).toEqual([
    {
      kind: "container",
      id: "a1",
      name: "one",
      component: "server",
      deployment: "id-1",
      owner: "ada@gpu1, checkout /a b",
    },
    { kind: "container", id: "b2", name: "two", component: "gateway", deployment: undefined, owner: undefined },
  ]);
});

const [marked, unmarked] = parseLabelled("container", "a\tone\tserver\tid-1\tada\nb\ttwo\tserver\t\t\n") as [
  ReturnType<typeof parseLabelled>[number],
  ReturnType<typeof parseLabelled>[number],
];

test.each([
  [marked, { id: "id-1", ownsUnmarked: false }, true],
  [marked, { id: "id-2", ownsUnmarked: true }, false],
  [marked, { id: undefined, ownsUnmarked: true }, false],
  [unmarked, { id: "id-1", ownsUnmarked: true }, true],
  [unmarked, { id: "id-1", ownsUnmarked: false }, false],
])("%j belongs to %j: %s", (labelled, own, expected) => {
  expect(isOwn(labelled, own)).toBe(expected);
});

test("a refusal says where, whose, and the two ways on", () => {
  expect(refusal("The store /srv/archon", stack, ownerOf([unmarked, marked]))).toBe(
    'The store /srv/archon already has the stack "dev" of the project "archon", from another deployment: ada.\n' +
      "Nothing was changed. Deploy under another stack name (`./archon pulumi stack init NAME`), " +
      "or take that deployment over: `./archon recover --adopt --stack dev`",
  );
  expect(ownerOf([unmarked])).toBe("an earlier version made it, which did not record whose it is");
});

test("taking over names what is removed, what stays, and a deployment whose containers are elsewhere", () => {
  const claimed = { root: "/srv/archon", claim: { id: "id-1", owner: "ada" } };
  expect(describeOther("dev", { owner: "ada", labelled: [marked], claimed })).toEqual([
    'The stack "dev" of the project "archon" has another deployment: ada.',
    "Taking it over removes from this engine:",
    "  server one",
    "The service does not answer from then until the next update has finished.",
    expect.stringMatching(/^Environment, images, models and documents stay/),
    expect.stringContaining("The list of releases starts anew"),
    expect.stringContaining("there is no rollback to them"),
  ]);
  const [volume] = parseLabelled("volume", "archon-dev-claim\tarchon-dev-claim\tclaim\tid-1\tada\n");
  expect(describeOther("dev", { owner: "ada", labelled: volume ? [volume] : [], claimed })).toContain(
    "  volume archon-dev-claim",
  );
  expect(describeOther("dev", { owner: "ada", labelled: [], claimed })).toContainEqual(
    expect.stringMatching(/^Only the store \/srv\/archon knows it: its containers are not on this engine/),
  );
});

describe("the claim on a stack's name in a store", () => {
  let store: string;
  const file = (): string => path.join(store, claimPath(stack));
  beforeEach(() => {
    store = fs.mkdtempSync(path.join(os.tmpdir(), "archon-claim-"));
    fs.mkdirSync(path.join(store, "refs"));
    fs.writeFileSync(path.join(store, "python3"), "#!/bin/sh\n", { mode: 0o755 });
  });
  afterEach(() => {
    fs.rmSync(store, { recursive: true });
  });

  /** Runs a script of the store as its container does, on a directory of this machine and without the store tool. */
  function run(script: string, id: string): { status: number | null; stderr: string } {
    const text = fs.readFileSync(path.join(projectRoot, "components", "scripts", script), "utf8");
    const { status, stderr } = spawnSync("/bin/sh", ["-s"], {
      encoding: "utf8",
      input: text.replaceAll("/store", store),
      env: {
        PATH: [store, process.env.PATH].join(path.delimiter),
        CLAIM_FILE: claimPath(stack),
        CLAIM_ID: id,
        CLAIM_OWNER: `owner of ${id}, checkout /a $b`,
        CLAIM_REFUSAL: "It is that of @OWNER@.\nNothing was changed.",
      },
    });
    return { status, stderr };
  }

  test("is made once, stays with the same deployment, and is refused to another one, which learns whose it is", () => {
    expect(run("claim-store.sh", "one")).toEqual({ status: 0, stderr: "" });
    expect(run("claim-store.sh", "one")).toEqual({ status: 0, stderr: "" });
    expect(run("claim-store.sh", "two")).toEqual({
      status: 1,
      stderr: "It is that of owner of one, checkout /a $b.\nNothing was changed.\n",
    });
    expect(parseClaim(fs.readFileSync(file(), "utf8"))).toEqual({ id: "one", owner: "owner of one, checkout /a $b" });
    expect(fs.readdirSync(path.join(store, "refs"))).toEqual(["archon-dev.owner"]);
  });

  test("is given up only by the deployment that has it", () => {
    run("claim-store.sh", "one");
    expect(run("release-store.sh", "two")).toEqual({ status: 0, stderr: "" });
    expect(fs.existsSync(file())).toBe(true);
    expect(run("release-store.sh", "one")).toEqual({ status: 0, stderr: "" });
    expect(fs.existsSync(file())).toBe(false);
    expect(run("claim-store.sh", "two").status).toBe(0);
  });

  test("of an empty text is none", () => {
    expect(parseClaim("")).toBeUndefined();
  });
});
