import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { describeMachine } from "../../commands/bench/machine";
import type { Finding } from "../../commands/doctor/finding";
import type { Report as Measured } from "../../commands/report/report";
import { command, commandWith, prepareCommands, type Outcome } from "../support/commands";
import { backendOf, Checkout, docker, freePort, type EngineStack } from "../support/engine";

/**
 * What the doctor and the report say of a real stack: healthy, with many faults at once, fixed by the remedies that it
 * named, and when it can see little. The order matters: each test continues where the previous one ended.
 */
jest.setTimeout(600_000);

const checkout = new Checkout();
let stack: EngineStack;
const run = (name: string, ...args: string[]): Outcome => command(checkout, name, ...args, "--stack", stack.name);

interface Report {
  healthy: boolean;
  findings: Finding[];
}

function doctor(environment: Readonly<Record<string, string>> = {}): Report & { code: number | null; text: string } {
  const { code, stdout } = commandWith(environment, checkout, "doctor", "--json", "--stack", stack.name);
  return { code, text: stdout, ...(JSON.parse(stdout) as Report) };
}

/** What is not as it should be, each as a line. The largest packet of this machine is no matter of a stack. */
const wrong = ({ findings }: Report): string[] =>
  findings
    .filter(({ status, check }) => status !== "ok" && check !== "mtu")
    .map(({ check, status, finding, remedy }) => `${status} ${check}: ${finding} → ${remedy ?? ""}`);

beforeAll(async () => {
  const services = [
    { name: "server", port: await freePort(), memoryMiB: 1024, replicas: 2 },
    { name: "second", port: await freePort(), memoryMiB: 1024 },
  ];
  stack = await checkout.stack({ services });
  prepareCommands(checkout);
  await stack.up();
});
afterAll(() => {
  checkout.remove();
});

test("a healthy stack has nothing wrong, and the exit code is 0", () => {
  const report = doctor();
  expect(wrong(report)).toEqual([]);
  expect(report).toMatchObject({ code: 0, healthy: true });
  const checks = report.findings.map(({ check }) => check);
  expect(checks).toEqual(expect.arrayContaining(["content", "permissions", "packages", "answers", "sources", "mtu"]));
  expect(checks.filter((check) => check === "answers" || check === "packages")).toHaveLength(4);
  expect(run("doctor").stdout).toMatch(/^✔ containers +archon-second-0-/m);
});

describe("the report", () => {
  test("has the sizes of image and environment, the times of the update, and what the two replicas share", () => {
    const before = fs.readFileSync(path.join(checkout.directory, `Pulumi.${stack.name}.yaml`), "utf8");
    const { code, stdout } = run("report", "--json");
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Measured;
    const [key = ""] = fs.readdirSync(path.join(checkout.root, "envs"));
    expect(report.environment.key).toBe(key);
    expect(report.environment.bytes).toBe(filesOf(path.join(checkout.root, "envs", key)));
    expect(report.image.bytes).toBeGreaterThan(100e6);
    expect(report.image.bytes).toBe(report.image.layers.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(report.engine.find(({ kind }) => kind === "Images")?.bytes).toBeGreaterThan(100e6);

    const update = report.times.find(({ what }) => what === "last update");
    const populate = report.times.find(({ what }) => what === `populate of ${key}`);
    expect(update?.seconds).toBeGreaterThan(populate?.seconds ?? Infinity);
    for (const replica of [0, 1]) {
      const start = report.times.find(({ what }) => what === `start of archon-server-${replica} until it answered`);
      expect(start?.seconds).toBeLessThan(update?.seconds ?? 0);
    }

    expect(report.memory.servers).toHaveLength(3);
    for (const { rss, pss } of report.memory.servers) {
      expect(pss).toBeGreaterThan(10e6);
      expect(rss).toBeGreaterThan(pss);
    }
    expect(fs.readFileSync(path.join(checkout.directory, `Pulumi.${stack.name}.yaml`), "utf8")).toBe(before);
  });

  test("is Markdown with the plan's figures, and draws what is shared", () => {
    const svg = path.join(checkout.directory, "report.svg");
    const { code, stdout } = run("report", "--markdown", "--svg", svg);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\| image of the server \| 25\.4 GB \| 2 GB \| \d+ MB \|$/m);
    expect(stdout).toMatch(/^\| together, hard links once \| [\d.]+ [kM]B \|$/m);
    expect(fs.readFileSync(svg, "utf8")).toContain(">memory of the servers</text>");
  });

  test("describes the machine of a benchmark", async () => {
    const machine = await describeMachine("unix:///var/run/docker.sock");
    expect(machine).toMatchObject({
      cores: os.cpus().length,
      engine: docker("version", "--format={{.Server.Version}}"),
      kernel: os.release(),
      disk: { fileSystem: expect.any(String) as string, bytes: expect.any(Number) as number },
    });
  });
});

/** Bytes of the files that a manifest lists: everything but its own directory. */
function filesOf(environment: string): number {
  return fs
    .readdirSync(environment, { recursive: true, encoding: "utf8" })
    .filter((name) => !name.startsWith(".mlenv"))
    .map((name) => fs.lstatSync(path.join(environment, name)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
}

/** Id of a deployment that no state of this machine knows. */
const OTHER = "00000000-other";

describe("with faults", () => {
  const site = (): string => {
    const [key = ""] = fs.readdirSync(path.join(checkout.root, "envs"));
    return path.join(checkout.root, "envs", key, "lib/python3.11/site-packages");
  };
  const data = (): string => path.join(checkout.root, "data", stack.name, "second");
  const server = (): string => docker("inspect", "--format={{.Name}}", stack.containers("server")[0] ?? "").slice(1);
  const gateway = (): string => {
    const names = stack.containers("gateway").map((id) => docker("inspect", "--format={{.Name}}", id).slice(1));
    return String(names.find((name) => name.startsWith("archon-second-")));
  };

  /** A container with the labels of the stack that no state knows. @returns its name */
  function plantContainer(deployment: string): string {
    const name = `${stack.name}-${deployment.slice(0, 8)}`;
    const image = docker("inspect", "--format={{.Config.Image}}", stack.containers("server")[0] ?? "");
    const labels = { project: "archon", stack: stack.name, component: "server", deployment, owner: "ada@gpu1" };
    const options = Object.entries(labels).map(([key, value]) => `--label=io.archon.${key}=${value}`);
    docker("create", `--name=${name}`, ...options, image);
    return name;
  }

  test("each is named with its remedy, and the exit code is 1", () => {
    const own = docker("inspect", '--format={{index .Config.Labels "io.archon.deployment"}}', server());
    const [orphan, foreign] = [plantContainer(own), plantContainer(OTHER)];
    const paused = gateway();
    plantLock();
    fs.renameSync(path.join(site(), "six.py"), path.join(checkout.directory, "six.py"));
    fs.chmodSync(path.join(site(), "iniconfig"), 0o700);
    fs.chownSync(data(), 0, 0);
    // No damaged file of refs/: until it is fixed, no stack of this engine collects, those of other tests neither.
    fs.mkdirSync(path.join(checkout.root, "staging", "env-killed"));
    docker("update", "--memory=700m", "--memory-swap=700m", server());
    docker("pause", paused);
    stack.configure({ pythonIndex: "http://127.0.0.1:9/simple" });
    fs.chmodSync(checkout.backend.PULUMI_CONFIG_PASSPHRASE_FILE, 0o644);

    const report = doctor({ HTTPS_PROXY: "http://user:secret-of-proxy@127.0.0.1:3128" });
    const lines = wrong(report).join("\n");
    const expected: [finding: RegExp, remedy: string][] = [
      [/problem lock: a killed update left its lock: process \d+ of ada@/, `./archon recover --stack ${stack.name}`],
      [/problem content: envs\/\S+ was changed: .*six\.py is missing/, "./archon verify --full --repair"],
      [/problem content: .*iniconfig.*mode 0700/, "./archon verify --full --repair"],
      [/problem packages: the service server does not find .*six/, "docker exec"],
      [/problem packages: the service second does not find .*six/, "docker exec"],
      [
        /problem permissions: the service server \S+ \S+ cannot read \S+\/site-packages\/iniconfig/,
        "./archon verify --full --repair",
      ],
      [
        new RegExp(`problem permissions: the service second .* cannot write ${data()}`),
        `sudo chown -R 10001:10001 ${data()}`,
      ],
      [/warning staging: .*env-killed/, `./archon prune --stack ${stack.name}`],
      [
        /problem containers: \S+ may use 700 MiB of memory, but the state says 1024 MiB/,
        "./archon pulumi up --refresh",
      ],
      [new RegExp(`problem containers: ${paused} is paused`), `docker unpause ${paused}`],
      [new RegExp(`problem containers: the container ${orphan} belongs to this deployment`), "./archon recover"],
      [
        new RegExp(`problem other checkouts: another deployment .*ada@gpu1 \\(${foreign}\\)`),
        "./archon recover --adopt",
      ],
      [
        /problem answers: the service second at http:\/\/127\.0\.0\.1:\d+\/health does not answer/,
        "./archon rollback previous",
      ],
      [
        /warning sources: the package index 127\.0\.0\.1:9 .*does not answer/,
        "./archon pulumi config set archon:pythonIndex",
      ],
      [/warning passphrase: other users of this machine can read/, "chmod 600"],
      [/warning proxies: HTTPS_PROXY: the proxy is on this machine's loopback/, "address of Docker's bridge"],
    ];
    for (const [finding, remedy] of expected) {
      expect(lines).toMatch(
        new RegExp(`${finding.source}.*?→[^→]*${remedy.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`, "s"),
      );
    }
    expect(report).toMatchObject({ code: 1, healthy: false });
    expect(report.text).not.toContain("secret-of-proxy");
  });

  test("the remedies fix them", async () => {
    stack.configure({ pythonIndex: "" });
    fs.chmodSync(checkout.backend.PULUMI_CONFIG_PASSPHRASE_FILE, 0o600);
    docker("unpause", gateway());
    docker("rm", `${stack.name}-${OTHER.slice(0, 8)}`);
    expect(run("recover")).toMatchObject({ code: 0 });
    expect(run("verify", "--full", "--repair")).toMatchObject({ code: 0 });
    fs.chownSync(data(), 10001, 10001);
    expect(run("prune", "--keep-images")).toMatchObject({ code: 0 });
    await stack.up({ refresh: true });
    const report = doctor();
    expect(wrong(report)).toEqual([]);
    expect(report.code).toBe(0);
  });

  /** The lock of a process of this machine that has ended, as Pulumi writes it. */
  function plantLock(): void {
    const locks = path.join(backendOf(stack.stateDirectory), ".pulumi/locks/organization/archon", stack.name);
    fs.mkdirSync(locks, { recursive: true });
    const holder = { pid: 2 ** 22 + 1, username: "ada", hostname: os.hostname(), timestamp: new Date().toISOString() };
    fs.writeFileSync(path.join(locks, "planted.json"), JSON.stringify(holder));
  }
});

describe("it works and says what it cannot see", () => {
  const hidden = async (file: string, work: () => void): Promise<void> => {
    const full = path.join(checkout.directory, ".archon", file);
    fs.renameSync(full, `${full}.hidden`);
    try {
      work();
    } finally {
      fs.renameSync(`${full}.hidden`, full);
    }
  };

  test("without an engine", () => {
    const report = doctor({ DOCKER_HOST: "unix:///nonexistent/docker.sock" });
    expect(wrong(report)).toEqual([
      expect.stringMatching(/^problem engine: no Docker engine answers at unix:\/\/\/nonexistent.*unset DOCKER_HOST$/s),
      expect.stringMatching(/^skipped host and store: the engine does not answer/),
    ]);
    expect(report.code).toBe(1);
  });

  test("before the set-up", () =>
    hidden("tools.json", () => {
      const report = doctor();
      expect(wrong(report)).toEqual([
        expect.stringMatching(/^problem pulumi: .* → \.\/archon setup$/),
        expect.stringMatching(/^skipped state: .* → \.\/archon setup --stack \S+$/),
      ]);
    }));

  test("without the passphrase", () =>
    hidden("test-passphrase", () => {
      expect(wrong(doctor()).join("\n")).toMatch(/^problem passphrase: .*\.archon\/test-passphrase is missing/m);
    }));

  test("with attributes of the state that are half written", () => {
    const file = path.join(backendOf(stack.stateDirectory), ".pulumi/stacks/archon", `${stack.name}.json.attrs`);
    fs.writeFileSync(file, "");
    expect(wrong(doctor()).join("\n")).toMatch(/^problem attributes: .* → \.\/archon recover/m);
    expect(run("recover").code).toBe(0);
    expect(doctor().code).toBe(0);
  });

  test("without the authorities that the stack names", () => {
    stack.configure({ caBundle: "/nonexistent/ca.pem" });
    const report = doctor();
    stack.configure({ caBundle: "auto" });
    const lines = wrong(report).join("\n");
    expect(lines).toMatch(
      /^problem certificates: \/nonexistent\/ca\.pem .* → .*\.\/archon pulumi config set archon:caBundle/m,
    );
    expect(lines).toMatch(/^skipped sources:/m);
    expect(lines).not.toMatch(/could not be checked|problem (store|content)/);
  });

  test("for a stack that does not exist", () => {
    const { code, stdout } = command(checkout, "doctor", "--stack", "no-such-stack");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^✖ configuration +there is no Pulumi\.no-such-stack\.yaml$/m);
    expect(stdout).toContain("→ ./archon pulumi stack init no-such-stack");
  });

  test("of a stack whose server was removed by hand", async () => {
    docker("rm", "--force", stack.containers("server")[0] ?? "");
    expect(wrong(doctor()).join("\n")).toMatch(
      /^problem containers: the container of \S+ was removed by hand → \.\/archon pulumi up --refresh/m,
    );
    await stack.up({ refresh: true });
    expect(doctor().code).toBe(0);
  });
});
