import * as fs from "node:fs";
import * as path from "node:path";
import type { Browser, Page } from "playwright-core";
import {
  accessibilityProblems,
  open,
  openBrowser,
  openPage,
  screenshot,
  until,
  waitForDetached,
  waitForVisible,
} from "../support/browser";
import { Checkout, docker, freePort, fullEnvironment, type EngineStack } from "../support/engine";

/**
 * Uses the page as a person does, in a real browser against a complete deployment: an ML environment with torch, the
 * demo model, a copy of it, and a copy with damaged weights. The tests run in order, each on the state that the one
 * above it leaves. They do not cover other browsers, assistive technology itself, or the quality of a model's ranking.
 */
jest.setTimeout(1_200_000);

const QUESTION = "what makes bread dough rise";
const kitchen = path.resolve(__dirname, "..", "support", "documents", "kitchen.md");
const checkout = new Checkout();
let stack: EngineStack;
let url: string;
let browser: Browser;
let page: Page;
let errors: string[];

beforeAll(async () => {
  const demo = path.join(checkout.directory, "demo", "reranker");
  fs.cpSync(demo, path.join(checkout.directory, "demo", "twin"), { recursive: true });
  fs.cpSync(demo, path.join(checkout.directory, "demo", "damaged"), { recursive: true });
  fs.writeFileSync(path.join(checkout.directory, "demo", "damaged", "model.safetensors"), "no weights");
  stack = await checkout.stack({
    ...fullEnvironment(checkout),
    models: [
      { name: "demo", directory: "demo/reranker" },
      { name: "twin", directory: "demo/twin" },
      { name: "damaged", directory: "demo/damaged" },
    ],
    services: [{ name: "server", port: await freePort(), memoryMiB: 3072 }],
  });
  await stack.up();
  url = await stack.url();
  browser = await openBrowser();
  ({ page, errors } = await openPage(browser));
});
afterAll(async () => {
  checkout.remove();
  await browser.close();
});
afterEach(async () => {
  await screenshot(page, `after-${(expect.getState().currentTestName ?? "").replace(/\W+/g, "-").slice(0, 60)}`);
  expect(errors.splice(0)).toEqual([]);
});

const view = (name: string): Promise<void> => open(page, `${url}/#/${name}`);
const main = (): ReturnType<Page["locator"]> => page.locator("main");
const uploadInput = (): ReturnType<Page["locator"]> => page.locator("input[type=file]");
async function search(question: string): Promise<void> {
  await page.getByRole("searchbox").fill(question);
  await page.getByRole("button", { name: "Search" }).click();
  await waitForDetached(page.locator("[aria-busy=true]"));
}

test("the first visit explains the page and says how to start", async () => {
  await open(page, url);
  expect(await page.title()).toBe("Search · Archon");
  await waitForVisible(page.getByText("You can add documents under Knowledge"));
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Knowledge" }).click();
  await waitForVisible(page.getByText("Nothing is stored yet. Drop a file above"));
  expect(await page.title()).toBe("Knowledge · Archon");
});

test("uploading a large file shows its progress", async () => {
  const text = Array.from(
    { length: 18000 },
    (_, n) => `## Section ${n}\n\n${"A lighthouse stands on the rock. ".repeat(15)}\n`,
  ).join("\n");
  await page.evaluate(`{
    window.progressSeen = [];
    new MutationObserver(() => {
      const bar = document.querySelector("progress");
      if (bar && window.progressSeen.at(-1) !== bar.value) window.progressSeen.push(bar.value);
    }).observe(document.querySelector("main"), { subtree: true, childList: true, attributes: true });
  }`);
  await uploadInput().setInputFiles({ name: "lighthouse.md", mimeType: "text/markdown", buffer: Buffer.from(text) });
  await waitForVisible(page.getByRole("progressbar", { name: "Progress of lighthouse.md" }));
  await waitForVisible(page.locator(".job.done").filter({ hasText: "18,000 passages stored" }));
  const values = await page.evaluate<number[]>("window.progressSeen");
  expect(values).toEqual([...values].sort((a, b) => a - b));
  expect(values.filter((value) => value > 40 && value < 100)).not.toEqual([]);
  // A screen reader announces it, and the list shows it without a reload.
  expect(await page.locator("[aria-live=polite]").textContent()).toBe("lighthouse.md: 18,000 passages stored");
  await waitForVisible(page.getByRole("heading", { name: "lighthouse.md" }));
});

test("files can be dropped onto the page, and their messages can be dismissed", async () => {
  const transfer = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([${JSON.stringify(fs.readFileSync(kitchen, "utf8"))}], "kitchen.md", { type: "text/markdown" }));
    transfer.items.add(new File(["# Notes\\n\\nThe kettle is by the window."], "notes.txt", { type: "text/plain" }));
    return transfer;
  })()`);
  await page.locator(".file-drop").dispatchEvent("drop", { dataTransfer: transfer });
  await waitForVisible(page.locator(".job.done").filter({ hasText: "kitchen.md" }));
  await waitForVisible(page.locator(".job.done").filter({ hasText: "notes.txt" }));
  for (const name of ["lighthouse.md", "kitchen.md", "notes.txt"]) {
    await page.getByRole("button", { name: `Dismiss the message about ${name}` }).click();
  }
  await waitForDetached(page.locator(".jobs"));
  for (const name of ["lighthouse.md", "kitchen.md", "notes.txt"]) {
    await waitForVisible(page.getByRole("heading", { name }));
  }
});

test("what was left out of a document is said, and announced", async () => {
  const buffer = Buffer.from("<nav>Menu</nav><h1>Harbour</h1><p>The pilot boat is blue.<img src=boat.png>");
  await uploadInput().setInputFiles({ name: "harbour.html", mimeType: "text/html", buffer });
  const job = page.locator(".job.done").filter({ hasText: "harbour.html" });
  await waitForVisible(job.getByText("1 passage stored"));
  await waitForVisible(job.getByText("Left out: images (1), menus (1)"));
  expect(await page.locator("[aria-live=polite]").textContent()).toBe(
    "harbour.html: 1 passage stored. Left out: images (1), menus (1)",
  );
  expect(await accessibilityProblems(page)).toEqual([]);
});

test("an unreadable file and a forbidden address are refused with a reason", async () => {
  await uploadInput().setInputFiles({
    name: "photo.bin",
    mimeType: "application/octet-stream",
    buffer: Buffer.from([0, 1, 2, 0, 255]),
  });
  await waitForVisible(page.locator(".job.failed").filter({ hasText: /photo\.bin.*Not added: .*photo\.bin/ }));
  await page.getByLabel("Or add a web page").fill("http://127.0.0.1:8181/health");
  await page.getByRole("button", { name: "Fetch" }).click();
  await waitForVisible(page.locator(".job.failed").filter({ hasText: /127\.0\.0\.1.*Not added: .+/ }));
  expect(await page.locator(".item").count()).toBe(4);
});

test("a search shows the best passage first, with both scores, the change of rank and the timings", async () => {
  await view("search");
  const answered = page.waitForResponse((response) => response.url().endsWith("/api/rag/query"));
  await search(QUESTION);
  const { results: rows } = (await (await answered).json()) as {
    results: { rerank_score: number; similarity_score: number; retrieval_rank: number }[];
  };
  await waitForVisible(page.getByText(/passages, found in [\d.]+ m?s and reranked by demo in [\d.]+ m?s/));
  const shown = await page.locator(".result").allInnerTexts();
  expect(shown).toHaveLength(rows.length);
  expect(shown[0]).toContain("yeast eats sugar");
  rows.forEach((row, index) => {
    expect(shown[index]).toContain(row.rerank_score.toFixed(3));
    expect(shown[index]).toContain(row.similarity_score.toFixed(3));
    expect(shown[index]).toContain(`from ${row.retrieval_rank}`);
  });
  // Retrieval only ranks the passage about the shop first.
  expect(shown[0]).toMatch(/up 1\s+from 2/);
  expect(shown[1]).toMatch(/down 1\s+from 1/);
  expect(rows.map((row) => row.rerank_score)).toEqual(rows.map((row) => row.rerank_score).sort((a, b) => b - a));
});

test("the switch shows retrieval beside reranking, and the URL keeps the choice", async () => {
  await page.getByRole("switch", { name: "Compare with retrieval only" }).click();
  await waitForVisible(page.getByRole("heading", { name: /Retrieval only/ }));
  const [before, after] = await Promise.all([
    page.locator(".column").first().locator("li").allInnerTexts(),
    page.locator(".column").last().locator("li").allInnerTexts(),
  ]);
  expect(before[0]).toContain("It makes dough");
  expect(after[0]).toContain("yeast eats sugar");
  expect(after[0]).toMatch(/up 1\s+from 2/);
  expect(await page.locator(".rank-lines path").count()).toBe(before.length);
  const address = page.url();
  await page.goto("about:blank");
  await open(page, address);
  await waitForVisible(page.getByRole("heading", { name: /Reranked by demo/ }));
  expect(await page.getByRole("searchbox").inputValue()).toBe(QUESTION);
  await page.getByRole("switch", { name: "Compare with retrieval only" }).click();
  await waitForDetached(page.locator(".comparison"));
});

test("a query without a match gets advice", async () => {
  await search("xylophone");
  await waitForVisible(page.getByText("No passage matches this query."));
});

test("the content of documents is shown as text and never runs in the page", async () => {
  const hostile = `# Hostile <img src=x onerror="document.title='owned'">\n\nzebra <script>document.title='owned'</script> <b id="injected">bold</b> <a href="javascript:alert(1)">link</a>`;
  await view("knowledge");
  await uploadInput().setInputFiles({
    name: `<img src=x onerror=alert(1)>.md`,
    mimeType: "text/markdown",
    buffer: Buffer.from(hostile),
  });
  await waitForVisible(page.locator(".job.done"));
  await view("search");
  await search("zebra");
  expect(await page.locator(".result").first().innerText()).toContain(`<b id="injected">bold</b>`);
  expect(await main().locator("img, script, b, a[href^=javascript]").count()).toBe(0);
  expect(await page.title()).toBe("Search · Archon");
});

test("an activated model reranks the next search", async () => {
  await view("models");
  const entry = page.getByRole("listitem", { name: "twin" });
  await waitForVisible(entry);
  expect(await entry.innerText()).toMatch(/On disk\s+7\.\d MB/);
  await entry.getByRole("button", { name: "Activate twin" }).click();
  await waitForVisible(entry.getByText("Active", { exact: true }));
  await waitForVisible(entry.getByText("loaded and verified"));
  expect(await page.getByRole("listitem", { name: "demo" }).innerText()).toContain("Release default");
  await view("search");
  await search(QUESTION);
  await waitForVisible(page.getByText(/reranked by twin/));
  expect(await page.locator(".result").first().innerText()).toContain("yeast eats sugar");
});

test("a damaged model is not activated, and the page says why", async () => {
  await view("models");
  await page.getByRole("button", { name: "Activate damaged" }).click();
  await waitForVisible(page.getByRole("alert").filter({ hasText: "The model was not activated." }));
  expect(await page.getByRole("listitem", { name: "damaged" }).innerText()).toMatch(/State\s+failed/);
  await waitForVisible(page.getByRole("listitem", { name: "twin" }).getByText("Active", { exact: true }));
  await view("search");
  await search(QUESTION);
  await waitForVisible(page.getByText(/reranked by twin/));
});

test("settings take effect immediately", async () => {
  await view("settings");
  await page.getByRole("switch", { name: "Rerank search results" }).click();
  await until(
    "the setting is saved",
    async () => (await page.locator("[aria-live=polite]").textContent()) === "Saved: Rerank search results is off",
  );
  expect(await page.getByRole("radio", { name: /twin/ }).isChecked()).toBe(true);
  await view("search");
  await search(QUESTION);
  await waitForVisible(page.getByText(/in retrieval order/));
  expect(await page.locator(".result").first().innerText()).toContain("It makes dough");
});

test("while the server is down the page says so and keeps the input; it recovers by itself, and settings survive the restart", async () => {
  await page.getByRole("searchbox").fill("a question that must not get lost");
  const [server = ""] = stack.containers("server");
  docker("stop", server);
  await waitForVisible(page.getByRole("alert").filter({ hasText: "The server does not answer." }));
  await page.getByRole("button", { name: "Search" }).click();
  await waitForVisible(page.getByText("The search failed: The server does not answer."));
  await screenshot(page, "server-down");
  expect(await accessibilityProblems(page)).toEqual([]);
  docker("start", server);
  await waitForDetached(page.getByRole("alert"));
  await waitForVisible(page.locator(".health-indicator.good"));
  expect(await page.getByRole("searchbox").inputValue()).toBe("a question that must not get lost");

  await view("settings");
  await waitForVisible(page.getByRole("switch", { name: "Rerank search results" }));
  expect(await page.getByRole("switch", { name: "Rerank search results" }).isChecked()).toBe(false);
  await until("the chosen model is active again", async () => page.getByRole("radio", { name: /twin/ }).isChecked());
  await page.getByRole("switch", { name: "Rerank search results" }).click();
  await until(
    "the setting is saved",
    async () => (await page.locator("[aria-live=polite]").textContent()) === "Saved: Rerank search results is on",
  );
});

test("the model can also be chosen under Settings", async () => {
  await page.getByRole("radio", { name: /demo/ }).click();
  await until("demo is active", async () => {
    // On a busy machine the gateway may consider the server unavailable while it loads a model.
    const response = await fetch(`${url}/api/models`);
    return response.ok && ((await response.json()) as { active: string }).active === "demo";
  });
  await until("the page shows it", async () => page.getByRole("radio", { name: /demo/ }).isChecked());
  await view("search");
  await search(QUESTION);
  await waitForVisible(page.getByText(/reranked by demo/));
});

test("the status shows the release, the environment, versions and activity", async () => {
  await view("status");
  const { release, environment } = (await stack.outputs()) as { release: string; environment: { key: string } };
  await waitForVisible(page.getByText(release.slice(0, 12)));
  await waitForVisible(page.getByText(environment.key.slice(0, 12)));
  await waitForVisible(page.getByText(/^passed \(\d+ questions\)$/));
  const fact = (name: string): Promise<string> =>
    page
      .locator(".fact")
      .filter({ has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) })
      .locator("dd")
      .innerText();
  const { total } = (await (await fetch(`${url}/api/knowledge-items`)).json()) as { total: number };
  expect(total).toBeGreaterThan(0);
  expect(await fact("Documents")).toBe(String(total));
  expect(await fact("Device")).toBe("cpu");
  expect(await fact("torch")).toMatch(/^\d+\.\d+\.\d+/);
  expect(await fact("Reranking, p50 · p95")).toMatch(/m?s · [\d.]+ m?s/);
});

test("deleting asks for confirmation", async () => {
  await view("knowledge");
  await page.getByRole("button", { name: "Delete notes.txt" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await waitForDetached(page.getByRole("dialog"));
  await page.getByRole("button", { name: "Delete notes.txt" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await waitForDetached(page.getByRole("heading", { name: "notes.txt" }));
  expect(await page.locator("[aria-live=polite]").textContent()).toBe("notes.txt deleted");
  expect(await page.evaluate("document.activeElement.id")).toBe("stored");
});

test("the page works with the keyboard alone, and the focus is visible", async () => {
  await page.goto("about:blank");
  await open(page, url);
  await waitForVisible(page.getByRole("searchbox"));
  const focused = (): Promise<string> =>
    page.evaluate<string>("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent");
  const outline = (): Promise<string> => page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle");
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to content");
  await page.keyboard.press("Enter");
  expect(await focused()).toBe("Search");
  await page.keyboard.press("Tab");
  expect(await outline()).toBe("solid");
  await page.keyboard.type(QUESTION);
  await page.keyboard.press("Enter");
  await waitForVisible(page.getByText(/reranked by demo/));
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  expect(await outline()).toBe("solid");
  await page.keyboard.press("Space");
  await waitForVisible(page.locator(".comparison"));

  await page.getByRole("link", { name: "Knowledge" }).focus();
  await page.keyboard.press("Enter");
  await waitForVisible(page.getByRole("button", { name: "Delete kitchen.md" }));
  expect(await focused()).toBe("Knowledge");
  await page.getByRole("button", { name: "Delete kitchen.md" }).focus();
  await page.keyboard.press("Enter");
  await waitForVisible(page.getByRole("dialog"));
  expect(await focused()).toBe("Cancel");
  await page.keyboard.press("Escape");
  await waitForDetached(page.getByRole("dialog"));
  expect(await focused()).toBe("Delete kitchen.md");
  await waitForVisible(page.getByRole("heading", { name: "kitchen.md" }));
});

describe.each([
  ["desktop", "light"],
  ["desktop", "dark"],
  ["phone", "light"],
  ["phone", "dark"],
] as const)("on a %s in the %s", (size, scheme) => {
  test.each([
    ["search", `search?q=${encodeURIComponent(QUESTION)}`, ".result"],
    ["comparison", `search?q=${encodeURIComponent(QUESTION)}&compare=1`, ".comparison"],
    ["knowledge", "knowledge", ".item"],
    ["settings", "settings", ".radio"],
    ["models", "models", ".model"],
    ["status", "status", ".facts.wide"],
  ])("%s has no axe violations and fits its window", async (name, address, content) => {
    const other = await openPage(browser, { size, scheme });
    try {
      await open(other.page, `${url}/#/${address}`);
      await waitForVisible(other.page.locator(content));
      await waitForDetached(other.page.locator(".loading, [aria-busy=true]"));
      await screenshot(other.page, `${name}-${size}-${scheme}`);
      expect(await accessibilityProblems(other.page)).toEqual([]);
      expect(other.errors).toEqual([]);
    } finally {
      await other.page.context().close();
    }
  });
});
