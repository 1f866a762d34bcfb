import * as fs from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import type { TLSSocket } from "node:tls";
import * as path from "node:path";
import { X509Certificate } from "node:crypto";
import { pinnedFetch } from "../../commands/lib/gateway-fetch";
import { makeCertificate, writeCertificate, type TestCertificate } from "../support/certificates";
import { command, prepareCommands } from "../support/commands";
import { Checkout, docker, freePort, logsOf, type EngineStack } from "../support/engine";

/**
 * A service with real certificates, made by openssl: files that cannot be used change nothing, TLS replaces the gateway
 * alone, and a renewal costs no request. One stack, whose tests build on one another.
 */
jest.setTimeout(600_000);

const checkout = new Checkout();
const directory = path.join(checkout.directory, "tls");
const good = makeCertificate("archon.example");
const files = (name: string): { certificate: string; key: string } => ({
  certificate: path.join(directory, name, "certificate.pem"),
  key: path.join(directory, name, "key.pem"),
});

let port: number;
let stack: EngineStack;
beforeAll(async () => {
  // A temporary directory is closed to other users, such as the gateway.
  fs.chmodSync(checkout.directory, 0o755);
  port = await freePort();
  stack = await checkout.stack({ services: [service()] });
  write("server", good);
});
afterAll(() => {
  checkout.remove();
});

function service(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { name: "server", port, memoryMiB: 512, ...more };
}

function write(name: string, certificate: TestCertificate): void {
  writeCertificate(path.join(directory, name), certificate);
}

/** What the doctor prints, as one line: it wraps its findings. */
function doctor(): { code: number | null; output: string } {
  prepareCommands(checkout);
  const { code, output } = command(checkout, "doctor", "--stack", stack.name);
  return { code, output: output.replace(/\s+/g, " ") };
}

const fingerprint = ({ certificate }: TestCertificate): string => new X509Certificate(certificate).fingerprint256;

/** One request on a connection of its own. @returns its status, and the certificate that was served */
function ask(): Promise<{ status: number; served: string }> {
  return new Promise((resolve, reject) => {
    const options = { port, path: "/health", agent: false, rejectUnauthorized: false, timeout: 10_000 };
    https
      .get({ host: "127.0.0.1", ...options }, (reply) => {
        const served = (reply.socket as TLSSocket).getPeerX509Certificate()?.fingerprint256 ?? "";
        reply.resume().once("end", () => {
          resolve({ status: reply.statusCode ?? 0, served });
        });
      })
      .once("timeout", () => {
        reject(new Error("no answer within 10 s"));
      })
      .once("error", reject);
  });
}

test("files that cannot be used are refused, all at once, before anything is created", async () => {
  write("expired", makeCertificate("old", [-30, -1]));
  write("mixed", { ...good, key: makeCertificate("other").key });
  write("closed", good);
  fs.chmodSync(files("closed").key, 0o600);
  const names = ["expired", "mixed", "closed", "gone"];
  stack.configure({ services: names.map((name, index) => service({ name, port: port + index, tls: files(name) })) });

  const message = await stack.failingUp();

  expect(message).toMatch(/archon:services\[0\]\.tls\.certificate: has expired on \d{4}-\d\d-\d\d; renew it/);
  expect(message).toContain("archon:services[1].tls.key: does not belong to the certificate");
  expect(message).toMatch(/archon:services\[2\]\.tls\.key: cannot be read by the gateway.*chgrp 10001/);
  expect(message).toContain("archon:services[3].tls.certificate: its directory does not exist on the Docker host");
  expect(message).not.toContain("services[0].tls.key");
  expect([stack.containers("gateway", { stopped: true }), fs.existsSync(checkout.root)]).toEqual([[], false]);
});

test("TLS replaces the gateway alone, and a second update changes nothing", async () => {
  stack.configure({ services: [service()] });
  await stack.up();
  const servers = stack.containers("server");
  const [plain] = stack.containers("gateway");

  stack.configure({ services: [service({ tls: files("server") })] });
  const steps = await stack.up();

  const containers = steps.filter(({ type }) => type === "docker:index/container:Container");
  expect([...new Set(containers.map(({ name }) => name))]).toEqual(["archon-server-gateway"]);
  expect(stack.containers("server")).toEqual(servers);
  expect(stack.containers("gateway")).not.toEqual([plain]);
  expect(await stack.url()).toBe(`https://127.0.0.1:${port}`);
  expect(await stack.up({ refresh: true })).toEqual([]);
});

test("clients get the certificate, and the servers learn of it", async () => {
  const reply = await pinnedFetch(good.certificate)(`${await stack.url()}/health`);
  expect(reply.status).toBe(200);
  expect((await ask()).served).toBe(fingerprint(good));
});

test("plain HTTP is sent to https, at the same address with path and query", async () => {
  const reply = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get({ host: "127.0.0.1", port, path: "/api/models?all=1", agent: false }, resolve).once("error", reject);
  });
  reply.resume();
  expect(reply.statusCode).toBe(308);
  expect(reply.headers.location).toBe(`https://127.0.0.1:${port}/api/models?all=1`);
});

test("a renewal is taken while requests are in flight, and none is lost", async () => {
  const [gateway = ""] = stack.containers("gateway");
  const renewed = makeCertificate("archon.example");
  const seen = new Map<string, number>();
  const lost: string[] = [];
  let stop = false;
  const client = async (): Promise<void> => {
    while (!stop) {
      await ask().then(
        ({ status, served }) => {
          seen.set(served, (seen.get(served) ?? 0) + 1);
          if (status !== 200) {
            lost.push(String(status));
          }
        },
        (error: unknown) => lost.push(String(error)),
      );
    }
  };
  const clients = Array.from({ length: 4 }, client);
  await until(() => (seen.get(fingerprint(good)) ?? 0) > 20);
  write("server", renewed);
  await until(() => (seen.get(fingerprint(renewed)) ?? 0) > 20);
  const before = seen.get(fingerprint(good));
  await until(() => (seen.get(fingerprint(renewed)) ?? 0) > 60);
  stop = true;
  await Promise.all(clients);

  expect(lost).toEqual([]);
  expect(seen.get(fingerprint(good))).toBe(before);
  expect(stack.containers("gateway")).toEqual([gateway]);
  expect(logsOf(gateway)).toContain("The certificate was renewed.");
  expect(await stack.up()).toEqual([]);
});

test("files of no use leave the old certificate, and the doctor says what is wrong with them", async () => {
  const { served } = await ask();
  write("server", { ...good, key: makeCertificate("other").key });
  const [gateway = ""] = stack.containers("gateway");
  await until(() => logsOf(gateway).includes("the key does not belong to the certificate"));
  expect(await ask()).toEqual({ status: 200, served });

  const { code, output } = doctor();
  expect(output).toContain(`the key of the service server, ${files("server").key}: does not belong to the certificate`);
  expect(code).toBe(1);
});

test("the doctor asks by https, and warns of a certificate that expires soon", async () => {
  const soon = makeCertificate("archon.example", [-1, 5]);
  write("server", soon);
  for (; (await ask()).served !== fingerprint(soon);) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { output } = doctor();
  expect(output).toContain(`the service server answers at https://127.0.0.1:${port}/health`);
  expect(output).toMatch(/the certificate of the service server, .* expires in [45] days/);
});

test("an update fails whose gateway serves another certificate than that of the file", async () => {
  const [gateway = ""] = stack.containers("gateway");
  // The program that takes renewals; HAProxy is another process.
  const watch = Number(docker("inspect", "--format", "{{.State.Pid}}", gateway));
  const renewed = makeCertificate("archon.example");
  stack.configure({ readyTimeout: 15 });
  process.kill(watch, "SIGSTOP");
  try {
    write("server", renewed);
    expect(await stack.failingUp()).toContain("it serves another certificate than that of archon:services[].tls");
  } finally {
    process.kill(watch, "SIGCONT");
  }
  await stack.up();
  expect(await ask()).toEqual({ status: 200, served: fingerprint(renewed) });
});

test("without TLS the gateway alone is replaced again", async () => {
  const servers = stack.containers("server");
  stack.configure({ services: [service()] });
  await stack.up();
  expect(stack.containers("server")).toEqual(servers);
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
});

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition();) {
    if (Date.now() > deadline) {
      throw new Error("This did not come to be within 60 s.");
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
