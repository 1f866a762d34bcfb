import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { toolsEnvironment, type PulumiTools } from "../../commands/lib/pulumi-tools";
import { ensurePulumi } from "../../commands/setup/pulumi";
import { binaries, buildTools, findBuiltTools } from "../../commands/setup/pulumi-build";
import {
  minimumPulumiVersion,
  platform,
  plugins,
  pulumiVersion,
  toolchainSources,
} from "../../commands/setup/pulumi-pins";
import type { Progress } from "../../commands/lib/progress";

// Shell scripts stand in for pulumi and go, and a loopback server for Pulumi's download site. What this does not prove:
// that the real modules compile and that the real archive looks like the one made here.

const programs = ["sh", "tar", "gzip", "cp", "mkdir"];
const archiveName = `pulumi-v${pulumiVersion}-${platform}.tar.gz`;
const checksumsName = `pulumi-${pulumiVersion}-checksums.txt`;

let scratch: string;
let cache: string;
let bin: string;
let calls: string;
let messages: string[];
let progress: Progress;
const savedEnvironment = { ...process.env };

beforeEach(() => {
  scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "pulumi-tools-")));
  cache = path.join(scratch, "cache");
  bin = path.join(scratch, "bin");
  calls = path.join(scratch, "calls");
  fs.mkdirSync(bin);
  for (const program of programs) {
    fs.symlinkSync(
      execFileSync("/bin/sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim(),
      path.join(bin, program),
    );
  }
  messages = [];
  progress = { message: (line) => messages.push(line), update: () => undefined };
  process.env.PATH = bin;
  process.env.HOME = scratch;
  process.env.CALLS = calls;
  delete process.env.PULUMI_HOME;
  process.env.ARCHON_PULUMI_DOWNLOAD_URL = "http://127.0.0.1:9";
});

afterEach(() => {
  process.env = { ...savedEnvironment };
  fs.rmSync(scratch, { recursive: true });
});

/** Every call of a fake program so far, such as `pulumi version`. */
function recordedCalls(): string[] {
  return fs.existsSync(calls) ? fs.readFileSync(calls, "utf8").trim().split("\n") : [];
}

function writeScript(file: string, body: string): void {
  fs.writeFileSync(file, `#!/bin/sh\necho "\${0##*/} $*" >> "$CALLS"\n${body}\n`, { mode: 0o755 });
}

/** A CLI that "installs" plugins as the real one does: into PULUMI_HOME. */
function writePulumi(
  directory: string,
  version = pulumiVersion,
  options: { install?: "works" | "fails"; host?: boolean } = {},
): void {
  fs.mkdirSync(directory, { recursive: true });
  const install =
    options.install === "fails"
      ? 'echo "error: could not download plugin" >&2; exit 1'
      : 'd="$PULUMI_HOME/plugins/resource-$4-v$5"; mkdir -p "$d"; : > "$d/pulumi-resource-$4"';
  writeScript(path.join(directory, "pulumi"), `case "$1" in version) echo v${version};; plugin) ${install};; esac`);
  if (options.host !== false) {
    writeScript(path.join(directory, "pulumi-language-nodejs"), "");
  }
}

/** A fake `go` that "builds" copies of the fake CLI, except for the executable that is named as broken. */
function writeGo(options: { version?: string; broken?: string } = {}): void {
  const product = path.join(scratch, "product");
  writePulumi(product);
  writeScript(
    path.join(bin, "go"),
    [
      `case "$1" in`,
      `env) echo ${options.version ?? "go1.26.0"};;`,
      `list) echo "go: downloading example.org/a v1.0.0" >&2; echo fmt; echo main;;`,
      `build) while [ $# -gt 1 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done`,
      `  case "$out" in */${options.broken ?? "none"}.*.partial) echo "no space left on device" >&2; exit 1;; esac`,
      `  echo fmt >&2; cp ${product}/pulumi "$out";;`,
      `esac`,
    ].join("\n"),
  );
}

function installedPlugins(home: string): string[] {
  return fs.readdirSync(path.join(home, "plugins")).sort();
}

const everyPlugin = plugins.map(({ name, version }) => `resource-${name}-v${version}`).sort();

describe("Pulumi on PATH", () => {
  it("is used with the user's own home when that holds every plugin, and is not asked twice", async () => {
    writePulumi(bin, "3.250.1");
    const home = path.join(scratch, ".pulumi");
    for (const { name, version } of plugins) {
      const directory = path.join(home, "plugins", `resource-${name}-v${version}`);
      fs.mkdirSync(directory, { recursive: true });
      fs.writeFileSync(path.join(directory, `pulumi-resource-${name}`), "");
    }

    const first = await ensurePulumi(cache, progress);
    expect(first).toEqual({ home, binDirectory: undefined, version: "3.250.1", origin: "path" });
    expect(recordedCalls()).toEqual(["pulumi version"]);

    expect(await ensurePulumi(cache, progress)).toEqual(first);
    expect(recordedCalls()).toEqual(["pulumi version"]);
  });

  it("gets a home of ours when plugins are missing", async () => {
    writePulumi(bin);
    const tools = await ensurePulumi(cache, progress);
    expect(tools.origin).toBe("path");
    expect(path.relative(cache, tools.home)).toMatch(/^toolchain\/path-[0-9a-f]{12}\/home$/);
    expect(installedPlugins(tools.home)).toEqual(everyPlugin);
    expect(recordedCalls()).toContain("pulumi plugin install resource docker 5.2.0");
  });

  it("is looked at anew after an upgrade", async () => {
    writePulumi(bin, "3.250.0");
    await ensurePulumi(cache, progress);
    writePulumi(bin, "3.260.0-beta.1");
    fs.utimesSync(path.join(bin, "pulumi"), 1_000_000, 1_000_000);
    expect((await ensurePulumi(cache, progress)).version).toBe("3.260.0-beta.1");
  });

  it.each([
    ["is too old", () => writePulumi(bin, "3.247.9"), `is version 3.247.9; at least ${minimumPulumiVersion} is needed`],
    [
      "has no language host",
      () => writePulumi(bin, pulumiVersion, { host: false }),
      "comes without `pulumi-language-nodejs`",
    ],
    [
      "cannot get its plugins",
      () => writePulumi(bin, pulumiVersion, { install: "fails" }),
      "could not download plugin",
    ],
  ])("is passed over when it %s", async (_case, prepare, reason) => {
    prepare();
    writeGo();
    expect((await ensurePulumi(cache, progress)).origin).toBe("built");
    expect(messages.join("\n")).toContain("Pulumi on PATH: ");
    expect(messages.join("\n")).toContain(reason);
  });
});

describe("Pulumi's own download", () => {
  let server: http.Server;
  let files: Map<string, Buffer>;
  let requests: string[];

  beforeEach(async () => {
    files = new Map();
    requests = [];
    server = http.createServer((request, response) => {
      const name = (request.url ?? "").replace(/^\/mirror\//, "");
      requests.push(name);
      const body = files.get(name);
      response.writeHead(body === undefined ? 404 : 200).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    process.env.ARCHON_PULUMI_DOWNLOAD_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mirror/`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  function publishRelease(options: { version?: string; install?: "works" | "fails"; checksum?: string } = {}): void {
    const release = path.join(scratch, "release");
    writePulumi(path.join(release, "pulumi"), options.version, options.install ? { install: options.install } : {});
    const archive = execFileSync("tar", ["-czf", "-", "-C", release, "pulumi"]);
    const checksum = options.checksum ?? createHash("sha256").update(archive).digest("hex");
    files.set(archiveName, archive);
    files.set(
      checksumsName,
      Buffer.from(`${"0".repeat(64)}  pulumi-v${pulumiVersion}-plan9-mips.tar.gz\n${checksum}  ${archiveName}\n`),
    );
  }

  function expectNothingDownloaded(): void {
    const names = fs.readdirSync(path.join(cache, "toolchain"));
    expect(names.filter((name) => name.startsWith("download-") && !name.endsWith(".partial"))).toEqual([]);
  }

  it("is used with plugins of its own, and not fetched twice", async () => {
    publishRelease();
    const first = await ensurePulumi(cache, progress);
    expect(first.origin).toBe("download");
    expect(first.version).toBe(pulumiVersion);
    expect(fs.readdirSync(first.binDirectory ?? "").sort()).toEqual(["pulumi", "pulumi-language-nodejs"]);
    expect(installedPlugins(first.home)).toEqual(everyPlugin);
    expect(recordedCalls()).toEqual([
      "pulumi version",
      ...plugins.map(({ name, version }) => `pulumi plugin install resource ${name} ${version}`),
    ]);

    expect(await ensurePulumi(cache, progress)).toEqual(first);
    expect(requests).toEqual([checksumsName, archiveName]);
  });

  it("is refused when its checksum is wrong, without having run", async () => {
    publishRelease({ checksum: "f".repeat(64) });
    writeGo();
    const tools = await ensurePulumi(cache, progress);
    expect(tools.origin).toBe("built");
    expect(messages.join("\n")).toMatch(/was refused: its SHA-256 is [0-9a-f]{64}, but the published one is f{64}\./);
    expect(recordedCalls()).not.toContain("pulumi version");
    expectNothingDownloaded();
  });

  it.each([
    ["has no checksum", () => files.set(checksumsName, Buffer.from("nothing\n")), `has no SHA-256 of ${archiveName}`],
    ["is not there", () => files.delete(checksumsName), `${checksumsName} answers 404 Not Found.`],
    ["lacks the archive", () => files.delete(archiveName), `${archiveName} answers 404 Not Found.`],
    ["holds another release", () => publishRelease({ version: "3.258.0" }), "the archive holds Pulumi v3.258.0"],
  ])("is passed over when it %s", async (_case, prepare, reason) => {
    publishRelease();
    prepare();
    writeGo();
    expect((await ensurePulumi(cache, progress)).origin).toBe("built");
    expect(messages.join("\n")).toContain(reason);
    expectNothingDownloaded();
  });

  it("is passed over at once when nothing listens", async () => {
    process.env.ARCHON_PULUMI_DOWNLOAD_URL = "http://127.0.0.1:9";
    writeGo();
    await ensurePulumi(cache, progress);
    expect(messages.join("\n")).toMatch(/Pulumi's own download: http:\/\/127\.0\.0\.1:9\/\S+ is out of reach: .+\./);
  });

  it("keeps the archive when only the plugins failed", async () => {
    publishRelease({ install: "fails" });
    await expect(ensurePulumi(cache, progress)).rejects.toThrow("could not download plugin");
    expectNothingDownloaded();

    const [staging] = fs.readdirSync(path.join(cache, "toolchain")).filter((name) => name.endsWith(".partial"));
    writePulumi(path.join(cache, "toolchain", staging ?? "", "bin"));
    requests.length = 0;
    expect((await ensurePulumi(cache, progress)).origin).toBe("download");
    expect(requests).toEqual([checksumsName]);
  });
});

describe("building from source", () => {
  it("builds every executable, gives the plugins to Pulumi, and does nothing the second time", async () => {
    writeGo();
    const shares: number[] = [];
    const first = await ensurePulumi(cache, {
      ...progress,
      update: (done, total) => total > 0 && shares.push(done / total),
    });
    expect(first.origin).toBe("built");
    expect(path.relative(cache, first.home)).toMatch(
      new RegExp(`^toolchain/[0-9a-f]{12}-${platform}-go1\\.26\\.0/home$`),
    );
    expect(fs.readdirSync(first.binDirectory ?? "").sort()).toEqual(["pulumi", "pulumi-language-nodejs"]);
    expect(installedPlugins(first.home)).toEqual(everyPlugin);

    const made = recordedCalls();
    expect(made.filter((call) => call.startsWith("go build"))).toHaveLength(binaries.length);
    expect(made.filter((call) => /^pulumi plugin install resource \S+ \S+ --file \S+$/.test(call))).toHaveLength(
      plugins.length,
    );
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
    expect(messages.join("\n")).toMatch(/first time this takes about \d+ minutes on 2 cores/);

    const start = performance.now();
    expect(await ensurePulumi(cache, progress)).toEqual(first);
    expect(performance.now() - start).toBeLessThan(500);
    expect(recordedCalls()).toEqual(made);
  });

  it("says why every way failed, and continues where it stopped", async () => {
    writeGo({ broken: "pulumi-resource-random" });
    const failure = await ensurePulumi(cache, progress).then(
      () => "",
      (error: Error) => error.message,
    );
    expect(failure).toContain("Pulumi on PATH: there is no program `pulumi` on PATH.");
    expect(failure).toContain("Pulumi's own download: http://127.0.0.1:9/");
    expect(failure).toContain("no space left on device");
    expect(failure).toContain("run this command again; finished work is kept");

    fs.rmSync(calls);
    writeGo();
    await ensurePulumi(cache, progress);
    const built = recordedCalls().flatMap((call) => /^go build .* -o \S+\/(\S+)\.\d+\.partial /.exec(call)?.[1] ?? []);
    expect(built).toEqual(["pulumi-resource-random", "pulumi-resource-command"]);
  });

  it.each([
    ["missing", () => undefined, 'no program "go" on PATH'],
    ["too old", () => writeGo({ version: "go1.24.9" }), "the `go` on PATH is go1.24.9, which is too old"],
  ])("says what to install when Go is %s", async (_case, prepare, reason) => {
    prepare();
    const failure = ensurePulumi(cache, progress);
    await expect(failure).rejects.toThrow(reason);
    await expect(failure).rejects.toThrow(
      /install Go 1\.25\.\d+ or newer from https:\/\/go\.dev\/dl\/ and put it on PATH/,
    );
  });

  it("knows its result by the sources and the platform, not by tests or the release of Go", async () => {
    const sources = path.join(scratch, "sources");
    fs.cpSync(toolchainSources, sources, { recursive: true });
    const root = path.join(cache, "toolchain");
    writeGo();
    const built = await buildTools(root, progress, sources);

    fs.writeFileSync(path.join(sources, "command", "another_test.go"), "package main\n");
    fs.rmSync(path.join(bin, "go"));
    expect(findBuiltTools(root, sources)).toEqual(built);

    fs.appendFileSync(path.join(sources, "docker", "shim", "shim.go"), "\n");
    expect(findBuiltTools(root, sources)).toBeUndefined();
  });
});

describe("two set-ups at once", () => {
  it("do the work once", async () => {
    writeGo();
    const [first, second] = await Promise.all([ensurePulumi(cache, progress), ensurePulumi(cache, progress)]);
    expect(second).toEqual(first);
    expect(recordedCalls().filter((call) => call.startsWith("go build"))).toHaveLength(binaries.length);
    expect(messages.filter((line) => line.startsWith("Waiting for another set-up"))).toHaveLength(1);
    expect(fs.existsSync(path.join(cache, "toolchain", "lock"))).toBe(false);
  });

  it("do not wait for one that was killed", async () => {
    writeGo();
    const lock = path.join(cache, "toolchain", "lock");
    fs.mkdirSync(path.dirname(lock), { recursive: true });
    const dead = Number(execFileSync("/bin/sh", ["-c", "echo $$"], { encoding: "utf8" }));
    fs.writeFileSync(lock, JSON.stringify({ host: os.hostname(), pid: dead }));
    expect((await ensurePulumi(cache, progress)).origin).toBe("built");
  });
});

describe("versions", () => {
  const read = (...segments: string[]): string => fs.readFileSync(path.join(toolchainSources, ...segments), "utf8");

  it("are the same in the pins, the sources and package.json", () => {
    expect(read("cli", "go.mod")).toContain(`github.com/pulumi/pulumi/pkg/v3 v${pulumiVersion}`);
    for (const { name, version } of plugins) {
      expect(read(name, "main.go")).toMatch(
        new RegExp(`^\\s*(const )?version\\s+= "${version.replaceAll(".", "\\.")}"$`, "m"),
      );
    }
    const { dependencies } = JSON.parse(fs.readFileSync(path.join(toolchainSources, "..", "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    expect(dependencies["@pulumi/pulumi"]).toBe(minimumPulumiVersion);
    for (const { name, version } of plugins) {
      expect(dependencies[`@pulumi/${name}`]).toBe(version);
    }
  });
});

describe("toolsEnvironment", () => {
  const tools: PulumiTools = { home: "/c/home", binDirectory: "/c/bin", version: pulumiVersion, origin: "path" };

  it("puts the tools before PATH and keeps Pulumi from fetching anything", () => {
    expect(toolsEnvironment(tools, { PATH: "/usr/bin", OTHER: "1" })).toEqual({
      OTHER: "1",
      PATH: "/c/bin:/usr/bin",
      PULUMI_HOME: "/c/home",
      PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_SKIP_UPDATE_CHECK: "true",
    });
  });

  it("starts the program by way of toolchain/run-program.cjs with the language host that is built here", () => {
    const environment = toolsEnvironment({ ...tools, origin: "built" }, {});
    expect(fs.existsSync(environment.PULUMI_LANGUAGE_NODEJS_RUN_PATH ?? "")).toBe(true);
  });

  it("leaves PATH alone when the CLI is found there", () => {
    expect(toolsEnvironment({ ...tools, binDirectory: undefined }, { PATH: "/usr/bin" }).PATH).toBe("/usr/bin");
  });
});
