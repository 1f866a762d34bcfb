import * as fs from "node:fs";
import * as path from "node:path";
import { archonStack, ArchonBackend, hostAddress, type ArchonEra, type ArchonStack } from "../support/archon";
import { Checkout, docker, inspect, logsOf, waitForHealth, type EngineStack, type Step } from "../support/engine";

/**
 * The application `archon` on stand-ins of our own for its checkouts, its database and its embeddings. It proves that a
 * checkout of each era is deployed unchanged, and reranks with the model that is configured. It does not prove that the
 * real Archon works: docs/archon.md has the steps to try that by hand.
 */
jest.setTimeout(1_200_000);

const topics = [
  "Sea otters hold hands while they sleep.",
  "Bread dough rises because yeast makes gas.",
  "A signal box sets the points for trains.",
  "The moon pulls the tides.",
];

const checkout = new Checkout();
const backends: ArchonBackend[] = [];
const containers: string[] = [];
/** The deployed servers, each with its first release. */
const deployed = new Map<ArchonEra, ArchonStack & { release: unknown }>();
let backend: ArchonBackend;

beforeAll(async () => {
  backend = await startBackend();
});
afterAll(async () => {
  containers.forEach((id) => docker("rm", "--force", id));
  checkout.remove();
  for (const each of backends) {
    await each.stop();
  }
});

async function startBackend(): Promise<ArchonBackend> {
  const started = await ArchonBackend.start(hostAddress());
  backends.push(started);
  return started;
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

async function sources(url: string): Promise<string[]> {
  const reply = (await (await fetch(`${url}/api/rag/sources`)).json()) as { sources: { source_id: string }[] };
  return reply.sources.map(({ source_id: id }) => id);
}

function uploadForm(): FormData {
  const form = new FormData();
  // Each paragraph is long enough to be a passage of its own.
  const paragraphs = topics.map((topic) => `${topic} `.repeat(4000 / topic.length));
  form.append("file", new Blob([paragraphs.join("\n\n")]), "facts.md");
  return form;
}

/** Uploads the document and waits until a search finds all of it. */
async function upload(url: string): Promise<string> {
  await post(`${url}/api/documents/upload`, uploadForm());
  for (let tries = 0; tries < 100; tries++) {
    const source = (await sources(url)).find((id) => id.startsWith("file_facts"));
    if (source !== undefined && (await search(url, source, 4)).results.length === 4) {
      return source;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("The document is not found.");
}

function edit(directory: string, file: string, change: (text: string) => string): void {
  const target = path.join(directory, "python", "src", "server", file);
  fs.writeFileSync(target, change(fs.readFileSync(target, "utf8")));
}

const typesOf = (steps: readonly Step[]): string[] => [...new Set(steps.map(({ type }) => type))];
const running = async (stack: EngineStack): Promise<unknown> => (await stack.outputs())["release"];
async function imagesOf(stack: EngineStack): Promise<{ packages: string; server: string }> {
  return (await stack.outputs())["images"] as { packages: string; server: string };
}

describe.each(["2025-08", "uv"] as const)("the server of the era %s", (era: ArchonEra) => {
  let stack: EngineStack;
  let directory: string;

  beforeAll(async () => {
    ({ stack, directory } = await archonStack(checkout, era, backend));
  });

  test("is deployed, and its checkout is not changed", async () => {
    const printed = await stack.upOutput();

    deployed.set(era, { stack, directory, release: await running(stack) });
    // The first one finds an empty database, so its smoke test can upload nothing and tries the model alone.
    expect(printed.includes("No document can be uploaded")).toBe(deployed.size === 1);
    expect(fs.readdirSync(directory).sort()).toEqual(["archon-ui-main", "docker-compose.yml", "migration", "python"]);
  });

  test("finds, reranks and removes a document, and a second update changes nothing", async () => {
    const url = await stack.url();
    await post(`${url}/api/credentials`, { key: "OPENAI_API_KEY", value: "sk-test" });

    const source = await upload(url);
    const { results } = await search(url, source, 2);

    expect(results.map(({ rerank_score: score }) => typeof score)).toEqual(["number", "number"]);
    expect(results[0]?.content).toMatch(/^Bread dough/);
    expect((await fetch(`${url}/api/knowledge-items/${source}`, { method: "DELETE" })).status).toBe(200);
    expect(await stack.up({ refresh: true })).toEqual([]);
  });

  test("is reached by other containers of the network by its name, through the gateway, also for secrets", () => {
    const [gateway = ""] = stack.containers("gateway");
    const address = docker("inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", gateway);
    const network = docker("network", "ls", "--quiet", `--filter=label=io.archon.stack=${stack.name}`);
    const program = [
      "import json, socket, urllib.request",
      'ask = lambda path: json.load(urllib.request.urlopen(f"http://archon-server:8181{path}"))',
      'names = {each[4][0] for each in socket.getaddrinfo("archon-server", 8181, socket.AF_INET)}',
      'print(names, ask("/health")["ready"], ask("/internal/credentials/agents"))',
    ].join("\n");
    const image = inspect(gateway).Config.Image;

    const printed = docker("run", "--rm", `--network=${network}`, "--entrypoint=python3", image, "-c", program);

    expect(printed).toBe(`{'${address}'} True {'OPENAI_API_KEY': 'sk-test'}`);
    expect(address).toMatch(/^172\.16\./);
  });

  test("is hardened, and has the configured model where its code looks for another", () => {
    const [id = ""] = stack.containers("server");
    const { Config, HostConfig, Mounts } = inspect(id);

    expect(Config.User).toBe("10001:10001");
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    const model = Mounts.find(({ Destination }) => Destination.startsWith("/app/"));
    expect(model).toMatchObject({ Destination: "/app/cross-encoder/ms-marco-MiniLM-L-6-v2", RW: false });
    expect(model?.Source).toContain("models--local--demo/snapshots/");
  });

  test("with a changed line gets another image of the same packages, and its smoke test leaves nothing behind", async () => {
    const before = await imagesOf(stack);
    edit(directory, "startup.py", (text) => `${text}\n# changed\n`);

    const steps = await stack.up();

    expect(typesOf(steps)).not.toContain("docker:index/network:Network");
    expect(steps.filter(({ type }) => type === "docker:index/remoteImage:RemoteImage")).toHaveLength(1);
    expect(await imagesOf(stack)).toEqual({ ...before, server: expect.not.stringMatching(before.server) as string });
    expect(await running(stack)).not.toBe(deployed.get(era)?.release);
    expect((await sources(await stack.url())).filter((id) => id.includes("smoke"))).toEqual([]);
  });
});

/** What does not depend on how a checkout is laid out. */
describe("a server", () => {
  let stack: EngineStack;
  let directory: string;
  let first: unknown;

  beforeAll(() => {
    ({ stack, directory, release: first } = uvServer());
  });

  test.each([
    ["1", "True"],
    ["", "False"],
  ])("with ARCHON_KEEP_MODEL_LOADED=%p shares the weights of its cross encoders: %s", (keep, shares) => {
    const [id = ""] = stack.containers("server");
    const load = `CrossEncoder("cross-encoder/ms-marco-MiniLM-L-6-v2")`;
    const weights = `next(${load}.parameters())`;
    const program = `from sentence_transformers import CrossEncoder; print(${weights} is ${weights})`;

    const printed = docker("exec", `--env=ARCHON_KEEP_MODEL_LOADED=${keep}`, id, "python3", "-c", program);

    expect(printed.split("\n").at(-1)).toBe(shares);
  });

  test("that imports a package that nobody declares is refused by its name, and no server is touched", async () => {
    const before = stack.containers("server", { stopped: true });
    const original = fs.readFileSync(path.join(directory, "python", "src", "server", "startup.py"), "utf8");
    edit(directory, "startup.py", (text) => `import no_such_package\n${text}`);

    const message = await stack.failingUp();

    expect(message).toContain("/app/src/server/startup.py, line 1, imports the module no_such_package");
    expect(message).toContain(`name it in packages of archon:application`);
    expect(message).toContain(`./archon lock --stack ${stack.name}`);
    expect(stack.containers("server", { stopped: true })).toEqual(before);
    edit(directory, "startup.py", () => original);
  });

  test("that does not rerank keeps the release that runs", async () => {
    const before = await running(stack);
    const original = fs.readFileSync(path.join(directory, "python", "src", "server", "reranking.py"), "utf8");
    edit(directory, "reranking.py", (text) => text.replace("return CrossEncoder(name)", 'raise OSError("no model")'));

    const message = await stack.failingUp();

    expect(message).toContain("results returned");
    expect(message).toContain(`The service keeps running release ${String(before)}`);
    expect((await fetch(`${await stack.url()}/health`)).status).toBe(200);
    edit(directory, "reranking.py", () => original);
  });

  test("rolls back to the first release without a build", async () => {
    stack.configure({ release: first });

    const steps = await stack.up();

    expect(steps.filter(({ type, op }) => type === "docker:index/remoteImage:RemoteImage" && op === "create")).toEqual(
      [],
    );
    expect(await running(stack)).toBe(first);
    stack.configure({ release: "" });
  });

  test.each<[string, { models?: []; database?: string }]>([
    ["without a model", { models: [] }],
    ["with a database out of reach", { database: "http://10.255.255.1:9" }],
  ])("%s keeps the release that runs", async (_, { models, database }) => {
    const before = stack.configuration;
    const { supabase, ...application } = before["application"] as { supabase: { url: string } };
    stack.configure({
      ...(models === undefined ? {} : { models }),
      application: { ...application, supabase: { ...supabase, url: database ?? supabase.url } },
    });

    expect(await stack.failingUp()).toContain("The service keeps running release");
    expect((await fetch(`${await stack.url()}/health`)).status).toBe(200);
    stack.configure(before);
  });
});

function uvServer(): ArchonStack & { release: unknown } {
  const server = deployed.get("uv");
  if (server === undefined) {
    throw new Error("The server of the era uv was not deployed.");
  }
  return server;
}

describe("a stand-in fails as the real server does", () => {
  let image: string;

  beforeAll(async () => {
    image = (await imagesOf(uvServer().stack)).server;
  });

  /** Starts its image by hand, without an environment or a model. */
  function start(variables: Record<string, string>): string {
    const set = { ...backend.variables, PORT: "8181", HOME: "/tmp", ...variables };
    const options = Object.entries(set).map(([name, value]) => `--env=${name}=${value}`);
    const id = docker("run", "--detach", "--read-only", "--tmpfs=/tmp", "--publish=127.0.0.1::8181", ...options, image);
    containers.push(id);
    return id;
  }

  test("without packages and model: healthy, claims to rerank, more results than asked for", async () => {
    const id = start({});
    const url = `http://${docker("port", id, "8181").split("\n")[0] ?? ""}`;
    await waitForHealth(url);

    const source = await upload(url);
    const { results, reranking_applied: applied } = await search(url, source, 2);

    expect(applied).toBe(true);
    expect(results.map(({ rerank_score: score }) => score)).toEqual(Array(4).fill(undefined));
  });

  test.each([
    ["no database is named", { SUPABASE_URL: "" }, "SUPABASE_URL is required"],
    ["the database is a container by name", { SUPABASE_URL: "http://kong:8000" }, "must use https for kong"],
    ["the key has another role", { SUPABASE_SERVICE_KEY: "e30.eyJyb2xlIjoiYW5vbiJ9.x" }, "has the role anon"],
    ["no port is named", { PORT: "" }, "PORT or ARCHON_MCP_PORT is required"],
    ["the home cannot be written", { HOME: "/root" }, "Read-only file system: '/root/.crawl4ai'"],
  ])("it ends when %s", (_, variables, reason) => {
    const id = start(variables);

    expect(docker("wait", id)).not.toBe("0");
    expect(logsOf(id)).toContain(reason);
  });
});
