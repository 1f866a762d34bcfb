import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

// Each test starts a process with a temporary directory of its own, because the tested code removes what it finds there. A
// program takes Docker's place and lists two containers of one stack.

const root = path.resolve(__dirname, "../..");
let scratch: string;
let temporary: string;

beforeEach(() => {
  scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "leftovers-")));
  temporary = path.join(scratch, "tmp");
  fs.mkdirSync(temporary);
  writeDocker(`case "$*" in "ps "*=test-1) echo 0123; echo 4567 ;; esac`);
});
afterEach(() => {
  fs.rmSync(scratch, { recursive: true });
});

/** @param script what it does, after it has written down its arguments */
function writeDocker(script: string): void {
  const text = `#!/bin/sh\necho "$*" >> ${scratch}/docker.log\n${script}\n`;
  fs.mkdirSync(path.join(scratch, "bin"), { recursive: true });
  fs.writeFileSync(path.join(scratch, "bin", "docker"), text, { mode: 0o755 });
}

function dockerCalls(): string[] {
  const log = path.join(scratch, "docker.log");
  return fs.existsSync(log) ? fs.readFileSync(log, "utf8").trim().split("\n") : [];
}

/** Runs the body of a function of `directory` in place of tests. @returns what was printed, also by a failure of it */
function run(body: string): string {
  const script = `
    const { spawn } = require("child_process"), fs = require("fs"), os = require("os");
    require("./lib/typescript.cjs").readTypeScript();
    require("./commands/test/leftovers.ts")
      .withoutLeftovers(async (directory) => { ${body} })
      .then(() => console.log("after", os.tmpdir()), ({ message }) => console.log("failed:", message));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--eval", script], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, PATH: `${path.join(scratch, "bin")}:${process.env["PATH"] ?? ""}`, TMPDIR: temporary },
  });
  return stdout + stderr;
}

/** Makes a checkout with a stack of the tests and one of the project. */
function writeCheckout(directory: string): void {
  fs.mkdirSync(path.join(directory, "checkout"), { recursive: true });
  for (const file of ["Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.test-1.yaml"]) {
    fs.writeFileSync(path.join(directory, "checkout", file), "");
  }
}

test("tests that end by themselves have a directory of their own, which is removed", () => {
  const printed = run("console.log(os.tmpdir() === directory, fs.existsSync(directory));");

  expect(printed).toBe(`true true\nafter ${temporary}\n`);
  expect([fs.readdirSync(temporary), dockerCalls()]).toEqual([[], []]);
});

test("programs and stacks of tests that were interrupted are removed with the directory", () => {
  writeCheckout(path.join(scratch, "copy"));

  const printed = run(`
    fs.cpSync("${scratch}/copy", directory, { recursive: true });
    spawn("sleep", ["600"], { stdio: "ignore" }).once("exit", (code, signal) => { console.log("sleep ended:", signal); });
    throw new Error("interrupted");`);

  expect(printed).toBe("failed: interrupted\nsleep ended: SIGKILL\n");
  expect(fs.readdirSync(temporary)).toEqual([]);
  const filter = "--quiet --filter=label=io.archon.stack=test-1";
  expect(dockerCalls()).toEqual([
    `ps --all ${filter}`,
    "rm --force 0123 4567",
    `network ls ${filter}`,
    `volume ls ${filter}`,
  ]);
});

test("what a run left that was killed is removed by the next one, but nothing of one at the same time", () => {
  const { pid: ended } = spawnSync("true");
  const others = [`archon-tests-${process.pid}-a`, "archon-tests-a", "other"];
  for (const name of [`archon-tests-${ended}-a`, ...others]) {
    writeCheckout(path.join(temporary, name));
  }

  run("");

  expect(fs.readdirSync(temporary).sort()).toEqual(others);
  expect(dockerCalls().filter((call) => call.startsWith("rm"))).toEqual(["rm --force 0123 4567"]);
});

test("what cannot be removed is named, and the reason for which the tests ended stays", () => {
  writeDocker("echo no engine >&2; exit 1");
  writeCheckout(path.join(scratch, "copy"));

  const printed = run(`fs.cpSync("${scratch}/copy", directory, { recursive: true }); throw new Error("interrupted");`);

  expect(printed).toMatch(/^failed: interrupted\n/);
  expect(printed).toMatch(
    /^The tests left something in \S+ that cannot be removed: Command failed: docker ps .*\nno engine$/m,
  );
});
