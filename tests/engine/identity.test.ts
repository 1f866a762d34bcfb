import * as fs from "node:fs";
import * as path from "node:path";
import { command, prepareCommands, type Outcome } from "../support/commands";
import { Checkout, docker, hasImage, type EngineStack } from "../support/engine";
import { Load } from "../support/load";

/**
 * Two checkouts with a stack of the same name on one engine. The order matters: each test continues where the previous
 * one ended. What no test here shows: two engines with one disk; the claim on the store, which they share, is that of
 * one engine too, and a unit test runs its script.
 */
jest.setTimeout(900_000);

const first = new Checkout();
const second = new Checkout();
let mine: EngineStack;
let theirs: EngineStack;
const run = (checkout: Checkout, name: string, ...args: string[]): Outcome =>
  command(checkout, name, ...args, "--stack", mine.name);

interface Deployed {
  environment: { path: string };
  images: { server: string };
}
const deployed = async (stack: EngineStack): Promise<Deployed> => (await stack.outputs()) as unknown as Deployed;
/** Everything that runs, and what the store has: another environment at the same path would be another directory. */
const picture = async (): Promise<unknown> => {
  const { environment, images } = await deployed(mine);
  return {
    servers: mine.containers("server"),
    gateways: mine.containers("gateway"),
    environment: fs.statSync(environment.path).ino,
    image: hasImage(images.server),
  };
};
const documents = async (stack: EngineStack): Promise<string[]> => {
  const response = await fetch(`${await stack.url()}/api/knowledge-items?page=1&per_page=100`);
  const { items } = (await response.json()) as { items: { metadata: { file_name: string } }[] };
  return items.map(({ metadata }) => metadata.file_name);
};
const refusal = (place: string): RegExp =>
  new RegExp(
    `${place} already has the stack "${mine.name}" of the project "archon", from another deployment: ` +
      `\\S+@\\S+, checkout ${first.directory}, first deployed \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ\\.\\s+` +
      "Nothing was changed. Deploy under another stack name \\(`./archon pulumi stack init NAME`\\), " +
      `or take that deployment over: \`./archon recover --adopt --stack ${mine.name}\``,
  );

beforeAll(async () => {
  mine = await first.stack();
  theirs = await second.stack({}, mine.name);
  prepareCommands(first);
  prepareCommands(second);
  await mine.up();
});
afterAll(() => {
  second.remove();
  first.remove();
});

test("a second checkout is refused, with another store too, while the first one serves on and loses nothing", async () => {
  const before = await picture();
  // The refusals take few seconds.
  const load = new Load(await mine.url(), 60);
  try {
    await load.start();
    expect(await theirs.failingUp()).toMatch(refusal("The engine at \\S+"));
    await expect(theirs.preview()).rejects.toThrow(refusal("The engine at \\S+"));
    expect(run(second, "recover")).toMatchObject({
      code: 0,
      output: expect.stringContaining("nothing to remove") as string,
    });
    expect(fs.existsSync(path.join(second.root, "store.json"))).toBe(false);
    const report = await load.stop();
    expect(report.lost).toEqual([]);
    expect(report.searches).toBeGreaterThan(100);
  } finally {
    load.end();
  }
  expect(await picture()).toEqual(before);
  expect(await mine.up()).toEqual([]);
});

test("recover removes what a killed update of its own deployment left, and nothing of another one", () => {
  const image = docker("inspect", "--format", "{{.Config.Image}}", mine.containers("gateway")[0] ?? "");
  const [own] = mine.containers("server");
  const id = docker("inspect", "--format", '{{index .Config.Labels "io.archon.deployment"}}', own ?? "");
  const left = (deployment: string): string =>
    docker(
      ...["run", "--detach", "--init", "--network=none", "--entrypoint=/bin/sleep"],
      ...["project=archon", `stack=${mine.name}`, "component=server", `deployment=${deployment}`].map(
        (label) => `--label=io.archon.${label}`,
      ),
      ...[image, "600"],
    );
  const [orphan, foreign] = [left(id), left("another")];
  try {
    expect(run(first, "recover")).toMatchObject({ code: 0, output: expect.stringContaining("1 removed") as string });
    expect(mine.containers("server", { stopped: true })).toContain(foreign);
    expect(mine.containers("server", { stopped: true })).toContain(own);
    expect(mine.containers("server", { stopped: true })).not.toContain(orphan);
  } finally {
    docker("rm", "--force", foreign);
  }
});

test("a lost state is taken over: the environment, the image and the documents are those from before", async () => {
  const before = await deployed(mine);
  const { ino } = fs.statSync(before.environment.path);
  const known = await documents(mine);
  expect(known).toContain("known.md");
  mine = await first.loseState(mine);
  expect(await mine.failingUp()).toMatch(refusal("The engine at \\S+"));
  expect(mine.containers("server")).toHaveLength(1);
  expect(run(first, "recover", "--adopt").output).toContain("Add --yes to continue without a question");
  expect(mine.containers("server")).toHaveLength(1);

  expect(run(first, "recover", "--adopt", "--yes")).toMatchObject({ code: 0 });
  await mine.up();
  await mine.healthy();
  expect(await deployed(mine)).toMatchObject({ environment: before.environment, images: before.images });
  expect(fs.statSync(before.environment.path).ino).toBe(ino);
  expect((await documents(mine)).sort()).toEqual(known.sort());
  expect(await mine.up()).toEqual([]);
});

test("another checkout takes over, and from its first update on the updates of the old one are refused", async () => {
  const known = await documents(mine);
  const port = (mine.configuration["services"] as { port: number }[])[0]?.port;
  theirs.configure({ root: mine.root, services: [{ name: "server", port, memoryMiB: 1024 }] });
  expect(run(second, "recover", "--adopt", "--yes").code).toBe(0);
  expect(fs.existsSync(path.join(mine.root, "refs", `archon-${mine.name}.owner`))).toBe(false);
  await theirs.up();
  await theirs.healthy();
  expect((await documents(theirs)).sort()).toEqual(known.sort());
  await expect(mine.preview()).rejects.toThrow(`checkout ${second.directory}`);
});

test("of two first updates at the same moment, with a store each, one is refused, and the other one serves", async () => {
  const one = await first.stack();
  const { name } = one;
  const rivals = [one, await second.stack({}, name)];
  const results = await Promise.allSettled(rivals.map((stack) => stack.up()));
  const refused = results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
  expect(refused).toEqual([expect.stringContaining(`already has the stack "${name}" of the project "archon"`)]);
  const winner = rivals[results.findIndex(({ status }) => status === "fulfilled")];
  await winner?.healthy();
  expect(await winner?.up()).toEqual([]);
  await winner?.destroy();
  expect(docker("volume", "ls", "--quiet", `--filter=label=io.archon.stack=${name}`)).toBe("");
});

test("a destroyed stack gives up its name in the store, and one that is there is refused", async () => {
  const claim = path.join(mine.root, "refs", `archon-${mine.name}.owner`);
  const text = fs.readFileSync(claim, "utf8");
  await theirs.destroy();
  expect(fs.existsSync(claim)).toBe(false);
  fs.writeFileSync(claim, text.replace(/^.*/, "another"));
  await expect(theirs.preview()).rejects.toThrow(`The store ${mine.root} already has the stack "${mine.name}"`);
});
