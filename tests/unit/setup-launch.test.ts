import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { groups } from "../../commands/lib/command-list";

// The real launcher in a checkout of two files, with a script in place of npm. That `npm ci` installs, npm itself has
// to show.

jest.setTimeout(30_000);

const root = path.resolve(__dirname, "../..");
let checkout: string;

beforeEach(() => {
  checkout = fs.mkdtempSync(path.join(os.tmpdir(), "launch-"));
  fs.mkdirSync(path.join(checkout, "commands"));
  fs.mkdirSync(path.join(checkout, "bin"));
  fs.mkdirSync(path.join(checkout, "lib"));
  for (const file of ["commands/launch.cjs", "lib/package-cache.cjs", "lib/typescript.cjs"]) {
    fs.copyFileSync(path.join(root, file), path.join(checkout, file));
  }
  fs.writeFileSync(path.join(checkout, "package-lock.json"), "{}");
  fs.mkdirSync(path.join(checkout, "commands", "lib"));
  fs.writeFileSync(path.join(checkout, "commands", "greet.ts"), greeting("hello"));
  // Stands in for the command line, which the tests of it start for real.
  fs.writeFileSync(
    path.join(checkout, "commands", "lib", "archon.ts"),
    'const command: string = process.argv.splice(2, 1)[0] ?? "greet";\nrequire(`../${command}`);\n',
  );
  writeNpm(`mkdir -p node_modules; ln -s ${path.join(root, "node_modules", "typescript")} node_modules/typescript`);
});

afterEach(() => fs.rmSync(checkout, { recursive: true }));

function greeting(word: string): string {
  return `const args: string[] = process.argv.slice(2);\nconsole.log("${word}", ...args);\nprocess.exitCode = args.length;\n`;
}

/** npm in the words of a shell; like the real `npm ci` it starts by removing what is there. */
function writeNpm(install: string): void {
  const file = path.join(checkout, "bin", "npm");
  fs.writeFileSync(file, `#!/bin/sh\necho "npm $*" >> calls\necho words of npm\nrm -rf node_modules\n${install}\n`, {
    mode: 0o755,
  });
}

function launch(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [path.join(checkout, "commands", "launch.cjs"), ...args], {
    encoding: "utf8",
    env: { PATH: `${path.join(checkout, "bin")}:/usr/bin:/bin` },
  });
}

function calls(): string[] {
  const file = path.join(checkout, "calls");
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim().split("\n") : [];
}

test("a command runs with its arguments and exit code, and stdout is its own", () => {
  const { status, stdout, stderr } = launch("greet", "one", "--two");
  expect(stdout).toBe("hello one --two\n");
  expect(status).toBe(2);
  expect(stderr).toMatch(
    /^Installing the npm packages that package-lock.json names, into node_modules \(npm ci\) …\nwords of npm\nInstalled in [\d.]+ s\.\n$/,
  );
});

test("packages are installed once, and again when the lock file changes", () => {
  launch("greet");
  expect(launch("greet").stderr).toBe("");
  expect(calls()).toEqual(["npm ci --no-audit --no-fund"]);
  const hash = createHash("sha256").update("{}").digest("hex");
  expect(fs.readFileSync(path.join(checkout, "node_modules", ".archon-lock"), "utf8")).toBe(
    `${hash} node${process.versions.node.split(".")[0]}\n`,
  );

  fs.writeFileSync(path.join(checkout, "package-lock.json"), '{"changed": true}');
  launch("greet");
  expect(calls()).toHaveLength(2);
});

test("an installation that was interrupted or failed is done again", () => {
  writeNpm("mkdir node_modules; kill -INT $$");
  expect(launch("greet")).toMatchObject({
    status: 130,
    stdout: "",
    stderr: expect.stringContaining("Stopped while installing. Run the command again to continue.") as string,
  });
  writeNpm("mkdir node_modules; exit 7");
  expect(launch("greet")).toMatchObject({
    status: 1,
    stdout: "",
    stderr: expect.stringContaining("`npm ci` failed with exit code 7; the reason is above.") as string,
  });
  writeNpm(`mkdir -p node_modules; ln -s ${path.join(root, "node_modules", "typescript")} node_modules/typescript`);
  expect(launch("greet").stdout).toBe("hello\n");
  expect(calls()).toHaveLength(3);
});

test("a changed command is compiled anew, a known one without the compiler", () => {
  launch("greet");
  fs.rmSync(path.join(checkout, "node_modules", "typescript"));
  expect(launch("greet").stdout).toBe("hello\n");
  expect(launch("greet").stderr).toBe("");

  fs.symlinkSync(path.join(root, "node_modules", "typescript"), path.join(checkout, "node_modules", "typescript"));
  fs.writeFileSync(path.join(checkout, "commands", "greet.ts"), greeting("good morning"));
  expect(launch("greet").stdout).toBe("good morning\n");
});

test("an unknown command is answered with the known ones, before anything is installed", () => {
  expect(launch("gret")).toMatchObject({
    status: 2,
    stdout: "",
    stderr: 'There is no command "gret". The commands are:\n  ./archon greet\n',
  });
  expect(calls()).toEqual([]);
});

test("a Node.js that is too old is reported with its path, before anything else", () => {
  const preload = path.join(checkout, "old.cjs");
  fs.writeFileSync(
    preload,
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.4" } });',
  );
  const result = spawnSync(
    process.execPath,
    ["--require", preload, path.join(checkout, "commands", "launch.cjs"), "greet"],
    { encoding: "utf8" },
  );
  expect(result).toMatchObject({
    status: 1,
    stdout: "",
    stderr: `Node.js 20 or newer is needed; this is 18.20.4 (${process.execPath}).\nInstall a newer one and run the command again.\n`,
  });
  expect(calls()).toEqual([]);
});

test("a missing lock file is reported with the remedy", () => {
  fs.rmSync(path.join(checkout, "package-lock.json"));
  expect(launch("greet")).toMatchObject({
    status: 1,
    stderr:
      "package-lock.json is missing; it belongs to the checkout. Get it back with `git restore package-lock.json`.\n",
  });
});

test("every script of package.json that starts a command starts one that exists", () => {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const launched = Object.values(scripts).flatMap(
    (script) => /^node commands\/launch\.cjs (\S+)/.exec(script)?.[1] ?? [],
  );
  const missing = launched.filter((name) => !fs.existsSync(path.join(root, "commands", `${name}.ts`)));
  expect(missing).toEqual([]);
});

test("every command has its file, and every file is a command", () => {
  const files = fs.readdirSync(path.join(root, "commands")).filter((name) => name.endsWith(".ts"));
  const listed = groups.flatMap(({ commands }) => commands.map(({ name }) => `${name}.ts`));
  expect(files.sort()).toEqual(listed.sort());
});
