import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { storeToolArguments } from "../../commands/store/store-tool";
import { ensureImage } from "../../commands/lib/images";
import { silent } from "../../commands/lib/progress";
import { devStack } from "../../config/stack";
import { IMAGES } from "../../lib/images";
import { command, prepareCommands, type Outcome } from "../support/commands";
import { Checkout, docker, type EngineStack } from "../support/engine";

/**
 * A model from a hub of our own in a container, pinned by the command and fetched in the same narrow container as in an
 * update. That a server loads one is for full.test.ts; that the real hub answers like ours is not shown here.
 */
jest.setTimeout(600_000);

const checkout = new Checkout();
const repo = "Org/Tiny-Model";
const revision = "5e".repeat(20);
const published = path.join(checkout.directory, "published");
const weights = crypto.randomBytes(9_000_000);
let stack: EngineStack;
let image = "";
let hub = "";
let endpoint = "";
const models = (...args: string[]): Outcome => command(checkout, "models", ...args, "--stack", stack.name);
const tool = (...args: [string, ...string[]]): string =>
  docker(...storeToolArguments({ root: checkout.root, command: args, network: true }, image, undefined));
const fetchModel = (): string => tool("fetch", "--repo", repo, "--revision", revision, "--endpoint", endpoint);
const snapshot = path.join(checkout.root, `models/huggingface/hub/models--Org--Tiny-Model/snapshots/${revision}`);

beforeAll(async () => {
  prepareCommands(checkout);
  fs.mkdirSync(published);
  fs.mkdirSync(checkout.root);
  fs.writeFileSync(path.join(published, "config.json"), "{}");
  fs.writeFileSync(path.join(published, "model.safetensors"), weights);
  fs.writeFileSync(path.join(published, "model.gguf"), "another format");
  image = await ensureImage(IMAGES.bootstrap, devStack, silent);
  const serve = `exec python3 -m mlenv.tests.serve "$(hostname -i)" ${repo} ${revision} /published`;
  hub = docker(
    "run",
    "--detach",
    "--read-only",
    "--label=io.archon.component=tests",
    "--env=PYTHONPATH=/src",
    "--entrypoint=sh",
    `--volume=${checkout.directory}/store:/src:ro`,
    `--volume=${published}:/published:ro`,
    image,
    "-c",
    serve,
  );
  for (let tries = 0; endpoint === ""; tries++) {
    expect(tries).toBeLessThan(300);
    await new Promise((resolve) => setTimeout(resolve, 100));
    endpoint = docker("logs", hub);
  }
  stack = await checkout.stack({ hubEndpoint: endpoint, models: [{ name: "tiny", repo, revision }] });
  tool("init");
});
afterAll(() => {
  docker("rm", "--force", hub);
  checkout.remove();
});

test("a branch is pinned to its commit, with the size of what an update would fetch", () => {
  const { code, stdout } = models("pin", repo);
  expect(stdout).toContain(`${repo} is 9.00 MB in 2 files at commit ${revision}; 1 more are left out`);
  expect(stdout).toContain(`- { name: tiny-model, repo: ${repo}, revision: ${revision} }`);
  expect(code).toBe(0);
});

test("a model above the limit, and one that the hub does not have, are refused", () => {
  const large = models("pin", repo, "--max-bytes", "8MB");
  expect([large.code, large.output]).toEqual([1, expect.stringContaining("more than the limit of 8.00 MB")]);
  const unknown = models("pin", "Org/Nobody");
  expect([unknown.code, unknown.output]).toEqual([1, expect.stringContaining("there is no model Org/Nobody")]);
});

test("the catalogue shows what is configured and not in the store yet", () => {
  expect(models().stdout).toMatch(/^▶ +tiny +Org\/Tiny-Model@5e5e5e5e5e5e +not in the store/m);
});

test("it is downloaded in the store job's container, and a removed snapshot is downloaded again", () => {
  expect(fetchModel()).toContain("is ready: 2 files");
  expect(fs.readFileSync(path.join(snapshot, "model.safetensors")).equals(weights)).toBe(true);
  expect(models().stdout).toMatch(/^▶ +tiny +Org\/Tiny-Model@5e5e5e5e5e5e +9\.00 MB +no baseline yet/m);
  fs.rmSync(snapshot, { recursive: true });
  expect(fetchModel()).toContain("is ready: 2 files");
  expect(fs.readdirSync(snapshot).sort()).toEqual(["config.json", "model.safetensors"]);
});

test("without the hub, models in the store stay usable, and a missing one is reported with the hub's address", () => {
  docker("stop", "--time=0", hub);
  expect(fetchModel()).toContain("is already there");
  const { code, output } = models("pin", repo);
  expect([code, output]).toEqual([1, expect.stringContaining(`gave up on the hub at ${endpoint}`)]);
});
