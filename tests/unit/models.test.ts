import { catalogue, describeCatalogue } from "../../commands/models/catalogue";
import { deriveJob } from "../../commands/models/derive";
import { describePin, modelName, parseResolved, parseSize, type Resolved } from "../../commands/models/pin";
import { resolveArguments } from "../../commands/models/resolve";

// That the store tool answers in this shape, and asks a hub the way a hub wants it, is shown by its own tests against a
// loopback hub.

const commit = "e61197ed45024b0ed8a2d74b80b4d909f1255473";
const qwen = { name: "qwen3-0.6b", snapshot: `Qwen/Qwen3-Reranker-0.6B@${commit}`, directory: undefined };
const demo = { name: "demo", snapshot: `local/demo@${"a".repeat(40)}`, directory: "demo/reranker" };
const stored = { model: qwen.snapshot, bytes: 1_191_588_280, proven: true, usedBy: ["archon-prod"] };
const other = { model: `Org/Old@${"b".repeat(40)}`, bytes: 5_000, proven: false, usedBy: [] };

describe("the catalogue", () => {
  test("joins configuration and store", () => {
    expect(catalogue([qwen, demo], "demo", [stored, other])).toEqual({
      configured: [
        { ...qwen, active: false, present: true, bytes: 1_191_588_280, proven: true, usedBy: ["archon-prod"] },
        { ...demo, active: true, present: false, bytes: undefined, proven: false, usedBy: [] },
      ],
      others: [other],
    });
  });

  test("a snapshot at another commit is another model", () => {
    const { configured, others } = catalogue([qwen], undefined, [
      { ...stored, model: stored.model.replace(/4073$|....$/, "0000") },
    ]);
    expect(configured.map(({ present }) => present)).toEqual([false]);
    expect(others).toHaveLength(1);
  });

  test("is a table, with what else the store holds and how what is missing comes", () => {
    const lines = describeCatalogue("prod", catalogue([qwen, demo], "demo", [stored, other]));
    expect(lines[1]).toMatch(
      /^ +qwen3-0\.6b +Qwen\/Qwen3-Reranker-0\.6B@e61197ed4502 +1\.19 GB +baseline recorded +archon-prod$/,
    );
    expect(lines[2]).toMatch(/^▶ +demo +local\/demo@aaaaaaaaaaaa +not in the store +no stack$/);
    expect(lines).toContain("  Org/Old@bbbbbbbbbbbb  5.00 kB  used by no stack");
    expect(lines.at(-1)).toContain("./archon pulumi up --stack prod");
    expect(describeCatalogue("dev", catalogue([], undefined, []))).toEqual(['The stack "dev" configures no model.']);
  });
});

describe("pinning", () => {
  const found: Resolved = {
    repo: "Qwen/Qwen3-Reranker-0.6B",
    revision: commit,
    files: [
      { path: "config.json", size: 727 },
      { path: "model.safetensors", size: 1_191_588_280 },
    ],
    left: ["model.gguf"],
    code: [],
    bytes: 1_191_589_007,
  };
  const large: Resolved = {
    ...found,
    repo: "Qwen/Qwen3-Reranker-4B",
    bytes: 8_044_000_000,
    files: [{ path: "model-1.safetensors", size: 8_044_000_000 }],
  };
  const request = { stack: "prod", maxBytes: 5e9, force: false, application: undefined };

  test("names the code of a model, which nobody runs", () => {
    expect(describePin({ ...found, code: ["modeling_own.py"] }, request).join("\n")).toMatch(
      /WARNING: [^]* has code of its own \(modeling_own\.py\), which is not run/,
    );
    expect(describePin({ ...found, code: [] }, request).join("\n")).not.toContain("WARNING");
  });

  test("prints the line of configuration", () => {
    const lines = describePin(found, request);
    expect(lines[0]).toBe(
      `Qwen/Qwen3-Reranker-0.6B is 1.19 GB in 2 files at commit ${commit}; 1 more are left out (other formats).`,
    );
    expect(lines).toContain("Below archon:models in Pulumi.prod.yaml:");
    expect(lines).toContain(`    - { name: qwen3-reranker-0.6b, repo: Qwen/Qwen3-Reranker-0.6B, revision: ${commit} }`);
    expect(lines.join("\n")).not.toContain("WARNING");
  });

  test("a model above the limit is refused with both sizes and its largest file, unless it is forced or the limit raised", () => {
    expect(() => describePin(large, request)).toThrow(
      /Qwen3-Reranker-4B is 8\.04 GB in 1 file, more than the limit of 5\.00 GB \(the largest: model-1\.safetensors, 8\.04 GB\)[\s\S]*--force/,
    );
    expect(describePin(large, { ...request, force: true })).toContainEqual(
      expect.stringContaining("repo: Qwen/Qwen3-Reranker-4B"),
    );
    expect(describePin(large, { ...request, maxBytes: 9e9 })).toContainEqual(
      expect.stringContaining("repo: Qwen/Qwen3-Reranker-4B"),
    );
  });

  test("another model than the application asks for is warned of", () => {
    const application = "Qwen/Qwen3-Reranker-0.6B";
    expect(describePin(found, { ...request, application }).join("\n")).not.toContain("WARNING");
    expect(describePin(large, { ...request, force: true, application }).at(-1)).toMatch(
      /^WARNING: the application is configured for Qwen\/Qwen3-Reranker-0\.6B .* not Qwen\/Qwen3-Reranker-4B/,
    );
  });

  test("a repository without a file to load is refused", () => {
    expect(() => describePin({ ...found, files: [], bytes: 0 }, request)).toThrow(
      "has no file that a server could load",
    );
  });

  test.each([
    ["5GB", 5e9],
    ["1.5 gb", 1.5e9],
    ["800MB", 8e8],
    ["12kB", 12_000],
    ["1TB", 1e12],
    ["123", 123],
  ])("a limit of %s is %d bytes", (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });

  test.each(["", "much", "5GiB", "-1GB", "0"])("a limit of %j is refused with what is allowed", (text) => {
    expect(() => parseSize(text)).toThrow("expected a size such as 5GB");
  });

  test.each([
    ["Qwen/Qwen3-Reranker-0.6B", "qwen3-reranker-0.6b"],
    ["a/Some_Model--v1_", "some-model--v1"],
    ["a/___", "model"],
    ["a/" + "x".repeat(60), "x".repeat(40)],
  ])("%s gets the name %s", (repo, expected) => {
    expect(modelName(repo)).toBe(expected);
    expect(modelName(repo)).toMatch(/^[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?$/);
  });

  test("the answer of the store tool is its last line, and another one is refused", () => {
    expect(parseResolved(`something\n${JSON.stringify(found)}\n`)).toEqual(found);
    ["", "text", "{}", JSON.stringify({ ...found, revision: "main" })].forEach((stdout) => {
      expect(() => parseResolved(stdout)).toThrow("a format that this version cannot read");
    });
  });

  test("the hub is asked in a narrow container, and the token stands in no argument", () => {
    const job = {
      repo: "a/b",
      branch: "main",
      endpoint: "https://hub",
      image: "archon-bootstrap:x",
      caBundle: undefined,
    };
    const bare = resolveArguments({ ...job, withToken: false });
    expect(bare.slice(-5)).toEqual([
      "archon-bootstrap:x",
      "resolve",
      "--repo=a/b",
      "--revision=main",
      "--endpoint=https://hub",
    ]);
    expect(bare).toEqual(expect.arrayContaining(["--read-only", "--cap-drop=ALL"]));
    expect(bare).not.toContain("--env=HF_TOKEN");
    expect(resolveArguments({ ...job, withToken: true, caBundle: "/ca.pem" })).toEqual(
      expect.arrayContaining(["--env=HF_TOKEN", "--env=SSL_CERT_FILE=/run/ca-bundle.pem"]),
    );
  });
});

test("a variant is derived by the running release's image, from its own environment and models, without a network", () => {
  const release = {
    id: "r",
    created: "",
    images: { server: "archon-server:1", bootstrap: "b", gateway: "g" },
    environment: "key",
    models: [{ name: "demo", repo: "local/demo", revision: "d".repeat(40) }],
  };
  const ledger = {
    running: "r",
    releases: [release],
    sharedImages: undefined,
    services: [],
    root: "/srv/archon",
  };
  const job = deriveJob(ledger, "dev", "demo");
  expect(job).toEqual(
    expect.arrayContaining([
      "--network=none",
      "--mount=type=bind,source=/srv/archon/envs/key,target=/root/.local,readonly",
      "archon-server:1",
      "--repo=local/demo",
      "--print-revision",
    ]),
  );
  expect(() => deriveJob(ledger, "dev", "other")).toThrow('The running release has no model "other"; it has demo.');
  expect(() => deriveJob({ ...ledger, running: undefined }, "dev", "demo")).toThrow("runs nothing yet");
});
