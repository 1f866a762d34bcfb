import { sourcesOf } from "../../commands/store/repair";
import { describeCollection, describeInventory, parseCollection, parseInventory } from "../../commands/store/report";
import { storeToolArguments } from "../../commands/store/store-tool";
import { describeUsers, usersOf } from "../../commands/store/users";
import { parseContainers } from "../../commands/lib/docker";
import { LIST_LIVE_CONTAINERS } from "../../lib/collection-queries.cjs";

// The reports are those of the interface; that the store tool writes them is for the engine suite to show.

const collection = {
  dryRun: true,
  environments: [{ key: "6090c02ee441611f", bytes: 6_000_000_000 }],
  models: [{ model: "Org/Name@aaaa", bytes: 1_190_000_000 }],
  caches: { wheels: 0, bytecode: 5_000_000 },
  staging: 0,
  images: ["archon-server:old"],
  bytes: 7_195_000_000,
};

describe("the report of a collection", () => {
  test("is the last line that is JSON, below what was said before", () => {
    expect(parseCollection(`removed envs/x: 6 GB\n{"not":"it"}\n${JSON.stringify(collection)}\n`)).toEqual(collection);
  });

  test.each(["", "removed envs/x\n", '{"dryRun":true}\n', "{torn\n"])(
    "that is none of ours is refused: %j",
    (stdout) => {
      expect(() => parseCollection(stdout)).toThrow(/report has a format that this version cannot read/);
    },
  );

  test("names what goes with its bytes, and leaves out what does not", () => {
    expect(describeCollection(collection)).toEqual([
      "environment  6090c02ee441611f  6.00 GB",
      "model        Org/Name@aaaa     1.19 GB",
      "cache        byte code         5.00 MB",
      "Would free 7.20 GB in the store.",
    ]);
    expect(describeCollection({ ...collection, dryRun: false }).at(-1)).toBe("Freed 7.20 GB in the store.");
    const nothing = { ...collection, environments: [], models: [], caches: { wheels: 0, bytecode: 0 }, bytes: 0 };
    expect(describeCollection(nothing)).toEqual(["The store holds nothing to remove."]);
  });
});

test("the inventory of a store says who uses what, on one line or many", () => {
  const inventory = {
    format: 1,
    root: "/store",
    environments: [
      { key: "k1", bytes: 1_000_000, created: "x", packages: 2, usedBy: ["archon-dev"] },
      { key: "k2", bytes: 1_000, usedBy: [] },
    ],
    models: [],
    caches: { wheels: 1_000, bytecode: 0 },
    staging: 0,
    data: [{ path: "dev/server", bytes: 12 }],
    references: [{ stack: "archon-dev", updated: "2026-11-24", images: [], environments: [], models: [] }],
  };
  const parsed = parseInventory(JSON.stringify(inventory, undefined, 1));
  expect(parseInventory(JSON.stringify(inventory))).toEqual(parsed);
  const lines = describeInventory(parsed);
  expect(lines[0]).toMatch(/^environment +k1 +1\.00 MB +used by archon-dev$/);
  expect(lines[1]).toMatch(/^environment +k2 +1\.00 kB +used by no stack$/);
  expect(lines).toContainEqual(expect.stringMatching(/^data +dev\/server +12 B/));
  expect(lines.at(-1)).toBe("Stacks that refer to it: archon-dev (last update 2026-11-24).");
});

describe("live containers", () => {
  const container = (name: string, source: string, labels: Record<string, string> | null = null): object => ({
    Name: `/${name}`,
    Config: { Labels: labels },
    Mounts: [
      { Type: "bind", Source: source },
      { Type: "volume", Source: "/var/lib/docker/volumes/v" },
    ],
  });

  test("are those that run or may start at any moment, and not those that are stopped", () => {
    expect(LIST_LIVE_CONTAINERS).toEqual([
      "ps",
      "--all",
      "--quiet",
      "--no-trunc",
      "--filter=status=created",
      "--filter=status=running",
      "--filter=status=restarting",
      "--filter=status=paused",
    ]);
  });

  test("have their bind mounts alone", () => {
    expect(parseContainers(JSON.stringify([container("one", "/s")]))).toEqual([
      { name: "one", labels: {}, bindSources: ["/s"] },
    ]);
  });

  test("use a store when they have it or something inside it mounted", () => {
    const live = parseContainers(
      JSON.stringify([
        container("whole", "/var/lib/archon"),
        container("part", "/var/lib/archon/envs/k", { "io.archon.stack": "prod" }),
        container("around", "/var/lib"),
        container("beside", "/var/lib/archon-other"),
        container("dots", "/var/lib/archon/..data"),
      ]),
    );
    const users = usersOf("/var/lib/archon", live);
    expect(users.map(({ name }) => name)).toEqual(["whole", "part", "dots"]);
    const words = describeUsers("/var/lib/archon", users).join("\n");
    expect(words).toContain("part of the stack prod");
    expect(words).toContain("./archon pulumi destroy --stack prod");
    expect(words).toContain("docker stop whole dots");
  });
});

test("the store tool runs with the restrictions of an update's store jobs, and never makes a store where there is none", () => {
  const args = storeToolArguments(
    { root: "/var/lib/archon", command: ["prune", "--json"], mounts: new Map([["/references/0", "/other/refs"]]) },
    "archon-bootstrap:b",
    "/ca.pem",
  );
  expect(args.slice(-5)).toEqual(["archon-bootstrap:b", "prune", "--store", "/store", "--json"]);
  expect(args).toEqual(
    expect.arrayContaining(["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none"]),
  );
  expect(args).toContain("--mount=type=bind,source=/var/lib/archon,target=/store");
  expect(args).toContain("--mount=type=bind,source=/other/refs,target=/references/0,readonly");
  expect(args.some((each) => each.startsWith("--volume"))).toBe(false);
  expect(storeToolArguments({ root: "/s", command: ["verify"], network: true }, "i", undefined)).not.toContain(
    "--network=none",
  );
});

test("damaged files are fetched again from the sources that the stack configures", () => {
  const { options, mounts, directories } = sourcesOf("dev");
  expect({ options, mounts: [...mounts] }).toEqual({ options: [], mounts: [] });
  expect(
    [...directories].map(([target, directory]) => [target.replace(/@[0-9a-f]{40}$/, "@commit"), directory]),
  ).toEqual([["models/local/demo@commit", expect.stringMatching(/\/demo\/reranker$/)]]);
  // A model of a hub is repaired from that hub, through its own endpoint.
  expect([...sourcesOf("prod").directories]).toEqual([]);
});
