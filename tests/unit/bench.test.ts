import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { measureSearches, rowsOf } from "../../commands/bench/search";

// The search benchmark against a server that answers as Archon's does. That it finds the containers of a stack, and what
// a model costs, this does not show.

/** Milliseconds that each search takes, one after the other, as the event loop of Archon's server has it. */
const SEARCH_MS = 20;

let server: http.Server;
let url: string;
const asked: { query: string; authorization: string | undefined }[] = [];

beforeAll(async () => {
  let busy = Promise.resolve();
  server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { query } = JSON.parse(body) as { query: string };
      asked.push({ query, authorization: request.headers.authorization });
      busy = busy
        .then(() => new Promise((resolve) => setTimeout(resolve, SEARCH_MS)))
        .then(() => {
          response.writeHead(query === "broken" ? 500 : 200).end(JSON.stringify(replies[query]));
        });
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked.length = 0;
});
afterAll(() => server.close());

const replies: Readonly<Record<string, object>> = {
  ranked: { results: [{ rerank_score: 0.9 }, { rerank_score: 0.1 }] },
  unscored: { reranking_applied: true, results: [{ rerank_score: 0.9 }, {}] },
  nothing: { results: [] },
  broken: { detail: "no database" },
};

test("every search is counted, and the clients share what one process can do", async () => {
  const load = { queries: ["ranked"], clients: 4, seconds: 0.4 };
  const { elapsed, times, unranked } = await measureSearches({ url, send: fetch, token: "t" }, load);

  expect(times).toHaveLength(asked.length);
  expect(asked.every(({ authorization }) => authorization === "Bearer t")).toBe(true);
  expect(unranked).toBe(0);
  // Timers may end a millisecond early.
  expect(times.length / elapsed).toBeLessThan(1000 / (SEARCH_MS - 1));
  // All but the first ones wait for three others.
  expect(times[Math.floor(times.length / 2)]).toBeGreaterThan((3 * SEARCH_MS) / 1000);
  expect(times).toEqual([...times].sort((one, other) => one - other));
});

test.each(["unscored", "nothing", "broken"])(
  "a search that is %s counts as one that was not reranked",
  async (query) => {
    const load = { queries: ["ranked", query], clients: 1, seconds: 0.15 };
    const { times, unranked } = await measureSearches({ url, send: fetch }, load);

    expect(unranked).toBe(asked.filter((each) => each.query === query).length);
    expect(unranked).toBeGreaterThan(0);
    expect(unranked).toBeLessThan(times.length);
  },
);

test("the rows have the start only where a server was started", () => {
  const times = Array.from({ length: 100 }, (_, index) => (index + 1) / 100);
  const rows = (first?: number): [string, number | undefined][] =>
    rowsOf(first, { elapsed: 50, times, unranked: 0 }, { rss: 2e9, pss: 1e9 }).map(({ what, values }) => [
      what,
      values["measured"],
    ]);
  expect(rows()).toEqual([
    ["searches", 100],
    ["searches without a score for each result", 0],
    ["searches a second", 2],
    ["search, median", 0.51],
    ["search, 95 of 100", 0.96],
    ["memory, RSS", 2000],
    ["memory, PSS", 1000],
  ]);
  expect(rows(9)[0]).toEqual(["from the server's start to its first reranked search", 9]);
});
