import autocannon from "autocannon";
import { devStack } from "../../config/stack";
import { engineEnvironment } from "../lib/docker";
import { gatewayFetch, type Fetch } from "../lib/gateway-fetch";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";
import { quantile, type Row } from "./result";
import { runningGatewayUrl, runningServer } from "./running-server";

/** Where a server answers, which container it is, and its API token if it requires one. */
export interface LoadTarget {
  url: string;
  /** How to send it a single request. */
  fetch: Fetch;
  container: string;
  token?: string;
}

export interface LoadOptions {
  /** @default 4 */
  clients?: number;
  /** Seconds of load that is measured. @default 600 */
  seconds?: number;
  /** Seconds of load before that, until the memory of the server no longer grows. @default 60 */
  warmUpSeconds?: number;
}

export interface LoadResult {
  requests: number;
  /** Answers with another status than 2xx, broken connections, and requests that timed out. */
  failures: number;
  requestsPerSecond: number;
  /** Milliseconds of a search, as seen by the clients. */
  search: { p50: number; p95: number; p99: number };
  /** Bytes of anonymous memory of the container's processes after the warm-up and at the end, and the growth in percent. */
  memory: { before: number; after: number; growth: number };
}

const searches = [
  "How does a release come back after a rollback?",
  "What happens when the disk is full?",
  "which files enter the key of an environment",
  "model switch while running",
  "port already in use",
  "gateway health check",
];

/**
 * Ten minutes of load on the running server, by `./archon bench server`. If it requires an API token, the environment
 * variable ARCHON_API_TOKEN holds it.
 */
export async function benchServer(steps: Steps): Promise<Row[]> {
  const [{ container }, url] = await Promise.all([runningServer(), runningGatewayUrl()]);
  const token = process.env["ARCHON_API_TOKEN"];
  const target = {
    url,
    fetch: await gatewayFetch(devStack, url),
    container,
    ...(token === undefined ? {} : { token }),
  };
  const { requests, failures, requestsPerSecond, search, memory } = await steps.run(
    "Load, 11 minutes",
    () => load(target),
    (result) => `${result.requests} requests`,
  );
  const row = (what: string, unit: string, value: number): Row => ({ what, unit, values: { measured: value } });
  return [
    row("requests", "", requests),
    row("failures", "", failures),
    row("requests a second", "1/s", requestsPerSecond),
    row("search, median", "ms", search.p50),
    row("search, 95 of 100", "ms", search.p95),
    row("search, 99 of 100", "ms", search.p99),
    row("memory after warm-up", "MB", memory.before / 1e6),
    row("memory at the end", "MB", memory.after / 1e6),
    row("growth of memory", "%", memory.growth),
  ];
}

/**
 * Sends a mix of requests: of ten, seven search, one lists the documents, one lists the models, and one uploads a small
 * document. Every upload is removed at the end.
 */
export async function load(target: LoadTarget, options: LoadOptions = {}): Promise<LoadResult> {
  const { clients = 4, seconds = 600, warmUpSeconds = 60 } = options;
  await sendLoad(target, clients, warmUpSeconds);
  await removeUploads(target);
  const before = await memoryOf(target.container);
  const { result, searchTimes } = await sendLoad(target, clients, seconds);
  await removeUploads(target);
  const after = await memoryOf(target.container);
  const at = (share: number): number => quantile(searchTimes, share);
  return {
    requests: result.requests.total,
    failures: result.non2xx + result.errors + result.timeouts,
    requestsPerSecond: result.requests.average,
    search: { p50: at(0.5), p95: at(0.95), p99: at(0.99) },
    memory: { before, after, growth: (100 * (after - before)) / before },
  };
}

const marker = "bench-load";
const boundary = "archon-bench";

/** The requests that each client sends one after the other. */
function requestsOfClient(authorization: Record<string, string>): autocannon.Request[] {
  const json = { ...authorization, "content-type": "application/json" };
  const upload = [
    `--${boundary}`,
    `Content-Disposition: form-data; name="file"; filename="${marker}.md"`,
    "",
    `# ${marker}\n\n${"A release comes back after a rollback without a download. ".repeat(40)}`,
    `--${boundary}--`,
    "",
  ].join("\r\n");
  const search = (query: string): autocannon.Request => ({
    method: "POST",
    path: "/api/rag/query",
    headers: json,
    body: JSON.stringify({ query }),
  });
  return [
    ...searches.map(search),
    { method: "GET", path: "/api/knowledge-items", headers: authorization },
    search("rollback without network"),
    { method: "GET", path: "/api/models", headers: authorization },
    {
      method: "POST",
      path: "/api/documents/upload",
      headers: { ...authorization, "content-type": `multipart/form-data; boundary=${boundary}` },
      body: upload,
    },
  ];
}

function sendLoad(
  target: LoadTarget,
  connections: number,
  duration: number,
): Promise<{ result: autocannon.Result; searchTimes: number[] }> {
  const searchTimes: number[] = [];
  const sequence = requestsOfClient(authorization(target));
  const turns = new WeakMap<object, number>();
  return new Promise((resolve, reject) => {
    const instance = autocannon(
      { url: target.url, connections, duration, timeout: 60, requests: sequence },
      (error: Error | null, result) => {
        if (error === null) {
          resolve({ result, searchTimes: searchTimes.sort((left, right) => left - right) });
        } else {
          reject(error);
        }
      },
    );
    instance.on("response", (client, _status, _bytes, milliseconds) => {
      const turn = turns.get(client) ?? 0;
      turns.set(client, turn + 1);
      if (sequence[turn % sequence.length]?.path === "/api/rag/query") {
        searchTimes.push(milliseconds);
      }
    });
  });
}

function authorization({ token }: LoadTarget): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

async function removeUploads(target: LoadTarget): Promise<void> {
  const headers = authorization(target);
  for (;;) {
    const reply = await target.fetch(`${target.url}/api/knowledge-items?per_page=100&search=${marker}.md`, { headers });
    const { items } = (await reply.json()) as { items: { source_id: string }[] };
    if (items.length === 0) {
      return;
    }
    for (const { source_id: id } of items) {
      await target.fetch(`${target.url}/api/knowledge-items/${encodeURIComponent(id)}`, { method: "DELETE", headers });
    }
  }
}

/** Bytes of anonymous memory of all processes of a container. Pages of files do not count: they come and go. */
async function memoryOf(container: string): Promise<number> {
  const script =
    "import pathlib; print(sum(int(line.split()[1]) for p in pathlib.Path('/proc').glob('[0-9]*/status') for line in p.read_text().splitlines() if line.startswith('RssAnon')))";
  const kibibytes = await run("docker", ["exec", container, "python3", "-c", script], {
    environment: engineEnvironment(devStack),
  });
  return Number(kibibytes) * 1024;
}
