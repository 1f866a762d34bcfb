import * as fs from "node:fs";
import * as path from "node:path";
import type { Browser } from "playwright-core";
import { projectRoot } from "../../lib/paths";
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
import { makeCertificate, publicKeyHash, writeCertificate } from "../support/certificates";
import { Checkout, docker, freePort, type EngineStack } from "../support/engine";

/**
 * States that need no real model: a server that requires a token, behind a gateway with TLS as in production, and one
 * whose model cannot be loaded.
 */
jest.setTimeout(600_000);

const checkout = new Checkout();
let stack: EngineStack;
let browser: Browser;
beforeAll(async () => {
  const certificate = makeCertificate("archon.example");
  // A temporary directory is closed to other users, such as the gateway.
  fs.chmodSync(checkout.directory, 0o755);
  const tls = writeCertificate(path.join(checkout.directory, "tls"), certificate);
  const service = { name: "server", port: await freePort(), memoryMiB: 1024, tls };
  stack = await checkout.stack({ requireToken: true, services: [service] });
  await stack.up();
  browser = await openBrowser([publicKeyHash(certificate)]);
});
afterAll(async () => {
  checkout.remove();
  await browser.close();
});

test("a server that requires a token prompts for it once, and the tab keeps it", async () => {
  const { page, errors } = await openPage(browser);
  const { apiToken } = (await stack.outputs()) as { apiToken: string };
  // Two requests are rejected at the same time; there is one prompt.
  await open(page, `${await stack.url()}/#/status`);
  const dialog = page.getByRole("dialog", { name: "This server requires an API token" });
  await waitForVisible(dialog);
  expect(await page.getByRole("dialog").count()).toBe(1);
  await screenshot(page, "token");
  expect(await accessibilityProblems(page)).toEqual([]);

  await page.getByLabel("API token", { exact: true }).fill("not the token");
  await page.getByRole("button", { name: "Use token" }).click();
  await waitForVisible(page.getByText("The server did not accept this token."));
  await page.getByLabel("API token", { exact: true }).fill(`  ${apiToken} `);
  await page.getByRole("button", { name: "Use token" }).click();
  await waitForDetached(dialog);
  await waitForVisible(page.getByText("Running for"));

  await page.goto("about:blank");
  await open(page, `${await stack.url()}/#/status`);
  await waitForVisible(page.getByText("Running for"));
  expect(await page.getByRole("dialog").count()).toBe(0);
  expect(await page.evaluate("localStorage.length + document.cookie.length")).toBe(0);

  const upload = page.locator("input[type=file]");
  await open(page, `${await stack.url()}/#/knowledge`);
  await upload.setInputFiles({
    name: "otter.md",
    mimeType: "text/markdown",
    buffer: Buffer.from("Sea otters hold hands."),
  });
  await waitForVisible(page.locator(".job.done"));
  await open(page, `${await stack.url()}/#/search?q=otters`);
  await waitForVisible(page.locator(".result").filter({ hasText: "hold hands" }));
  expect(errors).toEqual([]);
  await page.context().close();
});

test("the page is served by TLS, also to a browser that asks by http", async () => {
  const { page, errors } = await openPage(browser);
  const url = await stack.url();
  expect(url).toMatch(/^https:/);
  const plain = url.replace("https:", "http:");
  const response = await page.goto(`${plain}/#/status`);
  expect(response?.request().redirectedFrom()?.url()).toBe(`${plain}/`);
  expect(await response?.securityDetails()).toMatchObject({ issuer: "archon.example" });
  expect(page.url()).toBe(`${url}/#/status`);
  await waitForVisible(page.getByRole("dialog", { name: "This server requires an API token" }));
  expect(errors).toEqual([]);
  await page.context().close();
});

test("a person who dismisses the prompt sees why nothing is shown, and can still enter the token", async () => {
  const { page } = await openPage(browser);
  await open(page, `${await stack.url()}/#/knowledge`);
  await waitForVisible(page.getByRole("dialog"));
  await page.keyboard.press("Escape");
  await waitForVisible(page.getByText("An API token protects this server."));
  await waitForDetached(page.getByRole("dialog"));
  await page.getByRole("button", { name: "Enter the token" }).click();
  await waitForVisible(page.getByRole("dialog"));
  await page.context().close();
});

test("a server whose model cannot be loaded reports it on every view and still answers searches", async () => {
  const { images } = (await stack.outputs()) as { images: { server: string } };
  const port = await freePort();
  const models = JSON.stringify([{ name: "words", repo: "tests/words", revision: "0".repeat(40) }]);
  const container = docker(
    "run",
    "--detach",
    "--rm",
    "--read-only",
    "--tmpfs=/tmp",
    "--tmpfs=/data:mode=1777",
    `--publish=127.0.0.1:${port}:8181`,
    "--workdir=/src",
    `--volume=${path.join(projectRoot, "applications", "reference")}:/src:ro`,
    "--env=PYTHONPATH=/opt/archon:/src",
    `--env=ARCHON_MODELS=${models}`,
    "--env=FAKE_LOAD_ERROR=out of memory",
    images.server,
    "python3",
    "-m",
    "tests.fakes",
  );
  try {
    const url = `http://127.0.0.1:${port}`;
    await until("the server answers", () =>
      fetch(`${url}/health`).then(
        () => true,
        () => false,
      ),
    );
    const { page } = await openPage(browser);
    await open(page, `${url}/#/knowledge`);
    await waitForVisible(page.getByRole("status").filter({ hasText: /Reranking is not working: .*out of memory/ }));
    await page
      .locator("input[type=file]")
      .setInputFiles({ name: "otter.md", mimeType: "text/markdown", buffer: Buffer.from("Sea otters hold hands.") });
    await waitForVisible(page.locator(".job.done"));
    await open(page, `${url}/#/search?q=otters`);
    await waitForVisible(page.getByText("These passages are not reranked."));
    expect(await page.locator(".result").first().innerText()).toContain("hold hands");
    await screenshot(page, "model-failing");
    expect(await accessibilityProblems(page)).toEqual([]);
    await open(page, `${url}/#/models`);
    await waitForVisible(page.getByRole("listitem", { name: "words" }).getByText(/out of memory/));
    await page.context().close();
  } finally {
    docker("rm", "--force", container);
  }
});
