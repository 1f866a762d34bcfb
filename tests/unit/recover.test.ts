import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { heldLock } from "../../commands/recover/lock";
import { knownIds, orphans, type Labelled } from "../../commands/recover/orphans";

// That Pulumi's state and locks look like this, the fault runs show.

const exported = JSON.stringify({
  version: 3,
  deployment: {
    resources: [
      { type: "pulumi:pulumi:Stack" },
      { type: "docker:index/container:Container", id: "aaa" },
      { type: "docker:index/container:Container", id: "old", delete: true },
      { type: "docker:index/network:Network", id: "net" },
      { type: "docker:index/remoteImage:RemoteImage", id: "image" },
    ],
    pending_operations: [{ type: "creating", resource: { type: "docker:index/container:Container" } }],
  },
});
const labelled = (...ids: string[]): Labelled[] => ids.map((id) => ({ id, name: `name-${id}`, kind: "container" }));

test("lost is what carries the labels and no state knows; what is still to be deleted is known", () => {
  expect(orphans(labelled("aaa", "lost", "old"), knownIds(exported)).map(({ id }) => id)).toEqual(["lost"]);
  expect([...knownIds(exported)]).toEqual(["aaa", "old", "net"]);
});

test("of a stack without resources everything labelled is lost", () => {
  expect(orphans(labelled("aaa"), knownIds('{"version":3,"deployment":{}}'))).toHaveLength(1);
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
  fs.writeFileSync(path.join(directory, "x.json"), "");
  expect(() => heldLock("dev", state)).toThrow("./archon pulumi cancel --yes --stack dev");
  fs.rmSync(state, { recursive: true });
});
