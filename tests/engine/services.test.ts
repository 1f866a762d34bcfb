import * as fs from "node:fs";
import * as path from "node:path";
import { ArchonBackend, hostAddress, SERVICES, servicesStack } from "../support/archon";
import { pinnedFetch, type Fetch } from "../../commands/lib/gateway-fetch";
import { makeCertificate, writeCertificate } from "../support/certificates";
import { command, prepareCommands } from "../support/commands";
import { Checkout, docker, hasImage, inspect, type EngineStack } from "../support/engine";

/**
 * All services of a stand-in for a checkout of Archon, in one deployment on Python 3.13. It proves that they find each
 * other, and that a change of one leaves the containers of the others alone. It does not prove that the real ones work.
 */
jest.setTimeout(900_000);

type ServiceName = (typeof SERVICES)[number];

const checkout = new Checkout();
let backend: ArchonBackend;
let stack: EngineStack;
let directory: string;

beforeAll(async () => {
  backend = await ArchonBackend.start(hostAddress());
  ({ stack, directory } = await servicesStack(checkout, "uv", backend));
  prepareCommands(checkout);
  const { code, output } = command(checkout, "setup", "--stack", stack.name);
  expect({ code, output }).toMatchObject({ code: 0 });
});
afterAll(async () => {
  checkout.remove();
  await backend.stop();
});

/** Where each service answers. */
async function urls(): Promise<Record<ServiceName, string>> {
  const services = (await stack.outputs())["services"] as { name: ServiceName; url: string }[];
  return Object.fromEntries(services.map(({ name, url }) => [name, url])) as Record<ServiceName, string>;
}

/** Id of the running container of each service. */
function containers(): Record<ServiceName, string> {
  const ids = stack.containers("server");
  const label = (id: string): string => docker("inspect", '--format={{index .Config.Labels "io.archon.service"}}', id);
  return Object.fromEntries(ids.map((id) => [label(id), id])) as Record<ServiceName, string>;
}

function edit(file: string, change: (text: string) => string): void {
  const target = path.join(directory, file);
  fs.writeFileSync(target, change(fs.readFileSync(target, "utf8")));
}

async function mcpSession(ask: Fetch = fetch): Promise<{ server: { ready: boolean }; session: number }> {
  const { mcp } = await urls();
  return (await (await ask(`${mcp}/mcp`)).json()) as { server: { ready: boolean }; session: number };
}

const releaseOf = async (): Promise<string> => String((await stack.outputs())["release"]);
const imageOf = (service: ServiceName): string => inspect(containers()[service]).Config.Image;

let first: { release: string; ids: Record<ServiceName, string>; mcpImage: string };

test("are deployed together, each hardened, and only the server mounts anything of the store", async () => {
  await stack.up();

  const ids = containers();
  first = { release: await releaseOf(), ids, mcpImage: imageOf("mcp") };
  expect(Object.keys(ids).sort()).toEqual([...SERVICES].sort());
  for (const service of SERVICES) {
    const { Config, HostConfig, Mounts } = inspect(ids[service]);
    expect(Config.User).toBe("10001:10001");
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ["ALL"], PortBindings: {} });
    const fromStore = Mounts.filter(({ Source }) => Source.startsWith(stack.root));
    expect(fromStore.length > 0).toBe(service === "server");
  }
});

test("find each other by name: MCP and agents the server, the user interface too", async () => {
  const { agents, ui } = await urls();

  expect((await mcpSession()).server.ready).toBe(true);
  // Its gateway has opened no session since it started.
  expect((await mcpSession()).session).toBe(2);
  // They got it at their start, through the server's gateway and from an address of 172.16.0.0/12.
  expect(await (await fetch(`${agents}/agents/credentials`)).json()).toEqual(["OPENAI_API_KEY"]);
  expect(await (await fetch(`${ui}/api/rag/sources`)).json()).toMatchObject({ success: true });
  // No file of its own: the server's answer.
  expect(await (await fetch(`${ui}/socket.io/?EIO=4`)).json()).toEqual({ detail: "Not Found" });
});

test("the user interface is its files, and every other path is a page of it", async () => {
  const { ui } = await urls();

  const page = await (await fetch(`${ui}/knowledge/some-page`)).text();
  const script = /\/assets\/main-[0-9a-f]{8}\.js/.exec(page)?.[0];
  const response = await fetch(`${ui}${String(script)}`);

  expect(response.headers.get("content-type")).toMatch(/javascript/);
  expect(await response.text()).toContain("/api/rag/sources");
  expect((await fetch(`${ui}/assets/none.js`)).status).toBe(404);
});

test("a second update changes nothing", async () => {
  expect(await stack.up({ refresh: true })).toEqual([]);
});

test("the doctor asks all of them, and names the one that does not answer", () => {
  const [paused = ""] = stack
    .containers("gateway")
    .filter((id) => docker("inspect", "--format={{.Name}}", id).startsWith("/archon-agents-"));
  docker("pause", paused);
  const { stdout } = command(checkout, "doctor", "--json", "--stack", stack.name);
  docker("unpause", paused);

  const { findings } = JSON.parse(stdout) as { findings: { check: string; finding: string }[] };
  const answers = findings.filter(({ check }) => check === "answers").map(({ finding }) => finding);
  expect(answers).toEqual([
    expect.stringMatching(/^the service server answers at /),
    expect.stringMatching(/^the service mcp answers at /),
    expect.stringMatching(/^the service agents at \S+ does not answer: /),
    expect.stringMatching(/^the service ui answers at /),
  ]);
});

test("a changed line of the MCP server is another release, and replaces its container alone", async () => {
  edit("python/src/mcp_server/mcp_server.py", (text) => `${text}# changed\n`);
  const preview = command(checkout, "preview", "--stack", stack.name);

  const steps = await stack.up();

  const release = await releaseOf();
  expect(release).not.toBe(first.release);
  expect(preview.output).toContain(`${first.release} → ${release}`);
  const replaced = steps.filter(({ type }) => type === "docker:index/container:Container").map(({ name }) => name);
  expect([...new Set(replaced)]).toEqual(["archon-mcp-0"]);
  const { mcp, ...others } = containers();
  const { mcp: mcpBefore, ...othersBefore } = first.ids;
  expect(others).toEqual(othersBefore);
  expect(mcp).not.toBe(mcpBefore);
  expect((await mcpSession()).server.ready).toBe(true);
});

test("a rollback brings the earlier image of the MCP server back, without a build", async () => {
  const changed = imageOf("mcp");
  stack.configure({ release: first.release });

  const steps = await stack.up();

  expect(steps.some(({ type, op }) => type === "docker:index/remoteImage:RemoteImage" && op === "create")).toBe(false);
  expect(imageOf("mcp")).toBe(first.mcpImage);
  expect(containers()).toEqual({ ...first.ids, mcp: containers().mcp });
  // Both releases stay, with the images of their roles.
  expect([first.mcpImage, changed].map(hasImage)).toEqual([true, true]);
  expect(command(checkout, "prune", "--dry-run", "--stack", stack.name).output).not.toContain(changed);
  stack.configure({ release: "" });
});

test("a package that a role lacks fails the update by its name, and no container is touched", async () => {
  const before = stack.containers("server", { stopped: true });
  const file = "python/src/mcp_server/mcp_server.py";
  edit(file, (text) => `import no_such_package\n${text}`);

  const message = await stack.failingUp();

  expect(message).toContain("The new server of the role mcp cannot start: /app/src/mcp_server/mcp_server.py, line 1, ");
  expect(message).toContain("imports the module no_such_package, which its image does not have");
  expect(message).toContain("the requirements of the role mcp in the source");
  expect(stack.containers("server", { stopped: true })).toEqual(before);
  edit(file, (text) => text.replace("import no_such_package\n", ""));
});

test("a service that does not start fails the update, and its old container serves on", async () => {
  const before = containers();
  const image = imageOf("agents");
  edit("python/src/agents/server.py", (text) =>
    text.replace("    yield\n", '    raise RuntimeError("no key")\n    yield\n'),
  );

  const message = await stack.failingUp();

  expect(message).toContain("RuntimeError: no key");
  expect(message).toContain(`The service keeps running ${image}.`);
  expect(message).toContain("The services before it in archon:services (server, mcp) run the new release.");
  const after = containers();
  expect([after.server, after.agents, after.ui]).toEqual([before.server, before.agents, before.ui]);
  const { agents } = await urls();
  expect((await fetch(`${agents}/health`)).status).toBe(200);
  edit("python/src/agents/server.py", (text) => text.replace('    raise RuntimeError("no key")\n', ""));
});

describe("with TLS, and stopped before their successors start", () => {
  const certificate = makeCertificate("archon.example");
  const ask = pinnedFetch(certificate.certificate);

  test("they find each other as before, since the network has no TLS", async () => {
    // A temporary directory is closed to other users, such as the gateway.
    fs.chmodSync(checkout.directory, 0o755);
    const tls = writeCertificate(path.join(checkout.directory, "tls"), certificate);
    const services = stack.configuration["services"] as object[];
    stack.configure({
      rollout: "replace",
      autoRollback: true,
      services: services.map((service) => ({ ...service, tls })),
    });

    await stack.up();

    const { agents, ui } = await urls();
    expect(ui).toMatch(/^https:/);
    expect((await mcpSession(ask)).server.ready).toBe(true);
    expect(await (await ask(`${agents}/agents/credentials`)).json()).toEqual(["OPENAI_API_KEY"]);
    expect(await (await ask(`${ui}/api/rag/sources`)).json()).toMatchObject({ success: true });
    expect(await stack.up()).toEqual([]);
  });

  test("the old container of one that does not start runs again, and the others are left alone", async () => {
    const before = containers();
    edit("python/src/mcp_server/mcp_server.py", (text) =>
      text.replace('if __name__ == "__main__":\n', 'if __name__ == "__main__":\n    raise SystemExit("no port")\n'),
    );

    const message = await stack.failingUp();

    expect(message).toContain("no port");
    expect(message).toContain("The old server, which had been stopped first, runs again (archon:autoRollback).");
    expect(containers()).toEqual(before);
    const { mcp } = await urls();
    for (; !(await ask(`${mcp}/mcp`)).ok;) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  });
});
