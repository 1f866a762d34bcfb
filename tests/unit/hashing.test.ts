import fc from "fast-check";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { contentTag, contextSources } from "../../lib/build-context";
import { digest, digestFiles, directoryRevision, sha256, sha256OfFile, type SourceFile } from "../../lib/hashing";
import { projectRoot } from "../../lib/paths";
import { isModelFile, readModelDirectory } from "../../lib/model-directory";
import { releaseId } from "../../release/release";

const file = fc.record({
  path: fc.stringMatching(/^[a-z]{1,4}(\/[a-z]{1,4})?$/),
  executable: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 20 }),
});
const files = fc.uniqueArray(file, { selector: (each: SourceFile) => each.path, maxLength: 6 });

test("the hash of a set of files does not depend on their order", () => {
  fc.assert(
    fc.property(files, (set) => {
      expect(digestFiles([...set].reverse())).toBe(digestFiles(set));
      const hashed = set.map((each) => ({ path: each.path, sha256: sha256(each.bytes) }));
      expect(directoryRevision([...hashed].reverse())).toBe(directoryRevision(hashed));
    }),
  );
});

test("every byte, name and executable bit counts", () => {
  const one: SourceFile = { path: "a", executable: false, bytes: Buffer.from("x") };
  const variants = [one, { ...one, path: "b" }, { ...one, executable: true }, { ...one, bytes: Buffer.from("y") }].map(
    (each) => digestFiles([each]),
  );
  expect(new Set(variants).size).toBe(4);
});

test("parts do not run together", () => {
  expect(digest("ab", "c")).not.toBe(digest("a", "bc"));
});

test("the commit of a directory model is what sha256sum gives for it", () => {
  // printf hello > a; sha256sum a | sha256sum | cut -c1-40
  expect(directoryRevision([{ path: "a", sha256: sha256("hello") }])).toBe("4b4a26c2f1d891924105322b0c53b3857b475f60");
  expect(["config.json", ".git/x", "a/__pycache__/b"].filter(isModelFile)).toEqual(["config.json"]);
});

describe("a model's directory", () => {
  let cache: string;
  beforeEach(() => {
    cache = fs.mkdtempSync(path.join(os.tmpdir(), "archon-model-"));
  });
  afterEach(() => {
    fs.rmSync(cache, { recursive: true });
  });

  test("may be a snapshot of a Hugging Face cache, where every file is a link", () => {
    const folder = path.join(cache, "models--Org--Name");
    const snapshot = path.join(folder, "snapshots", "a".repeat(40));
    fs.mkdirSync(path.join(snapshot, "sub"), { recursive: true });
    fs.mkdirSync(path.join(folder, "blobs"));
    fs.writeFileSync(path.join(folder, "blobs/1"), "hello");
    fs.symlinkSync("../../blobs/1", path.join(snapshot, "config.json"));
    fs.symlinkSync("../../../blobs/1", path.join(snapshot, "sub/vocab.txt"));
    const { files, unusableLinks } = readModelDirectory(snapshot);
    expect(files).toEqual(["config.json", "sub/vocab.txt"]);
    expect(sha256OfFile(path.join(snapshot, "config.json"))).toBe(sha256("hello"));
    expect(unusableLinks).toEqual([]);
  });

  test("names the files that Git LFS has not fetched, also behind links", () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`;
    fs.writeFileSync(path.join(cache, "config.json"), "{}");
    fs.writeFileSync(path.join(cache, "empty.txt"), "");
    fs.writeFileSync(path.join(cache, "model.safetensors"), pointer);
    fs.symlinkSync("model.safetensors", path.join(cache, "copy.safetensors"));
    fs.writeFileSync(path.join(cache, "README.md"), `A file starts with:\n${pointer}`);
    expect(readModelDirectory(cache).pointers.sort()).toEqual(["copy.safetensors", "model.safetensors"]);
  });

  test("names the links that it cannot follow", () => {
    const model = path.join(cache, "model");
    fs.mkdirSync(path.join(model, "sub"), { recursive: true });
    fs.writeFileSync(path.join(model, "config.json"), "{}");
    fs.writeFileSync(path.join(cache, "secret"), "s");
    fs.symlinkSync("config.json", path.join(model, "inside"));
    fs.symlinkSync("../secret", path.join(model, "outside"));
    fs.symlinkSync("nothing", path.join(model, "dangling"));
    fs.symlinkSync("sub", path.join(model, "directory"));
    fs.symlinkSync("loop", path.join(model, "loop"));
    fs.symlinkSync("../secret", path.join(model, ".hidden"));
    const { files, unusableLinks } = readModelDirectory(model);
    expect(files.sort()).toEqual(["config.json", "inside"]);
    expect(unusableLinks.sort()).toEqual(["dangling", "directory", "loop", "outside"]);
  });
});

test("the hash of a file is that of its content, also where that takes several reads", () => {
  const file = path.join(os.tmpdir(), `archon-hashed-${process.pid}`);
  try {
    for (const size of [0, 1, 1 << 20, (1 << 20) + 1]) {
      fs.writeFileSync(file, Buffer.alloc(size, "x"));
      expect(sha256OfFile(file)).toBe(sha256(Buffer.alloc(size, "x")));
    }
  } finally {
    fs.rmSync(file);
  }
});

test("a Dockerfile's sources are what it copies and mounts from the context, not from other stages", () => {
  const dockerfile =
    "FROM x AS y\nCOPY --chmod=0644 a.txt b/ /dest/\ncopy --from=y /z /z\nRUN --mount=type=cache,target=/c \\\n  --mount=type=bind,source=lock.txt,target=/l \\\n  --mount=type=bind,from=y,source=no,target=/n true\nADD ./c d\n";
  expect(contextSources(dockerfile)).toEqual(["a.txt", "b", "c", "lock.txt"]);
});

describe("an image tag", () => {
  let context: string;
  beforeEach(() => {
    context = fs.mkdtempSync(path.join(os.tmpdir(), "archon-context-"));
    fs.mkdirSync(path.join(context, "app"));
    fs.writeFileSync(path.join(context, "Dockerfile"), "FROM x\nCOPY app /app\n");
    fs.writeFileSync(path.join(context, "app/main.py"), "1");
    fs.writeFileSync(path.join(context, ".dockerignore"), "**/__pycache__\n");
  });
  afterEach(() => {
    fs.rmSync(context, { recursive: true });
  });
  const tag = (args: Record<string, string> = { BASE: "b" }): string => contentTag(context, "Dockerfile", args);

  test("changes with a source, the recipe and a build argument", () => {
    const before = tag();
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    expect(tag({ BASE: "c" })).not.toBe(before);
    fs.writeFileSync(path.join(context, "app/main.py"), "2");
    expect(tag()).not.toBe(before);
    fs.writeFileSync(path.join(context, "app/main.py"), "1");
    fs.appendFileSync(path.join(context, "Dockerfile"), "# more\n");
    expect(tag()).not.toBe(before);
  });

  test("does not change with what the build does not read, nor with the place of the checkout", () => {
    const before = tag();
    fs.mkdirSync(path.join(context, "app/__pycache__"));
    fs.writeFileSync(path.join(context, "app/__pycache__/main.pyc"), "x");
    fs.writeFileSync(path.join(context, "other.txt"), "x");
    expect(tag()).toBe(before);
    const elsewhere = `${context}-moved`;
    fs.cpSync(context, elsewhere, { recursive: true });
    expect(contentTag(elsewhere, "Dockerfile", { BASE: "b" })).toBe(before);
    fs.rmSync(elsewhere, { recursive: true });
  });

  test("needs every source", () => {
    fs.rmSync(path.join(context, "app"), { recursive: true });
    expect(() => tag()).toThrow('The Dockerfile reads "app"');
  });
});

describe("a release id", () => {
  const content = {
    serverImage: "archon-server:1",
    environment: "k",
    models: ["a/b@1", "c/d@2"],
    activeModel: "a/b@1",
  };
  test("stands for the content", () => {
    expect(releaseId(content)).toMatch(/^[0-9a-f]{12}$/);
    expect(releaseId({ ...content, models: [...content.models].reverse() })).toBe(releaseId(content));
    const others = [
      { serverImage: "archon-server:2" },
      { environment: "l" },
      { models: ["a/b@1"] },
      { activeModel: "c/d@2" },
      { activeModel: undefined },
      { roleImages: { mcp: "archon-mcp:1" } },
      { roleImages: { mcp: "archon-mcp:2" } },
      { roleImages: { agents: "archon-mcp:1" } },
      { roleImages: { agents: "archon-agents:1", mcp: "archon-mcp:1" } },
    ];
    expect(new Set([content, ...others.map((change) => ({ ...content, ...change }))].map(releaseId)).size).toBe(10);
    const roleImages = { mcp: "archon-mcp:1", agents: "archon-agents:1" };
    expect(releaseId({ ...content, roleImages })).toBe(releaseId({ ...content, ...others[8] }));
  });

  test("a release id without further roles is what it was before there were any", () => {
    // Ledgers of earlier versions have it.
    expect(releaseId({ ...content, roleImages: {} })).toBe(releaseId(content));
    expect(releaseId(content)).toBe("73283d9f842b");
  });
});

test.each([
  "applications/reference/Dockerfile",
  "applications/python/Dockerfile",
  "applications/archon/ui/Dockerfile",
  "store/Dockerfile",
  "gateway/Dockerfile",
])("%s takes no modes from the checkout, whatever its umask, access lists or setgid bits are", (file) => {
  const text = fs.readFileSync(path.join(projectRoot, file), "utf8");
  // Only the last stage becomes the image. What it takes from a stage may be from the checkout too.
  const copied = [...text.slice(text.lastIndexOf("\nFROM ")).matchAll(/^(?:COPY|ADD) (?!.*--from=tools).*$/gim)];
  expect(copied.length).toBeGreaterThan(0);
  expect(copied.filter(([line]) => !/ --chmod=0[0-7]{3} /.test(line))).toEqual([]);
});
