import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { Checkout, docker, freePort, type EngineStack } from "../support/engine";

/**
 * Every failure here must say what is wrong and leave nothing incomplete visible, and the next good update must
 * succeed.
 */
jest.setTimeout(600_000);

const checkout = new Checkout();
const LOCKS = "tests/support/locks";
afterAll(() => {
  checkout.remove();
});

const environments = (): string[] => entries("envs");
const halfMade = (): string[] => entries("staging").filter((name) => name !== "locks");
function entries(directory: string): string[] {
  const absolute = path.join(checkout.root, directory);
  return fs.existsSync(absolute) ? fs.readdirSync(absolute) : [];
}
const healthy = async (stack: EngineStack): Promise<boolean> => (await fetch(`${await stack.url()}/health`)).ok;

test("a bad configuration is refused before anything is created, all problems at once", async () => {
  const stack = await checkout.stack({ root: "relative", retain: 0, services: [{ name: "server", port: 0 }] });
  const message = await stack.failingUp();
  expect(message).toContain('archon:root: must be an absolute path without . or .. parts (received "relative")');
  expect(message).toContain("archon:retain:");
  expect(message).toContain("archon:services[0].port:");
  expect(stack.containers("server")).toEqual([]);
});

test("a key of the wrong type is refused by Pulumi itself, by name", async () => {
  expect(await (await checkout.stack({ retain: "many" })).failingUp()).toMatch(
    /configuration key 'retain' must be of type 'integer'/,
  );
});

test("a GPU that the engine cannot give to a container is refused with what its host lacks", async () => {
  // On a host with a GPU there is nothing to refuse.
  expect(docker("info", "--format", "{{json .Runtimes}}")).not.toContain("nvidia");
  const stack = await checkout.stack({ services: [{ name: "server", port: await freePort(), gpu: "nvidia" }] });
  const message = await stack.failingUp();
  expect(message).toMatch(/archon:services\[0\]\.gpu: the Docker engine at .* cannot give a GPU to a container/);
  expect(message).toContain("nvidia-ctk runtime configure");
  expect(stack.containers("gateway", { stopped: true })).toEqual([]);
});

test("without an engine the update names the socket", async () => {
  const stack = await checkout.stack();
  await stack.withEnvironment({ DOCKER_HOST: "unix:///nonexistent/docker.sock" }, async () => {
    expect(await stack.failingUp()).toContain("The Docker engine at unix:///nonexistent/docker.sock does not answer");
  });
});

describe("an environment", () => {
  let stack: EngineStack;
  beforeAll(async () => {
    stack = await checkout.stack();
  });

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
    stack.configure({ requirements: `${LOCKS}/small.txt`, pythonIndex: "http://127.0.0.1:9/simple" });
    expect(await stack.failingUp()).toContain("127.0.0.1:9");
    expect(environments()).toEqual([]);
  });

  test("that does not import does not come to be", async () => {
    stack.configure({ pythonIndex: "", imports: ["six", "no_such_module"] });
    expect(await stack.failingUp()).toContain("no_such_module");
    expect(environments()).toEqual([]);
  });

  test("comes to be with the next good update", async () => {
    stack.configure({ imports: ["six", "iniconfig"] });
    await stack.up();
    expect(environments()).toHaveLength(1);
    expect(await healthy(stack)).toBe(true);
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

test("an unreachable hub is reported with its address, and no snapshot appears", async () => {
  const stack = await checkout.stack({
    hubEndpoint: "http://127.0.0.1:9",
    models: [{ name: "m", repo: "Org/Name", revision: "a".repeat(40) }],
  });
  expect(await stack.failingUp()).toContain("127.0.0.1:9");
  expect(fs.existsSync(path.join(checkout.root, "models/huggingface/hub/models--Org--Name/snapshots"))).toBe(false);
});

test("a port that is taken is named, and free again it serves", async () => {
  const port = await freePort();
  const squatter = net.createServer().listen(port, "127.0.0.1");
  const stack = await checkout.stack({ services: [{ name: "server", port, memoryMiB: 512 }] });
  expect(await stack.failingUp()).toContain(String(port));
  await new Promise((resolve) => squatter.close(resolve));
  await stack.up();
  expect(await healthy(stack)).toBe(true);
});

describe("a deployment", () => {
  let stack: EngineStack;
  beforeAll(async () => {
    stack = await checkout.stack({ readyTimeout: 45 });
    await stack.up();
  });

  test("with a server that does not start fails the update with the end of its log, the old one keeps running, and the next good one takes over", async () => {
    const [old] = stack.containers("server");
    const outputs = await stack.outputs();
    checkout.edit(
      "applications/reference/archon_server/__init__.py",
      (text) => `${text}\nraise RuntimeError("not today")\n`,
    );
    const message = await stack.failingUp();
    expect(message).toContain("The new server is not ready: it stopped by itself");
    expect(message).toContain("not today");
    expect(stack.containers("server")).toEqual([old]);
    expect(await healthy(stack)).toBe(true);
    // The ledger is among them: a release that never ran is not one to go back to.
    expect(await stack.outputs()).toEqual(outputs);
    checkout.edit("applications/reference/archon_server/__init__.py", (text) =>
      text.replace(/\nraise .*\n/, "\n# fixed\n"),
    );
    await stack.up();
    expect(await healthy(stack)).toBe(true);
    expect(stack.containers("server")).toHaveLength(1);
  });

  test("with a server that the gateway does not reach fails the update with the gateway's answer, the old one keeps running, and the next good one takes over", async () => {
    const [old = ""] = stack.containers("server");
    const outputs = await stack.outputs();
    const main = "applications/reference/archon_server/main.py";
    // Its own health check finds it there.
    checkout.edit(main, (text) => text.replace('host="0.0.0.0"', 'host="127.0.0.1"'));
    const message = await stack.failingUp();
    expect(message).toContain(
      `The new server is not ready: within 45 s (archon:readyTimeout) ${await stack.url()}/health has not answered from it; the last answer is: 200 from the server at `,
    );
    expect(message).toContain(`The service keeps running release ${String(outputs["release"])}.`);
    expect(message).toContain(`See all of the log with: docker logs ${stack.containers("gateway")[0]?.slice(0, 12)}`);
    expect(stack.containers("server")).toEqual([old]);
    expect(await healthy(stack)).toBe(true);
    expect(await stack.outputs()).toEqual(outputs);
    checkout.edit(main, (text) => text.replace('host="127.0.0.1"', 'host="0.0.0.0"'));
    await stack.up();
    expect(await healthy(stack)).toBe(true);
    expect(stack.containers("server")).toHaveLength(1);
  });

  test("with a new gateway that reaches no server fails the update with its answer, and stops no server", async () => {
    const servers = stack.containers("server");
    const [gateway] = stack.containers("gateway");
    const [right, wrong] = ["${ARCHON_ALIAS}:${ARCHON_SERVER_PORT}", "${ARCHON_ALIAS}:9"];
    checkout.edit("gateway/haproxy.cfg", (text) => text.replace(right, wrong));
    expect(await stack.failingUp()).toMatch(/has not answered from it; the last answer is: 503 Service Unavailable\. /);
    expect(stack.containers("server")).toEqual(servers);
    checkout.edit("gateway/haproxy.cfg", (text) => text.replace(wrong, right));
    await stack.up();
    expect(await healthy(stack)).toBe(true);
    expect(stack.containers("server")).toEqual(servers);
    expect(stack.containers("gateway")).not.toEqual([gateway]);
  });
});
