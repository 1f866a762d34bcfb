import * as fs from "node:fs";
import * as path from "node:path";
import { command, prepareCommands, type Outcome } from "../support/commands";
import { Checkout, docker, hasImage, type EngineStack } from "../support/engine";

/**
 * A release on its way to a host without network: exported from one store, imported into another, run there with every
 * index out of reach. The engine is the same one, so the image is taken away in between.
 */
jest.setTimeout(900_000);

const here = new Checkout();
const nowhere = "http://127.0.0.1:9/simple";
const file = path.join(here.directory, "release.bundle");
let first: EngineStack;
let server = "";
let imageId = "";
const run = (stack: EngineStack, ...args: string[]): Outcome => command(here, "bundle", ...args, "--stack", stack.name);
const idOf = (image: string): string => docker("image", "inspect", "--format", "{{.Id}}", image);

beforeAll(async () => {
  prepareCommands(here);
  // An image of its own, that no other test has.
  here.edit(
    "applications/reference/archon_server/__init__.py",
    (text) => `${text}\n# to be bundled: ${path.basename(here.directory)}\n`,
  );
  first = await here.stack();
  await first.up();
  server = ((await first.outputs())["images"] as { server: string }).server;
  imageId = idOf(server);
});
afterAll(() => {
  here.remove();
  if (hasImage(server)) {
    docker("image", "rm", server);
  }
});

test("a release is exported into one file", () => {
  const { code, output } = run(first, "export", file);
  expect(output).toContain("On the other host: ./archon bundle import release.bundle");
  expect(code).toBe(0);
  expect(fs.existsSync(`${file}.partial`)).toBe(false);
  expect(run(first, "export", file).output).toContain("exists already");
});

test("a release that nobody knows is not exported", () => {
  const { code, output } = run(first, "export", `${file}.2`, "--release", "ffffffffffff");
  expect([code, fs.existsSync(`${file}.2`)]).toEqual([1, false]);
  expect(output).toContain('no release "ffffffffffff"');
});

test("a bundle that was cut or changed puts nothing into place", () => {
  const other = path.join(here.directory, "refused");
  const bad = path.join(here.directory, "bad.bundle");
  for (const [spoil, expected] of [
    [(data: Buffer) => data.subarray(0, data.length / 2), "ends early"],
    [
      (data: Buffer) =>
        Buffer.concat([data.subarray(0, 100_000), Buffer.from([data.readUInt8(100_000) ^ 1]), data.subarray(100_001)]),
      "is damaged: images.tar",
    ],
  ] as const) {
    fs.writeFileSync(bad, spoil(fs.readFileSync(file)));
    const { code, output } = run(first, "import", bad, "--root", other);
    expect(output).toContain(expected);
    expect([code, fs.existsSync(other)]).toEqual([1, false]);
  }
  fs.rmSync(bad);
});

test("imported elsewhere it runs, and nothing is built or fetched", async () => {
  const release = (await first.outputs())["release"] as string;
  const root = path.join(here.directory, "elsewhere");
  await first.destroy();
  docker("image", "rm", "--force", server);
  const second = await here.stack({ root, pythonIndex: nowhere, hubEndpoint: nowhere });
  const { code, output } = run(second, "import", file);
  expect(output).toContain(`./archon pulumi up --stack ${second.name}`);
  expect(code).toBe(0);
  expect(idOf(server)).toBe(imageId);
  expect(fs.readdirSync(path.join(root, "envs"))).toHaveLength(1);
  await second.up();
  expect((await second.outputs())["release"]).toBe(release);
  expect((await fetch(`${await second.url()}/health`)).ok).toBe(true);
  expect(idOf(server)).toBe(imageId);
  expect(await second.up()).toEqual([]);
});

test("imported again it changes nothing", () => {
  const root = path.join(here.directory, "elsewhere");
  const { code, output } = run(first, "import", file, "--root", root);
  expect(output).toMatch(/environment [0-9a-f]{16} is already there/);
  expect(code).toBe(0);
});
