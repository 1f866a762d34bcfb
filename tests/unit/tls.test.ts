import { execFileSync } from "node:child_process";
import type { AddressInfo } from "node:net";
import * as fs from "node:fs";
import * as https from "node:https";
import * as os from "node:os";
import * as path from "node:path";
import { judgeTls } from "../../commands/doctor/tls";
import { pinnedFetch } from "../../commands/lib/gateway-fetch";
import { judgeFiles, missingDirectory, tlsCheckCommand, tlsCheckSchema } from "../../components/service/certificate";
import { tlsProblems } from "../../components/tls-preflight";
import { plainTextNotices } from "../../config/notices";
import type { Settings } from "../../config/load";
import { makeCertificate, type TestCertificate } from "../support/certificates";

/**
 * Proves what is said of certificates, with the program that the gateway reads them with, and how commands ask a service
 * that has one. That a gateway serves them, and takes renewed ones, the engine suite proves.
 */
const program = path.join(__dirname, "../../gateway/tls.py");
const tls = { certificate: "/etc/archon/tls/fullchain.pem", key: "/etc/archon/keys/privkey.pem" };
const now = new Date();

let directory: string;
let good: TestCertificate;
beforeAll(() => {
  good = makeCertificate("archon.example");
});
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "archon-tls-"));
});
afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

/** What is wrong with these files, each as `<file> <reason>`. */
function problemsOf(certificate: string | undefined, key: string | undefined): string[] {
  const files = { "certificate.pem": certificate, "key.pem": key };
  for (const [name, text] of Object.entries(files)) {
    if (text !== undefined) {
      fs.writeFileSync(path.join(directory, name), text);
    }
  }
  const paths = Object.keys(files).map((name) => path.join(directory, name));
  const printed = execFileSync("python3", [program, "check", ...paths], { encoding: "utf8" });
  return judgeFiles(tls, tlsCheckSchema.parse(JSON.parse(printed)), now).map(({ file, reason }) => `${file} ${reason}`);
}

describe("the files of a certificate", () => {
  test("that fit together are taken, also with a chain", () => {
    expect(problemsOf(good.certificate, good.key)).toEqual([]);
    expect(problemsOf(good.certificate + makeCertificate("authority").certificate, good.key)).toEqual([]);
  });

  test("that do not exist are named, both at once", () => {
    expect(problemsOf(undefined, undefined)).toEqual(["certificate does not exist", "key does not exist"]);
  });

  test("that do not belong together are refused", () => {
    expect(problemsOf(good.certificate, makeCertificate("other").key)).toEqual([
      "key does not belong to the certificate",
    ]);
  });

  test("that hold something else are refused, as is a key with a password", () => {
    expect(problemsOf(good.key, good.key)).toEqual(["certificate holds no certificate in PEM format"]);
    expect(problemsOf(good.certificate, good.certificate)).toEqual([
      "key is no private key in PEM format without a password",
    ]);
    const options = ["pkcs8", "-topk8", "-passout", "pass:secret"];
    const encrypted = execFileSync("openssl", options, { input: good.key, encoding: "utf8" });
    expect(problemsOf(good.certificate, encrypted)).toEqual(["key is no private key in PEM format without a password"]);
  });

  test("that are links out of their directory are refused with where they lead", () => {
    fs.symlinkSync("../../archive/fullchain1.pem", path.join(directory, "certificate.pem"));
    expect(problemsOf(undefined, good.key)).toEqual([
      "certificate is a link to ../../archive/fullchain1.pem, which leads out of its directory; the gateway sees only that",
    ]);
  });

  test("that have expired, or are not valid yet, are refused with the day", () => {
    const expired = makeCertificate("old", [-30, -1]);
    const early = makeCertificate("early", [2, 30]);
    const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    expect(problemsOf(expired.certificate, expired.key)).toEqual([`certificate has expired on ${day(-1)}; renew it`]);
    const { certificate } = expired;
    expect(judgeFiles(tls, { reasons: {}, certificate }, undefined)).toEqual([]);
    expect(problemsOf(early.certificate, early.key)).toEqual([
      `certificate is valid from ${day(2)} on; wait, or correct the host's clock`,
    ]);
  });

  test("that the gateway may not read get the commands that change it", () => {
    const reasons = { key: "cannot be read by the gateway, which is user 10001 and group 10001" };
    expect(judgeFiles(tls, { reasons }, now)[0]?.reason).toContain(`chgrp 10001 ${tls.key} && chmod 640 ${tls.key}`);
  });
});

test("the engine's word for a missing directory names the file that should be in it", () => {
  const message =
    "docker: Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: /etc/archon/keys.\nSee 'docker run --help'.";
  expect(missingDirectory(tls, message)).toEqual([
    { file: "key", reason: "its directory does not exist on the Docker host" },
  ]);
  expect(missingDirectory(tls, "no space left on device")).toEqual([]);
});

test("files are looked at as the gateway: its user, its mounts, no network", () => {
  expect(tlsCheckCommand(tls, "archon-gateway:1", "code")).toEqual(
    expect.arrayContaining([
      "--network=none",
      "--user=10001:10001",
      "--mount=type=bind,source=/etc/archon/tls,target=/run/tls/certificate,readonly",
      "--mount=type=bind,source=/etc/archon/keys,target=/run/tls/key,readonly",
    ]),
  );
  expect(tlsCheckCommand(tls, "archon-gateway:1", "code").slice(-6)).toEqual([
    "archon-gateway:1",
    "-c",
    "code",
    "check",
    "/run/tls/certificate/fullchain.pem",
    "/run/tls/key/privkey.pem",
  ]);
});

test("an engine without an image to look with is not asked", () => {
  const settings = { services: [{ tls }], baseImage: "base:1", dockerHost: "unix:///nonexistent", project: "/" };
  expect(tlsProblems(settings as unknown as Settings, undefined)).toEqual([]);
  expect(tlsProblems(settings as unknown as Settings, new Set(["postgres:17"]))).toEqual([]);
});

describe("a token", () => {
  const service = {
    name: "server",
    port: 1,
    bind: "0.0.0.0",
    memoryMiB: 256,
    replicas: 1,
    gpu: "none" as const,
    role: "server" as const,
    variables: {},
  };

  test("that crosses the network in plain HTTP is warned of", () => {
    expect(plainTextNotices({ services: [service], requireToken: true })).toEqual([
      expect.stringContaining("archon:services[0].tls"),
    ]);
  });

  test.each([
    ["TLS", { services: [{ ...service, tls }], requireToken: true }],
    ["loopback", { services: [{ ...service, bind: "127.0.0.1" }], requireToken: true }],
    ["no token", { services: [service], requireToken: false }],
  ])("is not warned of with %s", (_, config) => {
    expect(plainTextNotices(config)).toEqual([]);
  });
});

describe("the doctor", () => {
  const judge = (days: number): ReturnType<typeof judgeTls> =>
    judgeTls("prod", { name: "server", tls }, [], makeCertificate("soon", [-1, days]).certificate, now);

  test("warns two weeks before a certificate expires", () => {
    expect(judge(10)[0]).toMatchObject({
      status: "warning",
      finding: expect.stringMatching(/expires in (9|10) days/) as string,
    });
    expect(judge(20)[0]?.status).toBe("ok");
  });

  test("names a file that cannot be used, and what to do", () => {
    const problems = [{ file: "key" as const, reason: "does not exist" }];
    expect(judgeTls("prod", { name: "server", tls }, problems, undefined, now)).toEqual([
      {
        check: "tls",
        status: "problem",
        finding: `the key of the service server, ${tls.key}: does not exist`,
        remedy: expect.stringContaining("doctor --stack prod") as string,
      },
    ]);
  });
});

describe("commands that ask a service with a certificate", () => {
  let server: https.Server;
  let url: string;
  const seen: string[] = [];
  beforeEach(async () => {
    server = https.createServer({ cert: good.certificate, key: good.key }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        seen.push(Buffer.concat(chunks).toString());
        response
          .writeHead(request.method === "DELETE" ? 204 : 201)
          .end(request.method === "DELETE" ? undefined : "made");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    seen.length = 0;
    server.close();
  });

  test("take that one for whatever name it is", async () => {
    const form = new FormData();
    form.set("file", new Blob(["lighthouse"]), "note.md");
    const reply = await pinnedFetch(good.certificate)(`${url}/upload`, { method: "POST", body: form });
    expect([reply.status, await reply.text()]).toEqual([201, "made"]);
    expect(seen[0]).toContain("lighthouse");
    expect((await pinnedFetch(good.certificate)(url, { method: "DELETE" })).status).toBe(204);
  });

  test("send nothing to a server with another one", async () => {
    const asked = pinnedFetch(makeCertificate("archon.example").certificate)(url, {
      headers: { authorization: "token" },
    });
    await expect(asked).rejects.toThrow("another certificate is served");
    expect(seen).toEqual([]);
  });
});
