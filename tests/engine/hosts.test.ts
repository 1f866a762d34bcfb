import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import * as path from "node:path";
import { stackHost, devStack } from "../../config/stack";
import { hostAddress } from "../support/archon";
import { commandWith, prepareCommands } from "../support/commands";
import { Checkout, docker, type EngineStack } from "../support/engine";
import { Sshd } from "../support/sshd";
import { TlsEngine } from "../support/tls-engine";

/**
 * Stacks whose host is not the machine that the deployer works on. The engine behind the sshd is the tests' own, so that
 * nothing here proves what differs between two machines' files.
 */
jest.setTimeout(600_000);

const checkout = new Checkout();
afterAll(() => {
  checkout.remove();
});

describe("an engine behind ssh", () => {
  let sshd: Sshd;
  let stack: EngineStack;
  /** The engine of the shell, which the stack does not use. */
  const elsewhere = "unix:///nonexistent/docker.sock";

  beforeAll(async () => {
    sshd = await Sshd.start();
    const { baseImage, caBundle = "none" } = stackHost(devStack);
    stack = await checkout.stack({ dockerHost: sshd.dockerHost, baseImage, caBundle });
    prepareCommands(checkout);
  });
  afterAll(async () => {
    await stack.withEnvironment(sshd.environment, () => stack.destroy());
    await sshd.stop();
  });

  test("is the one that images are built on: plain Pulumi that would build elsewhere is refused", async () => {
    // Content that no earlier run had: without an image to build, there is nothing to refuse.
    checkout.edit("applications/reference/archon_server/__init__.py", (text) => `${text}# ${stack.name}\n`);
    await stack.withEnvironment({ ...sshd.environment, DOCKER_HOST: elsewhere }, async () => {
      const output = await stack.failingUp();
      expect(output).toContain(`builds on the engine of DOCKER_HOST, ${elsewhere}, which does not answer:`);
      expect(output).toContain(
        `Run \`./archon pulumi up --stack ${stack.name}\`, which builds on the stack's engine, or set DOCKER_HOST=${sshd.dockerHost}`,
      );
    });
    expect(stack.containers("gateway", { stopped: true })).toEqual([]);
  });

  test("gets the stack, whatever DOCKER_HOST says, and the update says where the stack answers", async () => {
    const environment = { ...sshd.environment, DOCKER_HOST: elsewhere };
    const { output, code } = commandWith(
      environment,
      checkout,
      "pulumi",
      "up",
      "--yes",
      "--skip-preview",
      "--stack",
      stack.name,
    );
    expect(output).toContain(
      `DOCKER_HOST is ${elsewhere}, but archon:dockerHost of the stack ${stack.name} is ${sshd.dockerHost}, which is used.`,
    );
    expect(code).toBe(0);
    expect(output).toContain(`To use it from here: ssh -N -L ${new URL(await stack.url()).port}:127.0.0.1:`);
    await stack.healthy();
    expect(sshd.log()).toContain("Accepted publickey");
  });

  test("is left as it is by an update without changes", async () => {
    await stack.withEnvironment(sshd.environment, async () => {
      expect(await stack.up()).toEqual([]);
    });
  });

  test("is the one that the commands work on", () => {
    const environment = { ...sshd.environment, DOCKER_HOST: elsewhere };
    const listed = commandWith(environment, checkout, "releases", "--stack", stack.name);
    expect(listed.output).toContain(`archon:dockerHost of the stack ${stack.name} is ${sshd.dockerHost}`);
    expect(listed.code).toBe(0);
    expect(commandWith(environment, checkout, "verify", "--stack", stack.name)).toMatchObject({ code: 0 });
    expect(commandWith(environment, checkout, "recover", "--stack", stack.name)).toMatchObject({ code: 0 });
  });
});

describe("an engine behind a TCP port with TLS", () => {
  let engine: TlsEngine;
  let stack: EngineStack;

  beforeAll(async () => {
    engine = await TlsEngine.start();
    const { baseImage, caBundle = "none" } = stackHost(devStack);
    stack = await checkout.stack({ dockerHost: engine.dockerHost, baseImage, caBundle });
    prepareCommands(checkout);
  });
  afterAll(async () => {
    await stack.withEnvironment(engine.environment, () => stack.destroy());
    await engine.stop();
  });

  test("turns away a deployer without its certificate, and nothing is made", async () => {
    expect(await stack.failingUp()).toContain(`The Docker engine at ${engine.dockerHost} does not answer`);
    expect(stack.containers("server")).toEqual([]);
    expect(engine.clients).toEqual([]);
  });

  test("gets the stack from a deployer with one, and a second update changes nothing", async () => {
    await stack.withEnvironment(engine.environment, async () => {
      await stack.up();
      expect(await stack.up()).toEqual([]);
    });
    await stack.healthy();
    expect(new Set(engine.clients)).toEqual(new Set(["deployer"]));
  });

  test("is the one that the commands work on", () => {
    for (const name of ["verify", "recover"]) {
      expect(commandWith(engine.environment, checkout, name, "--stack", stack.name)).toMatchObject({ code: 0 });
    }
  });
});

describe("a store that the deployer cannot see", () => {
  let stack: EngineStack;
  let environment: string;

  /** Runs `./archon` where an empty file system hides the store, as in a container that has only the engine's socket. */
  const hidden = (...args: string[]): string =>
    execFileSync(
      "unshare",
      ["--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', checkout.root, "./archon", ...args],
      { cwd: checkout.directory, encoding: "utf8", env: { ...process.env, CI: "true", ...checkout.backend } },
    );

  beforeAll(async () => {
    stack = await checkout.stack();
    prepareCommands(checkout);
    await stack.up();
    ({ key: environment } = (await stack.outputs())["environment"] as { key: string });
  });

  test("is not taken for gone: nothing is made again, and its releases can come back", () => {
    expect(JSON.parse(hidden("releases", "--stack", stack.name, "--json"))).toMatchObject([{ restorable: true }]);
    expect(hidden("pulumi", "up", "--yes", "--skip-preview", "--stack", stack.name)).toMatch(
      /Resources:\n +\d+ unchanged\n/,
    );
  });

  test("is asked through the engine: what it has lost is missed, and made again", async () => {
    fs.rmSync(path.join(checkout.root, "envs", environment), { recursive: true });
    expect(JSON.parse(hidden("releases", "--stack", stack.name, "--json"))).toMatchObject([
      { restorable: false, lost: `the environment ${environment} is missing from the store` },
    ]);
    hidden("pulumi", "up", "--yes", "--skip-preview", "--stack", stack.name);
    expect(fs.existsSync(path.join(checkout.root, "envs", environment))).toBe(true);
    await stack.healthy();
  });
});

describe("a deployer behind a proxy", () => {
  const secret = "canary-password";
  let proxy: http.Server;
  let connections = 0;
  let address: string;

  beforeAll(async () => {
    proxy = http.createServer().on("connect", (request: http.IncomingMessage, client: net.Socket) => {
      connections += 1;
      const { hostname, port } = new URL(`http://${request.url ?? ""}`);
      const server = net.connect(Number(port || 80), hostname, () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        server.pipe(client).pipe(server);
      });
      for (const socket of [client, server]) {
        socket.on("error", () => server.destroy());
        socket.on("close", () => server.destroy());
      }
    });
    const gateway = hostAddress();
    await new Promise<void>((resolve) => proxy.listen(0, gateway, resolve));
    address = `http://deployer:${secret}@${gateway}:${(proxy.address() as net.AddressInfo).port}`;
  });
  afterAll(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });

  test("builds images through it, and its password is in no history, state or log", async () => {
    // Content that no earlier run had: a build from Docker's cache needs no network.
    checkout.edit("store/requirements.tools.txt", (text) => `${text}# ${path.basename(checkout.directory)}\n`);
    const stack = await checkout.stack();
    await stack.withEnvironment({ HTTPS_PROXY: address }, async () => {
      expect(await stack.upOutput()).not.toContain(secret);
    });
    expect(connections).toBeGreaterThan(0);

    const { bootstrap } = (await stack.outputs())["images"] as { bootstrap: string };
    const logs = path.join(checkout.directory, ".archon", "logs");
    const texts = [
      docker("history", "--no-trunc", bootstrap),
      docker("image", "inspect", bootstrap),
      stack.state(),
      ...fs.readdirSync(logs).map((name) => fs.readFileSync(path.join(logs, name), "utf8")),
    ];
    expect(texts.filter((text) => text.includes(secret))).toEqual([]);
    expect(await stack.up()).toEqual([]);
  });
});
