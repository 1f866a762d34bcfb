import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { judgeAnswers } from "../../commands/doctor/answers";
import { judgeContainers, parseInspected } from "../../commands/doctor/containers";
import { judgeDisk } from "../../commands/doctor/disk";
import { judgeAnswer, unreachable } from "../../commands/doctor/engine";
import { isHealthy, ok, problem, skipped, warning, type Finding } from "../../commands/doctor/finding";
import { describeFinding, describeTotals } from "../../commands/doctor/format";
import { judgeGpu } from "../../commands/doctor/gpu";
import { judgeImage } from "../../commands/doctor/image";
import {
  checkEnvironment,
  judgeBundle,
  judgeMtu,
  judgeSources,
  parseNetworkMtus,
  type Source,
} from "../../commands/doctor/network";
import { judgePlaces } from "../../commands/doctor/packages";
import { judgeAccess, probeMounts } from "../../commands/doctor/permissions";
import { judgeLock, judgePending } from "../../commands/doctor/state";
import {
  claimOf,
  judgeOthers,
  judgeStaging,
  judgeVerified,
  missingStore,
  unreadableStore,
} from "../../commands/doctor/store";
import { parseEngineInfo, type EngineInfo } from "../../commands/setup/engine-check";

// What a test cannot plant on this machine: GPUs, SELinux, small packets, full disks, other engines. That the judgements
// get real facts, tests/engine/doctor.test.ts shows.

const socket = "unix:///var/run/docker.sock";
const host = { dockerHost: socket, baseImage: "base", caBundle: undefined };
const statuses = (findings: readonly Finding[]): string[] => findings.map(({ status }) => status);

describe("findings", () => {
  const findings = [ok("disk", "84 GB are free"), warning("mtu", "too small", "fix it"), skipped("store", "none")];

  test("are healthy without a problem: a warning and what was not checked do not count", () => {
    expect(isHealthy(findings)).toBe(true);
    expect(isHealthy([...findings, problem("lock", "left", "./archon recover")])).toBe(false);
  });

  test("are shown with their marks, wrapped, and a remedy that can be copied", () => {
    const long = problem(
      "containers",
      "one two three four five six seven eight nine ten",
      "docker start some-very-long-name",
    );
    expect(describeFinding(long, 50)).toEqual([
      "✖ containers      one two three four five six seven eight",
      "                  nine ten",
      "                  → docker start some-very-long-name",
    ]);
  });

  test("are counted", () => {
    expect(describeTotals([...findings, warning("gpu", "", "")])).toBe("Checked 4: 1 ok, 2 warnings, 1 not checked.");
  });
});

const engine = (more: object = {}): EngineInfo =>
  parseEngineInfo(JSON.stringify({ SecurityOptions: [], MemoryLimit: true, ...more }));

describe("the engine", () => {
  const place = { stack: "prod", dockerHost: socket, root: "/srv/a" };

  test("that answers and can do everything is fine", () => {
    expect(statuses(judgeAnswer("20.10.24+dfsg1", engine(), place))).toEqual(["ok", "ok"]);
  });

  test("that is too old, runs rootless, or cannot limit memory is named, with what to do", () => {
    expect(judgeAnswer("19.3.0", engine(), place)).toMatchObject([
      {
        status: "problem",
        finding: expect.stringContaining("at least 20.10.0 is needed") as string,
        remedy: expect.stringContaining("archon:dockerHost ADDRESS --stack prod") as string,
      },
    ]);
    expect(judgeAnswer("28.0.0", engine({ SecurityOptions: ["name=rootless"] }), place)).toMatchObject([
      { status: "problem", remedy: expect.stringContaining("archon:dockerHost") as string },
    ]);
    expect(judgeAnswer("28.0.0", engine({ MemoryLimit: false }), place)[1]).toMatchObject({
      status: "warning",
      remedy: expect.stringContaining("cgroup_enable=memory") as string,
    });
  });

  test.each([
    [socket, "Got permission denied while trying to connect", "sudo usermod -aG docker $USER"],
    ["ssh://deploy@prod", "connection refused", "./archon pulumi config set archon:dockerHost ADDRESS --stack prod"],
  ])("at %s that does not answer (%s) has the remedy for that reason", (address, reason, remedy) => {
    const found = unreachable("prod", address, reason);
    expect(found.finding).toContain(address);
    expect(found.remedy).toContain(remedy);
  });
});

describe("a GPU", () => {
  const none = engine();
  const runtime = engine({ Runtimes: { runc: {}, nvidia: { path: "nvidia-container-runtime" } } });
  const devices = engine({
    DiscoveredDevices: [
      { Source: "cdi", ID: "nvidia.com/gpu=0" },
      { Source: "cdi", ID: "other=0" },
    ],
  });

  const unused = { accelerator: "cuda", services: [] } as const;
  const used = { accelerator: "cuda", services: ["server"] } as const;
  const without = { accelerator: "cpu", services: [] } as const;

  test("that no host has is nothing to fix; an environment with CUDA could be smaller", () => {
    expect(judgeGpu(none, null, unused)).toMatchObject({
      status: "ok",
      finding: expect.stringContaining("archon:accelerator cpu") as string,
    });
    expect(judgeGpu(none, null, without).finding).not.toContain("archon:accelerator");
  });

  test("that the engine cannot give to containers needs the toolkit", () => {
    expect(judgeGpu(none, "550.54.15", unused)).toMatchObject({
      status: "warning",
      finding: expect.stringContaining("550.54.15") as string,
      remedy: expect.stringContaining("nvidia-container-toolkit") as string,
    });
  });

  test("that a service asks for is a problem without a driver, and without the toolkit", () => {
    expect(judgeGpu(none, null, used)).toMatchObject({
      status: "problem",
      finding: "the engine's host has no NVIDIA driver, but a GPU is configured for server",
      remedy: expect.stringMatching(/^install it there; install nvidia-container-toolkit/) as string,
    });
    expect(judgeGpu(none, "550.54.15", used)).toMatchObject({
      status: "problem",
      finding: expect.stringMatching(/cannot give a GPU to a container, but a GPU is configured for server$/) as string,
    });
  });

  test("is offered by a runtime or by name, and says when the stack does not use it", () => {
    expect(judgeGpu(runtime, "550.54.15", used)).toMatchObject({
      status: "ok",
      finding: "NVIDIA's driver 550.54.15; the engine offers the runtime nvidia; server may use it",
    });
    expect(judgeGpu(runtime, "550.54.15", unused).finding).toContain("no service of this stack asks for it");
    expect(judgeGpu(devices, "550.54.15", without).finding).toBe(
      "NVIDIA's driver 550.54.15; the engine offers the devices nvidia.com/gpu=0; the environment of this stack has no CUDA (archon:accelerator cpu)",
    );
  });
});

describe("the disk", () => {
  const disk = { holds: "the store /srv/a", free: 50e9, total: 100e9, freeFiles: 1_000_000 };
  const environment = { bytes: 6e9, files: 39_000 };

  test.each([
    [disk, "ok", "50.0 GB of 100 GB are free for the store /srv/a"],
    [{ ...disk, free: 1.9e9 }, "problem", "nearly full"],
    [{ ...disk, free: 5.9e9 }, "warning", "another environment of 6.00 GB does not fit"],
    [{ ...disk, freeFiles: 38_000 }, "warning", "only 38000 files can be made"],
    [{ ...disk, freeFiles: null }, "ok", "50.0 GB"],
  ])("%j is judged as %s", (found, status, finding) => {
    expect(judgeDisk(found, environment, "dev")).toMatchObject({
      status,
      finding: expect.stringContaining(finding) as string,
    });
  });
});

describe("networks", () => {
  const networks = parseNetworkMtus(
    JSON.stringify([
      { Name: "bridge", Options: { "com.docker.network.driver.mtu": "1400" } },
      { Name: "archon-network-1", Options: {} },
      { Name: "archon-network-2", Options: null },
    ]),
  );

  test("have the MTU of their options, otherwise the engine's default", () => {
    expect(networks.map(({ mtu }) => mtu)).toEqual([1400, 1500, 1500]);
  });

  test("that send larger packets than the host's uplink carries are named, with the settings for the uplink", () => {
    expect(judgeMtu(1500, networks).status).toBe("ok");
    expect(judgeMtu(null, networks).status).toBe("skipped");
    const found = judgeMtu(1420, networks);
    expect(found.status).toBe("warning");
    expect(found.finding).toContain("the network archon-network-1 sends up to 1500");
    expect(found.finding).not.toContain("bridge");
    expect(found.remedy).toContain('"com.docker.network.driver.mtu": "1420"');
  });

  test("a password in a proxy's address is not shown, and a proxy on loopback is named", () => {
    const stack = { stack: "dev", host };
    const shown = checkEnvironment(stack, { HTTPS_PROXY: "http://me:secret@proxy.example:3128" });
    expect(shown).toEqual([ok("proxies", "downloads in containers use HTTPS_PROXY")]);
    expect(checkEnvironment(stack, { HTTPS_PROXY: "http://127.0.0.1:3128" })).toMatchObject([
      { check: "proxies", status: "warning" },
    ]);
  });
});

describe("sources", () => {
  const index: Source = {
    kind: "package index",
    url: "https://user:secret@index.example/simple/pip/",
    key: "archon:pythonIndex",
  };
  const mirror: Source = { kind: "hub", url: "https://mirror.example", key: "archon:hubMirrors[1]" };
  const judge = (answer: object): Finding | undefined => judgeSources("dev", [index], [answer]).find(() => true);

  test.each([{ status: 200 }, { status: 404 }])("that answer with %j are there", (answer) => {
    expect(judge(answer)).toEqual(ok("sources", "the package index index.example answers"));
  });

  test.each([{ status: 407 }, { status: 502 }, { error: "timed out" }])("that answer with %j are named", (answer) => {
    const found = judge(answer);
    expect(found).toMatchObject({
      status: "warning",
      remedy: "name one that answers: ./archon pulumi config set archon:pythonIndex URL",
    });
    expect(found?.finding).toContain(String(Object.values(answer)[0]));
    expect(JSON.stringify(found)).not.toContain("secret");
  });

  test("have their answers in their order; an entry of a list is set by its path, and another stack is named", () => {
    const found = judgeSources("prod", [index, mirror], [{ status: 200 }, { error: "timed out" }]);
    expect(found).toMatchObject([
      { status: "ok" },
      {
        finding: expect.stringContaining("mirror.example (archon:hubMirrors[1]) does not answer: timed out") as string,
        remedy: "name one that answers: ./archon pulumi config set --path 'archon:hubMirrors[1]' URL --stack prod",
      },
    ]);
  });
});

/** Made for this test alone. */
const authority = `-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUSFJ/cyNqkc4iqXMZT4alw7wAiiwwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjkxNDQ2NDBaFw0yNjExMzAxNDQ2NDBa
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASguE95
kmVJ9uxB+cDKQcPW4qvNpsXIPttTqC98sp3/xVUV5rEJb+EEqA7q/nK9bpambLQA
fVFBNr1q5uEn92tho1MwUTAdBgNVHQ4EFgQUrSTaftoh3AFBYzmmRV1RzxtfCAow
HwYDVR0jBBgwFoAUrSTaftoh3AFBYzmmRV1RzxtfCAowDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiAzZo+K6TH+vNGvmPauhrhHC8lyivHa2Tr30awE
4xplJgIhAJVHMRPkb+kcVkZlQLmFEq16qWoqi9j5pZdetFYhFr4E
-----END CERTIFICATE-----`;

describe("a bundle of certificates", () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "doctor-"));
  const file = path.join(directory, "ca.pem");
  afterAll(() => fs.rmSync(directory, { recursive: true }));

  test("is fine while one of its authorities is valid", () => {
    fs.writeFileSync(file, `# of this company\n${authority}\n`);
    const validTo = new Date(new X509Certificate(authority).validTo).getTime();
    expect(judgeBundle("dev", file, new Date(validTo - 1000))).toMatchObject({ status: "ok" });
    expect(judgeBundle("dev", file, new Date(validTo + 1000))).toMatchObject({ status: "problem" });
  });

  test("that is empty or missing is a problem with the key to set", () => {
    fs.writeFileSync(file, "no certificate");
    for (const name of [file, path.join(directory, "nothing.pem")]) {
      expect(judgeBundle("dev", name, new Date())).toMatchObject({
        status: "problem",
        remedy: expect.stringContaining("archon:caBundle") as string,
      });
    }
  });
});

describe("permissions", () => {
  const mounts = [
    { Source: "/srv/a/envs/k", Destination: "/root/.local", RW: false },
    { Source: "/srv/a/data/dev/server", Destination: "/data", RW: true },
  ];
  const judge = (access: { read: string[]; write: string[] }, selinux = false): Finding[] =>
    judgeAccess({ stack: "dev", root: "/srv/a" }, access, { name: "second", user: "10001:10001", mounts }, selinux);

  test("are tried on what a server has mounted, and writing only where it writes", () => {
    expect(probeMounts(mounts)).toEqual([
      { source: "/srv/a/envs/k", target: "/read/0", writable: false },
      { source: "/srv/a/data/dev/server", target: "/write/1", writable: true },
    ]);
    expect(statuses(judge({ read: [], write: [] }))).toEqual(["ok"]);
  });

  test("that lack are named by the path on the host, each with what gives them back", () => {
    expect(judge({ read: ["/read/0/lib/torch"], write: ["/write/1"] })).toMatchObject([
      {
        finding: "the service second (user 10001:10001) cannot read /srv/a/envs/k/lib/torch",
        remedy: "./archon verify --full --repair",
      },
      {
        finding: "the service second (user 10001:10001) cannot write /srv/a/data/dev/server",
        remedy: expect.stringContaining("sudo chown -R 10001:10001 /srv/a/data/dev/server") as string,
      },
    ]);
  });

  test("that SELinux may deny come with the label of the store", () => {
    expect(judge({ read: ["/read/0"], write: [] }, true)[0]?.remedy).toContain(
      "semanage fcontext -a -t container_file_t",
    );
  });
});

describe("the store", () => {
  test("is made by the first update; gone under a running release, it is a problem", () => {
    const subject = { stack: "dev", host, root: "/srv/a" };
    expect(missingStore(subject, undefined).status).toBe("skipped");
    expect(missingStore(subject, "0123456789ab")).toMatchObject({ status: "problem", check: "store" });
  });

  test("damage names the first files and counts the others", () => {
    const missing = ["a", "b", "c", "d", "e"];
    const broken = { target: "envs/k", files: 9, bytes: 9, ok: false, damaged: [], missing, added: [] };
    const [found] = judgeVerified({ targets: [broken] }, "prod");
    expect(found).toMatchObject({
      status: "problem",
      finding: "envs/k was changed: a is missing, b is missing, c is missing, and 2 more",
      remedy: "./archon verify --full --repair --stack prod",
    });
  });

  test("damaged GC roots are named by their path on the host, with the stack that writes them again", () => {
    const lines = ["mlenv: error: /store/refs/archon-prod.json is damaged (x), so what archon-prod keeps is unknown."];
    expect(unreadableStore(lines, { stack: "dev", root: "/srv/a" })).toMatchObject({
      finding: expect.stringContaining("/srv/a/refs/archon-prod.json is damaged") as string,
      remedy:
        "sudo mv /srv/a/refs/archon-prod.json /srv/a/refs/archon-prod.json.damaged, then ./archon pulumi up --stack prod",
    });
  });

  test("what store jobs work on is not half-made", () => {
    expect(statuses(judgeStaging([{ name: "env-k", seconds: 5, busy: true }], "dev"))).toEqual(["ok"]);
    expect(judgeStaging([{ name: "env-k", seconds: 7200, busy: false }], "dev")).toMatchObject([
      { status: "warning", finding: expect.stringContaining("env-k (2 h old)") as string },
    ]);
  });

  test("another deployment is named by its owner, from the engine or from the store", () => {
    const own = { id: "own", ownsUnmarked: true };
    const theirs = {
      kind: "container",
      id: "c",
      name: "s-1",
      component: "server",
      deployment: "x",
      owner: "ada@gpu1",
    } as const;
    const disk = { free: 1, total: 1, freeFiles: null };
    const claim = (text: string) => claimOf({ store: disk, engine: disk, staging: [], claim: text });
    expect(judgeOthers("dev", own, claim("own\nme\n"), []).status).toBe("ok");
    expect(judgeOthers("dev", own, undefined, [theirs]).finding).toContain("ada@gpu1 (s-1)");
    expect(judgeOthers("dev", own, claim("other\nbob@ci\n"), [])).toMatchObject({
      status: "problem",
      finding: expect.stringContaining("bob@ci") as string,
      remedy: expect.stringContaining("./archon recover --adopt") as string,
    });
  });
});

describe("containers", () => {
  const known = { ownership: { id: "own", ownsUnmarked: true }, known: new Set(["a"]) };
  const expected = { id: "a", resource: "archon-server-0", memory: 1024, networks: ["net"], toDelete: false };
  const inspected = (state: object, more: object = {}): string =>
    JSON.stringify([
      {
        Id: "a",
        Name: "/server-1",
        State: { Status: "running", OOMKilled: false, ExitCode: 0, Health: { Status: "healthy", Log: [] }, ...state },
        HostConfig: { Memory: 1024 * 1024 * 1024 },
        Config: { Labels: null },
        Mounts: [],
        NetworkSettings: { Networks: { net: {} } },
        ...more,
      },
    ]);
  const judge = (json: string): Finding[] =>
    judgeContainers("dev", { known, containers: [expected] }, [], parseInspected(json));

  test("that run as the state says are fine; a stack without any runs nothing", () => {
    expect(statuses(judge(inspected({})))).toEqual(["ok"]);
    expect(statuses(judgeContainers("dev", { known, containers: [] }, [], []))).toEqual(["skipped"]);
  });

  test.each([
    [inspected({ OOMKilled: true, Status: "restarting" }), "needed more than its 1024 MiB", "memoryMiB"],
    [inspected({ Status: "paused" }), "is paused", "docker unpause server-1"],
    [inspected({ Status: "exited", ExitCode: 137 }), "exited with exit code 137", "docker start server-1"],
    [
      inspected({ Health: { Status: "unhealthy", Log: [{ Output: "failed: no model\n" }] } }),
      "unhealthy: failed: no model",
      "rollback previous",
    ],
    [inspected({}, { HostConfig: { Memory: 512 * 1024 * 1024 } }), "may use 512 MiB", "pulumi up --refresh"],
    [inspected({}, { NetworkSettings: { Networks: {} } }), "not connected to its network net", "pulumi up --refresh"],
    ["[]", "archon-server-0 was removed by hand", "pulumi up --refresh"],
  ])("that differ are named with what fixes them: %#", (json, finding, remedy) => {
    expect(judge(json)).toMatchObject([
      {
        status: "problem",
        finding: expect.stringContaining(finding) as string,
        remedy: expect.stringContaining(remedy) as string,
      },
    ]);
  });

  test("that are starting are no problem yet, and those that the engine has not checked yet are fine", () => {
    const starting = (...log: string[]): string =>
      inspected({ Health: { Status: "starting", Log: log.map((Output) => ({ Output })) } });
    expect(judge(starting("no answer\n", "loading\n"))).toEqual([
      warning("containers", "server-1 is starting: loading", "wait until it is healthy, then check again"),
    ]);
    expect(statuses(judge(starting()))).toEqual(["ok"]);
    const beforeItsStart = { Start: "2026-11-30T10:00:00.123456789Z", Output: "ready\n" };
    const restarted = inspected({
      StartedAt: "2026-11-30T10:00:01.5Z",
      Health: { Status: "starting", Log: [beforeItsStart] },
    });
    expect(statuses(judge(restarted))).toEqual(["ok"]);
  });

  test("what an update of this deployment did not record is to be recovered", () => {
    const left = {
      kind: "network",
      id: "n",
      name: "net-2",
      component: "network",
      deployment: "own",
      owner: "me",
    } as const;
    const findings = judgeContainers("dev", { known, containers: [expected] }, [left], parseInspected(inspected({})));
    expect(findings).toMatchObject([{ status: "problem", remedy: "./archon recover" }]);
  });
});

test("operations that a killed update left pending are named", () => {
  const urn = "urn:pulumi:dev::archon::docker:index/container:Container::archon-server-0";
  const exported = { deployment: { pending_operations: [{ type: "creating", resource: { urn } }] } };
  expect(judgePending(JSON.stringify(exported), "dev")).toMatchObject([
    { status: "problem", finding: expect.stringContaining("creating archon-server-0") as string },
  ]);
  expect(judgePending("{}", "dev")).toEqual([]);
});

test("the lock of a killed update is a problem; one that may be of a running update is only said", () => {
  const holder = { pid: 2 ** 30, username: "me", hostname: os.hostname(), timestamp: "2026-11-30T10:00:00Z" };
  expect(judgeLock("dev", undefined).status).toBe("ok");
  expect(judgeLock("prod", holder)).toMatchObject({ status: "problem", remedy: "./archon recover --stack prod" });
  expect(judgeLock("dev", { ...holder, pid: process.pid, timestamp: new Date().toISOString() })).toMatchObject({
    status: "warning",
    remedy: "wait until it has finished, then check again",
  });
  expect(judgeLock("dev", { ...holder, hostname: "elsewhere" })).toMatchObject({
    status: "warning",
    remedy: expect.stringContaining("no longer exists on elsewhere: ./archon pulumi cancel --yes") as string,
  });
});

test("an image that carries what belongs into the store is named with its largest layers", () => {
  const layers = [
    { bytes: 3e6, instruction: "COPY archon_server" },
    { bytes: 2.4e9, instruction: "RUN pip install torch" },
  ];
  expect(judgeImage("archon-server:1", layers)).toMatchObject({
    status: "warning",
    finding: expect.stringContaining("2.40 GB RUN pip install torch; 3.00 MB COPY") as string,
    remedy: expect.stringContaining("docker history --no-trunc archon-server:1") as string,
  });
  expect(judgeImage("archon-server:1", layers.slice(0, 1)).status).toBe("ok");
});

test("packages that a server does not find are named, with how to look and how to repair", () => {
  const places = { userSite: "/root/.local/lib/python3.11/site-packages", modules: { torch: null, six: "/x/six.py" } };
  expect(judgePlaces("dev", { name: "server-1", service: "second" }, places)).toMatchObject({
    status: "problem",
    finding: expect.stringContaining("the service second does not find torch") as string,
    remedy: expect.stringContaining("docker exec server-1 ls /root/.local/lib/python3.11/site-packages") as string,
  });
});

test("a service that does not answer, or has no ready server, is named with its address", () => {
  const mcp = { name: "mcp", url: "http://127.0.0.1:8051/" };
  expect(judgeAnswers("dev", mcp, undefined).status).toBe("ok");
  expect(judgeAnswers("dev", mcp, "503 Service Unavailable").finding).toBe(
    "the service mcp at http://127.0.0.1:8051/ answers with 503 Service Unavailable: no server of it is ready",
  );
  expect(judgeAnswers("dev", mcp, "connection refused")).toMatchObject({
    status: "problem",
    finding: "the service mcp at http://127.0.0.1:8051/ does not answer: connection refused",
  });
});
