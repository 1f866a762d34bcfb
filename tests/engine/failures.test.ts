import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { Checkout, docker, type EngineStack } from "../support/engine";

/**
 * Every failure here must say what is wrong and leave nothing incomplete visible, and the next good update must
 * succeed. Releases that fail beside one that serves are for rollout.test.ts.
 */
jest.setTimeout(600_000);

const checkout = new Checkout();
const LOCKS = "tests/support/locks";
let stack: EngineStack;
let good: Readonly<Record<string, unknown>>;
beforeAll(async () => {
  stack = await checkout.stack();
  good = stack.configuration;
});
afterEach(() => {
  stack.configuration = good;
});
afterAll(() => {
  checkout.remove();
});

const environments = (): string[] => entries("envs");
const halfMade = (): string[] => entries("staging").filter((name) => name !== "locks");
function entries(directory: string): string[] {
  const absolute = path.join(checkout.root, directory);
  return fs.existsSync(absolute) ? fs.readdirSync(absolute) : [];
}
const port = (): number => (good["services"] as [{ port: number }])[0].port;
const healthy = async (): Promise<boolean> => (await fetch(`${await stack.url()}/health`)).ok;

describe("before anything is created", () => {
  afterEach(() => {
    expect(docker("ps", "--all", "--quiet", `--filter=label=io.archon.stack=${stack.name}`)).toBe("");
    expect(fs.existsSync(checkout.root)).toBe(false);
  });

  test("a bad configuration is refused, all problems at once", async () => {
    stack.configure({ root: "relative", retain: 0, services: [{ name: "server", port: 0 }] });
    const message = await stack.failingUp();
    expect(message).toContain('archon:root: must be an absolute path without . or .. parts (received "relative")');
    expect(message).toContain("archon:retain:");
    expect(message).toContain("archon:services[0].port:");
  });

  test("a key of the wrong type is refused by Pulumi itself, by name", async () => {
    stack.configure({ retain: "many" });
    expect(await stack.failingUp()).toMatch(/configuration key 'retain' must be of type 'integer'/);
  });

  test("a GPU that the engine cannot give to a container is refused with what its host lacks", async () => {
    // On a host with a GPU there is nothing to refuse.
    expect(docker("info", "--format", "{{json .Runtimes}}")).not.toContain("nvidia");
    stack.configure({ services: [{ name: "server", port: port(), gpu: "nvidia" }] });
    const message = await stack.failingUp();
    expect(message).toMatch(/archon:services\[0\]\.gpu: the Docker engine at .* cannot give a GPU to a container/);
    expect(message).toContain("nvidia-ctk runtime configure");
  });

  test("an engine that does not answer is named by its socket", async () => {
    await stack.withEnvironment({ DOCKER_HOST: "unix:///nonexistent/docker.sock" }, async () => {
      expect(await stack.failingUp()).toContain("The Docker engine at unix:///nonexistent/docker.sock does not answer");
    });
  });
});

test("a store without enough space is reported before the first download", async () => {
  const root = path.join(checkout.directory, "small-disk");
  fs.mkdirSync(root);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", root]);
  try {
    const message = await (await checkout.stack({ root })).failingUp();
    expect(message).toMatch(/needs up to .* free/);
    expect(fs.readdirSync(path.join(root, "envs"))).toEqual([]);
    expect(fs.existsSync(path.join(root, "cache", "uv", "wheels-v5"))).toBe(false);
  } finally {
    execFileSync("umount", [root]);
  }
});

describe("an environment", () => {
  test("with a wrong hash in its lock does not come to be", async () => {
    const lock = path.join(checkout.directory, LOCKS, "wrong.txt");
    fs.writeFileSync(
      lock,
      fs
        .readFileSync(path.join(checkout.directory, LOCKS, "small.txt"), "utf8")
        .replace(/sha256:[0-9a-f]{4}/g, "sha256:0000"),
    );
    stack.configure({ requirements: `${LOCKS}/wrong.txt` });
    expect(await stack.failingUp()).toMatch(/hash/i);
    expect([environments(), halfMade()]).toEqual([[], []]);
  });

  test("from an index out of reach does not come to be", async () => {
    stack.configure({ pythonIndex: "http://127.0.0.1:9/simple" });
    expect(await stack.failingUp()).toContain("127.0.0.1:9");
    expect(environments()).toEqual([]);
  });

  test("that does not import does not come to be", async () => {
    stack.configure({ imports: ["six", "no_such_module"] });
    expect(await stack.failingUp()).toContain("no_such_module");
    expect(environments()).toEqual([]);
  });

  test("comes to be with the next update, also with one that fails later: a port that is taken is named", async () => {
    const squatter = net.createServer().listen(port(), "127.0.0.1");
    try {
      expect(await stack.failingUp()).toContain(String(port()));
      expect(environments()).toHaveLength(1);
    } finally {
      await new Promise((resolve) => squatter.close(resolve));
    }
  });

  test("serves once the port is free", async () => {
    await stack.up();
    expect(environments()).toHaveLength(1);
    expect(await healthy()).toBe(true);
  });
});

test("an unreachable hub is reported with its address, no snapshot appears, and the server runs on", async () => {
  const servers = stack.containers("server");
  stack.configure({
    hubEndpoint: "http://127.0.0.1:9",
    models: [{ name: "m", repo: "Org/Name", revision: "a".repeat(40) }],
  });
  expect(await stack.failingUp()).toContain("127.0.0.1:9");
  expect(fs.existsSync(path.join(checkout.root, "models/huggingface/hub/models--Org--Name/snapshots"))).toBe(false);
  expect(stack.containers("server")).toEqual(servers);
  expect(await healthy()).toBe(true);
});
