import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { engineEnvironment, imageSize } from "../../commands/lib/docker";
import { devStack, stackHost } from "../../config/stack";
import { Checkout, docker, inspect, waitForHealth, type EngineStack, type Step } from "../support/engine";

/** Real Pulumi, real Docker, a small environment from PyPI, no models: everything but reranking itself. */
jest.setTimeout(600_000);

const checkout = new Checkout();
let stack: EngineStack;
beforeAll(async () => {
  stack = await checkout.stack();
  await stack.up();
});
afterAll(() => {
  checkout.remove();
});

async function request(route: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(
    `${await stack.url()}${route}`,
    body === undefined
      ? {}
      : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
  );
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const names = (steps: Step[]): string[] => [...new Set(steps.map((step) => step.name))].sort();
const mountSource = (target: string): string | undefined =>
  inspect(stack.containers("server")[0] ?? "").Mounts.find((mount) => mount.Destination === target)?.Source;

test("a document is uploaded and found again through the gateway, marked as not reranked", async () => {
  expect((await request("/health")).status).toBe(200);
  const form = new FormData();
  form.append("file", new Blob(["# Otters\n\nSea otters sleep on their backs and hold paws.\n"]), "otters.md");
  const { progressId } = (await (
    await fetch(`${await stack.url()}/api/documents/upload`, { method: "POST", body: form })
  ).json()) as { progressId: string };
  for (let tries = 0; (await request(`/api/progress/${progressId}`)).body["status"] !== "completed"; tries++) {
    expect(tries).toBeLessThan(100);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { body } = await request("/api/rag/query", { query: "How do otters sleep?", match_count: 1 });
  expect(body).toMatchObject({ success: true, reranking_applied: false });
  expect((body["results"] as { content: string }[])[0]?.content).toContain("hold paws");
});

test("the second update and a refresh change nothing", async () => {
  expect(await stack.up()).toEqual([]);
  expect(await stack.refresh()).toEqual([]);
  expect(await stack.up({ refresh: true })).toEqual([]);
});

test("containers are hardened, and the port is on loopback", () => {
  for (const id of [...stack.containers("server"), ...stack.containers("gateway")]) {
    const { Config, HostConfig } = inspect(id);
    expect(Config.User).toBe("10001:10001");
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ["ALL"], SecurityOpt: ["no-new-privileges"] });
    expect(HostConfig.Memory).toBe(HostConfig.MemorySwap);
    expect(
      Object.values(HostConfig.PortBindings ?? {})
        .flat()
        .every(({ HostIp }) => HostIp === "127.0.0.1"),
    ).toBe(true);
  }
  const written = inspect(stack.containers("server")[0] ?? "")
    .Mounts.filter((mount) => mount.RW)
    .map((mount) => mount.Destination);
  expect(written).toEqual(["/data"]);
});

test("the server image is slim and holds no ML package", async () => {
  const { images } = (await stack.outputs()) as { images: { server: string } };
  const size = (await imageSize(images.server, stackHost(devStack).dockerHost)) ?? 0;
  expect(size).toBeLessThan(400_000_000);
  // On every engine it is about what the files take, and not what their compressed layers do.
  const files = Number(
    docker("run", "--rm", "--user=0:0", "--entrypoint=du", images.server, "-sxb", "/").split("\t")[0],
  );
  expect(size / files).toBeGreaterThan(0.9);
  expect(size / files).toBeLessThan(1.3);
  const packages = docker(
    "run",
    "--rm",
    "--entrypoint",
    "python3",
    images.server,
    "-c",
    "import importlib.metadata as m; print('\\n'.join(sorted(d.name.lower() for d in m.distributions())))",
  ).split("\n");
  expect(packages).toContain("fastapi");
  expect(packages.filter((name) => ["torch", "transformers", "sentence-transformers"].includes(name))).toEqual([]);
});

test("the server image holds the byte code of all that the server imports at its start", async () => {
  const { images } = (await stack.outputs()) as { images: { server: string } };
  const imports = [
    ...["__main__", "main", "reranking.cross_encoder"].map((name) => `archon_server.${name}`),
    // uvicorn imports them when it starts.
    ...["lifespan.on", "loops.auto", "protocols.http.auto", "protocols.websockets.auto"].map(
      (name) => `uvicorn.${name}`,
    ),
  ];
  const program = `import ${imports.join(", ")}`;
  const { status, stderr } = spawnSync("docker", ["run", "--rm", images.server, "python3", "-v", "-c", program], {
    encoding: "utf8",
    env: engineEnvironment(devStack),
    maxBuffer: 1 << 26,
  });
  const read = stderr.split("\n").filter((line) => line.startsWith("# code object from "));
  expect([status, read.length > 300]).toEqual([0, true]);
  expect(read.filter((line) => !line.endsWith(".pyc'"))).toEqual([]);
});

test("on a network with IPv6 the gateway finds servers that listen on IPv4", async () => {
  const { images } = (await stack.outputs()) as { images: { server: string; gateway: string } };
  const network = `${stack.name}-ipv6`;
  const serve = "mkdir /tmp/www && cd /tmp/www && touch health && exec python3 -m http.server 8181 --bind 0.0.0.0";
  const onNetwork = ["run", "--detach", "--rm", `--network=${network}`];
  docker("network", "create", "--ipv6", "--subnet=fd00:a7c4:104e::/64", network);
  const containers: string[] = [];
  try {
    containers.push(docker(...onNetwork, "--network-alias=both", "--entrypoint=sh", images.server, "-c", serve));
    const health = ["--env=ARCHON_HEALTH_PATH=/health", "--env=ARCHON_HEALTH_TIMEOUT=5s"];
    const settings = ["--env=ARCHON_ALIAS=both", "--env=ARCHON_SERVER_PORT=8181", ...health];
    containers.push(docker(...onNetwork, ...settings, "--publish=127.0.0.1::8080", images.gateway));
    await waitForHealth(`http://${docker("port", containers[1] ?? "", "8080")}`);
  } finally {
    containers.forEach((id) => docker("rm", "--force", id));
    docker("network", "rm", network);
  }
});

test("a changed line of the server replaces only the server, also in a checkout that only its owner can read", async () => {
  const before = mountSource("/root/.local");
  execFileSync("chmod", ["--recursive", "go-rwx", path.join(checkout.directory, "applications")]);
  checkout.edit("applications/reference/archon_server/__init__.py", (text) => `${text}\n# changed\n`);
  const steps = names(await stack.up());
  expect(steps.filter((name) => !/^archon-(server-0|server-drain|server-image-|hold-|collection-)/.test(name))).toEqual(
    [],
  );
  expect(steps).toContain("archon-server-0");
  expect(mountSource("/root/.local")).toBe(before);
  expect((await request("/health")).status).toBe(200);
});

test("a changed lock replaces only environment and server, and the container really has the new mount", async () => {
  const [before] = stack.containers("server");
  const mounted = mountSource("/root/.local");
  stack.configure({ requirements: "tests/support/locks/small-changed.txt" });
  const steps = names(await stack.up());
  expect(
    steps.filter(
      (name) => !/^archon-(environment-[0-9a-f]+-populate$|server-0|server-drain|hold-|collection-)/.test(name),
    ),
  ).toEqual([]);
  expect(stack.containers("server")).not.toContain(before);
  expect(mountSource("/root/.local")).not.toBe(mounted);
  expect(fs.existsSync(path.join(mounted ?? "", ".mlenv", "manifest.json"))).toBe(true);
});

test("a second stack shares the store and lives beside the first", async () => {
  const second = await checkout.stack();
  await second.up();
  expect((await fetch(`${await second.url()}/health`)).status).toBe(200);
  expect((await request("/health")).status).toBe(200);
  expect(fs.readdirSync(path.join(checkout.root, "envs"))).toHaveLength(2);
  await second.destroy();
  expect(fs.readdirSync(path.join(checkout.root, "envs"))).toHaveLength(2);
  expect((await request("/health")).status).toBe(200);
});

test("a rollback replaces only the server, and a destroyed stack leaves neither container nor network", async () => {
  const { release, releases } = (await stack.outputs()) as { release: string; releases: { id: string }[] };
  const earlier = releases.find(({ id }) => id !== release)?.id;
  stack.configure({ release: earlier });
  const steps = names(await stack.up());
  expect(steps.filter((name) => !/^archon-(server-0|server-drain|hold-|collection-)/.test(name))).toEqual([]);
  expect((await stack.outputs())["release"]).toBe(earlier);
  expect((await request("/health")).body["release"]).toBe(earlier);
  await stack.destroy();
  const mine = `--filter=label=io.archon.stack=${stack.name}`;
  expect(docker("ps", "--all", "--quiet", mine) + docker("network", "ls", "--quiet", mine)).toBe("");
});
