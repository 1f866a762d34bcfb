import { findRelease } from "../../commands/releases/ledger";
import { parseLedger } from "../../release/ledger";
import { describeReleases } from "../../commands/releases/table";
import { describeOutcome, notRestorable } from "../../commands/rollback/format";
import type { Release } from "../../release/release";

// What Pulumi and the engine say is given; that they say it is for the engine suite to show.

const release = (id: string, more: Partial<Release> = {}): Release => ({
  id,
  created: "2026-11-20T10:00:00.123Z",
  images: { server: `archon-server:tag-${id}`, bootstrap: "archon-bootstrap:b", gateway: "archon-gateway:g" },
  environment: "6090c02ee441611f",
  models: [{ name: "demo", repo: "local/demo", revision: "1a2f7aa13645cd5685bf8600a2382b10c26adcd7" }],
  ...more,
});
const ledger = {
  running: "bbbb00000000",
  releases: [release("bbbb00000000"), release("aaaa11111111"), release("aaaa22222222")],
};

describe("the ledger", () => {
  test("is read from the outputs, with the store's root from the environment's path", () => {
    const outputs = {
      release: "bbbb00000000",
      releases: ledger.releases,
      services: [{ name: "server", url: "http://127.0.0.1:1" }],
      environment: { key: "k", path: "/var/lib/archon/envs/k" },
      images: { bootstrap: "b", gateway: "g" },
    };
    expect(parseLedger(outputs)).toEqual({
      ...ledger,
      sharedImages: { bootstrap: "b", gateway: "g" },
      services: outputs.services,
      root: "/var/lib/archon",
    });
  });

  test("of a stack that was never updated is empty", () => {
    expect(parseLedger({})).toEqual({
      running: undefined,
      releases: [],
      sharedImages: undefined,
      services: [],
      root: undefined,
    });
  });

  test("of another shape is refused", () => {
    expect(() => parseLedger({ releases: [{ id: 1 }] })).toThrow(/not a ledger that this version reads/);
  });
});

describe("a release is found", () => {
  test("by its id, by a unique prefix of its id, and as the previous release", () => {
    expect(findRelease("aaaa22222222", ledger).id).toBe("aaaa22222222");
    expect(findRelease("aaaa2", ledger).id).toBe("aaaa22222222");
    expect(findRelease("previous", ledger).id).toBe("aaaa11111111");
    // After a rollback the running one is not the first that is not running.
    expect(findRelease("previous", { ...ledger, running: "aaaa11111111" }).id).toBe("bbbb00000000");
  });

  test.each([
    ["cccc", 'There is no release "cccc" in the ledger'],
    ["aaaa", '"aaaa" is the beginning of 2 releases'],
  ])("never by %s: the known ones are listed", (wanted, reason) => {
    expect(() => findRelease(wanted, ledger)).toThrow(reason);
    expect(() => findRelease(wanted, ledger)).toThrow(
      /bbbb00000000 .*runs now\n {2}aaaa11111111 .*\n {2}aaaa22222222 /,
    );
  });

  test("nowhere in a stack with one release or none", () => {
    expect(() => findRelease("previous", { running: "a", releases: [release("a")] })).toThrow(
      "There is no previous release.",
    );
    expect(() => findRelease("a", { running: undefined, releases: [] })).toThrow("The ledger is empty.");
  });
});

test("the table marks the running release and says why another cannot come back", () => {
  const two = [
    { name: "demo", repo: "local/demo", revision: "1a2f7aa13645cd5685bf8600a2382b10c26adcd7" },
    { name: "qwen", repo: "Q/R", revision: "e".repeat(40) },
  ];
  const lines = describeReleases(
    [
      release("bbbb00000000", {
        created: "2026-11-24T08:59:00.5Z",
        commit: `${"c".repeat(40)}-dirty`,
        message: "m".repeat(100),
      }),
      release("aaaa11111111", {
        models: two,
        activeModel: "qwen",
        lost: "the image archon-server:x is missing from the engine",
      }),
    ],
    "bbbb00000000",
    new Date("2026-11-24T12:00:00Z"),
  );
  expect(lines).toHaveLength(5);
  expect(lines[1]).toMatch(
    /^▶ {2}bbbb00000000 {2}2026-11-24T08:59:00Z {2}3 h +tag-bbbb00000000 {2}6090c02ee441611f {2}demo@1a2f7aa13645 +yes +cccccccccc-dirty m{42}…$/,
  );
  expect(lines[2]).toMatch(
    /^ {3}aaaa11111111 {2}2026-11-20T10:00:00Z {2}4 d .* demo@1a2f7aa13645 qwen@eeeeeeeeeeee\* {2}no +–$/,
  );
  expect(lines[4]).toBe("aaaa11111111: the image archon-server:x is missing from the engine");
});

test("after a rollback the words say what runs, where it is recorded and how to go forward", () => {
  const at = {
    running: "aaaa11111111",
    releases: [release("aaaa11111111", { message: "Faster search" })],
    services: [{ name: "server", url: "http://127.0.0.1:8181" }],
  };
  const lines = describeOutcome(at, "aaaa11111111", "prod").join("\n");
  expect(lines).toContain("http://127.0.0.1:8181 now runs aaaa11111111 (Faster search).");
  expect(lines).toContain("Pulumi.prod.yaml");
  expect(lines).toContain("./archon rollback --forward --stack prod");
  expect(lines).toContain("config rm archon:release --stack prod");
  const forward = describeOutcome(at, undefined, "dev").join("\n");
  expect(forward).toContain("archon:release was removed from Pulumi.dev.yaml");
  expect(forward).not.toContain("--forward");
});

test("a release that lost a part names its commit as the way back", () => {
  expect(notRestorable("aaaa11111111", "the environment e is missing from the store", "abc-dirty")).toMatch(
    /cannot be run again: the environment e is missing.*\nCheck out its commit \(abc\)/,
  );
});
