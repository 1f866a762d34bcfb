import * as fs from "node:fs";
import * as path from "node:path";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { findProgram } from "../../commands/setup/docker";
import { archonPath } from "../../lib/paths";

/** Where screenshots are kept; git-ignored. */
const artefacts = archonPath("artifacts", "browser");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** Milliseconds that a page may take to show something, even on a busy machine. */
const TIMEOUT = 120_000;

/** @param acceptedKeys hashes of the public keys of certificates that nobody has signed; it refuses all others */
export async function openBrowser(acceptedKeys: readonly string[] = []): Promise<Browser> {
  const executablePath = process.env["ARCHON_CHROMIUM"] ?? findProgram("chromium");
  if (executablePath === undefined) {
    throw new Error("There is no Chromium; `npm test browser` installs it where it may.");
  }
  return chromium.launch({
    executablePath,
    // Root in a container has no sandbox. The other options stop requests of the browser itself, which take seconds to
    // fail without a network.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(acceptedKeys.length === 0 ? [] : [`--ignore-certificate-errors-spki-list=${acceptedKeys.join(",")}`]),
    ],
  });
}

export interface PageOptions {
  /** @default "desktop" */
  size?: "desktop" | "phone";
  /** @default "light" */
  scheme?: "light" | "dark";
}

const SIZES = { desktop: { width: 1200, height: 800 }, phone: { width: 375, height: 760 } } as const;

/**
 * A page with a storage of its own. `errors` collects what the page reports: exceptions, console errors and violations of
 * its content security policy.
 */
export async function openPage(
  browser: Browser,
  { size = "desktop", scheme = "light" }: PageOptions = {},
): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme: scheme,
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  context.setDefaultTimeout(TIMEOUT);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      errors.push(message.text());
    }
  });
  return { page, errors };
}

/** Opens an address. Repeats it while the gateway has no ready server and answers with a page of its own. */
export async function open(page: Page, url: string): Promise<void> {
  await until(`${url} is answered`, async () => (await page.goto(url))?.ok() !== false);
}

/** Waits until an element is visible. */
export async function waitForVisible(locator: Locator): Promise<void> {
  await locator.first().waitFor({ state: "visible" });
}

/** Waits until an element is no longer in the page. */
export async function waitForDetached(locator: Locator): Promise<void> {
  await locator.first().waitFor({ state: "detached" });
}

/** Waits until `check` returns true. @param what names it in the error */
export async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + TIMEOUT; !(await check());) {
    if (Date.now() > deadline) {
      throw new Error(`Not within ${TIMEOUT / 1000} s: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Report {
  violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
}

/**
 * Violations of WCAG 2.2 A and AA and of axe's best practices, one line each, and whether the page is wider than its
 * window.
 */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  const report = await page.evaluate<Report>(
    `${axe}; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`,
  );
  const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
  return [
    ...report.violations.flatMap(({ id, impact, nodes }) =>
      nodes.map((node) => `${impact} ${id}: ${node.html} ${node.failureSummary}`),
    ),
    ...(overflow > 0 ? [`wider than its window by ${overflow} px`] : []),
  ];
}

export async function screenshot(page: Page, name: string): Promise<void> {
  fs.mkdirSync(artefacts, { recursive: true });
  await page.screenshot({ path: path.join(artefacts, `${name}.png`), fullPage: true });
}
