import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { removeBrokenAttributes } from "../../commands/recover/attributes";
import { parseHolders } from "../../commands/recover/lock";
import { silent } from "../../commands/lib/progress";
import { heldLock, releaseStaleLocks, requireIdle } from "../../commands/lib/state-lock";
import { foreign, orphans, readState } from "../../commands/recover/orphans";
import type { Labelled } from "../../lib/deployment-identity";

// That Pulumi's state and locks look like this, the fault runs show.

const stash = { type: "pulumi:index:Stash", id: "s", outputs: { input: {}, output: { id: "own", owner: "me" } } };
const containers = [
  { type: "docker:index/container:Container", id: "aaa" },
  { type: "docker:index/container:Container", id: "old", delete: true },
  { type: "docker:index/network:Network", id: "net" },
  { type: "docker:index/remoteImage:RemoteImage", id: "image" },
];
const exported = (...resources: object[]): string =>
  JSON.stringify({
    version: 3,
    deployment: {
      resources: [{ type: "pulumi:pulumi:Stack" }, ...resources],
      pending_operations: [{ type: "creating", resource: { type: "docker:index/container:Container" } }],
    },
  });
const labelled = (id: string, deployment: string | undefined, component = "server"): Labelled => ({
  id,
  name: `name-${id}`,
  kind: "container",
  component,
  deployment,
  owner: undefined,
});
const ids = (found: readonly Labelled[]): string[] => found.map(({ id }) => id);

test("an orphan has the deployment's labels and no state knows it; what is still to be deleted is known", () => {
  const state = readState(exported(stash, ...containers));
  expect([...state.known]).toEqual(["aaa", "old", "net"]);
  expect(
    ids(
      orphans(
        ["aaa", "lost", "old"].map((id) => labelled(id, "own")),
        state,
      ),
    ),
  ).toEqual(["lost"]);
});

test("what another deployment made is no orphan, and a job of the store ends by itself", () => {
  const state = readState(exported(stash, ...containers));
  const found = [labelled("lost", "own"), labelled("theirs", "other"), labelled("job", "own", "one-shot")];
  expect(ids(orphans(found, state))).toEqual(["lost"]);
  expect(ids(foreign(found, state))).toEqual(["theirs"]);
});

test("what has no id belongs to a state that knows containers, and not to one that was refused or lost", () => {
  const found = [labelled("unmarked", undefined)];
  const before = readState(exported(...containers));
  expect([ids(orphans(found, before)), ids(foreign(found, before))]).toEqual([["unmarked"], []]);
  for (const state of [readState(exported(stash)), readState('{"version":3,"deployment":{}}')]) {
    expect([ids(orphans(found, state)), ids(foreign(found, state))]).toEqual([[], ["unmarked"]]);
  }
});

test("the holder of a lock is who wrote it, and nobody without a file", () => {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), "recover-"));
  expect(heldLock("dev", state)).toBeUndefined();
  const directory = path.join(state, ".pulumi", "locks", "organization", "archon", "dev");
  fs.mkdirSync(directory, { recursive: true });
  const holder = { pid: 1, username: "me", hostname: "there", timestamp: "2026-11-24" };
  fs.writeFileSync(path.join(directory, "x.json"), JSON.stringify(holder));
  fs.writeFileSync(path.join(directory, "x.json.attrs"), "{}");
  expect(heldLock("dev", state)).toEqual(holder);
  expect(heldLock("prod", state)).toBeUndefined();
  expect(() => requireIdle(["prod"], state)).not.toThrow();
  expect(() => requireIdle(["prod", "dev"], state)).toThrow(
    'An update of the stack "dev" is running: process 1 of me@',
  );
  expect(() => requireIdle(["dev"], state)).toThrow(
    `no longer exists on there: remove its lock, the directory ${directory}`,
  );
  fs.writeFileSync(path.join(directory, "x.json"), "");
  expect(() => heldLock("dev", state)).toThrow(`The lock ${path.join(directory, "x.json")} cannot be read`);
  expect(() => heldLock("dev", state)).toThrow("If no update of the stack dev is running, remove that file.");
  fs.rmSync(state, { recursive: true });
});

test("the holders of locks in a bucket are those that Pulumi names", () => {
  const message = `error: could not create stack: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the lock file with \`pulumi cancel\`.
  s3://bucket/.pulumi/locks/organization/archon/dev/1.json?region=us-east-1: created by ada@gpu1 (pid 71) at 2026-11-29T14:00:00Z
  s3://bucket/.pulumi/locks/organization/archon/dev/2.json?region=us-east-1: created by ci@runner-2 (pid 8) at 2026-11-29T14:01:00+01:00`;
  expect(parseHolders(message.split("\n"))).toEqual([
    { username: "ada", hostname: "gpu1", pid: 71, timestamp: "2026-11-29T14:00:00Z" },
    { username: "ci", hostname: "runner-2", pid: 8, timestamp: "2026-11-29T14:01:00+01:00" },
  ]);
  expect(parseHolders(["error: stack 'organization/archon/dev' already exists"])).toEqual([]);
});

describe("a lock of this machine", () => {
  let state: string;
  beforeEach(() => {
    state = fs.mkdtempSync(path.join(os.tmpdir(), "recover-"));
  });
  afterEach(() => fs.rmSync(state, { recursive: true }));

  /** Whether the lock of this test's process, taken at a time, is removed as that of a killed update. */
  function isRemoved(timestamp: string): boolean {
    const directory = path.join(state, ".pulumi", "locks", "organization", "archon", "dev");
    fs.mkdirSync(directory, { recursive: true });
    const holder = { pid: process.pid, username: "me", hostname: os.hostname(), timestamp };
    fs.writeFileSync(path.join(directory, "x.json"), JSON.stringify(holder));
    return releaseStaleLocks("dev", silent, state);
  }

  test("is held by the process that took it", () => {
    expect(isRemoved(new Date().toISOString())).toBe(false);
  });

  test("is stale once its process id belongs to a process that started later, as after a reboot", () => {
    expect(isRemoved(new Date(Date.now() - process.uptime() * 1000 - 5000).toISOString())).toBe(true);
  });

  test("is held if the time in it cannot be read", () => {
    expect(isRemoved("yesterday")).toBe(false);
  });
});

test("attributes that a killed Pulumi left half written are removed, and nothing else of the state", () => {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), "recover-"));
  const stacks = path.join(state, ".pulumi", "stacks", "archon");
  const messages: string[] = [];
  const progress = { ...silent, message: (line: string) => messages.push(line) };
  removeBrokenAttributes(progress, state);
  fs.mkdirSync(stacks, { recursive: true });
  // As found after a kill -9: the state is whole, its attributes are empty, the next state is not in place yet.
  const files = {
    "dev.json": "{",
    "dev.json.attrs": "",
    "prod.json.attrs": "{}\n",
    "dev.json.18ec.tmp": "{",
    half: "",
  };
  Object.entries(files).forEach(([name, text]) => fs.writeFileSync(path.join(stacks, name), text));
  removeBrokenAttributes(progress, state);
  expect(fs.readdirSync(stacks).sort()).toEqual(["dev.json", "dev.json.18ec.tmp", "half", "prod.json.attrs"]);
  expect(messages).toEqual([
    "Removed the attributes of stacks/archon/dev.json, which a killed update left half written.",
  ]);
  fs.rmSync(state, { recursive: true });
});
