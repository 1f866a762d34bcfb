import { ensureImage } from "../../commands/lib/images";
import { silent } from "../../commands/lib/progress";
import { devStack } from "../../config/stack";
import { pythonSources, testsImage } from "../../commands/test/python";
import { Checkout, docker, fullStack, type EngineStack } from "../support/engine";

/**
 * The models of the tests are so small that more than one thread slows them down: on a busy machine the threads wait for
 * each other and use processor time meanwhile.
 */
const ONE_THREAD = ["--cpus=1", "--env=OMP_NUM_THREADS=1"];

/**
 * The whole job once: the real ML environment from PyPI (about 6 GB, shared by the files of a run and removed
 * afterwards) and the demo model, as in the stack `dev`. What it cannot prove here: a model from the hub, and a GPU.
 */
jest.setTimeout(1_200_000);

const checkout = new Checkout();
const environmentPath = async (): Promise<string> => ((await stack.outputs())["environment"] as { path: string }).path;
let stack: EngineStack;
beforeAll(async () => {
  stack = await fullStack(checkout);
  await stack.up();
});
afterAll(() => {
  checkout.remove();
});

async function post(route: string, body: FormData | object): Promise<Record<string, unknown>> {
  const form = body instanceof FormData;
  const response = await fetch(`${await stack.url()}${route}`, {
    method: "POST",
    body: form ? body : JSON.stringify(body),
    headers: form ? {} : { "content-type": "application/json" },
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

test("the reranker is loaded from the mounted cache and has answered the known questions", async () => {
  const health = (await (await fetch(`${await stack.url()}/health/ml`)).json()) as Record<string, unknown>;
  expect(health).toMatchObject({
    status: "ready",
    model: { name: "demo" },
    known_answer: { passed: true },
    cuda_available: false,
  });
});

test("a document is uploaded and found again, every result with its rerank score, the right passage first", async () => {
  const form = new FormData();
  form.append(
    "file",
    new Blob([
      "# Otters\n\nSea otters hold hands while they sleep.\n\n# Bread\n\nBread dough rises because yeast makes gas.\n\n# Trains\n\nA signal box sets the points for trains.\n",
    ]),
    "facts.md",
  );
  const { progressId } = await post("/api/documents/upload", form);
  for (let tries = 0; ; tries++) {
    const { status } = (await (await fetch(`${await stack.url()}/api/progress/${String(progressId)}`)).json()) as {
      status: string;
    };
    if (status === "completed") {
      break;
    }
    expect(tries).toBeLessThan(100);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const reply = await post("/api/knowledge/search", { query: "Why does bread dough rise?", match_count: 2 });
  const results = reply["results"] as { content: string; rerank_score?: number }[];
  expect(reply["reranking_applied"]).toBe(true);
  expect(results.length).toBeGreaterThan(0);
  expect(results.length).toBeLessThanOrEqual(2);
  expect(results.every(({ rerank_score: score }) => typeof score === "number" && score >= 0 && score <= 1)).toBe(true);
  expect(results[0]?.content).toContain("yeast");
});

test("torch and sentence-transformers are imported from the mount in the running container", () => {
  const [server = ""] = stack.containers("server");
  const where = docker(
    "exec",
    server,
    "python3",
    "-c",
    "import torch, sentence_transformers; print(torch.__file__); print(sentence_transformers.__file__)",
  ).split("\n");
  expect(where.every((file) => file.startsWith("/root/.local/lib/python3.11/site-packages/"))).toBe(true);
});

test("what both lists hold is the same version on both sides", async () => {
  const [server = ""] = stack.containers("server");
  const versions =
    "import importlib.metadata as m, json, sys; print(json.dumps({d.name.lower(): d.version for d in m.distributions(path=[sys.argv[1]])}))";
  const inMount = JSON.parse(
    docker("exec", server, "python3", "-c", versions, "/root/.local/lib/python3.11/site-packages"),
  ) as Record<string, string>;
  const site = docker(
    "exec",
    server,
    "python3",
    "-c",
    "import site, os; print(next(p for p in site.getsitepackages() if os.path.isdir(p + '/fastapi')))",
  );
  const inImage = JSON.parse(docker("exec", server, "python3", "-c", versions, site)) as Record<string, string>;
  const both = Object.keys(inMount).filter((name) => name in inImage);
  expect(both.length).toBeGreaterThan(5);
  expect(both.filter((name) => inMount[name] !== inImage[name])).toEqual([]);
});

test("the demo model puts the answer first in at least 90 % of the held-out lists", async () => {
  const { images, models } = (await stack.outputs()) as {
    images: { server: string };
    models: { repo: string; revision: string }[];
  };
  const [model] = models;
  const snapshot = `/root/.cache/huggingface/hub/models--${(model?.repo ?? "").replace("/", "--")}/snapshots/${model?.revision ?? ""}`;
  const report = docker(
    "run",
    "--rm",
    "--read-only",
    "--tmpfs=/tmp",
    "--network=none",
    ...ONE_THREAD,
    "--workdir=/src",
    "--env=HF_HUB_OFFLINE=1",
    // A container that mounts the models of the store and does not say which it uses keeps them all.
    `--label=io.archon.models=${model?.repo ?? ""}@${model?.revision ?? ""}`,
    `--volume=${await environmentPath()}:/root/.local:ro`,
    `--volume=${stack.root}/models/huggingface:/root/.cache/huggingface:ro`,
    `--volume=${checkout.directory}/demo:/src:ro`,
    images.server,
    "python3",
    "-m",
    "demo_model.evaluate",
    "--model",
    snapshot,
  );
  expect(report).not.toBe("");
});

test("the server's own tests of real cross encoders pass with the mounted environment: Qwen3-Reranker, and that the demo model improves results", async () => {
  const { images } = (await stack.outputs()) as { images: { server: string } };
  const image = await ensureImage(testsImage, devStack, silent, { parents: { SERVER_IMAGE: images.server } });
  const report = docker(
    "run",
    "--rm",
    "--user=0:0",
    "--tmpfs=/tmp:exec",
    "--workdir=/src",
    ...ONE_THREAD,
    "--env=PYTHONDONTWRITEBYTECODE=1",
    "--env=HF_HUB_OFFLINE=1",
    `--volume=${await environmentPath()}:/root/.local:ro`,
    ...pythonSources(checkout.directory),
    image,
    "-p",
    "no:cacheprovider",
    "-m",
    "ml",
    "applications/reference/tests",
  );
  expect(report).toMatch(/\b[1-9]\d* passed\b/);
  expect(report).not.toMatch(/skipped|failed|errors?\b/);
});
