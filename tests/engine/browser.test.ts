import { Checkout, freePort, inspect, type EngineStack } from "../support/engine";

/**
 * A stack whose server has a browser, in its hardened container. The site that it crawls is its own page, which is made
 * by scripts.
 */
jest.setTimeout(900_000);

const checkout = new Checkout();
let stack: EngineStack;
beforeAll(async () => {
  const variables = { ARCHON_CRAWL_ALLOW: "127.0.0.1" };
  stack = await checkout.stack({
    browser: true,
    services: [{ name: "server", port: await freePort(), memoryMiB: 3072, variables }],
  });
  await stack.up();
});
afterAll(() => {
  checkout.remove();
});

async function request(route: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(
    `${await stack.url()}${route}`,
    body === undefined
      ? {}
      : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
  );
  return (await response.json()) as Record<string, unknown>;
}

async function ended(progressId: unknown): Promise<Record<string, unknown>> {
  for (;;) {
    const progress = await request(`/api/progress/${String(progressId)}`);
    if (["completed", "error"].includes(String(progress["status"]))) {
      return progress;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("a page that is made by scripts is crawled in the hardened container, and found", async () => {
  const { Config, HostConfig } = inspect(stack.containers("server")[0] ?? "");
  expect(Config).toMatchObject({
    User: "10001:10001",
    Env: expect.arrayContaining(["ARCHON_BROWSER=/usr/lib/chromium/chromium-headless-shell"]) as string[],
  });
  expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ["ALL"], SecurityOpt: ["no-new-privileges"] });

  const { progressId } = await request("/api/knowledge-items/crawl", { url: "http://127.0.0.1:8181/", max_depth: 0 });
  expect(await ended(progressId)).toMatchObject({ status: "completed", completedDocuments: 1 });
  const { results } = await request("/api/rag/query", {
    query: "retrieval finds candidates by words and by vectors",
    match_count: 1,
  });
  expect(results).toMatchObject([{ metadata: { url: "http://127.0.0.1:8181/", headers: "Search" } }]);
});
