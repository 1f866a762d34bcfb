import { performance } from "node:perf_hooks";
import { z } from "zod";
import { project, stackHost } from "../../config/stack";
import { UserError } from "../../lib/errors";
import { engineEnvironment, labelledContainers } from "../lib/docker";
import { gatewayFetch, type Fetch } from "../lib/gateway-fetch";
import type { Steps } from "../lib/progress";
import { run } from "../lib/run";
import { readLedger } from "../releases/ledger";
import { readMemory, type ServerMemory } from "../report/measure";
import { quantile, type Row } from "./result";

export interface SearchOptions {
  stack: string;
  query: string[];
  clients: number;
  seconds: number;
  restart: boolean;
}

/** How a search is asked for. */
export interface SearchTarget {
  url: string;
  send: Fetch;
  token?: string | undefined;
}

export interface MeasuredSearches {
  /** Seconds that all of it took. */
  elapsed: number;
  /** Seconds of each search, the shortest first. */
  times: number[];
  /** Searches that failed, found nothing, or have a result without a score. */
  unranked: number;
}

const defaultQueries = ["How does it work?", "What must be configured?", "Why does it fail?"];

/** Seconds that a restarted server may take until its first search. */
const startSeconds = 600;

/**
 * Searches with the reranker of a stack's first service, through its gateway. Adds nothing to its documents, so there must
 * be some. If it requires an API token, the environment variable ARCHON_API_TOKEN holds it.
 */
export async function benchSearch(steps: Steps, options: SearchOptions): Promise<Row[]> {
  const { stack, clients, seconds, restart } = options;
  const queries = options.query.length === 0 ? defaultQueries : options.query;
  const [service] = (await readLedger(stack)).services;
  if (service === undefined) {
    throw new UserError(`The stack ${stack} runs nothing.`);
  }
  const { url, name } = service;
  const target = { url, send: await gatewayFetch(stack, url), token: process.env["ARCHON_API_TOKEN"] };
  const container = await soleServer(stack, name);
  const environment = engineEnvironment(stack);
  const first = restart
    ? await steps.run("Start of the server", async () => {
        await run("docker", ["stop", container], { environment });
        const began = performance.now();
        await run("docker", ["start", container], { environment });
        await untilRanked(target, queries);
        return (performance.now() - began) / 1000;
      })
    : undefined;
  if (first === undefined && !(await isRanked(target, queries[0] ?? ""))) {
    throw new UserError(
      `A search at ${url} finds nothing, or has results without a score. Upload a document that has to do with the ` +
        "queries (--query), and see whether reranking is turned on in the settings of the server.",
    );
  }
  const measured = await steps.run(
    `Searches of ${clients} clients, ${seconds} s`,
    () => measureSearches(target, { queries, clients, seconds }),
    ({ times }) => `${times.length} searches`,
  );
  return rowsOf(first, measured, await readMemory(container, stackHost(stack).dockerHost));
}

export function rowsOf(
  first: number | undefined,
  { elapsed, times, unranked }: MeasuredSearches,
  { rss, pss }: ServerMemory,
): Row[] {
  const row = (what: string, unit: string, value: number): Row => ({ what, unit, values: { measured: value } });
  return [
    ...(first === undefined ? [] : [row("from the server's start to its first reranked search", "s", first)]),
    row("searches", "", times.length),
    row("searches without a score for each result", "", unranked),
    row("searches a second", "1/s", times.length / elapsed),
    row("search, median", "s", quantile(times, 0.5)),
    row("search, 95 of 100", "s", quantile(times, 0.95)),
    row("memory, RSS", "MB", rss / 1e6),
    row("memory, PSS", "MB", pss / 1e6),
  ];
}

/** Each client sends one search after the other. */
export async function measureSearches(
  target: SearchTarget,
  { queries, clients, seconds }: { queries: readonly string[]; clients: number; seconds: number },
): Promise<MeasuredSearches> {
  const began = performance.now();
  const times: number[] = [];
  let unranked = 0;
  const client = async (offset: number): Promise<void> => {
    for (let turn = offset; performance.now() < began + seconds * 1000; turn++) {
      const sent = performance.now();
      if (!(await isRanked(target, queries[turn % queries.length] ?? ""))) {
        unranked++;
      }
      times.push((performance.now() - sent) / 1000);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  return { elapsed: (performance.now() - began) / 1000, times: times.sort((one, other) => one - other), unranked };
}

const replySchema = z.object({ results: z.array(z.object({ rerank_score: z.number() })).min(1) });

/** Whether a search finds something, and each result has the score of a reranker. */
async function isRanked({ url, send, token }: SearchTarget, query: string): Promise<boolean> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const reply = await send(`${url}/api/rag/query`, {
    method: "POST",
    headers: { "content-type": "application/json", ...authorization },
    body: JSON.stringify({ query, match_count: 5 }),
  });
  const text = await reply.text();
  return reply.ok && replySchema.safeParse(JSON.parse(text)).success;
}

async function untilRanked(target: SearchTarget, queries: readonly string[]): Promise<void> {
  const deadline = performance.now() + startSeconds * 1000;
  while (!(await isRanked(target, queries[0] ?? ""))) {
    if (performance.now() > deadline) {
      throw new UserError(`The server has not reranked a search within ${startSeconds} s of its start.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Name of the only server of a service. With several, memory and start of which one? */
async function soleServer(stack: string, service: string): Promise<string> {
  const labels = { project, stack, service, component: "server" };
  const [name, ...others] = await labelledContainers(labels, stackHost(stack).dockerHost);
  if (name === undefined || others.length > 0) {
    throw new UserError(
      `The service ${service} of the stack ${stack} has ${name === undefined ? "no" : "more than one"} running server; ` +
        "this measures one with a single replica.",
    );
  }
  return name;
}
