import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { stackConfiguration } from "../../commands/migrate/configuration";
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

test("finds the checkout, the environment, the models and the port", () => {
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
  expect(found.ports.get("archon-server")).toBe(8181);
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

  const { environments, models, ports } = readMountedSetUp(directory);

  expect(environments.map(({ python }) => python)).toEqual(["3.12"]);
  expect(models.map(({ repo }) => repo)).toEqual(["org/model"]);
  expect([...ports]).toEqual([["archon-server", 9181]]);
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
  const nothing = { checkout: undefined, environments: [], models: [], ports: new Map() };
  expect(readMountedSetUp(directory)).toEqual(nothing);
  write("docker-compose.yml", "- 1\n");
  expect(readMountedSetUp(directory)).toEqual(nothing);
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
    services: [{ name: "server", port: 8181, memoryMiB: 6144 }],
  });
  expect(schema.shape.models.safeParse(configuration["models"]).success).toBe(true);
  expect(schema.shape.services.safeParse(configuration["services"]).success).toBe(true);
});
