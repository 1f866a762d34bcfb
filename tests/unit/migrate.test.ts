import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { stackConfiguration, stackServices } from "../../commands/migrate/configuration";
import { readMountedSetUp } from "../../commands/migrate/mounted-set-up";
import { schema } from "../../config/schema";
import { archonCheckout } from "../support/archon";

/** What the bootstrap script of the hand-made set-up leaves: `ml-env/`, `models/` and a compose file that mounts them. */
let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-migrate-"));
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

const commit = "e".repeat(40);

function write(file: string, text = ""): void {
  const target = path.join(directory, file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, text);
}

function writeModel(repo: string, weights: string, { revision = commit, below = "models/hub" } = {}): string {
  const folder = `${below}/models--${repo.replace("/", "--")}`;
  const snapshot = `${folder}/snapshots/${revision}`;
  write(`${folder}/blobs/weights-${revision}`, weights);
  write(`${snapshot}/config.json`, "{}");
  fs.symlinkSync(`../../blobs/weights-${revision}`, path.join(directory, snapshot, "model.safetensors"));
  return path.join(directory, snapshot);
}

test("finds the checkout, the environment, the models and the services", () => {
  archonCheckout("2025-08", directory);
  write("ml-env/lib/python3.11/site-packages/torch-2.8.0.dist-info/RECORD");
  write("ml-env/lib/python3.11/site-packages/sentence_transformers-4.1.0.dist-info/RECORD");
  const snapshot = writeModel("Qwen/Qwen3-Reranker-0.6B", "weights");

  const found = readMountedSetUp(directory);

  expect(found.checkout).toBe(directory);
  expect(found.environments).toEqual([
    {
      directory: path.join(directory, "ml-env"),
      python: "3.11",
      packages: new Map([
        ["sentence-transformers", "4.1.0"],
        ["torch", "2.8.0"],
      ]),
    },
  ]);
  expect(found.models).toEqual([
    { repo: "Qwen/Qwen3-Reranker-0.6B", revision: commit, directory: snapshot, bytes: 9, incomplete: undefined },
  ]);
  expect(found.services).toEqual([
    { name: "archon-server", role: "server", port: 8181, profiles: [] },
    { name: "archon-mcp", role: "mcp", port: 8051, profiles: [] },
    { name: "archon-agents", role: "agents", port: undefined, profiles: [] },
    { name: "frontend", role: "ui", port: 3737, profiles: [] },
  ]);
});

test("finds what a compose file mounts from elsewhere, in both forms of a volume", () => {
  write(
    "docker-compose.yml",
    `services:
  archon-server:
    ports: ["127.0.0.1:9181:8181"]
    volumes:
      - ./elsewhere/env:/root/.local
      - { type: bind, source: "\${CACHE:-./elsewhere/cache}", target: /root/.cache/huggingface }
      - named:/data
`,
  );
  write("elsewhere/env/lib/python3.12/site-packages/torch-2.8.0.dist-info/RECORD");
  writeModel("org/model", "w", { below: "elsewhere/cache/hub" });

  const { environments, models, services } = readMountedSetUp(directory);

  expect(environments.map(({ python }) => python)).toEqual(["3.12"]);
  expect(models.map(({ repo }) => repo)).toEqual(["org/model"]);
  expect(services).toMatchObject([{ name: "archon-server", port: 9181 }]);
});

test("says why a model cannot be taken over", () => {
  const broken = writeModel("org/broken-link", "w");
  fs.rmSync(path.join(directory, "models/hub/models--org--broken-link/blobs"), { recursive: true });
  const half = path.relative(directory, writeModel("org/half", "w"));
  write(`${half}/model.safetensors.index.json`, '{"weight_map":{"a":"model.safetensors","b":"model-2.safetensors"}}');
  write(`models/hub/models--org--no-weights/snapshots/${commit}/config.json`, "{}");

  const { models } = readMountedSetUp(directory);

  expect(broken).toContain("broken-link");
  expect(models.map(({ repo, incomplete }) => [repo, incomplete])).toEqual([
    ["org/broken-link", "links that lead nowhere: model.safetensors"],
    ["org/half", "not downloaded: model-2.safetensors"],
    ["org/no-weights", "no config.json or no weights"],
  ]);
});

test("an empty directory, and a compose file that is none, have nothing", () => {
  const nothing = { checkout: undefined, environments: [], models: [], services: [] };
  expect(readMountedSetUp(directory)).toEqual(nothing);
  write("docker-compose.yml", "- 1\n");
  expect(readMountedSetUp(directory)).toEqual(nothing);
  write("docker-compose.yml", "services: { archon-server: 1 }\n");
  expect(readMountedSetUp(directory).services).toMatchObject([{ name: "archon-server", port: undefined }]);
  write("docker-compose.yml", "a: [\n");
  expect(() => readMountedSetUp(directory)).toThrow("docker-compose.yml cannot be read");
});

test("the configuration names every model by its directory, the smallest reranker first, and passes the schema", () => {
  archonCheckout("uv", directory);
  const other = writeModel("cross-encoder/ms-marco-MiniLM-L-6-v2", "w");
  const large = writeModel("Qwen/Qwen3-Reranker-4B", "much larger weights");
  const small = writeModel("Qwen/Qwen3-Reranker-0.6B", "weights");
  const older = writeModel("Qwen/Qwen3-Reranker-4B", "other, much larger weights", { revision: "a".repeat(40) });

  const configuration = stackConfiguration(path.dirname(directory), readMountedSetUp(directory));

  expect(configuration).toEqual({
    application: { kind: "archon", source: path.basename(directory) },
    models: [
      { name: "qwen3-reranker-0.6b", directory: small },
      { name: "qwen3-reranker-4b-eeeeeeee", directory: large },
      { name: "qwen3-reranker-4b-aaaaaaaa", directory: older },
      { name: "ms-marco-minilm-l-6-v2", directory: other },
    ],
    services: [
      { name: "server", port: 8181, memoryMiB: 6144 },
      { name: "mcp", role: "mcp", port: 8051, memoryMiB: 512 },
      { name: "ui", role: "ui", port: 3737, memoryMiB: 256 },
    ],
  });
  expect(schema.shape.models.safeParse(configuration["models"]).success).toBe(true);
  expect(schema.shape.services.safeParse(configuration["services"]).success).toBe(true);
});

describe("the services of the compose file", () => {
  test("are taken with their ports, the server first, whatever their names are", () => {
    archonCheckout("2025-08", directory);
    write(
      "docker-compose.yml",
      `services:
  web: { build: ./archon-ui-main, ports: ["9737:5173"] }
  agents: { build: { context: ./python, dockerfile: Dockerfile.agents } }
  api: { build: { context: ./python, dockerfile: Dockerfile.server }, ports: ["9181:8181"] }
  Archon-MCP: { ports: ["127.0.0.1:9051:8051"] }
`,
    );

    const { entries, left } = stackServices(readMountedSetUp(directory));

    expect(entries).toEqual([
      { name: "server", port: 9181, memoryMiB: 6144 },
      { name: "mcp", role: "mcp", port: 9051, memoryMiB: 512 },
      { name: "agents", role: "agents", port: 8052, memoryMiB: 1024 },
      { name: "ui", role: "ui", port: 9737, memoryMiB: 256 },
    ]);
    expect(left).toEqual([]);
  });

  test("that are left out are named with the reason, and with the entry that deploys them", () => {
    archonCheckout("uv", directory);
    fs.rmSync(path.join(directory, "archon-ui-main/package-lock.json"));
    const found = readMountedSetUp(directory);
    const cache = { name: "cache", role: undefined, port: undefined, profiles: [] };
    const copy = { name: "copy", role: "mcp" as const, port: 9051, profiles: [] };

    const { entries, left } = stackServices({ ...found, services: [...found.services, cache, copy] });

    expect(entries.map(({ name }) => name)).toEqual(["server", "mcp"]);
    expect(left).toEqual([
      {
        service: "archon-agents",
        reason: "starts only with the profile agents",
        entry: { name: "agents", role: "agents", port: 8052, memoryMiB: 1024 },
      },
      {
        service: "archon-frontend",
        reason: expect.stringMatching(
          /^cannot be built, because the checkout has no archon-ui-main\/package-lock/,
        ) as string,
        entry: undefined,
      },
      { service: "cache", reason: "is none of Archon's services: keep it in the compose file", entry: undefined },
      { service: "copy", reason: "is a second service of the role mcp", entry: undefined },
    ]);
  });

  test("of a directory without a checkout are left out, but for the server", () => {
    write("docker-compose.yml", "services: { archon-server: { ports: [8281:8181] }, archon-mcp: {} }\n");

    const { entries, left } = stackServices(readMountedSetUp(directory));

    expect(entries).toEqual([{ name: "server", port: 8281, memoryMiB: 6144 }]);
    expect(left).toEqual([{ service: "archon-mcp", reason: "has no checkout to be built from", entry: undefined }]);
  });
});
