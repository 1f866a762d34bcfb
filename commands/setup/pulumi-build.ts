import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { UserError } from "../../lib/errors";
import type { Progress } from "../lib/progress";
import type { PulumiTools } from "../lib/pulumi-tools";
import { duration } from "../lib/render";
import { CommandError, run } from "../lib/run";
import { atLeast } from "../lib/version";
import { compile, goEnvironment, type Binary, type Report } from "./pulumi-compile";
import { platform, pulumiVersion, toolchainSources, type Plugin } from "./pulumi-pins";
import { findPublished, installPlugins, publish } from "./pulumi-tools";

const cliPackage = "github.com/pulumi/pulumi";

export const binaries: readonly Binary[] = [
  {
    name: "pulumi",
    module: "cli",
    package: `${cliPackage}/pkg/v3/cmd/pulumi`,
    flags: ["-ldflags", `-s -w -X ${cliPackage}/sdk/v3/go/common/version.Version=v${pulumiVersion}`],
    seconds: 300,
  },
  {
    name: "pulumi-language-nodejs",
    module: "language-nodejs",
    package: `${cliPackage}/sdk/v3/nodejs/cmd/pulumi-language-nodejs`,
    flags: ["-ldflags", "-s -w"],
    seconds: 20,
  },
  // no_compose leaves out the docker_compose resource, which @pulumi/docker does not have, and 183 packages with it.
  {
    name: "pulumi-resource-docker",
    module: "docker",
    package: ".",
    flags: ["-ldflags", "-s -w", "-tags", "no_compose"],
    seconds: 125,
  },
  { name: "pulumi-resource-random", module: "random", package: ".", flags: ["-ldflags", "-s -w"], seconds: 105 },
  { name: "pulumi-resource-command", module: "command", package: ".", flags: ["-ldflags", "-s -w"], seconds: 40 },
];

const buildSeconds = binaries.reduce((sum, { seconds }) => sum + seconds, 0);

/** A complete build of these sources, made with any release of Go. Needs no Go on PATH. */
export function findBuiltTools(root: string, sources = toolchainSources): PulumiTools | undefined {
  const prefix = directoryPrefix(sources);
  const names = fs.existsSync(root) ? fs.readdirSync(root) : [];
  for (const name of names.filter((candidate) => candidate.startsWith(prefix) && !candidate.endsWith(".partial"))) {
    const tools = findPublished(path.join(root, name), "built");
    if (tools !== undefined) {
      return tools;
    }
  }
  return undefined;
}

/** Builds every tool from Go modules. A finished executable is kept, however the build ends. */
export async function buildTools(root: string, progress: Progress, sources = toolchainSources): Promise<PulumiTools> {
  const go = await requireGo(sources);
  const directory = path.join(root, `${directoryPrefix(sources)}${go}`);
  const staging = `${directory}.partial`;
  progress.message(
    `Building Pulumi ${pulumiVersion} and its plugins from Go modules with ${go}. The first time this takes about ` +
      `${Math.round(buildSeconds / 60)} minutes on 2 cores and 7 GB in Go's caches; the result is kept in ${directory}`,
  );
  let before = 0;
  for (const binary of binaries) {
    const done = before;
    const report: Report = (share, detail) => {
      progress.update(done + binary.seconds * share, buildSeconds, `${binary.name}: ${detail}`);
    };
    const start = performance.now();
    if (await buildOnce(binary, staging, path.join(sources, binary.module), report)) {
      progress.message(`${binary.name} built in ${duration(performance.now() - start)}`);
    }
    before += binary.seconds;
  }
  const bin = path.join(staging, "bin");
  const executable = ({ name }: Plugin): string => path.join(bin, `pulumi-resource-${name}`);
  await installPlugins(path.join(bin, "pulumi"), path.join(staging, "home"), progress, executable);
  // The home has copies of the plugins.
  const kept = ["pulumi", "pulumi-language-nodejs"];
  fs.readdirSync(bin)
    .filter((name) => !kept.includes(name))
    .forEach((name) => fs.rmSync(path.join(bin, name)));
  return publish(staging, directory, pulumiVersion, "built");
}

/** Builds one executable. @returns false when it was built before */
async function buildOnce(binary: Binary, staging: string, source: string, report: Report): Promise<boolean> {
  const file = path.join(staging, "bin", binary.name);
  if (fs.existsSync(file)) {
    report(1, "built before");
    return false;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  // The name contains this process: a `go build` that outlived a killed set-up may still be writing to another one.
  const partial = `${file}.${process.pid}.partial`;
  await compile(binary, source, partial, report);
  fs.renameSync(partial, file);
  return true;
}

/** The release of Go that builds these sources, such as `go1.26.8`. */
async function requireGo(sources: string): Promise<string> {
  const needed = binaries
    .map(({ module }) => /^go (\S+)$/m.exec(fs.readFileSync(path.join(sources, module, "go.mod"), "utf8"))?.[1] ?? "0")
    .reduce((newest, version) => (atLeast(version, newest) ? version : newest));
  const remedy = `install Go ${needed} or newer from https://go.dev/dl/ and put it on PATH`;
  const found = await goVersion(path.join(sources, "cli"), remedy);
  if (!atLeast(found.replace(/^go/, ""), needed)) {
    throw new UserError(`the \`go\` on PATH is ${found}, which is too old: ${remedy}.`);
  }
  return found;
}

/**
 * The release of Go that builds a module. Go is asked inside the module, because since 1.21 it may download the newer
 * release that a go.mod requires.
 */
async function goVersion(module: string, remedy: string): Promise<string> {
  try {
    return (
      await run("go", ["env", "GOVERSION"], { cwd: module, environment: goEnvironment(), timeoutSeconds: 300 })
    ).trim();
  } catch (error) {
    throw error instanceof CommandError ? new UserError(`${error.message}\nTo build it, ${remedy}.`) : error;
  }
}

/**
 * Beginning of the directory's name: a hash of the platform, the recipe and the source files. Tests and documents do not
 * count, because they change no executable.
 */
function directoryPrefix(sources: string): string {
  const recipe = binaries.map(({ name, module, package: what, flags }) => [name, module, what, flags]);
  const hash = createHash("sha256").update(JSON.stringify([platform, recipe]));
  for (const module of binaries.map((binary) => binary.module).sort()) {
    for (const file of sourceFiles(path.join(sources, module)).sort()) {
      hash.update(JSON.stringify([module, file])).update(fs.readFileSync(path.join(sources, module, file)));
    }
  }
  return `${hash.digest("hex").slice(0, 12)}-${platform}-`;
}

function sourceFiles(directory: string): string[] {
  const files = fs.readdirSync(directory, { recursive: true, encoding: "utf8" });
  return files.filter((file) => /(^|\/)go\.(mod|sum)$|\.go$/.test(file) && !file.endsWith("_test.go"));
}
