import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { removeImage } from "../../commands/lib/docker";
import { command, prepareCommands, type Outcome } from "../support/commands";
import { Checkout, docker, type EngineStack } from "../support/engine";

/**
 * The commands as a person types them, on a real stack of three releases. The order matters: each test continues where
 * the previous one ended.
 */
jest.setTimeout(900_000);

const checkout = new Checkout();
let stack: EngineStack;
const server = "applications/reference/archon_server/__init__.py";
const ids: string[] = [];
const run = (name: string, ...args: string[]): Outcome => command(checkout, name, ...args, "--stack", stack.name);
const stackFilePath = (): string => path.join(checkout.directory, `Pulumi.${stack.name}.yaml`);
const stackFile = (): string => fs.readFileSync(stackFilePath(), "utf8");
const writeStackFile = (content: object): void => fs.writeFileSync(stackFilePath(), stringify(content));
const healthy = async (): Promise<boolean> => (await fetch(`${await stack.url()}/health`)).ok;
const running = async (): Promise<unknown> => (await stack.outputs())["release"];
const environments = (): string[] => fs.readdirSync(path.join(checkout.root, "envs")).sort();

async function release(): Promise<void> {
  await stack.up();
  ids.push((await stack.outputs())["release"] as string);
}

beforeAll(async () => {
  stack = await checkout.stack();
  prepareCommands(checkout);
  await release();
  checkout.edit(server, (text) => `${text}\n# second\n`);
  await release();
});
afterAll(() => {
  checkout.remove();
});

test("releases lists what ran, and marks what runs", () => {
  const { code, stdout } = run("releases", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual([
    expect.objectContaining({ id: ids[1], running: true, restorable: true }),
    expect.objectContaining({ id: ids[0], running: false, restorable: true }),
  ]);
  expect(run("releases").stdout).toMatch(new RegExp(`^▶ +${ids[1]} `, "m"));
});

test("a rollback to an unknown release lists the known ones and changes nothing", async () => {
  const before = stackFile();
  const { code, output } = run("rollback", "0123456789ab", "--yes");
  expect(code).toBe(1);
  ids.forEach((id) => expect(output).toContain(id));
  expect(stackFile()).toBe(before);
});

test("without a terminal and without --yes it shows the preview and changes nothing", async () => {
  const before = stackFile();
  const { code, output } = run("rollback", "previous");
  expect(code).toBe(1);
  expect(output).toContain(`${ids[1]} → ${ids[0]}`);
  expect(output).toContain("Add --yes");
  expect(stackFile()).toBe(before);
  expect(await running()).toBe(ids[1]);
});

test("a rollback replaces the server alone, records itself and says how to go forward", async () => {
  // A committed stack file has no salt of a passphrase, and must not get one.
  const { encryptionsalt, ...committed } = parse(stackFile()) as Record<string, unknown>;
  expect(encryptionsalt).toBeDefined();
  writeStackFile(committed);
  const { code, output } = run("rollback", "previous", "--yes");
  const after = parse(stackFile()) as Record<string, unknown>;
  expect(after).not.toHaveProperty("encryptionsalt");
  writeStackFile({ ...after, encryptionsalt });
  expect(output).toContain(`now runs ${ids[0]}`);
  expect(code).toBe(0);
  expect(output).not.toMatch(/\b(Built|Fetched)\b/);
  expect(stackFile()).toMatch(new RegExp(`archon:release\\W+${ids[0]}`));
  expect(await running()).toBe(ids[0]);
  expect(await healthy()).toBe(true);
  expect(output).toContain("./archon rollback --forward");
});

test("a release whose image is missing is marked, and a rollback to it is refused with the way out", () => {
  const lost = "archon-server:commands-test";
  const state = run("releases", "--json").stdout;
  const image =
    (JSON.parse(state) as { id: string; images: { server: string } }[]).find(({ id }) => id === ids[1])?.images
      .server ?? "";
  docker("tag", image, lost);
  docker("image", "rm", image);
  try {
    expect(run("releases").stdout).toContain(`the image ${image} is missing from the engine`);
    const { code, output } = run("rollback", ids[1] ?? "", "--yes");
    expect(code).toBe(1);
    expect(output).toContain("cannot be run again");
  } finally {
    docker("tag", lost, image);
    docker("image", "rm", lost);
  }
});

test("forward again it runs what the checkout makes, and nothing holds it", async () => {
  expect(run("rollback", "--forward", "--yes").output).toContain(`now runs ${ids[1]}`);
  expect(stackFile()).not.toContain("archon:release");
  expect(await running()).toBe(ids[1]);
  expect(run("rollback", "--forward").output).toContain("is not pinned to a release");
});

describe("a preview", () => {
  test("is a comment with its marker, from the live stack and from an export on another machine alike", () => {
    checkout.edit(server, (text) => `${text}\n# third\n`);
    const live = run("preview", "--markdown");
    expect(live.code).toBe(0);
    expect(live.stdout.split("\n")[0]).toBe(`<!-- archon-preview:${stack.name} -->`);
    expect(live.stdout).toMatch(/- `server archon-server-0`: image [0-9a-f]{16} → [0-9a-f]{16}, release$/m);

    const before = stackFile();
    const exported = path.join(checkout.directory, ".archon", "export.json");
    fs.writeFileSync(exported, run("pulumi", "stack", "export").stdout);
    const { status, stdout, stderr } = spawnSync(path.join(".github", "preview.sh"), [stack.name, exported], {
      cwd: checkout.directory,
      encoding: "utf8",
      env: { ...process.env, BACKEND: "", PULUMI_CONFIG_PASSPHRASE: "test" },
    });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stackFile()).toBe(before);
    const saved = path.join(checkout.directory, "preview.json");
    fs.writeFileSync(saved, stdout);
    const remote = run("preview", "--markdown", "--json", saved);
    expect(remote.stdout).toMatch(/- `server archon-server-0`: image [0-9a-f]{16} → [0-9a-f]{16}, release$/m);
    expect(/\| Release \| .* \|/.exec(remote.stdout)?.[0]).toBe(/\| Release \| .* \|/.exec(live.stdout)?.[0]);
    checkout.edit(server, (text) => text.replace("\n# third\n", ""));
  });

  test("that finds problems shows them, also those that Pulumi reports only as text, and exits with 1", () => {
    stack.configure({ retain: 0 });
    expect(run("preview")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("archon:retain: must be at least 2") as string,
    });
    stack.configure({ retain: "many" });
    expect(run("preview")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("must be of type 'integer'") as string,
    });
    stack.configure({ retain: 3 });
  });
});

test("verify finds a flipped byte when it reads everything, and repairs it", () => {
  expect(run("verify", "--full")).toMatchObject({ code: 0, output: expect.stringContaining("intact") as string });
  const file = path.join(checkout.root, "envs", environments()[0] ?? "", "lib/python3.11/site-packages/six.py");
  const bytes = fs.readFileSync(file);
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(100) ^ 1, 100);
  fs.writeFileSync(file, flipped);
  const found = run("verify", "--full");
  expect(found.code).toBe(1);
  expect(found.output).toContain("six.py");
  expect(found.output).toContain("./archon verify --full --repair");
  expect(run("verify", "--full", "--repair")).toMatchObject({ code: 0 });
  expect(fs.readFileSync(file)).toEqual(bytes);
  expect(run("verify", "--full").code).toBe(0);
});

describe("the store at its end", () => {
  test("is not purged while a server has it mounted: the server and the way to end it are named", async () => {
    const { code, output } = run("purge", "--yes");
    expect(code).toBe(1);
    expect(output).toContain(`of the stack ${stack.name}`);
    expect(output).toContain(`./archon pulumi destroy --stack ${stack.name}`);
    expect(await healthy()).toBe(true);
  });

  test("names images that nothing refers to, and an image goes only when no container uses it", async () => {
    const { images } = (await stack.outputs()) as { images: { server: string } };
    const unused = `archon-server:${stack.name}`;
    docker("tag", images.server, unused);
    // Only a dry run: other stores of this engine may not be known by their networks.
    const { output } = run("prune", "--dry-run");
    expect(output).toMatch(new RegExp(`^image {2}${unused} {2}up to [\\d.]+ MB$`, "m"));
    expect(output).not.toContain(`image  ${images.server} `);
    expect(await removeImage(unused, undefined)).toBeUndefined();
    expect(docker("image", "ls", "--quiet", unused)).toBe("");
    const [id = ""] = stack.containers("server");
    expect(await removeImage(docker("inspect", "--format", "{{.Image}}", id), undefined)).toMatch(/running container/);
  });

  test("keeps what the stack refers to, until the stack is forgotten; a dry run only reports", async () => {
    await stack.destroy();
    const before = environments();
    expect(run("prune", "--keep-images")).toMatchObject({ code: 0 });
    expect(environments()).toEqual(before);
    const forget = ["--forget", `archon-${stack.name}`, "--keep-images"];
    const dry = run("prune", "--dry-run", ...forget).output;
    expect(dry).toMatch(new RegExp(`environment +${before[0]} +[\\d.]+ [kM]B`));
    expect(dry).toContain("Would free");
    expect(environments()).toEqual(before);
    expect(run("prune", ...forget).output).toContain("Freed");
    expect(environments()).toEqual([]);
  });

  test("is purged with the path typed or --yes, and keeps the users' documents unless --data", () => {
    const data = path.join(checkout.root, "data", stack.name, "server");
    expect(fs.existsSync(data)).toBe(true);
    const asked = run("purge");
    expect(asked).toMatchObject({ code: 1, output: expect.stringContaining("Type the path of the store") as string });
    expect(fs.existsSync(path.join(checkout.root, "store.json"))).toBe(true);
    expect(run("purge", "--yes").code).toBe(0);
    expect(fs.existsSync(data)).toBe(true);
    expect(environments()).toEqual([]);
    expect(run("purge", "--yes", "--data").code).toBe(0);
    expect(fs.readdirSync(checkout.root)).toEqual([]);
  });
});
