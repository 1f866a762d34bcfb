import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { pulumiEnvironment } from "../../commands/lib/environment";
import { imagesOf, type Release } from "../../release/release";
import { Checkout, docker, hasImage, inspect, type EngineStack, type Step } from "../support/engine";
import { Load } from "../support/load";

/**
 * Releases on the real engine, with a small environment and no models: a rollback is a stack revision, nothing needed
 * is collected, and what somebody changed by hand is put back.
 */
jest.setTimeout(900_000);

const checkout = new Checkout();
let stack: EngineStack;
beforeAll(async () => {
  stack = await checkout.stack({ retain: 3 });
  // Images of its own: those of the unchanged sources may be kept by other stacks of this machine.
  checkout.edit("applications/reference/archon_server/__init__.py", (text) => `${text}\n# ${stack.name}\n`);
  await stack.up();
});
afterAll(() => {
  checkout.remove();
});

const ledger = async (): Promise<Release[]> => (await stack.outputs())["releases"] as Release[];
const ids = async (): Promise<string[]> => (await ledger()).map(({ id }) => id);
const running = async (): Promise<string> =>
  ((await (await fetch(`${await stack.url()}/health`)).json()) as { release: string }).release;
const touched = (steps: Step[]): string[] =>
  [...new Set(steps.map(({ name }) => name.replace(/-[0-9a-f]{8}$/, "")))].sort();
/** A line more in the server makes another release. */
const release = async (line: string): Promise<string> => {
  checkout.edit(
    "applications/reference/archon_server/__init__.py",
    (text) => `${text.split("\n# release")[0] ?? ""}\n# release ${line}\n`,
  );
  await stack.up();
  return (await ids())[0] ?? "";
};

/** Servers that run come back with the engine; those that were stopped for good do not. */
const comeBack = (): { running: boolean; policy: string }[] =>
  stack
    .containers("server", { stopped: true })
    .map(inspect)
    .map(({ State, HostConfig }) => ({ running: State.Running, policy: HostConfig.RestartPolicy.Name }))
    .sort((one, other) => Number(other.running) - Number(one.running));

/** All that a rollback may touch. What it holds and collects is another set only when the ledger is. */
const SERVER_ONLY = ["archon-server-0", "archon-server-0-ready", "archon-server-drain"];

describe("a rollback", () => {
  let first: string;
  let second: string;
  let load: Load;
  beforeAll(async () => {
    load = new Load(await stack.url(), 10);
    await load.start();
    [first = ""] = await ids();
    second = await release("two");
    expect(second).not.toBe(first);
    // From here on no package can be fetched.
    stack.configure({ pythonIndex: "http://127.0.0.1:9/simple", hubEndpoint: "http://127.0.0.1:9" });
  });
  afterAll(() => {
    load.end();
  });

  test("by configuration replaces only the server, and fetches and builds nothing", async () => {
    stack.configure({ release: first });
    expect(touched(await stack.up())).toEqual(SERVER_ONLY);
    expect(await running()).toBe(first);
    expect(await ids()).toEqual([first, second]);
    expect(await stack.up()).toEqual([]);
  });

  test("is undone by taking the key away", async () => {
    stack.configure({ release: "" });
    expect(touched(await stack.up())).toEqual(SERVER_ONLY);
    expect(await running()).toBe(second);
  });

  test("by the old checkout does the same", async () => {
    checkout.edit("applications/reference/archon_server/__init__.py", (text) => text.split("\n# release")[0] ?? "");
    expect(touched(await stack.up())).toEqual(SERVER_ONLY);
    expect(await running()).toBe(first);
  });

  test("to a release that never ran is refused with those that did", async () => {
    stack.configure({ release: "0123456789ab" });
    const message = await stack.failingUp();
    expect(message).toContain("archon:release: there is no such release");
    expect(message).toContain(first);
    expect(message).toContain(second);
    stack.configure({ release: "" });
  });

  test("loses no request, and neither does the change before it", async () => {
    const { lost, searches, uploads } = await load.stop();
    expect(lost).toEqual([]);
    // The first upload is that of the known document.
    expect([searches > 0, uploads > 1]).toEqual([true, true]);
    expect(stack.containers("server")).toHaveLength(1);
  });
});

describe("collection", () => {
  const environments = (): string[] => fs.readdirSync(path.join(checkout.root, "envs")).sort();

  test("keeps what the ledger names, and removes image and environment of a release that left it", async () => {
    stack.configure({ pythonIndex: "", retain: 2 });
    const small = environments();
    stack.configure({ requirements: "tests/support/locks/small-changed.txt" });
    await release("three");
    const [three, before] = await ledger();
    expect(environments()).toEqual([...small, three?.environment ?? ""].sort());
    await release("four");
    expect(environments()).toEqual([three?.environment]);
    expect(hasImage(before?.images.server ?? "")).toBe(false);
    for (const each of await ledger()) {
      expect(imagesOf(each).every(hasImage)).toBe(true);
    }
    expect(await stack.up()).toEqual([]);
  });

  test("leaves alone what another stack keeps, and what a running container mounts", async () => {
    const other = await checkout.stack();
    await other.up();
    const { environment, images } = (await other.outputs()) as {
      environment: { key: string };
      images: { server: string };
    };
    const orphan = path.join(checkout.root, "envs", "orphan");
    fs.cpSync(path.join(checkout.root, "envs", environment.key), orphan, { recursive: true });
    const container = docker(
      "run",
      "--detach",
      "--rm",
      "--label=io.archon.component=test",
      `--volume=${orphan}:/mnt:ro`,
      "--entrypoint=sleep",
      images.server,
      "600",
    );
    try {
      await release("five");
      expect(environments()).toContain(environment.key);
      expect(environments()).toContain("orphan");
      expect(hasImage(images.server)).toBe(true);
      expect((await fetch(`${await other.url()}/health`)).ok).toBe(true);
    } finally {
      docker("rm", "--force", container);
    }
    await release("six");
    expect(environments()).not.toContain("orphan");
    await other.destroy();
  });
});

describe("what somebody changed by hand is put back by an update", () => {
  test("a server that was removed", async () => {
    docker("rm", "--force", ...stack.containers("server"));
    expect(touched(await stack.up({ refresh: true }))).toEqual(SERVER_ONLY);
    expect(await running()).toBe((await ids())[0]);
  });

  test("a server that was stopped", async () => {
    docker("stop", "--time=1", ...stack.containers("server"));
    await stack.up({ refresh: true });
    await stack.healthy();
    expect(stack.containers("server")).toHaveLength(1);
    expect(await running()).toBe((await ids())[0]);
  });

  test("a server whose memory limit was changed", async () => {
    const [server = ""] = stack.containers("server");
    const before = inspect(server).HostConfig.Memory;
    docker("update", "--memory=700m", "--memory-swap=700m", server);
    await stack.up({ refresh: true });
    expect(inspect(stack.containers("server")[0] ?? "").HostConfig.Memory).toBe(before);
  });

  test("the image of the running release", async () => {
    const [
      {
        images: { server },
      },
    ] = (await ledger()) as [Release];
    docker("image", "rm", "--force", server);
    await stack.up({ refresh: true });
    expect(hasImage(server)).toBe(true);
  });

  test("the environment of the running release, and the server that had it mounted is replaced", async () => {
    const [{ environment }] = (await ledger()) as [Release];
    const [server] = stack.containers("server");
    fs.rmSync(path.join(checkout.root, "envs", environment), { recursive: true });
    await stack.up();
    expect(fs.existsSync(path.join(checkout.root, "envs", environment, ".mlenv", "manifest.json"))).toBe(true);
    expect(stack.containers("server")).not.toContain(server);
    expect(
      docker("exec", stack.containers("server")[0] ?? "", "ls", "/root/.local/lib/python3.11/site-packages"),
    ).toContain("six.py");
    expect(await stack.up()).toEqual([]);
  });

  test("the GC roots of the stack", async () => {
    const roots = path.join(checkout.root, "refs", `archon-${stack.name}.json`);
    const before = (JSON.parse(fs.readFileSync(roots, "utf8")) as { environments: string[] }).environments;
    fs.rmSync(roots);
    await stack.up();
    expect(JSON.parse(fs.readFileSync(roots, "utf8"))).toMatchObject({ environments: before });
    expect(await stack.up()).toEqual([]);
  });

  test("an image of an earlier release is not: its release is marked, and the update continues", async () => {
    const [, earlier] = (await ledger()) as [Release, Release];
    docker("image", "rm", "--force", earlier.images.server);
    await stack.up({ refresh: true });
    expect((await ledger())[1]).toMatchObject({
      id: earlier.id,
      lost: `the image ${earlier.images.server} is missing from the engine`,
    });
    stack.configure({ release: earlier.id });
    expect(await stack.failingUp()).toContain("this release cannot run again: the image");
    stack.configure({ release: "" });
  });
});

test("no server is stopped for a new one that has stopped since it was ready", async () => {
  const [server = ""] = stack.containers("server");
  const ended = docker("create", docker("inspect", "--format={{.Image}}", server));
  const environment = {
    ...pulumiEnvironment(),
    SERVERS_PROJECT: "archon",
    SERVERS_STACK: stack.name,
    SERVERS_SERVICE: "server",
    SERVERS_DEPLOYMENT: docker("inspect", '--format={{index .Config.Labels "io.archon.deployment"}}', server),
    SERVERS_GRACE: "5",
    DRAIN_KEEP: ended,
  };
  const { status, stderr } = spawnSync(path.join(checkout.directory, "components/scripts/drain.sh"), {
    env: environment,
    encoding: "utf8",
  });
  docker("rm", ended);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringContaining(
      `has stopped since: ${ended.slice(0, 12)}. The service keeps running release ${await running()}.`,
    ) as string,
  });
  expect(stack.containers("server")).toEqual([server]);
});

test("a server that somebody removed is named by the readiness gate, with the command that makes it again", () => {
  const { status, stderr } = spawnSync(path.join(checkout.directory, "components/scripts/readiness-gate.sh"), {
    env: { ...pulumiEnvironment(), GATE_CONTAINER: "0123456789abcdef" },
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringContaining("The server 0123456789ab does not exist on this engine.") as string,
  });
  expect(stderr).toContain("./archon pulumi up --refresh");
});

describe("with rollout replace", () => {
  test("no server that was stopped first stays stopped, whatever the update changes", async () => {
    const before = await running();
    stack.configure({ rollout: "replace" });
    await stack.up();
    await stack.healthy();
    stack.configure({
      services: (stack.configuration["services"] as object[]).map((service) => ({ ...service, memoryMiB: 1100 })),
    });
    await stack.up();
    await stack.healthy();
    expect(await running()).toBe(before);
    expect(stack.containers("server").map((id) => inspect(id).HostConfig.Memory)).toEqual([1100 * 1024 * 1024]);
    expect(await stack.up()).toEqual([]);
  });

  test("a failing release takes the service down, says so, and the next good update brings it back", async () => {
    const good = await release("seven");
    checkout.edit(
      "applications/reference/archon_server/__init__.py",
      (text) => `${text}\nraise RuntimeError("not today")\n`,
    );
    expect(await stack.failingUp()).toContain("The service is down: the old server was stopped first");
    await expect(fetch(`${await stack.url()}/health`).then(({ status }) => status)).resolves.toBe(503);
    expect(comeBack()).toEqual([
      { running: false, policy: "no" },
      { running: false, policy: "no" },
    ]);
    checkout.edit("applications/reference/archon_server/__init__.py", (text) => text.replace(/\nraise .*\n/, ""));
    await stack.up();
    expect(await running()).toBe(good);
    expect(comeBack()).toEqual([{ running: true, policy: "always" }]);
  });

  test("and autoRollback, the old server is started again by itself", async () => {
    stack.configure({ autoRollback: true });
    const [good = ""] = await ids();
    const [server] = stack.containers("server");
    checkout.edit(
      "applications/reference/archon_server/__init__.py",
      (text) => `${text}\nraise RuntimeError("not today")\n`,
    );
    const message = await stack.failingUp();
    expect(message).toContain("runs again (archon:autoRollback)");
    expect(message).toContain("./archon rollback ");
    await stack.healthy();
    expect(await running()).toBe(good);
    expect(stack.containers("server")).toContain(server);
    expect(comeBack()).toEqual([
      { running: true, policy: "always" },
      { running: false, policy: "no" },
    ]);
    checkout.edit("applications/reference/archon_server/__init__.py", (text) => text.replace(/\nraise .*\n/, ""));
    await stack.up();
    expect(stack.containers("server")).toHaveLength(1);
  });
});
