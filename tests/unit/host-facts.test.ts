import * as pulumi from "@pulumi/pulumi";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { requireOfEngine } from "../../components/engine";
import { hostFacts, unavailableReason, assumingBuilt } from "../../components/host-facts";
import { storeContents } from "../../components/store-contents";
import type { Release } from "../../release/release";

/** Proves what is read off the disk. That images are found in the engine, the engine suite proves. */
const release: Release = {
  id: "r",
  created: "",
  images: { server: "archon-server:1", bootstrap: "archon-bootstrap:1", gateway: "archon-gateway:1" },
  environment: "key",
  models: [{ name: "m", repo: "Org/Name", revision: "c".repeat(40) }],
};
// No engine listens there, so that no image counts as missing.
const dockerHost = "unix:///nonexistent/docker.sock";
const mark = { stack: "archon-dev", environment: "key" };
let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "archon-facts-"));
  writeRoots("key");
});
afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

/** Does something while `docker` is a shell script of these lines. */
function withClient(script: string, work: () => void): void {
  const client = path.join(root, "bin", "docker");
  fs.mkdirSync(path.dirname(client));
  fs.writeFileSync(client, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const before = process.env.PATH;
  process.env.PATH = `${path.dirname(client)}:${before ?? ""}`;
  try {
    work();
  } finally {
    process.env.PATH = before;
  }
}

function writeRoots(environment: string): void {
  fs.mkdirSync(path.join(root, "refs"), { recursive: true });
  fs.writeFileSync(path.join(root, "refs/archon-dev.json"), JSON.stringify({ environments: [environment] }));
}

test("an engine that does not answer is an error for people, with its address and the reason", () => {
  const ask = (): string => requireOfEngine(dockerHost, ["volume", "ls"], 5);
  expect(ask).toThrow(/^The Docker engine at unix:\/\/\/nonexistent\/docker\.sock does not answer: .*nonexistent/);
  expect(ask).toThrow(pulumi.RunError);
});

test("a release is whole while its environment and snapshots are in the store, and the first missing part is named", () => {
  const lost = (): string | undefined => unavailableReason(hostFacts({ dockerHost, root }, mark), release);
  expect(lost()).toBe("the environment key is missing from the store");
  fs.mkdirSync(path.join(root, "envs/key"), { recursive: true });
  expect(lost()).toBe(`the model Org/Name@${"c".repeat(40)} is missing from the store`);
  fs.mkdirSync(path.join(root, "models/huggingface/hub/models--Org--Name/snapshots", "c".repeat(40)), {
    recursive: true,
  });
  expect(lost()).toBeUndefined();
});

test("a baseline is there once its file is, where the store tool writes it", () => {
  const has = (): boolean => hostFacts({ dockerHost, root }, mark).hasBaseline({ repo: "Org/Name", revision: "c" });
  const directory = path.join(root, "models/huggingface/manifests/models--Org--Name");
  expect(has()).toBe(false);
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, "c.proof.json"), "{}");
  expect(has()).toBe(true);
});

test("what an update makes again is not lost to the releases that share it", () => {
  const facts = hostFacts({ dockerHost, root }, mark);
  expect(unavailableReason(assumingBuilt(facts, release), { ...release, id: "other" })).toBeUndefined();
  expect(unavailableReason(assumingBuilt(facts, { ...release, models: [] }), release)).toContain("the model Org/Name");
});

test("a store is empty for an engine without an image of ours, as on a new host; otherwise it may hold everything", () => {
  const has = (...images: string[]): boolean =>
    storeContents({ dockerHost, root: "/nonexistent" }, mark, new Set(images))("store.json");
  expect(has("python:3.11")).toBe(false);
  expect(has("python:3.11", "archon-gateway:1")).toBe(true);
});

test("what cannot be seen from here counts as there: another machine's store, and any on a build server", () => {
  expect(unavailableReason(hostFacts({ dockerHost: "ssh://elsewhere", root }, mark), release)).toBeUndefined();
  process.env["ARCHON_ENGINE_ELSEWHERE"] = "1";
  try {
    expect(unavailableReason(hostFacts({ dockerHost, root }, mark), release)).toBeUndefined();
  } finally {
    delete process.env["ARCHON_ENGINE_ELSEWHERE"];
  }
});

test.each([
  ["true", true],
  ["false", false],
])("an engine that says %s of its swap limit limits it: %s", (said, limitsSwap) => {
  withClient(`[ "$1" != info ] || echo ${said}`, () => {
    expect(hostFacts({ dockerHost, root }, mark).limitsSwap).toBe(limitsSwap);
  });
});

test.each<[string, string[], boolean]>([
  ["an empty directory", ["."], true],
  ["no directory, or one that cannot be told from it", [], false],
  ["a store", ["store.json", "envs/key"], false],
  ["a directory with something else", ["refs/archon-dev.json"], false],
])("a disk may be missing where the engine lists %s", (_, listed, missing) => {
  const cases = `image) echo archon-bootstrap:1 ;; run) printf '%s\\n' ${listed.join(" ")} ;;`;
  withClient(`case "$1" in ${cases} esac`, () => {
    expect(hostFacts({ dockerHost, root: path.join(root, "elsewhere") }, mark).rootIsEmpty()).toBe(missing);
  });
});

test("an image of a registry is found by its digest, and a missing one by its registry", () => {
  const server = `registry.example/server@sha256:${"a".repeat(64)}`;
  const other = `registry.example/server@sha256:${"b".repeat(64)}`;
  fs.mkdirSync(path.join(root, "envs/key"), { recursive: true });
  withClient(`echo 'registry.example/server:<none> ${server}'`, () => {
    const facts = hostFacts({ dockerHost, root }, mark);
    const pulled = { ...release, models: [], images: { ...release.images, server } };
    expect(unavailableReason(facts, pulled)).toBeUndefined();
    expect(unavailableReason(facts, { ...pulled, images: { ...pulled.images, server: other } })).toBe(
      `the image ${other} is missing from the engine; \`docker pull ${other}\` brings it back`,
    );
  });
});

test("a directory that is not the stack's store says nothing: it is empty, or another store at the same path", () => {
  const lost = (): string | undefined => unavailableReason(hostFacts({ dockerHost, root }, mark), release);
  expect(lost()).toBe("the environment key is missing from the store");
  writeRoots("other");
  expect(lost()).toBeUndefined();
  fs.rmSync(path.join(root, "refs"), { recursive: true });
  expect(lost()).toBeUndefined();
});
