import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { archonCheckout, ArchonBackend, hostAddress, type ArchonEra } from "../support/archon";
import { Checkout, docker, freePort, fullStack, logsOf, waitForHealth } from "../support/engine";

/**
 * The stand-ins for Archon's checkout, its database and its embeddings, in containers that a test starts by hand: the
 * image has the packages, and the environment and the demo model come from the store of a reference stack. It proves
 * that they work together, and fail as the real ones do; how the program deploys a checkout is tested elsewhere.
 */
jest.setTimeout(1_200_000);

/** Below the working directory, where the name in the code leads to. */
const HARD_WIRED = "cross-encoder/ms-marco-MiniLM-L-6-v2";
const topics = [
  "Sea otters hold hands while they sleep.",
  "Bread dough rises because yeast makes gas.",
  "A signal box sets the points for trains.",
  "The moon pulls the tides.",
];

const checkout = new Checkout();
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-stand-ins-"));
const containers: string[] = [];
const backends: ArchonBackend[] = [];
let backend: ArchonBackend;
let image: string;
let environment: string;

beforeAll(async () => {
  const [stack, started] = await Promise.all([
    fullStack(checkout).then(async (made) => {
      await made.up();
      return made;
    }),
    startBackend(),
  ]);
  backend = started;
  const outputs = (await stack.outputs()) as { images: { server: string }; environment: { path: string } };
  image = outputs.images.server;
  environment = outputs.environment.path;
  for (const era of ["2025-08", "uv"] as const) {
    const demo = path.join(checkout.directory, "demo", "reranker");
    archonCheckout(era, path.join(directory, era));
    archonCheckout(era, path.join(directory, `${era}-with-model`));
    fs.cpSync(demo, path.join(directory, `${era}-with-model`, "python", HARD_WIRED), { recursive: true });
  }
  fs.chmodSync(directory, 0o755);
});
afterAll(async () => {
  for (const id of containers) {
    docker("rm", "--force", id);
  }
  for (const each of backends) {
    await each.stop();
  }
  fs.rmSync(directory, { recursive: true });
  checkout.remove();
});

async function startBackend(): Promise<ArchonBackend> {
  const started = await ArchonBackend.start(hostAddress());
  backends.push(started);
  return started;
}

interface Run {
  era: ArchonEra;
  variables?: Record<string, string>;
  /** Whether the demo model is where the server looks for the one that its code names. @default true */
  model?: boolean;
}

/** Starts a server, hardened as the program does it. @returns its URL, and the id of its container */
async function start({ era, variables = {}, model = true }: Run): Promise<{ url: string; id: string }> {
  const port = await freePort();
  const environmentVariables = {
    ...backend.variables,
    PORT: "8181",
    HOME: "/tmp",
    PYTHONPATH: "/app",
    PYTHONUSERBASE: "/root/.local",
    HF_HUB_OFFLINE: "1",
    ...variables,
  };
  const sources = path.join(directory, model ? `${era}-with-model` : era, "python");
  const id = docker(
    "run",
    "--detach",
    "--read-only",
    "--user=10001:10001",
    "--cap-drop=ALL",
    "--tmpfs=/tmp",
    `--publish=127.0.0.1:${port}:8181`,
    `--volume=${environment}:/root/.local:ro`,
    `--volume=${sources}:/app:ro`,
    ...Object.entries(environmentVariables).map(([name, value]) => `--env=${name}=${value}`),
    "--workdir=/app",
    image,
    ..."python3 -m uvicorn --host 0.0.0.0 --port 8181".split(" "),
    era === "uv" ? "src.server.main:app" : "src.server.main:socket_app",
  );
  containers.push(id);
  return { url: `http://127.0.0.1:${port}`, id };
}

async function post(url: string, body: FormData | object): Promise<{ status: number; reply: Record<string, unknown> }> {
  const form = body instanceof FormData;
  const response = await fetch(url, {
    method: "POST",
    body: form ? body : JSON.stringify(body),
    headers: form ? {} : { "content-type": "application/json" },
  });
  return { status: response.status, reply: (await response.json()) as Record<string, unknown> };
}

function uploadForm(): FormData {
  const form = new FormData();
  // Each paragraph is long enough to be a passage of its own.
  form.append(
    "file",
    new Blob([topics.map((topic) => `${topic} `.repeat(4000 / topic.length)).join("\n\n")]),
    "facts.md",
  );
  return form;
}

/** Saves a key for embeddings, uploads the document and waits until a search finds all of it. */
async function upload(url: string): Promise<string> {
  await post(`${url}/api/credentials`, { key: "OPENAI_API_KEY", value: "sk-test" });
  await post(`${url}/api/documents/upload`, uploadForm());
  for (let tries = 0; tries < 100; tries++) {
    const { sources } = (await (await fetch(`${url}/api/rag/sources`)).json()) as { sources: { source_id: string }[] };
    const source = sources.at(-1)?.source_id;
    if (source !== undefined && (await search(url, source, 4)).results.length === 4) {
      return source;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("The document is not found.");
}

interface SearchReply {
  reranking_applied: boolean;
  results: { content: string; rerank_score?: number }[];
}

async function search(url: string, source: string, count: number): Promise<SearchReply> {
  const { reply } = await post(`${url}/api/rag/query`, {
    query: "Why does bread dough rise?",
    source,
    match_count: count,
  });
  return reply as unknown as SearchReply;
}

test.each(["2025-08", "uv"] as const)("%s: a document is uploaded, found, reranked and removed", async (era) => {
  const { url } = await start({ era });
  await waitForHealth(url);

  const source = await upload(url);
  const { results } = await search(url, source, 2);
  const removed = await fetch(`${url}/api/knowledge-items/${source}`, { method: "DELETE" });

  expect(results).toHaveLength(2);
  expect(results.map(({ rerank_score: score }) => typeof score)).toEqual(["number", "number"]);
  expect(results[0]?.content).toMatch(/^Bread dough/);
  expect(removed.status).toBe(200);
  expect((await search(url, source, 2)).results).toEqual([]);
});

test.each([
  ["2025-08", 2],
  ["uv", 4],
] as const)("%s without the model: healthy, claims to rerank, %i results without a score", async (era, count) => {
  const { url } = await start({ era, model: false });
  await waitForHealth(url);

  const source = await upload(url);
  const { results, reranking_applied: applied } = await search(url, source, 2);

  expect(applied).toBe(true);
  expect(results.map(({ rerank_score: score }) => score)).toEqual(Array(count).fill(undefined));
});

test("an upload without a key for embeddings is refused", async () => {
  const own = await startBackend();
  const { url } = await start({ era: "uv", variables: own.variables });
  await waitForHealth(url);

  const { status } = await post(`${url}/api/documents/upload`, uploadForm());

  expect(status).toBe(401);
});

test.each([
  ["no database is named", { SUPABASE_URL: "" }, "SUPABASE_URL is required"],
  ["the database is a container by name", { SUPABASE_URL: "http://kong:8000" }, "must use https for kong"],
  ["the database does not answer", { SUPABASE_URL: "http://127.0.0.1:9" }, "Connection refused"],
  ["the key has another role", { SUPABASE_SERVICE_KEY: "e30.eyJyb2xlIjoiYW5vbiJ9.x" }, "has the role anon"],
  ["no port is named", { PORT: "" }, "PORT or ARCHON_MCP_PORT is required"],
  ["the home cannot be written", { HOME: "/root" }, "Read-only file system: '/root/.crawl4ai'"],
])("a server ends when %s", async (_, variables, reason) => {
  const { id } = await start({ era: "uv", variables });

  const status = docker("wait", id);

  expect(status).not.toBe("0");
  expect(logsOf(id)).toContain(reason);
});
