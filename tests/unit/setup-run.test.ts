import { transformSync } from "@swc/core";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

jest.mock("../../lib/paths", () => {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "run-")));
  return {
    projectRoot: root,
    logDirectory: path.join(root, ".archon", "logs"),
    display: (file: string) => path.relative(root, file),
  };
});

import { projectRoot as scratch } from "../../lib/paths";
import { CommandError, run } from "../../commands/lib/run";

// Real child processes of the shell.

jest.setTimeout(30_000);

afterAll(() => fs.rmSync(scratch, { recursive: true }));

async function failureOf(work: Promise<unknown>): Promise<CommandError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CommandError);
  return error as CommandError;
}

describe("a child process", () => {
  test("gives its stdout back and every line as it comes", async () => {
    const lines: string[] = [];
    const stdout = await run("sh", ["-c", "echo out; echo err >&2; printf 'no end'"], {
      onLine: (line) => lines.push(line),
    });
    expect(stdout).toBe("out\nno end\n");
    expect([...lines].sort()).toEqual(["err", "no end", "out"]);
  });

  test("runs in the checkout, reads what it is given, and nothing otherwise", async () => {
    expect(await run("pwd", [])).toBe(`${scratch}\n`);
    expect(await run("cat", [], { input: "one\ntwo" })).toBe("one\ntwo\n");
    expect(await run("cat", [])).toBe("");
    await run("true", [], { input: "x".repeat(1_000_000) });
  });

  test("has its words in a log, with the command and the time", async () => {
    await run("sh", ["-c", "echo out; echo err >&2"], { log: "words" });
    const log = fs.readFileSync(path.join(scratch, ".archon", "logs", "words.log"), "utf8");
    expect(log).toMatch(/^# \d{4}-\d\d-\d\dT[\d:.]+Z {2}sh -c 'echo out; echo err >&2'\n/);
    expect(log.split("\n").slice(1, 3).sort()).toEqual(["err", "out"]);
  });
});

describe("a child process that fails", () => {
  test("is reported with its command, exit code, last lines and log", async () => {
    const error = await failureOf(
      run("sh", ["-c", "for i in $(seq 20); do echo line $i; done; exit 3"], { log: "failing" }),
    );
    const lines = Array.from({ length: 15 }, (_, index) => `  line ${index + 6}`);
    expect(error.message).toBe(
      [
        "`sh -c 'for i in $(seq 20); do echo line $i; done; exit 3'` failed with exit code 3:",
        ...lines,
        `All of its output: ${path.join(".archon", "logs", "failing.log")}`,
      ].join("\n"),
    );
  });

  test("without a word says so", async () => {
    expect((await failureOf(run("false", []))).message).toBe("`false` failed with exit code 1.");
  });

  test("because there is no such program says so", async () => {
    expect((await failureOf(run("no-such-program", ["x"]))).message).toBe(
      '`no-such-program x` could not be started: no program "no-such-program" on PATH.',
    );
  });

  test("by a signal says which", async () => {
    expect((await failureOf(run("sh", ["-c", "kill -TERM $$"]))).message).toBe(
      "`sh -c 'kill -TERM $$'` was ended by SIGTERM.",
    );
  });

  test("to end in time is killed with its own children", async () => {
    const file = path.join(scratch, "pid");
    const error = await failureOf(run("sh", ["-c", `sleep 60 & echo $! > ${file}; wait`], { timeoutSeconds: 0.5 }));
    expect(error.outcome).toBe("was still running after 0.5 s");
    const state = await waitFor(
      () => processState(fs.readFileSync(file, "utf8").trim()),
      (value) => value === undefined || value === "Z",
    );
    expect(state === undefined || state === "Z").toBe(true);
  });
});

describe("a command that is interrupted", () => {
  const checkout = path.resolve(__dirname, "../..");
  const built = path.join(scratch, "built");

  beforeAll(() => {
    const layers = ["lib", "release", "config", "applications", "components", "commands"];
    const names = layers.flatMap((layer) =>
      fs
        .readdirSync(path.join(checkout, layer), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => path.join(layer, file)),
    );
    for (const name of names) {
      const { code } = transformSync(fs.readFileSync(path.join(checkout, name), "utf8"), {
        jsc: { parser: { syntax: "typescript" }, target: "es2022" },
        module: { type: "commonjs" },
        swcrc: false,
      });
      const file = path.join(built, name.replace(/\.ts$/, ".js"));
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, code);
    }
  });

  /** A command in a process of its own. */
  function start(body: string): {
    output: Promise<string>;
    code: Promise<number | null>;
    interrupt: () => void;
    said: (text: string) => Promise<unknown>;
  } {
    const script = `
      const { main } = require(${JSON.stringify(path.join(built, "commands", "lib", "main.js"))});
      const { run } = require(${JSON.stringify(path.join(built, "commands", "lib", "run.js"))});
      main(async () => { ${body} }, "./archon start");`;
    const child = spawn(process.execPath, ["-e", script], {
      env: { ...process.env, NODE_PATH: path.join(checkout, "node_modules") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    return {
      code,
      output: code.then(() => text),
      interrupt: () => child.kill("SIGINT"),
      said: (part) =>
        waitFor(
          () => text,
          (value) => value.includes(part),
        ),
    };
  }

  test("ends its children, cleans up, says how to continue, and exits as a shell expects", async () => {
    const command =
      start(`try { await run("sh", ["-c", "trap 'echo heard; exit 1' INT; echo ready; while :; do sleep 0.1; done"], { onLine: console.log }); }
      finally { console.log("cleaned up"); }`);
    await command.said("ready");
    command.interrupt();
    expect(await command.code).toBe(130);
    expect(await command.output).toBe(
      "ready\nheard\ncleaned up\n\nStopped. Run `./archon start` again to continue; nothing was left half-finished.\n",
    );
  });

  test("waits for a child that must not be cut short", async () => {
    const command = start(
      `await run("sh", ["-c", "echo ready; sleep 0.5; echo finished"], { onLine: console.log, uninterruptible: true });`,
    );
    await command.said("ready");
    command.interrupt();
    expect(await command.code).toBe(130);
    expect(await command.output).toContain("finished\n\nStopped.");
  });

  test("shows only the message of an error that users can fix, and the stack of any other", async () => {
    const fixable = start(`await run("no-such-program", []);`);
    expect(await fixable.code).toBe(1);
    expect(await fixable.output).toBe(
      '\n`no-such-program` could not be started: no program "no-such-program" on PATH.\n',
    );
    const ours = start(`throw new Error("a bug");`);
    expect(await ours.code).toBe(1);
    expect(await ours.output).toMatch(/Error: a bug\n\s+at /);
  });
});

function processState(pid: string): string | undefined {
  const file = `/proc/${pid}/stat`;
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").split(") ")[1]?.[0] : undefined;
}

async function waitFor<T>(value: () => T, good: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 10_000;
  while (!good(value()) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return value();
}
