import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { TarWriter, readEntries } from "../../commands/bundle/tar";
import { bundleContents, exportBundle } from "../../commands/bundle/export";
import { describeImported } from "../../commands/bundle/import";
import { checkMember, openBundle, readMember, type BundleIndex } from "../../commands/bundle/index-file";
import { silent } from "../../commands/lib/progress";
import type { Release } from "../../release/release";

// What goes in and comes out of the engine and the store is for the engine suite to show.

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-bundle-"));
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});
const file = path.join(directory, "x.bundle");
const release: Release = {
  id: "0123456789ab",
  created: "2026-11-24T00:00:00Z",
  commit: "c".repeat(40),
  message: "feat: otters",
  images: { server: "archon-server:s", bootstrap: "archon-bootstrap:b", gateway: "archon-gateway:g" },
  environment: "6090c02ee441611f",
  models: [{ name: "demo", repo: "local/demo", revision: "d".repeat(40) }],
};

async function write(members: Readonly<Record<string, Buffer>>, index: Partial<BundleIndex> = {}): Promise<void> {
  fs.rmSync(file, { force: true });
  const descriptor = fs.openSync(file, "w");
  const archive = new TarWriter(descriptor);
  const written = [];
  for (const [name, data] of Object.entries(members)) {
    written.push(
      await archive.add(name, async (stream) => {
        for (let at = 0; at < data.length; at += 1000) {
          await new Promise((resolve) => stream.write(data.subarray(at, at + 1000), resolve));
        }
      }),
    );
  }
  const whole: BundleIndex = {
    format: 1,
    created: "x",
    baseImage: "base",
    releases: [release],
    images: [],
    tool: "t",
    store: "0".repeat(64),
    members: written,
    ...index,
  };
  await archive.add(
    "bundle.json",
    (stream) =>
      new Promise((resolve) =>
        stream.write(JSON.stringify(whole), () => {
          resolve();
        }),
      ),
  );
  archive.finish();
  fs.closeSync(descriptor);
}

function opened<T>(work: (descriptor: number) => T): T {
  const descriptor = fs.openSync(file, "r");
  try {
    return work(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

const images = Buffer.from("i".repeat(12_345));
const store = Buffer.from("s".repeat(512));

test("tar reads what was written, and so do we", async () => {
  await write({ "images.tar": images, "store.tar": store, empty: Buffer.alloc(0) });
  expect(execFileSync("tar", ["tf", file], { encoding: "utf8" })).toBe("images.tar\nstore.tar\nempty\nbundle.json\n");
  expect(execFileSync("tar", ["xOf", file, "images.tar"])).toEqual(images);
  const { index, images: entry } = opened((descriptor) => openBundle(descriptor, file));
  expect(index.members[0]).toEqual({
    name: "images.tar",
    bytes: 12_345,
    sha256: createHash("sha256").update(images).digest("hex"),
  });
  const chunks: Buffer[] = [];
  for await (const chunk of readMember(file, entry)) {
    chunks.push(chunk as Buffer);
  }
  expect(Buffer.concat(chunks)).toEqual(images);
  await expect(checkMember(file, entry, index)).resolves.toBeUndefined();
});

test("sizes above 8 GiB are kept", async () => {
  await write({ "images.tar": images, "store.tar": store });
  const large = 9 * 2 ** 30;
  const head = fs.readFileSync(file).subarray(0, 512);
  const descriptor = fs.openSync(file, "w");
  try {
    // A header as the writer makes it, before a hole of nine gigabytes that takes no room on the disk.
    head.fill(0, 124, 136);
    head.writeUInt8(0x80, 124);
    head.writeBigUInt64BE(BigInt(large), 128);
    head.write("        ", 148, "latin1");
    head.write(
      `${head
        .reduce((total, byte) => total + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
      "latin1",
    );
    fs.writeSync(descriptor, head, 0, 512, 0);
    fs.ftruncateSync(descriptor, 512 + large + 1024);
  } finally {
    fs.closeSync(descriptor);
  }
  expect(opened((each) => readEntries(each, file))).toEqual([{ name: "images.tar", offset: 512, bytes: large }]);
});

test.each([0, 100, 600, 12_000, 14_000])("a file that ends after %d bytes is refused", async (size) => {
  await write({ "images.tar": images, "store.tar": store });
  fs.truncateSync(file, size);
  expect(() => opened((descriptor) => openBundle(descriptor, file))).toThrow(/ends? early|not a bundle/);
});

test("a changed byte of a member is found by its hash, one of a header at once", async () => {
  await write({ "images.tar": images, "store.tar": store });
  const { index, images: entry } = opened((descriptor) => openBundle(descriptor, file));
  const data = fs.readFileSync(file);
  data.writeUInt8(0, 5_000);
  fs.writeFileSync(file, data);
  await expect(checkMember(file, entry, index)).rejects.toThrow(
    /images\.tar has sha256 [0-9a-f]{64}, its index says [0-9a-f]{64}/,
  );
  data.writeUInt8(0x31, 100);
  fs.writeFileSync(file, data);
  expect(() => opened((descriptor) => openBundle(descriptor, file))).toThrow("it was changed (at byte 0)");
});

test("an index of another format, and a file without one, are refused", async () => {
  await write({ "images.tar": images, "store.tar": store }, { format: 2 as 1 });
  expect(() => opened((descriptor) => openBundle(descriptor, file))).toThrow(
    "a bundle that this version does not read",
  );
  await write({ "images.tar": images });
  expect(() => opened((descriptor) => openBundle(descriptor, file))).toThrow("it has no store.tar");
  await write({ "images.tar": images, "store.tar": store }, { members: [] });
  expect(() => opened((descriptor) => openBundle(descriptor, file))).toThrow("but its index says otherwise");
});

test("what releases share goes in once, and the tools that run now besides", () => {
  const second = { ...release, id: "b".repeat(12), images: { ...release.images, server: "archon-server:s2" } };
  expect(bundleContents([release, second], ["archon-gateway:new"])).toEqual({
    images: ["archon-bootstrap:b", "archon-gateway:g", "archon-gateway:new", "archon-server:s", "archon-server:s2"],
    targets: ["envs/6090c02ee441611f", `models/local/demo@${"d".repeat(40)}`],
  });
});

test("a release with an image of a registry is refused, before anything is written", async () => {
  const server = `registry.example/server@sha256:${"a".repeat(64)}`;
  const pulled = { ...release, images: { ...release.images, server } };
  const target = path.join(directory, "pulled.bundle");
  const request = { stack: "dev", releases: [pulled], sharedImages: [], root: "/srv/archon", file: target };
  await expect(exportBundle(request, silent)).rejects.toThrow(`0123456789ab: ${server}`);
  const roles = { ...release, images: { ...release.images, roles: { mcp: { image: server } } } };
  await expect(exportBundle({ ...request, releases: [roles] }, silent)).rejects.toThrow(`0123456789ab: ${server}`);
  expect(fs.existsSync(`${target}.partial`)).toBe(false);
});

test("an import says what to run next", () => {
  const index = { baseImage: "archon-base:x", releases: [release] } as unknown as BundleIndex;
  const text = describeImported(index, "/srv/archon", "prod").join("\n");
  expect(text).toContain(
    "release 0123456789ab of commit cccccccccccc (feat: otters): environment 6090c02ee441611f, demo",
  );
  expect(text).toContain(`git checkout ${"c".repeat(40)}`);
  expect(text).toContain("config set archon:root /srv/archon --stack prod");
  expect(text).toContain("config set archon:baseImage archon-base:x --stack prod");
  expect(text).toContain("./archon pulumi up --stack prod");
});
